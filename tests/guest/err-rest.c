// Errors that the other tests leave out: of descriptors and limits, of sockets in the file system,
// of System V's and POSIX's queues, of waits that a signal ends.
#include "err.h"
#include <ftw.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

static int f, fd_dir;

static void limit(int res, rlim_t n)
{
	struct rlimit l;

	CHECK_EQ(getrlimit(res, &l), 0);
	l.rlim_cur = n;
	CHECK_EQ(setrlimit(res, &l), 0);
}

static void in_child(void (*fn)(void))
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	reap_ok(pid);
}

static void too_large(void)
{
	struct iovec v = {(void *)"x", 1};
	int p[2], g = open("g", O_RDWR | O_CREAT, 0600);
	loff_t at = 4096;
	char c;

	signal(SIGXFSZ, SIG_IGN);
	limit(RLIMIT_FSIZE, 4096);
	TRY(pwrite(f, "x", 1, 4096));
	TRY(pwrite(f, "x", 1, 4095));
	TRY(pwritev(f, &v, 1, 4096));
	TRY(S(pwritev2, f, &v, 1, 4096, 0, 0));
	CHECK_EQ(lseek(f, 4096, SEEK_SET), 4096);
	TRY(write(f, "x", 1));
	TRY(writev(f, &v, 1));
	TRY(ftruncate(f, 4097));
	TRY(truncate("f", 4097));
	TRY(fallocate(f, 0, 0, 4097));
	at = 0;
	TRY(copy_file_range(f, &at, g, &(loff_t){4096}, 10, 0));
	at = 0;
	TRY(sendfile(f, g, &at, 10));
	at = 0;
	TRY(sendfile(f, f, &at, 10));
	make_pipe(p);
	CHECK_EQ(write(p[1], "abc", 3), 3);
	TRY(splice(p[0], NULL, f, &(loff_t){4096}, 3, 0));
	TRY(read(p[0], &c, 1));
	close(p[0]);
	close(p[1]);
	close(g);
}

static void offsets(void)
{
	struct iovec v = {(void *)"x", 1},
		     many[2] = {{(void *)"x", SIZE_MAX / 2}, {(void *)"x", 2}};
	char c;
	int p[2];

	make_pipe(p);
	TRY(pread(f, &c, 1, -1));
	TRY(pwrite(f, &c, 1, -1));
	TRY(pread(p[0], &c, 1, 0));
	TRY(pwrite(p[1], &c, 1, 0));
	TRY(preadv(f, &v, 1, -1));
	TRY(pwritev(f, &v, 1, -2));
	TRY(S(preadv2, f, &v, 1, -1, -1, 1 << 20));
	TRY(S(pwritev2, f, &v, 1, 0, 0, 1 << 20));
	TRY(S(preadv2, f, &v, 1, -2, -1, 0));
	TRY(writev(f, many, 2));
	TRY(readv(f, many, 2));
	TRY(S(writev, f, &v, 1025));
	TRY(S(writev, f, &v, -1));
	TRY(S(readv, f, BAD_POINTER, 1));
	TRY(lseek(f, -1, SEEK_SET));
	TRY(lseek(f, 0x7fffffffffffffff, SEEK_END));
	TRY(lseek(p[0], 0, SEEK_SET));
	TRY(lseek(f, 1 << 30, SEEK_DATA));
	TRY(lseek(f, 0, 99));
	TRY(pwrite(f, &c, 1, 0x7fffffffffffffff));
	TRY(S(readahead, p[0], 0L, 10L));
	TRY(S(readahead, 999, 0L, 10L));
	TRY(S(fadvise64, p[0], 0L, 10L, 0));
	TRY(S(fadvise64, f, 0L, 10L, 99));
	TRY(S(fadvise64, 999, 0L, 10L, 0));
	TRY(S(fadvise64, f, 0L, -1L, 0));
	TRY(S(sync_file_range, p[0], 0L, 10L, 0));
	TRY(S(sync_file_range, f, -1L, 10L, 0));
	TRY(S(sync_file_range, f, 0L, 10L, 99));
	TRY(S(sync_file_range, 999, 0L, 10L, 0));
	TRY(fdatasync(999));
	TRY(fdatasync(p[0]));
	TRY(fsync(p[0]));
	TRY(S(syncfs, 999));
	TRY(S(sendfile, f, p[0], NULL, 10));
	TRY(S(sendfile, p[1], f, &(long){-1}, 10));
	TRY(S(sendfile, p[1], f, BAD_POINTER, 10));
	TRY(S(sendfile, 999, f, NULL, 10));
	TRY(S(copy_file_range, f, NULL, p[1], NULL, 10, 0));
	TRY(S(copy_file_range, fd_dir, NULL, f, NULL, 10, 0));
	TRY(S(copy_file_range, f, NULL, f, NULL, 10, 1));
	TRY(S(copy_file_range, f, &(long){0}, f, &(long){1}, 10, 0));
	TRY(S(copy_file_range, f, &(long){0}, 999, NULL, 10, 0));
	close(p[0]);
	close(p[1]);
}

