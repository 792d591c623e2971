/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vcpu.c - vCPUs come, are reset, go.
 */
#include "kvm/vcpu/vcpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hw/insn/machine.h"
#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/mmu.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/emu_insn.h"
#include "kvm/vcpu/cpuid.h"
#include "os/clock.h"
#include "trace/counters.h"

#define CR0_RESET	0x60000010ull	/* CD NW ET */
#define RIP_RESET	0xfff0ull
#define RDX_RESET	0x600ull	/* family 6, as KVM's default */
#define DR6_RESET	0xffff0ff0ull
#define DR7_RESET	0x400ull
#define FCW_INIT	0x037f
#define MXCSR_INIT	0x1f80
#define NO_CPU		~0u

#define AR_DATA_RESET	(X86_AR_P | X86_AR_S | 3)
#define AR_CODE_RESET	(X86_AR_P | X86_AR_S | 11)
#define AR_CODE_RESET_AMD (X86_AR_P | X86_AR_S | 10)	/* not yet accessed */
#define AR_LDT_RESET	(X86_AR_P | 2)
#define AR_TSS_RESET	(X86_AR_P | 11)
#define AR_TSS_RESET_AMD (X86_AR_P | 3)		/* of 16 bits */

#define MAXPHYADDR_UNTOLD 36	/* until CPUID says more */

static struct x86_segment segment(uint16_t sel, uint64_t base, uint32_t ar)
{
	return (struct x86_segment){ .selector = sel, .base = base, .limit = 0xffff, .ar = ar };
}

/* SDM vol. 3A table 10-1, as KVM's vCPU is after creation. */
static void reset_state(struct x86_state *s, bool amd)
{
	memset(s, 0, sizeof(*s));
	s->gpr[X86_RDX] = RDX_RESET;
	s->rip = RIP_RESET;
	s->rflags = X86_FLAGS_FIXED;
	s->cr0 = CR0_RESET;
	s->dr6 = DR6_RESET;
	s->dr7 = DR7_RESET;
	s->xcr0 = 1;
	for (unsigned i = 0; i < X86_NR_SEGS; i++)
		s->seg[i] = segment(0, 0, AR_DATA_RESET);
	s->seg[X86_CS] = segment(0xf000, 0xffff0000, amd ? AR_CODE_RESET_AMD : AR_CODE_RESET);
	s->seg[X86_LDTR] = segment(0, 0, AR_LDT_RESET);
	s->seg[X86_TR] = segment(0, 0, amd ? AR_TSS_RESET_AMD : AR_TSS_RESET);
	s->gdtr.limit = 0xffff;
	s->idtr.limit = 0xffff;
	s->fpu.fcw = FCW_INIT;
	s->fpu.mxcsr = MXCSR_INIT;
}

/* What INIT leaves alone of the state, SDM vol. 3A table 10-1. */
static void keep_over_init(struct x86_state *s, const struct x86_state *old, bool amd)
{
	s->cr0 = (s->cr0 & ~(X86_CR0_CD | X86_CR0_NW)) | (old->cr0 & (X86_CR0_CD | X86_CR0_NW));
	s->xcr0 = old->xcr0;
	s->fpu = old->fpu;
	s->msr = old->msr;
	if (!amd)
		s->msr.sysenter_cs = s->msr.sysenter_esp = s->msr.sysenter_eip = 0;
}

static bool is_bsp(const struct vcpu *v)
{
	return v->base.id == v->base.kvm->caps.bsp_vcpu_id;
}

static void reset_processor(struct vcpu *v, bool init)
{
	const struct kvm_cpuid_entry2 *l1 = vcpu_find_cpuid(v, 1, 0);
	bool amd = v->backend == &svm_backend;
	struct x86_state old = v->state;

	reset_state(&v->state, amd);
	if (l1)
		v->state.gpr[X86_RDX] = l1->eax;
	if (init)
		keep_over_init(&v->state, &old, amd);
}

