/*
 * A host that takes long to answer about one name or file: everybody else goes on, and what was
 * asked meanwhile is right in the end. The host's calls are replaced here: in the thread of a
 * "slow" task the one that a test names stops at a gate.
 */
#include "linux_vfs.h"

#include <ftw.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/syscall.h>

enum host_call { NONE, STAT, OPEN, READLINK, MKDIR, UNLINK, RENAME, PWRITE, TRUNCATE, FALLOCATE };

static _Thread_local bool slow;
static _Atomic enum host_call stop_at;
static _Atomic bool after;     /* stop when the host has done it */
static _Atomic int skip_calls; /* so many of them go through first */
static _Atomic bool at_gate, gate_open;

static void gate(enum host_call c, bool done)
{
	if (!slow || stop_at != c || after != done || skip_calls-- > 0)
		return;
	stop_at = NONE;
	at_gate = true;
	while (!gate_open)
		sched_yield();
}

#define GATED(c, expr)                                                                             \
	do {                                                                                       \
		long r_;                                                                           \
		gate(c, false);                                                                    \
		r_ = (expr);                                                                       \
		gate(c, true);                                                                     \
		return r_;                                                                         \
	} while (0)

int fstatat(int fd, const char *path, struct stat *st, int flags)
{
	GATED(STAT, (int)syscall(SYS_newfstatat, fd, path, st, flags));
}

int openat(int fd, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	GATED(OPEN, (int)syscall(SYS_openat, fd, path, flags, mode));
}

/* What the file systems open they open again by a descriptor. */
static _Atomic bool only_writing;