static void removed_directory(void)
{
	char buf[256];
	int gone;

	CHECK_EQ(mkdir("gone", 0700), 0);
	gone = open("gone", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(rmdir("gone"), 0);
	TRY(S(getdents64, gone, buf, sizeof(buf)));
	TRY(S(getdents64, fd_dir, buf, 4));
	TRY(S(getdents64, fd_dir, BAD_POINTER, 4096));
	TRY(S(getdents64, f, buf, sizeof(buf)));
	TRY(S(getdents64, 999, buf, sizeof(buf)));
	TRY_FD(openat(gone, "x", O_RDWR | O_CREAT, 0600));
	TRY_FD(openat(gone, ".", O_RDONLY));
	TRY_FD(openat(gone, "..", O_RDONLY));
	TRY(mkdirat(gone, "x", 0700));
	TRY(symlinkat("x", gone, "x"));
	TRY(linkat(AT_FDCWD, "f", gone, "x", 0));
	TRY(renameat(AT_FDCWD, "f", gone, "x"));
	TRY(fchdir(gone));
	TRY(S(getcwd, buf, sizeof(buf)));
	TRY(chdir("."));
	TRY_FD(open("x", O_RDWR | O_CREAT, 0600));
	TRY(fchdir(fd_dir));
	TRY(S(getcwd, buf, 2));
	TRY(S(getcwd, BAD_POINTER, 4096));
	close(gone);
}

static void descriptors(void)
{
	struct pollfd p[20];
	int s = socket(AF_UNIX, SOCK_STREAM, 0), e = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN};
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "full"};
	int pipes[2];

	memset(p, 0xff, sizeof(p));
	CHECK_EQ(bind(s, (void *)&a, sizeof(a)), 0);
	CHECK_EQ(listen(s, 5), 0);
	limit(RLIMIT_NOFILE, 10);
	for (int i = 0; i < 10; i++)
		(void)!dup(0);
	TRY(dup(0));
	TRY(fcntl(0, F_DUPFD, 3));
	TRY(fcntl(0, F_DUPFD, 10));
	TRY(fcntl(0, F_DUPFD, -1));
	TRY(fcntl(0, F_DUPFD_CLOEXEC, 0));
	TRY(dup2(0, 10));
	TRY(dup2(0, -1));
	TRY(S(dup3, 0, 10, 0));
	TRY(S(dup3, 0, 0, 0));
	TRY(S(dup3, 0, 5, 1));
	TRY(open("f", O_RDONLY));
	TRY(openat(AT_FDCWD, "f", O_RDONLY));
	TRY(open("new", O_RDWR | O_CREAT, 0600));
	TRY(access("new", F_OK));
	TRY(pipe(pipes));
	TRY(socket(AF_UNIX, SOCK_STREAM, 0));
	TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pipes));
	TRY(accept(s, NULL, NULL));
	TRY(epoll_create1(0));
	TRY(S(eventfd2, 0, 0));
	TRY(S(signalfd4, -1, &(long){0}, 8, 0));
	TRY(S(timerfd_create, CLOCK_MONOTONIC, 0));
	TRY(S(memfd_create, "m", 0));
	TRY(S(inotify_init1, 0));
	TRY(S(pidfd_open, getpid(), 0));
	TRY(S(pidfd_open, getpid(), 99));
	TRY(mq_open("/vmbox-err-rest", O_RDWR | O_CREAT, 0600, NULL));
	TRY(S(close_range, 5, 3, 0));
	TRY(S(close_range, 0, 1, 99));
	TRY(poll(p, 11, 0));
	TRY(poll(p, 10, 0));
	TRY(epoll_ctl(e, EPOLL_CTL_ADD, 999, &ev));
	TRY(epoll_ctl(e, EPOLL_CTL_ADD, e, &ev));
	TRY(epoll_ctl(e, EPOLL_CTL_MOD, s, &ev));
	TRY(epoll_ctl(e, EPOLL_CTL_DEL, s, &ev));
	TRY(epoll_ctl(e, 99, s, &ev));
	TRY(epoll_ctl(f, EPOLL_CTL_ADD, s, &ev));
	TRY(epoll_ctl(e, EPOLL_CTL_ADD, f, &ev));
	TRY(S(epoll_ctl, e, EPOLL_CTL_ADD, s, BAD_POINTER));
	TRY(epoll_wait(e, &ev, 0, 0));
	TRY(epoll_wait(f, &ev, 1, 0));
	TRY(epoll_wait(999, &ev, 1, 0));
}

