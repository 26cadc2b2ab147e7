/*
 * Who is to be told of what happens to an open file: fcntl(2)'s F_SETOWN and F_SETSIG. Nothing here
 * tells yet: O_ASYNC is kept, but nobody is sent SIGIO, and there is no urgent data.
 *
 * A file_owner lies in its vfs_file. Its fields are atomic and change one by one.
 */
#ifndef VMBOX_LINUX_FILE_OWNER_H
#define VMBOX_LINUX_FILE_OWNER_H

#include <stdatomic.h>
#include <stdint.h>

struct file;
struct task;

struct file_owner {
	_Atomic int who;  /* 0: nobody */
	_Atomic int type; /* F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP: what `who` is the number of */
	_Atomic int signum; /* F_SETSIG */
};

/*
 * F_GETOWN, F_SETOWN, F_GETOWN_EX, F_SETOWN_EX, F_GETSIG, F_SETSIG of f: their results. -EINVAL:
 * another command, or a bad argument; -ESRCH: no such owner; -EFAULT.
 */
long file_owner_fcntl(struct task *t, struct file *f, int cmd, uint64_t arg);

#endif
