/*
 * uname(2), sysinfo, getrandom, limits and usage.
 */
#include "sys.h"
#include "syscalls.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#define NSEC 1000000000LL
#define NAME 65 /* __NEW_UTS_LEN and a NUL */

void kernel_hostname(struct kernel *k, char *buf)
{
	const char *name = k->cfg.hostname ? k->cfg.hostname : "vmbox";

	pthread_mutex_lock(&k->tree_lock);
	snprintf(buf, NAME, "%s", k->hostname[0] ? k->hostname : name);
	pthread_mutex_unlock(&k->tree_lock);
}

void kernel_domainname(struct kernel *k, char *buf)
{
	pthread_mutex_lock(&k->tree_lock);
	snprintf(buf, NAME, "%s", k->domainname[0] ? k->domainname : "(none)");
	pthread_mutex_unlock(&k->tree_lock);
}

long sys_uname(struct task *t, struct call *c)
{
	char u[6][NAME];

	memset(u, 0, sizeof(u));
	snprintf(u[0], NAME, "Linux");
	kernel_hostname(t->k, u[1]);
	snprintf(u[2], NAME, "%s", KERNEL_RELEASE);
	snprintf(u[3], NAME, "%s", KERNEL_VERSION);
	snprintf(u[4], NAME, "%s", arch_machine_name());
	kernel_domainname(t->k, u[5]);
	return copy_to_guest(task_mm(t), gva(c->args[0]), u, sizeof(u));
}

static long set_name(struct task *t, struct call *c, char *name)
{
	int64_t len = (int)c->args[1];
	char buf[NAME] = "";

	/* CAP_SYS_ADMIN, which nobody has: the machine's name is all that uid 0 administers. */
	if (task_euid(t))
		return -EPERM;
	if (len < 0 || len > NAME - 1)
		return -EINVAL;
	if (copy_from_guest(task_mm(t), buf, gva(c->args[0]), (size_t)len) < 0)
		return -EFAULT;
	pthread_mutex_lock(&t->k->tree_lock);
	memcpy(name, buf, NAME);
	pthread_mutex_unlock(&t->k->tree_lock);
	return 0;
}

long sys_sethostname(struct task *t, struct call *c)
{
	return set_name(t, c, t->k->hostname);
}

long sys_setdomainname(struct task *t, struct call *c)
{
	return set_name(t, c, t->k->domainname);
}

long sys_sysinfo(struct task *t, struct call *c)
{
	struct kernel *k = t->k;
	struct gmem_stats gs;
	struct sysinfo si;

	gmem_get_stats(k->gm, &gs);
	memset(&si, 0, sizeof(si));
	si.uptime = (long)((core_now() - k->boot_time) / NSEC);
	for (int i = 0; i < 3; i++)
		si.loads[i] = (unsigned long)sched_load(k->sched) << SI_LOAD_SHIFT;
	si.totalram = gs.frames_total * PAGE_SIZE;
	si.freeram = (gs.frames_total - gs.frames_used) * PAGE_SIZE;
	si.procs = (unsigned short)registry_process_count(k->registry);
	si.mem_unit = 1;
	return copy_to_guest(task_mm(t), gva(c->args[0]), &si, sizeof(si));
}

/* A single call gives at most this, as Linux's urandom did: the vCPU is not held for long. */
#define RANDOM_MAX 33554431UL

