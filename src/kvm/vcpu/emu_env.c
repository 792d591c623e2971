/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_env.c - what emulated instructions ask of KVM: done as for their exits.
 */
#include "base/log.h"
#include "kvm/core/request.h"
#include "kvm/vcpu/emu.h"
#include "kvm/vcpu/exits.h"
#include "os/clock.h"

bool emu_refuse(struct x86_exec *x)
{
	emu_of(x)->refused = true;
	x->why = X86_WHY_EXIT;
	return true;
}

_Noreturn void emu_unreachable(const char *what)
{
	panic("the emulator carried out %s by itself", what);
}

bool emu_intercept(struct x86_exec *x, enum x86_intercept what, uint64_t info)
{
	struct emu *e = emu_of(x);

	switch (what) {
	case X86_ICPT_TASK_SWITCH:
		return emu_refuse(x);
	case X86_ICPT_CPUID: case X86_ICPT_HLT: case X86_ICPT_IO: case X86_ICPT_RDMSR:
	case X86_ICPT_WRMSR: case X86_ICPT_CR_WRITE: case X86_ICPT_CLTS: case X86_ICPT_LMSW:
	case X86_ICPT_INVLPG: case X86_ICPT_RDPMC: case X86_ICPT_XSETBV:
		break;
	default:
		return false;
	}
	e->has_request = true;
	e->request = what;
	e->info = info;
	x->why = X86_WHY_EXIT;
	return true;
}

static int invalidate(struct vcpu *v)
{
	kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	vcpu_skip_instruction(v);
	return 1;
}

int emu_carry_out(struct emu *e)
{
	uint64_t info = e->info;
	struct vcpu *v = e->v;

	switch (e->request) {
	case X86_ICPT_CPUID:
		return exit_cpuid(v);
	case X86_ICPT_HLT:
		return exit_hlt(v);
	case X86_ICPT_IO:
		return exit_io(v, (uint16_t)info, info >> 16 & 7, info & X86_IO_IN);
	case X86_ICPT_RDMSR:
		return exit_rdmsr(v);
	case X86_ICPT_WRMSR:
		return exit_wrmsr(v);
	case X86_ICPT_CR_WRITE:
		return exit_cr_write(v, info & 15, info >> 8 & 15);
	case X86_ICPT_CLTS:
	case X86_ICPT_LMSW:
		return vcpu_complete_insn_gp(v, vcpu_set_cr0(v, e->x.icpt_value));
	case X86_ICPT_INVLPG:
		return invalidate(v);
	case X86_ICPT_RDPMC:
		return exit_rdpmc(v);
	case X86_ICPT_XSETBV:
		return exit_xsetbv(v);
	default:
		panic("no answer to request %d", e->request);
	}
}

uint64_t emu_tsc(struct x86_exec *x)
{
	return guest_tsc_read(&emu_of(x)->v->tsc);
}

uint64_t emu_random(void)
{
	uint64_t v;

	os_random(&v, sizeof(v));
	return v;
}

unsigned emu_phys_bits(const struct x86_exec *x)
{
	return container_of(x, const struct emu, x)->v->maxphyaddr;
}

uint32_t emu_mxcsr_mask(const struct x86_exec *x)
{
	return hw_mxcsr_mask(container_of(x, const struct emu, x)->v->base.kvm->module->hw);
}
