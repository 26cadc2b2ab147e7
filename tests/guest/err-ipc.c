// System V shared memory, semaphores and messages, POSIX message queues: the errors of their man
// pages, and what a user who owns none of it may do.
#include "err.h"
#include <limits.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define PAGE 4096UL

union semun_abi {
	int val;
	void *buf;
};

/* Open to nobody else, open to be read, and open. */
static int shm[3], sem[3], msg[3];
static const int modes[3] = {0600, 0644, 0666};
static key_t keys[3];
static char queue[64];

static void shared_memory(void)
{
	char *p = (char *)map_pages(4 * PAGE, PROT_READ);
	struct shmid_ds ds;
	int gone = shmget(IPC_PRIVATE, PAGE, 0600), id = shm[0];
	void *at;

	TRY(S(shmget, IPC_PRIVATE, 0, 0600));
	TRY(S(shmget, IPC_PRIVATE, -1UL, 0600));
	TRY(S(shmget, keys[0], 2 * PAGE, 0600) < 0 ? -1 : 0);
	TRY(S(shmget, keys[0], PAGE, 0600 | IPC_CREAT | IPC_EXCL) < 0 ? -1 : 0);
	TRY(S(shmget, keys[0], 0, 0) < 0 ? -1 : 0);
	TRY(S(shmget, 0x7ead0001, PAGE, 0600));
	TRY(S(shmget, 0x7ead0001, 0, 0600 | IPC_CREAT));
	TRY(S(shmat, -1, NULL, 0));
	TRY(S(shmat, 0x7fffffff, NULL, 0));
	TRY(S(shmat, id, p + 1, 0));
	TRY(S(shmat, id, p, 0));
	TRY(S(shmat, id, p, SHM_REMAP));
	TRY(S(shmat, id, NULL, SHM_REMAP));
	TRY(S(shmat, id, p + 1, SHM_REMAP));
	TRY(S(shmat, id, (void *)0xffffffffff000000UL, 0));
	TRY(S(shmdt, p + 2 * PAGE));
	TRY(S(shmdt, p + 1));
	TRY(S(shmdt, p));
	TRY(S(shmdt, p));
	TRY(S(shmctl, id, IPC_STAT, BAD_POINTER));
	TRY(S(shmctl, id, IPC_SET, BAD_POINTER));
	TRY(S(shmctl, id, 99, &ds));
	TRY(S(shmctl, id, -1, &ds));
	TRY(S(shmctl, -1, IPC_STAT, &ds));
	TRY(S(shmctl, -1, IPC_RMID, NULL));
	TRY(S(shmctl, -1, SHM_INFO, BAD_POINTER));
	TRY(S(shmctl, -1, IPC_INFO, BAD_POINTER));
	TRY(S(shmctl, INT_MAX, SHM_STAT, &ds));
	TRY(S(shmctl, id, SHM_LOCK, NULL));
	TRY(S(shmctl, id, SHM_UNLOCK, NULL));
	at = shmat(gone, NULL, 0);
	CHECK(at != (void *)-1);
	TRY(S(shmctl, gone, IPC_RMID, NULL));
	TRY(S(shmctl, gone, IPC_RMID, NULL));
	TRY(S(shmctl, gone, IPC_STAT, &ds));
	CHECK_EQ(shmdt(at), 0);
	TRY(S(shmctl, gone, IPC_STAT, &ds));
	TRY(S(shmat, gone, NULL, 0));
}

