// args: 2000
// timeout: 60
// That many processes alive at once, each blocked on a pipe with a value of its own in memory;
// then each is asked for it, and all are let go.
#include "check.h"
#include <sys/resource.h>

static volatile long mine;

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 2000, go[2], answer[2], left[2];
	pid_t *pid = calloc((size_t)count, sizeof(*pid));
	unsigned char *seen = calloc((size_t)count, 1);
	long sum = 0;

	CHECK(pid && seen);
	make_pipe(go);
	make_pipe(answer);
	make_pipe(left);
	for (long i = 0; i < count; i++) {
		mine = i;
		pid[i] = fork_ok();
		if (pid[i] == 0) {
			pid_t self = getpid();

			CHECK_EQ(read(go[0], &(char){0}, 1), 1);
			CHECK_EQ(mine, i);
			CHECK_EQ(getpid(), self);
			CHECK_EQ(write(answer[1], &i, sizeof(i)), sizeof(i));
			close(left[1]);
			CHECK_EQ(read(left[0], &(char){0}, 1), 0);
			_exit((int)(i % 100));
		}
		mine = -1;
	}
	for (int i = 0; i < count; i++)
		send_byte(go[1]);
	for (int i = 0; i < count; i++) {
		long id = -1;

		CHECK_EQ(read(answer[0], &id, sizeof(id)), sizeof(id));
		CHECK(id >= 0 && id < count && !seen[id]);
		seen[id] = 1;
		sum += id;
	}
	CHECK_EQ(sum, (long)count * (count - 1) / 2);
	/* all still alive, all with pids of their own */
	for (int i = 0; i < count; i++) {
		CHECK_EQ(waitpid(pid[i], NULL, WNOHANG), 0);
		CHECK(i == 0 || pid[i] != pid[i - 1]);
	}
	close(left[1]);
	for (int i = 0; i < count; i++)
		CHECK_EQ(reap(pid[i]), (i % 100) << 8);
	CHECK_ERR(wait(NULL), ECHILD);
	say("%d processes ok\n", count);
	return 0;
}
