/* What the musl root's program loads at run time: it calls back into a library that is there. */
#include "kit.h"

int plugin(int n);

int plugin(int n)
{
	return 2 * n + (kit_name()[0] == 'i');
}
