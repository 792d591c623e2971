/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/exits.h"

#include <errno.h>
#include <string.h>

#include "kvm/core/request.h"
#include "kvm/mmu/fault.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/emulate.h"
#include "kvm/vcpu/protected.h"
#include "kvm/vcpu/walk.h"
#include "kvm/vcpu/xstate.h"
#include "trace/counters.h"

static struct counters *counters_of(struct vcpu *v)
{
	return v->base.kvm->module->counters;
}

void vcpu_count_instruction(struct vcpu *v)
{
	sync_count(&v->base.nr_instructions, 1);
	counter_add(counters_of(v), COUNTER_GUEST_INSTRUCTIONS, 1);
	v->debug.stepped = v->debug.armed || (v->state.rflags & X86_FLAGS_TF);
}

void vcpu_skip_instruction(struct vcpu *v)
{
	/* The processor is past it, or the guest's handler will be. */
	if (vcpu_is_es(v)) {
		v->svm.int_state &= ~SVM_INT_SHADOW;
		return;
	}
	vcpu_count_instruction(v);
	v->state.rip = v->next_rip;
	if (!x86_in_64bit_mode(&v->state))
		v->state.rip &= 0xffffffff;
	v->state.shadow &= ~(X86_SHADOW_STI | X86_SHADOW_MOV_SS);
	v->state.rflags &= ~X86_FLAGS_RF;
}

int vcpu_complete_insn_gp(struct vcpu *v, bool refused)
{
	if (refused)
		vcpu_inject_gp(v);
	else
		vcpu_skip_instruction(v);
	return 1;
}

static void set_gpr32(struct vcpu *v, enum x86_gpr r, uint32_t value)
{
	v->state.gpr[r] = value;
}

static void trace_cpuid(struct vcpu *v, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	uint32_t leaf = v->state.gpr[X86_RAX], subleaf = v->state.gpr[X86_RCX];
	bool found = vcpu_find_cpuid(v, leaf, subleaf);

	VCPU_TRACE(v, kvm_cpuid, leaf, subleaf, eax, ebx, ecx, edx, found,
		   !found && (eax | ebx | ecx | edx));
}

int exit_cpuid(struct vcpu *v)
{
	uint32_t eax = v->state.gpr[X86_RAX], ecx = v->state.gpr[X86_RCX], ebx, edx;

	if (v->state.cpl && vcpu_cpuid_faults(v)) {
		vcpu_inject_gp(v);
		return 1;
	}
	vcpu_cpuid(v, &eax, &ebx, &ecx, &edx);
	if (VCPU_IS_TRACED(v))
		trace_cpuid(v, eax, ebx, ecx, edx);
	set_gpr32(v, X86_RAX, eax);
	set_gpr32(v, X86_RBX, ebx);
	set_gpr32(v, X86_RCX, ecx);
	set_gpr32(v, X86_RDX, edx);
	vcpu_skip_instruction(v);
	return 1;
}

/* Where HLT is the guest's own, the processor rests inside guest mode, and nobody is told. */
int exit_hlt(struct vcpu *v)
{
	if (v->base.kvm->caps.disabled_exits & KVM_X86_DISABLE_EXITS_HLT) {
		vcpu_skip_instruction(v);
		v->halted = true;
		return 1;
	}
	KVM_VCPU_COUNT(&v->base, halt_exits);
	vcpu_skip_instruction(v);
	if (v->base.lapic) {
		v->mp_state = KVM_MP_STATE_HALTED;
		return 1;
	}
	v->base.run->exit_reason = KVM_EXIT_HLT;
	return 0;
}

/* SIPI ends it, or the VMM. */
int exit_ap_reset_hold(struct vcpu *v)
{
	KVM_VCPU_COUNT(&v->base, halt_exits);
	vcpu_skip_instruction(v);
	if (v->base.lapic) {
		if (!vcpu_has_events(v))
			v->mp_state = KVM_MP_STATE_AP_RESET_HOLD;
		return 1;
	}
	v->base.run->exit_reason = KVM_EXIT_AP_RESET_HOLD;
	return 0;
}

int exit_undefined(struct vcpu *v)
{
	vcpu_inject_ud(v);
	return 1;
}

