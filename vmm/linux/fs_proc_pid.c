/*
 * The files of /proc/PID. proc_pid(5) and the pages after it.
 */
#include "fs_proc.h"
#include "pty.h"
#include "tty.h"

#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#define USER_HZ      100
#define ARG_TEXT_MAX (2UL << 20)

struct mm *proc_mm(struct process *p)
{
	struct mm *mm;

	pthread_mutex_lock(&p->lock);
	mm = p->mm ? mm_get(p->mm) : NULL;
	pthread_mutex_unlock(&p->lock);
	return mm;
}

struct task *proc_task_locked(const struct proc_ctx *ctx)
{
	struct task *t;

	TAILQ_FOREACH (t, &ctx->p->tasks, thread)
		if (!ctx->tid || t->tid == ctx->tid)
			break;
	return t;
}

/* What tree_lock and process->lock protect, copied. */
struct snapshot {
	uint32_t pid, tgid, ppid, pgid, sid, tty;
	int32_t tpgid;
	unsigned threads;
	char state;
	char comm[TASK_COMM_LEN];
	struct cred cred;
	struct rusage_times times;
	int64_t start_time;
	int nice, policy, processor, exit_signal, wait_status;
	struct mm_usage mem;
	uint64_t rss_limit, entry, code_start, code_end, stack_start;
	uint64_t arg_start, arg_end, env_start, env_end;
	uint64_t nvcsw, nivcsw;
	uint64_t sig_own, sig_pending, sig_blocked, sig_ignored, sig_caught;
	uint64_t sig_queue_max, cpus;
	bool no_new_privs, no_thp;
};

/* Of its first thread, as Linux, or of t. tree_lock held. */
static char state_letter(const struct process *p, struct task *t)
{
	if (p->life >= LIFE_ZOMBIE)
		return 'Z';
	if (p->stopped)
		return 'T';
	return t && !sched_is_blocked(&t->st) ? 'R' : 'S';
}

/* What p ignores and catches. siglock held; sighand goes under p->lock at its end. */
static void snapshot_actions(struct snapshot *s, struct process *p)
{
	if (!p->sighand)
		return;
	pthread_mutex_lock(&p->sighand->lock);
	for (unsigned i = 0; i < NSIG_GUEST; i++) {
		uint64_t handler = p->sighand->action[i].handler, bit = 1ULL << i;

		if (handler == 1)
			s->sig_ignored |= bit;
		else if (handler)
			s->sig_caught |= bit;
	}
	pthread_mutex_unlock(&p->sighand->lock);
}

/* The program's, which is in its code. p->lock held. */
static uint64_t auxv_entry(const struct process *p)
{
	for (size_t i = 0; i < 2 * AUXV_MAX - 1 && p->auxv[i]; i += 2)
		if (p->auxv[i] == AT_ENTRY)
			return p->auxv[i + 1];
	return 0;
}

