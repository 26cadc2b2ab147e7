/* Reading the device tree. */
#include "tree.h"

#define MAGIC        0xd00dfeed
#define VERSION      17
#define HEADER_SIZE  40
#define DEPTH_MAX    8
#define CPUS_MAX     64
#define RESERVED_MAX 16

enum { TOKEN_BEGIN = 1, TOKEN_END = 2, TOKEN_PROP = 3, TOKEN_NOP = 4, TOKEN_LAST = 9 };

/* Properties that mean something to us. */
enum prop_id {
	PROP_COMPATIBLE,
	PROP_DEVICE_TYPE,
	PROP_REG,
	PROP_RANGES,
	PROP_ADDRESS_CELLS,
	PROP_SIZE_CELLS,
	PROP_STDOUT,
	PROP_KASLR,
	PROP_RNG,
	PROP_CLOCK_HZ,
	PROP_ABI_VERSION,
	PROP_COUNT
};

static const char *const prop_names[PROP_COUNT] = {
	[PROP_COMPATIBLE] = "compatible",
	[PROP_DEVICE_TYPE] = "device_type",
	[PROP_REG] = "reg",
	[PROP_RANGES] = "ranges",
	[PROP_ADDRESS_CELLS] = "#address-cells",
	[PROP_SIZE_CELLS] = "#size-cells",
	[PROP_STDOUT] = "stdout-path",
	[PROP_KASLR] = "kaslr-seed",
	[PROP_RNG] = "rng-seed",
	[PROP_CLOCK_HZ] = "clock-frequency",
	[PROP_ABI_VERSION] = "vmbox,abi-version",
};

enum node_kind { NODE_OTHER, NODE_ROOT, NODE_CPUS, NODE_RESERVED, NODE_PORTS };

/* A piece of the tree. start 0: there is none, for the header is there. */
struct bytes {
	uint32_t start, len;
};

struct node {
	uint32_t at;
	struct bytes name;
	struct bytes props[PROP_COUNT];
	uint32_t address_cells, size_cells; /* of its children's reg */
	enum node_kind kind;
	bool closed; /* no more properties may come */
};

