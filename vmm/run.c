/* vmbox run: from options to an exit status. */
#include "run.h"
#include "early.h"
#include "guest_clock.h"
#include "host_clock.h"
#include "host_load.h"
#include "host_tty.h"
#include "idle.h"
#include "image.h"
#include "jail.h"
#include "signals.h"
#include "stand_in.h"
#include "vcpu.h"
#include "../devices/chardev.h"
#include "linux/task.h"
#include "linux/vfs.h"
#include "linux/writeback.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The guest is gone: how long calls to the host may still take, on a vCPU's thread (which may
 * be writing what it must not lose) and on a worker. */
#define VCPU_END_S     5
#define WORKERS_END_NS 200000000
#define VFORK_PATIENCE 1000000
#define WRITTEN_NS     10000000000LL /* so long the host need not take any page of a mapping */

extern const uint8_t vdso_image_start[], vdso_image_end[];

struct run {
	/* immutable once the threads run: */
	const struct run_options *o;
	struct vm vm; /* its vCPUs are made while the loader's thread fills guest memory */
	bool vm_made;
	struct reactor *reactor;
	struct sched *sched;
	struct kernel *k;
	struct exitless exitless;
	struct guest_clock clock;
	struct idle idle;
	struct host_clock host_clock;
	struct host_load host_load;
	char host_cwd[PATH_MAX];
	struct signals signals;
	unsigned threads; /* started */
	pthread_t thread[VM_MAX_CPUS];
	bool hung; /* a thread is in a call to the host that does not return */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* protected by lock: */
	bool halted;
	unsigned ended; /* vCPU threads */
};

/* ---- vCPU threads ---- */

