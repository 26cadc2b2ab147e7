/*
 * The code that runs inside the VM on behalf of the VMM: exception stubs and
 * the system-call entry. Position-independent bytes; the VMM copies each part
 * into a page of its own (ABI_VECTORS_GVA, ABI_SYSCALL_GVA).
 *
 * Nothing returns from an exception stub: the VMM loads the task's registers
 * at ring 3 when it goes on.
 */
#define __ASSEMBLER__ 1
#include "../abi.h"

	.section .rodata.stub, "a"

/*
 * One stub a vector. The CPU has pushed SS, RSP, RFLAGS, CS, RIP and, for
 * some, an error code on the trap stack; the stub makes that the same for all, adds the vector
 * and rings. Interpreted on KVM-PVM, so as few instructions as can be.
 */
	.globl stub_vectors, stub_vectors_end
	.p2align 4
stub_vectors:
	.set vector, 0
	.rept 32
	.p2align 4
	/* 8 #DF, 10 #TS, 11 #NP, 12 #SS, 13 #GP, 14 #PF, 17 #AC, 21 #CP, 29 #VC, 30 #SX bring an error code */
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	push $0
	.endif
	push $vector
	out %al, $ABI_PORT_EXCEPTION
	hlt
	.set vector, vector + 1
	.endr
	.p2align 4
stub_vectors_end:

/*
 * SYSCALL: rcx = the return address, r11 = RFLAGS, everything else is the user's.
 * Where SYSCALL raises the privilege level the VMM lets the stub go on to the sysretq; where it does not the VMM
 * sets RIP itself.
 */
	.globl stub_syscall, stub_syscall_end
stub_syscall:
	out %al, $ABI_PORT_SYSCALL
	sysretq
	/* Whoever came by a jump has its flags in RFLAGS, not in r11: the VMM sees which `out` it was. */
	.org stub_syscall + ABI_SYSCALL_ENTRY, 0xf4
	out %al, $ABI_PORT_SYSCALL
	hlt
stub_syscall_end:

/*
 * Errands, where ring 3 has a stub of its own that cannot do as much (stub_channel.S). Interpreted, so each
 * is made when it is needed of the pieces here, with the values in the instructions
 * (vmm/x86_64/errand.c).
 */
	.globl stub_errand_root, stub_errand_root_end, stub_errand_forget, stub_errand_forget_end
	.globl stub_errand_done, stub_errand_done_end, stub_errand_stub, stub_errand_stub_end
	.globl stub_errand_return, stub_errand_return_end
/*
 * Another address space: who came by int3 may be anybody; it goes on in the stub, and there with what
 * the VMM says afterwards, for the channel's state is one that nobody in the old address space can
 * change any more.
 */
stub_errand_root:
	movabs $0, %rcx /* the root */
	mov %rcx, %cr3
	movl $ABI_CHANNEL_BACK, ABI_CHANNEL_DISP + ABI_CHANNEL_STATE
stub_errand_root_end:
/* A page-table entry that the VMM has changed is stored to, in vain: KVM sees that, and forgets what it made
 * of it. */
stub_errand_forget:
	lock orq $0, ABI_CHANNEL_DISP /* its address */
stub_errand_forget_end:
stub_errand_done:
	movl $0, ABI_ERRAND_DISP + ABI_ERRAND_DONE /* its number */
stub_errand_done_end:
/* Back: to the stub, or to where the int3 was. */
stub_errand_stub:
	mov $ABI_ERRAND_DISP + ABI_ERRAND_IRET, %rsp
	iretq
stub_errand_stub_end:
stub_errand_return:
	iretq
stub_errand_return_end:

/*
 * A page fault, while the VMM looks for them. Ring 3's stub asks for it, where nothing is interpreted; all that
 * it needs is here, and on the trap stack.
 */
	.globl stub_fault, stub_fault_end
stub_fault:
	mov %rcx, ABI_ERRAND_DISP + ABI_ERRAND_RCX
	mov %cr2, %rcx
	mov %rcx, ABI_ERRAND_DISP + ABI_ERRAND_FAULT
	mov $ABI_ERRAND_DISP + ABI_ERRAND_FAULT_IRET, %rsp
	iretq
stub_fault_end:

	.section .note.GNU-stack, "", @progbits
