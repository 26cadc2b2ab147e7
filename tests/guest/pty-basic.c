// variants: static musl
// Pairs: /dev/ptmx, numbers, locks, names, TIOCGPTPEER, what stat and /proc say, errors.
#include "pty.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static void names(void)
{
	struct stat st, by_name;
	struct statfs sf;
	char link[64], path[64];
	int m = open_master(), s, n = pts_number(m);
	ssize_t len;

	CHECK_EQ(stat("/dev/ptmx", &st), 0);
	say("ptmx %o %u:%u\n", st.st_mode, major(st.st_rdev), minor(st.st_rdev));
	CHECK_EQ(stat("/dev/pts/ptmx", &st), 0);
	say("pts/ptmx %u:%u\n", major(st.st_rdev), minor(st.st_rdev));
	CHECK_EQ(statfs("/dev/pts", &sf), 0);
	say("devpts %lx\n", (unsigned long)sf.f_type);
	CHECK_EQ(stat(pts_path(m), &st), 0);
	/* devpts is mounted with one mode or another: 600, or 620 for the group tty. */
	say("slave %o %u, number agrees %d\n", st.st_mode & ~020u, major(st.st_rdev),
	    (int)minor(st.st_rdev) == n);
	CHECK_EQ(st.st_uid, geteuid());
	CHECK_EQ(st.st_nlink, 1);
	/* locked */
	CHECK_ERR(open(pts_path(m), O_RDWR | O_NOCTTY), EIO);
	CHECK_ERR(ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY), EIO);
	CHECK_EQ(ioctl(m, TIOCGPTLCK, &n), 0);
	CHECK_EQ(n, 1);
	unlock_slave(m);
	CHECK_EQ(ioctl(m, TIOCGPTLCK, &n), 0);
	CHECK_EQ(n, 0);
	s = open(pts_path(m), O_RDWR | O_NOCTTY);
	CHECK(s >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s);
	len = readlink(path, link, sizeof(link) - 1);
	CHECK(len > 0);
	link[len] = 0;
	CHECK_EQ(strcmp(link, pts_path(m)), 0);
	CHECK_EQ(fstat(s, &st), 0);
	CHECK_EQ(stat(link, &by_name), 0);
	CHECK(st.st_ino == by_name.st_ino && st.st_dev == by_name.st_dev);
	CHECK_EQ(strcmp(ttyname(s), link), 0);
	CHECK_EQ(fchmod(s, 0622), 0);
	CHECK_EQ(stat(link, &by_name), 0);
	say("mode %o\n", by_name.st_mode);
	CHECK(isatty(s) && isatty(m));
	CHECK_ERR(lseek(s, 0, SEEK_SET), ESPIPE);
	CHECK_ERR(lseek(m, 0, SEEK_SET), ESPIPE);
	CHECK_ERR(fsync(s), EINVAL);
	CHECK_ERR(mmap(NULL, 4096, PROT_READ, MAP_SHARED, s, 0), ENODEV);
	CHECK_ERR(pread(s, link, 1, 0), ESPIPE);
	CHECK_EQ(fcntl(s, F_GETFL) & (O_ACCMODE | O_NOCTTY), O_RDWR);
	close(m);
	CHECK_ERR(open(link, O_RDWR), ENOENT);
	close(s);
}

static void library(void)
{
	int m = posix_openpt(O_RDWR | O_NOCTTY), s;

	CHECK(m >= 0);
	CHECK_EQ(grantpt(m), 0);
	CHECK_EQ(unlockpt(m), 0);
	s = open(ptsname(m), O_RDWR | O_NOCTTY);
	CHECK(s >= 0);
	close(s);
	close(m);
}

