/*
 * vmbox nested: runs an image where this machine has no usable /dev/kvm, in a machine that QEMU
 * emulates and that has a KVM of its own. The nested runner (tests/nested/README.md) makes that
 * machine; here its command line is put together: the files that `vmbox run` needs, and run's own
 * arguments, with what they take from this machine's environment resolved.
 */
#include "run.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the machine keeps files that have another name here. */
#define IN_STATS "/tmp/.vmbox-stats"
#define IN_DUMP  "/tmp/.vmbox-dump"
#define IN_DTB   "/tmp/.vmbox-dtb"

#define MEM_BASE 1024 /* MiB: the machine's kernel and files */

static const char nested_help[] =
	"Usage: vmbox nested [OPTIONS] [OPTIONS OF RUN] IMAGE [ARGS...]\n"
	"\n"
	"Does what `vmbox run` does, in a machine that QEMU emulates and that has a KVM of its "
	"own:\n"
	"for where there is no usable /dev/kvm. IMAGE and --root are copied into that machine's "
	"memory;\n"
	"nothing that the program writes stays, but for the files of --stats and --dump-dtb. "
	"Standard\n"
	"input, output and error are pipes there. A dynamic program without a root of its own: "
	"--root /\n"
	"is there what the program and its shared libraries make up. These options come first:\n"
	"\n"
	"  --arch A             x86_64 or arm64 (default: vmbox's own); another one needs a vmbox "
	"built\n"
	"                       for it (make ARCH=A)\n"
	"  --accel tcg|kvm      emulate (default), or use this machine's KVM where it nests\n"
	"  --timeout SECONDS    give up after this time, boot included (default 300)\n"
	"  --machine-mem MIB    memory of the emulated machine (default 1024 and what --mem asks "
	"for)\n"
	"  --kernel FILE        boot this kernel, not Debian's; --modules DIR: its modules\n"
	"  --keep               keep the work directory and print its path\n"
	"  --verbose            print the machine's own messages and the times\n"
	"  --help\n"
	"\n"
	"Exit status: the program's own, as with run; 124 time is up; 125 an error of vmbox or of "
	"the\n"
	"machine. Needs Debian's qemu-system-x86 (qemu-system-arm for arm64), cpio and binutils.\n";

/* A command line that grows; `failed`: no memory. */
struct words {
	char **v;
	size_t n;
	bool failed;
};

static void __attribute__((format(printf, 2, 3))) word(struct words *w, const char *fmt, ...)
{
	char **v = realloc(w->v, (w->n + 2) * sizeof(*v));
	va_list ap;

	if (!v) {
		w->failed = true;
		return;
	}
	w->v = v;
	va_start(ap, fmt);
	if (vasprintf(&v[w->n], fmt, ap) < 0)
		v[w->n] = NULL;
	va_end(ap);
	if (v[w->n])
		w->n++;
	else
		w->failed = true;
	v[w->n] = NULL;
}

static void words_free(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
}

struct nested {
	struct words runner, run; /* the runner's arguments, and vmbox run's */
	const char *arch, *machine_mem;
	const struct run_options *o;
	bool mem_given, root_given;
	bool machine_root; /* --root /: what the machine has, which is the image and its libraries
			    */
};

