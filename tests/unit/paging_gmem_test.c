/* Frames, slots, table frames and the fault-recovering access. */
#include "paging_fake.h"

#include <sys/stat.h>

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#define LIMIT (16UL << 20)

static void test_create_refuses(void **state)
{
	struct fake_machine m = {0};

	errno = 0;
	assert_null(gmem_create((4UL << 20) - 1, &fake_ops, &m));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(gmem_create(UINT64_MAX, &fake_ops, &m));
	assert_int_equal(errno, EINVAL);
	gmem_destroy(NULL);
}

static void test_frames(void **state)
{
	struct fake_machine m;
	struct gmem_stats st;
	pfn_t a, b;

	fake_init(&m, LIMIT + 123, true);
	gmem_get_stats(m.gm, &st);
	assert_int_equal(st.frames_total, LIMIT / PAGE_SIZE);
	assert_int_equal(m.slots, 0);
	a = frame_alloc(m.gm, true);
	assert_int_not_equal(a, 0);
	assert_int_equal(m.slots, 1);
	assert_int_equal(frame_refs(m.gm, a), 1);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(((uint8_t *)frame_hva(m.gm, a))[i], 0);
	/* Two windows on one page. */
	memset(frame_hva(m.gm, a), 0x5a, PAGE_SIZE);
	assert_int_equal(*(uint8_t *)frame_kvm_hva(m.gm, a), 0x5a);
	frame_get(m.gm, a);
	assert_int_equal(frame_refs(m.gm, a), 2);
	frame_put(m.gm, a);
	assert_int_equal(fake_used(&m), 1);
	frame_put(m.gm, a);
	assert_int_equal(fake_used(&m), 0);
	/* The same frame comes back, and clean. */
	b = frame_alloc(m.gm, true);
	assert_int_equal(b, a);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(((uint8_t *)frame_hva(m.gm, b))[i], 0);
	assert_int_equal(pfn_gpa(b).v, (uint64_t)b << PAGE_SHIFT);
	frame_put(m.gm, b);
	fake_exit(&m);
}

/* Frames that lie together: stale ones first, zeroes of never used memory if few are stale. */
static void test_runs(void **state)
{
	const unsigned few = 40, many = 2 * (GMEM_KEEP + few);
	pfn_t v[2 * (GMEM_KEEP + 40)], run, fresh;
	struct fake_machine m;
	bool stale;

	fake_init(&m, LIMIT, true);
	for (unsigned i = 0; i < many; i++)
		v[i] = frame_alloc(m.gm, true);
	/* Every other one: no two lie together. */
	for (unsigned i = 0; i < few; i += 2)
		frame_put(m.gm, v[i]);
	fresh = m.gm->fresh;
	run = frame_take_run(m.gm, 4, &stale);
	assert_int_equal(run, fresh);
	assert_false(stale);
	assert_int_equal(m.gm->dirty.n, few / 2);
	assert_int_equal(fake_used(&m), many - few / 2 + 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(frame_refs(m.gm, run + i), 1);
		assert_int_equal(*(uint8_t *)frame_hva(m.gm, run + i), 0);
	}
	/* Once there, they are found again, in whatever order they came back. */
	for (unsigned i = 0; i < 4; i++)
		frame_put(m.gm, run + (i * 3 + 2) % 4);
	assert_int_equal(frame_take_run(m.gm, 4, &stale), run);
	assert_true(stale);
	/* Among others that were freed since; those stay free. */
	for (unsigned i = 0; i < 4; i++)
		frame_put(m.gm, run + i);
	frame_put(m.gm, v[few]);
	frame_put(m.gm, v[few + 2]);
	assert_int_equal(frame_take_run(m.gm, 3, &stale) - run, 0);
	assert_true(stale);
	assert_int_equal(m.gm->dirty.n, few / 2 + 3);
	assert_int_equal(fake_used(&m), many - few / 2 - 2 + 3);
	for (unsigned i = 0; i < 3; i++)
		frame_put(m.gm, run + i);
	/* Much is stale, but none together: no new memory for that. */
	for (unsigned i = few + 4; i < many; i += 2)
		frame_put(m.gm, v[i]);
	assert_true(m.gm->dirty.n > GMEM_KEEP);
	fresh = m.gm->fresh;
	assert_int_equal(frame_take_run(m.gm, FRAME_RUN_MAX, &stale), 0);
	assert_int_equal(m.gm->fresh, fresh);
	for (unsigned i = 1; i < many; i += 2)
		frame_put(m.gm, v[i]);
	fake_exit(&m);
}

