/*
 * Control messages: SCM_RIGHTS and SCM_CREDENTIALS. unix(7), cmsg(3).
 */
#include "socket.h"

#include "pidfd.h"
#include "process.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#define SCM_PIDFD_K 4
#define CONTROL_MAX 131072 /* net.core.optmem_max */

/* struct cmsghdr and its rules, for 64-bit machines. */
struct cmsg {
	uint64_t len;
	int32_t level, type;
};

#define ALIGN8(n) (((n) + 7) & ~(uint64_t)7)

/* n descriptors at fds: added to *rights. */
static int add_rights(struct task *t, const int *fds, unsigned n, struct sock_rights **rights)
{
	struct sock_rights *r = *rights;

	if (!r) {
		r = calloc(1, sizeof(*r) + SOCK_RIGHTS_MAX * sizeof(r->r[0]));
		if (!r)
			return -ENOMEM;
		*rights = r;
	}
	if (n > SOCK_RIGHTS_MAX - r->n)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		struct file *f = fds[i] < 0 ? NULL : fdtable_lookup(task_files(t), fds[i]);
		struct socket *so = f ? socket_of(f) : NULL;

		/* What is seen only by O_PATH may travel, too. */
		if (!f)
			return -EBADF;
		r->r[r->n].file = f;
		r->r[r->n++].sock = so ? so->s : NULL;
	}
	return 0;
}

/* scm_check_creds: only who has the capability may be somebody else. */
static int check_cred(struct task *t, const struct sock_cred *want)
{
	struct process *p;
	struct cred cred;

	task_cred(t, &cred);
	if (want->uid == UINT32_MAX || want->gid == UINT32_MAX)
		return -EINVAL;
	if (want->pid != t->p->pid && !task_capable(t, CAP_SYS_ADMIN))
		return -EPERM;
	if (want->uid != cred.uid && want->uid != cred.euid && want->uid != cred.suid &&
	    !task_capable(t, CAP_SETUID))
		return -EPERM;
	if (want->gid != cred.gid && want->gid != cred.egid && want->gid != cred.sgid &&
	    !task_capable(t, CAP_SETGID))
		return -EPERM;
	if (want->pid == t->p->pid)
		return 0;
	p = process_find(t->k, want->pid);
	if (!p)
		return -ESRCH;
	process_put(p);
	return 0;
}

static int one_message(struct task *t, const struct cmsg *h, const uint8_t *data, struct scm *out)
{
	uint64_t n = h->len - sizeof(*h);

	switch (h->type) {
	case SCM_RIGHTS:
		if (n / sizeof(int) > SOCK_RIGHTS_MAX)
			return -EINVAL;
		return n < sizeof(int) ? 0
				       : add_rights(t, (const int *)(const void *)data,
						    (unsigned)(n / sizeof(int)), &out->rights);
	case SCM_CREDENTIALS:
		if (n != sizeof(out->cred))
			return -EINVAL;
		memcpy(&out->cred, data, sizeof(out->cred));
		out->have_cred = true;
		return check_cred(t, &out->cred);
	default:
		return -EINVAL;
	}
}

/* RLIMIT_NOFILE bounds what is in flight, too, for those who are not root. */
static int check_inflight(struct task *t, const struct scm *s)
{
	if (s->rights && sock_inflight() + s->rights->n > task_rlimit(t, RLIMIT_NOFILE) &&
	    !task_capable(t, CAP_SYS_RESOURCE))
		return -ETOOMANYREFS;
	return 0;
}

int scm_from_guest(struct task *t, uint64_t control, uint64_t len, struct scm *out)
{
	uint8_t *buf;
	int err = 0;

	if (len > CONTROL_MAX)
		return -ENOBUFS;
	if (len < sizeof(struct cmsg))
		return 0;
	buf = malloc(len);
	if (!buf)
		return -ENOMEM;
	if (copy_from_guest(task_mm(t), buf, gva(control), len))
		err = -EFAULT;
	for (uint64_t at = 0; !err && at + sizeof(struct cmsg) <= len;) {
		struct cmsg h;

		memcpy(&h, buf + at, sizeof(h));
		if (h.len < sizeof(h) || h.len > len - at)
			err = -EINVAL;
		else if (h.level == SOL_SOCKET)
			err = one_message(t, &h, buf + at + sizeof(h), out);
		if (!err)
			at += ALIGN8(h.len);
	}
	free(buf);
	return err ? err : check_inflight(t, out);
}

