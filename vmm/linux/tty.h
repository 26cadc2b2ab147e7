/*
 * Terminals: what they all have, whatever is behind them. ioctl_tty(2), credentials(7).
 *
 * A struct tty is one terminal: the host's that vmbox runs on (fs_tty.c), or the slave of a
 * pseudo-terminal (pty.h). It knows whose controlling terminal it is and which process group is in
 * its foreground; those are the guest's own ids. Line discipline, attributes and the window size
 * are its driver's. Processes point to their controlling terminal (p->ctty, protected by
 * tree_lock, with a reference); a child gets its parent's.
 */
#ifndef VMBOX_LINUX_TTY_H
#define VMBOX_LINUX_TTY_H

#include "../core/core.h"

struct file;
struct kernel;
struct process;
struct stdio;
struct task;
struct tty;
struct vfs_file;
struct winsize;

/* The kernel's struct termios, and, with the speeds, struct termios2. The C library's differs. */
struct tty_attr {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line, cc[19];
	uint32_t ispeed, ospeed;
};
_Static_assert(sizeof(struct tty_attr) == 44, "struct termios2 is 44 bytes");
#define TTY_ATTR1_SIZE 36

/* f: the file that the ioctl was made on. All but free are called with no lock held. */
struct tty_driver {
	void (*free)(struct tty *tty); /* the last reference is gone; tree_lock may be held */
	/* Makes f, being opened on an inode of /dev, a file of the terminal. -EIO, -ENXIO, -EBUSY.
	 */
	int (*open)(struct tty *tty, struct vfs_file *f, struct task *t);
	int (*get_attr)(struct tty *tty, struct file *f, struct tty_attr *a);
	/* speeds: a has them too. flush: what has been typed goes first. */
	int (*set_attr)(struct tty *tty, struct file *f, const struct tty_attr *a, bool speeds,
			bool flush);
	int (*get_size)(struct tty *tty, struct file *f, struct winsize *ws);
	int (*set_size)(struct tty *tty, struct file *f, const struct winsize *ws);
	int (*flush)(struct tty *tty, struct file *f, int queue);    /* TCFLSH: -EINVAL */
	int (*flow)(struct tty *tty, struct file *f, int action);    /* TCXONC: -EINVAL */
	int (*count)(struct tty *tty, struct file *f, unsigned cmd); /* FIONREAD, TIOCOUTQ */
	int (*type)(struct tty *tty, struct file *f, uint8_t c);     /* TIOCSTI */
	/* What only this kind has. -ENOTTY. */
	long (*ioctl)(struct tty *tty, struct file *f, struct task *t, unsigned cmd, uint64_t arg);
};

struct tty {
	/* immutable after init: */
	const struct tty_driver *drv;
	struct kernel *k;
	uint32_t nr;  /* the device number as /proc/PID/stat has it */
	bool is_host; /* its master is outside */
	_Atomic unsigned refs;
	_Atomic bool exclusive; /* TIOCEXCL: no more opens */
	/* Changed with k->tree_lock held; read by anybody: */
	_Atomic uint32_t sid;  /* whose controlling terminal it is; 0: nobody's */
	_Atomic uint32_t pgrp; /* the foreground group; 0: none */
	_Atomic bool taken;    /* somebody has set the foreground group: there is job control */
};

/* One reference. */
void tty_init(struct tty *tty, const struct tty_driver *drv, struct kernel *k, unsigned major,
	      unsigned minor);
struct tty *tty_get(struct tty *tty);
void tty_put(struct tty *tty); /* NULL allowed */
/*
 * Makes f, being opened by t on an inode of /dev, a file of the terminal, which becomes t's
 * session's if that has none (may_take). -EBUSY: TIOCEXCL; else as the driver's open.
 */
int tty_open(struct tty *tty, struct vfs_file *f, struct task *t, bool may_take);

/* ---- tty.c: sessions ---- */

/* p's controlling terminal with a reference, or NULL. Takes tree_lock. */
struct tty *tty_of_process(struct process *p);
bool tty_controls(struct tty *tty, struct process *p);
/*
 * t wants to read (SIGTTIN) or to change the terminal (SIGTTOU). 0; -EIO: in the background, and no
 * stop would ever end; -ERESTARTSYS: in the background, its group has got the signal. No lock held.
 */
int tty_check(struct tty *tty, struct task *t, int sig);
/* A signal of the terminal for its foreground group. Takes tree_lock. */
void tty_signal(struct tty *tty, int sig);
/* There is nobody behind it any more: its session loses it, and the session's leader is told. */
void tty_hangup(struct tty *tty);
/* PID 1 leads the first session: tty is its. */
void tty_give_first(struct tty *tty);
/* All with tree_lock held: a new process, one that leaves its session, one that leaves the tree. */
void tty_inherit_locked(struct process *p, struct process *creator);
void tty_forget_locked(struct process *p);
/* p ends: if it leads the terminal's session, that has none any more. */
void tty_leader_exit_locked(struct process *p);
/* What /proc/PID/stat shows: 0 and -1 without a terminal. */
void tty_numbers_locked(const struct process *p, uint32_t *nr, int32_t *pgrp);

/* ---- ioctls: tty.c, tty_ioctl.c ---- */

/*
 * TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCSCTTY, TIOCNOTTY on the terminal or (master) on its other
 * end. -ENOTTY and *mine false: none of these. As ioctl_tty(2).
 */
long tty_job_ioctl(struct tty *tty, bool master, struct task *t, unsigned cmd, uint64_t arg,
		   bool *mine);
/* All that terminals have in common. master: f is the master's. */
long tty_ioctl(struct tty *tty, struct file *f, bool master, struct task *t, unsigned cmd,
	       uint64_t arg);
/* The speeds that a->cflag asks for, a's own where it leaves them open. */
void tty_attr_speeds(struct tty_attr *a);

#endif
