#include "run.h"

#include <stdarg.h>
#include <stdio.h>

void vmbox_error(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "vmbox: %s\n", line);
}
