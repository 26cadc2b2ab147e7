/*
 * /sys: the processors, and who gets large pages, as programs look for them there (sysfs(5), and
 * Linux's Documentation/ABI/testing/sysfs-devices-system-cpu and
 * Documentation/admin-guide/mm/transhuge.rst). Nothing else is shown.
 *
 * All vCPUs are there from the start and stay: possible, present and online are the same. Each is
 * a core of one package.
 */
#include "fs_proc.h"

static void put_range(struct proc_buf *b, unsigned n)
{
	proc_printf(b, n > 1 ? "0-%u\n" : "%u\n", n - 1);
}

/* Up to 64 vCPUs, in the groups of 32 bits that cpumasks are printed in. */
static void put_mask(struct proc_buf *b, unsigned cpus, uint64_t mask)
{
	if (cpus > 32)
		proc_printf(b, "%0*x,", (int)(cpus - 32 + 3) / 4, (unsigned)(mask >> 32));
	proc_printf(b, "%0*x\n", cpus > 32 ? 8 : (int)(cpus + 3) / 4, (unsigned)mask);
}

static int show_all(struct proc_buf *b, const struct proc_ctx *ctx)
{
	put_range(b, ctx->k->cfg.cpus);
	return 0;
}

static int show_none(struct proc_buf *b, const struct proc_ctx *ctx)
{
	(void)ctx;
	proc_printf(b, "\n");
	return 0;
}

static int show_zero(struct proc_buf *b, const struct proc_ctx *ctx)
{
	(void)ctx;
	proc_printf(b, "0\n");
	return 0;
}

static int show_last(struct proc_buf *b, const struct proc_ctx *ctx)
{
	proc_printf(b, "%u\n", ctx->k->cfg.cpus - 1);
	return 0;
}

static int show_self(struct proc_buf *b, const struct proc_ctx *ctx)
{
	proc_printf(b, "%u\n", ctx->cpu);
	return 0;
}

static int show_self_mask(struct proc_buf *b, const struct proc_ctx *ctx)
{
	put_mask(b, ctx->k->cfg.cpus, 1ULL << ctx->cpu);
	return 0;
}

static int show_all_mask(struct proc_buf *b, const struct proc_ctx *ctx)
{
	unsigned n = ctx->k->cfg.cpus;

	put_mask(b, n, n < 64 ? (1ULL << n) - 1 : UINT64_MAX);
	return 0;
}

static const struct proc_entry topology_entries[] = {
	PROC_FILE("core_id", show_self),
	PROC_FILE("core_siblings", show_all_mask),
	PROC_FILE("core_siblings_list", show_all),
	PROC_FILE("package_cpus", show_all_mask),
	PROC_FILE("package_cpus_list", show_all),
	PROC_FILE("physical_package_id", show_zero),
	PROC_FILE("thread_siblings", show_self_mask),
	PROC_FILE("thread_siblings_list", show_self),
	{.name = NULL},
};

static const struct proc_entry one_cpu_entries[] = {
	PROC_DIR("topology", topology_entries),
	{.name = NULL},
};

static const struct proc_entry cpu_entries[] = {
	PROC_FILE("kernel_max", show_last), PROC_FILE("offline", show_none),
	PROC_FILE("online", show_all),      PROC_FILE("possible", show_all),
	PROC_FILE("present", show_all),     {.name = NULL},
};

static const struct proc_entry system_entries[] = {
	{.name = "cpu", .mode = S_IFDIR | 0555, .children = cpu_entries, .cpus = true},
	{.name = NULL},
};

static const struct proc_entry device_entries[] = {
	PROC_DIR("system", system_entries),
	{.name = NULL},
};

/* ---- large pages ---- */

static int show_thp_enabled(struct proc_buf *b, const struct proc_ctx *ctx)
{
	(void)ctx;
	proc_printf(b, "always [madvise] never\n");
	return 0;
}

static int show_thp_shmem(struct proc_buf *b, const struct proc_ctx *ctx)
{
	(void)ctx;
	proc_printf(b, "always within_size advise [never] deny force\n");
	return 0;
}

static int show_thp_size(struct proc_buf *b, const struct proc_ctx *ctx)
{
	(void)ctx;
	proc_printf(b, "2097152\n");
	return 0;
}

static const struct proc_entry thp_entries[] = {
	PROC_FILE("enabled", show_thp_enabled),
	PROC_FILE("hpage_pmd_size", show_thp_size),
	PROC_FILE("shmem_enabled", show_thp_shmem),
	{.name = NULL},
};

static const struct proc_entry kernel_mm_entries[] = {
	PROC_DIR("transparent_hugepage", thp_entries),
	{.name = NULL},
};

static const struct proc_entry kernel_entries[] = {
	PROC_DIR("mm", kernel_mm_entries),
	{.name = NULL},
};

static const struct proc_entry root_entries[] = {
	PROC_DIR("devices", device_entries),
	PROC_DIR("kernel", kernel_entries),
	{.name = NULL},
};

const struct proc_entry sys_root = {.mode = S_IFDIR | 0555, .children = root_entries};
const struct proc_entry sys_one_cpu = {.mode = S_IFDIR | 0555, .children = one_cpu_entries};
