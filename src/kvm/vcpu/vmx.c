/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmx.c - KVM on Intel: control fields in, exit reasons out (SDM vol. 3C).
 */
#include "hw/insn/vmx.h"

#include <string.h>

#include "hw/insn/machine.h"
#include "kvm/core/request.h"
#include "kvm/mmu/fault.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/emulate.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/guest_debug.h"
#include "kvm/vcpu/walk.h"

/* EPTP: write-back, walk length, accessed and dirty flags (SDM 25.6.11). */
#define EPTP_MT_WB	6ull
#define EPTP_AD		BIT(6)

/* Exit qualification for control-register accesses, SDM table 28-3. */
#define CR_QUAL_NR(q)		((q) & 0xf)
#define CR_QUAL_TYPE(q)		(((q) >> 4) & 3)
#define CR_QUAL_GPR(q)		(((q) >> 8) & 0xf)
#define CR_QUAL_LMSW(q)		(((q) >> 16) & 0xffff)
enum { CR_MOV_TO, CR_MOV_FROM, CR_CLTS, CR_LMSW };

#define DR_QUAL_READ	BIT(4)	/* SDM table 28-4 */

/* Bits of CR0 that the guest owns: it may change them without an exit. */
#define CR0_GUEST_OWNED		(X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_NE)

#define ALWAYS_INTERCEPTED	(BIT(X86_UD) | BIT(X86_MC) | BIT(X86_AC))

static void vmx_init(struct vcpu *v)
{
	v->vmx = (struct vmx_control){
		.vpid = v->base.tag & 0xffff,
		.exception_bitmap = ALWAYS_INTERCEPTED,
		.cr0_mask = ~CR0_GUEST_OWNED,
		.cr4_mask = ~0ull,
		.cr8_load_exiting = true,
		.cr8_store_exiting = true,
	};
}

/* VM-entry interruption information: at most one event is injected at an entry. */
static uint32_t event_to_inject(const struct vcpu_events *e)
{
	const struct vcpu_exception *ex = &e->exception;

	if (ex->injected)
		return VMX_INTR_VALID | ex->vector | (ex->has_error ? VMX_INTR_HAS_ERROR : 0) |
		       (ex->vector == X86_BP || ex->vector == X86_OF ?
				VMX_INTR_TYPE_SOFT_EXCEPTION : VMX_INTR_TYPE_HARD_EXCEPTION);
	if (e->nmi_injected)
		return VMX_INTR_VALID | VMX_INTR_TYPE_NMI | X86_NMI;
	if (e->interrupt.injected)
		return VMX_INTR_VALID | e->interrupt.vector |
		       (e->interrupt.soft ? VMX_INTR_TYPE_SOFT_INT : VMX_INTR_TYPE_EXTERNAL);
	return 0;
}

static void take_back_event(struct vcpu *v)
{
	uint32_t info = v->vmx_exit.idt_info, type = info & (7u << 8);
	struct vcpu_events *e = &v->events;

	vcpu_events_delivered(v);
	if (!(info & VMX_INTR_VALID))
		return;
	if (type == VMX_INTR_TYPE_NMI)
		e->nmi_injected = true;
	else if (type == VMX_INTR_TYPE_EXTERNAL || type == VMX_INTR_TYPE_SOFT_INT)
		e->interrupt = (struct vcpu_interrupt){
			.injected = true, .soft = type == VMX_INTR_TYPE_SOFT_INT,
			.vector = (uint8_t)info,
		};
	else
		e->exception = (struct vcpu_exception){
			.injected = true, .vector = (uint8_t)info,
			.has_error = info & VMX_INTR_HAS_ERROR, .error = v->vmx_exit.idt_error,
		};
	e->insn_len = (uint8_t)v->vmx_exit.insn_len;
	kvm_make_request(KVM_REQ_EVENT, &v->base);
}

static uint64_t eptp_of(const struct kvm_mmu *mmu, hpa_t root)
{
	return root.v | EPTP_MT_WB | EPTP_AD | (uint64_t)(mmu->root_level - 1) << 3;
}

/* The direct root is for all addresses, or for those with the direct bit. */
static void load_roots(struct vcpu *v)
{
	const struct kvm_mmu_vm *vm = &v->base.kvm->mmu;
	struct vmx_control *c = &v->vmx;

	c->eptp = eptp_of(&v->base.mmu, v->base.mmu.root);
	if (!hpa_is_valid(vm->external_root))
		return;
	c->shared_eptp = c->eptp;
	c->shared_bit = (uint8_t)(__builtin_ctzll(vm->direct_bits) + PAGE_SHIFT);
	c->eptp = eptp_of(&v->base.mmu, vm->external_root);
}

