// The vDSO's image, mapped into this process with a clock page below it: found by name as a C
// library would, it returns what the page says, and makes the system call where it cannot.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../devices/clock.h"
#include "../../devices/counter.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define SEC 1000000000LL

#if defined(__x86_64__)
#define VDSO(name)   "__vdso_" name
#define VDSO_VERSION "LINUX_2.6"
#else
#define VDSO(name)   "__kernel_" name
#define VDSO_VERSION "LINUX_2.6.39"
#endif

extern const uint8_t vdso_image_start[], vdso_image_end[];

static struct abi_clock_page *page;
static const uint8_t *base;
static const char *strings;
static const Elf64_Sym *symbols;
static const Elf64_Half *versym;
static const Elf64_Verdef *verdef;
static const uint32_t *hash, *gnu_hash;
static const char *soname;

static int (*v_gettime)(clockid_t, struct timespec *);
static int (*v_gettimeofday)(struct timeval *, struct timezone *);
static int (*v_getres)(clockid_t, struct timespec *);

static const void *at(uint64_t address)
{
	return base + address;
}

static void parse(void)
{
	const Elf64_Ehdr *eh = at(0);
	const Elf64_Phdr *ph = at(eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	uint64_t name = 0;
	int i;

	assert_memory_equal(eh->e_ident, ELFMAG, SELFMAG);
	assert_int_equal(eh->e_type, ET_DYN);
	for (i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD) {
			assert_int_equal(ph[i].p_vaddr, 0);
			assert_int_equal(ph[i].p_offset, 0);
			assert_int_equal(ph[i].p_flags, PF_R | PF_X);
		}
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = at(ph[i].p_vaddr);
	}
	assert_non_null(dyn);
	for (; dyn->d_tag != DT_NULL; dyn++) {
		switch (dyn->d_tag) {
		case DT_SONAME:
			name = dyn->d_un.d_val;
			break;
		case DT_STRTAB:
			strings = at(dyn->d_un.d_ptr);
			break;
		case DT_SYMTAB:
			symbols = at(dyn->d_un.d_ptr);
			break;
		case DT_VERSYM:
			versym = at(dyn->d_un.d_ptr);
			break;
		case DT_VERDEF:
			verdef = at(dyn->d_un.d_ptr);
			break;
		case DT_HASH:
			hash = at(dyn->d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			gnu_hash = at(dyn->d_un.d_ptr);
			break;
		}
	}
	assert_true(strings && symbols && versym && verdef && hash && gnu_hash);
	soname = strings + name;
}

static const char *version_name(unsigned index)
{
	const Elf64_Verdef *d = verdef;

	for (;; d = (const void *)((const uint8_t *)d + d->vd_next)) {
		const Elf64_Verdaux *aux = (const void *)((const uint8_t *)d + d->vd_aux);

		if (d->vd_ndx == index)
			return strings + aux->vda_name;
		if (d->vd_next == 0)
			return NULL;
	}
}

/* By DT_HASH, as the System V ABI says. */
static const Elf64_Sym *lookup_sysv(const char *name)
{
	uint32_t h = 0, g, i;
	const char *s;

	for (s = name; *s; s++) {
		h = (h << 4) + (uint8_t)*s;
		g = h & 0xf0000000;
		h = (h ^ g >> 24) & ~g;
	}
	for (i = hash[2 + h % hash[0]]; i; i = hash[2 + hash[0] + i])
		if (strcmp(strings + symbols[i].st_name, name) == 0)
			return &symbols[i];
	return NULL;
}

/* By DT_GNU_HASH. */
static const Elf64_Sym *lookup_gnu(const char *name)
{
	uint32_t nbuckets = gnu_hash[0], first = gnu_hash[1], words = gnu_hash[2];
	const uint32_t *buckets = gnu_hash + 4 + words * 2;
	const uint32_t *chain = buckets + nbuckets;
	uint32_t h = 5381, i;
	const char *s;

	for (s = name; *s; s++)
		h = h * 33 + (uint8_t)*s;
	i = buckets[h % nbuckets];
	if (i == 0)
		return NULL;
	for (;; i++) {
		if ((chain[i - first] | 1) == (h | 1) &&
		    strcmp(strings + symbols[i].st_name, name) == 0)
			return &symbols[i];
		if (chain[i - first] & 1)
			return NULL;
	}
}

static void *function(const char *name)
{
	const Elf64_Sym *s = lookup_sysv(name);

	if (!s)
		return NULL;
	assert_ptr_equal(s, lookup_gnu(name));
	assert_int_equal(ELF64_ST_TYPE(s->st_info), STT_FUNC);
	assert_string_equal(version_name(versym[s - symbols]), VDSO_VERSION);
	return (void *)(uintptr_t)at(s->st_value);
}

static int setup(void **state)
{
	size_t size = (size_t)(vdso_image_end - vdso_image_start);
	uint8_t *map;

	(void)state;
	assert_int_equal(size % PAGE_SIZE, 0);
	assert_int_equal((uintptr_t)vdso_image_start % PAGE_SIZE, 0);
	map = mmap(NULL, PAGE_SIZE + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	assert_ptr_not_equal(map, MAP_FAILED);
	page = (void *)map;
	base = map + PAGE_SIZE;
	memcpy(map + PAGE_SIZE, vdso_image_start, size);
	assert_int_equal(mprotect(map + PAGE_SIZE, size, PROT_READ | PROT_EXEC), 0);
	parse();
	*(void **)&v_gettime = function(VDSO("clock_gettime"));
	*(void **)&v_gettimeofday = function(VDSO("gettimeofday"));
	*(void **)&v_getres = function(VDSO("clock_getres"));
	assert_true(v_gettime && v_gettimeofday && v_getres);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(page, PAGE_SIZE + (size_t)(vdso_image_end - vdso_image_start));
	return 0;
}

static int64_t ns(struct timespec ts)
{
	assert_in_range(ts.tv_nsec, 0, SEC - 1);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

static int64_t host(clockid_t id)
{
	struct timespec ts;

	assert_int_equal(syscall(SYS_clock_gettime, id, &ts), 0);
	return ns(ts);
}

static int64_t vdso(clockid_t id)
{
	struct timespec ts = {-1, -1};

	assert_int_equal(v_gettime(id, &ts), 0);
	return ns(ts);
}

/*
 * A page of another century, so that its times cannot be the host's: time stands at `mono`
 * unless mult says otherwise.
 */
static void page_set(int64_t mono, uint32_t mult, uint32_t shift)
{
	memset(page, 0, PAGE_SIZE);
	page->usable = 1;
	page->counter = counter_read();
	page->mono_ns = (uint64_t)mono;
	page->mult = mult;
	page->shift = shift;
	page->realtime_offset_ns = (uint64_t)(9000000000LL * SEC);
	page->boottime_offset_ns = (uint64_t)(50 * SEC);
	atomic_store(&page->seq, 2);
}

static void names(void **state)
{
	static const char *const all[] = {
		"__vdso_futex_robust_list64_try_unlock",
		"__vdso_futex_robust_list32_try_unlock",
#if defined(__x86_64__)
		"__vdso_clock_gettime",
		"__vdso_gettimeofday",
		"__vdso_clock_getres",
		"__vdso_time",
		"__vdso_getcpu",
		"clock_gettime",
		"gettimeofday",
		"clock_getres",
		"time",
		"getcpu",
#else
		"__kernel_clock_gettime",
		"__kernel_gettimeofday",
		"__kernel_clock_getres",
		"__kernel_rt_sigreturn",
#endif
	};
	size_t i, defined = 0;

	(void)state;
	assert_string_equal(soname, "linux-vdso.so.1");
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_non_null(function(all[i]));
	/* And no others. */
	for (i = 1; i < hash[1]; i++) {
		assert_int_not_equal(symbols[i].st_shndx, SHN_UNDEF);
		defined += ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC;
	}
	assert_int_equal(defined, sizeof(all) / sizeof(all[0]));
	assert_null(function("vdso_clock_page"));
}

static void arithmetic(void **state)
{
	struct timeval tv;
	struct timezone tz = {7, 7};

	(void)state;
	page_set(1234567890123, 0, 0);
	assert_int_equal(vdso(CLOCK_MONOTONIC), 1234567890123);
	assert_int_equal(vdso(CLOCK_MONOTONIC_RAW), 1234567890123);
	assert_int_equal(vdso(CLOCK_MONOTONIC_COARSE), 1234564000000);
	assert_int_equal(vdso(CLOCK_BOOTTIME), 1234567890123 + 50 * SEC);
	assert_int_equal(vdso(CLOCK_REALTIME), 1234567890123 + 9000000000LL * SEC);
	assert_int_equal(vdso(CLOCK_REALTIME_COARSE), 1234564000000 + 9000000000LL * SEC);
	assert_int_equal(v_gettimeofday(&tv, &tz), 0);
	assert_int_equal(tv.tv_sec, 9000001234);
	assert_int_equal(tv.tv_usec, 567890);
	assert_int_equal(tz.tz_minuteswest, 0);
	assert_int_equal(tz.tz_dsttime, 0);
	assert_int_equal(v_gettimeofday(NULL, NULL), 0);
	tz.tz_dsttime = 7;
	assert_int_equal(v_gettimeofday(NULL, &tz), 0);
	assert_int_equal(tz.tz_dsttime, 0);

	/* The counter of this CPU is behind the page's. */
	page_set(1234567890123, UINT32_MAX, 0);
	page->counter += 1ULL << 60;
	assert_int_equal(vdso(CLOCK_MONOTONIC), 1234567890123);

	/* 2^62 counts since the update: the product needs 94 bits. */
	page_set(1000, 1U << 31, 31);
	page->counter -= 1ULL << 62;
	assert_in_range(vdso(CLOCK_MONOTONIC) - (1LL << 62), 1000, 100 * SEC);
}

static void resolution(void **state)
{
	struct timespec ts = {7, 7}, want;

	(void)state;
	assert_int_equal(v_getres(CLOCK_MONOTONIC, &ts), 0);
	assert_true(ts.tv_sec == 0 && ts.tv_nsec == 1);
	assert_int_equal(v_getres(CLOCK_REALTIME, NULL), 0);
	assert_int_equal(v_getres(CLOCK_MONOTONIC_COARSE, &ts), 0);
	assert_int_equal(syscall(SYS_clock_getres, CLOCK_MONOTONIC_COARSE, &want), 0);
	assert_true(ts.tv_sec == want.tv_sec && ts.tv_nsec == want.tv_nsec);
	assert_int_equal(v_getres(9999, &ts), -EINVAL);
}

/* It lies between two system calls. */
static void assert_host_time(clockid_t id)
{
	int64_t before = host(id), t = vdso(id), after = host(id);

	assert_true(before <= t && t <= after);
}

static void system_call(void **state)
{
	static const clockid_t same[] = {CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID,
					 CLOCK_THREAD_CPUTIME_ID};
	static const clockid_t unusable[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME,
					     CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME_COARSE};
	struct timespec ts;
	struct timeval tv = {0, 0};
	size_t i;

	(void)state;
	page_set(5, 0, 0);
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_host_time(same[i]);
	assert_int_equal(v_gettime(9999, &ts), -EINVAL);
	assert_int_equal(v_gettime(-1, &ts), -EINVAL);
	assert_int_equal(v_gettime(CLOCK_TAI, (void *)8), -EFAULT);

	page->usable = 0;
	for (i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++)
		assert_host_time(unusable[i]);
	assert_int_equal(v_gettimeofday(&tv, NULL), 0);
	assert_true(tv.tv_sec >= host(CLOCK_REALTIME) / SEC - 5);
	assert_int_equal(v_gettimeofday((void *)8, NULL), -EFAULT);

	/* An update that does not end: the writer is not running. */
	page_set(5, 0, 0);
	atomic_store(&page->seq, 3);
	assert_host_time(CLOCK_MONOTONIC);
}

#if defined(__x86_64__)
static void x86_functions(void **state)
{
	time_t (*v_time)(time_t *);
	long (*v_getcpu)(unsigned *, unsigned *, void *);
	unsigned cpu = ~0U, node = ~0U;
	time_t t = 0;

	(void)state;
	*(void **)&v_time = function("__vdso_time");
	*(void **)&v_getcpu = function("__vdso_getcpu");
	page_set(1234567890123, 0, 0);
	assert_int_equal(v_time(&t), 9000001234);
	assert_int_equal(t, 9000001234);
	assert_int_equal(v_time(NULL), 9000001234);
	page->usable = 0;
	assert_true(v_time(&t) >= host(CLOCK_REALTIME) / SEC - 5);
	assert_int_equal(v_getcpu(&cpu, &node, NULL), 0);
	assert_in_range(cpu, 0, 4095);
	assert_in_range(node, 0, 1023);
	assert_int_equal(v_getcpu(NULL, NULL, NULL), 0);
}
#endif

/* Writes the page for ever: while seq is odd the rest is nonsense. */
#define NONSENSE 77777777777777
static atomic_bool stop;

static void *writer(void *arg)
{
	uint32_t seq = 2;
	int64_t t = 1000;

	(void)arg;
	while (!atomic_load(&stop)) {
		atomic_store_explicit(&page->seq, ++seq, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		__atomic_store_n(&page->mono_ns, NONSENSE, __ATOMIC_RELAXED);
		__atomic_store_n(&page->realtime_offset_ns, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&page->mono_ns, (uint64_t)++t, __ATOMIC_RELAXED);
		/* Their sum is a multiple of 1000 s. */
		__atomic_store_n(&page->realtime_offset_ns, (uint64_t)(1000 * SEC - t),
				 __ATOMIC_RELAXED);
		atomic_store_explicit(&page->seq, ++seq, memory_order_release);
	}
	return NULL;
}

static void consistent(void **state)
{
	pthread_t thread;
	int64_t end = host(CLOCK_MONOTONIC) + SEC;
	int i, from_page = 0;

	(void)state;
	page_set(1000, 0, 0);
	page->realtime_offset_ns = (uint64_t)(1000 * SEC - 1000);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, writer, NULL), 0);
	for (i = 0; i < 200000 && (i % 16 || host(CLOCK_MONOTONIC) < end); i++) {
		int64_t real = vdso(CLOCK_REALTIME);

		/* The system call, where the writer was away in the middle. */
		if (real != 1000 * SEC)
			assert_true(real > 1000000000LL * SEC);
		else
			from_page++;
		assert_true(vdso(CLOCK_MONOTONIC) != NONSENSE);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_true(from_page > 0);
}

/* With the real clock behind it: as the host's, in order, through updates. */
static void live(void **state)
{
	static const clockid_t ids[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
	struct clock *c;
	struct timespec nap = {0, 50000000};
	size_t i, n;
	int64_t next = 0, last = 0;

	(void)state;
	memset(page, 0, PAGE_SIZE);
	c = clock_create(page, counter_khz(), 0, counter_trusted(), NULL);
	assert_non_null(c);
	/* Until it knows the rate; bounded, for where the counter is no good. */
	for (i = 0; i < 40 && !clock_usable(c); i++) {
		nanosleep(&nap, NULL);
		next = clock_update(c);
		assert_true(next > 0);
	}
	for (n = 0; n < 20000; n++) {
		int64_t a = clock_read_mono(c), b = vdso(CLOCK_MONOTONIC), d = clock_read_mono(c);

		assert_true(last <= a && a <= b && b <= d);
		last = d;
		if (n % 4000 == 3999) {
			nanosleep(&nap, NULL);
			clock_update(c);
		}
		for (i = 0; n % 100 == 0 && i < sizeof(ids) / sizeof(ids[0]); i++) {
			int64_t before = host(ids[i]), t = vdso(ids[i]), after = host(ids[i]);

			assert_true(t >= before - 1000000 && t <= after + 1000000);
		}
	}
	clock_destroy(c);
	assert_host_time(CLOCK_MONOTONIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(resolution),
		cmocka_unit_test(system_call),
#if defined(__x86_64__)
		cmocka_unit_test(x86_functions),
#endif
		cmocka_unit_test(consistent),
		cmocka_unit_test(live),
	};

	return cmocka_run_group_tests_name("vdso", tests, setup, teardown);
}
