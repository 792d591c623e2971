/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * access.c - guest memory when the TLB does not answer at once: misses, page
 * ends, faults, and stores into running code.
 *
 * Translate all, then touch.  A store over a page end that fails in its second
 * half takes the first one back, so that the instruction can restart.
 */
#include "hw/cpu/access.h"

#include <string.h>

#include "x86/handlers.h"

/* The pieces of an access, one a page. */
struct span {
	struct { uint8_t *host; uint64_t lin; unsigned len; } part[2];
	unsigned nr;
};

static MUST_CHECK bool translate(struct cpu *cpu, uint64_t lin, enum mmu_access access, bool stack,
				 uint8_t **host)
{
	struct mmu_fault fault;
	struct mmu_page page;

	*host = tlb_data(&cpu->mmu.tlb, lin, 1, access);
	if (*host)
		return true;
	if (!mmu_is_canonical(&cpu->mmu, lin))
		return x86_fault(&cpu->x, stack ? X86_SS_FAULT : X86_GP, 0);
	switch (mmu_translate(&cpu->mmu, lin, access, &page, &fault)) {
	case MMU_OK:
		*host = page.host;
		return true;
	case MMU_GUEST_FAULT:
		return x86_page_fault(&cpu->x, lin, fault.pf_error);
	default:
		return cpu_nested_fault(cpu, lin, access, &fault);
	}
}

static bool is_write(enum mmu_access access)
{
	return access == MMU_WRITE || access == MMU_SYS_WRITE;
}

/*
 * SDM vol. 3A table 6-7: what an operand of several parts must be a multiple of.
 * x87 environments are arrays of words or doublewords; m80 and far pointers are
 * loaded as a quadword, doubleword or word and a rest.
 */
static unsigned alignment_of(const struct x86_op *op, unsigned size)
{
	if (size == 4 && op && (op->id == X86_H_load_far || op->id == X86_H_jmp_far ||
				op->id == X86_H_call_far))
		return 2;			/* m16:16 */
	switch (size) {
	case 6: case 28: case 108:
		return 4;
	case 10:
		return 8;
	case 14: case 94:
		return 2;
	default:
		return size > 16 ? 16 : size;
	}
}

static MUST_CHECK bool span_of(struct cpu *cpu, const struct x86_op *op, uint64_t lin,
			       unsigned size, unsigned align, enum mmu_access access, bool stack,
			       struct span *s)
{
	unsigned first = (unsigned)MIN((uint64_t)size, PAGE_SIZE - (lin & ~PAGE_MASK));
	uint64_t next = lin + first;

	stack = stack || (op && op->flags & X86_OP_MEM && op->seg == X86_SS);
	s->nr = first < size ? 2 : 1;
	s->part[0].lin = lin;
	s->part[0].len = first;
	if (op && op->flags & X86_OP_LEGACY)
		next = (uint32_t)next;
	s->part[1].lin = next;
	s->part[1].len = size - first;
	/* The address as a whole comes before its pages. */
	if (s->nr == 2 && !mmu_is_canonical(&cpu->mmu, next))
		return x86_fault(&cpu->x, stack ? X86_SS_FAULT : X86_GP, 0);
	if (unlikely(cpu->mmu.checks_alignment) && access <= MMU_WRITE &&
	    lin & (align - 1) && mmu_is_canonical(&cpu->mmu, lin))
		return x86_fault(&cpu->x, X86_AC, 0);
	if (!translate(cpu, lin, access, stack, &s->part[0].host) ||
	    (s->nr == 2 && !translate(cpu, next, access, stack, &s->part[1].host)))
		return false;
	if (unlikely(cpu->watching))
		breakpoints_accessed(cpu, lin, size, is_write(access));
	return true;
}

static bool host_fault(struct cpu *cpu, uint64_t lin, enum mmu_access access)
{
	struct mmu_fault fault;

	mmu_host_fault(&cpu->mmu, lin, access, &fault);
	return cpu_nested_fault(cpu, lin, access, &fault);
}

/* One piece with one instruction where it has such a size: aligned accesses stay atomic. */
static MUST_CHECK bool load_part(const uint8_t *host, unsigned len, void *out)
{
	switch (len) {
	case 1:
		return os_load8(host, out);
	case 2:
		return os_load16(host, out);
	case 4:
		return os_load32(host, out);
	case 8:
		return os_load64(host, out);
	default:
		return !os_copy_from(out, host, len);
	}
}

