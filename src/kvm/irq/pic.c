/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/irq/pic.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kvm/core/io_bus.h"
#include "kvm/core/request.h"
#include "kvm/irq/irq.h"

#define NONE		8	/* as a priority: lower than all */
#define CASCADE		2	/* the master's pin where the slave is */
#define SPURIOUS	7
#define ELCR_MASTER	0xf8	/* pins that may be level-triggered */
#define ELCR_SLAVE	0xde

/* Initialisation words still to come. */
enum { READY, WANTS_ICW2, WANTS_ICW3, WANTS_ICW4 };

/* Keys: [D] lock. */
struct pic {
	struct kvm	*kvm;		/* constant */
	struct spinlock	 lock;		/* RANK_PIC */
	struct kvm_pic_state chip[2];	/* [D] master, slave */
	uint32_t	 sources[PIC_NR_PINS];	/* [D] BIT(enum irq_source) that drive it */
	bool		 wake;		/* [D] the line to the processor has risen */
	atomic32_t	 output;	/* [a] that line */
	struct kvm_io_device master, slave, elcr;
};

/* The processor that listens to the PIC looks. */
static void wake_listener(struct kvm *kvm)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	for (uint32_t i = 0; i < n; i++) {
		struct kvm_vcpu *vcpu = kvm_get_vcpu(kvm, i);

		if (vcpu->lapic && lapic_accepts_pic(vcpu->lapic)) {
			kvm_make_request(KVM_REQ_EVENT, vcpu);
			kvm_vcpu_kick(vcpu);
			return;
		}
	}
}

/* The processor is told after the lock is given back. */
static void pic_unlock(struct pic *s) RELEASE(s->lock) NO_LOCK_ANALYSIS
{
	bool wake = s->wake;

	s->wake = false;
	spin_unlock(&s->lock);
	if (wake)
		wake_listener(s->kvm);
}

static bool is_master(const struct pic *s, const struct kvm_pic_state *c)
{
	return c == &s->chip[0];
}

/*
 * Whoever waits for the end is told at once, with the lock given back for it: he may
 * take the line down, and what then still asks is looked at afterwards.
 */
static void clear_isr(struct pic *s, struct kvm_pic_state *c, unsigned irq) NO_LOCK_ANALYSIS
{
	unsigned pin = irq + (is_master(s, c) ? 0 : 8);

	c->isr &= (uint8_t)~BIT(irq);
	spin_unlock(&s->lock);
	irq_notify_acked(s->kvm, pin / 8, pin);
	spin_lock(&s->lock);
}

/* 1: requested; 0: already; -1: masked. */
static int set_line(struct kvm_pic_state *c, unsigned irq, bool level)
{
	uint8_t bit = (uint8_t)BIT(irq);
	bool edge = !(c->elcr & bit), was = c->irr & bit, rises = !(c->last_irr & bit);
	int ret = 1;

	if (level) {
		if (!edge || rises) {
			ret = !was;
			c->irr |= bit;
		}
		c->last_irr |= bit;
	} else {
		if (!edge)
			c->irr &= (uint8_t)~bit;
		c->last_irr &= (uint8_t)~bit;
	}
	return c->imr & bit ? -1 : ret;
}

/* The best of @mask, 0 to 7 from the rotating top; NONE. */
static unsigned priority_of(const struct kvm_pic_state *c, uint8_t mask)
{
	unsigned p = 0;

	if (!mask)
		return NONE;
	while (!(mask & BIT((p + c->priority_add) & 7)))
		p++;
	return p;
}

/* The pin that this chip asks for, or -1. */
static int wanted(const struct pic *s, const struct kvm_pic_state *c)
{
	unsigned p = priority_of(c, c->irr & (uint8_t)~c->imr);
	uint8_t in_service = c->isr;

	if (p == NONE)
		return -1;
	if (c->special_fully_nested_mode && is_master(s, c))
		in_service &= (uint8_t)~BIT(CASCADE);
	return p < priority_of(c, in_service) ? (int)((p + c->priority_add) & 7) : -1;
}

static void update(struct pic *s)
{
	bool output;

	if (wanted(s, &s->chip[1]) >= 0) {
		set_line(&s->chip[0], CASCADE, true);
		set_line(&s->chip[0], CASCADE, false);
	}
	output = wanted(s, &s->chip[0]) >= 0;
	if (output && !atomic32_load_relaxed(&s->output))
		s->wake = true;
	atomic32_store(&s->output, output);
}

