// native: no
// variants: dynamic
// cflags: -Wl,--no-warnings
// expect-stdout: found by name and version
// vdso(7): the vDSO is a library of the program, linux-vdso.so.1; dlopen() finds it as loaded
// already. Linux 7.2 has in it __vdso_futex_robust_list64_try_unlock() and ..list32..
#include "vdso-robust.h"
#include <dlfcn.h>

static void find(void *vdso, const char *name)
{
	uint32_t (*unlock)(uint32_t * lock, uint32_t tid, void *pop);
	uint32_t lock = 7;
	uint64_t pop = 1;

	*(void **)&unlock = dlvsym(vdso, name, VDSO_VERSION);
	CHECK(unlock != NULL);
	CHECK((void *)unlock == dlsym(vdso, name));
	CHECK_EQ(unlock(&lock, 8, &pop), 7);
	CHECK(lock == 7 && pop == 1);
	CHECK_EQ(unlock(&lock, 7, &pop), 7);
	CHECK(lock == 0 && pop == 0);
}

int main(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);

	CHECK(vdso != NULL);
	find(vdso, "__vdso_futex_robust_list64_try_unlock");
	find(vdso, "__vdso_futex_robust_list32_try_unlock");
	CHECK(dlsym(vdso, "vdso_clock_page") == NULL);
	say("found by name and version\n");
	return 0;
}