static MUST_CHECK bool store_part(uint8_t *host, unsigned len, const void *in)
{
	uint16_t w;
	uint32_t d;
	uint64_t q;

	switch (len) {
	case 1:
		return os_store8(host, *(const uint8_t *)in);
	case 2:
		memcpy(&w, in, 2);
		return os_store16(host, w);
	case 4:
		memcpy(&d, in, 4);
		return os_store32(host, d);
	case 8:
		memcpy(&q, in, 8);
		return os_store64(host, q);
	default:
		return !os_copy_to(host, in, len);
	}
}

static MUST_CHECK bool load_span(struct cpu *cpu, const struct span *s, enum mmu_access access,
				 uint8_t *out)
{
	unsigned i;

	for (i = 0; i < s->nr; i++) {
		if (!load_part(s->part[i].host, s->part[i].len, out))
			return host_fault(cpu, s->part[i].lin, access);
		out += s->part[i].len;
	}
	return true;
}

static MUST_CHECK bool store_span(struct cpu *cpu, const struct x86_op *op, const struct span *s,
				  const uint8_t *in, enum mmu_access access)
{
	uint8_t old[PAGE_SIZE];
	unsigned i;

	if (s->nr == 2 && !load_part(s->part[0].host, s->part[0].len, old))
		return host_fault(cpu, s->part[0].lin, access);
	for (i = 0; i < s->nr; i++) {
		if (!store_part(s->part[i].host, s->part[i].len, in)) {
			if (i && !store_part(s->part[0].host, s->part[0].len, old))
				return host_fault(cpu, s->part[0].lin, access);
			return host_fault(cpu, s->part[i].lin, access);
		}
		in += s->part[i].len;
	}
	for (i = 0; op && i < s->nr; i++)
		if (acc_is_code(cpu, s->part[i].host))
			code_stored(cpu, op);
	return true;
}

struct acc_value access_load(struct x86_exec *x, const struct x86_op *op, uint64_t lin,
			     unsigned size, enum mmu_access access, bool stack)
{
	struct cpu *cpu = cpu_of(x);
	struct acc_value r = { 0, 0 };
	struct span s;

	r.ok = span_of(cpu, op, lin, size, size, access, stack, &s) &&
	       load_span(cpu, &s, access, (uint8_t *)&r.v);
	return r;
}

bool access_store(struct x86_exec *x, const struct x86_op *op, uint64_t lin, unsigned size,
		  uint64_t v, enum mmu_access access, bool stack)
{
	struct cpu *cpu = cpu_of(x);
	struct span s;

	return span_of(cpu, op, lin, size, size, access, stack, &s) &&
	       store_span(cpu, op, &s, (const uint8_t *)&v, access);
}

bool access_read(struct x86_exec *x, const struct x86_op *op, uint64_t lin, void *p, unsigned size,
		 enum mmu_access access)
{
	struct cpu *cpu = cpu_of(x);
	struct span s;

	return span_of(cpu, op, lin, size, alignment_of(op, size), access, false, &s) &&
	       (!p || load_span(cpu, &s, access, p));
}

bool access_write(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const void *p,
		  unsigned size, enum mmu_access access)
{
	struct cpu *cpu = cpu_of(x);
	struct span s;

	return span_of(cpu, op, lin, size, alignment_of(op, size), access, false, &s) &&
	       store_span(cpu, op, &s, p, access);
}

static enum os_cas cas_part(uint8_t *host, unsigned size, uint64_t *old, uint64_t v)
{
	uint8_t b = (uint8_t)*old;
	uint16_t w = (uint16_t)*old;
	uint32_t d = (uint32_t)*old;
	enum os_cas r;

	switch (size) {
	case 1:
		r = os_cas8(host, &b, (uint8_t)v);
		*old = b;
		return r;
	case 2:
		r = os_cas16((uint16_t *)(void *)host, &w, (uint16_t)v);
		*old = w;
		return r;
	case 4:
		r = os_cas32((uint32_t *)(void *)host, &d, (uint32_t)v);
		*old = d;
		return r;
	default:
		return os_cas64((uint64_t *)(void *)host, old, v);
	}
}

/* The value that lies over a page end: the last and the first quadword of two pages. */
struct halves {
	uint64_t *at[2], old[2], new[2];
	unsigned low_bits;		/* of the value that are in the first one */
	uint64_t mask;			/* of the value */
};

