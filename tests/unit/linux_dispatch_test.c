/*
 * The call table, dispatch, blocked calls and their restart, and a few handlers that need nothing
 * but a task.
 */
#include "linux_fake.h"

#include "../../vmm/linux/sys.h"
#include "../../vmm/linux/trace_priv.h"

#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

/* Every row has a name of its own and a number of its own, and a word for each argument. */
static void test_table(void **state)
{
	(void)state;
	for (int row = 0; row < SYSCALL_ROWS; row++) {
		const struct syscall_desc *d = syscall_desc(row);
		unsigned words = d->trace[0] != '\0';

		for (const char *s = d->trace; *s; s++)
			words += *s == ',';
		if (d->fn)
			assert_int_equal(words, d->nargs);
		assert_true(d->nargs <= 6);
		if (arch_syscall_nr[row] >= 0)
			assert_int_equal(syscall_row((unsigned)arch_syscall_nr[row]), row);
	}
	assert_int_equal(syscall_row(511), -1);
	assert_int_equal(syscall_row(100000), -1);
	assert_int_equal(syscall_row(UINT32_MAX), -1);
	assert_string_equal(syscall_desc(ROW_execve)->name, "execve");
}

/* Each word of the table is one that the trace knows: none falls through to a bare number. */
static void test_words(void **state)
{
	static const char plain[] =
		",fd,int,uint,long,size,hex,ptr,mode,str,buf,strv,envp,iovec,pollfds,sig,sigact,"
		"sigset,timespec,futextime,timeval,rlim,oflags,atfd,clone,sockaddr,msghdr,";
	static struct text x;

	(void)state;
	for (int row = 0; row < SYSCALL_ROWS; row++) {
		const char *w = syscall_desc(row)->trace;

		while (*w) {
			size_t len = strcspn(w, ",");
			char key[40];

			snprintf(key, sizeof(key), ",%.*s,", (int)len, w);
			x.len = 0;
			if (!trace_word_is_out(w, len) && !strstr(plain, key) &&
			    !trace_named_word(&x, w, len, 0))
				fail_msg("%s: word %.*s", syscall_desc(row)->name, (int)len, w);
			w += len + (w[len] == ',');
		}
	}
}

static void test_unknown(void **state)
{
	struct fake_kernel f;

	(void)state;
	fake_kernel_init(&f, false);
	fake_call(&f, ROW_getpid, 0);
	f.t.call.nr = 5000;
	assert_int_equal(fake_run_call(&f, &f.t.call), -ENOSYS);
	assert_int_equal(atomic_load(&f.k.stats->rows[SYSCALL_ROWS].calls), 1);
	assert_int_equal(atomic_load(&f.k.stats->rows[SYSCALL_ROWS].errors), 1);
	assert_int_equal(fake_run(&f, ROW_nfsservctl, 0), -ENOSYS);
	fake_kernel_exit(&f);
}

/* A call that blocks is one call, however often its handler runs. */
static void test_blocked(void **state)
{
	const int64_t nap[2] = {1000, 0};
	struct fake_kernel f;
	struct call *c;
	int64_t deadline;

	(void)state;
	fake_kernel_init(&f, false);
	fake_put(&f, FAKE_BASE, nap, sizeof(nap));
	c = fake_call(&f, ROW_nanosleep, FAKE_BASE, 0);
	assert_int_equal(fake_run_call(&f, c), -EBLOCKED);
	assert_true(c->rerun);
	deadline = c->deadline;
	assert_true(deadline > core_now() && f.timer_deadline == deadline);
	assert_int_equal(atomic_load(&f.k.stats->rows[ROW_nanosleep].calls), 0);
	/* Woken for nothing; what was read is not read again. */
	fake_put(&f, FAKE_BASE, (const int64_t[2]){-1, -1}, 16);
	assert_int_equal(fake_run_call(&f, c), -EBLOCKED);
	assert_int_equal(c->deadline, deadline);
	/* The time has come. */
	timers_run(f.k.timers, deadline);
	assert_true(f.t.st.woken);
	c->deadline = core_now();
	assert_int_equal(fake_run_call(&f, c), 0);
	assert_int_equal(atomic_load(&f.k.stats->rows[ROW_nanosleep].calls), 1);
	assert_int_equal(atomic_load(&f.k.stats->rows[ROW_nanosleep].blocked), 2);
	fake_kernel_exit(&f);
}

