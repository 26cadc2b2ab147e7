/*
 * Pipes: see pipe.h.
 *
 * The ring is an array of page pointers, `size` bytes in all; `pos` is where the next byte is read,
 * `count` how many there are. A page is there only while it has bytes in it, but for one spare one.
 */
#include "pipe.h"

#include "sched.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
/* Over the budget a pipe holds less than this: any write that finds less than PIPE_ATOMIC bytes
 * fits. */
#define PIPE_LEAN_SIZE (2 * PIPE_ATOMIC)

struct pipe {
	_Atomic unsigned readers, writers;
	_Atomic unsigned refs; /* both together, and pipe_get's */

	pthread_mutex_t lock;
	/* protected by lock: */
	size_t size; /* a power of two of pages */
	size_t pos, count;
	uint8_t **pages; /* size / PAGE of them */
	uint8_t *spare;

	/* have their own locks: */
	struct waitq readable; /* readers and their pollers */
	struct waitq writable;
	struct async_list async[2]; /* files of readers and of writers */
};

/* ---- the budget ---- */

/* The only state that pipes share: the host's memory is one. */
static struct {
	_Atomic size_t used, limit;
	_Atomic bool wanted; /* somebody has queued on freed since it was last woken */
	struct waitq freed;  /* writers that only the budget stopped */
} budget = {
	.limit = PIPE_BUDGET_PAGES,
	.freed =
		{
			.lock = PTHREAD_MUTEX_INITIALIZER,
			.list = TAILQ_HEAD_INITIALIZER(budget.freed.list),
			.exclusive = TAILQ_HEAD_INITIALIZER(budget.freed.exclusive),
			.woken = TAILQ_HEAD_INITIALIZER(budget.freed.woken),
			.watches = TAILQ_HEAD_INITIALIZER(budget.freed.watches),
		},
};

static bool budget_over(void)
{
	return budget.used > budget.limit;
}

/* After pages were freed, with no lock held. */
static void budget_wake(void)
{
	if (!budget_over() && atomic_exchange(&budget.wanted, false))
		waitq_wake_all(&budget.freed);
}

/*
 * Queues the task for the end of the shortage. It looks again once it is queued: either budget_wake
 * finds `wanted`, or this finds the shortage over. 0 or -ENOMEM.
 */
static int budget_wait(struct sched_task *task)
{
	int err = waitq_add(&budget.freed, task, false);

	if (err)
		return err;
	budget.wanted = true;
	if (!budget_over())
		sched_wake(task);
	return 0;
}

void pipe_set_budget(size_t pages)
{
	budget.limit = pages;
	budget_wake();
}

size_t pipe_budget_used(void)
{
	return budget.used;
}

static uint8_t *page_alloc(void)
{
	uint8_t *page = malloc(PAGE);

	if (page)
		budget.used++;
	return page;
}

static void page_free(uint8_t *page)
{
	if (!page)
		return;
	free(page);
	budget.used--;
}

/* ---- the ring ---- */

static uint8_t **page_at(const struct pipe *p, size_t pos)
{
	return &p->pages[pos % p->size / PAGE];
}

/* The page for the byte at pos (modulo size), made if it is not there. NULL: no memory. */
static uint8_t *page_make_locked(struct pipe *p, size_t pos)
{
	uint8_t **page = page_at(p, pos);

	if (!*page) {
		*page = p->spare ? p->spare : page_alloc();
		p->spare = NULL;
	}
	return *page;
}

static void page_drop_locked(struct pipe *p, size_t pos)
{
	uint8_t **page = page_at(p, pos);

	if (!p->spare && !budget_over())
		p->spare = *page;
	else
		page_free(*page);
	*page = NULL;
}

static size_t room_locked(const struct pipe *p)
{
	size_t size = p->size;

	if (budget_over()) {
		if (p->count >= PIPE_ATOMIC)
			return 0;
		if (size > PIPE_LEAN_SIZE)
			size = PIPE_LEAN_SIZE;
	}
	return size - p->count;
}

/* n bytes at the front have been read; they lie in one page. */
static void ring_consume_locked(struct pipe *p, size_t n)
{
	size_t pos = p->pos;

	p->count -= n;
	p->pos = (pos + n) % p->size;
	if (!p->count) {
		page_drop_locked(p, pos);
		/* Start at a page's head again, so that small messages keep to one page. */
		p->pos = 0;
	} else if (p->pos % PAGE == 0 && p->count <= p->size - PAGE) {
		/* Past its end; and what was written round the ring does not reach back into it. */
		page_drop_locked(p, pos);
	}
}

