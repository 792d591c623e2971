/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cancel.c - pthread_cancel and us: a thread that holds our locks may not end.
 */
#include <pthread.h>

#include "sync/wait.h"

void sync_cancel_hold(struct sync_cancel *held)
{
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &held->type);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &held->state);
}

/* The type is what comes last: only this call leaves the right result behind in glibc 2.36. */
void sync_cancel_release(const struct sync_cancel *held)
{
	pthread_setcancelstate(held->state, NULL);
	pthread_setcanceltype(held->type, NULL);
}

uint64_t sync_thread_self(void)
{
	return (uint64_t)pthread_self();
}
