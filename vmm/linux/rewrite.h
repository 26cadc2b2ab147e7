/*
 * Hot system-call sites without the trap instruction.
 *
 * Where ring 3 may ring the system-call doorbell itself (kernel.call_entry), a site that is
 * executed again and again is rewritten: the instruction that loads the number, in front of the
 * trap instruction, becomes a jump to a detour (paging/detour.h), which loads it and jumps to the
 * entry with the address behind the trap instruction. That one stays where it is: who jumps to it
 * makes the call by it, and so does a call that is restarted.
 *
 * What a program sees: its text, if it reads it, and a line "[vmbox]" in maps. Never a program
 * counter: a task that leaves the guest inside a detour is led back to the text at once
 * (rewrite_trap).
 *
 * process->rewrite counts how often each site of a process is executed: its tasks write it with no
 * lock, and a count that is lost makes a site hot a little later.
 */
#ifndef VMBOX_LINUX_REWRITE_H
#define VMBOX_LINUX_REWRITE_H

#include "task.h"
#include "../../paging/detour.h"

/* t has left the guest for a system call: counts its site, and rewrites it when it is hot. */
void rewrite_note(struct task *t);
/*
 * t makes a system call without leaving the guest, and would go on at pc: counts its site. True: it
 * is hot, and t shall leave the guest this time, with its registers, for rewrite_note.
 */
bool rewrite_due(struct task *t, uint64_t pc);
/* t has left the guest for anything else. A trap that only a detour made becomes TRAP_KICK. */
void rewrite_trap(struct task *t, struct trap *trap);
void rewrite_free(struct process *p);

/* ---- architecture: vmm/linux/ARCH/ ---- */

#define REWRITE_BEFORE 32
#define REWRITE_AFTER  4

/*
 * r is a task behind a system call; code holds REWRITE_BEFORE bytes before its program counter and
 * REWRITE_AFTER from there on. entry: *entry is kernel.call_entry. True: *d is the detour
 * for this site. False: it must stay as it is.
 */
bool arch_rewrite_plan(const struct uregs *r, const uint8_t *code, const uint64_t *entry,
		       struct detour *d);
void arch_set_pc(struct uregs *r, uint64_t pc);
/* The program steps: each instruction is an exception. */
bool arch_stepping(const struct uregs *r);

#endif
