/*
 * Names of local sockets: paths, which are sockets in the file system, and abstract names.
 *
 * Abstract names of different types do not meet, as on Linux.
 */
#include "fs_proc.h"
#include "socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

struct unix_names {
	pthread_mutex_t lock;
	/* protected by lock: */
	LIST_HEAD(, unix_name) bucket[BUCKETS];
	uint32_t next_auto;
	LIST_HEAD(, socket) all;
};

struct unix_names *unix_names_create(void)
{
	struct unix_names *n = calloc(1, sizeof(*n));

	if (n)
		pthread_mutex_init(&n->lock, NULL);
	return n;
}

void unix_names_destroy(struct unix_names *n)
{
	if (!n)
		return;
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* A guest that makes names collide only makes its own look-ups slow. */
static unsigned hash_bytes(const uint8_t *bytes, unsigned len)
{
	uint32_t h = 2166136261u;

	for (unsigned i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 16777619u;
	return h % BUCKETS;
}

static unsigned hash_inode(const struct inode *i)
{
	return (unsigned)(((uintptr_t)i >> 6) * 2654435761u >> 8) % BUCKETS;
}

static struct unix_name *find_abstract_locked(struct unix_names *n, const uint8_t *bytes,
					      unsigned len, enum sock_kind kind)
{
	struct unix_name *e;

	LIST_FOREACH (e, &n->bucket[hash_bytes(bytes, len)], link)
		if (!e->inode && e->len == len && !memcmp(e->bytes, bytes, len) &&
		    sock_kind(e->s) == kind)
			return e;
	return NULL;
}

static struct sock *find_inode(struct unix_names *n, const struct inode *i)
{
	struct unix_name *e;
	struct sock *s = NULL;

	pthread_mutex_lock(&n->lock);
	LIST_FOREACH (e, &n->bucket[hash_inode(i)], link)
		if (e->inode == i)
			s = sock_get(e->s);
	pthread_mutex_unlock(&n->lock);
	return s;
}

void unix_unbind(struct socket *so)
{
	struct unix_names *n = so->k->unix_names;
	struct unix_name *e = &so->name;
	bool had;

	pthread_mutex_lock(&n->lock);
	had = e->s;
	if (had)
		LIST_REMOVE(e, link);
	e->s = NULL;
	pthread_mutex_unlock(&n->lock);
	if (had && e->inode)
		inode_put(e->inode);
}

/* len bytes at name become so's name, at bucket b; i (or NULL) is its inode, taken over on success.
 * n->lock held. */
static int insert_locked(struct unix_names *n, struct socket *so, const void *name, unsigned len,
			 struct inode *i, unsigned b)
{
	int err = sock_set_name(so->s, name, len);

	if (err)
		return err;
	so->name.s = so->s;
	so->name.inode = i;
	so->name.len = len;
	memcpy(so->name.bytes, name, len);
	LIST_INSERT_HEAD(&n->bucket[b], &so->name, link);
	return 0;
}

static int bind_abstract(struct unix_names *n, struct socket *so, const uint8_t *name, unsigned len)
{
	int err;

	pthread_mutex_lock(&n->lock);
	if (find_abstract_locked(n, name, len, sock_kind(so->s)))
		err = so->name.s ? -EINVAL : -EADDRINUSE;
	else
		err = insert_locked(n, so, name, len, NULL, hash_bytes(name, len));
	pthread_mutex_unlock(&n->lock);
	return err;
}

int unix_autobind(struct task *t, struct socket *so)
{
	struct unix_names *n = t->k->unix_names;
	char text[8];
	int err = -EADDRINUSE;
	uint8_t buf[SOCK_NAME_MAX];

	if (sock_name(so->s, false, buf) > 0)
		return 0;
	for (unsigned i = 0; i < 1u << 20 && err == -EADDRINUSE; i++) {
		pthread_mutex_lock(&n->lock);
		n->next_auto = (n->next_auto + 1) & 0xfffff;
		text[0] = 0;
		snprintf(text + 1, sizeof(text) - 1, "%05x", n->next_auto);
		pthread_mutex_unlock(&n->lock);
		err = bind_abstract(n, so, (const uint8_t *)text, 6);
	}
	/* Another thread named it meanwhile. */
	return err == -EADDRINUSE ? -ENOSPC : err == -EINVAL ? 0 : err;
}

/* The path as a C string, which may fill sun_path to its end. */
static void path_string(const struct sockaddr_un *a, unsigned len, char *out)
{
	size_t n = strnlen(a->sun_path, len - UNIX_PATH);

	memcpy(out, a->sun_path, n);
	out[n] = 0;
}

static int bind_path(struct task *t, struct socket *so, const char *path)
{
	struct unix_names *n = t->k->unix_names;
	struct walker w;
	struct path p;
	struct dentry *d = NULL;
	struct inode *i;
	uint8_t buf[SOCK_NAME_MAX];
	int err = walk_begin(&w, t, AT_FDCWD, path, 0);

	if (!err && (w.type != WALK_LAST_NAME))
		err = -EEXIST;
	if (!err) {
		err = walk_last(&w, false, &p);
		if (!err) {
			path_put_locked(&p);
			err = -EEXIST;
		} else if (err == -ENOENT && w.missing && !w.slash) {
			err = sock_name(so->s, false, buf) > 0
				      ? -EINVAL
				      : vfs_create_at(&w, S_IFSOCK | 0777, NULL, &d);
		}
	}
	walk_end(&w);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	i = inode_get(d->inode);
	dentry_put(d);
	/* Another thread may give it another name at the same time: one of us gets -EINVAL. */
	pthread_mutex_lock(&n->lock);
	err = insert_locked(n, so, path, (unsigned)strlen(path) + 1, i, hash_inode(i));
	pthread_mutex_unlock(&n->lock);
	if (err)
		inode_put(i);
	return err;
}

int unix_bind(struct task *t, struct socket *so, const struct sockaddr_un *a, unsigned len)
{
	char path[sizeof(a->sun_path) + 1];

	if (!a->sun_path[0])
		return bind_abstract(t->k->unix_names, so, (const uint8_t *)a->sun_path,
				     len - (unsigned)UNIX_PATH);
	path_string(a, len, path);
	return bind_path(t, so, path);
}

static int find_path(struct task *t, const char *path, enum sock_kind kind, struct sock **out)
{
	struct cred cred;
	struct path p;
	int err = vfs_path_at(t, AT_FDCWD, path, WALK_FOLLOW, &p);

	if (err)
		return err;
	task_cred(t, &cred);
	err = inode_permission(p.d->inode, &cred, MAY_WRITE);
	/* To write to a socket of a read-only file system changes nothing there. */
	if (err == -EROFS)
		err = 0;
	*out = NULL;
	if (!err) {
		*out = S_ISSOCK(p.d->inode->mode) ? find_inode(t->k->unix_names, p.d->inode) : NULL;
		err = *out ? 0 : -ECONNREFUSED;
	}
	path_put(&p);
	if (!err && sock_kind(*out) != kind) {
		sock_put(*out);
		*out = NULL;
		err = -EPROTOTYPE;
	}
	return err;
}

int unix_find(struct task *t, const struct sockaddr_un *a, unsigned len, enum sock_kind kind,
	      struct sock **out)
{
	struct unix_names *n = t->k->unix_names;
	char path[sizeof(a->sun_path) + 1];
	struct unix_name *e;

	if (a->sun_path[0]) {
		path_string(a, len, path);
		return find_path(t, path, kind, out);
	}
	pthread_mutex_lock(&n->lock);
	e = find_abstract_locked(n, (const uint8_t *)a->sun_path, len - (unsigned)UNIX_PATH, kind);
	*out = e ? sock_get(e->s) : NULL;
	pthread_mutex_unlock(&n->lock);
	return *out ? 0 : -ECONNREFUSED;
}

/* ---- /proc/net/unix ---- */

void unix_add(struct socket *so)
{
	struct unix_names *n = so->k->unix_names;

	pthread_mutex_lock(&n->lock);
	LIST_INSERT_HEAD(&n->all, so, all);
	pthread_mutex_unlock(&n->lock);
}

void unix_remove(struct socket *so)
{
	struct unix_names *n = so->k->unix_names;

	pthread_mutex_lock(&n->lock);
	LIST_REMOVE(so, all);
	pthread_mutex_unlock(&n->lock);
}

/* unix_seq_show() */
static void show_socket(struct proc_buf *b, struct socket *so)
{
	const unsigned listens = 1 << 16, unconnected = 1, connected = 3; /* __SO_ACCEPTCON, SS_* */
	uint8_t name[SOCK_NAME_MAX];
	int len = sock_name(so->s, false, name);

	proc_printf(b, "%016llx: %08X %08X %08X %04X %02X %5llu", 0ULL, sock_refs(so->s), 0,
		    sock_listening(so->s) ? listens : 0, so->type,
		    sock_has_peer(so->s) ? connected : unconnected, (unsigned long long)so->ino);
	if (len > 0)
		proc_puts(b, " ", 1);
	/* A path's last NUL is not shown. */
	if (len > 0 && name[0])
		len--;
	for (int i = 0; i < len; i++)
		proc_puts(b, name[i] ? (const char *)&name[i] : "@", 1);
	proc_puts(b, "\n", 1);
}

int proc_show_unix(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct unix_names *n = ctx->k->unix_names;
	struct socket *so;

	proc_printf(b, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	pthread_mutex_lock(&n->lock);
	LIST_FOREACH (so, &n->all, all)
		show_socket(b, so);
	pthread_mutex_unlock(&n->lock);
	return 0;
}
