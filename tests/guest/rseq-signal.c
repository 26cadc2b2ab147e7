// env: GLIBC_TUNABLES=glibc.pthread.rseq=0
// A signal inside a section: the handler finds that it has been aborted. Descriptors that are wrong
// are SIGSEGV.
#include "rseq.h"
#include <sys/time.h>
#include <ucontext.h>

static struct area area;
static struct section section;
static volatile int inside;
static volatile sig_atomic_t aborted, signals;

static void on_alarm(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	uint64_t pc = UC_PC(uc);

	(void)sig;
	(void)info;
	/* Never inside; elsewhere, if something else has aborted it just before. */
	CHECK(pc < section.start || pc >= section.start + section.length);
	if (pc == section.abort)
		aborted = 1;
	CHECK(pc != section.abort || area.cs == 0);
	signals++;
}

static void start_alarms(void)
{
	const struct itimerval every = {{0, 2000}, {0, 2000}};
	struct sigaction sa = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void spin_until_signalled(void)
{
	CHECK_EQ(rseq(&area, 32, 0, RSEQ_SIG), 0);
	section = spin_section();
	start_alarms();
	while (!aborted) {
		inside = 0;
		CHECK_EQ(rseq_spin(&area.cs, &section, &inside, 1), 1);
		CHECK_EQ(inside, 1);
		CHECK_EQ(area.cs, 0);
	}
	CHECK(signals > 0);
	say("aborted\n");
}

/* ---- wrong ones ---- */

struct bad {
	const char *what;
	unsigned sig;
	struct section s;
	uint32_t flags;
	uint64_t pointer; /* instead of s */
};

static void spin_badly(void *arg)
{
	const struct bad *b = arg;

	CHECK_EQ(rseq(&area, 32, 0, b->sig), 0);
	section = b->s;
	area.flags = b->flags;
	start_alarms();
	rseq_spin(&area.cs, b->pointer ? (struct section *)b->pointer : &section, &inside, 1);
	say("it comes back\n");
}

static void try_bad(struct bad b)
{
	if (!b.sig)
		b.sig = RSEQ_SIG;
	if (!b.s.start)
		b.s = spin_section();
	say("%s: %s\n", b.what, status_text(run_child(spin_badly, &b)));
}

int main(void)
{
	const struct section good = spin_section();
	struct section s;

	spin_until_signalled();
	CHECK_EQ(rseq(&area, 32, UNREGISTER, RSEQ_SIG), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL), 0);

	try_bad((struct bad){.what = "another signature", .sig = 0x1234});
	try_bad((struct bad){.what = "flags of the area", .flags = 1});
	try_bad((struct bad){.what = "no descriptor", .pointer = 16});
	try_bad((struct bad){.what = "the kernel's descriptor", .pointer = 1ULL << 63});
	s = good;
	s.version = 1;
	try_bad((struct bad){.what = "version 1", .s = s});
	s = good;
	s.flags = 1;
	try_bad((struct bad){.what = "flags of the section", .s = s});
	s = good;
	s.abort = s.start;
	try_bad((struct bad){.what = "abort inside", .s = s});
	s = good;
	s.length = ~0ULL;
	try_bad((struct bad){.what = "endless", .s = s});
	s = good;
	s.abort = 1ULL << 62;
	try_bad((struct bad){.what = "abort outside of user space", .s = s});
	s = good;
	s.abort = 16;
	try_bad((struct bad){.what = "no signature", .s = s});
	return 0;
}
