/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dying_vmm.c - runs guests that never leave, and ends by a signal.
 *
 * usage: dying_vmm SIGNAL		itself, in the middle of a guest's loop
 *	  dying_vmm SIGNAL NUMBER	that many children, and then returns 0
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kvm_user.h"

__asm__(".pushsection .rodata\n"
	"dying_code:	incq (%rdi); jmp dying_code\n"
	"dying_end:	.popsection\n");
extern const char dying_code[], dying_end[];

static void *run(void *guest)
{
	flat_guest_run(guest);
	return NULL;
}

/* Some thousand rounds of the guest, seen in its memory. */
static void die(int sig)
{
	static struct flat_guest g;
	const volatile uint64_t *rounds;
	struct kvm_regs regs;
	pthread_t thread;

	flat_guest_make(&g, KVM_X86_DEFAULT_VM, false, dying_code, (size_t)(dying_end - dying_code));
	regs = flat_guest_regs(&g, dying_code);
	regs.rdi = GUEST_FREE;
	flat_guest_set(&g, &regs);
	rounds = (const volatile uint64_t *)(g.low + GUEST_FREE);
	need(!pthread_create(&thread, NULL, run, &g), "a thread");
	while (*rounds < 100000)
		usleep(1000);
	kill(getpid(), sig);
	pause();
}

int main(int argc, char **argv)
{
	int sig = argc > 1 ? atoi(argv[1]) : 0, nr = argc > 2 ? atoi(argv[2]) : 0, status;

	if (argc < 3)
		die(sig);
	for (int i = 0; i < nr; i++) {
		if (!fork())
			die(sig);
		need(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == sig,
		     "a child that signal %d ends", sig);
	}
	return 0;
}
