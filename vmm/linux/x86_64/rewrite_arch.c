/*
 * x86_64: what can be rewritten in front of a SYSCALL, and how.
 *
 *	b8 imm32 [insns] 0f 05		e9 rel32 [insns] 0f 05
 *	31 c0 0f 05 xx			e9 rr 0f 05 xx
 *	4c 89 c0 0f 05			e9 rr rr 0f 05
 *
 * A jump is 5 bytes long. Where the instruction is shorter, the bytes behind it stay and are part
 *of the jump's distance: the detour lies where they say. (Instruction punning: Duck et al., Binary
 * Rewriting without Control Flow Recovery, PLDI 2020.)
 *
 *	detour:	the instructions from there to the SYSCALL
 *		lea	behind the SYSCALL, %rcx
 *		jmp	*entry
 *
 * Nobody can tell where the instruction before a SYSCALL begins. So it has to be one of these, rax
 *has to be what it leaves there, and the bytes before it must not make it the end of a longer one.
 */
#include "../rewrite.h"

#include <string.h>
#include <sys/syscall.h>

#define SYSCALL_LEN 2
#define JUMP_LEN    5
#define TAIL_LEN    (7 + 6 + 8) /* lea, jmp, the entry's address */
#define REACH       0x70000000ULL
#define NR_MAX      1023 /* a number whose upper three bytes are not is none */
#define RFLAGS_TF   0x100ULL

/* What was found: offsets into the code. */
struct found {
	unsigned at, len; /* the instruction that changes; how much of it */
	bool punned;      /* the jump's distance is partly given */
};

static uint32_t imm32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool is_prefix(uint8_t b)
{
	return (b & 0xf0) == 0x40 || b == 0x66 || b == 0x67 || b == 0xf2 || b == 0xf3 ||
	       b == 0x2e || b == 0x36 || b == 0x3e || b == 0x26 || b == 0x64 || b == 0x65;
}

/* Opcodes whose ModRM operand is followed by an immediate of 4 bytes. */
static bool takes_imm32(uint8_t op)
{
	return op == 0xc7 || op == 0x81 || op == 0x69 || op == 0xf7;
}

static bool takes_imm8(uint8_t op)
{
	return op == 0xc6 || op == 0x80 || op == 0x83 || op == 0x6b || op == 0xc0 || op == 0xc1;
}

/* m is a ModRM byte with an 8-bit displacement; and a SIB byte. */
static bool disp8(uint8_t m)
{
	return (m & 0xc0) == 0x40 && (m & 7) != 4;
}

static bool disp8_sib(uint8_t m)
{
	return (m & 0xc7) == 0x44;
}

/* The b8 at p may be inside an instruction that ends where the one that begins there does. */
static bool inside_long(const uint8_t *p)
{
	if (is_prefix(p[-1]))
		return true;
	/* ModRM, with a base register of its own (rax holds a number, and is none) */
	if ((p[-2] & 0xf1) == 0x41 || (p[-2] == 0x0f && (p[-3] & 0xf1) == 0x41) || p[-4] == 0xc4 ||
	    p[-5] == 0x62)
		return true;
	/* SIB with a displacement of 4 bytes */
	if ((p[-1] & 0xc7) == 0x84)
		return true;
	/* the displacement, or its last byte, before an immediate */
	if ((disp8(p[-1]) && takes_imm32(p[-2])) || (disp8_sib(p[-2]) && takes_imm32(p[-3])))
		return true;
	if (takes_imm32(p[-5]) || takes_imm32(p[-6]))
		return true;
	/* mov $imm64 */
	return (p[-4] & 0xf8) == 0xb8 && (p[-5] & 0xf8) == 0x48;
}

/* The same of a shorter instruction, of n bytes. */
static bool inside_short(const uint8_t *p, unsigned n)
{
	if (is_prefix(p[-1]))
		return true;
	if (n != 2)
		return false;
	return (disp8(p[-1]) && takes_imm8(p[-2])) || (disp8_sib(p[-2]) && takes_imm8(p[-3]));
}

/*
 * The length of an instruction at p that may stand between the number's load and the SYSCALL: it
 * can be executed anywhere, leaves rax alone and goes on behind itself. 0: another.
 */
static unsigned harmless(const uint8_t *p)
{
	unsigned rex = (p[0] & 0xf0) == 0x40, r = rex ? p[0] & 4 : 0, b = rex ? p[0] & 1 : 0;
	const uint8_t *q = p + rex;

	/* mov $imm32, %r32 */
	if ((q[0] & 0xf8) == 0xb8 && (q[0] != 0xb8 || b) && !(rex && p[0] & 8))
		return rex + 5;
	/* mov and xor between registers */
	if ((q[0] == 0x89 || q[0] == 0x31) && q[1] >= 0xc0 && ((q[1] & 7) || b))
		return rex + 2;
	/* mov disp8(%rsp), %reg */
	if (q[0] == 0x8b && (q[1] & 0xc7) == 0x44 && q[2] == 0x24 && !b && ((q[1] & 0x38) || r) &&
	    !(rex && p[0] & 2))
		return rex + 4;
	/* xor $imm8, %sil: a futex operation made private */
	if (p[0] == 0x40 && p[1] == 0x80 && p[2] == 0xf6)
		return 4;
	return 0;
}

/* From p on there are only such instructions, up to end. */
static bool all_harmless(const uint8_t *p, const uint8_t *end)
{
	while (p < end) {
		unsigned n = harmless(p);

		if (!n)
			return false;
		p += n;
	}
	return p == end;
}

