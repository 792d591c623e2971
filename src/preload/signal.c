/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * signal.c - the program's signal handlers, told apart from ours.
 *
 * The kernel calls on_signal() for every signal that the program catches, with
 * the program's own mask and flags, and for SIGSEGV, SIGBUS and SIGILL always.  Inside
 * one of our functions the signal is kept: all others are held back through
 * the interrupted context's mask, the vCPU is told, and on the way out the
 * signal is queued again as it was and let in.  So the handler runs once, on
 * the stack and under the mask that the program asked for, when nothing of
 * ours is half done.
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi/change.h"
#include "os/process.h"
#include "os/uaccess.h"
#include "preload/front.h"
#include "preload/own_cpuid.h"
#include "preload/real.h"

#define KERNEL_NSIG	64
#define BIT(sig)	(1ull << ((sig) - 1))
/* What an instruction raises: never held back, or the kernel ends the program. */
#define SYNCHRONOUS	(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE) | BIT(SIGTRAP))
#define OURS_ALWAYS	(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL))
#define KERNEL_FLAGS	(SA_RESTART | SA_ONSTACK | SA_NODEFER | SA_NOCLDSTOP | SA_NOCLDWAIT)

/*
 * What the program asked for, of signals whose handler is ours.  Written under
 * `writer` with all signals blocked; seq is odd meanwhile.
 */
static struct action {
	atomic32_t		seq;
	bool			ours;
	struct sigaction	act;
} actions[KERNEL_NSIG + 1];

static atomic32_t writer;

static bool is_function(sighandler_t h)
{
	return h != SIG_DFL && h != SIG_IGN && h != SIG_ERR && h != SIG_HOLD;
}

static bool always_ours(int sig)
{
	return OURS_ALWAYS & BIT(sig);
}

static void lock_actions(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	real()->pthread_sigmask(SIG_SETMASK, &all, saved);
	while (atomic32_xchg(&writer, 1))
		sync_relax();
}

static void unlock_actions(const sigset_t *saved)
{
	atomic32_store_release(&writer, 0);
	real()->pthread_sigmask(SIG_SETMASK, saved, NULL);
}

static struct sigaction read_action(int sig)
{
	struct action *a = &actions[sig];
	struct sigaction act;
	uint32_t seq;

	do {
		while ((seq = atomic32_load(&a->seq)) & 1)
			sync_relax();
		memcpy(&act, &a->act, sizeof(act));
		sync_fence();
	} while (atomic32_load(&a->seq) != seq);
	return act;
}

/* Writers only. */
static void write_action(int sig, const struct sigaction *act, bool ours)
{
	struct action *a = &actions[sig];

	atomic32_add(&a->seq, 1);
	a->act = *act;
	a->ours = ours;
	atomic32_add(&a->seq, 1);
}

static void on_signal(int sig, siginfo_t *info, void *ucontext);

void front_keep_open(sigset_t *mask)
{
	sigdelset(mask, SIGSEGV);
	sigdelset(mask, SIGBUS);
	sigdelset(mask, SIGILL);
}

static struct sigaction kernel_action(int sig, const struct sigaction *act)
{
	struct sigaction k = { .sa_sigaction = on_signal, .sa_mask = act->sa_mask };

	k.sa_flags = SA_SIGINFO | (act->sa_flags & KERNEL_FLAGS);
	front_keep_open(&k.sa_mask);
	if (always_ours(sig)) {
		k.sa_flags |= SA_NODEFER;
		if (!is_function(act->sa_handler))
			k.sa_flags |= SA_ONSTACK;
	}
	return k;
}

/* sigaction(2), -1 and errno as it has. */
static int set_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction before, wanted;
	sigset_t saved;
	int r = 0;

	if (sig < 1 || sig > KERNEL_NSIG || sig == SIGKILL || sig == SIGSTOP ||
	    (sig > SIGSYS && sig < SIGRTMIN))
		return real()->sigaction(sig, act, old);
	if (act)
		wanted = *act;
	lock_actions(&saved);
	before = actions[sig].act;
	if (!actions[sig].ours)
		r = real()->sigaction(sig, NULL, &before);
	if (!r && act && (always_ours(sig) || is_function(wanted.sa_handler))) {
		struct sigaction k = kernel_action(sig, &wanted);

		write_action(sig, &wanted, true);
		r = real()->sigaction(sig, &k, NULL);
	} else if (!r && act) {
		r = real()->sigaction(sig, &wanted, NULL);
		if (!r)
			write_action(sig, &wanted, false);
	}
	unlock_actions(&saved);
	if (!r && old)
		*old = before;
	return r;
}

