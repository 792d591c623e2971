/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * kvmclock.c - the paravirtual clock and the wall clock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "softcvm/uapi/kvm_para.h"
#include "kvm/core/request.h"
#include "kvm/host/access.h"
#include "kvm/vcpu/pvclock.h"
#include "kvm/vcpu/time.h"
#include "kvm/vcpu/vcpu.h"
#include "os/clock.h"

#define NS_PER_S	1000000000ull
#define CLOCK_FLAGS	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)
#define SYSTEM_TIME_ENABLED 1ull

int kvm_time_create(struct kvm *kvm)
{
	struct kvm_time *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	spin_init(&t->lock, "kvm->time", RANK_LEAF);
	t->offset = -(int64_t)os_monotonic_ns();
	kvm->time = t;
	return 0;
}

void kvm_time_destroy(struct kvm *kvm)
{
	free(kvm->time);
	kvm->time = NULL;
}

/* How ticks of @khz become nanoseconds: (ticks << shift) * mul >> 32, mul as large as it gets. */
struct scale {
	int8_t		shift;
	uint32_t	mul;
};

static struct scale scale_of(uint32_t khz)
{
	uint64_t hz = khz * 1000ull, ns = NS_PER_S;
	struct scale s = { 0 };

	while (hz > ns * 2 || hz >> 32) {
		hz >>= 1;
		s.shift--;
	}
	while ((uint32_t)hz <= (uint32_t)ns) {
		if (ns >> 31)
			ns >>= 1;
		else
			hz <<= 1;
		s.shift++;
	}
	s.mul = (uint32_t)((ns << 32) / hz);
	return s;
}

static uint64_t to_ns(struct scale s, uint64_t ticks)
{
	ticks = s.shift < 0 ? ticks >> -s.shift : ticks << s.shift;
	return (uint64_t)((unsigned __int128)ticks * s.mul >> 32);
}

/* The lock is held.  Takes the master pair anew, if there is to be one. */
static void take_master(struct kvm *kvm)
{
	struct kvm_time *t = kvm->time;

	t->master = t->nr_matched + 1 == atomic32_load(&kvm->nr_vcpus) && !t->boot_runs_old;
	if (!t->master)
		return;
	t->master_tsc = os_tsc();
	t->master_ns = os_monotonic_ns();
}

/*
 * No vCPU is in the guest while the line changes: one that reads another's
 * clock, or hands a time over, would see it jump.
 */
static void stop_vcpus(struct kvm *kvm)
{
	kvm_make_all_cpus_request(kvm, KVM_REQ_MCLOCK_INPROGRESS);
}

static void let_vcpus_go(struct kvm *kvm)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	for (uint32_t i = 0; i < n; i++) {
		struct kvm_vcpu *vcpu = kvm_get_vcpu(kvm, i);

		kvm_make_request(KVM_REQ_CLOCK_UPDATE, vcpu);
		kvm_check_request(KVM_REQ_MCLOCK_INPROGRESS, vcpu);
	}
}

void kvm_update_master_clock(struct kvm *kvm)
{
	struct kvm_time *t = kvm->time;

	stop_vcpus(kvm);
	spin_lock(&t->lock);
	take_master(kvm);
	spin_unlock(&t->lock);
	let_vcpus_go(kvm);
}

void kvm_get_clock(struct kvm *kvm, struct kvm_clock_data *data)
{
	struct kvm_time *t = kvm->time;

	memset(data, 0, sizeof(*data));
	spin_lock(&t->lock);
	if (t->master) {
		data->host_tsc = os_tsc();
		data->realtime = os_realtime_ns();
		data->flags = CLOCK_FLAGS;
		data->clock = t->master_ns + (uint64_t)t->offset +
			      to_ns(scale_of(os_tsc_khz()), data->host_tsc - t->master_tsc);
	} else {
		data->clock = os_monotonic_ns() + (uint64_t)t->offset;
	}
	spin_unlock(&t->lock);
}

int kvm_set_clock(struct kvm *kvm, const struct kvm_clock_data *data)
{
	struct kvm_time *t = kvm->time;
	uint64_t clock = data->clock, real;

	if (data->flags & ~(uint32_t)CLOCK_FLAGS)
		return -EINVAL;
	stop_vcpus(kvm);
	spin_lock(&t->lock);
	take_master(kvm);
	real = os_realtime_ns();
	if ((data->flags & KVM_CLOCK_REALTIME) && real > data->realtime)
		clock += real - data->realtime;
	t->offset = (int64_t)(clock - (t->master ? t->master_ns : os_monotonic_ns()));
	spin_unlock(&t->lock);
	let_vcpus_go(kvm);
	return 0;
}

/* What the guest's structure says from now on. */
static struct pvclock_vcpu_time_info current_info(struct vcpu *v)
{
	struct kvm_time *t = v->base.kvm->time;
	uint64_t khz = guest_tsc_scale(&v->tsc, os_tsc_khz()), tsc, ns;
	struct scale s = scale_of((uint32_t)khz);
	struct pvclock_vcpu_time_info info = { .tsc_to_system_mul = s.mul, .tsc_shift = s.shift };

	spin_lock(&t->lock);
	tsc = t->master ? t->master_tsc : os_tsc();
	ns = t->master ? t->master_ns : os_monotonic_ns();
	info.system_time = ns + (uint64_t)t->offset;
	info.flags = t->master ? PVCLOCK_TSC_STABLE_BIT : 0;
	spin_unlock(&t->lock);
	info.tsc_timestamp = guest_tsc_scale(&v->tsc, tsc) + v->tsc.offset;
	return info;
}

