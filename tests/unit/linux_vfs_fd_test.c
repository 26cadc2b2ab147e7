/* Descriptors, pipes, poll and select, locks, /proc, and the host's standard files, by their
 * handlers. */
#include "linux_vfs.h"

#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>

static void guest_pipe(struct vfs_test *t, unsigned flags, int fd[2])
{
	assert_int_equal(vt_call(t, pipe2, A_SMALL, flags), 0);
	assert_int_equal(copy_from_guest(t->f.p.mm, fd, gva(A_SMALL), 8), 0);
}

static void pipes(void **state)
{
	struct vfs_test t;
	char buf[16], name[32];
	int fd[2], n;
	long again;

	vt_init(&t, NULL);
	t.f.p.sighand->action[SIGPIPE - 1].handler = 0x1000;
	guest_pipe(&t, O_NONBLOCK, fd);
	assert_int_equal(vt_read(&t, fd[0], buf, 4), -EAGAIN);
	assert_int_equal(vt_write(&t, fd[0], "x", 1), -EBADF);
	assert_int_equal(vt_write(&t, fd[1], "abc", 3), 3);
	assert_int_equal(vt_call(&t, ioctl, (uint64_t)fd[0], FIONREAD, A_SMALL), 0);
	assert_int_equal(copy_from_guest(t.f.p.mm, &n, gva(A_SMALL), 4), 0);
	assert_int_equal(n, 3);
	assert_int_equal(vt_call(&t, lseek, (uint64_t)fd[0], 0, SEEK_SET), -ESPIPE);
	assert_int_equal(vt_call(&t, pread64, (uint64_t)fd[0], A_BUF, 1, 0), -ESPIPE);
	assert_int_equal(vt_read(&t, fd[0], buf, 16), 3);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)fd[0], F_GETPIPE_SZ), 65536);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)fd[0], F_SETPIPE_SZ, 5000), 8192);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)fd[0], F_SETPIPE_SZ, 0), 4096);
	assert_int_equal(vt_call(&t, pipe2, A_SMALL, O_DIRECT), -EINVAL);
	assert_int_equal(vt_call(&t, pipe2, 8, 0), -EFAULT);
	/* a third end, by name; all writers gone is the end of file */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd[1]);
	again = vt_open(&t, name, O_WRONLY, 0);
	assert_true(again >= 0);
	vt_close(&t, fd[1]);
	assert_int_equal(vt_read(&t, fd[0], buf, 1), -EAGAIN);
	assert_int_equal(vt_write(&t, again, "z", 1), 1);
	vt_close(&t, again);
	assert_int_equal(vt_read(&t, fd[0], buf, 16), 1);
	assert_int_equal(vt_read(&t, fd[0], buf, 16), 0);
	vt_close(&t, fd[0]);
	/* no reader: EPIPE and the signal */
	guest_pipe(&t, 0, fd);
	vt_close(&t, fd[0]);
	assert_int_equal(vt_write(&t, fd[1], "x", 1), -EPIPE);
	assert_true(t.f.t.pending.mask & SIGMASK(SIGPIPE));
	vt_exit(&t);
}

