// variants: static
// System V message queues: types, order, truncation, full and empty queues, removal under a waiter,
// the errors of msgget(2), msgop(2) and msgctl(2).
#include "check.h"
#include <sys/ipc.h>
#include <sys/msg.h>

struct text {
	long type;
	char data[64];
};

static int id;

static int put(long type, const char *data, int flags)
{
	struct text m = {.type = type};

	strcpy(m.data, data);
	return msgsnd(id, &m, strlen(data), flags);
}

static const char *get(long type, int flags)
{
	static struct text m;
	ssize_t n = msgrcv(id, &m, sizeof(m.data) - 1, type, flags);

	CHECK(n >= 0);
	m.data[n] = 0;
	return m.data;
}

static void getter(void *arg)
{
	(void)arg;
	CHECK_EQ(strcmp(get(7, 0), "seven"), 0);
}

static void putter(void *arg)
{
	(void)arg;
	CHECK_EQ(put(9, "last", 0), 0);
}

static void removed(void *arg)
{
	struct text m;

	(void)arg;
	CHECK_ERR(msgrcv(id, &m, 8, 100, 0), EIDRM);
}

int main(void)
{
	key_t key = 0x5648f000 ^ getpid();
	struct text m = {.type = 1};
	static struct {
		long type;
		char data[10000];
	} big = {.type = 1};
	struct msqid_ds d;
	pid_t pid;

	id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
	CHECK(id >= 0);
	CHECK_EQ(msgget(key, 0), id);
	CHECK_ERR(msgget(key, IPC_CREAT | IPC_EXCL), EEXIST);
	CHECK_ERR(msgget(key + 1, 0), ENOENT);
	CHECK_EQ(put(3, "c", 0), 0);
	CHECK_EQ(put(1, "a", 0), 0);
	CHECK_EQ(put(2, "bb", 0), 0);
	CHECK_EQ(put(1, "aa", 0), 0);
	CHECK_EQ(msgctl(id, IPC_STAT, &d), 0);
	CHECK_EQ(d.msg_qnum, 4);
	CHECK_EQ(d.msg_lspid, getpid());
	CHECK_EQ(d.msg_qbytes, 16384);
	say("%s", get(1, 0));
	say(" %s", get(-2, 0));
	say(" %s", get(3, MSG_EXCEPT));
	say(" %s\n", get(0, 0));
	CHECK_ERR(msgrcv(id, &m, 8, 0, IPC_NOWAIT), ENOMSG);
	CHECK_EQ(put(5, "long one", 0), 0);
	CHECK_ERR(msgrcv(id, &m, 4, 0, 0), E2BIG);
	CHECK_EQ(msgrcv(id, &m, 4, 0, MSG_NOERROR), 4);
	CHECK_EQ(m.type, 5);
	CHECK_EQ(memcmp(m.data, "long", 4), 0);
	CHECK_EQ(msgsnd(id, &m, 0, 0), 0);
	CHECK_EQ(msgrcv(id, &m, 64, 5, 0), 0);
	m.type = 0;
	CHECK_ERR(msgsnd(id, &m, 1, 0), EINVAL);
	CHECK_ERR(msgsnd(id, &big, 9000, 0), EINVAL);
	CHECK_ERR(msgsnd(id, &big, (size_t)-1, 0), EINVAL);
	CHECK_ERR(msgsnd(-1, &big, 1, 0), EINVAL);
	CHECK_ERR(msgsnd(id, (void *)8, 1, 0), EFAULT);
	CHECK_ERR(msgrcv(-1, &m, 1, 0, 0), EINVAL);
	CHECK_ERR(msgrcv(id, &m, (size_t)-1, 0, 0), EINVAL);
	CHECK_ERR(msgctl(id, 99, &d), EINVAL);
	CHECK_ERR(msgctl(id, IPC_STAT, (void *)8), EFAULT);
	/* full */
	CHECK_EQ(msgsnd(id, &big, 8192, 0), 0);
	CHECK_EQ(msgsnd(id, &big, 8192, 0), 0);
	CHECK_ERR(msgsnd(id, &big, 1, IPC_NOWAIT), EAGAIN);
	pid = spawn(putter, NULL);
	await_asleep(pid);
	CHECK_EQ(msgrcv(id, &big, 8192, 1, 0), 8192);
	reap_ok(pid);
	CHECK_EQ(msgrcv(id, &big, 8192, 1, 0), 8192);
	CHECK_EQ(strcmp(get(0, 0), "last"), 0);
	/* empty */
	pid = spawn(getter, NULL);
	CHECK_EQ(put(6, "six", 0), 0);
	CHECK_EQ(put(7, "seven", 0), 0);
	reap_ok(pid);
	CHECK_EQ(strcmp(get(0, 0), "six"), 0);
	pid = spawn(removed, NULL);
	await_asleep(pid);
	CHECK_EQ(msgctl(id, IPC_RMID, NULL), 0);
	reap_ok(pid);
	CHECK(put(1, "x", 0) == -1 && (errno == EINVAL || errno == EIDRM));
	say("ok\n");
	return 0;
}
