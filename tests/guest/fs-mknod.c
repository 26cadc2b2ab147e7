// mknod and what an ordinary user may not do: devices, mounts, swap, reboot, modules, handles.
#include "check.h"
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/sysmacros.h>

int main(void)
{
	const char *dir = temp_dir();
	char path[128];
	struct stat st;
	int fd, mnt;

	/* Root may do more than vmbox lets anybody. */
	CHECK_EQ(chmod(dir, 0777), 0);
	if (getuid() == 0)
		CHECK_EQ(setgid(65534) | setuid(65534), 0);
	umask(022);
	snprintf(path, sizeof(path), "%s/n", dir);
	for (unsigned i = 0; i < 4; i++) {
		static const mode_t types[] = {S_IFIFO, S_IFSOCK, S_IFREG, 0};

		CHECK_EQ(mknod(path, types[i] | 0666, 0), 0);
		CHECK_EQ(lstat(path, &st), 0);
		say("%o size %d links %d\n", st.st_mode, (int)st.st_size, (int)st.st_nlink);
		CHECK_ERR(mknod(path, types[i] | 0666, 0), EEXIST);
		CHECK_EQ(unlink(path), 0);
	}
	CHECK_ERR(mknod(path, S_IFCHR | 0666, makedev(1, 3)), EPERM);
	CHECK_ERR(mknod(path, S_IFBLK | 0666, makedev(7, 0)), EPERM);
	CHECK_ERR(mknod(path, S_IFDIR | 0777, 0), EPERM);
	CHECK_ERR(mknod(path, S_IFLNK | 0777, 0), EINVAL);
	CHECK_ERR(mknod((void *)8, S_IFREG, 0), EFAULT);
	CHECK_ERR(mknod("", S_IFREG, 0), ENOENT);
	CHECK_ERR(mknod("/no/such/dir/x", S_IFREG, 0), ENOENT);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK_EQ(mknodat(fd, "f", S_IFIFO | 0600, 0), 0);
	CHECK_EQ(unlinkat(fd, "f", 0), 0);

	CHECK_ERR(mount("none", dir, "tmpfs", 0, NULL), EPERM);
	CHECK_ERR(umount2(dir, 0), EPERM);
	CHECK_ERR(syscall(SYS_pivot_root, dir, dir), EPERM);
	CHECK_ERR(swapon(dir, 0), EPERM);
	CHECK_ERR(swapoff(dir), EPERM);
	CHECK_ERR(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, 0), EPERM);
	CHECK_ERR(syscall(SYS_fsopen, "tmpfs", 0), EPERM);
	CHECK_ERR(syscall(SYS_move_mount, fd, "", fd, "", 0), EPERM);
	CHECK_ERR(syscall(SYS_vhangup), EPERM);
	mnt = (int)syscall(SYS_sync_file_range, fd, -1LL, 0LL, 0);
	CHECK(mnt == -1 && errno == EINVAL);
	CHECK_ERR(syscall(SYS_sync_file_range, 99, 0LL, 0LL, 0), EBADF);
	CHECK_EQ(syncfs(fd), 0);
	CHECK_ERR(syncfs(99), EBADF);
	sync();
	say("ok\n");
	return 0;
}
