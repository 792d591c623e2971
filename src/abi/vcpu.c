/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vcpu.c - ioctls on a vCPU.  All of them hold its mutex.
 */
#include "kvm/vcpu/vcpu.h"

#include <errno.h>
#include <stdlib.h>

#include "abi/counted.h"
#include "abi/ioctl.h"
#include "kvm/core/request.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/guest_debug.h"
#include "kvm/vcpu/mce.h"
#include "kvm/vcpu/xstate.h"
#include "os/uaccess.h"

static struct vcpu *vcpu_of(struct ioctl_call *c)
{
	return c->file->vcpu;
}

static void signals_begin(struct ioctl_call *c, bool is_run)
{
	/* One that came after the last run had ended was that run's. */
	atomic32_store_release(&vcpu_of(c)->signal, 0);
	atomic64_store(&vcpu_of(c)->runner, sync_thread_self());
	if (c->abi->run_hook)
		c->abi->run_hook(vcpu_of(c), is_run);
}

static void signals_end(struct ioctl_call *c, bool is_run)
{
	if (c->abi->run_hook)
		c->abi->run_hook(NULL, is_run);
	atomic64_store_release(&vcpu_of(c)->runner, 0);
}

static long run(struct ioctl_call *c)
{
	long r;

	signals_begin(c, true);
	if (unlikely(atomic32_load(&vcpu_of(c)->kicked)))
		atomic32_store(&vcpu_of(c)->signal, 1);
	r = vcpu_run(vcpu_of(c));
	signals_end(c, true);
	if (r == -EINTR)
		atomic32_store(&vcpu_of(c)->kicked, 0);
	return r;
}

/*
 * State that is an ioctl's whole argument: reading it cannot fail, writing it
 * answers 0 or -errno.
 */
#define READS(name)								\
static long get_##name(struct ioctl_call *c)					\
{										\
	vcpu_get_##name(vcpu_of(c), c->data);					\
	return 0;								\
}
#define WRITES(name)								\
static long set_##name(struct ioctl_call *c)					\
{										\
	return vcpu_set_##name(vcpu_of(c), c->data);				\
}
#define STATE(name)	READS(name) WRITES(name)

STATE(regs)
STATE(sregs)
READS(sregs2)
STATE(fpu)
STATE(xsave)
STATE(xcrs)
STATE(debugregs)
STATE(events)
WRITES(guest_debug)
WRITES(mce)

/* Refused before the pointer is looked at. */
static long set_sregs2(struct ioctl_call *c)
{
	struct kvm_sregs2 s;

	if (os_copy_from(&s, (void *)c->arg, sizeof(s)))
		return -EFAULT;
	return vcpu_set_sregs2(vcpu_of(c), &s);
}

static long get_mp_state(struct ioctl_call *c)
{
	struct vcpu *v = vcpu_of(c);

	v->base.srcu_idx = srcu_read_lock(&v->base.kvm->srcu);
	((struct kvm_mp_state *)c->data)->mp_state = vcpu_get_mp_state(v);
	srcu_read_unlock(&v->base.kvm->srcu, v->base.srcu_idx);
	return 0;
}

static long set_mp_state(struct ioctl_call *c)
{
	return vcpu_set_mp_state(vcpu_of(c), ((struct kvm_mp_state *)c->data)->mp_state);
}

static long translate(struct ioctl_call *c)
{
	vcpu_translate(vcpu_of(c), c->data);
	return 0;
}

static long setup_mce(struct ioctl_call *c)
{
	return vcpu_setup_mce(vcpu_of(c), *(uint64_t *)c->data);
}

static long enable_cap(struct ioctl_call *c)
{
	return vcpu_enable_cap(vcpu_of(c), c->data);
}

/* There is no system management mode. */
static long smi(struct ioctl_call *c)
{
	return -ENOTTY;
}

static long get_lapic(struct ioctl_call *c)
{
	if (!vcpu_of(c)->base.lapic)
		return -EINVAL;
	return vcpu_get_lapic(vcpu_of(c), c->data);
}

/* Without a local APIC it is EINVAL, before the pointer is looked at. */
static long set_lapic(struct ioctl_call *c)
{
	struct kvm_lapic_state state;

	if (!vcpu_of(c)->base.lapic)
		return -EINVAL;
	if (os_copy_from(&state, (void *)c->arg, sizeof(state)))
		return -EFAULT;
	return vcpu_set_lapic(vcpu_of(c), &state);
}

/* As there: without a local APIC it is EINVAL, before the pointer is looked at. */
static long set_vapic_addr(struct ioctl_call *c)
{
	struct vcpu *v = vcpu_of(c);
	struct kvm_vapic_addr va;
	long r;

	if (!v->base.lapic)
		return -EINVAL;
	if (os_copy_from(&va, (void *)c->arg, sizeof(va)))
		return -EFAULT;
	v->base.srcu_idx = srcu_read_lock(&v->base.kvm->srcu);
	r = vcpu_set_vapic(v, GPA(va.vapic_addr));
	srcu_read_unlock(&v->base.kvm->srcu, v->base.srcu_idx);
	return r;
}

