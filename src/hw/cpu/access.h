/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * access.h - the accessors on which hw/cpu instantiates src/x86/exec: a TLB hit
 * is inline, all else is in access.c.  See exec/README.md for the contract.
 *
 * Slow answers come back by value: a local whose address escapes would cost
 * every handler its tail call.
 */
#pragma once
#include "hw/cpu/cpu_priv.h"
#include "os/uaccess.h"

struct acc_value {
	uint64_t	v;
	uint64_t	ok;		/* enum x86_cas for compare-exchange */
};

/* @stack: faults of the address are #SS.  @size 1, 2, 4 or 8. */
struct acc_value access_load(struct x86_exec *x, const struct x86_op *op, uint64_t lin,
			     unsigned size, enum mmu_access access, bool stack);
bool access_store(struct x86_exec *x, const struct x86_op *op, uint64_t lin, unsigned size,
		  uint64_t v, enum mmu_access access, bool stack);
struct acc_value access_cas(struct x86_exec *x, const struct x86_op *op, uint64_t lin,
			    unsigned size, uint64_t expected, uint64_t v);
enum x86_cas access_cas128(struct x86_exec *x, const struct x86_op *op, uint64_t lin,
			   uint64_t old[2], const uint64_t new[2]);
/* Any size up to a page, by bytes. */
bool access_read(struct x86_exec *x, const struct x86_op *op, uint64_t lin, void *p, unsigned size,
		 enum mmu_access access);
bool access_write(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const void *p,
		  unsigned size, enum mmu_access access);
uint64_t access_move(struct x86_exec *x, const struct x86_op *op, uint64_t to, uint64_t from,
		     uint64_t n);
uint64_t access_fill(struct x86_exec *x, const struct x86_op *op, uint64_t to, uint64_t v,
		     unsigned width, uint64_t n);

static ALWAYS_INLINE bool acc_is_code(const struct cpu *cpu, const void *p)
{
	return ((uint64_t)(uintptr_t)p ^ cpu->code.page) < PAGE_SIZE;
}