struct walk {
	const uint8_t *tree;
	struct abi_machine *m;
	struct bytes structure, strings;
	uint32_t next; /* where to read on */
	uint32_t at;   /* of what is being looked at: for errors */
	unsigned depth;
	struct node path[DEPTH_MAX];
	struct bytes stdout_path, console_name, kaslr, rng;
	uint32_t stdout_at;
	bool chosen, cpus, doorbell, clock, console, channels;
	unsigned nreserved;
	struct abi_range reserved[RESERVED_MAX];
	uint64_t cpu_ids[CPUS_MAX];
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

/* Is the NUL-terminated string in [start, start + len) of the tree this one? */
static bool same(const struct walk *w, struct bytes b, const char *s)
{
	for (uint32_t i = 0; i < b.len; i++) {
		if (w->tree[b.start + i] != (uint8_t)s[i])
			return false;
		if (!s[i])
			return true;
	}
	return false;
}

/* The same for a node's name, which is without its NUL; up to its '@', too. */
static bool named(const struct walk *w, const struct node *n, const char *s)
{
	uint32_t i;

	for (i = 0; i < n->name.len && w->tree[n->name.start + i] != '@'; i++)
		if (w->tree[n->name.start + i] != (uint8_t)s[i])
			return false;
	return !s[i];
}

/* A property that is a list of strings has this one. */
static bool lists(const struct walk *w, struct bytes b, const char *s)
{
	for (uint32_t i = 0, from = 0; i < b.len; i++) {
		if (w->tree[b.start + i])
			continue;
		if (same(w, (struct bytes){b.start + from, i + 1 - from}, s))
			return true;
		from = i + 1;
	}
	return false;
}

/* ---- ranges ---- */

static bool wraps(struct abi_range r)
{
	return r.size && r.start + (r.size - 1) < r.start;
}

static bool overlap(struct abi_range a, struct abi_range b)
{
	return a.size && b.size && a.start <= b.start + (b.size - 1) &&
	       b.start <= a.start + (a.size - 1);
}

static bool inside(struct abi_range r, struct abi_range of)
{
	return r.start >= of.start && r.start + (r.size - 1) <= of.start + (of.size - 1);
}

/* ---- properties ---- */

static bool has(const struct node *n, enum prop_id id)
{
	return n->props[id].start != 0;
}

static bool get_u32(const struct walk *w, const struct node *n, enum prop_id id, uint32_t *out)
{
	if (!has(n, id) || n->props[id].len != 4)
		return false;
	*out = get32(w->tree + n->props[id].start);
	return true;
}

static uint64_t cells(const uint8_t *p, uint32_t n)
{
	return n == 0 ? 0 : n == 1 ? get32(p) : get64(p);
}

/* Entry i of n's reg, in its parent's cells; there are *count. */
static bool get_reg(const struct walk *w, const struct node *n, uint32_t i, struct abi_range *r,
		    uint32_t *count)
{
	const struct node *parent = n - 1;
	uint32_t a = parent->address_cells, s = parent->size_cells, entry = (a + s) * 4;
	const uint8_t *p = w->tree + n->props[PROP_REG].start;

	if (!has(n, PROP_REG) || a == 0 || a > 2 || s > 2 || n->props[PROP_REG].len % entry)
		return false;
	*count = n->props[PROP_REG].len / entry;
	if (i >= *count)
		return false;
	r->start = cells(p + i * entry, a);
	r->size = cells(p + i * entry + a * 4, s);
	return !wraps(*r);
}

/* A reg of one entry that is not empty. */
static bool get_one_reg(const struct walk *w, const struct node *n, struct abi_range *r)
{
	uint32_t count;

	return get_reg(w, n, 0, r, &count) && count == 1 && r->size;
}

/* ---- nodes ---- */

static enum abi_tree_error root_node(struct walk *w, struct node *n)
{
	n->kind = NODE_ROOT;
	if (!lists(w, n->props[PROP_COMPATIBLE], "vmbox,machine"))
		return TREE_FOREIGN;
	if (!get_u32(w, n, PROP_ABI_VERSION, &w->m->abi_version))
		return has(n, PROP_ABI_VERSION) ? TREE_PROPERTY : TREE_MISSING;
	return TREE_OK;
}

static enum abi_tree_error chosen_node(struct walk *w, struct node *n)
{
	struct bytes kaslr = n->props[PROP_KASLR], rng = n->props[PROP_RNG];

	if (w->chosen)
		return TREE_DUPLICATE;
	w->chosen = true;
	w->stdout_path = n->props[PROP_STDOUT];
	w->stdout_at = n->at;
	if ((kaslr.start && kaslr.len != 8) || (rng.start && rng.len != ABI_RNG_SEED))
		return TREE_PROPERTY;
	w->kaslr = kaslr;
	w->rng = rng;
	if (kaslr.start)
		w->m->kaslr_seed = get64(w->tree + kaslr.start);
	for (uint32_t i = 0; rng.start && i < ABI_RNG_SEED; i++)
		w->m->rng_seed[i] = w->tree[rng.start + i];
	return TREE_OK;
}

static enum abi_tree_error memory_node(struct walk *w, struct node *n)
{
	struct abi_machine *m = w->m;
	uint32_t count = 1;
	struct abi_range r;

	for (uint32_t i = 0; i < count; i++) {
		if (!get_reg(w, n, i, &r, &count) || !r.size)
			return TREE_PROPERTY;
		if (m->nmemory == ABI_MEMORY_MAX)
			return TREE_OVERSIZE;
		for (uint32_t k = 0; k < m->nmemory; k++)
			if (overlap(m->memory[k], r))
				return TREE_OVERLAP;
		m->memory[m->nmemory++] = r;
	}
	return TREE_OK;
}

static enum abi_tree_error cpu_node(struct walk *w, struct node *n)
{
	struct abi_machine *m = w->m;
	struct abi_range r;
	uint32_t count;

