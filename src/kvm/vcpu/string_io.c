/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * string_io.c - INS and OUTS.
 *
 * OUTS reads one element and goes out with RIP (or RCX) moved on; INS goes out
 * for several elements first and stores them when user space has answered.
 */
#include <string.h>

#include "kvm/vcpu/emu.h"
#include "kvm/vcpu/emulate.h"
#include "kvm/vcpu/exits.h"
#include "x86/decode.h"
#include "x86/handlers.h"

static uint64_t address_mask(const struct x86_op *op)
{
	return op->flags & X86_OP_A16 ? 0xffff : op->flags & X86_OP_A32 ? 0xffffffff : ~0ull;
}

static void advance(struct x86_exec *x, const struct x86_op *op, unsigned reg, int64_t delta)
{
	uint64_t mask = address_mask(op), v = (x->r[reg] + (uint64_t)delta) & mask;

	/* 32-bit results clear the upper half; 16-bit ones leave the rest. */
	x->r[reg] = mask == 0xffff ? (x->r[reg] & ~mask) | v : v;
}

static bool is_rep(const struct x86_op *op)
{
	return op->flags & (X86_OP_REPE | X86_OP_REPNE);
}

static bool linear(struct x86_exec *x, const struct x86_op *op, unsigned reg, unsigned seg,
		   bool write, uint64_t *lin)
{
	uint64_t ea = x->r[reg] & address_mask(op);

	if (op->flags & X86_OP_LEGACY)
		return x86_lin_seg(x, seg, ea, 1u << op->width, write, lin);
	*lin = ea + x->seg_base[seg];
	return true;
}

/* One element is through. */
static void element_done(struct x86_exec *x, const struct x86_op *op, unsigned reg)
{
	int64_t step = x->st->rflags & X86_FLAGS_DF ? -(1ll << op->width) : 1ll << op->width;

	advance(x, op, reg, step);
	if (is_rep(op))
		advance(x, op, X86_RCX, -1);
}

static bool finished(const struct x86_exec *x, const struct x86_op *op)
{
	return !is_rep(op) || !(x->r[X86_RCX] & address_mask(op));
}

static void fill_run(struct vcpu *v, const struct x86_op *op, bool in, uint32_t count)
{
	struct kvm_run *run = v->base.run;

	v->pio = (struct vcpu_pio){ .in = in, .size = 1u << op->width,
				    .port = (uint16_t)v->state.gpr[X86_RDX], .count = count };
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = v->pio.size;
	run->io.port = v->pio.port;
	run->io.count = count;
	run->io.data_offset = VCPU_PIO_PAGE_OFFSET * PAGE_SIZE;
}

static int complete_nothing(struct vcpu *v)
{
	v->pio.count = 0;
	return 1;
}

/* The instruction starts again and finds the element that has come. */
static int complete_ins(struct vcpu *v)
{
	v->pio.count = 0;
	v->pio.answered = true;
	return vcpu_emulate_answered(v);
}

static int go_on(struct x86_exec *x, const struct x86_op *op)
{
	x->rip = finished(x, op) ? x86_next_rip(x, op) : x86_op_rip(x, op);
	return X86_DONE;
}

static int stop_with(struct emu *e, const struct x86_op *op)
{
	e->x.at = op;
	return X86_STOP;
}

/* A stop whose answer for KVM_RUN is known. */
static int leave(struct emu *e, const struct x86_op *op, int (*complete)(struct vcpu *v))
{
	e->v->complete = complete;
	e->io = 0;
	e->x.why = X86_WHY_EXIT;
	return stop_with(e, op);
}

static void trace_string(const struct vcpu *v, const struct x86_op *op, bool out, uint16_t port,
			 uint32_t count)
{
	uint64_t value = 0;

	memcpy(&value, v->pio_data, 1u << op->width);
	VCPU_TRACE(v, kvm_pio, out, port, 1u << op->width, count, value, count > 1);
}

static int do_outs(struct emu *e, const struct x86_op *op)
{
	uint64_t lin;

	if (!linear(&e->x, op, X86_RSI, op->seg, false, &lin) ||
	    !emu_read(&e->x, lin, e->v->pio_data, 1u << op->width, false))
		return stop_with(e, op);
	trace_string(e->v, op, true, (uint16_t)e->x.r[X86_RDX], 1);
	element_done(&e->x, op, X86_RSI);
	if (kvm_io_bus_write(&e->v->base, KVM_PIO_BUS, GPA((uint16_t)e->x.r[X86_RDX]),
			     1u << op->width, e->v->pio_data))
		return go_on(&e->x, op);
	fill_run(e->v, op, false, 1);
	e->done_io = true;
	e->v->complete = complete_nothing;
	return go_on(&e->x, op);
}

/* Elements that one exit asks for: to the end of the page of RDI, as KVM reads ahead. */
static uint32_t read_ahead(const struct x86_exec *x, const struct x86_op *op)
{
	uint32_t offset = x->r[X86_RDI] & ~PAGE_MASK, n = VCPU_READ_CACHE >> op->width;
	uint64_t count = x->r[X86_RCX] & address_mask(op);

	if (!is_rep(op))
		return 1;
	n = MIN(n, x->st->rflags & X86_FLAGS_DF ? offset : (uint32_t)PAGE_SIZE - offset);
	n = (uint32_t)MIN((uint64_t)n, count);
	return n ? n : 1;
}

/* A device of ours that answers the first element answers all; one that has gone reads as 0. */
static bool ask_devices(struct emu *e, const struct x86_op *op, uint32_t n)
{
	gpa_t port = GPA((uint16_t)e->x.r[X86_RDX]);
	uint32_t size = 1u << op->width;
	uint8_t *to = e->v->pio_data;

	if (!kvm_io_bus_read(&e->v->base, KVM_PIO_BUS, port, size, to))
		return false;
	for (uint32_t i = 1; i < n; i++)
		if (!kvm_io_bus_read(&e->v->base, KVM_PIO_BUS, port, size, to + i * size))
			memset(to + i * size, 0, (n - i) * size);
	return true;
}

/*
 * KVM asks first and finds out then whether it can store.  What user space has
 * made of RCX meanwhile says how many elements are stored.
 */
static int do_ins(struct emu *e, const struct x86_op *op)
{
	uint32_t n = read_ahead(&e->x, op), size = 1u << op->width;
	uint64_t lin;

	if (!e->v->pio.answered && !ask_devices(e, op, n)) {
		fill_run(e->v, op, true, n);
		memset(e->v->pio_data, 0, n * size);
		return leave(e, op, complete_ins);
	}
	e->v->pio.answered = false;
	trace_string(e->v, op, false, (uint16_t)e->x.r[X86_RDX], n);
	for (uint32_t i = 0; i < n; i++) {
		if (!linear(&e->x, op, X86_RDI, X86_ES, true, &lin) ||
		    !emu_write(&e->x, lin, e->v->pio_data + i * size, size))
			return stop_with(e, op);
		element_done(&e->x, op, X86_RDI);
	}
	return go_on(&e->x, op);
}

int emu_string_io(struct x86_exec *x, const struct x86_op *op)
{
	struct emu *e = emu_of(x);

	if (is_rep(op) && !(x->r[X86_RCX] & address_mask(op))) {
		x->rip = x86_next_rip(x, op);
		return X86_DONE;
	}
	return op->id == X86_H_ins ? do_ins(e, op) : do_outs(e, op);
}
