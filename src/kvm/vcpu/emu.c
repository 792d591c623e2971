/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu.c - where the emulator's loads and stores go (spec kvm.md 8.1).
 */
#include "kvm/vcpu/emu.h"

#include <string.h>

#include "base/log.h"
#include "kvm/host/access.h"
#include "kvm/mmu/mmu.h"
#include "kvm/vcpu/irq.h"
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

	/* As KVM: the exit's address spares a walk for what has the same place in its page. */
	if (!((e->gpa.v ^ p->lin) & ~PAGE_MASK) && e->gpa.v != ~0ull) {
		p->gpa = e->gpa;
		return true;
	}
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

/* In 64-bit mode all bytes are canonical. */
static bool is_address(struct emu *e, uint64_t lin, unsigned n)
{
	if (!x86_in_64bit_mode(e->x.st) ||
	    (x86_is_canonical(e->x.st, lin) && x86_is_canonical(e->x.st, lin + n - 1)))
		return true;
	return x86_fault(&e->x, e->by_stack ? X86_SS_FAULT : X86_GP, 0);
}

/* Translates all before anything is touched.  0: stopped. */
static unsigned split(struct emu *e, uint64_t lin, unsigned n, unsigned access,
		      struct part part[2])
{
	unsigned first = MIN(n, (unsigned)(PAGE_SIZE - (lin & ~PAGE_MASK)));
	unsigned nr = first < n ? 2 : 1;
	bool wide = x86_in_64bit_mode(e->x.st);

