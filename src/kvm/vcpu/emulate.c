/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emulate.c - one instruction: fetched, decoded, executed, its MMIO sent out.
 */
#include "kvm/vcpu/emulate.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "kvm/core/request.h"
#include "kvm/mmu/fault.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/emu.h"
#include "kvm/vcpu/emu_insn.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/protected.h"
#include "kvm/vcpu/walk.h"
#include "trace/counters.h"
#include "x86/decode.h"

#define MMIO_CHUNK	8u		/* bytes that kvm_run->mmio can carry */
#define UNUSED_BYTE	0x90

/* Tells user space: flags, size and bytes where there are any, and five words of the exit's. */
static int emulation_exit(struct vcpu *v, const uint8_t *bytes, unsigned nr)
{
	struct kvm_run *run = v->base.run;
	uint64_t info[5];

	v->backend->exit_info(v, info);
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 1 + (nr ? 2 : 0) + ARRAY_SIZE(info);
	if (nr) {
		run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		run->emulation_failure.insn_size = nr;
		memset(run->emulation_failure.insn_bytes, UNUSED_BYTE,
		       sizeof(run->emulation_failure.insn_bytes));
		memcpy(run->emulation_failure.insn_bytes, bytes, nr);
	}
	memcpy(&run->internal.data[nr ? 3 : 1], info, sizeof(info));
	return 0;
}

int vcpu_emulation_failure(struct vcpu *v, const uint8_t *bytes, unsigned nr)
{
	KVM_VCPU_COUNT(&v->base, insn_emulation_fail);
	if (!v->base.kvm->caps.exit_on_emulation_error) {
		vcpu_inject_ud(v);
		if (v->state.cpl)
			return 1;
	}
	return emulation_exit(v, bytes, nr);
}

/* The guest has done nothing wrong: no exception, whatever its CPL. */
static int cannot_skip(struct vcpu *v, const struct emu_insn *in)
{
	KVM_VCPU_COUNT(&v->base, insn_emulation_fail);
	return emulation_exit(v, in->bytes, in->nr);
}

/* Types of kvm_mmio. */
enum { TRACE_MMIO_UNSATISFIED, TRACE_MMIO_READ, TRACE_MMIO_WRITE };

static void trace_fragments(const struct vcpu *v, unsigned type, const uint8_t *data)
{
	const struct vcpu_mmio *m = &v->mmio;

	for (unsigned i = 0; VCPU_IS_TRACED(v) && i < m->nr; i++) {
		uint64_t value = 0;

		if (data)
			memcpy(&value, data + m->frag[i].at, MIN(m->frag[i].len, 8u));
		VCPU_TRACE(v, kvm_mmio, type, m->frag[i].len, m->frag[i].gpa.v, value);
	}
}

static int emulate_again(struct vcpu *v);
static int mmio_exit(struct vcpu *v);

static int complete_mmio(struct vcpu *v)
{
	struct vcpu_mmio *m = &v->mmio;
	struct vcpu_fragment *f = &m->frag[m->cur];
	unsigned len = MIN(MMIO_CHUNK, f->len - m->done);

	if (!m->is_write)
		memcpy(m->reads + f->at + m->done, v->base.run->mmio.data, len);
	m->done += len;
	if (m->done == f->len) {
		m->cur++;
		m->done = 0;
	}
	if (m->cur < m->nr)
		return mmio_exit(v);	/* the same exit as far as statistics go */
	if (!m->is_write)
		trace_fragments(v, TRACE_MMIO_READ, m->reads);
	m->nr = 0;
	if (m->is_write)
		return 1;
	m->nr_reads += m->nr_reading;
	m->read_completed = true;
	return emulate_again(v);
}

/* What is under way goes out, at most 8 bytes at a time. */
static int mmio_exit(struct vcpu *v)
{
	const struct vcpu_mmio *m = &v->mmio;
	const struct vcpu_fragment *f = &m->frag[m->cur];
	struct kvm_run *run = v->base.run;
	unsigned len = MIN(MMIO_CHUNK, f->len - m->done);

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = f->gpa.v + m->done;
	run->mmio.len = len;
	run->mmio.is_write = m->is_write;
	if (m->is_write)
		memcpy(run->mmio.data, m->writes + f->at + m->done, len);
	v->complete = complete_mmio;
	counter_add(v->base.kvm->module->counters, COUNTER_MMIO_EXITS, 1);
	return 0;
}

static int first_mmio_exit(struct vcpu *v)
{
	KVM_VCPU_COUNT(&v->base, mmio_exits);
	if (v->mmio.is_write)
		trace_fragments(v, TRACE_MMIO_WRITE, v->mmio.writes);
	else
		trace_fragments(v, TRACE_MMIO_UNSATISFIED, NULL);
	return mmio_exit(v);
}

