// cflags: -pthread
// env: GLIBC_TUNABLES=glibc.pthread.rseq=0
// Counters that belong to a CPU, and to a concurrency id, increased without an atomic instruction
// by more threads than there are CPUs: nothing is lost.
#include "rseq.h"
#include <pthread.h>
#include <sys/auxv.h>

#define THREADS 5
#define ROUNDS  40000
#define SPINS   300
#define IDS     4096

static struct counter {
	long n, pad[7];
} counter[IDS];

static void add(struct area *a, uint32_t *id)
{
	uint32_t i;

	do {
		i = *(volatile uint32_t *)id;
		CHECK(i < IDS);
	} while (!rseq_add(&a->cs, id, i, &counter[i].n, SPINS));
}

static void *thread(void *by_cid)
{
	static _Thread_local struct area own;

	CHECK_EQ(rseq(&own, 32, 0, RSEQ_SIG), 0);
	for (int i = 0; i < ROUNDS; i++)
		add(&own, by_cid ? &own.mm_cid : &own.cpu_id);
	return NULL;
}

static void count(void *by_cid)
{
	pthread_t t[THREADS];
	long sum = 0;

	memset(counter, 0, sizeof(counter));
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread, by_cid), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	for (int i = 0; i < IDS; i++)
		sum += counter[i].n;
	CHECK_EQ(sum, THREADS * ROUNDS);
}

int main(void)
{
	count(NULL);
	/* Since Linux 6.3. */
	if (getauxval(27) >= 28)
		count((void *)1);
	say("ok\n");
	return 0;
}
