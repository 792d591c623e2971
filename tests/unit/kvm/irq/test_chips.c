/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_chips.c - PIC, I/O APIC, routes, eventfds: from a line to the local APIC and back. */
#include "some_apics.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm/irq/ioapic.h"
#include "kvm/irq/irqfd.h"
#include "kvm/irq/pic.h"
#include "kvm/irq/pit.h"
#include "kvm/irq/routing.h"
#include "os/process.h"

#define USER	IRQ_SOURCE_USER
#define LEVEL	0x8000u
#define MASKED	0x10000u

static struct some_apics s;
static struct pic *pic;
static struct ioapic *io;

static int setup(void **unused)
{
	some_apics_make(&s, 2, IRQCHIP_KERNEL);
	s.module.irqfds = irqfds_create();
	assert_non_null(s.module.irqfds);
	pic = s.kvm.irq->pic = pic_create(&s.kvm);
	io = s.kvm.irq->ioapic = ioapic_create(&s.kvm);
	assert_non_null(pic);
	assert_non_null(io);
	assert_int_equal(irq_routing_set_default(&s.kvm), 0);
	for (unsigned i = 0; i < s.nr; i++)
		enable(s.vcpu[i].lapic);
	return 0;
}

static int teardown(void **unused)
{
	kvm_irq_quiesce(&s.kvm);
	irqfds_destroy(s.module.irqfds);
	some_apics_free(&s);
	return 0;
}

/* As a BIOS does: vectors from 8 and from 70h, EOIs by hand unless @auto_eoi. */
static void init_pics(bool auto_eoi)
{
	pic_port_write(pic, 0x20, 0x11);
	pic_port_write(pic, 0x21, 0x08);
	pic_port_write(pic, 0x21, 0x04);
	pic_port_write(pic, 0x21, auto_eoi ? 3 : 1);
	pic_port_write(pic, 0xa0, 0x11);
	pic_port_write(pic, 0xa1, 0x70);
	pic_port_write(pic, 0xa1, 0x02);
	pic_port_write(pic, 0xa1, auto_eoi ? 3 : 1);
}

static void pulse(unsigned pin)
{
	pic_set_irq(pic, pin, USER, true);
	pic_set_irq(pic, pin, USER, false);
}

