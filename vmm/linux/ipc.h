/*
 * System V IPC: shared memory, semaphores, message queues. sysvipc(7).
 *
 * ipc->lock protects the three tables, every object in them, and the lists of who waits. It is a
 * leaf but for wait queues and frames; guest memory is read and written without it. Objects are
 * counted: the table has a reference, a call that waits another; `removed` tells the latter.
 */
#ifndef VMBOX_LINUX_IPC_H
#define VMBOX_LINUX_IPC_H

#include "sys_fs.h"

#include <sys/ipc.h>

#define IPC_MAX      4096  /* objects of one kind: SHMMNI, SEMMNI, MSGMNI */
#define IPC_SEQ      32768 /* ids are seq * IPC_SEQ + index */
#define IPC_KINDS    3
#define IPC_CMD_MASK 0xff
#define SEMMSL_K     32000  /* in one set */
#define SEMMNS_K     256000 /* in all */
#define SEMOPM_K     500
#define MSGMAX_K     8192
#define MSGMNB_K     16384
#define SHMALL_K     (UINT64_MAX - (1UL << 24))

struct ipc;

enum ipc_kind { IPC_SHM, IPC_SEM, IPC_MSG };

struct ipc_obj {
	unsigned refs;
	bool removed;
	int id;
	int key;
	uint32_t uid, gid, cuid, cgid, mode;
	uint16_t seq;
	/* The last reference is gone; lock held. May not be NULL. */
	void (*destroy)(struct ipc *ipc, struct ipc_obj *o);
};

struct ipc_table {
	struct ipc_obj *slot[IPC_MAX];
	unsigned used, top; /* top: no slot from here on was ever used */
	uint16_t seq;
};

struct ipc {
	pthread_mutex_t lock;
	/* protected by lock: */
	struct ipc_table table[IPC_KINDS];
	uint64_t shm_pages; /* of all segments */
	unsigned nsems, nundos;
	uint64_t msg_bytes, nmsgs;
};

/* ---- ipc.c ---- */

struct ipc *ipc_create(void);
/* No process is left. */
void ipc_destroy(struct ipc *ipc);
/* p's semaphore adjustments are made. Its last task's owner; no lock held. */
void ipc_process_exit(struct process *p);

/*
 * shmget, semget, msgget: what has the key, or what make() makes. lock held. The id; -ENOENT,
 * -EEXIST, -EACCES, -ENOSPC, what check and make say. arg is theirs.
 */
struct ipc_get {
	int key, flags;
	/* An object that exists: 0, -EINVAL. */
	int (*check)(struct ipc_obj *o, void *arg);
	/* A new one, refs 0 and destroy set; -ENOMEM, -EINVAL, -ENOSPC. */
	int (*make)(struct ipc *ipc, void *arg, struct ipc_obj **out);
	void *arg;
};
long ipc_get_locked(struct task *t, enum ipc_kind kind, const struct ipc_get *g);
/* Borrowed; NULL and *err: -EINVAL, -EIDRM. lock held. */
struct ipc_obj *ipc_find_locked(struct ipc *ipc, enum ipc_kind kind, int id, int *err);
/* By index, for the *_STAT commands. NULL: -EINVAL. */
struct ipc_obj *ipc_at_locked(struct ipc *ipc, enum ipc_kind kind, int index);
/* May t do this? mode: S_IRUGO and S_IWUGO bits. 0 or -EACCES. */
int ipc_allowed(struct task *t, const struct ipc_obj *o, unsigned mode);
/* IPC_SET, IPC_RMID: 0 or -EPERM. */
int ipc_owner(struct task *t, const struct ipc_obj *o);
void ipc_hold_locked(struct ipc_obj *o);
void ipc_put_locked(struct ipc *ipc, struct ipc_obj *o);
/* Out of the table; its reference goes. */
void ipc_remove_locked(struct ipc *ipc, enum ipc_kind kind, struct ipc_obj *o);
void ipc_perm_fill(const struct ipc_obj *o, struct ipc_perm *p);
void ipc_perm_set(struct ipc_obj *o, const struct ipc_perm *p);
/* The highest index in use, 0 if none: what *_INFO returns. */
int ipc_highest_locked(const struct ipc *ipc, enum ipc_kind kind);
int64_t ipc_time(struct kernel *k);

/* ---- sysv_*.c: /proc/sysvipc ---- */

struct proc_buf;
struct proc_ctx;
int proc_show_shm(struct proc_buf *b, const struct proc_ctx *ctx);
int proc_show_sem(struct proc_buf *b, const struct proc_ctx *ctx);
int proc_show_msg(struct proc_buf *b, const struct proc_ctx *ctx);

/* ---- sysv_sem.c ---- */

struct sem_undo;
/* Makes and forgets p's adjustments. lock held. */
void sem_exit_locked(struct process *p);

#endif
