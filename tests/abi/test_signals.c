/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_signals.c - KVM_SET_SIGNAL_MASK as VMMs use it without handlers: a
 * signal that is blocked outside of KVM_RUN and let in during it ends the run
 * and waits, whatever the kernel would do about it otherwise.
 *
 * usage: test_signals [--verbose]
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kicker.h"
#include "kvm_user.h"

static struct checks c;

extern const char spin[], halt[], spin_end[];
__asm__(".pushsection .rodata\n"
	"spin:	incq (%rdi); jmp spin\n"
	"halt:	hlt\n"
	"spin_end:\n"
	".popsection");

static struct flat_guest guest;

/* Nothing but @let_in gets through during KVM_RUN. */
static void let_in_only(int let_in)
{
	struct {
		__u32 len;
		__u8 set[8];
	} mask = { .len = 8 };
	uint64_t set = ~(1ull << (let_in - 1)) & ~(1ull << (SIGALRM - 1));

	memcpy(mask.set, &set, sizeof(set));
	need(!ioctl(guest.vcpu, KVM_SET_SIGNAL_MASK, &mask), "KVM_SET_SIGNAL_MASK");
}

static void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	need(!pthread_sigmask(how, &set, NULL), "pthread_sigmask");
}

static bool is_pending(int sig)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, sig);
}

static void *pending_elsewhere(void *sig)
{
	return is_pending((int)(intptr_t)sig) ? sig : NULL;
}

/* As seen by another thread: of the whole process. */
static bool is_pending_for_all(int sig)
{
	pthread_t thread;
	void *r;

	need(!pthread_create(&thread, NULL, pending_elsewhere, (void *)(intptr_t)sig), "pthread_create");
	pthread_join(thread, &r);
	return r;
}

static siginfo_t taken(int sig)
{
	const struct timespec now = { 0 };
	siginfo_t info = { .si_signo = 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigtimedwait(&set, &info, &now);
	return info;
}

static void *later(void *sig)
{
	usleep(20000);
	kill(getpid(), (int)(intptr_t)sig);
	return NULL;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* A signal that has no handler: it would end the program. */
static void without_handler(int sig)
{
	union sigval value = { .sival_int = 77 };
	struct sigaction act;
	pthread_t thread;
	siginfo_t info;

	block(SIG_BLOCK, sig);
	let_in_only(sig);
	/* Already there. */
	need(!sigqueue(getpid(), sig, value), "sigqueue");
	check(&c, flat_guest_run(&guest) == -EINTR, "signal %d ends the run", sig);
	check(&c, is_pending_for_all(sig), "signal %d waits for the process", sig);
	check(&c, flat_guest_run(&guest) == -EINTR, "signal %d ends the next one, too", sig);
	check(&c, !sigaction(sig, NULL, &act) && act.sa_handler == SIG_DFL, "%d has no handler", sig);
	info = taken(sig);
	check(&c, info.si_signo == sig && info.si_code == SI_QUEUE && info.si_value.sival_int == 77,
	      "signal %d is what was sent: %d, code %d", sig, info.si_signo, info.si_code);
	check(&c, !is_pending(sig), "signal %d was there once", sig);
	/* Comes while the guest runs. */
	need(!pthread_create(&thread, NULL, later, (void *)(intptr_t)sig), "pthread_create");
	check(&c, flat_guest_run(&guest) == -EINTR, "signal %d ends a run that is on", sig);
	pthread_join(thread, NULL);
	check(&c, taken(sig).si_signo == sig, "signal %d waits", sig);
	/* To this thread alone. */
	pthread_kill(pthread_self(), sig);
	check(&c, flat_guest_run(&guest) == -EINTR, "signal %d to a thread", sig);
	check(&c, is_pending(sig) && !is_pending_for_all(sig), "waits for that thread");
	check(&c, taken(sig).si_code == SI_USER, "as libc says it was sent");
	block(SIG_UNBLOCK, sig);
}

/* One that the kernel ignores unless told otherwise ends nothing. */
static void ignored(int sig)
{
	const volatile uint64_t *count = (volatile uint64_t *)(guest.low + GUEST_FREE);

	block(SIG_BLOCK, sig);
	let_in_only(sig);
	alarms = 0;
	raise(sig);
	check(&c, kicked_run(&guest, SIGALRM, count) == -EINTR, "the alarm ends the run");
	usleep(1);
	check(&c, alarms == 1, "signal %d does not", sig);
	taken(sig);
	block(SIG_UNBLOCK, sig);
}

/* What ended runs ends the program where it is not blocked. */
static void still_ends_the_program(int sig)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		raise(sig);
		_exit(0);
	}
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	check(&c, WIFSIGNALED(status) && WTERMSIG(status) == sig, "signal %d ends a child: %#x", sig, status);
}