/* Requests, in the order of the table, and what INTA says; 8259A data sheet, fully nested. */
static void the_lowest_number_goes_first(void **unused)
{
	static const struct {
		const char *why;
		int first, second;	/* -1: none */
		int vector, next;	/* next: while the first is in service; -1: none */
	} rows[] = {
		{ "the timer", 0, -1, 0x08, -1 },
		{ "the timer before the keyboard", 1, 0, 0x08, -1 },
		{ "in service holds back the same and the lower", 3, 5, 0x0b, -1 },
		{ "the slave comes in at 2", 8, -1, 0x70, -1 },
		{ "the slave before 3", 3, 12, 0x74, -1 },
		{ "1 before the slave", 12, 1, 0x09, -1 },
		{ "the slave's own order", 15, 9, 0x71, -1 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		init_pics(false);
		pulse((unsigned)rows[i].first);
		if (rows[i].second >= 0)
			pulse((unsigned)rows[i].second);
		assert_true(pic_has_interrupt(pic));
		assert_int_equal(pic_acknowledge(pic), rows[i].vector);
		if (pic_has_interrupt(pic) != (rows[i].next >= 0))
			fail_msg("%s: more", rows[i].why);
		/* Ends everything. */
		for (unsigned n = 0; n < 8; n++) {
			pic_port_write(pic, 0xa0, 0x20);
			pic_port_write(pic, 0x20, 0x20);
			if (pic_has_interrupt(pic))
				(void)pic_acknowledge(pic);
		}
	}
}

static void a_higher_one_interrupts_a_lower(void **unused)
{
	(void)unused;
	init_pics(false);
	pulse(5);
	assert_int_equal(pic_acknowledge(pic), 0x0d);
	pulse(7);
	assert_false(pic_has_interrupt(pic));
	pulse(1);
	assert_true(pic_has_interrupt(pic));
	assert_int_equal(pic_acknowledge(pic), 0x09);
	pic_port_write(pic, 0x20, 0x0b);		/* read ISR */
	assert_int_equal(pic_port_read(pic, 0x20), 1 << 5 | 1 << 1);
	pic_port_write(pic, 0x20, 0x20);
	assert_int_equal(pic_port_read(pic, 0x20), 1 << 5);
	pic_port_write(pic, 0x20, 0x65);		/* this one */
	assert_int_equal(pic_acknowledge(pic), 0x0f);
}

static void masks_levels_and_ghosts(void **unused)
{
	(void)unused;
	init_pics(false);
	pic_port_write(pic, 0x21, 0xff);
	assert_int_equal(pic_set_irq(pic, 4, USER, true), -1);
	assert_false(pic_has_interrupt(pic));
	pic_port_write(pic, 0x21, 0);
	assert_true(pic_has_interrupt(pic));
	pic_set_irq(pic, 4, USER, false);
	assert_int_equal(pic_acknowledge(pic), 0x0c);	/* an edge is remembered */
	pic_port_write(pic, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(pic), 0x0f);	/* nobody: spurious */
	pic_port_write(pic, 0x4d0, 0xff);
	assert_int_equal(pic_port_read(pic, 0x4d0), 0xf8);
	pic_set_irq(pic, 5, USER, true);
	pic_set_irq(pic, 5, IRQ_SOURCE_RESAMPLE, true);
	pic_set_irq(pic, 5, USER, false);
	assert_true(pic_has_interrupt(pic));		/* one source still drives it */
	assert_int_equal(pic_acknowledge(pic), 0x0d);
	pic_port_write(pic, 0x20, 0x20);
	assert_true(pic_has_interrupt(pic));		/* a level comes again */
	pic_set_irq(pic, 5, IRQ_SOURCE_RESAMPLE, false);
	assert_false(pic_has_interrupt(pic));
}

static void automatic_end_and_polling(void **unused)
{
	(void)unused;
	init_pics(true);
	pulse(3);
	assert_int_equal(pic_acknowledge(pic), 0x0b);
	pulse(6);
	assert_true(pic_has_interrupt(pic));		/* 3 is over */
	pic_port_write(pic, 0x20, 0x0c);
	assert_int_equal(pic_port_read(pic, 0x20), 0x86);
	pic_port_write(pic, 0x20, 0x0c);
	assert_int_equal(pic_port_read(pic, 0x20), 0x07);
	pulse(4);
	assert_int_equal(pic_port_read(pic, 0x20), 1 << 4);	/* one poll only: IRR again */
}

/* ICW1 without an ICW4 to come takes its bits back. */
static void initialisation_without_a_fourth_word(void **unused)
{
	struct kvm_pic_state a;

	(void)unused;
	init_pics(true);
	pic_port_write(pic, 0x21, 0x55);
	pic_port_write(pic, 0x20, 0x11);
	pic_save(pic, 0, &a);
	assert_int_equal(a.auto_eoi, 1);
	assert_int_equal(a.imr, 0);
	pic_port_write(pic, 0x20, 0x10);
	pic_save(pic, 0, &a);
	assert_int_equal(a.auto_eoi, 0);
	pic_port_write(pic, 0x21, 0x20);
	pic_port_write(pic, 0x21, 0x04);
	pulse(1);
	assert_int_equal(pic_acknowledge(pic), 0x21);
}

static void pic_state_comes_back(void **unused)
{
	struct kvm_pic_state a, b;

	(void)unused;
	init_pics(false);
	pulse(4);
	pic_save(pic, 0, &a);
	assert_int_equal(a.irr, 1 << 4);
	assert_int_equal(a.irq_base, 8);
	init_pics(false);
	assert_int_equal(pic_acknowledge(pic), 0x0f);	/* the line stays up, nobody is there */
	assert_false(pic_has_interrupt(pic));
	pic_load(pic, 0, &a);
	assert_true(pic_has_interrupt(pic));
	pic_save(pic, 0, &b);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void set_pin(unsigned pin, uint32_t low, uint8_t dest)
{
	ioapic_write(io, 0, 0x11 + 2 * pin);
	ioapic_write(io, 0x10, (uint32_t)dest << 24);
	ioapic_write(io, 0, 0x10 + 2 * pin);
	ioapic_write(io, 0x10, low);
}

static uint32_t get_pin(unsigned pin)
{
	ioapic_write(io, 0, 0x10 + 2 * pin);
	return ioapic_read(io, 0x10);
}

/* True: it was there, and is now in service. */
static bool take(unsigned vcpu, uint8_t vector)
{
	struct lapic *apic = s.vcpu[vcpu].lapic;

	if (!lapic_test(apic, LAPIC_IRR, vector))
		return false;
	lapic_ack(apic, vector);
	return true;
}

static void end(unsigned vcpu)
{
	assert_true(lapic_set_eoi(s.vcpu[vcpu].lapic) >= 0);
}

static void an_edge_is_sent_once(void **unused)
{
	(void)unused;
	set_pin(5, 0x45, 1);
	assert_int_equal(ioapic_set_irq(io, 5, USER, true), 1);
	assert_true(take(1, 0x45));
	assert_int_equal(ioapic_set_irq(io, 5, USER, true), 0);
	assert_false(take(1, 0x45));
	end(1);
	assert_false(take(1, 0x45));
	ioapic_set_irq(io, 5, USER, false);
	assert_int_equal(ioapic_set_irq(io, 5, USER, true), 1);
	assert_true(take(1, 0x45));
	assert_false(take(0, 0x45));
}

/* 82093AA 3.2.4: remote IRR holds a level back until its EOI. */
static void a_level_waits_for_its_end(void **unused)
{
	(void)unused;
	set_pin(9, 0x49 | LEVEL, 0);
	assert_true(ioapic_handles(io, 0x49));
	assert_int_equal(ioapic_set_irq(io, 9, USER, true), 1);
	assert_true(get_pin(9) & 0x4000);
	assert_int_equal(ioapic_set_irq(io, 9, USER, true), -1);
	assert_true(take(0, 0x49));
	end(0);
	assert_true(take(0, 0x49));			/* still high */
	ioapic_set_irq(io, 9, USER, false);
	end(0);
	assert_false(take(0, 0x49));
	assert_false(get_pin(9) & 0x4000);
	/* Remote IRR is not software's to write; changing to edge clears it. */
	ioapic_set_irq(io, 9, USER, true);
	set_pin(9, 0x49 | LEVEL, 0);
	assert_true(get_pin(9) & 0x4000);
	set_pin(9, 0x49, 0);
	assert_false(get_pin(9) & 0x4000);
}

static void masked_pins(void **unused)
{
	(void)unused;
	assert_int_equal(ioapic_set_irq(io, 3, USER, true), -1);
	set_pin(3, 0x43 | LEVEL | MASKED, 0);
	assert_false(take(0, 0x43));
	set_pin(3, 0x43 | LEVEL, 0);
	assert_true(take(0, 0x43));
	set_pin(3, 0x43 | LEVEL | MASKED, 0);
	end(0);
	assert_false(take(0, 0x43));
}

static void ioapic_registers(void **unused)
{
	struct kvm_ioapic_state a;

	(void)unused;
	ioapic_write(io, 0, 1);
	assert_int_equal(ioapic_read(io, 0x10), 0x170011);
	ioapic_write(io, 0, 0);
	ioapic_write(io, 0x10, 0xff000000);
	assert_int_equal(ioapic_read(io, 0x10), 0x0f000000);
	ioapic_write(io, 0, 0x40);
	assert_int_equal(ioapic_read(io, 0x10), 0);
	set_pin(2, 0x42, 1);
	ioapic_save(io, &a);
	assert_int_equal(a.redirtbl[2].fields.vector, 0x42);
	assert_int_equal(a.redirtbl[2].fields.dest_id, 1);
	assert_int_equal(a.base_address, IOAPIC_BASE);
	/* An edge that was not sent is sent after the restore. */
	a.irr = 1 << 2;
	ioapic_load(io, &a);
	assert_true(take(1, 0x42));
}

static struct kvm_irq_routing_entry pin_route(uint32_t gsi, uint32_t chip, uint32_t pin)
{
	return (struct kvm_irq_routing_entry){ .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
					       .u.irqchip = { chip, pin } };
}

static struct kvm_irq_routing_entry msi_route(uint32_t gsi, uint32_t hi, uint8_t dest, uint32_t data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000u | (uint32_t)dest << 12, .address_hi = hi,
			   .data = data } };
}

