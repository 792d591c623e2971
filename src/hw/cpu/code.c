/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * code.c - the block cache.
 */
#include "hw/cpu/code.h"

#include <emmintrin.h>
#include <string.h>

#include "hw/cpu/cpu_priv.h"
#include "hw/mem/machine.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define FETCH_MAX	(X86_BLOCK_MAX * X86_MAX_INSN)

/* NO_LOCK_ANALYSIS: the lock is seen as hw->lock by the caller, as cpu->hw->lock here. */
NO_LOCK_ANALYSIS bool code_init_locked(struct cpu *cpu)
{
	cpu->code.arena = machine_alloc_locked(cpu->hw, CODE_ARENA);
	cpu->code.slots = machine_alloc_locked(cpu->hw, CODE_SLOTS * sizeof(struct block *));
	return cpu->code.arena && cpu->code.slots;
}

static ALWAYS_INLINE bool load128(const void *p, __m128i *out)
{
	__m128i v;

	OS_ASM_GOTO("1: movdqu %[m], %[v]\n\t" OS_EXTABLE(fault)
		     : [v] "=x" (v)
		     : [m] "m" (*(const volatile __m128i_u *)p)
		     : "memory" : fault);
	*out = v;
	return true;
fault:
	return false;
}

/* Short pieces by two loads that overlap.  False: different, or not readable. */
static ALWAYS_INLINE bool same_short(const uint8_t *host, const uint8_t *copy, unsigned len)
{
	uint64_t a, b, c, d;
	uint32_t e, f, g, h;
	uint8_t i;

	if (len >= 8) {
		memcpy(&c, copy, 8);
		memcpy(&d, copy + len - 8, 8);
		return os_load64(host, &a) && os_load64(host + len - 8, &b) &&
		       !((a ^ c) | (b ^ d));
	}
	if (len >= 4) {
		memcpy(&g, copy, 4);
		memcpy(&h, copy + len - 4, 4);
		return os_load32(host, &e) && os_load32(host + len - 4, &f) &&
		       !((e ^ g) | (f ^ h));
	}
	while (len--)
		if (!os_load8(host + len, &i) || i != copy[len])
			return false;
	return true;
}

static ALWAYS_INLINE bool same_bytes(const uint8_t *host, const uint8_t *copy, unsigned len)
{
	__m128i diff = _mm_setzero_si128(), v;
	unsigned i;

	if (len < 16)
		return same_short(host, copy, len);
	for (i = 0; i + 16 < len; i += 16) {
		if (!load128(host + i, &v))
			return false;
		diff = _mm_or_si128(diff, _mm_xor_si128(v, _mm_loadu_si128((const __m128i_u *)
								(const void *)(copy + i))));
	}
	i = len - 16;
	if (!load128(host + i, &v))
		return false;
	diff = _mm_or_si128(diff, _mm_xor_si128(v, _mm_loadu_si128((const __m128i_u *)
							(const void *)(copy + i))));
	return _mm_movemask_epi8(_mm_cmpeq_epi8(diff, _mm_setzero_si128())) == 0xffff;
}

static bool fetch_fault(struct cpu *cpu, uint64_t lin, const struct mmu_fault *fault)
{
	if (fault->result == MMU_GUEST_FAULT)
		return x86_page_fault(&cpu->x, lin, fault->pf_error);
	return cpu_nested_fault(cpu, lin, MMU_EXEC, fault);
}

/* The host's byte at linear address @lin, for execution. */
static ALWAYS_INLINE const uint8_t *code_host(struct cpu *cpu, uint64_t lin)
{
	const struct tlb_entry *e = tlb_code(&cpu->mmu.tlb, lin, 1);
	struct mmu_fault fault;
	struct mmu_page page;

	if (likely(e))
		return (const uint8_t *)(uintptr_t)(e->addend + lin);
	if (!mmu_is_canonical(&cpu->mmu, lin)) {
		x86_fault(&cpu->x, X86_GP, 0);
		return NULL;
	}
	if (mmu_translate(&cpu->mmu, lin, MMU_EXEC, &page, &fault) == MMU_OK)
		return page.host;
	fetch_fault(cpu, lin, &fault);
	return NULL;
}

static ALWAYS_INLINE struct block **slot_of(const struct code *c, const uint8_t *host,
					    unsigned mode)
{
	uint64_t h = (uint64_t)(uintptr_t)host + mode;

	/* Fibonacci hashing: starts of blocks repeat from page to page. */
	return &c->slots[h * 0x9e3779b97f4a7c15ull >> (64 - CODE_SLOTS_LOG2)];
}

/* Room for a block of @nr instructions; what was there before may go. */
static struct block *allocate(struct code *c, unsigned nr, unsigned len)
{
	size_t size = ALIGN_UP(sizeof(struct block) + len + sizeof(struct x86_op), 32ul) +
		      (nr + 1) * sizeof(struct x86_op);
	struct block *b;

	if (c->used + size > CODE_ARENA) {
		memset(c->slots, 0, CODE_SLOTS * sizeof(*c->slots));
		c->used = 0;
	}
	b = (struct block *)(void *)(c->arena + c->used);
	c->used += (uint32_t)ALIGN_UP(size, 32ul);
	b->ops = (struct x86_op *)(void *)
		 ALIGN_UP((uintptr_t)b->bytes + len, (uintptr_t)sizeof(struct x86_op));
	return b;
}

static void host_fault(struct cpu *cpu, uint64_t lin)
{
	struct mmu_fault fault;

	mmu_host_fault(&cpu->mmu, lin, MMU_EXEC, &fault);
	fetch_fault(cpu, lin, &fault);
}

