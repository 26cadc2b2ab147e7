/*
 * The files of /proc that are about the machine. proc(5).
 *
 * They say what is true of this machine: its memory is the VM's, its processors the vCPUs, its
 * start the kernel's creation.
 */
#include "fs_proc.h"
#include "ipc.h"
#include "mqueue.h"
#include "pty.h"

#include "../core/pipe.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <time.h>

#define USER_HZ 100

static int show_version(struct proc_buf *b, const struct proc_ctx *ctx)
{
	proc_printf(b, "Linux version %s (vmbox) (%s) %s\n", KERNEL_RELEASE, "cc", KERNEL_VERSION);
	return 0;
}

static int64_t cpu_time(struct kernel *k)
{
	struct process *p;
	int64_t sum = 0;

	pthread_mutex_lock(&k->tree_lock);
	TAILQ_FOREACH (p, &k->processes, all) {
		struct task *t;

		sum += p->times.utime + p->times.stime;
		TAILQ_FOREACH (t, &p->tasks, thread)
			sum += atomic_load(&t->st.run_total);
	}
	pthread_mutex_unlock(&k->tree_lock);
	return sum;
}

static int show_uptime(struct proc_buf *b, const struct proc_ctx *ctx)
{
	int64_t up = core_now() - ctx->k->boot_time,
		idle = up * ctx->k->cfg.cpus - cpu_time(ctx->k);

	if (idle < 0)
		idle = 0;
	proc_printf(b, "%lld.%02lld %lld.%02lld\n", (long long)(up / 1000000000),
		    (long long)(up / 10000000 % 100), (long long)(idle / 1000000000),
		    (long long)(idle / 10000000 % 100));
	return 0;
}

static void count_processes(struct kernel *k, unsigned *n, uint32_t *last)
{
	struct process *p;

	*n = 0;
	*last = 0;
	pthread_mutex_lock(&k->tree_lock);
	TAILQ_FOREACH (p, &k->processes, all) {
		*n += p->ntasks ? p->ntasks : 1;
		if (p->pid > *last)
			*last = p->pid;
	}
	pthread_mutex_unlock(&k->tree_lock);
}

static int show_loadavg(struct proc_buf *b, const struct proc_ctx *ctx)
{
	unsigned n, load = sched_load(ctx->k->sched);
	uint32_t last;

	count_processes(ctx->k, &n, &last);
	/* No averages are kept: the load now, three times. */
	proc_printf(b, "%u.00 %u.00 %u.00 %u/%u %u\n", load, load, load, load, n, last);
	return 0;
}

static int show_stat(struct proc_buf *b, const struct proc_ctx *ctx)
{
	unsigned n, cpus = ctx->k->cfg.cpus;
	int64_t up = core_now() - ctx->k->boot_time, used = cpu_time(ctx->k),
		idle = up * cpus - used;
	long long hz = 1000000000 / USER_HZ;
	struct sched_stats ss;
	struct timespec now;
	uint32_t last;

	if (idle < 0)
		idle = 0;
	count_processes(ctx->k, &n, &last);
	sched_get_stats(ctx->k->sched, &ss);
	clock_gettime(CLOCK_REALTIME, &now);
	proc_printf(b, "cpu  %lld 0 0 %lld 0 0 0 0 0 0\n", used / hz, idle / hz);
	for (unsigned i = 0; i < cpus; i++)
		proc_printf(b, "cpu%u %lld 0 0 %lld 0 0 0 0 0 0\n", i, used / hz / cpus,
			    idle / hz / cpus);
	proc_printf(
		b,
		"intr 0\nctxt %llu\nbtime %lld\nprocesses %u\nprocs_running %u\nprocs_blocked 0\n",
		(unsigned long long)ss.switches, (long long)(now.tv_sec - up / 1000000000), last,
		sched_load(ctx->k->sched));
	return 0;
}

static int show_filesystems(struct proc_buf *b, const struct proc_ctx *ctx)
{
	proc_printf(b, "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\toverlay\nn"
		       "odev\thostfs\n");
	return 0;
}

/* Octal escapes for what would break a line's fields. */
static void put_escaped(struct proc_buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\\')
			proc_printf(b, "\\%03o", (unsigned char)*s);
		else
			proc_puts(b, s, 1);
	}
}