static void peer(void)
{
	int m = open_master(), s, flags;
	char c;

	unlock_slave(m);
	s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	CHECK(s >= 0);
	flags = fcntl(s, F_GETFL);
	CHECK_EQ(flags & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	CHECK_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(read(s, &c, 1), EAGAIN);
	CHECK_EQ(strcmp(ttyname(s), pts_path(m)), 0);
	CHECK_ERR(ioctl(s, TIOCGPTPEER, O_RDWR), EIO);
	close(s);
	s = ioctl(m, TIOCGPTPEER, O_RDONLY | O_NOCTTY);
	CHECK(s >= 0);
	CHECK_ERR(write(s, "x", 1), EBADF);
	close(s);
	close(m);
}

/* The lowest number that is free; one is free when both ends are gone. False: not so, which
 * natively another program may bring about that opens a terminal, or closes one, meanwhile. */
static bool numbers(void)
{
	int m1 = open_master(), m2 = open_master(), n1 = pts_number(m1), s, m3;
	bool good = pts_number(m2) > n1;

	unlock_slave(m1);
	s = open(pts_path(m1), O_RDWR | O_NOCTTY);
	CHECK(s >= 0);
	close(m1);
	m3 = open_master();
	CHECK(pts_number(m3) != n1);
	close(m3);
	close(s);
	m3 = open_master();
	good = good && pts_number(m3) == n1;
	close(m2);
	close(m3);
	return good;
}

static void errors(void)
{
	int m, s, n;
	char buf[4];

	open_pair(&m, &s);
	CHECK_ERR(ioctl(m, TIOCGPTN, (void *)8), EFAULT);
	CHECK_ERR(ioctl(m, TIOCSPTLCK, (void *)8), EFAULT);
	CHECK_ERR(ioctl(m, TIOCGPTLCK, (void *)8), EFAULT);
	CHECK_ERR(ioctl(s, TIOCGPTN, &n), ENOTTY);
	CHECK_ERR(ioctl(s, TIOCSPTLCK, &n), ENOTTY);
	CHECK_ERR(ioctl(s, TIOCGPTLCK, &n), ENOTTY);
	CHECK_ERR(ioctl(s, TIOCPKT, &n), ENOTTY);
	CHECK_ERR(ioctl(s, TIOCSIG, SIGINT), ENOTTY);
	CHECK_ERR(ioctl(m, 0x54ff, &n), ENOTTY);
	CHECK_ERR(ioctl(s, 0x54ff, &n), ENOTTY);
	CHECK_ERR(ioctl(m, TCGETS, (void *)8), EFAULT);
	CHECK_ERR(ioctl(m, TCSETS, (void *)8), EFAULT);
	CHECK_ERR(ioctl(m, TIOCGWINSZ, (void *)8), EFAULT);
	CHECK_ERR(ioctl(m, TIOCSWINSZ, (void *)8), EFAULT);
	CHECK_ERR(ioctl(s, FIONREAD, (void *)8), EFAULT);
	CHECK_ERR(ioctl(s, TIOCOUTQ, (void *)8), EFAULT);
	CHECK_EQ(read(s, buf, 0), 0);
	CHECK_EQ(write(s, buf, 0), 0);
	CHECK_EQ(read(m, buf, 0), 0);
	CHECK_ERR(write(s, (void *)8, 4), EFAULT);
	CHECK_ERR(write(m, (void *)8, 4), EFAULT);
	type_keys(m, "line\n");
	CHECK(has_events(s, POLLIN, 60000));
	CHECK_ERR(read(s, (void *)8, 4), EFAULT);
	CHECK_ERR(open("/dev/pts/99999", O_RDWR), ENOENT);
	CHECK_ERR(mkdir("/dev/pts/dir", 0755), EPERM);
	CHECK_ERR(unlink(pts_path(m)), EPERM);
	CHECK_ERR(rename(pts_path(m), "/dev/pts/x"), EPERM);
	close(s);
	close(m);
}

int main(void)
{
	leave_session();
	names();
	library();
	peer();
	for (int tries = alone ? 1 : 100; !numbers(); tries--)
		CHECK(tries > 1);
	errors();
	say("ok\n");
	return 0;
}
