/*
 * What /proc says of the machine's memory and processors: meminfo, vmstat, cpuinfo.
 * proc_meminfo(5), proc_cpuinfo(5).
 */
#include "fs_proc.h"

#include <stdio.h>
#include <stdlib.h>

/* In KiB: what this machine has none of is 0. */
int proc_show_meminfo(struct proc_buf *b, const struct proc_ctx *ctx)
{
	const uint64_t kb = PAGE_SIZE / 1024;
	uint64_t total, left, cached, tables, own;
	struct gmem_stats s;

	gmem_get_stats(ctx->k->gm, &s);
	total = s.frames_total * kb;
	left = (s.frames_total - s.frames_used) * kb;
	tables = s.frames_table * kb;
	cached = memobj_cached(ctx->k->gm) * kb;
	/* Counted at another time. */
	own = total - left > tables ? total - left - tables : 0;
	if (cached > own)
		cached = own;
	own -= cached;

	const struct {
		const char *name;
		uint64_t kb;
	} rows[] = {
		{"MemTotal", total},
		{"MemFree", left},
		/* Some of what files have here is in use. */
		{"MemAvailable", left + cached / 2},
		{"Buffers", 0},
		{"Cached", cached},
		{"SwapCached", 0},
		{"Active", own},
		{"Inactive", cached},
		{"Active(anon)", own},
		{"Inactive(anon)", 0},
		{"Active(file)", 0},
		{"Inactive(file)", cached},
		{"Unevictable", 0},
		{"Mlocked", 0},
		{"SwapTotal", 0},
		{"SwapFree", 0},
		{"Zswap", 0},
		{"Zswapped", 0},
		{"Dirty", 0},
		{"Writeback", 0},
		{"AnonPages", own},
		{"Mapped", cached},
		{"Shmem", 0},
		{"KReclaimable", 0},
		{"Slab", 0},
		{"SReclaimable", 0},
		{"SUnreclaim", 0},
		{"KernelStack", 0},
		{"PageTables", tables},
		{"SecPageTables", 0},
		{"NFS_Unstable", 0},
		{"Bounce", 0},
		{"WritebackTmp", 0},
		{"CommitLimit", total},
		{"Committed_AS", own},
		{"VmallocTotal", 0},
		{"VmallocUsed", 0},
		{"VmallocChunk", 0},
		{"Percpu", 0},
		{"AnonHugePages", 0},
		{"ShmemHugePages", 0},
		{"ShmemPmdMapped", 0},
		{"FileHugePages", 0},
		{"FilePmdMapped", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[24];

		snprintf(name, sizeof(name), "%s:", rows[i].name);
		proc_printf(b, "%-15s %8llu kB\n", name, (unsigned long long)rows[i].kb);
	}
	proc_printf(b, "HugePages_Total:       0\nHugePages_Free:        0\n"
		       "HugePages_Rsvd:        0\nHugePages_Surp:        0\n"
		       "Hugepagesize:       2048 kB\nHugetlb:               0 kB\n");
	return 0;
}

int proc_show_vmstat(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct gmem_stats s;

	gmem_get_stats(ctx->k->gm, &s);
	proc_printf(b, "nr_free_pages %llu\nnr_page_table_pages %llu\npgpgin 0\npgpgout 0\n",
		    (unsigned long long)(s.frames_total - s.frames_used),
		    (unsigned long long)s.frames_table);
	proc_printf(b, "pswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n");
	return 0;
}

int proc_show_cpuinfo(struct proc_buf *b, const struct proc_ctx *ctx)
{
	const struct kernel *k = ctx->k;

	for (unsigned i = 0; i < k->cfg.cpus; i++) {
		char *text = NULL;
		size_t size = 0;
		FILE *f;

		proc_printf(b, "processor\t: %u\n", i);
		if (k->ops && k->ops->cpu_info) {
			f = open_memstream(&text, &size);
			if (!f)
				return -ENOMEM;
			k->ops->cpu_info(k->machine, i, k->cfg.cpus, f);
			if (fclose(f) == 0)
				proc_puts(b, text, size);
			free(text);
		}
		proc_printf(b, "\n");
	}
	return 0;
}
