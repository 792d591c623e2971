/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * time.h - a VM's clocks: the TSCs of its vCPUs and the paravirtual clock.
 *
 * kvmclock counts nanoseconds of the host since the VM's birth.  While all
 * vCPUs' TSCs agree it is the same line for all of them (the master clock):
 * a pair of host TSC and host nanoseconds, taken once.  Spec:
 * virt/kvm/x86/timekeeping.rst, msr.rst.
 *
 * Keys: [l] lock.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/core/kvm.h"
#include "kvm/host/cached.h"

struct vcpu;

struct kvm_time {
	struct spinlock	lock;		/* RANK_LEAF */

	/* The last TSC write, and the generation of writes that agree with it.  [l] */
	uint64_t	last_ns, last_write, last_offset;
	uint32_t	last_khz;
	uint64_t	cur_offset;
	uint64_t	generation;
	uint32_t	nr_matched;	/* vCPUs that followed the first of it */
	bool		user_set_tsc;

	bool		master;		/* [l] one line for all */
	bool		boot_runs_old;	/* [l] vCPU 0 uses the old MSR: no master clock */
	uint64_t	master_ns, master_tsc;	/* [l] taken together */
	int64_t		offset;		/* [l] kvmclock = host ns + this */
	uint64_t	wall_clock_gpa;	/* [l] as last written to the MSR */
};

/* The vCPU's side; its own thread. */
struct vcpu_time {
	uint64_t	generation;	/* of TSC writes it belongs to */
	uint64_t	system_time;	/* MSR: gpa | enabled */
	bool		guest_stopped;	/* KVM_KVMCLOCK_CTRL, to be told */
	uint64_t	steal_msr;
	struct gfn_to_hva_cache steal;	/* its structure, where that was last */
	uint64_t	steal_last;	/* ns that have been told */
	bool		preempted;	/* told so */
	uint64_t	eoi_msr;
	struct gfn_to_hva_cache eoi;	/* its byte; while it is enabled */
	bool		eoi_pending;	/* the guest may end its interrupt by clearing a bit */
	uint64_t	poll_control;
	uint64_t	async_pf_en, async_pf_int;
	struct gfn_to_hva_cache async_pf;	/* its two words; while it is enabled */
};

MUST_CHECK int kvm_time_create(struct kvm *kvm);	/* kvm->time; -ENOMEM */
void kvm_time_destroy(struct kvm *kvm);

/* TSC (tsc.c).  0 or -EINVAL: beyond what the processor scales. */
MUST_CHECK int vcpu_set_tsc_khz(struct vcpu *v, uint32_t khz);
uint32_t kvm_max_tsc_khz(const struct kvm_module *module);
/* A vCPU is born, or user space writes IA32_TSC: perhaps the others' value was meant. */
void vcpu_synchronize_tsc(struct vcpu *v, uint64_t value, bool from_user);
/* The guest writes IA32_TSC, or moves it by the adjustment. */
void vcpu_adjust_tsc(struct vcpu *v, uint64_t by);
/* KVM_VCPU_TSC_OFFSET. */
void vcpu_set_tsc_offset(struct vcpu *v, uint64_t offset);

/* kvmclock (kvmclock.c). */
void kvm_get_clock(struct kvm *kvm, struct kvm_clock_data *data);
MUST_CHECK int kvm_set_clock(struct kvm *kvm, const struct kvm_clock_data *data);	/* -EINVAL */
/* KVM_REQ_MASTERCLOCK_UPDATE, KVM_REQ_CLOCK_UPDATE.  SRCU is held. */
void kvm_update_master_clock(struct kvm *kvm);
void vcpu_update_clock(struct vcpu *v);
void vcpu_write_wall_clock(struct vcpu *v, uint64_t gpa);
void vcpu_write_system_time(struct vcpu *v, uint64_t value, bool old_msr, bool host);
MUST_CHECK int vcpu_kvmclock_ctrl(struct vcpu *v);	/* -EINVAL: the guest has none */
/* KVM_HC_CLOCK_PAIRING: 0 or -KVM_E*. */
int vcpu_clock_pairing(struct vcpu *v, uint64_t gpa, uint64_t type);

/* Steal time and PV EOI (pv.c).  SRCU is held. */
void vcpu_record_steal(struct vcpu *v);
void vcpu_mark_preempted(struct vcpu *v);
/* MSR_KVM_PV_EOI_EN, aligned.  -EINVAL, -EFAULT: no memory there. */
MUST_CHECK int vcpu_set_pv_eoi(struct vcpu *v, uint64_t value);
void vcpu_offer_pv_eoi(struct vcpu *v);		/* before the guest runs */
void vcpu_take_pv_eoi(struct vcpu *v);		/* after it ran */