/* mov $nr, %eax */
static bool find_mov(const uint8_t *code, unsigned end, uint64_t rax, struct found *f)
{
	for (unsigned at = end - JUMP_LEN; at >= 6 && end - at <= DETOUR_COPIED; at--) {
		const uint8_t *p = code + at;

		if (p[0] != 0xb8 || imm32(p + 1) != rax || inside_long(p) ||
		    !all_harmless(p + JUMP_LEN, code + end))
			continue;
		*f = (struct found){at, JUMP_LEN, false};
		return true;
	}
	return false;
}

static uint64_t reg(const struct uregs *r, unsigned n)
{
	const uint64_t regs[] = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
				 r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};

	return regs[n];
}

/* mov %reg, %eax or %rax, of len bytes. SYSCALL has changed rcx and r11. */
static bool find_mov_reg(const struct uregs *r, const uint8_t *code, unsigned end, unsigned len,
			 struct found *f)
{
	const uint8_t *p = code + end - 2;
	uint8_t rex = len == 3 ? p[-1] : 0x40;
	unsigned n = (p[1] >> 3 & 7) + (rex & 4) * 2;
	uint64_t value;

	/* REX with W and R at most; rax is the register */
	if ((rex & 0xf3) != 0x40 || p[0] != 0x89 || (p[1] & 0xc7) != 0xc0 || n == 0 || n == 1 ||
	    n == 11)
		return false;
	value = rex & 8 ? reg(r, n) : (uint32_t)reg(r, n);
	if (value != r->rax || inside_short(code + end - len, len))
		return false;
	*f = (struct found){end - len, len, true};
	return true;
}

static bool find(const struct uregs *r, const uint8_t *code, struct found *f)
{
	static const uint8_t load_arg6[] = {0x4c, 0x8b, 0x4c, 0x24, 0x08}; /* mov 8(%rsp), %r9 */
	unsigned end = REWRITE_BEFORE - SYSCALL_LEN;
	const uint8_t *p = code + end;

	if (r->rax > NR_MAX || r->rax == SYS_rt_sigreturn || p[0] != 0x0f || p[1] != 0x05)
		return false;
	if (find_mov(code, end, r->rax, f))
		return true;
	/* syscall(3): the number came long before */
	if (memcmp(p - JUMP_LEN, load_arg6, JUMP_LEN) == 0 && !is_prefix(p[-JUMP_LEN - 1])) {
		*f = (struct found){end - JUMP_LEN, JUMP_LEN, false};
		return true;
	}
	/* xor %eax, %eax */
	if (p[-2] == 0x31 && p[-1] == 0xc0 && r->rax == 0 && !inside_short(p - 2, 2)) {
		*f = (struct found){end - 2, 2, true};
		return true;
	}
	return find_mov_reg(r, code, end, 3, f) || find_mov_reg(r, code, end, 2, f);
}

/* Where the detour may lie. */
static bool set_reach(struct detour *d, const struct found *f, const uint8_t *code)
{
	uint64_t from = d->at + JUMP_LEN;
	uint32_t given;

	if (!f->punned) {
		d->lo = from > REACH + ABI_USER_MIN ? from - REACH : ABI_USER_MIN;
		d->hi = from + REACH;
		if (d->hi >= ABI_USER_END - DETOUR_CODE)
			d->hi = ABI_USER_END - DETOUR_CODE - 1;
		return true;
	}
	/* The first len - 1 bytes of the distance are free. */
	given = imm32(code + f->at + 1) & ~0U << (f->len - 1) * 8;
	d->lo = from + (uint64_t)(int64_t)(int32_t)given;
	d->hi = d->lo + (1U << (f->len - 1) * 8) - 1;
	return d->lo >= ABI_USER_MIN && d->hi < ABI_USER_END - DETOUR_CODE && d->lo <= d->hi;
}

static void put32(uint8_t *p, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	memcpy(p, &low, sizeof(low));
}

static void write_detour(const struct detour *d, uint64_t where, uint8_t *code, uint8_t *text)
{
	uint8_t jump[JUMP_LEN] = {0xe9}, *p = code;

	memcpy(p, d->old, d->copied);
	p += d->copied;
	/* lea behind(%rip), %rcx */
	p[0] = 0x48;
	p[1] = 0x8d;
	p[2] = 0x0d;
	put32(p + 3, d->at + d->copied + SYSCALL_LEN - (where + d->copied + 7));
	p += 7;
	/* jmp *0(%rip) */
	p[0] = 0xff;
	p[1] = 0x25;
	put32(p + 2, 0);
	memcpy(p + 6, d->arg, sizeof(uint64_t));
	put32(jump + 1, where - (d->at + JUMP_LEN));
	memcpy(text, jump, d->len);
}

bool arch_rewrite_plan(const struct uregs *r, const uint8_t *code, const uint64_t *entry,
		       struct detour *d)
{
	struct found f;

	if (!find(r, code, &f))
		return false;
	d->at = r->rip - REWRITE_BEFORE + f.at;
	d->len = f.len;
	d->copied = REWRITE_BEFORE - SYSCALL_LEN - f.at;
	d->size = d->copied + TAIL_LEN;
	memcpy(d->old, code + f.at, d->copied);
	d->write = write_detour;
	d->arg = entry;
	return set_reach(d, &f, code);
}

void arch_set_pc(struct uregs *r, uint64_t pc)
{
	r->rip = pc;
}

bool arch_stepping(const struct uregs *r)
{
	return r->rflags & RFLAGS_TF;
}
