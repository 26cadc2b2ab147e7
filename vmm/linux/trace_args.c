/*
 * --strace: values.
 *
 * Words (syscalls.def): fd int uint long size hex ptr mode, str buf strv envp iovec pollfds sigact
 * sigset timespec timeval rlim sockaddr msghdr of what goes in; obuf ostr stat ofds osigact osigset
 * otimespec otimeval owstatus outsname orlim omsghdr of what comes out; the rest names numbers
 * (trace_names.c). What cannot be read from the guest prints as its address.
 */
#include "futex_user.h"
#include "sys.h"
#include "syscalls.h"
#include "trace_priv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#define LIST_MAX 32    /* elements shown */
#define ENVP_MAX 10000 /* variables counted */

static void add_ptr(struct text *x, uint64_t v)
{
	if (v)
		text_add(x, "%#" PRIx64, v);
	else
		text_add(x, "NULL");
}

/* Reads an object, or prints its address: false. */
static bool fetch(struct text *x, struct task *t, uint64_t addr, void *buf, size_t len)
{
	if (addr && copy_from_guest(task_mm(t), buf, gva(addr), len) == 0)
		return true;
	add_ptr(x, addr);
	return false;
}

void text_bytes(struct text *x, const void *bytes, size_t len, bool cut)
{
	const unsigned char *s = bytes;

	text_add(x, "\"");
	for (size_t i = 0; i < len; i++) {
		static const char named[] = "\a\b\f\n\r\t\v";
		static const char letters[] = "abfnrtv";
		const char *n = s[i] && strchr("\f\n\r\t\v", s[i]) ? strchr(named, s[i]) : NULL;
		bool digit_follows = i + 1 < len && s[i + 1] >= '0' && s[i + 1] <= '9';

		if (s[i] == '"' || s[i] == '\\')
			text_add(x, "\\%c", s[i]);
		else if (n)
			text_add(x, "\\%c", letters[n - named]);
		else if (s[i] >= ' ' && s[i] < 0x7f)
			text_add(x, "%c", s[i]);
		else
			text_add(x, digit_follows ? "\\%03o" : "\\%o", s[i]);
	}
	text_add(x, cut ? "\"..." : "\"");
}

static void add_buffer(struct text *x, struct task *t, uint64_t addr, uint64_t len)
{
	uint8_t buf[TRACE_STR];
	size_t n = len < TRACE_STR ? len : TRACE_STR;

	if (!addr)
		text_add(x, "NULL");
	else if (n == 0)
		text_add(x, "\"\"");
	else if (fetch(x, t, addr, buf, n))
		text_bytes(x, buf, n, len > TRACE_STR);
}

/* Paths are shown whole, as strace does; other strings to their 32nd byte. */
static void add_string(struct text *x, struct task *t, uint64_t addr, size_t max)
{
	char buf[1024];
	ssize_t n;

	if (max > sizeof(buf))
		max = sizeof(buf);
	n = strncpy_from_guest(task_mm(t), buf, gva(addr), max);
	if (!addr || (n < 0 && n != -ENAMETOOLONG))
		add_ptr(x, addr);
	else if (n < 0)
		text_bytes(x, buf, max - 1, true);
	else
		text_bytes(x, buf, (size_t)n, false);
}

static void add_strv(struct text *x, struct task *t, uint64_t addr)
{
	uint64_t p;

	if (!addr || copy_from_guest(task_mm(t), &p, gva(addr), sizeof(p)) < 0) {
		add_ptr(x, addr);
		return;
	}
	text_add(x, "[");
	for (unsigned i = 0; p; i++) {
		if (i)
			text_add(x, ", ");
		if (i == LIST_MAX) {
			text_add(x, "...");
			break;
		}
		add_string(x, t, p, TRACE_STR + 1);
		if (copy_from_guest(task_mm(t), &p, gva(addr + (i + 1) * 8UL), sizeof(p)) < 0) {
			text_add(x, ", ...");
			break;
		}
	}
	text_add(x, "]");
}

static void add_envp(struct text *x, struct task *t, uint64_t addr)
{
	uint64_t p;
	unsigned n = 0;

	add_ptr(x, addr);
	while (addr && n < ENVP_MAX &&
	       copy_from_guest(task_mm(t), &p, gva(addr + n * 8UL), sizeof(p)) == 0 && p)
		n++;
	if (addr)
		text_add(x, " /* %u vars */", n);
}

