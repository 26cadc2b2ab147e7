/*
 * Extended attributes of the host's files: user.* of what --bind shows, read where they are and
 * written through. xattr(7).
 */
#include "fs_host.h"

#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

int host_any_fd(struct host_inode *h, bool *close_it)
{
	int fd = h->fd;

	*close_it = false;
	pthread_mutex_lock(&h->i.lock);
	if (fd < 0 && h->hf)
		fd = h->hf->fd >= 0 ? h->hf->fd : atomic_load(&h->hf->wfd);
	pthread_mutex_unlock(&h->i.lock);
	if (fd >= 0)
		return fd;
	fd = host_open_path(h);
	*close_it = fd >= 0;
	return fd;
}

void host_any_fd_done(struct host_inode *h, int fd, bool close_it)
{
	if (!close_it)
		return;
	close(fd);
	hostfd_release(h->i.sb->v);
}

/* By a path to the descriptor: those of O_PATH have no attributes for f*xattr(2). */
static int open_any(struct inode *i, char path[40], bool *close_it)
{
	int fd, err = host_may_wait(hi(i)->pace, HOST_LOOK);

	if (err)
		return err;
	if (hi(i)->made)
		return -EOPNOTSUPP;
	fd = host_any_fd(hi(i), close_it);
	if (fd >= 0)
		snprintf(path, 40, "/proc/self/fd/%d", fd);
	return fd == -ESTALE ? -ENOENT : fd;
}

static ssize_t host_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	char path[40];
	bool close_it;
	int fd = open_any(i, path, &close_it);
	ssize_t r;

	if (fd < 0)
		return fd;
	r = getxattr(path, name, buf, size);
	if (r < 0)
		r = -errno;
	host_any_fd_done(hi(i), fd, close_it);
	return r;
}

static ssize_t host_listxattr(struct inode *i, char *buf, size_t size)
{
	char path[40];
	bool close_it;
	int fd = open_any(i, path, &close_it);
	ssize_t r;

	if (fd < 0)
		return fd;
	r = listxattr(path, buf, size);
	if (r < 0)
		r = -errno;
	host_any_fd_done(hi(i), fd, close_it);
	return r;
}

static int host_setxattr(struct inode *i, const char *name, const void *value, size_t size,
			 int flags)
{
	char path[40];
	bool close_it;
	int fd = open_any(i, path, &close_it), r;

	if (fd < 0)
		return fd;
	r = value ? setxattr(path, name, value, size, flags) : removexattr(path, name);
	if (r < 0)
		r = -errno;
	host_any_fd_done(hi(i), fd, close_it);
	return r;
}

const struct xattr_ops host_xattr_ops = {
	.get = host_getxattr,
	.list = host_listxattr,
	.set = host_setxattr,
};
