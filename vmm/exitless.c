/* The poller of the channels, and its policy: see exitless.h. */
#include "exitless.h"
#include "vcpu.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Times in ns. An exit costs some 30,000 where there are channels at all, an answer 300.
 */
#define PATIENCE      4000   /* of the stub, until its request is taken */
#define PATIENCE_MORE 60000  /* until a call that is being made is finished */
#define PATIENCE_SAVE 250000 /* of the stub that has handed over its registers: execve is long */
#define WAIT          60000  /* a vCPU without a task waits so long in the guest for another */
#define LEASE         200000 /* that was longer: it is not in the stub at all */
#define LAZY          100000 /* what a task has woken waits so long for the same vCPU */
#define IDLE          500000 /* the poller, without a request: a program starts up in less */
#define IDLE_ON       2000000
#define GAP           300000 /* so long it did not poll: somebody else needs the processor */
#define LOOK          50000  /* so often it looks who else runs */
#define CROWDED       8
#define BURST         400000 /* calls in that time: */
#define BURST_CALLS   4
#define EXIT          30000 /* what an answer saves */
#define WORTH         2     /* so much of what it saves may a session last that was worth it */
#define CALM          40000000
#define PAUSE_IDLE    1000000
#define PAUSE_BUSY    4000000
#define PAUSE_MAX     1000000000
#define PAUSE_OTHERS  2000000 /* until it is asked again whether somebody else runs */
#define SPIN_TEST     200000
#define SPINS_MIN     16
#define MUTE          50000 /* a vCPU that was not answered does not ask for so long */

static void *poller(void *arg);

static long futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/*
 * How many times the stub's loop runs in a microsecond, about. An emulated processor may give way
 * to another at each pause, for as long as that likes.
 */
static uint32_t spins_per_us(void)
{
	int64_t start = core_now(), ns = 0;
	uint32_t n = 0, per_us;

	while (n < 2000 && ns < SPIN_TEST) {
		cpu_relax();
		if (++n == 1 || n % 8 == 0)
			ns = core_now() - start;
	}
	per_us = ns > n ? (uint32_t)(n * 1000L / ns) : 1000;
	return per_us < SPINS_MIN ? SPINS_MIN : per_us;
}

/*
 * Not on the processor of who has just woken us: it would wait behind us with what we wait for, and
 * the host's scheduler is in no hurry to tell them apart.
 */
