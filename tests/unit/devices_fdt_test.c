/* What devices/fdt.c writes, guest/tree.c reads; and what it must not believe. */
#include "../../devices/fdt.h"
#include "../../guest/tree.h"

#include <errno.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A tree under test, at the end of an allocation: a read past it is the sanitizer's. */
struct blob {
	uint8_t *data;
	uint32_t size;
};

static const struct abi_machine machine = {
	.abi_version = ABI_VERSION,
	.ncpus = 3,
	.nmemory = 2,
	.doorbell_io = 1,
	.memory = {{0, 0xc0000000}, {0x100000000, 0x40000000}},
	.doorbell = {0x22, 3},
	.clock = {0x5000, 0x1000},
	.console = {0x6000, 0x1000},
	.channels = {0x100010000, 0x3000},
	.clock_hz = 2445405000,
	.kaslr_seed = 0x0123456789abcdef,
	.rng_seed = {1, 2, 3},
};

static struct blob build(const struct abi_machine *m)
{
	static uint8_t buf[ABI_TREE_MAX];
	int n = fdt_build(m, buf, sizeof(buf));
	struct blob b;

	assert_true(n > 0);
	b.size = (uint32_t)n;
	b.data = malloc(b.size);
	assert_non_null(b.data);
	memcpy(b.data, buf, b.size);
	return b;
}

/* Room to change it with libfdt's read-write functions. */
static struct blob build_open(const struct abi_machine *m)
{
	struct blob b = build(m);

	b.data = realloc(b.data, ABI_TREE_MAX);
	assert_non_null(b.data);
	assert_int_equal(fdt_open_into(b.data, b.data, ABI_TREE_MAX), 0);
	b.size = ABI_TREE_MAX;
	return b;
}

static enum abi_tree_error read_blob(struct blob b, struct abi_machine *m)
{
	struct tree_seeds seeds;
	uint32_t at;

	return tree_read(b.data, b.size, m, &seeds, &at);
}

static void want(struct blob b, enum abi_tree_error e)
{
	struct abi_machine m;
	enum abi_tree_error got = read_blob(b, &m);

	if (got != e)
		fail_msg("%s; wanted: %s", fdt_refusal(got), fdt_refusal(e));
	free(b.data);
}

/* The node at a path. */
static int at(struct blob b, const char *path)
{
	int n = fdt_path_offset(b.data, path);

	if (n < 0)
		fail_msg("%s: %s", path, fdt_strerror(n));
	return n;
}

static void set(struct blob b, const char *path, const char *name, const void *v, size_t len)
{
	assert_int_equal(fdt_setprop(b.data, at(b, path), name, v, (int)len), 0);
}

static void set_reg(struct blob b, const char *path, uint64_t start, uint64_t size)
{
	fdt64_t v[2] = {cpu_to_fdt64(start), cpu_to_fdt64(size)};

	set(b, path, "reg", v, sizeof(v));
}

static int add(struct blob b, const char *parent, const char *name)
{
	int n = fdt_add_subnode(b.data, at(b, parent), name);

	assert_true(n >= 0);
	return n;
}

#define CLOCK   "/reserved-memory/clock@5000"
#define CONSOLE "/reserved-memory/console@6000"
#define DOOR    "/io-ports/doorbell@22"

static void test_round_trip(void **state)
{
	struct blob b = build(&machine);
	struct abi_machine m;
	struct tree_seeds seeds;
	uint32_t where;

	assert_int_equal(tree_read(b.data, b.size, &m, &seeds, &where), TREE_OK);
	assert_memory_equal(&m, &machine, sizeof(m));
	assert_int_equal(fdt64_ld((fdt64_t *)(void *)(b.data + seeds.kaslr)), machine.kaslr_seed);
	assert_memory_equal(b.data + seeds.rng, machine.rng_seed, ABI_RNG_SEED);
	assert_int_equal(fdt_check_full(b.data, b.size), 0);
	free(b.data);
}

