// variants: static
// System V shared memory: attaching, who is counted, removal while attached, the errors of
// shmget(2), shmop(2) and shmctl(2).
#include "check.h"
#include <sys/ipc.h>
#include <sys/shm.h>

#define PAGE 4096ul

static struct shmid_ds stat_of(int id)
{
	struct shmid_ds d;

	CHECK_EQ(shmctl(id, IPC_STAT, &d), 0);
	return d;
}

static void touch(void *p)
{
	*(volatile char *)p = 1;
}

int main(void)
{
	key_t key = 0x5648d000 ^ getpid();
	int id = shmget(key, 3 * PAGE - 5, IPC_CREAT | IPC_EXCL | 0640), priv;
	char *p, *q, *at;
	struct shmid_ds d;
	pid_t pid;

	CHECK(id >= 0);
	CHECK_ERR(shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_EQ(shmget(key, PAGE, 0), id);
	CHECK_ERR(shmget(key, 4 * PAGE, 0), EINVAL);
	CHECK_ERR(shmget(key + 1, PAGE, 0), ENOENT);
	CHECK_ERR(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
	CHECK_ERR(shmget(IPC_PRIVATE, (size_t)-1, 0600), EINVAL);
	priv = shmget(IPC_PRIVATE, PAGE, 0600);
	CHECK(priv >= 0 && priv != id);
	CHECK_EQ(shmctl(priv, IPC_RMID, NULL), 0);
	CHECK(shmat(priv, NULL, 0) == (void *)-1 && (errno == EINVAL || errno == EIDRM));

	d = stat_of(id);
	CHECK_EQ(d.shm_segsz, 3 * PAGE - 5);
	CHECK_EQ(d.shm_nattch, 0);
	CHECK_EQ(d.shm_cpid, getpid());
	CHECK_EQ(d.shm_perm.mode, 0640);
	CHECK_EQ(d.shm_perm.__key, key);
	CHECK_EQ(d.shm_atime, 0);
	p = shmat(id, NULL, 0);
	CHECK(p != (void *)-1);
	q = shmat(id, NULL, SHM_RDONLY);
	CHECK(q != (void *)-1 && q != p);
	strcpy(p, "shared");
	CHECK_EQ(strcmp(q, "shared"), 0);
	CHECK_EQ(p[3 * PAGE - 1], 0);
	say("write: %s\n", status_text(run_child(touch, q)));
	d = stat_of(id);
	CHECK_EQ(d.shm_nattch, 2);
	CHECK(d.shm_atime > 0);
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(stat_of(id).shm_nattch, 4);
		strcpy(p + PAGE, "child");
		CHECK_EQ(shmdt(p), 0);
		CHECK_EQ(stat_of(id).shm_nattch, 3);
		CHECK_EQ(stat_of(id).shm_lpid, getpid());
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(stat_of(id).shm_nattch, 2);
	CHECK_EQ(strcmp(q + PAGE, "child"), 0);
	/* addresses */
	at = (char *)map_pages(8 * PAGE, PROT_NONE);
	CHECK(shmat(id, at, 0) == (void *)-1 && errno == EINVAL);
	CHECK(shmat(id, at + 1, SHM_REMAP) == (void *)-1 && errno == EINVAL);
	CHECK(shmat(id, NULL, SHM_REMAP) == (void *)-1 && errno == EINVAL);
	CHECK(shmat(id, at + PAGE + 5, SHM_RND | SHM_REMAP) == at + PAGE);
	CHECK_EQ(strcmp(at + PAGE, "shared"), 0);
	CHECK_EQ(munmap(at + 2 * PAGE, PAGE), 0); /* in two parts now */
	CHECK_EQ(stat_of(id).shm_nattch, 4);
	CHECK_EQ(shmdt(at + PAGE), 0);
	CHECK_EQ(stat_of(id).shm_nattch, 2);
	say("gone: %s\n", status_text(run_child(touch, at + 3 * PAGE)));
	CHECK_ERR(shmdt(at), EINVAL);
	CHECK_ERR(shmdt(p + 1), EINVAL);
	CHECK_ERR(shmdt(p + PAGE), EINVAL);
	/* a neighbour stays as it is: each attachment ends by its own detaching */
	CHECK(shmat(id, at, SHM_REMAP) == at);
	CHECK(shmat(id, at + 4 * PAGE, SHM_REMAP) == at + 4 * PAGE);
	CHECK_EQ(stat_of(id).shm_nattch, 4);
	CHECK_EQ(shmdt(at), 0);
	CHECK_EQ(shmdt(at + 4 * PAGE), 0);
	CHECK_EQ(stat_of(id).shm_nattch, 2);
	/* removed, and there until the last detaches */
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	d = stat_of(id);
	CHECK_EQ(d.shm_perm.mode & 01000, 01000);
	CHECK_EQ(d.shm_perm.__key, IPC_PRIVATE);
	CHECK_ERR(shmget(key, PAGE, 0), ENOENT);
	/* by its id it can still be attached */
	at = shmat(id, NULL, 0);
	CHECK(at != (void *)-1);
	CHECK_EQ(strcmp(at, "shared"), 0);
	CHECK_EQ(stat_of(id).shm_nattch, 3);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	CHECK_EQ(shmdt(at), 0);
	CHECK_EQ(strcmp(p, "shared"), 0);
	CHECK_EQ(shmdt(p), 0);
	CHECK_EQ(strcmp(q, "shared"), 0);
	CHECK_EQ(shmdt(q), 0);
	CHECK(shmctl(id, IPC_STAT, &d) == -1 && (errno == EINVAL || errno == EIDRM));
	CHECK_ERR(shmctl(-1, IPC_STAT, &d), EINVAL);
	CHECK_ERR(shmctl(0x7ffffff0, IPC_STAT, &d), EINVAL);
	/* exec and exit detach */
	id = shmget(IPC_PRIVATE, PAGE, 0600);
	p = shmat(id, NULL, 0);
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(stat_of(id).shm_nattch, 2);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(stat_of(id).shm_nattch, 1);
	CHECK_ERR(shmctl(id, 99, &d), EINVAL);
	CHECK_ERR(shmctl(id, IPC_STAT, (void *)8), EFAULT);
	CHECK_EQ(shmctl(id, SHM_LOCK, NULL), 0);
	CHECK_EQ(shmctl(id, SHM_UNLOCK, NULL), 0);
	d = stat_of(id);
	d.shm_perm.mode = 0400;
	CHECK_EQ(shmctl(id, IPC_SET, &d), 0);
	CHECK_EQ(stat_of(id).shm_perm.mode & 0777, 0400);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	CHECK_EQ(munmap(p, PAGE), 0);
	CHECK(shmctl(id, IPC_STAT, &d) == -1);
	say("ok\n");
	return 0;
}
