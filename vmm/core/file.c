/* Open file descriptions: see file.h. */
#include "file.h"

void file_init(struct file *f, const struct file_ops *ops, unsigned flags)
{
	f->ops = ops;
	f->refs = 1;
	f->pos = 0;
	f->flags = flags;
	f->forget = NULL;
	f->disown = NULL;
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
	void (*forget)(struct file *), (*disown)(struct file *) = NULL;

	if (!f)
		return;
	/* Nobody else can come by a reference: who closes it is not told that it closes. */
	if (f->refs == 1) {
		disown = f->disown;
		if (disown)
			disown(f);
	}
	/* The hook first: who drops the last reference knows that every on_close has returned. */
	if (f->ops->on_close)
		f->ops->on_close(f);
	if (--f->refs)
		return;
	forget = f->forget;
	if (forget)
		forget(f);
	if (!disown && f->disown)
		f->disown(f);
	f->ops->release(f);
}
