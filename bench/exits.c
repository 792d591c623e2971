/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * exits.c - from KVM_RUN to an exit and back: an ordinary KVM program, to be
 * run under `softcvm exec`, once with MMIO caching and once without.
 *
 * usage: exits [--json] [--runs N]
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bench/report.h"
#include "tests/abi/flat_guest.h"
#include "tests/abi/kvm_user.h"

#define TURNS		100000

__asm__(".pushsection .rodata\n"
	"exit_code:\n"
	"port_loop:	out %al, $0x10; jmp port_loop\n"
	"write_loop:	mov %rax, (%rdi); jmp write_loop\n"
	"read_loop:	mov (%rdi), %rax; jmp read_loop\n"
	"exit_end:	.popsection\n");
extern const char exit_code[], port_loop[], write_loop[], read_loop[], exit_end[];

/* What the last exit left to be done is done, before registers change. */
static void complete(struct flat_guest *g)
{
	g->run->immediate_exit = 1;
	need(ioctl(g->vcpu, KVM_RUN, 0) && errno == EINTR, "an immediate exit");
	g->run->immediate_exit = 0;
}

/* ns a turn: in, one exit, out. */
static double turns(struct flat_guest *g, const char *entry, uint32_t reason)
{
	struct kvm_regs regs = flat_guest_regs(g, entry);
	double began;

	complete(g);
	regs.rdi = GUEST_MMIO;
	flat_guest_set(g, &regs);
	for (int i = 0; i < 100; i++)
		need(!ioctl(g->vcpu, KVM_RUN, 0) && g->run->exit_reason == reason, "exit %u, not %u",
		     reason, g->run->exit_reason);
	began = cpu_ns();
	for (int i = 0; i < TURNS; i++)
		need(!ioctl(g->vcpu, KVM_RUN, 0) && g->run->exit_reason == reason, "exit %u", reason);
	return (cpu_ns() - began) / TURNS;
}

static char mmio_caching(void)
{
	FILE *f = fopen("/sys/module/kvm/parameters/mmio_caching", "r");
	int c = f ? fgetc(f) : '?';

	if (f)
		fclose(f);
	return (char)c;
}

int main(int argc, char **argv)
{
	struct series port = { 0 }, write = { 0 }, read = { 0 };
	struct flat_guest g = { 0 };
	struct report r;

	report_begin(&r, mmio_caching() == 'N' ? "exits-uncached" : "exits",
		     "KVM_RUN to an exit and back, in and out.", 11, &argc, argv);
	flat_guest_make(&g, KVM_X86_DEFAULT_VM, false, exit_code, (size_t)(exit_end - exit_code));
	pin_to(0);
	report_say(&r, "  mmio_caching is %c", mmio_caching());
	for (int run = 0; run < r.runs; run++) {
		series_add(&port, turns(&g, port_loop, KVM_EXIT_IO));
		series_add(&write, turns(&g, write_loop, KVM_EXIT_MMIO));
		series_add(&read, turns(&g, read_loop, KVM_EXIT_MMIO));
	}
	report_series(&r, "io", "KVM_EXIT_IO, one byte out", "ns", &port);
	report_series(&r, "mmio_write", "KVM_EXIT_MMIO, write", "ns", &write);
	report_series(&r, "mmio_read", "KVM_EXIT_MMIO, read", "ns", &read);
	report_goal(&r, "io.goal", "an exit and back", series_median(&port), AT_MOST, 500, "ns");
	report_goal(&r, "mmio_write.goal", "the same, write", series_median(&write), AT_MOST, 500, "ns");
	report_goal(&r, "mmio_read.goal", "the same, read", series_median(&read), AT_MOST, 500, "ns");
	return report_end(&r);
}
