/* vCPUs: the architecture-neutral half of entering and leaving the guest. */
#include "vcpu.h"
#include "exitless.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define KICK_SIGNAL SIGRTMIN

int vcpu_ioctl(struct vcpu *v, enum vcpu_ioctl kind, unsigned long request, void *arg)
{
	atomic_fetch_add_explicit(&v->ioctls[kind], 1, memory_order_relaxed);
	return ioctl(v->fd, request, arg) < 0 ? -errno : 0;
}

int vcpu_create(struct vm *vm, unsigned index, struct vcpu **out)
{
	struct vcpu *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return -ENOMEM;
	v->vm = vm;
	v->index = index;
	v->fd = -1;
	pthread_mutex_init(&v->fpu_lock, NULL);
	r = vcpu_arch_prepare(v);
	if (r < 0) {
		vcpu_destroy(v);
		return r;
	}
	*out = v;
	return 0;
}

int vcpu_open(struct vcpu *v)
{
	struct vm *vm = v->vm;
	int r;

	if (atomic_load(&v->open))
		return 0;
	v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)v->index);
	if (v->fd < 0)
		return -errno;
	v->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return -errno;
	}
	r = vcpu_arch_init(v);
	if (r == 0)
		atomic_store(&v->open, true);
	return r;
}

void vcpu_destroy(struct vcpu *v)
{
	if (!v)
		return;
	if (v->run)
		munmap(v->run, v->vm->run_size);
	if (v->fd >= 0)
		close(v->fd);
	pthread_mutex_destroy(&v->fpu_lock);
	free(v->channel);
	free(v);
}

static void on_kick_signal(int sig)
{
	(void)sig; /* its delivery is what ends KVM_RUN */
}

void vcpu_init_signal(void)
{
	struct sigaction sa = {.sa_handler = on_kick_signal};

	sigemptyset(&sa.sa_mask);
	sigaction(KICK_SIGNAL, &sa, NULL);
}

void vcpu_bind_thread(struct vcpu *v)
{
	sigset_t set;

	v->thread = pthread_self();
	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	atomic_store(&v->started, true);
}

/*
 * A kick is never lost:
 *
 *   kicker                          vCPU thread
 *   work is made visible
 *   kicked = 1                      immediate_exit = 0
 *   immediate_exit = 1              kicked? -> return, the caller looks for work
 *   signal                          KVM_RUN
 *
 * If `kicked` was read as 0, the store to immediate_exit comes after it was cleared, so
 * KVM_RUN sees it or the signal. At worst one exit too many. A vCPU that is not open yet has no
 * immediate_exit; it will look at `kicked` after it was opened.
 */
void vcpu_kick(struct vcpu *v)
{
	atomic_store(&v->kicked, true);
	if (atomic_load(&v->open))
		__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (atomic_load(&v->started))
		pthread_kill(v->thread, KICK_SIGNAL);
}

/*
 * FP state moves lazily: it stays in the vCPU's registers until another task
 * runs there, or somebody needs it.
 *
 * If c->fpu_home is v, v has run no other task since, so it is not in KVM_RUN with other
 * state: the ioctl cannot wait for a running guest. v->fpu_lock keeps it so while we look; it
 * protects fpu_owner and the owner's fpu_home and fpu_synced.
 */

/* v with its fpu_lock held, if it is c's home; NULL: c->fpu[] is all there is. */
static struct vcpu *lock_home(struct cpu *c)
{
	struct vcpu *v;

	while ((v = atomic_load(&c->fpu_home))) {
		pthread_mutex_lock(&v->fpu_lock);
		if (atomic_load(&c->fpu_home) == v)
			break;
		pthread_mutex_unlock(&v->fpu_lock);
	}
	return v;
}

static void sync_locked(struct vcpu *v, struct cpu *c)
{
	if (!c->fpu_synced)
		vcpu_arch_get_fpu(v, c->fpu);
	c->fpu_synced = true;
}

static void forget_locked(struct vcpu *v, struct cpu *c)
{
	v->fpu_owner = NULL;
	atomic_store(&c->fpu_home, NULL);
}

void vcpu_fpu_save(struct vm *vm, struct cpu *c)
{
	struct vcpu *v = lock_home(c);

	(void)vm;
	if (!v)
		return;
	sync_locked(v, c);
	pthread_mutex_unlock(&v->fpu_lock);
}

void vcpu_fpu_forget(struct vm *vm, struct cpu *c)
{
	struct vcpu *v = lock_home(c);

	(void)vm;
	if (!v)
		return;
	forget_locked(v, c);
	pthread_mutex_unlock(&v->fpu_lock);
}

