/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_interrupts.c - interrupts as a guest takes them: from user space, from
 * pins, messages, timers and other vCPUs; NMIs; INIT and SIPI; HLT.
 *
 * Every handler tells its vector by an OUT, so each KVM_RUN ends at the next
 * thing that happened to the guest.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "flat_guest.h"
#include "kvm_user.h"

#define IDT		0x8000UL	/* 256 gates: a page */
#define GDT		0x9000UL
#define PV_BYTE		0xa000UL
#define STACK		0xf000UL
#define AP_PAGE		0x5000UL
#define LAPIC		0xfee00000UL
#define GATES		256
#define HANDLER_PORT	0x11
#define AP_PORT		0x13
#define CODE_SELECTOR	8
#define RFLAGS_IF	0x200UL
#define MSR_PV_EOI	0x4b564d04

/* RBX: 1 to end the interrupt by the APIC's register, 2 by the paravirtual bit.  R15: the APIC. */
#define HANDLER(v)						\
	"irq_" #v ":	push %rax; mov $0x" #v ", %al; jmp irq_take\n"

__asm__(".pushsection .rodata\n"
	"irq_code:\n"
	"irq_spin:	jmp irq_spin\n"
	"irq_closed:	cli; out %al, $0x10; sti; nop; nop; nop; out %al, $0x10; jmp irq_spin\n"
	"irq_idle:	out %al, $0x10; jmp irq_idle\n"
	"irq_halt:	sti; hlt; out %al, $0x10; jmp irq_halt\n"
	"irq_send:	mov %ecx, 0x310(%r15); mov %eax, 0x300(%r15); mov %edx, 0x300(%r15)\n"
	"		out %al, $0x10; jmp irq_spin\n"
	HANDLER(2)
	HANDLER(40)
	HANDLER(50)
	HANDLER(61)
	/* An exit takes the paravirtual bit away: it is tried first. */
	"irq_take:	cmp $2, %rbx; jne 1f\n"
	"		lock btr $0, 0xa000; jc 1f\n"
	"		out %al, $0x12; movl $0, 0xb0(%r15)\n"
	"1:		out %al, $0x11\n"
	"		cmp $1, %rbx; jne 2f\n"
	"		movl $0, 0xb0(%r15)\n"
	"2:		pop %rax; iretq\n"
	/* In real mode, at the page that SIPI names. */
	"irq_ap:	.byte 0xb0, 0x77, 0xe6, 0x13, 0xf4\n"
	"irq_end:	.popsection\n");
extern const char irq_code[], irq_spin[], irq_closed[], irq_idle[], irq_halt[], irq_send[];
extern const char irq_2[], irq_40[], irq_50[], irq_61[], irq_ap[], irq_end[];

static struct checks c;

#define IS(want, expr, what)							\
	do {									\
		uint64_t is_got = (uint64_t)(expr), is_want = (uint64_t)(want);	\
		check(&c, is_got == is_want, "%s: %s is 0x%llx, not 0x%llx", what, #expr, \
		      (unsigned long long)is_got, (unsigned long long)is_want);	\
	} while (0)

static void set_gate(struct flat_guest *g, unsigned vector, const char *handler)
{
	uint64_t at = GUEST_CODE + (uint64_t)(handler - irq_code);
	uint64_t gate[2] = { (at & 0xffff) | CODE_SELECTOR << 16 | 0x8e00ULL << 32 |
			     (at >> 16 & 0xffff) << 48, at >> 32 };

	memcpy(g->low + IDT + vector * 16UL, gate, sizeof(gate));
}

enum chips { NONE, KERNEL };

/* No BIOS has masked the PICs, to which the boot processor listens. */
static void mask_pics(struct flat_guest *g)
{
	for (unsigned i = KVM_IRQCHIP_PIC_MASTER; i <= KVM_IRQCHIP_PIC_SLAVE; i++) {
		struct kvm_irqchip chip = { .chip_id = i };

		need(!kvm_ioctlp(g->vm, KVM_GET_IRQCHIP, &chip), "PIC");
		chip.chip.pic.imr = 0xff;
		need(!kvm_ioctlp(g->vm, KVM_SET_IRQCHIP, &chip), "PIC");
	}
}

