/* Giving memory back while the guest sleeps: see idle.h. */
#include "idle.h"
#include "vcpu.h"

#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>

#define LOOK_BUSY_NS  (250 * 1000 * 1000L)
#define LOOK_IDLE_NS  (1000 * 1000 * 1000L)
#define LOOK_AGAIN_NS (1000 * 1000L)
#define ENOUGH_WORK   32 /* entries into the guest that may leave something behind */

/* Entries so far; *inside: a vCPU is in the guest now. */
static uint64_t count_entries(struct vm *vm, bool *inside)
{
	uint64_t n = 0;

	*inside = false;
	for (unsigned i = 0; i < vm->nvcpus; i++) {
		n += atomic_load(&vm->vcpus[i]->run_count);
		*inside |= atomic_load(&vm->vcpus[i]->running_mm) != NULL;
	}
	return n;
}

/* A debugger may have put breakpoints into the text: that is no copy of the file any more. */
static bool is_traced(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	int tracer = 1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "TracerPid: %d", &tracer) == 1)
			break;
	if (f)
		fclose(f);
	return tracer != 0;
}

static int drop_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned n = 0; n < info->dlpi_phnum; n++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[n];
		uintptr_t start = page_down(info->dlpi_addr + ph->p_vaddr);

		if (ph->p_type == PT_LOAD && !(ph->p_flags & PF_W))
			madvise((void *)start, info->dlpi_addr + ph->p_vaddr + ph->p_memsz - start,
				MADV_DONTNEED);
	}
	return 0;
}

/* True: there is more to do. */
static bool give_back(struct idle *i)
{
	if (gmem_idle(i->vm->gm))
		return true;
	malloc_trim(0);
	/* Most of vmbox and its libraries that is mapped was for the start. The rest comes back
	 * from the page cache when it is used. */
	if (!i->done && !i->traced)
		dl_iterate_phdr(drop_text, NULL);
	i->trimmed = i->seen;
	i->done = true;
	return false;
}

static void on_timer(struct timer *t)
{
	struct idle *i = container_of(t, struct idle, timer);
	int64_t next = LOOK_IDLE_NS;
	uint64_t entries;
	bool inside;

	entries = count_entries(i->vm, &inside);
	if (inside || entries != i->seen) {
		i->seen = entries;
		next = LOOK_BUSY_NS;
	} else if (!i->done || entries - i->trimmed >= ENOUGH_WORK) {
		if (give_back(i))
			next = LOOK_AGAIN_NS;
	}
	timer_arm(t, core_now() + next);
}

int idle_start(struct idle *i, struct vm *vm, struct timers *timers)
{
	*i = (struct idle){.vm = vm, .traced = is_traced()};
	timer_init(&i->timer, timers, on_timer);
	return timer_arm(&i->timer, core_now() + LOOK_BUSY_NS);
}

void idle_stop(struct idle *i)
{
	if (i->vm)
		timer_cancel(&i->timer);
}
