/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/irq/pit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kvm/core/io_bus.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/routing.h"
#include "kvm/irq/timer.h"
#include "os/clock.h"

#define HZ		1193182ull
#define NS_PER_S	1000000000ull
#define MIN_PERIOD_NS	200000ull	/* kvm.min_timer_period_us */
#define GREATEST	0x10000u	/* what a count of 0 means */
#define NR_CHANNELS	3
#define MODE_OFF	0xff
#define PORT_BASE	0x40
#define PORT_COMMAND	0x43
#define PORT_SPEAKER	0x61
#define REFRESH_SHIFT	14		/* 2^14 ns, nearly the 15 us of a PC's refresh */

/* Which half of a count goes over the port next. */
enum { LSB = 1, MSB = 2, WORD_LSB = 3, WORD_MSB = 4 };

/*
 * Keys: [D] lock; [a] any thread.  The timer's thread takes no lock, so that it
 * can be waited for with the lock held.
 */
struct pit {
	struct kvm	*kvm;		/* constant */
	struct mutex	 lock;		/* RANK_PIT */
	struct kvm_pit_channel_state channel[NR_CHANNELS];	/* [D] */
	uint32_t	 flags;		/* [D] KVM_PIT_FLAGS_* */

	struct irq_timer timer;
	atomic64_t	 period;	/* [a] ns */
	atomic64_t	 deadline;	/* [a] of channel 0 */
	atomic32_t	 is_periodic;	/* [a] */
	atomic32_t	 reinject;	/* [a] */
	atomic32_t	 acked;		/* [a] the last tick has been ended */
	atomic32_t	 pending;	/* [a] ticks that wait for that */
	struct irq_ack_notifier ack;
	bool		 notifies;	/* [D] @ack is registered */
	struct kvm_io_device ports, speaker;
};

/* Virtual wire: a local APIC whose LINT0 is in NMI mode takes the tick as an NMI. */
static void tick_watchdogs(struct kvm *kvm)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	for (uint32_t i = 0; i < n; i++) {
		struct lapic *apic = kvm_get_vcpu(kvm, i)->lapic;

		if (apic && (lapic_get(apic, LAPIC_LVT_LINT0) & 0x700) == LAPIC_NMI)
			(void)lapic_local_deliver(apic, LAPIC_LVT_LINT0);
	}
}

static void tick(struct pit *p)
{
	if (atomic32_load(&p->reinject) && !atomic32_xchg(&p->acked, 0))
		return;
	(void)kvm_set_irq(p->kvm, IRQ_SOURCE_PIT, 0, true);
	(void)kvm_set_irq(p->kvm, IRQ_SOURCE_PIT, 0, false);
	tick_watchdogs(p->kvm);
}

static void fire(struct irq_timer *timer)
{
	struct pit *p = container_of(timer, struct pit, timer);
	uint64_t next;

	if (atomic32_load(&p->reinject))
		atomic32_add(&p->pending, 1);
	tick(p);
	if (!atomic32_load(&p->is_periodic))
		return;
	next = atomic64_load(&p->deadline) + atomic64_load(&p->period);
	atomic64_store(&p->deadline, next);
	irq_timer_arm(timer, next);
}

/* True when there still are some. */
static bool one_less(atomic32_t *n)
{
	uint32_t old = atomic32_load(n);

	while (old && !atomic32_cas(n, &old, old - 1))
		;
	return old > 1;
}

static void acked(struct irq_ack_notifier *n)
{
	struct pit *p = container_of(n, struct pit, ack);

	atomic32_store(&p->acked, 1);
	if (one_less(&p->pending))
		tick(p);
}

void pit_unmasked(struct pit *p)
{
	atomic32_store(&p->pending, 0);
	atomic32_store(&p->acked, 1);
}

void pit_set_reinject(struct pit *p, bool reinject)
{
	mutex_lock(&p->lock);
	if (reinject != p->notifies) {
		if (reinject) {
			pit_unmasked(p);
			irq_ack_register(p->kvm, &p->ack);
		} else {
			irq_ack_unregister(p->kvm, &p->ack);
		}
		p->notifies = reinject;
		atomic32_store(&p->reinject, reinject);
	}
	mutex_unlock(&p->lock);
}

static void start(struct pit *p, uint32_t count, bool periodic)
{
	uint64_t interval = count * NS_PER_S / HZ;

	if (p->flags & KVM_PIT_FLAGS_HPET_LEGACY)
		return;
	irq_timer_cancel(&p->timer);
	pit_unmasked(p);
	atomic32_store(&p->is_periodic, periodic);
	atomic64_store(&p->period, periodic ? MAX(interval, MIN_PERIOD_NS) : interval);
	atomic64_store(&p->deadline, os_monotonic_ns() + interval);
	irq_timer_arm(&p->timer, atomic64_load(&p->deadline));
}

static void load_count(struct pit *p, unsigned channel, uint32_t count)
{
	struct kvm_pit_channel_state *c = &p->channel[channel];

	if (!count)
		count = GREATEST;
	c->count = count;
	if (channel) {
		c->count_load_time = (int64_t)os_monotonic_ns();
		return;
	}
	switch (c->mode) {
	case 0: case 1: case 4:
		start(p, count, false);
		break;
	case 2: case 3:
		start(p, count, true);
		break;
	default:
		irq_timer_cancel(&p->timer);
	}
}

