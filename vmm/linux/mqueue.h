/*
 * POSIX message queues: mq_overview(7).
 *
 * mqueues->lock protects the names, every queue and who is to be notified; guest memory is read and
 * written without it, and signals are sent after it.
 */
#ifndef VMBOX_LINUX_MQUEUE_H
#define VMBOX_LINUX_MQUEUE_H

/* fs.mqueue.*: what who may not more may have; also what a queue has that nobody asked otherwise.
 */
#define MQ_QUEUES_MAX 256
#define MQ_MSG_MAX    10
#define MQ_SIZE_MAX   8192
struct mqueues;

struct mqueues *mqueues_create(void);
/* No file is open any more. */
void mqueues_destroy(struct mqueues *m);

#endif
