/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * launches-twice.c - a VMM that gives a page of its guest's to a launch command: softcvm-run, but its
 * list of what is to be launched has the first range twice.
 *
 * The page is measured, encrypted and validated after the first time.  KVM says EIO, whatever was wrong,
 * and no firmware error, for the firmware was not even asked.
 *
 * $ softcvm exec --cpu amd -- launches-twice --type snp snp-hello.elf
 * softcvm: warning: SEV-SNP: SNP_LAUNCH_UPDATE of gfn 0x7, which is a guest's page already; page 0x*: gfn
 * 0x7 of ASID *, 4K, validated; RMPUPDATE assigned it for the secure processor (ASID *, 4K),
 * SNP_LAUNCH_UPDATE [firmware ABI 8.17]
 */
#include <stdlib.h>

#include "vmm/vmm.h"

void __real_vmm_image_add_start_info(struct vmm *vmm);
void __wrap_vmm_image_add_start_info(struct vmm *vmm);

void __wrap_vmm_image_add_start_info(struct vmm *vmm)
{
	struct vmm_image *image = &vmm->image;
	struct vmm_range *more;

	__real_vmm_image_add_start_info(vmm);
	more = realloc(image->loaded, (image->nr_loaded + 1) * sizeof(*more));
	if (!more)
		vmm_die(VMM_EXIT_MACHINE, "out of memory");
	more[image->nr_loaded++] = more[0];	/* here: the mistake */
	image->loaded = more;
}