static void semaphores(void)
{
	struct sembuf op = {0, -1, IPC_NOWAIT}, far = {3, 1, 0}, wrong = {0xffff, 1, 0}, many[501];
	struct sembuf up = {0, 1, 0}, top = {0, SHRT_MAX, 0}, zero = {0, 0, IPC_NOWAIT};
	struct sembuf undo = {0, SHRT_MAX, SEM_UNDO};
	struct timespec soon = {0, 1}, bad = {0, -1};
	union semun_abi u = {.val = -1};
	int id = sem[0], gone = semget(IPC_PRIVATE, 1, 0600);
	unsigned short v[3] = {0};

	memset(many, 0, sizeof(many));
	TRY(S(semget, IPC_PRIVATE, -1, 0600));
	TRY(S(semget, IPC_PRIVATE, 0, 0600));
	TRY(S(semget, IPC_PRIVATE, 1 << 20, 0600));
	TRY(S(semget, keys[0], 4, 0600) < 0 ? -1 : 0);
	TRY(S(semget, keys[0], 3, 0600 | IPC_CREAT | IPC_EXCL) < 0 ? -1 : 0);
	TRY(S(semget, keys[0], 0, 0) < 0 ? -1 : 0);
	TRY(S(semget, 0x7ead0001, 1, 0600));
#ifdef SYS_semop
	TRY(S(semop, id, &op, 0));
	TRY(S(semop, id, many, 501));
#endif
	TRY(S(semtimedop, id, many, 501, NULL));
	TRY(S(semtimedop, id, &op, -1UL, NULL));
	TRY(S(semtimedop, id, &op, 1, NULL));
	TRY(S(semtimedop, id, &far, 1, NULL));
	TRY(S(semtimedop, id, &wrong, 1, NULL));
	TRY(S(semtimedop, id, BAD_POINTER, 1, NULL));
	TRY(S(semtimedop, -1, &op, 1, NULL));
	op.sem_flg = 0;
	TRY(S(semtimedop, id, &op, 1, &soon));
	TRY(S(semtimedop, id, &op, 1, &bad));
	TRY(S(semtimedop, id, &op, 1, BAD_POINTER));
	TRY(S(semtimedop, id, &up, 1, NULL));
	TRY(S(semtimedop, id, &zero, 1, NULL));
	TRY(S(semtimedop, id, &top, 1, NULL));
	u.val = 0;
	TRY(S(semctl, id, 0, SETVAL, u));
	TRY(S(semtimedop, id, &undo, 1, NULL));
	TRY(S(semctl, id, 0, SETVAL, u));
	u.val = -1;
	TRY(S(semctl, id, 0, SETVAL, u));
	u.val = SHRT_MAX + 1;
	TRY(S(semctl, id, 0, SETVAL, u));
	u.val = 0;
	TRY(S(semctl, id, 3, SETVAL, u));
	TRY(S(semctl, id, -1, SETVAL, u));
	TRY(S(semctl, id, 3, GETVAL, 0));
	TRY(S(semctl, id, 3, GETPID, 0));
	TRY(S(semctl, id, -1, GETNCNT, 0));
	TRY(S(semctl, id, 3, GETZCNT, 0));
	TRY(S(semctl, id, 0, GETALL, BAD_POINTER));
	TRY(S(semctl, id, 0, SETALL, BAD_POINTER));
	v[2] = 40000;
	TRY(S(semctl, id, 0, SETALL, v));
	TRY(S(semctl, id, 0, IPC_STAT, BAD_POINTER));
	TRY(S(semctl, id, 0, IPC_SET, BAD_POINTER));
	TRY(S(semctl, id, 0, 99, 0));
	TRY(S(semctl, -1, 0, GETVAL, 0));
	TRY(S(semctl, -1, 0, IPC_RMID, 0));
	TRY(S(semctl, 0, 0, SEM_INFO, BAD_POINTER));
	TRY(S(semctl, gone, 0, IPC_RMID, 0));
	TRY(S(semctl, gone, 0, IPC_RMID, 0));
	TRY(S(semctl, gone, 0, GETVAL, 0));
	TRY(S(semtimedop, gone, &op, 1, NULL));
}

