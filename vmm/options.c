/* The options of `vmbox run`. */
#include "host_user.h"
#include "run.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

#define GUEST_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define MEM_MIN    (4ULL << 20)
#define MEM_MAX    (1ULL << 40)
/* System calls that are not in every kernel: above the common ones. */
#define ABI_NR_MIN 463
#define ABI_NR_MAX 4094

static const char run_help[] =
	"Usage: vmbox run [OPTIONS] IMAGE [ARGS...]\n"
	"\n"
	"IMAGE is a file of the host, or with --root a path in that root (searched in PATH if it\n"
	"has no slash). Options end at IMAGE.\n"
	"\n"
	"  --root DIR       the guest sees DIR as its root; its changes stay in memory\n"
	"  --bind SRC:DST[:rw]  show the host's SRC at DST; rw: the guest's changes go to the "
	"host\n"
	"  --tmpfs DST[:SIZE]   an empty directory in memory at DST\n"
	"  --cwd DIR        working directory (default: the caller's if the root has it, else /)\n"
	"  --env NAME[=V]   set a variable, or pass the caller's on; may be repeated\n"
	"  --env-host       pass all of the caller's variables on\n"
	"  --user UID[:GID] run as this user (default: the caller)\n"
	"  --mem SIZE       guest memory at most, as 512M or 2G (default: half of the host's, up "
	"to 4G)\n"
	"  --cpus N         vCPUs (default: the CPUs that vmbox may use)\n"
	"  --abi NAME[=V]   a proposed or later kernel interface: robust-list2=NR, "
	"robust-unlock=waiters\n"
	"  --rewrite=MODE   jump where a program often makes system calls: auto, on,\n"
	"                   off\n"
	"  --asid-bits N    use 2^N address-space identifiers at most (arm64; to test "
	"roll-overs)\n"
	"  -i, -t           a session at the terminal: -t insists that there is one\n"
	"  --exitless=WHEN  answer system calls without leaving the guest, where this KVM permits: "
	"auto, on, off\n"
	"  --strace         print each system call on standard error\n"
	"  --no-jail        do not confine vmbox itself (to debug it)\n"
	"  --stats[=FILE]   print exits, system calls and faults at the end, as JSON into FILE\n"
	"  --debug          show the debug console of the guest's early code on standard error\n"
	"  --dump-dtb FILE  write the device tree that describes the machine to the guest\n"
	"  --dtb FILE       give the guest this device tree instead (it is refused if it is "
	"wrong)\n"
	"  --help\n"
	"\n"
	"Exit status: the program's own; 128+N if signal N ended it; 125 vmbox failed; 126 IMAGE\n"
	"cannot be executed; 127 IMAGE or its interpreter was not found.\n";

struct env_list {
	char **v;
	size_t n;
};

/* Sets or replaces; takes `entry` (NAME=VALUE), which it frees on failure. */
static int env_put(struct env_list *e, char *entry)
{
	size_t name;
	char **v;

	if (!entry)
		return -1;
	name = strcspn(entry, "=");
	for (size_t i = 0; i < e->n; i++) {
		if (strncmp(e->v[i], entry, name + 1) == 0) {
			free(e->v[i]);
			e->v[i] = entry;
			return 0;
		}
	}
	v = realloc(e->v, (e->n + 2) * sizeof(*v));
	if (!v) {
		free(entry);
		return -1;
	}
	e->v = v;
	v[e->n++] = entry;
	v[e->n] = NULL;
	return 0;
}

static char *env_entry(const char *name, const char *value)
{
	char *s;

	return asprintf(&s, "%s=%s", name, value) < 0 ? NULL : s;
}

static int env_option(struct env_list *e, const char *arg)
{
	const char *value;

	if (*arg == '\0' || *arg == '=') {
		vmbox_error("--env: '%s': a variable needs a name", arg);
		return -1;
	}
	if (strchr(arg, '='))
		return env_put(e, strdup(arg));
	value = getenv(arg);
	return value ? env_put(e, env_entry(arg, value)) : 0;
}

