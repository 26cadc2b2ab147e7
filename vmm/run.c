/* vmbox run: from options to an exit status. */
#include "run.h"
#include "early.h"
#include "host_clock.h"
#include "host_tty.h"
#include "idle.h"
#include "jail.h"
#include "vcpu.h"
#include "../devices/chardev.h"
#include "../devices/clock.h"
#include "../devices/counter.h"
#include "linux/task.h"
#include "linux/vfs.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORCE_QUIT_NS 1000000000 /* two INTs within this end vmbox itself */
/* The guest is gone: how long calls to the host may still take, on a vCPU's thread (which may
 * be writing what it must not lose) and on a worker. */
#define VCPU_END_S     5
#define WORKERS_END_NS 200000000

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
	_Atomic(struct clock *) clock; /* NULL as long as the counter is not known */
	struct timer clock_timer;
	struct idle idle;
	struct host_clock host_clock;
	struct memobj *clock_obj; /* one page, which stays */
	char host_cwd[PATH_MAX];
	pfn_t clock_pfn; /* its frame; a reference */
	int signal_fd;
	struct watch *signal_watch;
	unsigned threads; /* started */
	pthread_t thread[VM_MAX_CPUS];
	bool hung; /* a thread is in a call to the host that does not return */

	/* reactor thread only: */
	int64_t last_int;

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

	for (;;) {
		if (task_step(t) != TASK_RUN)
			return;
		if (sched_need_resched(t->k->sched, v->index)) {
			sched_yield_task(&t->st);
			return;
		}
		v->task = t;
		vcpu_run(v, &t->cpu, task_mm(t), &trap);
		task_trap(t, &trap);
	}
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	struct run *r = v->thread_arg;
	struct sched_task *st;

	vcpu_bind_thread(v);
	while ((st = sched_next(r->sched, v->index, true)))
		run_task(v, container_of(st, struct task, st));
	pthread_mutex_lock(&r->lock);
	r->ended++;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* A channel's request, on the poller's thread. */
static enum channel_outcome serve_call(void *task, const struct channel_request *q, int64_t *result)
{
	static const enum channel_outcome outcome[] = {
		[TASK_DECLINED] = CHANNEL_DECLINED,
		[TASK_ANSWERED] = CHANNEL_ANSWERED,
		[TASK_LEAVES] = CHANNEL_DONE,
		[TASK_WAITS] = CHANNEL_STARTED,
	};
	long r = 0;
	enum task_answer a = task_call(task, q->nr, q->args, q->pc, &r);

	*result = r;
	return outcome[a];
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
	struct clock *c = atomic_load(&r->clock);
	struct timespec ts;

	if (!c) { /* the first process is being made; the clock will not be behind the host's */
		clock_gettime(clock, &ts);
		return ts.tv_sec * 1000000000LL + ts.tv_nsec;
	}
	switch (clock) {
	case CLOCK_REALTIME:
		return clock_read_real(c);
	case CLOCK_BOOTTIME:
		return clock_read_boot(c);
	default:
		return clock_read_mono(c);
	}
}