static void make(struct flat_guest *g, enum chips chips)
{
	static const uint64_t gdt[3] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	struct kvm_sregs s;

	flat_guest_make(g, 0, chips == KERNEL, irq_code, (size_t)(irq_end - irq_code));
	flat_guest_map_gib(g, 3);
	set_gate(g, 2, irq_2);
	set_gate(g, 0x40, irq_40);
	set_gate(g, 0x50, irq_50);
	set_gate(g, 0x61, irq_61);
	memcpy(g->low + GDT, gdt, sizeof(gdt));
	memcpy(g->low + AP_PAGE, irq_ap, (size_t)(irq_end - irq_ap));
	need(!kvm_ioctlp(g->vcpu, KVM_GET_SREGS, &s), "sregs");
	s.idt.base = IDT;
	s.idt.limit = GATES * 16 - 1;
	s.gdt.base = GDT;
	s.gdt.limit = sizeof(gdt) - 1;
	s.cs.selector = CODE_SELECTOR;
	s.ss.selector = 16;
	need(!kvm_ioctlp(g->vcpu, KVM_SET_SREGS, &s), "sregs");
	if (chips == KERNEL)
		mask_pics(g);
}

static void start(struct flat_guest *g, const char *entry, bool open, uint64_t rbx)
{
	struct kvm_regs r = flat_guest_regs(g, entry);

	r.rsp = STACK;
	r.rflags = 2 | (open ? RFLAGS_IF : 0);
	r.rbx = rbx;
	r.r15 = LAPIC;
	flat_guest_set(g, &r);
}

/* The port of the OUT that ended KVM_RUN, with its value; 0: something else. */
static unsigned run(struct flat_guest *g, unsigned *value)
{
	*value = 0;
	if (flat_guest_run(g) || g->run->exit_reason != KVM_EXIT_IO)
		return 0;
	*value = ((const uint8_t *)g->run)[g->run->io.data_offset];
	return g->run->io.port;
}

#define TOOK(vector, what)							\
	do {									\
		unsigned took_value, took_port = run(&g, &took_value);		\
		IS(HANDLER_PORT, took_port, what);				\
		IS(vector, took_value, what);					\
	} while (0)

#define IDLE(what)								\
	do {									\
		unsigned idle_value;						\
		IS(GUEST_IDLE_PORT, run(&g, &idle_value), what);		\
	} while (0)

static void from_user_space(void)
{
	struct kvm_interrupt irq = { 0x40 };
	struct flat_guest g;

	make(&g, NONE);
	start(&g, irq_idle, true, 0);
	IDLE("user: open");
	IS(1, g.run->ready_for_interrupt_injection, "user: open");
	IS(0, kvm_ioctlp(g.vcpu, KVM_INTERRUPT, &irq), "user: open");
	TOOK(0x40, "user: open");
	IS(0, g.run->if_flag, "user: in the handler");
	IS(0, g.run->ready_for_interrupt_injection, "user: in the handler");
	IDLE("user: back");

	start(&g, irq_closed, false, 0);
	IDLE("user: closed");
	IS(0, g.run->ready_for_interrupt_injection, "user: closed");
	g.run->request_interrupt_window = 1;
	IS(0, flat_guest_run(&g), "user: the window");
	IS(KVM_EXIT_IRQ_WINDOW_OPEN, g.run->exit_reason, "user: the window");
	IS(1, g.run->ready_for_interrupt_injection, "user: the window");
	g.run->request_interrupt_window = 0;
	IS(0, kvm_ioctlp(g.vcpu, KVM_INTERRUPT, &irq), "user: the window");
	TOOK(0x40, "user: the window");
	IDLE("user: after the window");
	flat_guest_free(&g);
}

/* One at a time; of those that come meanwhile one is kept until IRET. */
static void nmis(void)
{
	struct flat_guest g;

	make(&g, NONE);
	start(&g, irq_idle, false, 0);
	IDLE("NMI");
	IS(0, kvm_ioctl(g.vcpu, KVM_NMI, 0), "NMI");
	TOOK(2, "NMI: interrupts are off");
	for (int i = 0; i < 3; i++)
		IS(0, kvm_ioctl(g.vcpu, KVM_NMI, 0), "NMI: in its handler");
	TOOK(2, "NMI: after IRET");
	IDLE("NMI: three were one");
	IDLE("NMI: no more");
	flat_guest_free(&g);
}

static void redirect(struct flat_guest *g, unsigned pin, uint64_t entry)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	need(!kvm_ioctlp(g->vm, KVM_GET_IRQCHIP, &chip), "I/O APIC");
	chip.chip.ioapic.redirtbl[pin].bits = entry;
	need(!kvm_ioctlp(g->vm, KVM_SET_IRQCHIP, &chip), "I/O APIC");
}

static long line(struct flat_guest *g, unsigned gsi, unsigned level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };
	long r = kvm_ioctlp(g->vm, KVM_IRQ_LINE_STATUS, &l);

	return r ? r : l.status;
}

