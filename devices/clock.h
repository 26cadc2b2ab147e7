/*
 * The guest's clock: the relation between the machine's counter and time.
 *
 * A clock owns the contents of the clock page (struct abi_clock_page), which every guest
 * process reads through the vDSO, and keeps them true: about once a second clock_update()
 * compares the counter with the host's CLOCK_MONOTONIC and bends the rate a little, so that the
 * error is gone by the next time. What it publishes never goes back, and jumps forward
 * only if the clock is behind by more than CLOCK_STEP_NS. The guest's CLOCK_MONOTONIC is the
 * host's.
 *
 * System calls read the same relation with clock_read_*(), so what they return and what the
 * vDSO returns are in order. Where the counter cannot be trusted (usable == 0 in the page), the
 * vDSO makes the system call and these functions read the host's clock.
 *
 * clock->lock protects what was published last; it is a leaf. clock_update is called by
 * one thread at a time (the reactor's).
 */
#ifndef VMBOX_DEVICES_CLOCK_H
#define VMBOX_DEVICES_CLOCK_H

#include "../guest/abi.h"

#include <time.h>

struct clock;

/* Behind by more than this, the clock jumps to the right time instead of running faster. */
#define CLOCK_STEP_NS 100000000

/* What a clock is made from: this machine, or a test's idea of one. */
struct clock_host {
	uint64_t (*counter)(void *arg);
	int64_t (*now)(void *arg, clockid_t id); /* MONOTONIC, REALTIME, BOOTTIME, in ns */
	void *arg;
};

/* The counter and CLOCK_MONOTONIC at one time. */
struct clock_sample {
	uint64_t counter; /* the host's */
	int64_t mono;
	uint64_t width; /* counts within which both were read */
};
/* This machine's, now. */
void clock_look(struct clock_sample *out);

/*
 * Takes over page (PAGE_SIZE bytes, borrowed until clock_destroy; no other writer) and
 * publishes a relation that holds from the first instruction of the guest.
 *
 * khz is the guest's counter frequency, 0 if it is not known: then it is measured, and the vDSO
 * makes system calls for the first 0.2 s. The guest reads the host's counter + offset, modulo
 * 2^64. trusted: the counter may be used at all (counter_trusted(), and no TSC scaling or
 * trapping in the machine). A counter that disagrees with khz or with itself is not used until it
 * agrees. It is watched for 0.1 ms: what has passed since `earlier`, which may be NULL, is not
 * waited for. NULL: no memory.
 */
struct clock *clock_create(void *page, uint32_t khz, uint64_t offset, bool trusted,
			   const struct clock_sample *earlier);
/* The same on another host; *host is copied. */
struct clock *clock_create_on(const struct clock_host *host, void *page, uint32_t khz,
			      uint64_t offset, bool trusted, const struct clock_sample *earlier);
/* NULL is fine. Leaves the page unusable, so that a reader of it makes the system call. */
void clock_destroy(struct clock *c);

/* Measures and publishes. Returns in how many ns to call it again. */
int64_t clock_update(struct clock *c);

/* When to call clock_update for the first time, in ns from clock_create. */
#define CLOCK_FIRST_UPDATE_NS 100000000

/*
 * Nanoseconds of the guest's CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME. Any thread.
 */
int64_t clock_read_mono(struct clock *c);
int64_t clock_read_real(struct clock *c);
int64_t clock_read_boot(struct clock *c);

/* The vDSO answers without a system call. Any thread. */
bool clock_usable(struct clock *c);

#endif