static const struct machine_ops machine_ops = {
	.fpu_save = machine_fpu_save,
	.clock_ns = machine_clock_ns,
	.fpu_forget = machine_fpu_forget,
	.barrier = machine_barrier,
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

	if (!r->o->stats)
		leave_at_once(guest_status(r));
	pthread_mutex_lock(&r->lock);
	r->halted = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* ---- signals to vmbox ---- */

static void forwarded_signals(sigset_t *set)
{
	static const int sigs[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT, SIGUSR1,
				   SIGUSR2, SIGALRM, SIGWINCH, SIGCONT, SIGTSTP};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaddset(set, sigs[i]);
}

/* terminal: a key or the terminal itself sent it, to vmbox's process group. */
static void pass_on(struct run *r, int sig, bool terminal)
{
	if (sig == SIGTSTP) {
		if (!terminal || kernel_signal_terminal(r->k, sig))
			host_tty_suspend();
		return;
	}
	if (sig == SIGCONT)
		host_tty_resume();
	if (terminal)
		kernel_signal_terminal(r->k, sig);
	else
		kernel_signal_init(r->k, sig);
}

static void on_signal(void *arg, uint32_t events)
{
	struct run *r = arg;
	struct signalfd_siginfo si;

	(void)events;
	while (read(r->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		/* Who types ^C at a shell in the guest means the shell's job, however often. */
		if (si.ssi_signo == SIGINT &&
		    !(si.ssi_code == SI_KERNEL && kernel_has_job_control(r->k))) {
			int64_t now = core_now();

			if (r->last_int && now - r->last_int < FORCE_QUIT_NS) {
				host_tty_restore();
				_exit(128 + SIGINT);
			}
			r->last_int = now;
		}
		pass_on(r, (int)si.ssi_signo, si.ssi_code == SI_KERNEL);
	}
	watch_want(r->signal_watch, EPOLLIN);
}

static int start_signals(struct run *r)
{
	sigset_t set;
	int e;

	forwarded_signals(&set);
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd < 0)
		return -errno;
	e = watch_create(r->reactor, r->signal_fd, on_signal, r, &r->signal_watch);
	if (e == 0)
		watch_want(r->signal_watch, EPOLLIN);
	return e;
}

/* ---- the clock ---- */

static void on_clock_timer(struct timer *t)
{
	struct run *r = container_of(t, struct run, clock_timer);

	timer_arm(t, core_now() + clock_update(r->clock));
}

static void on_clock_set(void *arg)
{
	struct run *r = arg;

	clock_update(r->clock);
	kernel_clock_was_set(r->k);
}

static int make_clock_page(struct run *r)
{
	int e;

	r->clock_obj = memobj_create(r->vm.gm, NULL, NULL);
	if (!r->clock_obj)
		return -ENOMEM;
	e = memobj_set_size(r->clock_obj, PAGE_SIZE);
	if (e == 0)
		e = memobj_get_page(r->clock_obj, 0, &r->clock_pfn);
	return e;
}

static int start_clock(struct run *r)
{
	struct vm *vm = &r->vm;
	struct clock *c =
		clock_create(frame_hva(vm->gm, r->clock_pfn), vm->counter_khz, vm->counter_offset,
			     vm->counter_trusted && counter_trusted());

	if (!c)
		return -ENOMEM;
	atomic_store(&r->clock, c);
	timer_init(&r->clock_timer, reactor_timers(r->reactor), on_clock_timer);
	return timer_arm(&r->clock_timer, core_now() + CLOCK_FIRST_UPDATE_NS);
}

/* ---- putting it together ---- */

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
		.clock = r->clock_obj,
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
	return chardev_register_all(add_chardev, r->k);
}

static int boot(struct run *r)
{
	const struct run_options *o = r->o;
	const struct early_config cfg = {
		.clock = r->clock_pfn,
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
	e = r->sched ? make_clock_page(r) : -ENOMEM;
	if (e == 0)
		e = vm_reserve_channels(&r->vm, r->o->cpus);
	if (e < 0)
		vmbox_error("cannot start: %s", strerror(-e));
	return e;
}

/* Where they cannot be, calls leave the guest; that is an error only for who insists. */
static int make_channels(struct run *r)
{
	int e = vm_make_channels(&r->vm);

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
	e = start_clock(r);
	if (e < 0)
		vmbox_error("cannot start: %s", strerror(-e));
	return e < 0 ? e : boot(r);
}

/* The guest path of a host image, and the file placed there. */
static int place_image(struct run *r, char path[PATH_MAX])
{
	const char *slash = strrchr(r->o->image, '/'), *base = slash ? slash + 1 : r->o->image;
	char dir[PATH_MAX], resolved[PATH_MAX];
	int e;

	if (slash == r->o->image)
		snprintf(dir, sizeof(dir), "/");
	else if (snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - r->o->image) : 1,
			  slash ? r->o->image : ".") >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	if (!realpath(dir, resolved))
		return -errno;
	if (snprintf(path, PATH_MAX, "%s/%s", strcmp(resolved, "/") ? resolved : "", base) >=
	    PATH_MAX)
		return -ENAMETOOLONG;
	e = vfs_place_file(r->k, r->o->image, path);
	return e;
}

