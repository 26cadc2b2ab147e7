// process_vm_readv, process_madvise, memfd_create, protection keys, remap_file_pages, memory
// policies, and what mapping refuses for want of room: the errors of their man pages.
// kernel: 6.12 (arm64 has calls for protection keys since then)
#include "err.h"
#include <sys/resource.h>
#include <sys/uio.h>

#define PAGE   4096UL
#define NOBODY 99999999
#define ANON   (MAP_PRIVATE | MAP_ANONYMOUS)

#ifndef MADV_COLD
#define MADV_COLD 20
#endif

static char *page;
static pid_t parent;

static void vm_moves(void)
{
	char buf[16] = "";
	struct iovec l = {buf, 16}, r = {page, 16}, bad = {BAD_POINTER, 16}, big[2] = {l, l};
	struct iovec minus = {buf, -1UL}, empty = {NULL, 0}, half[2] = {r, bad};
	pid_t me = getpid();

	TRY(S(process_vm_readv, me, &l, 1, &r, 1, 0));
	TRY(S(process_vm_readv, me, &l, 1, &r, 1, 1));
	TRY(S(process_vm_readv, me, &l, 1025, &r, 1, 0));
	TRY(S(process_vm_readv, me, &l, 1, &r, 1025, 0));
	TRY(S(process_vm_readv, me, &l, -1UL, &r, 1, 0));
	TRY(S(process_vm_readv, me, BAD_POINTER, 1, &r, 1, 0));
	TRY(S(process_vm_readv, me, &l, 1, BAD_POINTER, 1, 0));
	TRY(S(process_vm_readv, me, &minus, 1, &r, 1, 0));
	TRY(S(process_vm_readv, me, &l, 1, &minus, 1, 0));
	TRY(S(process_vm_readv, me, &l, 1, &bad, 1, 0));
	TRY(S(process_vm_readv, me, &bad, 1, &r, 1, 0));
	TRY(S(process_vm_readv, me, big, 2, half, 2, 0));
	TRY(S(process_vm_readv, me, &l, 0, &r, 1, 0));
	TRY(S(process_vm_readv, me, &l, 1, &r, 0, 0));
	TRY(S(process_vm_readv, me, &empty, 1, &r, 1, 0));
	TRY(S(process_vm_readv, NOBODY, &l, 1, &r, 1, 0));
	TRY(S(process_vm_readv, NOBODY, &l, 0, &r, 1, 0));
	TRY(S(process_vm_readv, -1, &l, 1, &r, 1, 0));
	TRY(S(process_vm_writev, me, &l, 1, &r, 1, 0));
	TRY(S(process_vm_writev, me, &l, 1, &r, 1, 1));
	TRY(S(process_vm_writev, me, &l, 1025, &r, 1, 0));
	TRY(S(process_vm_writev, me, &l, 1, &bad, 1, 0));
	TRY(S(process_vm_writev, me, &bad, 1, &r, 1, 0));
	TRY(S(process_vm_writev, NOBODY, &l, 1, &r, 1, 0));
	CHECK_EQ(mprotect(page, PAGE, PROT_READ), 0);
	TRY(S(process_vm_writev, me, &l, 1, &r, 1, 0));
	CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
}

static void advice(void)
{
	struct iovec v = {page, PAGE}, odd = {page + 1, PAGE}, hole = {BAD_POINTER, PAGE};
	struct iovec none = {(char *)page + 64 * PAGE, PAGE}, two[2] = {v, none};
	int fd = (int)S(pidfd_open, getpid(), 0), file = open("/dev/null", O_RDONLY);

	CHECK(fd >= 0);
	TRY(S(process_madvise, fd, &v, 1, MADV_COLD, 0));
	TRY(S(process_madvise, fd, &v, 1, MADV_COLD, 1));
	TRY(S(process_madvise, fd, &v, 1, 9999, 0));
	TRY(S(process_madvise, -1, &v, 1, MADV_COLD, 0));
	TRY(S(process_madvise, 999, &v, 1, MADV_COLD, 0));
	TRY(S(process_madvise, file, &v, 1, MADV_COLD, 0));
	TRY(S(process_madvise, fd, BAD_POINTER, 1, MADV_COLD, 0));
	TRY(S(process_madvise, fd, &v, 1025, MADV_COLD, 0));
	TRY(S(process_madvise, fd, &v, 0, MADV_COLD, 0));
	TRY(S(process_madvise, fd, &odd, 1, MADV_COLD, 0));
	TRY(S(process_madvise, fd, &hole, 1, MADV_COLD, 0));
	TRY(S(process_madvise, fd, &none, 1, MADV_COLD, 0));
	TRY(S(process_madvise, fd, two, 2, MADV_COLD, 0) == (long)PAGE);
	close(fd);
	close(file);
}

