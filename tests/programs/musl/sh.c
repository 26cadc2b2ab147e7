/*
 * A small shell, to be linked with musl dynamically: words, '...' and "$NAME" quotes, pipelines, <
 * >
 * >>, ; && || and &, cd, exit, export, wait. sh -c TEXT | sh FILE | sh (standard input).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 64

static int last; /* $? */

struct words {
	char *w[WORDS];
	int n;
};

/* $NAME, $? and $$ at *s, appended to out. */
static void expand(const char **s, FILE *out)
{
	char name[64];
	size_t n = 0;
	const char *v;

	(*s)++;
	if (**s == '?' || **s == '$') {
		fprintf(out, "%d", **s == '?' ? last : (int)getpid());
		(*s)++;
		return;
	}
	while (n < sizeof(name) - 1 && **s &&
	       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789", **s))
		name[n++] = *(*s)++;
	name[n] = 0;
	v = getenv(name);
	if (v)
		fputs(v, out);
}

/* The next word or operator of *s, or NULL at the end. */
static char *word(const char **s)
{
	static const char *const ops[] = {"&&", "||", ">>", "|", ";", "<", ">", "&"};
	char *text = NULL, quote = 0;
	size_t len;
	FILE *out;

	while (**s == ' ' || **s == '\t')
		(*s)++;
	if (!**s || **s == '#')
		return NULL;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strncmp(*s, ops[i], strlen(ops[i])) == 0) {
			*s += strlen(ops[i]);
			return strdup(ops[i]);
		}
	}
	out = open_memstream(&text, &len);
	while (**s && (quote || !strchr(" \t|;<>&", **s))) {
		if (quote ? **s == quote : **s == '\'' || **s == '"') {
			quote = quote ? 0 : **s;
			(*s)++;
		} else if (**s == '$' && quote != '\'') {
			expand(s, out);
		} else {
			fputc(*(*s)++, out);
		}
	}
	fclose(out);
	return text;
}

static void redirect(int fd, const char *path, int flags)
{
	int new = open(path, flags, 0666);

	if (new < 0) {
		fprintf(stderr, "sh: %s: %s\n", path, strerror(errno));
		_exit(1);
	}
	dup2(new, fd);
	close(new);
}

/* In a child: the words with their redirections; does not return. */
static void run(struct words *c)
{
	char *argv[WORDS + 1];
	int n = 0;

	for (int i = 0; i < c->n; i++) {
		if (strcmp(c->w[i], "<") == 0 && i + 1 < c->n)
			redirect(0, c->w[++i], O_RDONLY);
		else if (strcmp(c->w[i], ">") == 0 && i + 1 < c->n)
			redirect(1, c->w[++i], O_WRONLY | O_CREAT | O_TRUNC);
		else if (strcmp(c->w[i], ">>") == 0 && i + 1 < c->n)
			redirect(1, c->w[++i], O_WRONLY | O_CREAT | O_APPEND);
		else
			argv[n++] = c->w[i];
	}
	argv[n] = NULL;
	if (!n)
		_exit(0);
	execvp(argv[0], argv);
	fprintf(stderr, "sh: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static bool builtin(struct words *c)
{
	char *value;

	if (!c->n)
		return true;
	if (strcmp(c->w[0], "cd") == 0) {
		last = chdir(c->n > 1 ? c->w[1] : "/") ? 1 : 0;
	} else if (strcmp(c->w[0], "exit") == 0) {
		exit(c->n > 1 ? atoi(c->w[1]) : last);
	} else if (strcmp(c->w[0], "wait") == 0) {
		while (wait(NULL) > 0)
			;
		last = 0;
	} else if (strcmp(c->w[0], "export") == 0 && c->n > 1 && (value = strchr(c->w[1], '='))) {
		*value = 0;
		setenv(c->w[1], value + 1, 1);
		last = 0;
	} else {
		return false;
	}
	return true;
}

/* One pipeline of n commands. */
static void pipeline(struct words *c, int n, bool background)
{
	int in = 0, status, p[2];
	pid_t pid = -1;

	if (n == 1 && !background && builtin(c))
		return;
	for (int i = 0; i < n; i++) {
		if (i + 1 < n && pipe(p) < 0)
			exit(2);
		pid = fork();
		if (pid == 0) {
			dup2(in, 0);
			if (i + 1 < n) {
				dup2(p[1], 1);
				close(p[0]);
				close(p[1]);
			}
			run(&c[i]);
		}
		if (in)
			close(in);
		if (i + 1 < n) {
			close(p[1]);
			in = p[0];
		}
	}
	if (background) {
		last = 0;
		return;
	}
	waitpid(pid, &status, 0);
	last = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	for (int i = 1; i < n; i++)
		wait(NULL);
}

static void line(const char *s)
{
	static struct words c[16];
	bool skip = false, end = false;
	int n = 0;

	memset(c, 0, sizeof(c));
	while (!end) {
		char *w = word(&s);

		end = !w;
		if (w && strcmp(w, "|") == 0) {
			n += n < 15;
		} else if (!w || !strcmp(w, ";") || !strcmp(w, "&") || !strcmp(w, "&&") ||
			   !strcmp(w, "||")) {
			if (!skip)
				pipeline(c, n + 1, w && *w == '&' && !w[1]);
			skip = w && ((!strcmp(w, "&&") && last) || (!strcmp(w, "||") && !last));
			memset(c, 0, sizeof(c));
			n = 0;
		} else if (c[n].n < WORDS) {
			c[n].w[c[n].n++] = w;
		}
	}
}

int main(int argc, char **argv)
{
	FILE *in = stdin;
	char *text = NULL;
	size_t size = 0;

	if (argc > 2 && strcmp(argv[1], "-c") == 0)
		in = fmemopen(argv[2], strlen(argv[2]), "r");
	else if (argc > 1)
		in = fopen(argv[1], "re");
	if (!in) {
		perror(argv[1]);
		return 127;
	}
	while (getline(&text, &size, in) > 0) {
		text[strcspn(text, "\n")] = 0;
		line(text);
	}
	return last;
}