	if (!is_address(e, lin, n))
		return 0;
	access |= e->access;
	part[0] = (struct part){ .lin = lin, .len = first };
	part[1] = (struct part){ .lin = wide ? lin + first : (uint32_t)(lin + first),
				  .len = n - first };
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

/* True: the bytes are in @to.  False: only user space can answer. */
static bool read_part(struct emu *e, const struct part *p, void *to)
{
	struct vcpu *v = e->v;

	if (!is_known_mmio(v, p->gpa) && !kvm_read_guest(v->base.kvm, p->gpa, to, p->len))
		return true;
	if (vcpu_irq_mmio_read(v, p->gpa, p->len, to))
		return true;
	return p->len <= 8 && kvm_io_bus_read(&v->base, KVM_MMIO_BUS, p->gpa, p->len, to);
}

static void begin_fragments(struct vcpu_mmio *m, bool is_write)
{
	m->is_write = is_write;
	m->nr = m->cur = m->done = 0;
}

static void add_fragment(struct vcpu_mmio *m, const struct part *p, uint32_t at)
{
	BUG_ON(m->nr >= VCPU_MAX_FRAGMENTS);
	m->frag[m->nr++] = (struct vcpu_fragment){ .gpa = p->gpa, .len = p->len, .at = at };
}

/* What earlier elements of a repeated string have read is of no use to this one. */
static void begin_element(struct emu *e)
{
	struct vcpu_mmio *m = &e->v->mmio;

	if (!e->by_element || m->rcx == e->x.r[X86_RCX])
		return;
	m->rcx = e->x.r[X86_RCX];
	m->nr_reads = 0;
	e->pos = 0;
}

/* All that can be read now is at reads[nr_reads], the rest has become fragments. */
static void read_parts(struct emu *e, const struct part part[2], unsigned nr)
{
	struct vcpu_mmio *m = &e->v->mmio;
	uint32_t at = m->nr_reads;
	bool began = false;

	for (unsigned i = 0; i < nr; i++) {
		if (!read_part(e, &part[i], m->reads + at)) {
			if (!began)
				begin_fragments(m, false);
			began = true;
			add_fragment(m, &part[i], at);
		}
		at += part[i].len;
	}
}

bool emu_read(struct x86_exec *x, uint64_t lin, void *data, unsigned n, bool for_write)
{
	struct emu *e = emu_of(x);
	struct vcpu_mmio *m = &e->v->mmio;
	struct part part[2];
	unsigned nr;

	if (e->needs_memory)
		return emu_memory(x, lin, data, n, e->access | (for_write ? WALK_WRITE : 0), false);
	begin_element(e);
	/* The VMM may have changed the mode, and with it what the bytes mean, before it answered. */
	if (e->pos + n > m->nr_reads)
		m->nr_reads = e->pos;
	if (e->pos < m->nr_reads) {
		memcpy(data, m->reads + e->pos, n);
		e->pos += n;
		return true;
	}
	/* A store before this load has to go out first. */
	if (m->nr && m->is_write)
		return stop(e);
	if (m->nr_reads + n > sizeof(m->reads))
		return !emu_refuse(x);
	nr = split(e, lin, n, for_write ? WALK_WRITE : 0, part);
	if (!nr)
		return false;
	read_parts(e, part, nr);
	if (m->nr) {
		m->nr_reading = n;
		return stop(e);
	}
	memcpy(data, m->reads + m->nr_reads, n);
	m->nr_reads += n;
	e->pos = m->nr_reads;
	return true;
}

static bool goes_to_memory(struct emu *e, const struct part *p, const void *from)
{
	struct vcpu *v = e->v;

	if (!is_known_mmio(v, p->gpa) && !kvm_write_guest(v->base.kvm, p->gpa, from, p->len))
		return true;
	return vcpu_irq_mmio_write(v, p->gpa, p->len, from);
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

bool emu_memory(struct x86_exec *x, uint64_t lin, void *p, unsigned n, unsigned access, bool write)
{
	struct emu *e = emu_of(x);
	struct vcpu_walk_fault fault;
	enum walk_answer a;

	if (!is_address(e, lin, n))
		return false;
	a = write ? vcpu_write_linear(e->v, lin, p, n, access, &fault)
		  : vcpu_read_linear(e->v, lin, p, n, access, &fault);
	if (a == WALK_OK)
		return true;
	if (a == WALK_PAGE_FAULT)
		return x86_page_fault(x, fault.address, fault.error);
	e->again = true;
	return stop(e);
}

/*
 * Of several stores of one instruction to MMIO the last one goes out, as in
 * KVM; the elements of a string wait for each other.
 */
bool emu_write(struct x86_exec *x, uint64_t lin, const void *data, unsigned n)
{
	struct emu *e = emu_of(x);
	struct vcpu_mmio *m = &e->v->mmio;
	const uint8_t *from = data;
	struct part part[2];
	bool began = false;
	unsigned nr;

	if (e->needs_memory)
		return emu_memory(x, lin, (void *)(uintptr_t)data, n, e->access | WALK_WRITE, true);
	if (e->by_element && m->is_write && m->nr)
		return stop(e);
	nr = split(e, lin, n, WALK_WRITE, part);
	for (unsigned i = 0; i < nr; i++) {
		uint32_t len = part[i].len, at;

		if (!goes_to_memory(e, &part[i], from)) {
			offer_to_devices(e->v, &part[i], &from);
			len = part[i].len;
			if (len && !began)
				begin_fragments(m, true);
			began |= len;
			at = (uint32_t)(from - (const uint8_t *)data);
			if (len)
				add_fragment(m, &part[i], at);
			memcpy(m->writes + at, from, len);
		}
		from += len;
	}
	return nr != 0;
}

bool emu_check_write(struct x86_exec *x, uint64_t lin, unsigned n)
{
	struct part part[2];

	return split(emu_of(x), lin, n, WALK_WRITE, part) != 0;
}

/* The page of an access that lies in one page of memory and is not known to be MMIO. */
static bool is_one_page(struct emu *e, uint64_t lin, unsigned n, gpa_t *gpa)
{
	struct part part[2];

	if (split(e, lin, n, WALK_WRITE, part) != 1 || is_known_mmio(e->v, part[0].gpa))
		return false;
	*gpa = part[0].gpa;
	return true;
}

/* Not atomic where it reaches MMIO or crosses a page: there it is a plain write, as in KVM. */
enum x86_cas emu_cas(struct x86_exec *x, uint64_t lin, void *old, const void *new, unsigned n)
{
	struct emu *e = emu_of(x);
	gpa_t gpa;
	int r;

	if (n <= 8 && is_one_page(e, lin, n, &gpa)) {
		r = kvm_cmpxchg_guest(e->v->base.kvm, gpa, old, new, n);
		if (r == KVM_CMPXCHG_DONE || r == KVM_CMPXCHG_LOST)
			return r == KVM_CMPXCHG_DONE ? X86_CAS_WON : X86_CAS_LOST;
	}
	return x->why == X86_WHY_NONE && emu_write(x, lin, new, n) ? X86_CAS_WON : X86_CAS_STOP;
}
