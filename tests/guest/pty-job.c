// variants: static musl
// Sessions: who gets the terminal, signals of keys and sizes, background jobs, /dev/tty, hang-ups.
#include "pty.h"
#include <sys/sysmacros.h>

static int m, s;

/* A new session whose leader has the terminal: runs fn there. */
static pid_t session(void (*fn)(void))
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		CHECK(setsid() > 0);
		CHECK_EQ(ioctl(s, TIOCSCTTY, 0), 0);
		fn();
		_exit(0);
	}
	return pid;
}

/* Fields 7 and 8 of /proc/self/stat. */
static void stat_numbers(int *tty_nr, int *tpgid)
{
	char line[512] = "", *p;
	int fd = open("/proc/self/stat", O_RDONLY);

	CHECK(read(fd, line, sizeof(line) - 1) > 0);
	close(fd);
	p = strrchr(line, ')');
	CHECK(p != NULL);
	CHECK_EQ(sscanf(p + 2, "%*c %*d %*d %*d %d %d", tty_nr, tpgid), 2);
}

static void child_without(void)
{
	int nr, tpgid, n;

	CHECK(setsid() > 0);
	stat_numbers(&nr, &tpgid);
	CHECK(nr == 0 && tpgid == -1);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
	CHECK_ERR(ioctl(s, TIOCGPGRP, &n), ENOTTY);
	/* O_NOCTTY and a write-only open do not take it; an ordinary open does. */
	CHECK(open(pts_path(m), O_RDWR | O_NOCTTY) >= 0);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
	CHECK(open(pts_path(m), O_WRONLY) >= 0);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
	CHECK(open("/dev/ptmx", O_RDWR) >= 0);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
	CHECK(open(pts_path(m), O_RDWR) >= 0);
	CHECK(open("/dev/tty", O_RDWR) >= 0);
	CHECK_EQ(ioctl(s, TIOCGPGRP, &n), 0);
	CHECK_EQ(n, getpid());
	CHECK_EQ(ioctl(s, TIOCGSID, &n), 0);
	CHECK_EQ(n, getpid());
	CHECK_EQ(ioctl(m, TIOCGSID, &n), 0);
	CHECK_EQ(n, getpid());
	CHECK_EQ(tcgetsid(s), getsid(0));
	stat_numbers(&nr, &tpgid);
	CHECK_EQ(nr, 136 << 8 | pts_number(m));
	CHECK_EQ(tpgid, getpid());
	_exit(0);
}

static void dev_tty(void)
{
	struct stat st;
	char buf[64];
	int fd = open("/dev/tty", O_RDWR), n;

	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK(major(st.st_rdev) == 5 && minor(st.st_rdev) == 0);
	CHECK_EQ(strcmp(ttyname(fd), "/dev/tty"), 0);
	CHECK_EQ(write(fd, "to tty\n", 7), 7);
	show_bytes("/dev/tty", buf, read_until(m, buf, sizeof(buf), "\n"));
	CHECK_EQ(ioctl(fd, TIOCGSID, &n), 0);
	CHECK_EQ(n, getpid());
	CHECK_EQ(ioctl(fd, TIOCSCTTY, 0), 0);
	/* Another terminal cannot be had meanwhile. */
	n = open_master();
	unlock_slave(n);
	fd = open(pts_path(n), O_RDWR);
	CHECK_ERR(ioctl(fd, TIOCSCTTY, 0), EPERM);
	CHECK_ERR(ioctl(fd, TIOCGSID, &n), ENOTTY);
}

