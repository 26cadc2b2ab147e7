// variants: static
// /proc/sysvipc: the heads of the tables, and what they say of one's own objects.
#include "check.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

/* The line of id in the table, after its head was printed. */
static char *row_of(const char *name, int id)
{
	static char line[512];
	bool found = false;
	char path[64];
	int key, got;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sysvipc/%s", name);
	f = fopen(path, "r");
	CHECK(f != NULL);
	CHECK(fgets(line, sizeof(line), f) != NULL);
	say("%s", line);
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%d %d", &key, &got) == 2 && got == id;
	fclose(f);
	return found ? line : NULL;
}

static unsigned long long sysctl_value(const char *name, unsigned n)
{
	char path[64], buf[128] = "", *p = buf;
	unsigned long long v = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	CHECK(read(fd, buf, sizeof(buf) - 1) > 0);
	close(fd);
	for (unsigned i = 0; i <= n; i++)
		v = strtoull(p, &p, 10);
	return v;
}

/* The limits in /proc/sys are those that the calls tell. */
static void limits(void)
{
	struct shminfo shm;
	struct seminfo sem;
	struct msginfo msg;
	struct mq_attr attr;
	char name[64];
	mqd_t q;

	CHECK(shmctl(0, IPC_INFO, (struct shmid_ds *)&shm) >= 0);
	CHECK_EQ(sysctl_value("kernel/shmmax", 0), shm.shmmax);
	CHECK_EQ(sysctl_value("kernel/shmall", 0), shm.shmall);
	CHECK_EQ(sysctl_value("kernel/shmmni", 0), shm.shmmni);
	CHECK(semctl(0, 0, IPC_INFO, &sem) >= 0);
	CHECK_EQ(sysctl_value("kernel/sem", 0), sem.semmsl);
	CHECK_EQ(sysctl_value("kernel/sem", 1), sem.semmns);
	CHECK_EQ(sysctl_value("kernel/sem", 2), sem.semopm);
	CHECK_EQ(sysctl_value("kernel/sem", 3), sem.semmni);
	CHECK(msgctl(0, IPC_INFO, (struct msqid_ds *)&msg) >= 0);
	CHECK_EQ(sysctl_value("kernel/msgmax", 0), msg.msgmax);
	CHECK_EQ(sysctl_value("kernel/msgmnb", 0), msg.msgmnb);
	CHECK_EQ(sysctl_value("kernel/msgmni", 0), msg.msgmni);
	snprintf(name, sizeof(name), "/vmbox-sysv-proc-%d", getpid());
	q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
	CHECK(q != -1);
	CHECK_EQ(mq_unlink(name), 0);
	CHECK_EQ(mq_getattr(q, &attr), 0);
	CHECK_EQ(sysctl_value("fs/mqueue/msg_default", 0), attr.mq_maxmsg);
	CHECK_EQ(sysctl_value("fs/mqueue/msgsize_default", 0), attr.mq_msgsize);
	CHECK(sysctl_value("fs/mqueue/msg_max", 0) >= sysctl_value("fs/mqueue/msg_default", 0));
	CHECK(sysctl_value("fs/mqueue/queues_max", 0) > 0);
	mq_close(q);
	say("limits\n");
}

int main(void)
{
	int shm = shmget(IPC_PRIVATE, 5000, 0640), sem = semget(IPC_PRIVATE, 3, 0600),
	    msg = msgget(IPC_PRIVATE, 0622), key, id, cpid, lpid;
	unsigned mode, nattch, uid, gid, cuid, cgid;
	unsigned long size, bytes, num;
	long t1, t2, t3;
	struct {
		long type;
		char text[7];
	} m = {1, "seven!"};
	char *row;
	void *p;

	limits();
	CHECK(shm >= 0 && sem >= 0 && msg >= 0);
	p = shmat(shm, NULL, 0);
	CHECK(p != (void *)-1);
	CHECK_EQ(msgsnd(msg, &m, sizeof(m.text), 0), 0);

	row = row_of("shm", shm);
	CHECK(row != NULL);
	CHECK_EQ(sscanf(row, "%d %d %o %lu %d %d %u %u %u %u %u %ld %ld %ld", &key, &id, &mode,
			&size, &cpid, &lpid, &nattch, &uid, &gid, &cuid, &cgid, &t1, &t2, &t3),
		 14);
	say("shm %d %o %lu %u\n", key, mode, size, nattch);
	CHECK(cpid == getpid() && lpid == getpid());
	CHECK(uid == getuid() && cgid == getgid());
	CHECK(t1 > 0 && t2 == 0 && t3 > 0);

	row = row_of("sem", sem);
	CHECK(row != NULL);
	CHECK_EQ(sscanf(row, "%d %d %o %u %u %u %u %u %ld %ld", &key, &id, &mode, &nattch, &uid,
			&gid, &cuid, &cgid, &t1, &t2),
		 10);
	say("sem %d %o %u %ld\n", key, mode, nattch, t1);
	CHECK(t2 > 0);

	row = row_of("msg", msg);
	CHECK(row != NULL);
	CHECK_EQ(sscanf(row, "%d %d %o %lu %lu %d %d %u %u %u %u %ld %ld %ld", &key, &id, &mode,
			&bytes, &num, &cpid, &lpid, &uid, &gid, &cuid, &cgid, &t1, &t2, &t3),
		 14);
	say("msg %d %o %lu %lu\n", key, mode, bytes, num);
	CHECK(cpid == getpid() && lpid == 0 && t1 > 0 && t2 == 0 && t3 > 0);

	CHECK_EQ(shmdt(p) | shmctl(shm, IPC_RMID, NULL) | semctl(sem, 0, IPC_RMID) |
			 msgctl(msg, IPC_RMID, NULL),
		 0);
	CHECK(row_of("shm", shm) == NULL);
	CHECK(row_of("sem", sem) == NULL);
	CHECK(row_of("msg", msg) == NULL);
	return 0;
}
