// Every kind of file that a descriptor may stand for, against every call that takes one: what
// each answers where it makes no sense, and where it does.
// kernel: 6.16 (what statfs and chown say of files without a name)
// timeout: 60
#include "err.h"
#include <linux/fs.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

/* ---- the kinds: each is opened anew for each call ---- */

static int others[2] = {-1, -1}; /* what a kind needs beside: a peer, a master */

static int open_rw(void)
{
	return open("f", O_RDWR);
}
static int open_reader(void)
{
	return open("f", O_RDONLY);
}
static int open_writer(void)
{
	return open("f", O_WRONLY);
}
static int open_append(void)
{
	return open("f", O_RDWR | O_APPEND);
}
static int open_path(void)
{
	return open("f", O_PATH);
}
static int open_link(void)
{
	return open("link", O_PATH | O_NOFOLLOW);
}
static int open_dir(void)
{
	return open("d", O_RDONLY);
}
static int open_shm(void)
{
	int fd = open("/dev/shm/errno-file-kinds", O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd >= 0)
		unlink("/dev/shm/errno-file-kinds");
	return fd;
}
static int pipe_end(int end)
{
	int p[2];

	if (pipe2(p, O_NONBLOCK))
		return -1;
	others[0] = p[!end];
	return p[end];
}
static int open_pipe_r(void)
{
	return pipe_end(0);
}
static int open_pipe_w(void)
{
	return pipe_end(1);
}
static int open_fifo(void)
{
	return open("fifo", O_RDWR | O_NONBLOCK);
}
static int pair(int type)
{
	int s[2];

	if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s))
		return -1;
	others[0] = s[1];
	return s[0];
}
static int open_stream(void)
{
	return pair(SOCK_STREAM);
}
static int open_dgram(void)
{
	return pair(SOCK_DGRAM);
}
static int open_packet(void)
{
	return pair(SOCK_SEQPACKET);
}
static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
}
static int open_listener(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = open_socket();

	if (bind(s, (struct sockaddr *)&a, 2) || listen(s, 5))
		return -1;
	return s;
}
static int open_event(void)
{
	return eventfd(0, EFD_NONBLOCK);
}
static int open_timer(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
}
static int open_signal(void)
{
	sigset_t none;

	sigemptyset(&none);
	return signalfd(-1, &none, SFD_NONBLOCK);
}
static int open_epoll(void)
{
	return epoll_create1(0);
}
static int open_pidfd(void)
{
	return (int)S(pidfd_open, getpid(), 0);
}
static int open_inotify(void)
{
	return inotify_init1(IN_NONBLOCK);
}
static int open_queue(void)
{
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
	int fd = mq_open("/errno-file-kinds", O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attr);

	if (fd >= 0)
		mq_unlink("/errno-file-kinds");
	return fd;
}
static int open_memfd(void)
{
	int fd = memfd_create("m", MFD_ALLOW_SEALING);

	if (fd >= 0 && write(fd, "some text", 9) == 9)
		lseek(fd, 0, SEEK_SET);
	return fd;
}
static int open_sealed(void)
{
	int fd = open_memfd();

	fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return fd;
}
static int open_status(void)
{
	return open("/proc/self/status", O_RDONLY);
}
static int open_comm(void)
{
	return open("/proc/self/comm", O_RDWR);
}
static int open_proc(void)
{
	return open("/proc/self", O_RDONLY);
}
static int open_fds(void)
{
	return open("/proc/self/fd", O_RDONLY);
}
static int open_sys(void)
{
	return open("/sys/devices/system/cpu", O_RDONLY);
}
static int open_null(void)
{
	return open("/dev/null", O_RDWR);
}
static int open_zero(void)
{
	return open("/dev/zero", O_RDWR);
}
static int open_full(void)
{
	return open("/dev/full", O_RDWR);
}
static int open_urandom(void)
{
	return open("/dev/urandom", O_RDONLY);
}
static int open_master(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
}
static int open_slave(void)
{
	int zero = 0, n;
	char name[32];

	others[0] = open_master();
	if (ioctl(others[0], TIOCGPTN, &n) || ioctl(others[0], TIOCSPTLCK, &zero))
		return -1;
	snprintf(name, sizeof(name), "/dev/pts/%d", n);
	return open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
}

#define NO_FS 1 /* its file system is whatever lies under /tmp */

#define SEALS "lock 12;lock 13;" /* a tmpfs has them */

