// Code that is written as data: new code at once after the cache maintenance that Linux lets
// programs do themselves (DC CVAU, IC IVAU, CTR_EL0), and after mprotect; DC ZVA, the counter.
// A second thread, on another processor, runs what the first has written.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* mov w0, #n; ret */
static void emit(uint32_t *code, unsigned n)
{
	code[0] = 0x52800000 | n << 5;
	code[1] = 0xd65f03c0;
}

static unsigned call(const uint32_t *code)
{
	return ((unsigned (*)(void))(uintptr_t)code)();
}

static void sync_code(void *at)
{
	__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(at)
			 : "memory");
}

static unsigned zva_size(void)
{
	uint64_t id;

	__asm__("mrs %0, dczid_el0" : "=r"(id));
	return id & 16 ? 0 : 4u << (id & 15);
}

#define TURNS 500

struct shared {
	uint32_t *code;
	_Atomic unsigned written, done;
};

/* Runs each version once it is told of it. */
static void *other(void *arg)
{
	struct shared *s = arg;

	for (unsigned i = 1; i <= TURNS; i++) {
		while (atomic_load(&s->written) != i)
			sched_yield();
		__asm__ volatile("isb"); /* what has been fetched before may be old */
		CHECK_EQ(call(s->code), i);
		atomic_store(&s->done, i);
	}
	return NULL;
}

/* What compilers have for it, and code that another thread runs. */
static void check_threads(uint32_t *code)
{
	struct shared s = {.code = code};
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, other, &s), 0);
	for (unsigned i = 1; i <= TURNS; i++) {
		emit(code, i);
		__builtin___clear_cache((char *)code, (char *)(code + 2));
		CHECK_EQ(call(code), i);
		atomic_store(&s.written, i);
		while (atomic_load(&s.done) != i)
			sched_yield();
	}
	CHECK_EQ(pthread_join(thread, NULL), 0);
	say("one thread writes, both run\n");
}

int main(void)
{
	uint32_t *code = (void *)map_pages(4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	unsigned char *data = map_pages(8192, PROT_READ | PROT_WRITE);
	uint64_t ctr, t0, t1;
	unsigned zva = zva_size();
	pid_t pid;

	__asm__("mrs %0, ctr_el0" : "=r"(ctr));
	CHECK(ctr);
	for (unsigned i = 0; i < 2000; i++) {
		emit(code, i);
		sync_code(code);
		CHECK_EQ(call(code), i);
	}
	say("rewritten in place\n");
	for (unsigned i = 0; i < 100; i++) {
		CHECK_EQ(mprotect(code, 4096, PROT_READ | PROT_WRITE), 0);
		emit(code, i + 1);
		CHECK_EQ(mprotect(code, 4096, PROT_READ | PROT_EXEC), 0);
		sync_code(code);
		CHECK_EQ(call(code), i + 1);
	}
	say("written, then made executable\n");
	CHECK_EQ(mprotect(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	emit(code, 1);
	sync_code(code);
	pid = fork_ok();
	if (pid == 0) {
		emit(code, 2);
		sync_code(code);
		CHECK_EQ(call(code), 2);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(call(code), 1);
	say("each process its own\n");

	check_threads(code);

	memset(data, 0x55, 8192);
	if (zva) {
		__asm__ volatile("dc zva, %0" ::"r"(data + 4096) : "memory");
		CHECK_EQ(data[4096], 0);
		CHECK_EQ(data[4096 + zva - 1], 0);
		CHECK_EQ(data[4096 + zva], 0x55);
	}
	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(t0));
	__asm__ volatile("wfe; yield; isb; mrs %0, cntvct_el0" : "=r"(t1));
	CHECK(t1 >= t0);
	__asm__ volatile("wfi"); /* ends by itself */
	say("ok\n");
	return 0;
}