static void add_iovec(struct text *x, struct task *t, uint64_t addr, uint64_t count)
{
	struct uio_iov {
		uint64_t base, len;
	} v[LIST_MAX];
	size_t n = count < LIST_MAX ? count : LIST_MAX;

	if (!fetch(x, t, addr, v, n * sizeof(v[0])))
		return;
	text_add(x, "[");
	for (size_t i = 0; i < n; i++) {
		text_add(x, i ? ", {iov_base=" : "{iov_base=");
		add_buffer(x, t, v[i].base, v[i].len);
		text_add(x, ", iov_len=%" PRIu64 "}", v[i].len);
	}
	text_add(x, count > n ? ", ...]" : "]");
}

static void add_poll_events(struct text *x, short events)
{
	static const struct trace_name names[] = {
		{POLLIN, "POLLIN"},         {POLLPRI, "POLLPRI"},     {POLLOUT, "POLLOUT"},
		{POLLERR, "POLLERR"},       {POLLHUP, "POLLHUP"},     {POLLNVAL, "POLLNVAL"},
		{POLLRDNORM, "POLLRDNORM"}, {POLLRDHUP, "POLLRDHUP"}, {POLLWRNORM, "POLLWRNORM"},
	};

	text_flags(x, names, ARRAY_SIZE(names), (uint16_t)events, "0");
}

static void add_pollfds(struct text *x, struct task *t, uint64_t addr, uint64_t count)
{
	struct pollfd p[LIST_MAX];
	size_t n = count < LIST_MAX ? count : LIST_MAX;

	if (!fetch(x, t, addr, p, n * sizeof(p[0])))
		return;
	text_add(x, "[");
	for (size_t i = 0; i < n; i++) {
		text_add(x, "%s{fd=%d", i ? ", " : "", p[i].fd);
		if (p[i].fd >= 0) {
			text_add(x, ", events=");
			add_poll_events(x, p[i].events);
		}
		text_add(x, "}");
	}
	text_add(x, count > n ? ", ...]" : "]");
}

void trace_poll_result(struct text *x, struct task *t, const struct call *c)
{
	struct pollfd p[LIST_MAX];
	size_t n = c->args[1] < LIST_MAX ? c->args[1] : LIST_MAX;
	const char *sep = "";

	if (copy_from_guest(task_mm(t), p, gva(c->args[0]), n * sizeof(p[0])) < 0)
		return;
	text_add(x, " ([");
	for (size_t i = 0; i < n; i++) {
		if (!p[i].revents)
			continue;
		text_add(x, "%s{fd=%d, revents=", sep, p[i].fd);
		add_poll_events(x, p[i].revents);
		text_add(x, "}");
		sep = ", ";
	}
	text_add(x, "])");
}

static void add_sigaction(struct text *x, struct task *t, uint64_t addr)
{
	static const struct trace_name flags[] = {
		{0x04000000, "SA_RESTORER"},  {0x08000000, "SA_ONSTACK"},
		{0x10000000, "SA_RESTART"},   {0x40000000, "SA_NODEFER"},
		{0x80000000, "SA_RESETHAND"}, {1, "SA_NOCLDSTOP"},
		{2, "SA_NOCLDWAIT"},          {4, "SA_SIGINFO"},
	};
	struct sigaction_k sa;

	if (!fetch(x, t, addr, &sa, sizeof(sa)))
		return;
	if (sa.handler < 2)
		text_add(x, "{sa_handler=%s", sa.handler ? "SIG_IGN" : "SIG_DFL");
	else
		text_add(x, "{%s=%#" PRIx64, sa.flags & 4 ? "sa_sigaction" : "sa_handler",
			 sa.handler);
	text_add(x, ", sa_mask=");
	text_sigset(x, sa.mask);
	text_add(x, ", sa_flags=");
	text_flags(x, flags, ARRAY_SIZE(flags), sa.flags, "0");
	if (sa.flags & 0x04000000)
		text_add(x, ", sa_restorer=%#" PRIx64, sa.restorer);
	text_add(x, "}");
}

static void add_time(struct text *x, struct task *t, uint64_t addr, const char *unit)
{
	int64_t v[2];

	if (fetch(x, t, addr, v, sizeof(v)))
		text_add(x, "{tv_sec=%" PRId64 ", tv_%s=%" PRId64 "}", v[0], unit, v[1]);
}

