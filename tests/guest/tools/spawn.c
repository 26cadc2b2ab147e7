/*
 * Runs one program for tests/run-guest: in a session of its own, with default signals, no
 * descriptors but 0, 1 and 2, a time limit, and every process that it leaves behind killed.
 *
 *	spawn [-t SECONDS] [-i STDIN] [-o STDOUT] [-e STDERR] [-c] PROGRAM [ARGS...]
 *
 * -c gives the program the clean environment that vmbox gives a guest. The exit status is the
 * program's, 128+N if signal N killed it, 124 if the time was up, 125 for an error of ours.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static void redirect(const char *path, int flags, int fd)
{
	int from = open(path, flags, 0644);

	if (from < 0)
		die(path);
	if (from != fd) {
		dup2(from, fd);
		close(from);
	}
}

/* Kills every process whose parent we are or have become (we are a subreaper). Processes come
 * in generations: killing one may hand us its children. */
static void kill_strays(void)
{
	char path[300], line[512];
	struct dirent *entry;
	int found;

	do {
		DIR *proc = opendir("/proc");

		found = 0;
		if (!proc)
			break;
		while ((entry = readdir(proc))) {
			int pid = atoi(entry->d_name), parent = 0;
			const char *after;
			FILE *stat;

			if (pid <= 0)
				continue;
			snprintf(path, sizeof(path), "/proc/%d/stat", pid);
			stat = fopen(path, "re");
			if (!stat)
				continue;
			after = fgets(line, sizeof(line), stat) ? strrchr(line, ')') : NULL;
			fclose(stat);
			if (after && sscanf(after + 1, " %*c %d", &parent) == 1 &&
			    parent == getpid()) {
				kill(pid, SIGKILL);
				found = 1;
			}
		}
		closedir(proc);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (found)
			nanosleep(&(struct timespec){0, 2000000}, NULL);
	} while (found);
}

int main(int argc, char **argv)
{
	const char *in = NULL, *out = NULL, *err = NULL;
	struct timespec limit = {60, 0};
	int opt, clean_env = 0, status, result, signo;
	sigset_t set;
	pid_t pid;

	while ((opt = getopt(argc, argv, "+t:i:o:e:c")) != -1) {
		switch (opt) {
		case 't':
			limit.tv_sec = atoi(optarg);
			break;
		case 'i':
			in = optarg;
			break;
		case 'o':
			out = optarg;
			break;
		case 'e':
			err = optarg;
			break;
		case 'c':
			clean_env = 1;
			break;
		default:
			return 125;
		}
	}
	if (optind == argc) {
		fprintf(stderr, "spawn: no program given\n");
		return 125;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);

	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		sigset_t none;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setsid();
		for (int n = 1; n < 65; n++)
			signal(n, SIG_DFL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (in)
			redirect(in, O_RDONLY, 0);
		if (err)
			redirect(err, O_WRONLY | O_CREAT | O_TRUNC, 2);
		if (out)
			redirect(out, O_WRONLY | O_CREAT | O_TRUNC, 1);
		for (int fd = 3; fd < 256; fd++)
			close(fd);
		if (clean_env) {
			clearenv();
			setenv("PATH",
			       "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
			setenv("HOME", "/", 1);
			setenv("LANG", "C.UTF-8", 1);
		}
		execvp(argv[optind], argv + optind);
		fprintf(stderr, "spawn: %s: %s\n", argv[optind], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}

	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end.tv_sec = now.tv_sec + limit.tv_sec;
	result = -1;
	while (result < 0) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid) {
			result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			break;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end.tv_sec) {
			result = 124;
			break;
		}
		limit.tv_sec = end.tv_sec - now.tv_sec;
		signo = sigtimedwait(&set, NULL, &limit);
		if (signo == SIGTERM || signo == SIGINT)
			result = 128 + signo;
	}
	kill_strays();
	return result;
}
