/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/uaccess.h"

#include <errno.h>
#include <signal.h>
#include <ucontext.h>

/* Both addresses are relative to the field itself: no relocation at load. */
struct os_extable_entry {
	int32_t	insn;
	int32_t	fixup;
};

/* The linker's, of the module (program or shared library) that we are in. */
extern const struct os_extable_entry __start_os_extable[] __attribute__((visibility("hidden")));
extern const struct os_extable_entry __stop_os_extable[] __attribute__((visibility("hidden")));

static uintptr_t absolute(const int32_t *field)
{
	return (uintptr_t)field + (intptr_t)*field;
}

bool os_uaccess_fixup(int sig, void *ucontext)
{
	greg_t *pc = &((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];

	if (sig != SIGSEGV && sig != SIGBUS)
		return false;
	for (const struct os_extable_entry *e = __start_os_extable; e < __stop_os_extable; e++) {
		if (absolute(&e->insn) != (uintptr_t)*pc)
			continue;
		*pc = (greg_t)absolute(&e->fixup);
		return true;
	}
	return false;
}

#if SOFTCVM_CORO	/* no schedule points in a copy */
static bool copy_short(void *dst, const void *src, size_t n)
{
	return false;
}
#else
/*
 * Up to 16 bytes: 8, 4, 2 and 1 of them with one instruction, others with two
 * that overlap.  False: something is not there, nothing counts as copied.
 */
#define COPY_TWO(bits)							\
	({								\
		const size_t last_ = n - (bits) / 8;			\
		uint##bits##_t a_, b_ = 0;				\
		bool ok_ = os_load##bits(src, &a_) &&			\
			   (!last_ || os_load##bits((const char *)src + last_, &b_)); \
									\
		ok_ = ok_ && os_store##bits(dst, a_) &&			\
		      (!last_ || os_store##bits((char *)dst + last_, b_)); \
		ok_;							\
	})

static bool copy_short(void *dst, const void *src, size_t n)
{
	if (n >= 8)
		return COPY_TWO(64);
	if (n >= 4)
		return COPY_TWO(32);
	if (n >= 2)
		return COPY_TWO(16);
	return COPY_TWO(8);
}
#endif

size_t os_copy_from(void *dst, const void *untrusted_src, size_t n)
{
	if (n - 1 < 16 && copy_short(dst, untrusted_src, n))
		return 0;
	__asm__ volatile("1: rep movsb\n"
			 "2:\n\t" OS_EXTABLE_ENTRY("2b")
			 : "+D" (dst), "+S" (untrusted_src), "+c" (n)
			 : : "memory");
	return n;
}

size_t os_copy_to(void *untrusted_dst, const void *src, size_t n)
{
	return os_copy_from(untrusted_dst, src, n);
}

size_t os_clear(void *untrusted_dst, size_t n)
{
	__asm__ volatile("1: rep stosb\n"
			 "2:\n\t" OS_EXTABLE_ENTRY("2b")
			 : "+D" (untrusted_dst), "+c" (n)
			 : "a" (0)
			 : "memory");
	return n;
}

/* A locked OR with nothing: needs a writable page, changes no byte of it. */
static bool touch_for_write(void *addr)
{
	__asm__ volatile goto("1: lock orb $0, (%[p])\n\t" OS_EXTABLE(fault)
			      : : [p] "r" (addr)
			      : "memory", "cc" : fault);
	return true;
fault:
	return false;
}

bool os_prefault(void *addr, bool write)
{
	uint8_t byte;

	return write ? touch_for_write(addr) : os_load8(addr, &byte);
}

/* Instructions [begin, end) that a signal may leave for good, relative to the fields. */
struct os_wait_range {
	int32_t	begin, end, leave;
};

extern const struct os_wait_range __start_os_waits[] __attribute__((visibility("hidden")));
extern const struct os_wait_range __stop_os_waits[] __attribute__((visibility("hidden")));

/*
 * A signal between the look at *stop and the access ends it too: the handler
 * has set *stop, and finds the program counter in the range.
 */
#define DEFINE_WAIT(name, access, scratch)				\
static enum os_present name(void *addr, const uint32_t *stop)		\
{									\
	CORO_STEP();							\
	__asm__ volatile goto("2: cmpl $0, (%[stop])\n\t"		\
			      "jne %l[interrupted]\n\t"			\
			      "1: " access "\n"				\
			      "3:\n\t" OS_EXTABLE(absent)		\
			      ".pushsection os_waits, \"a\", @progbits\n\t" \
			      ".balign 4\n\t"				\
			      ".long 2b - .\n\t"			\
			      ".long 3b - .\n\t"			\
			      ".long %l[interrupted] - .\n\t"		\
			      ".popsection\n\t"			\
			      : : [p] "r" (addr), [stop] "r" (stop)	\
			      : "memory", "cc", scratch : absent, interrupted); \
	return OS_PRESENT;						\
absent:									\
	return OS_ABSENT;						\
interrupted:								\
	return OS_INTERRUPTED;						\
}
DEFINE_WAIT(wait_for_read, "movb (%[p]), %%al", "rax")
DEFINE_WAIT(wait_for_write, "lock orb $0, (%[p])", "rax")

enum os_present os_wait_for_page(void *addr, bool write, const uint32_t *stop)
{
	return write ? wait_for_write(addr, stop) : wait_for_read(addr, stop);
}

void os_wait_interrupt(void *ucontext)
{
	greg_t *pc = &((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];
	uintptr_t at = (uintptr_t)*pc;

	for (const struct os_wait_range *w = __start_os_waits; w < __stop_os_waits; w++)
		if (at >= absolute(&w->begin) && at < absolute(&w->end))
			*pc = (greg_t)absolute(&w->leave);
}

/* What the process had before os_uaccess_install(); written there only. */
static struct sigaction before_segv, before_bus;

static void pass_on(int sig, siginfo_t *info, void *ucontext)
{
	const struct sigaction *before = sig == SIGBUS ? &before_bus : &before_segv;

	if (before->sa_flags & SA_SIGINFO) {
		before->sa_sigaction(sig, info, ucontext);
	} else if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN) {
		signal(sig, SIG_DFL);	/* the instruction faults again and ends us */
		if (info->si_code <= 0)
			raise(sig);
	} else {
		before->sa_handler(sig);
	}
}

static bool (*ask_first)(void *arg, void *addr, bool write);
static void *ask_arg;

void os_uaccess_ask_first(bool (*fn)(void *arg, void *addr, bool write), void *arg)
{
	ask_first = fn;
	ask_arg = arg;
}

void *os_fault_address(const void *ucontext)
{
	return (void *)((const ucontext_t *)ucontext)->uc_mcontext.gregs[REG_CR2];
}

bool os_fault_is_write(const void *ucontext)
{
	/* The page fault's error code, bit 1. */
	return ((const ucontext_t *)ucontext)->uc_mcontext.gregs[REG_ERR] & 2;
}

bool os_fault_is_fetch(const void *ucontext)
{
	/* Bit 4. */
	return ((const ucontext_t *)ucontext)->uc_mcontext.gregs[REG_ERR] & 16;
}

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	if (info->si_code > 0 && ask_first &&
	    ask_first(ask_arg, info->si_addr, os_fault_is_write(ucontext)))
		return;
	if (info->si_code > 0 && os_uaccess_fixup(sig, ucontext))
		return;
	pass_on(sig, info, ucontext);
}

static int install(int sig, const struct sigaction *act, struct sigaction *before)
{
	struct sigaction now;

	if (sigaction(sig, NULL, &now))
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault)
		return 0;
	*before = now;
	return sigaction(sig, act, NULL) ? -errno : 0;
}

int os_uaccess_install(void)
{
	struct sigaction act = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	int err;

	sigemptyset(&act.sa_mask);
	err = install(SIGSEGV, &act, &before_segv);
	return err ? err : install(SIGBUS, &act, &before_bus);
}