static int fill_nothing(void *owner, uint64_t pgoff, unsigned n, void *const pages[], bool may_wait)
{
	return 0;
}

static void test_exhaustion(void **state)
{
	unsigned total = (4UL << 20) / PAGE_SIZE, n = 0;
	static const struct memobj_ops refill = {.fill = fill_nothing};
	struct fake_machine m;
	struct memobj *file, *other;
	pfn_t *v = calloc(total, sizeof(*v)), pfn, kept;

	fake_init(&m, 4UL << 20, true);
	/* Caches: of the first file one page is in use, of the second none. */
	file = memobj_create(m.gm, &refill, NULL);
	other = memobj_create(m.gm, &refill, NULL);
	assert_int_equal(memobj_set_size(file, 2 * PAGE_SIZE), 0);
	assert_int_equal(memobj_set_size(other, PAGE_SIZE), 0);
	assert_int_equal(memobj_get_page(file, 0, &kept), 0);
	assert_int_equal(memobj_get_page(other, 0, &pfn), 0);
	frame_put(m.gm, pfn);
	/* All memory, with what the caches can give back: frame 0 is nobody's. */
	while ((pfn = frame_alloc(m.gm, false))) {
		assert_true(n < total);
		v[n++] = pfn;
	}
	assert_int_equal(n, total - 2);
	assert_int_equal(memobj_resident(file), 1);
	assert_int_equal(memobj_resident(other), 0);
	assert_int_equal(frame_alloc(m.gm, true), 0);
	frame_put(m.gm, kept);
	memobj_put(file);
	memobj_put(other);
	while (n > 0)
		frame_put(m.gm, v[--n]);
	free(v);
	fake_exit(&m);
}

static void test_slots(void **state)
{
	struct fake_machine m;
	struct frame_list list = {0};
	pfn_t pfn;

	fake_init(&m, 130UL << 20, true);
	for (unsigned i = 0; i < (64UL << 20) / PAGE_SIZE; i++)
		frame_list_push(m.gm, &list, frame_alloc(m.gm, false));
	assert_int_equal(m.slots, 2);
	m.slot_error = -ENOSPC;
	for (unsigned i = 0; i < (64UL << 20) / PAGE_SIZE - 1; i++) {
		pfn = frame_alloc(m.gm, false);
		assert_int_not_equal(pfn, 0);
		frame_list_push(m.gm, &list, pfn);
	}
	/* The third slot cannot be had: no memory, not a crash. */
	assert_int_equal(frame_alloc(m.gm, false), 0);
	m.slot_error = 0;
	pfn = frame_alloc(m.gm, false);
	assert_int_not_equal(pfn, 0);
	assert_int_equal(m.slots, 3);
	assert_int_equal(m.slot_end[0], 130UL << 20);
	frame_put(m.gm, pfn);
	while ((pfn = frame_list_pop(m.gm, &list)))
		frame_put(m.gm, pfn);
	fake_exit(&m);
}

/* More than 3 GiB: the addresses of the hole hold no frame. */
static void test_hole(void **state)
{
	struct fake_machine m;
	struct gmem_stats st;
	pfn_t pfn;

	fake_init(&m, 5UL << 30, true);
	gmem_get_stats(m.gm, &st);
	assert_int_equal(st.frames_total, (5UL << 30) / PAGE_SIZE);
	m.gm->fresh = (pfn_t)(GMEM_HOLE_START >> PAGE_SHIFT) - 1;
	m.gm->slot_end = (pfn_t)(GMEM_HOLE_START >> PAGE_SHIFT);
	m.slot_end[0] = GMEM_HOLE_START;
	pfn = frame_alloc(m.gm, false);
	assert_int_equal(pfn, (GMEM_HOLE_START >> PAGE_SHIFT) - 1);
	pfn_t next = frame_alloc(m.gm, false);
	assert_int_equal(next, GMEM_HOLE_END >> PAGE_SHIFT);
	assert_int_equal(m.slot_end[0], GMEM_HOLE_END + GMEM_SLOT_SIZE);
	frame_put(m.gm, pfn);
	frame_put(m.gm, next);
	fake_exit(&m);
}