static void vmx_run(struct vcpu *v, struct cpu *cpu)
{
	struct vmx_control *c = &v->vmx;

	load_roots(v);
	c->cr0_shadow = v->state.cr0;
	c->cr4_shadow = v->state.cr4;
	c->tsc_offset = v->tsc.offset;
	c->tsc_multiplier = v->tsc.ratio;
	c->entry_intr_info = event_to_inject(&v->events);
	c->entry_error_code = v->events.exception.error;
	c->entry_insn_len = v->events.insn_len;
	/* A step over STI or MOV SS: entry refuses TF with either shadow. */
	if (v->debug.armed)
		v->state.shadow &= (uint8_t)~(X86_SHADOW_STI | X86_SHADOW_MOV_SS);
	vmx_enter(cpu, c, &v->state, &v->vmx_exit);
	take_back_event(v);
}

static void vmx_watch(struct vcpu *v, bool interrupt, bool nmi)
{
	v->vmx.interrupt_window_exiting = interrupt;
	v->vmx.nmi_window_exiting = nmi;
}

/* No such thing here: the NMI window is watched for. */
static bool vmx_pend_nmi(struct vcpu *v)
{
	return false;
}

static bool vmx_nmi_is_pending(const struct vcpu *v)
{
	return false;
}

static void vmx_flush_tlb(struct vcpu *v, struct cpu *cpu)
{
	vmx_invept(cpu, VMX_INVEPT_ALL, 0);
	vmx_invvpid(cpu, VMX_INVVPID_SINGLE, v->vmx.vpid, GVA(0));
}

/* Where the address says what it means, it alone does. */
static uint64_t private_access(const struct vcpu *v)
{
	return kvm_addr_is_direct(v->base.kvm, v->vmx_exit.gpa) ? 0 : PFERR_PRIVATE_ACCESS;
}

static int handle_ept_violation(struct vcpu *v)
{
	uint64_t q = v->vmx_exit.qualification, ec = 0;
	const uint64_t rwx = VMX_EPT_READABLE | VMX_EPT_WRITABLE | VMX_EPT_EXECUTABLE;

	ec |= q & VMX_EPT_READ ? PFERR_USER : 0;
	ec |= q & VMX_EPT_WRITE ? PFERR_WRITE : 0;
	ec |= q & VMX_EPT_FETCH ? PFERR_FETCH : 0;
	ec |= q & rwx ? PFERR_PRESENT : 0;
	ec |= private_access(v);
	VCPU_TRACE(v, kvm_page_fault, v->base.id, v->state.rip, v->vmx_exit.gpa.v, q);
	/* The emulator's walk sees what is reserved. */
	if (v->base.kvm->module->params.allow_smaller_maxphyaddr &&
	    (v->vmx_exit.gpa.v & vcpu_reserved_gpa_bits(v)))
		return vcpu_emulate(v, EMULATE_NO_GPA);
	if (q & VMX_EPT_GLA_VALID)
		ec |= q & VMX_EPT_FINAL ? PFERR_GUEST_FINAL : PFERR_GUEST_PAGE;
	return exit_page_fault(v, v->vmx_exit.gpa, ec);
}

static int fast_mmio(struct vcpu *v)
{
	VCPU_TRACE(v, kvm_fast_mmio, v->vmx_exit.gpa.v);
	return vcpu_emulate_skip(v);
}

static int handle_ept_misconfig(struct vcpu *v)
{
	/* An ioeventfd of any length: whatever the instruction is, it is skipped. */
	if (kvm_io_bus_write(&v->base, KVM_FAST_MMIO_BUS, v->vmx_exit.gpa, 0, NULL))
		return fast_mmio(v);
	return exit_page_fault(v, v->vmx_exit.gpa, PFERR_RSVD | private_access(v));
}

static int handle_io(struct vcpu *v)
{
	uint64_t q = v->vmx_exit.qualification;

	KVM_VCPU_COUNT(&v->base, io_exits);
	if (q & VMX_IO_STRING)
		return vcpu_emulate(v, EMULATE_NO_GPA);
	return exit_io(v, q >> 16, (q & 7) + 1, q & VMX_IO_IN);
}

static int handle_lmsw(struct vcpu *v, uint16_t msw)
{
	uint64_t cr0 = v->state.cr0 & ~(X86_CR0_MP | X86_CR0_EM | X86_CR0_TS);

	return vcpu_complete_insn_gp(v, vcpu_set_cr0(v, cr0 | (msw & 0xf)));
}