static const struct kind {
	const char *name;
	int (*open)(void);
	int flags;
	const char *but; /* calls that are left out: what they answer is the kernel version's */
} kinds[] = {
	{"file", open_rw, NO_FS, SEALS},
	{"file, to read", open_reader, NO_FS, SEALS},
	{"file, to write", open_writer, NO_FS, SEALS},
	{"file, to append", open_append, NO_FS, SEALS},
	{"path", open_path, NO_FS, NULL},
	{"path of a link", open_link, NO_FS, NULL},
	{"directory", open_dir, NO_FS, SEALS},
	{"fifo", open_fifo, NO_FS, SEALS},
	{"shm", open_shm, 0, "move 4;move 5;"},
	{"pipe, to read", open_pipe_r, 0, NULL},
	{"pipe, to write", open_pipe_w, 0, NULL},
	{"stream socket", open_stream, 0, NULL},
	{"datagram socket", open_dgram, 0, NULL},
	{"packet socket", open_packet, 0, NULL},
	{"unconnected socket", open_socket, 0, NULL},
	{"listener", open_listener, 0, NULL},
	{"eventfd", open_event, 0, NULL},
	{"timerfd", open_timer, 0, NULL},
	{"signalfd", open_signal, 0, NULL},
	{"epoll", open_epoll, 0, NULL},
	{"pidfd", open_pidfd, 0,
	 "io 6;io 7;io 9;io 14;io 16;io 17;io 20;seek 4;seek 5;seek 7;seek 8;seek 14;move 2;move 3;"
	 "move 4;move 5;"},
	{"inotify", open_inotify, 0, NULL},
	{"message queue", open_queue, 0, "seek 4;seek 5;mode 6;"},
	{"memfd", open_memfd, 0, NULL},
	{"sealed memfd", open_sealed, 0, NULL},
	{"proc file", open_status, 0, NULL},
	{"proc file, to write", open_comm, 0, NULL},
	{"proc directory", open_proc, 0, NULL},
	{"proc descriptors", open_fds, 0, NULL},
	{"sys directory", open_sys, 0, "mode 4;mode 6;"},
	{"null", open_null, 0, NULL},
	{"zero", open_zero, 0, NULL},
	{"full", open_full, 0, NULL},
	{"urandom", open_urandom, 0, NULL},
	{"pty master", open_master, 0, NULL},
	{"pty slave", open_slave, 0, NULL},
};

/* ---- the calls ---- */

static char buf[256];
static struct iovec iov = {buf, 4};
static const char *base;
static int plain = -1, pipes[2]; /* a file of nine bytes to read and write; a pipe with two */

static long io_call(int fd, int i)
{
	switch (i) {
	case 0:
		return read(fd, buf, 1);
	case 1:
		return read(fd, buf, 0);
	case 2:
		return read(fd, BAD_POINTER, 64);
	case 3:
		return write(fd, "x", 1);
	case 4:
		return write(fd, "x", 0);
	case 5:
		return write(fd, BAD_POINTER, 8);
	case 6:
		return pread(fd, buf, 1, 0);
	case 7:
		return pread(fd, buf, 1, 1000000);
	case 8:
		return S(pread64, fd, buf, 1, -1L);
	case 9:
		return pwrite(fd, "x", 1, 0);
	case 10:
		return S(pwrite64, fd, "x", 1, -1L);
	case 11:
		return readv(fd, &iov, 1);
	case 12:
		return writev(fd, &iov, 1);
	case 13:
		return S(readv, fd, &iov, 0);
	case 14:
		return S(preadv2, fd, &iov, 1, 0, 0, 0);
	case 15:
		return S(preadv2, fd, &iov, 1, -1L, -1L, 0);
	case 16:
		return S(preadv2, fd, &iov, 1, 0, 0, RWF_HIPRI);
	case 17:
		return S(pwritev2, fd, &iov, 1, 0, 0, 0);
	case 18:
		return S(pwritev2, fd, &iov, 1, -1L, -1L, 0);
	case 19:
		return S(pwritev2, fd, &iov, 1, -2L, -1L, 0);
	case 20:
		return S(pwritev2, fd, &iov, 1, 0, 0, RWF_HIPRI | 0x40000000);
	}
	return -2;
}

