/*
 * Makes the filter of vmm/jail.c while vmbox is built, for libseccomp takes a millisecond for it:
 *
 *	gen x86_64|arm64	prints jail_filter.h: the program for the kernel, and where in it
 *				vmbox's process ID goes
 *
 * Runs on the machine that builds; the numbers of system calls are translated to the other's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* Stands for vmbox's process ID in the rules. */
#define JAIL_PID_MARK 0x5ca1ab1e

/* <linux/kvm.h> is not for here. */
#define KVMIO 0xae
/* struct termios2 is not in <sys/ioctl.h>: asm-generic/ioctls.h. */
#define TCGETS2_K  0x802c542a
#define TCSETS2_K  0x402c542b
#define TCSETSW2_K 0x402c542c
#define TCSETSF2_K 0x402c542d

/* Needed at any time, whatever the arguments. */
static const int allowed[] = {
	/* bytes */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2),
	SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(copy_file_range), SCMP_SYS(recvfrom),
	/* files: of the root and what was bound, by descriptors that are open; others are
	 * landlock.c's to forbid */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(close), SCMP_SYS(close_range),
	SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(flock),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(getdents64), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(truncate), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(syncfs), SCMP_SYS(sync_file_range), SCMP_SYS(fadvise64),
	SCMP_SYS(readahead), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(mknodat), SCMP_SYS(rmdir),
	SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink),
	SCMP_SYS(symlinkat), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat),
	SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(utimensat), SCMP_SYS(umask),
	SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(getxattr), SCMP_SYS(fgetxattr),
	SCMP_SYS(setxattr), SCMP_SYS(fsetxattr), SCMP_SYS(listxattr), SCMP_SYS(flistxattr),
	SCMP_SYS(removexattr), SCMP_SYS(fremovexattr), SCMP_SYS(inotify_init1),
	SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch), SCMP_SYS(memfd_create),
	SCMP_SYS(pipe2), SCMP_SYS(splice), SCMP_SYS(sendfile),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(msync),
	SCMP_SYS(mincore), SCMP_SYS(mlock), SCMP_SYS(munlock),
	/* threads, signals, time */
	SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(membarrier), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_setaffinity), SCMP_SYS(getcpu), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigsuspend), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(timer_create), SCMP_SYS(timer_settime), SCMP_SYS(timer_delete), SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* waiting */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime), SCMP_SYS(signalfd4),
	/* who and what we are */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getpgrp), SCMP_SYS(getpgid), SCMP_SYS(getsid),
	SCMP_SYS(getrusage), SCMP_SYS(times), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getcwd),
	SCMP_SYS(getrandom), SCMP_SYS(getrlimit)};

/* Whoever tries these has taken vmbox over. */
static const int deadly[] = {SCMP_SYS(execve),
			     SCMP_SYS(execveat),
			     SCMP_SYS(fork),
			     SCMP_SYS(vfork),
			     SCMP_SYS(ptrace),
			     SCMP_SYS(process_vm_readv),
			     SCMP_SYS(process_vm_writev),
			     SCMP_SYS(pidfd_open),
			     SCMP_SYS(pidfd_getfd),
			     SCMP_SYS(socket),
			     SCMP_SYS(socketpair),
			     SCMP_SYS(connect),
			     SCMP_SYS(bind),
			     SCMP_SYS(mount),
			     SCMP_SYS(umount2),
			     SCMP_SYS(pivot_root),
			     SCMP_SYS(chroot),
			     SCMP_SYS(unshare),
			     SCMP_SYS(setns),
			     SCMP_SYS(setuid),
			     SCMP_SYS(setgid),
			     SCMP_SYS(setresuid),
			     SCMP_SYS(setresgid),
			     SCMP_SYS(capset),
			     SCMP_SYS(bpf),
			     SCMP_SYS(perf_event_open),
			     SCMP_SYS(io_uring_setup),
			     SCMP_SYS(userfaultfd),
			     SCMP_SYS(init_module),
			     SCMP_SYS(finit_module),
			     SCMP_SYS(kexec_load),
			     SCMP_SYS(keyctl),
			     SCMP_SYS(add_key),
			     SCMP_SYS(request_key),
			     SCMP_SYS(open_by_handle_at),
			     SCMP_SYS(reboot)};