/*
 * Saves whom v's registers belong to, if anybody. True: they are what c wants already. Processes
 * that were forked from one and wait at the same place differ in nothing here, and to compare
 * two images costs a twentieth of the ioctl.
 */
static bool evict_locked(struct vcpu *v, const struct cpu *c)
{
	struct cpu *owner = v->fpu_owner;
	bool same;

	if (!owner)
		return false;
	sync_locked(v, owner);
	same = !vcpu_arch_fpu_unsure(v) && memcmp(owner->fpu, c->fpu, v->vm->fpu_size) == 0;
	forget_locked(v, owner);
	return same;
}

static int fpu_load(struct vcpu *v, struct cpu *c)
{
	int r = 0;

	if (atomic_load(&c->fpu_home) == v) {
		c->fpu_synced = false; /* we own c: nobody else looks */
		return 0;
	}
	vcpu_fpu_save(v->vm, c);
	vcpu_fpu_forget(v->vm, c);
	pthread_mutex_lock(&v->fpu_lock);
	if (!evict_locked(v, c))
		r = vcpu_arch_set_fpu(v, c->fpu);
	if (r == 0) {
		v->fpu_owner = c;
		c->fpu_synced = false;
		atomic_store(&c->fpu_home, v);
	}
	pthread_mutex_unlock(&v->fpu_lock);
	return r;
}

/* One KVM_RUN. */
static int enter(struct vcpu *v)
{
	return vcpu_ioctl(v, VCPU_IOCTL_RUN, KVM_RUN, NULL);
}

/* Another address space. False: no memory for a root. */
static bool change_mm(struct vcpu *v, struct mm *mm)
{
	struct gmem *gm = v->vm->gm;

	if (mm_root_on(mm, v->index, &v->root) < 0)
		return false;
	mm_activate(gm, v->index, mm);
	v->mm = mm;
	v->mm_switches++;
	if (v->channel)
		channel_scrub(v->channel);
	return true;
}

static void open_channel(struct vcpu *v)
{
	struct channel_spins spins = {0};

	if (v->exitless && (!v->burst.muted_until || core_now() >= v->burst.muted_until)) {
		v->burst.muted_until = 0;
		exitless_spins(v->exitless, &spins);
	}
	vcpu_arch_ask_faults(v, spins.request);
	channel_open(v->channel, v->exitless ? v->task : NULL, &spins);
}

/* A call left the guest. One that must not be answered there says nothing of how fast they come. */
static void note_call(struct vcpu *v)
{
	if (v->channel->outcome != CHANNEL_DECLINED && v->channel->outcome != CHANNEL_WHOLE)
		exitless_note_call(v->exitless, v, channel_asks(v->channel));
}

/* ---- standing in for v's thread ---- */

_Thread_local struct vcpu *vcpu_served;

bool vcpu_take_frame(struct vcpu *v, struct cpu *c)
{
	bool taken;

	pthread_mutex_lock(&v->fpu_lock);
	taken = v->fpu_owner == c && vcpu_arch_take_frame(v, c);
	if (taken)
		c->fpu_synced = true;
	pthread_mutex_unlock(&v->fpu_lock);
	return taken;
}

static void hold(struct vcpu *v, struct mm *mm)
{
	struct mm *old = atomic_exchange(&v->held_mm, mm);

	if (old)
		mm_put(old);
}

/*
 * Another address space for v, in the guest: it holds the old one. Who changes the old one waits
 * for v to leave as long as that is held, and who changes the new one from running_mm on, as in
 * vcpu_run.
 */
static bool change_mm_inside(struct vcpu *v, struct mm *mm)
{
	gpa_t root;
	int r;

	if (mm_root_on(mm, v->index, &root) < 0)
		return false;
	r = vcpu_arch_change_root(v, root);
	if (r < 0)
		return false;
	if (r > 0)
		channel_scrub(v->channel);
	mm_activate(v->vm->gm, v->index, mm);
	v->mm = mm;
	v->root = root;
	v->mm_switches++;
	v->root_writes++;
	atomic_store(&v->running_mm, mm);
	/* The root is loaded later than this, or KVM shadows it, and the generation means nothing.
	 */
	v->tlb_gen = mm_tlb_gen(mm);
	if (r > 0)
		v->left_mm = atomic_exchange(&v->held_mm, NULL);
	return true;
}

bool vcpu_put_frame(struct vcpu *v, struct cpu *c, struct mm *mm)
{
	bool change = mm != v->mm;

	if (!vcpu_arch_fits_frame(c) || (change && !change_mm_inside(v, mm)) || fpu_load(v, c) < 0)
		return false;
	pthread_mutex_lock(&v->fpu_lock);
	vcpu_arch_put_frame(v, c, change);
	pthread_mutex_unlock(&v->fpu_lock);
	c->regs_modified = false;
	c->ran_on = v;
	v->loaded = c;
	return true;
}

