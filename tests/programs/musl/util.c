/*
 * Utilities for the musl root, one program with many names, linked with musl dynamically and with a
 * shared library of its own: echo, cat, ls, wc, sort, mkdir, rm, sleep, die, true, false,
 * threads, plugin.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit.h"

static int cat(int argc, char **argv)
{
	char buf[4096];
	ssize_t n;

	for (int i = argc > 1 ? 1 : 0; i < argc; i++) {
		int fd = i ? open(argv[i], O_RDONLY) : 0;

		if (fd < 0) {
			fprintf(stderr, "cat: %s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			if (write(1, buf, (size_t)n) != n)
				return 1;
		if (fd)
			close(fd);
	}
	return 0;
}

static int ls(int argc, char **argv)
{
	struct dirent **e;
	int n = scandir(argc > 1 ? argv[1] : ".", &e, NULL, alphasort);

	if (n < 0)
		return 1;
	for (int i = 0; i < n; i++)
		if (e[i]->d_name[0] != '.')
			puts(e[i]->d_name);
	return 0;
}

static int wc(int argc, char **argv)
{
	long lines = 0, bytes = 0;
	int c;

	(void)argc;
	(void)argv;
	while ((c = getchar()) != EOF) {
		bytes++;
		lines += c == '\n';
	}
	printf("%ld %ld\n", lines, bytes);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int sort(int argc, char **argv)
{
	char **all = NULL, *text = NULL;
	size_t n = 0, size = 0;

	(void)argc;
	(void)argv;
	while (getline(&text, &size, stdin) > 0) {
		all = realloc(all, (n + 1) * sizeof(*all));
		all[n++] = strdup(text);
	}
	if (n)
		qsort(all, n, sizeof(*all), by_text);
	for (size_t i = 0; i < n; i++)
		fputs(all[i], stdout);
	return 0;
}

/* A lock and a counter, eight threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static _Thread_local int own;

static void *count(void *arg)
{
	for (int i = 0; i < 10000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
		own++;
	}
	*(int *)arg = own;
	return NULL;
}

static int threads(int argc, char **argv)
{
	pthread_t t[8];
	int owns[8];

	(void)argc;
	(void)argv;
	for (int i = 0; i < 8; i++)
		if (pthread_create(&t[i], NULL, count, &owns[i]))
			return 1;
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], NULL);
		if (owns[i] != 10000)
			return 2;
	}
	printf("%ld\n", counter);
	return 0;
}

static int plugin(int argc, char **argv)
{
	void *lib = dlopen(argc > 1 ? argv[1] : "libplugin.so", RTLD_NOW);
	int (*fn)(int) = NULL;

	if (lib)
		*(void **)&fn = dlsym(lib, "plugin");
	if (!fn) {
		printf("%s\n", dlerror());
		return 1;
	}
	printf("plugin says %d, the library %s\n", fn(20), kit_name());
	return dlclose(lib);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	static const struct {
		const char *name;
		int (*fn)(int, char **);
	} all[] = {{"cat", cat},   {"ls", ls},           {"wc", wc},
		   {"sort", sort}, {"threads", threads}, {"plugin", plugin}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(name, all[i].name) == 0)
			return all[i].fn(argc, argv);
	if (strcmp(name, "echo") == 0) {
		for (int i = 1; i < argc; i++)
			printf("%s%s", argv[i], i + 1 < argc ? " " : "");
		putchar('\n');
		return 0;
	}
	if (strcmp(name, "mkdir") == 0)
		return argc > 1 && mkdir(argv[1], 0755) == 0 ? 0 : 1;
	if (strcmp(name, "rm") == 0)
		return argc > 1 && remove(argv[1]) == 0 ? 0 : 1;
	if (strcmp(name, "sleep") == 0)
		return usleep((useconds_t)(atof(argc > 1 ? argv[1] : "0") * 1e6)) ? 1 : 0;
	if (strcmp(name, "die") == 0)
		return raise(argc > 1 ? atoi(argv[1]) : SIGTERM);
	if (strcmp(name, "false") == 0)
		return 1;
	return strcmp(name, "true") == 0 ? 0 : 64;
}