/* A read and a write that wait, are woken, are interrupted. */
static void blocking(void **state)
{
	struct vfs_test t;
	struct call *c;
	struct file *wr, *rd;
	struct xfer_buf x;
	char big[70000] = {0}, buf[16];
	int fd[2];

	vt_init(&t, NULL);
	guest_pipe(&t, 0, fd);
	wr = fdtable_lookup(t.f.p.files, fd[1]);
	rd = fdtable_lookup(t.f.p.files, fd[0]);
	c = fake_call(&t.f, ROW_read, (uint64_t)fd[0], A_BUF, 16);
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	/* the descriptor may go while its call sleeps */
	assert_int_equal(fdtable_close(t.f.p.files, fd[0]), 0);
	xfer_buf_init_write(&x, "wake", 4);
	assert_int_equal(vfs_ops(wr)->write(wr, &x.x, NULL, NULL, NULL), 4);
	assert_true(t.f.t.st.woken);
	c->rerun = true;
	assert_int_equal(fake_run_call(&t.f, c), 4);
	assert_int_equal(copy_from_guest(t.f.p.mm, buf, gva(A_BUF), 4), 0);
	assert_memory_equal(buf, "wake", 4);

	/* interrupted before anything came: restart; after something went: that */
	c = fake_call(&t.f, ROW_write, (uint64_t)fd[1], A_BUF, sizeof(big));
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	c->rerun = true;
	c->interrupted = true;
	assert_int_equal(fake_run_call(&t.f, c), 65536);
	c = fake_call(&t.f, ROW_write, (uint64_t)fd[1], A_BUF, 10);
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	c->rerun = true;
	c->interrupted = true;
	assert_int_equal(fake_run_call(&t.f, c), -ERESTARTSYS);
	/* a write that goes on where it was */
	xfer_buf_init_read(&x, big, sizeof(big));
	assert_int_equal(vfs_ops(rd)->read(rd, &x.x, NULL, NULL, NULL), 65536);
	c = fake_call(&t.f, ROW_write, (uint64_t)fd[1], A_BUF, sizeof(big));
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	xfer_buf_init_read(&x, big, 32768);
	assert_int_equal(vfs_ops(rd)->read(rd, &x.x, NULL, NULL, NULL), 32768);
	c->rerun = true;
	assert_int_equal(fake_run_call(&t.f, c), sizeof(big));
	file_close(wr);
	file_close(rd);
	vt_exit(&t);
}

static void duplicates(void **state)
{
	struct vfs_test t;
	long a, b;

	vt_init(&t, NULL);
	a = vt_open(&t, "/tmp", O_RDONLY | O_CLOEXEC, 0);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)a, F_GETFD), FD_CLOEXEC);
	b = vt_call(&t, fcntl, (uint64_t)a, F_DUPFD, 10);
	assert_int_equal(b, 10);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)b, F_GETFD), 0);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)a, F_DUPFD_CLOEXEC, 64), -EINVAL);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)a, F_DUPFD, -1ULL), -EINVAL);
	assert_int_equal(vt_call(&t, dup3, (uint64_t)a, (uint64_t)a, 0), -EINVAL);
	assert_int_equal(vt_call(&t, dup3, (uint64_t)a, 20, O_CLOEXEC), 20);
	assert_int_equal(vt_call(&t, dup3, (uint64_t)a, 64, 0), -EBADF);
	assert_int_equal(vt_call(&t, dup3, 99, 20, 0), -EBADF);
	assert_int_equal(vt_call(&t, dup, 99), -EBADF);
	assert_int_equal(vt_call(&t, close, -1ULL), -EBADF);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)a, 12345), -EINVAL);
	assert_int_equal(vt_call(&t, close_range, 5, 4, 0), -EINVAL);
	assert_int_equal(vt_call(&t, close_range, 5, ~0U, 0), 0);
	assert_int_equal(vt_call(&t, dup, 10), -EBADF);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)a, F_SETFL, O_NONBLOCK | O_RDWR), 0);
	assert_int_equal(vt_call(&t, fcntl, (uint64_t)a, F_GETFL) & (O_ACCMODE | O_NONBLOCK),
			 O_NONBLOCK);
	vt_exit(&t);
}

static void put_poll(struct vfs_test *t, const struct pollfd *p, unsigned n)
{
	fake_put(&t->f, A_SMALL, p, n * sizeof(*p));
}

