/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_tpr.c - the local APIC's task priority as a VMM may share it with a guest:
 * KVM_TPR_ACCESS_REPORTING and KVM_SET_VAPIC_ADDR.
 *
 * Interrupts are off: what has been requested waits where it is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define LAPIC		0xfee00000UL
#define TPR		0x80
#define SVR		0xf0
#define ISR		0x100
#define IRR		0x200
#define WORD		0x8ffeUL	/* over the end of a page */
#define X2APIC_TPR	0x808
#define APIC_BASE_X2	0x400ULL

/* R15: the APIC.  Each begins with the instruction in question. */
__asm__(".pushsection .rodata\n"
	"tpr_code:\n"
	"tpr_read:	mov 0x80(%r15), %eax; jmp tpr_out\n"
	"tpr_read_1:	mov 0x80(%r15), %al; jmp tpr_out\n"
	"tpr_read_8:	mov 0x80(%r15), %rax; jmp tpr_out\n"
	"tpr_read_2nd:	mov 0x84(%r15), %eax; jmp tpr_out\n"
	"tpr_write:	mov %ebx, 0x80(%r15); jmp tpr_out\n"
	"tpr_write_2:	mov %bx, 0x80(%r15); jmp tpr_out\n"
	"tpr_both:	orl $0x40, 0x80(%r15); jmp tpr_out\n"
	"tpr_ppr:	mov 0xa0(%r15), %eax; jmp tpr_out\n"
	"tpr_eoi:	movl $0, 0xb0(%r15); jmp tpr_out\n"
	"tpr_cr8:	mov %rdx, %cr8; mov %cr8, %rax; jmp tpr_out\n"
	"tpr_rdmsr:	rdmsr; jmp tpr_out\n"
	"tpr_wrmsr:	wrmsr; jmp tpr_out\n"
	"tpr_word:	movb %bl, (%rdi)\n"
	"tpr_out:	out %al, $0x10; jmp tpr_out\n"
	"tpr_end:	.popsection\n");
extern const char tpr_code[], tpr_read[], tpr_read_1[], tpr_read_8[], tpr_read_2nd[], tpr_write[],
	tpr_write_2[], tpr_both[], tpr_ppr[], tpr_eoi[], tpr_cr8[], tpr_rdmsr[], tpr_wrmsr[],
	tpr_word[], tpr_out[], tpr_end[];

static struct checks c;

#define IS(want, expr, what)							\
	do {									\
		uint64_t is_got = (uint64_t)(expr), is_want = (uint64_t)(want);	\
		check(&c, is_got == is_want, "%s: %s is 0x%llx, not 0x%llx", what, #expr, \
		      (unsigned long long)is_got, (unsigned long long)is_want);	\
	} while (0)

/* @vector alone in ISR or IRR; 0: none. */
static void lapic_put_vector(struct flat_guest *g, unsigned bitmap, unsigned vector)
{
	for (unsigned i = 0; i < 8; i++)
		flat_guest_lapic_put(g, bitmap + i * 0x10, vector && vector / 32 == i ? 1U << vector % 32 : 0);
}

static void make(struct flat_guest *g)
{
	flat_guest_make(g, 0, true, tpr_code, (size_t)(tpr_end - tpr_code));
	flat_guest_map_gib(g, 3);
	flat_guest_lapic_put(g, SVR, 0x1ff);
}

static void start(struct flat_guest *g, const char *entry, uint8_t bl)
{
	struct kvm_regs r = flat_guest_regs(g, entry);

	r.r15 = LAPIC;
	r.rbx = bl;
	r.rdx = 5;
	r.rdi = WORD;
	if (entry == tpr_rdmsr || entry == tpr_wrmsr) {
		r.rcx = X2APIC_TPR;
		r.rax = bl;
		r.rdx = 0;
	}
	flat_guest_set(g, &r);
}

static void report(struct flat_guest *g, uint32_t enabled)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = enabled };

	IS(0, kvm_ioctlp(g->vcpu, KVM_TPR_ACCESS_REPORTING, &ctl), "report");
}

static uint64_t rip_of(const char *entry)
{
	return GUEST_CODE + (uint64_t)(entry - tpr_code);
}

enum told { NOTHING, READ, WRITE };

static const struct access {
	const char *what, *entry;
	enum told told;
	uint8_t tpr;			/* afterwards; before it is 0x23 */
} accesses[] = {
	{ "a read", tpr_read, READ, 0x23 },
	{ "a read of a byte", tpr_read_1, READ, 0x23 },
	{ "a read of too much", tpr_read_8, NOTHING, 0x23 },
	{ "a read beside it", tpr_read_2nd, NOTHING, 0x23 },
	{ "a write", tpr_write, WRITE, 0x51 },
	{ "a write of two bytes", tpr_write_2, NOTHING, 0x23 },
	{ "a read and a write", tpr_both, WRITE, 0x63 },
	{ "PPR", tpr_ppr, NOTHING, 0x23 },
	{ "EOI", tpr_eoi, NOTHING, 0x23 },
	{ "CR8", tpr_cr8, NOTHING, 0x50 },
};

