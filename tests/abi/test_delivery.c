/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_delivery.c - a guest whose interrupt descriptor table has no memory: on Intel
 * KVM_RUN ends with KVM_INTERNAL_ERROR_DELIVERY_EV, on AMD the guest tries for ever,
 * as with KVM of 6.12, and a signal still ends KVM_RUN.
 *
 * usage: test_delivery
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define NON_CANONICAL	0x8000000000000000ULL
#define GP		13
#define EPT_MISCONFIG	49
#define IDT_INFO_GP	0x80000b0dULL	/* valid, with an error code, exception 13 */

__asm__(".pushsection .rodata\n"
	"gp_code:	movb $1, (%rax); out %al, $0x10\n"
	"gp_end:	.popsection\n");
extern const char gp_code[], gp_end[];

static struct checks c;

static void on_alarm(int sig)
{
	(void)sig;
}

/* The clock goes on ticking: the first signal may come before KVM_RUN. */
static void tick(suseconds_t microseconds)
{
	struct itimerval t = { { 0, microseconds }, { 0, microseconds } };

	need(!setitimer(ITIMER_REAL, &t, NULL), "setitimer");
}

static void with_the_table_at(struct flat_guest *g, uint64_t base)
{
	struct kvm_regs r = flat_guest_regs(g, gp_code);
	struct kvm_sregs sregs;

	r.rax = NON_CANONICAL;
	flat_guest_set(g, &r);
	need(!kvm_ioctlp(g->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.idt.base = base;
	sregs.idt.limit = 0xfff;
	need(!kvm_ioctlp(g->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

static void on_intel(struct flat_guest *g)
{
	struct kvm_run *run = g->run;

	for (int again = 0; again < 2; again++) {
		memset(&run->internal, 0xee, sizeof(run->internal));
		check(&c, !flat_guest_run(g) && run->exit_reason == KVM_EXIT_INTERNAL_ERROR,
		      "exit %u", run->exit_reason);
		check(&c, run->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV, "suberror %u",
		      run->internal.suberror);
		check(&c, run->internal.ndata == 5, "%u words", run->internal.ndata);
		check(&c, run->internal.data[0] == IDT_INFO_GP, "event 0x%llx",
		      (unsigned long long)run->internal.data[0]);
		check(&c, run->internal.data[1] == EPT_MISCONFIG, "reason %llu",
		      (unsigned long long)run->internal.data[1]);
		check(&c, run->internal.data[3] == GUEST_MMIO + GP * 16, "address 0x%llx",
		      (unsigned long long)run->internal.data[3]);
	}
}

static void on_amd(struct flat_guest *g)
{
	const struct sigaction sa = { .sa_handler = on_alarm };
	long r;

	need(!sigaction(SIGALRM, &sa, NULL), "sigaction");
	tick(20000);
	r = flat_guest_run(g);
	tick(0);
	check(&c, r == -EINTR, "KVM_RUN: %ld, exit %u", r, g->run->exit_reason);
}

int main(void)
{
	struct flat_guest g;

	flat_guest_make(&g, KVM_X86_DEFAULT_VM, false, gp_code, (size_t)(gp_end - gp_code));
	with_the_table_at(&g, GUEST_MMIO);
	(g.amd ? on_amd : on_intel)(&g);
	with_the_table_at(&g, GUEST_FREE);		/* of zeros: no such gate, a shutdown */
	check(&c, !flat_guest_run(&g) && g.run->exit_reason == KVM_EXIT_SHUTDOWN, "exit %u",
	      g.run->exit_reason);
	flat_guest_free(&g);
	return checks_end(&c);
}
