/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_devices.c - writes that are no exit: ioeventfds with every condition,
 * coalesced zones and their ring.  Facts: kvm.md 8.3, 8.4.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_SIZE 4096
#include "check_libc.h"
#include "flat_guest.h"
#include "kvm_user.h"

#define MMIO	GUEST_MMIO
#define PORT	0x40
#define VALUE	0x11223344u

/* Every loop ends with a byte to the idle port, which nobody takes. */
__asm__(".pushsection .rodata\n"
	"dev_code:\n"
	"dev_store1:	mov %al, (%rdi); out %al, $0x10; jmp dev_store1\n"
	"dev_store4:	mov %eax, (%rdi); out %al, $0x10; jmp dev_store4\n"
	"dev_store8:	mov %rax, (%rdi); out %al, $0x10; jmp dev_store8\n"
	"dev_store16:	movups %xmm0, (%rdi); out %al, $0x10; jmp dev_store16\n"
	"dev_load4:	mov (%rdi), %ecx; out %al, $0x10; jmp dev_load4\n"
	"dev_out1:	out %al, $0x40; out %al, $0x10; jmp dev_out1\n"
	"dev_out4:	out %eax, $0x40; out %al, $0x10; jmp dev_out4\n"
	"dev_outs:	mov $0x40, %edx; rep outsb; out %al, $0x10; jmp dev_outs\n"
	"dev_fill:	mov %eax, (%rdi); inc %eax; dec %ecx; jnz dev_fill; out %al, $0x10\n"
	"dev_end:	.popsection\n");
extern const char dev_code[], dev_store1[], dev_store4[], dev_store8[], dev_store16[],
	dev_load4[], dev_out1[], dev_out4[], dev_outs[], dev_fill[], dev_end[];

static struct checks c;
static struct flat_guest g;
static uint64_t last_mmio;		/* where the last MMIO exit went */

static long event_on(int fd, uint64_t addr, uint32_t len, uint32_t flags, uint64_t match)
{
	struct kvm_ioeventfd e = { .datamatch = match, .addr = addr, .len = len, .fd = fd,
				   .flags = flags };

	return kvm_ioctlp(g.vm, KVM_IOEVENTFD, &e);
}

static long event_off(int fd, uint64_t addr, uint32_t len, uint32_t flags, uint64_t match)
{
	return event_on(fd, addr, len, flags | KVM_IOEVENTFD_FLAG_DEASSIGN, match);
}

