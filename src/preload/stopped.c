/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * stopped.c - SIGSTOP (or Ctrl-Z, or a debugger) and SIGCONT while the guest runs.
 *
 * The kernel takes every thread out of what it does before it stops it, and
 * KVM_RUN is not begun again afterwards: it is EINTR.  Nobody can catch that,
 * and a handler for SIGCONT would end other calls of the program.  But a thread
 * of ours that waits for no signal at all is taken out as well.
 */
#include "os/process.h"
#include "preload/front.h"

static atomic32_t watched;		/* the process that has been seen to; 0: none */

static void watch(void *unused)
{
	struct front_frame frame;

	while (os_wait_resumed() && !atomic32_load(&front_is_over)) {
		front_enter(&frame);
		abi_interrupt_all(front_machine());
		front_leave(&frame);
	}
}

/* The first vCPU's maker starts it: later the program may have told the kernel to allow no thread. */
void front_watch_stops(void)
{
	uint32_t here = (uint32_t)os_pid(), was = atomic32_load(&watched);

	/* Where there can be no thread, a stop ends no run. */
	if (was != here && atomic32_cas(&watched, &was, here) &&
	    sync_start_worker(watch, NULL, "softcvm-stops"))
		return;
}