/* Enough free memory goes back to the host; what comes out again is zero. */
static void test_trim(void **state)
{
	unsigned n = GMEM_TRIM_PAGES + 100;
	struct fake_machine m;
	pfn_t *v = calloc(n, sizeof(*v));

	fake_init(&m, 128UL << 20, true);
	for (unsigned i = 0; i < n; i++) {
		v[i] = frame_alloc(m.gm, false);
		*(uint8_t *)frame_hva(m.gm, v[i]) = 1;
	}
	for (unsigned i = 0; i < n; i++)
		frame_put(m.gm, v[i]);
	gmem_maintain(m.gm);
	assert_int_equal(m.gm->dirty.n, n / 2);
	assert_int_equal(m.gm->clean.n, n - n / 2);
	for (unsigned i = 0; i < n; i++) {
		v[i] = frame_alloc(m.gm, true);
		assert_int_not_equal(v[i], 0);
		assert_int_equal(*(uint8_t *)frame_hva(m.gm, v[i]), 0);
	}
	assert_int_equal(m.gm->fresh, n + 1);
	for (unsigned i = 0; i < n; i++)
		frame_put(m.gm, v[i]);
	free(v);
	fake_exit(&m);
}

/* A guest that sleeps: what is free goes back, what is used stays as it is. */
static void test_idle(void **state)
{
	const unsigned n = 3000, left = 256;
	struct frame_list tables = {0};
	struct fake_machine m;
	pfn_t *v = calloc(n, sizeof(*v));
	struct gmem_stats st;
	struct stat before, after;
	pfn_t kept;

	fake_init(&m, 128UL << 20, true);
	kept = frame_alloc(m.gm, false);
	*(uint8_t *)frame_hva(m.gm, kept) = 42;
	for (unsigned i = 0; i < 20; i++)
		frame_list_push(m.gm, &tables, table_alloc(m.gm));
	for (unsigned i = 0; i < n; i++) {
		v[i] = frame_alloc(m.gm, false);
		*(uint8_t *)frame_hva(m.gm, v[i]) = 1;
	}
	assert_int_equal(fstat(m.gm->fd, &before), 0);
	table_free_list(m.gm, &tables);
	for (unsigned i = 0; i < n; i++)
		frame_put(m.gm, v[i]);
	while (gmem_idle(m.gm))
		;
	gmem_get_stats(m.gm, &st);
	assert_int_equal(m.recycles, 1);
	assert_int_equal(st.frames_quarantined, 0);
	assert_int_equal(m.gm->dirty.n, left);
	assert_int_equal(m.gm->clean.n, n + 20 - left);
	assert_int_equal(fstat(m.gm->fd, &after), 0);
	assert_true(after.st_blocks <= before.st_blocks - (n + 20 - left) * 8);
	assert_int_equal(*(uint8_t *)frame_hva(m.gm, kept), 42);
	/* Nothing to do: nothing is done. */
	assert_false(gmem_idle(m.gm));
	assert_int_equal(m.gm->dirty.n, left);
	assert_int_equal(m.recycles, 1);
	for (unsigned i = 0; i < n; i++) {
		v[i] = frame_alloc(m.gm, true);
		assert_int_not_equal(v[i], 0);
		assert_int_equal(*(uint8_t *)frame_hva(m.gm, v[i]), 0);
	}
	for (unsigned i = 0; i < n; i++)
		frame_put(m.gm, v[i]);
	frame_put(m.gm, kept);
	free(v);
	fake_exit(&m);
}

static void quarantine_tables(struct gmem *gm, uint64_t n)
{
	struct frame_list list = {0};

	while (n--)
		frame_list_push(gm, &list, table_alloc(gm));
	table_free_list(gm, &list);
}

