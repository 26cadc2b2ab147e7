/* Which system-call sites may be rewritten, by their bytes and registers; and what of. x86_64 alone
 * has any. */
#include "linux_test.h"

#include "../../vmm/linux/rewrite.h"

#ifdef __x86_64__

#define PC 0x7f0000000100UL

static uint64_t entry = 0xffffffff80003100;

struct site {
	const char *name;
	uint8_t bytes[REWRITE_BEFORE + REWRITE_AFTER]; /* up to the SYSCALL and what follows it */
	unsigned n;                                    /* of bytes before the end of the SYSCALL */
	uint64_t rax, r8;                              /* r8: and all the others */
	unsigned at; /* how far before the SYSCALL's end the change begins; 0: none */
	unsigned len;
};

#define SITE(name, rax, r8, at, len, ...)                                                          \
	{                                                                                          \
		name, {__VA_ARGS__, 0x0f, 0x05, 0x48}, sizeof((uint8_t[]){__VA_ARGS__}) + 2, rax,  \
			r8, at, len                                                                \
	}

static const struct site sites[] = {
	SITE("mov", 39, 1, 7, 5, 0xb8, 39, 0, 0, 0),
	SITE("mov, another number in rax", 40, 1, 0, 0, 0xb8, 39, 0, 0, 0),
	SITE("mov of no number", 0x10000, 1, 0, 0, 0xb8, 0, 0, 1, 0),
	SITE("rt_sigreturn", 15, 1, 0, 0, 0xb8, 15, 0, 0, 0),
	SITE("mov r8d", 39, 39, 0, 0, 0x41, 0xb8, 39, 0, 0, 0),
	SITE("mov ax", 39, 1, 0, 0, 0x66, 0xb8, 39, 0, 0, 0),
	SITE("mov rax, imm64", 39, 1, 0, 0, 0x48, 0xb8, 39, 0, 0, 0, 0, 0, 0, 0),
	SITE("mov rcx, imm64", 39, 1, 0, 0, 0x48, 0xb9, 0, 0, 0, 0xb8, 39, 0, 0, 0),
	SITE("movl, -0x48(rsp)", 39, 1, 0, 0, 0xc7, 0x44, 0x24, 0xb8, 39, 0, 0, 0),
	SITE("movl, -0x48(rbp)", 39, 1, 0, 0, 0xc7, 0x45, 0xb8, 39, 0, 0, 0),
	SITE("cmpl, -0x48(rdi)", 39, 1, 0, 0, 0x81, 0x7f, 0xb8, 39, 0, 0, 0),
	SITE("movl, far(rip)", 39, 1, 0, 0, 0xc7, 0x05, 0, 0, 0, 0xb8, 39, 0, 0, 0),
	SITE("mov 39(r8), edi", 39, 1, 0, 0, 0x41, 0x8b, 0xb8, 39, 0, 0, 0),
	SITE("mov 39(rax, rdi, 4), edi", 39, 1, 0, 0, 0x8b, 0xbc, 0xb8, 39, 0, 0, 0),
	SITE("futex", 202, 1, 11, 5, 0xb8, 202, 0, 0, 0, 0x40, 0x80, 0xf6, 0x81),
	SITE("mov and moves", 39, 1, 19, 5, 0xb8, 39, 0, 0, 0, 0x48, 0x89, 0xef, 0xbe, 1, 0, 0, 0,
	     0x8b, 0x7c, 0x24, 8),
	SITE("mov, eax moved away", 39, 1, 9, 5, 0xb8, 39, 0, 0, 0, 0x89, 0xc2),
	SITE("mov, eax changed", 39, 39, 4, 2, 0xb8, 39, 0, 0, 0, 0x89, 0xd0),
	SITE("mov, a push", 39, 1, 0, 0, 0xb8, 39, 0, 0, 0, 0x50),
	SITE("mov, a load from rip", 39, 1, 0, 0, 0xb8, 39, 0, 0, 0, 0x8b, 0x3d, 1, 0, 0, 0),
	SITE("mov, eax loaded", 39, 1, 0, 0, 0xb8, 39, 0, 0, 0, 0x8b, 0x44, 0x24, 8),
	SITE("mov, r8d loaded", 39, 1, 12, 5, 0xb8, 39, 0, 0, 0, 0x44, 0x8b, 0x44, 0x24, 8),
	SITE("mov, a jump", 39, 1, 0, 0, 0xb8, 39, 0, 0, 0, 0xeb, 0),
	SITE("mov, a 64-bit immediate", 39, 1, 0, 0, 0xb8, 39, 0, 0, 0, 0x48, 0xbf, 1, 0, 0, 0, 0,
	     0, 0, 0),
	SITE("xor", 0, 1, 4, 2, 0x31, 0xc0),
	SITE("xor, rax not 0", 1, 2, 0, 0, 0x31, 0xc0),
	SITE("xor r8d", 0, 0, 0, 0, 0x45, 0x31, 0xc0),
	SITE("movb, 0x31(rbp)", 0, 1, 0, 0, 0xc6, 0x45, 0x31, 0xc0),
	SITE("syscall(3)", 39, 1, 7, 5, 0x4c, 0x8b, 0x4c, 0x24, 0x08),
	SITE("mov r8d, eax", 39, 39, 5, 3, 0x44, 0x89, 0xc0),
	SITE("mov r8, rax", 39, 39, 5, 3, 0x4c, 0x89, 0xc0),
	SITE("mov r8, rax, that do not agree", 39, 40, 0, 0, 0x4c, 0x89, 0xc0),
	SITE("mov edx, eax", 39, 39, 4, 2, 0x89, 0xd0),
	SITE("mov rax, r8", 39, 39, 0, 0, 0x49, 0x89, 0xc0),
	SITE("mov ecx, eax", 39, 39, 0, 0, 0x89, 0xc8),
	SITE("mov r11d, eax", 39, 39, 0, 0, 0x44, 0x89, 0xd8),
	SITE("nothing known", 39, 39, 0, 0, 0x90, 0x90, 0x90, 0x90, 0x90),
};

