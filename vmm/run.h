/*
 * A run: the machine, the kernel above it, and the threads that drive both.
 *
 * The main thread makes everything, starts one thread per vCPU and the reactor, and
 * sleeps until PID 1 has ended. run->lock protects `halted`.
 */
#ifndef VMBOX_RUN_H
#define VMBOX_RUN_H

#include "exitless.h"
#include "linux/kernel.h"
#include "linux/vfs.h"
#include "vm.h"

#include <stdio.h>

struct clock;

/* Whether hot system-call sites are rewritten (linux/rewrite.h). */
enum rewrite_mode {
	REWRITE_AUTO, /* where it pays */
	REWRITE_ON,   /* wherever it is possible */
	REWRITE_OFF
};

struct run_options {
	const char *image; /* as typed */
	char **argv;       /* argv[0] is the image as typed */
	const char *root, *cwd;
	struct vfs_mount *mounts; /* in order; owned, and their strings in mount_text */
	char **mount_text;
	size_t nmounts;
	char **envp; /* the guest's environment, NULL-terminated; owned */
	uint32_t uid, gid;
	uint32_t groups[64];
	unsigned ngroups;
	uint64_t mem;
	unsigned cpus;
	unsigned robust_list2_nr;        /* kernel_config's */
	bool robust_unlock_keep_waiters; /* kernel_config's */
	unsigned asid_bits;              /* 0: as many as the processor has */
	enum rewrite_mode rewrite;
	enum exitless_mode exitless;
	bool strace;
	bool no_jail; /* do not confine vmbox: for debugging */
	bool stats;
	const char *stats_file; /* NULL: text on standard error */
	FILE *stats_out;        /* stats_file, open; owned */
	bool debug;             /* a debug console in the guest, shown on standard error */
	const char *dtb;        /* a device tree to use instead; NULL: the machine's own */
	FILE *dump_dtb;         /* NULL: not wanted; owned */
};

#define ASID_BITS_MAX 16

/* Exit statuses of vmbox's own (docker's convention). */
#define EXIT_VMBOX          125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127

/* Runs the image to its end; vmbox's exit status. Prints its own errors. */
int run_image(const struct run_options *o);

/* ---- report.c ---- */
void report_stats(const struct run_options *o, struct vm *vm, const struct exitless *e,
		  struct kernel *k);

/* ---- error.c ---- */
/* One line on standard error: `vmbox: what: why`. */
void __attribute__((format(printf, 1, 2))) vmbox_error(const char *fmt, ...);

/* ---- options.c ---- */
/* Reads `run`'s arguments (argv[0] is "run"). 0; 1: nothing to run (--help was answered); -1: an
 * error was printed. */
int run_options_parse(struct run_options *o, int argc, char **argv);
void run_options_free(struct run_options *o);
/*
 * Calls f for each option before IMAGE (argument NULL: none), until it does not return 0. IMAGE's
 * index in argv; -1: f did not want to go on, or such arguments do not parse.
 */
int run_options_each(int argc, char **argv,
		     int (*f)(void *arg, const char *name, const char *value), void *arg);

/* ---- commands ---- */
int cmd_run(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_nested(int argc, char **argv);

#endif
