/* The unlock of robust futexes in the vDSO: see robust_unlock.h. */
#include "robust_unlock.h"
#include "robust.h"
#include "sys.h"

#include <elf.h>
#include <signal.h>
#include <string.h>

/* ---- the image's notes ---- */

static int add_range(struct kernel *k, uint64_t start, uint64_t end, unsigned kind)
{
	if (k->nrobust == ARRAY_SIZE(k->robust) || start >= end || end > k->cfg.vdso_size)
		return -EINVAL;
	k->robust[k->nrobust++] =
		(struct robust_range){(uint32_t)start, (uint32_t)end, kind & ABI_ROBUST_KIND,
				      (kind & ABI_ROBUST_SLOT32) != 0};
	return 0;
}

static int choose(struct kernel *k, uint64_t at)
{
	uint32_t insn;

	if (!arch_robust_choice(&k->cfg, &insn))
		return 0;
	return memobj_write(k->vdso_obj, at, &insn, sizeof(insn)) == sizeof(insn) ? 0 : -ENOMEM;
}

/* The note's descriptor lies at offset `at` of the image. */
static uint64_t note_start(uint64_t at, const struct abi_robust_note *n)
{
	return at + offsetof(struct abi_robust_note, start) + (uint64_t)(int64_t)n->start;
}

static int add_note(struct kernel *k, uint64_t at, const struct abi_robust_note *n)
{
	uint64_t start = note_start(at, n);
	uint64_t end = at + offsetof(struct abi_robust_note, end) + (uint64_t)(int64_t)n->end;

	if ((n->kind & ABI_ROBUST_KIND) == ABI_ROBUST_CHOICE)
		return choose(k, start);
	return add_range(k, start, end, n->kind);
}

static int scan_notes(struct kernel *k, uint64_t at, uint64_t end)
{
	const uint8_t *image = k->cfg.vdso;
	struct abi_robust_note note;
	Elf64_Nhdr nh;
	int r = 0;

	while (r == 0 && at + sizeof(nh) <= end) {
		uint64_t name = at + sizeof(nh), desc;

		memcpy(&nh, image + at, sizeof(nh));
		desc = name + ((nh.n_namesz + 3UL) & ~3UL);
		at = desc + ((nh.n_descsz + 3UL) & ~3UL);
		if (at > end)
			return -EINVAL;
		if ((nh.n_type != ABI_NOTE_ROBUST && nh.n_type != ABI_NOTE_SIGRETURN) ||
		    nh.n_namesz != sizeof(ABI_NOTE_NAME) || nh.n_descsz != sizeof(note) ||
		    memcmp(image + name, ABI_NOTE_NAME, sizeof(ABI_NOTE_NAME)) != 0)
			continue;
		memcpy(&note, image + desc, sizeof(note));
		if (nh.n_type == ABI_NOTE_SIGRETURN)
			k->vdso_sigreturn = note_start(desc, &note);
		else
			r = add_note(k, desc, &note);
	}
	return r;
}

int robust_unlock_init(struct kernel *k)
{
	const uint8_t *image = k->cfg.vdso;
	size_t size = k->cfg.vdso_size;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int r = 0;

	if (size < sizeof(eh))
		return -EINVAL;
	memcpy(&eh, image, sizeof(eh));
	for (unsigned i = 0; r == 0 && i < eh.e_phnum; i++) {
		uint64_t at = eh.e_phoff + i * sizeof(ph);

		if (at > size - sizeof(ph))
			return -EINVAL;
		memcpy(&ph, image + at, sizeof(ph));
		if (ph.p_type != PT_NOTE)
			continue;
		/* The image is linked at 0 and lies in memory as in the file. */
		if (ph.p_offset > size || ph.p_filesz > size - ph.p_offset)
			return -EINVAL;
		r = scan_notes(k, ph.p_offset, ph.p_offset + ph.p_filesz);
	}
	return r;
}

/* ---- the fix-up ---- */

/* The section that t's program counter is in, or NULL. */
static const struct robust_range *range_of(struct task *t)
{
	const struct kernel *k = t->k;
	uint64_t pc = arch_pc(&t->cpu.regs), offset;
	const struct robust_range *g = NULL;
	struct vma v;

	/* Mappings begin at pages: most addresses need no look at them. */
	for (unsigned i = 0; !g && i < k->nrobust; i++)
		if ((pc - k->robust[i].start) % PAGE_SIZE < k->robust[i].end - k->robust[i].start)
			g = &k->robust[i];
	if (!g || !t->p->mm || !mm_find_vma(t->p->mm, pc, &v) || v.start > pc ||
	    v.obj != k->vdso_obj)
		return NULL;
	offset = pc - v.start + (v.pgoff << PAGE_SHIFT);
	for (unsigned i = 0; i < k->nrobust; i++)
		if (offset >= k->robust[i].start && offset < k->robust[i].end)
			return &k->robust[i];
	return NULL;
}

int robust_unlock_fixup(struct task *t)
{
	const struct robust_range *g = range_of(t);
	uint64_t slot;

	if (!g || !arch_robust_released(&t->cpu.regs, g->kind, &slot))
		return 0;
	return robust_clear_pending(t, slot, g->slot32);
}

void robust_unlock_signal(struct task *t)
{
	struct siginfo_k info = {.si_signo = SIGSEGV, .si_code = SI_KERNEL};

	if (robust_unlock_fixup(t) < 0)
		signal_force(t, SIGSEGV, &info);
}