/* An interrupted sleep tells the rest and goes on to the same end. */
static void test_restart(void **state)
{
	const int64_t nap[2] = {1000, 0};
	struct fake_kernel f;
	struct call *c;
	int64_t left[2], deadline;

	(void)state;
	fake_kernel_init(&f, false);
	fake_put(&f, FAKE_BASE, nap, sizeof(nap));
	c = fake_call(&f, ROW_nanosleep, FAKE_BASE, FAKE_BASE + 64);
	assert_int_equal(fake_run_call(&f, c), -EBLOCKED);
	deadline = c->deadline;
	c->interrupted = true;
	assert_int_equal(fake_run_call(&f, c), -ERESTART_RESTARTBLOCK);
	assert_int_equal(copy_from_guest(f.p.mm, left, gva(FAKE_BASE + 64), sizeof(left)), 0);
	assert_true(left[0] >= 998 && left[0] < 1000);
	assert_non_null(f.t.restart_call);

	c = fake_call(&f, ROW_restart_syscall, 0);
	assert_int_equal(fake_run_call(&f, c), -EBLOCKED);
	assert_null(f.t.restart_call);
	assert_int_equal(c->deadline, deadline);
	/* And once more. */
	c->interrupted = true;
	assert_int_equal(fake_run_call(&f, c), -ERESTART_RESTARTBLOCK);
	c = fake_call(&f, ROW_restart_syscall, 0);
	assert_int_equal(fake_run_call(&f, c), -EBLOCKED);
	assert_int_equal(c->deadline, deadline);
	call_finish(&f.t, c);
	/* Nothing to restart. */
	assert_int_equal(fake_run(&f, ROW_restart_syscall, 0), -EINTR);

	/* An absolute one starts over by itself; the past ends at once. */
	c = fake_call(&f, ROW_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, FAKE_BASE, 0);
	assert_int_equal(fake_run_call(&f, c), 0);
	fake_put(&f, FAKE_BASE, (const int64_t[2]){INT64_MAX, 999999999}, 16);
	c = fake_call(&f, ROW_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, FAKE_BASE, 0);
	assert_int_equal(fake_run_call(&f, c), -EBLOCKED);
	c->interrupted = true;
	assert_int_equal(fake_run_call(&f, c), -ERESTARTNOHAND);
	fake_kernel_exit(&f);
}

struct foreign {
	struct fake_kernel *f;
	long result;
};

static void *foreign_thread(void *arg)
{
	struct foreign *x = arg;

	x->result = fake_run(x->f, ROW_uname, FAKE_BASE);
	return NULL;
}

/* A handler runs on any thread. */
static void test_foreign_thread(void **state)
{
	struct fake_kernel f;
	struct foreign x = {&f, -1};
	struct utsname u;
	pthread_t th;

	(void)state;
	fake_kernel_init(&f, false);
	f.k.cfg.hostname = "box";
	assert_int_equal(pthread_create(&th, NULL, foreign_thread, &x), 0);
	pthread_join(th, NULL);
	assert_int_equal(x.result, 0);
	assert_int_equal(copy_from_guest(f.p.mm, &u, gva(FAKE_BASE), sizeof(u)), 0);
	assert_string_equal(u.sysname, "Linux");
	assert_string_equal(u.nodename, "box");
	assert_string_equal(u.release, KERNEL_RELEASE);
	fake_kernel_exit(&f);
}

static void test_credentials(void **state)
{
	struct fake_kernel f;
	struct cred *cr;

	(void)state;
	fake_kernel_init(&f, false);
	cr = &f.p.cred;
	/* root lets go of everything, and cannot come back */
	assert_int_equal(fake_run(&f, ROW_setresuid, 10, 20, 30), 0);
	assert_true(cr->uid == 10 && cr->euid == 20 && cr->suid == 30 && cr->fsuid == 20);
	assert_int_equal(fake_run(&f, ROW_setuid, 0), -EPERM);
	assert_int_equal(fake_run(&f, ROW_setuid, 20), -EPERM);
	assert_int_equal(fake_run(&f, ROW_setuid, 30), 0);
	assert_true(cr->uid == 10 && cr->euid == 30 && cr->suid == 30);
	assert_int_equal(fake_run(&f, ROW_setreuid, UINT32_MAX, 10), 0);
	assert_true(cr->uid == 10 && cr->euid == 10 && cr->suid == 30);
	assert_int_equal(fake_run(&f, ROW_setreuid, 30, UINT32_MAX), -EPERM);
	assert_int_equal(fake_run(&f, ROW_setfsuid, 77), 10);
	assert_int_equal(fake_run(&f, ROW_setfsuid, UINT32_MAX), 10);
	assert_int_equal(fake_run(&f, ROW_setuid, UINT32_MAX), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_getuid, 0), 10);
	assert_int_equal(fake_run(&f, ROW_setgroups, 0, 0), -EPERM);
	assert_int_equal(fake_run(&f, ROW_getgroups, UINT32_MAX, 0), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_sethostname, FAKE_BASE, 1), -EPERM);
	fake_kernel_exit(&f);
}

