/*
 * A kernel with a file system and one process, whose handlers a test calls with host strings.
 */
#ifndef VMBOX_TESTS_LINUX_VFS_H
#define VMBOX_TESTS_LINUX_VFS_H

#include "linux_fake.h"

#include "../../vmm/linux/sys_fs.h"

#include <stdio.h>
#include <sys/stat.h>

#define A_PATH  0x20000000UL /* guest addresses: two paths, a buffer, a small structure */
#define A_PATH2 0x20004000UL
#define A_BUF   0x20008000UL
#define A_SMALL 0x20020000UL
#define A_PAGES 64
#define BUF_MAX 0x18000UL

struct vfs_test {
	struct fake_kernel f;
	char root[64]; /* host directory, or "" */
};

static inline void vt_init(struct vfs_test *t, const char *root)
{
	fake_kernel_init(&t->f, false);
	assert_int_equal(fake_map(t->f.p.mm, A_PATH, A_PAGES, RW, NULL, 0), 0);
	t->f.k.reactor = reactor_create();
	assert_non_null(t->f.k.reactor);
	t->f.k.cfg.root = root;
	t->f.k.cfg.mem_limit = 32UL << 20;
	t->f.k.cfg.cpus = 1;
	t->f.p.sighand = sighand_create();
	t->f.p.ntasks = 1;
	sigqueue_init(&t->f.p.pending);
	sigqueue_init(&t->f.t.pending);
	assert_int_equal(vfs_create(&t->f.k), 0);
	t->f.p.fs = fs_context_create(&t->f.k);
	assert_non_null(t->f.p.fs);
	t->f.p.rlim[RLIMIT_NOFILE].rlim_cur = 64;
}

static inline void vt_exit(struct vfs_test *t)
{
	call_finish(&t->f.t, &t->f.t.call);
	vfs_process_exit(&t->f.p);
	fdtable_put(t->f.p.files);
	t->f.p.files = fdtable_create(64);
	fs_context_put(t->f.p.fs);
	/* Nothing may be left open or cached against the end. */
	assert_int_equal(atomic_load(&t->f.k.vfs->nfiles), 0);
	vfs_destroy(&t->f.k);
	sigqueue_flush(&t->f.p.pending);
	sigqueue_flush(&t->f.t.pending);
	sighand_put(t->f.p.sighand);
	reactor_destroy(t->f.k.reactor);
	fake_kernel_exit(&t->f);
}

static inline uint64_t vt_str(struct vfs_test *t, uint64_t at, const char *s)
{
	fake_put(&t->f, at, s, strlen(s) + 1);
	return at;
}

#define vt_call(t, name, ...) fake_run(&(t)->f, ROW_##name, __VA_ARGS__)

static inline long vt_open(struct vfs_test *t, const char *path, unsigned flags, unsigned mode)
{
	return vt_call(t, openat, (uint64_t)AT_FDCWD, vt_str(t, A_PATH, path), flags, mode);
}

static inline long vt_close(struct vfs_test *t, long fd)
{
	return vt_call(t, close, (uint64_t)fd);
}

static inline long vt_mkdir(struct vfs_test *t, const char *path, unsigned mode)
{
	return vt_call(t, mkdirat, (uint64_t)AT_FDCWD, vt_str(t, A_PATH, path), mode);
}

static inline long vt_unlink(struct vfs_test *t, const char *path, unsigned flags)
{
	return vt_call(t, unlinkat, (uint64_t)AT_FDCWD, vt_str(t, A_PATH, path), flags);
}

static inline long vt_symlink(struct vfs_test *t, const char *target, const char *path)
{
	return vt_call(t, symlinkat, vt_str(t, A_PATH, target), (uint64_t)AT_FDCWD,
		       vt_str(t, A_PATH2, path));
}

static inline long vt_link(struct vfs_test *t, const char *old, const char *new, unsigned flags)
{
	return vt_call(t, linkat, (uint64_t)AT_FDCWD, vt_str(t, A_PATH, old), (uint64_t)AT_FDCWD,
		       vt_str(t, A_PATH2, new), flags);
}

static inline long vt_rename(struct vfs_test *t, const char *old, const char *new, unsigned flags)
{
	return vt_call(t, renameat2, (uint64_t)AT_FDCWD, vt_str(t, A_PATH, old), (uint64_t)AT_FDCWD,
		       vt_str(t, A_PATH2, new), flags);
}

static inline long vt_chdir(struct vfs_test *t, const char *path)
{
	return vt_call(t, chdir, vt_str(t, A_PATH, path));
}

static inline long vt_access(struct vfs_test *t, const char *path, unsigned mode)
{
	return vt_call(t, faccessat, (uint64_t)AT_FDCWD, vt_str(t, A_PATH, path), mode);
}

static inline long vt_stat(struct vfs_test *t, const char *path, struct stat *st, unsigned flags)
{
	long r =
		vt_call(t, newfstatat, (uint64_t)AT_FDCWD, vt_str(t, A_PATH, path), A_SMALL, flags);

	if (!r)
		assert_int_equal(copy_from_guest(t->f.p.mm, st, gva(A_SMALL), sizeof(*st)), 0);
	return r;
}

static inline long vt_read(struct vfs_test *t, long fd, void *buf, size_t len)
{
	long r = vt_call(t, read, (uint64_t)fd, A_BUF, len);

	if (r > 0)
		assert_int_equal(copy_from_guest(t->f.p.mm, buf, gva(A_BUF), (size_t)r), 0);
	return r;
}

static inline long vt_write(struct vfs_test *t, long fd, const void *buf, size_t len)
{
	fake_put(&t->f, A_BUF, buf, len);
	return vt_call(t, write, (uint64_t)fd, A_BUF, len);
}

/* The file's whole text, at most size - 1 bytes; or a negative errno. */
static inline long vt_slurp(struct vfs_test *t, const char *path, char *buf, size_t size)
{
	long fd = vt_open(t, path, O_RDONLY, 0), n, total = 0;

	if (fd < 0)
		return fd;
	while ((n = vt_read(t, fd, buf + total, size - 1 - (size_t)total)) > 0)
		total += n;
	buf[total] = 0;
	vt_close(t, fd);
	return n < 0 ? n : total;
}

/* Makes a file that says text. */
static inline void vt_spit(struct vfs_test *t, const char *path, const char *text)
{
	long fd = vt_open(t, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(vt_write(t, fd, text, strlen(text)), strlen(text));
	vt_close(t, fd);
}

static inline long vt_getcwd(struct vfs_test *t, char *buf)
{
	long r = vt_call(t, getcwd, A_BUF, 4096);

	if (r > 0)
		assert_int_equal(copy_from_guest(t->f.p.mm, buf, gva(A_BUF), (size_t)r), 0);
	return r;
}

static inline void vt_user(struct vfs_test *t, uint32_t uid, uint32_t gid)
{
	struct cred *c = &t->f.p.cred;

	c->uid = c->euid = c->suid = c->fsuid = uid;
	c->gid = c->egid = c->sgid = c->fsgid = gid;
	cred_init_caps(c);
}

#endif