static void polls(void **state)
{
	struct vfs_test t;
	struct pollfd p[3] = {0};
	struct call *c;
	int fd[2];

	vt_init(&t, NULL);
	guest_pipe(&t, 0, fd);
	p[0] = (struct pollfd){fd[0], POLLIN, 0x55};
	p[1] = (struct pollfd){fd[1], POLLOUT, 0x55};
	p[2] = (struct pollfd){-5, POLLIN, 0x55};
	put_poll(&t, p, 3);
	assert_int_equal(vt_call(&t, ppoll, A_SMALL, 3, 0, 0, 0), 1);
	assert_int_equal(copy_from_guest(t.f.p.mm, p, gva(A_SMALL), sizeof(p)), 0);
	assert_int_equal(p[0].revents, 0);
	assert_int_equal(p[1].revents, POLLOUT);
	assert_int_equal(p[2].revents, 0);
	assert_int_equal(p[0].events, POLLIN);
	p[1].fd = 50;
	put_poll(&t, p, 2);
	assert_int_equal(vt_call(&t, ppoll, A_SMALL, 2, 0, 0, 0), 1);
	assert_int_equal(copy_from_guest(t.f.p.mm, p, gva(A_SMALL), sizeof(p)), 0);
	assert_int_equal(p[1].revents, POLLNVAL);
	/* waits, is woken by the writer's end closing */
	put_poll(&t, p, 1);
	c = fake_call(&t.f, ROW_ppoll, A_SMALL, 1);
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	assert_false(t.f.t.st.woken);
	assert_int_equal(fdtable_close(t.f.p.files, fd[1]), 0);
	assert_true(t.f.t.st.woken);
	c->rerun = true;
	assert_int_equal(fake_run_call(&t.f, c), 1);
	assert_int_equal(copy_from_guest(t.f.p.mm, p, gva(A_SMALL), sizeof(p)), 0);
	assert_int_equal(p[0].revents, POLLHUP);
	/* time over, signal, bad arguments */
	guest_pipe(&t, 0, fd);
	p[0].fd = fd[0];
	put_poll(&t, p, 1);
	fake_put(&t.f, A_BUF, (int64_t[2]){1000, 0}, 16);
	c = fake_call(&t.f, ROW_ppoll, A_SMALL, 1, A_BUF);
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	c->deadline = core_now();
	c->rerun = true;
	assert_int_equal(fake_run_call(&t.f, c), 0);
	c = fake_call(&t.f, ROW_ppoll, A_SMALL, 1);
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	c->rerun = c->interrupted = true;
	assert_int_equal(fake_run_call(&t.f, c), -ERESTARTNOHAND);
	assert_int_equal(vt_call(&t, ppoll, A_SMALL, 65), -EINVAL);
	assert_int_equal(vt_call(&t, ppoll, 8, 1), -EFAULT);
	assert_int_equal(vt_call(&t, ppoll, A_SMALL, 1, 8), -EFAULT);
	assert_int_equal(vt_call(&t, ppoll, A_SMALL, 1, 0, A_BUF, 7), -EINVAL);
	vt_exit(&t);
}

