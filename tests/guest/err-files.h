/*
 * For tests of errors that need files at hand: a directory of their own that holds a file of nine
 * bytes, f, open in each way, and a directory, d; and a pipe.
 */
#ifndef TESTS_GUEST_ERR_FILES_H
#define TESTS_GUEST_ERR_FILES_H

#include "err.h"

static int f, d, path_only, reader, writer, pipes[2];

/* Runs fn there. */
HELPER void with_files(void (*fn)(void))
{
	const char *base = temp_dir();

	CHECK_EQ(chdir(base), 0);
	write_file("f", "some text", 9, 0644);
	CHECK_EQ(mkdir("d", 0755), 0);
	f = open("f", O_RDWR);
	d = open("d", O_RDONLY);
	reader = open("f", O_RDONLY);
	writer = open("f", O_WRONLY);
	path_only = open("f", O_PATH);
	make_pipe(pipes);
	fn();
	CHECK_EQ(unlink("f"), 0);
	CHECK_EQ(rmdir("d"), 0);
	CHECK_EQ(rmdir(base), 0);
}

#endif