/* The instruction has stopped: an exception, MMIO, or something we cannot do. */
static int stopped(struct vcpu *v, struct emu *e, const struct emu_insn *in)
{
	const struct x86_event *event = &e->x.event;

	if (e->x.why == X86_WHY_EVENT) {
		if (event->vector == X86_PF)
			vcpu_inject_pf(v, event->payload, event->error);
		else
			vcpu_queue_exception(v, event->vector, event->has_error, event->error);
		return 1;
	}
	if (e->refused || e->no_memory)
		return vcpu_emulation_failure(v, in->bytes, in->nr);
	if (e->again)
		return 1;
	if (e->has_request)
		return emu_carry_out(e);
	return e->io != 1 ? e->io : first_mmio_exit(v);
}

static bool is_repeated_string(const struct x86_op *op)
{
	return op->id >= X86_H_movs && op->id <= X86_H_outs &&
	       (op->flags & (X86_OP_REPE | X86_OP_REPNE));
}

/* It is done, or a string has got to an element whose store goes out first. */
static int finished(struct vcpu *v, const struct emu *e)
{
	vcpu_count_instruction(v);
	v->state.rflags &= ~X86_FLAGS_RF;
	if (v->mmio.nr)
		return first_mmio_exit(v);
	return e->done_io ? 0 : 1;
}

#define SHADOWS	(X86_SHADOW_STI | X86_SHADOW_MOV_SS)

/*
 * Member by member: an initialiser would clear the registers first, and this is
 * done twice for a load.
 */
static void emu_begin(struct emu *e, struct vcpu *v, const struct emu_insn *in)
{
	e->v = v;
	e->access = v->state.cpl == 3 ? WALK_USER : 0;
	e->needs_memory = emu_form_needs_memory(&in->form);
	e->by_element = is_repeated_string(&in->ops[0]);
	e->gpa = EMULATE_NO_GPA;
	if (!e->by_element && !emu_form_has_two_operands(&in->form))
		e->gpa = v->mmio.gpa;
	e->pos = 0;
	e->by_stack = e->refused = e->no_memory = e->again = e->has_request = e->done_io = false;
	e->io = 1;
	x86_exec_enter(&e->x, &v->state);
	e->x.stop_iter = 0;
	e->x.retired = 0;
	e->x.icpt_value = 0;
	e->x.event = (struct x86_event){ 0 };
	e->x.vendor_amd = v->backend == &svm_backend;
	e->x.r[X86_OFF_BASE / 8] = e->x.rip;
}

static int execute(struct vcpu *v, const struct emu_insn *in)
{
	uint8_t shadow = v->state.shadow;
	struct emu e;
	int ret;

	v->next_rip = v->state.rip + in->ops[0].len;
	v->state.shadow &= (uint8_t)~SHADOWS;
	emu_begin(&e, v, in);
	ret = in->ops[0].fn(&e.x, in->ops);
	if (ret == X86_STOP)
		e.x.rip = e.x.r[X86_OFF_BASE / 8];
	x86_exec_leave(&e.x);
	if (ret != X86_STOP)
		return finished(v, &e);
	v->state.shadow |= shadow & SHADOWS;
	return stopped(v, &e, in);
}

/* The CPUID bits without which KVM does not emulate what the processor calls #UD. */
static bool guest_has(struct vcpu *v, const struct emu_insn *in)
{
	const struct kvm_cpuid_entry2 *e;

	switch (in->ops[0].id) {
	case X86_H_movbe_rm: case X86_H_movbe_mr:
		e = vcpu_find_cpuid(v, 1, 0);
		return e && (e->ecx & BIT(22));
	case X86_H_rdpid:
		e = vcpu_find_cpuid(v, 7, 0);
		return e && (e->ecx & BIT(22));
	default:
		return true;
	}
}

static int carry_out(struct vcpu *v, struct emu_insn *in)
{
	if (unlikely(vcpu_is_es(v)))
		panic("an instruction of a SEV-ES guest would be emulated");
	if (in->verdict == EMU_TAKES && !guest_has(v, in))
		in->verdict = EMU_RAISES_UD;
	switch (in->verdict) {
	case EMU_FAILS:
		return vcpu_emulation_failure(v, in->bytes, in->nr);
	case EMU_RAISES_UD:
		vcpu_inject_ud(v);
		return 1;
	default:
		return execute(v, in);
	}
}

/* For the answers to its loads, or to INS: the same instruction, whatever is there now. */
static int emulate_again(struct vcpu *v)
{
	struct emu_insn in = { .nr = v->mmio.nr_insn };

	memcpy(in.bytes, v->mmio.insn, in.nr);
	v->state.rip = v->mmio.rip;
	emu_insn_decode(v, &in);
	return carry_out(v, &in);
}

int vcpu_emulate_answered(struct vcpu *v)
{
	return emulate_again(v);
}

static NOINLINE void trace_insn(const struct vcpu *v, const struct emu_insn *in, bool failed)
{
	static const uint8_t shown[] = { [X86_MODE_64] = 4, [X86_MODE_32] = 3, [X86_MODE_16] = 2 };
	enum x86_mode mode = x86_mode_of(&v->state);
	unsigned len = in->verdict == EMU_TAKES ? in->ops[0].len : in->nr;
	uint64_t bytes[2] = { 0 };
	unsigned how = shown[mode];

	if (mode == X86_MODE_16)
		how = !(v->state.cr0 & X86_CR0_PE) ? 0 : v->state.rflags & X86_FLAGS_VM ? 1 : 2;
	memcpy(bytes, in->bytes, in->nr);
	VCPU_TRACE(v, kvm_emulate_insn, mode == X86_MODE_64 ? 0 : v->state.seg[X86_CS].base,
		   v->state.rip, bytes[0], bytes[1], len, how, failed);
}