	if (!get_reg(w, n, 0, &r, &count) || count != 1 || r.size)
		return TREE_PROPERTY;
	if (m->ncpus == CPUS_MAX)
		return TREE_OVERSIZE;
	for (uint32_t i = 0; i < m->ncpus; i++)
		if (w->cpu_ids[i] == r.start)
			return TREE_DUPLICATE;
	w->cpu_ids[m->ncpus++] = r.start;
	return TREE_OK;
}

static enum abi_tree_error doorbell_node(struct walk *w, struct node *n)
{
	if (w->doorbell)
		return TREE_DUPLICATE;
	w->doorbell = true;
	w->m->doorbell_io = n[-1].kind == NODE_PORTS;
	return get_one_reg(w, n, &w->m->doorbell) ? TREE_OK : TREE_PROPERTY;
}

static enum abi_tree_error clock_rate(struct walk *w, const struct node *n)
{
	struct bytes hz = n->props[PROP_CLOCK_HZ];

	if (hz.start && hz.len != 4 && hz.len != 8)
		return TREE_PROPERTY;
	if (hz.start)
		w->m->clock_hz = cells(w->tree + hz.start, hz.len / 4);
	return TREE_OK;
}

/* A page that the guest shares with the VMM, or one that we do not know but must not overlap. */
static enum abi_tree_error reserved_node(struct walk *w, struct node *n)
{
	struct bytes compatible = n->props[PROP_COMPATIBLE];
	struct abi_range r;

	if (!get_one_reg(w, n, &r) || r.start % PAGE_SIZE || r.size % PAGE_SIZE)
		return TREE_PROPERTY;
	if (w->nreserved == RESERVED_MAX)
		return TREE_OVERSIZE;
	w->reserved[w->nreserved++] = r;
	if (lists(w, compatible, "vmbox,clock")) {
		if (w->clock)
			return TREE_DUPLICATE;
		w->clock = true;
		w->m->clock = r;
		return clock_rate(w, n);
	}
	if (lists(w, compatible, "vmbox,console")) {
		if (w->console)
			return TREE_DUPLICATE;
		w->console = true;
		w->m->console = r;
		w->console_name = n->name;
	} else if (lists(w, compatible, "vmbox,channels")) {
		if (w->channels)
			return TREE_DUPLICATE;
		w->channels = true;
		w->m->channels = r;
	}
	return TREE_OK;
}

static enum abi_tree_error child_of_root(struct walk *w, struct node *n)
{
	if (named(w, n, "chosen"))
		return chosen_node(w, n);
	if (named(w, n, "cpus")) {
		if (w->cpus)
			return TREE_DUPLICATE;
		w->cpus = true;
		n->kind = NODE_CPUS;
		return TREE_OK;
	}
	if (named(w, n, "reserved-memory")) {
		/* Addresses below it are the root's own. */
		n->kind = NODE_RESERVED;
		return has(n, PROP_RANGES) && n->props[PROP_RANGES].len == 0 ? TREE_OK
									     : TREE_PROPERTY;
	}
	if (same(w, n->props[PROP_DEVICE_TYPE], "memory"))
		return memory_node(w, n);
	if (lists(w, n->props[PROP_COMPATIBLE], "vmbox,io-ports"))
		n->kind = NODE_PORTS;
	return TREE_OK;
}

/* All properties of the innermost node are known. */
static enum abi_tree_error node_close(struct walk *w)
{
	struct node *n = &w->path[w->depth - 1];

