// Eight megabytes through a chain of three processes, with odd sizes: every byte arrives.
#include "check.h"

#define TOTAL (8u << 20)

static unsigned char byte_at(unsigned i)
{
	return (unsigned char)(i * 2654435761u >> 24);
}

static void source(int out)
{
	static unsigned char buf[100003];
	unsigned sent = 0;

	while (sent < TOTAL) {
		unsigned n = TOTAL - sent < sizeof(buf) ? TOTAL - sent : (unsigned)sizeof(buf);

		for (unsigned i = 0; i < n; i++)
			buf[i] = byte_at(sent + i);
		CHECK_EQ(write(out, buf, n), n);
		sent += n;
	}
}

static void relay(int in, int out)
{
	static unsigned char buf[70001];
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK_EQ(write(out, buf, n), n);
	CHECK_EQ(n, 0);
}

int main(void)
{
	static unsigned char buf[30011];
	int a[2], b[2];
	unsigned got = 0;
	pid_t p, q;
	ssize_t n;

	make_pipe(a);
	make_pipe(b);
	p = fork_ok();
	if (p == 0) {
		source(a[1]);
		_exit(0);
	}
	q = fork_ok();
	if (q == 0) {
		close(a[1]);
		relay(a[0], b[1]);
		_exit(0);
	}
	close(a[0]);
	close(a[1]);
	close(b[1]);
	while ((n = read(b[0], buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			CHECK_EQ(buf[i], byte_at(got + i));
		got += n;
	}
	CHECK_EQ(n, 0);
	reap_ok(p);
	reap_ok(q);
	say("%u bytes\n", got);
	return 0;
}
