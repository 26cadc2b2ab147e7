// /proc/net/unix: a line for each socket, found by its inode.
#include "check.h"
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char text[1 << 20];

static void slurp(const char *path)
{
	size_t n = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	CHECK_EQ(got, 0);
	text[n] = 0;
	close(fd);
}

/* What it says of descriptor fd, its number and count of references left out; `name` as it ends. */
static bool show(const char *what, int fd, const char *name)
{
	unsigned refs, protocol, flags, type, state;
	unsigned long inode;
	struct stat st;
	char *p, *end;
	int at;

	CHECK_EQ(fstat(fd, &st), 0);
	slurp("/proc/net/unix");
	for (p = strchr(text, '\n') + 1; *p; p = end + 1) {
		end = strchr(p, '\n');
		CHECK(end != NULL);
		*end = 0;
		CHECK_EQ(sscanf(p, "%*[0-9a-f]: %X %X %X %X %X %lu%n", &refs, &protocol, &flags,
				&type, &state, &inode, &at),
			 6);
		if (inode != st.st_ino)
			continue;
		CHECK(refs > 0);
		say("%s: protocol %X flags %X type %X state %X%s\n", what, protocol, flags, type,
		    state, strcmp(p + at, name) ? " another name" : "");
		return true;
	}
	say("%s: none\n", what);
	return false;
}

static int make(int type, const char *name, size_t len)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, type, 0);

	CHECK(s >= 0);
	memcpy(un.sun_path, name, len);
	if (len)
		CHECK_EQ(bind(s, (struct sockaddr *)&un, (socklen_t)(sizeof(un.sun_family) + len)),
			 0);
	return s;
}

int main(void)
{
	const char *dir = temp_dir();
	char name[160], path[160], abstract[64];
	struct sockaddr_un un;
	socklen_t len = sizeof(un);
	int sv[2], s, c, a, d;

	slurp("/proc/self/net/unix");
	say("%.*s\n", (int)strcspn(text, "\n"), text);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	show("pair", sv[0], "");
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(name, sizeof(name), " %s", path);
	s = make(SOCK_STREAM, path, strlen(path) + 1);
	show("bound", s, name);
	CHECK_EQ(listen(s, 1), 0);
	show("listening", s, name);
	CHECK_EQ(getsockname(s, (struct sockaddr *)&un, &len), 0);
	c = make(SOCK_STREAM, "", 0);
	show("fresh", c, "");
	CHECK_EQ(connect(c, (struct sockaddr *)&un, len), 0);
	show("connected", c, "");
	a = accept(s, NULL, NULL);
	show("accepted", a, name);

	snprintf(abstract, sizeof(abstract), "xguest-test %d", getpid());
	snprintf(name, sizeof(name), " @guest-test %d@", getpid());
	abstract[0] = 0;
	d = make(SOCK_DGRAM, abstract, strlen(abstract + 1) + 2);
	show("abstract datagram", d, name);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
