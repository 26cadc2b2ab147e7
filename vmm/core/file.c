/* Open file descriptions: see file.h. */
#include "file.h"

void file_init(struct file *f, const struct file_ops *ops, unsigned flags)
{
	f->ops = ops;
	f->refs = 1;
	f->pos = 0;
	f->flags = flags;
	f->forget = NULL;
	pthread_mutex_init(&f->lock, NULL);
}

void file_fini(struct file *f)
{
	pthread_mutex_destroy(&f->lock);
}

struct file *file_dup(struct file *f)
{
	f->refs++;
	if (f->ops->on_dup)
		f->ops->on_dup(f);
	return f;
}

void file_close(struct file *f)
{
	if (!f)
		return;
	/* The hook first: who drops the last reference knows that every on_close has returned. */
	if (f->ops->on_close)
		f->ops->on_close(f);
	if (!--f->refs) {
		void (*forget)(struct file *) = f->forget;

		if (forget)
			forget(f);
		f->ops->release(f);
	}
}
