/* A shared library of the musl root, with a constructor. */
#include "kit.h"

static const char *name = "not set up";

__attribute__((constructor)) static void begin(void)
{
	name = "is set up";
}

const char *kit_name(void)
{
	return name;
}