/* ---- receiving ---- */

/* Where the next control message goes. */
struct room {
	struct task *t;
	uint64_t at, left;
	int *flags;
};

/* put_cmsg: what does not fit is cut. */
static void put(struct room *m, int type, const void *data, size_t n)
{
	struct cmsg h = {.len = sizeof(h) + n, .level = SOL_SOCKET, .type = type};
	uint64_t space = ALIGN8(h.len);

	if (m->left < sizeof(h)) {
		*m->flags |= MSG_CTRUNC;
		return;
	}
	if (m->left < h.len) {
		*m->flags |= MSG_CTRUNC;
		h.len = m->left;
	}
	if (copy_to_guest(task_mm(m->t), gva(m->at), &h, sizeof(h)) ||
	    copy_to_guest(task_mm(m->t), gva(m->at + sizeof(h)), data, h.len - sizeof(h)))
		return;
	if (space > m->left)
		space = m->left;
	m->at += space;
	m->left -= space;
}

/* Installs as many files as there is room for. */
static void put_rights(struct room *m, struct sock_rights *rights, bool cloexec)
{
	struct cmsg h = {.level = SOL_SOCKET, .type = SCM_RIGHTS};
	unsigned max = m->left > sizeof(h) ? (unsigned)((m->left - sizeof(h)) / sizeof(int)) : 0, n;
	uint64_t space;

	if (max > rights->n)
		max = rights->n;
	for (n = 0; n < max; n++) {
		int fd = fdtable_reserve(task_files(m->t), nofile_limit(m->t), cloexec);

		if (fd < 0)
			break;
		if (copy_to_guest(task_mm(m->t), gva(m->at + sizeof(h) + n * sizeof(int)), &fd,
				  sizeof(fd))) {
			fdtable_unreserve(task_files(m->t), fd);
			break;
		}
		fdtable_fill(task_files(m->t), fd, rights->r[n].file);
		rights->r[n].file = NULL;
	}
	if (n < rights->n)
		*m->flags |= MSG_CTRUNC;
	if (!n)
		return;
	h.len = sizeof(h) + n * sizeof(int);
	space = ALIGN8(h.len) < m->left ? ALIGN8(h.len) : m->left;
	if (copy_to_guest(task_mm(m->t), gva(m->at), &h, sizeof(h)))
		return;
	m->at += space;
	m->left -= space;
}

/* A descriptor of the sender, if there is room to say which; or why there is none. */
static void put_pidfd(struct room *m, uint32_t pid)
{
	struct process *p;
	struct file *f = NULL;
	int fd = -ESRCH;

	if (m->left < sizeof(struct cmsg) + sizeof(fd)) {
		*m->flags |= MSG_CTRUNC;
		return;
	}
	p = process_find(m->t->k, pid);
	if (p) {
		fd = pidfd_file(p, NULL, 0, &f);
		process_put(p);
	}
	if (f) {
		fd = fdtable_reserve(task_files(m->t), nofile_limit(m->t), true);
		if (fd < 0) {
			file_close(f);
			f = NULL;
		}
	}
	put(m, SCM_PIDFD_K, &fd, sizeof(fd));
	if (f)
		fdtable_fill(task_files(m->t), fd, f);
}

void scm_to_guest(struct task *t, uint64_t control, uint64_t *len, struct sock_recv *r,
		  unsigned pass, bool cloexec, int *flags)
{
	struct room m = {.t = t, .at = control, .left = control ? *len : 0, .flags = flags};
	uint64_t room = m.left;
	/* Who did not say is nobody: the overflow ids. */
	struct sock_cred cred = {.uid = 65534, .gid = 65534};

	if (!control) {
		if (pass || r->rights)
			*flags |= MSG_CTRUNC;
		*len = 0;
		return;
	}
	if (r->have_cred)
		cred = r->cred;
	if (pass & SOCK_PASS_CRED)
		put(&m, SCM_CREDENTIALS, &cred, sizeof(cred));
	if (r->rights)
		put_rights(&m, r->rights, cloexec);
	if (pass & SOCK_PASS_PIDFD && r->have_cred)
		put_pidfd(&m, r->cred.pid);
	*len = room - m.left;
}