static void snapshot_take(struct snapshot *s, const struct proc_ctx *ctx)
{
	struct process *p = ctx->p;
	struct task *t;
	struct mm *mm;
	struct vma v;

	memset(s, 0, sizeof(*s));
	pthread_mutex_lock(&p->k->tree_lock);
	t = proc_task_locked(ctx);
	s->pid = ctx->tid ? ctx->tid : p->pid;
	s->tgid = p->pid;
	s->ppid = p->parent ? p->parent->pid : 0;
	s->pgid = p->pgid;
	s->sid = p->sid;
	tty_numbers_locked(p, &s->tty, &s->tpgid);
	s->threads = p->ntasks;
	s->state = ctx->reader && (ctx->tid ? ctx->reader == t : ctx->reader->p == p)
			   ? 'R'
			   : state_letter(p, t);
	process_times_locked(p, &s->times);
	s->nvcsw = t ? t->st.nvcsw : s->times.nvcsw;
	s->nivcsw = t ? t->st.nivcsw : s->times.nivcsw;
	if (ctx->tid && t) {
		struct rusage_times all = s->times;

		s->times = (struct rusage_times){0};
		task_add_times(t, &s->times);
		s->times.cutime = all.cutime;
		s->times.cstime = all.cstime;
		s->times.cminflt = all.cminflt;
		s->times.cmajflt = all.cmajflt;
	}
	s->start_time = ctx->tid && t ? t->start_time : p->start_time;
	s->processor = t && t->st.cpu >= 0 ? t->st.cpu : 0;
	s->exit_signal = ctx->tid && ctx->tid != p->pid ? -1 : p->exit_signal;
	s->wait_status = p->life >= LIFE_ZOMBIE ? p->wait_status : 0;
	pthread_mutex_lock(&p->siglock);
	s->sig_pending = p->pending.mask;
	s->sig_own = t ? t->pending.mask : 0;
	s->sig_blocked = t ? t->blocked : 0;
	snapshot_actions(s, p);
	pthread_mutex_unlock(&p->siglock);
	if (t)
		s->cpus = sched_get_affinity(&t->st);
	pthread_mutex_lock(&p->lock);
	if (t)
		memcpy(s->comm, t->comm, sizeof(s->comm));
	s->cred = p->cred;
	s->no_new_privs = p->attr.no_new_privs;
	s->nice = t ? t->prio.nice : p->ended_prio.nice;
	s->policy = t ? t->prio.policy : p->ended_prio.policy;
	s->rss_limit = p->rlim[RLIMIT_RSS].rlim_cur;
	s->sig_queue_max = p->rlim[RLIMIT_SIGPENDING].rlim_cur;
	s->arg_start = p->arg_start;
	s->arg_end = p->arg_end;
	s->env_start = p->env_start;
	s->env_end = p->env_end;
	s->stack_start = p->stack_start;
	s->entry = auxv_entry(p);
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_unlock(&p->k->tree_lock);
	s->comm[TASK_COMM_LEN - 1] = 0;
	mm = proc_mm(p);
	if (mm) {
		mm_get_usage(mm, &s->mem);
		s->no_thp = mm_no_spans(mm);
		if (mm_find_vma(mm, s->entry, &v) && v.start <= s->entry) {
			s->code_start = v.start;
			s->code_end = v.end;
		}
		mm_put(mm);
	}
}

static int show_stat(struct proc_buf *b, const struct proc_ctx *ctx)
{
	const int64_t hz = 1000000000 / USER_HZ;
	struct snapshot s;

	snapshot_take(&s, ctx);
	proc_printf(
		b,
		"%u (%s) %c %u %u %u %u %d 4194304 %llu %llu %llu %llu %lld 0 %lld %lld %d %d %u "
		"0 %lld %llu %llu ",
		s.pid, s.comm, s.state, s.ppid, s.pgid, s.sid, s.tty, s.tpgid,
		(unsigned long long)s.times.minflt, (unsigned long long)s.times.cminflt,
		(unsigned long long)s.times.majflt, (unsigned long long)s.times.cmajflt,
		(long long)((s.times.utime + s.times.stime) / hz), (long long)(s.times.cutime / hz),
		(long long)(s.times.cstime / hz), 20 + s.nice, s.nice, s.threads,
		(long long)((s.start_time - ctx->k->boot_time) / hz),
		(unsigned long long)s.mem.mapped, (unsigned long long)s.mem.resident);
	/* Addresses are for who may look into it, as is how it ended. */
	if (!proc_may_look(ctx)) {
		s.code_start = s.code_end = s.mem.mapped != 0;
		s.stack_start = s.mem.brk_start = 0;
		s.arg_start = s.arg_end = s.env_start = s.env_end = 0;
		s.wait_status = 0;
	}
	proc_printf(b, "%llu %llu %llu %llu 0 0 %llu %llu %llu %llu 0 0 0 %d %d 0 %d 0 0 0 ",
		    (unsigned long long)s.rss_limit, (unsigned long long)s.code_start,
		    (unsigned long long)s.code_end, (unsigned long long)s.stack_start,
		    (unsigned long long)(s.sig_pending & 0x7fffffff),
		    (unsigned long long)(s.sig_blocked & 0x7fffffff),
		    (unsigned long long)(s.sig_ignored & 0x7fffffff),
		    (unsigned long long)(s.sig_caught & 0x7fffffff), s.exit_signal, s.processor,
		    s.policy);
	proc_printf(b, "0 0 %llu %llu %llu %llu %llu %d\n", (unsigned long long)s.mem.brk_start,
		    (unsigned long long)s.arg_start, (unsigned long long)s.arg_end,
		    (unsigned long long)s.env_start, (unsigned long long)s.env_end, s.wait_status);
	return 0;
}

