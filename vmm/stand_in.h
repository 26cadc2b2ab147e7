/*
 * What the poller does for a task that waits in the guest, and for its vCPU: the handlers behind
 * channel.h. It owns no state. Both are called while the channel is claimed, so that the vCPU's
 * thread is in the guest or waits for the end of it; no lock is held.
 */
#ifndef VMBOX_STAND_IN_H
#define VMBOX_STAND_IN_H

#include "channel.h"

/* task: struct task. */
extern const struct channel_ops stand_in_ops;

#endif