static int env_host(struct env_list *e)
{
	for (char **v = environ; *v; v++)
		if (strchr(*v, '=') && env_put(e, strdup(*v)) < 0)
			return -1;
	return 0;
}

static int env_defaults(struct env_list *e, uint32_t uid)
{
	const char *term = getenv("TERM");
	int r;

	r = env_put(e, env_entry("PATH", GUEST_PATH));
	if (r == 0)
		r = env_put(e, env_entry("HOME", uid == 0 ? "/root" : "/"));
	if (r == 0)
		r = env_put(e, env_entry("LANG", "C.UTF-8"));
	if (r == 0 && term && isatty(STDIN_FILENO))
		r = env_put(e, env_entry("TERM", term));
	return r;
}

static int parse_size(const char *s, uint64_t *out)
{
	unsigned shift = 0;
	char *end;

	errno = 0;
	*out = strtoull(s, &end, 10);
	if (errno || end == s || *s == '-')
		return -1;
	switch (toupper((unsigned char)*end)) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	case 'T':
		shift = 40;
		break;
	default:
		break;
	}
	end += shift != 0;
	if (*end == 'i' && shift)
		end++;
	if (toupper((unsigned char)*end) == 'B' && shift)
		end++;
	if (*end || *out > UINT64_MAX >> shift)
		return -1;
	*out <<= shift;
	return 0;
}

static int parse_id(const char *s, uint32_t *out)
{
	unsigned long v;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -1;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || *end || v >= UINT32_MAX)
		return -1;
	*out = (uint32_t)v;
	return 0;
}

/* UID[:GID], by number or by the host's names. */
static int parse_user(struct run_options *o, const char *arg)
{
	char user[256];
	const char *colon = strchr(arg, ':');
	size_t len = colon ? (size_t)(colon - arg) : strlen(arg);
	const struct passwd *pw;
	const struct group *gr;

	if (len == 0 || len >= sizeof(user))
		goto bad;
	memcpy(user, arg, len);
	user[len] = '\0';
	pw = host_user(user, 0);
	if (pw) {
		o->uid = pw->pw_uid;
		o->gid = pw->pw_gid;
	} else {
		if (parse_id(user, &o->uid) < 0)
			goto bad;
		pw = host_user(NULL, o->uid);
		o->gid = pw ? pw->pw_gid : o->uid;
	}
	o->ngroups = 0;
	if (!colon)
		return 0;
	gr = host_group(colon + 1);
	if (gr)
		o->gid = gr->gr_gid;
	else if (parse_id(colon + 1, &o->gid) < 0)
		goto bad;
	return 0;
bad:
	vmbox_error("--user: '%s': not a user (UID[:GID])", arg);
	return -1;
}

static unsigned host_cpus(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n > VM_MAX_CPUS ? VM_MAX_CPUS : (unsigned)n;
}

static uint64_t default_mem(void)
{
	uint64_t half = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;

	return half > 4ULL << 30 ? 4ULL << 30 : half;
}

static void set_identity(struct run_options *o)
{
	gid_t groups[64];
	int n;

	o->uid = geteuid();
	o->gid = getegid();
	n = getgroups(64, groups);
	for (int i = 0; i < n; i++)
		o->groups[i] = groups[i];
	o->ngroups = n > 0 ? (unsigned)n : 0;
}

/* Opened before anything runs: a name that cannot be written is told at once. */
static int open_stats(struct run_options *o, const char *file)
{
	if (o->stats_out)
		fclose(o->stats_out);
	o->stats = true;
	o->stats_file = file;
	o->stats_out = file ? fopen(file, "we") : NULL;
	if (!file || o->stats_out)
		return 0;
	vmbox_error("--stats=%s: %s", file, strerror(errno));
	return -1;
}

