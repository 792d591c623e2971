/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * identity.h - how a program finds out that its /dev/kvm is SoftCVM.
 *
 * Plain C99, nothing else needed.
 */
#ifndef SOFTCVM_IDENTITY_H
#define SOFTCVM_IDENTITY_H

/*
 * KVM_CHECK_EXTENSION(KVM_CAP_SOFTCVM) on any of our descriptors returns the
 * version (major << 16 | minor << 8 | patch), never 0.  A kernel's KVM
 * returns 0.  The number spells "SCVM".
 */
#define KVM_CAP_SOFTCVM		0x5343564d

/*
 * KVM_CHECK_EXTENSION(KVM_CAP_SOFTCVM_INSTRUCTIONS) on a VM's descriptor
 * returns the guest instructions that this VM's vCPUs have retired so far,
 * INT_MAX when there are more; on other descriptors 0.  The count may lag
 * behind a vCPU that is inside KVM_RUN.  A kernel's KVM returns 0.
 */
#define KVM_CAP_SOFTCVM_INSTRUCTIONS	(KVM_CAP_SOFTCVM + 1)

#define SOFTCVM_VERSION_MAJOR	0
#define SOFTCVM_VERSION_MINOR	1
#define SOFTCVM_VERSION_PATCH	0
#define SOFTCVM_VERSION \
	(SOFTCVM_VERSION_MAJOR << 16 | SOFTCVM_VERSION_MINOR << 8 | SOFTCVM_VERSION_PATCH)

/*
 * CPUID leaf of guests (and of KVM_GET_SUPPORTED_CPUID): EAX = highest leaf of
 * this block, EBX/ECX/EDX = "SoftCVM\0NOTC"; next to KVM's 0x40000000.
 */
#define SOFTCVM_CPUID_LEAF	0x40000200
#define SOFTCVM_CPUID_EBX	0x74666f53	/* "Soft" */
#define SOFTCVM_CPUID_ECX	0x004d5643	/* "CVM\0" */
#define SOFTCVM_CPUID_EDX	0x43544f4e	/* "NOTC": not confidential */

#endif
