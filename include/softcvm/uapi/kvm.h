/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uapi/kvm.h - KVM's ioctl ABI for x86-64 in our own words, up to Linux 6.18.
 *
 * Numbers, names and layouts are the kernel's, because they are the ABI; the
 * text is ours.  `make conformance` compares every value, size and offset
 * with the headers of a kernel source.
 *
 * Which header wins:
 *  - This one first: it stands in for <linux/kvm.h> and <asm/kvm.h> and takes
 *    their include guards, so that a later include of them adds nothing.
 *  - A real <linux/kvm.h> (Linux 6.1 or later) first: its definitions stay,
 *    and only names it does not know yet are added (kvm_since_6_1.h).  Members
 *    that later kernels gave to an existing struct (kvm_run.memory_fault) are
 *    then missing: a program that needs them includes this header first.
 *
 * Plain C99 with flexible array members, usable from C++.
 */
#ifndef SOFTCVM_UAPI_KVM_H
#define SOFTCVM_UAPI_KVM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#if !defined(__LINUX_KVM_H) && !defined(_ASM_X86_KVM_H)
#define __LINUX_KVM_H
#define _ASM_X86_KVM_H

#define KVM_API_VERSION		12
#define KVMIO			0xAE

#include <softcvm/uapi/kvm_x86.h>
#include <softcvm/uapi/kvm_vm.h>
#include <softcvm/uapi/kvm_sev.h>
#include <softcvm/uapi/kvm_xen.h>
#include <softcvm/uapi/kvm_run.h>
#include <softcvm/uapi/kvm_cap.h>
#include <softcvm/uapi/kvm_ioctl.h>

#elif !defined(KVM_CAP_DIRTY_LOG_RING_ACQ_REL)
#error "softcvm/uapi/kvm.h completes a whole <linux/kvm.h> of Linux 6.1 or later, or comes first"
#endif

#include <softcvm/uapi/kvm_since_6_1.h>
#include <softcvm/uapi/kvm_tdx.h>

#endif