static void test_small_and_large(void **state)
{
	struct abi_machine small = {.abi_version = 7,
				    .ncpus = 1,
				    .nmemory = 1,
				    .memory = {{0, 1 << 22}},
				    .doorbell = {0xd0000000, 0x1000},
				    .clock = {0x1000, 0x1000}};
	struct abi_machine large = machine, m;
	struct blob b = build(&small);

	assert_int_equal(read_blob(b, &m), TREE_OK);
	assert_memory_equal(&m, &small, sizeof(m));
	free(b.data);
	large.ncpus = 64;
	b = build(&large);
	assert_int_equal(read_blob(b, &m), TREE_OK);
	assert_memory_equal(&m, &large, sizeof(m));
	free(b.data);
	large.ncpus = 65;
	want(build(&large), TREE_OVERSIZE);
}

static void test_build_errors(void **state)
{
	struct abi_machine m = machine;
	uint8_t buf[512];

	for (size_t size = 0; size < sizeof(buf); size += 8)
		assert_int_equal(fdt_build(&m, buf, size), -ENOSPC);
	m.nmemory = ABI_MEMORY_MAX + 1;
	assert_int_equal(fdt_build(&m, buf, sizeof(buf)), -EINVAL);
}

static void test_init(void **state)
{
	struct abi_machine a, b;

	assert_int_equal(fdt_machine_init(&a), 0);
	assert_int_equal(fdt_machine_init(&b), 0);
	assert_int_equal(a.abi_version, ABI_VERSION);
	assert_int_equal(a.doorbell.start, ABI_DOORBELL);
	assert_int_not_equal(a.kaslr_seed, b.kaslr_seed);
	assert_memory_not_equal(a.rng_seed, b.rng_seed, ABI_RNG_SEED);
}

static void test_truncated(void **state)
{
	struct blob b = build(&machine), cut;
	struct abi_machine m;

	for (uint32_t n = 0; n < b.size; n++) {
		cut = (struct blob){malloc(n + !n), n};
		memcpy(cut.data, b.data, n);
		assert_int_equal(read_blob(cut, &m), TREE_TRUNCATED);
		/* It says that it is so short: then something is missing at its end. */
		if (n >= sizeof(struct fdt_header)) {
			fdt_set_totalsize(cut.data, n);
			assert_int_not_equal(read_blob(cut, &m), TREE_OK);
		}
		free(cut.data);
	}
	free(b.data);
}

static void test_oversize(void **state)
{
	struct blob b = build(&machine);

	fdt_set_totalsize(b.data, ABI_TREE_MAX + 1);
	want(b, TREE_OVERSIZE);
	b = build(&machine);
	fdt_set_totalsize(b.data, UINT32_MAX);
	want(b, TREE_OVERSIZE);
	b = build_open(&machine);
	set_reg(b, "/memory@0", 0, 0x1000);
	for (unsigned i = 0; i < ABI_MEMORY_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "memory@%x", 0x40000000 + i * 0x1000);
		add(b, "/", name);
		snprintf(name, sizeof(name), "/memory@%x", 0x40000000 + i * 0x1000);
		set(b, name, "device_type", "memory", 7);
		set_reg(b, name, 0x40000000 + i * 0x1000, 0x1000);
	}
	want(b, TREE_OVERSIZE);
}

static void test_header(void **state)
{
	struct blob b = build(&machine);
	uint32_t off = fdt_off_dt_struct(b.data);

	fdt_set_magic(b.data, 0xd00dfeee);
	want(b, TREE_HEADER);
	b = build(&machine);
	fdt_set_version(b.data, 16);
	want(b, TREE_HEADER);
	b = build(&machine);
	fdt_set_last_comp_version(b.data, 18);
	want(b, TREE_HEADER);
	for (unsigned i = 0; i < 3; i++) {
		const uint32_t bad[] = {0, 36, UINT32_MAX, off + 2};

		for (unsigned k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
			b = build(&machine);
			if (i == 0)
				fdt_set_off_dt_struct(b.data, bad[k]);
			else if (i == 1)
				fdt_set_off_dt_strings(b.data, bad[k]);
			else
				fdt_set_off_mem_rsvmap(b.data, bad[k]);
			want(b, TREE_HEADER);
		}
	}
	b = build(&machine);
	fdt_set_size_dt_struct(b.data, UINT32_MAX);
	want(b, TREE_HEADER);
	b = build(&machine);
	fdt_set_size_dt_strings(b.data, UINT32_MAX - 8);
	want(b, TREE_HEADER);
}

