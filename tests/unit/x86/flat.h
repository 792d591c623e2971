/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * flat.h - the instruction bodies on a flat piece of memory: what a second
 * instantiation looks like.  Linear addresses [base, base + size) are bytes
 * of @mem, all others are page faults; nothing is intercepted but HLT, I/O,
 * CPUID and hypercalls, which stop.
 */
#pragma once
#include <string.h>

#include "base/page.h"
#include "x86/exec.h"
#include "x86/handlers.h"
#include "x86/raise.h"
#include "x86/simd.h"

struct flat {
	struct x86_exec	x;		/* first */
	struct x86_state state;
	uint8_t		*mem;
	uint64_t	base, size;
	enum x86_intercept what;	/* of the last stop */
	unsigned	id;		/* enum x86_handler of the last instruction */
};

extern const struct x86_handlers flat_handlers;

/* One instruction of @n bytes at linear @rip.  What the handler answered. */
int flat_one(struct flat *f, const uint8_t *bytes, unsigned n, uint64_t rip);

static ALWAYS_INLINE uint8_t *flat_at(struct x86_exec *x, uint64_t lin, unsigned n, bool write)
{
	struct flat *f = (struct flat *)(void *)x;

	if (lin - f->base < f->size && f->size - (lin - f->base) >= n)
		return f->mem + (lin - f->base);
	x86_page_fault(x, lin, write ? 2 : 0);
	return NULL;
}

#define FLAT_DEFINE(bits)						\
static ALWAYS_INLINE MUST_CHECK bool					\
acc_load##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint##bits##_t *v) \
{									\
	const uint8_t *p = flat_at(x, lin, bits / 8, false);		\
									\
	if (p)								\
		memcpy(v, p, bits / 8);					\
	return p;							\
}									\
static ALWAYS_INLINE MUST_CHECK bool					\
acc_loadw##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint##bits##_t *v) \
{									\
	return acc_load##bits(x, op, lin, v);				\
}									\
static ALWAYS_INLINE MUST_CHECK bool					\
acc_store##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint##bits##_t v) \
{									\
	uint8_t *p = flat_at(x, lin, bits / 8, true);			\
									\
	if (p)								\
		memcpy(p, &v, bits / 8);				\
	return p;							\
}									\
static ALWAYS_INLINE MUST_CHECK enum x86_cas				\
acc_cas##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin,	\
	      uint##bits##_t *old, uint##bits##_t v)			\
{									\
	uint##bits##_t now;						\
									\
	if (!acc_load##bits(x, op, lin, &now))				\
		return X86_CAS_STOP;					\
	if (now != *old) {						\
		*old = now;						\
		return X86_CAS_LOST;					\
	}								\
	return acc_store##bits(x, op, lin, v) ? X86_CAS_WON : X86_CAS_STOP; \
}
FLAT_DEFINE(8)
FLAT_DEFINE(16)
FLAT_DEFINE(32)
FLAT_DEFINE(64)

static inline MUST_CHECK bool
acc_read(struct x86_exec *x, const struct x86_op *op, uint64_t lin, void *v, unsigned n)
{
	const uint8_t *p = flat_at(x, lin, n, false);

	if (p)
		memcpy(v, p, n);
	return p;
}

static inline MUST_CHECK bool
acc_write(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const void *v, unsigned n)
{
	uint8_t *p = flat_at(x, lin, n, true);

	if (p)
		memcpy(p, v, n);
	return p;
}

static inline MUST_CHECK bool
acc_check_write(struct x86_exec *x, const struct x86_op *op, uint64_t lin, unsigned n)
{
	return flat_at(x, lin, n, true);
}

#define acc_sys_load	acc_read
#define acc_sys_store	acc_write
#define acc_stack_load64 acc_load64
#define acc_stack_store64 acc_store64

static ALWAYS_INLINE MUST_CHECK bool
acc_load128(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t v[2])
{
	return acc_read(x, op, lin, v, 16);
}

static ALWAYS_INLINE MUST_CHECK bool
acc_store128(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const uint64_t v[2])
{
	return acc_write(x, op, lin, v, 16);
}

static inline MUST_CHECK enum x86_cas
acc_cas128(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t old[2],
	   const uint64_t new[2])
{
	uint64_t now[2];

	if (!acc_load128(x, op, lin, now))
		return X86_CAS_STOP;
	if (memcmp(now, old, 16)) {
		memcpy(old, now, 16);
		return X86_CAS_LOST;
	}
	return acc_store128(x, op, lin, new) ? X86_CAS_WON : X86_CAS_STOP;
}

static inline uint64_t
acc_move(struct x86_exec *x, const struct x86_op *op, uint64_t to, uint64_t from, uint64_t n)
{
	return 0;
}

static inline uint64_t
acc_fill(struct x86_exec *x, const struct x86_op *op, uint64_t to, uint64_t v, unsigned width,
	 uint64_t n)
{
	return 0;
}

static inline bool env_intercept(struct x86_exec *x, const struct x86_op *op,
				 enum x86_intercept what, uint64_t info)
{
	if (what == X86_ICPT_CR_READ || what == X86_ICPT_CR_WRITE || what == X86_ICPT_IRET)
		return false;
	((struct flat *)(void *)x)->what = what;
	x->why = X86_WHY_EXIT;
	return true;
}

static inline uint64_t env_tsc(struct x86_exec *x) { return 0; }
static inline uint64_t env_random(struct x86_exec *x) { return 0; }
static inline uint64_t env_cr3_reserved(const struct x86_exec *x) { return BITS(63, 52); }
static inline uint32_t env_mxcsr_mask(const struct x86_exec *x) { return X86_MXCSR_COMMON; }
static inline bool env_rdmsr(struct x86_exec *x, uint32_t nr, uint64_t *v) { return false; }
static inline bool env_wrmsr(struct x86_exec *x, uint32_t nr, uint64_t v) { return false; }
static inline bool env_write_xcr0(struct x86_exec *x, uint64_t v) { return false; }
static inline void env_cr_done(struct x86_exec *x, unsigned nr, uint64_t v) { }
static inline void env_pause(struct x86_exec *x) { }
static inline void env_fence(struct x86_exec *x) { }
static inline void env_invlpg(struct x86_exec *x, uint64_t lin) { }
static inline bool env_is_snp(struct x86_exec *x) { return false; }
static inline bool env_snp(struct x86_exec *x, const struct x86_op *op, enum x86_snp what)
{ return false; }
static inline void env_invpcid(struct x86_exec *x, unsigned type, uint16_t pcid, uint64_t lin) { }
static inline void env_mode_changed(struct x86_exec *x) { }
static inline void env_cr0_written(struct x86_exec *x, uint64_t old, uint64_t efer) { }
static inline void env_cr3_written(struct x86_exec *x, bool keep) { }
static inline void env_cr4_written(struct x86_exec *x, uint64_t old) { }

#define X86_FN(name)	flat_op_##name
