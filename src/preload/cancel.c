/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cancel.c - pthread_cancel: for a thread inside of us it waits until that
 * thread has left; a KVM_RUN is ended for it, as libc's signal ends the kernel's.
 */
#include <signal.h>
#include <sys/types.h>

#include "preload/front.h"
#include "preload/real.h"

/*
 * How many there have been.  A run says first who runs it, then compares; a
 * cancel counts first, then looks who runs: one of the two sees the other.
 */
static atomic32_t nr_cancels;

uint32_t front_cancels(void)
{
	return atomic32_load(&nr_cancels);
}

int pthread_cancel(pthread_t thread);	/* <pthread.h> is not ours to include */

EXPORT int pthread_cancel(pthread_t thread)
{
	struct abi *abi = front_machine();
	int r = real()->pthread_cancel(thread);

	atomic32_add(&nr_cancels, 1);
	if (abi && !r) {
		struct front_frame frame;

		front_enter(&frame);
		abi_interrupt_thread(abi, (uint64_t)thread);
		front_leave(&frame);
	}
	return r;
}