/* Blocks that share bytes: each would describe the other. */
static void test_cyclic(void **state)
{
	struct blob b = build(&machine);

	fdt_set_off_dt_strings(b.data, fdt_off_dt_struct(b.data));
	want(b, TREE_HEADER);
	b = build(&machine);
	fdt_set_off_mem_rsvmap(b.data, fdt_off_dt_struct(b.data));
	want(b, TREE_HEADER);
	/* A list of reservations without an end. */
	b = build(&machine);
	memset(b.data + fdt_off_mem_rsvmap(b.data), 1, b.size - fdt_off_mem_rsvmap(b.data));
	want(b, TREE_HEADER);
	/* The console is where it is said to be: nowhere. */
	b = build_open(&machine);
	set(b, "/chosen", "stdout-path", "/chosen", 8);
	want(b, TREE_REFERENCE);
	/* References between nodes are not followed, so a circle of them is no harm. */
	b = build_open(&machine);
	for (unsigned i = 0; i < 2; i++) {
		fdt32_t own = cpu_to_fdt32(i + 1), other = cpu_to_fdt32(2 - i);
		const char *path = i ? CLOCK : CONSOLE;

		set(b, path, "phandle", &own, 4);
		set(b, path, "interrupt-parent", &other, 4);
	}
	want(b, TREE_OK);
}

/* The n-th token `which` of the tree: its offset. */
static uint32_t find_token(struct blob b, uint32_t which, unsigned n)
{
	int next = 0, off;

	for (;;) {
		uint32_t tag;

		off = next;
		tag = fdt_next_tag(b.data, off, &next);
		assert_true(next >= 0);
		if (tag == which && n-- == 0)
			return fdt_off_dt_struct(b.data) + (uint32_t)off;
		assert_int_not_equal(tag, FDT_END);
	}
}

static void put_token(struct blob b, uint32_t where, uint32_t token)
{
	fdt32_st(b.data + where, token);
}

static void test_structure(void **state)
{
	struct blob b;

	for (unsigned i = 0; i < 5; i++) {
		b = build(&machine);
		put_token(b, find_token(b, FDT_BEGIN_NODE, i), i % 2 ? 5 : UINT32_MAX);
		want(b, TREE_STRUCTURE);
		b = build(&machine);
		put_token(b, find_token(b, FDT_END_NODE, i), FDT_NOP); /* an end too few */
		assert_int_not_equal(read_blob(b, &(struct abi_machine){0}), TREE_OK);
		free(b.data);
		b = build(&machine);
		put_token(b, find_token(b, FDT_END_NODE, i), FDT_END);
		want(b, TREE_STRUCTURE);
		b = build(&machine);
		put_token(b, find_token(b, FDT_PROP, i) + 4, UINT32_MAX - 2); /* its length */
		want(b, TREE_STRUCTURE);
		b = build(&machine);
		put_token(b, find_token(b, FDT_PROP, i) + 8, 0x7fffffff); /* its name */
		want(b, TREE_STRUCTURE);
	}
	b = build(&machine);
	put_token(b, find_token(b, FDT_END, 0), FDT_NOP); /* no end */
	want(b, TREE_STRUCTURE);
	b = build(&machine);
	put_token(b, find_token(b, FDT_BEGIN_NODE, 0), FDT_END_NODE);
	want(b, TREE_STRUCTURE);
	/* Strings without a NUL. */
	b = build(&machine);
	memset(b.data + fdt_off_dt_strings(b.data), 'x', fdt_size_dt_strings(b.data));
	want(b, TREE_STRUCTURE);
}

