// What changes a file's data or owner takes set-id bits away: all of them from who may not give
// them (CAP_FSETID), but set-group-id without group execution, which is no such bit; none from a
// capable writer, though chown(2) takes them from everybody.
#include "check.h"
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <stdint.h>
#include <sys/uio.h>

static int fd, other;

static void mode_is(const char *what)
{
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	say(" %s %o", what, st.st_mode & 07777);
}

static void round_of(const char *who, mode_t mode)
{
	struct iovec iov = {(void *)(uintptr_t) "x", 1};
	off_t off = 0;
	char *p;

#define TRY(what, call)                                                                            \
	do {                                                                                       \
		CHECK_EQ(fchmod(fd, mode), 0);                                                     \
		(void)!(call);                                                                     \
		mode_is(what);                                                                     \
	} while (0)
	say("%s %o:", who, mode);
	TRY("nothing written", write(fd, "x", 0));
	TRY("bad pointer", write(fd, (void *)8, 1));
	TRY("write", write(fd, "x", 1));
	TRY("pwritev", pwritev(fd, &iov, 1, 0));
	TRY("sendfile", sendfile(fd, other, &off, 1));
	off = 0;
	TRY("copy_file_range", copy_file_range(other, &off, fd, NULL, 1, 0));
	TRY("same size", ftruncate(fd, 1));
	TRY("ftruncate", ftruncate(fd, 10));
	TRY("truncate", truncate("f", 3));
	TRY("O_TRUNC", close(open("f", O_RDWR | O_TRUNC)));
	TRY("fallocate", fallocate(fd, 0, 0, 100));
	TRY("chown to nobody", fchown(fd, (uid_t)-1, (gid_t)-1));
	TRY("chown", fchown(fd, geteuid(), getegid()));
	CHECK_EQ(fchmod(fd, mode), 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	*p = 'm';
	CHECK_EQ(munmap(p, 4096), 0);
	mode_is("mapping");
	say("\n");
}

static void rounds(const char *who)
{
	static const mode_t modes[] = {06755, 04755, 02755, 02745, 06745, 0755};

	fd = open("f", O_RDWR | O_CREAT, 0644);
	other = open("other", O_RDWR | O_CREAT, 0644);
	CHECK(fd >= 0 && other >= 0);
	CHECK_EQ(write(other, "abc", 3), 3);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		round_of(who, modes[i]);
	CHECK_EQ(unlink("f"), 0);
	CHECK_EQ(unlink("other"), 0);
	close(fd);
	close(other);
}

static void as_user(void *arg)
{
	CHECK_EQ(setgid(1000), 0);
	CHECK_EQ(setuid(1000), 0);
	rounds(arg);
}

int main(void)
{
	CHECK_EQ(chdir(temp_dir()), 0);
	CHECK_EQ(chmod(".", 0777), 0);
	rounds("me");
	if (geteuid() == 0)
		say("%s\n", status_text(run_child(as_user, (void *)(uintptr_t) "user")));
	return 0;
}
