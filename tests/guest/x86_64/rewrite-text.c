// vmbox-options: --rewrite=off
// A program that sums its own text, in memory and through /proc/self/mem and process_vm_readv: with
// --rewrite=off nothing ever changes there, and vmbox maps nothing of its own.
#include "rewrite.h"
#include <sys/uio.h>

SITE_PAGE(a, "mov $110, %eax");
SITE_PAGE(b, "xor %eax, %eax");
extern const char __executable_start[], etext[];

static unsigned long sum(const unsigned char *p, size_t n)
{
	unsigned long s = 0;

	for (size_t i = 0; i < n; i++)
		s = s * 31 + p[i];
	return s;
}

int main(void)
{
	const unsigned char *text = (const unsigned char *)(uintptr_t)hot_a;
	unsigned char copy[8192];
	struct iovec local = {copy, sizeof(copy)}, remote = {(void *)(uintptr_t)text, sizeof(copy)};
	size_t n = (size_t)(etext - (const char *)text);
	unsigned long before = sum(text, n), page = sum(text, sizeof(copy));
	uintptr_t at[1];

	CHECK(n >= sizeof(copy));
	for (int i = 0; i < 10 * HOT; i++) {
		CHECK_EQ(hot_a(0, 0, 0), getppid());
		CHECK_EQ(hot_b(-1, 0, 0), -EBADF);
	}
	CHECK_EQ(sum(text, n), before);
	CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), sizeof(copy));
	CHECK_EQ(sum(copy, sizeof(copy)), page);
	CHECK_EQ(own_mappings(at, 1), 0);
	say("its own text\n");
	return 0;
}
