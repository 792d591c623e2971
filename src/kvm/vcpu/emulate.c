/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emulate.c - one instruction: fetched, decoded, executed, its MMIO sent out.
 */
#include "kvm/vcpu/emulate.h"

#include <errno.h>
#include <string.h>

#include "kvm/mmu/fault.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/emu.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/walk.h"
#include "trace/counters.h"
#include "x86/decode.h"

#define MMIO_CHUNK	8u		/* bytes that kvm_run->mmio can carry */
#define UNUSED_BYTE	0x90

int vcpu_emulation_failure(struct vcpu *v, const uint8_t *bytes, unsigned nr)
{
	struct kvm_run *run = v->base.run;
	uint64_t info[5];

	KVM_VCPU_COUNT(&v->base, insn_emulation_fail);
	if (!v->base.kvm->caps.exit_on_emulation_error) {
		vcpu_inject_ud(v);
		if (v->state.cpl)
			return 1;
	}
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

/* What is under way goes out, at most 8 bytes at a time. */
static int mmio_exit(struct vcpu *v);

static int complete_mmio(struct vcpu *v)
{
	struct vcpu_mmio *m = &v->mmio;
	struct vcpu_fragment *f = &m->frag[m->cur];
	unsigned len = MIN(MMIO_CHUNK, f->len - m->done);

	if (!m->is_write)
		memcpy(f->data + m->done, v->base.run->mmio.data, len);
	m->done += len;
	if (m->done == f->len) {
		m->cur++;
		m->done = 0;
	}
	if (m->cur < m->nr)
		return mmio_exit(v);	/* the same exit as far as statistics go */
	if (m->is_write) {
		memset(m, 0, sizeof(*m));
		return 1;
	}
	m->read_completed = true;
	return vcpu_emulate(v, EMULATE_NO_GPA);
}

static int mmio_exit(struct vcpu *v)
{
	const struct vcpu_fragment *f = &v->mmio.frag[v->mmio.cur];
	struct kvm_run *run = v->base.run;
	unsigned len = MIN(MMIO_CHUNK, f->len - v->mmio.done);

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = f->gpa.v + v->mmio.done;
	run->mmio.len = len;
	run->mmio.is_write = v->mmio.is_write;
	if (v->mmio.is_write)
		memcpy(run->mmio.data, f->data + v->mmio.done, len);
	v->complete = complete_mmio;
	counter_add(v->base.kvm->module->counters, COUNTER_MMIO_EXITS, 1);
	return 0;
}

static int first_mmio_exit(struct vcpu *v)
{
	KVM_VCPU_COUNT(&v->base, mmio_exits);
	return mmio_exit(v);
}

/* Bytes from RIP on: the exit's own, else read through the page tables. */
static enum walk_answer fetch(struct vcpu *v, uint64_t lin, uint8_t bytes[X86_MAX_INSN],
			      unsigned *nr, struct vcpu_walk_fault *fault)
{
	unsigned access = WALK_FETCH | (v->state.cpl == 3 ? WALK_USER : 0);
	unsigned in_page = PAGE_SIZE - (lin & ~PAGE_MASK);
	const uint8_t *given;
	enum walk_answer a;

	*nr = v->mmio.read_completed ? 0 : v->backend->insn_bytes(v, &given);
	if (*nr) {
		memcpy(bytes, given, *nr);
		return WALK_OK;
	}
	*nr = MIN((unsigned)X86_MAX_INSN, in_page);
	a = vcpu_read_linear(v, lin, bytes, *nr, access, fault);
	return a;
}

/* The rest of an instruction that goes on in the next page. */
static enum walk_answer fetch_rest(struct vcpu *v, uint64_t lin, uint8_t bytes[X86_MAX_INSN],
				   unsigned *nr, struct vcpu_walk_fault *fault)
{
	unsigned access = WALK_FETCH | (v->state.cpl == 3 ? WALK_USER : 0);
	enum walk_answer a = vcpu_read_linear(v, lin + *nr, bytes + *nr, X86_MAX_INSN - *nr,
					      access, fault);

	*nr = X86_MAX_INSN;
	return a;
}

static enum walk_answer fetch_and_decode(struct vcpu *v, uint64_t lin, uint8_t *bytes, unsigned *nr,
					 struct x86_op ops[2], enum x86_decoded *how,
					 struct vcpu_walk_fault *fault)
{
	enum x86_mode mode = x86_mode_of(&v->state);
	enum walk_answer a = fetch(v, lin, bytes, nr, fault);

	if (a != WALK_OK)
		return a;
	*how = x86_decode(mode, bytes, *nr, 0, 1, &emu_handlers, &ops[0]);
	if (*how == X86_TRUNCATED && *nr < X86_MAX_INSN) {
		a = fetch_rest(v, lin, bytes, nr, fault);
		if (a != WALK_OK)
			return a;
		*how = x86_decode(mode, bytes, *nr, 0, 1, &emu_handlers, &ops[0]);
	}
	if (*how == X86_DECODED)
		x86_decode_end(mode, ops[0].len, 1, &emu_handlers, &ops[1]);
	return WALK_OK;
}

/* The instruction has stopped: an exception, MMIO, or something we cannot do. */
static int stopped(struct vcpu *v, struct emu *e, const uint8_t *bytes, unsigned nr)
{
	const struct x86_event *event = &e->x.event;

	if (e->x.why == X86_WHY_EVENT) {
		memset(&v->mmio, 0, sizeof(v->mmio));
		if (event->vector == X86_PF)
			vcpu_inject_pf(v, event->payload, event->error);
		else
			vcpu_queue_exception(v, event->vector, event->has_error, event->error);
		return 1;
	}
	if (e->refused || e->no_memory)
		return vcpu_emulation_failure(v, bytes, nr);
	return e->io != 1 ? e->io : first_mmio_exit(v);
}

static int execute(struct vcpu *v, struct x86_op ops[2], const uint8_t *bytes, unsigned nr)
{
	struct emu e = { .v = v, .access = v->state.cpl == 3 ? WALK_USER : 0, .io = 1 };
	enum x86_ret ret;

	x86_exec_enter(&e.x, &v->state);
	e.x.r[X86_OFF_BASE / 8] = e.x.rip;
	ret = ops[0].fn(&e.x, ops);
	if (ret == X86_STOP)
		e.x.rip = e.x.r[X86_OFF_BASE / 8];
	x86_exec_leave(&e.x);
	if (ret == X86_STOP)
		return stopped(v, &e, bytes, nr);
	vcpu_count_instruction(v);
	v->state.shadow &= ~(X86_SHADOW_STI | X86_SHADOW_MOV_SS);
	if (v->mmio.is_write && v->mmio.nr)
		return first_mmio_exit(v);
	if (e.done_io)
		return 0;
	memset(&v->mmio, 0, sizeof(v->mmio));
	return 1;
}

static int decode_and(struct vcpu *v, bool skip)
{
	uint64_t lin = v->state.rip;
	struct vcpu_walk_fault fault;
	uint8_t bytes[X86_MAX_INSN];
	enum x86_decoded how = X86_INVALID;
	struct x86_op ops[2];
	unsigned nr = 0;

	if (!x86_in_64bit_mode(&v->state))
		lin = (uint32_t)(lin + v->state.seg[X86_CS].base);
	KVM_VCPU_COUNT(&v->base, insn_emulation);
	switch (fetch_and_decode(v, lin, bytes, &nr, ops, &how, &fault)) {
	case WALK_OK:
		break;
	case WALK_PAGE_FAULT:
		vcpu_inject_pf(v, fault.address, fault.error);
		return 1;
	case WALK_NO_MEMORY:
		return vcpu_emulation_failure(v, bytes, 0);
	}
	if (how != X86_DECODED)
		return vcpu_emulation_failure(v, bytes, nr);
	v->next_rip = v->state.rip + ops[0].len;
	if (skip) {
		vcpu_skip_instruction(v);
		return 1;
	}
	return execute(v, ops, bytes, ops[0].len);
}

int vcpu_emulate(struct vcpu *v, gpa_t gpa)
{
	return decode_and(v, false);
}

int vcpu_emulate_skip(struct vcpu *v)
{
	return decode_and(v, true);
}
