// ETXTBSY: a file that is run is not written, and one that is written is not run.
#include "err.h"

static void copy_self(const char *to)
{
	static char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY),
	    out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	ssize_t n;

	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK_EQ(write(out, buf, n), n);
	close(in);
	close(out);
}

/* Runs the program with its standard input; it ends when that does. */
static pid_t start(const char *path, int p[2])
{
	pid_t pid;
	char c;
	int up[2];

	make_pipe(p);
	make_pipe(up);
	pid = fork_ok();
	if (pid == 0) {
		dup2(p[0], 0);
		dup2(up[1], 3);
		close(p[1]);
		execl(path, path, "wait", NULL);
		_exit(1);
	}
	close(p[0]);
	close(up[1]);
	CHECK_EQ(read(up[0], &c, 1), 1);
	close(up[0]);
	return pid;
}

static void tries(const char *what)
{
	say("%s\n", what);
	TRY_FD(open("prog", O_WRONLY));
	TRY_FD(open("prog", O_RDWR | O_APPEND));
	TRY_FD(open("prog", O_RDONLY | O_TRUNC));
	TRY_FD(creat("prog", 0755));
	TRY_FD(open("link", O_RDWR));
	TRY_FD(open("prog", O_RDONLY));
	TRY(truncate("prog", 1000000));
	TRY(chmod("prog", 0755));
	TRY(rename("prog", "prog"));
}

static int run(const char *path)
{
	pid_t pid = fork_ok();
	int status;

	if (pid == 0) {
		execl(path, path, "end", NULL);
		_exit(errno == ETXTBSY ? 50 : 51);
	}
	status = reap(pid);
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	const char *base;
	siginfo_t info;
	int p[2], fd, script;
	pid_t pid;
	char c, exe[32];

	if (argc > 1 && !strcmp(argv[1], "wait")) {
		send_byte(3);
		close(3);
		return read(0, &c, 1) == 1;
	}
	if (argc > 1)
		return 7;
	base = temp_dir();
	CHECK_EQ(chdir(base), 0);
	copy_self("prog");
	CHECK_EQ(link("prog", "link"), 0);
	pid = start("./prog", p);
	tries("running");
	close(p[1]);
	/* A zombie runs nothing. */
	CHECK_EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	fd = open("prog", O_WRONLY);
	CHECK(fd >= 0);
	snprintf(exe, sizeof(exe), "/proc/%d/exe", pid);
	CHECK_ERR(readlink(exe, &c, 1), ENOENT);
	reap_ok(pid);
	say("open to write: %d\n", run("./prog"));
	CHECK_EQ(close(fd), 0);
	say("closed: %d\n", run("./prog"));
	fd = open("prog", O_RDWR);
	pid = fork_ok();
	if (pid == 0)
		for (;;)
			pause();
	close(fd);
	say("a child's: %d\n", run("./prog"));
	kill(pid, SIGKILL);
	reap(pid);
	say("it has ended: %d\n", run("./prog"));
	/* a script is looked at, too, and so is what runs it */
	write_file("script", "#!./prog end\n", 13, 0755);
	script = open("script", O_WRONLY);
	say("script: %d\n", run("./script"));
	close(script);
	say("closed: %d\n", run("./script"));
	script = open("prog", O_WRONLY);
	say("its interpreter: %d\n", run("./script"));
	close(script);
	for (const char *const *n = (const char *const[]){"prog", "link", "script", NULL}; *n; n++)
		CHECK_EQ(unlink(*n), 0);
	CHECK_EQ(rmdir(base), 0);
	return 0;
}
