/*
 * #! scripts: Linux's fs/binfmt_script.c, by the letter.
 */
#include "exec.h"
#include "vfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool spacetab(char c)
{
	return c == ' ' || c == '\t';
}

/* The first character of [p, last] that is no blank, or NULL. */
static char *skip_blanks(char *p, char *last)
{
	for (; p <= last; p++)
		if (!spacetab(*p))
			return p;
	return NULL;
}

/* The first blank or NUL of [p, last], or NULL. */
static char *find_end(char *p, char *last)
{
	for (; p <= last; p++)
		if (spacetab(*p) || !*p)
			return p;
	return NULL;
}

/* Cuts the line in e->buf into the interpreter's name and its one argument (NULL: none). */
static int split_line(char *buf, char **name, char **arg)
{
	char *last = buf + EXEC_BUF - 1;
	char *end = memchr(buf, '\n', strnlen(buf, EXEC_BUF));
	char *sep;

	if (!end) {
		end = skip_blanks(buf + 2, last);
		/* All blank; or the name does not end within the buffer, so it may be cut. */
		if (!end || !find_end(end, last))
			return -ENOEXEC;
		end = last;
	}
	while (spacetab(end[-1]))
		end--;
	*name = skip_blanks(buf + 2, end);
	if (!*name || *name == end)
		return -ENOEXEC;
	*arg = NULL;
	sep = find_end(*name, end);
	if (sep && *sep)
		*arg = skip_blanks(sep, end);
	*end = '\0';
	if (*arg)
		*sep = '\0';
	return 0;
}

static int push(struct exec *e, const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		return -ENOMEM;
	e->pre[e->npre++] = copy;
	return 0;
}

static void drop_first(struct exec *e)
{
	if (e->npre > 0)
		free(e->pre[--e->npre]);
	else if (e->skip < e->a->argc)
		e->skip++;
}

int exec_script(struct exec *e)
{
	char *name, *arg;
	struct file *f;
	int r;

	if (e->buf[0] != '#' || e->buf[1] != '!')
		return 0;
	r = split_line(e->buf, &name, &arg);
	if (r < 0)
		return r;
	/* No name at all means the working directory, to Linux. */
	if (!*name)
		return -EACCES;
	if (e->path_inaccessible)
		return -ENOENT;
	drop_first(e);
	r = push(e, e->interp);
	if (r == 0 && arg)
		r = push(e, arg);
	if (r == 0)
		r = push(e, name);
	if (r < 0)
		return r;
	snprintf(e->interp, sizeof(e->interp), "%s", name);
	e->what = e->interp;
	r = vfs_open_exec(e->t, AT_FDCWD, name, 0, &f);
	if (r < 0)
		return r;
	file_close(e->file);
	e->file = f;
	return 1;
}
