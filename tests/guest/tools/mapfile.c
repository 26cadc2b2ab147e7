/*
 * What a mapping shows while its file changes: mapfile FILE. Maps FILE, prints "mapped" and waits
 * for a line; then prints what each of the commands that it reads finds, one in a line: "touch
 * PAGE", "read PAGE" (by read), "write PAGE" (through the mapping), "sync", "end".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static sigjmp_buf back;

static void on_bus(int sig)
{
	siglongjmp(back, sig);
}

static void touch(volatile char *p, int write)
{
	if (sigsetjmp(back, 1)) {
		puts("bus");
		return;
	}
	if (write)
		*p = 'w';
	else
		printf("%c\n", *p);
	if (write)
		puts("written");
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR) : -1;
	char line[64], byte;
	struct stat st;
	char *map;
	long page;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 2;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return 3;
	signal(SIGBUS, on_bus);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("mapped");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "touch %ld", &page) == 1)
			touch(map + page * PAGE, 0);
		else if (sscanf(line, "write %ld", &page) == 1)
			touch(map + page * PAGE, 1);
		else if (sscanf(line, "read %ld", &page) == 1)
			printf("%ld\n", (long)pread(fd, &byte, 1, page * PAGE));
		else if (!strcmp(line, "sync\n"))
			printf("%d\n", msync(map, (size_t)st.st_size, MS_SYNC));
		else
			break;
	}
	return 0;
}
