/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lapic.h - the local APIC of one vCPU.  SDM vol. 3A chapter 11.
 *
 * Registers are written by the vCPU's own thread (its mutex is held); any
 * thread may send to it (lapic_accept) and look at what the APIC map is made
 * of.  Who sends sets IRR, TMR or an event bit, then posts KVM_REQ_EVENT, then
 * kicks; the vCPU looks in the other order (IRQ-G1).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/irq/guest_tsc.h"
#include "kvm/irq/timer.h"
#include "sync/atomic.h"

struct kvm_vcpu;

#define LAPIC_DEFAULT_BASE	0xfee00000ull
#define LAPIC_BASE_BSP		(1ull << 8)
#define LAPIC_BASE_X2APIC	(1ull << 10)
#define LAPIC_BASE_ENABLE	(1ull << 11)

#define LAPIC_ID		0x020
#define LAPIC_VERSION		0x030
#define LAPIC_TPR		0x080
#define LAPIC_ARBPRI		0x090
#define LAPIC_PPR		0x0a0
#define LAPIC_EOI		0x0b0
#define LAPIC_LDR		0x0d0
#define LAPIC_DFR		0x0e0
#define LAPIC_SVR		0x0f0
#define LAPIC_ISR		0x100	/* ISR, TMR, IRR: eight words each */
#define LAPIC_TMR		0x180
#define LAPIC_IRR		0x200
#define LAPIC_ESR		0x280
#define LAPIC_LVT_CMCI		0x2f0
#define LAPIC_ICR		0x300
#define LAPIC_ICR2		0x310
#define LAPIC_LVT_TIMER		0x320
#define LAPIC_LVT_THERMAL	0x330
#define LAPIC_LVT_PERF		0x340
#define LAPIC_LVT_LINT0		0x350
#define LAPIC_LVT_LINT1		0x360
#define LAPIC_LVT_ERROR		0x370
#define LAPIC_TMICT		0x380
#define LAPIC_TMCCT		0x390
#define LAPIC_TDCR		0x3e0
#define LAPIC_SELF_IPI		0x3f0
#define LAPIC_NR_REGS		64	/* one each 16 bytes */

#define LAPIC_LVT_MASKED	0x00010000u
#define LAPIC_SVR_ENABLED	0x100u
#define LAPIC_DFR_FLAT		0xffffffffu
#define LAPIC_DFR_CLUSTER	0x0fffffffu

/* Delivery modes, as in ICR and LVT entries: bits 10:8. */
enum lapic_delivery {
	LAPIC_FIXED	= 0x000,
	LAPIC_LOWEST	= 0x100,
	LAPIC_SMI	= 0x200,
	LAPIC_REMOTE	= 0x300,	/* KVM's own: a paravirtual kick */
	LAPIC_NMI	= 0x400,
	LAPIC_INIT	= 0x500,
	LAPIC_STARTUP	= 0x600,
	LAPIC_EXTINT	= 0x700,
};

enum lapic_shorthand {
	LAPIC_TO_DEST	= 0,
	LAPIC_TO_SELF	= 1 << 18,
	LAPIC_TO_ALL	= 2 << 18,
	LAPIC_TO_OTHERS	= 3 << 18,
};

/* Events that are no vector: bits of pending_events. */
#define LAPIC_EVENT_INIT	1u
#define LAPIC_EVENT_SIPI	2u

enum lapic_timer_mode { LAPIC_ONESHOT, LAPIC_PERIODIC, LAPIC_TSC_DEADLINE };

/* Keys: [a] any thread, atomic; the rest is the vCPU's own. */
struct lapic_timer {
	struct irq_timer timer;
	atomic32_t	pending;	/* [a] expired, the LVT entry not yet delivered */
	atomic32_t	mode;		/* [a] enum lapic_timer_mode */
	atomic64_t	period;		/* [a] ns, 0: off */
	atomic64_t	target;		/* [a] ns, when it expires */
	uint64_t	tsc_deadline;
	bool		deadline_allowed;	/* CPUID says so */
	uint8_t		divide;		/* 1 to 128 */
};

struct lapic {
	struct kvm_vcpu	*vcpu;		/* constant */
	const struct guest_tsc *tsc;	/* constant; the vCPU's */
	atomic32_t	reg[LAPIC_NR_REGS];	/* [a] */
	atomic32_t	mode;		/* [a] ENABLE and X2APIC of IA32_APIC_BASE */
	atomic32_t	pending_events;	/* [a] LAPIC_EVENT_* */
	atomic32_t	sipi_vector;	/* [a] */
	atomic32_t	pv_unhalted;	/* [a] kicked by KVM_HC_KICK_CPU */
	atomic32_t	arb_prio;	/* [a] low-priority interrupts taken */
	atomic32_t	ioapic_eoi;	/* [a] split: vector + 1 that user space is told of */
	const uint64_t	*tpr_rip;	/* accesses to the TPR are reported, with this; or NULL */
	bool		x2apic_cpuid;
	uint8_t		nr_lvt;		/* 6, or 7 with CMCI */
	struct lapic_timer timer;
};

struct lapic_irq {
	uint8_t		vector;
	bool		logical;	/* destination mode */
	bool		level;		/* asserted */
	bool		trig_level;
	bool		msi_redir_hint;
	enum lapic_delivery delivery;
	enum lapic_shorthand shorthand;
	uint32_t	dest;
};

