/*
 * Descriptor tables: see file.h.
 *
 * Slots and two bitmaps (taken, close-on-exec) that grow together by doubling; a hint below which
 * everything is taken makes the search for the lowest free number short. A number that is taken and
 * has no file is reserved.
 */
#include "file.h"

#include <stdlib.h>
#include <string.h>

#define WORD_BITS   64
#define FDTABLE_MIN 64 /* one word */

struct fdtable {
	_Atomic unsigned refs;
	unsigned max; /* immutable after init */

	pthread_mutex_t lock;
	/* protected by lock: */
	unsigned size;        /* slots; a multiple of WORD_BITS */
	unsigned lowest_free; /* no lower number is free */
	struct file **slots;
	uint64_t *open, *cloexec;
};

static bool bit_test(const uint64_t *map, unsigned fd)
{
	return map[fd / WORD_BITS] >> fd % WORD_BITS & 1;
}

static void bit_set(uint64_t *map, unsigned fd, bool on)
{
	uint64_t bit = 1ULL << fd % WORD_BITS;

	if (on)
		map[fd / WORD_BITS] |= bit;
	else
		map[fd / WORD_BITS] &= ~bit;
}

/* The first number >= from whose bit is `on` and < size; size if none. */
static unsigned bit_scan(const uint64_t *map, unsigned from, unsigned size, bool on)
{
	while (from < size) {
		uint64_t word =
			(on ? map[from / WORD_BITS] : ~map[from / WORD_BITS]) >> from % WORD_BITS;

		if (word) {
			from += (unsigned)__builtin_ctzll(word);
			return from < size ? from : size;
		}
		from = (from / WORD_BITS + 1) * WORD_BITS;
	}
	return size;
}

/* ---- slots ---- */

static struct file *slot_locked(const struct fdtable *t, int fd)
{
	return fd >= 0 && (unsigned)fd < t->size ? t->slots[fd] : NULL;
}

static bool is_reserved_locked(const struct fdtable *t, unsigned fd)
{
	return fd < t->size && !t->slots[fd] && bit_test(t->open, fd);
}

static void slot_fill_locked(struct fdtable *t, unsigned fd, struct file *f, bool cloexec)
{
	t->slots[fd] = f;
	bit_set(t->open, fd, true);
	bit_set(t->cloexec, fd, cloexec);
	if (fd == t->lowest_free)
		t->lowest_free = fd + 1;
}

/* What was there; the caller closes it without the lock. */
static struct file *slot_clear_locked(struct fdtable *t, unsigned fd)
{
	struct file *f = t->slots[fd];

	t->slots[fd] = NULL;
	bit_set(t->open, fd, false);
	bit_set(t->cloexec, fd, false);
	if (fd < t->lowest_free)
		t->lowest_free = fd;
	return f;
}

/* ---- growth ---- */

/* Room for number fd < t->max. 0 or -ENOMEM; what has grown by then stays grown. */
static int fdtable_grow_locked(struct fdtable *t, unsigned fd)
{
	unsigned most = (t->max + WORD_BITS - 1) / WORD_BITS * WORD_BITS;
	unsigned size = t->size ? t->size : FDTABLE_MIN;
	struct file **slots;
	uint64_t *map;

	while (size <= fd)
		size = size > most / 2 ? most : size * 2;
	if (size == t->size)
		return 0;
	slots = realloc(t->slots, size * sizeof(slots[0]));
	if (!slots)
		return -ENOMEM;
	t->slots = slots;
	map = realloc(t->open, size / 8);
	if (!map)
		return -ENOMEM;
	t->open = map;
	map = realloc(t->cloexec, size / 8);
	if (!map)
		return -ENOMEM;
	t->cloexec = map;
	memset(t->slots + t->size, 0, (size - t->size) * sizeof(slots[0]));
	memset((char *)t->open + t->size / 8, 0, (size - t->size) / 8);
	memset((char *)t->cloexec + t->size / 8, 0, (size - t->size) / 8);
	t->size = size;
	return 0;
}

struct fdtable *fdtable_create(unsigned max)
{
	struct fdtable *t;

	if (!max || max > INT32_MAX)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->refs = 1;
	t->max = max;
	pthread_mutex_init(&t->lock, NULL);
	if (fdtable_grow_locked(t, 0)) {
		fdtable_put(t);
		return NULL;
	}
	return t;
}

struct fdtable *fdtable_get(struct fdtable *t)
{
	t->refs++;
	return t;
}