static void test_limits(void **state)
{
	const uint64_t bad[2] = {10, 5}, good[2] = {5, 10};
	struct fake_kernel f;

	(void)state;
	fake_kernel_init(&f, false);
	f.p.cred.uid = f.p.cred.euid = f.p.cred.suid = 5;
	cred_init_caps(&f.p.cred);
	fake_put(&f, FAKE_BASE, bad, sizeof(bad));
	fake_put(&f, FAKE_BASE + 16, good, sizeof(good));
	assert_int_equal(fake_run(&f, ROW_setrlimit, RLIMIT_CPU, FAKE_BASE), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_setrlimit, RLIMIT_CPU, FAKE_BASE + 16), 0);
	assert_int_equal(fake_run(&f, ROW_setrlimit, RLIM_NLIMITS, FAKE_BASE + 16), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_setrlimit, RLIMIT_CPU, 8), -EFAULT);
	assert_int_equal(fake_run(&f, ROW_prlimit64, 0, RLIMIT_CPU, 0, FAKE_BASE + PAGE_SIZE),
			 -EFAULT);
	assert_int_equal(fake_run(&f, ROW_prlimit64, 99, RLIMIT_CPU, 0, 0), -ESRCH);
	/* the hard limit only goes down */
	fake_put(&f, FAKE_BASE, (const uint64_t[2]){5, 11}, 16);
	assert_int_equal(fake_run(&f, ROW_prlimit64, 1, RLIMIT_CPU, FAKE_BASE, 0), -EPERM);
	fake_kernel_exit(&f);
}

static void test_mmap_errors(void **state)
{
	const uint64_t anon = 0x22, rw = 3; /* MAP_PRIVATE | MAP_ANONYMOUS */
	struct fake_kernel f;

	(void)state;
	fake_kernel_init(&f, false);
	assert_int_equal(fake_run(&f, ROW_mmap, 0, 0, rw, anon, UINT64_MAX, 0), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_mmap, 0, 4096, rw, anon, UINT64_MAX, 1), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_mmap, 0, UINT64_MAX, rw, anon, UINT64_MAX, 0), -ENOMEM);
	assert_int_equal(fake_run(&f, ROW_mmap, 0, 1UL << 63, rw, anon, UINT64_MAX, 0), -ENOMEM);
	assert_int_equal(fake_run(&f, ROW_mmap, 0, 4096, rw, 0x20, UINT64_MAX, 0), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_mmap, 0, 4096, rw, 2, 7, 0), -EBADF);
	assert_int_equal(fake_run(&f, ROW_mmap, 4096, 4096, rw, anon | 0x10, UINT64_MAX, 0),
			 -EPERM);
	assert_int_equal(
		fake_run(&f, ROW_mmap, FAKE_BASE + 1, 4096, rw, anon | 0x10, UINT64_MAX, 0),
		-EINVAL);
	assert_int_equal(
		fake_run(&f, ROW_mmap, UINT64_MAX - 4095, 4096, rw, anon | 0x10, UINT64_MAX, 0),
		-ENOMEM);
	assert_int_equal(
		fake_run(&f, ROW_mmap, FAKE_BASE, 4096, rw, anon | 0x100000, UINT64_MAX, 0),
		-EEXIST);
	assert_int_equal(fake_run(&f, ROW_mmap, 0, 8192, rw, anon, UINT64_MAX, UINT64_MAX - 4095),
			 -EOVERFLOW);
	assert_int_equal(fake_run(&f, ROW_munmap, 1, 4096), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_munmap, FAKE_BASE, 0), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_munmap, FAKE_BASE, UINT64_MAX), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_mprotect, FAKE_BASE, 4096, 0x80), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_mprotect, FAKE_BASE, UINT64_MAX, 1), -ENOMEM);
	assert_int_equal(fake_run(&f, ROW_mprotect, FAKE_BASE + (64UL << 20), 4096, 1), -ENOMEM);
	assert_int_equal(fake_run(&f, ROW_mremap, FAKE_BASE, 4096, 0, 1, 0), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_mremap, FAKE_BASE, 4096, 4096, 2, 0), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_mremap, FAKE_BASE, 4096, 4096, 3, FAKE_BASE), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_madvise, FAKE_BASE, 4096, 9999), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_madvise, FAKE_BASE + 1, 4096, 4), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_madvise, FAKE_BASE, UINT64_MAX - 100, 4), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_mincore, FAKE_BASE, UINT64_MAX, FAKE_BASE), -ENOMEM);
	assert_int_equal(fake_run(&f, ROW_msync, FAKE_BASE, 4096, 5), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_mlockall, 0), -EINVAL);
	fake_kernel_exit(&f);
}