/* For @vcpu, in a VM with kvm->irq; @tsc outlives it.  NULL: no memory. */
MUST_CHECK struct lapic *lapic_create(struct kvm_vcpu *vcpu, const struct guest_tsc *tsc);
void lapic_destroy(struct lapic *apic);

/* RESET, or INIT (@init: the id and the mode stay).  @extint: LINT0 lets the PIC through. */
void lapic_reset(struct lapic *apic, bool init, bool extint);

/* What the guest's CPUID and MCG_CAP say: x2APIC, TSC deadline, CMCI. */
void lapic_set_cpuid(struct lapic *apic, bool x2apic, bool tsc_deadline);
void lapic_set_cmci(struct lapic *apic, bool cmci);

/* IA32_APIC_BASE changes from @was to @now: the id takes the mode's form. */
void lapic_mode_changed(struct lapic *apic, uint64_t was, uint64_t now);

/*
 * KVM_GET_LAPIC and KVM_SET_LAPIC: @page has 1024 bytes.  -EINVAL: another
 * x2APIC id than the vCPU's, with 32-bit ids (KVM_CAP_X2APIC_API).
 */
MUST_CHECK int lapic_save(const struct lapic *apic, void *page);
MUST_CHECK int lapic_load(struct lapic *apic, const void *page);

/* One access inside the page in xAPIC mode: 1, 2, 4 bytes in an aligned 4; writes 4. */
void lapic_read(struct lapic *apic, uint32_t offset, unsigned len, void *data);
void lapic_write(struct lapic *apic, uint32_t offset, unsigned len, const void *data);
/* RDMSR and WRMSR 0x800 + @reg / 16.  False: #GP.  SDM vol. 3A table 11-6. */
bool lapic_x2_read(struct lapic *apic, uint32_t reg, uint64_t *value);
bool lapic_x2_write(struct lapic *apic, uint32_t reg, uint64_t value);

static inline uint32_t lapic_get(const struct lapic *apic, uint32_t reg)
{
	return atomic32_load_relaxed(&apic->reg[reg >> 4]);
}

static inline void lapic_put(struct lapic *apic, uint32_t reg, uint32_t value)
{
	atomic32_store_relaxed(&apic->reg[reg >> 4], value);
}

static inline bool lapic_is_x2(const struct lapic *apic)
{
	return atomic32_load_relaxed(&apic->mode) & LAPIC_BASE_X2APIC;
}

static inline bool lapic_hw_enabled(const struct lapic *apic)
{
	return atomic32_load_relaxed(&apic->mode) & LAPIC_BASE_ENABLE;
}

static inline bool lapic_sw_enabled(const struct lapic *apic)
{
	return lapic_get(apic, LAPIC_SVR) & LAPIC_SVR_ENABLED;
}

static inline uint32_t lapic_xapic_id(const struct lapic *apic)
{
	return lapic_get(apic, LAPIC_ID) >> 24;
}

uint32_t lapic_id(const struct lapic *apic);		/* x2APIC id: the vCPU's */
bool lapic_test(const struct lapic *apic, uint32_t bitmap, uint8_t vector);
int lapic_highest(const struct lapic *apic, uint32_t bitmap);	/* -1: none */
void lapic_set_tpr(struct lapic *apic, uint8_t tpr);
/*
 * KVM_TPR_ACCESS_REPORTING: each access to the TPR as a register (not CR8) puts
 * *@rip into kvm_run and posts KVM_REQ_REPORT_TPR_ACCESS.  NULL: no more.  Lasts
 * over resets.
 */
void lapic_report_tpr(struct lapic *apic, const uint64_t *rip);

/* The vector that may be delivered now, or -1; acknowledging moves it from IRR to ISR. */
int lapic_has_interrupt(struct lapic *apic);
void lapic_ack(struct lapic *apic, uint8_t vector);
int lapic_set_eoi(struct lapic *apic);			/* the vector, -1: none was in service */
/* ExtINT reaches the processor: LINT0 says so, or the APIC is off. */
bool lapic_accepts_pic(const struct lapic *apic);
/* An LVT entry's interrupt.  False: masked. */
bool lapic_local_deliver(struct lapic *apic, uint32_t lvt);

/* Any thread: one interrupt for this APIC.  False: discarded. */
bool lapic_accept(struct lapic *apic, const struct lapic_irq *irq);

/* The timer (lapic_timer.c). */
void lapic_timer_init(struct lapic *apic);
void lapic_timer_stop(struct lapic *apic);		/* and forgets an expiry */
void lapic_timer_restart(struct lapic *apic, uint32_t count_reg);
void lapic_timer_mode_written(struct lapic *apic);	/* the LVT entry has changed */
void lapic_timer_divide_written(struct lapic *apic, bool running);
uint32_t lapic_timer_count(const struct lapic *apic);
bool lapic_timer_is_pending(const struct lapic *apic);
void lapic_timer_deliver(struct lapic *apic);		/* what has expired */
uint64_t lapic_get_tsc_deadline(const struct lapic *apic);
void lapic_set_tsc_deadline(struct lapic *apic, uint64_t tsc);
