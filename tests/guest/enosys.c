// System call numbers that do not exist: ENOSYS, and nothing else happens.
#include "check.h"

int main(void)
{
	const long numbers[] = {1000, 4095, 100000, INT32_MAX, -1, -2, INT32_MIN, 600};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		CHECK_ERR(syscall(numbers[i], 1, 2, 3, 4, 5, 6), ENOSYS);
	say("ok\n");
	return 0;
}
