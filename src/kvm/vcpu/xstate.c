/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * xstate.c - x87, SSE and AVX as the VMM saves them, and XCR0.  SDM vol. 1
 * chapter 13: the image is in the standard format, and holds the components
 * that the guest was offered.
 *
 *    0 .. 511   legacy region; what the host has is told at 464
 *  512 .. 519   XSTATE_BV, 520 .. 527 XCOMP_BV, 528 .. 575 reserved
 */
#include "kvm/vcpu/xstate.h"

#include <errno.h>
#include <string.h>

#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/protected.h"
#include "x86/simd.h"

#define X87		BIT(0)
#define SSE		BIT(1)
#define AVX		BIT(2)
#define MPX		(BIT(3) | BIT(4))
#define AVX512		(BIT(5) | BIT(6) | BIT(7))
#define AMX		(BIT(17) | BIT(18))

#define AT_MXCSR	24
#define AT_SOFTWARE	464	/* left to software: the host's components */
#define AT_XSTATE_BV	512
#define AT_RESERVED	520	/* XCOMP_BV and what follows */
#define HEADER_END	576
#define MXCSR_INIT	0x1f80u

uint64_t kvm_xcr0_supported(const struct kvm_module *module)
{
	struct cpuid_regs r;

	if (!kvm_host_has_feature(module, CPUID_XSAVE))
		return 0;
	r = hw_cpuid(module->hw, 0xd, 0);
	return r.eax | (uint64_t)r.edx << 32;
}

uint32_t kvm_xstate_size(const struct kvm_module *module, uint64_t components, bool compacted)
{
	uint32_t size = HEADER_END;

	for (unsigned i = 2; i < 63; i++) {
		struct cpuid_regs r;
		uint32_t at;

		if (!(components >> i & 1))
			continue;
		r = hw_cpuid(module->hw, 0xd, i);
		at = !compacted ? r.ebx : r.ecx & BIT(1) ? ALIGN_UP(size, 64u) : size;
		size = MAX(size, at + r.eax);
	}
	return size;
}

static uint64_t guest_xcr0(const struct vcpu *v)
{
	const struct kvm_cpuid_entry2 *e = vcpu_find_cpuid(v, 0xd, 0);
	uint64_t told = e ? e->eax | (uint64_t)e->edx << 32 : 0;

	return told & kvm_xcr0_supported(v->base.kvm->module);
}

static uint64_t word_at(const uint8_t *image, unsigned at)
{
	uint64_t word;

	memcpy(&word, image + at, sizeof(word));
	return word;
}

static void set_word(uint8_t *image, unsigned at, uint64_t word)
{
	memcpy(image + at, &word, sizeof(word));
}

static struct x86_image image_of(const struct vcpu *v)
{
	return (struct x86_image){ hw_mxcsr_mask(v->base.kvm->module->hw), 16, true };
}

void vcpu_get_xsave(const struct vcpu *v, struct kvm_xsave *xsave)
{
	struct x86_image how = image_of(v);
	uint8_t *image = (uint8_t *)xsave->region;

	memset(xsave->region, 0, sizeof(xsave->region));
	if (vcpu_has_old_state(v))
		return;
	x86_xsave(&v->state.fpu, image, guest_xcr0(v) | X87 | SSE, false, &how);
	/* MXCSR has no component of its own: it goes with SSE. */
	if (v->state.fpu.mxcsr != MXCSR_INIT)
		set_word(image, AT_XSTATE_BV, word_at(image, AT_XSTATE_BV) | SSE);
	set_word(image, AT_SOFTWARE, kvm_xcr0_supported(v->base.kvm->module));
}

static bool is_zero(const uint8_t *p, unsigned n)
{
	uint8_t any = 0;

	while (n--)
		any |= *p++;
	return !any;
}

int vcpu_set_xsave(struct vcpu *v, const struct kvm_xsave *xsave)
{
	uint64_t known = kvm_xcr0_supported(v->base.kvm->module) | X87 | SSE;
	struct x86_image how = image_of(v);
	uint8_t image[sizeof(xsave->region)];
	uint64_t bv;
	uint32_t mxcsr;

	if (vcpu_has_old_state(v))
		return 0;
	memcpy(image, xsave->region, sizeof(image));
	bv = word_at(image, AT_XSTATE_BV);
	memcpy(&mxcsr, image + AT_MXCSR, sizeof(mxcsr));
	if ((bv & ~known) || !is_zero(image + AT_RESERVED, HEADER_END - AT_RESERVED))
		return -EINVAL;
	if (!(bv & (X87 | SSE | AVX)))
		mxcsr = MXCSR_INIT;
	else if (mxcsr & ~how.mxcsr_mask)
		return -EINVAL;
	memcpy(image + AT_MXCSR, &mxcsr, sizeof(mxcsr));
	return x86_xrstor(&v->state.fpu, image, known, known, &how) ? -EINVAL : 0;
}

static bool whole_or_nothing(uint64_t xcr0, uint64_t part)
{
	return (xcr0 & part) == 0 || (xcr0 & part) == part;
}

bool vcpu_set_xcr0(struct vcpu *v, uint64_t value)
{
	if (!(value & X87) || ((value & AVX) && !(value & SSE)))
		return false;
	if (value & ~(guest_xcr0(v) | X87))
		return false;
	if ((value & AVX512) && !(value & AVX))
		return false;
	if (!whole_or_nothing(value, MPX) || !whole_or_nothing(value, AVX512) ||
	    !whole_or_nothing(value, AMX))
		return false;
	v->state.xcr0 = value;
	return true;
}

void vcpu_get_xcrs(const struct vcpu *v, struct kvm_xcrs *xcrs)
{
	memset(xcrs, 0, sizeof(*xcrs));
	if (!kvm_host_has_feature(v->base.kvm->module, CPUID_XSAVE))
		return;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].value = v->state.xcr0;
}

int vcpu_set_xcrs(struct vcpu *v, const struct kvm_xcrs *xcrs)
{
	if (!kvm_host_has_feature(v->base.kvm->module, CPUID_XSAVE))
		return -EINVAL;
	if (xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (unsigned i = 0; i < xcrs->nr_xcrs; i++) {
		if (xcrs->xcrs[i].xcr == 0)
			return vcpu_set_xcr0(v, xcrs->xcrs[i].value) ? 0 : -EINVAL;
	}
	return 0;
}