static void gone_process(void)
{
	struct iovec v = {page, PAGE};
	siginfo_t si;
	pid_t pid = fork_ok();
	int fd;

	if (pid == 0)
		_exit(0);
	fd = (int)S(pidfd_open, pid, 0);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	TRY(S(process_madvise, fd, &v, 1, MADV_COLD, 0));
	TRY(S(process_vm_readv, pid, &v, 1, &v, 1, 0));
	reap_ok(pid);
	TRY(S(process_madvise, fd, &v, 1, MADV_COLD, 0));
	TRY(S(process_vm_readv, pid, &v, 1, &v, 1, 0));
	close(fd);
}

static void memfds(void)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	TRY_FD(S(memfd_create, "x", 0));
	TRY(S(memfd_create, BAD_POINTER, 0));
	TRY(S(memfd_create, NULL, 0));
	TRY(S(memfd_create, "x", 1 << 20));
	name[250] = 0;
	TRY(S(memfd_create, name, 0));
	name[249] = 0;
	TRY_FD(S(memfd_create, name, 0));
	TRY_FD(S(memfd_create, "", 0));
}

static void keys(void)
{
	TRY(S(pkey_alloc, 1, 0));
	TRY(S(pkey_alloc, 0, 4));
	TRY(S(pkey_free, -1));
	TRY(S(pkey_free, 99));
	TRY(S(pkey_mprotect, page, PAGE, PROT_READ | PROT_WRITE, -1));
	TRY(S(pkey_mprotect, page, PAGE, PROT_READ, 99));
	TRY(S(pkey_mprotect, page + 1, PAGE, PROT_READ, -1));
	TRY(S(pkey_mprotect, page + 64 * PAGE, PAGE, PROT_READ, -1));
}

/* The old call, which is made of mmap on current kernels. */
static void pages_of_a_file(void)
{
	int fd = (int)S(memfd_create, "x", 0);
	char *p;

	CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pwrite(fd, &"abcd"[i], 1, i * (off_t)PAGE), 1);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	TRY(S(remap_file_pages, page, PAGE, 0, 0, 0));
	TRY(S(remap_file_pages, p, PAGE, PROT_READ, 0, 0));
	TRY(S(remap_file_pages, p, 0, 0, 0, 0));
	TRY(S(remap_file_pages, p, 5 * PAGE, 0, 0, 0));
	TRY(S(remap_file_pages, p, PAGE, 0, -1UL, 0));
	TRY(S(remap_file_pages, p, -1UL, 0, 0, 0));
	TRY(S(remap_file_pages, BAD_POINTER, PAGE, 0, 0, 0));
	TRY(S(remap_file_pages, p, PAGE, 0, 3, 0));
	TRY(S(remap_file_pages, p + PAGE, 2 * PAGE, 0, 2, 0));
	say("%c%c%c%c\n", p[0], p[PAGE], p[2 * PAGE], p[3 * PAGE]);
	p[0] = 'z';
	CHECK_EQ(pread(fd, page, 1, 3 * (off_t)PAGE), 1);
	say("%c\n", page[0]);
	CHECK_EQ(munmap(p, 4 * PAGE), 0);
	close(fd);
}