static int handle_cr(struct vcpu *v)
{
	uint64_t q = v->vmx_exit.qualification;

	switch (CR_QUAL_TYPE(q)) {
	case CR_MOV_TO:
		return exit_cr_write(v, CR_QUAL_NR(q), CR_QUAL_GPR(q));
	case CR_MOV_FROM:
		return exit_cr_read(v, CR_QUAL_NR(q), CR_QUAL_GPR(q));
	case CR_CLTS:
		v->state.cr0 &= ~X86_CR0_TS;
		vcpu_skip_instruction(v);
		return 1;
	default:
		return handle_lmsw(v, CR_QUAL_LMSW(q));
	}
}

/*
 * kvm_intel.allow_smaller_maxphyaddr: bits of an address that the processor has and
 * the guest has not are reserved in its tables, and only KVM can tell.
 */
static bool has_illegal_addresses(const struct vcpu *v)
{
	const struct kvm_module *module = v->base.kvm->module;

	return module->params.allow_smaller_maxphyaddr &&
	       v->maxphyaddr < hw_config(module->hw)->phys_bits;
}

/* While the VMM debugs, the guest's own debug registers are not the processor's. */
static void vmx_intercepts_changed(struct vcpu *v)
{
	bool sw = (v->debug.control & KVM_GUESTDBG_USE_SW_BP), pf = has_illegal_addresses(v);

	v->vmx.mov_dr_exiting = v->debug.control;
	v->vmx.exception_bitmap = ALWAYS_INTERCEPTED | (v->debug.control ? BIT(X86_DB) : 0) |
				  (sw ? BIT(X86_BP) : 0) | (pf ? BIT(X86_PF) : 0);
	/* A page that is not there stays the guest's own; so do bits reserved for both. */
	v->vmx.pf_mask = pf ? PFERR_PRESENT | PFERR_RSVD : 0;
	v->vmx.pf_match = pf ? PFERR_PRESENT : 0;
}

/* Where the guest's tables deny it already, with what is reserved for the guest. */
static int handle_pf(struct vcpu *v)
{
	const uint32_t access = WALK_WRITE | WALK_USER | WALK_FETCH;
	uint64_t linear = v->vmx_exit.qualification;
	uint32_t error = v->vmx_exit.intr_error;
	struct vcpu_walk_fault fault;
	gpa_t gpa;

	if ((error & PFERR_PRESENT) &&
	    vcpu_walk(v, linear, error & access, &gpa, &fault) == WALK_PAGE_FAULT) {
		linear = fault.address;
		error = fault.error;
	}
	vcpu_inject_pf(v, linear, error);
	return 1;
}

/* INT1 exits before it is done, and is skipped when it goes on to the guest. */
static int handle_db(struct vcpu *v)
{
	bool icebp = (v->vmx_exit.intr_info & (7u << 8)) == VMX_INTR_TYPE_PRIV_EXCEPTION;

	if (icebp && !vcpu_debug_watches(v))
		v->state.rip = v->next_rip;
	return exit_debug(v, v->vmx_exit.qualification);
}

/* The exit is there before #DB of DR7.GD, which KVM then raises itself. */
static int handle_dr(struct vcpu *v)
{
	uint64_t q = v->vmx_exit.qualification;

	if (vcpu_debug_guards(v))
		return exit_debug_guard(v);
	if (q & DR_QUAL_READ)
		return exit_dr_read(v, q & 7, q >> 8 & 0xf);
	return exit_dr_write(v, q & 7, q >> 8 & 0xf);
}

static int handle_exception(struct vcpu *v)
{
	uint32_t info = v->vmx_exit.intr_info;

	if ((info & (7u << 8)) == VMX_INTR_TYPE_NMI)
		return 1;
	switch (info & 0xff) {
	case X86_DB:
		v->events.insn_len = (uint8_t)v->vmx_exit.insn_len;
		return handle_db(v);
	case X86_BP:
		v->events.insn_len = (uint8_t)v->vmx_exit.insn_len;
		return exit_breakpoint(v);
	case X86_UD:
		return exit_invalid_opcode(v);
	case X86_PF:
		return handle_pf(v);
	case X86_AC:
		vcpu_queue_exception(v, X86_AC, true, v->vmx_exit.intr_error);
		return 1;
	default:
		return exit_unexpected(v, v->vmx_exit.reason);
	}
}

static int handle_window(struct vcpu *v)
{
	v->vmx.interrupt_window_exiting = false;
	v->vmx.nmi_window_exiting = false;
	if (v->vmx_exit.reason == VMX_EXIT_NMI_WINDOW)
		KVM_VCPU_COUNT(&v->base, nmi_window_exits);
	else
		KVM_VCPU_COUNT(&v->base, irq_window_exits);
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	return 1;
}

typedef int (*exit_handler)(struct vcpu *v);

