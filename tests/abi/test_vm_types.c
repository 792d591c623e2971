/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_vm_types.c - which VM types this machine has: announced, created, and in
 * CPUID, all the same set.
 *
 * usage: test_vm_types MASK	bits of KVM_X86_*_VM, as KVM_CAP_VM_TYPES has them
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm_user.h"

#define MAX_ENTRIES	256
#define ENCRYPTION_LEAF	0x8000001f

/* EAX of 8000_001F in KVM_GET_SUPPORTED_CPUID. */
static uint32_t supported_encryption(int kvm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[MAX_ENTRIES];
	} cpuid = { .head.nent = MAX_ENTRIES };

	need(!kvm_ioctlp(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	for (unsigned i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.entries[i].function == ENCRYPTION_LEAF)
			return cpuid.entries[i].eax;
	}
	return 0;
}

/* Is there SEV?  A command without an argument asks; any other has to be read. */
static void check_commands(struct checks *c, int kvm, bool sev)
{
	int vm = vm_make(kvm, KVM_X86_DEFAULT_VM);
	long none = kvm_ioctl(vm, KVM_MEMORY_ENCRYPT_OP, 0);
	long bad = kvm_ioctl(vm, KVM_MEMORY_ENCRYPT_OP, 8);

	check(c, none == (sev ? 0 : -ENOTTY), "KVM_MEMORY_ENCRYPT_OP of nothing gives %ld", none);
	check(c, bad == (sev ? -EFAULT : -ENOTTY), "KVM_MEMORY_ENCRYPT_OP of 8 gives %ld", bad);
	close(vm);
}

static void check_type(struct checks *c, int kvm, unsigned long type, bool there)
{
	long vm = kvm_ioctl(kvm, KVM_CREATE_VM, type);

	check(c, there ? vm >= 0 : vm == -EINVAL, "KVM_CREATE_VM(%lu) gives %ld", type, vm);
	if (vm >= 0) {
		check(c, kvm_ioctl((int)vm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) ==
			 kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES),
		      "the VM says the same of types");
		close((int)vm);
	}
}

int main(int argc, char **argv)
{
	struct checks c = { 0 };
	unsigned long mask = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	int kvm = kvm_open();
	uint32_t eax = supported_encryption(kvm);
	long types = kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);

	check(&c, types == (long)mask, "KVM_CAP_VM_TYPES is %#lx, not %#lx", types, mask);
	for (unsigned long type = 0; type < 40; type++)
		check_type(&c, kvm, type, type < 32 && (mask >> type & 1));
	check_commands(&c, kvm, mask >> KVM_X86_SEV_VM & 1);
	check(&c, (eax >> 1 & 1) == (mask >> KVM_X86_SEV_VM & 1), "CPUID has SEV as the types do");
	check(&c, (eax >> 3 & 1) == (mask >> KVM_X86_SEV_ES_VM & 1), "CPUID has SEV-ES as the types do");
	check(&c, (eax >> 4 & 1) == (mask >> KVM_X86_SNP_VM & 1), "CPUID has SNP as the types do");
	return checks_end(&c);
}
