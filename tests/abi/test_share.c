/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_share.c - more vCPUs that never exit than logical processors: each gets
 * its turn again and again, beside one that exits all the time.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define NR_GUESTS	10
#define NR_TURNS	3

__asm__(".pushsection .rodata\n"
	"share_code:\n"
	"share_spin:	incq (%rdi); jmp share_spin\n"
	"share_exit:	incq (%rdi); out %al, $0x10; jmp share_exit\n"
	"share_end:	.popsection\n");
extern const char share_code[], share_spin[], share_exit[], share_end[];

static struct flat_guest guests[NR_GUESTS];

/* Guest 0 is the one that exits. */
static void *run(void *arg)
{
	struct flat_guest *g = arg;

	while (!ioctl(g->vcpu, KVM_RUN, 0))
		;
	return NULL;
}

static uint64_t count(unsigned i)
{
	return __atomic_load_n((uint64_t *)(guests[i].low + GUEST_FREE), __ATOMIC_RELAXED);
}

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Everybody has counted on: by the deadline, which only a guest that is never run misses. */
static bool all_go_on(void)
{
	const struct timespec soon = { .tv_nsec = 1000000 };
	uint64_t before[NR_GUESTS];
	time_t end = seconds() + 60;
	unsigned i;

	for (i = 0; i < NR_GUESTS; i++)
		before[i] = count(i);
	for (i = 0; i < NR_GUESTS && seconds() < end;) {
		if (count(i) != before[i])
			i++;
		else
			nanosleep(&soon, NULL);
	}
	return i == NR_GUESTS;
}

int main(void)
{
	struct checks c = { 0 };
	pthread_t thread;

	for (unsigned i = 0; i < NR_GUESTS; i++) {
		struct flat_guest *g = &guests[i];
		struct kvm_regs regs;

		flat_guest_make(g, KVM_X86_DEFAULT_VM, false, share_code,
				(size_t)(share_end - share_code));
		regs = flat_guest_regs(g, i ? share_spin : share_exit);
		regs.rdi = GUEST_FREE;
		flat_guest_set(g, &regs);
		need(!pthread_create(&thread, NULL, run, g), "a thread");
	}
	for (unsigned i = 0; i < NR_TURNS; i++)
		check(&c, all_go_on(), "turn %u", i);
	_exit(checks_end(&c) | fflush(stdout));
}
