/*
 * --strace: names of numbers.
 */
#include "trace_priv.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void text_name(struct text *x, const struct trace_name *names, size_t n, uint64_t value)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].value == value) {
			text_add(x, "%s", names[i].name);
			return;
		}
	text_add(x, "%#" PRIx64, value);
}

void text_flags(struct text *x, const struct trace_name *names, size_t n, uint64_t value,
		const char *none)
{
	const char *sep = "";

	if (value == 0) {
		text_add(x, "%s", none);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (names[i].value && (value & names[i].value) == names[i].value) {
			text_add(x, "%s%s", sep, names[i].name);
			value &= ~names[i].value;
			sep = "|";
		}
	if (value)
		text_add(x, "%s%#" PRIx64, sep, value);
}

#define N(name)                                                                                    \
	{                                                                                          \
		(uint64_t)(name), #name                                                            \
	}

/* ---- signals, errors, states ---- */

/* Without the SIG. */
static void add_signal(struct text *x, int sig)
{
	const char *name = sig > 0 && sig < 32 ? sigabbrev_np(sig) : NULL;

	if (name)
		text_add(x, "%s", name);
	else if (sig == 32)
		text_add(x, "RTMIN");
	else
		text_add(x, "RT_%d", sig - 32);
}

void text_signal(struct text *x, int sig)
{
	if (sig <= 0 || sig > NSIG_GUEST) {
		text_add(x, "%d", sig);
		return;
	}
	text_add(x, "SIG");
	add_signal(x, sig);
}

void text_sigset(struct text *x, uint64_t set)
{
	const char *sep = "";

	/* A nearly full set reads better as what is missing. */
	if (__builtin_popcountll(set) >= NSIG_GUEST * 2 / 3) {
		text_add(x, "~");
		set = ~set;
	}
	text_add(x, "[");
	for (int sig = 1; sig <= NSIG_GUEST; sig++)
		if (set & SIGMASK(sig)) {
			text_add(x, "%s", sep);
			add_signal(x, sig);
			sep = " ";
		}
	text_add(x, "]");
}

void text_errno(struct text *x, int err)
{
	const char *name = strerrorname_np(err), *what = strerrordesc_np(err);

	if (name && what)
		text_add(x, "-1 %s (%s)", name, what);
	else
		text_add(x, "-1 (errno %d)", err);
}

void text_wait_status(struct text *x, int status)
{
	if (WIFEXITED(status)) {
		text_add(x, "WIFEXITED(s) && WEXITSTATUS(s) == %d", WEXITSTATUS(status));
	} else if (WIFSIGNALED(status)) {
		text_add(x, "WIFSIGNALED(s) && WTERMSIG(s) == ");
		text_signal(x, WTERMSIG(status));
		text_add(x, "%s", WCOREDUMP(status) ? " && WCOREDUMP(s)" : "");
	} else if (WIFSTOPPED(status)) {
		text_add(x, "WIFSTOPPED(s) && WSTOPSIG(s) == ");
		text_signal(x, WSTOPSIG(status));
	} else if (WIFCONTINUED(status)) {
		text_add(x, "WIFCONTINUED(s)");
	} else {
		text_add(x, "%#x", (unsigned)status);
	}
}

static void add_si_code(struct text *x, int sig, int code)
{
	static const struct trace_name common[] = {
		N(SI_USER),    N(SI_QUEUE), N(SI_TIMER), N(SI_MESGQ),
		N(SI_ASYNCIO), N(SI_SIGIO), N(SI_TKILL), N(SI_KERNEL),
	};
	static const struct trace_name chld[] = {
		N(CLD_EXITED),  N(CLD_KILLED),  N(CLD_DUMPED),
		N(CLD_TRAPPED), N(CLD_STOPPED), N(CLD_CONTINUED),
	};
	static const struct trace_name segv[] = {N(SEGV_MAPERR), N(SEGV_ACCERR)};
	static const struct trace_name bus[] = {N(BUS_ADRALN), N(BUS_ADRERR), N(BUS_OBJERR)};
	static const struct trace_name fpe[] = {
		N(FPE_INTDIV), N(FPE_INTOVF), N(FPE_FLTDIV), N(FPE_FLTOVF),
		N(FPE_FLTUND), N(FPE_FLTRES), N(FPE_FLTINV), N(FPE_FLTSUB),
	};
	static const struct trace_name ill[] = {N(ILL_ILLOPC), N(ILL_ILLOPN), N(ILL_PRVOPC)};
	static const struct trace_name trap[] = {N(TRAP_BRKPT), N(TRAP_TRACE)};
	uint64_t v = (uint64_t)(int64_t)code;

	if (code <= 0 || code == SI_KERNEL) {
		text_name(x, common, ARRAY_SIZE(common), v);
		return;
	}
	switch (sig) {
	case SIGCHLD:
		text_name(x, chld, ARRAY_SIZE(chld), v);
		break;
	case SIGSEGV:
		text_name(x, segv, ARRAY_SIZE(segv), v);
		break;
	case SIGBUS:
		text_name(x, bus, ARRAY_SIZE(bus), v);
		break;
	case SIGFPE:
		text_name(x, fpe, ARRAY_SIZE(fpe), v);
		break;
	case SIGILL:
		text_name(x, ill, ARRAY_SIZE(ill), v);
		break;
	case SIGTRAP:
		text_name(x, trap, ARRAY_SIZE(trap), v);
		break;
	default:
		text_add(x, "%d", code);
	}
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP;
}

void text_siginfo(struct text *x, int sig, const struct siginfo_k *info)
{
	text_add(x, "{si_signo=");
	text_signal(x, sig);
	text_add(x, ", si_code=");
	add_si_code(x, sig, info->si_code);
	if (info->si_code > 0 && sig == SIGCHLD) {
		bool exited = info->si_code == CLD_EXITED;

		text_add(x, ", si_pid=%d, si_uid=%u, si_status=", info->u.chld.pid,
			 info->u.chld.uid);
		if (exited)
			text_add(x, "%d", info->u.chld.status);
		else
			text_signal(x, info->u.chld.status);
		text_add(x, ", si_utime=%" PRId64 ", si_stime=%" PRId64, info->u.chld.utime,
			 info->u.chld.stime);
	} else if (info->si_code > 0 && info->si_code != SI_KERNEL && is_fault(sig)) {
		text_add(x, info->u.fault.addr ? ", si_addr=%#" PRIx64 : ", si_addr=NULL",
			 info->u.fault.addr);
	} else if (info->si_code <= 0) {
		text_add(x, ", si_pid=%d, si_uid=%u", info->u.rt.pid, info->u.rt.uid);
		if (info->si_code == SI_QUEUE)
			text_add(x, ", si_value={int=%d, ptr=%#" PRIx64 "}", (int)info->u.rt.value,
				 info->u.rt.value);
	}
	text_add(x, "}");
}

/* ---- words ---- */

void text_open_flags(struct text *x, unsigned flags, bool no_mode)
{
	static const struct trace_name names[] = {
		N(O_CREAT),     N(O_EXCL),
		N(O_NOCTTY),    N(O_TRUNC),
		N(O_APPEND),    N(O_NONBLOCK),
		N(O_SYNC),      N(O_DSYNC),
		N(O_DIRECT),    {O_TMPFILE & ~O_DIRECTORY, "__O_TMPFILE"},
		N(O_DIRECTORY), N(O_NOFOLLOW),
		N(O_NOATIME),   N(O_CLOEXEC),
		N(O_PATH),      {0100000, "O_LARGEFILE"},
	};
	static const char *const mode[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};

	if (no_mode) {
		text_flags(x, names, ARRAY_SIZE(names), flags, "0");
		return;
	}
	text_add(x, "%s", mode[flags & O_ACCMODE]);
	if (flags & ~(unsigned)O_ACCMODE) {
		text_add(x, "|");
		text_flags(x, names, ARRAY_SIZE(names), flags & ~(unsigned)O_ACCMODE, "");
	}
}

static const struct trace_name whence[] = {N(SEEK_SET), N(SEEK_CUR), N(SEEK_END), N(SEEK_DATA),
					   N(SEEK_HOLE)};
static const struct trace_name prot[] = {
	N(PROT_READ), N(PROT_WRITE), N(PROT_EXEC), N(PROT_GROWSDOWN), N(PROT_GROWSUP),
};
static const struct trace_name mapflags[] = {
	{MAP_SHARED | MAP_PRIVATE, "MAP_SHARED_VALIDATE"},
	N(MAP_SHARED),
	N(MAP_PRIVATE),
	N(MAP_FIXED),
	N(MAP_ANONYMOUS),
	{0x40, "MAP_32BIT"},
	N(MAP_GROWSDOWN),
	N(MAP_DENYWRITE),
	N(MAP_EXECUTABLE),
	N(MAP_LOCKED),
	N(MAP_NORESERVE),
	N(MAP_POPULATE),
	N(MAP_NONBLOCK),
	N(MAP_STACK),
	N(MAP_HUGETLB),
	{0x100000, "MAP_FIXED_NOREPLACE"},
};
static const struct trace_name sighow[] = {N(SIG_BLOCK), N(SIG_UNBLOCK), N(SIG_SETMASK)};
static const struct trace_name accmode[] = {N(R_OK), N(W_OK), N(X_OK)};
static const struct trace_name ioctls[] = {
	N(TCGETS),
	N(TCSETS),
	N(TCSETSW),
	N(TCSETSF),
	N(TIOCGWINSZ),
	N(TIOCSWINSZ),
	N(TIOCGPGRP),
	N(TIOCSPGRP),
	N(TIOCSCTTY),
	N(TIOCNOTTY),
	N(TIOCGSID),
	N(FIONREAD),
	N(FIONBIO),
	N(FIOCLEX),
	N(FIONCLEX),
	N(FIOASYNC),
	N(TIOCGPTN),
	N(TIOCSPTLCK),
	N(TIOCGPTPEER),
	N(TIOCPKT),
	N(TIOCSIG),
	N(TIOCSTI),
	N(TIOCOUTQ),
	N(TCFLSH),
	N(TCXONC),
	N(TCSBRK),
	{0x402c542c, "TCSETSW2"},
	{0x402c542d, "TCSETSF2"},
	{0x802c542a, "TCGETS2"},
	{0x402c542b, "TCSETS2"},
};
static const struct trace_name madv[] = {
	N(MADV_NORMAL),     N(MADV_RANDOM),    N(MADV_SEQUENTIAL),  N(MADV_WILLNEED),
	N(MADV_DONTNEED),   N(MADV_FREE),      N(MADV_REMOVE),      N(MADV_DONTFORK),
	N(MADV_DOFORK),     N(MADV_MERGEABLE), N(MADV_UNMERGEABLE), N(MADV_HUGEPAGE),
	N(MADV_NOHUGEPAGE), N(MADV_DONTDUMP),  N(MADV_DODUMP),      N(MADV_WIPEONFORK),
	N(MADV_KEEPONFORK),
};
static const struct trace_name wopts[] = {
	N(WNOHANG),
	N(WUNTRACED),
	N(WEXITED),
	N(WCONTINUED),
	N(WNOWAIT),
	{0x20000000, "__WNOTHREAD"},
	{0x40000000, "__WALL"},
	{0x80000000, "__WCLONE"},
};
static const struct trace_name fcntls[] = {
	N(F_DUPFD),          N(F_GETFD),           N(F_SETFD),         N(F_GETFL),
	N(F_SETFL),          N(F_GETLK),           N(F_SETLK),         N(F_SETLKW),
	N(F_SETOWN),         N(F_GETOWN),          N(F_DUPFD_CLOEXEC), N(F_SETPIPE_SZ),
	N(F_GETPIPE_SZ),     N(F_ADD_SEALS),       N(F_GET_SEALS),     {36, "F_OFD_GETLK"},
	{37, "F_OFD_SETLK"}, {38, "F_OFD_SETLKW"},
};
static const struct trace_name rlimits[] = {
	N(RLIMIT_CPU),      N(RLIMIT_FSIZE), N(RLIMIT_DATA),   N(RLIMIT_STACK),
	N(RLIMIT_CORE),     N(RLIMIT_RSS),   N(RLIMIT_NPROC),  N(RLIMIT_NOFILE),
	N(RLIMIT_MEMLOCK),  N(RLIMIT_AS),    N(RLIMIT_LOCKS),  N(RLIMIT_SIGPENDING),
	N(RLIMIT_MSGQUEUE), N(RLIMIT_NICE),  N(RLIMIT_RTPRIO), N(RLIMIT_RTTIME),
};
static const struct trace_name prctls[] = {
	N(PR_SET_PDEATHSIG),
	N(PR_GET_PDEATHSIG),
	N(PR_GET_DUMPABLE),
	N(PR_SET_DUMPABLE),
	N(PR_GET_KEEPCAPS),
	N(PR_SET_KEEPCAPS),
	N(PR_SET_NAME),
	N(PR_GET_NAME),
	N(PR_GET_SECCOMP),
	N(PR_SET_SECCOMP),
	N(PR_CAPBSET_READ),
	N(PR_CAPBSET_DROP),
	N(PR_GET_SECUREBITS),
	N(PR_SET_SECUREBITS),
	N(PR_SET_TIMERSLACK),
	N(PR_GET_TIMERSLACK),
	N(PR_SET_CHILD_SUBREAPER),
	N(PR_GET_CHILD_SUBREAPER),
	N(PR_SET_NO_NEW_PRIVS),
	N(PR_GET_NO_NEW_PRIVS),
	N(PR_GET_TID_ADDRESS),
	N(PR_SET_THP_DISABLE),
	N(PR_GET_THP_DISABLE),
	N(PR_CAP_AMBIENT),
	{0x53564d41, "PR_SET_VMA"},
};
static const struct trace_name archprctls[] = {
	{0x1001, "ARCH_SET_GS"},     {0x1002, "ARCH_SET_FS"},       {0x1003, "ARCH_GET_FS"},
	{0x1004, "ARCH_GET_GS"},     {0x1011, "ARCH_GET_CPUID"},    {0x1012, "ARCH_SET_CPUID"},
	{0x3001, "ARCH_CET_STATUS"}, {0x5001, "ARCH_SHSTK_ENABLE"}, {0x5005, "ARCH_SHSTK_STATUS"},
};
static const struct trace_name clockids[] = {
	N(CLOCK_REALTIME),          N(CLOCK_MONOTONIC),     N(CLOCK_PROCESS_CPUTIME_ID),
	N(CLOCK_THREAD_CPUTIME_ID), N(CLOCK_MONOTONIC_RAW), N(CLOCK_REALTIME_COARSE),
	N(CLOCK_MONOTONIC_COARSE),  N(CLOCK_BOOTTIME),      N(CLOCK_REALTIME_ALARM),
	N(CLOCK_BOOTTIME_ALARM),    N(CLOCK_TAI),
};
static const struct trace_name atflags[] = {
	N(AT_SYMLINK_NOFOLLOW), {AT_REMOVEDIR, "AT_REMOVEDIR"},
	N(AT_SYMLINK_FOLLOW),   N(AT_NO_AUTOMOUNT),
	N(AT_EMPTY_PATH),
};

static const struct trace_name grnds[] = {
	{1, "GRND_NONBLOCK"}, {2, "GRND_RANDOM"}, {4, "GRND_INSECURE"}};

#define FUTEX_OP(nr, name)                                                                         \
	{nr, name},                                                                                \
	{                                                                                          \
		(nr) | 128, name "_PRIVATE"                                                        \
	}
#define FUTEX_CLOCK_OP(nr, name)                                                                   \
	FUTEX_OP(nr, name), {(nr) | 256, name "|FUTEX_CLOCK_REALTIME"},                            \
	{                                                                                          \
		(nr) | 384, name "_PRIVATE|FUTEX_CLOCK_REALTIME"                                   \
	}
#define FUTEX_ROBUST_OP(nr, name)                                                                  \
	FUTEX_OP(nr, name), {(nr) | 512, name "|FUTEX_ROBUST_UNLOCK"},                             \
		{(nr) | 640, name "_PRIVATE|FUTEX_ROBUST_UNLOCK"},                                 \
		{(nr) | 1536, name "|FUTEX_ROBUST_UNLOCK|FUTEX_ROBUST_LIST32"},                    \
	{                                                                                          \
		(nr) | 1664, name "_PRIVATE|FUTEX_ROBUST_UNLOCK|FUTEX_ROBUST_LIST32"               \
	}
static const struct trace_name futexops[] = {
	FUTEX_OP(0, "FUTEX_WAIT"),
	FUTEX_ROBUST_OP(1, "FUTEX_WAKE"),
	FUTEX_OP(2, "FUTEX_FD"),
	FUTEX_OP(3, "FUTEX_REQUEUE"),
	FUTEX_OP(4, "FUTEX_CMP_REQUEUE"),
	FUTEX_OP(5, "FUTEX_WAKE_OP"),
	FUTEX_OP(6, "FUTEX_LOCK_PI"),
	FUTEX_ROBUST_OP(7, "FUTEX_UNLOCK_PI"),
	FUTEX_OP(8, "FUTEX_TRYLOCK_PI"),
	FUTEX_CLOCK_OP(9, "FUTEX_WAIT_BITSET"),
	FUTEX_ROBUST_OP(10, "FUTEX_WAKE_BITSET"),
	FUTEX_CLOCK_OP(11, "FUTEX_WAIT_REQUEUE_PI"),
	FUTEX_OP(12, "FUTEX_CMP_REQUEUE_PI"),
	FUTEX_CLOCK_OP(13, "FUTEX_LOCK_PI2"),
};

static const struct trace_name epctls[] = {
	{1, "EPOLL_CTL_ADD"}, {2, "EPOLL_CTL_DEL"}, {3, "EPOLL_CTL_MOD"}};
/* The descriptors that calls make: their flags are the same on both architectures. */
static const struct trace_name sockfams[] = {{1, "AF_UNIX"},    {2, "AF_INET"},
					     {10, "AF_INET6"},  {16, "AF_NETLINK"},
					     {17, "AF_PACKET"}, {38, "AF_ALG"}};
static const struct trace_name socktypes[] = {{02000000, "SOCK_CLOEXEC"}, {04000, "SOCK_NONBLOCK"},
					      {5, "SOCK_SEQPACKET"},      {3, "SOCK_RAW"},
					      {2, "SOCK_DGRAM"},          {1, "SOCK_STREAM"}};
static const struct trace_name msgflags[] = {{1, "MSG_OOB"},
					     {2, "MSG_PEEK"},
					     {8, "MSG_CTRUNC"},
					     {0x20, "MSG_TRUNC"},
					     {0x40, "MSG_DONTWAIT"},
					     {0x80, "MSG_EOR"},
					     {0x100, "MSG_WAITALL"},
					     {0x4000, "MSG_NOSIGNAL"},
					     {0x8000, "MSG_MORE"},
					     {0x10000, "MSG_WAITFORONE"},
					     {0x40000000, "MSG_CMSG_CLOEXEC"}};
static const struct trace_name shuthows[] = {{0, "SHUT_RD"}, {1, "SHUT_WR"}, {2, "SHUT_RDWR"}};
static const struct trace_name sollevels[] = {
	{1, "SOL_SOCKET"}, {0, "SOL_IP"}, {6, "SOL_TCP"}, {41, "SOL_IPV6"}};
static const struct trace_name sockopts[] = {
	{2, "SO_REUSEADDR"},  {3, "SO_TYPE"},        {4, "SO_ERROR"},     {6, "SO_BROADCAST"},
	{7, "SO_SNDBUF"},     {8, "SO_RCVBUF"},      {9, "SO_KEEPALIVE"}, {13, "SO_LINGER"},
	{15, "SO_REUSEPORT"}, {16, "SO_PASSCRED"},   {17, "SO_PEERCRED"}, {20, "SO_RCVTIMEO"},
	{21, "SO_SNDTIMEO"},  {30, "SO_ACCEPTCONN"}, {38, "SO_PROTOCOL"}, {39, "SO_DOMAIN"}};
static const struct trace_name evflags[] = {{02000000, "O_CLOEXEC"}, {04000, "O_NONBLOCK"}};
static const struct trace_name efdflags[] = {
	{1, "EFD_SEMAPHORE"}, {02000000, "EFD_CLOEXEC"}, {04000, "EFD_NONBLOCK"}};

static const struct word {
	const char *word;
	const struct trace_name *names;
	size_t n;
	const char *none; /* a set of bits: what none of them is; NULL: a value */
} words[] = {
	{"whence", whence, ARRAY_SIZE(whence), NULL},
	{"prot", prot, ARRAY_SIZE(prot), "PROT_NONE"},
	{"mapflags", mapflags, ARRAY_SIZE(mapflags), "0"},
	{"sighow", sighow, ARRAY_SIZE(sighow), NULL},
	{"accmode", accmode, ARRAY_SIZE(accmode), "F_OK"},
	{"ioctl", ioctls, ARRAY_SIZE(ioctls), NULL},
	{"madv", madv, ARRAY_SIZE(madv), NULL},
	{"wopts", wopts, ARRAY_SIZE(wopts), "0"},
	{"fcntl", fcntls, ARRAY_SIZE(fcntls), NULL},
	{"rlimit", rlimits, ARRAY_SIZE(rlimits), NULL},
	{"prctl", prctls, ARRAY_SIZE(prctls), NULL},
	{"archprctl", archprctls, ARRAY_SIZE(archprctls), NULL},
	{"clockid", clockids, ARRAY_SIZE(clockids), NULL},
	{"grnd", grnds, ARRAY_SIZE(grnds), "0"},
	{"futexop", futexops, ARRAY_SIZE(futexops), NULL},
	{"epctl", epctls, ARRAY_SIZE(epctls), NULL},
	{"evflags", evflags, ARRAY_SIZE(evflags), "0"},
	{"sockfam", sockfams, ARRAY_SIZE(sockfams), NULL},
	{"socktype", socktypes, ARRAY_SIZE(socktypes), "0"},
	{"msgflags", msgflags, ARRAY_SIZE(msgflags), "0"},
	{"shuthow", shuthows, ARRAY_SIZE(shuthows), NULL},
	{"sollevel", sollevels, ARRAY_SIZE(sollevels), NULL},
	{"sockopt", sockopts, ARRAY_SIZE(sockopts), NULL},
	{"efdflags", efdflags, ARRAY_SIZE(efdflags), "0"},
	{"atflags", atflags, ARRAY_SIZE(atflags), "0"},
};

bool trace_named_word(struct text *x, const char *word, size_t len, uint64_t value)
{
	/* These are all ints. */
	value = (uint32_t)value;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const struct word *w = &words[i];

		if (strncmp(w->word, word, len) != 0 || w->word[len] != '\0')
			continue;
		if (w->none)
			text_flags(x, w->names, w->n, value, w->none);
		else
			text_name(x, w->names, w->n, value);
		return true;
	}
	return false;
}
