/*
 * Writes the broken ELF images of tests/guest/badelf.h:
 *
 *	mkbad DIR	one executable file per image, named as it is
 *	mkbad --list	their names
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "badelf.h"

int main(int argc, char **argv)
{
	static unsigned char buf[BADELF_MAX];
	char path[512];

	if (argc != 2)
		return 2;
	for (size_t i = 0; i < sizeof(badelf_names) / sizeof(badelf_names[0]); i++) {
		size_t len;
		int fd;

		if (strcmp(argv[1], "--list") == 0) {
			puts(badelf_names[i]);
			continue;
		}
		len = badelf_make(badelf_names[i], buf);
		snprintf(path, sizeof(path), "%s/%s", argv[1], badelf_names[i]);
		fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0755);
		if (fd < 0 || write(fd, buf, len) != (ssize_t)len || close(fd) != 0) {
			perror(path);
			return 1;
		}
	}
	return 0;
}