static void test_deep(void **state)
{
	struct blob b = build_open(&machine);
	char path[64] = "";

	for (unsigned i = 0; i < 7; i++) {
		add(b, i ? path : "/", "n");
		strcat(path, "/n");
	}
	assert_int_equal(read_blob(b, &(struct abi_machine){0}), TREE_OK);
	add(b, path, "n");
	want(b, TREE_DEPTH);
}

static void test_property(void **state)
{
	static const struct {
		const char *path, *name;
		size_t len;
	} bad[] = {
		{"/", "#address-cells", 3},
		{"/", "#size-cells", 8},
		{"/", "vmbox,abi-version", 0},
		{"/chosen", "kaslr-seed", 7},
		{"/chosen", "rng-seed", 65},
		{"/memory@0", "reg", 15},
		{"/memory@0", "reg", 0},
		{"/cpus/cpu@1", "reg", 8},
		{DOOR, "reg", 4},
		{CLOCK, "reg", 24},
		{CLOCK, "clock-frequency", 3},
		{"/reserved-memory", "ranges", 4},
	};
	struct blob b;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		b = build_open(&machine);
		set(b, bad[i].path, bad[i].name,
		    "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6"
		    "1234567890123456789012345678901234567890",
		    bad[i].len);
		want(b, TREE_PROPERTY);
	}
	b = build_open(&machine);
	set_reg(b, "/memory@0", 0x1000, UINT64_MAX - 1); /* wraps */
	want(b, TREE_PROPERTY);
	b = build_open(&machine);
	set_reg(b, CLOCK, 0x5008, 0x1000); /* not a page */
	want(b, TREE_PROPERTY);
	b = build_open(&machine);
	set_reg(b, CLOCK, 0x5000, 0);
	want(b, TREE_PROPERTY);
	b = build_open(&machine);
	fdt_setprop_u32(b.data, 0, "#address-cells", UINT32_MAX);
	want(b, TREE_PROPERTY);
}

static void test_missing(void **state)
{
	static const char *const nodes[] = {"/cpus", "/memory@0", DOOR, CLOCK};
	struct abi_machine one = machine;
	struct blob b;

	one.nmemory = 1;
	one.channels.size = 0;
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		b = build_open(&one);
		assert_int_equal(fdt_del_node(b.data, at(b, nodes[i])), 0);
		want(b, TREE_MISSING);
	}
	b = build_open(&machine);
	assert_int_equal(fdt_delprop(b.data, 0, "vmbox,abi-version"), 0);
	want(b, TREE_MISSING);
	b = build_open(&machine);
	set(b, "/", "compatible", "linux,dummy-virt", 17);
	want(b, TREE_FOREIGN);
	b = build_open(&machine);
	set(b, "/", "compatible", "other\0vmbox,machine", 20);
	want(b, TREE_OK);
	b = build_open(&machine);
	set(b, "/", "compatible", "vmbox,machine", 13); /* without its NUL */
	want(b, TREE_FOREIGN);
	/* Seeds may be missing. */
	b = build_open(&machine);
	assert_int_equal(fdt_del_node(b.data, at(b, "/chosen")), 0);
	want(b, TREE_OK);
}

static void test_duplicate(void **state)
{
	struct blob b = build_open(&machine);
	fdt32_t zero = 0;

	set(b, "/cpus/cpu@2", "reg", &zero, 4);
	want(b, TREE_DUPLICATE);
	b = build_open(&machine);
	add(b, "/reserved-memory", "clock@9000");
	set(b, "/reserved-memory/clock@9000", "compatible", "vmbox,clock", 12);
	set_reg(b, "/reserved-memory/clock@9000", 0x9000, 0x1000);
	want(b, TREE_DUPLICATE);
	b = build_open(&machine);
	add(b, "/", "doorbell@f0000000");
	set(b, "/doorbell@f0000000", "compatible", "vmbox,doorbell", 15);
	set_reg(b, "/doorbell@f0000000", 0xf0000000, 0x1000);
	want(b, TREE_DUPLICATE);
}

