/* The image that `vmbox run` names: see image.h. */
#include "image.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The guest path of a host image, and the file placed there. */
static int place_image(struct kernel *k, const struct run_options *o, char path[PATH_MAX])
{
	const char *slash = strrchr(o->image, '/'), *base = slash ? slash + 1 : o->image;
	char dir[PATH_MAX], resolved[PATH_MAX];

	if (slash == o->image)
		snprintf(dir, sizeof(dir), "/");
	else if (snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - o->image) : 1,
			  slash ? o->image : ".") >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	if (!realpath(dir, resolved))
		return -errno;
	if (snprintf(path, PATH_MAX, "%s/%s", strcmp(resolved, "/") ? resolved : "", base) >=
	    PATH_MAX)
		return -ENAMETOOLONG;
	return vfs_place_file(k, o->image, path);
}

/* As a shell: each directory of the guest's PATH, the first that can be executed; -EACCES if one
 * was there but cannot. */
static int start_by_path(struct kernel *k, const struct run_options *o, const char **what)
{
	const char *dirs = "/bin:/usr/bin";
	int e = -ENOENT, last;
	char path[PATH_MAX];

	for (char **v = o->envp; *v; v++)
		if (strncmp(*v, "PATH=", 5) == 0)
			dirs = *v + 5;
	for (const char *d = dirs; *d; d += *d == ':') {
		size_t len = strcspn(d, ":");

		if (snprintf(path, sizeof(path), "%.*s%s%s", (int)len, d, len ? "/" : "",
			     o->image) < (int)sizeof(path)) {
			last = kernel_start_init(k, path, o->argv, o->envp, what);
			if (last != -ENOENT && last != -ENOTDIR && last != -EACCES)
				return last;
			if (last == -EACCES)
				e = last;
		}
		d += len;
	}
	*what = o->image;
	return e;
}

int image_start(struct kernel *k, const struct run_options *o)
{
	const char *what = o->image;
	char path[PATH_MAX];
	int e;

	if (o->root && !strchr(o->image, '/')) {
		e = start_by_path(k, o, &what);
	} else if (o->root) {
		e = kernel_start_init(k, o->image, o->argv, o->envp, &what);
	} else {
		e = place_image(k, o, path);
		if (e == 0)
			e = kernel_start_init(k, path, o->argv, o->envp, &what);
	}
	if (e == 0)
		return 0;
	vmbox_error("%s: %s", what ? what : o->image, strerror(-e));
	if (what && what == o->cwd)
		return EXIT_VMBOX;
	return e == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}
