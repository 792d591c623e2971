/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_end.c - a program whose main thread has never touched KVM, while another
 * one did and is gone, comes to its end.
 *
 * usage: test_end
 */
#include <pthread.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define STACK_SIZE	(1UL << 20)

__asm__(".pushsection .rodata\n"
	"end_code:	out %al, $0x10\n"
	"end_end:	.popsection\n");
extern const char end_code[], end_end[];

static struct checks c;

static void *run(void *arg)
{
	struct flat_guest g;
	struct kvm_regs regs;

	flat_guest_make(&g, KVM_X86_DEFAULT_VM, false, end_code, (size_t)(end_end - end_code));
	regs = flat_guest_regs(&g, end_code);
	flat_guest_set(&g, &regs);
	check(&c, !flat_guest_run(&g) && g.run->exit_reason == KVM_EXIT_IO, "exit %u",
	      g.run->exit_reason);
	flat_guest_free(&g);
	return arg;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	need(!pthread_attr_init(&attr) &&
	     !pthread_attr_setstack(&attr, pages(STACK_SIZE), STACK_SIZE) &&
	     !pthread_create(&thread, &attr, run, NULL) && !pthread_join(thread, NULL), "a thread");
	return checks_end(&c);		/* and what the libraries do after that */
}