static void test_ranges(void **state)
{
	struct abi_machine m = machine;
	struct blob b = build_open(&machine);

	set_reg(b, "/memory@0", 0, 0x100000001);
	want(b, TREE_OVERLAP);
	b = build_open(&machine);
	set_reg(b, CONSOLE, 0x5000, 0x1000); /* as the clock */
	want(b, TREE_OVERLAP);
	b = build_open(&machine);
	add(b, "/reserved-memory", "other@4000"); /* unknown, and it claims the clock's page too */
	set_reg(b, "/reserved-memory/other@4000", 0x4000, 0x2000);
	want(b, TREE_OVERLAP);
	b = build_open(&machine);
	set_reg(b, CLOCK, 0xc0000000, 0x1000);
	want(b, TREE_OUTSIDE);
	b = build_open(&machine);
	set_reg(b, CLOCK, 0xbffff000, 0x2000); /* half of it */
	want(b, TREE_OUTSIDE);
	b = build_open(&machine);
	set_reg(b, CLOCK, 0xfffffffffffff000, 0x1000);
	want(b, TREE_OUTSIDE);
	m.doorbell_io = 0;
	m.doorbell = (struct abi_range){0xbffff000, 0x2000};
	want(build(&m), TREE_OVERLAP);
	m.doorbell = (struct abi_range){0xc0000000, 0x1000};
	want(build(&m), TREE_OK);
}

/* Bits flipped, bytes and words changed, pieces moved: no crash, and what is accepted is sound. */
static void test_fuzz(void **state)
{
	static const uint32_t words[] = {0, 1,    2,          3,          4,
					 9, 0xff, 0x7fffffff, 0x80000000, UINT32_MAX};
	struct blob b = build(&machine), x = {malloc(b.size), b.size};
	const char *rounds = getenv("FUZZ_ROUNDS");
	unsigned seed = 1, accepted = 0;
	struct abi_machine m;

	for (unsigned long i = 0, n = rounds ? strtoul(rounds, NULL, 0) : 200000; i < n; i++) {
		memcpy(x.data, b.data, b.size);
		for (unsigned k = 1 + (unsigned)rand_r(&seed) % 4; k; k--) {
			uint32_t where = (uint32_t)rand_r(&seed) % (b.size - 4);

			switch (rand_r(&seed) % 4) {
			case 0:
				x.data[where] ^= (uint8_t)(1 << rand_r(&seed) % 8);
				break;
			case 1:
				x.data[where] = (uint8_t)rand_r(&seed);
				break;
			case 2:
				fdt32_st(x.data + (where & ~3U),
					 words[(unsigned)rand_r(&seed) % 10]);
				break;
			default:
				memmove(x.data + where,
					b.data + (uint32_t)rand_r(&seed) % (where + 1),
					(b.size - where) / 8);
				break;
			}
		}
		if (read_blob(x, &m) != TREE_OK)
			continue;
		accepted++;
		assert_in_range(m.nmemory, 1, ABI_MEMORY_MAX);
		assert_in_range(m.ncpus, 1, 64);
		assert_int_equal(m.clock.start % PAGE_SIZE, 0);
		assert_true(m.clock.size >= PAGE_SIZE);
		assert_true(m.clock.start + (m.clock.size - 1) > m.clock.start);
	}
	assert_true(accepted > 0);
	free(b.data);
	free(x.data);
}

static void test_strerror(void **state)
{
	for (uint32_t e = 0; e < TREE_ERRORS; e++)
		assert_non_null(fdt_refusal(e));
	assert_string_equal(fdt_refusal(TREE_ERRORS), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_small_and_large),
		cmocka_unit_test(test_build_errors), cmocka_unit_test(test_init),
		cmocka_unit_test(test_truncated),    cmocka_unit_test(test_oversize),
		cmocka_unit_test(test_header),       cmocka_unit_test(test_cyclic),
		cmocka_unit_test(test_structure),    cmocka_unit_test(test_deep),
		cmocka_unit_test(test_property),     cmocka_unit_test(test_missing),
		cmocka_unit_test(test_duplicate),    cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_fuzz),         cmocka_unit_test(test_strerror),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
