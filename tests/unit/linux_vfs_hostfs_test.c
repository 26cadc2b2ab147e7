/* A host directory as the root: nothing leads out of it, nothing but files and directories is
 * opened. */
#include "linux_vfs.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

struct host {
	struct vfs_test t;
	char dir[64], root[96];
};

static void hpath(const struct host *h, const char *name, char *buf)
{
	snprintf(buf, 256, "%s/%s", h->dir, name);
}

static void put_file(const struct host *h, const char *name, const char *text)
{
	char p[256];
	FILE *f;

	hpath(h, name, p);
	f = fopen(p, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* dir/root is the guest's root; dir/secret lies beside it. */
static void host_init(struct host *h)
{
	char p[256], q[256];

	strcpy(h->dir, "/tmp/vmbox-hostfs-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	snprintf(h->root, sizeof(h->root), "%s/root", h->dir);
	assert_int_equal(mkdir(h->root, 0755), 0);
	put_file(h, "secret", "outside");
	hpath(h, "root/etc", p);
	assert_int_equal(mkdir(p, 0755), 0);
	put_file(h, "root/etc/passwd", "guest");
	hpath(h, "root/etc/hard", q);
	hpath(h, "root/etc/passwd", p);
	assert_int_equal(link(p, q), 0);
	vt_init(&h->t, h->root);
}

static int rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void host_exit(struct host *h)
{
	assert_true(atomic_load(&h->t.f.k.vfs->nhostfds) > 0);
	vt_exit(&h->t);
	nftw(h->dir, rm, 16, FTW_DEPTH | FTW_PHYS);
}

static void hsymlink(const struct host *h, const char *target, const char *name)
{
	char p[256];

	hpath(h, name, p);
	assert_int_equal(symlink(target, p), 0);
}

static void plain(void **state)
{
	struct host h;
	struct stat st, host, hard;
	char buf[64], p[256];

	host_init(&h);
	assert_int_equal(vt_slurp(&h.t, "/etc/passwd", buf, sizeof(buf)), 5);
	assert_string_equal(buf, "guest");
	hpath(&h, "root/etc/passwd", p);
	assert_int_equal(stat(p, &host), 0);
	assert_int_equal(vt_stat(&h.t, "/etc/passwd", &st, 0), 0);
	assert_int_equal(st.st_ino, host.st_ino);
	assert_int_equal(st.st_dev, host.st_dev);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mtim.tv_nsec, host.st_mtim.tv_nsec);
	assert_int_equal(vt_stat(&h.t, "/etc/hard", &hard, 0), 0);
	assert_int_equal(hard.st_ino, st.st_ino);
	assert_int_equal(vt_rename(&h.t, "/etc/passwd", "/tmp/x", 0), -EXDEV);
	assert_int_equal(vt_link(&h.t, "/etc/passwd", "/tmp/x", 0), -EXDEV);
	assert_int_equal(vt_mkdir(&h.t, "/etc", 0755), -EEXIST);
	assert_int_equal(vt_access(&h.t, "/etc/passwd", W_OK), 0);
	assert_int_equal(vt_access(&h.t, "/etc/none", F_OK), -ENOENT);
	/* mount points that the directory does not have */
	vt_spit(&h.t, "/tmp/w", "w");
	assert_int_equal(vt_access(&h.t, "/dev/shm", F_OK) | vt_access(&h.t, "/proc/self", F_OK),
			 0);
	/* one inode, one page cache, by whatever name */
	{
		struct file *a = fdtable_lookup(h.t.f.p.files,
						(int)vt_open(&h.t, "/etc/passwd", O_RDONLY, 0));
		struct file *b =
			fdtable_lookup(h.t.f.p.files, (int)vt_open(&h.t, "/etc/hard", O_RDONLY, 0));
		int err;
		struct memobj *ma = vfs_file_memobj(a, &err), *mb = vfs_file_memobj(b, &err);
		char page[8];

		assert_non_null(ma);
		assert_ptr_equal(ma, mb);
		assert_int_equal(memobj_read(ma, 0, page, sizeof(page)), 5);
		assert_memory_equal(page, "guest", 5);
		memobj_put(ma);
		memobj_put(mb);
		file_close(a);
		file_close(b);
	}
	host_exit(&h);
}

static void escapes(void **state)
{
	struct host h;
	char buf[64], outside[256];
	long fd;

	host_init(&h);
	hpath(&h, "secret", outside);
	hsymlink(&h, outside, "root/abs");
	hsymlink(&h, "../../../../../../../../secret", "root/etc/rel");
	hsymlink(&h, "../..", "root/etc/up");
	hsymlink(&h, "/etc/passwd", "root/inside");
	hsymlink(&h, "/proc/self/root", "root/magic");
	hsymlink(&h, "..", "root/dots");
	assert_int_equal(vt_access(&h.t, "/../secret", F_OK), -ENOENT);
	assert_int_equal(vt_access(&h.t, "/etc/../../secret", F_OK), -ENOENT);
	assert_int_equal(vt_slurp(&h.t, "/abs", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(vt_slurp(&h.t, "/etc/rel", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(vt_slurp(&h.t, "/etc/up/secret", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(vt_slurp(&h.t, "/dots/dots/secret", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(vt_slurp(&h.t, "/etc/up/etc/passwd", buf, sizeof(buf)), 5);
	/* an absolute link is the guest's own file, a magic one its own root */
	assert_int_equal(vt_slurp(&h.t, "/inside", buf, sizeof(buf)), 5);
	assert_string_equal(buf, "guest");
	assert_int_equal(vt_slurp(&h.t, "/magic/etc/passwd", buf, sizeof(buf)), 5);
	assert_int_equal(vt_access(&h.t, "/magic/../secret", F_OK), -ENOENT);
	assert_int_equal(vt_access(&h.t, "/proc/self/cwd/../secret", F_OK), -ENOENT);
	fd = vt_open(&h.t, "/etc", O_RDONLY | O_DIRECTORY, 0);
	assert_int_equal(vt_call(&h.t, openat, (uint64_t)fd, vt_str(&h.t, A_PATH, "../../secret"),
				 O_RDONLY, 0),
			 -ENOENT);
	assert_int_equal(
		vt_call(&h.t, openat, (uint64_t)fd, vt_str(&h.t, A_PATH, outside), O_RDONLY, 0),
		-ENOENT);
	host_exit(&h);
}

/* The host puts a link where a directory was, after the guest's cache has seen the directory. */
static void replaced(void **state)
{
	struct host h;
	char buf[64], a[256], b[256];
	long fd;

	host_init(&h);
	hpath(&h, "root/d", a);
	assert_int_equal(mkdir(a, 0755), 0);
	put_file(&h, "root/d/secret", "inside");
	fd = vt_open(&h.t, "/d", O_RDONLY | O_DIRECTORY, 0);
	assert_int_equal(vt_slurp(&h.t, "/d/secret", buf, sizeof(buf)), 6);
	assert_int_equal(vt_chdir(&h.t, "/d"), 0);
	hpath(&h, "moved", b);
	assert_int_equal(rename(a, b), 0);
	assert_int_equal(symlink(h.dir, a), 0);
	assert_int_equal(vt_slurp(&h.t, "/d/secret", buf, sizeof(buf)), -ENOENT);
	/* Who holds the directory keeps it, but ".." is the guest's, not where the host moved it.
	 */
	assert_int_equal(vt_slurp(&h.t, "secret", buf, sizeof(buf)), 6);
	assert_int_equal(vt_slurp(&h.t, "../secret", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(vt_slurp(&h.t, "../etc/passwd", buf, sizeof(buf)), 5);
	assert_int_equal(vt_call(&h.t, openat, (uint64_t)fd, vt_str(&h.t, A_PATH, "../../secret"),
				 O_RDONLY, 0),
			 -ENOENT);
	host_exit(&h);
}

/* A file becomes a FIFO, a link, another file between the look-up and the open. */
static void replaced_before_open(void **state)
{
	struct host h;
	struct path p;
	struct file *f;
	char a[256], buf[32];

	host_init(&h);
	put_file(&h, "root/f", "one");
	assert_int_equal(vfs_path_at(&h.t.f.t, AT_FDCWD, "/f", WALK_FOLLOW, &p), 0);
	hpath(&h, "root/f", a);
	assert_int_equal(unlink(a) | mkfifo(a, 0666), 0);
	assert_int_equal(vfs_open_path(&h.t.f.k, &p, O_RDONLY, &h.t.f.t, &f), -ESTALE);
	assert_int_equal(unlink(a) | symlink("/etc/passwd", a), 0);
	assert_int_equal(vfs_open_path(&h.t.f.k, &p, O_RDONLY, &h.t.f.t, &f), -ESTALE);
	path_put(&p);
	unlink(a);
	put_file(&h, "root/f", "two!");
	assert_int_equal(vt_slurp(&h.t, "/f", buf, sizeof(buf)), 4);
	put_file(&h, "root/f", "longer text");
	assert_int_equal(vt_slurp(&h.t, "/f", buf, sizeof(buf)), 11);
	host_exit(&h);
}

static void special_files(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct host h;
	struct stat st;
	char a[256];
	int s;

	host_init(&h);
	hpath(&h, "root/fifo", a);
	assert_int_equal(mkfifo(a, 0666), 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/root/sock", h.dir);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(vt_stat(&h.t, "/fifo", &st, 0), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(vt_stat(&h.t, "/sock", &st, 0), 0);
	assert_true(S_ISSOCK(st.st_mode));
	/* would wait for ever on the host */
	assert_int_equal(vt_open(&h.t, "/fifo", O_WRONLY | O_NONBLOCK, 0), -ENXIO);
	assert_true(vt_open(&h.t, "/fifo", O_RDONLY | O_NONBLOCK, 0) >= 0);
	assert_true(vt_open(&h.t, "/fifo", O_WRONLY | O_NONBLOCK, 0) >= 0);
	assert_int_equal(vt_open(&h.t, "/sock", O_RDWR, 0), -ENXIO);
	assert_true(vt_open(&h.t, "/fifo", O_PATH, 0) >= 0);
	close(s);
	host_exit(&h);
}

static void kernel_file_systems(void **state)
{
	struct vfs_test t;
	struct stat st;
	long fd, r, n = 0;
	uint8_t buf[256];

	/* the whole host as the root: its /proc and /sys are ours instead */
	vt_init(&t, "/");
	assert_int_equal(vt_stat(&t, "/proc", &st, 0), 0);
	assert_int_equal(st.st_dev >> 20, makedev(0, 0xf0000) >> 20);
	assert_int_equal(vt_access(&t, "/proc/kcore", F_OK), -ENOENT);
	assert_int_equal(vt_access(&t, "/proc/sys/kernel/sysrq", F_OK), -ENOENT);
	assert_int_equal(vt_access(&t, "/sys/kernel/debug", F_OK), -ENOENT);
	assert_int_equal(vt_access(&t, "/dev/kvm", F_OK), -ENOENT);
	vt_exit(&t);
	/* as a subdirectory that no mount of ours covers it is empty; as the root it is refused */
	if (!access("/dev/pts", F_OK)) {
		struct fake_kernel f;

		vt_init(&t, "/dev");
		assert_int_equal(vt_stat(&t, "/pts", &st, 0), 0);
		fd = vt_open(&t, "/pts", O_RDONLY | O_DIRECTORY, 0);
		assert_true(fd >= 0);
		while ((r = vt_call(&t, getdents64, (uint64_t)fd, A_BUF, sizeof(buf))) > 0)
			n += r;
		assert_int_equal(n, 48); /* "." and ".." */
		assert_int_equal(vt_access(&t, "/pts/ptmx", F_OK), -ENOENT);
		assert_int_equal(vt_open(&t, "/null", O_RDONLY, 0), -EACCES);
		vt_exit(&t);
		fake_kernel_init(&f, false);
		f.k.reactor = NULL;
		f.k.cfg.root = "/proc";
		assert_int_equal(vfs_create(&f.k), -EACCES);
		f.k.cfg.root = "/no/such/dir";
		assert_int_equal(vfs_create(&f.k), -ENOENT);
		f.k.cfg.root = "/etc/passwd";
		assert_int_equal(vfs_create(&f.k), -ENOTDIR);
		fake_kernel_exit(&f);
	}
}

static void descriptors_bounded(void **state)
{
	struct host h;
	char name[64], p[256];
	unsigned max;

	host_init(&h);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "root/dir%d", i);
		hpath(&h, name, p);
		assert_int_equal(mkdir(p, 0755), 0);
		strcat(name, "/f");
		put_file(&h, name, "x");
	}
	h.t.f.k.vfs->max_hostfds = max = 40;
	h.t.f.p.rlim[RLIMIT_NOFILE].rlim_cur = 64;
	/* looking everywhere costs no more than the cache's share */
	for (int i = 0; i < 200; i++) {
		char buf[8];

		snprintf(name, sizeof(name), "/dir%d/f", i);
		assert_int_equal(vt_slurp(&h.t, name, buf, sizeof(buf)), 1);
		assert_true(atomic_load(&h.t.f.k.vfs->nhostfds) <= max);
	}
	/* holding all open does not */
	long r = 0;
	for (int i = 0; i < 60 && r >= 0; i++) {
		snprintf(name, sizeof(name), "/dir%d/f", i);
		r = vt_open(&h.t, name, O_RDONLY, 0);
	}
	assert_int_equal(r, -ENFILE);
	assert_true(atomic_load(&h.t.f.k.vfs->nhostfds) <= max);
	for (int i = 0; i < 64; i++)
		vt_close(&h.t, i);
	assert_true(vt_open(&h.t, "/dir199/f", O_RDONLY, 0) >= 0);
	host_exit(&h);
}

static void listing(void **state)
{
	struct host h;
	uint8_t buf[512];
	char name[64];
	unsigned files = 0, made = 0;
	long fd, r, pos = 0;

	host_init(&h);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "root/some-file-%d", i);
		put_file(&h, name, "");
	}
	fd = vt_open(&h.t, "/", O_RDONLY | O_DIRECTORY, 0);
	while ((r = vt_call(&h.t, getdents64, (uint64_t)fd, A_BUF, 128)) > 0) {
		assert_int_equal(copy_from_guest(h.t.f.p.mm, buf, gva(A_BUF), (size_t)r), 0);
		for (long at = 0; at < r;) {
			struct dirent64 *d = (void *)(buf + at);

			files += !strncmp(d->d_name, "some-file", 9);
			made += !strcmp(d->d_name, "proc") || !strcmp(d->d_name, "dev") ||
				!strcmp(d->d_name, "tmp");
			pos = d->d_off;
			at += d->d_reclen;
		}
	}
	assert_int_equal(r, 0);
	assert_int_equal(files, 300);
	assert_int_equal(made, 3);
	/* no room for one entry */
	assert_int_equal(vt_call(&h.t, lseek, (uint64_t)fd, 0, SEEK_SET), 0);
	assert_int_equal(vt_call(&h.t, getdents64, (uint64_t)fd, A_BUF, 10), -EINVAL);
	/* from the end, and again from the start */
	assert_int_equal(vt_call(&h.t, lseek, (uint64_t)fd, (uint64_t)pos, SEEK_SET), pos);
	assert_int_equal(vt_call(&h.t, getdents64, (uint64_t)fd, A_BUF, sizeof(buf)), 0);
	assert_int_equal(vt_call(&h.t, lseek, (uint64_t)fd, 0, SEEK_SET), 0);
	assert_true(vt_call(&h.t, getdents64, (uint64_t)fd, A_BUF, sizeof(buf)) > 0);
	host_exit(&h);
}

static void placed(void **state)
{
	struct vfs_test t;
	char buf[16], cwd[64];
	struct stat st;
	struct host h;
	char p[256];

	host_init(&h);
	hpath(&h, "secret", p);
	vt_init(&t, NULL);
	assert_int_equal(vfs_place_file(&t.f.k, p, "/opt/my/prog"), 0);
	assert_int_equal(vfs_place_file(&t.f.k, p, "/opt/my/prog"), -EEXIST);
	assert_int_equal(vfs_place_file(&t.f.k, h.dir, "/x"), -EISDIR);
	assert_int_equal(vfs_place_file(&t.f.k, "/no/such", "/x"), -ENOENT);
	assert_int_equal(vfs_place_file(&t.f.k, p, "/opt/../x"), -EINVAL);
	assert_int_equal(vt_slurp(&t, "/opt/my/prog", buf, sizeof(buf)), 7);
	assert_int_equal(vt_stat(&t, "/opt/my/prog", &st, 0), 0);
	assert_int_equal(st.st_size, 7);
	assert_int_equal(vt_open(&t, "/opt/my/prog", O_RDWR, 0), -ETXTBSY);
	assert_int_equal(vt_chdir(&t, "/opt/my"), 0);
	assert_int_equal(vt_getcwd(&t, cwd), 8);
	vt_exit(&t);
	host_exit(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(escapes),
		cmocka_unit_test(replaced),
		cmocka_unit_test(replaced_before_open),
		cmocka_unit_test(special_files),
		cmocka_unit_test(kernel_file_systems),
		cmocka_unit_test(descriptors_bounded),
		cmocka_unit_test(listing),
		cmocka_unit_test(placed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