static MUST_CHECK bool halves_load(const struct halves *h, uint64_t old[2], uint64_t *v)
{
	if (!os_load64(h->at[0], &old[0]) || !os_load64(h->at[1], &old[1]))
		return false;
	*v = (old[0] >> (64 - h->low_bits) | old[1] << h->low_bits) & h->mask;
	return true;
}

static void halves_fill(struct halves *h, uint64_t v)
{
	uint64_t high = h->mask >> h->low_bits;

	h->new[0] = (h->old[0] & ~0ull >> h->low_bits) | v << (64 - h->low_bits);
	h->new[1] = (h->old[1] & ~high) | (v >> h->low_bits & high);
}

/* Each half atomically, both or none; somebody may look at the first before the second. */
static enum os_cas halves_exchange(struct halves *h)
{
	uint64_t old = h->old[0], back = h->new[0];
	enum os_cas r = os_cas64(h->at[0], &old, h->new[0]);

	if (r != OS_CAS_WON)
		return r;
	old = h->old[1];
	r = os_cas64(h->at[1], &old, h->new[1]);
	if (r != OS_CAS_WON && os_cas64(h->at[0], &back, h->old[0]) == OS_CAS_FAULT)
		return OS_CAS_FAULT;
	return r;
}

/*
 * Over a page end into a page that is not the next one for us: those that do
 * the same wait for one another, others see whole halves (docs/caveats.md).
 */
static struct acc_value cas_split(struct cpu *cpu, const struct x86_op *op, const struct span *s,
				  unsigned size, uint64_t expected, uint64_t v)
{
	struct acc_value r = { 0, X86_CAS_STOP };
	struct halves h = {
		.at = { (uint64_t *)(void *)(s->part[0].host + s->part[0].len - 8),
			(uint64_t *)(void *)s->part[1].host },
		.low_bits = s->part[0].len * 8, .mask = ~0ull >> (64 - 8 * size),
	};
	enum os_cas won = OS_CAS_LOST;
	bool readable;

	spin_lock(&cpu->hw->bus_lock);
	do {
		readable = halves_load(&h, h.old, &r.v);
		if (!readable || r.v != (expected & h.mask))
			break;
		halves_fill(&h, v & h.mask);
		won = halves_exchange(&h);
	} while (won == OS_CAS_LOST);
	spin_unlock(&cpu->hw->bus_lock);
	if (!readable || won == OS_CAS_FAULT) {
		host_fault(cpu, s->part[1].lin, MMU_WRITE);
		return r;
	}
	r.ok = won == OS_CAS_WON ? X86_CAS_WON : X86_CAS_LOST;
	if (r.ok == X86_CAS_WON && (acc_is_code(cpu, s->part[0].host) ||
				    acc_is_code(cpu, s->part[1].host)))
		code_stored(cpu, op);
	return r;
}

struct acc_value access_cas(struct x86_exec *x, const struct x86_op *op, uint64_t lin,
			    unsigned size, uint64_t expected, uint64_t v)
{
	struct acc_value r = { expected, X86_CAS_STOP };
	struct cpu *cpu = cpu_of(x);
	struct span s;

	if (!span_of(cpu, op, lin, size, size, MMU_WRITE, false, &s))
		return r;
	if (s.nr == 2 && s.part[1].host != s.part[0].host + s.part[0].len)
		return cas_split(cpu, op, &s, size, expected, v);
	switch (cas_part(s.part[0].host, size, &r.v, v)) {
	case OS_CAS_WON:
		r.ok = X86_CAS_WON;
		if (acc_is_code(cpu, s.part[0].host))
			code_stored(cpu, op);
		return r;
	case OS_CAS_LOST:
		r.ok = X86_CAS_LOST;
		return r;
	default:
		host_fault(cpu, lin, MMU_WRITE);
		return r;
	}
}

/* 16 bytes, aligned (so never over a page end). */
static ALWAYS_INLINE enum os_cas cas128(void *p, uint64_t old[2], const uint64_t new[2])
{
	uint64_t lo = old[0], hi = old[1];
	bool won;

	OS_ASM_GOTO("1: lock cmpxchg16b %[m]\n\t" OS_EXTABLE(fault)
		     : "+a" (lo), "+d" (hi), [m] "+m" (*(volatile __int128 *)p), "=@ccz" (won)
		     : "b" (new[0]), "c" (new[1])
		     : "memory", "cc" : fault);
	old[0] = lo;
	old[1] = hi;
	return won ? OS_CAS_WON : OS_CAS_LOST;
fault:
	return OS_CAS_FAULT;
}

