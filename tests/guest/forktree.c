// variants: static musl
// args: 6
// Each process forks two, down to the depth given. Each checks its own memory (global, heap,
// stack), its pid and its parent, before its children run and after they ended.
#include "check.h"

static volatile long global = 1;

struct node {
	pid_t self, parent;
	long path;
};

static int tree(int depth, long path, pid_t parent)
{
	struct node *heap = malloc(4096 * 3);
	struct node here = {getpid(), parent, path};
	int count = 1;

	CHECK(heap != NULL);
	heap[0] = here;
	global = path;
	CHECK_EQ(getppid(), parent);
	for (int child = 0; depth > 0 && child < 2; child++) {
		int fd[2], below = 0;
		pid_t pid;

		make_pipe(fd);
		pid = fork_ok();
		if (pid == 0) {
			CHECK(getpid() != here.self);
			CHECK_EQ(global, path);
			CHECK_EQ(heap->self, here.self);
			close(fd[0]);
			heap->path = -1;
			below = tree(depth - 1, path * 2 + child, here.self);
			CHECK_EQ(write(fd[1], &below, sizeof(below)), sizeof(below));
			_exit(0);
		}
		close(fd[1]);
		CHECK_EQ(read(fd[0], &below, sizeof(below)), sizeof(below));
		close(fd[0]);
		reap_ok(pid);
		count += below;
	}
	CHECK_EQ(global, path);
	CHECK_EQ(heap->path, path);
	CHECK_EQ(heap->self, here.self);
	CHECK_EQ(heap->parent, here.parent);
	CHECK_EQ(getpid(), here.self);
	CHECK_EQ(getppid(), parent);
	CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
	free(heap);
	return count;
}

int main(int argc, char **argv)
{
	int depth = argc > 1 ? atoi(argv[1]) : 6;

	CHECK(depth >= 0 && depth < 16);
	say("forktree %d: %d processes ok\n", depth, tree(depth, 1, getppid()));
	return 0;
}
