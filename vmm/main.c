/* vmbox: the command line's first word. */
#include "run.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
	"Usage: vmbox run [OPTIONS] IMAGE [ARGS...]\n"
	"       vmbox nested [OPTIONS] IMAGE [ARGS...]\n"
	"       vmbox doctor [--quiet]\n"
	"       vmbox --help | --version\n"
	"\n"
	"Runs an ordinary Linux program, and every process it forks, inside one KVM virtual\n"
	"machine that has no guest kernel.\n"
	"\n"
	"  run      run a program (vmbox run --help lists the options)\n"
	"  nested   the same in a machine emulated by QEMU, where there is no usable /dev/kvm\n"
	"  doctor   say what this machine's KVM is and can do, and what is missing\n";

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : NULL;

	if (!cmd) {
		vmbox_error("no command given (vmbox --help lists them)");
		return EXIT_VMBOX;
	}
	if (strcmp(cmd, "run") == 0)
		return cmd_run(argc - 1, argv + 1);
	if (strcmp(cmd, "nested") == 0)
		return cmd_nested(argc - 1, argv + 1);
	if (strcmp(cmd, "doctor") == 0)
		return cmd_doctor(argc - 1, argv + 1);
	if (strcmp(cmd, "--help") == 0 || strcmp(cmd, "-h") == 0 || strcmp(cmd, "help") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(cmd, "--version") == 0 || strcmp(cmd, "version") == 0) {
		puts("vmbox " VMBOX_VERSION);
		return 0;
	}
	vmbox_error("%s: no such command (vmbox --help lists them)", cmd);
	return EXIT_VMBOX;
}
