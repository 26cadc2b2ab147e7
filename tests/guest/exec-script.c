// #! scripts: the interpreter gets its one argument, the script's path and the script's own
// arguments; scripts nest; bad interpreters fail with the right errno.
#include "check.h"

static const char *dir;
static char self[300];

static void script(const char *name, const char *text)
{
	write_file(temp_path(dir, name), text, strlen(text), 0755);
}

static void run(const char *what, const char *name)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		execl(temp_path(dir, name), "zero", "one", "two words", (char *)NULL);
		say("%s: errno %d\n", what, errno);
		_exit(0);
	}
	reap_ok(pid);
}

int main(int argc, char **argv)
{
	const char *names[] = {"plain", "arg",   "space", "nested", "cr",     "none",
			       "loop1", "loop2", "empty", "dir",    "noexec", "long"};
	char text[600];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (strcmp(argv[0], self) == 0 && argc > 1) {
		for (int i = 1; i < argc; i++) {
			const char *slash = strrchr(argv[i], '/');

			say(" [%s]", slash ? slash + 1 : argv[i]);
		}
		say("\n");
		return 0;
	}
	CHECK(n > 0);
	dir = temp_dir();
	snprintf(text, sizeof(text), "#!%s\nrest\n", self);
	script("plain", text);
	snprintf(text, sizeof(text), "#!%s -x  y z \n", self);
	script("arg", text);
	snprintf(text, sizeof(text), "#! \t %s\t-q\n", self);
	script("space", text);
	snprintf(text, sizeof(text), "#!%s deep\n", temp_path(dir, "arg"));
	script("nested", text);
	snprintf(text, sizeof(text), "#!%s\r\n", self);
	script("cr", text);
	script("none", "#!/no/such/interpreter\n");
	script("empty", "#!\n");
	script("dir", "#!/tmp\n");
	snprintf(text, sizeof(text), "#!%s\n", temp_path(dir, "loop2"));
	script("loop1", text);
	snprintf(text, sizeof(text), "#!%s\n", temp_path(dir, "loop1"));
	script("loop2", text);
	script("noexec", "#!/bin/sh\n");
	CHECK_EQ(chmod(temp_path(dir, "noexec"), 0644), 0);
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "#!/", 3);
	text[sizeof(text) - 1] = 0;
	script("long", text);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		run(names[i], names[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(temp_path(dir, names[i]));
	rmdir(dir);
	return 0;
}
