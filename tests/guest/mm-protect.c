// mprotect: every protection, seen by a child that reads, writes or executes; splits and
// merges; a protection taken back holds at once, also for pages already touched; NX.
#include "check.h"

#define PAGE 4096

static unsigned char *page;

static void reads(void *p)
{
	(void)*(volatile unsigned char *)p;
}

static void writes(void *p)
{
	*(volatile unsigned char *)p = 1;
}

static void executes(void *p)
{
	void (*fn)(void);

	*(void **)&fn = p;
	fn();
}

static void put_return(unsigned char *p)
{
#if defined(__x86_64__)
	p[0] = 0xc3;
#else
	memcpy(p, "\xc0\x03\x5f\xd6", 4);
	__builtin___clear_cache((char *)p, (char *)p + 4);
#endif
}

static void show(const char *what, unsigned char *p)
{
	say("%s: read %s", what, status_text(run_child(reads, p)));
	say(", write %s", status_text(run_child(writes, p)));
	say(", execute %s\n", status_text(run_child(executes, p)));
}

int main(void)
{
	page = map_pages(8 * PAGE, PROT_READ | PROT_WRITE);
	put_return(page);
	show("rw", page);
	CHECK_EQ(mprotect(page, PAGE, PROT_READ), 0);
	show("r", page);
	CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_EXEC), 0);
	show("rx", page);
	CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	show("rwx", page);
	executes(page);
	CHECK_EQ(mprotect(page, PAGE, PROT_NONE), 0);
	show("none", page);
	CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
	show("rw again", page);

	/* the middle of an area, and back */
	memset(page, 5, 8 * PAGE);
	CHECK_EQ(mprotect(page + 2 * PAGE, 3 * PAGE, PROT_READ), 0);
	say("before %s,", status_text(run_child(writes, page + 2 * PAGE - 1)));
	say(" first %s,", status_text(run_child(writes, page + 2 * PAGE)));
	say(" last %s,", status_text(run_child(writes, page + 5 * PAGE - 1)));
	say(" after %s\n", status_text(run_child(writes, page + 5 * PAGE)));
	for (int i = 0; i < 8 * PAGE; i += 100)
		CHECK_EQ(page[i], 5);
	CHECK_EQ(mprotect(page, 8 * PAGE, PROT_READ | PROT_WRITE), 0);
	memset(page, 6, 8 * PAGE);

	/* taken back many times, each time seen at once by this very process */
	int fd[2];

	make_pipe(fd);
	for (int i = 0; i < 30; i++) {
		page[i % 8 * PAGE] = (unsigned char)i;
		CHECK_EQ(mprotect(page, 8 * PAGE, PROT_READ), 0);
		CHECK_EQ(write(fd[1], "z", 1), 1);
		CHECK_ERR(read(fd[0], page + i % 8 * PAGE, 1), EFAULT);
		CHECK_EQ(page[i % 8 * PAGE], i);
		CHECK_EQ(mprotect(page, 8 * PAGE, PROT_READ | PROT_WRITE), 0);
		/* Whether a failed read takes the byte is not told; empty the pipe. */
		CHECK_EQ(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
		while (read(fd[0], page, 1) > 0)
			;
	}

	CHECK_ERR(mprotect(page + 1, PAGE, PROT_READ), EINVAL);
	CHECK_ERR(mprotect(page, PAGE, 0x100), EINVAL);
	CHECK_EQ(mprotect(page, 0, PROT_READ), 0);
	CHECK_EQ(munmap(page + 4 * PAGE, PAGE), 0);
	CHECK_ERR(mprotect(page, 8 * PAGE, PROT_READ), ENOMEM);
	/* What lay before the hole has been changed. */
	say("before the hole: %s\n", status_text(run_child(writes, page + 3 * PAGE)));
	CHECK_ERR(mprotect(page, 1ul << 63, PROT_READ), ENOMEM);
	/* a stack is not executable */
	unsigned char code[16];

	put_return(code);
	say("stack: %s\n", status_text(run_child(executes, code)));
	/* the program's own text */
	say("text: write %s\n", status_text(run_child(writes, (void *)(uintptr_t)main)));
	return 0;
}