static int put_version(struct vcpu *v, gpa_t gpa, uint32_t version)
{
	int r;

	sync_fence();
	r = kvm_write_guest(v->base.kvm, gpa, &version, sizeof(version));
	sync_fence();
	return r;
}

/*
 * True: the page may be used, and pv_time's lock is held for reading.  False: there is none, or
 * it is not KVM's to use; the next update asks again.
 */
NO_LOCK_ANALYSIS static bool begin_clock(struct gfn_to_pfn_cache *gpc)
{
	const size_t len = sizeof(struct pvclock_vcpu_time_info);

	read_lock(&gpc->lock);
	while (!kvm_gpc_check(gpc, len)) {
		read_unlock(&gpc->lock);
		if (kvm_gpc_refresh(gpc, len))
			return false;
		read_lock(&gpc->lock);
	}
	return true;
}

/* Odd while it changes: another vCPU may be reading it. */
static int put_clock(struct vcpu *v, struct pvclock_vcpu_time_info *info)
{
	const size_t version = offsetof(struct pvclock_vcpu_time_info, version);
	const size_t skip = sizeof(info->version);
	struct gfn_to_pfn_cache *gpc = &v->pv_time;
	struct pvclock_vcpu_time_info old;
	int r = kvm_gpc_read(gpc, 0, &old, sizeof(old));

	if (r)
		return r;
	info->flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	info->version = (old.version + 1) | 1;
	r = kvm_gpc_write(gpc, version, &info->version, sizeof(info->version));
	sync_fence();
	if (!r)
		r = kvm_gpc_write(gpc, skip, (char *)info + skip, sizeof(*info) - skip);
	sync_fence();
	info->version++;
	if (!r)
		r = kvm_gpc_write(gpc, version, &info->version, sizeof(info->version));
	kvm_gpc_mark_dirty(gpc);
	return r;
}

NO_LOCK_ANALYSIS void vcpu_update_clock(struct vcpu *v)
{
	struct pvclock_vcpu_time_info info;

	if (!(v->time.system_time & SYSTEM_TIME_ENABLED))
		return;
	info = current_info(v);
	if (v->time.guest_stopped)
		info.flags |= PVCLOCK_GUEST_STOPPED;
	if (!begin_clock(&v->pv_time))
		return;
	if (!put_clock(v, &info))
		v->time.guest_stopped = false;
	read_unlock(&v->pv_time.lock);
}

/* The wall clock at the moment that kvmclock called 0. */
static uint64_t epoch(struct kvm *kvm)
{
	struct kvm_clock_data now;

	kvm_get_clock(kvm, &now);
	return os_realtime_ns() - now.clock;
}

void vcpu_write_wall_clock(struct vcpu *v, uint64_t value)
{
	struct kvm *kvm = v->base.kvm;
	struct pvclock_wall_clock wc;
	gpa_t gpa = GPA(value);
	uint64_t ns;
	uint32_t version;

	spin_lock(&kvm->time->lock);
	kvm->time->wall_clock_gpa = value;
	spin_unlock(&kvm->time->lock);
	if (!value || kvm_read_guest(kvm, gpa, &version, sizeof(version)))
		return;
	version = (version + 1) | 1;
	if (put_version(v, gpa, version))
		return;
	ns = epoch(kvm);
	wc = (struct pvclock_wall_clock){ .version = version, .sec = (uint32_t)(ns / NS_PER_S),
					  .nsec = (uint32_t)(ns % NS_PER_S) };
	if (kvm_write_guest(kvm, gpa, &wc, sizeof(wc)) || put_version(v, gpa, version + 1))
		return;
}

void vcpu_write_system_time(struct vcpu *v, uint64_t value, bool old_msr, bool host)
{
	struct kvm_time *t = v->base.kvm->time;
	bool changed = false;

	if (!v->base.id && !host) {
		spin_lock(&t->lock);
		changed = t->boot_runs_old != old_msr;
		t->boot_runs_old = old_msr;
		spin_unlock(&t->lock);
	}
	if (changed)
		kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, &v->base);
	v->time.system_time = value;
	kvm_make_request(KVM_REQ_CLOCK_UPDATE, &v->base);
	if (!(value & SYSTEM_TIME_ENABLED))
		kvm_gpc_deactivate(&v->pv_time);
	/* Where it cannot be kept an update finds that out again. */
	else if (kvm_gpc_activate(&v->pv_time, GPA(value & ~SYSTEM_TIME_ENABLED),
				  sizeof(struct pvclock_vcpu_time_info)))
		return;
}

int vcpu_kvmclock_ctrl(struct vcpu *v)
{
	if (!(v->time.system_time & SYSTEM_TIME_ENABLED))
		return -EINVAL;
	v->time.guest_stopped = true;
	kvm_make_request(KVM_REQ_CLOCK_UPDATE, &v->base);
	return 0;
}

int vcpu_clock_pairing(struct vcpu *v, uint64_t gpa, uint64_t type)
{
	uint64_t now;
	struct kvm_clock_pairing p = { 0 };

	if (type != KVM_CLOCK_PAIRING_WALLCLOCK)
		return -KVM_EOPNOTSUPP;
	p.tsc = guest_tsc_read(&v->tsc);
	now = os_realtime_ns();
	p.sec = (int64_t)(now / NS_PER_S);
	p.nsec = (int64_t)(now % NS_PER_S);
	return kvm_write_guest(v->base.kvm, GPA(gpa), &p, sizeof(p)) ? -KVM_EFAULT : 0;
}
