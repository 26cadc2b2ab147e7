/*
 * x86_64 constants that the vCPU code shares. No state.
 */
#ifndef VMBOX_X86_64_X86_H
#define VMBOX_X86_64_X86_H

#include "../vcpu.h"

#define X86_VECTORS   32
#define X86_TSS_IOMAP 0x68
#define X86_TSS_LIMIT (X86_TSS_IOMAP + 8192) /* the last byte of the bitmap is all ones */

#define X86_CR0          0x80050033 /* PG AM WP NE ET MP PE */
#define X86_CR4          0x00000620 /* PAE OSFXSR OSXMMEXCPT */
#define X86_CR4_FSGSBASE (1u << 16)
#define X86_CR4_OSXSAVE  (1u << 18)
#define X86_EFER         0x00000d01 /* NXE LMA LME SCE */
#define X86_CR3_PWT      0x8

#define X86_RFLAGS_USER  0x254dd5 /* CF PF AF ZF SF TF DF OF NT RF AC ID */
#define X86_RFLAGS_TF    0x100
#define X86_RFLAGS_FIXED 0x202 /* IF and the bit that is always one */

#define X86_PF_PRESENT 0x01
#define X86_PF_WRITE   0x02
#define X86_PF_EXEC    0x10

/*
 * The vCPU has a channel, and an exit, kick or exception (c->regs: of the interrupted code) found
 * it at ring 3 in the stub: the call is finished, made or taken back, and c->regs are the
 * program's. False: it was elsewhere.
 */
bool stub_leave(struct vcpu *v, struct cpu *c, struct trap *t, enum vm_exit *why);
/*
 * FP state by way of the channel. stub_get_fpu: the image of the task that left by the doorbell; or
 * image is the one that waits to be loaded. False: only KVM has it. stub_set_fpu: image, which
 * stays where it is, is to be loaded when its task enters; false: KVM must.
 */
bool stub_get_fpu(struct vcpu *v, void *image);
bool stub_set_fpu(struct vcpu *v, const void *image);
int x86_set_fpu(struct vcpu *v, const void *image);
/* Enters with u: by way of stub_fpu if an image waits. 0 or -errno of KVM_SET_XSAVE. */
int stub_enter(struct vcpu *v, const struct uregs *u, struct kvm_regs *r);
/*
 * After an exit, kick or exception at ring 3 with c->regs: notes what became of the FP state. True:
 * it found the vCPU in stub_fpu; c->regs are the task's, which has not moved.
 */
bool stub_fpu_left(struct vcpu *v, struct cpu *c, bool exception);

/*
 * The same for who was handing over its registers, or waits for, or loads others: true, and c->regs
 * are those that a frame was to give it. Before stub_fpu_left. ring0: that is where it was, maybe
 * on an errand.
 */
bool stub_frame_left(struct vcpu *v, struct cpu *c, bool exception, bool ring0);

/*
 * Errands (errand.c). errand_make: v can go on them, from its next start on; 0, -ENOMEM.
 * errand_root: v, whose stub has saved and waits, gets another root and waits on at back; false: it
 * has not, or will not before it leaves, which it must. errand_forget: vcpu_arch_forget. errand_at:
 * an address of the code, if it is at ring 0. errands: there are any.
 */
int errand_make(struct vcpu *v);
bool errand_root(struct vcpu *v, gpa_t root, uint64_t back);
bool errand_forget(struct vcpu *v, const gpa_t *entries, unsigned n);
bool errand_at(uint64_t rip);
bool errands(const struct vcpu *v);
/* v's page faults enter at ABI_ERRAND_GVA, or their own stub. */
void errand_aim_fault(struct vcpu *v, bool on);

/*
 * Page faults that are resolved in the guest (fault.c). fault_make: once, where there are errands,
 * puts their entry to code.
 * fault_reset: v enters, or goes on with other registers; none waits. fault_left: v was found at
 * ring 3 where one waits, or goes on behind it, with c->regs: what it is an exit for, and c->regs
 * are the program's; false: it was elsewhere. fault_at_ring0: it was on the way there with u, and
 * all but rcx, which is put right, is on the trap stack.
 */
void fault_make(struct vcpu *v, uint8_t *code);
void fault_reset(struct vcpu *v);
bool fault_left(struct vcpu *v, struct cpu *c, struct trap *t, enum vm_exit *why);
bool fault_at_ring0(const struct vcpu *v, struct uregs *u);

/* For both stubs. What the program had in rcx and r11; and: the call has an outcome, goes on behind
 * it. False: it has to be made. */
void stub_load_saved(struct vcpu *v, struct uregs *u);
bool stub_settle(struct vcpu *v, struct cpu *c, struct trap *t, enum vm_exit *why);

/*
 * Where SYSCALL raises the privilege level: the stub with a channel (stub_ring0.c), before the
 * vCPUs run. As stub_leave and stub_frame_left, of a vCPU that was at ring 0 (ring0); and what such
 * a stub needs for a frame besides.
 */
void stub_call_install(struct vm *vm);
bool stub_call_leave(struct vcpu *v, struct cpu *c, struct trap *t, enum vm_exit *why);
bool stub_call_frame_left(struct vcpu *v, struct cpu *c, bool ring0);
void stub_call_put_frame(struct vcpu *v, const struct uregs *u, bool root);
/* vcpu_arch_forget_all. */
bool stub_call_forget(struct vcpu *v);

/* What exception stubs leave below the top of the trap stack, in words. */
enum {
	X86_FRAME_SS = -1,
	X86_FRAME_RSP = -2,
	X86_FRAME_RFLAGS = -3,
	X86_FRAME_CS = -4,
	X86_FRAME_RIP = -5,
	X86_FRAME_ERROR = -6,
	X86_FRAME_VECTOR = -7
};
uint64_t x86_frame_word(const struct vcpu *v, int word);
/* *t is one at address, with the processor's error code. */
void x86_page_fault(struct trap *t, uint64_t address, uint64_t error);

/* What should not be: the task dies of it. */
enum vm_exit x86_as_crash(struct vcpu *v, struct trap *t);
/* Behind SYSCALL: a system call with c->regs; where the program said in rcx. run.c. */
enum vm_exit x86_as_syscall(struct vcpu *v, struct cpu *c, struct trap *t);

/* SYSCALL's: v->arch.lstar and syscall_mask. 0, -ENOMEM, -EIO. */
int x86_set_msrs(struct vcpu *v);

/* Loads what KVM_SHUTDOWN or the first start leaves undefined. */
int vcpu_arch_reset(struct vcpu *v);

#endif
