/*
 * Supers, mounts, the VFS's own making and end, and CLONE_FS state.
 */
#include "pty.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Of a super's budget for names and inodes. */
#define SUPER_MAX_INODES (1UL << 20)
#define SUPER_MIN_BYTES  (4UL << 20)

void super_init(struct super *sb, struct vfs *v, const struct super_ops *ops, unsigned flags,
		const char *source)
{
	sb->ops = ops;
	sb->v = v;
	sb->flags = flags;
	sb->source = source;
	atomic_init(&sb->next_ino, 1);
	pthread_mutex_init(&sb->names_lock, NULL);
	SLIST_INIT(&sb->paces);
	job_lane_init(&sb->reads, VFS_READ_THREADS, HOST_LANE_MAX);
	job_lane_init(&sb->syncs, VFS_SYNC_THREADS, HOST_LANE_MAX);
	sb->max_inodes = SUPER_MAX_INODES;
	sb->max_bytes = v->k->cfg.mem_limit / 8;
	if (sb->max_bytes < SUPER_MIN_BYTES)
		sb->max_bytes = SUPER_MIN_BYTES;
	/* High minors: far from those of the host's anonymous devices, which stat shows too. */
	sb->dev = makedev(0, 0xf0000 + v->next_minor++);
	SLIST_INSERT_HEAD(&v->supers, sb, all);
}

struct mount *mount_add(struct vfs *v, struct super *sb, struct dentry *root, const struct path *on)
{
	struct mount *m = calloc(1, sizeof(*m));

	if (!m) {
		dentry_put_locked(root);
		return NULL;
	}
	m->sb = sb;
	m->root = root;
	m->id = ++v->next_mount_id;
	if (on) {
		m->parent = on->mnt;
		m->point = dentry_get(on->d);
		on->d->flags |= D_MOUNTED;
	}
	TAILQ_INSERT_TAIL(&v->mounts, m, all);
	return m;
}

void mount_follow(struct vfs *v, struct path *p)
{
	while (p->d->flags & D_MOUNTED) {
		struct mount *m, *found = NULL;

		/* The last one mounted covers the others. */
		TAILQ_FOREACH (m, &v->mounts, all)
			if (m->parent == p->mnt && m->point == p->d)
				found = m;
		if (!found)
			return;
		dentry_get(found->root);
		dentry_put_locked(p->d);
		p->mnt = found;
		p->d = found->root;
	}
}

/* Every host directory and file in the caches costs a descriptor. */
static unsigned raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return 256;
	if (r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r))
			getrlimit(RLIMIT_NOFILE, &r);
	}
	if (r.rlim_cur > VFS_FILES_MAX)
		r.rlim_cur = VFS_FILES_MAX;
	/* The rest is KVM's, the reactor's, stdio's. */
	return r.rlim_cur > 512 ? (unsigned)r.rlim_cur - 256 : (unsigned)r.rlim_cur / 2;
}

int vfs_create(struct kernel *k)
{
	struct vfs *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	k->vfs = v;
	v->k = k;
	pthread_mutex_init(&v->lock, NULL);
	pthread_mutex_init(&v->locks_lock, NULL);
	pthread_mutex_init(&v->notify_lock, NULL);
	waitq_init(&v->locks_wq);
	job_lane_init(&v->sync_all, VFS_SYNC_THREADS, VFS_SYNC_THREADS);
	TAILQ_INIT(&v->lru);
	TAILQ_INIT(&v->mounts);
	SLIST_INIT(&v->doomed);
	SLIST_INIT(&v->supers);
	v->max_hostfds = raise_nofile();
	/* As Linux's file-max: each may cost the VMM a few hundred bytes. */
	v->max_files = k->cfg.mem_limit / 16384 < VFS_FILES_MAX
			       ? (unsigned)(k->cfg.mem_limit / 16384)
			       : VFS_FILES_MAX;
	if (v->max_files < 1024)
		v->max_files = 1024;
	/* As Linux's max_user_watches: 1/25 of the memory, at about 512 bytes each. */
	v->max_watches = k->cfg.mem_limit / 12800 < VFS_FILES_MAX
				 ? (unsigned)(k->cfg.mem_limit / 12800)
				 : VFS_FILES_MAX;
	if (v->max_watches < 1024)
		v->max_watches = 1024;
	/* A descriptor in a poll costs the VMM some 120 bytes: at most an eighth of the memory. */
	v->max_polled = k->cfg.mem_limit / 1024 < INT32_MAX ? (unsigned)(k->cfg.mem_limit / 1024)
							    : INT32_MAX;
	if (v->max_polled < VFS_POLLED_MIN)
		v->max_polled = VFS_POLLED_MIN;
	v->max_cold = k->cfg.mem_limit / 64;
	v->lru_max = v->max_hostfds / 2 < VFS_LRU_MAX ? v->max_hostfds / 2 : VFS_LRU_MAX;
	if (getrandom(&v->seed, sizeof(v->seed), GRND_NONBLOCK) != sizeof(v->seed))
		v->seed = (uint64_t)core_now() * 0x9e3779b97f4a7c15;
	if (getrandom(v->boot_id, sizeof(v->boot_id), GRND_NONBLOCK) != sizeof(v->boot_id))
		v->boot_id[0] = (uint64_t)core_now();
	/* A guest's write to a host pipe that nobody reads is EPIPE for the guest, not our death.
	 */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	err = dcache_init(v);
	if (err == 0) {
		vfs_lock(v);
		err = vfs_layout(v);
		vfs_unlock(v);
	}
	if (err)
		vfs_destroy(k);
	return err;
}

