// native: no
// vmbox-options: --mem 96M
// expect-stdout: child: signal 9
// expect-stdout: parent goes on
// timeout: 60
// --mem is reached: one process is killed, and the others go on.
#include "check.h"

static void eat(void *arg)
{
	(void)arg;
	for (;;) {
		unsigned char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			_exit(3);
		memset(p, 1, 1 << 20);
	}
}

int main(void)
{
	unsigned char *p;

	say("child: %s\n", status_text(run_child(eat, NULL)));
	p = map_pages(8 << 20, PROT_READ | PROT_WRITE);
	memset(p, 1, 8 << 20);
	say("parent goes on\n");
	return 0;
}
