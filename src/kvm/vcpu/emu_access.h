/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_access.h - the accessor names that src/x86/exec is written in, on
 * emu_read and emu_write.  Included once by each instantiating file.
 */
#pragma once
#include "kvm/vcpu/emu.h"
#include "kvm/vcpu/walk.h"
#include "sync/atomic.h"

/* An address fault of @op's memory operand, or of a @stack access, is #SS where SS is used. */
static inline struct x86_exec *emu_at(struct x86_exec *x, const struct x86_op *op, bool stack)
{
	emu_of(x)->by_stack = stack || (op && (op->flags & X86_OP_MEM) && op->seg == X86_SS);
	return x;
}

#define ACC_DEFINE(bits)						\
static inline MUST_CHECK bool						\
acc_load##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint##bits##_t *v) \
{									\
	return emu_read(emu_at(x, op, false), lin, v, bits / 8, false);			\
}									\
static inline MUST_CHECK bool						\
acc_loadw##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint##bits##_t *v) \
{									\
	return emu_read(emu_at(x, op, false), lin, v, bits / 8, true);			\
}									\
static inline MUST_CHECK bool						\
acc_store##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint##bits##_t v) \
{									\
	return emu_write(emu_at(x, op, false), lin, &v, bits / 8);				\
}									\
static inline MUST_CHECK enum x86_cas					\
acc_cas##bits(struct x86_exec *x, const struct x86_op *op, uint64_t lin,	\
	      uint##bits##_t *old, uint##bits##_t v)			\
{									\
	return emu_cas(emu_at(x, op, false), lin, old, &v, bits / 8);			\
}
ACC_DEFINE(8)
ACC_DEFINE(16)
ACC_DEFINE(32)
ACC_DEFINE(64)

static inline MUST_CHECK bool
acc_stack_load64(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t *v)
{
	return emu_read(emu_at(x, op, true), lin, v, sizeof(*v), false);
}

static inline MUST_CHECK bool
acc_stack_store64(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t v)
{
	return emu_write(emu_at(x, op, true), lin, &v, sizeof(v));
}

static inline MUST_CHECK bool
acc_load128(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t v[2])
{
	return emu_read(emu_at(x, op, false), lin, v, 16, false);
}

static inline MUST_CHECK bool
acc_store128(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const uint64_t v[2])
{
	return emu_write(emu_at(x, op, false), lin, v, 16);
}

static inline MUST_CHECK enum x86_cas
acc_cas128(struct x86_exec *x, const struct x86_op *op, uint64_t lin, uint64_t old[2],
	   const uint64_t new[2])
{
	return emu_cas(emu_at(x, op, false), lin, old, new, 16);
}

static inline MUST_CHECK bool
acc_read(struct x86_exec *x, const struct x86_op *op, uint64_t lin, void *p, unsigned n)
{
	return emu_read(emu_at(x, op, false), lin, p, n, false);
}

static inline MUST_CHECK bool
acc_write(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const void *p, unsigned n)
{
	return emu_write(emu_at(x, op, false), lin, p, n);
}

static inline MUST_CHECK bool
acc_check_write(struct x86_exec *x, const struct x86_op *op, uint64_t lin, unsigned n)
{
	return emu_check_write(emu_at(x, op, false), lin, n);
}

static inline MUST_CHECK bool
acc_sys_load(struct x86_exec *x, const struct x86_op *op, uint64_t lin, void *p, unsigned n)
{
	return emu_memory(x, lin, p, n, WALK_IMPLICIT, false);
}

static inline MUST_CHECK bool
acc_sys_store(struct x86_exec *x, const struct x86_op *op, uint64_t lin, const void *p, unsigned n)
{
	return emu_memory(x, lin, (void *)(uintptr_t)p, n, WALK_IMPLICIT | WALK_WRITE, true);
}

/* No run of memory is worth it here: one element at a time. */
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

/* The environment: emu_env.c */
static inline bool env_intercept(struct x86_exec *x, const struct x86_op *op,
				 enum x86_intercept what, uint64_t info)
{
	return emu_intercept(x, what, info);
}

static inline uint64_t env_tsc(struct x86_exec *x)
{
	return emu_tsc(x);
}

static inline uint64_t env_random(struct x86_exec *x)
{
	return emu_random();
}

static inline uint64_t env_cr3_reserved(const struct x86_exec *x)
{
	return ~BITS(emu_phys_bits(x) - 1, 0);
}

static inline uint32_t env_mxcsr_mask(const struct x86_exec *x)
{
	return emu_mxcsr_mask(x);
}

/* Always intercepted: requests to the vCPU. */
static inline bool env_rdmsr(struct x86_exec *x, uint32_t nr, uint64_t *v)
{
	emu_unreachable("RDMSR");
	return false;
}

static inline bool env_wrmsr(struct x86_exec *x, uint32_t nr, uint64_t v)
{
	emu_unreachable("WRMSR");
	return false;
}

static inline bool env_write_xcr0(struct x86_exec *x, uint64_t v)
{
	emu_unreachable("XSETBV");
	return false;
}

static inline void env_cr_done(struct x86_exec *x, unsigned nr, uint64_t v)
{
}

static inline void env_pause(struct x86_exec *x)
{
}

static inline void env_fence(struct x86_exec *x)
{
	sync_fence();
}

/* The processor finds the new state when the guest next runs. */
static inline void env_mode_changed(struct x86_exec *x)
{
}

/* INVLPG and writes of control registers are requests: these are never reached. */
static inline void env_invlpg(struct x86_exec *x, uint64_t lin)
{
	emu_unreachable("INVLPG");
}

/* No instruction of KVM's emulator. */
static inline bool env_is_snp(struct x86_exec *x)
{
	return false;
}

static inline bool env_snp(struct x86_exec *x, const struct x86_op *op, enum x86_snp what)
{
	emu_unreachable("PVALIDATE");
	return false;
}

static inline void env_invpcid(struct x86_exec *x, unsigned type, uint16_t pcid, uint64_t lin)
{
	emu_unreachable("INVPCID");
}

static inline void env_cr0_written(struct x86_exec *x, uint64_t old, uint64_t old_efer)
{
	emu_unreachable("CR0");
}

static inline void env_cr3_written(struct x86_exec *x, bool keep)
{
	emu_unreachable("CR3");
}

static inline void env_cr4_written(struct x86_exec *x, uint64_t old)
{
	emu_unreachable("CR4");
}

#define X86_FN(name)	emu_##name
#define X86_FXRSTOR_MXCSR	0xffffu	/* whatever the processor has */
#define X86_FAR_64	true	/* m16:64 with REX.W, whatever the vendor */
#define X86_REFUSES(x, op)	emu_refuse(x)
