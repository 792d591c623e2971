/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * thread.c - what belongs to one thread, starting one, and fork.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "os/process.h"
#include "sync/rcu_impl.h"
#include "sync/sync_priv.h"
#include "sync/wait.h"

/* In the initial TLS block: no allocation on first use, so signal handlers may. */
#define THREAD_LOCAL	static __thread __attribute__((tls_model("initial-exec")))

THREAD_LOCAL void *slots[NR_THREAD_SLOTS];
THREAD_LOCAL unsigned number_plus_1;

void *sync_thread_get(enum thread_slot slot)
{
	return slots[slot];
}

void sync_thread_set(enum thread_slot slot, void *p)
{
	slots[slot] = p;
}

/*
 * Numbers below NR_DENSE are handed out lowest first and come back when their
 * thread ends; when all are in use, the rest is counted up and not reused.
 */
#define NR_DENSE	4096

static atomic64_t in_use[NR_DENSE / 64];
static atomic32_t beyond;
static pthread_key_t number_key;
static bool has_number_key;

static unsigned take_number(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(in_use); i++) {
		uint64_t used = atomic64_load_relaxed(&in_use[i]);

		while (~used) {
			unsigned bit = (unsigned)__builtin_ctzll(~used);

			if (atomic64_cas(&in_use[i], &used, used | 1ull << bit))
				return i * 64 + bit;
		}
	}
	return NR_DENSE + atomic32_add(&beyond, 1);
}

static void give_number_back(void *plus_1)
{
	unsigned n = (unsigned)(uintptr_t)plus_1 - 1;

	number_plus_1 = 0;	/* a destructor that comes later takes a new one */
	if (n < NR_DENSE)
		atomic64_and(&in_use[n / 64], ~(1ull << n % 64));
}

unsigned sync_thread_number(void)
{
	if (unlikely(!number_plus_1)) {
		number_plus_1 = take_number() + 1;
		if (has_number_key)
			pthread_setspecific(number_key, (void *)(uintptr_t)number_plus_1);
	}
	return number_plus_1 - 1;
}

unsigned sync_nr_slots(void)
{
	unsigned want = os_nr_cpus() * 4;

	return 1u << (32 - __builtin_clz(want - 1));
}

void *sync_alloc_lines(size_t size)
{
	void *p = aligned_alloc(64, ALIGN_UP(size, (size_t)64));

	return p ? memset(p, 0, size) : NULL;
}

struct start {
	void		(*fn)(void *arg);
	void		*arg;
	char		 name[16];
};

static void *begin(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	pthread_setname_np(pthread_self(), s.name);
	s.fn(s.arg);
	return NULL;
}

int sync_start_worker(void (*fn)(void *), void *arg, const char *name)
{
	struct start *s = malloc(sizeof(*s));
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int err;

	if (!s)
		return -ENOMEM;
	*s = (struct start){ .fn = fn, .arg = arg };
	strncpy(s->name, name, sizeof(s->name) - 1);
	sigfillset(&all);
	err = pthread_attr_init(&attr);
	if (!err) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setsigmask_np(&attr, &all);
		err = pthread_create(&thread, &attr, begin, s);
		pthread_attr_destroy(&attr);
	}
	if (err)
		free(s);
	return -err;
}

int sync_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	return -pthread_atfork(prepare, parent, child);
}

/* The child is this thread alone. */
static void in_child(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(in_use); i++)
		atomic64_store(&in_use[i], 0);
	if (number_plus_1 && number_plus_1 <= NR_DENSE)
		atomic64_or(&in_use[(number_plus_1 - 1) / 64], 1ull << (number_plus_1 - 1) % 64);
	slots[THREAD_TID] = NULL;	/* it has another number now */
	rcu_impl_after_fork_child();
	rcu_queue_forget();
}

/*
 * Before main: the program may fork before it calls us, and a key made early
 * has a place in every thread that needs no allocation.
 */
static __attribute__((constructor)) void start_room(void)
{
	has_number_key = !pthread_key_create(&number_key, give_number_back);
	if (pthread_atfork(rcu_impl_before_fork, rcu_impl_after_fork_parent, in_child))
		log_warn("a forked child will not be able to use us");
}
