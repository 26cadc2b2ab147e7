/* Landlock by its system calls: see landlock.h. landlock_create_ruleset(2) and its neighbours. */
#include "landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What older headers lack, by the first ABI that has it. */
#define FS_REFER        (1ULL << 13) /* 2 */
#define FS_TRUNCATE     (1ULL << 14) /* 3 */
#define FS_IOCTL_DEV    (1ULL << 15) /* 5 */
#define NET_BIND_TCP    (1ULL << 0)  /* 4 */
#define NET_CONNECT_TCP (1ULL << 1)  /* 4 */
#define SCOPE_ABSTRACT  (1ULL << 0)  /* 6: unix(7) sockets by abstract names */
#define SCOPE_SIGNAL    (1ULL << 1)  /* 6 */

/* struct landlock_ruleset_attr as of ABI 6; an older kernel takes the same with zeros in what it
 * does not know. */
struct ruleset {
	uint64_t fs, net, scoped;
};

#define FS_REMOVE (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define FS_MAKE                                                                                    \
	(LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                               \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                             \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)
/* What vmbox never does on the host, wherever. */
#define FS_NEVER                                                                                   \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                               \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | FS_IOCTL_DEV)

#define FS_READ       (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE_FILE (LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define FS_WRITE      (FS_WRITE_FILE | FS_REMOVE | FS_MAKE | FS_REFER)
/* What a rule about a regular file may name. */
#define FS_OF_FILE (LANDLOCK_ACCESS_FS_READ_FILE | FS_WRITE_FILE)

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? -errno : (int)abi;
}

static struct ruleset all_of(int abi)
{
	struct ruleset r = {.fs = FS_READ | FS_WRITE | FS_NEVER};

	if (abi < 3)
		r.fs &= ~FS_TRUNCATE;
	if (abi < 5)
		r.fs &= ~FS_IOCTL_DEV;
	if (abi >= 4)
		r.net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 6)
		r.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
	return r;
}

static int permit(int rules, const struct ruleset *handled, const struct landlock_tree *t)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = (FS_READ | (t->writable ? FS_WRITE : 0)) & handled->fs,
		.parent_fd = t->fd,
	};
	struct stat st;

	if (fstat(t->fd, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_OF_FILE;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		return -errno;
	return 0;
}

int landlock_enter(const struct landlock_tree *trees, size_t n)
{
	int abi = landlock_abi(), rules, e = 0;
	struct ruleset handled;

	if (abi < LANDLOCK_ABI_MIN)
		return 0;
	handled = all_of(abi);
	rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
	if (rules < 0)
		return -errno;
	for (size_t i = 0; i < n && e == 0; i++)
		e = permit(rules, &handled, &trees[i]);
	if (e == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		e = -errno;
	if (e == 0 && syscall(SYS_landlock_restrict_self, rules, 0))
		e = -errno;
	close(rules);
	return e;
}