int pic_set_irq(struct pic *s, unsigned pin, enum irq_source source, bool level)
{
	int ret;

	spin_lock(&s->lock);
	if (level)
		s->sources[pin] |= BIT(source);
	else
		s->sources[pin] &= ~(uint32_t)BIT(source);
	ret = set_line(&s->chip[pin / 8], pin % 8, s->sources[pin]);
	TRACE(s->kvm->module->trace, kvm_pic_set_irq, pin / 8, pin % 8,
	      s->chip[pin / 8].elcr & BIT(pin % 8), s->chip[pin / 8].imr & BIT(pin % 8), !ret);
	update(s);
	pic_unlock(s);
	return ret;
}

bool pic_has_interrupt(const struct pic *s)
{
	return atomic32_load(&s->output);
}

static void in_service(struct pic *s, struct kvm_pic_state *c, unsigned irq)
{
	c->isr |= (uint8_t)BIT(irq);
	if (!(c->elcr & BIT(irq)))
		c->irr &= (uint8_t)~BIT(irq);
	if (!c->auto_eoi)
		return;
	if (c->rotate_on_auto_eoi)
		c->priority_add = (irq + 1) & 7;
	clear_isr(s, c, irq);
}

uint8_t pic_acknowledge(struct pic *s)
{
	struct kvm_pic_state *m = &s->chip[0], *sl = &s->chip[1];
	unsigned vector;
	int irq, irq2;

	spin_lock(&s->lock);
	atomic32_store(&s->output, 0);
	irq = wanted(s, m);
	if (irq >= 0)
		in_service(s, m, (unsigned)irq);
	else
		irq = SPURIOUS;
	vector = m->irq_base + (unsigned)irq;
	if (irq == CASCADE) {
		irq2 = wanted(s, sl);
		if (irq2 >= 0)
			in_service(s, sl, (unsigned)irq2);
		else
			irq2 = SPURIOUS;
		vector = sl->irq_base + (unsigned)irq2;
	}
	update(s);
	pic_unlock(s);
	return (uint8_t)vector;
}

static bool anybody_listens(struct kvm *kvm)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	for (uint32_t i = 0; i < n; i++) {
		struct lapic *apic = kvm_get_vcpu(kvm, i)->lapic;

		if (apic && lapic_accepts_pic(apic))
			return true;
	}
	return false;
}

/* ICW1. */
static void reset_chip(struct pic *s, struct kvm_pic_state *c)
{
	uint8_t edges = c->irr & (uint8_t)~c->elcr;

	c->last_irr = 0;
	c->irr &= c->elcr;
	c->imr = 0;
	c->priority_add = 0;
	c->special_mask = 0;
	c->read_reg_select = 0;
	if (!c->init4) {
		c->special_fully_nested_mode = 0;
		c->auto_eoi = 0;
	}
	c->init_state = WANTS_ICW2;
	if (!anybody_listens(s->kvm))
		return;
	for (; edges; edges &= (uint8_t)(edges - 1))
		clear_isr(s, c, (unsigned)__builtin_ctz(edges));
}

/* OCW2: ends and rotations. */
static void end_of_interrupt(struct pic *s, struct kvm_pic_state *c, uint8_t value)
{
	unsigned cmd = value >> 5, irq = value & 7, p;

	switch (cmd) {
	case 0: case 4:
		c->rotate_on_auto_eoi = cmd >> 2;
		return;
	case 1: case 5:		/* not specific: the best in service */
		p = priority_of(c, c->isr);
		if (p == NONE)
			return;
		irq = (p + c->priority_add) & 7;
		break;
	case 3: case 7:
		break;
	case 6:
		c->priority_add = (irq + 1) & 7;
		update(s);
		return;
	default:
		return;
	}
	if (cmd == 5 || cmd == 7)
		c->priority_add = (irq + 1) & 7;
	clear_isr(s, c, irq);
	update(s);
}

static void write_command(struct pic *s, struct kvm_pic_state *c, uint8_t value)
{
	if (value & 0x10) {
		c->init4 = value & 1;
		reset_chip(s, c);
	} else if (value & 0x08) {	/* OCW3 */
		if (value & 0x04)
			c->poll = 1;
		if (value & 0x02)
			c->read_reg_select = value & 1;
		if (value & 0x40)
			c->special_mask = value >> 5 & 1;
	} else {
		end_of_interrupt(s, c, value);
	}
}

static void write_data(struct pic *s, struct kvm_pic_state *c, uint8_t value)
{
	uint8_t unmasked;

	switch (c->init_state) {
	case READY:
		unmasked = c->imr & (uint8_t)~value;
		c->imr = value;
		for (; unmasked; unmasked &= (uint8_t)(unmasked - 1)) {
			unsigned pin = (unsigned)__builtin_ctz(unmasked) + (is_master(s, c) ? 0 : 8);

			irq_unmasked(s->kvm, pin / 8, pin);
		}
		update(s);
		break;
	case WANTS_ICW2:
		c->irq_base = value & 0xf8;
		c->init_state = WANTS_ICW3;
		break;
	case WANTS_ICW3:
		c->init_state = c->init4 ? WANTS_ICW4 : READY;
		break;
	default:
		c->special_fully_nested_mode = value >> 4 & 1;
		c->auto_eoi = value >> 1 & 1;
		c->init_state = READY;
	}
}