static void taken(void)
{
	int n;
	pid_t pid = fork_ok();

	if (pid == 0) {
		/* Not a leader. */
		CHECK_EQ(ioctl(s, TIOCGPGRP, &n), 0);
		CHECK_EQ(ioctl(s, TIOCNOTTY), 0);
		CHECK_ERR(ioctl(s, TIOCGPGRP, &n), ENOTTY);
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		CHECK_ERR(ioctl(s, TIOCSCTTY, 0), EPERM);
		CHECK(setsid() > 0);
		CHECK_ERR(ioctl(s, TIOCSCTTY, 0), EPERM);
		CHECK(open(pts_path(m), O_RDWR) >= 0);
		CHECK_ERR(ioctl(s, TIOCGPGRP, &n), ENOTTY);
		_exit(0);
	}
	reap_ok(pid);
	n = -5;
	CHECK_ERR(ioctl(s, TIOCSPGRP, &n), EINVAL);
	n = 999999;
	CHECK_ERR(ioctl(s, TIOCSPGRP, &n), ESRCH);
	n = getppid();
	CHECK_ERR(ioctl(s, TIOCSPGRP, &n), EPERM);
	CHECK_ERR(ioctl(s, TIOCSPGRP, (void *)8), EFAULT);
	n = getpid();
	CHECK_EQ(ioctl(s, TIOCSPGRP, &n), 0);
	CHECK_EQ(ioctl(m, TIOCSPGRP, &n), 0);
}

static volatile int last_sig;

static void note(int sig)
{
	last_sig = sig;
}

static void wait_signal(const char *what, void (*act)(void))
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &all, NULL);
	last_sig = 0;
	act();
	while (!last_sig)
		sigsuspend(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	say("%s: signal %d\n", what, last_sig);
}

static void key_intr(void)
{
	type_keys(m, "half\003");
}
static void key_quit(void)
{
	type_keys(m, "\034");
}
static void key_susp(void)
{
	type_keys(m, "\032");
}
static void resize(void)
{
	struct winsize ws = {10, 20, 0, 0};

	CHECK_EQ(ioctl(m, TIOCSWINSZ, &ws), 0);
}
static void tiocsig(void)
{
	CHECK_EQ(ioctl(m, TIOCSIG, SIGQUIT), 0);
}

/* A key's signal comes before its echo. */
static void show_echo(void)
{
	char buf[64];

	await_typed(s);
	show_bytes("echo", buf, read_master(m, buf, sizeof(buf), 0));
}

static void signals(void)
{
	struct winsize ws = {10, 20, 0, 0};
	char buf[64];

	signal(SIGINT, note);
	signal(SIGQUIT, note);
	signal(SIGTSTP, note);
	signal(SIGWINCH, note);
	wait_signal("^C", key_intr);
	show_echo();
	CHECK(!has_events(s, POLLIN, 0));
	wait_signal("^\\", key_quit);
	/* Read now: whether the next key still flushes it is chance on Linux. */
	show_echo();
	wait_signal("^Z", key_susp);
	show_echo();
	wait_signal("size", resize);
	/* The same size again is no news. */
	last_sig = 0;
	CHECK_EQ(ioctl(m, TIOCSWINSZ, &ws), 0);
	CHECK_EQ(last_sig, 0);
	wait_signal("TIOCSIG", tiocsig);
	/* NOFLSH keeps what was typed. */
	set_local(s, 0, NOFLSH);
	wait_signal("^C, NOFLSH", key_intr);
	type_keys(m, "line\n");
	show_bytes("kept", buf, read(s, buf, sizeof(buf)));
	show_echo();
	set_local(s, NOFLSH | ISIG, 0);
	last_sig = 0;
	type_keys(m, "\003\n");
	show_bytes("no isig", buf, read(s, buf, sizeof(buf)));
	CHECK_EQ(last_sig, 0);
}

static void sti(void)
{
	char buf[16], c;

	set_local(s, ECHO, 0);
	for (const char *p = "typed\n"; *p; p++) {
		c = *p;
		CHECK_EQ(ioctl(s, TIOCSTI, &c), 0);
	}
	show_bytes("TIOCSTI", buf, read(s, buf, sizeof(buf)));
	CHECK_ERR(ioctl(s, TIOCSTI, (void *)8), EFAULT);
}

/* A job in a group of its own, in the background; ends with 0 if its call was right. */
static pid_t background(void (*fn)(void))
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		CHECK_EQ(setpgid(0, 0), 0);
		fn();
		_exit(0);
	}
	return pid;
}

