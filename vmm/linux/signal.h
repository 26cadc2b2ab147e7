/*
 * Signals: queues, actions, sending, delivery.
 *
 * process->siglock protects its pending sets, its tasks' masks and pending sets; sighand->lock
 * (below siglock) protects the actions. Senders call sched_interrupt() with
 * siglock held, which keeps the task alive. Delivery happens in task_step(), by the task's owner.
 */
#ifndef VMBOX_LINUX_SIGNAL_H
#define VMBOX_LINUX_SIGNAL_H

#include "../core/core.h"

struct kernel;
struct process;
struct task;
struct trap;

#define NSIG_GUEST   64
#define SIGMASK(sig) (1ULL << ((sig)-1))

/* siginfo as the guest sees it: 128 bytes, the kernel's layout on 64-bit machines. */
struct siginfo_k {
	int32_t si_signo, si_errno, si_code, pad0;
	union {
		struct {
			int32_t pid;
			uint32_t uid;
			uint64_t value;
		} rt; /* kill (pid, uid), sigqueue */
		struct {
			int32_t pid;
			uint32_t uid;
			int32_t status;
			int32_t pad;
			int64_t utime, stime;
		} chld;
		struct {
			uint64_t addr;
			uint16_t addr_lsb;
		} fault;
		struct {
			int32_t tid, overrun;
			uint64_t value;
		} timer;
		struct {
			int64_t band;
			int32_t fd;
		} poll;
		uint8_t bytes[112];
	} u;
};
_Static_assert(sizeof(struct siginfo_k) == 128, "siginfo is 128 bytes");

struct sigqueue_entry;
/* Pending signals: one of each standard signal, a bounded queue of real-time ones. */
struct sigqueue_set {
	uint64_t mask; /* what is pending */
	TAILQ_HEAD(, sigqueue_entry) queue;
};
void sigqueue_init(struct sigqueue_set *s);
void sigqueue_flush(struct sigqueue_set *s);

/* The kernel's struct sigaction on 64-bit machines. */
struct sigaction_k {
	uint64_t handler; /* 0 SIG_DFL, 1 SIG_IGN */
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

struct sighand {
	_Atomic unsigned refs; /* CLONE_SIGHAND */
	pthread_mutex_t lock;
	struct sigaction_k action[NSIG_GUEST]; /* protected by lock */
};
struct sighand *sighand_create(void);
struct sighand *sighand_get(struct sighand *h);
void sighand_put(struct sighand *h);
/* fork: a copy. NULL: no memory. */
struct sighand *sighand_clone(struct sighand *h);
/* exec: handlers become SIG_DFL, ignored stay. */
void sighand_reset(struct sighand *h);

/* Queues a signal for a process or one task. 0; -EAGAIN (real-time queue full). sig 1..64. No
 * siglock held. Ignored signals are dropped. */
int signal_send_process(struct process *p, int sig, const struct siginfo_k *info);
int signal_send_task(struct task *t, int sig, const struct siginfo_k *info);
/* A synchronous fault: cannot be ignored or blocked (then it kills). Owner only. */
void signal_force(struct task *t, int sig, const struct siginfo_k *info);

/* A signal that would interrupt t is pending (not blocked, not ignored), or the task must die. */
bool signal_pending(struct task *t);

/* The owner changes its mask; recomputes what is deliverable. SIGKILL and SIGSTOP stay unblocked.
 */
void signal_set_mask(struct task *t, uint64_t mask);

/*
 * Delivers what is pending before a return to the guest: may build a frame, stop the process, or
 * set t->dead. result: of the system call that has just ended, or 0 if none; -ERESTART* are
 * resolved here. in_call: a system call has just ended.
 */
enum signal_next { SIGNAL_RUN, SIGNAL_STOPPED, SIGNAL_DEAD };
enum signal_next signal_deliver(struct task *t, bool in_call, long result);

/* ---- vmm/linux/ARCH/sigframe.c ---- */
/* Builds the handler's frame on the user stack and points the registers at the handler. 0 or
 * -EFAULT. */
int arch_signal_frame(struct task *t, int sig, const struct siginfo_k *info,
		      const struct sigaction_k *act, uint64_t mask_to_restore);
/* rt_sigreturn: restores registers, FP state, mask, altstack from the frame. 0 or -EFAULT (then
 * SIGSEGV). */
int arch_signal_return(struct task *t);

#endif
