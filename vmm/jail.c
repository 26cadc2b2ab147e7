/* The filter: see jail.h. Its rules are in jail/gen.c, which makes jail_filter.h of them. */
#include "jail.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JAIL_OFF
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JAIL_OFF
#endif
#endif

#ifdef JAIL_OFF

int jail_enter(const struct landlock_tree *trees, size_t n)
{
	return 0;
}

#else

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail_filter.h"

int jail_enter(const struct landlock_tree *trees, size_t n)
{
	struct sock_filter filter[sizeof(jail_filter) / sizeof(jail_filter[0])];
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	int r = landlock_enter(trees, n);
	long left;

	if (r)
		return r;
	memcpy(filter, jail_filter, sizeof(filter));
	filter[JAIL_PID_AT].k = (uint32_t)getpid();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	left = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
	if (left < 0)
		return -errno;
	return left ? -EBUSY : 0; /* a thread has another filter */
}

#endif
