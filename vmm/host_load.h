/*
 * How many threads of the whole host run or want to, at this moment: /proc/loadavg's fourth field
 * (proc_loadavg(5)). A process that computes is always among them.
 */
#ifndef VMBOX_HOST_LOAD_H
#define VMBOX_HOST_LOAD_H

struct host_load {
	int fd;              /* 0: not known */
	unsigned processors; /* of the host that are online */
};

/* Before vmbox confines itself. Where it fails the host is never said to be busy. */
void host_load_open(struct host_load *h);
/* Fine for a zeroed one. */
void host_load_close(struct host_load *h);
/* Threads that run or wait for a processor, the caller among them; 0: not known. Takes a few
 * microseconds. Any thread. */
unsigned host_load_running(const struct host_load *h);
/* What follows the third blank of a line like /proc/loadavg's, up to the slash; 0: it is none. */
unsigned host_load_parse(const char *line);

#endif