static void test_sched_and_prctl(void **state)
{
	struct fake_kernel f;
	char name[16];
	uint64_t mask;

	(void)state;
	fake_kernel_init(&f, false);
	f.p.cred.uid = f.p.cred.euid = 5;
	cred_init_caps(&f.p.cred);
	assert_int_equal(fake_run(&f, ROW_sched_getaffinity, 0, 128, FAKE_BASE), 8);
	copy_from_guest(f.p.mm, &mask, gva(FAKE_BASE), sizeof(mask));
	assert_int_equal(mask, 1);
	assert_int_equal(fake_run(&f, ROW_sched_getaffinity, 0, 7, FAKE_BASE), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_sched_getaffinity, 77, 8, FAKE_BASE), -ESRCH);
	fake_put(&f, FAKE_BASE, &(const uint64_t){2}, 8);
	assert_int_equal(fake_run(&f, ROW_sched_setaffinity, 0, 8, FAKE_BASE), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_sched_get_priority_max, SCHED_FIFO), 99);
	assert_int_equal(fake_run(&f, ROW_sched_get_priority_max, 99), -EINVAL);
	fake_put(&f, FAKE_BASE, &(const int){1}, 4);
	assert_int_equal(fake_run(&f, ROW_sched_setscheduler, 0, SCHED_FIFO, FAKE_BASE), -EPERM);
	assert_int_equal(fake_run(&f, ROW_sched_setscheduler, 0, SCHED_OTHER, FAKE_BASE), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_setpriority, 0, 0, 5), 0);
	assert_int_equal(fake_run(&f, ROW_getpriority, 0, 0), 15);
	f.p.rlim[RLIMIT_NICE].rlim_cur = 0;
	assert_int_equal(fake_run(&f, ROW_setpriority, 0, 0, 4), -EACCES);
	assert_int_equal(fake_run(&f, ROW_setpriority, 9, 0, 4), -EINVAL);
	fake_put(&f, FAKE_BASE, "a name that is far too long", 28);
	assert_int_equal(fake_run(&f, ROW_prctl, PR_SET_NAME, FAKE_BASE), 0);
	assert_int_equal(fake_run(&f, ROW_prctl, PR_GET_NAME, FAKE_BASE + 100), 0);
	copy_from_guest(f.p.mm, name, gva(FAKE_BASE + 100), sizeof(name));
	assert_string_equal(name, "a name that is ");
	assert_int_equal(fake_run(&f, ROW_prctl, 123456), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_prctl, PR_SET_NO_NEW_PRIVS, 1, 1), -EINVAL);
	assert_int_equal(fake_run(&f, ROW_prctl, PR_SET_NO_NEW_PRIVS, 1), 0);
	assert_int_equal(fake_run(&f, ROW_prctl, PR_GET_NO_NEW_PRIVS), 1);
	assert_int_equal(fake_run(&f, ROW_prctl, PR_SET_DUMPABLE, 2), -EINVAL);
	fake_kernel_exit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),       cmocka_unit_test(test_words),
		cmocka_unit_test(test_unknown),     cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_restart),     cmocka_unit_test(test_foreign_thread),
		cmocka_unit_test(test_credentials), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_mmap_errors), cmocka_unit_test(test_sched_and_prctl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