static void add_limit(struct text *x, uint64_t v)
{
	if (v == UINT64_MAX)
		text_add(x, "RLIM64_INFINITY");
	else if (v > 1024 && v % 1024 == 0)
		text_add(x, "%" PRIu64 "*1024", v / 1024);
	else
		text_add(x, "%" PRIu64, v);
}

static void add_rlimit(struct text *x, struct task *t, uint64_t addr)
{
	uint64_t v[2];

	if (!fetch(x, t, addr, v, sizeof(v)))
		return;
	text_add(x, "{rlim_cur=");
	add_limit(x, v[0]);
	text_add(x, ", rlim_max=");
	add_limit(x, v[1]);
	text_add(x, "}");
}

/* struct stat is the kernel's own on both architectures. */
static void add_stat(struct text *x, struct task *t, uint64_t addr)
{
	static const struct trace_name types[] = {
		{S_IFREG, "S_IFREG"},   {S_IFDIR, "S_IFDIR"}, {S_IFCHR, "S_IFCHR"},
		{S_IFBLK, "S_IFBLK"},   {S_IFIFO, "S_IFIFO"}, {S_IFLNK, "S_IFLNK"},
		{S_IFSOCK, "S_IFSOCK"},
	};
	struct stat st;

	if (!fetch(x, t, addr, &st, sizeof(st)))
		return;
	text_add(x, "{st_mode=");
	text_name(x, types, ARRAY_SIZE(types), st.st_mode & S_IFMT);
	text_add(x, "|%#03o, ", st.st_mode & 07777U);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		text_add(x, "st_rdev=makedev(%#x, %#x), ...}", major(st.st_rdev),
			 minor(st.st_rdev));
	else
		text_add(x, "st_size=%lld, ...}", (long long)st.st_size);
}

static void add_uname(struct text *x, struct task *t, uint64_t addr)
{
	char u[2][65];

	if (!fetch(x, t, addr, u, sizeof(u)))
		return;
	text_add(x, "{sysname=");
	text_bytes(x, u[0], strnlen(u[0], sizeof(u[0])), false);
	text_add(x, ", nodename=");
	text_bytes(x, u[1], strnlen(u[1], sizeof(u[1])), false);
	text_add(x, ", ...}");
}