static void messages(void)
{
	struct {
		long type;
		char text[16];
	} m = {1, "hello"}, zero = {0, ""}, minus = {-1, ""};
	struct msqid_ds ds;
	int id = msg[0], gone = msgget(IPC_PRIVATE, 0600);

	TRY(S(msgget, keys[0], 0600 | IPC_CREAT | IPC_EXCL) < 0 ? -1 : 0);
	TRY(S(msgget, keys[0], 0) < 0 ? -1 : 0);
	TRY(S(msgget, 0x7ead0001, 0600));
	TRY(S(msgsnd, id, &zero, 4, 0));
	TRY(S(msgsnd, id, &minus, 4, 0));
	TRY(S(msgsnd, id, &m, -1L, 0));
	TRY(S(msgsnd, id, &m, 8193L, 0));
	TRY(S(msgsnd, id, BAD_POINTER, 4, 0));
	TRY(S(msgsnd, -1, &m, 4, 0));
	TRY(S(msgrcv, id, &m, 4, 0, IPC_NOWAIT));
	TRY(S(msgrcv, id, &m, -1L, 0, IPC_NOWAIT));
	TRY(S(msgrcv, -1, &m, 4, 0, IPC_NOWAIT));
	TRY(S(msgsnd, id, &m, 5, 0));
	TRY(S(msgrcv, id, &m, 4, 0, IPC_NOWAIT));
	TRY(S(msgrcv, id, &m, 4, 2, IPC_NOWAIT));
	TRY(S(msgrcv, id, &m, 4, 1, IPC_NOWAIT | MSG_EXCEPT));
	TRY(S(msgrcv, id, &m, 8, 0, MSG_COPY));
	TRY(S(msgrcv, id, &m, 8, 0, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT));
	TRY(S(msgrcv, id, &m, 8, 9, MSG_COPY | IPC_NOWAIT));
	TRY(S(msgrcv, id, &m, 8, 0, MSG_COPY | IPC_NOWAIT));
	TRY(S(msgrcv, id, &m, 4, 0, MSG_NOERROR));
	TRY(S(msgsnd, id, &m, 5, 0));
	TRY(S(msgrcv, id, BAD_POINTER, 8, 0, 0));
	TRY(S(msgrcv, id, &m, 8, 0, IPC_NOWAIT));
	TRY(S(msgctl, id, IPC_STAT, BAD_POINTER));
	TRY(S(msgctl, id, IPC_SET, BAD_POINTER));
	TRY(S(msgctl, id, 99, &ds));
	TRY(S(msgctl, id, -1, &ds));
	TRY(S(msgctl, -1, IPC_STAT, &ds));
	TRY(S(msgctl, -1, IPC_RMID, NULL));
	TRY(S(msgctl, 0, MSG_INFO, BAD_POINTER));
	TRY(S(msgctl, INT_MAX, MSG_STAT, &ds));
	/* a full queue, made small */
	CHECK_EQ(msgctl(gone, IPC_STAT, &ds), 0);
	ds.msg_qbytes = 6;
	TRY(S(msgctl, gone, IPC_SET, &ds));
	TRY(S(msgsnd, gone, &m, 5, IPC_NOWAIT));
	TRY(S(msgsnd, gone, &m, 5, IPC_NOWAIT));
	TRY(S(msgctl, gone, IPC_RMID, NULL));
	TRY(S(msgctl, gone, IPC_RMID, NULL));
	TRY(S(msgsnd, gone, &m, 5, 0));
	TRY(S(msgrcv, gone, &m, 5, 0, 0));
}

