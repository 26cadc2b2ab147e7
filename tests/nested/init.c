/*
 * PID 1 of the nested machine: the only program in the initramfs that the
 * runner brings itself. It mounts what a program expects, loads the modules
 * that the runner chose, runs one command, carries the command's output to the
 * host and ends the machine.
 *
 * The runner and this file talk through
 *  - /.nested/job, a list of NUL-terminated "key=value" strings in the
 *    initramfs: mod= (module file to load), opt= (the same, and it may fail),
 *    dir= (directory to make), env=, cwd=, arg= (argv, in order), stdin=1,
 *    get= (a file that the host wants at the end);
 *  - virtio-serial ports, found by name: nested.out and nested.err carry the
 *    command's output, nested.in its input, nested.get0, get1 ... the files of
 *    get=, nested.ctl one line per event ("ready MS", "got N BYTES" for a file
 *    that was sent whole, "sent OUT ERR", how many bytes of output there were,
 *    "exit STATUS MS", "error WHAT: WHY"; MS is the time since the kernel
 *    started, in milliseconds).
 *
 * A write to a port returns when the data are in its queue; what is there when the
 * machine ends is lost. So the host ends it, when it has as much as was sent (carry.c).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOB_FILE     "/.nested/job"
#define PORT_CLASS   "/sys/class/virtio-ports"
#define PORT_WAIT_MS 20000
#define KVM_WAIT_MS  2000
#define CHUNK        32768 /* the most that one write to a port takes */
#define STRINGS_MAX  4096
#define GETS_MAX     20

/* One direction of one stream between the command and the host. */
struct stream {
	int from;
	int to;
	size_t have;
	size_t done;
	unsigned long long sent; /* to the host */
	char buf[CHUNK];
};

struct job {
	char *argv[STRINGS_MAX];
	char *envp[STRINGS_MAX];
	char *gets[GETS_MAX];
	size_t argc;
	size_t envc;
	size_t getc;
	const char *cwd;
	bool want_stdin;
};

static struct job job;
static struct stream out_stream, err_stream, in_stream;
static int ctl_fd = -1;