/* With a keeper the work is its, unless it falls behind. */
static void test_keeper(void **state)
{
	struct fake_machine m;
	struct gmem_stats st;
	uint64_t n;

	fake_init(&m, 16UL << 20, true);
	n = m.gm->quarantine_max + 1;
	assert_int_equal(gmem_keeper_start(m.gm), 0);
	quarantine_tables(m.gm, n);
	gmem_maintain(m.gm);
	do {
		sched_yield();
		gmem_get_stats(m.gm, &st);
	} while (!st.recycles);
	assert_int_equal(st.frames_quarantined, 0);
	quarantine_tables(m.gm, 2 * n);
	gmem_maintain(m.gm);
	gmem_get_stats(m.gm, &st);
	assert_int_equal(st.recycles, 2);
	assert_int_equal(st.frames_quarantined, 0);
	gmem_keeper_stop(m.gm);
	gmem_keeper_stop(m.gm);
	assert_int_equal(m.recycles, 2);
	quarantine_tables(m.gm, n);
	gmem_maintain(m.gm);
	assert_int_equal(m.recycles, 3);
	fake_exit(&m);
}

static void test_quarantine(void **state)
{
	struct fake_machine m;
	struct frame_list list = {0};
	struct gmem_stats st;
	pfn_t t, other;

	fake_init(&m, 4UL << 20, true);
	t = table_alloc(m.gm);
	frame_list_push(m.gm, &list, t);
	table_free_list(m.gm, &list);
	gmem_get_stats(m.gm, &st);
	assert_int_equal(st.frames_used, 0);
	assert_int_equal(st.frames_quarantined, 1);
	/* It does not come back while anything else is free ... */
	list = (struct frame_list){0};
	for (uint64_t i = 0; i < st.frames_total - 2; i++) {
		other = frame_alloc_raw(m.gm, false);
		assert_int_not_equal(other, 0);
		assert_int_not_equal(other, t);
		frame_list_push(m.gm, &list, other);
	}
	/* ... nor when nothing is, if KVM cannot be made to forget it. */
	assert_int_equal(frame_alloc_raw(m.gm, false), 0);
	m.recycle_error = -EIO;
	assert_int_equal(frame_alloc(m.gm, false), 0);
	m.recycle_error = 0;
	assert_int_equal(frame_alloc(m.gm, false), t);
	assert_int_equal(m.recycles, 1);
	frame_put(m.gm, t);
	frame_free_list(m.gm, &list);

	/* Too many of them are recycled together. */
	for (uint64_t i = 0; i <= m.gm->quarantine_max; i++)
		frame_list_push(m.gm, &list, table_alloc(m.gm));
	table_free_list(m.gm, &list);
	gmem_maintain(m.gm);
	gmem_get_stats(m.gm, &st);
	assert_int_equal(m.recycles, 2);
	assert_int_equal(st.recycles, 2);
	assert_int_equal(st.frames_quarantined, 0);

	/* With hardware semantics there is no quarantine. */
	m.shadow = false;
	list = (struct frame_list){0};
	t = table_alloc(m.gm);
	frame_list_push(m.gm, &list, t);
	table_free_list(m.gm, &list);
	assert_int_equal(frame_alloc(m.gm, false), t);
	frame_put(m.gm, t);
	fake_exit(&m);
}