/* A level ends HLT, comes again while it is high, and ends with the line. */
static void a_level_through_the_ioapic(void)
{
	struct flat_guest g;

	make(&g, KERNEL);
	flat_guest_lapic_put(&g, 0xf0, 0x1ff);
	redirect(&g, 9, 0x40 | 1 << 15);
	start(&g, irq_halt, false, 1);
	IS(1, line(&g, 9, 1), "level");
	TOOK(0x40, "level");
	TOOK(0x40, "level: still high");
	IS(1, line(&g, 9, 0), "level: low");
	IDLE("level: out of HLT");
	IS(1, line(&g, 9, 1), "level: again");
	IS((uint64_t)-1, line(&g, 9, 1), "level: waits for its EOI");
	TOOK(0x40, "level: again");
	flat_guest_free(&g);
}

/* Priorities: the higher first, the other when it has been ended. */
static void two_at_once(void)
{
	struct flat_guest g;

	make(&g, KERNEL);
	flat_guest_lapic_put(&g, 0xf0, 0x1ff);
	redirect(&g, 3, 0x40);
	redirect(&g, 4, 0x50);
	start(&g, irq_idle, false, 1);
	IDLE("two");
	IS(1, line(&g, 3, 1), "two");
	IS(1, line(&g, 4, 1), "two");
	IS(0, line(&g, 4, 1), "two: the same edge");
	IDLE("two: interrupts are off");
	start(&g, irq_idle, true, 1);
	TOOK(0x50, "two: the higher");
	TOOK(0x40, "two: the lower");
	IDLE("two: both are over");
	flat_guest_free(&g);
}

/* Nothing but the timer's kick ends a guest that spins. */
static void a_timer_while_the_guest_spins(void)
{
	struct flat_guest g;

	make(&g, KERNEL);
	flat_guest_lapic_put(&g, 0xf0, 0x1ff);
	flat_guest_lapic_put(&g, 0x3e0, 0xb);
	flat_guest_lapic_put(&g, 0x320, 0x61 | 1 << 17);
	start(&g, irq_spin, true, 1);
	flat_guest_lapic_put(&g, 0x380, 3000000);
	/* A restored count starts where it was left; 0 begins anew. */
	TOOK(0x61, "timer");
	TOOK(0x61, "timer: the next period");
	TOOK(0x61, "timer: and the next");
	flat_guest_free(&g);
}

static void copy_vcpu(int from, int to)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} cpuid = { .head.nent = 256 };
	struct kvm_sregs s;

	need(!kvm_ioctlp(from, KVM_GET_CPUID2, &cpuid) && !kvm_ioctlp(to, KVM_SET_CPUID2, &cpuid),
	     "CPUID");
	need(!kvm_ioctlp(from, KVM_GET_SREGS, &s) && !kvm_ioctlp(to, KVM_SET_SREGS, &s), "sregs");
}

static void the_users_ioapic(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e;
	} routes = { .head.nr = 1, .e = { .gsi = 5, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = (uint32_t)LAPIC, .data = 0x40 | 1 << 15 } } };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_msi msi = { .address_lo = (uint32_t)LAPIC, .data = 0x50 };
	struct kvm_interrupt ext = { 0x61 };
	struct flat_guest g;
	int vm, vcpu;

	/* The chips come before the vCPU: a second VM, with the first one's memory and state. */
	make(&g, NONE);
	vm = vm_make(g.kvm, 0);
	need(!kvm_ioctlp(vm, KVM_ENABLE_CAP, &cap), "split");
	IS(-EEXIST, kvm_ioctlp(vm, KVM_ENABLE_CAP, &cap), "split: twice");
	IS(-EEXIST, kvm_ioctl(vm, KVM_CREATE_IRQCHIP, 0), "split, then all");
	need(!vm_region(vm, 0, 0, 0, GUEST_LOW, g.low), "slot");
	vcpu = (int)kvm_ioctl(vm, KVM_CREATE_VCPU, 0);
	need(vcpu >= 0, "vCPU");
	copy_vcpu(g.vcpu, vcpu);
	g.vm = vm;
	g.vcpu = vcpu;
	g.run = vcpu_map(g.kvm, vcpu);
	flat_guest_lapic_put(&g, 0xf0, 0x1ff);
	need(!kvm_ioctlp(vm, KVM_SET_GSI_ROUTING, &routes), "routes");
	start(&g, irq_halt, false, 1);
	IS(1, line(&g, 5, 1), "split: a level message");
	TOOK(0x40, "split: a level message");
	IS(0, flat_guest_run(&g), "split: its end");
	IS(KVM_EXIT_IOAPIC_EOI, g.run->exit_reason, "split: its end");
	IS(0x40, g.run->eoi.vector, "split: its end");
	IDLE("split: out of HLT");
	IS(1, kvm_ioctlp(vm, KVM_SIGNAL_MSI, &msi), "split: an edge message");
	TOOK(0x50, "split: an edge message");
	flat_guest_lapic_put(&g, 0x350, 0x700);
	IS(0, kvm_ioctlp(vcpu, KVM_INTERRUPT, &ext), "split: the user's PIC");
	IS(-EEXIST, kvm_ioctlp(vcpu, KVM_INTERRUPT, &ext), "split: the user's PIC");
	/* In between the guest has ended the edge: no exit tells of that. */
	TOOK(0x61, "split: the user's PIC");
}

