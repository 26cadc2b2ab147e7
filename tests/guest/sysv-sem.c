// variants: static
// System V semaphores: operations all or none, waiting, timeouts, SEM_UNDO, removal under a waiter,
// the errors of semget(2), semop(2) and semctl(2).
#include "check.h"
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

static int id;

static int op(int num, int by, int flags)
{
	struct sembuf b = {(unsigned short)num, (short)by, (short)flags};

	return semop(id, &b, 1);
}

static int value(int num)
{
	return semctl(id, num, GETVAL);
}

static void wait_until(int cmd, int num, int n)
{
	while (semctl(id, num, cmd) != n)
		sleep_ms(1);
}

static void taker(void *arg)
{
	(void)arg;
	CHECK_EQ(op(0, -2, 0), 0);
}

static void zero_waiter(void *arg)
{
	(void)arg;
	CHECK_EQ(op(1, 0, 0), 0);
}

static void removed_waiter(void *arg)
{
	(void)arg;
	CHECK_ERR(op(0, -1, 0), EIDRM);
}

static void undoer(void *arg)
{
	(void)arg;
	CHECK_EQ(op(0, 5, SEM_UNDO), 0);
	CHECK_EQ(op(1, -1, SEM_UNDO), 0);
	CHECK_EQ(op(1, 3, SEM_UNDO), 0);
}

static void alarmed(int sig)
{
	(void)sig;
}

int main(void)
{
	struct sembuf two[2] = {{0, -1, IPC_NOWAIT}, {1, -1, IPC_NOWAIT}};
	struct sigaction sa = {.sa_handler = alarmed, .sa_flags = SA_RESTART};
	key_t key = 0x5648e000 ^ getpid();
	struct timespec ts = {0, 20000000};
	unsigned short vals[3] = {1, 2, 3};
	struct semid_ds d;
	long long t0;
	pid_t pid;

	id = semget(key, 3, IPC_CREAT | IPC_EXCL | 0600);
	CHECK(id >= 0);
	CHECK_EQ(semget(key, 2, 0), id);
	CHECK_EQ(semget(key, 0, 0), id);
	CHECK_ERR(semget(key, 4, 0), EINVAL);
	CHECK_ERR(semget(key, 3, IPC_CREAT | IPC_EXCL), EEXIST);
	CHECK_ERR(semget(key + 1, 1, 0), ENOENT);
	CHECK_ERR(semget(IPC_PRIVATE, 0, 0600), EINVAL);
	CHECK_ERR(semget(IPC_PRIVATE, -1, 0600), EINVAL);
	CHECK_ERR(semget(IPC_PRIVATE, 100000, 0600), EINVAL);
	CHECK_EQ(semctl(id, 0, IPC_STAT, (union semun){.buf = &d}), 0);
	CHECK_EQ(d.sem_nsems, 3);
	CHECK_EQ(d.sem_otime, 0);
	CHECK_EQ(semctl(id, 0, SETALL, (union semun){.array = vals}), 0);
	memset(vals, 0, sizeof(vals));
	CHECK_EQ(semctl(id, 0, GETALL, (union semun){.array = vals}), 0);
	CHECK_EQ(vals[2], 3);
	CHECK_EQ(semctl(id, 0, SETVAL, (union semun){.val = 0}), 0);
	CHECK_ERR(semctl(id, 0, SETVAL, (union semun){.val = 40000}), ERANGE);
	CHECK_ERR(semctl(id, 3, GETVAL), EINVAL);
	CHECK_ERR(semctl(id, 0, 99), EINVAL);
	CHECK_ERR(semctl(-1, 0, GETVAL), EINVAL);
	CHECK_ERR(semctl(id, 0, GETALL, (union semun){.array = (void *)8}), EFAULT);
	/* all or none */
	CHECK_EQ(op(1, 1, 0), 0);
	CHECK_ERR(semop(id, two, 2), EAGAIN);
	CHECK_EQ(value(1), 3);
	CHECK_EQ(op(0, 1, 0), 0);
	CHECK_EQ(semop(id, two, 2), 0);
	CHECK_EQ(value(0), 0);
	CHECK_EQ(value(1), 2);
	CHECK_EQ(semctl(id, 1, GETPID), getpid());
	CHECK_ERR(op(2, 32767, 0), ERANGE);
	CHECK_ERR(op(3, 1, 0), EFBIG);
	CHECK_ERR(semop(id, two, 0), EINVAL);
	CHECK_ERR(semop(id, two, 1000), E2BIG);
	CHECK_ERR(semop(id, (void *)8, 1), EFAULT);
	CHECK_ERR(semop(0x7ffffff0, two, 1), EINVAL);
	say("values\n");
	/* waiting */
	pid = spawn(taker, NULL);
	wait_until(GETNCNT, 0, 1);
	CHECK_EQ(op(0, 1, 0), 0);
	CHECK_EQ(semctl(id, 0, GETNCNT), 1);
	CHECK_EQ(op(0, 1, 0), 0);
	reap_ok(pid);
	CHECK_EQ(value(0), 0);
	CHECK_EQ(semctl(id, 0, GETPID), pid);
	pid = spawn(zero_waiter, NULL);
	wait_until(GETZCNT, 1, 1);
	CHECK_EQ(op(1, -2, 0), 0);
	reap_ok(pid);
	t0 = now_ns(CLOCK_MONOTONIC);
	CHECK_ERR(semtimedop(id, &(struct sembuf){0, -1, 0}, 1, &ts), EAGAIN);
	CHECK(now_ns(CLOCK_MONOTONIC) - t0 >= 20000000);
	ts.tv_nsec = -1;
	CHECK_ERR(semtimedop(id, &(struct sembuf){0, -1, 0}, 1, &ts), EINVAL);
	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	alarm(1);
	CHECK_ERR(op(0, -1, 0), EINTR); /* never restarted: signal(7) */
	say("waiting\n");
	/* what a process did with SEM_UNDO is undone when it ends */
	CHECK_EQ(semctl(id, 1, SETVAL, (union semun){.val = 4}), 0);
	CHECK_EQ(op(0, 1, 0), 0);
	reap_ok(spawn(undoer, NULL));
	CHECK_EQ(value(0), 1);
	CHECK_EQ(value(1), 4);
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(op(0, 2, SEM_UNDO), 0);
		CHECK_EQ(semctl(id, 0, SETVAL, (union semun){.val = 9}), 0); /* forgets it */
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(value(0), 9);
	/* what waits for zero has nothing to undo, also when what comes after it cannot be done */
	CHECK_EQ(semctl(id, 1, SETVAL, (union semun){.val = 0}), 0);
	CHECK_ERR(semop(id, (struct sembuf[]){{1, 0, SEM_UNDO}, {1, -1, IPC_NOWAIT}}, 2), EAGAIN);
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(op(0, -9, SEM_UNDO), 0);
		pause();
	}
	wait_until(GETVAL, 0, 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	reap(pid);
	CHECK_EQ(value(0), 9);
	say("undo\n");
	CHECK_EQ(semctl(id, 0, SETVAL, (union semun){.val = 0}), 0);
	pid = spawn(removed_waiter, NULL);
	wait_until(GETNCNT, 0, 1);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
	reap_ok(pid);
	CHECK(op(0, 1, 0) == -1 && (errno == EINVAL || errno == EIDRM));
	say("removed\n");
	return 0;
}
