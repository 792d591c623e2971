/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tsc.c - the guest's time-stamp counter: rate, offset, and when two vCPUs'
 * were meant to be one.
 */
#include <errno.h>

#include "base/bits.h"
#include "hw/insn/machine.h"
#include "kvm/core/request.h"
#include "kvm/vcpu/time.h"
#include "kvm/vcpu/vcpu.h"
#include "os/clock.h"

#define TOLERANCE_PPM	250u	/* kvm.tsc_tolerance_ppm */
#define PPM		1000000u
#define AMD_FRACTION	32	/* of TSC_RATIO, APM vol. 2 15.30.5 */
#define AMD_RATIO_MAX	0xffffffffffull
#define INTEL_FRACTION	48	/* of the TSC multiplier, SDM vol. 3C 25.3 */
#define MAX_KHZ		0x7fffffffull

static bool is_amd(const struct kvm_module *module)
{
	return hw_config(module->hw)->vendor == HW_VENDOR_AMD;
}

static uint8_t fraction_bits(const struct kvm_module *module)
{
	return is_amd(module) ? AMD_FRACTION : INTEL_FRACTION;
}

static uint64_t max_ratio(const struct kvm_module *module)
{
	return is_amd(module) ? AMD_RATIO_MAX : ~0ull;
}

uint32_t kvm_max_tsc_khz(const struct kvm_module *module)
{
	unsigned __int128 khz = (unsigned __int128)os_tsc_khz() * max_ratio(module);

	khz >>= fraction_bits(module);
	return (uint32_t)MIN(khz, (unsigned __int128)MAX_KHZ);
}

int vcpu_set_tsc_khz(struct vcpu *v, uint32_t khz)
{
	const struct kvm_module *module = v->base.kvm->module;
	uint64_t host = os_tsc_khz(), slack = host * TOLERANCE_PPM / PPM, ratio;

	if (khz >= kvm_max_tsc_khz(module))
		return -EINVAL;
	if (!khz)
		khz = (uint32_t)host;
	ratio = (uint64_t)(((unsigned __int128)khz << fraction_bits(module)) / host);
	if (!ratio || ratio >= max_ratio(module))
		return -EINVAL;
	v->tsc.khz = khz;
	v->tsc.fraction_bits = fraction_bits(module);
	v->tsc.ratio = khz < host - slack || khz > host + slack ? ratio : 0;
	return 0;
}

static uint64_t ns_to_cycles(const struct vcpu *v, uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * v->tsc.khz / PPM);
}

/* The lock is held. */
static void follow(struct vcpu *v, uint64_t offset, uint64_t tsc, uint64_t ns, bool matched)
{
	struct kvm_time *t = v->base.kvm->time;

	t->last_ns = ns;
	t->last_write = tsc;
	t->last_khz = v->tsc.khz;
	t->last_offset = offset;
	v->tsc.offset = offset;
	if (!matched) {
		t->generation++;
		t->cur_offset = offset;
		t->nr_matched = 0;
	} else if (v->time.generation != t->generation) {
		t->nr_matched++;
	}
	v->time.generation = t->generation;
}

/*
 * The old way of restoring several vCPUs writes their TSCs one after the other.
 * A write within a second of where the last one would be now, is taken for the
 * same; 0 always is.
 */
static bool means_the_same(const struct vcpu *v, uint64_t value, uint64_t elapsed)
{
	const struct kvm_time *t = v->base.kvm->time;
	uint64_t expected = t->last_write + ns_to_cycles(v, elapsed), hz = v->tsc.khz * 1000ull;

	if (!value)
		return true;
	return t->user_set_tsc && value < expected + hz && value + hz > expected;
}

void vcpu_synchronize_tsc(struct vcpu *v, uint64_t value, bool from_user)
{
	struct kvm_time *t = v->base.kvm->time;
	uint64_t offset, ns;
	bool matched;

	spin_lock(&t->lock);
	offset = value - guest_tsc_scale(&v->tsc, os_tsc());
	ns = os_monotonic_ns();
	matched = means_the_same(v, value, ns - t->last_ns) && v->tsc.khz == t->last_khz;
	if (from_user)
		t->user_set_tsc = true;
	if (matched)
		offset = t->cur_offset;
	follow(v, offset, value, ns, matched);
	spin_unlock(&t->lock);
	kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, &v->base);
}

void vcpu_set_tsc_offset(struct vcpu *v, uint64_t offset)
{
	struct kvm_time *t = v->base.kvm->time;
	uint64_t tsc;
	bool matched;

	spin_lock(&t->lock);
	matched = t->last_khz == v->tsc.khz && t->last_offset == offset;
	tsc = guest_tsc_scale(&v->tsc, os_tsc()) + offset;
	t->user_set_tsc = true;
	follow(v, offset, tsc, os_monotonic_ns(), matched);
	spin_unlock(&t->lock);
	kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, &v->base);
}

void vcpu_adjust_tsc(struct vcpu *v, uint64_t by)
{
	v->tsc.offset += by;
	kvm_make_request(KVM_REQ_CLOCK_UPDATE, &v->base);
}
