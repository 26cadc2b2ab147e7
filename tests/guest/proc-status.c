// What /proc/PID/status says of signals, privileges and CPUs; a directory /proc/PID as a pidfd.
#include "check.h"
#include <sched.h>
#include <sys/prctl.h>

static char text[8192];

static const char *field(const char *name)
{
	static char value[128];
	char line[64], *p;
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	CHECK(n > 0);
	text[n] = 0;
	close(fd);
	snprintf(line, sizeof(line), "\n%s:\t", name);
	p = strstr(text, line);
	CHECK(p != NULL);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(p + strlen(line), "\n"),
		 p + strlen(line));
	return value;
}

static unsigned long long mask(const char *name)
{
	return strtoull(field(name), NULL, 16);
}

static void handler(int sig)
{
	say("signal %d\n", sig);
}

int main(void)
{
	static const char *const fields[] = {"SigPnd", "ShdPnd", "SigBlk",
					     "SigIgn", "SigCgt", "NoNewPrivs"};
	cpu_set_t set;
	sigset_t block;
	char list[64];
	int fd, cpu;

	/* Who started us may ignore some, those included that the C library keeps for itself. */
	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, &(char[32]){0}, NULL, 8);
	signal(SIGUSR1, handler);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, NULL);
	CHECK_EQ(raise(SIGTERM), 0); /* to the thread */
	CHECK_EQ(kill(getpid(), SIGHUP), 0);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		say("%s %s\n", fields[i], field(fields[i]));
	CHECK_EQ(mask("SigPnd"), 1ULL << (SIGTERM - 1));
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	say("NoNewPrivs %s Seccomp %s\n", field("NoNewPrivs"), field("Seccomp"));
	CHECK(strchr(field("SigQ"), '/') != NULL);

	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	for (cpu = 0; !CPU_ISSET(cpu, &set); cpu++)
		;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
	snprintf(list, sizeof(list), "%d", cpu);
	CHECK(strcmp(field("Cpus_allowed_list"), list) == 0);
	CHECK_EQ(mask("Cpus_allowed"), 1ULL << cpu);

	fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0), 0);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0), EINVAL);
	close(fd);
	fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0), EBADF);
	close(fd);
	fd = open("/", O_RDONLY | O_DIRECTORY);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0), EBADF);
	return 0;
}