/* Clocks since the channel was loaded. */
static uint64_t elapsed(struct pit *p, unsigned channel)
{
	uint64_t now = os_monotonic_ns(), ns, period = atomic64_load(&p->period);

	if (channel) {
		ns = now - (uint64_t)p->channel[channel].count_load_time;
	} else if (!period) {
		ns = 0;
	} else {
		ns = period + now - atomic64_load(&p->deadline);
		if ((int64_t)ns < 0)
			ns = 0;
	}
	return (uint64_t)((unsigned __int128)ns * HZ / NS_PER_S);
}

static uint16_t count_of(struct pit *p, unsigned channel)
{
	const struct kvm_pit_channel_state *c = &p->channel[channel];
	uint64_t d = elapsed(p, channel);

	switch (c->mode) {
	case 0: case 1: case 4: case 5:
		return (uint16_t)(c->count - d);
	case 3:
		return (uint16_t)(c->count - 2 * d % c->count);
	default:
		return (uint16_t)(c->count - d % c->count);
	}
}

static bool output_of(struct pit *p, unsigned channel)
{
	const struct kvm_pit_channel_state *c = &p->channel[channel];
	uint64_t d = elapsed(p, channel);

	switch (c->mode) {
	case 1:
		return d < c->count;
	case 2:
		return d && d % c->count == 0;
	case 3:
		return d % c->count < (c->count + 1) / 2;
	case 4: case 5:
		return d == c->count;
	default:
		return d >= c->count;
	}
}

static void latch_count(struct pit *p, unsigned channel)
{
	struct kvm_pit_channel_state *c = &p->channel[channel];

	if (c->count_latched)
		return;
	c->latched_count = count_of(p, channel);
	c->count_latched = c->rw_mode;
}

static void latch_status(struct pit *p, unsigned channel)
{
	struct kvm_pit_channel_state *c = &p->channel[channel];

	if (c->status_latched)
		return;
	c->status = (uint8_t)(output_of(p, channel) << 7 | c->rw_mode << 4 | c->mode << 1 | c->bcd);
	c->status_latched = 1;
}

static void read_back(struct pit *p, uint8_t command)
{
	for (unsigned i = 0; i < NR_CHANNELS; i++) {
		if (!(command & 2 << i))
			continue;
		if (!(command & 0x20))
			latch_count(p, i);
		if (!(command & 0x10))
			latch_status(p, i);
	}
}

static void write_command(struct pit *p, uint8_t command)
{
	unsigned channel = command >> 6, access = command >> 4 & 3;
	struct kvm_pit_channel_state *c;

	if (channel == NR_CHANNELS) {
		read_back(p, command);
		return;
	}
	if (!access) {
		latch_count(p, channel);
		return;
	}
	c = &p->channel[channel];
	c->rw_mode = c->read_state = c->write_state = (uint8_t)access;
	c->mode = command >> 1 & 7;
	if (c->mode > 5)
		c->mode -= 4;
	c->bcd = command & 1;
}

static void write_count(struct pit *p, unsigned channel, uint8_t value)
{
	struct kvm_pit_channel_state *c = &p->channel[channel];

	switch (c->write_state) {
	case MSB:
		load_count(p, channel, (uint32_t)value << 8);
		break;
	case WORD_LSB:
		c->write_latch = value;
		c->write_state = WORD_MSB;
		break;
	case WORD_MSB:
		load_count(p, channel, c->write_latch | (uint32_t)value << 8);
		c->write_state = WORD_LSB;
		break;
	default:
		load_count(p, channel, value);
	}
}

/* Bits of port 61h: the speaker's gate and data, and what can be read of its channel. */
static void write_speaker(struct pit *p, uint8_t value)
{
	struct kvm_pit_channel_state *c = &p->channel[2];
	bool gate = value & 1;

	if (value & 2)
		p->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	else
		p->flags &= ~(uint32_t)KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	/* In these modes counting begins anew when the gate opens. */
	if (gate && !c->gate && (c->mode == 1 || c->mode == 2 || c->mode == 3 || c->mode == 5))
		c->count_load_time = (int64_t)os_monotonic_ns();
	c->gate = gate;
}

static uint8_t read_speaker(struct pit *p)
{
	unsigned refresh = os_monotonic_ns() >> REFRESH_SHIFT & 1;

	return (uint8_t)((p->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON ? 2 : 0) | p->channel[2].gate |
			 output_of(p, 2) << 5 | refresh << 4);
}

void pit_port_write(struct pit *p, uint16_t port, uint8_t value)
{
	mutex_lock(&p->lock);
	if (port == PORT_SPEAKER)
		write_speaker(p, value);
	else if (port == PORT_COMMAND)
		write_command(p, value);
	else
		write_count(p, port & 3u, value);
	mutex_unlock(&p->lock);
}

