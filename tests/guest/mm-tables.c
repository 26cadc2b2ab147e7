// Page tables are recycled: mappings far apart (each needs its own tables on every level) are
// made and dropped, in one process and in many; none may see another's memory through a stale
// table, and a dropped region is really gone.
#include "check.h"

#define PAGE  4096ul
#define PARTS 24

/* Regions 512 GiB, 1 GiB and 2 MiB apart: new tables on the top, the second and the third
 * level below it. */
static const unsigned long strides[] = {1ul << 39, 1ul << 30, 1ul << 21};

static unsigned char *at(int part, int stride)
{
	return (unsigned char *)(0x100000000000ul + strides[stride] * (unsigned long)part);
}

static void touch(void *p)
{
	*(volatile unsigned char *)p = 1;
}

static void make(int part, int stride, unsigned char value)
{
	unsigned char *p = mmap(at(part, stride), PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(p == at(part, stride));
	for (unsigned i = 0; i < PAGE; i += 256) {
		CHECK_EQ(p[i], 0);
		p[i] = value;
	}
}

static void worker(void *arg)
{
	unsigned char id = (unsigned char)*(int *)arg;

	for (int stride = 0; stride < 3; stride++) {
		for (int part = id % 3; part < PARTS; part += 1 + id % 2)
			make(part, stride, id);
		for (int part = id % 3; part < PARTS; part += 1 + id % 2)
			for (unsigned i = 0; i < PAGE; i += 256)
				CHECK_EQ(at(part, stride)[i], id);
		for (int part = id % 3; part < PARTS; part += 1 + id % 2)
			CHECK_EQ(munmap(at(part, stride), PAGE), 0);
	}
}

int main(void)
{
	int id = 200;

	for (int round = 0; round < 3; round++)
		worker(&id);
	/* one after the other, then at once */
	for (id = 1; id <= 12; id++)
		reap_ok(spawn(worker, &id));
	for (int round = 0; round < 2; round++) {
		pid_t pid[8];

		for (id = 0; id < 8; id++)
			pid[id] = spawn(worker, &id);
		for (id = 0; id < 8; id++)
			reap_ok(pid[id]);
	}
	/* gone is gone, also where a neighbour in the same table stays */
	for (int stride = 0; stride < 3; stride++) {
		make(3, stride, 3);
		make(4, stride, 4);
		CHECK_EQ(munmap(at(3, stride), PAGE), 0);
		say("level %d: %s", stride, status_text(run_child(touch, at(3, stride))));
		say(", neighbour %s\n", status_text(run_child(touch, at(4, stride))));
		CHECK_EQ(at(4, stride)[0], 4);
		/* A process made now gets recycled tables and must not see the region. */
		pid_t pid = fork_ok();

		if (pid == 0) {
			CHECK_EQ(munmap(at(4, stride), PAGE), 0);
			make(4, stride, 99);
			_exit(0);
		}
		reap_ok(pid);
		CHECK_EQ(at(4, stride)[0], 4);
		CHECK_EQ(munmap(at(4, stride), PAGE), 0);
	}
	return 0;
}
