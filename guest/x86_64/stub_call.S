/*
 * The system-call entry where SYSCALL raises the privilege level and the vCPU has a channel: asks there,
 * and leaves the guest only if nobody answers. Position-independent but for the channel; the VMM
 * copies it to ABI_SYSCALL_GVA + ABI_SYSCALL_ENTRY and lets LSTAR point there.
 *
 * rcx and r11 are the program's return address and flags; SYSCALL has cleared those flags that
 * matter here. The stack is the program's, and its address anything: nothing is pushed there, and no
 * instruction here faults before it has been replaced. The channel is the supervisor's alone, so what
 * is read there is what the VMM or this stub has written.
 *
 * What an instruction between two of the labels has done or not, the VMM knows when a kick finds the
 * vCPU here (vmm/x86_64/stub_ring0.c): it finishes or takes back the call.
 */
#define __ASSEMBLER__ 1
#include "../abi.h"

#define CHANNEL(field) (ABI_CHANNEL_DISP + ABI_CHANNEL_##field)
/* The nth word of struct uregs. */
#define FRAME(n) (CHANNEL(FRAME) + 8 * (n))

/* The errand of a stub that may do what it likes: forgets all translations but those of its own pages. */
	.macro FORGET
	mov %cr3, %rcx
	mov %rcx, %cr3
	mov CHANNEL(RESULT), %r11d
	movl $ABI_CHANNEL_BACK, CHANNEL(STATE)
	.endm

	.section .rodata.stub, "a"

	.globl stub_call, stub_call_saved, stub_call_posted, stub_call_save, stub_call_kept
	.globl stub_call_loaded, stub_call_end
stub_call:
	mov %rcx, CHANNEL(PC)
	mov %r11, CHANNEL(FLAGS)
stub_call_saved:
	/* sysretq with TF traps one instruction early: the VMM does better. */
	test $0x100, %r11d
	jnz 0f
	mov CHANNEL(SPIN), %r11d
	test %r11d, %r11d
	jnz 1f
0:	mov CHANNEL(FLAGS), %r11
	out %al, $ABI_PORT_SYSCALL
	hlt
1:	mov %eax, CHANNEL(NR)
	mov %rdi, CHANNEL(ARGS)
	mov %rsi, CHANNEL(ARGS) + 8
	mov %rdx, CHANNEL(ARGS) + 16
	mov %r10, CHANNEL(ARGS) + 24
	mov %r8, CHANNEL(ARGS) + 32
	mov %r9, CHANNEL(ARGS) + 40
	movl $ABI_CHANNEL_REQUEST, CHANNEL(STATE)
stub_call_posted:
1:	cmpl $ABI_CHANNEL_IDLE, CHANNEL(STATE)
	je 3f
	pause
	dec %r11d
	jg 1b
	/* Nobody came: leave. Somebody makes the call now: that is longer to wait for, but worth it. */
	cmpl $0, CHANNEL(CLAIMED)
	je 4f
	mov CHANNEL(SPIN_CLAIMED), %r11d
2:	cmpl $ABI_CHANNEL_IDLE, CHANNEL(STATE)
	je 3f
	pause
	dec %r11d
	jg 2b
	jmp 4f
3:	mov CHANNEL(EXIT), %ecx
	test %ecx, %ecx
	jz 5f
	dec %ecx
	jz 4f
	cmp $ABI_CHANNEL_ERRAND - 1, %ecx
	jne stub_call_save
	FORGET
	jmp 2b
4:	mov CHANNEL(FLAGS), %r11
	mov CHANNEL(PC), %rcx
	out %al, $ABI_PORT_SYSCALL
	hlt
5:	mov CHANNEL(RESULT), %rax
	mov CHANNEL(FLAGS), %r11
	mov CHANNEL(PC), %rcx
	sysretq

/*
 * The call is not finished by a result alone: the VMM gets all registers, and may give back others, this
 * task's or another's of any address space. Until it has answered the registers are still here;
 * what it answers has no effect before the iretq, and can be loaded again or from somewhere else.
 */
stub_call_save:
	mov %rbx, FRAME(1)
	mov %rsi, FRAME(4)
	mov %rdi, FRAME(5)
	mov %rsp, FRAME(6)
	mov %rbp, FRAME(7)
	mov %r8, FRAME(8)
	mov %r9, FRAME(9)
	mov %r10, FRAME(10)
	mov %r12, FRAME(12)
	mov %r13, FRAME(13)
	mov %r14, FRAME(14)
	mov %r15, FRAME(15)
	rdfsbase %rcx
	mov %rcx, FRAME(18)
	rdgsbase %rcx
	mov %rcx, FRAME(19)
	mov %rax, CHANNEL(AX)
	mov %rdx, CHANNEL(DX)
stub_call_kept:
	mov $-1, %eax
	mov %eax, %edx
	xsave64 CHANNEL(FPU)
	mov CHANNEL(EXIT), %r11d
	movl $ABI_CHANNEL_SAVED, CHANNEL(STATE)
1:	cmpl $ABI_CHANNEL_IDLE, CHANNEL(STATE)
	je 2f
	pause
	dec %r11d
	jg 1b
	jmp 3f
2:	mov CHANNEL(EXIT), %ecx
	test %ecx, %ecx
	jz 4f
	cmp $ABI_CHANNEL_ERRAND, %ecx
	jne 3f
	FORGET
	jmp 1b
3:	mov CHANNEL(AX), %rax
	mov CHANNEL(DX), %rdx
	mov CHANNEL(FLAGS), %r11
	mov CHANNEL(PC), %rcx
	out %al, $ABI_PORT_SYSCALL
	hlt
4:	/* Should one of these fault after all, it shall not be on the program's stack. */
	mov $CHANNEL(STACK_TOP), %rsp
	mov CHANNEL(CR3), %rcx
	test %rcx, %rcx
	jz 1f
	mov %rcx, %cr3
1:	cmpl $0, CHANNEL(FRAME_FPU)
	je stub_call_loaded
	mov $-1, %eax
	mov %eax, %edx
	xrstor64 CHANNEL(FPU)
stub_call_loaded:
	mov FRAME(18), %rcx
	wrfsbase %rcx
	mov FRAME(19), %rcx
	wrgsbase %rcx
	mov FRAME(0), %rax
	mov FRAME(1), %rbx
	mov FRAME(2), %rcx
	mov FRAME(3), %rdx
	mov FRAME(4), %rsi
	mov FRAME(5), %rdi
	mov FRAME(7), %rbp
	mov FRAME(8), %r8
	mov FRAME(9), %r9
	mov FRAME(10), %r10
	mov FRAME(11), %r11
	mov FRAME(12), %r12
	mov FRAME(13), %r13
	mov FRAME(14), %r14
	mov FRAME(15), %r15
	mov $CHANNEL(IRET), %rsp
	iretq
stub_call_end:

	.section .note.GNU-stack, "", @progbits