int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (only_writing && (flags & O_ACCMODE) != O_WRONLY && !(flags & O_PATH)) {
		errno = EACCES;
		return -1;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t readlinkat(int fd, const char *path, char *buf, size_t size)
{
	GATED(READLINK, syscall(SYS_readlinkat, fd, path, buf, size));
}

int mkdirat(int fd, const char *path, mode_t mode)
{
	GATED(MKDIR, (int)syscall(SYS_mkdirat, fd, path, mode));
}

int unlinkat(int fd, const char *path, int flags)
{
	GATED(UNLINK, (int)syscall(SYS_unlinkat, fd, path, flags));
}

int renameat2(int fd, const char *path, int fd2, const char *path2, unsigned flags)
{
	GATED(RENAME, (int)syscall(SYS_renameat2, fd, path, fd2, path2, flags));
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t pos)
{
	GATED(PWRITE, syscall(SYS_pwrite64, fd, buf, len, pos));
}

int ftruncate(int fd, off_t size)
{
	GATED(TRUNCATE, (int)syscall(SYS_ftruncate, fd, size));
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
	GATED(FALLOCATE, (int)syscall(SYS_fallocate, fd, mode, off, len));
}

/* ---- a guest with a root and two binds, and a second task ---- */

#define B_PATH  0x20030000UL
#define B_PATH2 0x20034000UL
#define B_BUF   0x20038000UL

struct world2 {
	struct vfs_test t;
	char dir[64], root[80], bind[80], bind2[80];
	struct task other;
	struct call call;
	long result;
	pthread_t thread;
};

static void hput(const char *dir, const char *name, const char *text)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void bind_dir(struct world2 *s, const char *source, const char *target)
{
	struct vfs_mount m = {.kind = VFS_MOUNT_BIND_RW, .source = source, .target = target};

	assert_int_equal(vfs_mount(&s->t.f.k, &m), 0);
}

static int set_up(void **state)
{
	struct world2 *s = calloc(1, sizeof(*s));
	char path[160];

	assert_non_null(s);
	strcpy(s->dir, "/tmp/vmbox-slow-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->root, sizeof(s->root), "%s/root", s->dir);
	snprintf(s->bind, sizeof(s->bind), "%s/bind", s->dir);
	snprintf(s->bind2, sizeof(s->bind2), "%s/bind2", s->dir);
	assert_int_equal(mkdir(s->root, 0755), 0);
	assert_int_equal(mkdir(s->bind, 0755), 0);
	assert_int_equal(mkdir(s->bind2, 0755), 0);
	for (int i = 0; i < 2; i++) {
		const char *dir = i ? s->root : s->bind;

		hput(dir, "f", "text");
		hput(dir, "other", "other");
		snprintf(path, sizeof(path), "%s/d", dir);
		assert_int_equal(mkdir(path, 0755), 0);
		hput(dir, "d/x", "x");
		snprintf(path, sizeof(path), "%s/empty", dir);
		assert_int_equal(mkdir(path, 0755), 0);
		snprintf(path, sizeof(path), "%s/l", dir);
		assert_int_equal(symlink("other", path), 0);
	}
	vt_init(&s->t, s->root);
	bind_dir(s, s->bind, "/mnt");
	bind_dir(s, s->bind2, "/mnt2");
	s->other.p = &s->t.f.p;
	s->other.k = &s->t.f.k;
	stop_at = NONE;
	at_gate = gate_open = after = false;
	skip_calls = 0;
	alarm(60); /* what waits for the gate here waits for ever */
	*state = s;
	return 0;
}

static int rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int tear_down(void **state)
{
	struct world2 *s = *state;

	alarm(0);
	vt_exit(&s->t);
	nftw(s->dir, rm, 16, FTW_DEPTH | FTW_PHYS);
	free(s);
	return 0;
}

static void *run_other(void *arg)
{
	struct world2 *s = arg;

	slow = true;
	s->result = syscall_dispatch(&s->other, &s->call);
	call_finish(&s->other, &s->call);
	return NULL;
}

/* The other task makes a call, and is held up in that call of the host's. */
#define other_stops(s, at, row, ...)                                                               \
	other_stops_args(s, at, ROW_##row, (const uint64_t[6]){__VA_ARGS__})
static void other_stops_args(struct world2 *s, enum host_call at, int row, const uint64_t args[6])
{
	memset(&s->call, 0, sizeof(s->call));
	s->call.nr = (unsigned)arch_syscall_nr[row];
	memcpy(s->call.args, args, sizeof(s->call.args));
	stop_at = at;
	assert_int_equal(pthread_create(&s->thread, NULL, run_other, s), 0);
	while (!at_gate)
		sched_yield();
}

static long other_ends(struct world2 *s)
{
	gate_open = true;
	pthread_join(s->thread, NULL);
	return s->result;
}

static uint64_t path_b(struct world2 *s, const char *path)
{
	return vt_str(&s->t, B_PATH, path);
}

/* Nobody else is held up: neither in the same directory nor elsewhere. */
static void others_go_on(struct world2 *s)
{
	static const char *const paths[] = {"/mnt/other", "/mnt/l", "/mnt", "/mnt/d/x",
					    "/other",     "/tmp",   "/dev", "/proc/meminfo"};
	char buf[64];
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(vt_stat(&s->t, paths[i], &st, 0), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/none", &st, 0), -ENOENT);
	assert_int_equal(vt_slurp(&s->t, "/mnt/other", buf, sizeof(buf)), 5);
	/* Changes, too, but of the same file system's names. */
	vt_spit(&s->t, "/mnt2/new", "new");
	assert_int_equal(vt_rename(&s->t, "/mnt2/new", "/mnt2/newer", 0), 0);
	assert_int_equal(vt_unlink(&s->t, "/mnt2/newer", 0), 0);
	assert_int_equal(vt_mkdir(&s->t, "/tmp/here", 0700), 0);
	assert_int_equal(vt_unlink(&s->t, "/tmp/here", AT_REMOVEDIR), 0);
	gate_open = true;
}

#define AT ((uint64_t)AT_FDCWD)

/* ---- names ---- */

static void a_slow_look_up(void **state)
{
	struct world2 *s = *state;

	other_stops(s, STAT, newfstatat, AT, path_b(s, "/mnt/f"), B_BUF, 0);
	others_go_on(s);
	assert_int_equal(other_ends(s), 0);
}

static void a_slow_look_up_in_the_root(void **state)
{
	struct world2 *s = *state;

	other_stops(s, STAT, newfstatat, AT, path_b(s, "/f"), B_BUF, 0);
	others_go_on(s);
	assert_int_equal(other_ends(s), 0);
}

static void a_slow_directory(void **state)
{
	struct world2 *s = *state;

	other_stops(s, OPEN, newfstatat, AT, path_b(s, "/mnt/d"), B_BUF, 0);
	others_go_on(s);
	assert_int_equal(other_ends(s), 0);
}

static void a_slow_link(void **state)
{
	struct world2 *s = *state;

	other_stops(s, READLINK, newfstatat, AT, path_b(s, "/mnt/l"), B_BUF, 0);
	others_go_on(s);
	assert_int_equal(other_ends(s), 0);
	other_stops(s, READLINK, readlinkat, AT, path_b(s, "/mnt/l"), B_BUF, 64);
	others_go_on(s);
	assert_int_equal(other_ends(s), 5);
}

static void slow_makers(void **state)
{
	struct world2 *s = *state;
	struct stat st;

	other_stops(s, MKDIR, mkdirat, AT, path_b(s, "/mnt/made"), 0755);
	others_go_on(s);
	assert_int_equal(other_ends(s), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/made", &st, 0), 0);
	gate_open = at_gate = false;
	other_stops(s, OPEN, openat, AT, path_b(s, "/mnt/file"), O_CREAT | O_EXCL | O_RDWR, 0644);
	others_go_on(s);
	assert_true(other_ends(s) >= 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/file", &st, 0), 0);
}

static void slow_removers(void **state)
{
	struct world2 *s = *state;
	struct stat st;

	other_stops(s, UNLINK, unlinkat, AT, path_b(s, "/mnt/f"), 0);
	others_go_on(s);
	assert_int_equal(other_ends(s), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/f", &st, 0), -ENOENT);
	/* In the root the host is only asked. */
	gate_open = at_gate = false;
	assert_int_equal(vt_stat(&s->t, "/empty", &st, 0), 0);
	other_stops(s, OPEN, unlinkat, AT, path_b(s, "/empty"), AT_REMOVEDIR);
	others_go_on(s);
	assert_int_equal(other_ends(s), 0);
	assert_int_equal(vt_stat(&s->t, "/empty", &st, 0), -ENOENT);
}

static void a_slow_rename(void **state)
{
	struct world2 *s = *state;
	struct stat st;

	other_stops(s, RENAME, renameat2, AT, path_b(s, "/mnt/f"), AT,
		    vt_str(&s->t, B_PATH2, "/mnt/d/g"), 0);
	others_go_on(s);
	assert_int_equal(other_ends(s), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/f", &st, 0), -ENOENT);
	assert_int_equal(vt_stat(&s->t, "/mnt/d/g", &st, 0), 0);
}

/* ---- data ---- */

static void slow_data(void **state)
{
	static const enum host_call calls[] = {PWRITE, TRUNCATE, FALLOCATE};
	struct world2 *s = *state;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		long fd = vt_open(&s->t, "/mnt/f", O_RDWR, 0);

		assert_true(fd >= 0);
		gate_open = at_gate = false;
		if (calls[i] == PWRITE)
			other_stops(s, PWRITE, pwrite64, (uint64_t)fd, B_PATH, 8, 0);
		else if (calls[i] == TRUNCATE)
			other_stops(s, TRUNCATE, ftruncate, (uint64_t)fd, 100);
		else
			other_stops(s, FALLOCATE, fallocate, (uint64_t)fd, 0, 0, 200);
		/* The file itself can be looked at, too. */
		assert_int_equal(vt_stat(&s->t, "/mnt/f", &st, 0), 0);
		assert_int_equal(vt_access(&s->t, "/mnt/f", 2), 0);
		others_go_on(s);
		assert_int_equal(other_ends(s), calls[i] == PWRITE ? 8 : 0);
		vt_close(&s->t, fd);
	}
	assert_int_equal(vt_stat(&s->t, "/mnt/f", &st, 0), 0);
	assert_int_equal(st.st_size, 200);
}

/* ---- what changes meanwhile ---- */

static void a_name_that_moves_while_it_is_looked_up(void **state)
{
	struct world2 *s = *state;
	struct stat st;

	/* The host has told of it, then it moves: the look-up learns of that. */
	after = true;
	other_stops(s, STAT, newfstatat, AT, path_b(s, "/mnt/f"), B_BUF, 0);
	assert_int_equal(vt_rename(&s->t, "/mnt/f", "/mnt/g", 0), 0);
	assert_int_equal(other_ends(s), -ENOENT);
	assert_int_equal(vt_stat(&s->t, "/mnt/f", &st, 0), -ENOENT);
	assert_int_equal(vt_stat(&s->t, "/mnt/g", &st, 0), 0);
}

static void a_name_that_is_replaced_while_it_is_looked_up(void **state)
{
	struct world2 *s = *state;
	struct stat st, got;

	after = true;
	other_stops(s, STAT, newfstatat, AT, path_b(s, "/mnt/f"), B_BUF, 0);
	assert_int_equal(vt_rename(&s->t, "/mnt/other", "/mnt/f", 0), 0);
	assert_int_equal(other_ends(s), 0);
	assert_int_equal(copy_from_guest(s->t.f.p.mm, &got, gva(B_BUF), sizeof(got)), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/f", &st, 0), 0);
	assert_int_equal(got.st_ino, st.st_ino);
	assert_int_equal(st.st_size, 5);
}

static void a_name_that_is_deleted_in_memory_meanwhile(void **state)
{
	struct world2 *s = *state;
	struct stat st;

	after = true;
	other_stops(s, STAT, newfstatat, AT, path_b(s, "/f"), B_BUF, 0);
	assert_int_equal(vt_unlink(&s->t, "/f", 0), 0);
	assert_int_equal(other_ends(s), -ENOENT);
	assert_int_equal(vt_stat(&s->t, "/f", &st, 0), -ENOENT);
}

static void a_name_that_becomes_ours_meanwhile(void **state)
{
	struct world2 *s = *state;
	char buf[64];
	struct stat st, got;

	after = true;
	other_stops(s, STAT, newfstatat, AT, path_b(s, "/f"), B_BUF, 0);
	vt_spit(&s->t, "/f", "in memory");
	assert_int_equal(other_ends(s), 0);
	assert_int_equal(copy_from_guest(s->t.f.p.mm, &got, gva(B_BUF), sizeof(got)), 0);
	assert_int_equal(vt_slurp(&s->t, "/f", buf, sizeof(buf)), 9);
	assert_int_equal(vt_stat(&s->t, "/f", &st, 0), 0);
	assert_int_equal(got.st_ino, st.st_ino);
}

static void a_look_up_during_a_removal(void **state)
{
	struct world2 *s = *state;
	long fd = vt_open(&s->t, "/mnt/f", O_RDONLY, 0);
	char buf[64];
	struct stat st;

	/* The host has removed it, the cache does not know: who looks finds out. */
	after = true;
	other_stops(s, UNLINK, unlinkat, AT, path_b(s, "/mnt/f"), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/f", &st, 0), -ENOENT);
	assert_int_equal(other_ends(s), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/f", &st, 0), -ENOENT);
	assert_int_equal(vt_read(&s->t, fd, buf, 10), 4);
	assert_int_equal(vt_call(&s->t, fstat, (uint64_t)fd, A_SMALL), 0);
	assert_int_equal(copy_from_guest(s->t.f.p.mm, &st, gva(A_SMALL), sizeof(st)), 0);
	assert_int_equal(st.st_nlink, 0);
	vt_close(&s->t, fd);
}

static void a_look_up_during_a_rename(void **state)
{
	struct world2 *s = *state;
	struct stat st;

	assert_int_equal(vt_stat(&s->t, "/mnt/d", &st, 0), 0);
	after = true;
	other_stops(s, RENAME, renameat2, AT, path_b(s, "/mnt/f"), AT,
		    vt_str(&s->t, B_PATH2, "/mnt/d/g"), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/f", &st, 0), -ENOENT);
	assert_int_equal(vt_stat(&s->t, "/mnt/d/g", &st, 0), 0);
	assert_int_equal(other_ends(s), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/d/g", &st, 0), 0);
	assert_int_equal(vt_unlink(&s->t, "/mnt/d/g", 0), 0);
	assert_int_equal(vt_stat(&s->t, "/mnt/d/g", &st, 0), -ENOENT);
}

static void made_by_the_host_meanwhile(void **state)
{
	struct world2 *s = *state;
	char buf[64];
	long fd;

	/* O_CREAT alone takes what is there. */
	other_stops(s, OPEN, openat, AT, path_b(s, "/mnt/new"), O_CREAT | O_RDWR, 0644);
	hput(s->bind, "new", "theirs");
	fd = other_ends(s);
	assert_true(fd >= 0);
	assert_int_equal(vt_read(&s->t, fd, buf, 10), 6);
	/* With O_EXCL not. */
	gate_open = at_gate = false;
	other_stops(s, OPEN, openat, AT, path_b(s, "/mnt/new2"), O_CREAT | O_EXCL | O_RDWR, 0644);
	hput(s->bind, "new2", "theirs");
	assert_int_equal(other_ends(s), -EEXIST);
}

static void a_moved_directory_does_not_let_out(void **state)
{
	struct world2 *s = *state;
	uint64_t how[3] = {O_RDONLY, 0, 8 /* RESOLVE_BENEATH */};
	long fd;

	/* /mnt/d is the root of the walk; d/in moves out of it while the walk is in there. */
	assert_int_equal(vt_mkdir(&s->t, "/mnt/d/in", 0755), 0);
	assert_int_equal(vt_mkdir(&s->t, "/mnt/d/in/sub", 0755), 0);
	fd = vt_open(&s->t, "/mnt/d", O_RDONLY | O_DIRECTORY, 0);
	fake_put(&s->t.f, B_BUF, how, sizeof(how));
	after = true;
	skip_calls = 1;
	other_stops(s, STAT, openat2, (uint64_t)fd, path_b(s, "in/sub/../../f"), B_BUF,
		    sizeof(how));
	assert_int_equal(vt_rename(&s->t, "/mnt/d/in", "/mnt/in", 0), 0);
	assert_int_equal(other_ends(s), -EAGAIN);
	vt_close(&s->t, fd);
}

/* ---- what the host refuses ---- */

static void a_file_that_the_host_lets_us_only_write(void **state)
{
	struct world2 *s = *state;
	char buf[8];
	long w, r;

	only_writing = true;
	w = vt_open(&s->t, "/mnt/f", O_WRONLY, 0);
	assert_true(w >= 0);
	assert_int_equal(vt_write(&s->t, w, "new!", 4), 4);
	/* Open already, but not for this. */
	r = vt_open(&s->t, "/mnt/f", O_RDONLY, 0);
	assert_int_equal(vt_open(&s->t, "/mnt/f", O_RDWR, 0), -EACCES);
	only_writing = false;
	assert_int_equal(r, -EACCES);
	/* When it may be read it is, by the same inode. */
	r = vt_open(&s->t, "/mnt/f", O_RDONLY, 0);
	assert_true(r >= 0);
	assert_int_equal(vt_read(&s->t, r, buf, 8), 4);
	assert_memory_equal(buf, "new!", 4);
	vt_close(&s->t, r);
	vt_close(&s->t, w);
}

/* ---- many at a time ---- */

#define ROUNDS 1500

static const char *const places[] = {"/a", "/b", "/d/a", "/d/b", "/e/a", "/e", "/d"};

struct racer {
	struct world2 *s;
	const char *top;
	struct task t;
	uint64_t at; /* guest memory of its own */
	unsigned seed;
	pthread_t thread;
};

static long race_call(struct racer *r, int row, const uint64_t args[6])
{
	struct call c = {.nr = (unsigned)arch_syscall_nr[row]};
	long res;

	memcpy(c.args, args, sizeof(c.args));
	res = syscall_dispatch(&r->t, &c);
	call_finish(&r->t, &c);
	return res;
}

#define RACE(row, ...) race_call(r, ROW_##row, (const uint64_t[6]){__VA_ARGS__})

static uint64_t any_place(struct racer *r, uint64_t at)
{
	char path[64];

	snprintf(path, sizeof(path), "%s%s", r->top, places[(unsigned)rand_r(&r->seed) % 7]);
	return vt_str(&r->s->t, at, path);
}

static void *race(void *arg)
{
	struct racer *r = arg;
	uint64_t p, q;
	long fd;

	for (int i = 0; i < ROUNDS; i++) {
		p = any_place(r, r->at);
		q = any_place(r, r->at + 0x1000);
		switch (rand_r(&r->seed) % 8) {
		case 0:
		case 1:
			fd = RACE(openat, AT, p, O_CREAT | O_RDWR, 0644);
			if (fd >= 0) {
				RACE(write, (uint64_t)fd, r->at, 100);
				RACE(close, (uint64_t)fd);
			}
			break;
		case 2:
			RACE(unlinkat, AT, p, rand_r(&r->seed) % 2 ? 0 : AT_REMOVEDIR);
			break;
		case 3:
		case 4:
			RACE(renameat2, AT, p, AT, q, rand_r(&r->seed) % 4 ? 0 : RENAME_EXCHANGE);
			break;
		case 5:
			RACE(linkat, AT, p, AT, q, 0);
			break;
		case 6:
			RACE(mkdirat, AT, p, 0755);
			break;
		default:
			RACE(newfstatat, AT, p, r->at + 0x2000, 0);
		}
	}
	return NULL;
}

/* Changes and look-ups of a few names from three sides: in the end all agree. */
static void race_below(struct world2 *s, const char *top)
{
	static struct racer racers[3];

	for (unsigned i = 0; i < 3; i++) {
		racers[i] = (struct racer){.s = s,
					   .top = top,
					   .t = {.p = &s->t.f.p, .k = &s->t.f.k},
					   .at = 0x20030000UL + i * 0x4000,
					   .seed = i + 1};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_join(racers[i].thread, NULL);
}

static void many_change_the_host(void **state)
{
	struct world2 *s = *state;
	char path[96];
	struct stat st, host;

	race_below(s, "/mnt");
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		long r, h;

		snprintf(path, sizeof(path), "/mnt%s", places[i]);
		r = vt_stat(&s->t, path, &st, 0);
		snprintf(path, sizeof(path), "%s%s", s->bind, places[i]);
		h = stat(path, &host) ? -errno : 0;
		assert_int_equal(r, h);
		if (r)
			continue;
		assert_int_equal(st.st_ino, host.st_ino);
		assert_int_equal(st.st_nlink, host.st_nlink);
	}
}

static void many_change_the_root(void **state)
{
	struct world2 *s = *state;
	struct stat st;

	race_below(s, "");
	assert_int_equal(vt_stat(&s->t, "/f", &st, 0), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_slow_look_up),
		TEST(a_slow_look_up_in_the_root),
		TEST(a_slow_directory),
		TEST(a_slow_link),
		TEST(slow_makers),
		TEST(slow_removers),
		TEST(a_slow_rename),
		TEST(slow_data),
		TEST(a_name_that_moves_while_it_is_looked_up),
		TEST(a_name_that_is_replaced_while_it_is_looked_up),
		TEST(a_name_that_is_deleted_in_memory_meanwhile),
		TEST(a_name_that_becomes_ours_meanwhile),
		TEST(a_look_up_during_a_removal),
		TEST(a_look_up_during_a_rename),
		TEST(made_by_the_host_meanwhile),
		TEST(a_moved_directory_does_not_let_out),
		TEST(a_file_that_the_host_lets_us_only_write),
		TEST(many_change_the_host),
		TEST(many_change_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