/* Sends @info to this thread again, just as it came. */
static bool requeue(int sig, siginfo_t *info)
{
	return syscall(SYS_rt_tgsigqueueinfo, getpid(), os_tid(), sig, info) == 0;
}

/* To the process, as it came.  The kernel takes a kill(2) from its first thread only. */
static bool requeue_to_process(int sig, siginfo_t *info)
{
	return info->si_code != SI_TKILL &&
	       syscall(SYS_rt_sigqueueinfo, getpid(), sig, info) == 0;
}

/* The kernel's own action, for a signal whose handler is ours. */
static void default_action(int sig, siginfo_t *info)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t saved;

	lock_actions(&saved);
	real()->sigaction(sig, &dfl, NULL);
	write_action(sig, &dfl, always_ours(sig));
	unlock_actions(&saved);
	/* An instruction that faulted will fault again; what was sent is sent again. */
	if (info->si_code <= 0)
		requeue(sig, info);
}

static void call_program(int sig, siginfo_t *info, void *ucontext)
{
	struct sigaction act = read_action(sig);

	if (act.sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	if (!is_function(act.sa_handler)) {
		default_action(sig, info);
		return;
	}
	if (act.sa_flags & (int)SA_RESETHAND) {
		const struct sigaction dfl = { .sa_handler = SIG_DFL };

		set_action(sig, &dfl, NULL);
	}
	if (act.sa_flags & SA_SIGINFO)
		act.sa_sigaction(sig, info, ucontext);
	else
		act.sa_handler(sig);
}

static struct front_frame *outermost(void)
{
	struct front_frame *f = sync_thread_get(THREAD_FRONT_END);

	while (f && f->outer)
		f = f->outer;
	return f;
}

/* The kernel's mask in a signal frame has 64 bits, glibc's type more: only those are there. */
static void keep(struct front_frame *f, int sig, const siginfo_t *info, ucontext_t *uc)
{
	uint64_t all_but = ~SYNCHRONOUS;

	f->sig = sig;
	f->info = *info;
	memcpy(&f->mask, &uc->uc_sigmask, sizeof(f->mask));
	memcpy(&uc->uc_sigmask, &all_but, sizeof(all_but));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	f->has_signal = true;
	if (f->vcpu) {
		abi_notify_signal(f->vcpu);
		os_wait_interrupt(uc);
	}
}

/* An instruction that is expected to raise @sig: it has been dealt with. */
static bool is_ours(int sig, const siginfo_t *info, void *ucontext)
{
	struct abi *abi = front_machine();

	/* Memory that a guest has comes back even to our own accesses. */
	if (sig != SIGILL && unlikely(abi) &&
	    abi_touched(abi, sig, info->si_addr, ucontext))
		return true;
	return (sig != SIGILL && os_uaccess_fixup(sig, ucontext)) ||
	       own_cpuid_fixup(sig, info, ucontext);
}

/*
 * An instruction of the program's touched what is a guest's: *@sig and *@info become
 * what the kernel gives for it, however we have found out.
 */
static bool is_denied(int *sig, siginfo_t *info, ucontext_t *uc)
{
	struct abi *abi = front_machine();

	if (likely(!abi) || (*sig != SIGBUS && *sig != SIGSEGV) || outermost() ||
	    !abi_denied(abi, info->si_addr, os_fault_is_write(uc), *sig == SIGBUS,
			(uint64_t)uc->uc_mcontext.gregs[REG_RIP]))
		return false;
	*sig = SIGBUS;
	info->si_signo = SIGBUS;
	info->si_code = BUS_ADRERR;
	return true;
}

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
	bool from_instruction = (SYNCHRONOUS & BIT(sig)) && info->si_code > 0;
	struct front_frame *f;
	int saved_errno = errno;

	if (from_instruction && always_ours(sig) && is_ours(sig, info, ucontext)) {
		errno = saved_errno;
		return;
	}
	if (from_instruction && is_denied(&sig, info, ucontext) &&
	    !is_function(read_action(SIGBUS).sa_handler)) {
		/* Run again, it might raise another signal. */
		default_action(SIGBUS, info);
		requeue(SIGBUS, info);
		errno = saved_errno;
		return;
	}
	f = from_instruction ? NULL : outermost();
	if (f && !f->has_signal)
		keep(f, sig, info, ucontext);
	else
		call_program(sig, info, ucontext);
	errno = saved_errno;
}