static const exit_handler handlers[] = {
	[VMX_EXIT_EXCEPTION_NMI] = handle_exception,
	[VMX_EXIT_EXTERNAL_INTERRUPT] = exit_intr,
	[VMX_EXIT_TRIPLE_FAULT] = exit_shutdown,
	[VMX_EXIT_INTERRUPT_WINDOW] = handle_window,
	[VMX_EXIT_NMI_WINDOW] = handle_window,
	[VMX_EXIT_CPUID] = exit_cpuid,
	[VMX_EXIT_HLT] = exit_hlt,
	[VMX_EXIT_INVD] = exit_skip,
	[VMX_EXIT_RDPMC] = exit_rdpmc,
	[VMX_EXIT_VMCALL] = exit_hypercall,
	[VMX_EXIT_VMCLEAR ... VMX_EXIT_VMXON] = exit_undefined,
	[VMX_EXIT_CR_ACCESS] = handle_cr,
	[VMX_EXIT_DR_ACCESS] = handle_dr,
	[VMX_EXIT_IO] = handle_io,
	[VMX_EXIT_RDMSR] = exit_rdmsr,
	[VMX_EXIT_WRMSR] = exit_wrmsr,
	[VMX_EXIT_MWAIT] = exit_monitor_mwait,
	[VMX_EXIT_MONITOR] = exit_monitor_mwait,
	[VMX_EXIT_PAUSE] = exit_skip,
	[VMX_EXIT_EPT_VIOLATION] = handle_ept_violation,
	[VMX_EXIT_EPT_MISCONFIG] = handle_ept_misconfig,
	[VMX_EXIT_INVEPT] = exit_undefined,
	[VMX_EXIT_INVVPID] = exit_undefined,
	[VMX_EXIT_WBINVD] = exit_skip,
	[VMX_EXIT_XSETBV] = exit_xsetbv,
};

/*
 * An event was being delivered, and for this reason: MMIO on the way (its tables,
 * its stack), say.  KVM cannot emulate a delivery, and the next one would end here again.
 */
static bool is_stuck_delivery(const struct vmx_exit *e)
{
	if (!(e->idt_info & VMX_INTR_VALID))
		return false;
	return e->reason != VMX_EXIT_EXCEPTION_NMI && e->reason != VMX_EXIT_EPT_VIOLATION &&
	       e->reason != VMX_EXIT_TASK_SWITCH;
}

static int exit_stuck_delivery(struct vcpu *v)
{
	const struct vmx_exit *e = &v->vmx_exit;
	struct kvm_run *run = v->base.run;
	uint32_t n = 0;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.data[n++] = e->idt_info;
	run->internal.data[n++] = e->reason;
	run->internal.data[n++] = e->qualification;
	if (e->reason == VMX_EXIT_EPT_MISCONFIG)
		run->internal.data[n++] = e->gpa.v;
	run->internal.data[n++] = v->last_cpu;
	run->internal.ndata = n;
	return 0;
}

static int vmx_handle_exit(struct vcpu *v)
{
	uint32_t reason = v->vmx_exit.reason;

	v->next_rip = v->state.rip + v->vmx_exit.insn_len;
	if (reason & VMX_EXIT_FAILED_ENTRY) {
		v->base.run->exit_reason = KVM_EXIT_FAIL_ENTRY;
		v->base.run->fail_entry.hardware_entry_failure_reason = reason;
		v->base.run->fail_entry.cpu = v->last_cpu;
		return 0;
	}
	if (is_stuck_delivery(&v->vmx_exit))
		return exit_stuck_delivery(v);
	if (reason < ARRAY_SIZE(handlers) && handlers[reason])
		return handlers[reason](v);
	return exit_unexpected(v, reason);
}

/* Intel leaves no bytes behind: KVM fetches them itself. */
static unsigned vmx_insn_bytes(const struct vcpu *v, const uint8_t **bytes)
{
	*bytes = NULL;
	return 0;
}

static void vmx_exit_info(const struct vcpu *v, uint64_t info[5])
{
	info[0] = v->vmx_exit.reason;
	info[1] = v->vmx_exit.qualification;
	info[2] = v->vmx_exit.idt_info;
	info[3] = v->vmx_exit.intr_info;
	info[4] = v->vmx_exit.intr_error;
}

const struct vcpu_backend vmx_backend = {
	.name = "kvm_intel",
	.init = vmx_init,
	.run = vmx_run,
	.watch = vmx_watch,
	.pend_nmi = vmx_pend_nmi,
	.nmi_is_pending = vmx_nmi_is_pending,
	.handle_exit = vmx_handle_exit,
	.intercepts_changed = vmx_intercepts_changed,
	.flush_tlb = vmx_flush_tlb,
	.insn_bytes = vmx_insn_bytes,
	.exit_info = vmx_exit_info,
	.hypercall = { 0x0f, 0x01, 0xc1 },
};
