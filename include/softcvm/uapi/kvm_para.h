/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uapi/kvm_para.h - what a guest sees of KVM: CPUID leaves, MSRs, hypercalls.
 *
 * Stands in for <linux/kvm_para.h> in the way kvm.h does for <linux/kvm.h>:
 * whichever comes first wins.  Plain C99, usable from C++.
 */
#ifndef SOFTCVM_UAPI_KVM_PARA_H
#define SOFTCVM_UAPI_KVM_PARA_H

#include <linux/types.h>

#if !defined(__LINUX_KVM_PARA_H) && !defined(_ASM_X86_KVM_PARA_H)
#define __LINUX_KVM_PARA_H
#define _ASM_X86_KVM_PARA_H

/* Signature leaf: EBX, ECX, EDX spell it. */
#define KVM_CPUID_SIGNATURE	0x40000000
#define KVM_SIGNATURE		"KVMKVMKVM\0\0\0"

/* Feature leaf: bits of EAX; the hint is a bit of EDX. */
#define KVM_CPUID_FEATURES		0x40000001
#define KVM_FEATURE_CLOCKSOURCE		0
#define KVM_FEATURE_NOP_IO_DELAY	1
#define KVM_FEATURE_MMU_OP		2
#define KVM_FEATURE_CLOCKSOURCE2	3
#define KVM_FEATURE_ASYNC_PF		4
#define KVM_FEATURE_STEAL_TIME		5
#define KVM_FEATURE_PV_EOI		6
#define KVM_FEATURE_PV_UNHALT		7
#define KVM_FEATURE_PV_TLB_FLUSH	9
#define KVM_FEATURE_ASYNC_PF_VMEXIT	10
#define KVM_FEATURE_PV_SEND_IPI		11
#define KVM_FEATURE_POLL_CONTROL	12
#define KVM_FEATURE_PV_SCHED_YIELD	13
#define KVM_FEATURE_ASYNC_PF_INT	14
#define KVM_FEATURE_MSI_EXT_DEST_ID	15
#define KVM_FEATURE_HC_MAP_GPA_RANGE	16
#define KVM_FEATURE_MIGRATION_CONTROL	17
#define KVM_FEATURE_CLOCKSOURCE_STABLE_BIT 24
#define KVM_HINTS_REALTIME		0

#define MSR_KVM_WALL_CLOCK		0x11
#define MSR_KVM_SYSTEM_TIME		0x12
#define MSR_KVM_WALL_CLOCK_NEW		0x4b564d00
#define MSR_KVM_SYSTEM_TIME_NEW		0x4b564d01
#define MSR_KVM_ASYNC_PF_EN		0x4b564d02
#define MSR_KVM_STEAL_TIME		0x4b564d03
#define MSR_KVM_PV_EOI_EN		0x4b564d04
#define MSR_KVM_POLL_CONTROL		0x4b564d05
#define MSR_KVM_ASYNC_PF_INT		0x4b564d06
#define MSR_KVM_ASYNC_PF_ACK		0x4b564d07
#define MSR_KVM_MIGRATION_CONTROL	0x4b564d08

#define KVM_MSR_ENABLED			1
#define KVM_MIGRATION_READY		(1 << 0)

/* Asynchronous page faults (MSR_KVM_ASYNC_PF_EN) and stolen time. */
#define KVM_ASYNC_PF_ENABLED		(1 << 0)
#define KVM_ASYNC_PF_SEND_ALWAYS	(1 << 1)
#define KVM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT (1 << 2)
#define KVM_ASYNC_PF_DELIVERY_AS_INT	(1 << 3)
#define KVM_VCPU_PREEMPTED		(1 << 0)
#define KVM_VCPU_FLUSH_TLB		(1 << 1)

struct kvm_steal_time {
	__u64 steal;
	__u32 version;
	__u32 flags;
	__u8 preempted;
	__u8 u8_pad[3];
	__u32 pad[11];
};

#define KVM_STEAL_ALIGNMENT_BITS	5
#define KVM_STEAL_VALID_BITS		((-1ULL << (KVM_STEAL_ALIGNMENT_BITS + 1)))
#define KVM_STEAL_RESERVED_MASK		(((1 << KVM_STEAL_ALIGNMENT_BITS) - 1) << 1)

/* KVM_HC_CLOCK_PAIRING: the host's clock and the guest's TSC at one moment. */
#define KVM_CLOCK_PAIRING_WALLCLOCK	0
struct kvm_clock_pairing {
	__s64 sec;
	__s64 nsec;
	__u64 tsc;
	__u32 flags;
	__u32 pad[9];
};

/* Hypercalls: number in RAX, arguments in RBX, RCX, RDX, RSI, answer in RAX. */
#define KVM_HC_VAPIC_POLL_IRQ		1
#define KVM_HC_MMU_OP			2
#define KVM_HC_FEATURES			3
#define KVM_HC_KICK_CPU			5
#define KVM_HC_CLOCK_PAIRING		9
#define KVM_HC_SEND_IPI			10
#define KVM_HC_SCHED_YIELD		11
#define KVM_HC_MAP_GPA_RANGE		12

#define KVM_ENOSYS			1000
#define KVM_EFAULT			EFAULT
#define KVM_EINVAL			EINVAL
#define KVM_E2BIG			E2BIG
#define KVM_EPERM			EPERM
#define KVM_EOPNOTSUPP			95

/* Third argument of KVM_HC_MAP_GPA_RANGE: page size in 3:0, encrypted in 4. */
#define KVM_MAP_GPA_RANGE_PAGE_SZ_4K	0
#define KVM_MAP_GPA_RANGE_PAGE_SZ_2M	(1 << 0)
#define KVM_MAP_GPA_RANGE_PAGE_SZ_1G	(1 << 1)
#define KVM_MAP_GPA_RANGE_ENC_STAT(n)	((n) << 4)
#define KVM_MAP_GPA_RANGE_ENCRYPTED	KVM_MAP_GPA_RANGE_ENC_STAT(1)
#define KVM_MAP_GPA_RANGE_DECRYPTED	KVM_MAP_GPA_RANGE_ENC_STAT(0)

#else
#include <linux/kvm_para.h>
#endif

#endif