/* ---- life ---- */

struct pipe *pipe_create(void)
{
	struct pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->pages = calloc(PIPE_DEFAULT_SIZE / PAGE, sizeof(p->pages[0]));
	if (!p->pages) {
		free(p);
		return NULL;
	}
	p->readers = p->writers = 1;
	p->refs = 2;
	p->size = PIPE_DEFAULT_SIZE;
	pthread_mutex_init(&p->lock, NULL);
	waitq_init(&p->readable);
	waitq_init(&p->writable);
	async_list_init(&p->async[0]);
	async_list_init(&p->async[1]);
	return p;
}

static void pages_free(uint8_t **pages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		page_free(pages[i]);
	free(pages);
}

void pipe_get(struct pipe *p)
{
	p->refs++;
}

void pipe_put(struct pipe *p)
{
	if (--p->refs)
		return;
	pages_free(p->pages, p->size / PAGE);
	page_free(p->spare);
	waitq_destroy(&p->readable);
	waitq_destroy(&p->writable);
	async_list_fini(&p->async[0]);
	async_list_fini(&p->async[1]);
	pthread_mutex_destroy(&p->lock);
	free(p);
	budget_wake();
}

/*
 * A count fell to zero. Whoever read it under the lock before has queued its task before it
 * released the lock, and is woken by what follows; whoever takes the lock later sees zero.
 */
static void pipe_end_gone(struct pipe *p, bool writer)
{
	pthread_mutex_lock(&p->lock);
	pthread_mutex_unlock(&p->lock);
	waitq_wake_all(&p->readable);
	waitq_wake_all(&p->writable);
	/* Who was told of the end that has gone has gone, too. */
	async_tell(&p->async[!writer], writer ? ASYNC_IN : ASYNC_OUT);
}

void pipe_reader_get(struct pipe *p)
{
	p->refs++;
	p->readers++;
}

void pipe_reader_put(struct pipe *p)
{
	if (!--p->readers)
		pipe_end_gone(p, false);
	pipe_put(p);
}

void pipe_writer_get(struct pipe *p)
{
	p->refs++;
	p->writers++;
}

void pipe_writer_put(struct pipe *p)
{
	if (!--p->writers)
		pipe_end_gone(p, true);
	pipe_put(p);
}

/* ---- reading ---- */

/* Bytes moved, or -EFAULT at the first. */
static ssize_t pipe_take_locked(struct pipe *p, struct xfer *x)
{
	ssize_t moved = 0;

	while (x->left && p->count) {
		size_t offset = p->pos % PAGE;
		size_t want = PAGE - offset;
		ssize_t n;

		if (want > p->count)
			want = p->count;
		if (want > x->left)
			want = x->left;
		n = x->copy(x, *page_at(p, p->pos) + offset, want);
		if (n <= 0)
			return moved ? moved : n ? n : -EFAULT;
		ring_consume_locked(p, (size_t)n);
		moved += n;
		if ((size_t)n < want)
			break;
	}
	return moved;
}

ssize_t pipe_read(struct pipe *p, struct xfer *x, struct sched_task *task)
{
	bool wake_writer = false, was_full = false, hand_on;
	ssize_t n = 0;
	int err;

	if (!x->left)
		return 0;
	pthread_mutex_lock(&p->lock);
	if (p->count) {
		was_full = room_locked(p) < PIPE_ATOMIC;
		n = pipe_take_locked(p, x);
		/* Not for less than PIPE_ATOMIC: a writer of that much would find no room, others
		 * too little. */
		wake_writer = n > 0 && room_locked(p) >= PIPE_ATOMIC;
	} else if (p->writers) {
		err = task ? waitq_add(&p->readable, task, true) : -EAGAIN;
		n = err ? err : -EBLOCKED;
	}
	/* If this task was woken for data that it leaves (even after -EFAULT), the next reader is
	 * told. */
	hand_on = p->count;
	pthread_mutex_unlock(&p->lock);
	/* Only what was not writable has become so. */
	if (wake_writer && was_full)
		waitq_hand(&p->writable);
	else if (wake_writer)
		waitq_hand_on(&p->writable);
	if (hand_on)
		waitq_hand_on(&p->readable);
	/* Linux tells writers at the end of each read, whatever it read. */
	if (n != -EBLOCKED)
		async_tell(&p->async[1], ASYNC_OUT);
	budget_wake();
	return n;
}

