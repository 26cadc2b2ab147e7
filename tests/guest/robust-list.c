// kernel: 6.12 (6.1 wakes a waiter of a pending word that is another's)
// Robust lists by hand: what the kernel does to words of a process that ends, or execs, holding
// them; lists that lie; clear_child_tid.
#include "futex.h"

#include <sched.h>

struct node {
	struct node *next;
	word_t word;
};

struct head {
	struct node *next;
	long offset;
	struct node *pending;
};

/* Shared between the one who dies and the one who looks. */
struct mem {
	struct head head;
	struct node node[2100];
	word_t other[16];
};

static struct mem *m;

static void set_list(const void *head)
{
	CHECK_EQ(syscall(SYS_set_robust_list, head, 24), 0);
}

static void fresh(int n)
{
	memset(m, 0, sizeof(*m));
	m->head.offset = offsetof(struct node, word);
	m->head.next = n ? &m->node[0] : (struct node *)&m->head;
	for (int i = 0; i < n; i++)
		m->node[i].next = i + 1 < n ? &m->node[i + 1] : (struct node *)&m->head;
}

/* Runs fn in a child that ends by itself, or by SIGKILL; its tid then stands in no word. */
static void dies(void (*fn)(void), bool killed)
{
	pid_t pid = fork_ok();

	if (!pid) {
		set_list(&m->head);
		fn();
		if (killed)
			raise(SIGKILL);
		_exit(0);
	}
	CHECK_EQ(reap(pid), killed ? SIGKILL : 0);
}

static void own_three(void)
{
	m->node[0].word = my_tid();
	m->node[1].word = my_tid() | W_WAITERS;
	m->node[2].word = 4711;
	m->node[3].word = my_tid() | W_DIED;
}

static void plain(bool killed)
{
	fresh(4);
	dies(own_three, killed);
	say("%s: %x %x %u %x\n", killed ? "killed" : "exit", m->node[0].word, m->node[1].word,
	    m->node[2].word, m->node[3].word);
}

static void wait_word(void *arg)
{
	word_t *w = arg;

	CHECK_EQ(futex(w, F_WAIT, 42, NULL, NULL, 0), 0);
}

/* ---- who is woken ---- */

static void own_waited(void)
{
	m->node[0].word = my_tid() | W_WAITERS;
	m->node[1].word = my_tid();
}

static void wakes(void)
{
	pid_t pid[4];

	fresh(2);
	m->node[0].word = m->node[1].word = 42;
	for (int i = 0; i < 4; i++)
		pid[i] = spawn(wait_word, &m->node[i / 2].word);
	await_waiters(&m->node[0].word, 2);
	await_waiters(&m->node[1].word, 2);
	dies(own_waited, false);
	say("asleep: %ld with WAITERS, %ld without\n", waiters(&m->node[0].word, 0),
	    waiters(&m->node[1].word, 0));
	CHECK_EQ(futex(&m->node[0].word, F_WAKE, 9, NULL, NULL, 0), 1);
	CHECK_EQ(futex(&m->node[1].word, F_WAKE, 9, NULL, NULL, 0), 2);
	for (int i = 0; i < 4; i++)
		reap_ok(pid[i]);
}

/* ---- the pending operation ---- */

static uint32_t pending_value;

static void pend(void)
{
	m->head.next = (struct node *)&m->head;
	m->head.pending = &m->node[5];
	m->node[5].word = pending_value == 1 ? my_tid() : pending_value;
}

static void pend_pi(void)
{
	pend();
	m->head.pending = (struct node *)((char *)&m->node[5] + 1);
}

/* On the list as well: handled once, last. */
static void pend_listed(void)
{
	pend();
	m->head.next = &m->node[5];
	m->node[5].next = &m->node[6];
	m->node[6].next = (struct node *)&m->head;
	m->node[6].word = my_tid();
}

static void pending(const char *what, void (*fn)(void), uint32_t value)
{
	pid_t pid;
	long left;

	fresh(0);
	m->node[5].word = 42;
	pid = spawn(wait_word, &m->node[5].word);
	await_waiters(&m->node[5].word, 1);
	pending_value = value;
	dies(fn, false);
	left = 1 - futex(&m->node[5].word, F_WAKE, 1, NULL, NULL, 0);
	reap_ok(pid);
	say("pending %s: word %x, woken %ld, next %x\n", what, m->node[5].word, left,
	    m->node[6].word);
}

/* ---- lists that lie ---- */

static void own_all(void)
{
	for (int i = 0; i < 2100; i++)
		m->node[i].word = my_tid();
}

static int marked(void)
{
	int n = 0;

	for (int i = 0; i < 2100; i++)
		n += m->node[i].word == W_DIED;
	return n;
}

static void circle(void)
{
	own_all();
	m->node[9].next = &m->node[3];
}

static void self_pointing(void)
{
	own_all();
	m->node[4].next = &m->node[4];
}

static void unterminated(void)
{
	own_all();
	m->node[7].next = (struct node *)8;
}

static void null_end(void)
{
	own_all();
	m->node[7].next = NULL;
}

static void misaligned_entry(void)
{
	own_all();
	m->node[6].next = (struct node *)((char *)&m->node[7] + 2);
}

static void kernel_entry(void)
{
	own_all();
	m->node[6].next = KERNEL_HALF;
}

static void bad_word(void)
{
	own_all();
	m->head.offset += 2;
}

static void far_offset(void)
{
	own_all();
	m->head.offset = 1L << 62;
}

