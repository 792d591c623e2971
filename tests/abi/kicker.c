/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kicker.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "kvm_user.h"

struct kicker {
	const volatile uint64_t *word;
	uint64_t from;
	int	 sig, over;
};

static void *wait_and_kick(void *arg)
{
	struct kicker *k = arg;

	while (*k->word == k->from) {
		if (__atomic_load_n(&k->over, __ATOMIC_ACQUIRE))
			return NULL;
		usleep(100);
	}
	kill(getpid(), k->sig);
	return NULL;
}

long kicked_run(struct flat_guest *g, int sig, const volatile uint64_t *word)
{
	struct kicker k = { .word = word, .from = *word, .sig = sig };
	sigset_t all, before;
	pthread_t thread;
	long r;

	sigfillset(&all);
	need(!pthread_sigmask(SIG_SETMASK, &all, &before), "pthread_sigmask");
	need(!pthread_create(&thread, NULL, wait_and_kick, &k), "pthread_create");
	need(!pthread_sigmask(SIG_SETMASK, &before, NULL), "pthread_sigmask");
	r = flat_guest_run(g);
	__atomic_store_n(&k.over, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return r;
}