static void queues(void)
{
	struct mq_attr a = {.mq_maxmsg = 2, .mq_msgsize = 8}, odd = a, got;
	struct timespec past = {1, 0}, bad = {0, 1000000000}, neg = {-1, 0};
	struct sigevent ev = {.sigev_notify = 99}, sig = {.sigev_notify = SIGEV_SIGNAL};
	int q, w, f = open("/dev/null", O_RDWR);
	char buf[8];

	TRY(S(mq_open, "", O_RDONLY, 0, NULL));
	TRY(S(mq_open, "a/b", O_RDWR | O_CREAT, 0600, NULL));
	TRY(S(mq_open, ".", O_RDONLY, 0, NULL));
	TRY(S(mq_open, "..", O_RDWR | O_CREAT, 0600, NULL));
	TRY(S(mq_open, long_name(255), O_RDONLY, 0, NULL));
	TRY(S(mq_open, long_name(256), O_RDONLY, 0, NULL));
	TRY(S(mq_open, BAD_POINTER, O_RDONLY, 0, NULL));
	TRY(S(mq_open, queue, O_RDWR, 0, NULL));
	odd.mq_maxmsg = 0;
	TRY(S(mq_open, queue, O_RDWR | O_CREAT, 0600, &odd));
	odd.mq_maxmsg = 1 << 20;
	TRY(S(mq_open, queue, O_RDWR | O_CREAT, 0600, &odd));
	odd = a;
	odd.mq_msgsize = -1;
	TRY(S(mq_open, queue, O_RDWR | O_CREAT, 0600, &odd));
	TRY(S(mq_open, queue, O_RDWR | O_CREAT, 0600, BAD_POINTER));
	q = (int)S(mq_open, queue, O_RDONLY | O_CREAT | O_EXCL, 0600, &a);
	CHECK(q >= 0);
	TRY(S(mq_open, queue, O_RDONLY | O_CREAT | O_EXCL, 0600, &a));
	TRY(S(mq_open, queue, 3, 0, NULL));
	w = (int)S(mq_open, queue, O_WRONLY | O_NONBLOCK, 0, NULL);
	CHECK(w >= 0);
	TRY(S(mq_timedsend, q, "x", 1, 0, NULL));
	TRY(S(mq_timedsend, w, "x", 9, 0, NULL));
	TRY(S(mq_timedsend, w, "x", 1, 32768, NULL));
	TRY(S(mq_timedsend, w, BAD_POINTER, 1, 0, NULL));
	TRY(S(mq_timedsend, w, "x", 1, 0, &bad));
	TRY(S(mq_timedsend, w, "x", 1, 0, &neg));
	TRY(S(mq_timedsend, w, "x", 1, 0, BAD_POINTER));
	TRY(S(mq_timedsend, f, "x", 1, 0, NULL));
	TRY(S(mq_timedsend, 999, "x", 1, 0, NULL));
	TRY(S(mq_timedreceive, q, buf, 8, NULL, &past));
	TRY(S(mq_timedreceive, w, buf, 8, NULL, NULL));
	TRY(S(mq_timedreceive, q, buf, 7, NULL, NULL));
	TRY(S(mq_timedreceive, q, buf, 8, NULL, &bad));
	TRY(S(mq_timedreceive, f, buf, 8, NULL, NULL));
	TRY(S(mq_timedreceive, 999, buf, 8, NULL, NULL));
	TRY(S(mq_timedsend, w, "x", 1, 0, NULL));
	TRY(S(mq_timedsend, w, "x", 1, 0, NULL));
	TRY(S(mq_timedsend, w, "x", 1, 0, NULL));
	TRY(S(mq_getsetattr, w, NULL, &got));
	got.mq_flags = 0;
	TRY(S(mq_getsetattr, w, &got, NULL));
	TRY(S(mq_timedsend, w, "x", 1, 0, &past));
	TRY(S(mq_timedreceive, q, buf, 8, BAD_POINTER, NULL));
	TRY(S(mq_timedreceive, q, BAD_POINTER, 8, NULL, NULL));
	got.mq_flags = 1;
	TRY(S(mq_getsetattr, w, &got, NULL));
	TRY(S(mq_getsetattr, w, BAD_POINTER, NULL));
	TRY(S(mq_getsetattr, w, NULL, BAD_POINTER));
	TRY(S(mq_getsetattr, f, NULL, &got));
	TRY(S(mq_getsetattr, 999, NULL, &got));
	TRY(S(mq_notify, 999, NULL));
	TRY(S(mq_notify, f, &sig));
	TRY(S(mq_notify, q, &ev));
	TRY(S(mq_notify, q, BAD_POINTER));
	sig.sigev_signo = 65;
	TRY(S(mq_notify, q, &sig));
	sig.sigev_signo = SIGUSR1;
	TRY(S(mq_notify, q, &sig));
	TRY(S(mq_notify, q, &sig));
	TRY(S(mq_notify, q, NULL));
	TRY(S(mq_notify, q, NULL));
	TRY(S(mq_unlink, "/none"));
	TRY(S(mq_unlink, ""));
	TRY(S(mq_unlink, "."));
	TRY(S(mq_unlink, BAD_POINTER));
	TRY(S(mq_unlink, long_name(256)));
	close(w);
	close(q);
	close(f);
}

