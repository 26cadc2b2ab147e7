/* The host's terminal: see host_tty.h. */
#include "host_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define FD_MIN 10 /* out of the way of what scripts use */

static int tty_fd = -1;
static struct termios saved;
/* suspend and resume: the guest's attributes, while vmbox is stopped */
static struct termios guest;
static bool suspended;

static bool in_foreground(void)
{
	pid_t pg = tcgetpgrp(tty_fd);

	/* Not our controlling terminal: then nobody is stopped for using it. */
	return pg < 0 || pg == getpgrp();
}

static void set_attr(const struct termios *a)
{
	sigset_t ttou, old;

	/* The shell may take the foreground right now; better a wrong attribute than to stop here.
	 */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	tcsetattr(tty_fd, TCSANOW, a);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void host_tty_restore(void)
{
	int err = errno;
	struct termios now;

	if (tty_fd >= 0 && in_foreground() && tcgetattr(tty_fd, &now) == 0 &&
	    memcmp(&now, &saved, sizeof(now)) != 0)
		set_attr(&saved);
	errno = err;
}

void host_tty_suspend(void)
{
	sigset_t tstp, old;

	if (tty_fd >= 0 && in_foreground() && tcgetattr(tty_fd, &guest) == 0) {
		suspended = true;
		set_attr(&saved);
	}
	sigemptyset(&tstp);
	sigaddset(&tstp, SIGTSTP);
	raise(SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &tstp, &old);
	/* It has stopped and goes on. */
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	host_tty_resume();
}

void host_tty_resume(void)
{
	if (!suspended || !in_foreground())
		return;
	suspended = false;
	set_attr(&guest);
}

/* The default action follows: the handler is gone (SA_RESETHAND), and the fault comes again. */
static void on_crash(int sig)
{
	host_tty_restore();
	if (sig == SIGABRT)
		raise(sig);
}

static void catch_crashes(void)
{
	static const int sigs[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	struct sigaction sa = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND}, old;

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		if (sigaction(sigs[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(sigs[i], &sa, NULL);
}

void host_tty_init(void)
{
	for (int fd = 0; fd < 3 && tty_fd < 0; fd++)
		if (tcgetattr(fd, &saved) == 0)
			tty_fd = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
	if (tty_fd >= 0)
		catch_crashes();
}
