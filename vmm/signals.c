/* Signals to vmbox: see signals.h. */
#include "signals.h"
#include "host_tty.h"
#include "linux/kernel.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define FORCE_QUIT_NS 1000000000 /* two INTs within this end vmbox itself */

static void forwarded(sigset_t *set)
{
	static const int sigs[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT, SIGUSR1,
				   SIGUSR2, SIGALRM, SIGWINCH, SIGCONT, SIGTSTP};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaddset(set, sigs[i]);
}

/* terminal: a key or the terminal itself sent it, to vmbox's process group. */
static void pass_on(struct signals *s, int sig, bool terminal)
{
	if (sig == SIGTSTP) {
		if (!terminal || kernel_signal_terminal(s->k, sig))
			host_tty_suspend();
		return;
	}
	if (sig == SIGCONT)
		host_tty_resume();
	if (terminal)
		kernel_signal_terminal(s->k, sig);
	else
		kernel_signal_init(s->k, sig);
}

static void on_signal(void *arg, uint32_t events)
{
	struct signals *s = arg;
	struct signalfd_siginfo si;

	(void)events;
	while (read(s->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		/* Who types ^C at a shell in the guest means the shell's job, however often. */
		if (si.ssi_signo == SIGINT &&
		    !(si.ssi_code == SI_KERNEL && kernel_has_job_control(s->k))) {
			int64_t now = core_now();

			if (s->last_int && now - s->last_int < FORCE_QUIT_NS) {
				host_tty_restore();
				_exit(128 + SIGINT);
			}
			s->last_int = now;
		}
		pass_on(s, (int)si.ssi_signo, si.ssi_code == SI_KERNEL);
	}
	watch_want(s->watch, EPOLLIN);
}

void signals_block(struct signals *s)
{
	sigset_t set;

	*s = (struct signals){.fd = -1};
	forwarded(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int signals_start(struct signals *s, struct kernel *k, struct reactor *r)
{
	sigset_t set;
	int e;

	s->k = k;
	forwarded(&set);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0)
		return -errno;
	e = watch_create(r, s->fd, on_signal, s, &s->watch);
	if (e == 0)
		watch_want(s->watch, EPOLLIN);
	return e;
}

void signals_stop(struct signals *s)
{
	if (s->watch)
		watch_destroy(s->watch);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct signals){.fd = -1};
}
