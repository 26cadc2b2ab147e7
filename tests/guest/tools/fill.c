/*
 * fill FILE SIZE: makes a file of that size, maps it and writes to every page. fill -r FILE: reads
 * every page of a mapping. The status tells how it ended: 0, 3 at SIGBUS, 4 if msync fails, 1 for
 * anything else.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void bus(int sig)
{
	(void)sig;
	_exit(3);
}

int main(int argc, char **argv)
{
	volatile char *p;
	struct stat st;
	char sum = 0;
	int fd, reads;

	if (argc != 3)
		return 1;
	reads = strcmp(argv[1], "-r") == 0;
	fd = reads ? open(argv[2], O_RDONLY) : open(argv[1], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || (!reads && ftruncate(fd, atol(argv[2])) < 0) || fstat(fd, &st) < 0)
		return 1;
	p = mmap(NULL, (size_t)st.st_size, reads ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED,
		 fd, 0);
	if (p == MAP_FAILED)
		return 1;
	signal(SIGBUS, bus);
	for (off_t at = 0; at < st.st_size; at += 4096) {
		if (reads)
			sum ^= p[at];
		else
			p[at] = 1;
	}
	if (!reads && msync((void *)(uintptr_t)p, (size_t)st.st_size, MS_SYNC) < 0)
		return 4;
	return sum & 0;
}
