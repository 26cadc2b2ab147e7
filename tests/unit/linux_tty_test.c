/* Job control on the host's terminal: a pty is descriptor 0. */
#include "linux_test.h"

#include "../../vmm/linux/vfs_inode.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define WORD (TEST_DATA + 0x100)
#define BUF  (TEST_DATA + 0x200)

static int master, saved_stdin;

static int set_up(void **state)
{
	struct file *f;
	int slave;

	(void)state;
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	saved_stdin = fcntl(0, F_DUPFD_CLOEXEC, 20);
	assert_int_equal(dup2(slave, 0), 0);
	close(slave);
	world_open_cpus(2);
	assert_int_equal(vfs_stdio_open(w.k, 0, &f), 0);
	assert_int_equal(fdtable_install(w.init->p->files, f, 0, 1, false), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close();
	close(0);
	if (saved_stdin >= 0) {
		dup2(saved_stdin, 0);
		close(saved_stdin);
	}
	close(master);
	return 0;
}

static long tty_ioctl_word(struct task *t, unsigned long cmd, uint32_t value)
{
	guest_put(t, WORD, &value, sizeof(value));
	return CALL(t, SYS_ioctl, 0, cmd, WORD);
}

static uint32_t foreground(void)
{
	assert_int_equal(CALL(w.init, SYS_ioctl, 0, TIOCGPGRP, WORD), 0);
	return guest_word(w.init, WORD);
}

/* A child in a process group of its own. */
static struct task *job(void)
{
	struct task *t = fork_task(w.init, 1);

	assert_int_equal(CALL(t, SYS_setpgid, 0, 0), 0);
	return t;
}

static void type_keys(const char *s)
{
	assert_int_equal(write(master, s, strlen(s)), strlen(s));
}

static void set_tostop(bool on)
{
	struct termios a;

	assert_int_equal(tcgetattr(0, &a), 0);
	a.c_lflag = on ? a.c_lflag | TOSTOP : a.c_lflag & ~(tcflag_t)TOSTOP;
	assert_int_equal(tcsetattr(0, TCSANOW, &a), 0);
}

static void process_1_has_the_terminal(void **state)
{
	(void)state;
	assert_int_equal(foreground(), 1);
	assert_int_equal(CALL(w.init, SYS_ioctl, 0, TIOCGSID, WORD), 0);
	assert_int_equal(guest_word(w.init, WORD), 1);
	assert_int_equal(CALL(w.init, SYS_ioctl, 0, TIOCSCTTY, 0), 0);
	type_keys("a line\n");
	assert_int_equal(CALL(w.init, SYS_read, 0, BUF, 100), 7);
}

static void a_background_reader_stops(void **state)
{
	struct task *t = job();

	(void)state;
	type_keys("x\n");
	CALL_GONE(t, SYS_read, 0, BUF, 100);
	assert_true(t->p->stopped);
	assert_int_equal(t->p->stop_signal, SIGTTIN);
	assert_int_equal(tty_ioctl_word(w.init, TIOCSPGRP, t->p->pgid), 0);
	assert_true(kernel_has_job_control(w.k));
	CALL(w.init, SYS_kill, t->p->pid, SIGCONT);
	assert_ptr_equal(world_next(1), t);
	assert_int_equal(task_step(t), TASK_RUN); /* back at the call */
	assert_int_equal(CALL(t, SYS_read, 0, BUF, 100), 2);
	/* Now PID 1 is in the background, and nobody could ever continue its group. */
	assert_int_equal(CALL(w.init, SYS_read, 0, BUF, 100), -EIO);
	exit_task(t, 0);
}

static void who_ignores_the_signal_gets_an_error(void **state)
{
	struct task *t = job();

	(void)state;
	set_mask(t, SIG_BLOCK, SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU));
	assert_int_equal(CALL(t, SYS_read, 0, BUF, 100), -EIO);
	assert_int_equal(tty_ioctl_word(t, TIOCSPGRP, t->p->pgid), 0);
	assert_int_equal(foreground(), t->p->pgid);
	exit_task(t, 0);
}

static void a_background_writer_stops_with_tostop(void **state)
{
	struct task *t = job();

	(void)state;
	set_tostop(false);
	assert_int_equal(CALL(t, SYS_write, 0, BUF, 1), 1);
	set_tostop(true);
	CALL_GONE(t, SYS_write, 0, BUF, 1);
	assert_true(t->p->stopped);
	assert_int_equal(t->p->stop_signal, SIGTTOU);
	set_tostop(false);
}

static void a_background_job_may_not_change_attributes(void **state)
{
	struct task *t = job();

	(void)state;
	CALL_GONE(t, SYS_ioctl, 0, TCSETS, BUF);
	assert_true(t->p->stopped);
	assert_int_equal(t->p->stop_signal, SIGTTOU);
}