static long seek_call(int fd, int i)
{
	switch (i) {
	case 0:
		return lseek(fd, 0, SEEK_SET);
	case 1:
		return lseek(fd, 0, SEEK_CUR);
	case 2:
		return lseek(fd, -1, SEEK_SET);
	case 3:
		return lseek(fd, 0, 99);
	case 4:
		return ftruncate(fd, 5);
	case 5:
		return ftruncate(fd, 500);
	case 6:
		return ftruncate(fd, -1);
	case 7:
		return S(fallocate, fd, 0, 0, 100);
	case 8:
		return S(fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10);
	case 9:
		return S(fallocate, fd, 0, 0, 0);
	case 10:
		return S(fallocate, fd, 0x4000, 0, 1);
	case 11:
		return fsync(fd);
	case 12:
		return fdatasync(fd);
	case 13:
		return syncfs(fd);
	case 14:
		return S(sync_file_range, fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	case 15:
		return S(sync_file_range, fd, 0, -1L, 0);
	case 16:
		return S(fadvise64, fd, 0, 0, POSIX_FADV_WILLNEED);
	case 17:
		return S(fadvise64, fd, 0, 0, 77);
	case 18:
		return S(fadvise64, fd, 0, -1L, POSIX_FADV_NORMAL);
	case 19:
		return S(readahead, fd, 0, 4096);
	case 20:
		return S(getdents64, fd, buf, sizeof(buf));
	case 21:
		return S(getdents64, fd, buf, 1);
	}
	return -2;
}

static long move_call(int fd, int i)
{
	loff_t zero = 0, neg = -1;

	switch (i) {
	case 0:
		return S(sendfile, fd, plain, &zero, 2);
	case 1:
		return S(sendfile, plain, fd, NULL, 2);
	case 2:
		return S(sendfile, plain, fd, &zero, 2);
	case 3:
		return S(sendfile, plain, fd, &neg, 2);
	case 4:
		return S(copy_file_range, fd, NULL, plain, NULL, 2, 0);
	case 5:
		return S(copy_file_range, plain, NULL, fd, NULL, 0, 0);
	case 6:
		return S(splice, fd, NULL, pipes[1], NULL, 2, SPLICE_F_NONBLOCK);
	case 7:
		return S(splice, pipes[0], NULL, fd, NULL, 1, SPLICE_F_NONBLOCK);
	case 8:
		return S(splice, fd, &zero, pipes[1], NULL, 2, SPLICE_F_NONBLOCK);
	case 9:
		return S(splice, pipes[0], NULL, fd, &zero, 1, SPLICE_F_NONBLOCK);
	case 10:
		return S(splice, fd, NULL, plain, NULL, 1, SPLICE_F_NONBLOCK);
	case 11:
		return S(splice, fd, NULL, pipes[1], NULL, 0, 0);
	case 12:
		return S(splice, fd, NULL, pipes[1], NULL, 1, 0x100);
	case 13:
		return S(tee, fd, pipes[1], 1, SPLICE_F_NONBLOCK);
	case 14:
		return S(tee, pipes[0], fd, 1, SPLICE_F_NONBLOCK);
	case 15:
		return S(tee, fd, fd, 0, 0);
	case 16:
		return S(vmsplice, fd, &iov, 1, SPLICE_F_NONBLOCK);
	case 17:
		return S(vmsplice, fd, &iov, 0, SPLICE_F_NONBLOCK);
	}
	return -2;
}

static long mode_call(int fd, int i)
{
	switch (i) {
	case 0:
		return S(fstat, fd, BAD_POINTER);
	case 1:
		return S(fstatfs, fd, BAD_POINTER);
	case 2:
		return S(fchdir, fd);
	case 3:
		return S(openat, fd, "none", O_RDONLY);
	case 4:
		return S(unlinkat, fd, "none", 0);
	case 5:
		return S(faccessat2, fd, "", F_OK, AT_EMPTY_PATH);
	case 6:
		return S(fchownat, fd, "", -1, -1, AT_EMPTY_PATH);
	case 7:
		return S(readlinkat, fd, "", buf, 8) >= 0 ? 1 : -1;
	case 8:
		return S(linkat, fd, "", AT_FDCWD, "none/x", AT_EMPTY_PATH);
	case 9:
		return S(execveat, fd, "", NULL, NULL, AT_EMPTY_PATH);
	case 10:
		return S(inotify_add_watch, fd, ".", IN_CREATE);
	case 11:
		return S(inotify_rm_watch, fd, 99);
	case 12:
		return S(statfs, "", buf);
	}
	return -2;
}

static long lock_call(int fd, int i)
{
	struct flock rd = {.l_type = F_RDLCK}, wr = {.l_type = F_WRLCK};

	switch (i) {
	case 0:
		return flock(fd, LOCK_SH | LOCK_NB);
	case 1:
		return flock(fd, LOCK_EX | LOCK_NB);
	case 2:
		return fcntl(fd, F_SETLK, &rd);
	case 3:
		return fcntl(fd, F_SETLK, &wr);
	case 4:
		return fcntl(fd, F_GETLK, &wr);
	case 5:
		return fcntl(fd, F_OFD_SETLK, &rd);
	case 6:
		return fcntl(fd, F_OFD_GETLK, &wr);
	case 7:
		return fcntl(fd, F_GETFD);
	case 8:
		return fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK);
	case 9:
		return fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
	case 10:
		return fcntl(fd, F_GETPIPE_SZ);
	case 11:
		return fcntl(fd, F_SETPIPE_SZ, 8192);
	case 12:
		return fcntl(fd, F_GET_SEALS);
	case 13:
		return fcntl(fd, F_ADD_SEALS, F_SEAL_GROW);
	case 14:
		return fcntl(fd, F_SETOWN, getpid());
	case 15:
		return fcntl(fd, F_GETOWN);
	case 16:
		return fcntl(fd, F_GETSIG);
	case 17:
		return fcntl(fd, F_GETLEASE) == F_UNLCK ? 0 : -1;
	case 18:
		return ioctl(fd, FIONREAD, buf);
	case 19:
		return ioctl(fd, FIONBIO, &(int){1});
	case 20:
		return ioctl(fd, FIOASYNC, &(int){0});
	case 21:
		return ioctl(fd, FIOCLEX, 0);
	case 22:
		return ioctl(fd, TCGETS, buf);
	case 23:
		return ioctl(fd, TIOCOUTQ, buf);
	case 24:
		return ioctl(fd, 0x77778888, buf);
	case 25:
		return ioctl(fd, FIONREAD, BAD_POINTER);
	}
	return -2;
}

