/* Path walking: path_resolution(7), open(2), access(2), chroot(2). */
#include "linux_vfs.h"

static void names_and_paths(void **state)
{
	struct vfs_test t;
	char name[300], path[5000];

	vt_init(&t, NULL);
	memset(name, 'n', sizeof(name));
	name[255] = 0;
	assert_int_equal(vt_mkdir(&t, name, 0755), 0);
	name[255] = 'n';
	name[256] = 0;
	assert_int_equal(vt_mkdir(&t, name, 0755), -ENAMETOOLONG);
	/* 4,095 bytes and the NUL are a path, one more is not */
	memset(path, '/', sizeof(path));
	path[4095] = 0;
	assert_int_equal(vt_access(&t, path, F_OK), 0);
	path[4095] = '/';
	path[4096] = 0;
	assert_int_equal(vt_access(&t, path, F_OK), -ENAMETOOLONG);
	assert_int_equal(vt_access(&t, "", F_OK), -ENOENT);
	assert_int_equal(vt_call(&t, faccessat, (uint64_t)AT_FDCWD, 8, F_OK), -EFAULT);
	assert_int_equal(vt_call(&t, faccessat, 77, vt_str(&t, A_PATH, "x"), F_OK), -EBADF);
	assert_int_equal(vt_call(&t, faccessat, 77, vt_str(&t, A_PATH, "/tmp"), F_OK), 0);
	vt_exit(&t);
}