static bool plan(const struct site *s, struct detour *d)
{
	uint8_t code[REWRITE_BEFORE + REWRITE_AFTER];
	struct uregs r;

	memset(code, 0xc3, sizeof(code));
	memcpy(code + REWRITE_BEFORE - s->n, s->bytes, s->n + 1);
	for (size_t i = 0; i < sizeof(r) / sizeof(uint64_t); i++)
		memcpy((uint8_t *)&r + i * sizeof(uint64_t), &s->r8, sizeof(uint64_t));
	r.rax = s->rax;
	r.rip = r.rcx = PC;
	r.r11 = 0x246;
	memset(d, 0, sizeof(*d));
	return arch_rewrite_plan(&r, code, &entry, d);
}

static uint64_t distance(const uint8_t *p, uint64_t from)
{
	int32_t d;

	memcpy(&d, p, sizeof(d));
	return from + (uint64_t)(int64_t)d;
}

/* The jump leads to the detour, and the detour behind the SYSCALL and to the entry. */
static void check_code(const struct site *s, const struct detour *d)
{
	uint8_t code[DETOUR_CODE], text[5], *p = code + d->copied;
	const uint64_t wheres[] = {d->lo, d->hi, d->lo + (d->hi - d->lo) / 2};

	for (unsigned i = 0; i < 3; i++) {
		memcpy(text, s->bytes + s->n - s->at, sizeof(text));
		d->write(d, wheres[i], code, text);
		assert_int_equal(text[0], 0xe9);
		assert_int_equal(distance(text + 1, d->at + 5), wheres[i]);
		assert_memory_equal(code, s->bytes + s->n - s->at, d->copied);
		assert_memory_equal(p, "\x48\x8d\x0d", 3);
		assert_int_equal(distance(p + 3, wheres[i] + d->copied + 7), PC);
		assert_memory_equal(p + 7, "\xff\x25\0\0\0\0", 6);
		assert_memory_equal(p + 13, &entry, sizeof(entry));
		assert_int_equal(d->size, d->copied + 21);
	}
}

static void test_sites(void **state)
{
	struct detour d;

	(void)state;
	for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
		const struct site *s = &sites[i];

		if (plan(s, &d) != (s->at != 0))
			fail_msg("%s", s->name);
		if (!s->at)
			continue;
		if (d.at != PC - s->at || d.len != s->len || d.copied != s->at - 2)
			fail_msg("%s: at %lu, %u of %u", s->name, PC - d.at, d.len, d.copied);
		check_code(s, &d);
	}
}

/* Near the ends of the address space. */
static void test_reach(void **state)
{
	static const uint8_t mov[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x48};
	static const uint8_t zero[] = {0x31, 0xc0, 0x0f, 0x05, 0xc3};
	uint8_t code[REWRITE_BEFORE + REWRITE_AFTER] = {0};
	struct uregs r = {.rax = 39, .rip = 0x401000};
	struct detour d = {0};

	(void)state;
	memcpy(code + REWRITE_BEFORE - 7, mov, sizeof(mov));
	assert_true(arch_rewrite_plan(&r, code, &entry, &d));
	assert_int_equal(d.lo, ABI_USER_MIN);
	r.rip = ABI_USER_END - 100;
	assert_true(arch_rewrite_plan(&r, code, &entry, &d));
	assert_true(d.hi < ABI_USER_END - DETOUR_CODE);
	/* The given distance leads below all addresses. */
	memcpy(code + REWRITE_BEFORE - 4, zero, sizeof(zero));
	r = (struct uregs){.rax = 0, .rip = 0x401000};
	assert_false(arch_rewrite_plan(&r, code, &entry, &d));
	r.rip = 0x7f0000001000;
	assert_true(arch_rewrite_plan(&r, code, &entry, &d));
	assert_int_equal(d.hi - d.lo, 255);
}

#endif

static void test_set_pc(void **state)
{
	struct uregs r = {0};

	(void)state;
	arch_set_pc(&r, 0x1234);
	assert_int_equal(arch_pc(&r), 0x1234);
	assert_false(arch_stepping(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_pc),
#ifdef __x86_64__
		cmocka_unit_test(test_sites),
		cmocka_unit_test(test_reach),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