#define ACC_DEFINE(bits)						\
static ALWAYS_INLINE MUST_CHECK bool					\
acc_load##bits##_as(struct x86_exec *x, const struct x86_op *op, uint64_t lin,	\
		    uint##bits##_t *v, enum mmu_access access, bool stack)	\
{									\
	const void *p = tlb_data(&cpu_of(x)->mmu.tlb, lin, bits / 8, access);	\
	struct acc_value slow;						\
									\
	if (likely(p) && likely(os_load##bits(p, v)))			\
		return true;						\
	slow = access_load(x, op, lin, bits / 8, access, stack);	\
	*v = (uint##bits##_t)slow.v;					\
	return slow.ok;							\
}									\
static ALWAYS_INLINE MUST_CHECK bool					\
acc_load##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint##bits##_t *v) \
{									\
	return acc_load##bits##_as(x, op, lin, v, MMU_READ, false);	\
}									\
static ALWAYS_INLINE MUST_CHECK bool					\
acc_loadw##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint##bits##_t *v) \
{									\
	return acc_load##bits##_as(x, op, lin, v, MMU_WRITE, false);	\
}									\
static ALWAYS_INLINE MUST_CHECK bool					\
acc_store##bits##_as(struct x86_exec *x, const struct x86_op *op, uint64_t lin,	\
		     uint##bits##_t v, bool stack)			\
{									\
	struct cpu *cpu = cpu_of(x);					\
	void *p = tlb_data(&cpu->mmu.tlb, lin, bits / 8, MMU_WRITE);	\
									\
	if (likely(p) && likely(!acc_is_code(cpu, p)) && likely(os_store##bits(p, v))) \
		return true;						\
	return access_store(x, op, lin, bits / 8, v, MMU_WRITE, stack);	\
}									\
static ALWAYS_INLINE MUST_CHECK bool					\
acc_store##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint##bits##_t v) \
{									\
	return acc_store##bits##_as(x, op, lin, v, false);		\
}									\
static ALWAYS_INLINE MUST_CHECK enum x86_cas				\
acc_cas##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin,	\
	      uint##bits##_t *old, uint##bits##_t v)			\
{									\
	struct cpu *cpu = cpu_of(x);					\
	void *p = tlb_data(&cpu->mmu.tlb, lin, bits / 8, MMU_WRITE);	\
	struct acc_value slow;						\
									\
	if (likely(p) && likely(!acc_is_code(cpu, p))) {		\
		enum os_cas r = os_cas##bits(p, old, v);		\
									\
		if (likely(r != OS_CAS_FAULT))				\
			return r == OS_CAS_WON ? X86_CAS_WON : X86_CAS_LOST; \
	}								\
	slow = access_cas(x, op, lin, bits / 8, *old, v);		\
	*old = (uint##bits##_t)slow.v;					\
	return (enum x86_cas)slow.ok;					\
}
ACC_DEFINE(8)
ACC_DEFINE(16)
ACC_DEFINE(32)
ACC_DEFINE(64)

static ALWAYS_INLINE MUST_CHECK bool
acc_stack_load64(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t *v)
{
	return acc_load64_as(x, op, lin, v, MMU_READ, true);
}

static ALWAYS_INLINE MUST_CHECK bool
acc_stack_store64(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t v)
{
	return acc_store64_as(x, op, lin, v, true);
}

static ALWAYS_INLINE MUST_CHECK bool
acc_load128(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t v[2])
{
	const uint8_t *p = tlb_data(&cpu_of(x)->mmu.tlb, lin, 16, MMU_READ);

	if (likely(p) && likely(os_load64(p, &v[0])) && likely(os_load64(p + 8, &v[1])))
		return true;
	return access_read(x, op, lin, v, 16, MMU_READ);
}

static ALWAYS_INLINE MUST_CHECK bool
acc_store128(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const uint64_t v[2])
{
	struct cpu *cpu = cpu_of(x);
	uint8_t *p = tlb_data(&cpu->mmu.tlb, lin, 16, MMU_WRITE);

	if (likely(p) && likely(!acc_is_code(cpu, p)) && likely(os_store64(p, v[0])) &&
	    likely(os_store64(p + 8, v[1])))
		return true;
	return access_write(x, op, lin, v, 16, MMU_WRITE);
}

static ALWAYS_INLINE MUST_CHECK enum x86_cas
acc_cas128(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t old[2],
	   const uint64_t new[2])
{
	return access_cas128(x, op, lin, old, new);
}

static inline MUST_CHECK bool
acc_read(struct x86_exec *x, const struct x86_op *op, uint64_t lin, void *p, unsigned n)
{
	return access_read(x, op, lin, p, n, MMU_READ);
}

static inline MUST_CHECK bool
acc_write(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const void *p, unsigned n)
{
	return access_write(x, op, lin, p, n, MMU_WRITE);
}

static inline MUST_CHECK bool
acc_check_write(struct x86_exec *x, const struct x86_op *op, uint64_t lin, unsigned n)
{
	return access_read(x, op, lin, NULL, n, MMU_WRITE);
}

static inline MUST_CHECK bool
acc_sys_load(struct x86_exec *x, const struct x86_op *op, uint64_t lin, void *p, unsigned n)
{
	return access_read(x, op, lin, p, n, MMU_SYS_READ);
}

static inline MUST_CHECK bool
acc_sys_store(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const void *p, unsigned n)
{
	return access_write(x, op, lin, p, n, MMU_SYS_WRITE);
}

static inline uint64_t
acc_move(struct x86_exec *x, const struct x86_op *op, uint64_t to, uint64_t from, uint64_t n)
{
	return access_move(x, op, to, from, n);
}

static inline uint64_t
acc_fill(struct x86_exec *x, const struct x86_op *op, uint64_t to, uint64_t v, unsigned width,
	 uint64_t n)
{
	return access_fill(x, op, to, v, width, n);
}

/* The environment: env.c */
bool env_intercept(struct x86_exec *x, const struct x86_op *op, enum x86_intercept what,
		   uint64_t info);
uint64_t env_tsc(struct x86_exec *x);
uint64_t env_random(struct x86_exec *x);
/* As the guest asks for: the host's own. */
static inline void env_pause(struct x86_exec *x)
{
	sync_relax();
}

static inline void env_fence(struct x86_exec *x)
{
	sync_fence();
}

uint64_t env_cr3_reserved(const struct x86_exec *x);
uint32_t env_mxcsr_mask(const struct x86_exec *x);
MUST_CHECK bool env_rdmsr(struct x86_exec *x, uint32_t nr, uint64_t *v);
MUST_CHECK bool env_wrmsr(struct x86_exec *x, uint32_t nr, uint64_t v);
MUST_CHECK bool env_write_xcr0(struct x86_exec *x, uint64_t v);
void env_cr_done(struct x86_exec *x, unsigned nr, uint64_t v);
void env_invlpg(struct x86_exec *x, uint64_t lin);
bool env_is_snp(struct x86_exec *x);
MUST_CHECK bool env_snp(struct x86_exec *x, const struct x86_op *op, enum x86_snp what);
void env_invpcid(struct x86_exec *x, unsigned type, uint16_t pcid, uint64_t lin);
void env_mode_changed(struct x86_exec *x);
void env_cr0_written(struct x86_exec *x, uint64_t old, uint64_t old_efer);
void env_cr3_written(struct x86_exec *x, bool keep);
void env_cr4_written(struct x86_exec *x, uint64_t old);

#define X86_FN(name)	cpu_op_##name