static void links(void **state)
{
	struct vfs_test t;
	struct stat st;
	char from[16], to[16], buf[32];
	long fd;

	vt_init(&t, NULL);
	vt_chdir(&t, "/tmp");
	vt_spit(&t, "l0", "end");
	for (int i = 1; i <= 41; i++) {
		snprintf(to, sizeof(to), "l%d", i - 1);
		snprintf(from, sizeof(from), "l%d", i);
		assert_int_equal(vt_symlink(&t, to, from), 0);
	}
	assert_int_equal(vt_slurp(&t, "l40", buf, sizeof(buf)), 3);
	assert_int_equal(vt_slurp(&t, "l41", buf, sizeof(buf)), -ELOOP);
	vt_symlink(&t, "loop", "loop");
	assert_int_equal(vt_access(&t, "loop", F_OK), -ELOOP);
	assert_int_equal(vt_access(&t, "loop/x", F_OK), -ELOOP);
	assert_int_equal(vt_stat(&t, "loop", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(st.st_size, 4);
	assert_int_equal(vt_open(&t, "loop", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
	fd = vt_open(&t, "loop", O_PATH | O_NOFOLLOW, 0);
	assert_true(fd >= 0);
	assert_int_equal(vt_read(&t, fd, buf, 1), -EBADF);
	assert_int_equal(vt_call(&t, readlinkat, (uint64_t)fd, vt_str(&t, A_PATH, ""), A_BUF, 64),
			 4);
	vt_close(&t, fd);
	/* a link to "/" as the last component and in the middle; relative and absolute ones */
	vt_symlink(&t, "/", "slash");
	assert_int_equal(vt_stat(&t, "slash", &st, 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(vt_slurp(&t, "slash/tmp/l0", buf, sizeof(buf)), 3);
	vt_symlink(&t, "../tmp//./l0", "rel");
	assert_int_equal(vt_slurp(&t, "rel", buf, sizeof(buf)), 3);
	/* O_CREAT makes what a dangling link names, O_EXCL does not follow */
	vt_symlink(&t, "made", "dangling");
	assert_int_equal(vt_open(&t, "dangling", O_WRONLY | O_CREAT | O_EXCL, 0644), -EEXIST);
	assert_int_equal(vt_open(&t, "dangling", O_RDONLY, 0), -ENOENT);
	fd = vt_open(&t, "dangling", O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_int_equal(vt_access(&t, "made", F_OK), 0);
	vt_symlink(&t, "no/such", "dangling2");
	assert_int_equal(vt_open(&t, "dangling2", O_WRONLY | O_CREAT, 0644), -ENOENT);
	vt_exit(&t);
}

static void dots_and_slashes(void **state)
{
	struct vfs_test t;
	char buf[64];
	struct stat a, b;

	vt_init(&t, NULL);
	assert_int_equal(vt_chdir(&t, "/.."), 0);
	assert_int_equal(vt_getcwd(&t, buf), 2);
	assert_string_equal(buf, "/");
	vt_mkdir(&t, "/tmp/d/", 0755);
	vt_spit(&t, "/tmp/d/f", "x");
	assert_int_equal(vt_stat(&t, "/tmp/d/../../../../tmp/d/f", &a, 0), 0);
	assert_int_equal(vt_access(&t, "/tmp/d/f/", F_OK), -ENOTDIR);
	assert_int_equal(vt_access(&t, "/tmp/d/f/..", F_OK), -ENOTDIR);
	assert_int_equal(vt_access(&t, "/tmp/d/f/.", F_OK), -ENOTDIR);
	assert_int_equal(vt_open(&t, "/tmp/d/g/", O_CREAT | O_WRONLY, 0644), -EISDIR);
	assert_int_equal(vt_open(&t, "/tmp/d", O_CREAT | O_WRONLY, 0644), -EISDIR);
	assert_int_equal(vt_open(&t, "/tmp/d/f", O_DIRECTORY, 0), -ENOTDIR);
	assert_int_equal(vt_open(&t, "/tmp/d", O_WRONLY, 0), -EISDIR);
	/* out of a mount, into it again */
	assert_int_equal(vt_stat(&t, "/tmp/..", &a, 0), 0);
	assert_int_equal(vt_stat(&t, "/", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_dev, b.st_dev);
	assert_int_equal(vt_stat(&t, "/tmp", &b, 0), 0);
	assert_true(a.st_dev != b.st_dev);
	/* a new root is the end of ".." */
	assert_int_equal(vt_call(&t, chroot, vt_str(&t, A_PATH, "/tmp/d")), 0);
	assert_int_equal(vt_chdir(&t, "/"), 0);
	assert_int_equal(vt_access(&t, "/../../f", F_OK), 0);
	assert_int_equal(vt_access(&t, "/tmp", F_OK), -ENOENT);
	assert_int_equal(vt_getcwd(&t, buf), 2);
	vt_exit(&t);
}

static void removed_directory(void **state)
{
	struct vfs_test t;
	char buf[64];

	vt_init(&t, NULL);
	vt_mkdir(&t, "/tmp/gone", 0755);
	vt_chdir(&t, "/tmp/gone");
	assert_int_equal(vt_unlink(&t, "/tmp/gone", AT_REMOVEDIR), 0);
	assert_int_equal(vt_getcwd(&t, buf), -ENOENT);
	assert_int_equal(vt_open(&t, "f", O_CREAT | O_WRONLY, 0644), -ENOENT);
	assert_int_equal(vt_mkdir(&t, "d", 0755), -ENOENT);
	assert_int_equal(vt_access(&t, "..", F_OK), 0);
	assert_int_equal(vt_unlink(&t, "/tmp", AT_REMOVEDIR), -EBUSY);
	assert_int_equal(vt_unlink(&t, "/tmp/.", AT_REMOVEDIR), -EINVAL);
	assert_int_equal(vt_unlink(&t, "/tmp/..", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(vt_unlink(&t, "/", AT_REMOVEDIR), -EBUSY);
	vt_exit(&t);
}

static void permissions(void **state)
{
	struct vfs_test t;
	struct stat st;

	vt_init(&t, NULL);
	vt_mkdir(&t, "/tmp/root", 0700);
	vt_spit(&t, "/tmp/root/f", "x");
	vt_spit(&t, "/tmp/f", "x");
	assert_int_equal(vt_access(&t, "/tmp/f", X_OK), -EACCES); /* uid 0 too needs one x bit */
	vt_user(&t, 1000, 1000);
	assert_int_equal(vt_access(&t, "/tmp/root/f", F_OK), -EACCES);
	assert_int_equal(vt_open(&t, "/tmp/f", O_WRONLY, 0), -EACCES);
	assert_int_equal(vt_open(&t, "/tmp/f", O_RDONLY | O_TRUNC, 0), -EACCES);
	assert_int_equal(vt_open(&t, "/etc", O_CREAT | O_WRONLY, 0644), -EACCES);
	assert_int_equal(vt_unlink(&t, "/tmp/f", 0), -EPERM); /* sticky */
	assert_int_equal(vt_rename(&t, "/tmp/f", "/tmp/g", 0), -EPERM);
	assert_int_equal(vt_call(&t, chroot, vt_str(&t, A_PATH, "/tmp")), -EPERM);
	assert_int_equal(
		vt_call(&t, fchmodat, (uint64_t)AT_FDCWD, vt_str(&t, A_PATH, "/tmp/f"), 0777),
		-EPERM);
	assert_int_equal(vt_call(&t, fchownat, (uint64_t)AT_FDCWD, vt_str(&t, A_PATH, "/tmp/f"),
				 1000, 1000, 0),
			 -EPERM);
	t.f.p.fs->umask = 027;
	vt_spit(&t, "/tmp/mine", "x");
	assert_int_equal(vt_stat(&t, "/tmp/mine", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_uid, 1000);
	/* a supplementary group's bits */
	assert_int_equal(vt_call(&t, fchownat, (uint64_t)AT_FDCWD, vt_str(&t, A_PATH, "/tmp/mine"),
				 -1ULL, 50, 0),
			 -EPERM);
	t.f.p.cred.ngroups = 1;
	t.f.p.cred.groups[0] = 50;
	assert_int_equal(vt_call(&t, fchownat, (uint64_t)AT_FDCWD, vt_str(&t, A_PATH, "/tmp/mine"),
				 -1ULL, 50, 0),
			 0);
	vt_user(&t, 1001, 1001);
	assert_int_equal(vt_access(&t, "/tmp/mine", R_OK), 0);
	assert_int_equal(vt_access(&t, "/tmp/mine", W_OK), -EACCES);
	t.f.p.cred.ngroups = 0;
	assert_int_equal(vt_access(&t, "/tmp/mine", R_OK), -EACCES);
	/* access(2) asks for the real ids */
	t.f.p.cred.uid = 1000;
	assert_int_equal(vt_access(&t, "/tmp/mine", R_OK | W_OK), 0);
	assert_int_equal(vt_open(&t, "/tmp/mine", O_RDONLY, 0), -EACCES);
	vt_exit(&t);
}

static void bad_flags(void **state)
{
	struct vfs_test t;

	vt_init(&t, NULL);
	assert_int_equal(vt_open(&t, "/tmp/d", O_CREAT | O_DIRECTORY, 0755), -EINVAL);
	assert_int_equal(vt_open(&t, "/tmp", O_TMPFILE | O_RDONLY, 0600), -EINVAL);
	assert_int_equal(vt_open(&t, "/proc", O_TMPFILE | O_RDWR, 0600), -EOPNOTSUPP);
	assert_int_equal(
		vt_call(&t, newfstatat, (uint64_t)AT_FDCWD, vt_str(&t, A_PATH, "/"), A_SMALL, 0x10),
		-EINVAL);
	assert_int_equal(vt_call(&t, faccessat, (uint64_t)AT_FDCWD, vt_str(&t, A_PATH, "/"), 8),
			 -EINVAL);
	assert_int_equal(vt_rename(&t, "/tmp/a", "/tmp/b", 3), -EINVAL);
	t.f.p.rlim[RLIMIT_NOFILE].rlim_cur = 1;
	assert_int_equal(vt_open(&t, "/", O_RDONLY, 0), 0);
	assert_int_equal(vt_open(&t, "/", O_RDONLY, 0), -EMFILE);
	t.f.p.rlim[RLIMIT_NOFILE].rlim_cur = 0;
	assert_int_equal(vt_open(&t, "/", O_RDONLY, 0), -EMFILE);
	vt_exit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_paths),  cmocka_unit_test(links),
		cmocka_unit_test(dots_and_slashes), cmocka_unit_test(removed_directory),
		cmocka_unit_test(permissions),      cmocka_unit_test(bad_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
