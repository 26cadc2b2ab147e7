// cflags: -pthread
// Threads in /proc: their directory, names, status and links.
#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/prctl.h>

#define THREADS 5

static volatile pid_t tid[THREADS];
static pthread_barrier_t named, leave;

static void *thread(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	char name[16], buf[64] = {0}, want[64];

	snprintf(name, sizeof(name), "thread-%d", (int)i);
	CHECK_EQ(prctl(PR_SET_NAME, name), 0);
	tid[i] = (pid_t)syscall(SYS_gettid);
	CHECK(readlink("/proc/thread-self", buf, sizeof(buf) - 1) > 0);
	snprintf(want, sizeof(want), "%d/task/%d", getpid(), tid[i]);
	CHECK_EQ(strcmp(buf, want), 0);
	pthread_barrier_wait(&named);
	pthread_barrier_wait(&leave);
	return NULL;
}

static void slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, buf, size - 1);
	CHECK(n > 0);
	buf[n] = '\0';
	close(fd);
}

static int listed(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	CHECK(d != NULL);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			CHECK_EQ(e->d_type, DT_DIR);
			CHECK(atoi(e->d_name) > 0);
			n++;
		}
	closedir(d);
	return n;
}

int main(void)
{
	pthread_t t[THREADS];
	char path[64], buf[4096], want[64];
	struct stat st;

	CHECK_EQ(pthread_barrier_init(&named, NULL, THREADS + 1), 0);
	CHECK_EQ(pthread_barrier_init(&leave, NULL, THREADS + 1), 0);
	CHECK_EQ(listed(), 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread, (void *)i), 0);
	pthread_barrier_wait(&named);
	say("%d threads\n", listed());
	for (int i = 0; i < THREADS; i++) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid[i]);
		slurp(path, buf, sizeof(buf));
		say("%s", buf);
		snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid[i]);
		slurp(path, buf, sizeof(buf));
		snprintf(want, sizeof(want), "\nPid:\t%d\n", tid[i]);
		CHECK(strstr(buf, want) != NULL);
		snprintf(want, sizeof(want), "\nTgid:\t%d\n", getpid());
		CHECK(strstr(buf, want) != NULL);
		CHECK(strstr(buf, "\nThreads:\t6\n") != NULL);
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid[i]);
		slurp(path, buf, sizeof(buf));
		snprintf(want, sizeof(want), "%d (thread-%d) ", tid[i], i);
		CHECK_EQ(strncmp(buf, want, strlen(want)), 0);
	}
	snprintf(path, sizeof(path), "/proc/self/task/%d/task", tid[0]);
	CHECK_ERR(stat(path, &st), ENOENT);
	CHECK_ERR(stat("/proc/self/task/1000000", &st), ENOENT);
	pthread_barrier_wait(&leave);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid[0]);
	while (stat(path, &st) == 0)
		sleep_ms(1);
	say("gone\n");
	return 0;
}
