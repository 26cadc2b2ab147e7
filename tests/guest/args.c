// variants: static static-pie musl
// args: one -two --three=3 * $HOME
// env: GUEST_A=1 GUEST_B=two=2 GUEST_C=
// Arguments and environment arrive as they were given.
#include "check.h"

extern char **environ;

int main(int argc, char **argv)
{
	CHECK(argc >= 1);
	CHECK(argv[argc] == NULL);
	say("argc %d\n", argc);
	for (int i = 1; i < argc; i++)
		say("arg %s\n", argv[i]);
	for (int i = 0; environ[i]; i++)
		if (strncmp(environ[i], "GUEST_", 6) == 0)
			say("env %s\n", environ[i]);
	/* The kernel lays the strings out one after the other. */
	for (int i = 0; i + 1 < argc; i++)
		CHECK(argv[i] + strlen(argv[i]) + 1 == argv[i + 1]);
	CHECK(environ[0] == NULL || argv[argc - 1] + strlen(argv[argc - 1]) + 1 == environ[0]);
	CHECK(getenv("PATH") != NULL);
	return 0;
}