/* A new instruction: nothing has been read. */
static void begin(struct vcpu *v, const struct emu_insn *in, gpa_t gpa)
{
	struct vcpu_mmio *m = &v->mmio;

	m->read_completed = false;
	m->nr = m->nr_reads = 0;
	m->gpa = gpa;
	m->rcx = v->state.gpr[X86_RCX];
	m->rip = v->state.rip;
	m->nr_insn = (uint8_t)in->nr;
	memcpy(m->insn, in->bytes, in->nr);
}

/* False: *@ret is what KVM_RUN goes on with. */
static bool get_insn(struct vcpu *v, struct emu_insn *in, bool skips, int *ret)
{
	v->pio.answered = false;
	v->events.exception = (struct vcpu_exception){ 0 };
	KVM_VCPU_COUNT(&v->base, insn_emulation);
	*ret = 1;
	switch (emu_insn_fetch(v, in)) {
	case WALK_OK:
		if (VCPU_IS_TRACED(v))
			trace_insn(v, in, in->verdict == EMU_FAILS);
		return true;
	case WALK_PAGE_FAULT:
		if (skips)
			*ret = cannot_skip(v, in);
		else
			vcpu_inject_pf(v, in->fault.address, in->fault.error);
		return false;
	default:
		/* The processor saw less of it than it needs: it will see it all, or fault, the next time. */
		if (skips)
			*ret = cannot_skip(v, in);
		else if (!vcpu_is_sev(v))
			*ret = vcpu_emulation_failure(v, in->bytes, in->nr);
		return false;
	}
}

/*
 * The processor left no bytes of a SEV guest's instruction, because it could not
 * fetch them either; or the erratum 1096 of family 17h hid them.  To run
 * the guest on is the least evil.
 */
static void without_bytes(struct vcpu *v)
{
	uint64_t ec = v->svm_exit.exitinfo1;
	bool user = v->state.cpl == 3;

	if ((ec & (SVM_NPF_TABLE | SVM_NPF_FETCH)) || !(v->state.cr4 & X86_CR4_SMAP) ||
	    ((v->state.cr4 & X86_CR4_SMEP) && !user))
		return;
	if (user)
		vcpu_inject_gp(v);
	else
		kvm_make_request(KVM_REQ_TRIPLE_FAULT, &v->base);
}

/*
 * Of an encrypted guest KVM has the bytes that the processor left and no others,
 * and of SEV-ES not even registers: that is never emulated, but run
 * again.  False: 1 is what KVM_RUN goes on with.
 */
static bool may_emulate(struct vcpu *v, bool is_fault)
{
	const uint8_t *bytes;

	if (likely(!vcpu_is_sev(v)))
		return true;
	if (vcpu_is_es(v))
		return false;
	if (!is_fault)
		vcpu_inject_ud(v);
	else if (v->backend->insn_bytes(v, &bytes))
		return true;
	else
		without_bytes(v);
	return false;
}

int vcpu_emulate(struct vcpu *v, gpa_t gpa)
{
	struct emu_insn in;
	int ret;

	if (!may_emulate(v, gpa.v != EMULATE_NO_GPA.v))
		return 1;
	if (!get_insn(v, &in, false, &ret))
		return ret;
	begin(v, &in, gpa);
	return carry_out(v, &in);
}

int vcpu_emulate_skip(struct vcpu *v)
{
	struct emu_insn in;
	int ret;

	if (!get_insn(v, &in, true, &ret))
		return ret;
	if (in.verdict == EMU_FAILS)
		return cannot_skip(v, &in);
	v->next_rip = v->state.rip + in.ops[0].len;
	vcpu_skip_instruction(v);
	return 1;
}

int vcpu_emulate_on_ud(struct vcpu *v, bool *is_hypercall)
{
	struct emu_insn in;

	*is_hypercall = false;
	v->events.exception = (struct vcpu_exception){ 0 };
	KVM_VCPU_COUNT(&v->base, insn_emulation);
	if (emu_insn_fetch(v, &in) != WALK_OK || in.verdict != EMU_TAKES || !in.form.on_ud) {
		vcpu_inject_ud(v);
		return 1;
	}
	*is_hypercall = in.form.map == 2 && in.form.opcode == 0x01;
	if (*is_hypercall)
		return 1;
	begin(v, &in, EMULATE_NO_GPA);
	return carry_out(v, &in);
}

int vcpu_emulate_forced(struct vcpu *v)
{
	struct emu_insn in;
	int ret;

	if (!get_insn(v, &in, false, &ret))
		return ret;
	if (in.verdict == EMU_FAILS) {
		vcpu_inject_ud(v);
		return 1;
	}
	begin(v, &in, EMULATE_NO_GPA);
	return carry_out(v, &in);
}
