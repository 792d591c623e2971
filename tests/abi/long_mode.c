/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "long_mode.h"

#include "kvm_user.h"

#define USED	0x20u		/* of an entry: the processor need not write these */
#define STORED	0x40u

struct kvm_cpuid2 *kvm_supported_cpuid(int kvm)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid;

	cpuid.head.nent = 256;
	need(!kvm_ioctlp(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	return &cpuid.head;
}

uint64_t kvm_c_bit(int kvm)
{
	const struct kvm_cpuid2 *cpuid = kvm_supported_cpuid(kvm);

	for (unsigned i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0x8000001f)
			return 1ULL << (cpuid->entries[i].ebx & 0x3f);
	return 0;
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = code,
		.db = !code,
	};
}

void vcpu_long_mode(int vcpu, uint64_t cr3, bool idt)
{
	struct kvm_sregs s;

	need(!kvm_ioctlp(vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.cs = flat(8, 11, true);
	s.ds = s.es = s.fs = s.gs = s.ss = flat(16, 3, false);
	if (!idt)
		s.idt.limit = 0;
	s.cr0 = 0x80000031;
	s.cr3 = cr3;
	s.cr4 = 0x620;			/* PAE, OSFXSR, OSXMMEXCPT */
	s.efer = 0xd00;
	need(!kvm_ioctlp(vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
}

void sev_tables(void *at, uint64_t gpa, uint64_t size, uint64_t c_bit)
{
	uint64_t *pml4 = at, *pdpt = pml4 + 512, *on = pdpt + 512, *off = on + 512;

	pml4[0] = (gpa + PAGE) | c_bit | USED | 3;
	pdpt[0] = (gpa + 2 * PAGE) | c_bit | USED | 3;
	pdpt[1] = (gpa + 3 * PAGE) | c_bit | USED | 3;
	for (uint64_t i = 0; i < 512; i++) {
		on[i] = i << 21 | (i << 21 < size ? c_bit : 0) | STORED | USED | 0x83;
		off[i] = i << 21 | STORED | USED | 0x83;
	}
}