struct running {
	struct flat_guest *guest;
	int told;			/* a byte for each run that begins */
	long r;
	uint32_t reason;
};

static void *run_until_stopped(void *arg)
{
	struct running *run = arg;

	need(write(run->told, "r", 1) == 1, "pipe");
	run->r = flat_guest_run(run->guest);
	run->reason = run->guest->run->exit_reason;
	return NULL;
}

static void start_at(struct flat_guest *g, const char *entry)
{
	struct kvm_regs regs = flat_guest_regs(g, entry);

	regs.rdi = GUEST_FREE;
	flat_guest_set(g, &regs);
}

/* One spins, one sleeps in HLT, and one thread waits for what comes by a pipe. */
static int child_that_is_stopped(int told, int news)
{
	struct flat_guest spins, sleeps;
	struct running run[2] = { { &spins, told, 0, 0 }, { &sleeps, told, 0, 0 } };
	pthread_t thread[2];
	char byte;

	alarm(100);
	flat_guest_make(&spins, KVM_X86_DEFAULT_VM, false, spin, (size_t)(spin_end - spin));
	flat_guest_make(&sleeps, KVM_X86_DEFAULT_VM, true, spin, (size_t)(spin_end - spin));
	start_at(&spins, spin);
	start_at(&sleeps, halt);
	for (int i = 0; i < 2; i++)
		need(!pthread_create(&thread[i], NULL, run_until_stopped, &run[i]), "thread");
	if (read(news, &byte, 1) != 1)
		return 1;		/* that call goes on when the process does */
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		if (run[i].r != -EINTR || run[i].reason != KVM_EXIT_INTR)
			return 2 + i;
	}
	return 0;
}

/* True: it was, and goes on; false: it has ended, *@status says how. */
static bool stop_and_continue(pid_t pid, int *status)
{
	need(!kill(pid, SIGSTOP), "kill");
	need(waitpid(pid, status, WUNTRACED) == pid, "waitpid");
	if (!WIFSTOPPED(*status))
		return false;
	check(&c, WSTOPSIG(*status) == SIGSTOP, "SIGSTOP stops it: %#x", *status);
	need(!kill(pid, SIGCONT), "kill");
	return true;
}

/*
 * The process is stopped and goes on: no KVM_RUN is begun again.  It is stopped
 * until it ends, for a stop may come before a run has begun.
 */
static void stopped(void)
{
	int told[2], news[2], status;
	char byte[2];
	pid_t pid;

	need(!pipe(told) && !pipe(news), "pipe");
	pid = fork();
	if (!pid)
		_exit(child_that_is_stopped(told[1], news[0]));
	need(read(told[0], byte, 1) == 1 && read(told[0], byte, 1) == 1, "the runs");
	usleep(20000);
	if (stop_and_continue(pid, &status)) {
		need(write(news[1], "n", 1) == 1, "pipe");
		do {
			usleep(50000);
		} while (stop_and_continue(pid, &status));
	}
	check(&c, WIFEXITED(status) && !WEXITSTATUS(status),
	      "a stop ends every KVM_RUN and no read: %#x", status);
	for (int i = 0; i < 2; i++) {
		close(told[i]);
		close(news[i]);
	}
}

int main(int argc, char **argv)
{
	const struct sigaction act = { .sa_handler = on_alarm };

	(void)argv;
	c.verbose = argc > 1;
	stopped();
	sigaction(SIGALRM, &act, NULL);
	flat_guest_make(&guest, KVM_X86_DEFAULT_VM, false, spin, (size_t)(spin_end - spin));
	start_at(&guest, spin);
	without_handler(SIGUSR2);
	without_handler(SIGRTMIN + 3);
	without_handler(SIGTERM);
	ignored(SIGCHLD);
	ignored(SIGWINCH);
	still_ends_the_program(SIGUSR2);
	still_ends_the_program(SIGTERM);
	flat_guest_free(&guest);
	return checks_end(&c);
}
