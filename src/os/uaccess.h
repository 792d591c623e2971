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
#include "os/coro.h"

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

enum os_present { OS_PRESENT, OS_ABSENT, OS_INTERRUPTED };

/*
 * The same for who may have to wait long (a page that a userfaultfd monitor is
 * to supply): does not begin to wait when *@stop is not 0, and gives up
 * when a signal handler sets it and calls os_wait_interrupt().
 */
MUST_CHECK enum os_present os_wait_for_page(void *addr, bool write, const uint32_t *stop);

/* From a signal handler, with its third argument: ends the wait that it has interrupted, if any. */
void os_wait_interrupt(void *ucontext);

/*
 * Called first by the process's SIGSEGV/SIGBUS handler with its third
 * argument (ucontext_t *).  True when the fault was one of ours; the context
 * then continues at the fix-up.  Async-signal-safe.  The handler asks only for
 * signals with si_code > 0: one that kill(2) sent interrupts anything.
 */
bool os_uaccess_fixup(int sig, void *ucontext);

/*
 * Installs a handler of SIGSEGV and SIGBUS that does the above and passes
 * everything else to the handler from before.  For programs without the
 * preload front end, which has its own: unit tests (cmocka takes the signals
 * anew for each test, so call it inside).  0 or a negative errno.  Not while
 * other threads may fault.
 */
MUST_CHECK int os_uaccess_install(void);

/*
 * That handler asks @fn first, with the address that faulted: true runs the
 * instruction again.  NULL: nobody.
 */
void os_uaccess_ask_first(bool (*fn)(void *arg, void *addr, bool write), void *arg);

/*
 * What a page fault was about: the address, and was it a store?  @ucontext: the third
 * argument of a handler of SIGSEGV or SIGBUS.
 */
void *os_fault_address(const void *ucontext);
bool os_fault_is_write(const void *ucontext);
/* ... was it an instruction that could not be fetched? */
bool os_fault_is_fetch(const void *ucontext);

#define OS_EXTABLE_ENTRY(to)						\
	".pushsection os_extable, \"a\", @progbits\n\t"			\
	".balign 4\n\t"							\
	".long 1b - .\n\t"						\
	".long " to " - .\n\t"						\
	".popsection\n\t"
#define OS_EXTABLE(fault_label) OS_EXTABLE_ENTRY("%l[" #fault_label "]")

/*
 * `asm goto` with outputs, gcc before 12.4: the empty statement after it keeps
 * gcc from dropping an output register (its bug 113921).  Operands are the
 * bare address, not a dereference, so that no sanitizer looks at it.
 */
#define OS_ASM_GOTO(x...)						\
	do {								\
		__asm__ volatile goto(x);				\
		__asm__ volatile("");					\
	} while (0)

/*
 * bool os_load8/16/32/64(const void *p, uintN_t *out): false when the access
 * faulted; *out is then unchanged.
 */
#define OS_DEFINE_LOAD(bits, insn, con)					\
static ALWAYS_INLINE MUST_CHECK bool					\
os_load##bits(const void *p, uint##bits##_t *out)			\
{									\
	uint##bits##_t v;						\
	CORO_STEP();							\
	OS_ASM_GOTO("1: " insn " (%[p]), %[v]\n\t" OS_EXTABLE(fault)	\
		    : [v] con (v)					\
		    : [p] "r" (p)					\
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

/* bool os_store8/16/32/64(void *p, uintN_t v): false when it faulted. */
#define OS_DEFINE_STORE(bits, insn, con)				\
static ALWAYS_INLINE MUST_CHECK bool					\
os_store##bits(void *p, uint##bits##_t v)				\
{									\
	CORO_STEP();							\
	OS_ASM_GOTO("1: " insn " %[v], (%[p])\n\t" OS_EXTABLE(fault)	\
		    : : [v] con (v), [p] "r" (p)			\
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
 * enum os_cas os_cas8/16/32/64(void *p, uintN_t *expected, uintN_t desired):
 * LOCK CMPXCHG on memory that may fault.  *expected gets what was found when
 * the exchange is lost.
 */
#define OS_DEFINE_CAS(bits, insn, con)					\
static ALWAYS_INLINE MUST_CHECK enum os_cas				\
os_cas##bits(void *p, uint##bits##_t *expected, uint##bits##_t desired)	\
{									\
	uint##bits##_t old = *expected;					\
	bool won;							\
	CORO_STEP();							\
	OS_ASM_GOTO("1: lock " insn " %[new], (%[p])\n\t"		\
		    OS_EXTABLE(fault)					\
		    : "+a" (old), "=@ccz" (won)				\
		    : [new] con (desired), [p] "r" (p)			\
		    : "memory" : fault);				\
	*expected = old;						\
	return won ? OS_CAS_WON : OS_CAS_LOST;				\
fault:									\
	return OS_CAS_FAULT;						\
}
OS_DEFINE_CAS(8, "cmpxchgb", "q")
OS_DEFINE_CAS(16, "cmpxchgw", "r")
OS_DEFINE_CAS(32, "cmpxchgl", "r")
OS_DEFINE_CAS(64, "cmpxchgq", "r")
