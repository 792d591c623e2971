/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#define _GNU_SOURCE	1
#include "cli/child.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is not ours to pass on: faults of our own, and job control, which meets the whole group. */
static const int left_alone[] = {
	SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, SIGTSTP, SIGTTIN, SIGTTOU,
	SIGCONT,
};

/* What the terminal says it says to the child too. */
static bool is_for_us_alone(const siginfo_t *info, pid_t child)
{
	bool from_kernel = info->si_code == SI_KERNEL;

	switch (info->si_signo) {
	case SIGINT:
	case SIGQUIT:
	case SIGHUP:
	case SIGWINCH:
		return !from_kernel && info->si_pid != child;
	default:
		return from_kernel || info->si_pid != child;
	}
}

static void pass_on_until_end(pid_t child, const sigset_t *held, int *status)
{
	siginfo_t info;

	for (;;) {
		if (sigwaitinfo(held, &info) < 0)
			continue;
		if (info.si_signo == SIGCHLD) {
			if (waitpid(child, status, WNOHANG) == child)
				return;
		} else if (is_for_us_alone(&info, child)) {
			kill(child, info.si_signo);
		}
	}
}

int child_run(int *status)
{
	struct sigaction plain = { .sa_handler = SIG_DFL }, chld;
	sigset_t held, before;
	pid_t me = getpid(), child;

	sigfillset(&held);
	for (size_t i = 0; i < ARRAY_SIZE(left_alone); i++)
		sigdelset(&held, left_alone[i]);
	sigprocmask(SIG_BLOCK, &held, &before);
	sigaction(SIGCHLD, &plain, &chld);	/* ignored, children would leave no status */
	child = fork();
	if (child < 0) {
		int err = errno;

		sigaction(SIGCHLD, &chld, NULL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		return -err;
	}
	if (!child) {
		sigaction(SIGCHLD, &chld, NULL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != me)
			raise(SIGKILL);
		return 0;
	}
	pass_on_until_end(child, &held, status);
	return 1;
}

int child_die_as(int status)
{
	struct rlimit none = { 0, 0 };
	int sig = WTERMSIG(status);
	sigset_t only;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &none);		/* the child has left one */
	signal(sig, SIG_DFL);
	sigemptyset(&only);
	sigaddset(&only, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
	return 128 + sig;
}
