/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpu.c - the vCPUs: what CPUID tells the guest, and where the first one begins.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/vmm.h"

#define CPUID_MEMORY_ENCRYPTION	0x8000001fu	/* EAX: 1 SEV, 3 SEV-ES; EBX 5:0: C-bit */
#define CPUID_EAX_SEV		(1u << 1)
#define CPUID_EAX_SEV_ES	(1u << 3)
#define CPUID_EAX_SEV_SNP	(1u << 4)

/* What this KVM supports; owned by the caller.  The list grows until it fits. */
static struct kvm_cpuid2 *supported_cpuid(struct vmm *vmm)
{
	for (unsigned n = 64; n <= 4096; n *= 2) {
		struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + n * sizeof(c->entries[0]));

		if (!c)
			vmm_die(VMM_EXIT_MACHINE, "out of memory");
		c->nent = n;
		if (!ioctl(vmm->kvm, KVM_GET_SUPPORTED_CPUID, c))
			return c;
		free(c);
		if (errno != E2BIG)
			break;
	}
	vmm_die(VMM_EXIT_MACHINE, "KVM_GET_SUPPORTED_CPUID: %s", vmm_errno_name(errno));
}

/* What KVM makes up for other guests: an SNP guest's CPUID has nothing that its processor lacks. */
static void drop_emulated(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		e->ecx &= ~(1u << 24);			/* TSC-deadline timer */
		break;
	case 7:
		if (e->index)
			break;
		e->ebx &= ~(1u << 1);			/* TSC_ADJUST */
		/* SPEC_CTRL, STIBP, ARCH_CAPABILITIES, SSBD: Intel's names of AMD's own, and made up */
		e->edx &= ~(1u << 26 | 1u << 27 | 1u << 29 | 1u << 31);
		break;
	case 0x80000008:
		e->eax &= ~0xff0000u;			/* the width of a nested guest's addresses */
		break;
	case 0x80000021:
		e->eax &= ~(1u << 2 | 1u << 9);		/* serialising LFENCE, no SMM_CTL */
		break;
	}
}

/* A guest is told of its own encryption only, not of all that the machine could do. */
static void fit_cpuid(const struct vmm *vmm, struct kvm_cpuid2 *c, unsigned id)
{
	const struct vmm_type *type = vmm->options.type;

	for (unsigned i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (type->snp)
			drop_emulated(e);
		switch (e->function) {
		case 1:
			e->ebx = (e->ebx & 0xffffff) | id << 24;
			break;
		case 0xb:
		case 0x1f:
			e->edx = id;
			break;
		case CPUID_MEMORY_ENCRYPTION:
			e->eax = (type->sev ? CPUID_EAX_SEV : 0) | (type->es ? CPUID_EAX_SEV_ES : 0) |
				 (type->snp ? CPUID_EAX_SEV_SNP : 0);
			e->ebx = type->sev ? e->ebx & 0x3f : 0;
			e->ecx = e->edx = 0;
			break;
		}
	}
}

static struct kvm_segment flat(unsigned selector, unsigned type)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = (uint16_t)selector,
		.type = (uint8_t)type, .present = 1, .db = 1, .s = 1, .g = 1 };
}

/* 32-bit protected mode without paging, as image.c says; no start info for all but the first. */
static void set_start(const struct vmm *vmm, const struct vmm_vcpu *v)
{
	struct kvm_regs regs = { .rip = vmm->image.entry, .rbx = v->id ? 0 : VMM_START_INFO,
				 .rflags = 2 };
	struct kvm_sregs sregs;

	VMM_IOCTL(v->fd, KVM_GET_SREGS, &sregs);
	sregs.cs = flat(0x8, 0xb);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(0x10, 3);
	sregs.tr = (struct kvm_segment){ .limit = 0x67, .selector = 0x18, .type = 0xb, .present = 1 };
	sregs.ldt = (struct kvm_segment){ .unusable = 1 };
	sregs.gdt.base = sregs.idt.base = 0;
	sregs.gdt.limit = sregs.idt.limit = 0;
	sregs.cr0 = 0x11;		/* PE, ET */
	sregs.cr4 = sregs.efer = 0;
	VMM_IOCTL(v->fd, KVM_SET_SREGS, &sregs);
	VMM_IOCTL(v->fd, KVM_SET_REGS, &regs);
}

static void create_vcpu(struct vmm *vmm, unsigned id, struct kvm_cpuid2 *cpuid)
{
	struct vmm_vcpu *v = &vmm->vcpus[id];

	v->vmm = vmm;
	v->id = id;
	v->fd = VMM_IOCTL(vmm->vm, KVM_CREATE_VCPU, id);
	v->run = mmap(NULL, vmm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED)
		vmm_die(VMM_EXIT_MACHINE, "mmap of vCPU %u: %s", id, vmm_errno_name(errno));
	fit_cpuid(vmm, cpuid, id);
	VMM_IOCTL(v->fd, KVM_SET_CPUID2, cpuid);
	/* A SIPI cannot change an encrypted state: what is launched is where it begins. */
	if (!id || vmm->options.type->es)
		set_start(vmm, v);
}

void vmm_cpu_create(struct vmm *vmm)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid(vmm);

	vmm->run_size = (size_t)VMM_IOCTL(vmm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vmm->vcpus = calloc(vmm->options.nr_vcpus, sizeof(*vmm->vcpus));
	if (!vmm->vcpus)
		vmm_die(VMM_EXIT_MACHINE, "out of memory");
	for (unsigned id = 0; id < vmm->options.nr_vcpus; id++)
		create_vcpu(vmm, id, cpuid);
	fit_cpuid(vmm, cpuid, 0);
	vmm->cpuid = cpuid;
}