/* Runs a task until somebody else's turn has come, or it blocks or ends. */
static void run_task(struct vcpu *v, struct task *t)
{
	struct trap trap;
	bool trapped;

	for (;;) {
		exitless_near(v->exitless, v);
		if (task_step(t) != TASK_RUN)
			return;
		if (sched_need_resched(t->k->sched, v->index)) {
			task_yield(t);
			return;
		}
		v->task = t;
		trapped = vcpu_run(v, &t->cpu, task_mm(t), &trap);
		/* Somebody may have stood in for us meanwhile. */
		t = v->task;
		if (!t)
			return;
		if (trapped)
			task_trap(t, &trap);
	}
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	struct run *r = v->thread_arg;
	struct sched_task *st;

	vcpu_bind_thread(v);
	while ((st = sched_next(r->sched, v->index, true))) {
		int e = vcpu_open(v);

		/* Its tasks may run nowhere else. */
		if (e < 0) {
			vmbox_error("vCPU %u: %s", v->index, strerror(-e));
			host_tty_restore();
			_exit(EXIT_VMBOX);
		}
		run_task(v, container_of(st, struct task, st));
	}
	pthread_mutex_lock(&r->lock);
	r->ended++;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void on_sched_kick(void *arg, unsigned cpu)
{
	struct run *r = arg;

	vcpu_kick(r->vm.vcpus[cpu]);
}

/* ---- the kernel's view of the machine ---- */

static void machine_fpu_save(void *machine, struct cpu *c)
{
	vcpu_fpu_save(machine, c);
}

static void machine_fpu_forget(void *machine, struct cpu *c)
{
	vcpu_fpu_forget(machine, c);
}

static void machine_barrier(void *machine, struct mm *mm)
{
	vm_barrier(machine, mm);
}

static int64_t machine_clock_ns(void *machine, int clock)
{
	struct run *r = container_of(machine, struct run, vm);

	return guest_clock_ns(&r->clock, clock);
}

static void machine_cpu_info(void *machine, unsigned cpu, unsigned cpus, FILE *f)
{
	vm_arch_cpu_info(machine, cpu, cpus, f);
}

static const struct machine_ops machine_ops = {
	.fpu_save = machine_fpu_save,
	.clock_ns = machine_clock_ns,
	.fpu_forget = machine_fpu_forget,
	.barrier = machine_barrier,
	.cpu_info = machine_cpu_info,
};

/*
 * What is left belongs to this process alone, and the host takes it back faster than we could.
 * Builds for tests take everything apart, to see what was forgotten.
 */
static void leave_at_once(int status)
{
#ifndef VMBOX_TIDY
	host_tty_restore();
	fflush(NULL);
	_exit(status);
#else
	(void)status;
#endif
}

static int guest_status(const struct run *r)
{
	return WIFSIGNALED(r->k->init_status) ? 128 + WTERMSIG(r->k->init_status)
					      : WEXITSTATUS(r->k->init_status);
}

static void on_halt(void *arg)
{
	struct run *r = arg;

	if (!r->o->stats && !atomic_load(&r->k->maps_written))
		leave_at_once(guest_status(r));
	pthread_mutex_lock(&r->lock);
	r->halted = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* ---- putting it together ---- */

static void on_clock_set(void *arg)
{
	struct run *r = arg;

	guest_clock_was_set(&r->clock);
	kernel_clock_was_set(r->k);
}

/* Host descriptors back guest files: take as many as the host allows. */
static void raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static int add_chardev(void *arg, const struct chardev *d)
{
	return vfs_add_chardev(arg, d->name, d->major, d->minor, d->mode, d->read, d->write);
}

static int mount_all(struct run *r)
{
	for (size_t i = 0; i < r->o->nmounts; i++) {
		const struct vfs_mount *m = &r->o->mounts[i];
		int e = vfs_mount(r->k, m);

		if (e < 0) {
			if (m->source)
				vmbox_error("--bind %s:%s: %s", m->source, m->target, strerror(-e));
			else
				vmbox_error("--tmpfs %s: %s", m->target, strerror(-e));
			return e;
		}
	}
	return 0;
}

static int make_kernel(struct run *r)
{
	const struct run_options *o = r->o;
	struct kernel_config cfg = {
		.cpus = o->cpus,
		.mem_limit = o->mem,
		.uid = o->uid,
		.gid = o->gid,
		.groups = o->groups,
		.ngroups = o->ngroups,
		.root = o->root,
		.cwd = o->cwd ? o->cwd : r->host_cwd,
		.cwd_must_exist = o->cwd != NULL,
		.hostname = "vmbox",
		.strace = o->strace,
		.stats = o->stats,
		.fpu_size = r->vm.fpu_size,
		.fpu_init = r->vm.fpu_init,
		.sigframe_fpu_size = r->vm.sigframe_fpu_size,
		.fpu_features = r->vm.xcr0,
		.vdso = vdso_image_start,
		.vdso_size = (size_t)(vdso_image_end - vdso_image_start),
		.clock = r->clock.page,
		.robust_list2_nr = o->robust_list2_nr,
		.robust_unlock_keep_waiters = o->robust_unlock_keep_waiters,
	};
	int e;

	if (!getcwd(r->host_cwd, sizeof(r->host_cwd)))
		r->host_cwd[0] = '\0';
	cfg.hwcap = vm_arch_hwcap(&r->vm, &cfg.hwcap2, &cfg.platform);
	e = kernel_create(r->vm.gm, r->sched, r->reactor, &cfg, &machine_ops, &r->vm, &r->k);
	if (e < 0) {
		if (o->root)
			vmbox_error("--root %s: %s", o->root, strerror(-e));
		else
			vmbox_error("cannot start: %s", strerror(-e));
		return e;
	}
	r->k->on_halt = on_halt;
	r->k->halt_arg = r;
	e = mount_all(r);
	if (e < 0)
		return e;
	/* Without it a step of the clock is seen within a second. */
	host_clock_watch(&r->host_clock, r->reactor, on_clock_set, r);
	host_load_open(&r->host_load);
	return chardev_register_all(add_chardev, r->k);
}

static int boot(struct run *r)
{
	const struct run_options *o = r->o;
	const struct early_config cfg = {
		.clock = r->clock.pfn,
		.channels = r->vm.channels,
		.tree_file = o->dtb,
		.dump = o->dump_dtb,
		.console = o->debug ? stderr : NULL,
	};
	char err[256];
	int e = early_boot(&r->vm, &cfg, err, sizeof(err));

	if (e < 0)
		vmbox_error("device tree: %s", err);
	return e;
}

static void say_vm_error(const char *err, int e)
{
	const char *remedy = vm_remedy(e);

	vmbox_error("%s%s%s%s", err, remedy ? "; " : "", remedy ? remedy : "",
		    remedy ? " (vmbox doctor tells more; vmbox nested needs no KVM)" : "");
}

/* The VM and its memory: enough to load a program. */
static int make_machine(struct run *r)
{
	char err[256];
	int e;

	e = vm_create(&r->vm, r->o->mem, err, sizeof(err));
	if (e < 0) {
		say_vm_error(err, e);
		return e;
	}
	r->vm_made = true;
	r->reactor = reactor_create();
	if (r->reactor)
		r->sched = sched_create(r->o->cpus, reactor_timers(r->reactor), on_sched_kick, r);
	e = r->sched ? guest_clock_make_page(&r->clock, r->vm.gm) : -ENOMEM;
	if (e == 0)
		e = vm_reserve_channels(&r->vm, r->o->cpus);
	if (e < 0)
		vmbox_error("cannot start: %s", strerror(-e));
	return e;
}

/*
 * Where they cannot be, calls leave the guest; that is an error only for who insists. And so they
 * do where an exit costs no more than a few answers, and FP state needs no channel: what polling is
 * worth there nobody has measured.
 */
static int make_channels(struct run *r)
{
	bool cheap = r->vm.traits.syscall_raises_cpl && r->o->exitless != EXITLESS_ON;
	int e = cheap ? -ENOTSUP : vm_make_channels(&r->vm);

	if (e == -ENOTSUP) {
		vm_drop_channels(&r->vm);
		if (r->o->exitless != EXITLESS_ON)
			return 0;
	}
	if (e < 0)
		vmbox_error("--exitless: %s", e == -ENOTSUP ? "not on this KVM" : strerror(-e));
	return e;
}

/* Its vCPUs, and all that needs them. */
static int start_machine(struct run *r)
{
	char err[256];
	int e;

	e = vm_add_vcpus(&r->vm, r->o->cpus, err, sizeof(err));
	if (e < 0) {
		say_vm_error(err, e);
		return e;
	}
	if (r->o->asid_bits && vm_limit_asids(&r->vm, r->o->asid_bits) < 0) {
		vmbox_error("--asid-bits %u: too few for %u CPUs, or more than the processor has",
			    r->o->asid_bits, r->o->cpus);
		return -EINVAL;
	}
	e = make_channels(r);
	if (e < 0)
		return e;
	e = guest_clock_start(&r->clock, &r->vm, reactor_timers(r->reactor));
	if (e < 0)
		vmbox_error("cannot start: %s", strerror(-e));
	return e < 0 ? e : boot(r);
}

/*
 * The kernel and its first program are made in a thread of their own, while this one makes the
 * vCPUs and runs the early code: both take about as long, and they share guest memory alone.
 */
struct loader {
	struct run *r;
	pthread_t thread;
	bool in_thread;
	int status; /* 0, or what vmbox exits with; the error has been printed */
};

static void *loader_thread(void *arg)
{
	struct loader *l = arg;

	l->status = make_kernel(l->r) == 0 ? image_start(l->r->k, l->r->o) : EXIT_VMBOX;
	return NULL;
}

/* 0, or what vmbox exits with. */
static int make_all(struct run *r)
{
	struct loader l = {.r = r};
	int e;

	if (make_machine(r) < 0)
		return EXIT_VMBOX;
	l.in_thread = pthread_create(&l.thread, NULL, loader_thread, &l) == 0;
	e = start_machine(r);
	if (l.in_thread)
		pthread_join(l.thread, NULL);
	else
		loader_thread(&l);
	return e < 0 ? EXIT_VMBOX : l.status;
}

struct tree_list {
	struct landlock_tree *tree;
	size_t n;
};

static int add_tree(void *arg, int fd, bool writable)
{
	struct tree_list *l = arg;

	l->tree[l->n++] = (struct landlock_tree){fd, writable};
	return 0;
}

/* The machine is made and the image is open: the rest is done with little. */
static int confine(struct run *r)
{
	const struct run_options *o = r->o;
	struct tree_list l = {.n = 0};
	int e = 0;

	if (o->no_jail)
		return 0;
	l.tree = calloc(o->nmounts + 1, sizeof(*l.tree)); /* and the root */
	e = l.tree ? vfs_each_host_tree(r->k, add_tree, &l) : -ENOMEM;
	if (e == 0)
		e = jail_enter(l.tree, l.n);
	free(l.tree);
	if (e < 0)
		vmbox_error("cannot confine itself: %s (--no-jail runs without)", strerror(-e));
	return e;
}

static void join_vcpus(struct run *r)
{
	struct timespec end;

	for (unsigned i = 0; i < r->threads; i++)
		vcpu_kick(r->vm.vcpus[i]);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += VCPU_END_S;
	pthread_mutex_lock(&r->lock);
	while (r->ended < r->threads && !r->hung)
		r->hung = pthread_cond_timedwait(&r->changed, &r->lock, &end) != 0;
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < r->threads && !r->hung; i++)
		pthread_join(r->thread[i], NULL);
}

static int start_threads(struct run *r)
{
	int e = signals_start(&r->signals, r->k, r->reactor);

	if (e == 0)
		e = idle_start(&r->idle, &r->vm, reactor_timers(r->reactor));
	if (e < 0) {
		vmbox_error("cannot start: %s", strerror(-e));
		return e;
	}
	e = confine(r);
	if (e < 0)
		return e;
	exitless_init(&r->exitless, &r->vm, r->sched, &r->host_load, r->o->exitless, &stand_in_ops);
	/* Another vCPU would need the poller's processor. */
	if (r->exitless.processors <= 2)
		r->k->vfork_patience = VFORK_PATIENCE;
	/* As long as each call leaves the guest, a jump saves a twentieth of it. */
	if (r->o->rewrite == REWRITE_ON ||
	    (r->o->rewrite == REWRITE_AUTO && r->vm.vcpus[0]->exitless))
		r->k->call_entry = vm_arch_call_entry(&r->vm);
	/* The first program runs where the early code has run: that thread goes first. */
	for (unsigned i = 0; e == 0 && i < r->o->cpus; i++) {
		r->vm.vcpus[i]->thread_arg = r;
		e = -pthread_create(&r->thread[i], NULL, vcpu_thread, r->vm.vcpus[i]);
		if (e == 0)
			r->threads++;
	}
	if (e == 0)
		e = reactor_start(r->reactor);
	if (e == 0)
		e = gmem_keeper_start(r->vm.gm);
	if (e < 0)
		vmbox_error("cannot start a thread: %s", strerror(-e));
	return e;
}

static void wait_for_halt(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	while (!r->halted)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/* Accepts that some or none were started. */
static void stop_threads(struct run *r)
{
	sched_stop(r->sched);
	join_vcpus(r);
	/* What keeps a vCPU's thread may be a handler of the poller's. */
	if (!r->hung)
		exitless_stop(&r->exitless);
	guest_clock_stop(&r->clock);
	idle_stop(&r->idle);
	gmem_keeper_stop(r->vm.gm);
	reactor_stop(r->reactor);
}

static void run_destroy(struct run *r)
{
	host_clock_unwatch(&r->host_clock);
	host_load_close(&r->host_load);
	signals_stop(&r->signals);
	if (r->k)
		kernel_destroy(r->k);
	guest_clock_destroy(&r->clock, r->vm.gm);
	if (r->sched)
		sched_destroy(r->sched);
	if (r->reactor)
		reactor_destroy(r->reactor);
	if (r->vm_made)
		vm_destroy(&r->vm);
}

int run_image(const struct run_options *o)
{
	static struct run r;
	pthread_condattr_t attr;
	int status = EXIT_VMBOX;
	bool written;

	r = (struct run){.o = o};
	pthread_mutex_init(&r.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r.changed, &attr);
	pthread_condattr_destroy(&attr);
	raise_nofile();
	signal(SIGPIPE, SIG_IGN);
	signals_block(&r.signals);
	vcpu_init_signal();
	host_tty_init();

	status = make_all(&r);
	if (status == 0) {
		status = EXIT_VMBOX;
		if (start_threads(&r) == 0) {
			wait_for_halt(&r);
			status = guest_status(&r);
			written = kernel_write_back(r.k, WRITTEN_NS);
			if (!written)
				vmbox_error("not everything that was written is there: the host "
					    "does not answer");
			if (!o->stats)
				leave_at_once(status);
			stop_threads(&r);
			if (o->stats)
				report_stats(o, &r.vm, &r.exitless, r.k);
			leave_at_once(status);
			/* A mount of the host's that hangs must not keep what the guest has ended.
			 */
			if (r.hung || !written || !kernel_stop(r.k, WORKERS_END_NS)) {
				fflush(NULL);
				host_tty_restore();
				_exit(status);
			}
		} else {
			stop_threads(&r);
		}
	}
	run_destroy(&r);
	host_tty_restore();
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct run_options o;
	int r = run_options_parse(&o, argc, argv);

	if (r != 0)
		return r > 0 ? 0 : EXIT_VMBOX;
	r = run_image(&o);
	run_options_free(&o);
	return r;
}
