/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/irq/routing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kvm/irq/ioapic.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/pic.h"
#include "kvm/irq/pit.h"
#include "sync/rcu.h"

#define NO_GSI		-1
#define MAX_PER_GSI	KVM_NR_IRQCHIPS	/* one pin of each chip, or one message */
#define PIC_PINS_EACH	8

/* MSI address and data, SDM vol. 3A 11.11. */
#define MSI_LOGICAL	(1u << 2)
#define MSI_REDIR_HINT	(1u << 3)
#define MSI_DATA_LEVEL	(1u << 15)

struct irq_routing {
	struct rcu_head	rcu;
	int		gsi_of[KVM_NR_IRQCHIPS][IOAPIC_NR_PINS];	/* NO_GSI: none */
	unsigned	nr;
	struct kvm_irq_routing_entry entries[];		/* sorted by gsi */
};

static int by_gsi(const void *a, const void *b)
{
	const struct kvm_irq_routing_entry *x = a, *y = b;

	return x->gsi < y->gsi ? -1 : x->gsi > y->gsi;
}

static bool is_valid_msi(const struct kvm *kvm, const struct kvm_irq_routing_msi *msi)
{
	return !kvm->irq->x2apic_format || !(msi->address_hi & 0xff);
}

/* @e as given; pins of the slave are numbered on from the master's.  0, -EINVAL. */
static int check_entry(const struct kvm *kvm, struct kvm_irq_routing_entry *e)
{
	if (e->gsi >= KVM_MAX_IRQ_ROUTES)
		return -EINVAL;
	switch (e->type) {
	case KVM_IRQ_ROUTING_MSI:
		if (e->flags & ~KVM_MSI_VALID_DEVID)
			return -EINVAL;
		return is_valid_msi(kvm, &e->u.msi) ? 0 : -EINVAL;
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (e->flags || kvm->irq->mode == IRQCHIP_SPLIT)
			return -EINVAL;
		if (e->u.irqchip.irqchip == KVM_IRQCHIP_IOAPIC)
			return e->u.irqchip.pin < IOAPIC_NR_PINS ? 0 : -EINVAL;
		if (e->u.irqchip.irqchip > KVM_IRQCHIP_IOAPIC ||
		    e->u.irqchip.pin >= PIC_PINS_EACH)
			return -EINVAL;
		if (e->u.irqchip.irqchip == KVM_IRQCHIP_PIC_SLAVE)
			e->u.irqchip.pin += PIC_PINS_EACH;
		return 0;
	default:
		return -EINVAL;
	}
}

/* A line is one message, or at most one pin of each chip. */
static bool may_share(const struct kvm_irq_routing_entry *a, const struct kvm_irq_routing_entry *b)
{
	return a->type == KVM_IRQ_ROUTING_IRQCHIP && b->type == KVM_IRQ_ROUTING_IRQCHIP &&
	       a->u.irqchip.irqchip != b->u.irqchip.irqchip;
}

static int check_lines(const struct irq_routing *t)
{
	for (unsigned i = 0; i < t->nr; i++) {
		for (unsigned k = i; k-- && t->entries[k].gsi == t->entries[i].gsi;) {
			if (!may_share(&t->entries[k], &t->entries[i]))
				return -EINVAL;
		}
	}
	return 0;
}

static struct irq_routing *make(struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
				unsigned nr, int *error)
{
	struct irq_routing *t = calloc(1, sizeof(*t) + nr * sizeof(*entries));

	*error = -ENOMEM;
	if (!t)
		return NULL;
	memset(t->gsi_of, 0xff, sizeof(t->gsi_of));
	t->nr = nr;
	if (nr)
		memcpy(t->entries, entries, nr * sizeof(*entries));
	*error = 0;
	for (unsigned i = 0; i < nr && !*error; i++) {
		struct kvm_irq_routing_entry *e = &t->entries[i];

		*error = check_entry(kvm, e);
		if (!*error && e->type == KVM_IRQ_ROUTING_IRQCHIP)
			t->gsi_of[e->u.irqchip.irqchip][e->u.irqchip.pin] = (int)e->gsi;
	}
	qsort(t->entries, nr, sizeof(*entries), by_gsi);
	if (!*error)
		*error = check_lines(t);
	if (!*error)
		return t;
	free(t);
	return NULL;
}

static void free_table(struct rcu_head *head)
{
	free(container_of(head, struct irq_routing, rcu));
}

