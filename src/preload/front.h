/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * front.h - what every interposed function needs: the machine, and the frame
 * that tells our signal handler that this thread is inside of us.
 */
#pragma once
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/abi.h"
#include "base/macros.h"
#include "sync/atomic.h"
#include "sync/wait.h"

/* -- The machine (machine.c) -- */

extern atomicptr_t front_machine_made;

/* NULL as long as the program has asked for nothing of ours. */
static inline struct abi *front_machine(void)
{
	return atomicptr_load_acquire(&front_machine_made);
}

/*
 * Set when the program is at its end: libraries below us give their memory
 * back with locks held that we would need (liburcu's registry).
 */
extern atomic32_t front_is_over;

/*
 * Made by the first caller; the others wait.  0, or what open("/dev/kvm")
 * says: -ENODEV (asked for a machine that cannot be), -ENOMEM; the reason has
 * then been printed, once.
 */
MUST_CHECK int front_machine_make(struct abi **out);
void front_remember_config(void);	/* from the constructor: the environment may change */
bool front_wants_audit(void);		/* the same */
bool front_tells_findings(void);	/* each as it is made */
struct stats_slot;
const char *front_stats(struct stats_slot **slot);	/* NULL: none asked for.  After front_machine_make() */
bool front_own_cpuid(struct hw_config *out);	/* false: the program's CPUID is left alone */
const char *front_config_text(void);	/* the options as they came; "" before the constructor */
void front_machine_in_child(void);
void front_before_exec(void);		/* the program may be replaced now (process.c) */

/* -- Being inside (signal.c) -- */

/*
 * From front_enter to front_leave no handler of the program runs on this
 * thread: the first signal is kept, all others wait in the kernel, and
 * front_leave lets them happen.  Lives on the stack; nests.
 */
struct front_frame {
	struct front_frame	*outer;
	struct vcpu *volatile	 vcpu;		/* inside vcpu_run() */
	volatile bool		 has_signal;
	int			 sig;
	bool			 is_masked;	/* inside a run with a mask of its own */
	bool			 to_process;	/* the signal waits for any thread again */
	uint64_t		 mask;		/* the thread's, to be put back with the signal */
	uint64_t		 outside;	/* the thread's, outside of such a run */
	uint32_t		 cancels;	/* of all threads, before this one was held */
	siginfo_t		 info;
};

void front_deliver(struct front_frame *f);
uint32_t front_cancels(void);		/* cancel.c */
void front_watch_stops(void);		/* stopped.c: there is a vCPU now.  Any thread */

static inline void front_enter(struct front_frame *f)
{
	f->outer = sync_thread_get(THREAD_FRONT_END);
	f->vcpu = NULL;
	f->has_signal = false;
	f->is_masked = false;
	f->to_process = false;
	f->cancels = front_cancels();
	sync_thread_set(THREAD_FRONT_END, f);
}

static inline void front_leave(struct front_frame *f)
{
	sync_thread_set(THREAD_FRONT_END, f->outer);
	if (unlikely(f->has_signal))
		front_deliver(f);
}

void front_run_hook(struct vcpu *vcpu, bool is_run);	/* abi_run_hook */
void front_catch_faults(void);			/* from the constructor */
/* Takes out of @mask what must never be blocked: SIGSEGV, SIGBUS, SIGILL. */
void front_keep_open(sigset_t *mask);
void front_signals_in_child(void);

/*
 * rt_sigaction(2) and rt_sigprocmask(2) with the kernel's own layouts; *r as
 * libc has it.  False: a size or signal that libc does not know, the kernel's.
 */
struct kernel_sigaction;
bool front_kernel_sigaction(int sig, const struct kernel_sigaction *act,
			    struct kernel_sigaction *old, size_t size, long *r);
bool front_kernel_sigmask(int how, const uint64_t *set, uint64_t *old, size_t size, long *r);

/* openat2(2), which libc has no name for (open.c).  @how: the kernel's, untrusted. */
struct open_how;
int front_openat2(int dirfd, const char *path, const struct open_how *how, size_t size);

/* -- Answers -- */

/* The one place where errno is set from our answers. */
static inline long front_answer(long r)
{
	if (r >= 0 || r < -4095)
		return r;
	errno = (int)-r;
	return -1;
}

/* A child made by vfork: it has the parent's memory and descriptors of its own. */
bool front_is_vfork_child(void);

/* The file behind @fd, with a reference, or NULL.  Inside a frame. */
static inline struct abi_file *front_file(int fd)
{
	struct abi *abi = front_machine();

	return likely(!abi) ? NULL : abi_file_get(abi, fd, true);
}
