/*
 * A virtual CPU: enters the guest with a task's registers, and comes back
 * with a trap.
 *
 * One thread runs a vCPU. vcpu->fpu_lock protects fpu_owner and, with it, whose FP state the
 * vCPU's registers hold; other threads take it to fetch or forget that state.
 */
#ifndef VMBOX_VCPU_H
#define VMBOX_VCPU_H

#include "channel.h"
#include "vcpu_arch.h"
#include "vm.h"

struct exitless;

/* When its calls left the guest: exitless.c. */
struct vcpu_burst {
	int64_t start, muted_until; /* core_now() */
	unsigned calls;
};

struct vcpu {
	/* immutable after creation: */
	struct vm *vm;
	unsigned index;
	/* immutable once `open`: */
	int fd;
	struct kvm_run *run;
	/* immutable once the vCPUs run: */
	pthread_t thread;          /* valid when started */
	void *thread_arg;          /* its creator's */
	struct channel *channel;   /* NULL: it has none */
	struct exitless *exitless; /* who answers there; NULL: nobody */

	/* vCPU thread only: */
	struct cpu *loaded; /* whose registers the vCPU holds; NULL: nobody's */
	struct vcpu_arch arch;
	struct mm *mm; /* borrowed, mm_activate holds it */
	gpa_t root;    /* mm's, for this vCPU */
	/* Whose calls the channel's are; NULL: nobody's. While the channel is claimed who has it
	 * changes this, loaded, mm, root, tlb_gen, the mms below and arch. */
	void *task;
	struct vcpu_burst burst;
	uint64_t tlb_gen;
	uint64_t exits[VM_EXIT_COUNT];
	_Atomic uint64_t ioctls[VCPU_IOCTL_COUNT];
	uint64_t mm_switches, root_writes; /* vm_stats */

	/* the vCPU thread writes, others read: */
	_Atomic(struct mm *) running_mm; /* while in KVM_RUN */
	/* A reference: v is, or may be, in it, without a task or before it changes; NULL: it is
	 * not. */
	_Atomic(struct mm *) held_mm;
	_Atomic uint64_t run_count;
	struct mm *left_mm; /* who stands in: a reference, to give up when v goes on */
	_Atomic bool kicked;
	_Atomic bool started;
	_Atomic bool open;

	pthread_mutex_t fpu_lock;
	/* protected by fpu_lock: */
	struct cpu *fpu_owner;
};

/* With what it needs in guest memory, but not open. 0 and *out, or a negative errno. */
int vcpu_create(struct vm *vm, unsigned index, struct vcpu **out);
/*
 * KVM's part of it, if it is not open yet: before anything runs, or by the thread that runs it. 0
 * or a negative errno: it can only be destroyed.
 */
int vcpu_open(struct vcpu *v);
void vcpu_destroy(struct vcpu *v);

/* The calling thread is the one that runs v from now on. */
void vcpu_bind_thread(struct vcpu *v);
/* Process-wide, once: the signal that makes KVM_RUN return. */
void vcpu_init_signal(void);

/*
 * Runs the task's registers c in mm until it leaves the guest; c then holds its registers and *t
 * says why. Never fails: what cannot go on is TRAP_CRASH. Meanwhile v may have been given another
 * task, v->task, by who stood in for its thread; then all this is said of that one. False: there is
 * no trap, and v->task is whole, or NULL.
 */
bool vcpu_run(struct vcpu *v, struct cpu *c, struct mm *mm, struct trap *t);

/*
 * For who stands in for v's thread while v waits in the guest (channel.h); v->task is the caller's.
 * vcpu_take_frame: c, which v runs, gets its registers and FP state; false: they must be fetched by
 * leaving. vcpu_put_frame: v goes on with c, in mm (v->mm, or vcpu_arch_changes_mm); false: it must
 * leave for that. vcpu_put_nobody: v leaves, or waits, without c. vcpu_hold_mm: v->mm, in which it
 * waits, stays, though its last task may go, until v has left, or vcpu_release_mm, or until v waits
 * again if it was given another meanwhile.
 */
bool vcpu_take_frame(struct vcpu *v, struct cpu *c);
bool vcpu_put_frame(struct vcpu *v, struct cpu *c, struct mm *mm);
void vcpu_put_nobody(struct vcpu *v);
/* For the same thread, when v has been answered: does what can wait until then. */
void vcpu_tidy(struct vcpu *v);
/* Whose channel the calling thread has claimed, or is about to; NULL: none. */
extern _Thread_local struct vcpu *vcpu_served;
void vcpu_hold_mm(struct vcpu *v);
void vcpu_release_mm(struct vcpu *v);