int irq_routing_create(struct kvm *kvm)
{
	struct kvm_irq *irq = kvm->irq;
	int r;

	mutex_init(&irq->routing_lock, "irq_routing", RANK_IRQ_ROUTING);
	mutex_init(&irq->ack_lock, "irq_ack", RANK_IRQ_ACK);
	list_init(&irq->ack_notifiers);
	irq->routing = make(kvm, NULL, 0, &r);
	return r;
}

void irq_routing_destroy(struct kvm *kvm)
{
	free(kvm->irq->routing);
	mutex_fini(&kvm->irq->ack_lock);
	mutex_fini(&kvm->irq->routing_lock);
}

int irq_routing_set(struct kvm *kvm, const struct kvm_irq_routing_entry *entries, unsigned nr)
{
	struct kvm_irq *irq = kvm->irq;
	struct irq_routing *new, *old;
	int r;

	new = make(kvm, entries, nr, &r);
	if (!new)
		return r;
	mutex_lock(&irq->routing_lock);
	old = irq->routing;
	rcu_assign_pointer(irq->routing, new);
	mutex_unlock(&irq->routing_lock);
	rcu_call(&old->rcu, free_table);
	if (irq->ioapic)
		ioapic_scan(irq->ioapic);
	return 0;
}

int irq_routing_set_default(struct kvm *kvm)
{
	struct kvm_irq_routing_entry e[2 * PIC_PINS_EACH + IOAPIC_NR_PINS];
	unsigned nr = 0;

	memset(e, 0, sizeof(e));
	for (unsigned gsi = 0; gsi < IOAPIC_NR_PINS; gsi++) {
		e[nr].gsi = gsi;
		e[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e[nr++].u.irqchip.pin = gsi;
		if (gsi >= 2 * PIC_PINS_EACH)
			continue;
		e[nr].gsi = gsi;
		e[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = gsi / PIC_PINS_EACH;
		e[nr++].u.irqchip.pin = gsi % PIC_PINS_EACH;
	}
	return irq_routing_set(kvm, e, nr);
}

static struct lapic_irq msi_to_irq(const struct kvm *kvm, uint32_t lo, uint32_t hi, uint32_t data)
{
	return (struct lapic_irq){
		.vector = (uint8_t)data,
		.delivery = data & 0x700,
		.level = true,
		.trig_level = data & MSI_DATA_LEVEL,
		.logical = lo & MSI_LOGICAL,
		.msi_redir_hint = lo & MSI_REDIR_HINT,
		.dest = (lo >> 12 & 0xff) | (kvm->irq->x2apic_format ? hi & 0xffffff00 : 0),
	};
}

static int send(struct kvm *kvm, const struct kvm_irq_routing_msi *msi)
{
	struct lapic_irq irq = msi_to_irq(kvm, msi->address_lo, msi->address_hi, msi->data);

	TRACE(kvm->module->trace, kvm_msi_set_irq,
	      (uint8_t)(msi->address_lo >> 12) | (msi->address_hi & 0xffffff00),
	      (uint8_t)msi->data, msi->data >> 8 & 7, msi->address_lo & BIT(2),
	      msi->data & BIT(15), msi->address_lo & BIT(3));
	return irq_deliver(kvm, NULL, &irq);
}

int kvm_send_msi(struct kvm *kvm, const struct kvm_msi *msi)
{
	struct kvm_irq_routing_msi m = { .address_lo = msi->address_lo,
					 .address_hi = msi->address_hi, .data = msi->data };

	if (kvm->irq->mode == IRQCHIP_NONE || (msi->flags & ~KVM_MSI_VALID_DEVID) ||
	    !is_valid_msi(kvm, &m))
		return -EINVAL;
	return send(kvm, &m);
}

/* The entries of @gsi; how many. */
static unsigned look_up(struct kvm *kvm, uint32_t gsi, struct kvm_irq_routing_entry out[MAX_PER_GSI])
{
	const struct irq_routing *t;
	unsigned lo = 0, hi, n = 0;

	rcu_read_lock();
	t = rcu_dereference(kvm->irq->routing);
	hi = t->nr;
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (t->entries[mid].gsi < gsi)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < t->nr && t->entries[lo].gsi == gsi && n < MAX_PER_GSI; lo++)
		out[n++] = t->entries[lo];
	rcu_read_unlock();
	return n;
}

static int drive(struct kvm *kvm, const struct kvm_irq_routing_entry *e, enum irq_source source,
		 bool level)
{
	if (e->type == KVM_IRQ_ROUTING_MSI)
		return level ? send(kvm, &e->u.msi) : -1;
	if (e->u.irqchip.irqchip == KVM_IRQCHIP_IOAPIC)
		return ioapic_set_irq(kvm->irq->ioapic, e->u.irqchip.pin, source, level);
	return pic_set_irq(kvm->irq->pic, e->u.irqchip.pin, source, level);
}

int kvm_set_irq(struct kvm *kvm, enum irq_source source, uint32_t gsi, bool level)
{
	struct kvm_irq_routing_entry e[MAX_PER_GSI];
	unsigned n = look_up(kvm, gsi, e);
	int ret = -1;

	TRACE(kvm->module->trace, kvm_set_irq, gsi, level, source);
	while (n--) {
		int r = drive(kvm, &e[n], source, level);

		if (r >= 0)
			ret = r + MAX(ret, 0);
	}
	return ret;
}

static int gsi_of(struct kvm *kvm, unsigned chip, unsigned pin)
{
	int gsi;

	rcu_read_lock();
	gsi = rcu_dereference(kvm->irq->routing)->gsi_of[chip][pin];
	rcu_read_unlock();
	return gsi;
}

void irq_notify_acked(struct kvm *kvm, unsigned chip, unsigned pin)
{
	int gsi = gsi_of(kvm, chip, pin);
	struct irq_ack_notifier *n;

	TRACE(kvm->module->trace, kvm_ack_irq, chip, pin);
	if (gsi == NO_GSI || !atomic32_load(&kvm->irq->nr_ack_notifiers))
		return;
	mutex_lock(&kvm->irq->ack_lock);
	list_for_each(n, &kvm->irq->ack_notifiers, link) {
		if (n->gsi == (uint32_t)gsi)
			n->acked(n);
	}
	mutex_unlock(&kvm->irq->ack_lock);
}

void irq_unmasked(struct kvm *kvm, unsigned chip, unsigned pin)
{
	if (kvm->irq->pit && !gsi_of(kvm, chip, pin))
		pit_unmasked(kvm->irq->pit);
}

bool irq_has_notifier(struct kvm *kvm, unsigned chip, unsigned pin)
{
	int gsi = gsi_of(kvm, chip, pin);
	struct irq_ack_notifier *n;
	bool has = false;

	if (!atomic32_load(&kvm->irq->nr_ack_notifiers))
		return false;
	mutex_lock(&kvm->irq->ack_lock);
	list_for_each(n, &kvm->irq->ack_notifiers, link)
		has |= gsi != NO_GSI && n->gsi == (uint32_t)gsi;
	mutex_unlock(&kvm->irq->ack_lock);
	return has;
}

void irq_ack_register(struct kvm *kvm, struct irq_ack_notifier *n)
{
	mutex_lock(&kvm->irq->ack_lock);
	list_add_tail(&kvm->irq->ack_notifiers, &n->link);
	atomic32_add(&kvm->irq->nr_ack_notifiers, 1);
	mutex_unlock(&kvm->irq->ack_lock);
	if (kvm->irq->ioapic)
		ioapic_scan(kvm->irq->ioapic);
}

void irq_ack_unregister(struct kvm *kvm, struct irq_ack_notifier *n)
{
	mutex_lock(&kvm->irq->ack_lock);
	list_del(&n->link);
	atomic32_sub(&kvm->irq->nr_ack_notifiers, 1);
	mutex_unlock(&kvm->irq->ack_lock);
	if (kvm->irq->ioapic)
		ioapic_scan(kvm->irq->ioapic);
}

bool irq_routing_wants_eoi(struct kvm *kvm, struct lapic *apic, uint8_t vector)
{
	unsigned reserved = kvm->irq->nr_reserved_pins;
	const struct irq_routing *t;
	bool wants = false;

	rcu_read_lock();
	t = rcu_dereference(kvm->irq->routing);
	for (unsigned i = 0; i < t->nr && t->entries[i].gsi < reserved && !wants; i++) {
		const struct kvm_irq_routing_msi *m = &t->entries[i].u.msi;
		struct lapic_irq irq;

		if (t->entries[i].type != KVM_IRQ_ROUTING_MSI)
			continue;
		irq = msi_to_irq(kvm, m->address_lo, m->address_hi, m->data);
		wants = irq.trig_level && irq.vector == vector && apic_matches(apic, NULL, &irq);
	}
	rcu_read_unlock();
	return wants;
}