/* Those of which only some uses are needed. */
static int allow_some(scmp_filter_ctx f)
{
	int r;

	/* Threads, not processes. clone3's flags are in memory, where a filter cannot look: without
	 * it the C library uses clone. */
	r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
			     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* No code but what there is. */
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* Signals to itself. */
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				     SCMP_A0(SCMP_CMP_EQ, JAIL_PID_MARK, 0));
	/* Only to peers that are connected. */
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1,
				     SCMP_A4(SCMP_CMP_EQ, 0, 0));
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
	/* malloc names its memory in newer C libraries: PR_SET_VMA. */
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, 0x53564d41, 0));
	/* Limits may be read. */
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
				     SCMP_A2(SCMP_CMP_EQ, 0, 0));
	return r;
}

/*
 * KVM's, and those of the terminal that the guest's programs need; none that types into it. The
 * kernel looks at the low half of the argument alone, and so must the filter.
 */
static int allow_ioctls(scmp_filter_ctx f)
{
	static const uint32_t tty[] = {FIONREAD,   TCGETS,     TCSETS,     TCSETSW,    TCSETSF,
				       TCGETS2_K,  TCSETS2_K,  TCSETSW2_K, TCSETSF2_K, TCFLSH,
				       TIOCGWINSZ, TIOCSWINSZ, TIOCOUTQ,   TIOCGPGRP,  TIOCGSID};
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				 SCMP_A1(SCMP_CMP_MASKED_EQ, 0xff00, KVMIO << 8));

	for (size_t i = 0; i < sizeof(tty) / sizeof(tty[0]) && !r; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, tty[i]));
	return r;
}

static int add_all(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
	int r = 0;

	/* One that this architecture does not have is no error: nobody can make it. */
	for (size_t i = 0; i < n && !r; i++)
		if (calls[i] >= 0)
			r = seccomp_rule_add(f, action, calls[i], 0);
	return r;
}

static int fill(scmp_filter_ctx f, uint32_t arch)
{
	int r = 0;

	if (arch != seccomp_arch_native()) {
		r = seccomp_arch_add(f, arch);
		if (!r)
			r = seccomp_arch_remove(f, SCMP_ARCH_NATIVE);
	}
	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!r)
		r = add_all(f, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(allowed[0]));
	if (!r)
		r = add_all(f, SCMP_ACT_KILL_PROCESS, deadly, sizeof(deadly) / sizeof(deadly[0]));
	if (!r)
		r = allow_some(f);
	if (!r)
		r = allow_ioctls(f);
	return r;
}

/* The mark must be one comparison's constant and nothing else. */
static int print(FILE *program)
{
	unsigned n = 0, marks = 0, at = 0;
	struct sock_filter op;

	puts("/* Made by vmm/jail/gen.c. */");
	puts("static const struct sock_filter jail_filter[] = {");
	for (rewind(program); fread(&op, sizeof(op), 1, program) == 1; n++) {
		printf("\t{%#x, %u, %u, %#x},\n", op.code, op.jt, op.jf, op.k);
		if (op.k != JAIL_PID_MARK)
			continue;
		if (op.code != (BPF_JMP | BPF_JEQ | BPF_K))
			return -EINVAL;
		marks++;
		at = n;
	}
	printf("};\n#define JAIL_PID_AT %u\n", at);
	return n && marks == 1 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	const char *arch = argc > 1 ? argv[1] : "";
	/* 3 is Linux 4.14, whatever the kernel (or its emulator) of the machine that builds has. */
	int r = seccomp_api_set(3);
	scmp_filter_ctx f = r ? NULL : seccomp_init(SCMP_ACT_ERRNO(EPERM));
	FILE *program = tmpfile();

	if (!r && !(f && program))
		r = -ENOMEM;
	if (!r)
		r = fill(f, strcmp(arch, "arm64") == 0 ? SCMP_ARCH_AARCH64 : SCMP_ARCH_X86_64);
	if (!r)
		r = seccomp_export_bpf(f, fileno(program));
	if (!r)
		r = print(program);
	if (r)
		fprintf(stderr, "gen: %s: %s\n", arch, strerror(-r));
	return r ? 1 : 0;
}
