/*
 * The operations that tests/bench/bench times. Each takes how many to do, prepares what it needs,
 * and returns the nanoseconds that these took, start-up and clean-up left out. `arg` is the
 * command line's next word: the program to execute, where one is.
 */
#ifndef VMBOX_BENCH_OP_H
#define VMBOX_BENCH_OP_H

typedef long long (*op_fn)(long count, const char *arg);

struct op {
	const char *name;
	op_fn run;
};

/* Each ends with an entry that has no name. */
extern const struct op ops_calls[], ops_memory[], ops_sync[], ops_process[];

/* Nanoseconds of the monotonic clock. */
long long now(void);
_Noreturn void die(const char *what);
/* Ends the program, with errno's text, unless ok. */
void must(int ok, const char *what);

#endif