/* The first of these names, relative to vmbox's own directory, that can be executed. */
static bool find_beside(const char *const names[], char path[PATH_MAX])
{
	char self[PATH_MAX], name[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return false;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (; *names; names++) {
		if (snprintf(name, sizeof(name), "%s/%s", self, *names) >= (int)sizeof(name))
			continue;
		if (access(name, X_OK) == 0 && realpath(name, path))
			return true;
	}
	return false;
}

static bool find_runner(char path[PATH_MAX])
{
	static const char *const names[] = {"tests/nested/run", "../../tests/nested/run",
					    "../lib/vmbox/nested/run", NULL};

	if (find_beside(names, path))
		return true;
	vmbox_error("nested: the runner was not found: neither tests/nested/run of a checkout nor "
		    "lib/vmbox/nested/run of an installation is beside vmbox (make install)");
	return false;
}

/* The vmbox that runs in the machine: this one, or one for the other architecture. */
static bool find_vmbox(const char *arch, char path[PATH_MAX])
{
	char tree[64], build[64], lib[64];
	const char *const names[] = {tree, build, lib, NULL};

	if (strcmp(arch, VMBOX_ARCH) == 0) {
		if (realpath("/proc/self/exe", path))
			return true;
		vmbox_error("nested: /proc/self/exe: %s", strerror(errno));
		return false;
	}
	if (strcmp(arch, "x86_64") != 0 && strcmp(arch, "arm64") != 0) {
		vmbox_error("nested: --arch %s: not x86_64 or arm64", arch);
		return false;
	}
	snprintf(tree, sizeof(tree), "build/%s-release/vmbox", arch);
	snprintf(build, sizeof(build), "../%s-release/vmbox", arch);
	snprintf(lib, sizeof(lib), "../lib/vmbox/%s/vmbox", arch);
	if (find_beside(names, path))
		return true;
	vmbox_error("nested: --arch %s: no vmbox for it is built: make ARCH=%s", arch, arch);
	return false;
}

/* A path of this machine; the runner cannot be told one with a colon. */
static int add_file(struct nested *n, const char *path, const char *at)
{
	if (strchr(path, ':')) {
		vmbox_error("nested: %s: a path with a colon cannot be copied into the machine",
			    path);
		return -1;
	}
	if (access(path, F_OK) < 0) {
		vmbox_error("%s: %s", path, strerror(errno));
		return -1;
	}
	word(&n->runner, "--add");
	word(&n->runner, "%s%s%s", path, at ? ":" : "", at ? at : "");
	return 0;
}

/* The file named `in` in the machine becomes `path` here. */
static void get_file(struct nested *n, const char *in, const char *path)
{
	word(&n->runner, "--get");
	word(&n->runner, "%s:%s", in, path);
}

static int bind_option(struct nested *n, const char *value)
{
	size_t len = strlen(value);
	const char *colon;
	char *source;
	int r;

	if (len > 3 && strcmp(value + len - 3, ":rw") == 0) {
		vmbox_error("nested: --bind %s: what is written in the machine is lost: bind it "
			    "without :rw",
			    value);
		return -1;
	}
	if (len > 3 && strcmp(value + len - 3, ":ro") == 0)
		len -= 3;
	colon = memrchr(value, ':', len);
	source = strndup(value, colon ? (size_t)(colon - value) : len);
	r = source ? add_file(n, source, NULL) : -1;
	free(source);
	word(&n->run, "--bind=%s", value);
	return r;
}

/* One option of run, as it has to be there. */
static int on_run_option(void *arg, const char *name, const char *value)
{
	struct nested *n = arg;

	/* Resolved below: they depend on this machine. */
	if (strcmp(name, "env") == 0 || strcmp(name, "env-host") == 0 || strcmp(name, "user") == 0)
		return 0;
	if (strcmp(name, "root") == 0) {
		word(&n->run, "--root=%s", value);
		n->machine_root = strcmp(value, "/") == 0;
		if (n->machine_root)
			return 0;
		n->root_given = true;
		return add_file(n, value, NULL);
	}
	if (strcmp(name, "bind") == 0)
		return bind_option(n, value);
	if (strcmp(name, "dtb") == 0) {
		word(&n->run, "--dtb=" IN_DTB);
		return add_file(n, value, IN_DTB);
	}
	if (strcmp(name, "dump-dtb") == 0) {
		word(&n->run, "--dump-dtb=" IN_DUMP);
		get_file(n, IN_DUMP, value);
		return 0;
	}
	if (strcmp(name, "stats") == 0 && value) {
		word(&n->run, "--stats=" IN_STATS);
		get_file(n, IN_STATS, value);
		return 0;
	}
	if (strcmp(name, "cpus") == 0) {
		word(&n->runner, "--cpus");
		word(&n->runner, "%u", n->o->cpus);
	}
	n->mem_given |= strcmp(name, "mem") == 0;
	word(&n->run, value ? "--%s=%s" : "--%s", name, value);
	return 0;
}

/* The image's file on this machine: with --root / its name may be one in PATH. */
static void find_image(const struct nested *n, const char *name, char path[PATH_MAX])
{
	static const char *const dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					   "/usr/bin",        "/sbin",          "/bin"};

	for (size_t i = 0;
	     n->machine_root && !strchr(name, '/') && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (snprintf(path, PATH_MAX, "%s/%s", dirs[i], name) < PATH_MAX &&
		    access(path, X_OK) == 0)
			return;
	}
	snprintf(path, PATH_MAX, "%s", name);
}

/* Before a machine boots for nothing, or a whole directory is copied into it: is `path` a file that
 * a machine of n->arch may run? 0 or an exit status, as run's. */
