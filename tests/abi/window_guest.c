/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* window_guest.c - the same memory shared and private; see window_guest.h. */
#include "window_guest.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_user.h"

#define PML4		0x1000ul
#define PDPTS		0x2000ul	/* one for each window */
#define PDS		0x4000ul	/* GIBS for each window */
#define GIBS		(WINDOW_SIZE >> 30)

static void make_tables(uint8_t *low, uint64_t shared_bit)
{
	for (uint64_t w = 0; w < 2; w++) {
		uint64_t pdpt = PDPTS + w * PAGE, bit = w ? 0 : shared_bit;

		((uint64_t *)(low + PML4))[w] = pdpt | shared_bit | 3;
		for (uint64_t i = 0; i < GIBS; i++) {
			uint64_t pd = PDS + (w * GIBS + i) * PAGE;

			((uint64_t *)(low + pdpt))[i] = pd | shared_bit | 3;
			for (uint64_t j = 0; j < 512; j++)
				((uint64_t *)(low + pd))[j] = i << 30 | j << 21 | bit | 0x83;
		}
	}
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){ .limit = ~0u, .selector = selector, .type = type, .present = 1,
				     .s = 1, .g = 1, .l = code, .db = !code };
}

void window_guest_make(struct window_guest *g, uint64_t shared_bit, const char *code, size_t size)
{
	g->shared_bit = shared_bit;
	g->kvm = kvm_open();
	g->vm = vm_make(g->kvm, KVM_X86_SW_PROTECTED_VM);
	g->low = pages(WINDOW_LOW);
	make_tables(g->low, shared_bit);
	need(size <= WINDOW_FREE - WINDOW_CODE, "room for the guest's code");
	memcpy(g->low + WINDOW_CODE, code, size);
	need(!vm_region(g->vm, 0, 0, 0, WINDOW_LOW, g->low), "slot 0");
}

int window_guest_vcpu(struct window_guest *g, unsigned id, struct kvm_run **run)
{
	static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[256]; } cpuid;
	struct kvm_sregs s;
	int fd = ioctl(g->vm, KVM_CREATE_VCPU, id);

	need(fd >= 0, "KVM_CREATE_VCPU");
	*run = vcpu_map(g->kvm, fd);
	cpuid.head.nent = 256;
	need(!ioctl(g->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	need(!ioctl(fd, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
	need(!ioctl(fd, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.cs = segment(8, 11, true);
	s.ds = s.es = s.fs = s.gs = s.ss = segment(16, 3, false);
	s.cr0 = 0x80000031;
	s.cr3 = PML4 | g->shared_bit;
	s.cr4 = 0x20;
	s.efer = 0x500;
	need(!ioctl(fd, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
	return fd;
}

void window_guest_free(struct window_guest *g)
{
	close(g->vm);
	close(g->kvm);
	munmap(g->low, WINDOW_LOW);
}
