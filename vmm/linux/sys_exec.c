/*
 * execve(2), execveat(2): the caller's strings are copied once, then checked.
 */
#include "exec.h"
#include "syscalls.h"
#include "vfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* A growing list of strings: offsets into one buffer, which moves as it grows. */
struct strings {
	char *text;
	size_t used, size;
	size_t *at;
	size_t n, cap;
	size_t limit; /* bytes of strings and of pointers to them */
};

static int grow_text(struct strings *s, size_t room)
{
	size_t size = s->size ? s->size : 4096;
	char *text;

	while (size - s->used < room)
		size *= 2;
	if (size == s->size)
		return 0;
	text = realloc(s->text, size);
	if (!text)
		return -ENOMEM;
	s->text = text;
	s->size = size;
	return 0;
}

static int remember(struct strings *s)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;
		size_t *at = realloc(s->at, cap * sizeof(*at));

		if (!at)
			return -ENOMEM;
		s->at = at;
		s->cap = cap;
	}
	s->at[s->n++] = s->used;
	return 0;
}

static int copy_string(struct strings *s, struct mm *mm, uint64_t addr)
{
	size_t room = 256;
	ssize_t len;
	int r = remember(s);

	if (r < 0)
		return r;
	for (;;) {
		r = grow_text(s, room);
		if (r < 0)
			return r;
		len = strncpy_from_guest(mm, s->text + s->used, gva(addr), room);
		if (len != -ENAMETOOLONG)
			break;
		if (room >= EXEC_MAX_ARG_STRLEN)
			return -E2BIG;
		room *= 8;
		if (room > EXEC_MAX_ARG_STRLEN)
			room = EXEC_MAX_ARG_STRLEN;
	}
	if (len < 0)
		return (int)len;
	s->used += (size_t)len + 1;
	return s->used + s->n * sizeof(uint64_t) > s->limit ? -E2BIG : 0;
}

/* The NULL-terminated vector at `addr` and its strings. NULL itself is an empty one. How many, or a
 * negative errno. */
static long copy_vector(struct strings *s, struct mm *mm, uint64_t addr)
{
	uint64_t ptr[64];
	unsigned n = 0, have = 0, i = 0;

	if (!addr)
		return 0;
	for (;; n++, i++) {
		int r;

		if (i == have) {
			/* The vector may end close to unmapped memory: take what there is. */
			ssize_t bytes =
				copy_from_guest_partial(mm, ptr, gva(addr + n * 8UL), sizeof(ptr));

			if (bytes < (ssize_t)sizeof(ptr[0]))
				return -EFAULT;
			have = (unsigned)bytes / sizeof(ptr[0]);
			i = 0;
		}
		if (!ptr[i])
			return n;
		r = copy_string(s, mm, ptr[i]);
		if (r < 0)
			return r;
	}
}

static int finish(struct strings *s, struct exec_args *a)
{
	a->strv = calloc(s->n + 1, sizeof(*a->strv));
	if (!a->strv)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		a->strv[i] = s->text + s->at[i];
	a->bytes = s->used;
	a->text = s->text;
	s->text = NULL;
	return 0;
}

void exec_args_free(struct exec_args *a)
{
	free(a->strv);
	free(a->text);
}

static int copy_args(struct task *t, uint64_t argv, uint64_t envp, struct exec_args *a)
{
	struct strings s = {.limit = EXEC_STK_LIM / 4 * 3};
	struct mm *mm = task_mm(t);
	long argc, envc;
	int r;

	argc = copy_vector(&s, mm, argv);
	envc = argc < 0 ? argc : copy_vector(&s, mm, envp);
	r = envc < 0 ? (int)envc : 0;
	if (r == 0) {
		a->argc = (unsigned)argc;
		a->envc = (unsigned)envc;
		r = finish(&s, a);
	}
	free(s.text);
	free(s.at);
	return r;
}

static long execve_common(struct task *t, struct call *c, int dirfd, uint64_t name, uint64_t argv,
			  uint64_t envp, unsigned flags)
{
	struct exec_args a = {.strv = NULL};
	char *path;
	ssize_t len;
	long r;

	if (c->rerun)
		return do_execve_again(t);
	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	path = malloc(PATH_MAX);
	if (!path)
		return -ENOMEM;
	len = strncpy_from_guest(task_mm(t), path, gva(name), PATH_MAX);
	r = len < 0 ? len : 0;
	if (r == 0)
		r = copy_args(t, argv, envp, &a);
	/* Linux looks at the file before the arguments. */
	if (r < 0 && len >= 0) {
		struct file *f;
		int err = vfs_open_exec(t, dirfd, path, flags, &f);

		if (err < 0)
			r = err;
		else
			file_close(f);
	}
	if (r == 0)
		r = do_execve(t, dirfd, path, &a, flags, NULL);
	exec_args_free(&a);
	free(path);
	return r;
}

long sys_execve(struct task *t, struct call *c)
{
	return execve_common(t, c, AT_FDCWD, c->args[0], c->args[1], c->args[2], 0);
}

long sys_execveat(struct task *t, struct call *c)
{
	return execve_common(t, c, (int)c->args[0], c->args[1], c->args[2], c->args[3],
			     (unsigned)c->args[4]);
}