void fdtable_put(struct fdtable *t)
{
	if (!t || --t->refs)
		return;
	/* Nobody else can reach it: no lock. */
	for (unsigned fd = 0; fd < t->size; fd++)
		file_close(t->slots[fd]);
	pthread_mutex_destroy(&t->lock);
	free(t->slots);
	free(t->open);
	free(t->cloexec);
	free(t);
}

unsigned fdtable_refs(const struct fdtable *t)
{
	return t->refs;
}

struct fdtable *fdtable_clone(struct fdtable *t)
{
	struct fdtable *n = fdtable_create(t->max);
	unsigned fd, size = 0;

	if (!n)
		return NULL;
	pthread_mutex_lock(&t->lock);
	for (fd = bit_scan(t->open, 0, t->size, true); fd < t->size;
	     fd = bit_scan(t->open, fd + 1, t->size, true))
		size = fd + 1;
	if (size && fdtable_grow_locked(n, size - 1)) {
		pthread_mutex_unlock(&t->lock);
		fdtable_put(n);
		return NULL;
	}
	/* Both end in whole words. */
	memcpy(n->open, t->open, (n->size < t->size ? n->size : t->size) / 8);
	memcpy(n->cloexec, t->cloexec, (n->size < t->size ? n->size : t->size) / 8);
	n->lowest_free = t->lowest_free < n->size ? t->lowest_free : n->size;
	for (fd = bit_scan(t->open, 0, t->size, true); fd < t->size;
	     fd = bit_scan(t->open, fd + 1, t->size, true))
		if (t->slots[fd])
			n->slots[fd] = file_dup(t->slots[fd]);
		else
			slot_clear_locked(n, fd); /* reserved there, free here */
	pthread_mutex_unlock(&t->lock);
	return n;
}

/* ---- single descriptors ---- */

struct file *fdtable_lookup(struct fdtable *t, int fd)
{
	struct file *f;

	pthread_mutex_lock(&t->lock);
	f = slot_locked(t, fd);
	if (f)
		file_dup(f);
	pthread_mutex_unlock(&t->lock);
	return f;
}

/* The lowest free number >= min with a slot made for it, -EMFILE or -ENOMEM. */
static int slot_find_locked(struct fdtable *t, unsigned min, unsigned limit)
{
	unsigned from = min > t->lowest_free ? min : t->lowest_free;
	unsigned fd = bit_scan(t->open, from, t->size, false);
	int err;

	if (fd < from)
		fd = from; /* beyond the last slot */
	if (fd >= limit || fd >= t->max)
		return -EMFILE;
	if (from == t->lowest_free && min <= t->lowest_free)
		t->lowest_free = fd;
	err = fdtable_grow_locked(t, fd);
	return err ? err : (int)fd;
}

int fdtable_install(struct fdtable *t, struct file *f, int min, unsigned limit, bool cloexec)
{
	int fd;

	if (min < 0 || (min > 0 && (unsigned)min >= limit))
		return -EINVAL;
	pthread_mutex_lock(&t->lock);
	fd = slot_find_locked(t, (unsigned)min, limit);
	if (fd >= 0)
		slot_fill_locked(t, (unsigned)fd, f, cloexec);
	pthread_mutex_unlock(&t->lock);
	return fd;
}

bool fdtable_full(struct fdtable *t, unsigned limit)
{
	int fd;

	pthread_mutex_lock(&t->lock);
	fd = slot_find_locked(t, 0, limit);
	pthread_mutex_unlock(&t->lock);
	return fd == -EMFILE;
}

int fdtable_reserve(struct fdtable *t, unsigned limit, bool cloexec)
{
	int fd;

	pthread_mutex_lock(&t->lock);
	fd = slot_find_locked(t, 0, limit);
	if (fd >= 0)
		slot_fill_locked(t, (unsigned)fd, NULL, cloexec);
	pthread_mutex_unlock(&t->lock);
	return fd;
}

void fdtable_fill(struct fdtable *t, int fd, struct file *f)
{
	pthread_mutex_lock(&t->lock);
	t->slots[fd] = f;
	pthread_mutex_unlock(&t->lock);
}

void fdtable_unreserve(struct fdtable *t, int fd)
{
	pthread_mutex_lock(&t->lock);
	slot_clear_locked(t, (unsigned)fd);
	pthread_mutex_unlock(&t->lock);
}

int fdtable_dup2_take(struct fdtable *t, int oldfd, int newfd, unsigned limit, bool cloexec,
		      struct file **replaced)
{
	struct file *f;
	int result = newfd;

