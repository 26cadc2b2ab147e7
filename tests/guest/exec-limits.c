// How much argument and environment text execve takes: 128 KiB a string, a quarter of the
// stack limit in all, E2BIG beyond; a large set arrives intact.
#include "check.h"
#include <sys/resource.h>

static char *text(size_t len, char c)
{
	char *s = malloc(len + 1);

	CHECK(s != NULL);
	memset(s, c, len);
	s[len] = 0;
	return s;
}

static void run(const char *what, char **argv, char **envp)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		execve("/proc/self/exe", argv, envp);
		say("%s: errno %d\n", what, errno);
		_exit(1);
	}
	reap(pid);
}

int main(int argc, char **argv)
{
	struct rlimit limit = {8 << 20, 8 << 20};
	static char *args[600], *many[20002];
	char *env[] = {NULL, NULL};
	char *zero = text(4, 'z'), *chunk = text(100000, 'c');

	if (argc > 0 && strcmp(argv[0], "zzzz") == 0) {
		size_t sum = 0;

		for (int i = 0; i < argc; i++) {
			sum += strlen(argv[i]);
			CHECK(argv[i][0] == argv[i][strlen(argv[i]) - 1]);
		}
		say("argc %d, %zu bytes\n", argc, sum);
		return 0;
	}
	setrlimit(RLIMIT_STACK, &limit);
	args[0] = zero;
	args[1] = text(131071, 'a');
	run("131071 bytes", args, env);
	args[1] = text(131072, 'a');
	run("131072 bytes", args, env);
	for (int i = 1; i < 15; i++)
		args[i] = chunk;
	run("1.4 MB", args, env);
	for (int i = 1; i < 30; i++)
		args[i] = chunk;
	run("2.9 MB", args, env);
	args[1] = NULL;
	env[0] = text(131072, 'e');
	run("long environment string", args, env);
	env[0] = NULL;
	many[0] = zero;
	for (int i = 1; i < 20001; i++)
		many[i] = zero;
	run("20001 arguments", many, env);
	/* No arguments at all: the program sees one empty one (since Linux 5.18). */
	args[0] = NULL;
	pid_t pid = fork_ok();

	if (pid == 0) {
		close(2);
		execve("/no/such", args, env);
		CHECK_EQ(errno, ENOENT);
		_exit(0);
	}
	reap_ok(pid);
	return 0;
}
