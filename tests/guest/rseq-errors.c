// variants: static musl
// cflags: -pthread
// env: GLIBC_TUNABLES=glibc.pthread.rseq=0
// kernel: 6.3 (areas larger than 32 bytes)
// rseq(2): what it refuses, and who is registered after fork, clone and execve.
#include "rseq.h"
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>

static struct area area;

static void refused(void)
{
	unsigned char *page = map_pages(4096, PROT_READ | PROT_WRITE);
	struct area *there = (struct area *)(page + 64);

	CHECK_ERR(rseq(&area, 32, UNREGISTER, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, 32, 2, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, 32, 3, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, 32, -1, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, 0, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, 20, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, 28, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, 31, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq((char *)&area + 8, 32, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq((char *)&area + 16, 64, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(NULL, 32, 0, RSEQ_SIG), EFAULT);
	CHECK_ERR(rseq((void *)-32L, 32, 0, RSEQ_SIG), EFAULT);
	CHECK_ERR(rseq((void *)(1UL << 63), 32, 0, RSEQ_SIG), EFAULT);
	CHECK_ERR(rseq(&area, UINT32_MAX, UNREGISTER, RSEQ_SIG), EINVAL);
	/* A section that cannot be cleared. */
	there->cs = 1;
	CHECK_EQ(mprotect(page, 4096, PROT_READ), 0);
	CHECK_ERR(rseq(there, 32, 0, RSEQ_SIG), EFAULT);
	CHECK_EQ(mprotect(page, 4096, PROT_NONE), 0);
	CHECK_ERR(rseq(there, 32, 0, RSEQ_SIG), EFAULT);
	CHECK_EQ(munmap(page, 4096), 0);
	CHECK_ERR(rseq(there, 32, 0, RSEQ_SIG), EFAULT);
	say("refused\n");
}

static void registered(unsigned len)
{
	struct area other;

	memset(&area, 0x55, sizeof(area));
	area.flags = 0;
	CHECK_EQ(rseq(&area, len, 0, RSEQ_SIG), 0);
	CHECK_EQ(area.cs, 0);
	CHECK_EQ(FIELD(&area, node_id), 0);
	check_cpu(&area);
	CHECK_ERR(rseq(&area, len, 0, RSEQ_SIG), EBUSY);
	CHECK_ERR(rseq(&area, len, 0, 1), EPERM);
	CHECK_ERR(rseq(&area, len + 32, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&other, len, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(NULL, len, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, len, 2, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, len, UNREGISTER | 2, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&other, len, UNREGISTER, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, len + 32, UNREGISTER, RSEQ_SIG), EINVAL);
	CHECK_ERR(rseq(&area, len, UNREGISTER, RSEQ_SIG + 1), EPERM);
	CHECK_EQ(rseq(&area, len, UNREGISTER, RSEQ_SIG), 0);
	CHECK_EQ(FIELD(&area, cpu_id_start), 0);
	CHECK_EQ(FIELD(&area, cpu_id), UINT32_MAX);
	CHECK_EQ(FIELD(&area, mm_cid), 0);
	CHECK_ERR(rseq(&area, len, UNREGISTER, RSEQ_SIG), EINVAL);
	say("registered with %u\n", len);
}

/* What cannot be written is found on the way back. */
static void read_only(void *arg)
{
	unsigned char *page = map_pages(4096, PROT_READ);

	(void)arg;
	rseq(page, 32, 0, RSEQ_SIG);
	say("not reached\n");
}

static void inherits(void *arg)
{
	(void)arg;
	check_cpu(&area);
	CHECK_ERR(rseq(&area, 32, 0, RSEQ_SIG), EBUSY);
	CHECK_EQ(rseq(&area, 32, UNREGISTER, RSEQ_SIG), 0);
}

static int sharer(void *arg)
{
	(void)arg;
	return syscall(SYS_rseq, &area, 32, UNREGISTER, RSEQ_SIG) == -1 && errno == EINVAL ? 7 : 1;
}

static void *thread(void *arg)
{
	static _Thread_local struct area own;

	(void)arg;
	CHECK_ERR(rseq(&area, 32, UNREGISTER, RSEQ_SIG), EINVAL);
	CHECK_EQ(rseq(&own, 32, 0, RSEQ_SIG), 0);
	check_cpu(&own);
	return NULL;
}

int main(int argc, char **argv)
{
	static unsigned char stack[65536] __attribute__((aligned(16)));
	pthread_t t;
	pid_t pid;

	if (argc > 1) {
		/* Nobody is registered after execve. */
		CHECK_EQ(rseq(&area, 32, 0, RSEQ_SIG), 0);
		check_cpu(&area);
		say("ok\n");
		return 0;
	}
	say("size %lu, alignment %lu\n", getauxval(27), getauxval(28));
	refused();
	registered(32);
	registered(64);
	registered(4096);
	say("read-only: %s\n", status_text(run_child(read_only, NULL)));

	CHECK_EQ(rseq(&area, 32, 0, RSEQ_SIG), 0);
	reap_ok(spawn(inherits, NULL));
	pid = clone(sharer, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	CHECK(pid > 0);
	say("CLONE_VM: %s\n", status_text(reap(pid)));
	CHECK_EQ(pthread_create(&t, NULL, thread, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	check_cpu(&area);
	execl("/proc/self/exe", argv[0], "again", NULL);
	return 1;
}