static void selects(void **state)
{
	struct vfs_test t;
	uint64_t in, out;
	int fd[2];

	vt_init(&t, NULL);
	guest_pipe(&t, 0, fd);
	in = 1ULL << fd[0];
	out = 1ULL << fd[1];
	fake_put(&t.f, A_SMALL, &in, 8);
	fake_put(&t.f, A_SMALL + 8, &out, 8);
	assert_int_equal(vt_call(&t, pselect6, 64, A_SMALL, A_SMALL + 8, 0, 0, 0), 1);
	assert_int_equal(copy_from_guest(t.f.p.mm, &in, gva(A_SMALL), 8), 0);
	assert_int_equal(copy_from_guest(t.f.p.mm, &out, gva(A_SMALL + 8), 8), 0);
	assert_int_equal(in, 0);
	assert_int_equal(out, 1ULL << fd[1]);
	in = 1ULL << 40;
	fake_put(&t.f, A_SMALL, &in, 8);
	assert_int_equal(vt_call(&t, pselect6, 64, A_SMALL, 0, 0, 0, 0), -EBADF);
	assert_int_equal(vt_call(&t, pselect6, -1ULL, A_SMALL, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(vt_call(&t, pselect6, 64, 8, 0, 0, 0, 0), -EFAULT);
	/* an enormous nfds is cut to what may be open */
	in = out = 0;
	fake_put(&t.f, A_SMALL, &in, 8);
	fake_put(&t.f, A_BUF, (int64_t[2]){0, 0}, 16);
	assert_int_equal(vt_call(&t, pselect6, INT32_MAX, A_SMALL, 0, 0, A_BUF, 0), 0);
	vt_exit(&t);
}

static long lock(struct vfs_test *t, long fd, int cmd, short type, int64_t start, int64_t len)
{
	struct {
		int16_t type, whence;
		int64_t start, len;
		int32_t pid;
	} l = {type, SEEK_SET, start, len, 0};

	fake_put(&t->f, A_SMALL, &l, sizeof(l));
	return vt_call(t, fcntl, (uint64_t)fd, (uint64_t)cmd, A_SMALL);
}

static void locks(void **state)
{
	struct vfs_test t;
	struct call *c;
	long a, b;

	vt_init(&t, NULL);
	a = vt_open(&t, "/tmp/f", O_RDWR | O_CREAT, 0600);
	b = vt_open(&t, "/tmp/f", O_RDWR, 0);
	assert_int_equal(vt_call(&t, flock, (uint64_t)a, LOCK_EX), 0);
	assert_int_equal(vt_call(&t, flock, (uint64_t)b, LOCK_SH | LOCK_NB), -EAGAIN);
	c = fake_call(&t.f, ROW_flock, (uint64_t)b, LOCK_SH);
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	assert_int_equal(fdtable_close(t.f.p.files, (int)a), 0);
	assert_true(t.f.t.st.woken);
	c->rerun = true;
	assert_int_equal(fake_run_call(&t.f, c), 0);
	assert_int_equal(vt_call(&t, flock, (uint64_t)b, 77), -EINVAL);
	/* record locks of one process never conflict; of two files' own they do */
	a = vt_open(&t, "/tmp/f", O_RDWR, 0);
	assert_int_equal(lock(&t, a, F_SETLK, F_WRLCK, 0, 10), 0);
	assert_int_equal(lock(&t, b, F_SETLK, F_WRLCK, 5, 10), 0);
	assert_int_equal(t.f.k.vfs->nlocks, 2); /* the flock, and one merged record lock */
	assert_int_equal(lock(&t, b, F_SETLK, F_UNLCK, 4, 2), 0);
	assert_int_equal(t.f.k.vfs->nlocks, 3); /* cut in two */
	assert_int_equal(lock(&t, b, F_OFD_SETLK, F_RDLCK, 0, 1), -EAGAIN);
	assert_int_equal(lock(&t, b, F_OFD_SETLK, F_RDLCK, 4, 2), 0);
	assert_int_equal(lock(&t, a, F_OFD_SETLK, F_WRLCK, 5, 0), -EAGAIN);
	assert_int_equal(lock(&t, a, F_SETLK, F_WRLCK, -1, 0), -EINVAL);
	assert_int_equal(lock(&t, a, F_SETLK, F_WRLCK, INT64_MAX, INT64_MAX), -EOVERFLOW);
	assert_int_equal(lock(&t, a, F_SETLK, 9, 0, 0), -EINVAL);
	/* closing any descriptor of the file drops the process's */
	vt_close(&t, a);
	assert_int_equal(atomic_load(&t.f.k.vfs->nrecord_locks), 0);
	vt_close(&t, b);
	assert_int_equal(t.f.k.vfs->nlocks, 0);
	vt_exit(&t);
}

/* Another thread closes the descriptor while its lock is waited for. */
static void a_lock_does_not_outlive_its_descriptor(void **state)
{
	const struct {
		int16_t type, whence;
		int64_t start, len;
		int32_t pid;
	} all = {F_WRLCK, SEEK_SET, 0, 0, 0};
	struct vfs_test t;
	struct call *c;
	long a, b;

	vt_init(&t, NULL);
	a = vt_open(&t, "/tmp/f", O_RDWR | O_CREAT, 0600);
	b = vt_open(&t, "/tmp/f", O_RDWR, 0);
	assert_int_equal(lock(&t, b, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
	fake_put(&t.f, A_SMALL, &all, sizeof(all));
	c = fake_call(&t.f, ROW_fcntl, (uint64_t)a, F_SETLKW, A_SMALL);
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	descriptor_gone(&t.f.p, fdtable_take(t.f.p.files, (int)a));
	descriptor_gone(&t.f.p, fdtable_take(t.f.p.files, (int)b));
	assert_true(t.f.t.st.woken);
	c->rerun = true;
	assert_int_equal(fake_run_call(&t.f, c), -EBADF);
	assert_int_equal(t.f.k.vfs->nlocks, 0);
	vt_exit(&t);
}

static void proc_files(void **state)
{
	static const char *const names[] = {"cgroup", "cmdline", "comm",      "environ",
					    "limits", "maps",    "mountinfo", "mounts",
					    "stat",   "statm",   "status",    NULL};
	static const char *const global[] = {"cpuinfo",
					     "filesystems",
					     "loadavg",
					     "meminfo",
					     "mounts",
					     "stat",
					     "uptime",
					     "version",
					     "sys/kernel/random/boot_id",
					     "sys/fs/pipe-max-size",
					     "sys/kernel/osrelease",
					     "sys/vm/overcommit_memory",
					     NULL};
	struct vfs_test t;
	char path[64], buf[8192], id[64];
	struct stat st;

	vt_init(&t, NULL);
	for (int i = 0; names[i]; i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", names[i]);
		assert_true(vt_slurp(&t, path, buf, sizeof(buf)) >= 0);
		assert_int_equal(vt_open(&t, path, O_WRONLY, 0) >= 0, !strcmp(names[i], "comm"));
	}
	for (int i = 0; global[i]; i++) {
		snprintf(path, sizeof(path), "/proc/%s", global[i]);
		assert_true(vt_slurp(&t, path, buf, sizeof(buf)) > 0);
	}
	vt_slurp(&t, "/proc/sys/kernel/random/boot_id", buf, sizeof(buf));
	vt_slurp(&t, "/proc/sys/kernel/random/boot_id", id, sizeof(id));
	assert_string_equal(buf, id);
	assert_int_equal(strlen(id), 37);
	assert_int_equal(vt_slurp(&t, "/proc/1/comm", buf, sizeof(buf)), 1);
	assert_int_equal(vt_access(&t, "/proc/01/comm", F_OK), -ENOENT);
	assert_int_equal(vt_access(&t, "/proc/99/comm", F_OK), -ENOENT);
	assert_int_equal(vt_access(&t, "/proc/self/fd/-1", F_OK), -ENOENT);
	assert_int_equal(vt_access(&t, "/proc/self/fd/99999999999", F_OK), -ENOENT);
	assert_int_equal(vt_open(&t, "/proc/new", O_CREAT | O_WRONLY, 0644), -ENOENT);
	assert_int_equal(vt_unlink(&t, "/proc/version", 0), -EPERM);
	assert_int_equal(vt_rename(&t, "/proc/version", "/proc/x", 0), -ENOENT);
	vt_spit(&t, "/proc/self/comm", "fresh\n");
	vt_slurp(&t, "/proc/self/comm", buf, sizeof(buf));
	assert_string_equal(buf, "fresh\n");
	assert_int_equal(vt_stat(&t, "/proc/self/cwd", &st, 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	vt_exit(&t);
}

/* A pipe of the host as standard input and output: never blocks, never made non-blocking. */
static void host_pipe(void **state)
{
	struct vfs_test t;
	int in[2], saved = dup(0);
	struct file *f;
	struct call *c;
	char buf[16];
	struct stat st;

	assert_int_equal(pipe(in), 0);
	assert_int_equal(dup2(in[0], 0), 0);
	vt_init(&t, NULL);
	assert_int_equal(reactor_start(t.f.k.reactor), 0);
	assert_int_equal(vfs_stdio_open(&t.f.k, 0, &f), 0);
	assert_int_equal(fdtable_install(t.f.p.files, f, 0, 64, false), 0);
	c = fake_call(&t.f, ROW_read, 0, A_BUF, 16);
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	assert_int_equal(write(in[1], "host", 4), 4);
	for (int i = 0; i < 60000 && !t.f.t.st.woken; i++)
		usleep(1000);
	assert_true(t.f.t.st.woken);
	c->rerun = true;
	assert_int_equal(fake_run_call(&t.f, c), 4);
	assert_int_equal(copy_from_guest(t.f.p.mm, buf, gva(A_BUF), 4), 0);
	assert_memory_equal(buf, "host", 4);
	assert_int_equal(vt_stat(&t, "/proc/self/fd/0", &st, 0), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(vt_open(&t, "/dev/stdin", O_WRONLY, 0), -EACCES);
	assert_int_equal(vt_open(&t, "/dev/tty", O_RDWR, 0), -ENXIO);
	assert_int_equal(fcntl(0, F_GETFL) & O_NONBLOCK, 0);
	close(in[1]);
	assert_int_equal(vt_read(&t, 0, buf, 16), 0);
	reactor_stop(t.f.k.reactor);
	vt_exit(&t);
	close(in[0]);
	dup2(saved, 0);
	close(saved);
}

static void sendfiles(void **state)
{
	struct vfs_test t;
	struct call *c;
	struct file *rd;
	struct xfer_buf x;
	static char big[100000];
	int fd[2];
	long in, out;
	int64_t off = 10;

	vt_init(&t, NULL);
	in = vt_open(&t, "/tmp/in", O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 100; i++)
		assert_int_equal(vt_write(&t, in, memset(big, 'a' + i % 26, 1000), 1000), 1000);
	out = vt_open(&t, "/tmp/out", O_RDWR | O_CREAT, 0600);
	fake_put(&t.f, A_SMALL, &off, 8);
	assert_int_equal(vt_call(&t, sendfile, (uint64_t)out, (uint64_t)in, A_SMALL, 1 << 30),
			 99990);
	assert_int_equal(copy_from_guest(t.f.p.mm, &off, gva(A_SMALL), 8), 0);
	assert_int_equal(off, 100000);
	/* into a pipe that fills: goes on where it was */
	guest_pipe(&t, 0, fd);
	rd = fdtable_lookup(t.f.p.files, fd[0]);
	vt_call(&t, lseek, (uint64_t)in, 0, SEEK_SET);
	c = fake_call(&t.f, ROW_sendfile, (uint64_t)fd[1], (uint64_t)in, 0, 100000);
	assert_int_equal(fake_run_call(&t.f, c), -EBLOCKED);
	xfer_buf_init_read(&x, big, 65536);
	assert_int_equal(vfs_ops(rd)->read(rd, &x.x, NULL, NULL, NULL), 65536);
	c->rerun = true;
	assert_int_equal(fake_run_call(&t.f, c), 100000);
	assert_int_equal(vt_call(&t, lseek, (uint64_t)in, 0, SEEK_CUR), 100000);
	xfer_buf_init_read(&x, big + 65536, 40000);
	assert_int_equal(vfs_ops(rd)->read(rd, &x.x, NULL, NULL, NULL), 100000 - 65536);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(big[i], 'a' + i / 1000 % 26);
	assert_int_equal(vt_call(&t, sendfile, (uint64_t)out, (uint64_t)fd[0], 0, 1), -EINVAL);
	file_close(rd);
	vt_exit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipes),
		cmocka_unit_test(blocking),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(polls),
		cmocka_unit_test(selects),
		cmocka_unit_test(locks),
		cmocka_unit_test(a_lock_does_not_outlive_its_descriptor),
		cmocka_unit_test(proc_files),
		cmocka_unit_test(host_pipe),
		cmocka_unit_test(sendfiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