int proc_show_mounts(struct proc_buf *b, const struct proc_ctx *ctx, bool info)
{
	struct vfs *v = ctx->k->vfs;
	struct mount *m;

	vfs_lock(v);
	TAILQ_FOREACH (m, &v->mounts, all) {
		struct path p = {m, m->root};
		char buf[VFS_PATH_MAX];
		const char *name = path_name(v, &p, NULL, buf, sizeof(buf));
		const char *opts = m->sb->flags & SB_RDONLY ? "ro" : "rw";

		if (!name)
			continue;
		if (info)
			proc_printf(b, "%u %u %u:%u / ", m->id, m->parent ? m->parent->id : 0,
				    major(m->sb->dev), minor(m->sb->dev));
		else
			proc_printf(b, "%s ", m->sb->source);
		put_escaped(b, name);
		if (info)
			proc_printf(b, " %s - %s %s %s\n", opts, m->sb->ops->type, m->sb->source,
				    opts);
		else
			proc_printf(b, " %s %s 0 0\n", m->sb->ops->type, opts);
	}
	vfs_unlock(v);
	return 0;
}

static int text_thread_self(char *buf, size_t size, const struct proc_ctx *ctx)
{
	return ctx->reader
		       ? snprintf(buf, size, "%u/task/%u", ctx->reader->p->pid, ctx->reader->tid)
		       : -ENOENT;
}

static int text_self(char *buf, size_t size, const struct proc_ctx *ctx)
{
	return ctx->reader ? snprintf(buf, size, "%u", ctx->reader->p->pid) : -ENOENT;
}

static int text_net(char *buf, size_t size, const struct proc_ctx *ctx)
{
	(void)ctx;
	return snprintf(buf, size, "self/net");
}

static int text_mounts(char *buf, size_t size, const struct proc_ctx *ctx)
{
	return snprintf(buf, size, "self/mounts");
}

/* ---- sys ---- */

static int show_hostname(struct proc_buf *b, const struct proc_ctx *ctx)
{
	char name[65];

	kernel_hostname(ctx->k, name);
	proc_printf(b, "%s\n", name);
	return 0;
}

static int show_domainname(struct proc_buf *b, const struct proc_ctx *ctx)
{
	char name[65];

	kernel_domainname(ctx->k, name);
	proc_printf(b, "%s\n", name);
	return 0;
}

static void put_uuid(struct proc_buf *b, uint8_t u[16])
{
	u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
	u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++)
		proc_printf(b, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", u[i]);
	proc_printf(b, "\n");
}

static int show_boot_id(struct proc_buf *b, const struct proc_ctx *ctx)
{
	uint8_t u[16];

	memcpy(u, ctx->k->vfs->boot_id, sizeof(u));
	put_uuid(b, u);
	return 0;
}

static int show_uuid(struct proc_buf *b, const struct proc_ctx *ctx)
{
	uint8_t u[16];

	if (getrandom(u, sizeof(u), GRND_NONBLOCK) != sizeof(u))
		return -EAGAIN;
	put_uuid(b, u);
	return 0;
}

static int show_file_nr(struct proc_buf *b, const struct proc_ctx *ctx)
{
	proc_printf(b, "%u\t0\t%u\n", atomic_load(&ctx->k->vfs->nfiles), ctx->k->vfs->max_files);
	return 0;
}

#define CONSTANT(fn, text)                                                                         \
	static int fn(struct proc_buf *b, const struct proc_ctx *ctx)                              \
	{                                                                                          \
		proc_printf(b, "%s\n", text);                                                      \
		return 0;                                                                          \
	}
#define CONSTANT_NUMBER(fn, number)                                                                \
	static int fn(struct proc_buf *b, const struct proc_ctx *ctx)                              \
	{                                                                                          \
		proc_printf(b, "%llu\n", (unsigned long long)(number));                            \
		return 0;                                                                          \
	}

CONSTANT(show_ostype, "Linux")
CONSTANT(show_osrelease, KERNEL_RELEASE)
CONSTANT(show_sysversion, KERNEL_VERSION)
CONSTANT_NUMBER(show_pid_max, REGISTRY_PID_MAX)
CONSTANT_NUMBER(show_threads_max, kernel_threads_max(ctx->k))
CONSTANT_NUMBER(show_ngroups_max, NGROUPS)
CONSTANT_NUMBER(show_cap_last_cap, 40)
CONSTANT_NUMBER(show_randomize, 2)
CONSTANT_NUMBER(show_entropy, 256)
CONSTANT_NUMBER(show_overcommit, 1)
CONSTANT_NUMBER(show_max_map_count, 65530)
CONSTANT_NUMBER(show_mmap_min_addr, ABI_USER_MIN)
CONSTANT_NUMBER(show_pipe_max, PIPE_MAX_SIZE)
CONSTANT_NUMBER(show_file_max, ctx->k->vfs->max_files)
CONSTANT_NUMBER(show_nr_open, 1048576)

