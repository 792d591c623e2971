/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* wrong_cpuid.c - softcvm-run with a CPUID bit that no AMD processor has (7/0 EBX 1, TSC_ADJUST). */
#include "vmm/vmm.h"

void __real_vmm_snp_launch(struct vmm *vmm);
void __wrap_vmm_snp_launch(struct vmm *vmm);

void __wrap_vmm_snp_launch(struct vmm *vmm)
{
	for (unsigned i = 0; i < vmm->cpuid->nent; i++) {
		if (vmm->cpuid->entries[i].function == 7 && !vmm->cpuid->entries[i].index)
			vmm->cpuid->entries[i].ebx |= 1u << 1;
	}
	__real_vmm_snp_launch(vmm);
}
