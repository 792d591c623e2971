/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu.c - where the emulator's loads and stores go (spec kvm.md 8.1).
 */
#include "kvm/vcpu/emu.h"

#include <string.h>

#include "base/log.h"
#include "kvm/host/access.h"
#include "kvm/mmu/mmu.h"
#include "kvm/vcpu/walk.h"

/* One page's part of an access. */
struct part {
	uint64_t	lin;
	gpa_t		gpa;
	unsigned	len;
};

static bool stop(struct emu *e)
{
	e->x.why = X86_WHY_EXIT;
	return false;
}

static bool walk_part(struct emu *e, struct part *p, unsigned access)
{
	struct vcpu_walk_fault fault;

	switch (vcpu_walk(e->v, p->lin, access, &p->gpa, &fault)) {
	case WALK_OK:
		p->gpa = kvm_addr_without_alias(e->v->base.kvm, p->gpa);
		return true;
	case WALK_PAGE_FAULT:
		return x86_page_fault(&e->x, fault.address, fault.error);
	case WALK_NO_MEMORY:
		break;
	}
	e->no_memory = true;
	return stop(e);
}

/* Translates all before anything is touched.  0: stopped. */
static unsigned split(struct emu *e, uint64_t lin, unsigned n, unsigned access,
		      struct part part[2])
{
	unsigned first = MIN(n, (unsigned)(PAGE_SIZE - (lin & ~PAGE_MASK)));
	unsigned nr = first < n ? 2 : 1;

	access |= e->access;
	part[0] = (struct part){ .lin = lin, .len = first };
	part[1] = (struct part){ .lin = lin + first, .len = n - first };
	for (unsigned i = 0; i < nr; i++) {
		if (!walk_part(e, &part[i], access))
			return 0;
	}
	return nr;
}

static bool in_apic_page(const struct vcpu *v, gpa_t gpa)
{
	return (gpa.v & PAGE_MASK) == LAPIC_DEFAULT_BASE;
}

/* vcpu_is_mmio_gpa(): known to be MMIO without asking memory. */
static bool is_known_mmio(struct vcpu *v, gpa_t gpa)
{
	return in_apic_page(v, gpa) || kvm_mmu_is_cached_mmio(&v->base, gpa_to_gfn(gpa));
}

static bool lapic_takes(const struct vcpu *v, gpa_t gpa, unsigned len)
{
	return v->lapic && (v->apic_base & LAPIC_BASE_ENABLE) &&
	       !(v->apic_base & LAPIC_BASE_X2APIC) &&
	       (gpa.v & PAGE_MASK) == (v->apic_base & PAGE_MASK);
}

/* The answer that user space gave for this piece of this element, if it did. */
static bool take_answer(struct emu *e, const struct part *p, void *to)
{
	struct vcpu_mmio *m = &e->v->mmio;

	if (!m->read_completed || m->rsi != e->x.r[X86_RSI])
		return false;
	for (unsigned i = 0; i < m->nr; i++) {
		if (m->frag[i].gpa.v != p->gpa.v || m->frag[i].len != p->len)
			continue;
		memcpy(to, m->frag[i].data, p->len);
		return true;
	}
	return false;
}

static void add_fragment(struct vcpu *v, const struct part *p, const void *data)
{
	struct vcpu_mmio *m = &v->mmio;
	struct vcpu_fragment *f;

	BUG_ON(m->nr >= VCPU_MAX_FRAGMENTS);
	f = &m->frag[m->nr++];
	f->gpa = p->gpa;
	f->len = p->len;
	if (data)
		memcpy(f->data, data, p->len);
}

static void begin_fragments(struct vcpu *v, bool is_write)
{
	v->mmio = (struct vcpu_mmio){ .is_write = is_write };
}

/*
 * Room for @nr more loads of this instruction.  What it was answered before stays
 * (CMPS has two operands), unless that was for an earlier element.
 */
static void begin_loads(struct vcpu *v, unsigned nr, uint64_t rsi)
{
	struct vcpu_mmio *m = &v->mmio;

	if (m->read_completed && m->rsi == rsi && m->nr + nr <= VCPU_MAX_FRAGMENTS) {
		m->read_completed = false;
		m->cur = m->nr;
		return;
	}
	begin_fragments(v, false);
	m->rsi = rsi;
}

