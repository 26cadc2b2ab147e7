/* Pseudo-terminals: who is woken, and what becomes of a pair whose ends and session go. */
#include "linux_test.h"

#include "../../vmm/linux/pty.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define PATH (TEST_DATA + 0x100)
#define WORD (TEST_DATA + 0x200)
#define BUF  (TEST_DATA + 0x400)

static long master, slave;

static long open_path(struct task *t, const char *path, unsigned flags)
{
	guest_put(t, PATH, path, strlen(path) + 1);
	return CALL(t, SYS_openat, (uint64_t)AT_FDCWD, PATH, flags);
}

static long word_ioctl(struct task *t, long fd, unsigned cmd, uint32_t value)
{
	guest_put(t, WORD, &value, sizeof(value));
	return CALL(t, SYS_ioctl, (uint64_t)fd, cmd, WORD);
}

static int set_up(void **state)
{
	(void)state;
	world_open_cpus(2);
	master = open_path(w.init, "/dev/ptmx", O_RDWR | O_NOCTTY);
	assert_int_equal(master, 0);
	assert_int_equal(open_path(w.init, "/dev/pts/0", O_RDWR | O_NOCTTY), -EIO);
	assert_int_equal(word_ioctl(w.init, master, TIOCSPTLCK, 0), 0);
	slave = open_path(w.init, "/dev/pts/0", O_RDWR | O_NOCTTY);
	assert_int_equal(slave, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close();
	return 0;
}

static long type_keys(const char *s)
{
	guest_put(w.init, BUF, s, strlen(s));
	return CALL(w.init, SYS_write, (uint64_t)master, BUF, strlen(s));
}

/* Its own session with the slave as its terminal. */
static struct task *session(void)
{
	struct task *t = fork_task(w.init, 1);

	assert_int_equal(CALL(t, SYS_setsid), t->p->pid);
	assert_int_equal(CALL(t, SYS_ioctl, (uint64_t)slave, TIOCSCTTY, 0), 0);
	return t;
}

static void a_reader_wakes_with_its_line(void **state)
{
	struct task *t = fork_task(w.init, 1);

	(void)state;
	CALL_GONE(t, SYS_read, (uint64_t)slave, BUF, 100);
	assert_int_equal(type_keys("half"), 4);
	assert_null(world_next(1));
	assert_int_equal(type_keys("\n"), 1);
	assert_int_equal(call_wakes(t, 1), 5);
	/* The echo was there when the write returned. */
	assert_int_equal(CALL(w.init, SYS_read, (uint64_t)master, BUF, 100), 6);
	exit_task(t, 0);
}

static void a_writer_wakes_when_there_is_room(void **state)
{
	struct task *t = fork_task(w.init, 1);
	long n = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(CALL(t, SYS_write, (uint64_t)slave, BUF, 4000), 4000);
	CALL_GONE(t, SYS_write, (uint64_t)slave, BUF, 4000);
	while (!n)
		n = CALL(w.init, SYS_read, (uint64_t)master, BUF, 4096);
	assert_int_equal(n, 4096);
	assert_int_equal(call_wakes(t, 1), 4000);
	exit_task(t, 0);
}

static void keys_signal_the_session(void **state)
{
	struct task *t = session();

	(void)state;
	set_action(t, SIGINT, HANDLER, 0, 0);
	assert_int_equal(type_keys("\003"), 1);
	assert_true(signal_pending(t));
	assert_false(signal_pending(w.init));
	/* The size as well. */
	(void)CALL(t, SYS_getpid); /* takes it */
	set_action(t, SIGWINCH, HANDLER, 0, 0);
	assert_int_equal(word_ioctl(w.init, master, TIOCSWINSZ, 0x00200010), 0);
	assert_true(signal_pending(t));
	exit_task(t, 0);
}

static void a_pair_goes_with_its_last_process(void **state)
{
	struct task *t = session();

	(void)state;
	CALL_GONE(t, SYS_read, (uint64_t)slave, BUF, 100);
	/* It has the master open, too: no hang-up yet. */
	assert_int_equal(CALL(w.init, SYS_close, (uint64_t)master), 0);
	assert_int_equal(CALL(w.init, SYS_close, (uint64_t)slave), 0);
	assert_null(world_next(1));
	assert_non_null(t->p->ctty);
	assert_int_equal(CALL(w.init, SYS_kill, t->p->pid, SIGKILL), 0);
	assert_ptr_equal(world_next(1), t);
	assert_int_equal(task_step(t), TASK_GONE);
	assert_int_equal(pts_count(w.k->vfs), 0);
	assert_int_equal(open_path(w.init, "/dev/pts/0", O_RDWR), -ENOENT);
}

static void a_sleeping_reader_is_told_of_the_hang_up(void **state)
{
	struct task *t = session();

	(void)state;
	set_action(t, SIGHUP, 1, 0, 0);
	assert_int_equal(CALL(t, SYS_close, (uint64_t)master), 0);
	CALL_GONE(t, SYS_read, (uint64_t)slave, BUF, 100);
	assert_int_equal(CALL(w.init, SYS_close, (uint64_t)master), 0);
	assert_int_equal(call_wakes(t, 1), -EIO);
	assert_null(t->p->ctty);
	assert_int_equal(CALL(t, SYS_read, (uint64_t)slave, BUF, 100), 0);
	assert_int_equal(CALL(t, SYS_write, (uint64_t)slave, BUF, 100), -EIO);
	assert_int_equal(CALL(t, SYS_ioctl, (uint64_t)slave, TIOCGPGRP, WORD), -EIO);
	assert_int_equal(open_path(t, "/dev/tty", O_RDWR), -ENXIO);
	assert_int_equal(pts_count(w.k->vfs), 1); /* the slave is open */
	exit_task(t, 0);
	assert_int_equal(CALL(w.init, SYS_close, (uint64_t)slave), 0);
	assert_int_equal(pts_count(w.k->vfs), 0);
}

static void the_slave_closes(void **state)
{
	struct task *t = fork_task(w.init, 1);

	(void)state;
	assert_int_equal(CALL(t, SYS_close, (uint64_t)slave), 0);
	CALL_GONE(t, SYS_read, (uint64_t)master, BUF, 100);
	assert_int_equal(CALL(w.init, SYS_close, (uint64_t)slave), 0);
	assert_int_equal(call_wakes(t, 1), -EIO);
	/* It may be opened again. */
	assert_int_equal(open_path(w.init, "/dev/pts/0", O_RDWR | O_NOCTTY), slave);
	CALL_GONE(t, SYS_read, (uint64_t)master, BUF, 100);
	assert_int_equal(CALL(w.init, SYS_write, (uint64_t)slave, BUF, 3), 3);
	assert_int_equal(call_wakes(t, 1), 3);
	exit_task(t, 0);
}

static void bad_pointers_are_errors(void **state)
{
	static const unsigned cmds[] = {TCGETS,   TCSETS,      TIOCGWINSZ,  TIOCSWINSZ,
					FIONREAD, TIOCOUTQ,    TIOCSPTLCK,  TIOCGPTN,
					TIOCPKT,  TIOCSPGRP,   TIOCGPGRP,   0x5405,
					0x5406,   0x802c542aU, 0x402c542bU, TIOCGSOFTCAR};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
		long r = CALL(w.init, SYS_ioctl, (uint64_t)master, cmds[i], 8);

		assert_true(r == -EFAULT || r == -ENOTTY);
		r = CALL(w.init, SYS_ioctl, (uint64_t)slave, cmds[i], UINT64_MAX - 3);
		assert_true(r == -EFAULT || r == -ENOTTY);
	}
	assert_int_equal(CALL(w.init, SYS_write, (uint64_t)slave, 8, 100), -EFAULT);
	assert_int_equal(CALL(w.init, SYS_write, (uint64_t)master, 8, 100), -EFAULT);
	assert_int_equal(CALL(w.init, SYS_write, (uint64_t)master, BUF, INT64_MAX), -EFAULT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reader_wakes_with_its_line),
		T(a_writer_wakes_when_there_is_room),
		T(keys_signal_the_session),
		T(a_pair_goes_with_its_last_process),
		T(a_sleeping_reader_is_told_of_the_hang_up),
		T(the_slave_closes),
		T(bad_pointers_are_errors),
	};

	return cmocka_run_group_tests_name("linux_pty", tests, NULL, NULL);
}