/* Three pages, the middle one without access. */
static uint8_t *holey(void)
{
	uint8_t *p =
		mmap(NULL, PAGES(3), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	return p;
}

static void test_access_segv(void **state)
{
	uint8_t *p = holey(), buf[64];
	uint32_t out = 7;

	assert_int_equal(gmem_access_init(), 0);
	for (size_t before = 0; before < 40; before++) {
		memset(p + PAGE_SIZE - 40, 0x11, 40);
		memset(buf, 0, sizeof(buf));
		assert_int_equal(gmem_copy(buf, p + PAGE_SIZE - before, 50), before);
		for (size_t i = 0; i < sizeof(buf); i++)
			assert_int_equal(buf[i], i < before ? 0x11 : 0);
		memset(buf, 0x22, sizeof(buf));
		assert_int_equal(gmem_copy(p + PAGE_SIZE - before, buf, 50), before);
		assert_true(!before || p[PAGE_SIZE - 1] == 0x22);
		assert_int_equal(gmem_zero(p + PAGE_SIZE - before, 50), -EFAULT);
		assert_true(!before || p[PAGE_SIZE - 1] == 0);
	}
	assert_int_equal(gmem_copy(buf, p, 50), 50);
	assert_int_equal(gmem_copy(buf, p + PAGE_SIZE, 0), 0);
	assert_int_equal(gmem_zero(p, PAGE_SIZE), 0);
	assert_int_equal(gmem_load32(p + PAGE_SIZE, &out), -EFAULT);
	assert_int_equal(gmem_store32(p + PAGE_SIZE, 1), -EFAULT);
	assert_int_equal(gmem_cmpxchg32(p + PAGE_SIZE, 0, 1, &out), -EFAULT);
	assert_int_equal(gmem_xchg32(p + PAGE_SIZE, 1, &out), -EFAULT);
	assert_int_equal(out, 7);
	assert_int_equal(gmem_load32((void *)8, &out), -EFAULT);
	munmap(p, PAGES(3));
}

static void test_access_words(void **state)
{
	uint32_t w = 5, out = 0;

	assert_int_equal(gmem_load32(&w, &out), 0);
	assert_int_equal(out, 5);
	assert_int_equal(gmem_store32(&w, 6), 0);
	assert_int_equal(w, 6);
	assert_int_equal(gmem_cmpxchg32(&w, 5, 9, &out), 0);
	assert_int_equal(out, 6);
	assert_int_equal(w, 6);
	assert_int_equal(gmem_cmpxchg32(&w, 6, 9, &out), 0);
	assert_int_equal(out, 6);
	assert_int_equal(w, 9);
	assert_int_equal(gmem_xchg32(&w, 1, &out), 0);
	assert_int_equal(out, 9);
	assert_int_equal(w, 1);
}

/* A file that shrinks under its mapping: SIGBUS. */
static void test_access_bus(void **state)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	uint8_t buf[100], *p;
	uint32_t out;

	assert_int_equal(gmem_access_init(), 0);
	assert_int_equal(ftruncate(fd, PAGES(2)), 0);
	p = mmap(NULL, PAGES(2), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 3, PAGES(2));
	assert_int_equal(ftruncate(fd, PAGES(1)), 0);
	assert_int_equal(gmem_copy(buf, p + PAGE_SIZE - 10, 100), 10);
	assert_int_equal(gmem_copy(p + PAGE_SIZE - 10, buf, 100), 10);
	assert_int_equal(gmem_zero(p + PAGE_SIZE, 1), -EFAULT);
	assert_int_equal(gmem_load32(p + PAGE_SIZE, &out), -EFAULT);
	munmap(p, PAGES(2));
	close(fd);
}

static void *access_thread(void *arg)
{
	uint8_t *p = arg, buf[64];

	for (int i = 0; i < 2000; i++) {
		if (gmem_copy(buf, p + PAGE_SIZE - 16, 32) != 16)
			return (void *)1;
	}
	return NULL;
}

static void test_access_threads(void **state)
{
	uint8_t *p = holey();
	pthread_t t[4];

	assert_int_equal(gmem_access_init(), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, access_thread, p), 0);
	for (int i = 0; i < 4; i++) {
		void *r;

		pthread_join(t[i], &r);
		assert_null(r);
	}
	munmap(p, PAGES(3));
}

/* A fault elsewhere is still fatal, and so is a signal that was sent. */
static void test_other_faults_kill(void **state)
{
	/* Not a test of the sanitizers' handlers. */
	void *wild = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int how = 0; how < 2; how++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (!pid) {
			signal(SIGSEGV, SIG_DFL); /* cmocka's */
			signal(SIGBUS, SIG_DFL);
			gmem_access_init();
			if (how)
				raise(SIGBUS);
			else
				*(_Atomic int *)wild = 1;
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), how ? SIGBUS : SIGSEGV);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_refuses),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_hole),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_keeper),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_access_segv),
		cmocka_unit_test(test_access_words),
		cmocka_unit_test(test_access_bus),
		cmocka_unit_test(test_access_threads),
		cmocka_unit_test(test_other_faults_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
