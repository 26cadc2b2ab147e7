/*
 * What a mapping keeps of the file behind it: a reference to the open file description, so that its
 * permissions still bound mprotect and /proc/PID/maps can name it.
 */
#include "sys.h"

static void get(void *file)
{
	file_dup(file);
}

static void put(void *file)
{
	file_close(file);
}

void vma_file_init(void)
{
	static const struct vma_file_ops ops = {.get = get, .put = put};

	mm_set_file_ops(&ops);
}
