// Two processes at the same addresses, and short-lived ones beside them, never see each other's
// data: 10,000 switches, with writes, unmapped pages and code that differ. (cases/spaces.sh runs it
// with few address-space identifiers, too.)
#include "check.h"

#define AT     ((unsigned char *)0x200000000)
#define PAGES  64
#define ROUNDS 5000
#define PAGE   4096

static unsigned long *word(unsigned page)
{
	return (unsigned long *)(void *)(AT + page * PAGE + page * 8);
}

static unsigned long mark(unsigned who, unsigned page, unsigned long turn)
{
	return (unsigned long)who << 56 | (unsigned long)page << 40 | turn;
}

static void fill(unsigned who, unsigned long turn)
{
	for (unsigned i = 0; i < PAGES; i++)
		*word(i) = mark(who, i, turn);
}

static void look(unsigned who, unsigned long turn)
{
	for (unsigned i = 0; i < PAGES; i++)
		CHECK_EQ(*word(i), mark(who, i, turn));
}

/* Inherits all, changes all, is gone. */
static void passer_by(void *arg)
{
	unsigned who = (unsigned)(uintptr_t)arg;

	fill(who + 100, 7);
	look(who + 100, 7);
}

/* Another page at the same address: translations of the old one must be gone. */
static void replace(unsigned who, unsigned page, unsigned long turn)
{
	unsigned char *at = AT + page * PAGE;

	CHECK_EQ(mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		      0),
		 at);
	CHECK_EQ(*word(page), 0);
	*word(page) = mark(who, page, turn);
}

static void player(unsigned who, int in, int out, bool first)
{
	unsigned long turn = 1;

	fill(who, turn);
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (!first || i)
			wait_byte(in);
		look(who, turn);
		if (i % 10 == who)
			replace(who, i % PAGES, turn);
		if (i % 100 == who * 50)
			reap_ok(spawn(passer_by, (void *)(uintptr_t)who));
		if (i % 7 == 0)
			fill(who, ++turn);
		look(who, turn);
		send_byte(out);
	}
	if (first)
		wait_byte(in);
}

int main(void)
{
	int ping[2], pong[2];
	pid_t pid;

	CHECK_EQ(mmap(AT, PAGES * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		 AT);
	make_pipe(ping);
	make_pipe(pong);
	pid = fork_ok();
	if (pid == 0) {
		player(1, ping[0], pong[1], false);
		_exit(0);
	}
	player(0, pong[0], ping[1], true);
	reap_ok(pid);
	say("ok\n");
	return 0;
}