static long uptime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, (ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

/*
 * A port whose reader went away fails; the machine runs on without it. Returns how much was
 * written.
 */
static size_t write_all(int fd, const char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/* Sends one event line; before the port exists it goes to the console. */
__attribute__((format(printf, 1, 2))) static void ctl_send(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (ctl_fd >= 0) {
		write_all(ctl_fd, line, (size_t)n);
	} else {
		write_all(STDERR_FILENO, "nested-init: ", 13);
		write_all(STDERR_FILENO, line, (size_t)n);
	}
}

/* QEMU runs with -no-reboot: a restart is the quickest way to make it exit. */
__attribute__((noreturn)) static void machine_end(void)
{
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	char why[900];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	ctl_send("error %s", why);
	machine_end();
}

static void make_dirs(const char *path)
{
	char copy[4096];
	char *slash;

	snprintf(copy, sizeof(copy), "%s", path);
	for (slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(copy, 0755);
		*slash = '/';
	}
	mkdir(copy, 0755);
}

static void mount_at(const char *type, const char *dir, unsigned long flags, const char *data)
{
	mkdir(dir, 0755);
	if (mount(type, dir, type, flags, data) < 0 && errno != EBUSY)
		die("mount: %s on %s: %s", type, dir, strerror(errno));
}

static void mount_all(void)
{
	mount_at("devtmpfs", "/dev", MS_NOSUID, "mode=0755");
	mount_at("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_at("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666");
	mount_at("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755");
	/* /tmp stays a directory of the root (a tmpfs too): it may hold added files. */
	mkdir("/tmp", 01777);
	chmod("/tmp", 01777);
	if (symlink("/proc/self/fd", "/dev/fd") < 0 ||
	    symlink("/proc/self/fd/0", "/dev/stdin") < 0 ||
	    symlink("/proc/self/fd/1", "/dev/stdout") < 0 ||
	    symlink("/proc/self/fd/2", "/dev/stderr") < 0)
		ctl_send("warning /dev: %s", strerror(errno));
}

/* A program that talks to itself over 127.0.0.1 needs no more than this. */
static void loopback_up(void)
{
	struct ifreq req;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	memset(&req, 0, sizeof(req));
	strcpy(req.ifr_name, "lo");
	req.ifr_flags = IFF_UP | IFF_RUNNING;
	ioctl(fd, SIOCSIFFLAGS, &req);
	close(fd);
}

static void module_load(const char *path, bool must)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long rc = -1;

	if (fd >= 0) {
		rc = syscall(SYS_finit_module, fd, "", 0);
		if (rc < 0 && errno == EEXIST)
			rc = 0;
	}
	if (rc < 0 && must)
		die("module: %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	unlink(path); /* the file is memory of this machine */
}

static void job_entry(char *entry)
{
	char *value = strchr(entry, '=');

	if (!value)
		die("job: entry without a value: %s", entry);
	*value++ = '\0';
	if (strcmp(entry, "mod") == 0)
		module_load(value, true);
	else if (strcmp(entry, "opt") == 0)
		module_load(value, false);
	else if (strcmp(entry, "dir") == 0)
		make_dirs(value);
	else if (strcmp(entry, "cwd") == 0)
		job.cwd = value;
	else if (strcmp(entry, "stdin") == 0)
		job.want_stdin = true;
	else if (strcmp(entry, "env") == 0 && job.envc < STRINGS_MAX - 1)
		job.envp[job.envc++] = value;
	else if (strcmp(entry, "arg") == 0 && job.argc < STRINGS_MAX - 1)
		job.argv[job.argc++] = value;
	else if (strcmp(entry, "get") == 0 && job.getc < GETS_MAX)
		job.gets[job.getc++] = value;
	else
		die("job: cannot take the entry %s=%s", entry, value);
}

/* The text stays allocated for the life of the machine: job points into it. */
static void job_read(void)
{
	struct stat st;
	size_t have = 0, at, next;
	char *text;
	int fd = open(JOB_FILE, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		die("job: %s: %s", JOB_FILE, strerror(errno));
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		die("job: no memory");
	while (have < (size_t)st.st_size) {
		ssize_t n = read(fd, text + have, (size_t)st.st_size - have);

		if (n <= 0)
			die("job: short read of %s", JOB_FILE);
		have += (size_t)n;
	}
	close(fd);
	text[have] = '\0';
	for (at = 0; at < have; at = next) {
		next = at + strlen(text + at) + 1; /* job_entry cuts the entry at its '=' */
		job_entry(text + at);
	}
	unlink(JOB_FILE);
	if (job.argc == 0)
		die("job: no command");
}

/* Opens the port that the runner gave this name; -1 if it is not there (yet). */
static int port_open(const char *name, int flags)
{
	DIR *dir = opendir(PORT_CLASS);
	struct dirent *ent;
	int found = -1;

	while (dir && found < 0 && (ent = readdir(dir)) != NULL) {
		char path[600], have[64];
		ssize_t n;
		int fd;

		if (ent->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), PORT_CLASS "/%s/name", ent->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, have, sizeof(have) - 1);
		close(fd);
		if (n <= 0)
			continue;
		have[n] = '\0';
		have[strcspn(have, "\n")] = '\0';
		if (strcmp(have, name) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", ent->d_name);
		found = open(path, flags | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The ports appear a little after their driver is loaded. */
static int port_wait(const char *name, int flags)
{
	long end = uptime_ms() + PORT_WAIT_MS;
	int fd;

	while ((fd = port_open(name, flags)) < 0) {
		if (uptime_ms() > end)
			die("port: %s did not appear: the kernel needs a virtio console: "
			    "give its modules with --modules",
			    name);
		sleep_ms(2);
	}
	return fd;
}

/*
 * A read from a port whose other side is not open yet returns 0, as at the end
 * of the input. The host sends one byte ahead: once it is here, 0 is the end.
 */
static void input_wait(void)
{
	long end = uptime_ms() + PORT_WAIT_MS;
	char first;

	while (read(in_stream.from, &first, 1) != 1) {
		if (uptime_ms() > end)
			die("port: nested.in was not opened by the host");
		sleep_ms(2);
	}
}

static void kvm_wait(void)
{
	long end = uptime_ms() + KVM_WAIT_MS;

	while (access("/dev/kvm", R_OK | W_OK) < 0) {
		if (uptime_ms() > end)
			die("kvm: no /dev/kvm in the machine: its processor or its kernel has no "
			    "KVM");
		sleep_ms(2);
	}
	chmod("/dev/kvm", 0666);
}

static void pipe_make(int fds[2], int our_end)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		die("pipe: %s", strerror(errno));
	if (fcntl(fds[our_end], F_SETFL, O_NONBLOCK) < 0)
		die("pipe: %s", strerror(errno));
}

__attribute__((noreturn)) static void command_exec(int in, int out, int err)
{
	sigset_t none;
	int why;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	setsid();
	if (chdir(job.cwd ? job.cwd : "/") < 0 && chdir("/") < 0)
		_exit(126);
	for (size_t i = 0; i < job.envc; i++)
		if (strncmp(job.envp[i], "PATH=", 5) == 0)
			putenv(job.envp[i]); /* execvpe looks in the caller's PATH */
	execvpe(job.argv[0], job.argv, job.envp);
	why = errno;
	dprintf(STDERR_FILENO, "nested: %s: %s\n", job.argv[0], strerror(why));
	_exit(why == ENOENT ? 127 : 126);
}

static pid_t command_start(void)
{
	int out[2], err[2], in[2] = {-1, -1};
	pid_t pid;

	pipe_make(out, 0);
	pipe_make(err, 0);
	if (job.want_stdin)
		pipe_make(in, 1);
	else
		in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0)
		command_exec(in[0], out[1], err[1]);
	close(out[1]);
	close(err[1]);
	close(in[0]);
	out_stream.from = out[0];
	err_stream.from = err[0];
	in_stream.to = in[1];
	return pid;
}

/* Takes one chunk of output to the host. False when there is none now. */
static bool output_pump(struct stream *s)
{
	ssize_t n;

	if (s->from < 0)
		return false;
	n = read(s->from, s->buf, sizeof(s->buf));
	if (n < 0)
		return false;
	if (n == 0) {
		close(s->from);
		s->from = -1;
		return false;
	}
	s->sent += write_all(s->to, s->buf, (size_t)n);
	return true;
}

/* Closes the command's input: the host has no more, or the command reads none. */
static void input_close(void)
{
	close(in_stream.to);
	in_stream.to = -1;
}

static void input_pump(void)
{
	struct stream *s = &in_stream;
	ssize_t n;

	if (s->done == s->have) {
		/*
		 * The driver looks for data, then whether the host has closed its side; both may
		 * have come in between. What came before the end is there at the second look.
		 */
		n = read(s->from, s->buf, sizeof(s->buf));
		if (n == 0)
			n = read(s->from, s->buf, sizeof(s->buf));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			input_close();
			return;
		}
		s->have = (size_t)n;
		s->done = 0;
	}
	n = write(s->to, s->buf + s->done, s->have - s->done);
	if (n >= 0)
		s->done += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		input_close();
}

/* Reaps every dead process, orphans included. True when pid was among them. */
static bool command_reap(pid_t pid, int *status)
{
	bool ended = false;
	pid_t who;
	int st;

	while ((who = waitpid(-1, &st, WNOHANG)) > 0) {
		if (who == pid) {
			*status = st;
			ended = true;
		}
	}
	return ended;
}

static int command_wait(pid_t pid, int child_fd)
{
	enum { CHILD, OUT, ERR, IN, COUNT };
	int status = 0;

	for (;;) {
		bool in_full = in_stream.have > in_stream.done;
		struct pollfd fds[COUNT] = {
			[CHILD] = {.fd = child_fd, .events = POLLIN},
			[OUT] = {.fd = out_stream.from, .events = POLLIN},
			[ERR] = {.fd = err_stream.from, .events = POLLIN},
			[IN] = {.fd = in_full ? in_stream.to : in_stream.from,
				.events = in_full ? POLLOUT : POLLIN},
		};
		struct signalfd_siginfo info;

		if (in_stream.to < 0)
			fds[IN].fd = -1;
		if (poll(fds, COUNT, -1) < 0)
			continue;
		if (fds[OUT].revents)
			output_pump(&out_stream);
		if (fds[ERR].revents)
			output_pump(&err_stream);
		if (fds[IN].revents)
			input_pump();
		if (!fds[CHILD].revents)
			continue;
		if (read(child_fd, &info, sizeof(info)) < 0)
			continue;
		if (command_reap(pid, &status))
			break;
	}
	/* What the command wrote is in the pipes; a left-over process is not waited for. */
	while (output_pump(&out_stream) || output_pump(&err_stream))
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Sends the files that the host wants, each through a port of its own. */
static void files_send(void)
{
	for (size_t i = 0; i < job.getc; i++) {
		struct stream s = {.to = -1};
		char name[32];

		s.from = open(job.gets[i], O_RDONLY | O_CLOEXEC);
		if (s.from < 0)
			continue;
		snprintf(name, sizeof(name), "nested.get%zu", i);
		s.to = port_wait(name, O_WRONLY);
		while (output_pump(&s))
			;
		if (s.from < 0)
			ctl_send("got %zu %llu", i, s.sent);
	}
}

int main(void)
{
	sigset_t child;
	int child_fd, status;
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	umask(0);
	mount_all();
	umask(022);
	sethostname("nested", 6);
	loopback_up();
	in_stream.to = -1;
	job_read();

	ctl_fd = port_wait("nested.ctl", O_WRONLY);
	out_stream.to = port_wait("nested.out", O_WRONLY);
	err_stream.to = port_wait("nested.err", O_WRONLY);
	in_stream.from = -1;
	if (job.want_stdin) {
		in_stream.from = port_wait("nested.in", O_RDONLY | O_NONBLOCK);
		input_wait();
	}
	kvm_wait();

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	child_fd = signalfd(-1, &child, SFD_CLOEXEC);
	if (child_fd < 0)
		die("signalfd: %s", strerror(errno));
	ctl_send("ready %ld", uptime_ms());
	pid = command_start();
	status = command_wait(pid, child_fd);
	files_send();
	ctl_send("sent %llu %llu", out_stream.sent, err_stream.sent);
	ctl_send("exit %d %ld", status, uptime_ms());
	for (;;)
		pause(); /* the host ends the machine */
}