static int open_dump(struct run_options *o, const char *file)
{
	if (o->dump_dtb)
		fclose(o->dump_dtb);
	o->dump_dtb = fopen(file, "we");
	if (o->dump_dtb)
		return 0;
	vmbox_error("--dump-dtb %s: %s", file, strerror(errno));
	return -1;
}

enum {
	OPT_ROOT = 256,
	OPT_BIND,
	OPT_TMPFS,
	OPT_CWD,
	OPT_ENV,
	OPT_ENV_HOST,
	OPT_USER,
	OPT_MEM,
	OPT_CPUS,
	OPT_ABI,
	OPT_EXITLESS,
	OPT_STRACE,
	OPT_NO_JAIL,
	OPT_ASID_BITS,
	OPT_REWRITE,
	OPT_STATS,
	OPT_DEBUG,
	OPT_DUMP_DTB,
	OPT_DTB,
	OPT_HELP
};

/* -i and -t, as other programs that run programs have them. */
#define SHORT_OPTIONS "+:it"

static const struct option long_options[] = {
	{"root", required_argument, NULL, OPT_ROOT},
	{"bind", required_argument, NULL, OPT_BIND},
	{"tmpfs", required_argument, NULL, OPT_TMPFS},
	{"cwd", required_argument, NULL, OPT_CWD},
	{"env", required_argument, NULL, OPT_ENV},
	{"env-host", no_argument, NULL, OPT_ENV_HOST},
	{"user", required_argument, NULL, OPT_USER},
	{"mem", required_argument, NULL, OPT_MEM},
	{"cpus", required_argument, NULL, OPT_CPUS},
	{"abi", required_argument, NULL, OPT_ABI},
	{"asid-bits", required_argument, NULL, OPT_ASID_BITS},
	{"rewrite", required_argument, NULL, OPT_REWRITE},
	{"exitless", required_argument, NULL, OPT_EXITLESS},
	{"strace", no_argument, NULL, OPT_STRACE},
	{"no-jail", no_argument, NULL, OPT_NO_JAIL},
	{"stats", optional_argument, NULL, OPT_STATS},
	{"debug", no_argument, NULL, OPT_DEBUG},
	{"dump-dtb", required_argument, NULL, OPT_DUMP_DTB},
	{"dtb", required_argument, NULL, OPT_DTB},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static int exitless_option(struct run_options *o, const char *arg)
{
	static const char *const names[] = {
		[EXITLESS_AUTO] = "auto", [EXITLESS_ON] = "on", [EXITLESS_OFF] = "off"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(arg, names[i]) == 0) {
			o->exitless = (enum exitless_mode)i;
			return 0;
		}
	}
	vmbox_error("--exitless: '%s': not auto, on or off", arg);
	return -1;
}

/* Not part of a released kernel, or not of the one that we are like: off unless asked for. */
static int abi_option(struct run_options *o, const char *arg)
{
	static const char list2[] = "robust-list2=";
	uint32_t nr;

	if (strcmp(arg, "robust-unlock=waiters") == 0) {
		o->robust_unlock_keep_waiters = true;
		return 0;
	}
	if (strncmp(arg, list2, strlen(list2)) != 0) {
		vmbox_error("--abi: '%s': not robust-list2=NR or robust-unlock=waiters", arg);
		return -1;
	}
	if (parse_id(arg + strlen(list2), &nr) < 0 || nr < ABI_NR_MIN || nr > ABI_NR_MAX) {
		vmbox_error("--abi: '%s': not a number from %d to %d", arg, ABI_NR_MIN, ABI_NR_MAX);
		return -1;
	}
	o->robust_list2_nr = nr;
	return 0;
}

static int rewrite_option(struct run_options *o, const char *arg)
{
	static const char *const names[] = {
		[REWRITE_AUTO] = "auto", [REWRITE_ON] = "on", [REWRITE_OFF] = "off"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(arg, names[i]) == 0) {
			o->rewrite = (enum rewrite_mode)i;
			return 0;
		}
	}
	vmbox_error("--rewrite=%s: not auto, on or off", arg);
	return -1;
}