/* ---- writing ---- */

/* Moves what there is room for. Bytes moved; -EFAULT or -ENOMEM at the first. */
static ssize_t pipe_fill_locked(struct pipe *p, struct xfer *x, size_t room)
{
	ssize_t moved = 0;

	while (x->left && room) {
		size_t end = p->pos + p->count;
		size_t offset = end % PAGE;
		size_t want = PAGE - offset;
		uint8_t *page = page_make_locked(p, end);
		ssize_t n;

		if (!page)
			return moved ? moved : -ENOMEM;
		if (want > room)
			want = room;
		if (want > x->left)
			want = x->left;
		n = x->copy(x, page + offset, want);
		if (n > 0) {
			p->count += (size_t)n;
			room -= (size_t)n;
			moved += n;
		}
		if (n < (ssize_t)want) {
			/* A page that was made for nothing. */
			if (n <= 0 && (!p->count || (!offset && p->count <= p->size - PAGE)))
				page_drop_locked(p, end);
			if (!moved)
				return n ? n : -EFAULT;
			break;
		}
	}
	return moved;
}

/* All of x or nothing: it counts only once all of it has been copied. */
static ssize_t pipe_fill_atomic_locked(struct pipe *p, struct xfer *x)
{
	size_t count = p->count, want = x->left;
	ssize_t n;

	/* It spans two pages at most: have both before the first byte moves. */
	if (!page_make_locked(p, p->pos + count) || !page_make_locked(p, p->pos + count + want - 1))
		n = -ENOMEM;
	else
		n = pipe_fill_locked(p, x, want);
	if (n == (ssize_t)want)
		return n;
	p->count = count;
	return n < 0 ? n : -EFAULT;
}

/* Queues a writer; for the budget, too, if that is what it lacks. */
static ssize_t pipe_wait_writable_locked(struct pipe *p, struct sched_task *task)
{
	int err = waitq_add(&p->writable, task, true);

	if (!err && budget_over())
		err = budget_wait(task);
	return err ? err : -EBLOCKED;
}

static ssize_t pipe_write_locked(struct pipe *p, struct xfer *x, size_t total,
				 struct sched_task *task)
{
	bool atomic = total <= PIPE_ATOMIC;
	size_t room = room_locked(p);
	ssize_t moved = 0, blocked;

	if (!p->readers)
		return -EPIPE;
	if (room >= (atomic ? x->left : 1)) {
		moved = atomic ? pipe_fill_atomic_locked(p, x) : pipe_fill_locked(p, x, room);
		/* Done; or stopped by an error; or by memory that cannot be read, not by the lack
		 * of room. */
		if (moved < 0 || !x->left || (size_t)moved < room)
			return moved;
	}
	if (!task)
		return moved ? moved : -EAGAIN;
	blocked = pipe_wait_writable_locked(p, task);
	return blocked == -EBLOCKED || !moved ? blocked : moved;
}

ssize_t pipe_write(struct pipe *p, struct xfer *x, size_t total, struct sched_task *task)
{
	bool wake_reader, hand_on;
	size_t left = x->left;
	ssize_t n;

	if (!x->left)
		return 0;
	pthread_mutex_lock(&p->lock);
	n = pipe_write_locked(p, x, total, task);
	wake_reader = p->count;
	hand_on = room_locked(p) >= PIPE_ATOMIC;
	pthread_mutex_unlock(&p->lock);
	if (wake_reader && x->left < left)
		waitq_hand(&p->readable);
	else if (wake_reader)
		waitq_hand_on(&p->readable);
	if (hand_on)
		waitq_hand_on(&p->writable);
	/* At the end of each write, and before it waits. */
	async_tell(&p->async[0], ASYNC_IN);
	return n;
}

struct async_list *pipe_async(struct pipe *p, bool writer)
{
	return &p->async[writer];
}

unsigned pipe_queues(struct pipe *p, bool writer, struct waitq *wq[2])
{
	wq[0] = writer ? &p->writable : &p->readable;
	wq[1] = &budget.freed;
	return writer ? 2 : 1;
}

/* ---- the rest ---- */

/* For a watch on budget.freed: the end of the shortage will be told, or there is room already. */
static bool budget_look(const struct pipe *p)
{
	budget.wanted = true;
	return room_locked(p) >= PIPE_ATOMIC;
}

