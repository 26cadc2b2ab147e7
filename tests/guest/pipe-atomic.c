// Writes of up to PIPE_BUF bytes are atomic: records of several writers never mix.
#include "check.h"
#include <limits.h>

#define WRITERS 6
#define RECORDS 60

static void writer(void *arg)
{
	int *argv = arg;
	int fd = argv[0], id = argv[1], size = argv[2];
	char record[PIPE_BUF];

	memset(record, 'a' + id, sizeof(record));
	for (int i = 0; i < RECORDS; i++)
		CHECK_EQ(write(fd, record, size), size);
}

static void records(int size)
{
	int fd[2], seen[WRITERS] = {0};
	pid_t pid[WRITERS];
	char record[PIPE_BUF];

	make_pipe(fd);
	for (int i = 0; i < WRITERS; i++)
		pid[i] = spawn(writer, (int[]){fd[1], i, size});
	close(fd[1]);
	for (int i = 0; i < WRITERS * RECORDS; i++) {
		int have = 0, id;

		while (have < size) {
			ssize_t n = read(fd[0], record + have, size - have);

			CHECK(n > 0);
			have += n;
		}
		id = record[0] - 'a';
		CHECK(id >= 0 && id < WRITERS);
		for (int j = 0; j < size; j++)
			CHECK_EQ(record[j], 'a' + id);
		seen[id]++;
	}
	CHECK_EQ(read(fd[0], record, 1), 0);
	for (int i = 0; i < WRITERS; i++) {
		reap_ok(pid[i]);
		CHECK_EQ(seen[i], RECORDS);
	}
	close(fd[0]);
	say("records of %d bytes ok\n", size);
}

int main(void)
{
	records(PIPE_BUF);
	records(1000);
	records(4095);
	records(1);
	return 0;
}
