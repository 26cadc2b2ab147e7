/*
 * Restartable sequences by hand: rseq(2), and two sections of assembly.
 *
 * A test that includes this has the line `env: GLIBC_TUNABLES=glibc.pthread.rseq=0`, so that its
 * threads can register an area of their own.
 */
#ifndef TESTS_GUEST_RSEQ_H
#define TESTS_GUEST_RSEQ_H

#include "check.h"

#ifndef SYS_rseq
#ifdef __x86_64__
#define SYS_rseq 334
#else
#define SYS_rseq 293
#endif
#endif

#define UNREGISTER 1

/* struct rseq of Linux 6.3 and later. */
struct area {
	uint32_t cpu_id_start, cpu_id;
	uint64_t cs;
	uint32_t flags, node_id, mm_cid, rest;
} __attribute__((aligned(32)));

struct section {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

/*
 * rseq_add: *slot += 1, slowly, if *id is `want` all the time; 0: it was not, or the section was
 * aborted. rseq_spin: *inside = value and then nothing for ever; returns when it is aborted. cs:
 * the area's.
 */
int rseq_add(uint64_t *cs, const uint32_t *id, uint32_t want, long *slot, long spins);
int rseq_spin(uint64_t *cs, const struct section *s, volatile int *inside, int value);
extern const char rseq_spin_start[], rseq_spin_end[], rseq_spin_abort[];

#ifdef __x86_64__
#define RSEQ_SIG 0x53053053
__asm__(".text\n"
	"rseq_add:\n"
	"	lea rseq_add_cs(%rip), %rax\n"
	"	mov %rax, (%rdi)\n"
	"rseq_add_start:\n"
	"	cmp %edx, (%rsi)\n"
	"	jne rseq_add_abort\n"
	"	mov (%rcx), %rax\n"
	"1:	dec %r8\n"
	"	jnz 1b\n"
	"	inc %rax\n"
	"	mov %rax, (%rcx)\n"
	"rseq_add_end:\n"
	"	mov $1, %eax\n"
	"	ret\n"
	"	.byte 0x0f, 0xb9, 0x3d\n"
	"	.long 0x53053053\n"
	"rseq_add_abort:\n"
	"	xor %eax, %eax\n"
	"	ret\n"
	"rseq_spin:\n"
	"	mov %rsi, (%rdi)\n"
	"rseq_spin_start:\n"
	"	mov %ecx, (%rdx)\n"
	"1:	pause\n"
	"	jmp 1b\n"
	"rseq_spin_end:\n"
	"	.byte 0x0f, 0xb9, 0x3d\n"
	"	.long 0x53053053\n"
	"rseq_spin_abort:\n"
	"	mov $1, %eax\n"
	"	ret\n");
#define UC_PC(uc) ((uint64_t)(uc)->uc_mcontext.gregs[REG_RIP])
#else
#define RSEQ_SIG  0xd428bc00
__asm__(".text\n"
	"rseq_add:\n"
	"	adrp x9, rseq_add_cs\n"
	"	add x9, x9, :lo12:rseq_add_cs\n"
	"	str x9, [x0]\n"
	"rseq_add_start:\n"
	"	ldr w9, [x1]\n"
	"	cmp w9, w2\n"
	"	b.ne rseq_add_abort\n"
	"	ldr x9, [x3]\n"
	"1:	subs x4, x4, #1\n"
	"	b.ne 1b\n"
	"	add x9, x9, #1\n"
	"	str x9, [x3]\n"
	"rseq_add_end:\n"
	"	mov w0, #1\n"
	"	ret\n"
	"	.inst 0xd428bc00\n"
	"rseq_add_abort:\n"
	"	mov w0, #0\n"
	"	ret\n"
	"rseq_spin:\n"
	"	str x1, [x0]\n"
	"rseq_spin_start:\n"
	"	str w3, [x2]\n"
	"1:	b 1b\n"
	"rseq_spin_end:\n"
	"	.inst 0xd428bc00\n"
	"rseq_spin_abort:\n"
	"	mov w0, #1\n"
	"	ret\n");
#define UC_PC(uc) ((uint64_t)(uc)->uc_mcontext.pc)
#endif
/* A local symbol's entry in the GOT may be that of its section. */
__asm__(".globl rseq_spin_start, rseq_spin_end, rseq_spin_abort\n"
	".data\n"
	"	.balign 32\n"
	"rseq_add_cs:\n"
	"	.long 0, 0\n"
	"	.quad rseq_add_start, rseq_add_end - rseq_add_start, rseq_add_abort\n"
	".text\n");

HELPER long rseq(void *area, unsigned len, int flags, unsigned sig)
{
	return syscall(SYS_rseq, area, len, flags, sig);
}

HELPER struct section spin_section(void)
{
	return (struct section){
		.start = (uintptr_t)rseq_spin_start,
		.length = (size_t)(rseq_spin_end - rseq_spin_start),
		.abort = (uintptr_t)rseq_spin_abort,
	};
}

/* As volatile reads: the kernel writes it. */
#define FIELD(area, name) (*(volatile uint32_t *)&(area)->name)

HELPER unsigned cpu_now(void)
{
	unsigned cpu = ~0U;

	CHECK_EQ(syscall(SYS_getcpu, &cpu, NULL, NULL), 0);
	return cpu;
}

/* The area says what getcpu(2) does, unless the task is moved in between each time. */
HELPER void check_cpu(const struct area *a)
{
	for (int i = 0; i < 1000; i++) {
		unsigned before = FIELD(a, cpu_id), cpu = cpu_now();

		if (before == cpu && FIELD(a, cpu_id_start) == cpu)
			return;
		if (before == FIELD(a, cpu_id) && i > 100)
			break;
	}
	CHECK(!"cpu_id is the CPU's");
}

#endif
