// execveat: by directory, by an open descriptor alone, scripts that way, what is refused.
#include "check.h"

static void try(const char *what, int dir, const char *path, int flags)
{
	char *args[] = {(char[]){"x"}, (char[]){"child"}, NULL}, *env[] = {NULL};
	pid_t pid = fork_ok();

	if (pid == 0) {
		syscall(SYS_execveat, dir, path, args, env, flags);
		say("%s: errno %d\n", what, errno);
		_exit(0);
	}
	reap_ok(pid);
}

int main(int argc, char **argv)
{
	char self[512];
	const char *dir = temp_dir();
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int fd, root, link;

	(void)argv;
	if (argc > 1) {
		say("ran with %d arguments\n", argc);
		rmdir(dir);
		return 0;
	}
	CHECK(n > 0);
	self[n] = 0;
	fd = open(self, O_RDONLY | O_CLOEXEC);
	root = open("/", O_RDONLY | O_DIRECTORY);
	try("absolute", -1, self, 0);
	try("relative", root, self + 1, 0);
	try("by descriptor", fd, "", AT_EMPTY_PATH);
	try("empty without the flag", fd, "", 0);
	try("a directory", root, "tmp", 0);
	try("not a directory", fd, "x", 0);
	try("bad descriptor", 99, "x", 0);
	try("bad flags", root, self + 1, 0x1);
	CHECK_EQ(symlink(self, temp_path(dir, "link")), 0);
	link = open(dir, O_RDONLY);
	try("link", link, "link", 0);
	try("link not followed", link, "link", AT_SYMLINK_NOFOLLOW);
	unlink(temp_path(dir, "link"));
	rmdir(dir);
	return 0;
}
