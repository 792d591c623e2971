/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guest.h - a tiny library for guests of KVM: plain, SEV, SEV-ES and SEV-SNP (snp.h).
 *
 * start.S brings the guest to 64-bit mode with 4 GiB mapped at their own addresses, private where
 * the guest is encrypted; then guest_main runs.  One processor unless guest_cpu_start is called.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_PAGE		0x1000ul
#define GUEST_DEVICE		0xd0000000ul	/* softcvm run's page of registers */
#define GUEST_NOWHERE		0x8000000000ul	/* virtual addresses from here on are free */
#define GUEST_EXIT_PANIC	101

#define MSR_GHCB		0xc0010130u
#define MSR_SEV_STATUS		0xc0010131u
#define SEV_STATUS_SEV		1u
#define SEV_STATUS_SEV_ES	2u

/* The sample: its result is the guest's status. */
int guest_main(void);

/* start.S: SEV_STATUS, and the encryption bit as a mask for page-table entries; 0: none. */
extern uint64_t guest_sev_status, guest_c_bit;

/* console.c.  printf knows %c %s %d %u %x %p %%, l, and a width with or without 0. */
__attribute__((format(printf, 1, 2))) void guest_printf(const char *fmt, ...);
__attribute__((noreturn)) void guest_exit(int status);
__attribute__((noreturn, format(printf, 1, 2))) void guest_panic(const char *fmt, ...);

/* memory.c.  Sizes in bytes; what is asked for and is not there is a panic. */
uint64_t guest_ram_size(void);
void *guest_page(void);				/* a new one, zeroed, private */
/*
 * @size bytes, whole 2 MiB, at such an address, at the end of what guest_page() has not given
 * away yet.  A guest of SNP has to validate them.
 */
uint64_t guest_reserve(uint64_t size);
enum guest_map { GUEST_MAP_SHARED, GUEST_MAP_PRIVATE };
void guest_map(uint64_t va, uint64_t gpa, enum guest_map how);	/* one page, writable */
void guest_map_large(uint64_t va, uint64_t gpa, enum guest_map how);	/* 2 MiB */
void guest_unmap(uint64_t va);
uint64_t guest_entry(uint64_t va);		/* the entry that maps it; 0: none */
uint64_t guest_physical(uint64_t va);		/* without the encryption bit */
/* The lines of a page leave the caches: another view of the same memory sees them. */
void guest_flush(const void *page);
/* From now on at its own address it is shared; what it held is lost. */
void guest_share(void *page);
/* This processor forgets all translations. */
void guest_flush_tlb(void);

/* trap.c: the frame that start.S builds. */
struct guest_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
/* Called for a page fault at @va, and for #VC of a page that is not validated; true: try again. */
typedef bool (*guest_fault_fn)(struct guest_frame *frame, uint64_t va);
void guest_on_fault(guest_fault_fn handler);
/* No gates at all: the next exception is the last. */
void guest_drop_traps(void);

/* ghcb.c: SEV-ES. */
void guest_ghcb_begin(void);			/* each processor's first step, in SEV-ES guests */
unsigned guest_ghcb_version(void);
__attribute__((noreturn)) void guest_terminate(unsigned set, unsigned reason);
void guest_vc(struct guest_frame *frame);	/* #VC */
uint64_t guest_vc_count(void);			/* how many there were */

/* smp.c: starts processor @apic_id (1 and up), which calls @run; waits until it does. */
void guest_cpu_start(unsigned apic_id, void (*run)(void));

/* device.c: what the test device answers in every size of access, on the console. */
void guest_show_device(void);

/* count.c: with processor 1; 0: every step counted. */
int guest_count_together(void);

/* string.c */
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

static inline void guest_out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" :: "a"(value), "Nd"(port));
}

static inline uint8_t guest_in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint64_t guest_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void guest_wrmsr(uint32_t msr, uint64_t value)
{
	uint32_t lo = (uint32_t)value, hi = (uint32_t)(value >> 32);

	__asm__ volatile("wrmsr" :: "c"(msr), "a"(lo), "d"(hi) : "memory");
}

struct guest_cpuid { uint32_t eax, ebx, ecx, edx; };

static inline struct guest_cpuid guest_cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct guest_cpuid c;

	__asm__ volatile("cpuid" : "=a"(c.eax), "=b"(c.ebx), "=c"(c.ecx), "=d"(c.edx)
			 : "a"(leaf), "c"(subleaf));
	return c;
}

#define GUEST_HC_MAP_GPA_RANGE	12u
#define GUEST_HC_PRIVATE	0x10u		/* its third argument; 0: shared */

/* A hypercall of KVM: VMMCALL on AMD's processors, VMCALL on Intel's. */
static inline uint64_t guest_hypercall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
	bool amd = guest_cpuid(0, 0).ebx == 0x68747541;		/* "Auth" */

	if (amd)
		__asm__ volatile("vmmcall" : "+a"(nr) : "b"(a), "c"(b), "d"(c) : "memory");
	else
		__asm__ volatile("vmcall" : "+a"(nr) : "b"(a), "c"(b), "d"(c) : "memory");
	return nr;
}

/* Device registers: one instruction of the size that the name says. */
#define GUEST_REGISTER(bits, insn, reg)							\
	static inline uint##bits##_t guest_read##bits(uint64_t at)			\
	{										\
		uint##bits##_t value;							\
		__asm__ volatile(insn " %1, %0" : reg(value)				\
				 : "m"(*(volatile uint##bits##_t *)at) : "memory");	\
		return value;								\
	}										\
	static inline void guest_write##bits(uint64_t at, uint##bits##_t value)	\
	{										\
		__asm__ volatile(insn " %1, %0" : "=m"(*(volatile uint##bits##_t *)at)	\
				 : "r"(value) : "memory");				\
	}
GUEST_REGISTER(8, "movb", "=q")
GUEST_REGISTER(16, "movw", "=r")
GUEST_REGISTER(32, "movl", "=r")
GUEST_REGISTER(64, "movq", "=r")
#undef GUEST_REGISTER
