/* What start-up is measured with: a static program that writes one line. */
#include <stdio.h>

int main(void)
{
	puts("hello, world");
	return 0;
}