/* After the frame is gone: the kernel delivers what was kept, then the rest. */
void front_deliver(struct front_frame *f)
{
	int saved_errno = errno;

	if (!f->to_process || !requeue_to_process(f->sig, &f->info))
		requeue(f->sig, &f->info);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &f->mask, NULL, sizeof(f->mask));
	errno = saved_errno;
}

static void set_kernel_mask(uint64_t mask, uint64_t *old)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, old, sizeof(mask));
}

/* What the kernel does about a signal that nobody has said anything about: nothing. */
#define IGNORED_BY_DEFAULT	(BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGURG) | BIT(SIGWINCH))

/*
 * Has our handler catch @sig, whose action is the kernel's, so that it ends a
 * run and nothing else; default_action() makes up for it.
 */
static void catch_default(int sig)
{
	sigset_t saved;

	lock_actions(&saved);
	if (!actions[sig].ours) {
		struct sigaction act, k;

		if (!real()->sigaction(sig, NULL, &act) && act.sa_handler == SIG_DFL) {
			k = kernel_action(sig, &act);
			write_action(sig, &act, true);
			real()->sigaction(sig, &k, NULL);
		}
	}
	unlock_actions(&saved);
}

/*
 * Of @wanted, the signals that end a run and wait: those that the program
 * catches, and those that would end or stop it.  The others stay blocked.
 */
static uint64_t that_wait(uint64_t wanted)
{
	uint64_t set = 0;

	for (int sig = 1; sig <= KERNEL_NSIG; sig++) {
		sighandler_t handler;

		if (!(wanted & BIT(sig)) || (sig > SIGSYS && sig < SIGRTMIN))
			continue;
		handler = read_action(sig).sa_handler;
		if (handler == SIG_DFL && !(IGNORED_BY_DEFAULT & BIT(sig)))
			catch_default(sig);
		if (is_function(handler) || (handler == SIG_DFL && actions[sig].ours))
			set |= BIT(sig);
	}
	return set;
}

/*
 * KVM_SET_SIGNAL_MASK: a signal that only this mask lets in ends the run and is
 * queued again under the thread's own, where it stays pending.
 */
static void begin_masked(struct front_frame *f, uint64_t mask)
{
	uint64_t now, let_in;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, sizeof(now));
	let_in = now & ~mask;
	f->outside = now;
	f->is_masked = true;
	set_kernel_mask((mask | (let_in & ~that_wait(let_in))) & ~OURS_ALWAYS, NULL);
}

static void end_masked(struct front_frame *f)
{
	f->is_masked = false;
	set_kernel_mask(~SYNCHRONOUS, NULL);
	if (f->has_signal) {
		f->mask = f->outside;
		f->to_process = true;
	} else {
		set_kernel_mask(f->outside, NULL);
	}
}

/* KVM_SET_SIGNAL_MASK is for runs alone. */
void front_run_hook(struct vcpu *vcpu, bool is_run)
{
	struct front_frame *f = outermost();
	uint64_t mask;

	if (!f)
		return;
	f->vcpu = vcpu;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (!vcpu && f->is_masked)
		end_masked(f);
	if (vcpu && is_run && !f->has_signal && abi_run_mask(vcpu, &mask))
		begin_masked(f, mask);
	if (vcpu && (f->has_signal || f->cancels != front_cancels()))
		abi_notify_signal(vcpu);
}

void front_catch_faults(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL };

	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
		struct sigaction now;

		if (!actions[sigs[i]].ours && !set_action(sigs[i], NULL, &now))
			set_action(sigs[i], &now, NULL);
	}
}

/* Who held it in the parent is not here. */
void front_signals_in_child(void)
{
	atomic32_store(&writer, 0);
}

/* -- By number -- */

struct kernel_sigaction {
	sighandler_t	handler;
	unsigned long	flags;
	void		(*restorer)(void);
	uint64_t	mask;
};

#define KERNEL_RESTORER	0x04000000ul	/* libc has its own */