static void unix_other(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"};
	int s = socket(AF_UNIX, SOCK_STREAM, 0), pidfd = (int)S(pidfd_open, getppid(), 0);

	TRY(connect(s, (void *)&a, sizeof(a)));
	strcpy(a.sun_path, "closed/sock");
	TRY(connect(s, (void *)&a, sizeof(a)));
	TRY(bind(s, (void *)&a, sizeof(a)));
	strcpy(a.sun_path, "mine");
	TRY(bind(s, (void *)&a, sizeof(a)));
	TRY(S(inotify_add_watch, inotify_init1(0), "secret", IN_ACCESS));
	TRY(S(inotify_add_watch, inotify_init1(0), "closed/f", IN_ACCESS));
	TRY(setpriority(PRIO_PROCESS, 0, -1));
	TRY(setpriority(PRIO_PROCESS, getppid(), 1));
	TRY(sched_setscheduler(getppid(), SCHED_OTHER, &(struct sched_param){0}));
	TRY(prlimit(getppid(), RLIMIT_CORE, NULL, NULL));
	TRY(sethostname("x", 1));
	TRY(setdomainname("x", 1));
	TRY(settimeofday(&(struct timeval){1, 1}, NULL));
	TRY(S(clock_settime, CLOCK_REALTIME, &(struct timespec){1, 1}));
	TRY(chroot("."));
	TRY(mount("x", "d", "tmpfs", 0, NULL));
	TRY(umount("d"));
	TRY(S(reboot, 1, 2, 3, NULL));
	TRY(S(swapon, "f", 0));
	TRY(S(acct, "f"));
	TRY(chown("f", 0, 0));
	TRY(kill(getppid(), 0));
	TRY(S(pidfd_send_signal, pidfd, 0, NULL, 0));
	TRY(truncate("f", 0));
	TRY(utimensat(AT_FDCWD, "f", (struct timespec[2]){{1, 1}, {1, 1}}, 0));
	TRY(utimensat(AT_FDCWD, "f", NULL, 0));
	TRY(S(process_vm_readv, getppid(), &(struct iovec){&a, 1}, 1, &(struct iovec){&a, 1}, 1,
	      0));
	TRY(S(setgroups, 0, NULL));
	TRY(setuid(0));
	TRY(setresuid(0, 0, 0));
	TRY(setgid(0));
	TRY(mlock2(&a, 1, 99));
	TRY(S(setfsuid, -1) == ERR_UID);
}