static void routes_that_may_be(void **unused)
{
	struct kvm_irq_routing_entry e[3];

	(void)unused;
	e[0] = pin_route(7, KVM_IRQCHIP_IOAPIC, 7);
	e[1] = pin_route(7, KVM_IRQCHIP_PIC_MASTER, 7);
	e[2] = msi_route(30, 0, 1, 0x61);
	assert_int_equal(irq_routing_set(&s.kvm, e, 3), 0);
	assert_int_equal(kvm_set_irq(&s.kvm, USER, 30, true), 1);
	assert_true(take(1, 0x61));
	assert_int_equal(kvm_set_irq(&s.kvm, USER, 30, false), -1);
	assert_int_equal(kvm_set_irq(&s.kvm, USER, 31, true), -1);
	e[1] = pin_route(7, KVM_IRQCHIP_IOAPIC, 8);
	assert_int_equal(irq_routing_set(&s.kvm, e, 3), -EINVAL);
	e[1] = msi_route(7, 0, 0, 0x61);
	assert_int_equal(irq_routing_set(&s.kvm, e, 3), -EINVAL);
	e[0] = msi_route(7, 0, 0, 0x61);
	e[0].flags = 2;
	assert_int_equal(irq_routing_set(&s.kvm, e, 1), -EINVAL);
	e[0].flags = KVM_MSI_VALID_DEVID;
	assert_int_equal(irq_routing_set(&s.kvm, e, 1), 0);
	e[0] = pin_route(7, KVM_IRQCHIP_IOAPIC, 7);
	e[0].flags = 1;
	assert_int_equal(irq_routing_set(&s.kvm, e, 1), -EINVAL);
	e[0] = pin_route(7, KVM_IRQCHIP_IOAPIC, 24);
	assert_int_equal(irq_routing_set(&s.kvm, e, 1), -EINVAL);
	e[0] = pin_route(7, KVM_IRQCHIP_PIC_SLAVE, 8);
	assert_int_equal(irq_routing_set(&s.kvm, e, 1), -EINVAL);
	e[0] = pin_route(KVM_MAX_IRQ_ROUTES, KVM_IRQCHIP_IOAPIC, 1);
	assert_int_equal(irq_routing_set(&s.kvm, e, 1), -EINVAL);
	s.kvm.irq->x2apic_format = true;
	e[0] = msi_route(30, 0x101, 1, 0x61);
	assert_int_equal(irq_routing_set(&s.kvm, e, 1), -EINVAL);
	e[0] = msi_route(30, 0x100, 1, 0x61);
	assert_int_equal(irq_routing_set(&s.kvm, e, 1), 0);
	assert_int_equal(kvm_set_irq(&s.kvm, USER, 30, true), 0);	/* id 101h: nobody */
}