int exit_skip(struct vcpu *v)
{
	vcpu_skip_instruction(v);
	return 1;
}

int exit_xsetbv(struct vcpu *v)
{
	uint64_t value = (uint32_t)v->state.gpr[X86_RAX] | v->state.gpr[X86_RDX] << 32;

	return vcpu_complete_insn_gp(v, (uint32_t)v->state.gpr[X86_RCX] || v->state.cpl ||
					!vcpu_set_xcr0(v, value));
}

/* Nothing waits, nothing is told: as NOP, unless the guest knows that there is none. */
int exit_monitor_mwait(struct vcpu *v)
{
	bool native = v->base.kvm->caps.disabled_exits & KVM_X86_DISABLE_EXITS_MWAIT;

	if (!native && (v->base.kvm->disabled_quirks & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) &&
	    !vcpu_has_feature(v, CPUID_MWAIT))
		return exit_undefined(v);
	vcpu_skip_instruction(v);
	return 1;
}

int exit_rdpmc(struct vcpu *v)
{
	vcpu_inject_gp(v);
	return 1;
}

int exit_intr(struct vcpu *v)
{
	KVM_VCPU_COUNT(&v->base, irq_exits);
	return 1;
}

int exit_shutdown(struct vcpu *v)
{
	v->base.run->exit_reason = KVM_EXIT_SHUTDOWN;
	return 0;
}

int exit_tpr_access(struct vcpu *v)
{
	v->base.run->exit_reason = KVM_EXIT_TPR_ACCESS;
	return 0;
}

int exit_unexpected(struct vcpu *v, uint64_t reason)
{
	struct kvm_run *run = v->base.run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 2;
	run->internal.data[0] = reason;
	run->internal.data[1] = v->last_cpu;
	return 0;
}

int exit_cr_write(struct vcpu *v, unsigned nr, unsigned gpr)
{
	uint64_t value = v->state.gpr[gpr];
	int bad;

	if (!x86_in_64bit_mode(&v->state))
		value &= 0xffffffff;
	VCPU_TRACE(v, kvm_cr, 1, nr, value);
	switch (nr) {
	case 0: bad = vcpu_set_cr0(v, value); break;
	case 3: bad = vcpu_set_cr3(v, value); break;
	case 4: bad = vcpu_set_cr4(v, value); break;
	case 8: bad = vcpu_set_cr8(v, value); break;
	default:
		return exit_undefined(v);
	}
	return vcpu_complete_insn_gp(v, bad);
}

int exit_cr_read(struct vcpu *v, unsigned nr, unsigned gpr)
{
	const uint64_t cr[] = { v->state.cr0, 0, v->state.cr2, v->state.cr3, v->state.cr4,
				0, 0, 0, v->state.cr8 };

	if (nr >= ARRAY_SIZE(cr))
		return exit_undefined(v);
	VCPU_TRACE(v, kvm_cr, 0, nr, cr[nr]);
	v->state.gpr[gpr] = x86_in_64bit_mode(&v->state) ? cr[nr] : (uint32_t)cr[nr];
	vcpu_skip_instruction(v);
	return 1;
}

/*
 * The vendor's own hypercall instruction in place of the other's, to be run
 * again; #UD with KVM_X86_QUIRK_FIX_HYPERCALL_INSN disabled.
 */
static int fix_hypercall(struct vcpu *v)
{
	unsigned access = v->state.cpl == 3 ? WALK_USER : 0;
	struct vcpu_walk_fault fault;

	if (v->base.kvm->disabled_quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN)
		return exit_undefined(v);
	if (vcpu_write_linear(v, vcpu_linear_rip(v), v->backend->hypercall, 3, access, &fault) ==
	    WALK_PAGE_FAULT)
		vcpu_inject_pf(v, fault.address, fault.error);
	return 1;
}

