// variants: static musl
// Copy-on-write: what either side writes after a fork the other never sees, for every kind of
// memory, over three generations; and the kernel's own writes (read into a page) break sharing
// too.
#include "check.h"

#define PAGES 64
#define PAGE  4096u

static int data[PAGE] = {1};
static int bss[PAGE];

static void fill(unsigned char *map, int value)
{
	for (unsigned i = 0; i < PAGES; i++)
		memset(map + i * PAGE, value, PAGE);
}

static void expect(const unsigned char *map, int value)
{
	for (unsigned i = 0; i < PAGES * PAGE; i += 509)
		CHECK_EQ(map[i], value);
}

static void generation(unsigned char *map, int depth)
{
	int stack = depth, go[2];
	pid_t pid;

	fill(map, depth);
	data[0] = bss[0] = depth;
	if (depth == 3)
		return;
	make_pipe(go);
	pid = fork_ok();
	if (pid == 0) {
		/* The parent overwrites its copy first: ours must keep the old value. */
		wait_byte(go[0]);
		expect(map, depth);
		CHECK_EQ(data[0], depth);
		CHECK_EQ(bss[0], depth);
		CHECK_EQ(stack, depth);
		stack = -1;
		generation(map, depth + 1);
		_exit(0);
	}
	fill(map, 0x80 + depth);
	data[0] = bss[0] = 0x80 + depth;
	send_byte(go[1]);
	reap_ok(pid);
	expect(map, 0x80 + depth);
	CHECK_EQ(data[0], 0x80 + depth);
	CHECK_EQ(bss[0], 0x80 + depth);
	CHECK_EQ(stack, depth);
}

static void kernel_writes(unsigned char *map)
{
	int fd[2];
	pid_t pid;

	fill(map, 0x11);
	make_pipe(fd);
	CHECK_EQ(write(fd[1], "abcdefgh", 8), 8);
	pid = fork_ok();
	if (pid == 0) {
		/* over a page border */
		CHECK_EQ(read(fd[0], map + PAGE - 4, 8), 8);
		CHECK(memcmp(map + PAGE - 4, "abcdefgh", 8) == 0);
		_exit(0);
	}
	reap_ok(pid);
	expect(map, 0x11);
	CHECK_EQ(map[PAGE - 4], 0x11);
	CHECK_EQ(map[PAGE + 3], 0x11);
}

int main(void)
{
	unsigned char *map = map_pages(PAGES * PAGE, PROT_READ | PROT_WRITE);

	generation(map, 0);
	say("generations ok\n");
	kernel_writes(map);
	say("kernel writes ok\n");
	/* Many short children of one parent, each dirtying everything. */
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork_ok();

		if (pid == 0) {
			expect(map, 0x11);
			fill(map, i);
			expect(map, i);
			_exit(i);
		}
		CHECK_EQ(reap(pid), i << 8);
		expect(map, 0x11);
	}
	say("children ok\n");
	return 0;
}
