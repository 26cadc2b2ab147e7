// One privileged or odd instruction per child, with and without a handler for what it raises:
// the signal, its code and (where the CPU tells one) the offending address are the host's.
// While they run, another process keeps working.
#include "check.h"
#include <setjmp.h>

#define INSN(name, ...)                                                                            \
	static void do_##name(void)                                                                \
	{                                                                                          \
		__asm__ volatile(__VA_ARGS__);                                                     \
	}

INSN(hlt, "hlt")
INSN(in, "inb $0x60, %%al" ::: "rax")
INSN(in_dx, "mov $0x3f8, %%edx\n\tinl %%dx, %%eax" ::: "rax", "rdx")
INSN(in_doorbell, "inb $0x22, %%al" ::: "rax")
INSN(in_doorbell_exception, "inb $0x23, %%al" ::: "rax")
INSN(in_doorbell_wide, "inl $0x22, %%eax" ::: "rax")
INSN(ins, "mov $0x60, %%edx\n\tlea -64(%%rsp), %%rdi\n\tinsb" ::: "rdx", "rdi", "memory")
INSN(ins_doorbell, "mov $0x22, %%edx\n\tlea -64(%%rsp), %%rdi\n\tinsb" ::: "rdx", "rdi", "memory")
INSN(rep_ins_doorbell, "mov $0x22, %%edx\n\tlea -64(%%rsp), %%rdi\n\tmov $8, %%ecx\n\trep insb" ::
	     : "rdx", "rdi", "rcx", "memory")
INSN(out, "outb %%al, $0x80" ::: "rax")
INSN(out_exception, "outb %%al, $0x23" ::: "rax")
INSN(out_probe, "outb %%al, $0x24" ::: "rax")
INSN(out_doorbell_wide, "outl %%eax, $0x22" ::: "rax")
INSN(outs, "mov $0x80, %%edx\n\tlea -64(%%rsp), %%rsi\n\toutsb" ::: "rdx", "rsi")
INSN(cli, "cli")
INSN(sti, "sti")
INSN(mov_cr0, "mov %%cr0, %%rax" ::: "rax")
INSN(mov_to_cr3, "xor %%eax, %%eax\n\tmov %%rax, %%cr3" ::: "rax")
INSN(mov_to_cr4, "xor %%eax, %%eax\n\tmov %%rax, %%cr4" ::: "rax")
INSN(mov_dr, "xor %%eax, %%eax\n\tmov %%rax, %%dr7" ::: "rax")
INSN(lgdt, "lgdt -64(%%rsp)" ::: "memory")
INSN(lidt, "lidt -64(%%rsp)" ::: "memory")
INSN(lldt, "xor %%eax, %%eax\n\tlldt %%ax" ::: "rax")
INSN(ltr, "xor %%eax, %%eax\n\tltr %%ax" ::: "rax")
INSN(lmsw, "xor %%eax, %%eax\n\tlmsw %%ax" ::: "rax")
INSN(clts, "clts")
INSN(wrmsr, "mov $0xc0000082, %%ecx\n\txor %%eax, %%eax\n\txor %%edx, %%edx\n\twrmsr" ::
	     : "rax", "rcx", "rdx")
INSN(rdmsr, "mov $0xc0000082, %%ecx\n\trdmsr" ::: "rax", "rcx", "rdx")
INSN(invlpg, "invlpg (%%rsp)" ::)
INSN(invd, "invd")
INSN(wbinvd, "wbinvd")
INSN(swapgs, "swapgs")
INSN(sysret, "sysretq" ::: "rcx", "r11")
INSN(xsetbv, "xor %%ecx, %%ecx\n\txor %%eax, %%eax\n\txor %%edx, %%edx\n\txsetbv" ::
	     : "rax", "rcx", "rdx")
INSN(ud2, "ud2")
INSN(int3, "int3")
INSN(int1, ".byte 0xf1")
INSN(int_13, "int $13")
INSN(int_14, "int $14")
INSN(int_8, "int $8")
INSN(int_32, "int $32")
INSN(int_255, "int $255")
INSN(int_4, "int $4")
INSN(div0, "xor %%ecx, %%ecx\n\tmov $1, %%eax\n\tcltd\n\tidiv %%ecx" ::: "rax", "rcx", "rdx")
INSN(div_overflow, "mov $-1, %%ecx\n\tmov $0x80000000, %%eax\n\tcltd\n\tidiv %%ecx" ::
	     : "rax", "rcx", "rdx")
INSN(x87_fault, "fninit\n\tmovw $0x37b, -8(%%rsp)\n\tfldcw -8(%%rsp)\n\tfld1\n\tfldz\n\tfdivrp\n\t"
		"fwait" ::
	     : "memory")
