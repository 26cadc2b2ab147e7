/* An overlay over a directory of the host: what the guest changes it sees, and the host does not.
 */
#include "linux_vfs.h"

#include <dirent.h>
#include <ftw.h>
#include <linux/falloc.h>

struct host {
	struct vfs_test t;
	char dir[64];
};

static void hpath(const struct host *h, const char *name, char *buf)
{
	snprintf(buf, 256, "%s/%s", h->dir, name);
}

static void hput(const struct host *h, const char *name, const char *text)
{
	char p[256];
	FILE *f;

	hpath(h, name, p);
	f = fopen(p, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void hmkdir(const struct host *h, const char *name)
{
	char p[256];

	hpath(h, name, p);
	assert_int_equal(mkdir(p, 0755), 0);
}

/* The host's file still says text. */
static void hsays(const struct host *h, const char *name, const char *text)
{
	char p[256], buf[64] = "";
	FILE *f;

	hpath(h, name, p);
	f = fopen(p, "r");
	assert_non_null(f);
	assert_int_equal(fread(buf, 1, sizeof(buf) - 1, f), strlen(text));
	assert_string_equal(buf, text);
	fclose(f);
}

static void says(struct host *h, const char *name, const char *text)
{
	char buf[128];

	assert_int_equal(vt_slurp(&h->t, name, buf, sizeof(buf)), strlen(text));
	assert_string_equal(buf, text);
}

static void host_init(struct host *h)
{
	strcpy(h->dir, "/tmp/vmbox-overlay-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	hmkdir(h, "d");
	hmkdir(h, "d/sub");
	hput(h, "f", "lower f");
	hput(h, "d/g", "lower g");
	hput(h, "d/sub/h", "lower h");
	vt_init(&h->t, h->dir);
}

static int rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void host_exit(struct host *h)
{
	struct vfs *v = h->t.f.k.vfs;

	assert_true(atomic_load(&v->nhostfds) > 0);
	vt_exit(&h->t);
	nftw(h->dir, rm, 16, FTW_DEPTH | FTW_PHYS);
}

/* The names of a directory but "." and "..", each followed by a space, sorted. */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names(struct host *h, long fd, char *out)
{
	uint8_t buf[4096];
	char *list[512];
	unsigned n = 0;
	long r;

	while ((r = vt_call(&h->t, getdents64, (uint64_t)fd, A_BUF, 200)) > 0) {
		assert_int_equal(copy_from_guest(h->t.f.p.mm, buf, gva(A_BUF), (size_t)r), 0);
		for (long at = 0; at < r;) {
			struct dirent64 *d = (void *)(buf + at);

			if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
				list[n++] = strdup(d->d_name);
			at += d->d_reclen;
		}
	}
	assert_int_equal(r, 0);
	qsort(list, n, sizeof(*list), by_name);
	*out = 0;
	for (unsigned i = 0; i < n; i++) {
		strcat(strcat(out, list[i]), " ");
		free(list[i]);
	}
}

static void lists(struct host *h, const char *dir, const char *want)
{
	char got[8192];
	long fd = vt_open(&h->t, dir, O_RDONLY | O_DIRECTORY, 0);

	assert_true(fd >= 0);
	names(h, fd, got);
	assert_string_equal(got, want);
	vt_close(&h->t, fd);
}

static struct memobj *object_of(struct host *h, long fd)
{
	struct file *f = fdtable_lookup(h->t.f.p.files, (int)fd);
	int err;
	struct memobj *o = vfs_file_memobj(f, &err);

	file_close(f);
	return o;
}

/* A file keeps its numbers when it is made the guest's own, and all that is open on it agrees. */
static void identity(void **state)
{
	struct stat before, after;
	struct memobj *old, *new;
	struct host h;
	char buf[32];
	long r, w;

	host_init(&h);
	assert_int_equal(vt_stat(&h.t, "/d/g", &before, 0), 0);
	r = vt_open(&h.t, "/d/g", O_RDONLY, 0);
	old = object_of(&h, r);
	assert_int_equal(memobj_read(old, 0, buf, 7), 7);
	w = vt_open(&h.t, "/d/g", O_RDWR | O_APPEND, 0);
	assert_int_equal(vt_write(&h.t, w, "+upper", 6), 6);
	assert_int_equal(vt_stat(&h.t, "/d/g", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_dev, after.st_dev);
	assert_int_equal(after.st_size, 13);
	/* a descriptor and a mapping from before */
	assert_int_equal(vt_read(&h.t, r, buf, sizeof(buf)), 13);
	assert_memory_equal(buf, "lower g+upper", 13);
	new = object_of(&h, w);
	assert_ptr_equal(old, new);
	assert_int_equal(memobj_read(old, 0, buf, sizeof(buf)), 13);
	memobj_put(old);
	memobj_put(new);
	hsays(&h, "d/g", "lower g");
	/* what the host does to a file that is the guest's is not seen */
	hput(&h, "d/g", "changed on the host");
	says(&h, "/d/g", "lower g+upper");
	host_exit(&h);
}

static void deleted(void **state)
{
	struct host h;
	long fd;

	host_init(&h);
	fd = vt_open(&h.t, "/f", O_RDONLY, 0);
	assert_int_equal(vt_unlink(&h.t, "/f", 0), 0);
	assert_int_equal(vt_access(&h.t, "/f", F_OK), -ENOENT);
	hsays(&h, "f", "lower f");
	assert_int_equal(vt_unlink(&h.t, "/d", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(vt_unlink(&h.t, "/d/g", 0), 0);
	assert_int_equal(vt_unlink(&h.t, "/d/sub", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(vt_unlink(&h.t, "/d/sub/h", 0), 0);
	lists(&h, "/d", "sub ");
	assert_int_equal(vt_unlink(&h.t, "/d/sub", AT_REMOVEDIR), 0);
	assert_int_equal(vt_unlink(&h.t, "/d", AT_REMOVEDIR), 0);
	/* a new directory shows nothing of the old one: opaque */
	assert_int_equal(vt_mkdir(&h.t, "/d", 0755), 0);
	lists(&h, "/d", "");
	assert_int_equal(vt_access(&h.t, "/d/g", F_OK), -ENOENT);
	vt_spit(&h.t, "/d/g", "new g");
	says(&h, "/d/g", "new g");
	/* deleted, made, deleted */
	vt_spit(&h.t, "/f", "new f");
	says(&h, "/f", "new f");
	assert_int_equal(vt_unlink(&h.t, "/f", 0), 0);
	assert_int_equal(vt_access(&h.t, "/f", F_OK), -ENOENT);
	vt_close(&h.t, fd);
	hsays(&h, "d/sub/h", "lower h");
	host_exit(&h);
}

static void renamed(void **state)
{
	struct stat before, after;
	struct host h;

	host_init(&h);
	assert_int_equal(vt_stat(&h.t, "/d/sub", &before, 0), 0);
	/* a directory moves with all of it, without a copy */
	assert_int_equal(vt_rename(&h.t, "/d/sub", "/moved", 0), 0);
	assert_int_equal(vt_stat(&h.t, "/moved", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	says(&h, "/moved/h", "lower h");
	assert_int_equal(vt_access(&h.t, "/d/sub", F_OK), -ENOENT);
	lists(&h, "/d", "g ");
	vt_spit(&h.t, "/moved/n", "n");
	lists(&h, "/moved", "h n ");
	/* over a file of the host */
	assert_int_equal(vt_rename(&h.t, "/moved/n", "/d/g", 0), 0);
	says(&h, "/d/g", "n");
	assert_int_equal(vt_rename(&h.t, "/f", "/d/g", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(vt_rename(&h.t, "/f", "/d/g", RENAME_EXCHANGE), 0);
	says(&h, "/d/g", "lower f");
	says(&h, "/f", "n");
	assert_int_equal(vt_rename(&h.t, "/d", "/moved", 0), -ENOTEMPTY);
	assert_int_equal(vt_rename(&h.t, "/d", "/moved", RENAME_EXCHANGE), 0);
	says(&h, "/moved/g", "lower f");
	says(&h, "/d/h", "lower h");
	lists(&h, "/moved", "g ");
	lists(&h, "/d", "h ");
	assert_int_equal(vt_rename(&h.t, "/d", "/d/x", 0), -EINVAL);
	hsays(&h, "d/sub/h", "lower h");
	host_exit(&h);
}

/* Two names of one file of the host stay one file. */
static void links(void **state)
{
	struct host h;
	struct stat st;
	char a[256], b[256];
	long fd;

	host_init(&h);
	hpath(&h, "d/g", a);
	hpath(&h, "g2", b);
	assert_int_equal(link(a, b), 0);
	vt_spit(&h.t, "/g2", "by the second");
	says(&h, "/d/g", "by the second");
	assert_int_equal(vt_stat(&h.t, "/d/g", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(vt_unlink(&h.t, "/g2", 0), 0);
	says(&h, "/d/g", "by the second");
	assert_int_equal(vt_stat(&h.t, "/d/g", &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
	/* new links of a file of the host, over layers */
	assert_int_equal(vt_link(&h.t, "/f", "/d/f2", 0), 0);
	vt_spit(&h.t, "/f", "both");
	says(&h, "/d/f2", "both");
	assert_int_equal(vt_unlink(&h.t, "/d/f2", 0), 0);
	says(&h, "/f", "both");
	assert_int_equal(vt_link(&h.t, "/d", "/d2", 0), -EPERM);
	/* O_TMPFILE */
	fd = vt_open(&h.t, "/d", O_TMPFILE | O_RDWR, 0600);
	assert_true(fd >= 0);
	assert_int_equal(vt_write(&h.t, fd, "tmp", 3), 3);
	assert_int_equal(vt_call(&h.t, linkat, (uint64_t)fd, vt_str(&h.t, A_PATH, ""),
				 (uint64_t)AT_FDCWD, vt_str(&h.t, A_PATH2, "/d/named"),
				 AT_EMPTY_PATH),
			 0);
	says(&h, "/d/named", "tmp");
	assert_int_equal(vt_symlink(&h.t, "g", "/d/s"), 0);
	says(&h, "/d/s", "by the second");
	hsays(&h, "f", "lower f");
	host_exit(&h);
}

static void attributes(void **state)
{
	struct host h;
	struct stat st, lower;
	char p[256];

	host_init(&h);
	assert_int_equal(
		vt_call(&h.t, fchmodat, (uint64_t)AT_FDCWD, vt_str(&h.t, A_PATH, "/d/g"), 0600), 0);
	assert_int_equal(vt_stat(&h.t, "/d/g", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, 7);
	hpath(&h, "d/g", p);
	assert_int_equal(stat(p, &lower), 0);
	assert_int_equal(lower.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_ino, lower.st_ino);
	assert_int_equal(st.st_mtim.tv_nsec, lower.st_mtim.tv_nsec);
	says(&h, "/d/g", "lower g");
	/* cut and grown again: nothing of the host's data comes back */
	assert_int_equal(vt_call(&h.t, truncate, vt_str(&h.t, A_PATH, "/d/g"), 5), 0);
	assert_int_equal(vt_call(&h.t, truncate, vt_str(&h.t, A_PATH, "/d/g"), 7), 0);
	{
		char buf[16];

		assert_int_equal(vt_slurp(&h.t, "/d/g", buf, sizeof(buf)), 7);
		assert_memory_equal(buf, "lower\0\0", 7);
	}
	assert_int_equal(vt_call(&h.t, truncate, vt_str(&h.t, A_PATH, "/f"), 0), 0);
	says(&h, "/f", "");
	hsays(&h, "f", "lower f");
	/* a directory's own attributes survive its listing */
	assert_int_equal(
		vt_call(&h.t, fchmodat, (uint64_t)AT_FDCWD, vt_str(&h.t, A_PATH, "/d"), 0700), 0);
	lists(&h, "/d", "g sub ");
	assert_int_equal(vt_stat(&h.t, "/d", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	host_exit(&h);
}

/* More than a page, partly overwritten: the rest comes from the host. */
static void big(void **state)
{
	struct host h;
	char p[256], page[4096], buf[4096];
	FILE *f;
	long fd;

	host_init(&h);
	hpath(&h, "big", p);
	f = fopen(p, "w");
	for (int i = 0; i < 64; i++) {
		memset(page, 'a' + i % 26, sizeof(page));
		assert_int_equal(fwrite(page, 1, sizeof(page), f), sizeof(page));
	}
	fclose(f);
	fd = vt_open(&h.t, "/big", O_RDWR, 0);
	assert_int_equal(vt_call(&h.t, lseek, (uint64_t)fd, 10 * 4096 + 100, SEEK_SET),
			 10 * 4096 + 100);
	assert_int_equal(vt_write(&h.t, fd, "XYZ", 3), 3);
	vt_call(&h.t, lseek, (uint64_t)fd, 0, SEEK_SET);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(vt_read(&h.t, fd, buf, sizeof(buf)), sizeof(buf));
		memset(page, 'a' + i % 26, sizeof(page));
		if (i == 10)
			memcpy(page + 100, "XYZ", 3);
		assert_memory_equal(buf, page, sizeof(page));
	}
	assert_int_equal(vt_read(&h.t, fd, buf, sizeof(buf)), 0);
	/* a hole in what is the host's */
	assert_int_equal(vt_call(&h.t, fallocate, (uint64_t)fd,
				 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192),
			 0);
	vt_call(&h.t, lseek, (uint64_t)fd, 8192, SEEK_SET);
	assert_int_equal(vt_read(&h.t, fd, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(buf[0] | buf[4095], 0);
	assert_int_equal(vt_read(&h.t, fd, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(buf[0], 'd');
	host_exit(&h);
}

/* What stays in a directory is told exactly once, whatever else happens to it meanwhile. */
static void stable_listing(void **state)
{
	struct host h;
	char name[64], got[8192];
	unsigned seen[100] = {0};
	uint8_t buf[512];
	long fd, r;

	host_init(&h);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "d/sub/n%02d", i);
		hput(&h, name, "");
	}
	for (int round = 0; round < 2; round++) {
		int step = 0;

		memset(seen, 0, sizeof(seen));
		fd = vt_open(&h.t, "/d/sub", O_RDONLY | O_DIRECTORY, 0);
		while ((r = vt_call(&h.t, getdents64, (uint64_t)fd, A_BUF, 100)) > 0) {
			assert_int_equal(copy_from_guest(h.t.f.p.mm, buf, gva(A_BUF), (size_t)r),
					 0);
			for (long at = 0; at < r;) {
				struct dirent64 *d = (void *)(buf + at);
				unsigned x;

				if (sscanf(d->d_name, "n%u", &x) == 1 && x < 100)
					seen[x]++;
				at += d->d_reclen;
			}
			/* make one ours, make one new, take one of the first ten away */
			snprintf(name, sizeof(name), "/d/sub/n%02d", 10 + step % 90);
			vt_call(&h.t, fchmodat, (uint64_t)AT_FDCWD, vt_str(&h.t, A_PATH, name),
				0600);
			snprintf(name, sizeof(name), "/d/sub/new%d-%d", round, step);
			vt_spit(&h.t, name, "");
			if (step < 10) {
				snprintf(name, sizeof(name), "/d/sub/n%02d", step);
				vt_unlink(&h.t, name, 0);
			}
			step++;
		}
		assert_int_equal(r, 0);
		for (int i = 10; i < 100; i++)
			assert_int_equal(seen[i], 1);
		/* rewound, it is what it is now */
		assert_int_equal(vt_call(&h.t, lseek, (uint64_t)fd, 0, SEEK_SET), 0);
		names(&h, fd, got);
		assert_null(strstr(got, "n05 "));
		assert_non_null(strstr(got, "new0-0 "));
		vt_close(&h.t, fd);
	}
	host_exit(&h);
}

/* The host takes away or replaces what the guest has not made its own, and what it has. */
static void host_changes(void **state)
{
	struct host h;
	char p[256];

	host_init(&h);
	vt_spit(&h.t, "/d/sub/mine", "mine");
	hpath(&h, "d/sub/h", p);
	assert_int_equal(unlink(p), 0);
	assert_int_equal(vt_access(&h.t, "/d/sub/h", F_OK), -ENOENT);
	hput(&h, "d/sub/later", "later");
	says(&h, "/d/sub/later", "later");
	hpath(&h, "d/sub/later", p);
	unlink(p);
	hpath(&h, "d/sub", p);
	assert_int_equal(rmdir(p), 0);
	says(&h, "/d/sub/mine", "mine");
	assert_int_equal(vt_mkdir(&h.t, "/d/sub/x", 0755), 0);
	lists(&h, "/d/sub", "mine x ");
	host_exit(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity),       cmocka_unit_test(deleted),
		cmocka_unit_test(renamed),        cmocka_unit_test(links),
		cmocka_unit_test(attributes),     cmocka_unit_test(big),
		cmocka_unit_test(stable_listing), cmocka_unit_test(host_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
