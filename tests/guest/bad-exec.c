// execve of broken images inside the guest: refused with the host's errno, or the new program is
// killed; the caller, where it was refused, and everybody else live on.
#include "check.h"
#include "badelf.h"

/* Where kernels differ, or the answer depends on how much memory there is: any death or any
 * refusal will do, as long as the image does not run. */
static bool any_end(const char *name)
{
	return strcmp(name, "memsz-terabyte") == 0 || strcmp(name, "vaddr-zero") == 0 ||
	       strcmp(name, "interp-beyond") == 0;
}

/* Linux looks at neither field; to refuse such an image is right too. */
static bool either_way(const char *name)
{
	return strcmp(name, "class32") == 0 || strcmp(name, "big-endian") == 0;
}

int main(void)
{
	static unsigned char buf[BADELF_MAX];
	const char *dir = temp_dir();

	for (size_t i = 0; i < sizeof(badelf_names) / sizeof(badelf_names[0]); i++) {
		const char *name = badelf_names[i], *path = temp_path(dir, name);
		size_t len = badelf_make(name, buf);
		int status, err[2], failed = 0;
		pid_t pid;

		write_file(path, buf, len, 0755);
		CHECK_EQ(pipe2(err, O_CLOEXEC), 0);
		pid = fork_ok();
		if (pid == 0) {
			execl(path, path, (char *)NULL);
			failed = errno;
			CHECK_EQ(write(err[1], &failed, sizeof(failed)), sizeof(failed));
			_exit(127);
		}
		close(err[1]);
		(void)!read(err[0], &failed, sizeof(failed));
		close(err[0]);
		status = reap(pid);
		if (either_way(name))
			say("%s: either way\n", name);
		else if (any_end(name))
			say("%s: %s\n", name, status ? "ended" : "ran");
		else if (failed)
			say("%s: errno %d\n", name, failed);
		else
			say("%s: %s\n", name, status_text(status));
		CHECK_EQ(unlink(path), 0);
	}
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