static bool soon(bool (*fn)(void))
{
	uint64_t give_up = os_monotonic_ns() + 10000000000ull;

	while (!fn()) {
		if (os_monotonic_ns() > give_up)
			return false;
		os_yield();
	}
	return true;
}

static bool has_4a(void)
{
	return lapic_test(s.vcpu[0].lapic, LAPIC_IRR, 0x4a);
}

static void eventfds_are_edges(void **unused)
{
	int fd = eventfd(0, EFD_CLOEXEC), other = eventfd(0, EFD_CLOEXEC);
	struct kvm_irqfd args = { .fd = (uint32_t)fd, .gsi = 10 };

	(void)unused;
	set_pin(10, 0x4a, 0);
	assert_int_equal(kvm_irqfd(&s.kvm, &args), 0);
	assert_int_equal(kvm_irqfd(&s.kvm, &args), -EBUSY);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(eventfd_write(fd, 1), 0);
		assert_true(soon(has_4a));
		assert_true(take(0, 0x4a));
		end(0);
	}
	args.flags = KVM_IRQFD_FLAG_DEASSIGN;
	assert_int_equal(kvm_irqfd(&s.kvm, &args), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	args = (struct kvm_irqfd){ .fd = (uint32_t)other, .gsi = 10 };
	assert_int_equal(eventfd_write(other, 1), 0);
	assert_int_equal(kvm_irqfd(&s.kvm, &args), 0);	/* what was there counts */
	assert_true(soon(has_4a));
	args.flags = 4;
	assert_int_equal(kvm_irqfd(&s.kvm, &args), -EINVAL);
	close(fd);
	close(other);
}

