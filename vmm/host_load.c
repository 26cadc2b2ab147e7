/* The host's load: see host_load.h. */
#include "host_load.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

void host_load_close(struct host_load *h)
{
	if (h->fd)
		close(h->fd);
	h->fd = 0;
}

void host_load_open(struct host_load *h)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	struct statfs st;

	*h = (struct host_load){.fd = fd > 0 ? fd : 0, .processors = n > 0 ? (unsigned)n : 1};
	/* Containers may have a file of FUSE there, and so somebody to wait for. */
	if (h->fd && (fstatfs(fd, &st) < 0 || st.f_type != PROC_SUPER_MAGIC))
		host_load_close(h);
}

unsigned host_load_parse(const char *line)
{
	unsigned n;

	return sscanf(line, "%*s %*s %*s %u/", &n) == 1 ? n : 0;
}

unsigned host_load_running(const struct host_load *h)
{
	char line[80];
	ssize_t n = h->fd ? pread(h->fd, line, sizeof(line) - 1, 0) : 0;

	if (n <= 0)
		return 0;
	line[n] = '\0';
	return host_load_parse(line);
}