static void bad_pending(void)
{
	own_all();
	m->head.pending = KERNEL_HALF;
}

static void head_kernel(void)
{
	own_all();
	set_list(KERNEL_HALF);
}

static void head_null(void)
{
	own_all();
	set_list(NULL);
}

static void head_misaligned(void)
{
	static char space[64];

	own_all();
	memcpy(space + 3, &m->head, sizeof(m->head));
	/* It never meets its head again but m->head's node ends at &m->head: runs on through that.
	 */
	set_list(space + 3);
}

static void head_unmapped(void)
{
	void *page = map_pages(4096, PROT_READ | PROT_WRITE);

	own_all();
	memcpy(page, &m->head, sizeof(m->head));
	set_list(page);
	CHECK_EQ(munmap(page, 4096), 0);
}

static void entry_readonly(void)
{
	own_all();
	/* The word's page cannot be written by the one who dies. */
	CHECK_EQ(mprotect((void *)((uintptr_t)m & ~4095UL), 12288, PROT_READ), 0);
}

static void pi_entries(void)
{
	own_all();
	m->node[0].word |= W_WAITERS;
	m->head.next = (struct node *)((char *)&m->node[0] + 1);
}

static void lie(const char *what, void (*fn)(void), int n)
{
	fresh(n);
	dies(fn, false);
	say("%s: %d marked\n", what, marked());
}

/* ---- execve, set/get, clear_child_tid ---- */

static void execs(void)
{
	own_three();
	execl("/proc/self/exe", "robust-list", "exec-helper", "again", NULL);
	_exit(1);
}

static void calls(void)
{
	size_t len = 0;
	void *head = NULL;
	pid_t pid;

	CHECK_ERR(syscall(SYS_set_robust_list, &m->head, 23), EINVAL);
	CHECK_ERR(syscall(SYS_set_robust_list, &m->head, 0), EINVAL);
	set_list((void *)3);
	CHECK_EQ(syscall(SYS_get_robust_list, 0, &head, &len), 0);
	CHECK_EQ((uintptr_t)head, 3);
	CHECK_EQ(len, 24);
	CHECK_EQ(syscall(SYS_get_robust_list, getpid(), &head, &len), 0);
	CHECK_ERR(syscall(SYS_get_robust_list, 0x3ffffff0, &head, &len), ESRCH);
	CHECK_ERR(syscall(SYS_get_robust_list, 0, &head, (void *)8), EFAULT);
	CHECK_ERR(syscall(SYS_get_robust_list, 0, (void *)8, &len), EFAULT);
	/* A child has no list: the libc of this program is static and sets none after a raw clone.
	 */
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	CHECK(pid >= 0);
	if (!pid) {
		syscall(SYS_get_robust_list, 0, &head, &len);
		_exit(head == NULL ? 0 : 1);
	}
	reap_ok(pid);
	set_list(NULL);
	say("set and get: ok\n");
}

static char stack[65536] __attribute__((aligned(16)));
static word_t ctid;

static int thread_like(void *arg)
{
	(void)arg;
	return 0;
}

/* The word of CLONE_CHILD_CLEARTID: cleared and woken if somebody shares the memory. */
static void child_cleartid(void)
{
	pid_t pid;

	ctid = 1;
	pid = clone(thread_like, stack + sizeof(stack), CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
		    NULL, NULL, NULL, (void *)&ctid);
	CHECK(pid > 0);
	while (ctid)
		if (futex(&ctid, F_WAIT, 1, NULL, NULL, 0) < 0)
			CHECK(errno == EAGAIN || errno == EINTR);
	reap_ok(pid);
	/* Its own copy of the memory: nobody would see it, nobody is told. */
	m->other[0] = 1;
	pid = fork_ok();
	if (!pid) {
		syscall(SYS_set_tid_address, &m->other[0]);
		_exit(0);
	}
	reap_ok(pid);
	say("clear_child_tid: %u, not shared: %u\n", ctid, m->other[0]);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[2], "again"))
		return 0;
	m = shared_pages((sizeof(*m) + 4095) / 4096);
	plain(false);
	plain(true);
	wakes();
	pending("owned", pend, 1);
	pending("owned, PI", pend_pi, 1);
	pending("free", pend, 0);
	pending("free, WAITERS", pend, W_WAITERS);
	pending("free, DIED", pend, W_DIED);
	pending("free, PI", pend_pi, 0);
	pending("another's", pend, 4711);
	pending("listed too", pend_listed, 1);
	lie("all of 2048", own_all, 2048);
	lie("2100", own_all, 2100);
	lie("a circle", circle, 20);
	lie("self-pointing", self_pointing, 20);
	lie("unterminated", unterminated, 20);
	lie("ends in NULL", null_end, 20);
	lie("misaligned entry", misaligned_entry, 20);
	lie("entry in the kernel's half", kernel_entry, 20);
	lie("misaligned words", bad_word, 20);
	lie("words far away", far_offset, 20);
	lie("pending in the kernel's half", bad_pending, 20);
	lie("head in the kernel's half", head_kernel, 20);
	lie("no head", head_null, 20);
	lie("head unmapped", head_unmapped, 20);
	lie("words read-only", entry_readonly, 20);
	lie("PI bits", pi_entries, 20);
	say("first word %x\n", m->node[0].word);
	lie("misaligned head", head_misaligned, 20);
	fresh(4);
	dies(execs, false);
	say("execve: %x %x %u %x\n", m->node[0].word, m->node[1].word, m->node[2].word,
	    m->node[3].word);
	calls();
	child_cleartid();
	return 0;
}