void vcpu_reset(struct vcpu *v, bool init)
{
	const struct kvm *kvm = v->base.kvm;

	reset_processor(v, init);
	kvm_gpc_deactivate(&v->pv_time);
	v->time = (struct vcpu_time){ .generation = v->time.generation,
				      .poll_control = init ? v->time.poll_control : 1,
				      .steal_last = v->time.steal_last };
	if (!init) {
		vcpu_msrs_reset(v);
		v->apic_base = LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE |
			       (is_bsp(v) ? LAPIC_BASE_BSP : 0);
		v->complete = NULL;
		v->mp_state = !v->base.lapic || is_bsp(v) ? KVM_MP_STATE_RUNNABLE
							  : KVM_MP_STATE_UNINITIALIZED;
	}
	v->events = (struct vcpu_events){ .external_vector = -1 };
	v->svm.v_nmi_pending = v->svm.v_nmi_blocked = false;
	atomic32_store(&v->base.nmi_queued, 0);
	v->has_vapic = false;
	if (v->base.lapic)
		lapic_reset(v->base.lapic, init,
			    is_bsp(v) && !(kvm->disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED));
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	if (init)
		kvm->ops->after_init(&v->base);
}

static const struct vcpu_backend *backend_of(const struct kvm_module *module)
{
	return hw_config(module->hw)->vendor == HW_VENDOR_AMD ? &svm_backend : &vmx_backend;
}

/* A tag of its own for each vCPU; 16 bits on Intel, never 0 nor one that names a key. */
static uint32_t new_tag(struct kvm_module *module)
{
	uint32_t tag = atomic32_add(&module->next_tag, 1), first = MAX(module->first_tag, 1u);

	return tag % (0x10000 - first) + first;
}

static void init_base(struct vcpu *v, struct kvm *kvm, unsigned id, struct kvm_run *run)
{
	struct kvm_vcpu *b = &v->base;

	kvm_vcpu_core_init(b, kvm, id);
	b->run = run;
	b->tag = new_tag(kvm->module);
	b->mmu.root = HPA_INVALID;
	b->mmu.mirror_root = HPA_INVALID;
}

int vcpu_create(struct kvm *kvm, unsigned id, void *run_pages, struct vcpu **out)
{
	struct vcpu *v = aligned_alloc(64, ALIGN_UP(sizeof(*v), 64));

	if (!v)
		return -ENOMEM;
	memset(v, 0, sizeof(*v));
	if (kvm_gpc_init(&v->pv_time, kvm)) {
		free(v);
		return -ENOMEM;
	}
	init_base(v, kvm, id, run_pages);
	v->pio_data = (uint8_t *)run_pages + VCPU_PIO_PAGE_OFFSET * PAGE_SIZE;
	v->backend = backend_of(kvm->module);
	v->last_cpu = NO_CPU;
	v->maxphyaddr = MAXPHYADDR_UNTOLD;
	if (vcpu_set_tsc_khz(v, kvm->caps.tsc_khz))
		v->tsc.khz = os_tsc_khz();
	if (kvm->caps.irqchip)
		v->base.lapic = lapic_create(&v->base, &v->tsc);
	v->emu_cache = emu_cache_create();
	if (!v->emu_cache || (kvm->caps.irqchip && !v->base.lapic)) {
		vcpu_destroy(v);
		return -ENOMEM;
	}
	v->backend->init(v);
	vcpu_reset(v, false);
	if (kvm->disabled_quirks & KVM_X86_QUIRK_STUFF_FEATURE_MSRS)
		vcpu_clear_feature_msrs(v);
	vcpu_synchronize_tsc(v, 0, false);
	counter_add(kvm->module->counters, COUNTER_VCPUS, 1);
	*out = v;
	return 0;
}

int vcpu_enable_cap(struct vcpu *v, const struct kvm_enable_cap *cap)
{
	if (cap->flags || cap->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	v->enforce_pv = cap->args[0];
	return 0;
}

void vcpu_destroy(struct vcpu *v)
{
	kvm_gpc_deactivate(&v->pv_time);
	kvm_gpc_fini(&v->pv_time);
	kvm_mmu_destroy_vcpu(&v->base);
	kvm_vcpu_core_fini(&v->base);
	lapic_destroy(v->base.lapic);
	emu_cache_destroy(v->emu_cache);
	free(v->cpuid);
	free(v);
}