void pic_port_write(struct pic *s, uint16_t port, uint8_t value)
{
	spin_lock(&s->lock);
	switch (port) {
	case 0x20: case 0xa0:
		write_command(s, &s->chip[port >> 7], value);
		break;
	case 0x21: case 0xa1:
		write_data(s, &s->chip[port >> 7], value);
		break;
	case 0x4d0: case 0x4d1:
		s->chip[port & 1].elcr = value & s->chip[port & 1].elcr_mask;
		break;
	}
	pic_unlock(s);
}

/* The poll command: a read acknowledges and ends in one. */
static uint8_t poll(struct pic *s, struct kvm_pic_state *c)
{
	int irq = wanted(s, c);

	c->poll = 0;
	if (irq < 0) {
		update(s);
		return SPURIOUS;
	}
	if (!is_master(s, c)) {
		s->chip[0].isr &= (uint8_t)~BIT(CASCADE);
		s->chip[0].irr &= (uint8_t)~BIT(CASCADE);
	}
	c->irr &= (uint8_t)~BIT(irq);
	clear_isr(s, c, (unsigned)irq);
	if (!is_master(s, c) || irq != CASCADE)
		update(s);
	return (uint8_t)irq | 0x80;
}

static uint8_t read_chip(struct pic *s, struct kvm_pic_state *c, bool data)
{
	if (c->poll)
		return poll(s, c);
	if (data)
		return c->imr;
	return c->read_reg_select ? c->isr : c->irr;
}

uint8_t pic_port_read(struct pic *s, uint16_t port)
{
	uint8_t value;

	spin_lock(&s->lock);
	value = port >= 0x4d0 ? s->chip[port & 1].elcr
			      : read_chip(s, &s->chip[port >> 7], port & 1);
	pic_unlock(s);
	return value;
}

void pic_save(struct pic *s, unsigned chip, struct kvm_pic_state *state)
{
	spin_lock(&s->lock);
	*state = s->chip[chip];
	spin_unlock(&s->lock);
}

void pic_load(struct pic *s, unsigned chip, const struct kvm_pic_state *state)
{
	spin_lock(&s->lock);
	s->chip[chip] = *state;
	s->chip[chip].elcr_mask = chip ? ELCR_SLAVE : ELCR_MASTER;
	update(s);
	pic_unlock(s);
}

static bool take_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
		       const void *data)
{
	/* Wider than a byte: nothing, and nobody else's. */
	if (len == 1)
		pic_port_write(vcpu->kvm->irq->pic, (uint16_t)addr.v, *(const uint8_t *)data);
	return true;
}

static bool take_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
		      void *data)
{
	memset(data, 0, len);
	if (len == 1)
		*(uint8_t *)data = pic_port_read(vcpu->kvm->irq->pic, (uint16_t)addr.v);
	return true;
}

static void stay(struct kvm_io_device *dev)
{
}

static const struct kvm_io_device_ops ops = {
	.read = take_read, .write = take_write, .destroy = stay,
};

struct pic *pic_create(struct kvm *kvm)
{
	struct pic *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->kvm = kvm;
	spin_init(&s->lock, "pic", RANK_PIC);
	s->chip[0].elcr_mask = ELCR_MASTER;
	s->chip[1].elcr_mask = ELCR_SLAVE;
	s->master.ops = s->slave.ops = s->elcr.ops = &ops;
	return s;
}

void pic_destroy(struct pic *s)
{
	free(s);
}

int pic_register(struct pic *s)
{
	int r = kvm_io_bus_register(s->kvm, KVM_PIO_BUS, GPA(0x20), 2, &s->master);

	if (r)
		return r;
	r = kvm_io_bus_register(s->kvm, KVM_PIO_BUS, GPA(0xa0), 2, &s->slave);
	if (r)
		goto out_master;
	r = kvm_io_bus_register(s->kvm, KVM_PIO_BUS, GPA(0x4d0), 2, &s->elcr);
	if (!r)
		return 0;
	(void)!kvm_io_bus_unregister(s->kvm, KVM_PIO_BUS, &s->slave);
out_master:
	(void)!kvm_io_bus_unregister(s->kvm, KVM_PIO_BUS, &s->master);
	return r;
}