/* The access is over when it is told, with the address of its instruction. */
static void one_report(struct flat_guest *g, const char *what, const char *entry, enum told told)
{
	if (told == NOTHING) {
		IS(0, flat_guest_run(g), what);
		IS(KVM_EXIT_IO, g->run->exit_reason, what);
		return;
	}
	IS(0, flat_guest_run(g), what);
	IS(KVM_EXIT_TPR_ACCESS, g->run->exit_reason, what);
	IS(rip_of(entry), g->run->tpr_access.rip, what);
	IS(told == WRITE, g->run->tpr_access.is_write, what);
	check(&c, flat_guest_get(g).rip > rip_of(entry), "%s: its instruction is over", what);
	IS(0, flat_guest_run(g), what);
	IS(KVM_EXIT_IO, g->run->exit_reason, what);
}

static void reports(void)
{
	struct flat_guest g;

	make(&g);
	for (size_t i = 0; i < 2 * sizeof(accesses) / sizeof(accesses[0]); i++) {
		const struct access *a = &accesses[i / 2];

		report(&g, i % 2 ? 0x80000000 : 0);
		flat_guest_lapic_put(&g, TPR, 0x23);
		start(&g, a->entry, 0x51);
		one_report(&g, a->what, a->entry, i % 2 ? a->told : NOTHING);
		IS(a->tpr, flat_guest_lapic_get(&g, TPR), a->what);
	}
	flat_guest_free(&g);
}

/* In x2APIC mode the registers are MSRs, and user space's own access is one too. */
static void reports_of_msrs(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} msrs = { .head.nmsrs = 1, .e.index = X2APIC_TPR };
	struct kvm_sregs s;
	struct flat_guest g;

	make(&g);
	need(!kvm_ioctlp(g.vcpu, KVM_GET_SREGS, &s), "sregs");
	s.apic_base |= APIC_BASE_X2;
	need(!kvm_ioctlp(g.vcpu, KVM_SET_SREGS, &s), "sregs");
	report(&g, 1);
	start(&g, tpr_wrmsr, 0x42);
	one_report(&g, "WRMSR", tpr_wrmsr, WRITE);
	IS(0x42, flat_guest_lapic_get(&g, TPR), "WRMSR");
	start(&g, tpr_rdmsr, 0);
	one_report(&g, "RDMSR", tpr_rdmsr, READ);
	start(&g, tpr_out, 0);
	IS(1, kvm_ioctlp(g.vcpu, KVM_GET_MSRS, &msrs), "KVM_GET_MSRS");
	IS(0x42, msrs.e.data, "KVM_GET_MSRS");
	IS(0, flat_guest_run(&g), "KVM_GET_MSRS");
	IS(KVM_EXIT_TPR_ACCESS, g.run->exit_reason, "KVM_GET_MSRS");
	IS(rip_of(tpr_out), g.run->tpr_access.rip, "KVM_GET_MSRS");
	flat_guest_free(&g);
}

static void vapic(struct flat_guest *g, uint64_t gpa)
{
	struct kvm_vapic_addr va = { gpa };

	need(!kvm_ioctlp(g->vcpu, KVM_SET_VAPIC_ADDR, &va), "KVM_SET_VAPIC_ADDR");
}

static uint32_t word(const struct flat_guest *g)
{
	uint32_t value;

	memcpy(&value, g->low + WORD, sizeof(value));
	return value;
}

static void put_word(struct flat_guest *g, uint32_t value)
{
	memcpy(g->low + WORD, &value, sizeof(value));
}

static const struct shown {
	const char *what;
	uint8_t tpr, isr, irr;
	uint32_t want;
} shown[] = {
	{ "nothing", 0, 0, 0, 0 },
	{ "the TPR", 0x35, 0, 0, 0x35 },
	{ "what is in service, by its class", 0, 0x5c, 0, 0x5000 },
	{ "what waits", 0, 0, 0x61, 0x61000000 },
	{ "all", 0x20, 0x51, 0x63, 0x63005020 },
	{ "the most", 0xff, 0xff, 0xfe, 0xfe00f0ff },
};