/* What has come since the last look. */
static uint64_t signalled(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Runs @loop once from its beginning; the exits before the idle port. */
static int exits_of(const char *loop, uint64_t value)
{
	struct kvm_regs r = flat_guest_regs(&g, loop);
	int n = 0;

	r.rdi = MMIO;
	r.rsi = GUEST_FREE;
	r.rcx = 3;
	r.rax = value;
	flat_guest_set(&g, &r);
	for (;; n++) {
		if (flat_guest_run(&g) || n > 8)
			return -1;
		if (g.run->exit_reason == KVM_EXIT_IO && g.run->io.port == GUEST_IDLE_PORT)
			return n;
		if (g.run->exit_reason != KVM_EXIT_IO && g.run->exit_reason != KVM_EXIT_MMIO)
			return -2;
		if (g.run->exit_reason == KVM_EXIT_MMIO)
			last_mmio = g.run->mmio.phys_addr;
	}
}

static void refusals(int fd)
{
	int pipes[2];

	need(!pipe(pipes), "pipe");
	IS(-EBADF, event_on(-1, MMIO, 4, 0, 0));
	IS(-EINVAL, event_on(pipes[0], MMIO, 4, 0, 0));
	IS(-EINVAL, event_on(fd, MMIO, 3, 0, 0));
	IS(-EINVAL, event_on(fd, MMIO, 16, 0, 0));
	IS(-EINVAL, event_on(fd, ~0ull, 4, 0, 0));
	IS(-EINVAL, event_on(fd, MMIO, 4, 1 << 5, 0));
	IS(-EINVAL, event_on(fd, MMIO, 0, KVM_IOEVENTFD_FLAG_DATAMATCH, 0));
	IS(-ENOENT, event_off(fd, MMIO, 4, 0, 0));
	IS(0, event_on(fd, MMIO, 4, 0, 0));
	IS(-EEXIST, event_on(fd, MMIO, 4, 0, 0));
	IS(-EEXIST, event_on(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 1));
	IS(-EEXIST, event_on(fd, MMIO, 0, 0, 0));
	IS(0, event_on(fd, MMIO, 8, 0, 0));
	IS(0, event_on(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_PIO, 0));
	IS(-ENOENT, event_off(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 0));
	IS(-EBADF, event_off(-1, MMIO, 4, 0, 0));
	IS(0, event_off(fd, MMIO, 4, 0, 0));
	IS(0, event_off(fd, MMIO, 8, 0, 0));
	IS(0, event_off(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_PIO, 0));
	IS(-ENOENT, event_off(fd, MMIO, 8, 0, 0));
	close(pipes[0]);
	close(pipes[1]);
}

static void on_mmio(int fd, int other)
{
	IS(0, event_on(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, VALUE));
	IS(0, event_on(other, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, VALUE + 1));
	IS(0, exits_of(dev_store4, VALUE));
	IS(1, signalled(fd));
	IS(0, signalled(other));
	IS(0, exits_of(dev_store4, VALUE + 1));
	IS(0, signalled(fd));
	IS(1, signalled(other));
	IS(1, exits_of(dev_store4, VALUE + 2));
	IS(1, exits_of(dev_store8, VALUE));
	IS(1, exits_of(dev_store1, VALUE));
	IS(1, exits_of(dev_load4, 0));
	IS(0, event_off(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, VALUE));
	IS(1, exits_of(dev_store4, VALUE));
	IS(0, event_off(other, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, VALUE + 1));

	/* A match above the length can never be. */
	IS(0, event_on(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, VALUE | 1ull << 32));
	IS(1, exits_of(dev_store4, VALUE));
	IS(0, event_off(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, VALUE | 1ull << 32));

	/* The first half of a store of 16 bytes is a device's, the other an exit. */
	IS(0, event_on(fd, MMIO, 8, 0, 0));
	IS(1, exits_of(dev_store16, 0));
	IS(MMIO + 8, last_mmio);
	IS(1, signalled(fd));
	IS(0, event_off(fd, MMIO, 8, 0, 0));
}

static void of_any_length(int fd)
{
	IS(0, event_on(fd, MMIO, 0, 0, 0));
	IS(0, exits_of(dev_store1, VALUE));
	IS(0, exits_of(dev_store4, VALUE));
	IS(0, exits_of(dev_store8, VALUE));
	IS(3, signalled(fd));
	/* Intel looks at the address before it decodes, so that a load is one, too. */
	IS(g.amd ? 1 : 0, exits_of(dev_load4, 0));
	IS(g.amd ? 0 : 1, signalled(fd));
	IS(-EEXIST, event_on(fd, MMIO, 2, 0, 0));
	IS(0, event_off(fd, MMIO, 0, 0, 0));
	IS(1, exits_of(dev_store4, VALUE));
}

static void on_ports(int fd)
{
	uint32_t pio = KVM_IOEVENTFD_FLAG_PIO;

	IS(0, event_on(fd, PORT, 1, pio | KVM_IOEVENTFD_FLAG_DATAMATCH, 0x44));
	IS(0, exits_of(dev_out1, 0x44));
	IS(1, exits_of(dev_out1, 0x45));
	IS(1, exits_of(dev_out4, 0x44));
	IS(1, signalled(fd));
	IS(0, event_off(fd, PORT, 1, pio | KVM_IOEVENTFD_FLAG_DATAMATCH, 0x44));
	IS(0, event_on(fd, PORT, 0, pio, 0));
	IS(0, exits_of(dev_out4, 0));
	IS(0, exits_of(dev_outs, 0));
	IS(4, signalled(fd));
	IS(0, event_off(fd, PORT, 0, pio, 0));
	IS(1, exits_of(dev_out4, 0));
}

/* An eventfd stays as long as it is assigned, whoever closes it. */
static void closed_meanwhile(void)
{
	int fd = eventfd(0, EFD_NONBLOCK), again = dup(fd);

	IS(0, event_on(fd, MMIO, 4, 0, 0));
	close(fd);
	IS(0, exits_of(dev_store4, 1));
	IS(1, signalled(again));
	IS(0, event_off(again, MMIO, 4, 0, 0));
	close(again);
}

static long zone(unsigned long cmd, uint64_t addr, uint32_t size, uint32_t pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	return kvm_ioctlp(g.vm, cmd, &z);
}

static void coalesced(void)
{
	struct kvm_coalesced_mmio_ring *ring = (void *)((char *)g.run + 2 * PAGE);
	const unsigned max = KVM_COALESCED_MMIO_MAX;
	struct kvm_regs r = flat_guest_regs(&g, dev_fill);

	IS(170, max);
	IS(2, kvm_ioctl(g.kvm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO));
	IS(-EINVAL, zone(KVM_REGISTER_COALESCED_MMIO, MMIO, 4, 2));
	IS(-EINVAL, zone(KVM_UNREGISTER_COALESCED_MMIO, MMIO, 4, 2));
	IS(0, zone(KVM_UNREGISTER_COALESCED_MMIO, MMIO, 4, 0));
	IS(0, zone(KVM_REGISTER_COALESCED_MMIO, MMIO, 8, 0));
	IS(0, zone(KVM_REGISTER_COALESCED_MMIO, PORT, 1, 1));

	IS(0, exits_of(dev_store4, VALUE));
	IS(0, exits_of(dev_out1, 0x77));
	IS(1, exits_of(dev_out4, 0x77));	/* not whole in the zone */
	IS(1, exits_of(dev_load4, 0));
	IS(2, ring->last);
	IS(0, ring->first);
	IS(MMIO, ring->coalesced_mmio[0].phys_addr);
	IS(4, ring->coalesced_mmio[0].len);
	IS(0, ring->coalesced_mmio[0].pio);
	IS(VALUE, *(uint32_t *)ring->coalesced_mmio[0].data);
	IS(PORT, ring->coalesced_mmio[1].phys_addr);
	IS(1, ring->coalesced_mmio[1].len);
	IS(1, ring->coalesced_mmio[1].pio);
	IS(0x77, ring->coalesced_mmio[1].data[0]);

	/* Room for all but one. */
	ring->first = ring->last = 5;
	r.rdi = MMIO;
	r.rcx = max;
	flat_guest_set(&g, &r);
	IS(0, flat_guest_run(&g));
	IS(KVM_EXIT_MMIO, g.run->exit_reason);
	IS(4, ring->last);
	IS(max - 1, *(uint32_t *)g.run->mmio.data);
	IS(0, flat_guest_run(&g));
	IS(KVM_EXIT_IO, g.run->exit_reason);

	/* An index that is none: nothing is written. */
	ring->last = max;
	IS(1, exits_of(dev_store4, VALUE));
	ring->last = ~0u;
	IS(1, exits_of(dev_store4, VALUE));
	ring->first = ring->last = 0;

	IS(0, zone(KVM_UNREGISTER_COALESCED_MMIO, MMIO, 9, 0));
	IS(0, exits_of(dev_store4, VALUE));	/* reaches beyond the zone: it stays */
	IS(0, zone(KVM_UNREGISTER_COALESCED_MMIO, MMIO + 2, 2, 0));
	IS(1, exits_of(dev_store4, VALUE));
	IS(0, exits_of(dev_out1, 1));
	IS(0, zone(KVM_UNREGISTER_COALESCED_MMIO, PORT, 1, 1));
	IS(1, exits_of(dev_out1, 1));
}

static void as_many_as_there_may_be(int fd)
{
	for (unsigned i = 0; i < 1000; i++)
		need(!zone(KVM_REGISTER_COALESCED_MMIO, MMIO + 0x1000 + i, 1, 0), "zone %u", i);
	IS(-ENOSPC, zone(KVM_REGISTER_COALESCED_MMIO, MMIO, 1, 0));
	IS(0, event_on(fd, MMIO, 4, 0, 0));
	IS(0, exits_of(dev_store4, 1));
	IS(0, event_off(fd, MMIO, 4, 0, 0));
}

static void devices(void)
{
	struct kvm_create_device d = { .type = KVM_DEV_TYPE_VFIO + 100 };
	struct kvm_device_attr attr = { .attr = KVM_X86_XCOMP_GUEST_SUPP };
	uint64_t xcr0 = 0;

	IS(-ENODEV, kvm_ioctlp(g.vm, KVM_CREATE_DEVICE, &d));
	attr.addr = (uintptr_t)&xcr0;
	IS(0, kvm_ioctlp(g.kvm, KVM_HAS_DEVICE_ATTR, &attr));
	IS(0, kvm_ioctlp(g.kvm, KVM_GET_DEVICE_ATTR, &attr));
	IS(3, xcr0 & 3);
	attr.addr = 8;
	IS(-EFAULT, kvm_ioctlp(g.kvm, KVM_GET_DEVICE_ATTR, &attr));
	attr.attr = 77;
	IS(-ENXIO, kvm_ioctlp(g.kvm, KVM_HAS_DEVICE_ATTR, &attr));
	attr.group = 9;
	IS(-ENXIO, kvm_ioctlp(g.kvm, KVM_GET_DEVICE_ATTR, &attr));
}

int main(void)
{
	int fd = eventfd(0, EFD_NONBLOCK), other = eventfd(0, EFD_NONBLOCK);

	flat_guest_make(&g, KVM_X86_DEFAULT_VM, false, dev_code, (size_t)(dev_end - dev_code));
	refusals(fd);
	on_mmio(fd, other);
	of_any_length(fd);
	on_ports(fd);
	closed_meanwhile();
	coalesced();
	devices();
	as_many_as_there_may_be(fd);
	flat_guest_free(&g);
	return checks_end(&c);
}
