/*
 * The machine's free-running counter, which guest and host both read without an exit: the TSC
 * on x86_64, CNTVCT on arm64. No state; every function may be called from any thread.
 */
#ifndef VMBOX_DEVICES_COUNTER_H
#define VMBOX_DEVICES_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

/* The host's counter, read after all earlier loads. */
uint64_t counter_read(void);

/* Its frequency in kHz as the CPU states it; 0: it does not (x86_64: KVM knows, KVM_GET_TSC_KHZ).
 */
uint32_t counter_khz(void);

/*
 * It counts at one rate, the same on all CPUs: the architecture promises it, or the host's
 * kernel, which watches it, has not given it up.
 */
bool counter_trusted(void);

#endif