void vcpu_tidy(struct vcpu *v)
{
	struct mm *mm = v->left_mm;

	v->left_mm = NULL;
	if (!mm)
		return;
	/* What is asked meanwhile is answered soon. */
	channel_say_busy(v->channel, true);
	mm_put(mm);
	channel_say_busy(v->channel, false);
}

void vcpu_put_nobody(struct vcpu *v)
{
	v->loaded = NULL;
}

void vcpu_hold_mm(struct vcpu *v)
{
	if (atomic_load(&v->held_mm) != v->mm)
		hold(v, mm_get(v->mm));
}

void vcpu_release_mm(struct vcpu *v)
{
	if (atomic_load(&v->held_mm) == v->mm)
		hold(v, NULL);
}

/* Who was in the guest has been let go, and all that is in v now is nobody's, FP state included: a
 * program that does not wait in the stub can go on until v leaves. */
static void leave_nobody(struct vcpu *v, int err)
{
	struct cpu nobody = {0};
	struct trap none;

	v->exits[vcpu_arch_exit(v, &nobody, err, &none)]++;
	pthread_mutex_lock(&v->fpu_lock);
	if (v->fpu_owner)
		forget_locked(v, v->fpu_owner);
	pthread_mutex_unlock(&v->fpu_lock);
}

bool vcpu_run(struct vcpu *v, struct cpu *c, struct mm *mm, struct trap *t)
{
	struct vm *vm = v->vm;
	/* It may have been elsewhere meanwhile, and changed what only `all` loads. */
	bool all = v->loaded != c || c->ran_on != v || c->regs_modified, flush = false;
	enum vm_exit why;
	uint64_t gen;
	int r;

	*t = (struct trap){.kind = TRAP_KICK, .gen = mm_tlb_gen(mm)};
	__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (atomic_exchange(&v->kicked, false))
		return true;
	/* First: the last task's may still lie in the channel, which another mm wipes. */
	if (fpu_load(v, c) < 0) {
		t->kind = TRAP_CRASH;
		return true;
	}
	if (v->mm != mm) {
		if (!change_mm(v, mm)) {
			t->kind = TRAP_CRASH;
			return true;
		}
		all = true;
		/* The new root may be the frame of a dead one: to KVM, the same CR3. */
		flush = !vm->traits.shadow_paging;
		v->tlb_gen = mm_tlb_gen(mm);
	}

	/*
	 * Shootdown: the changer raises the generation, then looks for vCPUs with
	 * running_mm == mm and waits until they have left. We set running_mm, then read the
	 * generation: either it sees us, or we see its change. By an exchange, because QEMU
	 * emulates arm64 without order between a store-release and a load-acquire behind it.
	 */
	atomic_exchange(&v->running_mm, mm);
	gen = mm_tlb_gen(mm);
	if (v->tlb_gen != gen) {
		flush = !vm->traits.shadow_paging;
		v->tlb_gen = gen;
	}
	if (!vcpu_arch_load(v, c, all || flush, flush, t)) {
		atomic_fetch_add(&v->run_count, 1);
		atomic_store(&v->running_mm, NULL);
		v->loaded = NULL;
		return true;
	}
	c->regs_modified = false;
	v->loaded = c;
	c->ran_on = v;

	if (v->channel)
		open_channel(v);
	r = enter(v);
	/*
	 * A kick finds the vCPU anywhere: with an exception that KVM has not delivered yet and
	 * would deliver to the next task, or in the program, with registers that only the stub can
	 * fetch. Then it goes on now, to our stub, which exits at once.
	 */
	while (r < 0 && vcpu_arch_again(v, -r)) {
		__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		r = enter(v);
	}

	atomic_fetch_add(&v->run_count, 1);
	atomic_store(&v->running_mm, NULL);
	/* Only now: who handles a request may wait for us to have left. */
	if (v->channel) {
		channel_shut(v->channel);
		/* Who stood in for us may have given it another since. */
		atomic_store(&v->running_mm, NULL);
	}
	if (atomic_load(&v->held_mm))
		hold(v, NULL);
	c = v->loaded;
	if (!c) {
		leave_nobody(v, -r);
		return false;
	}
	why = vcpu_arch_exit(v, c, -r, t);
	t->gen = v->tlb_gen;
	v->exits[why]++;
	if (v->exitless && t->kind == TRAP_SYSCALL)
		note_call(v);
	else if (v->exitless && t->kind == TRAP_PAGE_FAULT)
		exitless_note_call(v->exitless, v, false);
	if (why == VM_EXIT_CRASH)
		v->loaded = NULL;
	return true;
}