static void the_foreground_group_is_checked(void **state)
{
	struct task *t = fork_task(w.init, 1);

	(void)state;
	assert_int_equal(tty_ioctl_word(w.init, TIOCSPGRP, 4242), -ESRCH);
	assert_int_equal(tty_ioctl_word(w.init, TIOCSPGRP, UINT32_MAX), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_ioctl, 0, TIOCSPGRP, 8), -EFAULT);
	assert_int_equal(CALL(t, SYS_setsid), t->p->pid);
	assert_int_equal(tty_ioctl_word(w.init, TIOCSPGRP, t->p->pgid), -EPERM);
	/* It has no controlling terminal, and cannot take ours. */
	assert_int_equal(tty_ioctl_word(t, TIOCSPGRP, t->p->pgid), -ENOTTY);
	assert_int_equal(CALL(t, SYS_ioctl, 0, TIOCGPGRP, WORD), -ENOTTY);
	assert_int_equal(CALL(t, SYS_ioctl, 0, TIOCGSID, WORD), -ENOTTY);
	assert_int_equal(CALL(t, SYS_ioctl, 0, TIOCNOTTY, 0), -ENOTTY);
	assert_int_equal(CALL(t, SYS_ioctl, 0, TIOCSCTTY, 0), -EPERM);
	/* Who has none is never stopped for using it. */
	type_keys("y\n");
	assert_int_equal(CALL(t, SYS_read, 0, BUF, 100), 2);
	exit_task(t, 0);
}

static void a_member_gives_it_up_for_itself(void **state)
{
	struct task *t = fork_task(w.init, 1);

	(void)state;
	assert_int_equal(CALL(t, SYS_ioctl, 0, TIOCNOTTY, 0), 0);
	assert_int_equal(CALL(t, SYS_ioctl, 0, TIOCGPGRP, WORD), -ENOTTY);
	assert_int_equal(foreground(), 1);
	exit_task(t, 0);
}

static void the_leader_gives_it_up_for_all(void **state)
{
	struct task *t = fork_task(w.init, 1), *fg;

	(void)state;
	assert_int_equal(CALL(t, SYS_setsid), t->p->pid);
	set_action(w.init, SIGHUP, 1, 0, 0);
	assert_int_equal(CALL(w.init, SYS_ioctl, 0, TIOCNOTTY, 0), 0);
	assert_int_equal(CALL(w.init, SYS_ioctl, 0, TIOCGPGRP, WORD), -ENOTTY);
	/* The other session takes it; when its leader ends, the foreground is hung up. */
	assert_int_equal(CALL(t, SYS_ioctl, 0, TIOCSCTTY, 0), 0);
	assert_int_equal(CALL(t, SYS_ioctl, 0, TIOCGPGRP, WORD), 0);
	fg = fork_task(t, 0 /* vCPU 0 is free: the test owns init */);
	assert_int_equal(tty_ioctl_word(w.init, TIOCSPGRP, 1), -ENOTTY);
	exit_task(t, 0);
	assert_true(signal_pending(fg));
	assert_int_equal(atomic_load(&w.k->vfs->host_tty->sid), 0);
	CALL_GONE(fg, SYS_getpid); /* SIGHUP kills it */
	assert_int_equal(CALL(w.init, SYS_ioctl, 0, TIOCSCTTY, 0), 0);
	assert_int_equal(foreground(), 1);
}

static void keys_signal_the_foreground(void **state)
{
	struct task *t = job();
	struct process *p = t->p; /* a zombie keeps it */

	(void)state;
	/* PID 1's own group: to stop is the VMM's business, unless PID 1 cares. */
	assert_true(kernel_signal_terminal(w.k, SIGTSTP));
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_false(w.init->p->stopped);
	set_action(w.init, SIGTSTP, 1, 0, 0);
	assert_false(kernel_signal_terminal(w.k, SIGTSTP));
	assert_int_equal(tty_ioctl_word(w.init, TIOCSPGRP, t->p->pgid), 0);
	assert_false(kernel_signal_terminal(w.k, SIGINT));
	assert_false(signal_pending(w.init));
	CALL_GONE(t, SYS_getpid);
	assert_int_equal(p->life, LIFE_ZOMBIE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(process_1_has_the_terminal),
		T(a_background_reader_stops),
		T(who_ignores_the_signal_gets_an_error),
		T(a_background_writer_stops_with_tostop),
		T(a_background_job_may_not_change_attributes),
		T(the_foreground_group_is_checked),
		T(a_member_gives_it_up_for_itself),
		T(the_leader_gives_it_up_for_all),
		T(keys_signal_the_foreground),
	};

	return cmocka_run_group_tests_name("linux_tty", tests, NULL, NULL);
}