static void bg_read(void)
{
	char c;

	CHECK_EQ(read(s, &c, 1), 1);
}
static void bg_write(void)
{
	CHECK_EQ(write(s, "x", 1), 1);
}
static void bg_set(void)
{
	struct termios a;

	get_attr(s, &a);
	set_attr(s, &a);
}
static void bg_flush(void)
{
	CHECK_EQ(tcflush(s, TCIFLUSH), 0);
}
static void bg_pgrp(void)
{
	CHECK_EQ(tcsetpgrp(s, getpgrp()), 0);
}

/* It stops by that signal; brought to the foreground it does what it wanted. */
static void stops(const char *what, void (*fn)(void), const char *keys)
{
	pid_t pid = background(fn);
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	say("%s: %s\n", what, status_text(status));
	CHECK_EQ(tcsetpgrp(s, pid), 0);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	if (keys)
		type_keys(m, keys);
	reap_ok(pid);
	/* Now this process is in the background. */
	CHECK_EQ(tcsetpgrp(s, getpgrp()), 0);
}

static void read_fails(void)
{
	char c;

	signal(SIGTTIN, SIG_IGN);
	CHECK_ERR(read(s, &c, 1), EIO);
	signal(SIGTTIN, SIG_DFL);
}

static void jobs(void)
{
	pid_t pid;

	signal(SIGTTOU, SIG_IGN);
	set_local(s, ECHO, 0);
	pid = background(read_fails);
	reap_ok(pid);
	/* SIGTTOU ignored: the change is made. */
	reap_ok(background(bg_set));
	signal(SIGTTOU, SIG_DFL);
	reap_ok(background(bg_write));
	signal(SIGTTOU, SIG_IGN);
	set_local(s, 0, TOSTOP);
	reap_ok(background(bg_write));
	set_local(s, TOSTOP, 0);
}

static void default_ttou(void (*fn)(void))
{
	signal(SIGTTOU, SIG_DFL);
	fn();
}
static void bg_set_dfl(void)
{
	default_ttou(bg_set);
}
static void bg_flush_dfl(void)
{
	default_ttou(bg_flush);
}
static void bg_pgrp_dfl(void)
{
	default_ttou(bg_pgrp);
}
static void bg_write_dfl(void)
{
	default_ttou(bg_write);
}

static void stopped_jobs(void)
{
	signal(SIGTTOU, SIG_IGN);
	set_local(s, ECHO, 0);
	stops("read", bg_read, "r\n");
	stops("set", bg_set_dfl, NULL);
	stops("flush", bg_flush_dfl, NULL);
	stops("set pgrp", bg_pgrp_dfl, NULL);
	set_local(s, 0, TOSTOP);
	stops("write", bg_write_dfl, NULL);
}

/* A group that has lost its only link to the session. */
static void orphans(void)
{
	char c;
	int fd[2], go[2];
	pid_t pid;

	make_pipe(fd);
	make_pipe(go);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(setpgid(0, 0), 0);
		if (fork_ok() == 0) {
			pid_t parent = getppid();
			struct termios a;
			int n = getpgrp();

			get_attr(s, &a);
			close(fd[0]);
			send_byte(go[1]);
			while (getppid() == parent)
				sleep_ms(1);
			CHECK_ERR(read(s, &c, 1), EIO);
			CHECK_ERR(tcsetattr(s, TCSANOW, &a), EIO);
			CHECK_ERR(ioctl(s, TIOCSPGRP, &n), ENOTTY);
			CHECK_EQ(write(fd[1], "z", 1), 1);
			_exit(0);
		}
		wait_byte(go[0]);
		_exit(0);
	}
	reap_ok(pid);
	close(fd[1]);
	close(go[0]);
	close(go[1]);
	CHECK_EQ(read(fd[0], &c, 1), 1);
	say("orphans fail\n");
}

/* ---- hang-ups ---- */

static int report[2];

static void hup(int sig)
{
	char c = sig == SIGHUP ? 'H' : 'C';

	CHECK_EQ(write(report[1], &c, 1), 1);
}

