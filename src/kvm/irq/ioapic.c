/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/irq/ioapic.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kvm/core/io_bus.h"
#include "kvm/irq/irq.h"

#define REG_SELECT	0x00
#define REG_WINDOW	0x10
#define INDEX_ID	0
#define INDEX_VERSION	1
#define INDEX_ARBITRATION 2
#define INDEX_PINS	0x10	/* two of each pin */
#define VERSION		0x11u
#define RTC_PIN		8

/*
 * A redirection entry:
 *
 *   63  56        16 15 14 13 12 11 10 8 7    0
 *  [ dest | 0...0 | M| T| R| P| S| L| mode|vector]
 *
 *   M masked, T level-triggered, R remote IRR, P active low, S pending, L logical
 */
#define PIN_LOGICAL	BIT(11)
#define PIN_PENDING	BIT(12)
#define PIN_REMOTE_IRR	BIT(14)
#define PIN_LEVEL	BIT(15)
#define PIN_MASKED	BIT(16)
#define PIN_READ_ONLY	(PIN_PENDING | PIN_REMOTE_IRR)

/* Keys: [D] lock. */
struct ioapic {
	struct kvm	*kvm;		/* constant */
	struct spinlock	 lock;		/* RANK_IOAPIC */
	uint32_t	 select, id;	/* [D] */
	uint32_t	 irr;		/* [D] lines that are high, or were and have not been sent */
	uint32_t	 delivered;	/* [D] edges among them that have been sent */
	uint64_t	 pin[IOAPIC_NR_PINS];	/* [D] redirection entries */
	uint32_t	 sources[IOAPIC_NR_PINS];	/* [D] BIT(enum irq_source) */
	atomic64_t	 handled[4];	/* [a] vectors whose EOI matters */
	struct kvm_io_device dev;
};

/* The lock is held.  As ioapic_set_irq(). */
static int service(struct ioapic *io, unsigned pin)
{
	uint64_t e = io->pin[pin];
	struct lapic_irq irq = {
		.vector = (uint8_t)e, .delivery = e & 0x700, .logical = e & PIN_LOGICAL,
		.trig_level = e & PIN_LEVEL, .level = true, .dest = e >> 56,
	};
	int n;

	if ((e & PIN_MASKED) || ((e & PIN_LEVEL) && (e & PIN_REMOTE_IRR)))
		return -1;
	if (!(e & PIN_LEVEL))
		io->delivered |= (uint32_t)BIT(pin);
	n = irq_deliver(io->kvm, NULL, &irq);
	if (n && (e & PIN_LEVEL))
		io->pin[pin] |= PIN_REMOTE_IRR;
	return n;
}

static int set_line(struct ioapic *io, unsigned pin, bool level)
{
	uint32_t bit = (uint32_t)BIT(pin), old = io->irr;

	if (!level) {
		io->irr &= ~bit;
		return 1;
	}
	io->irr |= bit;
	if (!(io->pin[pin] & PIN_LEVEL)) {
		io->delivered &= ~bit;
		if (old == io->irr)
			return 0;
	}
	return service(io, pin);
}

int ioapic_set_irq(struct ioapic *io, unsigned pin, enum irq_source source, bool level)
{
	uint64_t e;
	int n;

	spin_lock(&io->lock);
	if (level)
		io->sources[pin] |= BIT(source);
	else
		io->sources[pin] &= ~(uint32_t)BIT(source);
	n = set_line(io, pin, io->sources[pin]);
	e = io->pin[pin];
	(void)e;	/* the second build traces nothing */
	spin_unlock(&io->lock);
	TRACE(io->kvm->module->trace, kvm_ioapic_set_irq, pin, e >> 56, (uint8_t)e, e >> 8 & 7,
	      e & BIT(11), e & BIT(15), e & BIT(16), !n);
	return n;
}

/* @noticed: pins whose EOI somebody waits for, whatever their trigger. */
static void scan(struct ioapic *io, uint32_t noticed)
{
	uint64_t vectors[4] = { 0 };

	for (unsigned i = 0; i < IOAPIC_NR_PINS; i++) {
		uint8_t v = (uint8_t)io->pin[i];

		if ((io->pin[i] & PIN_LEVEL) || i == RTC_PIN || (noticed & BIT(i)))
			vectors[v / 64] |= BIT(v % 64);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++)
		atomic64_store(&io->handled[i], vectors[i]);
}

void ioapic_scan(struct ioapic *io)
{
	uint32_t noticed = 0;

	for (unsigned i = 0; i < IOAPIC_NR_PINS; i++)
		noticed |= irq_has_notifier(io->kvm, KVM_IRQCHIP_IOAPIC, i) ? (uint32_t)BIT(i) : 0;
	spin_lock(&io->lock);
	scan(io, noticed);
	spin_unlock(&io->lock);
}

bool ioapic_handles(const struct ioapic *io, uint8_t vector)
{
	return atomic64_load(&io->handled[vector / 64]) >> (vector % 64) & 1;
}

/* Who waits for the end may lower the line: so it is told before the pin is looked at. */
static void end_pin(struct ioapic *io, unsigned pin, bool level) NO_LOCK_ANALYSIS
{
	spin_unlock(&io->lock);
	irq_notify_acked(io->kvm, KVM_IRQCHIP_IOAPIC, pin);
	spin_lock(&io->lock);
	if (!level)
		return;
	io->pin[pin] &= ~PIN_REMOTE_IRR;
	if (!(io->pin[pin] & PIN_MASKED) && (io->irr & BIT(pin)))
		(void)service(io, pin);
}