static void unix_names(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"}, b;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), t = socket(AF_UNIX, SOCK_STREAM, 0);
	int g = socket(AF_UNIX, SOCK_DGRAM, 0), p[2], n;
	struct msghdr m = {0};
	socklen_t len = sizeof(b);
	char c = 0;

	TRY(listen(s, 1));
	TRY(bind(s, (void *)&a, sizeof(a)));
	TRY(bind(s, (void *)&a, sizeof(a)));
	TRY(bind(t, (void *)&a, sizeof(a)));
	TRY(connect(t, (void *)&a, sizeof(a)));
	TRY(listen(g, 1));
	TRY(listen(999, 1));
	TRY(listen(f, 1));
	CHECK_EQ(chmod("sock", 0600), 0);
	CHECK_EQ(listen(s, 1), 0);
	TRY(connect(g, (void *)&a, sizeof(a)));
	strcpy(b.sun_path, "loop/x");
	b.sun_family = AF_UNIX;
	TRY(bind(t, (void *)&b, sizeof(b)));
	TRY(connect(t, (void *)&b, sizeof(b)));
	strcpy(b.sun_path, "none/x");
	TRY(bind(t, (void *)&b, sizeof(b)));
	strcpy(b.sun_path, "f/x");
	TRY(bind(t, (void *)&b, sizeof(b)));
	strcpy(b.sun_path, "f");
	TRY(connect(t, (void *)&b, sizeof(b)));
	TRY(bind(t, (void *)&b, sizeof(b)));
	b.sun_family = AF_INET;
	TRY(connect(t, (void *)&b, sizeof(b)));
	TRY(bind(t, (void *)&b, sizeof(b)));
	TRY(S(bind, t, BAD_POINTER, 20));
	TRY(S(connect, t, BAD_POINTER, 20));
	TRY(S(bind, t, &a, 1));
	TRY(S(bind, t, &a, 200));
	TRY(S(connect, t, &a, 200));
	TRY(S(bind, f, &a, sizeof(a)));
	TRY(S(bind, 999, &a, sizeof(a)));
	TRY(S(connect, 999, &a, sizeof(a)));
	TRY(accept(999, NULL, NULL));
	TRY(accept(f, NULL, NULL));
	TRY(accept(g, NULL, NULL));
	TRY(accept(t, NULL, NULL));
	TRY(accept4(s, NULL, NULL, 99));
	TRY(S(getsockname, 999, &b, &len));
	TRY(S(getsockname, f, &b, &len));
	TRY(S(getsockname, s, &b, BAD_POINTER));
	len = (socklen_t)-1;
	TRY(S(getsockname, s, &b, &len));
	TRY(S(getpeername, s, &b, &len));
	TRY(S(getpeername, 999, &b, &len));
	TRY(S(getpeername, f, &b, &len));
	TRY(send(999, &c, 1, 0));
	TRY(send(f, &c, 1, 0));
	TRY(send(t, &c, 1, MSG_NOSIGNAL));
	TRY(send(g, &c, 1, MSG_NOSIGNAL));
	TRY(write(g, &c, 1));
	TRY(sendto(g, &c, 1, 0, (void *)&a, sizeof(a)));
	TRY(S(sendmsg, 999, &m, 0));
	TRY(S(sendmsg, t, BAD_POINTER, 0));
	TRY(recv(999, &c, 1, 0));
	TRY(recv(f, &c, 1, 0));
	TRY(recv(t, &c, 1, 0));
	TRY(recv(g, &c, 1, MSG_DONTWAIT));
	TRY(S(recvmsg, 999, &m, 0));
	TRY(S(recvmsg, g, BAD_POINTER, MSG_DONTWAIT));
	TRY(shutdown(999, 2));
	TRY(shutdown(f, 2));
	TRY(shutdown(t, 2));
	TRY(shutdown(t, 9));
	len = sizeof(n);
	TRY(getsockopt(999, SOL_SOCKET, SO_TYPE, &n, &len));
	TRY(getsockopt(f, SOL_SOCKET, SO_TYPE, &n, &len));
	TRY(getsockopt(s, SOL_SOCKET, 9999, &n, &len));
	TRY(getsockopt(s, 9999, 1, &n, &len));
	TRY(S(getsockopt, s, SOL_SOCKET, SO_TYPE, BAD_POINTER, &len));
	TRY(setsockopt(999, SOL_SOCKET, SO_PASSCRED, &n, len));
	TRY(setsockopt(f, SOL_SOCKET, SO_PASSCRED, &n, len));
	TRY(setsockopt(s, SOL_SOCKET, SO_PASSCRED, &n, 1));
	TRY(S(setsockopt, s, SOL_SOCKET, SO_PASSCRED, BAD_POINTER, 4));
	TRY(setsockopt(s, SOL_SOCKET, 9999, &n, 4));
	TRY(socket(AF_UNIX, 99, 0));
	TRY(socket(AF_UNIX, SOCK_STREAM, 99));
	TRY(socket(9999, SOCK_STREAM, 0));
	TRY(socket(AF_UNIX, SOCK_STREAM | 1 << 20, 0));
	TRY(socketpair(9999, SOCK_STREAM, 0, p));
	TRY(S(socketpair, AF_UNIX, SOCK_STREAM, 0, BAD_POINTER));
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	TRY(connect(p[0], (void *)&a, sizeof(a)));
	TRY(sendto(p[0], &c, 1, 0, (void *)&a, sizeof(a)));
	CHECK_EQ(write(p[0], "x", 1), 1);
	close(p[1]);
	TRY(recv(p[0], &c, 1, 0));
	TRY(recv(p[0], &c, 1, 0));
	TRY(send(p[0], &c, 1, MSG_NOSIGNAL));
	close(p[0]);
	close(s);
	TRY(connect(t, (void *)&a, sizeof(a)));
	close(t);
	close(g);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* In a child: each waits until the alarm, which comes again and again. */
static void interrupted(void)
{
	struct itimerval it = {{0, 20000}, {0, 20000}};
	struct sigaction sa = {.sa_handler = on_alarm};
	int p[2], s[2], e = epoll_create1(0), sem = semget(IPC_PRIVATE, 1, 0600);
	int q = msgget(IPC_PRIVATE, 0600), l = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct epoll_event ev;
	struct timespec ts = {60, 0};
	struct sembuf op = {0, -1, 0};
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
	mqd_t mq = mq_open("/vmbox-err-rest", O_RDWR | O_CREAT, 0600, &attr);
	struct {
		long type;
		char text[8];
	} msg = {1, ""};
	fd_set set;
	pid_t pid;
	char c;

	make_pipe(p);
	CHECK(mq != -1);
	CHECK_EQ(mq_unlink("/vmbox-err-rest"), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(bind(l, (void *)&a, sizeof(a.sun_family)), 0);
	CHECK_EQ(listen(l, 5), 0);
	pid = fork_ok();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
	TRY(read(p[0], &c, 1));
	TRY(recv(s[0], &c, 1, 0));
	TRY(accept(l, NULL, NULL));
	TRY(epoll_wait(e, &ev, 1, -1));
	TRY(poll(NULL, 0, -1));
	TRY(ppoll(NULL, 0, NULL, NULL));
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	TRY(select(p[0] + 1, &set, NULL, NULL, NULL));
	TRY(nanosleep(&ts, NULL));
	TRY(S(clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL));
	TRY(pause());
	TRY(S(rt_sigtimedwait, &(long){1L << (SIGUSR1 - 1)}, NULL, NULL, 8));
	TRY(S(rt_sigsuspend, &(long){0}, 8));
	TRY(semop(sem, &op, 1));
	TRY(S(semtimedop, sem, &op, 1, &ts));
	TRY(msgrcv(q, &msg, 8, 0, 0));
	TRY(mq_receive(mq, msg.text, 8, NULL));
	CHECK_EQ(mq_send(mq, "x", 1, 0), 0);
	TRY(mq_send(mq, "x", 1, 0));
	TRY(wait4(pid, NULL, 0, NULL));
	TRY(waitid(P_PID, (id_t)pid, NULL, WEXITED));
	TRY(S(futex, &(int){0}, 0, 0, NULL, NULL, 0));
	TRY(S(getrandom, &c, 1, 99));
	CHECK_EQ(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(semctl(sem, 0, IPC_RMID), 0);
	CHECK_EQ(msgctl(q, IPC_RMID, NULL), 0);
	mq_close(mq);
}

static int ipc_sem, ipc_shm, ipc_msg;

static void ipc_other(void)
{
	struct sembuf op = {0, 1, 0};
	struct semid_ds sd;
	struct shmid_ds hd;
	struct msqid_ds qd;

	TRY(semop(ipc_sem, &op, 1));
	TRY(semctl(ipc_sem, 0, GETVAL));
	TRY(semctl(ipc_sem, 0, IPC_STAT, &sd));
	TRY(semctl(ipc_sem, 0, IPC_RMID));
	TRY(shmat(ipc_shm, NULL, 0) != (void *)-1 ? 0 : -1);
	TRY(shmctl(ipc_shm, IPC_STAT, &hd));
	TRY(shmctl(ipc_shm, IPC_RMID, NULL));
	TRY(msgsnd(ipc_msg, &(long[2]){1, 1}, 1, IPC_NOWAIT));
	TRY(msgrcv(ipc_msg, &(long[2]){1, 1}, 1, 0, IPC_NOWAIT));
	TRY(msgctl(ipc_msg, IPC_STAT, &qd));
	TRY(msgctl(ipc_msg, IPC_RMID, NULL));
}

static void ipc(void)
{
	struct sembuf op[] = {{0, 32767, 0}, {5, 1, 0}, {0, -1, IPC_NOWAIT}};
	char *at;

	ipc_sem = semget(IPC_PRIVATE, 1, 0600);
	ipc_shm = shmget(IPC_PRIVATE, 4096, 0600);
	ipc_msg = msgget(IPC_PRIVATE, 0600);
	CHECK(ipc_sem >= 0 && ipc_shm >= 0 && ipc_msg >= 0);
	as_other(ipc_other);
	TRY(semop(ipc_sem, &op[2], 1));
	TRY(semop(ipc_sem, &op[1], 1));
	TRY(semop(ipc_sem, &op[0], 1));
	TRY(semop(ipc_sem, &op[0], 1));
	TRY(semop(ipc_sem, op, 0));
	TRY(S(semop, ipc_sem, op, 100000));
	TRY(S(semop, ipc_sem, BAD_POINTER, 1));
	TRY(semctl(ipc_sem, 0, SETVAL, 32768));
	TRY(semctl(ipc_sem, 0, SETVAL, -1));
	TRY(semctl(ipc_sem, 7, GETVAL));
	TRY(semctl(ipc_sem, 0, 999));
	TRY(semget(IPC_PRIVATE, 0, 0600));
	TRY(semget(IPC_PRIVATE, 1 << 20, 0600));
	TRY(semget(0x7e57e57, 1, 0600));
	TRY(shmget(IPC_PRIVATE, 0, 0600));
	TRY(shmget(0x7e57e57, 1, 0600));
	at = shmat(ipc_shm, NULL, 0);
	CHECK(at != (void *)-1);
	TRY(shmdt(at + 4096));
	TRY(shmdt(at + 1));
	TRY(shmat(ipc_shm, at, 0) == (void *)-1 ? -1 : 0);
	TRY(shmat(ipc_shm, at + 1, 0) == (void *)-1 ? -1 : 0);
	TRY(shmat(ipc_shm, NULL, SHM_REMAP) == (void *)-1 ? -1 : 0);
	TRY(shmat(0x7fffffff, NULL, 0) == (void *)-1 ? -1 : 0);
	TRY(shmdt(at));
	TRY(shmctl(ipc_shm, 999, NULL));
	TRY(S(shmctl, ipc_shm, IPC_STAT, BAD_POINTER));
	TRY(msgsnd(ipc_msg, &(long[2]){0, 1}, 1, IPC_NOWAIT));
	TRY(msgsnd(ipc_msg, &(long[2]){1, 1}, (size_t)-1, IPC_NOWAIT));
	TRY(msgsnd(ipc_msg, &(long[2]){1, 1}, 8, IPC_NOWAIT));
	TRY(msgrcv(ipc_msg, &(long[2]){1, 1}, 1, 0, IPC_NOWAIT));
	TRY(msgrcv(ipc_msg, &(long[2]){1, 1}, 8, 5, IPC_NOWAIT));
	TRY(S(msgrcv, ipc_msg, BAD_POINTER, 8, 0, IPC_NOWAIT));
	TRY(msgget(0x7e57e57, 0600));
	CHECK_EQ(semctl(ipc_sem, 0, IPC_RMID), 0);
	CHECK_EQ(shmctl(ipc_shm, IPC_RMID, NULL), 0);
	CHECK_EQ(msgctl(ipc_msg, IPC_RMID, NULL), 0);
	TRY(semop(ipc_sem, op, 1));
	TRY(msgsnd(ipc_msg, &(long[2]){1, 1}, 8, IPC_NOWAIT));
	TRY(shmat(ipc_shm, NULL, 0) == (void *)-1 ? -1 : 0);
}

static void processes(void)
{
	struct {
		uint32_t size, rest[13];
	} sa = {0};
	struct rlimit rl = {10, 5};
	unsigned long mask;

	TRY(prlimit(0x3fffffff, RLIMIT_CORE, NULL, NULL));
	TRY(setrlimit(RLIMIT_CORE, &rl));
	TRY(S(setrlimit, 99, &rl));
	TRY(S(setrlimit, RLIMIT_CORE, BAD_POINTER));
	TRY(S(getrlimit, 99, &rl));
	TRY(S(getrlimit, RLIMIT_CORE, BAD_POINTER));
	TRY(getpriority(99, 0));
	TRY(getpriority(PRIO_PROCESS, 0x3fffffff));
	TRY(setpriority(PRIO_PROCESS, 0x3fffffff, 1));
	TRY(setpriority(PRIO_USER, 0x3ffffff, 1));
	TRY(S(sched_getattr, 0, &sa, 8, 0));
	TRY(S(sched_getattr, 0, &sa, sizeof(sa), 1));
	TRY(S(sched_getattr, 0x3fffffff, &sa, sizeof(sa), 0));
	sa.size = 8;
	TRY(S(sched_setattr, 0, &sa, 0));
	TRY(S(sched_setattr, 0, NULL, 0));
	TRY(S(sched_getaffinity, 0, 1, &mask));
	TRY(S(sched_getaffinity, 0x3fffffff, 128, &mask));
	mask = 0;
	TRY(S(sched_setaffinity, 0, 8, &mask));
	TRY(S(sched_setaffinity, 0x3fffffff, 8, &mask));
	TRY(S(sched_getparam, 0x3fffffff, &mask));
	TRY(S(sched_getparam, 0, NULL));
	TRY(S(sched_setparam, 0, NULL));
	TRY(S(sched_getscheduler, -1));
	TRY(S(sched_getscheduler, 0x3fffffff));
	TRY(S(sched_setscheduler, 0, 99, &mask));
	TRY(S(sched_rr_get_interval, -1, NULL));
	TRY(S(sched_rr_get_interval, 0x3fffffff, NULL));
	TRY(S(sched_get_priority_max, 99));
	TRY(S(getgroups, -1, NULL));
	TRY(S(setgroups, -1, NULL));
	TRY(S(setgroups, 2, BAD_POINTER));
	TRY(S(setgroups, 65537, BAD_POINTER));
	TRY(getpgid(0x3fffffff));
	TRY(getsid(0x3fffffff));
	TRY(setpgid(0x3fffffff, 0));
	TRY(setpgid(0, -1));
	TRY(setpgid(-1, 0));
	TRY(S(getrusage, 99, NULL));
	TRY(S(getrusage, 0, BAD_POINTER));
	TRY(S(times, BAD_POINTER));
	TRY(S(wait4, -1, NULL, 0, NULL));
	TRY(S(wait4, -1, NULL, 0x100, NULL));
	TRY(S(waitid, 99, 0, NULL, WEXITED, NULL));
	TRY(S(waitid, P_ALL, 0, NULL, 0, NULL));
	TRY(S(waitid, P_PIDFD, 999, NULL, WEXITED, NULL));
	TRY(S(waitid, P_PIDFD, f, NULL, WEXITED, NULL));
	TRY(S(gettimeofday, BAD_POINTER, NULL));
	TRY(S(clock_gettime, 99, &rl));
	TRY(S(clock_gettime, 0, BAD_POINTER));
	TRY(S(clock_getres, 99, NULL));
	TRY(S(clock_nanosleep, 99, 0, &(struct timespec){0, 0}, NULL));
	TRY(S(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){0, 0}, NULL));
	TRY(S(nanosleep, &(struct timespec){0, 1000000000}, NULL));
	TRY(S(rt_sigaction, SIGKILL, &(long[4]){0}, NULL, 8));
	TRY(S(rt_sigaction, SIGUSR1, BAD_POINTER, NULL, 8));
	TRY(S(rt_sigaction, SIGUSR1, NULL, BAD_POINTER, 8));
	TRY(S(rt_sigaction, 65, NULL, NULL, 8));
	TRY(S(rt_sigprocmask, 9, &(long){0}, NULL, 8));
	TRY(S(rt_sigprocmask, 0, BAD_POINTER, NULL, 8));
	TRY(S(rt_sigpending, BAD_POINTER, 8));
	TRY(S(rt_sigtimedwait, &(long){1}, NULL, &(struct timespec){0, 0}, 8));
	TRY(S(rt_sigtimedwait, &(long){1}, NULL, &(struct timespec){0, -1}, 8));
	TRY(S(sigaltstack, BAD_POINTER, NULL));
	TRY(S(prctl, PR_SET_NAME, BAD_POINTER));
	TRY(S(prctl, PR_SET_PDEATHSIG, 99));
	TRY(S(prctl, PR_SET_DUMPABLE, 9));
	TRY(S(prctl, PR_CAPBSET_READ, 99));
	TRY(S(prctl, PR_SET_SECUREBITS, 1 << 20));
	TRY(S(prctl, 99999, 0));
	TRY(S(capget, BAD_POINTER, NULL));
	TRY(S(capget, &(unsigned[2]){0x20080522, 0x3fffffff}, BAD_POINTER));
	TRY(S(capget, &(unsigned[2]){0x20080522, (unsigned)-1}, &(long[6]){0}));
	TRY(S(capset, &(unsigned[2]){0x20080522, 1}, NULL));
}

static void queue_full(void)
{
	limit(RLIMIT_SIGPENDING, 0);
	CHECK_EQ(S(rt_sigprocmask, SIG_BLOCK, &(long){-1}, NULL, 8), 0);
	TRY(sigqueue(getpid(), SIGRTMIN, (union sigval){0}));
	TRY(sigqueue(getpid(), SIGUSR1, (union sigval){0}));
	TRY(kill(getpid(), SIGRTMIN));
	TRY(S(tgkill, getpid(), getpid(), SIGRTMIN));
	TRY(S(timer_create, CLOCK_MONOTONIC, NULL, &(int){0}));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	CHECK_EQ(remove(path), 0);
	return 0;
}

static void remove_all(const char *base)
{
	CHECK_EQ(chmod("closed", 0700), 0);
	CHECK_EQ(nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
	const char *base = temp_dir();

	CHECK_EQ(chdir(base), 0);
	umask(022);
	CHECK_EQ(chmod(".", 0755), 0);
	f = open("f", O_RDWR | O_CREAT, 0644);
	CHECK_EQ(pwrite(f, "some text", 9, 0), 9);
	fd_dir = open(".", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(mkdir("closed", 0), 0);
	close(open("secret", O_RDWR | O_CREAT, 0600));
	CHECK_EQ(symlink("loop", "loop"), 0);
	in_child(offsets);
	in_child(too_large);
	in_child(removed_directory);
	in_child(descriptors);
	in_child(unix_names);
	as_other(unix_other);
	in_child(interrupted);
	ipc();
	in_child(processes);
	in_child(queue_full);
	remove_all(base);
	return 0;
}
