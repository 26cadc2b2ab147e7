/* Recovery from SIGSEGV and SIGBUS in the access primitives. */
#include "access.h"
#include "gmem.h"
#include "ucontext_arch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
/* protected by install_lock; the handler reads them, and they change only when it is not installed:
 */
static struct sigaction old_segv, old_bus;

static uintptr_t field_address(const int32_t *f)
{
	return (uintptr_t)f + (uintptr_t)(intptr_t)*f;
}

static void handler(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	uintptr_t pc = ucontext_pc(uc);

	for (const struct access_fixup *f = gmem_fixups; f < gmem_fixups_end; f++) {
		if (pc >= field_address(&f->start) && pc < field_address(&f->end)) {
			ucontext_set_pc(uc, field_address(&f->fixup));
			return;
		}
	}
	/* Not ours: the old action, by doing it again. A signal that was sent does not come again
	 * by itself. */
	sigaction(sig, sig == SIGSEGV ? &old_segv : &old_bus, NULL);
	if (si->si_code <= 0)
		raise(sig);
}

/* Puts the handler in front of whatever is there, unless it is there already. */
static int install(int sig, struct sigaction *old)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK}, now;

	if (sigaction(sig, NULL, &now) < 0)
		return -errno;
	if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == handler)
		return 0;
	*old = now;
	sigemptyset(&sa.sa_mask);
	return sigaction(sig, &sa, NULL) < 0 ? -errno : 0;
}

int gmem_access_init(void)
{
	int r;

	pthread_mutex_lock(&install_lock);
	r = install(SIGSEGV, &old_segv);
	if (!r)
		r = install(SIGBUS, &old_bus);
	pthread_mutex_unlock(&install_lock);
	if (r < 0)
		errno = -r;
	return r;
}

size_t gmem_copy(void *dst, const void *src, size_t len)
{
	return len - gmem_raw_copy(dst, src, len);
}

int gmem_zero(void *dst, size_t len)
{
	return gmem_raw_zero(dst, len) ? -EFAULT : 0;
}

int gmem_sync_code(const void *p, size_t len)
{
	return gmem_raw_sync_code(p, len);
}

int gmem_load32(const void *p, uint32_t *out)
{
	return gmem_raw_load32(p, out);
}

int gmem_store32(void *p, uint32_t v)
{
	return gmem_raw_store32(p, v);
}

int gmem_cmpxchg32(void *p, uint32_t expected, uint32_t desired, uint32_t *out)
{
	return gmem_raw_cmpxchg32(p, expected, desired, out);
}

int gmem_xchg32(void *p, uint32_t v, uint32_t *out)
{
	return gmem_raw_xchg32(p, v, out);
}
