/*
 * The terminal of the host that vmbox runs on, as a driver of tty.h.
 *
 * There is at most one: descriptors 0, 1 and 2 that are terminals are taken for the same, which the
 * guest sees as /dev/pts/0. Line discipline, attributes, window size and the keys that send signals
 * are the host's: what it sends to vmbox goes on to the guest's foreground group
 * (kernel_signal_terminal). Nothing here stops the output or waits for it, and nothing types into
 * the terminal.
 */
#include "pty.h"

#include <stdlib.h>
#include <sys/ioctl.h>

#define TTY_TCGETS2 0x802c542a
#define TTY_TCSETS2 0x402c542b

static long host(struct file *f, unsigned cmd, void *arg)
{
	const struct stdio *s = vfs_file(f)->priv;

	return ioctl(s->io_fd, cmd, arg) < 0 ? -errno : 0;
}

static int host_get_attr(struct tty *tty, struct file *f, struct tty_attr *a)
{
	return (int)host(f, TTY_TCGETS2, a);
}

static int host_set_attr(struct tty *tty, struct file *f, const struct tty_attr *a, bool speeds,
			 bool flush)
{
	struct tty_attr copy = *a;
	const struct stdio *s = vfs_file(f)->priv;

	if (flush)
		ioctl(s->io_fd, TCFLSH, 0 /* TCIFLUSH */);
	return (int)host(f, speeds ? TTY_TCSETS2 : TCSETS, &copy);
}

static int host_get_size(struct tty *tty, struct file *f, struct winsize *ws)
{
	return (int)host(f, TIOCGWINSZ, ws);
}

static int host_set_size(struct tty *tty, struct file *f, const struct winsize *ws)
{
	struct winsize copy = *ws;

	return (int)host(f, TIOCSWINSZ, &copy);
}

static int host_flush(struct tty *tty, struct file *f, int queue)
{
	const struct stdio *s = vfs_file(f)->priv;

	if (queue < 0 || queue > 2)
		return -EINVAL;
	return ioctl(s->io_fd, TCFLSH, queue) < 0 ? -errno : 0;
}

/* To stop the terminal would stop the VMM's user, too. */
static int host_flow(struct tty *tty, struct file *f, int action)
{
	return action < 0 || action > 3 ? -EINVAL : 0;
}

static int host_count(struct tty *tty, struct file *f, unsigned cmd)
{
	int n = 0;
	long r = host(f, cmd, &n);

	return r ? (int)r : n;
}

static int host_type(struct tty *tty, struct file *f, uint8_t c)
{
	return -EIO;
}

static void host_free(struct tty *tty)
{
	free(tty);
}

static int host_open(struct tty *tty, struct vfs_file *f, struct task *t)
{
	return stdio_attach_ctty(f);
}

static const struct tty_driver host_driver = {
	.free = host_free,
	.open = host_open,
	.get_attr = host_get_attr,
	.set_attr = host_set_attr,
	.get_size = host_get_size,
	.set_size = host_set_size,
	.flush = host_flush,
	.flow = host_flow,
	.count = host_count,
	.type = host_type,
};

int host_tty_create(struct kernel *k, const struct stat *st)
{
	struct tty *tty;
	int err;

	if (k->vfs->host_tty)
		return 0;
	tty = calloc(1, sizeof(*tty));
	if (!tty)
		return -ENOMEM;
	tty_init(tty, &host_driver, k, PTS_MAJOR, 0);
	tty->is_host = true;
	err = pts_add_host(k->vfs, tty, st);
	if (err) {
		tty_put(tty);
		return err;
	}
	k->vfs->host_tty = tty;
	/* PID 1 will be the leader of the first session. */
	tty_give_first(tty);
	return 0;
}