/* The guest finds what is the case when it runs. */
static void the_guest_reads(void)
{
	struct flat_guest g;

	make(&g);
	vapic(&g, WORD);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		const struct shown *s = &shown[i];

		lapic_put_vector(&g, ISR, s->isr);
		lapic_put_vector(&g, IRR, s->irr);
		flat_guest_lapic_put(&g, TPR, s->tpr);
		put_word(&g, 0x99999999);
		start(&g, tpr_out, 0);
		IS(0, flat_guest_run(&g), s->what);
		IS(s->want, word(&g), s->what);
		IS(s->tpr, flat_guest_lapic_get(&g, TPR), s->what);
	}
	flat_guest_free(&g);
}

/* What the guest writes there is its TPR when it has left. */
static void the_guest_writes(void)
{
	struct flat_guest g;

	make(&g);
	vapic(&g, WORD);
	flat_guest_lapic_put(&g, TPR, 0x10);
	start(&g, tpr_word, 0x72);
	IS(0, flat_guest_run(&g), "a byte");
	IS(0x72, flat_guest_lapic_get(&g, TPR), "a byte");
	IS(0x72, flat_guest_lapic_get(&g, 0xa0), "a byte: the processor's priority follows");
	IS(7, g.run->cr8, "a byte: CR8");

	/* An APIC that is off by software shows nothing, and takes what is there. */
	flat_guest_lapic_put(&g, SVR, 0xff);
	put_word(&g, 0x12345678);
	start(&g, tpr_out, 0);
	IS(0, flat_guest_run(&g), "off");
	IS(0x12345678, word(&g), "off");
	IS(0x78, flat_guest_lapic_get(&g, TPR), "off");
	flat_guest_lapic_put(&g, SVR, 0x1ff);
	flat_guest_free(&g);
}

/* No address, one that is refused, and one whose memory goes. */
static void the_word_goes(void)
{
	struct kvm_vapic_addr nowhere = { GUEST_MMIO };
	struct flat_guest g;

	make(&g);
	vapic(&g, WORD);
	IS(-EINVAL, kvm_ioctlp(g.vcpu, KVM_SET_VAPIC_ADDR, &nowhere), "refused");
	vapic(&g, 0);
	flat_guest_lapic_put(&g, TPR, 0x44);
	put_word(&g, 0x33);
	start(&g, tpr_out, 0);
	IS(0, flat_guest_run(&g), "none");
	IS(0x33, word(&g), "none");
	IS(0x44, flat_guest_lapic_get(&g, TPR), "none");

	vapic(&g, WORD);
	need(!vm_region(g.vm, 0, 0, 0, 0, g.low) &&
	     !vm_region(g.vm, 0, 0, 0, 0x8000, g.low) &&
	     !vm_region(g.vm, 1, 0, 0x8000, PAGE, g.low + 0x8000), "slots");
	start(&g, tpr_out, 0);
	IS(0, flat_guest_run(&g), "half of it");
	IS(KVM_EXIT_IO, g.run->exit_reason, "half of it");
	IS(0x33, word(&g), "half of it");
	IS(0x44, flat_guest_lapic_get(&g, TPR), "half of it");
	need(!vm_region(g.vm, 2, KVM_MEM_READONLY, 0x9000, PAGE, g.low + 0x9000), "slot");
	start(&g, tpr_out, 0);
	IS(0, flat_guest_run(&g), "half of it cannot be written");
	IS(0x33, word(&g), "half of it cannot be written");
	IS(0x44, flat_guest_lapic_get(&g, TPR), "half of it cannot be written");
	need(!vm_region(g.vm, 2, 0, 0, 0, g.low) &&
	     !vm_region(g.vm, 2, 0, 0x9000, PAGE, g.low + 0x9000), "slot");
	start(&g, tpr_out, 0);
	IS(0, flat_guest_run(&g), "there again");
	IS(0x44, word(&g), "there again");
	flat_guest_free(&g);
}

/* INIT is a reset of the APIC. */
static void init_takes_it_away(void)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)LAPIC, .data = 0x4500 };
	struct flat_guest g;

	make(&g);
	vapic(&g, WORD);
	start(&g, tpr_out, 0);
	IS(0, flat_guest_run(&g), "INIT");
	put_word(&g, 0x66);
	IS(1, kvm_ioctlp(g.vm, KVM_SIGNAL_MSI, &msi), "INIT");
	/* Its reset vector has no memory here. */
	IS(0, flat_guest_run(&g), "INIT");
	IS(0x66, word(&g), "INIT");
	IS(0, flat_guest_lapic_get(&g, TPR), "INIT");
	flat_guest_free(&g);
}

int main(void)
{
	reports();
	reports_of_msrs();
	the_guest_reads();
	the_guest_writes();
	the_word_goes();
	init_takes_it_away();
	return checks_end(&c);
}