/* Neither owner nor creator. */
static void others(void)
{
	struct sembuf up = {0, 1, 0}, zero = {1, 0, IPC_NOWAIT};
	struct {
		long type;
		char text[16];
	} m = {1, "hello"};
	struct shmid_ds sd;
	struct semid_ds ed;
	struct msqid_ds qd;
	union semun_abi u = {.val = 0};
	struct rlimit none = {0, 0};

	for (int i = 0; i < 3; i++) {
		void *p;

		say("mode %o\n", modes[i]);
		TRY(S(shmget, keys[i], 0, 0) < 0 ? -1 : 0);
		TRY(S(shmget, keys[i], 0, 0444) < 0 ? -1 : 0);
		TRY(S(shmget, keys[i], 0, 0666) < 0 ? -1 : 0);
		p = shmat(shm[i], NULL, SHM_RDONLY);
		TRY(p == (void *)-1 ? -1 : 0);
		TRY(p != (void *)-1 ? shmdt(p) : 0);
		p = shmat(shm[i], NULL, 0);
		TRY(p == (void *)-1 ? -1 : 0);
		TRY(p != (void *)-1 ? shmdt(p) : 0);
		TRY(S(shmat, shm[i], NULL, SHM_EXEC) != -1);
		TRY(S(shmctl, shm[i], IPC_STAT, &sd));
		TRY(S(shmctl, shm[i], IPC_SET, &sd));
		TRY(S(shmctl, shm[i], IPC_RMID, NULL));
		TRY(S(shmctl, shm[i], SHM_UNLOCK, NULL));
		TRY(S(semget, keys[i], 0, 0) < 0 ? -1 : 0);
		TRY(S(semget, keys[i], 0, 0444) < 0 ? -1 : 0);
		TRY(S(semget, keys[i], 0, 0666) < 0 ? -1 : 0);
		TRY(S(semtimedop, sem[i], &up, 1, NULL));
		TRY(S(semtimedop, sem[i], &zero, 1, NULL));
		TRY(S(semctl, sem[i], 1, GETVAL, 0));
		TRY(S(semctl, sem[i], 1, SETVAL, u));
		TRY(S(semctl, sem[i], 0, IPC_STAT, &ed));
		TRY(S(semctl, sem[i], 0, IPC_SET, &ed));
		TRY(S(semctl, sem[i], 0, IPC_RMID, 0));
		TRY(S(msgget, keys[i], 0) < 0 ? -1 : 0);
		TRY(S(msgget, keys[i], 0444) < 0 ? -1 : 0);
		TRY(S(msgget, keys[i], 0666) < 0 ? -1 : 0);
		TRY(S(msgsnd, msg[i], &m, 5, 0));
		TRY(S(msgrcv, msg[i], &m, 16, 0, IPC_NOWAIT));
		TRY(S(msgctl, msg[i], IPC_STAT, &qd));
		TRY(S(msgctl, msg[i], IPC_SET, &qd));
		TRY(S(msgctl, msg[i], IPC_RMID, NULL));
	}
	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	TRY(S(shmctl, shm[2], SHM_LOCK, NULL));
	TRY(S(mq_open, queue, O_RDONLY, 0, NULL));
	TRY(S(mq_open, queue, O_WRONLY, 0, NULL));
	TRY(S(mq_unlink, queue));
	CHECK_EQ(setrlimit(RLIMIT_MSGQUEUE, &none), 0);
	TRY(S(mq_open, "err-ipc-other", O_RDWR | O_CREAT, 0600, NULL));
}

int main(void)
{
	snprintf(queue, sizeof(queue), "err-ipc-%d", getpid());
	for (int i = 0; i < 3; i++) {
		keys[i] = (key_t)((unsigned)getpid() << 4 | (unsigned)i | 0x40000000U);
		shm[i] = shmget(keys[i], PAGE, IPC_CREAT | IPC_EXCL | modes[i]);
		sem[i] = semget(keys[i], 3, IPC_CREAT | IPC_EXCL | modes[i]);
		msg[i] = msgget(keys[i], IPC_CREAT | IPC_EXCL | modes[i]);
		CHECK(shm[i] >= 0 && sem[i] >= 0 && msg[i] >= 0);
	}
	shared_memory();
	semaphores();
	messages();
	queues();
	as_other(others);
	TRY(S(mq_unlink, queue));
	TRY(S(mq_unlink, queue));
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(shmctl(shm[i], IPC_RMID, NULL), 0);
		CHECK_EQ(semctl(sem[i], 0, IPC_RMID), 0);
		CHECK_EQ(msgctl(msg[i], IPC_RMID, NULL), 0);
	}
	return 0;
}
