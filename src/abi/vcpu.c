/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vcpu.c - ioctls on a vCPU.  All of them hold its mutex.
 */
#include "kvm/vcpu/vcpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/counted.h"
#include "abi/ioctl.h"
#include "kvm/core/request.h"
#include "kvm/vcpu/cpuid.h"
#include "os/uaccess.h"

static struct vcpu *vcpu_of(struct ioctl_call *c)
{
	return c->file->vcpu;
}

static long run(struct ioctl_call *c)
{
	abi_run_hook hook = c->abi->run_hook;
	long r;

	if (hook)
		hook(vcpu_of(c));
	r = vcpu_run(vcpu_of(c));
	if (hook)
		hook(NULL);
	return r;
}

static long get_regs(struct ioctl_call *c)
{
	vcpu_get_regs(vcpu_of(c), c->data);
	return 0;
}

static long set_regs(struct ioctl_call *c)
{
	vcpu_set_regs(vcpu_of(c), c->data);
	return 0;
}

static long get_sregs(struct ioctl_call *c)
{
	vcpu_get_sregs(vcpu_of(c), c->data);
	return 0;
}

static long set_sregs(struct ioctl_call *c)
{
	return vcpu_set_sregs(vcpu_of(c), c->data);
}

static long get_fpu(struct ioctl_call *c)
{
	vcpu_get_fpu(vcpu_of(c), c->data);
	return 0;
}

static long set_fpu(struct ioctl_call *c)
{
	vcpu_set_fpu(vcpu_of(c), c->data);
	return 0;
}

static long get_debugregs(struct ioctl_call *c)
{
	vcpu_get_debugregs(vcpu_of(c), c->data);
	return 0;
}

static long set_debugregs(struct ioctl_call *c)
{
	return vcpu_set_debugregs(vcpu_of(c), c->data);
}

static long get_mp_state(struct ioctl_call *c)
{
	((struct kvm_mp_state *)c->data)->mp_state = vcpu_of(c)->mp_state;
	return 0;
}

static long set_mp_state(struct ioctl_call *c)
{
	return vcpu_set_mp_state(vcpu_of(c), ((struct kvm_mp_state *)c->data)->mp_state);
}

static long get_lapic(struct ioctl_call *c)
{
	if (!vcpu_of(c)->lapic)
		return -EINVAL;
	memcpy(c->data, vcpu_of(c)->lapic->regs, sizeof(struct kvm_lapic_state));
	return 0;
}

static long set_lapic(struct ioctl_call *c)
{
	if (!vcpu_of(c)->lapic)
		return -EINVAL;
	memcpy(vcpu_of(c)->lapic->regs, c->data, sizeof(struct kvm_lapic_state));
	return 0;
}

static long set_cpuid2(struct ioctl_call *c)
{
	struct kvm_cpuid_entry2 *e;
	uint32_t nr;
	int r;

	e = counted_cpuid_in(c->arg, &nr, &r);
	if (!e)
		return r;
	r = vcpu_set_cpuid(vcpu_of(c), e, nr);
	free(e);
	return r;
}

static long get_cpuid2(struct ioctl_call *c)
{
	const struct vcpu *v = vcpu_of(c);
	struct kvm_cpuid2 header;

	if (os_copy_from(&header, (void *)c->arg, sizeof(header)))
		return -EFAULT;
	if (header.nent < v->nr_cpuid)
		return -E2BIG;
	return counted_cpuid_out(c->arg, v->cpuid, v->nr_cpuid);
}

static int read_msr(void *who, uint32_t index, uint64_t *value)
{
	return vcpu_get_msr(who, index, true, value);
}

static int write_msr(void *who, uint32_t index, uint64_t *value)
{
	return vcpu_set_msr(who, index, true, *value);
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
	return vcpu_of(c)->tsc_khz;
}

/* KVM_INTERRUPT: only without a local APIC in the kernel. */
static long interrupt(struct ioctl_call *c)
{
	uint32_t irq = ((struct kvm_interrupt *)c->data)->irq;
	struct vcpu *v = vcpu_of(c);

	if (irq >= 256)
		return -EINVAL;
	if (v->lapic)
		return -ENXIO;
	if (v->event.pending)
		return -EEXIST;
	v->event = (struct vcpu_event){ .pending = true, .is_intr = true, .vector = irq };
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	return 0;
}

static long pre_fault_memory(struct ioctl_call *c)
{
	return vcpu_prefault(vcpu_of(c), c->data);
}

#define ROW(cmd, flags, fn) IOC(cmd, (flags) | IOC_LOCK_VCPU, fn)

static const struct ioctl_row rows[] = {
	ROW(KVM_RUN, IOC_NO_ARG, run),
	ROW(KVM_GET_REGS, 0, get_regs),
	ROW(KVM_SET_REGS, 0, set_regs),
	ROW(KVM_GET_SREGS, 0, get_sregs),
	ROW(KVM_SET_SREGS, 0, set_sregs),
	ROW(KVM_GET_FPU, 0, get_fpu),
	ROW(KVM_SET_FPU, 0, set_fpu),
	ROW(KVM_GET_DEBUGREGS, 0, get_debugregs),
	ROW(KVM_SET_DEBUGREGS, 0, set_debugregs),
	ROW(KVM_GET_MP_STATE, 0, get_mp_state),
	ROW(KVM_SET_MP_STATE, 0, set_mp_state),
	ROW(KVM_GET_LAPIC, 0, get_lapic),
	ROW(KVM_SET_LAPIC, 0, set_lapic),
	ROW(KVM_SET_CPUID2, IOC_RAW, set_cpuid2),
	ROW(KVM_GET_CPUID2, IOC_RAW, get_cpuid2),
	ROW(KVM_GET_MSRS, IOC_RAW, get_msrs),
	ROW(KVM_SET_MSRS, IOC_RAW, set_msrs),
	ROW(KVM_GET_TSC_KHZ, IOC_VALUE, get_tsc_khz),
	ROW(KVM_INTERRUPT, 0, interrupt),
	ROW(KVM_PRE_FAULT_MEMORY, IOC_COPY_BACK, pre_fault_memory),
};

const struct ioctl_table vcpu_ioctls = { rows, ARRAY_SIZE(rows), -EINVAL };