/* [V] Frees all names below d, bottom up, without recursion. */
static void drop_tree(struct dentry *root)
{
	struct dentry *d = root;

	while (d) {
		struct dentry *child = dentry_first(d), *parent = d->parent;

		if (child) {
			d = child;
			continue;
		}
		if (d == root)
			return;
		/* What a leaked reference still uses is only cut off. */
		dentry_get(parent);
		dentry_unlink(d, true);
		dentry_put_locked(parent);
		d = parent;
	}
}

void vfs_destroy(struct kernel *k)
{
	struct vfs *v = k->vfs;
	struct mount *m;
	struct super *sb;

	if (!v)
		return;
	stdio_destroy(v);
	vfs_lock(v);
	pts_shutdown(v);
	dentry_put_locked(v->dev_root);
	TAILQ_FOREACH (m, &v->mounts, all) {
		dentry_put_locked(m->point);
		m->point = NULL;
	}
	TAILQ_FOREACH (m, &v->mounts, all)
		drop_tree(m->root);
	while ((m = TAILQ_LAST(&v->mounts, mount_list))) {
		TAILQ_REMOVE(&v->mounts, m, all);
		dentry_put_locked(m->root);
		free(m);
	}
	SLIST_FOREACH (sb, &v->supers, all)
		if (sb->ops->shutdown)
			sb->ops->shutdown(sb);
	dentry_shrink(v, 0);
	vfs_unlock(v);
	free(v->anon_mnt);
	while ((sb = SLIST_FIRST(&v->supers))) {
		SLIST_REMOVE_HEAD(&v->supers, all);
		pthread_mutex_destroy(&sb->names_lock);
		host_paces_free(sb);
		if (sb->ops->destroy)
			sb->ops->destroy(sb);
		else
			free(sb);
	}
	free(v->hash);
	pthread_mutex_destroy(&v->lock);
	pthread_mutex_destroy(&v->locks_lock);
	pthread_mutex_destroy(&v->notify_lock);
	waitq_destroy(&v->locks_wq);
	free(v);
	k->vfs = NULL;
}

/* ---- CLONE_FS ---- */

struct fs_context *fs_context_create(struct kernel *k)
{
	struct fs_context *fs = calloc(1, sizeof(*fs));
	struct vfs *v = k->vfs;

	if (!fs)
		return NULL;
	atomic_init(&fs->refs, 1);
	fs->v = v;
	fs->umask = 022;
	pthread_mutex_init(&fs->lock, NULL);
	fs->root = (struct path){v->root, dentry_get(v->root->root)};
	fs->cwd = fs->root;
	path_get(&fs->cwd);
	return fs;
}

struct fs_context *fs_context_get(struct fs_context *fs)
{
	atomic_fetch_add(&fs->refs, 1);
	return fs;
}

struct fs_context *fs_context_clone(struct fs_context *old)
{
	struct fs_context *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	atomic_init(&fs->refs, 1);
	fs->v = old->v;
	pthread_mutex_init(&fs->lock, NULL);
	pthread_mutex_lock(&old->lock);
	fs->umask = old->umask;
	fs->root = old->root;
	fs->cwd = old->cwd;
	path_get(&fs->root);
	path_get(&fs->cwd);
	pthread_mutex_unlock(&old->lock);
	return fs;
}

void fs_context_put(struct fs_context *fs)
{
	if (!fs || atomic_fetch_sub(&fs->refs, 1) > 1)
		return;
	path_put(&fs->root);
	path_put(&fs->cwd);
	pthread_mutex_destroy(&fs->lock);
	free(fs);
}

unsigned fs_context_refs(const struct fs_context *fs)
{
	return atomic_load(&fs->refs);
}
