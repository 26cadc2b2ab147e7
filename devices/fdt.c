/* Building the device tree with libfdt. */
#include "fdt.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* A tree that is being written; err: libfdt's first error, after which nothing is written. */
struct writer {
	void *fdt;
	int err;
};

int fdt_machine_init(struct abi_machine *m)
{
	*m = (struct abi_machine){
		.abi_version = ABI_VERSION,
		.doorbell = {ABI_DOORBELL, ABI_DOORBELL_SIZE},
		.doorbell_io = ABI_DOORBELL_IO,
	};
	if (getrandom(&m->kaslr_seed, sizeof(m->kaslr_seed), 0) != sizeof(m->kaslr_seed) ||
	    getrandom(m->rng_seed, sizeof(m->rng_seed), 0) != sizeof(m->rng_seed))
		return -EIO;
	return 0;
}

static void node(struct writer *w, const char *name)
{
	if (!w->err)
		w->err = fdt_begin_node(w->fdt, name);
}

/* name@unit */
static void node_at(struct writer *w, const char *name, uint64_t unit)
{
	char text[64];

	snprintf(text, sizeof(text), "%s@%" PRIx64, name, unit);
	node(w, text);
}

static void node_end(struct writer *w)
{
	if (!w->err)
		w->err = fdt_end_node(w->fdt);
}

static void bytes(struct writer *w, const char *name, const void *value, size_t len)
{
	if (!w->err)
		w->err = fdt_property(w->fdt, name, value, (int)len);
}

static void string(struct writer *w, const char *name, const char *value)
{
	bytes(w, name, value, strlen(value) + 1);
}

static void u32(struct writer *w, const char *name, uint32_t v)
{
	if (!w->err)
		w->err = fdt_property_u32(w->fdt, name, v);
}

static void u64(struct writer *w, const char *name, uint64_t v)
{
	if (!w->err)
		w->err = fdt_property_u64(w->fdt, name, v);
}

/* Of the cells of the children's reg. */
static void cells(struct writer *w, uint32_t address, uint32_t size)
{
	u32(w, "#address-cells", address);
	u32(w, "#size-cells", size);
}

static void reg(struct writer *w, struct abi_range r)
{
	fdt64_t v[2] = {cpu_to_fdt64(r.start), cpu_to_fdt64(r.size)};

	bytes(w, "reg", v, sizeof(v));
}

/* The node of a page that the guest shares with the VMM, which is left open. */
static void shared_page(struct writer *w, const char *name, const char *compatible,
			struct abi_range r)
{
	node_at(w, name, r.start);
	string(w, "compatible", compatible);
	reg(w, r);
	bytes(w, "no-map", NULL, 0);
}

static void chosen(struct writer *w, const struct abi_machine *m)
{
	char path[64];

	node(w, "chosen");
	u64(w, "kaslr-seed", m->kaslr_seed);
	bytes(w, "rng-seed", m->rng_seed, sizeof(m->rng_seed));
	if (m->console.size) {
		snprintf(path, sizeof(path), "/reserved-memory/console@%" PRIx64, m->console.start);
		string(w, "stdout-path", path);
	}
	node_end(w);
}

static void cpus(struct writer *w, const struct abi_machine *m)
{
	node(w, "cpus");
	cells(w, 1, 0);
	for (uint32_t i = 0; i < m->ncpus; i++) {
		node_at(w, "cpu", i);
		string(w, "device_type", "cpu");
		string(w, "compatible", "vmbox,cpu");
		u32(w, "reg", i);
		node_end(w);
	}
	node_end(w);
}

static void memory(struct writer *w, const struct abi_machine *m)
{
	for (uint32_t i = 0; i < m->nmemory; i++) {
		node_at(w, "memory", m->memory[i].start);
		string(w, "device_type", "memory");
		reg(w, m->memory[i]);
		node_end(w);
	}
}

static void doorbell(struct writer *w, const struct abi_machine *m)
{
	if (m->doorbell_io) {
		node(w, "io-ports");
		string(w, "compatible", "vmbox,io-ports");
		cells(w, 1, 1);
	}
	node_at(w, "doorbell", m->doorbell.start);
	string(w, "compatible", "vmbox,doorbell");
	if (m->doorbell_io) {
		fdt32_t v[2] = {cpu_to_fdt32((uint32_t)m->doorbell.start),
				cpu_to_fdt32((uint32_t)m->doorbell.size)};

		bytes(w, "reg", v, sizeof(v));
		node_end(w);
	} else {
		reg(w, m->doorbell);
	}
	node_end(w);
}

static void reserved(struct writer *w, const struct abi_machine *m)
{
	node(w, "reserved-memory");
	cells(w, 2, 2);
	bytes(w, "ranges", NULL, 0);
	if (m->clock.size) {
		shared_page(w, "clock", "vmbox,clock", m->clock);
		if (m->clock_hz)
			u64(w, "clock-frequency", m->clock_hz);
		node_end(w);
	}
	if (m->console.size) {
		shared_page(w, "console", "vmbox,console", m->console);
		node_end(w);
	}
	if (m->channels.size) {
		shared_page(w, "channels", "vmbox,channels", m->channels);
		node_end(w);
	}
	node_end(w);
}

static void root(struct writer *w, const struct abi_machine *m)
{
	node(w, "");
	cells(w, 2, 2);
	string(w, "compatible", "vmbox,machine");
	string(w, "model", "vmbox");
	u32(w, "vmbox,abi-version", m->abi_version);
	chosen(w, m);
	cpus(w, m);
	memory(w, m);
	doorbell(w, m);
	reserved(w, m);
	node_end(w);
}

int fdt_build(const struct abi_machine *m, void *buf, size_t size)
{
	struct writer w = {.fdt = buf};

	if (m->nmemory > ABI_MEMORY_MAX)
		return -EINVAL;
	w.err = fdt_create(buf, size > INT32_MAX ? INT32_MAX : (int)size);
	if (!w.err)
		w.err = fdt_finish_reservemap(buf);
	root(&w, m);
	if (!w.err)
		w.err = fdt_finish(buf);
	if (w.err)
		return w.err == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
	return (int)fdt_totalsize(buf);
}

const char *fdt_refusal(uint32_t error)
{
	static const char *const text[TREE_ERRORS] = {
		[TREE_OK] = "no error",
		[TREE_TRUNCATED] = "truncated: it is shorter than it says",
		[TREE_OVERSIZE] = "too large, or too much of something",
		[TREE_HEADER] = "not a device tree that can be read: bad header",
		[TREE_STRUCTURE] = "malformed",
		[TREE_DEPTH] = "nodes are nested too deep",
		[TREE_PROPERTY] = "a property has the wrong form",
		[TREE_MISSING] = "something that every machine has is missing",
		[TREE_DUPLICATE] = "something is there twice",
		[TREE_OVERLAP] = "two ranges overlap",
		[TREE_OUTSIDE] = "a page lies outside memory",
		[TREE_FOREIGN] = "it describes another machine",
		[TREE_REFERENCE] = "stdout-path names no console",
	};

	return error < TREE_ERRORS ? text[error] : "unknown error";
}
