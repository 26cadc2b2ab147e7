// variants: static static-pie musl dynamic
// The smallest program there is: stdio, and an exit status.
#include <stdio.h>

int main(void)
{
	puts("hello, world");
	return 0;
}
