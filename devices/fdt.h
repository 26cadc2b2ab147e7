/*
 * The flattened device tree that describes the machine to the code inside it.
 *
 * It owns no state; any thread may call it. guest/tree.h reads what this writes:
 *
 *   /  compatible "vmbox,machine"; vmbox,abi-version: ABI_VERSION of the code that may run here
 *   chosen            kaslr-seed, rng-seed, stdout-path (the console, if there is one)
 *   cpus/cpu@N        one a vCPU
 *   memory@A          a node a range; the VMM adds memory there as it is used
 *   doorbell@A        "vmbox,doorbell": a range of guest-physical addresses, or of ports, then
 *                     below io-ports, "vmbox,io-ports"
 *   reserved-memory/  clock@A "vmbox,clock", clock-frequency; console@A "vmbox,console";
 *                     channels@A "vmbox,channels"; what is not there has no node
 */
#ifndef VMBOX_DEVICES_FDT_H
#define VMBOX_DEVICES_FDT_H

#include "../guest/abi.h"

#include <stddef.h>

/* The doorbell, the ABI's version and fresh seeds: what is the same in every machine, or random. 0;
 * -EIO: the host has no randomness. */
int fdt_machine_init(struct abi_machine *m);

/*
 * Writes the tree that describes *m into buf (size bytes). Its length in bytes; -ENOSPC: it needs
 * more than size; -EINVAL: m has more ranges than it can have, or names that libfdt refuses.
 */
int fdt_build(const struct abi_machine *m, void *buf, size_t size);

/* What an enum abi_tree_error means, for a person; any number may be asked for. */
const char *fdt_refusal(uint32_t error);

#endif