CONSTANT(show_cmdline, "vmbox")
CONSTANT(show_swaps, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority")
CONSTANT(show_partitions, "major minor  #blocks  name\n")
CONSTANT(show_devices,
	 "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n128 ptm\n136 pts\n\n"
	 "Block devices:")
CONSTANT(show_tty_drivers, "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
			   "/dev/ptmx            /dev/ptmx       5       2 system\n"
			   "pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
			   "pty_master           /dev/ptm      128 0-1048575 pty:master")
CONSTANT(show_tty_ldiscs, "n_tty       0")
CONSTANT_NUMBER(show_pty_max, ctx->k->vfs->pts->max)
CONSTANT_NUMBER(show_pty_nr, pts_count(ctx->k->vfs))
CONSTANT_NUMBER(show_one, 1)
CONSTANT(show_core_pattern, "core")
CONSTANT_NUMBER(show_zero, 0)
CONSTANT_NUMBER(show_ratio, 50)
CONSTANT_NUMBER(show_perf, 4)
CONSTANT_NUMBER(show_somaxconn, 4096)
CONSTANT_NUMBER(show_watches, ctx->k->vfs->max_watches)
CONSTANT_NUMBER(show_instances, 128)
CONSTANT_NUMBER(show_queued, 16384)

static const struct proc_entry random_entries[] = {
	PROC_FILE("boot_id", show_boot_id),
	PROC_FILE("entropy_avail", show_entropy),
	PROC_FILE("poolsize", show_entropy),
	PROC_FILE("uuid", show_uuid),
	{.name = NULL},
};

static const struct proc_entry pty_entries[] = {
	PROC_FILE("max", show_pty_max),
	PROC_FILE("nr", show_pty_nr),
	PROC_FILE("reserve", show_zero),
	{.name = NULL},
};

static const struct proc_entry dev_tty_entries[] = {
	PROC_FILE("ldisc_autoload", show_zero),
	PROC_FILE("legacy_tiocsti", show_one),
	{.name = NULL},
};

static const struct proc_entry dev_entries[] = {
	PROC_DIR("tty", dev_tty_entries),
	{.name = NULL},
};

static const struct proc_entry tty_entries[] = {
	PROC_FILE("drivers", show_tty_drivers),
	PROC_FILE("ldiscs", show_tty_ldiscs),
	{.name = NULL},
};

static const struct proc_entry sysvipc_entries[] = {
	PROC_FILE("msg", proc_show_msg),
	PROC_FILE("sem", proc_show_sem),
	PROC_FILE("shm", proc_show_shm),
	{.name = NULL},
};

CONSTANT_NUMBER(show_msgmax, MSGMAX_K)
CONSTANT_NUMBER(show_msgmnb, MSGMNB_K)
CONSTANT_NUMBER(show_ipc_max, IPC_MAX)
CONSTANT_NUMBER(show_shmall, SHMALL_K)
CONSTANT_NUMBER(show_mq_queues, MQ_QUEUES_MAX)
CONSTANT_NUMBER(show_mq_msgs, MQ_MSG_MAX)
CONSTANT_NUMBER(show_mq_size, MQ_SIZE_MAX)

static int show_sem(struct proc_buf *b, const struct proc_ctx *ctx)
{
	(void)ctx;
	proc_printf(b, "%d\t%d\t%d\t%d\n", SEMMSL_K, SEMMNS_K, SEMOPM_K, IPC_MAX);
	return 0;
}

static const struct proc_entry kernel_entries[] = {
	PROC_FILE("cap_last_cap", show_cap_last_cap),
	PROC_FILE("domainname", show_domainname),
	PROC_FILE("hostname", show_hostname),
	PROC_FILE("msgmax", show_msgmax),
	PROC_FILE("msgmnb", show_msgmnb),
	PROC_FILE("msgmni", show_ipc_max),
	PROC_FILE("ngroups_max", show_ngroups_max),
	PROC_FILE("osrelease", show_osrelease),
	PROC_FILE("ostype", show_ostype),
	PROC_FILE("pid_max", show_pid_max),
	PROC_FILE("randomize_va_space", show_randomize),
	PROC_FILE("sem", show_sem),
	PROC_FILE("shmall", show_shmall),
	PROC_FILE("shmmax", show_shmall),
	PROC_FILE("shmmni", show_ipc_max),
	PROC_FILE("threads-max", show_threads_max),
	PROC_FILE("version", show_sysversion),
	PROC_FILE("core_pattern", show_core_pattern),
	PROC_FILE("perf_event_paranoid", show_perf),
	PROC_DIR("pty", pty_entries),
	PROC_FILE("tainted", show_zero),
	PROC_DIR("random", random_entries),
	{.name = NULL},
};

static const struct proc_entry vm_entries[] = {
	PROC_FILE("max_map_count", show_max_map_count),
	PROC_FILE("mmap_min_addr", show_mmap_min_addr),
	PROC_FILE("overcommit_memory", show_overcommit),
	PROC_FILE("nr_hugepages", show_zero),
	PROC_FILE("overcommit_ratio", show_ratio),
	PROC_FILE("swappiness", show_zero),
	{.name = NULL},
};

static const struct proc_entry inotify_entries[] = {
	PROC_FILE("max_queued_events", show_queued),
	PROC_FILE("max_user_instances", show_instances),
	PROC_FILE("max_user_watches", show_watches),
	{.name = NULL},
};

static const struct proc_entry epoll_entries[] = {
	PROC_FILE("max_user_watches", show_watches),
	{.name = NULL},
};

static const struct proc_entry core_entries[] = {
	PROC_FILE("somaxconn", show_somaxconn),
	{.name = NULL},
};

static const struct proc_entry net_entries[] = {
	PROC_DIR("core", core_entries),
	{.name = NULL},
};

static const struct proc_entry mqueue_entries[] = {
	PROC_FILE("msg_default", show_mq_msgs),     PROC_FILE("msg_max", show_mq_msgs),
	PROC_FILE("msgsize_default", show_mq_size), PROC_FILE("msgsize_max", show_mq_size),
	PROC_FILE("queues_max", show_mq_queues),    {.name = NULL},
};

static const struct proc_entry fs_entries[] = {
	PROC_DIR("epoll", epoll_entries),
	PROC_DIR("inotify", inotify_entries),
	PROC_FILE("protected_hardlinks", show_zero),
	PROC_FILE("protected_symlinks", show_zero),
	PROC_FILE("file-max", show_file_max),
	PROC_FILE("file-nr", show_file_nr),
	PROC_DIR("mqueue", mqueue_entries),
	PROC_FILE("nr_open", show_nr_open),
	PROC_FILE("pipe-max-size", show_pipe_max),
	{.name = NULL},
};

static const struct proc_entry sys_entries[] = {
	PROC_DIR("dev", dev_entries),       PROC_DIR("fs", fs_entries),
	PROC_DIR("kernel", kernel_entries), PROC_DIR("net", net_entries),
	PROC_DIR("vm", vm_entries),         {.name = NULL},
};

const struct proc_entry proc_root_entries[] = {
	PROC_FILE("cmdline", show_cmdline),
	PROC_FILE("cpuinfo", proc_show_cpuinfo),
	PROC_FILE("devices", show_devices),
	PROC_FILE("filesystems", show_filesystems),
	PROC_FILE("loadavg", show_loadavg),
	PROC_FILE("meminfo", proc_show_meminfo),
	PROC_FILE("partitions", show_partitions),
	{.name = "mounts", .mode = S_IFLNK | 0777, .text = text_mounts},
	{.name = "net", .mode = S_IFLNK | 0777, .text = text_net},
	{.name = "self", .mode = S_IFLNK | 0777, .text = text_self},
	{.name = "thread-self", .mode = S_IFLNK | 0777, .text = text_thread_self},
	PROC_FILE("stat", show_stat),
	PROC_FILE("swaps", show_swaps),
	PROC_DIR("sys", sys_entries),
	PROC_DIR("sysvipc", sysvipc_entries),
	PROC_DIR("tty", tty_entries),
	PROC_FILE("uptime", show_uptime),
	PROC_FILE("version", show_version),
	PROC_FILE("vmstat", proc_show_vmstat),
	{.name = NULL},
};
