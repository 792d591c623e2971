/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uaccess.h - touching memory that is not ours and may not be there.
 *
 * The VMM's memory can be unmapped, protected or truncated under us at any
 * moment.  Each access below is one instruction (or one string instruction)
 * whose address is in a table; our SIGSEGV/SIGBUS handler finds the faulting
 * PC there and goes on at the fix-up (os_uaccess_fixup).  A signal whose PC is
 * not in the table is not ours.
 *
 * The same accesses serve the modelled processor: aligned ones are single
 * copy atomic, and the LOCK forms are the host's own, so x86-TSO holds between
 * guests and VMM threads.  The compiler's sanitizers do not see them.
 *
 * Any thread; may be used inside RCU.  Page faults that the kernel resolves
 * (swap, first touch, userfaultfd) block the thread: callers that must not
 * block make the page present first (os_prefault).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* Bytes *not* copied, 0 on success: like the kernel's copy_{from,to}_user. */
MUST_CHECK size_t os_copy_from(void *dst, const void *untrusted_src, size_t n);
MUST_CHECK size_t os_copy_to(void *untrusted_dst, const void *src, size_t n);
MUST_CHECK size_t os_clear(void *untrusted_dst, size_t n);

/*
 * Makes the page at @addr present (and writable if @write) without side
 * effects on its bytes.  False when the access would be a SIGSEGV or SIGBUS.
 * May block.
 */
MUST_CHECK bool os_prefault(void *addr, bool write);

/*
 * Called first by the process's SIGSEGV/SIGBUS handler with its third
 * argument (ucontext_t *).  True when the fault was one of ours; the context
 * then continues at the fix-up.  Async-signal-safe.
 */
bool os_uaccess_fixup(int sig, void *ucontext);

#define OS_EXTABLE(fault_label)						\
	".pushsection os_extable, \"a\", @progbits\n\t"			\
	".balign 4\n\t"							\
	".long 1b - .\n\t"						\
	".long %l[" #fault_label "] - .\n\t"				\
	".popsection\n\t"

/*
 * bool os_load8/16/32/64(const void *p, uintN_t *out): false when the access
 * faulted; *out is then unchanged.
 */
#define OS_DEFINE_LOAD(bits, insn, con)					\
static ALWAYS_INLINE MUST_CHECK bool					\
os_load##bits(const void *p, uint##bits##_t *out)			\
{									\
	uint##bits##_t v;						\
	__asm__ goto("1: " insn " %[m], %[v]\n\t" OS_EXTABLE(fault)	\
		     : [v] con (v)					\
		     : [m] "m" (*(const volatile uint##bits##_t *)p)	\
		     : "memory" : fault);				\
	*out = v;							\
	return true;							\
fault:									\
	return false;							\
}
OS_DEFINE_LOAD(8, "movb", "=q")
OS_DEFINE_LOAD(16, "movw", "=r")
OS_DEFINE_LOAD(32, "movl", "=r")
OS_DEFINE_LOAD(64, "movq", "=r")

#define OS_DEFINE_STORE(bits, insn, con)				\
static ALWAYS_INLINE MUST_CHECK bool					\
os_store##bits(void *p, uint##bits##_t v)				\
{									\
	__asm__ goto("1: " insn " %[v], %[m]\n\t" OS_EXTABLE(fault)	\
		     : : [v] con (v),					\
			 [m] "m" (*(volatile uint##bits##_t *)p)	\
		     : "memory" : fault);				\
	return true;							\
fault:									\
	return false;							\
}
OS_DEFINE_STORE(8, "movb", "q")
OS_DEFINE_STORE(16, "movw", "r")
OS_DEFINE_STORE(32, "movl", "r")
OS_DEFINE_STORE(64, "movq", "r")

enum os_cas { OS_CAS_LOST, OS_CAS_WON, OS_CAS_FAULT };

/*
 * LOCK CMPXCHG on memory that may fault.  *expected gets what was found when
 * the exchange is lost.
 */
#define OS_DEFINE_CAS(bits, insn, con)					\
static ALWAYS_INLINE MUST_CHECK enum os_cas				\
os_cas##bits(void *p, uint##bits##_t *expected, uint##bits##_t desired)	\
{									\
	uint##bits##_t old = *expected;					\
	bool won;							\
	__asm__ goto("1: lock " insn " %[new], %[m]\n\t"		\
		     OS_EXTABLE(fault)					\
		     : "+a" (old), [m] "+m" (*(volatile uint##bits##_t *)p), \
		       "=@ccz" (won)					\
		     : [new] con (desired)				\
		     : "memory", "cc" : fault);				\
	*expected = old;						\
	return won ? OS_CAS_WON : OS_CAS_LOST;				\
fault:									\
	return OS_CAS_FAULT;						\
}
OS_DEFINE_CAS(8, "cmpxchgb", "q")
OS_DEFINE_CAS(16, "cmpxchgw", "r")
OS_DEFINE_CAS(32, "cmpxchgl", "r")
OS_DEFINE_CAS(64, "cmpxchgq", "r")
