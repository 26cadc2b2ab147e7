// Errors that depend on what a path leads to: /proc and its links, /dev, devices, sockets and
// FIFOs; xattrs, inotify, memfd_create, statx, utimensat and openat2 by their man pages;
// close_range, umask.
// kernel: 6.6 (fchmodat2)
#include "err.h"
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static int f, d, path_only;

/* Nothing in /proc can be made, removed or moved. */
static void proc(void)
{
	char buf[64];

	TRY_FD(open("/proc/none", O_RDONLY));
	TRY_FD(open("/proc/none", O_WRONLY | O_CREAT, 0600));
	TRY_FD(open("/proc/self/none", O_WRONLY | O_CREAT, 0600));
	TRY_FD(open("/proc/self", O_WRONLY));
	TRY_FD(open("/proc/self/status/x", O_RDONLY));
	TRY_FD(open("/proc/self/status", O_RDONLY | O_DIRECTORY));
	TRY_FD(open("/proc/self/cwd", O_RDONLY | O_NOFOLLOW));
	TRY_FD(open("/proc/self/cwd/none", O_RDONLY));
	TRY_FD(open("/proc/self/exe/x", O_RDONLY));
	TRY_FD(open("/proc/self/fd/x", O_RDONLY));
	TRY_FD(open("/proc/self/fd/-1", O_RDONLY));
	TRY_FD(open("/proc/self/fd/00", O_RDONLY));
	TRY_FD(open("/proc/self/fd/99999999999999999999", O_RDONLY));
	TRY_FD(open("/proc/self/task/1x", O_RDONLY));
	TRY_FD(open("/proc/99999999/status", O_RDONLY));
	TRY_FD(open("/proc/0", O_RDONLY));
	TRY_FD(open("/proc", O_TMPFILE | O_RDWR, 0600));
	TRY(mkdir("/proc/none", 0700));
	TRY(mkdir("/proc/self", 0700));
	TRY(mkdir("/proc/self/none", 0700));
	TRY(mkdir("/proc/sys/none", 0700));
	TRY(rmdir("/proc/none"));
	TRY(unlink("/proc/self"));
	TRY(unlink("/proc/none"));
	TRY(symlink("x", "/proc/none"));
	TRY(symlink("x", "/proc/self/status"));
	TRY(link("f", "/proc/self/none"));
	TRY(link("/proc/self/status", "none"));
	TRY(link("/proc/self/exe", "/proc/none"));
	TRY(mknod("/proc/none", S_IFIFO | 0600, 0));
	TRY(rename("f", "/proc/self/none"));
	TRY(rename("/proc/self/status", "none"));
	TRY(rename("/proc/self/status", "/proc/self/none"));
	TRY(chmod("/proc/self/status", 0600));
	TRY(truncate("/proc/self/cwd", 0));
	TRY(readlink("/proc/self/status", buf, sizeof(buf)));
	TRY(readlink("/proc/self/fd/999", buf, sizeof(buf)));
	TRY(readlink("/proc/self/fd", buf, sizeof(buf)));
	TRY(chdir("/proc/self/status"));
	TRY(chdir("/proc/self/fd/999"));
	TRY(S(execve, "/proc/self/status", NULL, NULL));
	TRY(S(execve, "/proc/self", NULL, NULL));
	TRY(S(execve, "/dev/null", NULL, NULL));
	TRY(access("/proc/self/status", X_OK));
	TRY(access("/proc/self/none", F_OK));
	TRY(setxattr("/proc/self/status", "user.x", "y", 1, 0));
	TRY(getxattr("/proc/self/status", "user.x", buf, 1));
	TRY(setxattr("/dev/null", "user.x", "y", 1, XATTR_REPLACE));
	TRY(getxattr("/dev/null", "user.x", buf, 1));
}