	if (n->closed)
		return TREE_OK;
	n->closed = true;
	w->at = n->at;
	n->address_cells = 2;
	n->size_cells = 1;
	if (has(n, PROP_ADDRESS_CELLS) && !get_u32(w, n, PROP_ADDRESS_CELLS, &n->address_cells))
		return TREE_PROPERTY;
	if (has(n, PROP_SIZE_CELLS) && !get_u32(w, n, PROP_SIZE_CELLS, &n->size_cells))
		return TREE_PROPERTY;
	if (w->depth == 1)
		return root_node(w, n);
	if (lists(w, n->props[PROP_COMPATIBLE], "vmbox,doorbell"))
		return n[-1].kind == NODE_ROOT || n[-1].kind == NODE_PORTS ? doorbell_node(w, n)
									   : TREE_PROPERTY;
	switch (n[-1].kind) {
	case NODE_ROOT:
		return child_of_root(w, n);
	case NODE_CPUS:
		return same(w, n->props[PROP_DEVICE_TYPE], "cpu") ? cpu_node(w, n) : TREE_OK;
	case NODE_RESERVED:
		return reserved_node(w, n);
	default:
		return TREE_OK;
	}
}

/* ---- tokens ---- */

static uint32_t left(const struct walk *w)
{
	return w->structure.start + w->structure.len - w->next;
}

/* Steps over len bytes and what fills up the last cell. */
static bool skip(struct walk *w, uint32_t len)
{
	if (len > left(w))
		return false;
	len = (len + 3) & ~3U;
	if (len > left(w))
		return false;
	w->next += len;
	return true;
}

static bool take32(struct walk *w, uint32_t *out)
{
	uint32_t from = w->next;

	if (!skip(w, 4))
		return false;
	*out = get32(w->tree + from);
	return true;
}

/* The length of the string at `from`, without its NUL, which must come before `end`. */
static bool string_length(const struct walk *w, uint32_t from, uint32_t end, uint32_t *len)
{
	for (uint32_t i = from; i < end; i++) {
		if (!w->tree[i]) {
			*len = i - from;
			return true;
		}
	}
	return false;
}

static enum abi_tree_error begin(struct walk *w)
{
	uint32_t at = w->at, len, end = w->structure.start + w->structure.len;
	enum abi_tree_error e;
	struct node *n;

	if (w->depth) {
		e = node_close(w);
		if (e)
			return e;
		w->at = at;
	}
	if (w->depth == DEPTH_MAX)
		return TREE_DEPTH;
	n = &w->path[w->depth++];
	*n = (struct node){.at = at};
	if (!string_length(w, w->next, end, &len))
		return TREE_STRUCTURE;
	n->name = (struct bytes){w->next, len};
	/* The root has no name, everything else has one. */
	if ((len == 0) != (w->depth == 1) || !skip(w, len + 1))
		return TREE_STRUCTURE;
	return TREE_OK;
}

static enum abi_tree_error property(struct walk *w)
{
	uint32_t len, name, name_len;
	struct bytes value;
	struct node *n;

	if (!w->depth || w->path[w->depth - 1].closed)
		return TREE_STRUCTURE;
	n = &w->path[w->depth - 1];
	if (!take32(w, &len) || !take32(w, &name))
		return TREE_STRUCTURE;
	value = (struct bytes){w->next, len};
	if (!skip(w, len) || name >= w->strings.len)
		return TREE_STRUCTURE;
	if (!string_length(w, w->strings.start + name, w->strings.start + w->strings.len,
			   &name_len))
		return TREE_STRUCTURE;
	for (unsigned i = 0; i < PROP_COUNT; i++) {
		if (!same(w, (struct bytes){w->strings.start + name, name_len + 1}, prop_names[i]))
			continue;
		if (has(n, i))
			return TREE_DUPLICATE;
		n->props[i] = value;
	}
	return TREE_OK;
}

static enum abi_tree_error end(struct walk *w)
{
	enum abi_tree_error e;

	if (!w->depth)
		return TREE_STRUCTURE;
	e = node_close(w);
	w->depth--;
	return e;
}

static enum abi_tree_error nodes(struct walk *w)
{
	enum abi_tree_error e = TREE_OK;
	bool had_root = false;
	uint32_t token;

	for (;;) {
		w->at = w->next;
		if (!take32(w, &token))
			return TREE_STRUCTURE;
		switch (token) {
		case TOKEN_BEGIN:
			/* There is one root. */
			e = had_root && !w->depth ? TREE_STRUCTURE : begin(w);
			had_root = true;
			break;
		case TOKEN_END:
			e = end(w);
			break;
		case TOKEN_PROP:
			e = property(w);
			break;
		case TOKEN_NOP:
			break;
		case TOKEN_LAST:
			return w->depth || !had_root || left(w) ? TREE_STRUCTURE : TREE_OK;
		default:
			return TREE_STRUCTURE;
		}
		if (e)
			return e;
	}
}

/* ---- the whole ---- */

static bool collide(struct bytes a, struct bytes b)
{
	return a.start < b.start + b.len && b.start < a.start + a.len;
}

static bool fits(struct bytes b, uint32_t total)
{
	return b.start >= HEADER_SIZE && b.start <= total && b.len <= total - b.start;
}

/* The list of reserved ranges ends with an empty one; what it takes. */
static bool reservations(const struct walk *w, uint32_t total, struct bytes *out)
{
	for (uint32_t at = out->start; at <= total && total - at >= 16; at += 16) {
		if (get64(w->tree + at) == 0 && get64(w->tree + at + 8) == 0) {
			out->len = at + 16 - out->start;
			return true;
		}
	}
	return false;
}

static enum abi_tree_error header(struct walk *w, uint32_t size)
{
	const uint8_t *t = w->tree;
	struct bytes reserved = {0};
	uint32_t total;