bool front_kernel_sigaction(int sig, const struct kernel_sigaction *act,
			    struct kernel_sigaction *old, size_t size, long *r)
{
	struct sigaction wanted = { .sa_flags = 0 }, before;

	if (size != sizeof(uint64_t) || (sig > SIGSYS && sig < SIGRTMIN))
		return false;
	if (act) {
		wanted.sa_handler = act->handler;
		wanted.sa_flags = (int)(act->flags & ~KERNEL_RESTORER);
		memcpy(&wanted.sa_mask, &act->mask, sizeof(act->mask));
	}
	*r = set_action(sig, act ? &wanted : NULL, &before);
	if (*r || !old)
		return true;
	*old = (struct kernel_sigaction){
		.handler = before.sa_handler,
		.flags = (unsigned int)before.sa_flags | (before.sa_restorer ? KERNEL_RESTORER : 0),
		.restorer = before.sa_restorer,
	};
	memcpy(&old->mask, &before.sa_mask, sizeof(old->mask));
	return true;
}

bool front_kernel_sigmask(int how, const uint64_t *set, uint64_t *old, size_t size, long *r)
{
	uint64_t ours;

	if (size != sizeof(uint64_t))
		return false;
	if (set && how != SIG_UNBLOCK) {
		ours = *set & ~OURS_ALWAYS;
		set = &ours;
	}
	*r = syscall(SYS_rt_sigprocmask, how, set, old, size);
	return true;
}

/* -- The names -- */

EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return set_action(sig, act, old);
}

EXPORT int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);
EXPORT int __sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return set_action(sig, act, old);
}

/* Signals of which siginterrupt(3) said that they end system calls. */
static atomic64_t interrupting;

static sighandler_t set_handler(int sig, sighandler_t handler, int flags, bool mask_itself)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags }, old;

	if (handler == SIG_ERR || sig < 1 || sig > KERNEL_NSIG) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (mask_itself)
		sigaddset(&act.sa_mask, sig);
	return set_action(sig, &act, &old) ? SIG_ERR : old.sa_handler;
}

static sighandler_t bsd(int sig, sighandler_t handler)
{
	bool ends_calls = sig >= 1 && sig <= KERNEL_NSIG &&
			  (atomic64_load_relaxed(&interrupting) & BIT(sig));

	return set_handler(sig, handler, ends_calls ? 0 : SA_RESTART, true);
}

static sighandler_t sysv(int sig, sighandler_t handler)
{
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER, false);
}

EXPORT sighandler_t signal(int sig, sighandler_t handler)
{
	return bsd(sig, handler);
}

EXPORT sighandler_t bsd_signal(int sig, sighandler_t handler);
EXPORT sighandler_t bsd_signal(int sig, sighandler_t handler)
{
	return bsd(sig, handler);
}

EXPORT sighandler_t ssignal(int sig, sighandler_t handler)
{
	return bsd(sig, handler);
}

EXPORT sighandler_t sysv_signal(int sig, sighandler_t handler)
{
	return sysv(sig, handler);
}

EXPORT sighandler_t __sysv_signal(int sig, sighandler_t handler)
{
	return sysv(sig, handler);
}

EXPORT int sigignore(int sig)
{
	return set_handler(sig, SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
}

EXPORT sighandler_t sigset(int sig, sighandler_t disp)
{
	sigset_t one, before;
	sighandler_t old;
	struct sigaction act;

	if (sig < 1 || sig > KERNEL_NSIG || disp == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (set_action(sig, NULL, &act))
		return SIG_ERR;
	old = act.sa_handler;
	if (disp != SIG_HOLD && set_handler(sig, disp, 0, false) == SIG_ERR)
		return SIG_ERR;
	sigemptyset(&one);
	sigaddset(&one, sig);
	sigprocmask(disp == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &one, &before);
	return sigismember(&before, sig) ? SIG_HOLD : old;
}

EXPORT int siginterrupt(int sig, int flag)
{
	struct sigaction act;

	if (set_action(sig, NULL, &act))
		return -1;
	if (flag) {
		atomic64_or(&interrupting, BIT(sig));
		act.sa_flags &= ~SA_RESTART;
	} else {
		atomic64_and(&interrupting, ~BIT(sig));
		act.sa_flags |= SA_RESTART;
	}
	return set_action(sig, &act, NULL);
}
