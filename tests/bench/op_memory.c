/* Mappings and page faults. */
#define _GNU_SOURCE
#include "op.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096UL
#define HUGE_SIZE  (2UL << 20)

static volatile char *map(size_t size)
{
	volatile char *p =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static void unmap(volatile char *p, size_t size)
{
	munmap((void *)(uintptr_t)p, size);
}

/* Small pages on both sides: one fault a page is what is measured. */
static void no_huge(volatile char *p, size_t size)
{
	madvise((void *)(uintptr_t)p, size, MADV_NOHUGEPAGE);
}

/* 16 KiB, all of its pages touched. */
static long long mmap_touch(long count, const char *arg)
{
	long long start = now();

	(void)arg;
	for (long i = 0; i < count; i++) {
		volatile char *p = map(4 * PAGE_BYTES);

		for (size_t page = 0; page < 4; page++)
			p[page * PAGE_BYTES] = 1;
		unmap(p, 4 * PAGE_BYTES);
	}
	return now() - start;
}

/* Fresh mappings of 64 pages, touched in order; the touches alone are timed, per page. */
static long long fault_64(long count, const char *arg)
{
	long long time = 0;

	(void)arg;
	for (long done = 0; done < count; done += 64) {
		volatile char *p = map(64 * PAGE_BYTES);
		long long start;

		no_huge(p, 64 * PAGE_BYTES);
		start = now();
		for (size_t page = 0; page < 64; page++)
			p[page * PAGE_BYTES] = 1;
		time += now() - start;
		unmap(p, 64 * PAGE_BYTES);
	}
	return time;
}

/* One mapping, touched from its start to its end. */
static long long fault_order(long count, const char *arg)
{
	volatile char *p = map((size_t)count * PAGE_BYTES);
	long long start;

	(void)arg;
	no_huge(p, (size_t)count * PAGE_BYTES);
	start = now();
	for (long i = 0; i < count; i++)
		p[(size_t)i * PAGE_BYTES] = 1;
	return now() - start;
}

/* Pages far from each other, in no order: nothing can be guessed. */
static long long fault_random(long count, const char *arg)
{
	const size_t pages = (size_t)count * 16;
	volatile char *p = map(pages * PAGE_BYTES);
	long long start;
	size_t at = 0;

	(void)arg;
	no_huge(p, pages * PAGE_BYTES);
	start = now();
	for (long i = 0; i < count; i++) {
		at = (at + 1 + pages * 5 / 13) % pages;
		p[at * PAGE_BYTES] = 1;
	}
	return now() - start;
}

/* 2 MiB, touched once: one huge page where there are such. */
static long long fault_huge(long count, const char *arg)
{
	size_t size = (size_t)(count + 1) * HUGE_SIZE;
	volatile char *p = map(size), *at;
	long long start;

	(void)arg;
	madvise((void *)(uintptr_t)p, size, MADV_HUGEPAGE);
	at = p + (HUGE_SIZE - (uintptr_t)p % HUGE_SIZE) % HUGE_SIZE;
	start = now();
	for (long i = 0; i < count; i++)
		for (size_t page = 0; page < HUGE_SIZE / PAGE_BYTES; page++)
			at[(size_t)i * HUGE_SIZE + page * PAGE_BYTES] = 1;
	return now() - start;
}

const struct op ops_memory[] = {
	{"mmap-touch", mmap_touch},     {"fault-64", fault_64},     {"fault-order", fault_order},
	{"fault-random", fault_random}, {"fault-huge", fault_huge}, {0},
};