/* The guest clears a bit instead of writing EOI; KVM looks at the next exit. */
static void ends_without_an_exit(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} msrs = { .head.nmsrs = 1, .e = { .index = MSR_PV_EOI, .data = PV_BYTE | 1 } };
	struct flat_guest g;
	unsigned port, value;

	make(&g, KERNEL);
	flat_guest_lapic_put(&g, 0xf0, 0x1ff);
	redirect(&g, 3, 0x50);
	redirect(&g, 4, 0x40);
	IS(1, kvm_ioctlp(g.vcpu, KVM_SET_MSRS, &msrs), "PV EOI");
	start(&g, irq_idle, true, 2);
	/* The first finds pages that are not mapped yet, and their faults are exits. */
	IS(1, line(&g, 3, 1), "PV EOI");
	do {
		port = run(&g, &value);
	} while (port == 0x12);
	IS(HANDLER_PORT, port, "PV EOI: the first");
	IDLE("PV EOI: the first");
	line(&g, 3, 0);
	IS(1, line(&g, 3, 1), "PV EOI");
	TOOK(0x50, "PV EOI");
	IDLE("PV EOI: the bit was there, no EOI was written");
	IS(1, line(&g, 4, 1), "PV EOI: the lower");
	TOOK(0x40, "PV EOI: the first is over");
	IDLE("PV EOI");
	flat_guest_free(&g);
}

struct ap {
	int vcpu;
	struct kvm_run *run;
	long first;
};

static void *run_ap(void *arg)
{
	struct ap *ap = arg;
	long r;

	ap->first = kvm_ioctl(ap->vcpu, KVM_RUN, 0);
	for (r = ap->first; r == -EAGAIN; r = kvm_ioctl(ap->vcpu, KVM_RUN, 0))
		;
	return (void *)r;
}

static void init_and_sipi(void)
{
	struct ap ap;
	struct flat_guest g;
	struct kvm_mp_state mp;
	struct kvm_regs r;
	pthread_t thread;
	void *ret;

	make(&g, KERNEL);
	flat_guest_lapic_put(&g, 0xf0, 0x1ff);
	ap.vcpu = (int)kvm_ioctl(g.vm, KVM_CREATE_VCPU, 1);
	need(ap.vcpu >= 0, "vCPU 1");
	ap.run = vcpu_map(g.kvm, ap.vcpu);
	need(!kvm_ioctlp(ap.vcpu, KVM_GET_MP_STATE, &mp), "MP state");
	IS(KVM_MP_STATE_UNINITIALIZED, mp.mp_state, "SIPI: before");
	need(!pthread_create(&thread, NULL, run_ap, &ap), "thread");
	start(&g, irq_send, false, 0);
	r = flat_guest_get(&g);
	r.rcx = 1 << 24;
	r.rax = 0x4500;				/* INIT */
	r.rdx = 0x4600 | AP_PAGE >> 12;		/* SIPI */
	flat_guest_set(&g, &r);
	IDLE("SIPI: sent");
	pthread_join(thread, &ret);
	IS(0, (long)ret, "SIPI: the AP");
	IS((uint64_t)-EAGAIN, ap.first, "SIPI: the first KVM_RUN only waits");
	IS(KVM_EXIT_IO, ap.run->exit_reason, "SIPI: the AP");
	IS(AP_PORT, ap.run->io.port, "SIPI: the AP");
	need(!kvm_ioctlp(ap.vcpu, KVM_GET_MP_STATE, &mp), "MP state");
	IS(KVM_MP_STATE_RUNNABLE, mp.mp_state, "SIPI: after");
	flat_guest_free(&g);
}

int main(void)
{
	from_user_space();
	nmis();
	a_level_through_the_ioapic();
	two_at_once();
	a_timer_while_the_guest_spins();
	the_users_ioapic();
	ends_without_an_exit();
	init_and_sipi();
	return checks_end(&c);
}