long sys_getrandom(struct task *t, struct call *c)
{
	uint64_t at = c->args[0], left = c->args[1], done = 0;
	unsigned flags = (unsigned)c->args[2];
	uint8_t buf[4096];

	if (flags & ~(unsigned)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if (left > RANDOM_MAX)
		left = RANDOM_MAX;
	while (left) {
		size_t n = left < sizeof(buf) ? left : sizeof(buf);
		ssize_t got = getrandom(buf, n, 0);

		if (got <= 0)
			break;
		got = copy_to_guest_partial(task_mm(t), gva(at + done), buf, (size_t)got);
		if (got <= 0)
			return done ? (long)done : -EFAULT;
		done += (uint64_t)got;
		left -= (uint64_t)got;
	}
	explicit_bzero(buf, sizeof(buf));
	return (long)done;
}

/* ---- usage ---- */

/* struct rusage on 64-bit machines. */
struct rusage_k {
	struct timeval_k utime, stime;
	int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd,
		msgrcv, nsignals, nvcsw, nivcsw;
};

static struct timeval_k to_timeval(int64_t ns)
{
	return (struct timeval_k){ns / NSEC, ns % NSEC / 1000};
}

long sys_getrusage(struct task *t, struct call *c)
{
	struct rusage_times times, own = {0};
	struct rusage_k ru;
	int who = (int)c->args[0];

	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	process_get_times(t->p, &times);
	if (who == RUSAGE_THREAD) {
		task_add_times(t, &own);
		own.maxrss_kb = times.maxrss_kb;
		times = own;
	} else if (who == RUSAGE_CHILDREN) {
		times = (struct rusage_times){
			.utime = times.cutime,
			.stime = times.cstime,
			.minflt = times.cminflt,
			.majflt = times.cmajflt,
			.nvcsw = times.cnvcsw,
			.nivcsw = times.cnivcsw,
			.maxrss_kb = times.cmaxrss_kb,
		};
	}
	memset(&ru, 0, sizeof(ru));
	ru.utime = to_timeval(times.utime);
	ru.stime = to_timeval(times.stime);
	ru.maxrss = (int64_t)times.maxrss_kb;
	ru.minflt = (int64_t)times.minflt;
	ru.majflt = (int64_t)times.majflt;
	ru.nvcsw = (int64_t)times.nvcsw;
	ru.nivcsw = (int64_t)times.nivcsw;
	return copy_to_guest(task_mm(t), gva(c->args[1]), &ru, sizeof(ru));
}

/* ---- limits ---- */

#define NR_OPEN (1 << 20) /* fs.nr_open */

uint64_t rlimit_data(const struct rlimit64 *l)
{
	return l->rlim_cur ? l->rlim_cur : l->rlim_max;
}

/* An address space keeps copies of the limits that concern it. */
static void tell_mm(struct process *p, unsigned res, uint64_t cur)
{
	struct mm *mm = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->mm)
		mm = mm_get(p->mm);
	pthread_mutex_unlock(&p->lock);
	if (mm && res == RLIMIT_STACK)
		mm_set_stack_limit(mm, cur);
	if (mm && res == RLIMIT_AS)
		mm_set_limit_as(mm, cur);
	if (mm && res == RLIMIT_DATA)
		mm_set_limit_data(mm, cur);
	mm_put(mm);
}

static int do_prlimit(struct task *t, struct process *p, unsigned res, const struct rlimit64 *set,
		      struct rlimit64 *old)
{
	bool may_raise = task_capable(t, CAP_SYS_RESOURCE);
	int r = 0;

	if (res >= RLIM_NLIMITS)
		return -EINVAL;
	if (set && set->rlim_cur > set->rlim_max)
		return -EINVAL;
	if (set && res == RLIMIT_NOFILE && set->rlim_max > NR_OPEN)
		return -EPERM;
	pthread_mutex_lock(&p->lock);
	if (old)
		*old = p->rlim[res];
	if (set && set->rlim_max > p->rlim[res].rlim_max && !may_raise)
		r = -EPERM;
	else if (set)
		p->rlim[res] = *set;
	pthread_mutex_unlock(&p->lock);
	if (set && r == 0 && (res == RLIMIT_STACK || res == RLIMIT_AS || res == RLIMIT_DATA))
		tell_mm(p, res, res == RLIMIT_DATA ? rlimit_data(set) : set->rlim_cur);
	if (set && r == 0 && res == RLIMIT_CPU)
		cpu_limit_set(p, set->rlim_cur, set->rlim_max);
	return r;
}

/* All of p's ids are the caller's real ones, or it has the right: check_prlimit_permission(). */
static bool may_limit(struct task *t, struct process *p)
{
	struct cred me, it;

	if (p == t->p)
		return true;
	process_cred(t->p, &me);
	process_cred(p, &it);
	return cred_capable(&me, CAP_SYS_RESOURCE) ||
	       (it.uid == me.uid && it.euid == me.uid && it.suid == me.uid && it.gid == me.gid &&
		it.egid == me.gid && it.sgid == me.gid);
}

long sys_prlimit64(struct task *t, struct call *c)
{
	struct mm *mm = task_mm(t);
	struct rlimit64 set, old;
	struct process *p;
	int r;

	if (c->args[2] && copy_from_guest(mm, &set, gva(c->args[2]), sizeof(set)) < 0)
		return -EFAULT;
	p = process_by_arg(t, (int)c->args[0]);
	if (!p)
		return -ESRCH;
	r = may_limit(t, p) ? do_prlimit(t, p, (unsigned)c->args[1], c->args[2] ? &set : NULL, &old)
			    : -EPERM;
	process_put(p);
	if (r == 0 && c->args[3])
		r = copy_to_guest(mm, gva(c->args[3]), &old, sizeof(old));
	return r;
}

long sys_getrlimit(struct task *t, struct call *c)
{
	struct rlimit64 old;
	int r = do_prlimit(t, t->p, (unsigned)c->args[0], NULL, &old);

	return r < 0 ? r : copy_to_guest(task_mm(t), gva(c->args[1]), &old, sizeof(old));
}

long sys_setrlimit(struct task *t, struct call *c)
{
	struct rlimit64 set;

	if (copy_from_guest(task_mm(t), &set, gva(c->args[1]), sizeof(set)) < 0)
		return -EFAULT;
	return do_prlimit(t, t->p, (unsigned)c->args[0], &set, NULL);
}