/* Links of /proc that lead where no name does. */
static void links(void)
{
	char path[64];
	struct stat st;
	int p[2], m = memfd_create("m", 0), gone;

	make_pipe(p);
	gone = open("gone", O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK_EQ(unlink("gone"), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
	TRY_FD(open(path, O_RDONLY | O_NONBLOCK));
	TRY_FD(open(path, O_WRONLY | O_NONBLOCK));
	TRY_FD(open(path, O_RDONLY | O_DIRECTORY));
	TRY(truncate(path, 0));
	TRY(chdir(path));
	TRY(stat(path, &st));
	TRY(linkat(AT_FDCWD, path, AT_FDCWD, "none", AT_SYMLINK_FOLLOW));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m);
	TRY_FD(open(path, O_RDWR | O_TRUNC));
	TRY_FD(open(path, O_RDONLY | O_CREAT | O_EXCL, 0600));
	TRY(truncate(path, 100));
	TRY(chmod(path, 0600));
	TRY(linkat(AT_FDCWD, path, AT_FDCWD, "none", AT_SYMLINK_FOLLOW));
	TRY(linkat(AT_FDCWD, path, AT_FDCWD, "none", 0));
	TRY(rename(path, "none"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", gone);
	TRY_FD(open(path, O_RDWR));
	TRY(truncate(path, 100));
	TRY(linkat(AT_FDCWD, path, AT_FDCWD, "none", AT_SYMLINK_FOLLOW));
	TRY(unlink(path));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_only);
	TRY_FD(open(path, O_RDWR));
	TRY(truncate(path, 9));
	TRY(chmod(path, 0644));
	snprintf(path, sizeof(path), "/proc/self/fd/%d/x", d);
	TRY_FD(open(path, O_RDONLY));
	TRY_FD(open(path, O_WRONLY | O_CREAT, 0600));
	TRY(unlink(path));
	close(p[0]);
	close(p[1]);
	close(m);
	close(gone);
}

static void attributes(void)
{
	char big[256 + 8], value[16];

	memset(big, 'a', sizeof(big));
	memcpy(big, "user.", 5);
	big[sizeof(big) - 1] = 0;
	TRY(setxattr("f", "user.a", "1", 1, XATTR_REPLACE));
	TRY(setxattr("f", "user.a", "1", 1, 4));
	TRY(setxattr("f", "user.a", "1", 1, XATTR_CREATE | XATTR_REPLACE));
	TRY(setxattr("f", "", "1", 1, 0));
	TRY(setxattr("f", "user.", "1", 1, 0));
	TRY(setxattr("f", big, "1", 1, 0));
	TRY(setxattr("f", "none", "1", 1, 0));
	TRY(setxattr("f", "none.a", "1", 1, 0));
	TRY(setxattr("f", "user.a", BAD_POINTER, 1, 0));
	TRY(setxattr("f", "user.a", "1", 65537, 0));
	TRY(setxattr("f", BAD_POINTER, "1", 1, 0));
	TRY(setxattr(BAD_POINTER, "user.a", "1", 1, 0));
	TRY(setxattr("none", "user.a", "1", 1, 0));
	TRY(setxattr("f/x", "user.a", "1", 1, 0));
	TRY(setxattr("loop", "user.a", "1", 1, 0));
	TRY(setxattr("", "user.a", "1", 1, 0));
	TRY(lsetxattr("loop", "user.a", "1", 1, 0));
	TRY(setxattr("fifo", "user.a", "1", 1, 0));
	TRY(setxattr("sock", "user.a", "1", 1, 0));
	TRY(fsetxattr(999, "user.a", "1", 1, 0));
	TRY(fsetxattr(path_only, "user.a", "1", 1, 0));
	TRY(getxattr("f", "user.none", value, sizeof(value)));
	TRY(getxattr("f", "", value, sizeof(value)));
	TRY(getxattr("f", big, value, sizeof(value)));
	TRY(getxattr("f", "none.a", value, sizeof(value)));
	TRY(getxattr("none", "user.a", value, sizeof(value)));
	TRY(lgetxattr("loop", "user.a", value, sizeof(value)));
	TRY(getxattr("fifo", "user.a", value, sizeof(value)));
	TRY(fgetxattr(999, "user.a", value, sizeof(value)));
	TRY(fgetxattr(path_only, "user.a", value, sizeof(value)));
	TRY(listxattr("none", value, sizeof(value)));
	TRY(listxattr("f/x", value, sizeof(value)));
	TRY(flistxattr(999, value, sizeof(value)));
	TRY(flistxattr(path_only, value, sizeof(value)));
	TRY(removexattr("f", "user.none"));
	TRY(removexattr("f", ""));
	TRY(removexattr("f", "none.a"));
	TRY(removexattr("none", "user.a"));
	TRY(removexattr("fifo", "user.a"));
	TRY(lremovexattr("loop", "user.a"));
	TRY(fremovexattr(999, "user.a"));
	TRY(fremovexattr(path_only, "user.a"));
}

static void watches(void)
{
	int in = inotify_init1(IN_NONBLOCK), wd;

	TRY_FD(inotify_init1(1));
	TRY(inotify_add_watch(in, "none", IN_CREATE));
	TRY(inotify_add_watch(in, "f/x", IN_CREATE));
	TRY(inotify_add_watch(in, "", IN_CREATE));
	TRY(inotify_add_watch(in, "loop", IN_CREATE));
	TRY(inotify_add_watch(in, BAD_POINTER, IN_CREATE));
	TRY(inotify_add_watch(in, long_name(256), IN_CREATE));
	TRY(inotify_add_watch(in, long_path(4096, "f"), IN_CREATE));
	TRY(inotify_add_watch(in, "f", 0));
	TRY(inotify_add_watch(in, "f", IN_ONESHOT));
	TRY(inotify_add_watch(in, "f", IN_ONLYDIR | IN_CREATE));
	TRY(inotify_add_watch(in, "loop", IN_DONT_FOLLOW | IN_ATTRIB));
	TRY(inotify_add_watch(in, "f", IN_MASK_ADD | IN_MASK_CREATE | IN_CREATE));
	TRY(inotify_add_watch(999, "f", IN_CREATE));
	TRY(inotify_add_watch(f, "f", IN_CREATE));
	wd = inotify_add_watch(in, "f", IN_ATTRIB);
	TRY(inotify_add_watch(in, "f", IN_MASK_CREATE | IN_ATTRIB));
	TRY(inotify_rm_watch(in, wd));
	TRY(inotify_rm_watch(in, wd));
	TRY(inotify_rm_watch(in, -1));
	TRY(inotify_rm_watch(999, wd));
	TRY(inotify_rm_watch(f, wd));
	close(in);
}

static void memory(void)
{
	char name[256];

	memset(name, 'n', sizeof(name));
	name[249] = 0;
	TRY_FD(S(memfd_create, name, 0));
	name[249] = 'n';
	name[250] = 0;
	TRY_FD(S(memfd_create, name, 0));
	TRY_FD(S(memfd_create, BAD_POINTER, 0));
	TRY_FD(S(memfd_create, "", 0));
	TRY_FD(S(memfd_create, "m", 0x1000));
	TRY_FD(S(memfd_create, "m", MFD_ALLOW_SEALING | MFD_CLOEXEC));
	TRY_FD(S(memfd_create, "m", 8 | 16)); /* NOEXEC_SEAL and EXEC */
}

static long how(const char *path, struct open_how h, size_t size)
{
	return S(openat2, AT_FDCWD, path, &h, size);
}

static void opens(void)
{
	struct {
		struct open_how h;
		uint64_t more;
	} wide = {.more = 0};

	TRY_FD(how("f", (struct open_how){.flags = O_RDONLY}, 8));
	TRY_FD(how("f", (struct open_how){.flags = O_RDONLY}, 0));
	TRY_FD(S(openat2, AT_FDCWD, "f", &wide, sizeof(wide)));
	wide.more = 1;
	TRY_FD(S(openat2, AT_FDCWD, "f", &wide, sizeof(wide)));
	TRY_FD(S(openat2, AT_FDCWD, "f", &wide, 4097));
	TRY_FD(S(openat2, AT_FDCWD, "f", BAD_POINTER, sizeof(wide.h)));
	TRY_FD(S(openat2, 999, "f", &(struct open_how){.flags = 0}, sizeof(wide.h)));
	TRY_FD(how("f", (struct open_how){.flags = 1ULL << 40}, 24));
	TRY_FD(how("new", (struct open_how){.flags = O_CREAT, .mode = 010000}, 24));
	TRY_FD(how("f", (struct open_how){.mode = 0600}, 24));
	TRY_FD(how("d", (struct open_how){.flags = O_PATH, .resolve = RESOLVE_BENEATH}, 24));
	TRY_FD(how("/", (struct open_how){.resolve = RESOLVE_BENEATH}, 24));
	TRY_FD(how("/f", (struct open_how){.resolve = RESOLVE_BENEATH}, 24));
	TRY_FD(how("d/../..", (struct open_how){.resolve = RESOLVE_BENEATH}, 24));
	TRY_FD(how("d/..", (struct open_how){.resolve = RESOLVE_BENEATH}, 24));
	TRY_FD(how("abs", (struct open_how){.resolve = RESOLVE_BENEATH}, 24));
	TRY_FD(how("/f", (struct open_how){.resolve = RESOLVE_IN_ROOT}, 24));
	TRY_FD(how("abs", (struct open_how){.resolve = RESOLVE_IN_ROOT}, 24));
	TRY_FD(how("f", (struct open_how){.resolve = RESOLVE_IN_ROOT | RESOLVE_BENEATH}, 24));
	TRY_FD(how("link", (struct open_how){.resolve = RESOLVE_NO_SYMLINKS}, 24));
	TRY_FD(how("/proc/self/status", (struct open_how){.resolve = RESOLVE_NO_XDEV}, 24));
	TRY_FD(how("/proc/self/status", (struct open_how){.resolve = RESOLVE_NO_SYMLINKS}, 24));
	TRY_FD(how("/proc/self/cwd", (struct open_how){.resolve = RESOLVE_NO_MAGICLINKS}, 24));
	TRY_FD(how("loop", (struct open_how){.flags = O_PATH | O_NOFOLLOW}, 24));
}

static void rest(void)
{
	struct statfs sfs;
	struct stat st;
	char buf[8];

	TRY(S(close_range, 1, 0, 0));
	TRY(S(close_range, 500, 600, 8));
	TRY(S(close_range, 500, 600, 2));
	TRY(S(close_range, 500, ~0U, 4));
	TRY(umask(022));
	TRY(umask(0777777) == 022);
	TRY(umask(022) == 0777);
	TRY(statfs("fifo", &sfs));
	TRY(statfs("/proc/self/fd/999", &sfs));
	TRY(S(getcwd, buf, 1));
	TRY(S(getcwd, buf, 0));
	TRY(S(utimensat, AT_FDCWD, "fifo", NULL, 0));
	TRY(S(utimensat, AT_FDCWD, "sock", NULL, 0));
	TRY(lstat("loop/", &st));
	TRY(lstat("link/", &st));
	TRY(S(fchmodat2, AT_FDCWD, "link", 0644, AT_SYMLINK_NOFOLLOW | 1));
	TRY(S(fchmodat2, AT_FDCWD, "none", 0644, AT_SYMLINK_NOFOLLOW));
	TRY(S(fchmodat2, path_only, "", 0644, AT_EMPTY_PATH));
	TRY(S(fchmodat2, path_only, "", 0644, 0));
	TRY(S(fchmodat2, 999, "", 0644, AT_EMPTY_PATH));
	TRY(S(name_to_handle_at, AT_FDCWD, "none", BAD_POINTER, BAD_POINTER, 0));
	TRY(S(name_to_handle_at, AT_FDCWD, "f", BAD_POINTER, BAD_POINTER, 0x10000));
	TRY(S(faccessat2, AT_FDCWD, "sock", W_OK, 0));
	TRY(S(faccessat2, AT_FDCWD, "fifo", X_OK, AT_EACCESS));
	TRY(S(sendfile, 1, d, NULL, 1));
	TRY(S(copy_file_range, f, NULL, d, NULL, 1, 0));
	TRY(S(readahead, d, 0, 1));
	TRY(S(fallocate, d, 0, 0, 1));
	TRY(S(getdents64, d, BAD_POINTER, 0));
	TRY(S(getdents64, d, buf, 0));
}

int main(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "sock"};
	const char *base = temp_dir();
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	umask(022);
	CHECK_EQ(chdir(base), 0);
	CHECK_EQ(chmod(".", 0755), 0);
	write_file("f", "some text", 9, 0644);
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(symlink("loop", "loop"), 0);
	CHECK_EQ(symlink("f", "link"), 0);
	CHECK_EQ(symlink("/f", "abs"), 0);
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	CHECK_EQ(bind(s, (struct sockaddr *)&name, sizeof(name)), 0);
	f = open("f", O_RDWR);
	d = open("d", O_RDONLY);
	path_only = open("f", O_PATH);
	proc();
	links();
	attributes();
	watches();
	memory();
	opens();
	rest();
	for (const char *const *n =
		     (const char *const[]){"f", "loop", "link", "abs", "fifo", "sock", NULL};
	     *n; n++)
		CHECK_EQ(unlink(*n), 0);
	CHECK_EQ(rmdir("d"), 0);
	CHECK_EQ(rmdir(base), 0);
	return 0;
}