/* Each is found among many, and none that has been taken back. */
static void many_eventfds(void **unused)
{
	struct kvm_irqfd args[70];

	(void)unused;
	set_pin(10, 0x4a, 0);
	for (unsigned i = 0; i < 70; i++) {
		args[i] = (struct kvm_irqfd){ .fd = (uint32_t)eventfd(0, EFD_CLOEXEC), .gsi = 10 };
		assert_int_equal(kvm_irqfd(&s.kvm, &args[i]), 0);
	}
	for (unsigned i = 0; i < 70; i += 3) {
		args[i].flags = KVM_IRQFD_FLAG_DEASSIGN;
		assert_int_equal(kvm_irqfd(&s.kvm, &args[i]), 0);
		assert_int_equal(eventfd_write((int)args[i].fd, 1), 0);
	}
	for (unsigned i = 0; i < 70; i++) {
		if (i % 3) {
			assert_int_equal(eventfd_write((int)args[i].fd, 1), 0);
			assert_true(soon(has_4a));
			assert_true(take(0, 0x4a));
			end(0);
		}
	}
	assert_false(has_4a());
	for (unsigned i = 0; i < 70; i++)
		close((int)args[i].fd);
}

static int resampled;

static bool told(void)
{
	eventfd_t n;

	return eventfd_read(resampled, &n) == 0;
}

/* The device is told that its interrupt has been ended, and raises it again if it must. */
static void eventfds_that_are_levels(void **unused)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct kvm_irqfd args = { .fd = (uint32_t)fd, .gsi = 10, .flags = KVM_IRQFD_FLAG_RESAMPLE };

	(void)unused;
	resampled = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	args.resamplefd = (uint32_t)resampled;
	set_pin(10, 0x4a | LEVEL, 0);
	assert_int_equal(kvm_irqfd(&s.kvm, &args), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_true(soon(has_4a));
	assert_true(take(0, 0x4a));
	assert_false(told());
	end(0);
	assert_true(told());
	assert_false(has_4a());				/* the line has fallen */
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_true(soon(has_4a));
	close(fd);
	close(resampled);
}

static bool has_pic(void)
{
	return pic_has_interrupt(pic);
}

/* The same by the PICs: of the slave's pin 2, which is line 10. */
static void levels_end_in_the_slave(void **unused)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct kvm_irqfd args = { .fd = (uint32_t)fd, .gsi = 10, .flags = KVM_IRQFD_FLAG_RESAMPLE };

	(void)unused;
	resampled = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	args.resamplefd = (uint32_t)resampled;
	init_pics(false);
	pic_port_write(pic, 0x4d1, 1 << 2);
	assert_int_equal(kvm_irqfd(&s.kvm, &args), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_true(soon(has_pic));
	assert_int_equal(pic_acknowledge(pic), 0x72);
	assert_false(told());
	pic_port_write(pic, 0x20, 0x20);		/* the cascade: not its end */
	assert_false(told());
	pic_port_write(pic, 0xa0, 0x20);
	assert_true(told());
	assert_false(pic_has_interrupt(pic));
	close(fd);
	close(resampled);
}

