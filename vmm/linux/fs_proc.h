/*
 * /proc and /sys: what their files share.
 *
 * An entry is a row of a constant table; an inode is made for each walk and knows its entry,
 * process id and descriptor. A file's text is made when it is read from its start. Show functions
 * run with no lock held and take tree_lock, process->lock and mm locks themselves.
 */
#ifndef VMBOX_LINUX_FS_PROC_H
#define VMBOX_LINUX_FS_PROC_H

#include "sys_fs.h"

#define PROC_ALL_MAX  (64UL << 20) /* all texts of open files together */
#define PROC_TEXT_MAX (16UL << 20) /* the longest file: maps of 65,530 mappings */

/* A text that grows. */
struct proc_buf {
	char *s;
	size_t len, cap;
	bool failed; /* no memory, or too long: what follows is dropped */
};
void proc_puts(struct proc_buf *b, const void *s, size_t len);
void proc_printf(struct proc_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Who asks and about whom; p is NULL outside /proc/PID, else a reference held by the caller. */
struct proc_ctx {
	struct kernel *k;
	struct process *p;
	struct task *reader; /* may be NULL */
	uint32_t tid;        /* below /proc/PID/task: which thread; 0: the process */
	int fd;              /* below /proc/PID/fdinfo: which one */
	unsigned cpu;        /* below /sys/devices/system/cpu/cpuN: which one */
};

struct proc_entry {
	const char *name; /* NULL: the table ends */
	uint32_t mode;    /* with the type */
	/* S_IFREG: 0 or a negative errno. */
	int (*show)(struct proc_buf *b, const struct proc_ctx *ctx);
	/* Written text (NUL-terminated, without a last newline). NULL: -EACCES. */
	int (*store)(const char *text, const struct proc_ctx *ctx);
	/* S_IFLNK without a text of its own: *out gets a reference. */
	int (*follow)(const struct proc_ctx *ctx, struct path *out);
	/* S_IFLNK with a text. */
	int (*text)(char *buf, size_t size, const struct proc_ctx *ctx);
	/* S_IFDIR */
	const struct proc_entry *children;
	bool owner_only; /* only for who could trace the process: same uid, or root */
	bool fds;        /* a directory of descriptors */
	bool infos;      /* with it: of files about them */
	bool tasks;      /* a directory of threads, which itself is not in theirs */
	bool cpus;       /* children, and a directory cpuN for each vCPU */
};

/* Rows of a table of entries. */
#define PROC_FILE(n, fn)                                                                           \
	{                                                                                          \
		.name = n, .mode = S_IFREG | 0444, .show = fn                                      \
	}
#define PROC_DIR(n, table)                                                                         \
	{                                                                                          \
		.name = n, .mode = S_IFDIR | 0555, .children = table                               \
	}

extern const struct proc_entry proc_root_entries[]; /* fs_proc_sys.c */
extern const struct proc_entry proc_pid_entries[];  /* fs_proc_pid.c */
extern const struct proc_entry sys_root;            /* fs_sys.c: /sys, made in the same way */
extern const struct proc_entry sys_one_cpu;

/* The thread that ctx is about: ctx->tid, or the first that there is. NULL: it has ended. tree_lock
 * held. fs_proc_pid.c */
struct task *proc_task_locked(const struct proc_ctx *ctx);

/* *out: a reference to the process whose directory /proc/PID f is. -EBADF: it is none. -ESRCH: the
 * process is gone. */
int proc_dir_process(struct file *f, struct process **out);

/* A reference to p's address space, or NULL. */
struct mm *proc_mm(struct process *p);
int proc_show_fdinfo(struct proc_buf *b, const struct proc_ctx *ctx);
/* fs_proc_machine.c */
int proc_show_meminfo(struct proc_buf *b, const struct proc_ctx *ctx);
int proc_show_vmstat(struct proc_buf *b, const struct proc_ctx *ctx);
int proc_show_cpuinfo(struct proc_buf *b, const struct proc_ctx *ctx);
/* fs_proc_usage.c: all of statm, and those lines of status that are about memory: none if there is
 * no address space. */
int proc_show_statm(struct proc_buf *b, const struct proc_ctx *ctx);
void proc_put_memory(struct proc_buf *b, const struct proc_ctx *ctx);
/* What a mapping's object's pages count as; where there is none, and what is copied of one, counts
 * as VMA_ANON. */
enum vma_kind { VMA_ANON, VMA_OF_FILE, VMA_SHMEM };
enum vma_kind proc_vma_kind(const struct vma *v);
/* fs_proc_maps.c */
int proc_show_maps(struct proc_buf *b, const struct proc_ctx *ctx);
int proc_show_smaps(struct proc_buf *b, const struct proc_ctx *ctx);
int proc_show_rollup(struct proc_buf *b, const struct proc_ctx *ctx);

/* unix_name.c: /proc/PID/net/unix. */
int proc_show_unix(struct proc_buf *b, const struct proc_ctx *ctx);

/* Mounts as /proc/PID/mounts (info false) or mountinfo shows them. */
int proc_show_mounts(struct proc_buf *b, const struct proc_ctx *ctx, bool info);

/* ---- inside: fs_proc.c, fs_proc_dir.c, fs_proc_file.c ---- */

struct proc_inode {
	struct inode i;
	const struct proc_entry *e; /* NULL: an open descriptor's link */
	uint32_t tid;               /* 0: not about one thread */
	uint32_t pid;               /* 0: not about a process */
	int fd;                     /* or, in /sys, the number of the vCPU */
};

static inline struct proc_inode *proc_inode_of(struct inode *i)
{
	return container_of(i, struct proc_inode, i);
}

extern const struct proc_entry proc_root;

/* [no lock] *ctx with a reference to the process. -ESRCH: it is gone. */
int proc_ctx_get(struct inode *i, struct task *reader, struct proc_ctx *ctx);
void proc_ctx_put(struct proc_ctx *ctx);
/* PTRACE_MODE_READ, as far as ids go. */
bool proc_may_look(const struct proc_ctx *ctx);
/* A thread's directory has no `task`. */
bool proc_entry_shown(const struct proc_entry *c, uint32_t tid);
/* Inode numbers: of a process's or thread's first entry, and of an entry or descriptor from there.
 */
uint64_t proc_ino_base(uint32_t pid, uint32_t tid);
uint64_t proc_ino_for(const struct proc_entry *e, uint64_t base, int fd);
/* A reference, or NULL: it has ended. */
struct fdtable *proc_files_get(struct process *p);
/* fs_proc_dir.c */
int proc_iterate(struct vfs_file *f, struct dir_emit *e, int64_t *pos);
int proc_dir_open(struct inode *i, struct vfs_file *f, struct task *t);
/* fs_proc_file.c */
int proc_file_open(struct inode *i, struct vfs_file *f, struct task *t);
int proc_setattr(struct dentry *d, const struct vfs_setattr *s);

#endif