/* A mount more, whose strings are parts of a copy of arg. NULL: no memory, which was said. */
static struct vfs_mount *add_mount(struct run_options *o, const char *arg, char **text)
{
	struct vfs_mount *m = realloc(o->mounts, (o->nmounts + 1) * sizeof(*m));
	char **t;

	if (m)
		o->mounts = m;
	t = realloc(o->mount_text, (o->nmounts + 1) * sizeof(*t));
	if (t)
		o->mount_text = t;
	*text = m && t ? strdup(arg) : NULL;
	if (!*text) {
		vmbox_error("mounts: out of memory");
		return NULL;
	}
	o->mount_text[o->nmounts] = *text;
	m += o->nmounts++;
	memset(m, 0, sizeof(*m));
	return m;
}

/* SRC:DST[:rw|:ro]; SRC may hold colons, DST not. */
static int bind_option(struct run_options *o, const char *arg)
{
	char *text, *colon;
	struct vfs_mount *m = add_mount(o, arg, &text);

	if (!m)
		return -1;
	colon = strrchr(text, ':');
	if (colon && (strcmp(colon, ":rw") == 0 || strcmp(colon, ":ro") == 0)) {
		m->kind = colon[2] == 'w' ? VFS_MOUNT_BIND_RW : VFS_MOUNT_BIND;
		*colon = '\0';
		colon = strrchr(text, ':');
	}
	if (!colon || colon == text || colon[1] != '/') {
		vmbox_error("--bind: '%s': not SRC:DST[:rw] with an absolute DST", arg);
		return -1;
	}
	*colon = '\0';
	m->source = text;
	m->target = colon + 1;
	return 0;
}

static int tmpfs_option(struct run_options *o, const char *arg)
{
	char *text, *colon;
	struct vfs_mount *m = add_mount(o, arg, &text);

	if (!m)
		return -1;
	m->kind = VFS_MOUNT_TMPFS;
	m->target = text;
	colon = strrchr(text, ':');
	if (colon)
		*colon++ = '\0';
	if (*text != '/' || (colon && (parse_size(colon, &m->size) < 0 || m->size < 4096))) {
		vmbox_error("--tmpfs: '%s': not DST[:SIZE] with an absolute DST, 4K or more", arg);
		return -1;
	}
	return 0;
}

struct parse_state {
	struct env_list wanted; /* --env in order; applied after the defaults */
	bool env_host;
};

static int parse_one(struct run_options *o, struct parse_state *s, int opt, const char *arg)
{
	uint64_t n;

	switch (opt) {
	case 'i': /* standard input is the guest's in any case */
		return 0;
	case 't':
		if (isatty(STDIN_FILENO))
			return 0;
		vmbox_error("-t: standard input is not a terminal");
		return -1;
	case OPT_ROOT:
		o->root = arg;
		return 0;
	case OPT_BIND:
		return bind_option(o, arg);
	case OPT_TMPFS:
		return tmpfs_option(o, arg);
	case OPT_CWD:
		if (*arg != '/') {
			vmbox_error("--cwd: '%s': not an absolute path", arg);
			return -1;
		}
		o->cwd = arg;
		return 0;
	case OPT_ENV:
		return env_option(&s->wanted, arg);
	case OPT_ENV_HOST:
		s->env_host = true;
		return 0;
	case OPT_USER:
		return parse_user(o, arg);
	case OPT_MEM:
		if (parse_size(arg, &o->mem) < 0 || o->mem < MEM_MIN || o->mem > MEM_MAX) {
			vmbox_error("--mem: '%s': not a size from 4M to 1T", arg);
			return -1;
		}
		return 0;
	case OPT_CPUS:
		if (parse_size(arg, &n) < 0 || n < 1 || n > VM_MAX_CPUS) {
			vmbox_error("--cpus: '%s': not a number from 1 to %d", arg, VM_MAX_CPUS);
			return -1;
		}
		o->cpus = (unsigned)n;
		return 0;
	case OPT_ABI:
		return abi_option(o, arg);
	case OPT_ASID_BITS:
		if (parse_size(arg, &n) < 0 || n < 1 || n > ASID_BITS_MAX) {
			vmbox_error("--asid-bits: '%s': not a number from 1 to %d", arg,
				    ASID_BITS_MAX);
			return -1;
		}
		o->asid_bits = (unsigned)n;
		return 0;
	case OPT_REWRITE:
		return rewrite_option(o, arg);
	case OPT_EXITLESS:
		return exitless_option(o, arg);
	case OPT_STRACE:
		o->strace = true;
		return 0;
	case OPT_NO_JAIL:
		o->no_jail = true;
		return 0;
	case OPT_STATS:
		return open_stats(o, arg);
	case OPT_DEBUG:
		o->debug = true;
		return 0;
	case OPT_DUMP_DTB:
		return open_dump(o, arg);
	case OPT_DTB:
		o->dtb = arg;
		return 0;
	case OPT_HELP:
		fputs(run_help, stdout);
		return 1;
	default:
		return -1;
	}
}

