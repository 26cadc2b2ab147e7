// getcwd, chdir, fchdir, umask: kept over fork, relative names, what is refused.
#include "check.h"

int main(void)
{
	const char *dir = temp_dir();
	char a[300], sub[300];
	struct stat st;
	mode_t old;
	int fd;
	pid_t pid;

	CHECK_EQ(chdir("/"), 0);
	CHECK(getcwd(a, sizeof(a)) && strcmp(a, "/") == 0);
	CHECK_EQ(chdir(".."), 0);
	CHECK(getcwd(a, sizeof(a)) && strcmp(a, "/") == 0);
	CHECK_EQ(syscall(SYS_getcwd, a, sizeof(a)), 2);
	CHECK_EQ(chdir(dir), 0);
	CHECK(getcwd(a, sizeof(a)) && strcmp(a, dir) == 0);
	CHECK_EQ(mkdir("sub", 0700), 0);
	CHECK_EQ(chdir("sub/../sub/."), 0);
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	CHECK(getcwd(a, sizeof(a)) && strcmp(a, sub) == 0);
	CHECK_ERR(syscall(SYS_getcwd, a, 5), ERANGE);
	CHECK_ERR(syscall(SYS_getcwd, 8, 300), EFAULT);
	write_file("file", "x", 1, 0600);
	CHECK_EQ(stat(temp_path(sub, "file"), &st), 0);
	pid = fork_ok();
	if (pid == 0) {
		CHECK(getcwd(a, sizeof(a)) && strcmp(a, sub) == 0);
		CHECK_EQ(chdir("/"), 0);
		_exit(0);
	}
	reap_ok(pid);
	CHECK(getcwd(a, sizeof(a)) && strcmp(a, sub) == 0);
	fd = open("/", O_RDONLY | O_DIRECTORY);
	CHECK_ERR(chdir("file"), ENOTDIR);
	CHECK_ERR(chdir("none"), ENOENT);
	CHECK_ERR(chdir(""), ENOENT);
	CHECK_ERR(syscall(SYS_chdir, 8), EFAULT);
	CHECK_EQ(fchdir(fd), 0);
	CHECK(getcwd(a, sizeof(a)) && strcmp(a, "/") == 0);
	CHECK_EQ(close(fd), 0);
	CHECK_ERR(fchdir(fd), EBADF);
	fd = open(temp_path(sub, "file"), O_RDONLY);
	CHECK_ERR(fchdir(fd), ENOTDIR);

	/* a directory removed under one's feet */
	CHECK_EQ(chdir(sub), 0);
	CHECK_EQ(unlink("file"), 0);
	CHECK_EQ(rmdir(sub), 0);
	CHECK_ERR(syscall(SYS_getcwd, a, sizeof(a)), ENOENT);
	CHECK_ERR(open("new", O_CREAT | O_WRONLY, 0600), ENOENT);
	CHECK_EQ(chdir(dir), 0);

	old = umask(027);
	CHECK_EQ(umask(07777 | 027), 027);
	CHECK_EQ(umask(027), 0777);
	fd = open("masked", O_CREAT | O_WRONLY, 0666);
	CHECK_EQ(fstat(fd, &st), 0);
	say("file mode %o\n", st.st_mode);
	CHECK_EQ(mkdir("d", 0777), 0);
	CHECK_EQ(stat("d", &st), 0);
	say("dir mode %o\n", st.st_mode);
	CHECK_EQ(fchmod(fd, 0666), 0);
	CHECK_EQ(fstat(fd, &st), 0);
	say("chmod mode %o\n", st.st_mode);
	umask(old);
	CHECK_EQ(rmdir("d"), 0);
	CHECK_EQ(unlink("masked"), 0);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