static void policies(void)
{
	unsigned long mask = 1, far = 1UL << 40;
	int mode;

	TRY(S(mbind, page, PAGE, 0, NULL, 0, 0));
	TRY(S(mbind, page, PAGE, 99, NULL, 0, 0));
	TRY(S(mbind, page, PAGE, 2, NULL, 0, 0));
	TRY(S(mbind, page, PAGE, 2, &far, 64, 0));
	TRY(S(mbind, page, PAGE, 2, BAD_POINTER, 64, 0));
	TRY(S(mbind, page + 1, PAGE, 0, NULL, 0, 0));
	TRY(S(mbind, page, PAGE, 2, &mask, 64, 64));
	TRY(S(mbind, page + 64 * PAGE, PAGE, 2, &mask, 64, 0));
	TRY(S(set_mempolicy, 99, NULL, 0));
	TRY(S(set_mempolicy, 2, BAD_POINTER, 64));
	TRY(S(set_mempolicy, 2, &far, 64));
	TRY(S(set_mempolicy, 0, NULL, 0));
	TRY(S(get_mempolicy, &mode, NULL, 0, NULL, 0));
	TRY(S(get_mempolicy, &mode, NULL, 0, NULL, 99));
	TRY(S(get_mempolicy, BAD_POINTER, NULL, 0, NULL, 0));
	TRY(S(get_mempolicy, &mode, NULL, 0, page, 0));
	TRY(S(get_mempolicy, &mode, NULL, 0, page + 64 * PAGE, 2));
}

static void no_room(void *arg)
{
	struct rlimit few = {3, 3}, lock = {PAGE, PAGE};

	(void)arg;
	if (geteuid() == 0)
		CHECK_EQ(syscall(SYS_setresuid, ERR_UID, ERR_UID, ERR_UID), 0);
	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &lock), 0);
	CHECK_EQ(munlockall(), 0);
	TRY(S(mlock2, page, 2 * PAGE, MLOCK_ONFAULT));
	TRY(S(mlock2, page, PAGE, MLOCK_ONFAULT));
	TRY(S(mremap, page, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0));
	TRY(S(mlockall, MCL_FUTURE));
	TRY(S(mmap, NULL, 2 * PAGE, PROT_READ, ANON, -1, 0));
	TRY(S(shmget, 0, 2 * PAGE, 0600 | 04000)); /* SHM_HUGETLB */
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	TRY(S(memfd_create, "x", 0));
	TRY(S(pidfd_open, getpid(), 0));
	TRY(S(signalfd4, -1, &(uint64_t){1}, 8, 0));
	TRY(S(timerfd_create, CLOCK_MONOTONIC, 0));
	TRY(S(epoll_create1, 0));
	TRY(S(eventfd2, 0, 0));
	TRY(S(inotify_init1, 0));
	TRY(S(mq_open, "x", O_CREAT | O_RDWR, 0600, NULL));
}

/* Of one that may not look into its parent. */
static void others(void)
{
	char buf[16];
	struct iovec l = {buf, 16}, r = {page, 16}, v = {page, PAGE};
	int fd = (int)S(pidfd_open, parent, 0);

	TRY(S(process_vm_readv, parent, &l, 1, &r, 1, 0));
	TRY(S(process_vm_writev, parent, &l, 1, &r, 1, 0));
	TRY(S(process_madvise, fd, &v, 1, MADV_COLD, 0));
	TRY(S(move_pages, parent, 0, NULL, NULL, NULL, 0) < 0);
	TRY(S(migrate_pages, parent, 64, &(unsigned long){1}, &(unsigned long){1}) < 0);
}

int main(void)
{
	parent = getpid();
	page = (char *)map_pages(65 * PAGE, PROT_READ | PROT_WRITE);
	CHECK_EQ(munmap(page + 64 * PAGE, PAGE), 0);
	vm_moves();
	advice();
	gone_process();
	memfds();
	keys();
	pages_of_a_file();
	policies();
	CHECK_EQ(run_child(no_room, NULL), 0);
	as_other(others);
	return 0;
}