static bool has_30(void)
{
	return lapic_test(s.vcpu[0].lapic, LAPIC_IRR, 0x30);
}

/* Ticks at 1193182 Hz / 1193; with reinjection each waits for the end of the one before. */
static void the_interval_timer_ticks(void **unused)
{
	struct pit *pit = s.kvm.irq->pit = pit_create(&s.kvm);
	struct kvm_pit_state2 st;
	unsigned count;

	(void)unused;
	assert_non_null(pit);
	set_pin(0, 0x30, 0);
	assert_true(ioapic_handles(io, 0x30));
	pit_port_write(pit, 0x43, 0x34);		/* channel 0, word, mode 2 */
	pit_port_write(pit, 0x40, 1193 & 0xff);
	pit_port_write(pit, 0x40, 1193 >> 8);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(soon(has_30));
		assert_true(take(0, 0x30));
		end(0);
	}
	pit_save(pit, &st);
	assert_int_equal(st.channels[0].count, 1193);
	assert_int_equal(st.channels[0].mode, 2);
	pit_port_write(pit, 0x43, 0x00);		/* latch */
	count = pit_port_read(pit, 0x40);		/* low byte first */
	count |= (unsigned)pit_port_read(pit, 0x40) << 8;
	assert_true(count <= 1193);
	pit_port_write(pit, 0x43, 0xe2);		/* read back the status of 0 */
	assert_int_equal(pit_port_read(pit, 0x40) & 0x3f, 0x34);
	/* Channel 2 behind the speaker's port. */
	pit_port_write(pit, 0x43, 0xb0);		/* mode 0 */
	pit_port_write(pit, 0x42, 100);
	pit_port_write(pit, 0x42, 0);
	pit_port_write(pit, 0x61, 3);
	while (!(pit_port_read(pit, 0x61) & 0x20))
		os_yield();
	assert_int_equal(pit_port_read(pit, 0x61) & 3, 3);
}

/* What channel 2 has counted down lies between the two times that enclose it. */
static void a_channel_counts_by_itself(void **unused)
{
	struct pit *pit = s.kvm.irq->pit = pit_create(&s.kvm);
	uint64_t before, after, now, counted;

	(void)unused;
	assert_non_null(pit);
	pit_port_write(pit, 0x61, 1);
	pit_port_write(pit, 0x43, 0xb0);		/* channel 2, word, mode 0 */
	before = os_monotonic_ns();
	pit_port_write(pit, 0x42, 0xff);
	pit_port_write(pit, 0x42, 0xff);
	after = os_monotonic_ns();
	do {
		now = os_monotonic_ns();
		pit_port_write(pit, 0x43, 0x80);
		counted = pit_port_read(pit, 0x42);
		counted |= (uint64_t)pit_port_read(pit, 0x42) << 8;
		counted = 0xffff - counted;
	} while (now - after < 1000000);
	/* 838 ns each; modulo what it holds, if somebody kept us away for 50 ms */
	if (os_monotonic_ns() - before < 50000000) {
		assert_true(counted + 1 >= (now - after) / 839);
		assert_true(counted <= (os_monotonic_ns() - before) / 838 + 1);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_lowest_number_goes_first),
		T(a_higher_one_interrupts_a_lower),
		T(masks_levels_and_ghosts),
		T(automatic_end_and_polling),
		T(initialisation_without_a_fourth_word),
		T(pic_state_comes_back),
		T(an_edge_is_sent_once),
		T(a_level_waits_for_its_end),
		T(masked_pins),
		T(ioapic_registers),
		T(routes_that_may_be),
		T(eventfds_are_edges),
		T(many_eventfds),
		T(eventfds_that_are_levels),
		T(levels_end_in_the_slave),
		T(the_interval_timer_ticks),
		T(a_channel_counts_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
