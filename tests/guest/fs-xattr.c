// nested: vmbox
// Extended attributes of the user namespace, and every error of their calls. (An emulated machine's
// own file system has none, vmbox's in memory has.)
#include "check.h"
#include <sys/xattr.h>

int main(void)
{
	const char *dir = temp_dir();
	static char big[70000], name[300];
	char buf[64];
	int fd;

	CHECK_EQ(chdir(dir), 0);
	fd = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(listxattr("f", buf, sizeof(buf)), 0);
	CHECK_ERR(getxattr("f", "user.a", buf, sizeof(buf)), ENODATA);
	CHECK_EQ(setxattr("f", "user.a", "one", 3, 0), 0);
	CHECK_EQ(getxattr("f", "user.a", buf, sizeof(buf)), 3);
	CHECK(memcmp(buf, "one", 3) == 0);
	CHECK_EQ(getxattr("f", "user.a", NULL, 0), 3);
	CHECK_ERR(getxattr("f", "user.a", buf, 2), ERANGE);
	CHECK_ERR(setxattr("f", "user.a", "two", 3, XATTR_CREATE), EEXIST);
	CHECK_ERR(setxattr("f", "user.b", "two", 3, XATTR_REPLACE), ENODATA);
	CHECK_EQ(fsetxattr(fd, "user.a", "", 0, XATTR_REPLACE), 0);
	CHECK_EQ(fgetxattr(fd, "user.a", buf, sizeof(buf)), 0);
	CHECK_EQ(flistxattr(fd, NULL, 0), 7);
	CHECK_EQ(flistxattr(fd, buf, sizeof(buf)), 7);
	CHECK(!strcmp(buf, "user.a"));
	CHECK_ERR(flistxattr(fd, buf, 3), ERANGE);
	/* two names of one file */
	CHECK_EQ(link("f", "g"), 0);
	CHECK_EQ(getxattr("g", "user.a", buf, sizeof(buf)), 0);
	CHECK_EQ(removexattr("g", "user.a"), 0);
	CHECK_ERR(removexattr("f", "user.a"), ENODATA);
	/* directories have them, links do not */
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(setxattr("d", "user.x", "y", 1, 0), 0);
	CHECK_EQ(symlink("f", "l"), 0);
	CHECK_ERR(lsetxattr("l", "user.x", "y", 1, 0), EPERM);
	CHECK_EQ(setxattr("l", "user.x", "y", 1, 0), 0);
	CHECK_EQ(getxattr("f", "user.x", buf, sizeof(buf)), 1);
	/* errors */
	CHECK_ERR(setxattr("f", "user.a", "x", 1, 4), EINVAL);
	CHECK_ERR(setxattr("f", "", "x", 1, 0), ERANGE);
	CHECK_ERR(setxattr("f", "user.", "x", 1, 0), EINVAL);
	CHECK_ERR(setxattr("f", "nobody.x", "x", 1, 0), EOPNOTSUPP);
	memset(name, 'u', sizeof(name) - 1);
	memcpy(name, "user.", 5);
	CHECK_ERR(setxattr("f", name, "x", 1, 0), ERANGE);
	CHECK_ERR(setxattr("f", "user.big", big, 65537, 0), E2BIG);
	CHECK_ERR(setxattr("f", "user.a", (void *)8, 1, 0), EFAULT);
	CHECK_ERR(getxattr("f", "user.x", (void *)8, 8), EFAULT);
	CHECK_ERR(setxattr("none", "user.a", "x", 1, 0), ENOENT);
	CHECK_ERR(fgetxattr(99, "user.a", buf, 1), EBADF);
	close(fd);
	CHECK_EQ(unlink("f") | unlink("g") | unlink("l") | rmdir("d"), 0);
	CHECK_EQ(rmdir(dir), 0);
	say("ok\n");
	return 0;
}
