/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* flat_guest.c - one vCPU in long mode; see flat_guest.h. */
#include "flat_guest.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_user.h"
#include "long_mode.h"

#define PML4	0x1000UL
#define PDPT	0x2000UL
#define PD	0x3000UL

static void make_tables(uint8_t *low)
{
	uint64_t *pd = (uint64_t *)(low + PD);

	*(uint64_t *)(low + PML4) = PDPT | 3;
	*(uint64_t *)(low + PDPT) = PD | 3;
	for (uint64_t i = 0; i < 512; i++)
		pd[i] = i << 21 | 0x83;
}

void flat_guest_map_gib(struct flat_guest *g, unsigned n)
{
	((uint64_t *)(g->low + PDPT))[n] = (uint64_t)n << 30 | 0x83;
}

/* Gives the vCPU all that is supported; true when that is an AMD processor. */
static bool give_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *cpuid = kvm_supported_cpuid(kvm);

	need(!ioctl(vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	for (unsigned int i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == 0)
			return cpuid->entries[i].ebx == 0x68747541;	/* "Auth" */
	}
	return false;
}

void flat_guest_make(struct flat_guest *g, unsigned long type, bool irqchip, const char *code,
		     size_t size)
{
	g->kvm = kvm_open();
	g->vm = vm_make(g->kvm, type);
	need(!irqchip || !ioctl(g->vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	g->low = pages(GUEST_LOW);
	make_tables(g->low);
	need(size <= GUEST_FREE - GUEST_CODE, "room for the guest's code");
	memcpy(g->low + GUEST_CODE, code, size);
	g->code = code;
	need(!vm_region(g->vm, 0, 0, 0, GUEST_LOW, g->low), "slot 0");
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	need(g->vcpu >= 0, "KVM_CREATE_VCPU");
	g->run = vcpu_map(g->kvm, g->vcpu);
	g->amd = give_cpuid(g->kvm, g->vcpu);
	vcpu_long_mode(g->vcpu, PML4, false);
}

void flat_guest_free(struct flat_guest *g)
{
	munmap(g->run, 3 * PAGE);
	close(g->vcpu);
	close(g->vm);
	close(g->kvm);
	munmap(g->low, GUEST_LOW);
}

struct kvm_regs flat_guest_regs(const struct flat_guest *g, const char *entry)
{
	return (struct kvm_regs){
		.rip = GUEST_CODE + (uint64_t)(entry - g->code),
		.rsp = GUEST_LOW - 8,
		.rflags = 2,
	};
}

void flat_guest_set(struct flat_guest *g, const struct kvm_regs *regs)
{
	struct kvm_regs copy = *regs;

	need(!ioctl(g->vcpu, KVM_SET_REGS, &copy), "KVM_SET_REGS");
}

struct kvm_regs flat_guest_get(struct flat_guest *g)
{
	struct kvm_regs regs;

	need(!ioctl(g->vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	return regs;
}

long flat_guest_run(struct flat_guest *g)
{
	return kvm_ioctl(g->vcpu, KVM_RUN, 0);
}

uint32_t flat_guest_lapic_get(struct flat_guest *g, unsigned reg)
{
	struct kvm_lapic_state s;
	uint32_t value;

	need(!kvm_ioctlp(g->vcpu, KVM_GET_LAPIC, &s), "LAPIC");
	memcpy(&value, s.regs + reg, sizeof(value));
	return value;
}

void flat_guest_lapic_put(struct flat_guest *g, unsigned reg, uint32_t value)
{
	struct kvm_lapic_state s;

	need(!kvm_ioctlp(g->vcpu, KVM_GET_LAPIC, &s), "LAPIC");
	memcpy(s.regs + reg, &value, sizeof(value));
	need(!kvm_ioctlp(g->vcpu, KVM_SET_LAPIC, &s), "LAPIC");
}