/* As a shell: each directory of the guest's PATH, the first that can be executed; -EACCES if one
 * was there but cannot. */
static int start_by_path(struct run *r, const char **what)
{
	const char *dirs = "/bin:/usr/bin";
	int e = -ENOENT, last;
	char path[PATH_MAX];

	for (char **v = r->o->envp; *v; v++)
		if (strncmp(*v, "PATH=", 5) == 0)
			dirs = *v + 5;
	for (const char *d = dirs; *d; d += *d == ':') {
		size_t len = strcspn(d, ":");

		if (snprintf(path, sizeof(path), "%.*s%s%s", (int)len, d, len ? "/" : "",
			     r->o->image) < (int)sizeof(path)) {
			last = kernel_start_init(r->k, path, r->o->argv, r->o->envp, what);
			if (last != -ENOENT && last != -ENOTDIR && last != -EACCES)
				return last;
			if (last == -EACCES)
				e = last;
		}
		d += len;
	}
	*what = r->o->image;
	return e;
}

static int start_image(struct run *r)
{
	const char *what = r->o->image;
	char path[PATH_MAX];
	int e;

	if (r->o->root && !strchr(r->o->image, '/')) {
		e = start_by_path(r, &what);
	} else if (r->o->root) {
		e = kernel_start_init(r->k, r->o->image, r->o->argv, r->o->envp, &what);
	} else {
		e = place_image(r, path);
		if (e == 0)
			e = kernel_start_init(r->k, path, r->o->argv, r->o->envp, &what);
	}
	if (e == 0)
		return 0;
	vmbox_error("%s: %s", what ? what : r->o->image, strerror(-e));
	if (what && what == r->o->cwd)
		return EXIT_VMBOX;
	return e == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
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

	l->status = make_kernel(l->r) == 0 ? start_image(l->r) : EXIT_VMBOX;
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
	int e = idle_start(&r->idle, &r->vm, reactor_timers(r->reactor));

	if (e == 0)
		e = confine(r);
	if (e < 0)
		return e;
	exitless_init(&r->exitless, &r->vm, r->sched, r->o->exitless, serve_call);
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
	timer_cancel(&r->clock_timer);
	idle_stop(&r->idle);
	gmem_keeper_stop(r->vm.gm);
	reactor_stop(r->reactor);
}

static void run_destroy(struct run *r)
{
	host_clock_unwatch(&r->host_clock);
	if (r->signal_watch)
		watch_destroy(r->signal_watch);
	if (r->signal_fd >= 0)
		close(r->signal_fd);
	if (r->k)
		kernel_destroy(r->k);
	clock_destroy(r->clock);
	if (r->clock_pfn)
		frame_put(r->vm.gm, r->clock_pfn);
	if (r->clock_obj)
		memobj_put(r->clock_obj);
	if (r->sched)
		sched_destroy(r->sched);
	if (r->reactor)
		reactor_destroy(r->reactor);
	if (r->vm_made)
		vm_destroy(&r->vm);
}

int run_image(const struct run_options *o)
{
	static struct run r; /* vm's slot table is large */
	pthread_condattr_t attr;
	int status = EXIT_VMBOX;
	sigset_t set;

	r = (struct run){.o = o, .signal_fd = -1};
	pthread_mutex_init(&r.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r.changed, &attr);
	pthread_condattr_destroy(&attr);
	raise_nofile();
	signal(SIGPIPE, SIG_IGN);
	forwarded_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	vcpu_init_signal();
	host_tty_init();

	status = make_all(&r);
	if (status == 0) {
		status = EXIT_VMBOX;
		if (start_signals(&r) == 0 && start_threads(&r) == 0) {
			wait_for_halt(&r);
			status = guest_status(&r);
			stop_threads(&r);
			if (o->stats)
				report_stats(o, &r.vm, &r.exitless, r.k);
			leave_at_once(status);
			/* A mount of the host's that hangs must not keep what the guest has ended.
			 */
			if (r.hung || !kernel_stop(r.k, WORKERS_END_NS)) {
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