static long tpr_access_reporting(struct ioctl_call *c)
{
	return vcpu_report_tpr(vcpu_of(c), c->data);
}

static long install_cpuid(struct vcpu *v, struct kvm_cpuid_entry2 *e, uint32_t nr, int r)
{
	if (!e)
		return r;
	r = vcpu_set_cpuid(v, e, nr);
	free(e);
	return r;
}

static long set_cpuid(struct ioctl_call *c)
{
	uint32_t nr = 0;
	int r;
	struct kvm_cpuid_entry2 *e = counted_old_cpuid_in(c->arg, &nr, &r);

	return install_cpuid(vcpu_of(c), e, nr, r);
}

static long set_cpuid2(struct ioctl_call *c)
{
	uint32_t nr = 0;
	int r;
	struct kvm_cpuid_entry2 *e = counted_cpuid_in(c->arg, &nr, &r);

	return install_cpuid(vcpu_of(c), e, nr, r);
}

static long get_cpuid2(struct ioctl_call *c)
{
	const struct vcpu *v = vcpu_of(c);
	struct kvm_cpuid_entry2 e[KVM_MAX_CPUID_ENTRIES];
	long room = counted_cpuid_room(c->arg, v->nr_cpuid);

	if (room < 0)
		return room;
	vcpu_get_cpuid(v, e);
	return counted_cpuid_out(c->arg, e, v->nr_cpuid);
}

/* Registers of the paravirtual clocks reach into the guest's memory. */
static int read_msr(void *who, uint32_t index, uint64_t *value)
{
	struct vcpu *v = who;
	int r;

	v->base.srcu_idx = srcu_read_lock(&v->base.kvm->srcu);
	r = vcpu_get_msr(v, index, true, value);
	srcu_read_unlock(&v->base.kvm->srcu, v->base.srcu_idx);
	return r;
}

static int write_msr(void *who, uint32_t index, uint64_t *value)
{
	struct vcpu *v = who;
	int r;

	v->base.srcu_idx = srcu_read_lock(&v->base.kvm->srcu);
	r = vcpu_set_msr(v, index, true, *value);
	srcu_read_unlock(&v->base.kvm->srcu, v->base.srcu_idx);
	return r;
}

static long get_msrs(struct ioctl_call *c)
{
	return counted_msrs(c->arg, read_msr, vcpu_of(c), true);
}

static long set_msrs(struct ioctl_call *c)
{
	return counted_msrs(c->arg, write_msr, vcpu_of(c), false);
}

static long get_tsc_khz(struct ioctl_call *c)
{
	return vcpu_of(c)->tsc.khz;
}

static long set_tsc_khz(struct ioctl_call *c)
{
	return vcpu_set_tsc_khz(vcpu_of(c), c->arg);
}

/* The mask lasts until the next one; NULL takes it away. */
bool abi_run_mask(const struct vcpu *v, uint64_t *mask)
{
	*mask = v->signal_mask;
	return v->has_signal_mask;
}

static long set_signal_mask(struct ioctl_call *c)
{
	struct vcpu *v = vcpu_of(c);
	struct kvm_signal_mask mask;
	uint64_t set;

	if (!c->arg) {
		v->has_signal_mask = false;
		return 0;
	}
	if (os_copy_from(&mask, (void *)c->arg, sizeof(mask)))
		return -EFAULT;
	if (mask.len != sizeof(set))
		return -EINVAL;
	if (os_copy_from(&set, (char *)c->arg + sizeof(mask), sizeof(set)))
		return -EFAULT;
	v->signal_mask = set;
	v->has_signal_mask = true;
	return 0;
}

static long interrupt(struct ioctl_call *c)
{
	return vcpu_user_interrupt(vcpu_of(c), ((struct kvm_interrupt *)c->data)->irq);
}

static long nmi(struct ioctl_call *c)
{
	kvm_inject_nmi(&vcpu_of(c)->base);
	return 0;
}

static long pre_fault_memory(struct ioctl_call *c)
{
	long r;

	signals_begin(c, false);
	r = vcpu_prefault(vcpu_of(c), c->data);
	signals_end(c, false);
	return r;
}

/* Waits while the vCPU runs, as the kernel's does; the table's lock comes before the vCPU's. */
static long get_stats_fd(struct ioctl_call *c)
{
	mutex_lock(&vcpu_of(c)->base.mutex);
	mutex_unlock(&vcpu_of(c)->base.mutex);
	return abi_stats_open(c->file);
}

static long kvmclock_ctrl(struct ioctl_call *c)
{
	return vcpu_kvmclock_ctrl(vcpu_of(c));
}

/* One attribute there is: how far the guest's TSC is from the (scaled) host's. */
static long has_device_attr(struct ioctl_call *c)
{
	const struct kvm_device_attr *attr = c->data;

	return attr->group == KVM_VCPU_TSC_CTRL && attr->attr == KVM_VCPU_TSC_OFFSET ? 0 : -ENXIO;
}