static void keep_away(struct exitless *e)
{
	int cpu = atomic_load(&e->waker);
	cpu_set_t set = e->allowed;

	if (cpu < 0 || cpu == e->avoided || CPU_COUNT(&set) < 2)
		return;
	CPU_CLR((unsigned)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		e->avoided = cpu;
}

void exitless_spins(const struct exitless *e, struct channel_spins *spins)
{
	*spins = (struct channel_spins){0};
	/* Not while it is waking: that takes longer than the stub's patience. */
	if (atomic_load_explicit(&e->state, memory_order_acquire) != EXITLESS_POLLS)
		return;
	spins->request = e->patience;
	spins->claimed = e->patience_more;
	spins->frame = e->patience_frame;
}

static void set_spins(struct exitless *e)
{
	struct channel_spins spins;

	exitless_spins(e, &spins);
	for (unsigned i = 0; i < e->vm->nvcpus; i++) {
		channel_set_spin(e->vm->vcpus[i]->channel, spins.request);
		vcpu_arch_ask_faults(e->vm->vcpus[i], spins.request);
	}
}

/*
 * It may go to sleep meanwhile: then who waits does so until v's task blocks, or its slice ends.
 */
void exitless_near(const struct exitless *e, const struct vcpu *v)
{
	bool polls = e && atomic_load_explicit(&e->state, memory_order_relaxed) == EXITLESS_POLLS;

	sched_near(polls ? (int)v->index : -1, vcpu_arch_changes_mm(v));
}

bool exitless_calm(const struct exitless *e)
{
	return !e->shaken;
}

bool exitless_may_wait(const struct exitless *e, const struct vcpu *v)
{
	unsigned inside = 0, load = sched_load(e->sched);

	/* Some may wait there, too. */
	for (unsigned i = 0; i < e->vm->nvcpus; i++)
		inside += e->vm->vcpus[i] != v &&
			  atomic_load_explicit(&e->vm->vcpus[i]->running_mm, memory_order_relaxed);
	/* The poller, and v. */
	return 2 + (load > inside ? load : inside) <= e->processors;
}

static bool crowded(const struct exitless *e)
{
	return e->mode == EXITLESS_AUTO && sched_running(e->sched) >= e->processors;
}

/* Somebody else has the processor that the poller would need; or a thread of ours that is about to
 * sleep, in which case asking again says something else. */
static bool others_run(const struct exitless *e)
{
	unsigned running = host_load_running(e->load);

	return running >= e->load->processors && running > sched_running(e->sched);
}

/* The last session was disturbed and did not pay. To try again while others run costs milliseconds
 * each time: who is put off its processor half-way keeps the vCPU waiting. */
static bool put_off(struct exitless *e, int64_t now)
{
	if (e->mode != EXITLESS_AUTO || now >= atomic_load(&e->no_trial_before) || !others_run(e))
		return false;
	atomic_store(&e->not_before, now + PAUSE_OTHERS);
	return true;
}

/* A program that makes few calls needs no poller: it is started when it is first woken. */
static void wake(struct exitless *e)
{
	uint32_t sleeps = EXITLESS_SLEEPS;

	if (!atomic_compare_exchange_strong(&e->state, &sleeps, EXITLESS_WOKEN))
		return;
	atomic_store(&e->waker, sched_getcpu());
	if (e->started) {
		futex(&e->state, FUTEX_WAKE_PRIVATE, 1);
		return;
	}
	/* First, for the next who wakes it. If it cannot be, WOKEN is how it remains. */
	e->started = true;
	if (pthread_create(&e->thread, NULL, poller, e))
		e->started = false;
}

void exitless_note_call(struct exitless *e, struct vcpu *v, bool asked)
{
	struct vcpu_burst *b = &v->burst;
	int64_t now;

	if (asked) {
		b->muted_until = core_now() + MUTE;
		return;
	}
	if (atomic_load_explicit(&e->state, memory_order_relaxed) != EXITLESS_SLEEPS)
		return;
	now = core_now();
	if (now - b->start > BURST) {
		b->start = now;
		b->calls = 0;
	}
	if (++b->calls < BURST_CALLS && e->mode == EXITLESS_AUTO)
		return;
	b->calls = 0;
	if (now < atomic_load_explicit(&e->not_before, memory_order_relaxed) || crowded(e))
		return;
	if (!put_off(e, now))
		wake(e);
}

/* ---- the poller ---- */

struct session {
	int64_t start, last_answer, last_poll, next_look;
	uint64_t answers;
	unsigned crowded; /* looks in a row */
	bool disturbed;
};

/*
 * It need not wait in the stub: a program that has written to its channel may run on, without a
 * task, and keep the vCPU from those that are waiting for it.
 */
static void end_lease(struct exitless *e, unsigned cpu, int64_t now)
{
	struct exitless_lease *l = &e->lease[cpu];
	struct vcpu *v = e->vm->vcpus[cpu];

	if (!l->since || now - l->since < WAIT)
		return;
	if (channel_state(v->channel) == ABI_CHANNEL_PARKED)
		channel_dismiss(v->channel);
	if (now - l->since < LEASE)
		return;
	l->since = 0;
	if (atomic_load(&v->run_count) == l->run)
		vcpu_kick(v);
}

void exitless_lend(struct exitless *e, const struct vcpu *v, bool lend)
{
	struct exitless_lease *l = &e->lease[v->index];
	uint64_t run = atomic_load(&v->run_count);

	if (!lend || !atomic_load(&v->running_mm)) {
		l->since = 0; /* or it has left by now */
	} else if (!l->since || l->run != run) {
		l->since = core_now();
		l->run = run;
	}
}

static bool serve_one(struct exitless *e, unsigned cpu)
{
	struct vcpu *v = e->vm->vcpus[cpu];
	struct channel *ch = v->channel;
	uint32_t state = channel_state(ch);
	bool did;

	if (state != ABI_CHANNEL_REQUEST && state != ABI_CHANNEL_SAVED &&
	    state != ABI_CHANNEL_FAULT &&
	    (state != ABI_CHANNEL_PARKED || !sched_queued(e->sched, cpu)))
		return false;
	sched_near((int)cpu, vcpu_arch_changes_mm(v));
	vcpu_served = v;
	did = channel_serve(ch, e->ops);
	vcpu_served = NULL;
	vcpu_tidy(v);
	sched_near(-1, false);
	return did;
}

static bool serve_all(struct exitless *e)
{
	bool any = false;

	for (unsigned i = 0; i < e->vm->nvcpus; i++)
		any |= serve_one(e, i);
	return any;
}

static void look_after_vcpus(struct exitless *e, int64_t now)
{
	for (unsigned i = 0; i < e->vm->nvcpus; i++) {
		sched_spread(e->sched, i, now - LAZY);
		end_lease(e, i, now);
	}
}

/* The session goes on. */
static bool look(struct exitless *e, struct session *s, int64_t now)
{
	bool gap = now - s->last_poll > GAP;

	s->last_poll = now;
	if (e->mode == EXITLESS_ON)
		return now - s->last_answer < IDLE_ON;
	if (gap) {
		s->disturbed = true;
		return false;
	}
	if (now - s->last_answer > IDLE)
		return false;
	if (now >= s->next_look) {
		s->next_look = now + LOOK;
		/* Two that wake each other in turn are one. */
		s->crowded = crowded(e) ? s->crowded + 1 : 0;
		if (s->crowded == CROWDED)
			return false;
	}
	return true;
}

static void poll_session(struct exitless *e, struct session *s)
{
	s->start = s->last_answer = s->last_poll = core_now();
	while (!atomic_load_explicit(&e->stop, memory_order_relaxed)) {
		bool any = false;
		int64_t now;

		/* It may have taken long: then others have waited. */
		for (int i = 0; i < 16 && !any; i++) {
			any = serve_all(e);
			if (!any)
				cpu_relax();
		}
		s->answers += any;
		now = core_now();
		if (e->shaken && now - s->start > CALM) {
			e->shaken = false;
			e->pause_busy = 0;
		}
		look_after_vcpus(e, now);
		if (any)
			s->last_answer = s->last_poll = now;
		else if (!look(e, s, now))
			return;
	}
}

static int64_t longer(int64_t pause, int64_t first)
{
	pause = pause ? pause * 2 : first;
	return pause > PAUSE_MAX ? PAUSE_MAX : pause;
}

/* ns until the next that may be. The poller has lost its processor, for longer than one that is not
 * interrupted waits for an answer. */
static int64_t pause_after_disturbed(struct exitless *e, bool paid, int64_t now)
{
	e->disturbed++;
	e->shaken = true;
	if (paid) {
		e->pause_busy = 0;
		return 0;
	}
	atomic_store(&e->no_trial_before, now + PAUSE_MAX);
	e->pause_busy = longer(e->pause_busy, PAUSE_BUSY);
	return e->pause_busy;
}

/* What the session was says when the next may be. */
static void after_session(struct exitless *e, const struct session *s)
{
	int64_t now = core_now(), pause = 0, saved = (int64_t)s->answers * EXIT;
	bool paid = saved >= now - s->start;

	e->sessions++;
	e->pause_idle = saved * WORTH >= now - s->start ? 0 : longer(e->pause_idle, PAUSE_IDLE);
	if (paid)
		atomic_store(&e->no_trial_before, 0);
	if (s->disturbed)
		pause = pause_after_disturbed(e, paid, now);
	if (pause < e->pause_idle)
		pause = e->pause_idle;
	atomic_store(&e->not_before, e->mode == EXITLESS_ON ? 0 : now + pause);
}

static void *poller(void *arg)
{
	struct exitless *e = arg;
	uint32_t per_us = spins_per_us();

	e->patience = per_us * (PATIENCE / 1000);
	e->patience_more = per_us * (PATIENCE_MORE / 1000);
	e->patience_frame = per_us * (PATIENCE_SAVE / 1000);
	while (!atomic_load(&e->stop)) {
		struct session s = {0};

		if (atomic_load(&e->state) == EXITLESS_SLEEPS) {
			futex(&e->state, FUTEX_WAIT_PRIVATE, EXITLESS_SLEEPS);
			continue;
		}
		keep_away(e);
		atomic_store(&e->state, EXITLESS_POLLS);
		set_spins(e);
		poll_session(e, &s);
		after_session(e, &s);
		/* Who has asked by now waits in vain for a moment, and leaves. */
		atomic_store(&e->state, EXITLESS_SLEEPS);
		set_spins(e);
		look_after_vcpus(e, TIME_NEVER - 1);
	}
	return NULL;
}

void exitless_init(struct exitless *e, struct vm *vm, struct sched *sched,
		   const struct host_load *load, enum exitless_mode mode,
		   const struct channel_ops *ops)
{
	*e = (struct exitless){.mode = mode, .vm = vm, .sched = sched, .load = load, .ops = ops};
	e->avoided = -1;
	atomic_init(&e->waker, -1);
	if (sched_getaffinity(0, sizeof(e->allowed), &e->allowed) < 0)
		CPU_ZERO(&e->allowed);
	e->processors = (unsigned)CPU_COUNT(&e->allowed);
	if (mode == EXITLESS_OFF || (e->processors < 2 && mode == EXITLESS_AUTO))
		return;
	for (unsigned i = 0; i < vm->nvcpus; i++)
		vm->vcpus[i]->exitless = vm->vcpus[i]->channel ? e : NULL;
}

void exitless_stop(struct exitless *e)
{
	if (!e->started)
		return;
	atomic_store(&e->stop, true);
	wake(e);
	pthread_join(e->thread, NULL);
	e->started = false;
}