	if (size < HEADER_SIZE)
		return TREE_TRUNCATED;
	if (get32(t) != MAGIC)
		return TREE_HEADER;
	total = get32(t + 4);
	w->structure.start = get32(t + 8);
	w->strings.start = get32(t + 12);
	reserved.start = get32(t + 16);
	w->strings.len = get32(t + 32);
	w->structure.len = get32(t + 36);
	if (total > ABI_TREE_MAX)
		return TREE_OVERSIZE;
	if (total > size)
		return TREE_TRUNCATED;
	/* version, and the oldest that it can be read as */
	if (get32(t + 20) < VERSION || get32(t + 24) > VERSION)
		return TREE_HEADER;
	if (!fits(w->structure, total) || !fits(w->strings, total) || !fits(reserved, total) ||
	    w->structure.start % 4 || reserved.start % 8)
		return TREE_HEADER;
	if (!reservations(w, total, &reserved))
		return TREE_HEADER;
	if (collide(w->structure, w->strings) || collide(w->structure, reserved) ||
	    collide(w->strings, reserved))
		return TREE_HEADER;
	w->next = w->structure.start;
	return TREE_OK;
}

static bool in_memory(const struct abi_machine *m, struct abi_range r)
{
	for (uint32_t i = 0; i < m->nmemory; i++)
		if (inside(r, m->memory[i]))
			return true;
	return false;
}

/* stdout-path is the path of the console's node. */
static bool stdout_is_console(const struct walk *w)
{
	static const char dir[] = "/reserved-memory/";
	const uint32_t n = sizeof(dir) - 1, len = w->console_name.len;
	const uint8_t *p = w->tree + w->stdout_path.start;

	if (!w->console || w->stdout_path.len != n + len + 1 || p[n + len])
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (p[i] != (uint8_t)dir[i])
			return false;
	for (uint32_t i = 0; i < len; i++)
		if (p[n + i] != w->tree[w->console_name.start + i])
			return false;
	return true;
}

static enum abi_tree_error consistent(struct walk *w)
{
	const struct abi_machine *m = w->m;

	w->at = w->structure.start;
	if (!m->nmemory || !m->ncpus || !w->doorbell || !w->clock)
		return TREE_MISSING;
	for (unsigned i = 0; i < w->nreserved; i++) {
		if (!in_memory(m, w->reserved[i]))
			return TREE_OUTSIDE;
		for (unsigned k = 0; k < i; k++)
			if (overlap(w->reserved[i], w->reserved[k]))
				return TREE_OVERLAP;
	}
	for (uint32_t i = 0; i < m->nmemory && !m->doorbell_io; i++)
		if (overlap(m->doorbell, m->memory[i]))
			return TREE_OVERLAP;
	if (w->stdout_path.start && !stdout_is_console(w)) {
		w->at = w->stdout_at;
		return TREE_REFERENCE;
	}
	return TREE_OK;
}

enum abi_tree_error tree_read(const void *tree, uint32_t size, struct abi_machine *m,
			      struct tree_seeds *seeds, uint32_t *at)
{
	struct walk w = {.tree = tree, .m = m};
	enum abi_tree_error e;

	*m = (struct abi_machine){0};
	e = header(&w, size);
	if (!e)
		e = nodes(&w);
	if (!e)
		e = consistent(&w);
	*at = w.at;
	if (seeds)
		*seeds = (struct tree_seeds){w.kaslr.start, w.rng.start};
	return e;
}