static int build_env(struct run_options *o, struct parse_state *s)
{
	struct env_list env = {0};
	int r = env_defaults(&env, o->uid);

	if (r == 0 && s->env_host)
		r = env_host(&env);
	for (size_t i = 0; r == 0 && i < s->wanted.n; i++)
		r = env_put(&env, strdup(s->wanted.v[i]));
	o->envp = env.v;
	if (r < 0)
		vmbox_error("environment: out of memory");
	return r;
}

int run_options_parse(struct run_options *o, int argc, char **argv)
{
	struct parse_state s = {0};
	int opt, r = 0;

	memset(o, 0, sizeof(*o));
	set_identity(o);
	o->cpus = host_cpus();
	o->exitless = EXITLESS_AUTO;
	o->mem = default_mem();
	opterr = 0;
	optind = 0; /* getopt's way to begin again */
	while (r == 0 && (opt = getopt_long(argc, argv, SHORT_OPTIONS, long_options, NULL)) != -1) {
		if (opt == '?' || opt == ':') {
			vmbox_error("%s: %s (vmbox run --help lists the options)", argv[optind - 1],
				    opt == ':' ? "needs an argument" : "no such option");
			r = -1;
		} else {
			r = parse_one(o, &s, opt, optarg);
		}
	}
	if (r == 0 && optind >= argc) {
		vmbox_error("run: no image given (vmbox run --help)");
		r = -1;
	}
	if (r == 0)
		r = build_env(o, &s);
	if (r == 0) {
		o->image = argv[optind];
		o->argv = argv + optind;
	}
	for (size_t i = 0; i < s.wanted.n; i++)
		free(s.wanted.v[i]);
	free(s.wanted.v);
	if (r != 0)
		run_options_free(o);
	return r;
}

int run_options_each(int argc, char **argv,
		     int (*f)(void *arg, const char *name, const char *value), void *arg)
{
	int opt, index = 0;

	opterr = 0;
	optind = 0; /* getopt's way to begin again */
	while ((opt = getopt_long(argc, argv, SHORT_OPTIONS, long_options, &index)) != -1)
		if (opt == '?' || opt == ':' ||
		    (opt != 'i' && opt != 't' && f(arg, long_options[index].name, optarg) != 0))
			return -1;
	return optind < argc ? optind : -1;
}

void run_options_free(struct run_options *o)
{
	for (char **v = o->envp; v && *v; v++)
		free(*v);
	free(o->envp);
	o->envp = NULL;
	for (size_t i = 0; i < o->nmounts; i++)
		free(o->mount_text[i]);
	free(o->mount_text);
	free(o->mounts);
	o->mounts = NULL;
	o->mount_text = NULL;
	o->nmounts = 0;
	if (o->stats_out)
		fclose(o->stats_out);
	o->stats_out = NULL;
	if (o->dump_dtb)
		fclose(o->dump_dtb);
	o->dump_dtb = NULL;
}
