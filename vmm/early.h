/*
 * The guest's early code: run once a VM, on vCPU 0, before the first task. It reads the device tree
 * inside the VM and refuses a machine that it was not built for; the VMM sees whether it understood
 * what was meant. Owns nothing afterwards. Called before any vCPU thread runs; no lock.
 */
#ifndef VMBOX_EARLY_H
#define VMBOX_EARLY_H

#include "vm.h"

#include <stdio.h>

struct early_config {
	struct abi_range channels;
	pfn_t clock;           /* the clock page */
	const char *tree_file; /* the tree to use instead of the machine's own; NULL: none */
	FILE *dump;            /* where the tree is written; NULL: nowhere */
	FILE *console;         /* where the debug console goes; NULL: there is none */
};

/*
 * Describes vm in a device tree and runs the early code on it. 0; or a negative errno with a
 * one-line reason in err (err_size bytes): -EINVAL the tree was refused, or says something else
 * than what this machine is; -ENOMEM; -EIO the code met an exception; an errno of the files.
 */
int early_boot(struct vm *vm, const struct early_config *cfg, char *err, size_t err_size);

#endif