	*replaced = NULL;
	pthread_mutex_lock(&t->lock);
	f = slot_locked(t, oldfd);
	if (!f || newfd < 0 || (unsigned)newfd >= limit || (unsigned)newfd >= t->max) {
		result = -EBADF;
	} else if (is_reserved_locked(t, (unsigned)newfd)) {
		result = -EBUSY;
	} else if (oldfd != newfd) {
		result = fdtable_grow_locked(t, (unsigned)newfd);
		if (!result) {
			file_dup(f);
			*replaced = slot_clear_locked(t, (unsigned)newfd);
			slot_fill_locked(t, (unsigned)newfd, f, cloexec);
			result = newfd;
		}
	}
	pthread_mutex_unlock(&t->lock);
	return result;
}

int fdtable_dup2(struct fdtable *t, int oldfd, int newfd, unsigned limit, bool cloexec)
{
	struct file *replaced;
	int result = fdtable_dup2_take(t, oldfd, newfd, limit, cloexec, &replaced);

	file_close(replaced);
	return result;
}

struct file *fdtable_take(struct fdtable *t, int fd)
{
	struct file *f;

	pthread_mutex_lock(&t->lock);
	f = slot_locked(t, fd);
	if (f)
		slot_clear_locked(t, (unsigned)fd);
	pthread_mutex_unlock(&t->lock);
	return f;
}

int fdtable_close(struct fdtable *t, int fd)
{
	struct file *f = fdtable_take(t, fd);

	file_close(f);
	return f ? 0 : -EBADF;
}

/* ---- many descriptors ---- */

struct file *fdtable_take_next(struct fdtable *t, unsigned *fd, unsigned last, bool only_cloexec)
{
	struct file *f = NULL;
	unsigned at;

	pthread_mutex_lock(&t->lock);
	at = bit_scan(only_cloexec ? t->cloexec : t->open, *fd, t->size, true);
	while (at < t->size && !t->slots[at])
		at = bit_scan(only_cloexec ? t->cloexec : t->open, at + 1, t->size, true);
	if (at <= last && at < t->size) {
		f = slot_clear_locked(t, at);
		*fd = at + 1;
	}
	pthread_mutex_unlock(&t->lock);
	return f;
}

static void mark_cloexec(struct fdtable *t, unsigned first, unsigned last)
{
	unsigned fd;

	pthread_mutex_lock(&t->lock);
	for (fd = bit_scan(t->open, first, t->size, true); fd <= last && fd < t->size;
	     fd = bit_scan(t->open, fd + 1, t->size, true))
		bit_set(t->cloexec, fd, true);
	pthread_mutex_unlock(&t->lock);
}

void fdtable_close_range(struct fdtable *t, unsigned first, unsigned last, bool set_cloexec)
{
	struct file *f;

	if (set_cloexec)
		mark_cloexec(t, first, last);
	else
		while ((f = fdtable_take_next(t, &first, last, false)))
			file_close(f);
}

void fdtable_close_exec(struct fdtable *t)
{
	unsigned fd = 0;
	struct file *f;

	while ((f = fdtable_take_next(t, &fd, UINT32_MAX, true)))
		file_close(f);
}

int fdtable_get_cloexec(struct fdtable *t, int fd)
{
	int result = -EBADF;

	pthread_mutex_lock(&t->lock);
	if (slot_locked(t, fd))
		result = bit_test(t->cloexec, (unsigned)fd);
	pthread_mutex_unlock(&t->lock);
	return result;
}

int fdtable_set_cloexec(struct fdtable *t, int fd, bool cloexec)
{
	int result = -EBADF;

	pthread_mutex_lock(&t->lock);
	if (slot_locked(t, fd)) {
		bit_set(t->cloexec, (unsigned)fd, cloexec);
		result = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return result;
}

int fdtable_next(struct fdtable *t, int from)
{
	unsigned fd;
	int result = -1;

	pthread_mutex_lock(&t->lock);
	fd = bit_scan(t->open, from < 0 ? 0 : (unsigned)from, t->size, true);
	while (fd < t->size && !t->slots[fd])
		fd = bit_scan(t->open, fd + 1, t->size, true);
	if (fd < t->size)
		result = (int)fd;
	pthread_mutex_unlock(&t->lock);
	return result;
}

unsigned fdtable_size(struct fdtable *t)
{
	unsigned n;

	pthread_mutex_lock(&t->lock);
	n = t->size;
	pthread_mutex_unlock(&t->lock);
	return n;
}