static void leader_of_hangup(void)
{
	char c;
	int n;

	close(m);
	signal(SIGHUP, hup);
	signal(SIGCONT, hup);
	CHECK_EQ(write(report[1], "r", 1), 1);
	do {
		sleep_ms(1);
		CHECK_EQ(ioctl(report[0], FIONREAD, &n), 0);
	} while (n < 2);
	CHECK_EQ(read(s, &c, 1), 0);
	CHECK_ERR(write(s, &c, 1), EIO);
	CHECK_ERR(ioctl(s, TCGETS, &c), EIO);
	CHECK_ERR(ioctl(s, TIOCSPGRP, &n), ENOTTY);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
	stat_numbers(&n, &n);
	CHECK_EQ(n, -1);
}

static void master_closes(void)
{
	char got[3] = "";
	pid_t pid;

	make_pipe(report);
	fresh_pair(&m, &s);
	pid = session(leader_of_hangup);
	wait_byte(report[0]);
	close(s);
	close(m);
	m = 0;
	reap_ok(pid);
	CHECK_EQ(read(report[0], got, 2), 2);
	say("the leader has got %c and %c\n", got[0] < got[1] ? got[0] : got[1],
	    got[0] < got[1] ? got[1] : got[0]);
}

static void leader_of_exit(void)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		signal(SIGHUP, hup);
		CHECK_EQ(write(report[1], "r", 1), 1);
		pause();
		_exit(0);
	}
	pause();
}

/* The leader ends: SIGHUP for the foreground; the terminal is free. */
static void leader_ends(void)
{
	char c;
	pid_t pid;
	int n;

	fresh_pair(&m, &s);
	pid = session(leader_of_exit);
	wait_byte(report[0]);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(reap(pid), SIGKILL);
	CHECK_EQ(read(report[0], &c, 1), 1);
	say("the foreground has got %c\n", c);
	CHECK_ERR(ioctl(m, TIOCGSID, &n), ENOTTY);
	CHECK_EQ(ioctl(m, TIOCGPGRP, &n), 0);
	CHECK_EQ(n, 0);
	/* Another session may have it now. */
	reap_ok(session(dev_tty));
}

static void gives_up(void)
{
	int n;

	signal(SIGHUP, SIG_IGN);
	CHECK_EQ(ioctl(s, TIOCNOTTY), 0);
	CHECK_ERR(ioctl(s, TIOCGSID, &n), ENOTTY);
	CHECK_EQ(ioctl(s, TIOCSCTTY, 0), 0);
	CHECK_EQ(ioctl(s, TIOCGSID, &n), 0);
}

/* A reader that sleeps is woken with an error. */
static void sleeping_reader(void)
{
	char c;
	pid_t pid;

	fresh_pair(&m, &s);
	pid = fork_ok();
	if (pid == 0) {
		close(m);
		CHECK_ERR(read(s, &c, 1), EIO);
		_exit(0);
	}
	await_asleep(pid);
	close(m);
	reap_ok(pid);
	close(s);
	fresh_pair(&m, &s);
	pid = fork_ok();
	if (pid == 0) {
		close(s);
		CHECK_ERR(read(m, &c, 1), EIO);
		_exit(0);
	}
	await_asleep(pid);
	close(s);
	reap_ok(pid);
	close(m);
	m = 0;
}

int main(void)
{
	pid_t pid;

	leave_session();
	fresh_pair(&m, &s);
	pid = fork_ok();
	if (pid == 0)
		child_without();
	reap_ok(pid);
	fresh_pair(&m, &s);
	reap_ok(session(dev_tty));
	fresh_pair(&m, &s);
	reap_ok(session(taken));
	fresh_pair(&m, &s);
	reap_ok(session(signals));
	fresh_pair(&m, &s);
	reap_ok(session(sti));
	fresh_pair(&m, &s);
	reap_ok(session(jobs));
	fresh_pair(&m, &s);
	reap_ok(session(stopped_jobs));
	fresh_pair(&m, &s);
	reap_ok(session(orphans));
	fresh_pair(&m, &s);
	reap_ok(session(gives_up));
	master_closes();
	leader_ends();
	sleeping_reader();
	say("ok\n");
	return 0;
}