/* True: the bytes are in @to.  False: only user space can answer. */
static bool read_part(struct emu *e, const struct part *p, void *to)
{
	struct vcpu *v = e->v;

	if (!is_known_mmio(v, p->gpa) && !kvm_read_guest(v->base.kvm, p->gpa, to, p->len))
		return true;
	if (lapic_takes(v, p->gpa, p->len)) {
		lapic_read(v->lapic, p->gpa.v & ~PAGE_MASK, p->len, to);
		return true;
	}
	if (p->len <= 8 && kvm_io_bus_read(&v->base, KVM_MMIO_BUS, p->gpa, p->len, to))
		return true;
	return take_answer(e, p, to);
}

bool emu_read(struct x86_exec *x, uint64_t lin, void *data, unsigned n, bool for_write)
{
	struct emu *e = emu_of(x);
	uint8_t bytes[VCPU_MAX_ACCESS], *at = bytes;
	bool missing[2] = { false, false };
	struct part part[2];
	unsigned nr = split(e, lin, n, for_write ? WALK_WRITE : 0, part);

	if (!nr)
		return false;
	for (unsigned i = 0; i < nr; i++) {
		missing[i] = !read_part(e, &part[i], at);
		at += part[i].len;
	}
	if (missing[0] || missing[1]) {
		/* A store before this load has to go out first. */
		if (e->v->mmio.nr && e->v->mmio.is_write)
			return stop(e);
		begin_loads(e->v, missing[0] + missing[1], x->r[X86_RSI]);
		for (unsigned i = 0; i < nr; i++) {
			if (missing[i])
				add_fragment(e->v, &part[i], NULL);
		}
		e->read_stopped = true;
		return stop(e);
	}
	memcpy(data, bytes, n);
	return true;
}

/*
 * vcpu_mmio_write(): 8 bytes at a time are offered to devices; what is left
 * from the first refusal on is for user space.
 */
static void offer_to_devices(struct vcpu *v, struct part *p, const uint8_t **from)
{
	while (p->len) {
		unsigned n = MIN(p->len, 8u);

		if (!kvm_io_bus_write(&v->base, KVM_MMIO_BUS, p->gpa, n, *from))
			return;
		p->gpa.v += n;
		p->len -= n;
		*from += n;
	}
}

static bool goes_to_memory(struct emu *e, const struct part *p, const void *from)
{
	struct vcpu *v = e->v;

	if (!is_known_mmio(v, p->gpa) && !kvm_write_guest(v->base.kvm, p->gpa, from, p->len))
		return true;
	if (!lapic_takes(v, p->gpa, p->len))
		return false;
	lapic_write(v->lapic, p->gpa.v & ~PAGE_MASK, p->len, from);
	v->state.cr8 = lapic_get(v->lapic, LAPIC_REG_TPR) >> 4;
	return true;
}

bool emu_write(struct x86_exec *x, uint64_t lin, const void *data, unsigned n)
{
	struct emu *e = emu_of(x);
	const uint8_t *from = data;
	struct part part[2];
	unsigned nr;

	/* One store a time: the next element of a string waits for the exit. */
	if (e->v->mmio.is_write && e->v->mmio.nr)
		return stop(e);
	nr = split(e, lin, n, WALK_WRITE, part);
	for (unsigned i = 0; i < nr; i++) {
		if (goes_to_memory(e, &part[i], from)) {
			from += part[i].len;
			continue;
		}
		offer_to_devices(e->v, &part[i], &from);
		if (!part[i].len)
			continue;
		if (!e->v->mmio.is_write)
			begin_fragments(e->v, true);
		add_fragment(e->v, &part[i], from);
		from += part[i].len;
	}
	return nr != 0;
}

bool emu_check_write(struct x86_exec *x, uint64_t lin, unsigned n)
{
	struct part part[2];

	return split(emu_of(x), lin, n, WALK_WRITE, part) != 0;
}

/* Not atomic where it reaches MMIO: there it is a plain write, as in KVM. */
enum x86_cas emu_cas(struct x86_exec *x, uint64_t lin, void *old, const void *new, unsigned n)
{
	uint8_t now[16];

	if (!emu_read(x, lin, now, n, true))
		return X86_CAS_STOP;
	if (memcmp(now, old, n)) {
		memcpy(old, now, n);
		return X86_CAS_LOST;
	}
	return emu_write(x, lin, new, n) ? X86_CAS_WON : X86_CAS_STOP;
}