/* Makes v leave the guest, or not enter it once. From any thread. */
void vcpu_kick(struct vcpu *v);

/* machine_ops.fpu_save and fpu_forget. */
void vcpu_fpu_save(struct vm *vm, struct cpu *c);
void vcpu_fpu_forget(struct vm *vm, struct cpu *c);

/* Counts and makes an ioctl on v's descriptor. */
int vcpu_ioctl(struct vcpu *v, enum vcpu_ioctl kind, unsigned long request, void *arg);

/* ---- architecture: vmm/ARCH/ ---- */

/* Guest memory, and what is known before it is open. By the thread that makes the kernel half. */
int vcpu_arch_prepare(struct vcpu *v);
/* v->fd and v->run are there. */
int vcpu_arch_init(struct vcpu *v);
/*
 * Puts c's registers into v's kvm_run so that the next KVM_RUN continues there, in v->mm. all:
 * nothing of what the vCPU holds can be relied on. flush (with all): guest translations must go.
 * False: the registers cannot be entered; *t says what the task would have met.
 */
bool vcpu_arch_load(struct vcpu *v, struct cpu *c, bool all, bool flush, struct trap *t);
/*
 * KVM_RUN failed with errno err. True: the vCPU must be entered once more, up to the stub's
 * doorbell, before anybody looks at its registers.
 */
bool vcpu_arch_again(struct vcpu *v, int err);
/* Reads registers and reason after KVM_RUN; err: its errno, 0 if it succeeded. */
enum vm_exit vcpu_arch_exit(struct vcpu *v, struct cpu *c, int err, struct trap *t);
/* Registers of a bare program at pc; and the code of one that makes system calls for ever, for the
 * doctor. */
void vcpu_scratch_regs(struct cpu *c, uint64_t pc);
const void *vcpu_scratch_code(size_t *size);
int vcpu_arch_get_fpu(struct vcpu *v, void *image);
/* image: not changed but by vcpu_arch_get_fpu until v has entered the guest or is given another. */
int vcpu_arch_set_fpu(struct vcpu *v, const void *image);
/* The registers need not hold what was set or got last: it is not loaded yet, or nobody but the
 * program says that it had it. */
bool vcpu_arch_fpu_unsure(const struct vcpu *v);

/* For vcpu_take_frame and vcpu_put_frame. v->fpu_lock held. c->fpu is current. */
bool vcpu_arch_take_frame(struct vcpu *v, struct cpu *c);
/* A frame can be loaded with these registers. */
bool vcpu_arch_fits_frame(const struct cpu *c);
/* Another address space can be had without leaving. */
bool vcpu_arch_changes_mm(const struct vcpu *v);
/*
 * v, which waits in the stub, gets another root. 1: it has it, and nothing of what the old one's
 * program has written reaches it; 0: it comes with a frame; -EAGAIN: it must leave, and be given
 * all registers.
 */
int vcpu_arch_change_root(struct vcpu *v, gpa_t root);
/* machine_mem_ops.forget, by v, which waits in the stub with that mm. */
bool vcpu_arch_forget(struct vcpu *v, const gpa_t *entries, unsigned n);
/* v, which waits in the stub, forgets all that it has translated. False: it must leave for that. */
bool vcpu_arch_forget_all(struct vcpu *v);
/*
 * Page faults that wait in the guest for an answer. vcpu_arch_ask_faults: v's do from now on, or
 * when it is entered next; or no more, but one may ask in vain then, and leaves. The others for who
 * stands in: one waits, of the program at pc with its stack at sp (false: none does); and it is
 * resolved, with a frame for that (false: it must leave with it). In between vcpu_arch_forget
 * works.
 */
void vcpu_arch_ask_faults(struct vcpu *v, bool on);
bool vcpu_arch_take_fault(struct vcpu *v, struct trap *t, uint64_t *pc, uint64_t *sp);
bool vcpu_arch_resolve_fault(struct vcpu *v);
/* After vcpu_arch_set_fpu, if that was necessary. root: v->root is to be loaded. */
void vcpu_arch_put_frame(struct vcpu *v, const struct cpu *c, bool root);

#endif