INSN(sse_fault, "movl $0x1d80, -8(%%rsp)\n\tldmxcsr -8(%%rsp)\n\tcvtsi2ss %%esp, %%xmm0\n\t"
		"pxor %%xmm1, %%xmm1\n\tdivss %%xmm1, %%xmm0" ::
	     : "memory", "xmm0", "xmm1")
INSN(movaps_misaligned, "movaps -7(%%rsp), %%xmm0" ::: "xmm0")
INSN(noncanonical_load, "mov $0x0000900000000000, %%rax\n\tmov (%%rax), %%rax" ::: "rax")
INSN(kernel_load, "mov $0xffffffff80001000, %%rax\n\tmov (%%rax), %%rax" ::: "rax")
INSN(kernel_store, "mov $0xffffffff80003000, %%rax\n\tmovb $0, (%%rax)" ::: "rax")
INSN(gdt_load, "mov $0xffffffff80100000, %%rax\n\tmov (%%rax), %%rax" ::: "rax")
INSN(load_bad_ds, "mov $0x1234, %%eax\n\tmov %%eax, %%ds" ::: "rax")
INSN(load_kernel_ss, "mov $0x18, %%eax\n\tmov %%eax, %%ss" ::: "rax")
INSN(load_tss_fs, "mov $0x40, %%eax\n\tmov %%eax, %%fs" ::: "rax")
INSN(single_step, "pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop" ::: "memory", "cc")
INSN(popf_iopl, "pushfq\n\torl $0x3000, (%%rsp)\n\tpopfq\n\tcli" ::: "memory", "cc")

#define ROW(name)                                                                                  \
	{                                                                                          \
#name, do_##name                                                                   \
	}

static const struct {
	const char *name;
	void (*run)(void);
} rows[] = {
	ROW(hlt),
	ROW(in),
	ROW(in_dx),
	ROW(in_doorbell),
	ROW(in_doorbell_exception),
	ROW(in_doorbell_wide),
	ROW(ins),
	ROW(ins_doorbell),
	ROW(rep_ins_doorbell),
	ROW(out),
	ROW(out_exception),
	ROW(out_probe),
	ROW(out_doorbell_wide),
	ROW(outs),
	ROW(cli),
	ROW(sti),
	ROW(mov_cr0),
	ROW(mov_to_cr3),
	ROW(mov_to_cr4),
	ROW(mov_dr),
	ROW(lgdt),
	ROW(lidt),
	ROW(lldt),
	ROW(ltr),
	ROW(lmsw),
	ROW(clts),
	ROW(wrmsr),
	ROW(rdmsr),
	ROW(invlpg),
	ROW(invd),
	ROW(wbinvd),
	ROW(swapgs),
	ROW(sysret),
	ROW(xsetbv),
	ROW(ud2),
	ROW(int3),
	ROW(int1),
	ROW(int_13),
	ROW(int_14),
	ROW(int_8),
	ROW(int_32),
	ROW(int_255),
	ROW(int_4),
	ROW(div0),
	ROW(div_overflow),
	ROW(x87_fault),
	ROW(sse_fault),
	ROW(movaps_misaligned),
	ROW(noncanonical_load),
	ROW(kernel_load),
	ROW(kernel_store),
	ROW(gdt_load),
	ROW(load_bad_ds),
	ROW(load_kernel_ss),
	ROW(load_tss_fs),
	ROW(single_step),
	ROW(popf_iopl),
};

static sigjmp_buf env;
static volatile int signo, code;

static void handler(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	signo = sig;
	code = si->si_code;
	siglongjmp(env, 1);
}

static void caught(void (*run)(void))
{
	const int sigs[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	for (size_t i = 0; i < 5; i++)
		sigaction(sigs[i], &sa, NULL);
	if (sigsetjmp(env, 1) == 0)
		run();
	say(" caught %d code %d\n", signo, signo ? code : 0);
}

int main(void)
{
	int stop[2], turns = 0;
	pid_t busy;

	/* meanwhile, someone makes system calls and computes */
	make_pipe(stop);
	busy = fork_ok();
	if (busy == 0) {
		CHECK_EQ(fcntl(stop[0], F_SETFL, O_NONBLOCK), 0);
		while (read(stop[0], &(char){0}, 1) < 0) {
			pid_t parent = getppid();

			for (volatile int i = 0; i < 10000; i++)
				;
			CHECK_EQ(getppid(), parent);
			turns++;
		}
		_exit(turns > 0 ? 0 : 1);
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pid_t pid = fork_ok();

		if (pid == 0) {
			rows[i].run();
			_exit(0);
		}
		say("%s: %s,", rows[i].name, status_text(reap(pid)));
		pid = fork_ok();
		if (pid == 0) {
			caught(rows[i].run);
			_exit(0);
		}
		reap_ok(pid);
	}
	send_byte(stop[1]);
	reap_ok(busy);
	return 0;
}
