/*
 * The runner's other half on the host: runs the machine and carries its output.
 * usage: carry WORK NGETS PROGRAM ARGS...
 *
 * PROGRAM writes into three FIFOs, WORK/out.port, WORK/err.port and WORK/ctl.port. The first two go
 * to standard output and standard error, the third to the file WORK/ctl; PROGRAM's own output to
 * WORK/qemu.log. It ends PROGRAM when the machine has said "exit", and as many bytes as the machine
 * has sent are here: the machine cannot know that. Its writes return when the bytes are in a queue,
 * and QEMU forgets the queue when the machine ends.
 *
 * Exit status: PROGRAM's; 128 + N if signal N ended it; 125 with a message. When nobody reads
 * standard output any more the parent gets SIGPIPE, and the rest is thrown away. PROGRAM dies
 * with this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GETS_MAX   20
#define RECHECK_MS 10

enum { OUT, ERR, CTL, PORTS };

struct port {
	int from;
	int to; /* -1: thrown away */
	unsigned long long have;
	unsigned long long want; /* once ended */
};

static struct port ports[PORTS];
static const char *work;
static unsigned long long gets_want[GETS_MAX];
static unsigned gets;
static bool ended; /* the machine has said how much there is */

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "nested: %s: %s\n", what, strerror(errno));
	exit(125);
}

static int open_at(const char *name, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", work, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path);
	return fd;
}

/* One line of the machine's: the ones that say how much there is. */
static void event(const char *line)
{
	unsigned long long a, b;

	if (sscanf(line, "sent %llu %llu", &a, &b) == 2) {
		ports[OUT].want = a;
		ports[ERR].want = b;
	} else if (sscanf(line, "got %llu %llu", &a, &b) == 2 && a < gets) {
		gets_want[a] = b;
	} else if (strncmp(line, "exit ", 5) == 0) {
		ended = true;
	}
}

static void events(const char *buf, size_t len)
{
	static char line[1100];
	static size_t at;

	for (size_t i = 0; i < len; i++) {
		if (buf[i] != '\n') {
			if (at < sizeof(line) - 1)
				line[at++] = buf[i];
			continue;
		}
		line[at] = '\0';
		at = 0;
		event(line);
	}
}

static void deliver(struct port *p, const char *buf, size_t len)
{
	while (len > 0 && p->to >= 0) {
		ssize_t n = write(p->to, buf, len);

		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			struct pollfd room = {.fd = p->to, .events = POLLOUT};

			poll(&room, 1, -1); /* a terminal or a pipe that somebody else made so */
		} else if (n < 0 && errno != EINTR) {
			p->to = -1;
			if (p == &ports[OUT])
				kill(getppid(), SIGPIPE);
		}
	}
}

/* Takes what is there from one port. False: nothing now. */
static bool pump(struct port *p)
{
	static char buf[65536];
	ssize_t n = read(p->from, buf, sizeof(buf));

	if (n <= 0)
		return false;
	p->have += (unsigned long long)n;
	deliver(p, buf, (size_t)n);
	if (p == &ports[CTL])
		events(buf, (size_t)n);
	return true;
}

static bool all_here(void)
{
	if (!ended || ports[OUT].have < ports[OUT].want || ports[ERR].have < ports[ERR].want)
		return false;
	for (unsigned i = 0; i < gets; i++) {
		char path[4096];
		struct stat st;

		snprintf(path, sizeof(path), "%s/get%u", work, i);
		if (gets_want[i] > 0 &&
		    (stat(path, &st) < 0 || (unsigned long long)st.st_size < gets_want[i]))
			return false;
	}
	return true;
}

static pid_t machine_start(char **argv)
{
	int log = open_at("qemu.log", O_WRONLY | O_CREAT | O_TRUNC);
	pid_t parent = getpid(), pid = fork();
	sigset_t none;

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(125);
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(log);
	/* The machine's input is its own: who feeds it must see when it has gone. */
	close(STDIN_FILENO);
	return pid;
}

int main(int argc, char **argv)
{
	static const char *const names[PORTS] = {"out.port", "err.port", "ctl.port"};
	struct pollfd fds[PORTS + 1];
	sigset_t child;
	int status;
	pid_t pid;

	if (argc < 4 || (gets = (unsigned)atoi(argv[2])) > GETS_MAX) {
		fprintf(stderr, "usage: carry WORK NGETS PROGRAM ARGS...\n");
		return 125;
	}
	work = argv[1];
	signal(SIGPIPE, SIG_IGN);
	/* Open for writing, too: no end of file while the machine has not opened its side. */
	for (int i = 0; i < PORTS; i++)
		ports[i].from = open_at(names[i], O_RDWR | O_NONBLOCK);
	ports[OUT].to = STDOUT_FILENO;
	ports[ERR].to = STDERR_FILENO;
	ports[CTL].to = open_at("ctl", O_WRONLY | O_CREAT | O_TRUNC);

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	fds[PORTS].fd = signalfd(-1, &child, SFD_CLOEXEC);
	if (fds[PORTS].fd < 0)
		die("signalfd");
	fds[PORTS].events = POLLIN;
	for (int i = 0; i < PORTS; i++)
		fds[i] = (struct pollfd){.fd = ports[i].from, .events = POLLIN};

	pid = machine_start(argv + 3);
	for (;;) {
		if (poll(fds, PORTS + 1, ended ? RECHECK_MS : -1) < 0)
			continue;
		for (int i = 0; i < PORTS; i++)
			if (fds[i].revents)
				pump(&ports[i]);
		if (fds[PORTS].revents && waitpid(pid, &status, WNOHANG) == pid)
			break;
		if (all_here()) {
			kill(pid, SIGTERM);
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
			break;
		}
	}
	for (int i = 0; i < PORTS; i++)
		while (pump(&ports[i]))
			;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