/* UD2 and "kvm": the guest asks for the emulator, where a parameter of kvm.ko allows it. */
static bool takes_emulation_prefix(struct vcpu *v)
{
	static const uint8_t prefix[5] = { 0x0f, 0x0b, 'k', 'v', 'm' };
	unsigned access = WALK_FETCH | (v->state.cpl == 3 ? WALK_USER : 0);
	struct vcpu_walk_fault fault;
	uint8_t bytes[sizeof(prefix)];

	if (!v->base.kvm->module->params.force_emulation_prefix ||
	    vcpu_read_linear(v, vcpu_linear_rip(v), bytes, sizeof(bytes), access, &fault) != WALK_OK ||
	    memcmp(bytes, prefix, sizeof(prefix)))
		return false;
	v->state.rip += sizeof(prefix);
	return true;
}

int exit_invalid_opcode(struct vcpu *v)
{
	bool is_hypercall;
	int r;

	if (takes_emulation_prefix(v))
		return vcpu_emulate_forced(v);
	r = vcpu_emulate_on_ud(v, &is_hypercall);

	return is_hypercall ? fix_hypercall(v) : r;
}

int exit_page_fault(struct vcpu *v, gpa_t gpa, uint64_t ec)
{
	int r = vcpu_page_fault(v, gpa, ec);

	if (r < 0)
		return r;
	return r == RET_PF_EMULATE ? vcpu_emulate(v, kvm_addr_without_alias(v->base.kvm, gpa)) : 1;
}

/* The VMM may have moved the vCPU meanwhile: then the instruction is no longer there. */
static bool is_where_it_was(const struct vcpu *v)
{
	return vcpu_linear_rip(v) == v->pio.linear_rip;
}

static void pio_to_rax(struct vcpu *v, uint16_t port, uint8_t size)
{
	uint64_t value = 0, mask = BIT(size * 8) - 1;
	uint64_t *rax = &v->state.gpr[X86_RAX];

	memcpy(&value, v->pio_data, size);
	VCPU_TRACE(v, kvm_pio, 0, port, size, 1, value & mask);
	*rax = size >= 4 ? value : (*rax & ~mask) | value;
}

static int complete_pio_in(struct vcpu *v)
{
	if (!is_where_it_was(v))
		return 1;
	pio_to_rax(v, v->pio.port, v->pio.size);
	vcpu_skip_instruction(v);
	return 1;
}

/* The VMM has seen OUT with RIP at the instruction; now it is over. */
static int complete_pio_out(struct vcpu *v)
{
	if (is_where_it_was(v))
		vcpu_skip_instruction(v);
	return 1;
}

static int complete_pio_out_skipped(struct vcpu *v)
{
	return 1;
}

/* KVM_X86_QUIRK_OUT_7E_INC_RIP: on this port RIP has always been past it. */
static bool out_skips_first(const struct vcpu *v, uint16_t port)
{
	return port == 0x7e && !(v->base.kvm->disabled_quirks & KVM_X86_QUIRK_OUT_7E_INC_RIP);
}

int exit_io(struct vcpu *v, uint16_t port, uint8_t size, bool in)
{
	struct kvm_run *run = v->base.run;

	if (!in)
		VCPU_TRACE(v, kvm_pio, 1, port, size, 1,
			   v->state.gpr[X86_RAX] & (BIT(size * 8) - 1));
	if (in ? kvm_io_bus_read(&v->base, KVM_PIO_BUS, GPA(port), size, v->pio_data)
	       : kvm_io_bus_write(&v->base, KVM_PIO_BUS, GPA(port), size, &v->state.gpr[X86_RAX])) {
		if (in)
			pio_to_rax(v, port, size);
		vcpu_skip_instruction(v);
		return 1;
	}
	v->pio = (struct vcpu_pio){ .in = in, .size = size, .port = port, .count = 1,
				    .linear_rip = vcpu_linear_rip(v) };
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = size;
	run->io.port = port;
	run->io.count = 1;
	run->io.data_offset = VCPU_PIO_PAGE_OFFSET * PAGE_SIZE;
	v->complete = in ? complete_pio_in : complete_pio_out;
	if (!in)
		memcpy(v->pio_data, &v->state.gpr[X86_RAX], size);
	if (!in && out_skips_first(v, port)) {
		vcpu_skip_instruction(v);
		v->complete = complete_pio_out_skipped;
	}
	counter_add(counters_of(v), COUNTER_IO_EXITS, 1);
	return 0;
}