/*
 * The bytes to decode: to the end of the page, and of the next one when the
 * first instruction is cut off.  0: stopped.
 */
static unsigned fetch_bytes(struct cpu *cpu, uint64_t lin, const uint8_t *host, uint8_t *bytes,
			    unsigned max)
{
	unsigned n = (unsigned)MIN(PAGE_SIZE - (lin & ~PAGE_MASK), (uint64_t)max);

	if (!os_copy_from(bytes, host, n))
		return n;
	host_fault(cpu, lin);
	return 0;
}

/* A block has two slots, side by side: the newer one is looked at first. */
static struct block **other_slot(const struct code *c, struct block **slot)
{
	return c->slots + ((size_t)(slot - c->slots) ^ 1);
}

static bool is_for(const struct block *b, const uint8_t *host, unsigned mode)
{
	return b && b->host == host && b->mode == mode;
}

static void remember(struct code *c, struct block **slot, struct block *b)
{
	if (*slot && !is_for(*slot, b->host, b->mode))
		*other_slot(c, slot) = *slot;
	*slot = b;
}

/* Not in its first slot: the second one, which then becomes the first. */
static NOINLINE struct block *look_aside(struct code *c, struct block **slot, const uint8_t *host,
					 unsigned mode)
{
	struct block **other = other_slot(c, slot), *b = *other;

	if (!is_for(b, host, mode))
		return NULL;
	*other = *slot;
	*slot = b;
	return b;
}

static struct block *build(struct cpu *cpu, uint64_t lin, const uint8_t *host, unsigned mode)
{
	unsigned max = mode & CODE_SINGLE ? 1 : X86_BLOCK_MAX, len, nr, size, first;
	enum x86_mode m = (enum x86_mode)(mode & ~CODE_SINGLE);
	struct x86_op ops[X86_BLOCK_MAX + 1];
	uint8_t bytes[FETCH_MAX + X86_MAX_INSN];
	struct block *b;

	size = first = fetch_bytes(cpu, lin, host, bytes, FETCH_MAX);
	if (!size)
		return NULL;
	nr = x86_decode_block(m, bytes, size, max, &cpu_handlers, ops, &len);
	if (!nr) {
		uint64_t next = lin + size;
		const uint8_t *more;

		if (m != X86_MODE_64)
			next = (uint32_t)next;
		more = code_host(cpu, next);
		if (!more)
			return NULL;
		len = fetch_bytes(cpu, next, more, bytes + size, X86_MAX_INSN);
		if (!len)
			return NULL;
		nr = x86_decode_block(m, bytes, size + len, 1, &cpu_handlers, ops, &len);
	}
	b = allocate(&cpu->code, nr, len);
	memcpy(b->ops, ops, (nr + 1) * sizeof(*ops));
	memcpy(b->bytes, bytes, len);
	b->host = host;
	b->len = (uint16_t)len;
	b->first = (uint16_t)MIN(first, len);
	b->mode = (uint8_t)mode;
	b->nr = (uint8_t)nr;
	remember(&cpu->code, slot_of(&cpu->code, host, mode), b);
	counter_add(cpu->hw->config.counters, COUNTER_BLOCKS_DECODED, 1);
	return b;
}

/* -1: stopped, 0: has changed, 1: good */
static int is_current(struct cpu *cpu, const struct block *b, uint64_t lin)
{
	const uint8_t *more;

	if (!same_bytes(b->host, b->bytes, b->first))
		return 0;
	if (likely(b->first == b->len))
		return 1;
	lin += b->first;
	if ((b->mode & ~CODE_SINGLE) != X86_MODE_64)
		lin = (uint32_t)lin;
	more = code_host(cpu, lin);
	return !more ? -1 : same_bytes(more, b->bytes + b->first, b->len - b->first);
}

struct block *code_fetch(struct cpu *cpu, bool single)
{
	unsigned mode = x86_mode_of(cpu->x.st) | (single ? CODE_SINGLE : 0);
	uint64_t lin = cpu->x.rip + cpu->x.seg_base[X86_CS];
	struct block *b, **slot;
	const uint8_t *host;
	int good;

	if (unlikely((mode & ~CODE_SINGLE) != X86_MODE_64)) {
		lin = (uint32_t)lin;
		if (cpu->x.rip > cpu->x.st->seg[X86_CS].limit) {
			x86_fault(&cpu->x, X86_GP, 0);
			return NULL;
		}
	}
	host = code_host(cpu, lin);
	if (unlikely(!host))
		return NULL;
	cpu->code.page = (uint64_t)(uintptr_t)host & PAGE_MASK;
	slot = slot_of(&cpu->code, host, mode);
	b = *slot;
	if (unlikely(!is_for(b, host, mode)))
		b = look_aside(&cpu->code, slot, host, mode);
	if (likely(b)) {
		good = is_current(cpu, b, lin);
		if (unlikely(good < 0))
			return NULL;
		if (likely(good)) {
			cpu->code.current = b;
			return b;
		}
	}
	b = build(cpu, lin, host, mode);
	cpu->code.current = b;
	return b;
}

/*
 * The rest of the block may be something else now.  The next op becomes the
 * block's end; the block itself is dead.
 */
void code_stored(struct cpu *cpu, const struct x86_op *op)
{
	struct block *b = cpu->code.current;
	unsigned at = (unsigned)(op - b->ops);

	if (!b->host || at >= b->nr || same_bytes(b->host, b->bytes, b->first))
		return;
	b->host = NULL;
	x86_decode_end((enum x86_mode)(b->mode & ~CODE_SINGLE), op->off + op->len, at + 2u,
		       &cpu_handlers, &b->ops[at + 1]);
}
