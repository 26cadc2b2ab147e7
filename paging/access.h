/*
 * Fault-recovering access: the part between gmem.h and the assembly.
 *
 * Internal to paging/. The raw functions are assembly (paging/ARCH/gmem_access.S), with a table
 * of instruction ranges and where to go on when one of them faults. The handler
 * only reads that table and changes the program counter: safe in any thread and in any signal
 * context.
 */
#ifndef VMBOX_PAGING_ACCESS_H
#define VMBOX_PAGING_ACCESS_H

#include <stddef.h>
#include <stdint.h>

/* Each field: the distance from itself to the address it means. */
struct access_fixup {
	int32_t start, end, fixup;
};
extern const struct access_fixup gmem_fixups[], gmem_fixups_end[];

/* Bytes that were not copied or zeroed. */
size_t gmem_raw_copy(void *dst, const void *src, size_t len);
size_t gmem_raw_zero(void *dst, size_t len);
/* 0 or -EFAULT. */
int gmem_raw_load32(const void *p, uint32_t *out);
int gmem_raw_store32(void *p, uint32_t v);
int gmem_raw_cmpxchg32(void *p, uint32_t expected, uint32_t desired, uint32_t *out);
int gmem_raw_xchg32(void *p, uint32_t v, uint32_t *out);
int gmem_raw_sync_code(const void *p, size_t len);

/* Installs the handler unless it is. 0 or negative errno, and errno. */
int gmem_access_init(void);

#endif
