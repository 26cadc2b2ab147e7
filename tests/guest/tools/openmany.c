/*
 * openmany N: opens the files 0, 1, ... N-1 of the working directory and keeps them open. If that
 * ends at a limit of descriptors, it closes most of them and opens ten others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0, i, fd = 0, first = -1, err;
	char name[16], got[16] = "";

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fd = open(name, O_RDONLY);
		if (fd < 0)
			break;
		if (first < 0)
			first = fd;
	}
	err = errno;
	/* what is open can be read */
	if (first < 0 || pread(first, got, sizeof(got) - 1, 0) != 2 || atoi(got) != 0)
		return 1;
	printf("opened %d\n", i);
	if (i == n)
		return 0;
	if (err != ENFILE && err != EMFILE)
		return 2;
	for (int k = first + 1; k < first + i; k++)
		close(k);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d", i + 100);
		if (open(name, O_RDONLY) < 0)
			return 3;
	}
	printf("then ten others\n");
	return 0;
}
