/*
 * The system-call entry where it runs at ring 3 and the vCPU has a channel: asks there, and leaves
 * the guest only if nobody answers. Position-independent but for the channel; the VMM
 * copies it to ABI_SYSCALL_USER_GVA.
 *
 * Every register but rcx and r11 is the program's, and so are the stack, which may not exist, and the
 * flags: nothing here changes them. Hence jrcxz and lea instead of test and dec. What an instruction
 * between two of the labels has done or not, the VMM knows when a kick finds the vCPU here
 * (vmm/x86_64/stub.c): it finishes or takes back the call. Nobody but the program itself is hurt if it
 * writes to the channel or jumps in anywhere.
 *
 * FP state costs the VMM an ioctl each way, and an instruction here: it is left in the channel for the
 * case that another task runs next, and loaded from there (stub_fpu). The VMM replaces the instruction
 * by nops where ring 3 has it not.
 */
#define __ASSEMBLER__ 1
#include "../abi.h"

#define CHANNEL(field) (ABI_CHANNEL_DISP + ABI_CHANNEL_##field)
/* The nth word of struct uregs. */
#define FRAME(n)     (CHANNEL(FRAME) + 8 * (n))
#define FRAME_RAX    FRAME(0)
#define FRAME_RBX    FRAME(1)
#define FRAME_RCX    FRAME(2)
#define FRAME_RDX    FRAME(3)
#define FRAME_RSI    FRAME(4)
#define FRAME_RDI    FRAME(5)
#define FRAME_RSP    FRAME(6)
#define FRAME_RBP    FRAME(7)
#define FRAME_R8     FRAME(8)
#define FRAME_R9     FRAME(9)
#define FRAME_R10    FRAME(10)
#define FRAME_R11    FRAME(11)
#define FRAME_R12    FRAME(12)
#define FRAME_R13    FRAME(13)
#define FRAME_R14    FRAME(14)
#define FRAME_R15    FRAME(15)
#define FRAME_RIP    FRAME(16)
#define FRAME_RFLAGS FRAME(17)
#define FRAME_FS     FRAME(18)
#define FRAME_GS     FRAME(19)

/* Leaves the guest. \name: from here on rax and rdx are in the channel; \name_out: the FP state, too. */
	.macro leave name
	mov CHANNEL(PC), %rcx
	mov CHANNEL(FLAGS), %r11
	mov %rax, CHANNEL(AX)
	mov %rdx, CHANNEL(DX)
	.globl stub_\name, stub_\name\()_xsave, stub_\name\()_out
stub_\name:
	mov $-1, %eax
	mov %eax, %edx
stub_\name\()_xsave:
	xsave64 CHANNEL(FPU)
	mov CHANNEL(AX), %rax
	mov CHANNEL(DX), %rdx
stub_\name\()_out:
	out %al, $ABI_PORT_SYSCALL
	hlt
	.endm

	.section .rodata.stub, "a"

	.globl stub_channel, stub_channel_entry, stub_channel_stack, stub_channel_saved
	.globl stub_channel_posted, stub_channel_posted_end, stub_channel_direct_end
/* After SYSCALL: rcx = the return address, r11 = RFLAGS. */
stub_channel:
	mov %rcx, CHANNEL(PC)
	mov %r11, CHANNEL(FLAGS)
	jmp stub_channel_saved

	.org stub_channel + ABI_SYSCALL_ENTRY, 0xf4
/* By a jump: rcx as above, the flags still where they were. The channel is the stack for one push. */
stub_channel_entry:
	mov %rcx, CHANNEL(PC)
	mov %rsp, CHANNEL(SP)
	mov $CHANNEL(FLAGS) + 8, %rsp
stub_channel_stack:
	pushfq
	mov CHANNEL(SP), %rsp
stub_channel_saved:
	/* TF, the lowest bit of the second byte: SYSCALL has cleared it, and a jump would not set it again. */
	movzbl CHANNEL(FLAGS) + 1, %ecx
	lea (, %rcx, 8), %ecx
	lea (, %rcx, 8), %ecx
	lea (%rcx, %rcx), %ecx
	movzbl %cl, %ecx
	jrcxz 1f
0:	jmp direct
1:	mov CHANNEL(SPIN), %r11d
	mov %r11d, %ecx
	jrcxz 0b
	mov %eax, CHANNEL(NR)
	mov %rdi, CHANNEL(ARGS)
	mov %rsi, CHANNEL(ARGS) + 8
	mov %rdx, CHANNEL(ARGS) + 16
	mov %r10, CHANNEL(ARGS) + 24
	mov %r8, CHANNEL(ARGS) + 32
	mov %r9, CHANNEL(ARGS) + 40
	movl $ABI_CHANNEL_REQUEST, CHANNEL(STATE)
stub_channel_posted:
	mov CHANNEL(STATE), %ecx
	jrcxz 3f
	pause
	lea -1(%r11), %r11d
	mov %r11d, %ecx
	jrcxz 2f
	jmp stub_channel_posted
2:	/* Nobody came: leave. Somebody makes the call now: that is longer to wait for, but worth it. */
	mov CHANNEL(CLAIMED), %ecx
	jrcxz 4f
	mov CHANNEL(SPIN_CLAIMED), %r11d
2:	mov CHANNEL(STATE), %ecx
	jrcxz 3f
	pause
	lea -1(%r11), %r11d
	mov %r11d, %ecx
	jrcxz 4f
	jmp 2b
3:	mov CHANNEL(EXIT), %ecx
	jrcxz 5f
	lea -1(%rcx), %ecx
	jrcxz 4f
	lea 1 - ABI_CHANNEL_ERRAND(%rcx), %ecx
	jrcxz 6f
	jmp save