void ioapic_eoi(struct ioapic *io, uint8_t vector, bool level)
{
	spin_lock(&io->lock);
	for (unsigned i = 0; i < IOAPIC_NR_PINS; i++) {
		if ((uint8_t)io->pin[i] == vector)
			end_pin(io, i, level && (io->pin[i] & PIN_LEVEL));
	}
	spin_unlock(&io->lock);
}

static void write_pin(struct ioapic *io, unsigned index, uint32_t value)
{
	unsigned pin = index / 2;
	uint64_t old = io->pin[pin], e;

	if (index & 1) {
		e = (old & 0xffffffff) | (uint64_t)value << 32;
	} else {
		e = (old & ~0xffffffffull) | value;
		e = (e & ~PIN_READ_ONLY) | (old & PIN_READ_ONLY);
	}
	if (!(e & PIN_LEVEL))
		e &= ~PIN_REMOTE_IRR;
	io->pin[pin] = e;
	if ((old & PIN_MASKED) && !(e & PIN_MASKED))
		irq_unmasked(io->kvm, KVM_IRQCHIP_IOAPIC, pin);
	/* A level that is still there was not an edge that is gone. */
	if ((e & PIN_LEVEL) && (io->irr & BIT(pin)) && !(e & PIN_MASKED) && !(e & PIN_REMOTE_IRR))
		(void)service(io, pin);
}

static void write_window(struct ioapic *io, uint32_t value)
{
	unsigned index = io->select - INDEX_PINS;

	if (io->select == INDEX_ID)
		io->id = value >> 24 & 0xf;
	else if (io->select >= INDEX_PINS && index < 2 * IOAPIC_NR_PINS)
		write_pin(io, index, value);
}

void ioapic_write(struct ioapic *io, uint32_t offset, uint32_t value)
{
	spin_lock(&io->lock);
	if (offset == REG_SELECT)
		io->select = value & 0xff;
	else if (offset == REG_WINDOW)
		write_window(io, value);
	spin_unlock(&io->lock);
	if (offset == REG_WINDOW)
		ioapic_scan(io);
}

static uint32_t read_window(const struct ioapic *io)
{
	unsigned index = io->select - INDEX_PINS;

	switch (io->select) {
	case INDEX_VERSION:
		return (IOAPIC_NR_PINS - 1) << 16 | VERSION;
	case INDEX_ID: case INDEX_ARBITRATION:
		return io->id << 24;
	default:
		if (io->select < INDEX_PINS || index >= 2 * IOAPIC_NR_PINS)
			return 0;
		return (uint32_t)(io->pin[index / 2] >> (index & 1 ? 32 : 0));
	}
}

uint32_t ioapic_read(struct ioapic *io, uint32_t offset)
{
	uint32_t value = 0;

	spin_lock(&io->lock);
	if (offset == REG_SELECT)
		value = io->select;
	else if (offset == REG_WINDOW)
		value = read_window(io);
	spin_unlock(&io->lock);
	return value;
}

void ioapic_save(struct ioapic *io, struct kvm_ioapic_state *state)
{
	memset(state, 0, sizeof(*state));
	spin_lock(&io->lock);
	state->base_address = IOAPIC_BASE;
	state->ioregsel = io->select;
	state->id = io->id;
	state->irr = io->irr & ~io->delivered;
	for (unsigned i = 0; i < IOAPIC_NR_PINS; i++)
		state->redirtbl[i].bits = io->pin[i];
	spin_unlock(&io->lock);
}

/* Lines that were high are raised again: edges that had not been sent are sent. */
void ioapic_load(struct ioapic *io, const struct kvm_ioapic_state *state)
{
	spin_lock(&io->lock);
	io->select = state->ioregsel;
	io->id = state->id;
	io->irr = 0;
	io->delivered = 0;
	for (unsigned i = 0; i < IOAPIC_NR_PINS; i++)
		io->pin[i] = state->redirtbl[i].bits;
	spin_unlock(&io->lock);
	ioapic_scan(io);
	spin_lock(&io->lock);
	for (unsigned i = 0; i < IOAPIC_NR_PINS; i++) {
		if (state->irr & BIT(i))
			(void)set_line(io, i, true);
	}
	spin_unlock(&io->lock);
}

/* 32 bits at a time; a 64-bit access is its lower half, a narrow write is widened. */
static bool take_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
		       const void *data)
{
	uint32_t value = 0;

	memcpy(&value, data, MIN(len, (unsigned)sizeof(value)));
	if (len == 1)
		value &= 0xff;
	ioapic_write(container_of(dev, struct ioapic, dev), addr.v & 0xff, value);
	return true;
}

static bool take_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
		      void *data)
{
	uint32_t value = ioapic_read(container_of(dev, struct ioapic, dev), addr.v & 0xff);

	memset(data, 0, len);
	memcpy(data, &value, MIN(len, (unsigned)sizeof(value)));
	return true;
}

static void stay(struct kvm_io_device *dev)
{
}

static const struct kvm_io_device_ops ops = {
	.read = take_read, .write = take_write, .destroy = stay,
};

struct ioapic *ioapic_create(struct kvm *kvm)
{
	struct ioapic *io = calloc(1, sizeof(*io));

	if (!io)
		return NULL;
	io->kvm = kvm;
	io->dev.ops = &ops;
	spin_init(&io->lock, "ioapic", RANK_IOAPIC);
	for (unsigned i = 0; i < IOAPIC_NR_PINS; i++)
		io->pin[i] = PIN_MASKED;
	return io;
}

void ioapic_destroy(struct ioapic *io)
{
	free(io);
}

int ioapic_register(struct ioapic *io)
{
	return kvm_io_bus_register(io->kvm, KVM_MMIO_BUS, GPA(IOAPIC_BASE), IOAPIC_SIZE, &io->dev);
}