static const char *state_word(char c)
{
	return c == 'R' ? "running" : c == 'Z' ? "zombie" : c == 'T' ? "stopped" : "sleeping";
}

static uint64_t proc_all_cpus(struct kernel *k)
{
	unsigned n = sched_cpus(k->sched);

	return n >= 64 ? UINT64_MAX : (1ULL << n) - 1;
}

/* A mask, and as a list: "0-3,7". */
static void show_cpus(struct proc_buf *b, uint64_t mask)
{
	const char *comma = "";

	proc_printf(b, "Cpus_allowed:\t%llx\nCpus_allowed_list:\t", (unsigned long long)mask);
	for (unsigned i = 0; i < 64; i++) {
		unsigned last = i;

		if (!(mask >> i & 1))
			continue;
		while (last < 63 && mask >> (last + 1) & 1)
			last++;
		proc_printf(b, last > i ? "%s%u-%u" : "%s%u", comma, i, last);
		comma = ",";
		i = last;
	}
	proc_printf(b, "\n");
}

static int show_status(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct fdtable *files = proc_files_get(ctx->p);
	struct snapshot s;
	uint32_t umask = 022;

	snapshot_take(&s, ctx);
	pthread_mutex_lock(&ctx->p->lock);
	if (ctx->p->fs) {
		pthread_mutex_lock(&ctx->p->fs->lock);
		umask = ctx->p->fs->umask;
		pthread_mutex_unlock(&ctx->p->fs->lock);
	}
	pthread_mutex_unlock(&ctx->p->lock);
	proc_printf(b, "Name:\t%s\nUmask:\t%04o\nState:\t%c (%s)\n", s.comm, umask, s.state,
		    state_word(s.state));
	proc_printf(b, "Tgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t0\n", s.tgid, s.pid,
		    s.ppid);
	proc_printf(b, "Uid:\t%u\t%u\t%u\t%u\n", s.cred.uid, s.cred.euid, s.cred.suid,
		    s.cred.fsuid);
	proc_printf(b, "Gid:\t%u\t%u\t%u\t%u\n", s.cred.gid, s.cred.egid, s.cred.sgid,
		    s.cred.fsgid);
	proc_printf(b, "FDSize:\t%u\nGroups:\t", files ? fdtable_size(files) : 0);
	if (files)
		fdtable_put(files);
	for (unsigned i = 0; i < s.cred.ngroups && i < NGROUPS; i++)
		proc_printf(b, "%u ", s.cred.groups[i]);
	proc_printf(b, "\nNStgid:\t%u\nNSpid:\t%u\nNSpgid:\t%u\nNSsid:\t%u\nKthread:\t0\n", s.tgid,
		    s.pid, s.pgid, s.sid);
	if (s.state != 'Z') {
		proc_put_memory(b, ctx);
		proc_printf(b, "CoreDumping:\t0\nTHP_enabled:\t%d\n", !s.no_thp);
	}
	proc_printf(b, "Threads:\t%u\nSigQ:\t%u/%llu\n", s.threads, atomic_load(&ctx->k->nsignals),
		    (unsigned long long)s.sig_queue_max);
	proc_printf(b, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\n",
		    (unsigned long long)s.sig_own, (unsigned long long)s.sig_pending,
		    (unsigned long long)s.sig_blocked);
	proc_printf(b, "SigIgn:\t%016llx\nSigCgt:\t%016llx\n", (unsigned long long)s.sig_ignored,
		    (unsigned long long)s.sig_caught);
	proc_printf(b, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\n",
		    (unsigned long long)s.cred.cap_inh, (unsigned long long)s.cred.cap_perm,
		    (unsigned long long)s.cred.cap_eff);
	proc_printf(b, "CapBnd:\t%016llx\nCapAmb:\t%016llx\n", (unsigned long long)s.cred.cap_bset,
		    (unsigned long long)s.cred.cap_amb);
	proc_printf(b, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n", s.no_new_privs);
	show_cpus(b, s.cpus & proc_all_cpus(ctx->k));
	proc_printf(b, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
	proc_printf(b, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
		    (unsigned long long)s.nvcsw, (unsigned long long)s.nivcsw);
	return 0;
}

/* What went to and from a disk is not known: the host's cache is between. */
static int show_io(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct snapshot s;

	snapshot_take(&s, ctx);
	proc_printf(b, "rchar: %llu\nwchar: %llu\nsyscr: %llu\nsyscw: %llu\n",
		    (unsigned long long)s.times.rchar, (unsigned long long)s.times.wchar,
		    (unsigned long long)s.times.syscr, (unsigned long long)s.times.syscw);
	proc_printf(b, "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
	return 0;
}

static int show_comm(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct snapshot s;

	snapshot_take(&s, ctx);
	proc_printf(b, "%s\n", s.comm);
	return 0;
}

static int store_comm(const char *text, const struct proc_ctx *ctx)
{
	struct task *t;

	pthread_mutex_lock(&ctx->k->tree_lock);
	t = proc_task_locked(ctx);
	if (t) {
		pthread_mutex_lock(&ctx->p->lock);
		snprintf(t->comm, sizeof(t->comm), "%.15s", text);
		pthread_mutex_unlock(&ctx->p->lock);
	}
	pthread_mutex_unlock(&ctx->k->tree_lock);
	return 0;
}

/* [from, to) of the process's memory, as it is now. */
static int show_range(struct proc_buf *b, const struct proc_ctx *ctx, uint64_t from, uint64_t to)
{
	struct mm *mm = proc_mm(ctx->p);
	char buf[4096];

	if (!mm)
		return 0;
	if (to < from || to - from > ARG_TEXT_MAX)
		to = from;
	while (from < to) {
		size_t n = to - from < sizeof(buf) ? to - from : sizeof(buf);
		ssize_t got = copy_from_guest_partial(mm, buf, gva(from), n);

		if (got <= 0)
			break;
		proc_puts(b, buf, (size_t)got);
		from += (uint64_t)got;
	}
	mm_put(mm);
	return 0;
}

static int show_cmdline(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct snapshot s;

	snapshot_take(&s, ctx);
	return show_range(b, ctx, s.arg_start, s.arg_end);
}

static int show_environ(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct snapshot s;

	snapshot_take(&s, ctx);
	return show_range(b, ctx, s.env_start, s.env_end);
}

/* Up to AT_NULL. */
static int show_auxv(struct proc_buf *b, const struct proc_ctx *ctx)
{
	uint64_t v[2 * AUXV_MAX];
	size_t n = 0;

	pthread_mutex_lock(&ctx->p->lock);
	memcpy(v, ctx->p->auxv, sizeof(v));
	pthread_mutex_unlock(&ctx->p->lock);
	while (n < 2 * AUXV_MAX - 2 && v[n])
		n += 2;
	proc_puts(b, v, (n + 2) * sizeof(v[0]));
	return 0;
}

static int show_limits(struct proc_buf *b, const struct proc_ctx *ctx)
{
	static const struct {
		const char *name, *unit;
		int res;
	} rows[] = {
		{"Max cpu time", "seconds", RLIMIT_CPU},
		{"Max file size", "bytes", RLIMIT_FSIZE},
		{"Max data size", "bytes", RLIMIT_DATA},
		{"Max stack size", "bytes", RLIMIT_STACK},
		{"Max core file size", "bytes", RLIMIT_CORE},
		{"Max resident set", "bytes", RLIMIT_RSS},
		{"Max processes", "processes", RLIMIT_NPROC},
		{"Max open files", "files", RLIMIT_NOFILE},
		{"Max locked memory", "bytes", RLIMIT_MEMLOCK},
		{"Max address space", "bytes", RLIMIT_AS},
		{"Max file locks", "locks", RLIMIT_LOCKS},
		{"Max pending signals", "signals", RLIMIT_SIGPENDING},
		{"Max msgqueue size", "bytes", RLIMIT_MSGQUEUE},
		{"Max nice priority", "", RLIMIT_NICE},
		{"Max realtime priority", "", RLIMIT_RTPRIO},
		{"Max realtime timeout", "us", RLIMIT_RTTIME},
	};
	struct rlimit64 r[RLIM_NLIMITS];

	pthread_mutex_lock(&ctx->p->lock);
	memcpy(r, ctx->p->rlim, sizeof(r));
	pthread_mutex_unlock(&ctx->p->lock);
	proc_printf(b, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v[2] = {r[rows[i].res].rlim_cur, r[rows[i].res].rlim_max};

		proc_printf(b, "%-25s ", rows[i].name);
		for (int k = 0; k < 2; k++) {
			if (v[k] == RLIM64_INFINITY)
				proc_printf(b, "%-20s ", "unlimited");
			else
				proc_printf(b, "%-20llu ", (unsigned long long)v[k]);
		}
		proc_printf(b, *rows[i].unit ? "%-10s\n" : "%s\n", rows[i].unit);
	}
	return 0;
}

/* ---- the rest ---- */

static int show_mounts(struct proc_buf *b, const struct proc_ctx *ctx)
{
	return proc_show_mounts(b, ctx, false);
}

static int show_mountinfo(struct proc_buf *b, const struct proc_ctx *ctx)
{
	return proc_show_mounts(b, ctx, true);
}

/* Files that say one thing of every process here. */
#define CONSTANT(fn, text)                                                                         \
	static int fn(struct proc_buf *b, const struct proc_ctx *ctx)                              \
	{                                                                                          \
		proc_puts(b, text, sizeof(text) - 1);                                              \
		return 0;                                                                          \
	}

CONSTANT(show_zero, "0")
CONSTANT(show_zero_line, "0\n")
CONSTANT(show_no_id, "4294967295")
CONSTANT(show_id_map, "         0          0 4294967295\n")
CONSTANT(show_setgroups, "allow\n")
CONSTANT(show_personality, "00000000\n")

/* What is killed for want of memory is not chosen by this. */
static int store_nothing(const char *text, const struct proc_ctx *ctx)
{
	return 0;
}

int proc_show_fdinfo(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct fdtable *files;
	struct file *f = NULL;
	int fd = ctx->fd;
	unsigned flags;

	pthread_mutex_lock(&ctx->p->lock);
	files = ctx->p->files ? fdtable_get(ctx->p->files) : NULL;
	pthread_mutex_unlock(&ctx->p->lock);
	if (!files)
		return -ENOENT;
	f = fdtable_lookup(files, fd);
	flags = fdtable_get_cloexec(files, fd) > 0 ? O_CLOEXEC : 0;
	fdtable_put(files);
	if (!f)
		return -ENOENT;
	/* Without f->lock, as on Linux: f may be the very file that is being read. */
	proc_printf(b, "pos:\t%lld\n", (long long)__atomic_load_n(&f->pos, __ATOMIC_RELAXED));
	proc_printf(b, "flags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n", f->flags | flags,
		    vfs_file(f)->path.mnt->id, (unsigned long long)file_inode(f)->ino);
	if (pty_of_master(f))
		proc_printf(b, "tty-index:\t%u\n", pty_of_master(f)->index);
	file_close(f);
	return 0;
}

static int show_cgroup(struct proc_buf *b, const struct proc_ctx *ctx)
{
	proc_printf(b, "0::/\n");
	return 0;
}

static int follow_exe(const struct proc_ctx *ctx, struct path *out)
{
	int err = -ENOENT;

	pthread_mutex_lock(&ctx->p->lock);
	if (ctx->p->exe) {
		*out = *ctx->p->exe;
		path_get(out);
		err = 0;
	}
	pthread_mutex_unlock(&ctx->p->lock);
	return err;
}

static int follow_fs(const struct proc_ctx *ctx, struct path *out, bool root)
{
	struct fs_context *fs;

	pthread_mutex_lock(&ctx->p->lock);
	fs = ctx->p->fs ? fs_context_get(ctx->p->fs) : NULL;
	pthread_mutex_unlock(&ctx->p->lock);
	if (!fs)
		return -ENOENT;
	pthread_mutex_lock(&fs->lock);
	*out = root ? fs->root : fs->cwd;
	path_get(out);
	pthread_mutex_unlock(&fs->lock);
	fs_context_put(fs);
	return 0;
}

static int follow_cwd(const struct proc_ctx *ctx, struct path *out)
{
	return follow_fs(ctx, out, false);
}

static int follow_root(const struct proc_ctx *ctx, struct path *out)
{
	return follow_fs(ctx, out, true);
}

static const struct proc_entry net_entries[] = {PROC_FILE("unix", proc_show_unix), {.name = NULL}};

const struct proc_entry proc_pid_entries[] = {
	{.name = "auxv", .mode = S_IFREG | 0400, .show = show_auxv, .owner_only = true},
	{.name = "cgroup", .mode = S_IFREG | 0444, .show = show_cgroup},
	{.name = "cmdline", .mode = S_IFREG | 0444, .show = show_cmdline},
	{.name = "comm", .mode = S_IFREG | 0644, .show = show_comm, .store = store_comm},
	{.name = "cwd", .mode = S_IFLNK | 0777, .follow = follow_cwd},
	{.name = "environ", .mode = S_IFREG | 0400, .show = show_environ, .owner_only = true},
	{.name = "exe", .mode = S_IFLNK | 0777, .follow = follow_exe},
	{.name = "fd", .mode = S_IFDIR | 0500, .fds = true},
	{.name = "fdinfo", .mode = S_IFDIR | 0555, .fds = true, .infos = true},
	{.name = "gid_map", .mode = S_IFREG | 0644, .show = show_id_map},
	{.name = "io", .mode = S_IFREG | 0400, .show = show_io, .owner_only = true},
	{.name = "limits", .mode = S_IFREG | 0444, .show = show_limits},
	{.name = "loginuid", .mode = S_IFREG | 0644, .show = show_no_id},
	{.name = "maps", .mode = S_IFREG | 0444, .show = proc_show_maps, .owner_only = true},
	{.name = "mountinfo", .mode = S_IFREG | 0444, .show = show_mountinfo},
	{.name = "mounts", .mode = S_IFREG | 0444, .show = show_mounts},
	{.name = "net", .mode = S_IFDIR | 0555, .children = net_entries},
	{.name = "oom_adj", .mode = S_IFREG | 0644, .show = show_zero_line, .store = store_nothing},
	{.name = "oom_score", .mode = S_IFREG | 0444, .show = show_zero_line},
	{.name = "oom_score_adj",
	 .mode = S_IFREG | 0644,
	 .show = show_zero_line,
	 .store = store_nothing},
	{.name = "personality",
	 .mode = S_IFREG | 0400,
	 .show = show_personality,
	 .owner_only = true},
	{.name = "root", .mode = S_IFLNK | 0777, .follow = follow_root},
	{.name = "sessionid", .mode = S_IFREG | 0444, .show = show_no_id},
	{.name = "setgroups", .mode = S_IFREG | 0644, .show = show_setgroups},
	{.name = "smaps", .mode = S_IFREG | 0444, .show = proc_show_smaps, .owner_only = true},
	{.name = "smaps_rollup",
	 .mode = S_IFREG | 0444,
	 .show = proc_show_rollup,
	 .owner_only = true},
	{.name = "stat", .mode = S_IFREG | 0444, .show = show_stat},
	{.name = "statm", .mode = S_IFREG | 0444, .show = proc_show_statm},
	{.name = "status", .mode = S_IFREG | 0444, .show = show_status},
	{.name = "task", .mode = S_IFDIR | 0555, .tasks = true},
	{.name = "uid_map", .mode = S_IFREG | 0644, .show = show_id_map},
	{.name = "wchan", .mode = S_IFREG | 0444, .show = show_zero},
	{.name = NULL},
};
