/*
 * The guest's view of the host's terminal: whose controlling terminal it is, and which process
 * group is in its foreground.
 *
 * There is at most one: descriptors 0, 1 and 2 that are terminals of the host are taken for the
 * same. Both ids are the guest's own; the host's terminal knows vmbox's process group alone. Line
 * discipline, attributes and the keys that send signals are the host's: what it sends to vmbox goes
 * on to the guest's foreground group (kernel_signal_terminal). A session gets it by TIOCSCTTY only,
 * not by opening it. tty(4), credentials(7), and
 * drivers/tty/tty_jobctrl.c for the order of errors.
 */
#ifndef VMBOX_LINUX_TTY_H
#define VMBOX_LINUX_TTY_H

#include "../core/core.h"

struct kernel;
struct process;
struct task;
struct stdio;

/* Changed with k->tree_lock held; read by anybody. */
struct tty {
	_Atomic uint32_t sid;  /* whose controlling terminal it is; 0: nobody's */
	_Atomic uint32_t pgrp; /* the foreground group; 0: none */
	_Atomic bool taken;    /* somebody has set the foreground group: there is job control in the
				  guest */
};

/* The terminal is the controlling one of p's session, and p has not given it up. */
bool tty_controls(struct process *p);
/*
 * t wants to read (SIGTTIN) or to change the terminal (SIGTTOU). 0; -EIO: in the background, and no
 * stop would ever end; -ERESTARTSYS: in the background, its group has got the signal. No lock held.
 */
int tty_check(struct task *t, int sig);
/* The same for the task that this thread runs, from a file's read or write. tostop: a write. */
int tty_check_io(struct stdio *s, bool write);
/* A process ends: if it led the terminal's session, that has no terminal any more. tree_lock held.
 */
void tty_leader_exit_locked(struct process *p);

/* TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCSCTTY, TIOCNOTTY. As ioctl_tty(2). */
long tty_get_pgrp(struct task *t, uint64_t arg);
long tty_set_pgrp(struct task *t, uint64_t arg);
long tty_get_sid(struct task *t, uint64_t arg);
long tty_take(struct task *t);
long tty_give_up(struct task *t);

#endif