static long get_device_attr(struct ioctl_call *c)
{
	const struct kvm_device_attr *attr = c->data;
	long r = has_device_attr(c);

	if (r)
		return r;
	if (os_copy_to((void *)attr->addr, &vcpu_of(c)->tsc.offset, sizeof(uint64_t)))
		return -EFAULT;
	return 0;
}

static long set_device_attr(struct ioctl_call *c)
{
	const struct kvm_device_attr *attr = c->data;
	long r = has_device_attr(c);
	uint64_t offset;

	if (r)
		return r;
	if (os_copy_from(&offset, (void *)attr->addr, sizeof(offset)))
		return -EFAULT;
	vcpu_set_tsc_offset(vcpu_of(c), offset);
	return 0;
}

#define ROW(cmd, flags, fn) IOC(cmd, (flags) | IOC_LOCK_VCPU, fn)

static const struct ioctl_row rows[] = {
	ROW(KVM_RUN, IOC_NO_ARG, run),
	ROW(KVM_GET_REGS, IOC_REGISTERS, get_regs),
	ROW(KVM_SET_REGS, IOC_REGISTERS, set_regs),
	ROW(KVM_GET_SREGS, IOC_REGISTERS, get_sregs),
	ROW(KVM_SET_SREGS, IOC_REGISTERS, set_sregs),
	ROW(KVM_GET_SREGS2, IOC_REGISTERS, get_sregs2),
	ROW(KVM_SET_SREGS2, IOC_RAW | IOC_REGISTERS, set_sregs2),
	ROW(KVM_GET_FPU, IOC_REGISTERS, get_fpu),
	ROW(KVM_SET_FPU, IOC_REGISTERS, set_fpu),
	ROW(KVM_GET_XSAVE, IOC_REGISTERS, get_xsave),
	ROW(KVM_GET_XSAVE2, IOC_REGISTERS, get_xsave),
	ROW(KVM_SET_XSAVE, IOC_REGISTERS, set_xsave),
	ROW(KVM_GET_XCRS, IOC_REGISTERS, get_xcrs),
	ROW(KVM_SET_XCRS, IOC_REGISTERS, set_xcrs),
	ROW(KVM_GET_DEBUGREGS, IOC_REGISTERS, get_debugregs),
	ROW(KVM_SET_DEBUGREGS, IOC_REGISTERS, set_debugregs),
	ROW(KVM_GET_VCPU_EVENTS, 0, get_events),
	ROW(KVM_SET_VCPU_EVENTS, 0, set_events),
	ROW(KVM_SET_GUEST_DEBUG, 0, set_guest_debug),
	ROW(KVM_TRANSLATE, 0, translate),
	ROW(KVM_X86_SETUP_MCE, 0, setup_mce),
	ROW(KVM_X86_SET_MCE, 0, set_mce),
	ROW(KVM_ENABLE_CAP, 0, enable_cap),
	ROW(KVM_SMI, IOC_VALUE, smi),
	ROW(KVM_GET_MP_STATE, 0, get_mp_state),
	ROW(KVM_SET_MP_STATE, 0, set_mp_state),
	ROW(KVM_GET_LAPIC, 0, get_lapic),
	ROW(KVM_SET_LAPIC, IOC_RAW, set_lapic),
	ROW(KVM_TPR_ACCESS_REPORTING, 0, tpr_access_reporting),
	ROW(KVM_SET_VAPIC_ADDR, IOC_RAW, set_vapic_addr),
	ROW(KVM_SET_CPUID, IOC_RAW, set_cpuid),
	ROW(KVM_SET_CPUID2, IOC_RAW, set_cpuid2),
	ROW(KVM_GET_CPUID2, IOC_RAW, get_cpuid2),
	ROW(KVM_GET_MSRS, IOC_RAW, get_msrs),
	ROW(KVM_SET_MSRS, IOC_RAW, set_msrs),
	ROW(KVM_KVMCLOCK_CTRL, IOC_VALUE, kvmclock_ctrl),
	ROW(KVM_HAS_DEVICE_ATTR, IOC_IN_ONLY, has_device_attr),
	ROW(KVM_GET_DEVICE_ATTR, IOC_IN_ONLY, get_device_attr),
	ROW(KVM_SET_DEVICE_ATTR, IOC_IN_ONLY, set_device_attr),
	ROW(KVM_GET_TSC_KHZ, IOC_VALUE, get_tsc_khz),
	ROW(KVM_SET_TSC_KHZ, IOC_VALUE, set_tsc_khz),
	ROW(KVM_SET_SIGNAL_MASK, IOC_RAW, set_signal_mask),
	ROW(KVM_INTERRUPT, 0, interrupt),
	ROW(KVM_NMI, IOC_VALUE, nmi),
	IOC(KVM_GET_STATS_FD, IOC_VALUE, get_stats_fd),
	ROW(KVM_PRE_FAULT_MEMORY, IOC_COPY_BACK, pre_fault_memory),
};

const struct ioctl_table vcpu_ioctls = { rows, ARRAY_SIZE(rows), -EINVAL };