static long map_of(int fd, int prot, int flags)
{
	void *p = mmap(NULL, 4096, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		return -1;
	munmap(p, 4096);
	return 0;
}

static long map_call(int fd, int i)
{
	switch (i) {
	case 0:
		return map_of(fd, PROT_READ, MAP_SHARED);
	case 1:
		return map_of(fd, PROT_READ, MAP_PRIVATE);
	case 2:
		return map_of(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	case 3:
		return map_of(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	case 4:
		return map_of(fd, PROT_NONE, MAP_SHARED);
	case 5:
		return map_of(fd, PROT_READ, MAP_SHARED_VALIDATE | 0x8000000);
	}
	return -2;
}

static long wait_call(int fd, int i)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
	struct epoll_event ev = {.events = EPOLLIN};
	struct itimerspec its = {{0, 0}, {0, 0}};
	siginfo_t info;
	sigset_t none;
	int ep = -1;
	long r;

	sigemptyset(&none);
	switch (i) {
	case 0:
		return poll(&p, 1, 0);
	case 1:
	case 2:
		ep = epoll_create1(0);
		r = S(epoll_ctl, ep, i == 1 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev);
		close(ep);
		return r;
	case 3:
		return S(epoll_ctl, fd, EPOLL_CTL_ADD, pipes[0], &ev);
	case 4:
		return S(epoll_pwait, fd, &ev, 1, 0, NULL, 8);
	case 5:
		return timerfd_settime(fd, 0, &its, NULL);
	case 6:
		return timerfd_gettime(fd, &its);
	case 7:
		return signalfd(fd, &none, 0) >= 0 ? 0 : -1;
	case 8:
		return S(pidfd_send_signal, fd, 0, NULL, 0);
	case 9:
		return S(pidfd_getfd, fd, 0, 0) > 0;
	case 10:
		return S(waitid, P_PIDFD, fd, &info, WEXITED | WNOHANG, NULL);
	case 11:
		return S(mq_getsetattr, fd, NULL, buf);
	case 12:
		return S(mq_timedsend, fd, "x", 1, 0, NULL);
	case 13:
		return S(setns, fd, 0);
	}
	return -2;
}

static long socket_call(int fd, int i)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "none"};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	socklen_t len = sizeof(buf);

	switch (i) {
	case 0:
		return S(bind, fd, &a, 1);
	case 1:
		return S(connect, fd, &a, sizeof(a));
	case 2:
		return S(listen, fd, 1);
	case 3:
		return S(accept4, fd, NULL, NULL, 0);
	case 4:
		return S(accept4, fd, NULL, NULL, 1);
	case 5:
		return S(getsockname, fd, buf, &len);
	case 6:
		return S(getpeername, fd, buf, &len);
	case 7:
		return S(sendto, fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	case 8:
		return S(sendto, fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, &a, sizeof(a));
	case 9:
		return S(recvfrom, fd, buf, 1, MSG_DONTWAIT, NULL, NULL);
	case 10:
		return S(recvmsg, fd, &m, MSG_DONTWAIT);
	case 11:
		return S(sendmsg, fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	case 12:
		return S(shutdown, fd, SHUT_RD);
	case 13:
		return S(shutdown, fd, 9);
	case 14:
		return S(getsockopt, fd, SOL_SOCKET, SO_TYPE, buf, &len);
	case 15:
		return S(setsockopt, fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, 4);
	case 16:
		return S(getsockopt, fd, SOL_SOCKET, 9999, buf, &len);
	case 17:
		return S(setsockopt, fd, 6, 1, &(int){1}, 4);
	case 18:
		return S(recvfrom, fd, buf, 1, MSG_DONTWAIT | MSG_ERRQUEUE, NULL, NULL);
	}
	return -2;
}

static const struct group {
	const char *name;
	long (*call)(int fd, int i);
} groups[] = {
	{"io", io_call},     {"seek", seek_call}, {"move", move_call}, {"mode", mode_call},
	{"lock", lock_call}, {"map", map_call},   {"wait", wait_call}, {"socket", socket_call},
};

static int open_kind(const struct kind *k)
{
	int fd = k->open();

	if (fd < 0)
		dprintf(2, "%s: cannot be opened\n", k->name);
	CHECK(fd >= 0);
	return fd;
}

static void close_kind(int fd)
{
	close(fd);
	for (int i = 0; i < 2; i++) {
		if (others[i] >= 0)
			close(others[i]);
		others[i] = -1;
	}
}

/* A file of nine bytes and a pipe with two, whatever the last call did. */
static void refresh(void)
{
	int fd = open("f", O_WRONLY);

	CHECK_EQ(ftruncate(fd, 9), 0);
	CHECK_EQ(pwrite(fd, "some text", 9, 0), 9);
	close(fd);
	CHECK_EQ(ftruncate(plain, 9), 0);
	CHECK_EQ(lseek(plain, 0, SEEK_SET), 0);
	while (read(pipes[0], buf, sizeof(buf)) > 0)
		;
	CHECK_EQ(write(pipes[1], "xx", 2), 2);
}

/* Is "GROUP N;" in the kind's list? */
static bool left_out(const struct kind *k, const char *group, int i)
{
	char text[32];

	snprintf(text, sizeof(text), "%s %d;", group, i);
	return k->but && strstr(k->but, text);
}

/* One group's calls of one kind: a line each, written at once. */
static void walk(const struct kind *k, const struct group *g)
{
	static char out[65536];
	size_t len = 0;

	for (int i = 0;; i++) {
		const char *name = NULL;
		int fd = open_kind(k);
		long r;

		if (left_out(k, g->name, i)) {
			close_kind(fd);
			continue;
		}
		refresh();
		errno = 0;
		r = g->call(fd, i);
		if (r == -1)
			name = strerrorname_np(errno);
		close_kind(fd);
		CHECK_EQ(chdir(base), 0); /* fchdir may have gone elsewhere */
		if (r == -2)
			break;
		if (r == -1)
			len += (size_t)snprintf(out + len, sizeof(out) - len, "%s: %s %d: %s\n",
						k->name, g->name, i, name ? name : "unknown");
		else
			len += (size_t)snprintf(out + len, sizeof(out) - len, "%s: %s %d: %s\n",
						k->name, g->name, i, r ? "positive" : "0");
	}
	CHECK_EQ(write(1, out, len), len);
}

/* What it says of itself. */
static void describe(const struct kind *k)
{
	int fd = open_kind(k);
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
	struct statfs sfs;
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(fstatfs(fd, &sfs), 0);
	CHECK_EQ(poll(&p, 1, 0) >= 0, 1);
	say("%s: type %o poll %x flags %x", k->name, st.st_mode & S_IFMT, p.revents,
	    fcntl(fd, F_GETFL));
	if (!(k->flags & NO_FS))
		say(" fs %lx name length %ld block %ld", (long)sfs.f_type, (long)sfs.f_namelen,
		    (long)st.st_blksize);
	say("\n");
	close_kind(fd);
}

int main(void)
{
	base = temp_dir();
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	CHECK_EQ(chdir(base), 0);
	write_file("f", "some text", 9, 0644);
	write_file("plain", "some text", 9, 0644);
	CHECK_EQ(symlink("f", "link"), 0);
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	plain = open("plain", O_RDWR);
	CHECK_EQ(pipe2(pipes, O_NONBLOCK), 0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		describe(&kinds[i]);
		for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
			walk(&kinds[i], &groups[g]);
	}
	for (const char *const *n = (const char *const[]){"f", "plain", "link", "fifo", NULL}; *n;
	     n++)
		CHECK_EQ(unlink(*n), 0);
	CHECK_EQ(rmdir("d"), 0);
	CHECK_EQ(rmdir(base), 0);
	return 0;
}
