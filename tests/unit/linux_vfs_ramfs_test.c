/* The in-memory file system: data, names, rename(2), link(2), getdents(2). */
#include "linux_vfs.h"

#include <dirent.h>
#include <linux/falloc.h>
#include <signal.h>

static unsigned nlink_of(struct vfs_test *t, const char *path)
{
	struct stat st;

	assert_int_equal(vt_stat(t, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return (unsigned)st.st_nlink;
}

static void data(void **state)
{
	struct vfs_test t;
	char buf[64];
	struct stat st;
	long fd, app;

	vt_init(&t, NULL);
	vt_chdir(&t, "/tmp");
	fd = vt_open(&t, "f", O_RDWR | O_CREAT, 0600);
	assert_int_equal(vt_write(&t, fd, "hello", 5), 5);
	assert_int_equal(vt_call(&t, lseek, (uint64_t)fd, 0, SEEK_SET), 0);
	assert_int_equal(vt_read(&t, fd, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(vt_read(&t, fd, buf, sizeof(buf)), 0);
	/* a hole, far out; reading it takes no memory */
	assert_int_equal(vt_call(&t, pwrite64, (uint64_t)fd, A_BUF, 1, 1ULL << 31), 1);
	assert_int_equal(vt_call(&t, pread64, (uint64_t)fd, A_BUF, BUF_MAX, 4096), BUF_MAX);
	assert_int_equal(vt_stat(&t, "f", &st, 0), 0);
	assert_int_equal(st.st_size, (1LL << 31) + 1);
	assert_true(st.st_blocks <= 64);
	assert_int_equal(vt_call(&t, lseek, (uint64_t)fd, 4096, SEEK_DATA), 1LL << 31);
	assert_int_equal(vt_call(&t, lseek, (uint64_t)fd, 10, SEEK_HOLE), 4096);
	assert_int_equal(vt_call(&t, lseek, (uint64_t)fd, 1ULL << 32, SEEK_DATA), -ENXIO);
	/* cut and grown again: zeros */
	assert_int_equal(vt_call(&t, ftruncate, (uint64_t)fd, 2), 0);
	assert_int_equal(vt_call(&t, ftruncate, (uint64_t)fd, 5), 0);
	assert_int_equal(vt_call(&t, lseek, (uint64_t)fd, 0, SEEK_SET), 0);
	assert_int_equal(vt_read(&t, fd, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "he\0\0\0", 5);
	assert_int_equal(vt_call(&t, ftruncate, (uint64_t)fd, -1ULL), -EINVAL);
	assert_int_equal(vt_call(&t, ftruncate, (uint64_t)fd, INT64_MAX), -EFBIG);
	assert_int_equal(vt_call(&t, pwrite64, (uint64_t)fd, A_BUF, 1, -1ULL), -EINVAL);
	assert_int_equal(vt_call(&t, pwrite64, (uint64_t)fd, A_BUF, 16, INT64_MAX), -EINVAL);
	assert_int_equal(vt_call(&t, pwrite64, (uint64_t)fd, A_BUF, 1, VFS_FILE_SIZE_MAX), -EFBIG);
	/* append wins over the position */
	app = vt_open(&t, "f", O_WRONLY | O_APPEND, 0);
	assert_int_equal(vt_write(&t, app, "end", 3), 3);
	assert_int_equal(vt_stat(&t, "f", &st, 0), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(vt_read(&t, app, buf, 1), -EBADF);
	/* no memory at the second page: what arrived counts */
	assert_int_equal(vt_call(&t, write, (uint64_t)app, FAKE_BASE + 2 * PAGE_SIZE - 3, 10), 3);
	assert_int_equal(vt_stat(&t, "f", &st, 0), 0);
	assert_int_equal(st.st_size, 11);
	assert_int_equal(vt_call(&t, write, (uint64_t)app, FAKE_BASE + 2 * PAGE_SIZE, 10), -EFAULT);
	vt_exit(&t);
}

static void full(void **state)
{
	struct vfs_test t;
	long fd, n = 0;
	uint64_t total = 0;

	vt_init(&t, NULL);
	fd = vt_open(&t, "/tmp/big", O_WRONLY | O_CREAT, 0600);
	for (int i = 0; i < 2000; i++) {
		n = vt_call(&t, write, (uint64_t)fd, A_BUF, BUF_MAX);
		if (n <= 0)
			break;
		total += (uint64_t)n;
	}
	assert_int_equal(n, -ENOSPC);
	assert_true(total > 16UL << 20 && total < 32UL << 20);
	vt_close(&t, fd);
	/* and it is all given back */
	assert_int_equal(vt_unlink(&t, "/tmp/big", 0), 0);
	fd = vt_open(&t, "/tmp/big", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(vt_call(&t, write, (uint64_t)fd, A_BUF, BUF_MAX), BUF_MAX);
	vt_exit(&t);
}

static void too_many_inodes(void **state)
{
	struct vfs_test t;
	char target[4000], name[32];
	long r = 0;
	int i;

	vt_init(&t, NULL);
	memset(target, 't', sizeof(target));
	target[sizeof(target) - 1] = 0;
	for (i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "/tmp/%d", i);
		r = vt_symlink(&t, target, name);
		if (r)
			break;
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(i > 500 && i < 5000);
	assert_int_equal(vt_unlink(&t, "/tmp/0", 0), 0);
	assert_int_equal(vt_symlink(&t, target, "/tmp/again"), 0);
	vt_exit(&t);
}

static void limits(void **state)
{
	struct vfs_test t;
	long fd;

	vt_init(&t, NULL);
	t.f.p.rlim[RLIMIT_FSIZE].rlim_cur = 10;
	t.f.p.sighand->action[SIGXFSZ - 1].handler = 0x1000; /* not fatal */
	fd = vt_open(&t, "/tmp/f", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(vt_write(&t, fd, "123456789012345", 15), 10);
	assert_int_equal(vt_write(&t, fd, "x", 1), -EFBIG);
	assert_true(t.f.t.pending.mask & SIGMASK(SIGXFSZ));
	assert_int_equal(vt_call(&t, ftruncate, (uint64_t)fd, 11), -EFBIG);
	assert_int_equal(vt_call(&t, ftruncate, (uint64_t)fd, 10), 0);
	vt_exit(&t);
}

static void names(void **state)
{
	struct vfs_test t;
	struct stat a, b;
	char buf[16];
	long fd;

	vt_init(&t, NULL);
	vt_chdir(&t, "/tmp");
	vt_spit(&t, "a", "aaa");
	assert_int_equal(vt_link(&t, "a", "b", 0), 0);
	assert_int_equal(nlink_of(&t, "a"), 2);
	assert_int_equal(vt_stat(&t, "a", &a, 0) | vt_stat(&t, "b", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(vt_link(&t, "a", "b", 0), -EEXIST);
	assert_int_equal(vt_link(&t, "a", "/dev/b", 0), -EXDEV);
	assert_int_equal(vt_link(&t, "/tmp", "/tmp/t", 0), -EPERM);
	assert_int_equal(vt_mkdir(&t, "d", 0755), 0);
	assert_int_equal(nlink_of(&t, "d"), 2);
	assert_int_equal(vt_mkdir(&t, "d/e", 0755), 0);
	assert_int_equal(nlink_of(&t, "d"), 3);
	assert_int_equal(vt_unlink(&t, "d", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(vt_unlink(&t, "d", 0), -EISDIR);
	assert_int_equal(vt_unlink(&t, "a", AT_REMOVEDIR), -ENOTDIR);
	/* a removed file lives as long as it is open */
	fd = vt_open(&t, "a", O_RDONLY, 0);
	assert_int_equal(vt_unlink(&t, "a", 0) | vt_unlink(&t, "b", 0), 0);
	assert_int_equal(vt_read(&t, fd, buf, sizeof(buf)), 3);
	assert_int_equal(vt_call(&t, fstat, (uint64_t)fd, A_SMALL), 0);
	assert_int_equal(copy_from_guest(t.f.p.mm, &a, gva(A_SMALL), sizeof(a)), 0);
	assert_int_equal(a.st_nlink, 0);
	assert_int_equal(vt_access(&t, "a", F_OK), -ENOENT);
	vt_exit(&t);
}

static void renames(void **state)
{
	struct vfs_test t;
	char buf[16];

	vt_init(&t, NULL);
	vt_chdir(&t, "/tmp");
	vt_spit(&t, "a", "a");
	vt_spit(&t, "b", "bb");
	vt_mkdir(&t, "d", 0755);
	vt_mkdir(&t, "e", 0755);
	vt_mkdir(&t, "d/sub", 0755);
	assert_int_equal(vt_rename(&t, "a", "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(vt_rename(&t, "a", "b", RENAME_EXCHANGE), 0);
	assert_int_equal(vt_slurp(&t, "a", buf, sizeof(buf)), 2);
	assert_int_equal(vt_rename(&t, "a", "b", 0), 0);
	assert_int_equal(vt_slurp(&t, "b", buf, sizeof(buf)), 2);
	assert_int_equal(vt_rename(&t, "a", "c", 0), -ENOENT);
	assert_int_equal(vt_rename(&t, "b", "d", 0), -EISDIR);
	assert_int_equal(vt_rename(&t, "d", "b", 0), -ENOTDIR);
	assert_int_equal(vt_rename(&t, "e", "d", 0), -ENOTEMPTY);
	assert_int_equal(vt_rename(&t, "d", "d/sub/x", 0), -EINVAL);
	assert_int_equal(vt_rename(&t, "d", "d/x", 0), -EINVAL);
	assert_int_equal(vt_rename(&t, "d/sub", "d", 0), -ENOTEMPTY);
	assert_int_equal(vt_rename(&t, "d", "/dev/x", 0), -EXDEV);
	assert_int_equal(vt_rename(&t, "d/.", "x", 0), -EBUSY);
	assert_int_equal(vt_rename(&t, "b/", "x", 0), -ENOTDIR);
	assert_int_equal(vt_rename(&t, "b", "x/", 0), -ENOTDIR);
	assert_int_equal(vt_rename(&t, "d/sub", "e/", 0), 0); /* over an empty directory */
	assert_int_equal(nlink_of(&t, "d"), 2);
	assert_int_equal(nlink_of(&t, "/tmp"), 4);
	assert_int_equal(vt_rename(&t, "b", "e", RENAME_EXCHANGE), 0);
	assert_int_equal(vt_slurp(&t, "e", buf, sizeof(buf)), 2);
	assert_int_equal(vt_rename(&t, "b", "d/f", 0), 0);
	assert_int_equal(nlink_of(&t, "d"), 3);
	assert_int_equal(nlink_of(&t, "/tmp"), 3);
	/* two names of one file: nothing happens */
	vt_link(&t, "e", "e2", 0);
	assert_int_equal(vt_rename(&t, "e", "e2", 0), 0);
	assert_int_equal(vt_access(&t, "e", F_OK) | vt_access(&t, "e2", F_OK), 0);
	vt_exit(&t);
}

static void tmpfile_link(void **state)
{
	struct vfs_test t;
	char path[32], buf[16];
	long fd;

	vt_init(&t, NULL);
	fd = vt_open(&t, "/tmp", O_TMPFILE | O_RDWR, 0600);
	assert_true(fd >= 0);
	assert_int_equal(vt_write(&t, fd, "tmp", 3), 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%ld", fd);
	assert_int_equal(vt_link(&t, path, "/tmp/named", AT_SYMLINK_FOLLOW), 0);
	assert_int_equal(vt_slurp(&t, "/tmp/named", buf, sizeof(buf)), 3);
	assert_int_equal(nlink_of(&t, "/tmp/named"), 1);
	fd = vt_open(&t, "/tmp", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	snprintf(path, sizeof(path), "/proc/self/fd/%ld", fd);
	assert_int_equal(vt_link(&t, path, "/tmp/named2", AT_SYMLINK_FOLLOW), -ENOENT);
	vt_exit(&t);
}

/* Reads the directory in small steps; between them, call change(). Counts how often each "fN" is
 * seen. */
static void list(struct vfs_test *t, unsigned *seen, unsigned n,
		 void (*change)(struct vfs_test *t, unsigned step))
{
	long fd = vt_open(t, "/tmp", O_RDONLY | O_DIRECTORY, 0), r;
	uint8_t buf[512];
	unsigned step = 0;

	memset(seen, 0, n * sizeof(*seen));
	while ((r = vt_call(t, getdents64, (uint64_t)fd, A_BUF, sizeof(buf))) > 0) {
		assert_int_equal(copy_from_guest(t->f.p.mm, buf, gva(A_BUF), (size_t)r), 0);
		for (long at = 0; at < r;) {
			struct dirent64 *d = (void *)(buf + at);

			if (d->d_name[0] == 'f')
				seen[atoi(d->d_name + 1) % (int)n]++;
			at += d->d_reclen;
		}
		if (change)
			change(t, step++);
	}
	assert_int_equal(r, 0);
	vt_close(t, fd);
}

static void churn(struct vfs_test *t, unsigned step)
{
	char name[32];

	/* odd files go, new ones come */
	snprintf(name, sizeof(name), "/tmp/f%u", step * 20 % 500 + 1);
	vt_unlink(t, name, 0);
	snprintf(name, sizeof(name), "/tmp/new%u", step);
	vt_mkdir(t, name, 0755);
}

static void listing_under_change(void **state)
{
	struct vfs_test t;
	static unsigned seen[500];
	char name[32];

	vt_init(&t, NULL);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "/tmp/f%u", i);
		vt_spit(&t, name, "");
	}
	list(&t, seen, 500, NULL);
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(seen[i], 1);
	list(&t, seen, 500, churn);
	for (unsigned i = 0; i < 500; i += 2)
		assert_int_equal(seen[i], 1);
	assert_int_equal(
		vt_call(&t, getdents64, (uint64_t)vt_open(&t, "/tmp", O_RDONLY, 0), A_BUF, 10),
		-EINVAL);
	vt_exit(&t);
}

static void punch(void **state)
{
	struct vfs_test t;
	char buf[8];
	struct stat st;
	long fd;

	vt_init(&t, NULL);
	fd = vt_open(&t, "/tmp/f", O_RDWR | O_CREAT, 0600);
	vt_write(&t, fd, "abcdefgh", 8);
	assert_int_equal(vt_call(&t, fallocate, (uint64_t)fd,
				 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3),
			 0);
	vt_call(&t, lseek, (uint64_t)fd, 0, SEEK_SET);
	assert_int_equal(vt_read(&t, fd, buf, 8), 8);
	assert_memory_equal(buf, "ab\0\0\0fgh", 8);
	assert_int_equal(vt_call(&t, fallocate, (uint64_t)fd, 0, 0, 10000), 0);
	assert_int_equal(vt_stat(&t, "/tmp/f", &st, 0), 0);
	assert_int_equal(st.st_size, 10000);
	assert_int_equal(vt_call(&t, fallocate, (uint64_t)fd, 0, 0, 0), -EINVAL);
	assert_int_equal(vt_call(&t, fallocate, (uint64_t)fd, 0x40, 0, 1), -EOPNOTSUPP);
	assert_int_equal(vt_call(&t, fallocate, (uint64_t)fd, 0, INT64_MAX, 1), -EFBIG);
	vt_exit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data),
		cmocka_unit_test(full),
		cmocka_unit_test(too_many_inodes),
		cmocka_unit_test(limits),
		cmocka_unit_test(names),
		cmocka_unit_test(renames),
		cmocka_unit_test(punch),
		cmocka_unit_test(tmpfile_link),
		cmocka_unit_test(listing_under_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