static int check_image(const struct nested *n, const char *path)
{
	static const struct {
		const char *arch;
		uint16_t machine;
	} known[] = {{"x86_64", EM_X86_64}, {"arm64", EM_AARCH64}};
	Elf64_Ehdr head;
	struct stat st;
	ssize_t got;
	int fd;

	if (stat(path, &st) < 0) {
		vmbox_error("%s: %s", path, strerror(errno));
		return errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	}
	if (!S_ISREG(st.st_mode)) {
		vmbox_error("%s: %s", path,
			    S_ISDIR(st.st_mode) ? strerror(EISDIR) : "not a regular file");
		return EXIT_NOT_EXECUTABLE;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		vmbox_error("%s: %s", path, strerror(errno));
		return EXIT_NOT_EXECUTABLE;
	}
	got = read(fd, &head, sizeof(head));
	close(fd);
	/* What is no ELF file, a script for instance, is run's to judge. */
	if (got < (ssize_t)sizeof(head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (head.e_machine != known[i].machine || strcmp(n->arch, known[i].arch) == 0)
			continue;
		vmbox_error("%s: is a program for %s, the machine is %s: give --arch %s", path,
			    known[i].arch, n->arch, known[i].arch);
		return EXIT_NOT_EXECUTABLE;
	}
	return 0;
}

/* run's arguments, from argv[0] on, that is in the place of "run". 0 or an exit status. */
static int take_run(struct nested *n, int argc, char **argv)
{
	int image = run_options_each(argc, argv, on_run_option, n);
	char path[PATH_MAX];
	int status;

	if (image < 0)
		return EXIT_VMBOX;
	word(&n->run, "--user=%u:%u", n->o->uid, n->o->gid);
	for (char **v = n->o->envp; *v; v++)
		word(&n->run, "--env=%s", *v);
	find_image(n, argv[image], path);
	if (!n->root_given) {
		status = check_image(n, path);
		if (status)
			return status;
		if (add_file(n, path, NULL) < 0)
			return EXIT_VMBOX;
	}
	word(&n->run, "--");
	for (int i = image; i < argc; i++)
		word(&n->run, "%s", argv[i]);
	if (n->machine_mem) {
		word(&n->runner, "--mem");
		word(&n->runner, "%s", n->machine_mem);
	} else if (n->mem_given) {
		word(&n->runner, "--mem");
		word(&n->runner, "%llu", (unsigned long long)(n->o->mem >> 20) + MEM_BASE);
	}
	return 0;
}

/* The machine's own options, which come first. The index of what follows; -1: an error, -2: help.
 */
static int take_own(struct nested *n, int argc, char **argv)
{
	static const char *const with_value[] = {"--arch",   "--accel",   "--timeout",
						 "--kernel", "--modules", "--machine-mem"};
	size_t k, count = sizeof(with_value) / sizeof(with_value[0]);
	int i;

	for (i = 1; i < argc; i++) {
		const char *eq = strchr(argv[i], '='), *value;
		size_t len = eq ? (size_t)(eq - argv[i]) : strlen(argv[i]);

		if (strcmp(argv[i], "--help") == 0)
			return -2;
		if (strcmp(argv[i], "--keep") == 0 || strcmp(argv[i], "--verbose") == 0) {
			word(&n->runner, "%s", argv[i]);
			continue;
		}
		for (k = 0; k < count; k++)
			if (strlen(with_value[k]) == len &&
			    strncmp(argv[i], with_value[k], len) == 0)
				break;
		if (k == count)
			break;
		value = eq ? eq + 1 : argv[++i];
		if (!value) {
			vmbox_error("%s: needs an argument (vmbox nested --help)", with_value[k]);
			return -1;
		}
		if (strcmp(with_value[k], "--machine-mem") == 0) {
			n->machine_mem = value;
			continue;
		}
		if (strcmp(with_value[k], "--arch") == 0)
			n->arch = value;
		word(&n->runner, "%s", with_value[k]);
		word(&n->runner, "%s", value);
	}
	return i;
}

/* Puts it together and becomes the runner. Returns only with an error's exit status. */
static int nested_exec(struct nested *n, int argc, char **argv)
{
	char vmbox[PATH_MAX], runner[PATH_MAX];
	int status;

	if (!find_runner(runner) || !find_vmbox(n->arch, vmbox))
		return EXIT_VMBOX;
	status = take_run(n, argc, argv);
	if (status)
		return status;
	if (fcntl(STDIN_FILENO, F_GETFD) >= 0)
		word(&n->runner, "--stdin");
	if (add_file(n, vmbox, NULL) < 0)
		return EXIT_VMBOX;
	word(&n->runner, "--");
	word(&n->runner, "%s", vmbox);
	word(&n->runner, "run");
	for (size_t i = 0; i < n->run.n; i++)
		word(&n->runner, "%s", n->run.v[i]);
	if (n->runner.failed || n->run.failed) {
		vmbox_error("nested: out of memory");
		return EXIT_VMBOX;
	}
	execv(runner, n->runner.v);
	vmbox_error("%s: %s", runner, strerror(errno));
	return EXIT_VMBOX;
}

int cmd_nested(int argc, char **argv)
{
	struct nested n = {.arch = VMBOX_ARCH};
	struct run_options o;
	int own, r;

	word(&n.runner, "nested");
	own = take_own(&n, argc, argv);
	if (own == -2)
		fputs(nested_help, stdout);
	if (own < 0) {
		words_free(&n.runner);
		return own == -2 ? 0 : EXIT_VMBOX;
	}
	if (own >= argc) {
		vmbox_error("nested: no image given (vmbox nested --help)");
		words_free(&n.runner);
		return EXIT_VMBOX;
	}
	/* run's own parser says what is wrong with its options; the word before them is "run"'s. */
	r = run_options_parse(&o, argc - own + 1, argv + own - 1);
	if (r == 0) {
		n.o = &o;
		r = nested_exec(&n, argc - own + 1, argv + own - 1);
		run_options_free(&o);
	} else {
		r = r > 0 ? 0 : EXIT_VMBOX;
	}
	words_free(&n.runner);
	words_free(&n.run);
	return r;
}