enum x86_cas access_cas128(struct x86_exec *x, const struct x86_op *op, uint64_t lin,
			   uint64_t old[2], const uint64_t new[2])
{
	struct cpu *cpu = cpu_of(x);
	enum os_cas r;
	struct span s;

	if (!span_of(cpu, op, lin, 16, 16, MMU_WRITE, false, &s))
		return X86_CAS_STOP;
	r = cas128(s.part[0].host, old, new);
	if (r == OS_CAS_FAULT) {
		host_fault(cpu, lin, MMU_WRITE);
		return X86_CAS_STOP;
	}
	if (r == OS_CAS_WON && acc_is_code(cpu, s.part[0].host))
		code_stored(cpu, op);
	return r == OS_CAS_WON ? X86_CAS_WON : X86_CAS_LOST;
}

static uint64_t to_page_end(uint64_t lin)
{
	return PAGE_SIZE - (lin & ~PAGE_MASK);
}

/*
 * Both operands of one host instruction in two views of one frame would wait
 * for each other for ever (VIEW-1).
 */
static bool is_one_frame(const struct tlb *t, uint64_t a, uint64_t b)
{
	uint64_t fa = t->data[a >> PAGE_SHIFT & (TLB_DATA_ENTRIES - 1)].frame;
	uint64_t fb = t->data[b >> PAGE_SHIFT & (TLB_DATA_ENTRIES - 1)].frame;

	return !((fa ^ fb) & PAGE_MASK);
}

/*
 * A run of REP MOVS by the host's own.  After a fault nothing counts as done:
 * the pieces do not overlap, so doing it again is harmless.
 */
uint64_t access_move(struct x86_exec *x, const struct x86_op *op, uint64_t to, uint64_t from,
		     uint64_t n)
{
	struct cpu *cpu = cpu_of(x);
	uint8_t *d = tlb_data(&cpu->mmu.tlb, to, 1, MMU_WRITE);
	uint8_t *s = tlb_data(&cpu->mmu.tlb, from, 1, MMU_READ);
	uint64_t apart;

	if (!d || !s || acc_is_code(cpu, d))
		return 0;
	if (unlikely(cpu->mmu.guest_c_bit) && is_one_frame(&cpu->mmu.tlb, to, from))
		return 0;
	apart = d > s ? (uint64_t)(d - s) : (uint64_t)(s - d);
	n = MIN(MIN(n, apart), MIN(to_page_end(to), to_page_end(from))) & ~7ull;
	if (!n)
		return 0;
	{
		uint64_t words = n / 8;

		__asm__ goto("mov %[d], %%rdi\n\tmov %[s], %%rsi\n\tmov %[w], %%rcx\n\t"
			     "1: rep movsq\n\t" OS_EXTABLE(fault)
			     : : [d] "r" (d), [s] "r" (s), [w] "r" (words)
			     : "memory", "cc", "rdi", "rsi", "rcx" : fault);
	}
	return n;
fault:
	return 0;
}

uint64_t access_fill(struct x86_exec *x, const struct x86_op *op, uint64_t to, uint64_t v,
		     unsigned width, uint64_t n)
{
	struct cpu *cpu = cpu_of(x);
	uint8_t *d = tlb_data(&cpu->mmu.tlb, to, 1, MMU_WRITE);
	uint64_t pattern;

	if (!d || acc_is_code(cpu, d))
		return 0;
	n = MIN(n, to_page_end(to)) & ~7ull;
	if (!n)
		return 0;
	pattern = width == 0 ? (v & 0xff) * 0x0101010101010101ull :
		  width == 1 ? (v & 0xffff) * 0x0001000100010001ull :
		  width == 2 ? (v & 0xffffffff) * 0x0000000100000001ull : v;
	__asm__ goto("mov %[d], %%rdi\n\tmov %[v], %%rax\n\tmov %[w], %%rcx\n\t"
		     "1: rep stosq\n\t" OS_EXTABLE(fault)
		     : : [d] "r" (d), [v] "r" (pattern), [w] "r" (n / 8)
		     : "memory", "cc", "rdi", "rax", "rcx" : fault);
	return n;
fault:
	return 0;
}
