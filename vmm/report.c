/* --stats: what a run cost. */
#include "run.h"
#include "vcpu.h"
#include "linux/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t sum(const uint64_t *v, size_t n)
{
	uint64_t s = 0;

	while (n)
		s += v[--n];
	return s;
}

static void print_group(FILE *f, const char *name, const char *const names[], const uint64_t *v,
			size_t n)
{
	fprintf(f, "\"%s\":{\"total\":%" PRIu64, name, sum(v, n));
	for (size_t i = 0; i < n; i++)
		fprintf(f, ",\"%s\":%" PRIu64, names[i], v[i]);
	fputs("},", f);
}

static void print_text_group(const char *name, const char *const names[], const uint64_t *v,
			     size_t n)
{
	fprintf(stderr, "%s: %" PRIu64, name, sum(v, n));
	for (size_t i = 0; i < n; i++)
		if (v[i])
			fprintf(stderr, "  %s %" PRIu64, names[i], v[i]);
	fputc('\n', stderr);
}

/* answered: in the guest, with a result; frames: with registers; faults: of pages, resolved there;
 * waited: a vCPU without a task; errands: what ring 3's stub had the supervisor do; left: begun by
 * the poller, but the task had to leave; sessions: of polling. */
static void print_exitless(FILE *f, const struct vm *vm, const struct exitless *e)
{
	uint64_t served = 0, left = 0, declined = 0, frames = 0, faults = 0, parked = 0,
		 errands = 0;

	for (unsigned i = 0; i < vm->nvcpus && vm->vcpus[i]->channel; i++) {
		served += vm->vcpus[i]->channel->answered;
		left += vm->vcpus[i]->channel->left;
		declined += vm->vcpus[i]->channel->declined;
		frames += vm->vcpus[i]->channel->frames;
		faults += vm->vcpus[i]->channel->faults;
		parked += vm->vcpus[i]->channel->parked;
		errands += vm->vcpus[i]->channel->errands;
	}
	fprintf(f,
		f == stderr ? "exitless: %" PRIu64 " answered  frames %" PRIu64 "  faults %" PRIu64
			      "  waited %" PRIu64 "  errands %" PRIu64 "  left %" PRIu64
			      "  declined %" PRIu64 "  sessions %" PRIu64 "  disturbed %" PRIu64
			      "\n"
			    : "\"exitless\":{\"answered\":%" PRIu64 ",\"frames\":%" PRIu64
			      ",\"faults\":%" PRIu64 ",\"waited\":%" PRIu64 ",\"errands\":%" PRIu64
			      ",\"left\":%" PRIu64 ",\"declined\":%" PRIu64 ",\"sessions\":%" PRIu64
			      ",\"disturbed\":%" PRIu64 "},",
		served, frames, faults, parked, errands, left, declined, e->sessions, e->disturbed);
}

void report_stats(const struct run_options *o, struct vm *vm, const struct exitless *e,
		  struct kernel *k)
{
	struct vm_stats vs;
	FILE *f;

	vm_get_stats(vm, &vs);
	atomic_store(&k->stats->mm_switches, vs.mm_switches);
	if (!o->stats_file) {
		print_text_group("exits", vm_exit_names, vs.exits, VM_EXIT_COUNT);
		print_text_group("vcpu ioctls", vcpu_ioctl_names, vs.ioctls, VCPU_IOCTL_COUNT);
		print_exitless(stderr, vm, e);
		fprintf(stderr,
			"address spaces: %" PRIu64 " switches, %" PRIu64
			" writes of the root register, %" PRIu64 " ASID roll-overs\n",
			vs.mm_switches, vs.root_writes, vs.asid_rollovers);
		stats_print_text(k, stderr);
		return;
	}
	f = o->stats_out;
	fputc('{', f);
	print_group(f, "exits", vm_exit_names, vs.exits, VM_EXIT_COUNT);
	print_group(f, "vcpu_ioctls", vcpu_ioctl_names, vs.ioctls, VCPU_IOCTL_COUNT);
	print_exitless(f, vm, e);
	fprintf(f, "\"root_writes\":%" PRIu64 ",\"asid_rollovers\":%" PRIu64 ",", vs.root_writes,
		vs.asid_rollovers);
	stats_print_json(k, f);
	fputs("}\n", f);
	if (fflush(f) != 0)
		vmbox_error("--stats %s: %s", o->stats_file, strerror(errno));
}
