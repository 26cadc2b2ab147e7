// variants: static
// process_vm_readv and process_vm_writev between parent and child, across holes, and their errors;
// process_madvise.
#include "check.h"
#include <sys/uio.h>

#define PAGE 4096ul

int main(void)
{
	unsigned char *p = map_pages(4 * PAGE, PROT_READ | PROT_WRITE), buf[3 * 4096];
	struct iovec local[2] = {{buf, 100}, {buf + 100, sizeof(buf) - 100}};
	struct iovec remote[2] = {{p, PAGE}, {p + 2 * PAGE, PAGE}};
	int c2p[2], p2c[2], fd;
	pid_t pid;

	make_pipe(c2p);
	make_pipe(p2c);
	pid = fork_ok();
	if (!pid) {
		memset(p, 'a', PAGE);
		memset(p + 2 * PAGE, 'c', PAGE);
		CHECK_EQ(munmap(p + 3 * PAGE, PAGE), 0);
		CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_READ), 0);
		send_byte(c2p[1]);
		wait_byte(p2c[0]);
		CHECK_EQ(p[5], 'Z');
		CHECK_EQ(p[6], 'a');
		_exit(0);
	}
	wait_byte(c2p[0]);
	CHECK_EQ(process_vm_readv(pid, local, 2, remote, 2, 0), 2 * PAGE);
	CHECK_EQ(buf[0], 'a');
	CHECK_EQ(buf[PAGE - 1], 'a');
	CHECK_EQ(buf[PAGE], 'c');
	CHECK_EQ(p[0], 0);
	remote[0] = (struct iovec){p + 5, 1};
	CHECK_EQ(process_vm_writev(pid, &(struct iovec){(void *)(uintptr_t) "Z", 1}, 1, remote, 1,
				   0),
		 1);
	/* as far as it goes */
	remote[0] = (struct iovec){p + 2 * PAGE + 10, 2 * PAGE};
	CHECK_EQ(process_vm_readv(pid, local, 2, remote, 1, 0), PAGE - 10);
	remote[0] = (struct iovec){p + 3 * PAGE, 8};
	CHECK_ERR(process_vm_readv(pid, local, 2, remote, 1, 0), EFAULT);
	remote[0] = (struct iovec){p + PAGE, 8};
	CHECK_ERR(process_vm_writev(pid, local, 2, remote, 1, 0), EFAULT);
	CHECK_ERR(process_vm_readv(pid, local, 2, remote, 1, 1), EINVAL);
	CHECK_ERR(process_vm_readv(pid, local, 2000, remote, 1, 0), EINVAL);
	CHECK_ERR(process_vm_readv(pid, (void *)8, 2, remote, 1, 0), EFAULT);
	CHECK_ERR(process_vm_readv(pid, local, 2, (void *)8, 1, 0), EFAULT);
	CHECK_EQ(process_vm_readv(pid, local, 0, remote, 1, 0), 0);
	CHECK_EQ(process_vm_readv(pid, local, 1, remote, 0, 0), 0);
	CHECK_ERR(process_vm_readv(0x3ffffff, local, 2, remote, 1, 0), ESRCH);
	CHECK_EQ(process_vm_readv(getpid(), local, 1, &(struct iovec){p, 4}, 1, 0), 4);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(fd >= 0);
	remote[0] = (struct iovec){p, PAGE};
	CHECK_EQ(syscall(440, fd, remote, 1, 20 /* MADV_COLD */, 0), PAGE);
	CHECK_ERR(syscall(440, fd, remote, 1, 20, 1), EINVAL);
	CHECK_ERR(syscall(440, fd, remote, 1, MADV_FREE, 0), EINVAL);
	CHECK_ERR(syscall(440, 1, remote, 1, 20, 0), EBADF);
	send_byte(p2c[1]);
	reap_ok(pid);
	CHECK_ERR(process_vm_readv(pid, local, 2, remote, 1, 0), ESRCH);
	say("ok\n");
	return 0;
}