void trace_clone_args(struct text *x, const struct call *c)
{
	static const struct trace_name flags[] = {
		{CLONE_VM, "CLONE_VM"},
		{CLONE_FS, "CLONE_FS"},
		{CLONE_FILES, "CLONE_FILES"},
		{CLONE_SIGHAND, "CLONE_SIGHAND"},
		{CLONE_VFORK, "CLONE_VFORK"},
		{CLONE_PARENT, "CLONE_PARENT"},
		{CLONE_THREAD, "CLONE_THREAD"},
		{CLONE_SYSVSEM, "CLONE_SYSVSEM"},
		{CLONE_SETTLS, "CLONE_SETTLS"},
		{CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"},
		{CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"},
		{CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"},
	};
	uint64_t f = c->args[0] & ~0xffULL;

	text_add(x, "child_stack=");
	add_ptr(x, c->args[1]);
	text_add(x, ", flags=");
	text_flags(x, flags, ARRAY_SIZE(flags), f, "");
	if (c->args[0] & 0xff) {
		text_add(x, "%s", f ? "|" : "");
		text_signal(x, (int)(c->args[0] & 0xff));
	} else if (!f) {
		text_add(x, "0");
	}
	if (f & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID))
		text_add(x, ", child_tidptr=%#" PRIx64, c->args[3]);
}

static void add_sockaddr(struct text *x, struct task *t, uint64_t addr, uint64_t len)
{
	struct sockaddr_un a;
	size_t n = len < sizeof(a) ? len : sizeof(a), path = offsetof(struct sockaddr_un, sun_path);

	if (n <= sizeof(a.sun_family)) {
		add_ptr(x, addr);
		return;
	}
	if (!fetch(x, t, addr, &a, n))
		return;
	if (a.sun_family != AF_UNIX) {
		text_add(x, "{sa_family=%#x}", a.sun_family);
		return;
	}
	text_add(x, a.sun_path[0] ? "{sa_family=AF_UNIX, sun_path="
				  : "{sa_family=AF_UNIX, sun_path=@");
	if (a.sun_path[0])
		text_bytes(x, a.sun_path, strnlen(a.sun_path, n - path), false);
	else
		text_bytes(x, a.sun_path + 1, n - path - 1, false);
	text_add(x, "}");
}

static void add_msghdr(struct text *x, struct task *t, uint64_t addr)
{
	struct msghdr m;

	if (!fetch(x, t, addr, &m, sizeof(m)))
		return;
	text_add(x, "{msg_namelen=%u, msg_iov=", m.msg_namelen);
	add_iovec(x, t, (uint64_t)(uintptr_t)m.msg_iov, m.msg_iovlen);
	text_add(x, ", msg_iovlen=%zu, msg_controllen=%zu, msg_flags=%#x}", m.msg_iovlen,
		 m.msg_controllen, (unsigned)m.msg_flags);
}

/* ---- words ---- */

enum word {
	W_FD,
	W_INT,
	W_UINT,
	W_LONG,
	W_SIZE,
	W_HEX,
	W_PTR,
	W_MODE,
	W_STR,
	W_BUF,
	W_STRV,
	W_ENVP,
	W_IOVEC,
	W_POLLFDS,
	W_SIG,
	W_SIGACT,
	W_SIGSET,
	W_TIMESPEC,
	W_FUTEXTIME,
	W_TIMEVAL,
	W_RLIM,
	W_OFLAGS,
	W_ATFD,
	W_SOCKADDR,
	W_MSGHDR,
	/* out: */
	W_OBUF,
	W_OSTR,
	W_STAT,
	W_OFDS,
	W_OSIGACT,
	W_OSIGSET,
	W_OTIMESPEC,
	W_OTIMEVAL,
	W_OWSTATUS,
	W_OUTSNAME,
	W_ORLIM,
	W_OMSGHDR,
	W_OTHER
};

static const char *const words[] = {
	[W_FD] = "fd",
	[W_INT] = "int",
	[W_UINT] = "uint",
	[W_LONG] = "long",
	[W_SIZE] = "size",
	[W_HEX] = "hex",
	[W_PTR] = "ptr",
	[W_MODE] = "mode",
	[W_STR] = "str",
	[W_BUF] = "buf",
	[W_STRV] = "strv",
	[W_ENVP] = "envp",
	[W_IOVEC] = "iovec",
	[W_POLLFDS] = "pollfds",
	[W_SIG] = "sig",
	[W_SIGACT] = "sigact",
	[W_SIGSET] = "sigset",
	[W_TIMESPEC] = "timespec",
	[W_FUTEXTIME] = "futextime",
	[W_TIMEVAL] = "timeval",
	[W_RLIM] = "rlim",
	[W_OFLAGS] = "oflags",
	[W_ATFD] = "atfd",
	[W_SOCKADDR] = "sockaddr",
	[W_MSGHDR] = "msghdr",
	[W_OBUF] = "obuf",
	[W_OSTR] = "ostr",
	[W_STAT] = "stat",
	[W_OFDS] = "ofds",
	[W_OSIGACT] = "osigact",
	[W_OSIGSET] = "osigset",
	[W_OTIMESPEC] = "otimespec",
	[W_OTIMEVAL] = "otimeval",
	[W_OWSTATUS] = "owstatus",
	[W_OUTSNAME] = "outsname",
	[W_ORLIM] = "orlim",
	[W_OMSGHDR] = "omsghdr",
};

static enum word find_word(const char *word, size_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (strncmp(words[i], word, len) == 0 && words[i][len] == '\0')
			return (enum word)i;
	return W_OTHER;
}

bool trace_word_is_out(const char *word, size_t len)
{
	enum word w = find_word(word, len);

	return w >= W_OBUF && w < W_OTHER;
}

/* The call has left something there. A sleep does so only when it is interrupted, a wait only when
 * it reports somebody. */
static bool out_valid(const struct call *c, enum word w, long r)
{
	if (c->row == ROW_nanosleep || c->row == ROW_clock_nanosleep)
		return r == -ERESTART_RESTARTBLOCK || r == -EINTR;
	return w == W_OWSTATUS ? r > 0 : r >= 0;
}

static void add_out(struct text *x, struct task *t, const struct call *c, unsigned i, enum word w,
		    long r)
{
	uint64_t v = c->args[i], set;
	int32_t n[2];

	if (!out_valid(c, w, r)) {
		add_ptr(x, v);
		return;
	}
	switch (w) {
	case W_OBUF:
		add_buffer(x, t, v, (uint64_t)r);
		break;
	case W_OSTR:
		add_string(x, t, v, SIZE_MAX);
		break;
	case W_STAT:
		add_stat(x, t, v);
		break;
	case W_OFDS:
		if (fetch(x, t, v, n, sizeof(n)))
			text_add(x, "[%d, %d]", n[0], n[1]);
		break;
	case W_OSIGACT:
		add_sigaction(x, t, v);
		break;
	case W_OSIGSET:
		if (fetch(x, t, v, &set, sizeof(set)))
			text_sigset(x, set);
		break;
	case W_OTIMESPEC:
		add_time(x, t, v, "nsec");
		break;
	case W_OTIMEVAL:
		add_time(x, t, v, "usec");
		break;
	case W_OWSTATUS:
		if (fetch(x, t, v, n, sizeof(n[0]))) {
			text_add(x, "[{");
			text_wait_status(x, n[0]);
			text_add(x, "}]");
		}
		break;
	case W_OUTSNAME:
		add_uname(x, t, v);
		break;
	case W_ORLIM:
		add_rlimit(x, t, v);
		break;
	case W_OMSGHDR:
		add_msghdr(x, t, v);
		break;
	default:
		add_ptr(x, v);
	}
}

static void add_in(struct text *x, struct task *t, const struct call *c, unsigned i, enum word w)
{
	uint64_t v = c->args[i], next = i < 5 ? c->args[i + 1] : 0, set;

	switch (w) {
	case W_FD:
	case W_INT:
		text_add(x, "%d", (int)v);
		break;
	case W_ATFD:
		if ((int)v == AT_FDCWD)
			text_add(x, "AT_FDCWD");
		else
			text_add(x, "%d", (int)v);
		break;
	case W_UINT:
		text_add(x, "%u", (unsigned)v);
		break;
	case W_LONG:
		text_add(x, "%" PRId64, (int64_t)v);
		break;
	case W_SIZE:
		text_add(x, "%" PRIu64, v);
		break;
	case W_HEX:
		text_add(x, "%#" PRIx64, v);
		break;
	case W_MODE:
		text_add(x, "%#03o", (unsigned)v);
		break;
	case W_STR:
		add_string(x, t, v, SIZE_MAX);
		break;
	case W_BUF:
		add_buffer(x, t, v, next);
		break;
	case W_STRV:
		add_strv(x, t, v);
		break;
	case W_ENVP:
		add_envp(x, t, v);
		break;
	case W_IOVEC:
		add_iovec(x, t, v, next);
		break;
	case W_POLLFDS:
		add_pollfds(x, t, v, next);
		break;
	case W_SIG:
		text_signal(x, (int)v);
		break;
	case W_SIGACT:
		add_sigaction(x, t, v);
		break;
	case W_SIGSET:
		if (fetch(x, t, v, &set, sizeof(set)))
			text_sigset(x, set);
		break;
	case W_TIMESPEC:
		add_time(x, t, v, "nsec");
		break;
	case W_FUTEXTIME:
		if (futex_has_timeout((uint32_t)c->args[1]))
			add_time(x, t, v, "nsec");
		else
			text_add(x, "%" PRIu32, (uint32_t)v);
		break;
	case W_TIMEVAL:
		add_time(x, t, v, "usec");
		break;
	case W_RLIM:
		add_rlimit(x, t, v);
		break;
	case W_SOCKADDR:
		add_sockaddr(x, t, v, next);
		break;
	case W_MSGHDR:
		add_msghdr(x, t, v);
		break;
	case W_OFLAGS:
		/* pipe2 and dup3 have no access mode. */
		text_open_flags(x, (unsigned)v, c->row == ROW_pipe2 || c->row == ROW_dup3);
		break;
	default:
		add_ptr(x, v);
	}
}

bool trace_word_skipped(const struct call *c, unsigned i, const char *word, size_t len)
{
	/* open's mode counts only where a file may be made. */
	return i > 0 && find_word(word, len) == W_MODE &&
	       (c->row == ROW_open || c->row == ROW_openat) &&
	       !(c->args[i - 1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)));
}

void trace_arg(struct text *x, struct task *t, const struct call *c, unsigned i, const char *word,
	       size_t len, long r)
{
	enum word w = find_word(word, len);

	if (w == W_OTHER) {
		if (!trace_named_word(x, word, len, c->args[i]))
			text_add(x, "%#" PRIx64, c->args[i]);
	} else if (w >= W_OBUF) {
		add_out(x, t, c, i, w, r);
	} else {
		add_in(x, t, c, i, w);
	}
}