static uint8_t read_latched(struct kvm_pit_channel_state *c)
{
	switch (c->count_latched) {
	case MSB:
		c->count_latched = 0;
		return (uint8_t)(c->latched_count >> 8);
	case WORD_LSB:
		c->count_latched = MSB;
		return (uint8_t)c->latched_count;
	default:
		c->count_latched = 0;
		return (uint8_t)c->latched_count;
	}
}

static uint8_t read_count(struct pit *p, unsigned channel)
{
	struct kvm_pit_channel_state *c = &p->channel[channel];
	uint16_t count = count_of(p, channel);

	switch (c->read_state) {
	case MSB:
		return (uint8_t)(count >> 8);
	case WORD_LSB:
		c->read_state = WORD_MSB;
		return (uint8_t)count;
	case WORD_MSB:
		c->read_state = WORD_LSB;
		return (uint8_t)(count >> 8);
	default:
		return (uint8_t)count;
	}
}

static uint8_t read_channel(struct pit *p, unsigned channel)
{
	struct kvm_pit_channel_state *c = &p->channel[channel];

	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	return c->count_latched ? read_latched(c) : read_count(p, channel);
}

uint8_t pit_port_read(struct pit *p, uint16_t port)
{
	uint8_t value = 0;

	mutex_lock(&p->lock);
	if (port == PORT_SPEAKER)
		value = read_speaker(p);
	else if (port != PORT_COMMAND)
		value = read_channel(p, port & 3u);
	mutex_unlock(&p->lock);
	return value;
}

void pit_save(struct pit *p, struct kvm_pit_state2 *state)
{
	memset(state, 0, sizeof(*state));
	mutex_lock(&p->lock);
	memcpy(state->channels, p->channel, sizeof(p->channel));
	state->flags = p->flags;
	mutex_unlock(&p->lock);
}

void pit_load(struct pit *p, const struct kvm_pit_state2 *state, bool old)
{
	bool was_hpet, is_hpet;

	mutex_lock(&p->lock);
	was_hpet = p->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	is_hpet = old ? was_hpet : state->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	memcpy(p->channel, state->channels, sizeof(p->channel));
	if (!old)
		p->flags = state->flags;
	for (unsigned i = 0; i < NR_CHANNELS; i++) {
		uint8_t mode = p->channel[i].mode;

		/* From now on the HPET ticks: the channel is only remembered. */
		if (!i && is_hpet && !was_hpet)
			p->channel[i].mode = MODE_OFF;
		load_count(p, i, p->channel[i].count);
		p->channel[i].mode = mode;
	}
	mutex_unlock(&p->lock);
}

static bool take_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
		       const void *data)
{
	pit_port_write(vcpu->kvm->irq->pit, (uint16_t)addr.v, *(const uint8_t *)data);
	return true;
}

static bool take_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
		      void *data)
{
	memset(data, 0, len);
	*(uint8_t *)data = pit_port_read(vcpu->kvm->irq->pit, (uint16_t)addr.v);
	return true;
}

/* Four ports are taken; the three behind 61h are somebody else's. */
static bool take_speaker_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			       unsigned len, const void *data)
{
	return addr.v == PORT_SPEAKER && take_write(vcpu, dev, addr, len, data);
}

static bool take_speaker_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			      unsigned len, void *data)
{
	return addr.v == PORT_SPEAKER && take_read(vcpu, dev, addr, len, data);
}

static void stay(struct kvm_io_device *dev)
{
}

static const struct kvm_io_device_ops ops = {
	.read = take_read, .write = take_write, .destroy = stay,
};

static const struct kvm_io_device_ops speaker_ops = {
	.read = take_speaker_read, .write = take_speaker_write, .destroy = stay,
};

struct pit *pit_create(struct kvm *kvm)
{
	struct pit *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->kvm = kvm;
	mutex_init(&p->lock, "pit", RANK_PIT);
	irq_timer_init(&p->timer, kvm->module->timers, fire);
	p->ack = (struct irq_ack_notifier){ .gsi = 0, .acked = acked };
	p->ports.ops = &ops;
	p->speaker.ops = &speaker_ops;
	for (unsigned i = 0; i < NR_CHANNELS; i++) {
		p->channel[i].mode = MODE_OFF;
		p->channel[i].gate = i != 2;
		p->channel[i].count = GREATEST;
		p->channel[i].count_load_time = (int64_t)os_monotonic_ns();
	}
	pit_set_reinject(p, true);
	return p;
}

void pit_stop(struct pit *p)
{
	irq_timer_cancel(&p->timer);
}

void pit_destroy(struct pit *p)
{
	if (!p)
		return;
	pit_stop(p);
	pit_set_reinject(p, false);
	mutex_fini(&p->lock);
	free(p);
}

int pit_register(struct pit *p, bool speaker)
{
	int r = kvm_io_bus_register(p->kvm, KVM_PIO_BUS, GPA(PORT_BASE), 4, &p->ports);

	if (r || !speaker)
		return r;
	r = kvm_io_bus_register(p->kvm, KVM_PIO_BUS, GPA(PORT_SPEAKER), 4, &p->speaker);
	if (r)
		(void)!kvm_io_bus_unregister(p->kvm, KVM_PIO_BUS, &p->ports);
	return r;
}