6:	movl $ABI_CHANNEL_BACK, CHANNEL(STATE)
	int3
	mov CHANNEL(RESULT), %r11d
	jmp 2b
4:	leave asked
5:	mov CHANNEL(RESULT), %rax
	mov CHANNEL(FLAGS), %r11
	mov CHANNEL(PC), %rcx
	jmp *%rcx
stub_channel_posted_end:
direct:
	leave direct
stub_channel_direct_end:

/*
 * The call is not finished by a result alone: the VMM gets all registers, and may give back others, this
 * task's or another's; of another address space after an errand (stub.S). Until it has answered the registers are still here;
 * what it answers has no effect before the last jump, and can be loaded again or from somewhere else.
 */
	.globl stub_saved, stub_saved_ax, stub_saved_out, stub_saved_back, stub_frame_loaded, stub_saved_end
save:
stub_saved:
	mov %rbx, FRAME_RBX
	mov %rsi, FRAME_RSI
	mov %rdi, FRAME_RDI
	mov %rsp, FRAME_RSP
	mov %rbp, FRAME_RBP
	mov %r8, FRAME_R8
	mov %r9, FRAME_R9
	mov %r10, FRAME_R10
	mov %r12, FRAME_R12
	mov %r13, FRAME_R13
	mov %r14, FRAME_R14
	mov %r15, FRAME_R15
	rdfsbase %rcx
	mov %rcx, FRAME_FS
	rdgsbase %rcx
	mov %rcx, FRAME_GS
	mov %rax, CHANNEL(AX)
	mov %rdx, CHANNEL(DX)
stub_saved_ax:
	mov $-1, %eax
	mov %eax, %edx
	xsave64 CHANNEL(FPU)
	movl $ABI_CHANNEL_SAVED, CHANNEL(STATE)
	/* Patience, or the answer; but who jumped here shall not wait as long as r11 said. */
	mov CHANNEL(EXIT), %r11d
1:	mov CHANNEL(STATE), %ecx
	jrcxz 2f
	mov %r11d, %ecx
	jrcxz 3f
	pause
	lea -1(%r11), %r11d
	jmp 1b
2:	mov CHANNEL(EXIT), %ecx
	jrcxz 4f
	lea -ABI_CHANNEL_ERRAND(%rcx), %ecx
	jrcxz 5f
	jmp 3f
5:	movl $ABI_CHANNEL_BACK, CHANNEL(STATE)
	int3
stub_saved_back:
	mov CHANNEL(RESULT), %r11d
	jmp 1b
3:	mov CHANNEL(AX), %rax
	mov CHANNEL(DX), %rdx
stub_saved_out:
	out %al, $ABI_PORT_SYSCALL
	hlt
4:	mov CHANNEL(FRAME_FPU), %ecx
	jrcxz stub_frame_loaded
	mov $-1, %eax
	mov %eax, %edx
	xrstor64 CHANNEL(FPU)
stub_frame_loaded:
	mov FRAME_FS, %rcx
	wrfsbase %rcx
	mov FRAME_GS, %rcx
	wrgsbase %rcx
	mov $FRAME_RFLAGS, %rsp
	popfq
	mov FRAME_RAX, %rax
	mov FRAME_RBX, %rbx
	mov FRAME_RCX, %rcx
	mov FRAME_RDX, %rdx
	mov FRAME_RSI, %rsi
	mov FRAME_RDI, %rdi
	mov FRAME_RSP, %rsp
	mov FRAME_RBP, %rbp
	mov FRAME_R8, %r8
	mov FRAME_R9, %r9
	mov FRAME_R10, %r10
	mov FRAME_R11, %r11
	mov FRAME_R12, %r12
	mov FRAME_R13, %r13
	mov FRAME_R14, %r14
	mov FRAME_R15, %r15
	jmp *FRAME_RIP
stub_saved_end:

/* Where a task goes on whose FP state is not in the registers: eax and edx are all ones, its own are in the
 * channel, with the place to go to. */
	.globl stub_fpu, stub_fpu_loaded, stub_fpu_end
stub_fpu:
	xrstor64 CHANNEL(FPU)
stub_fpu_loaded:
	mov CHANNEL(AX), %rax
	mov CHANNEL(DX), %rdx
	jmp *CHANNEL(PC)
stub_fpu_end:

/*
 * Where the supervisor brings a program that has met a page fault (stub.S), and only rcx, the flags and the
 * stack are not the program's any more. The answer is to leave, or to go on with the frame, of which there
 * are these and the place to go to.
 */
	.globl stub_fault_asks, stub_fault_asks_end
stub_fault_asks:
	mov CHANNEL(SPIN), %ecx
	movl $ABI_CHANNEL_FAULT, CHANNEL(STATE)
1:	cmpl $ABI_CHANNEL_IDLE, CHANNEL(STATE)
	je 3f
	pause
	dec %ecx
	jg 1b
	cmpl $0, CHANNEL(CLAIMED)
	je 4f
	mov CHANNEL(SPIN_CLAIMED), %ecx
2:	cmpl $ABI_CHANNEL_IDLE, CHANNEL(STATE)
	je 3f
	pause
	dec %ecx
	jg 2b
4:	out %al, $ABI_PORT_SYSCALL
	hlt
3:	mov CHANNEL(EXIT), %ecx
	jrcxz 5f
	cmp $ABI_CHANNEL_ERRAND, %ecx
	jne 4b
	movl $ABI_CHANNEL_BACK, CHANNEL(STATE)
	int3
	mov CHANNEL(RESULT), %ecx
	jmp 2b
5:	mov $FRAME_RFLAGS, %rsp
	popfq
	mov FRAME_RCX, %rcx
	mov FRAME_RSP, %rsp
	jmp *FRAME_RIP
stub_fault_asks_end:

	.section .note.GNU-stack, "", @progbits