unsigned pipe_poll(struct pipe *p, bool writer, struct sched_task *task)
{
	unsigned events = 0;

	pthread_mutex_lock(&p->lock);
	/* Not exclusive: to be told that it is ready takes nothing away. */
	if (task && waitq_add(writer ? &p->writable : &p->readable, task, false))
		sched_wake(task);
	if (writer) {
		if (room_locked(p) >= PIPE_ATOMIC)
			events |= POLLOUT;
		else if (task && budget_over() && budget_wait(task))
			sched_wake(task);
		else if (!task && budget_over() && budget_look(p))
			events |= POLLOUT;
		if (!p->readers)
			events |= POLLERR;
	} else {
		if (p->count)
			events |= POLLIN;
		if (!p->writers)
			events |= POLLHUP;
	}
	pthread_mutex_unlock(&p->lock);
	return events;
}

size_t pipe_bytes(struct pipe *p)
{
	size_t count;

	pthread_mutex_lock(&p->lock);
	count = p->count;
	pthread_mutex_unlock(&p->lock);
	return count;
}

size_t pipe_size(struct pipe *p)
{
	size_t size;

	pthread_mutex_lock(&p->lock);
	size = p->size;
	pthread_mutex_unlock(&p->lock);
	return size;
}

/* Copies the bytes into a fresh ring of `size`. 0 or -ENOMEM. */
static int pipe_resize_locked(struct pipe *p, size_t size)
{
	size_t npages = (p->count + PAGE - 1) / PAGE;
	uint8_t **pages = calloc(size / PAGE, sizeof(pages[0]));
	struct xfer_buf x;
	size_t count = p->count;

	if (!pages)
		return -ENOMEM;
	for (size_t i = 0; i < npages; i++) {
		pages[i] = page_alloc();
		if (!pages[i]) {
			pages_free(pages, size / PAGE);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < npages; i++) {
		xfer_buf_init_read(&x, pages[i], PAGE);
		pipe_take_locked(p, &x.x);
	}
	pages_free(p->pages, p->size / PAGE);
	p->pages = pages;
	p->size = size;
	p->pos = 0;
	p->count = count;
	return 0;
}

size_t pipe_peek(struct pipe *p, void *buf, size_t len)
{
	size_t done = 0;

	pthread_mutex_lock(&p->lock);
	if (len > p->count)
		len = p->count;
	while (done < len) {
		size_t at = p->pos + done, n = PAGE - at % PAGE;

		if (n > len - done)
			n = len - done;
		memcpy((uint8_t *)buf + done, *page_at(p, at) + at % PAGE, n);
		done += n;
	}
	pthread_mutex_unlock(&p->lock);
	return done;
}

/*
 * The ring is taken out into one that begins with the bytes. Without memory for that they are lost,
 * as if a reader had died with them.
 */
void pipe_unread(struct pipe *p, const void *buf, size_t len)
{
	struct xfer_buf x;
	size_t old, size;
	uint8_t *rest;

	pthread_mutex_lock(&p->lock);
	old = p->count;
	size = p->size;
	rest = malloc(old ? old : 1);
	if (rest) {
		xfer_buf_init_read(&x, rest, old);
		pipe_take_locked(p, &x.x);
		while (size < old + len)
			size *= 2;
		if (size == p->size || !pipe_resize_locked(p, size)) {
			xfer_buf_init_write(&x, buf, len);
			pipe_fill_locked(p, &x.x, len);
		}
		xfer_buf_init_write(&x, rest, old);
		pipe_fill_locked(p, &x.x, old);
	}
	pthread_mutex_unlock(&p->lock);
	free(rest);
	waitq_hand(&p->readable);
}

ssize_t pipe_set_size(struct pipe *p, size_t size)
{
	size_t rounded = PAGE;
	ssize_t result;

	if (size > 1u << 31)
		return -EINVAL;
	while (rounded < size)
		rounded *= 2;
	pthread_mutex_lock(&p->lock);
	if (rounded > p->size && rounded > PIPE_MAX_SIZE)
		result = -EPERM;
	else if (rounded < p->count)
		result = -EBUSY;
	else
		result = rounded == p->size ? 0 : pipe_resize_locked(p, rounded);
	pthread_mutex_unlock(&p->lock);
	if (result < 0)
		return result;
	waitq_hand(&p->writable);
	budget_wake();
	return (ssize_t)rounded;
}
