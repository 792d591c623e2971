/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * apic_map.c - who is addressed by a destination.  SDM vol. 3A 11.6.2, 11.12.9.
 *
 * With one id for each APIC and one logical mode for all, the map answers by
 * two array look-ups, whatever the number of vCPUs; else every APIC is asked.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kvm/irq/irq.h"
#include "sync/rcu.h"

#define XAPIC_BROADCAST	0xffu
#define X2APIC_BROADCAST 0xffffffffu
#define MAX_XAPIC_ID	255u

enum logical_mode {
	LOGICAL_NONE,			/* nobody is enabled */
	LOGICAL_FLAT,
	LOGICAL_CLUSTER,
	LOGICAL_X2APIC,
	LOGICAL_MIXED,			/* the map does not help */
};

enum { MAP_CLEAN, MAP_UPDATING, MAP_DIRTY };

struct apic_map {
	struct rcu_head	rcu;
	enum logical_mode logical;
	uint32_t	max_id;
	struct lapic	*flat[8];
	struct lapic	*cluster[16][4];
	struct lapic	*phys[];	/* by id, max_id + 1 */
};

/* One interrupt's targets: APICs of @at for each bit of @mask. */
struct targets {
	struct lapic	**at;
	uint32_t	mask;
};

/* The logical destination @dest as APICs in a row.  False: the map does not help. */
static bool logical_targets(struct apic_map *m, uint32_t dest, struct targets *t)
{
	uint32_t first = (dest >> 16) * 16;

	*t = (struct targets){ .at = m->flat };
	switch (m->logical) {
	case LOGICAL_NONE:
		return true;
	case LOGICAL_FLAT:
		t->mask = dest & 0xff;
		return true;
	case LOGICAL_CLUSTER:
		t->at = m->cluster[dest >> 4 & 0xf];
		t->mask = dest & 0xf;
		return true;
	case LOGICAL_X2APIC:
		if (first > m->max_id)
			return true;
		t->at = &m->phys[first];
		t->mask = dest & (0xffffu >> (16 - MIN(m->max_id - first + 1, 16u)));
		return true;
	default:
		return false;
	}
}

/* False: two APICs have one id. */
static bool add_physical(struct apic_map *m, struct lapic *apic, bool x2apic_format)
{
	uint32_t id = lapic_id(apic), xid = lapic_xapic_id(apic);
	bool x2 = lapic_is_x2(apic);

	if (x2apic_format) {
		if (x2 || id > MAX_XAPIC_ID)
			m->phys[id] = apic;
		if (!x2 && !m->phys[xid])
			m->phys[xid] = apic;
		return true;
	}
	if (!x2)
		id = xid;
	if (m->phys[id])
		return false;
	m->phys[id] = apic;
	return true;
}

static enum logical_mode logical_mode_of(const struct lapic *apic)
{
	if (lapic_is_x2(apic))
		return LOGICAL_X2APIC;
	return lapic_get(apic, LAPIC_DFR) == LAPIC_DFR_FLAT ? LOGICAL_FLAT : LOGICAL_CLUSTER;
}

static void add_logical(struct apic_map *m, struct lapic *apic)
{
	uint32_t ldr = lapic_get(apic, LAPIC_LDR);
	enum logical_mode mode = logical_mode_of(apic);
	struct targets t;
	struct lapic **place;

	if (m->logical == LOGICAL_MIXED || !lapic_sw_enabled(apic) || !ldr)
		return;
	if (m->logical != LOGICAL_NONE && m->logical != mode) {
		m->logical = LOGICAL_MIXED;
		return;
	}
	m->logical = mode;
	if (mode == LOGICAL_X2APIC)	/* the ids' own row */
		return;
	logical_targets(m, ldr >> 24, &t);
	if (!t.mask)
		return;
	place = &t.at[__builtin_ctz(t.mask)];
	if ((t.mask & (t.mask - 1)) || *place)
		m->logical = LOGICAL_MIXED;
	else
		*place = apic;
}

static uint32_t greatest_id(struct kvm *kvm, uint32_t nr)
{
	uint32_t max = MAX_XAPIC_ID;

	for (uint32_t i = 0; i < nr; i++)
		max = MAX(max, kvm_get_vcpu(kvm, i)->id);
	return max;
}

/* NULL: no memory, or two APICs with one id. */
static struct apic_map *make_map(struct kvm *kvm)
{
	uint32_t nr = atomic32_load_acquire(&kvm->nr_vcpus), max = greatest_id(kvm, nr);
	struct apic_map *m = calloc(1, sizeof(*m) + (max + 1ull) * sizeof(m->phys[0]));

	if (!m)
		return NULL;
	m->max_id = max;
	for (uint32_t i = 0; i < nr; i++) {
		struct lapic *apic = kvm_get_vcpu(kvm, i)->lapic;

		if (!apic || !lapic_hw_enabled(apic))
			continue;
		if (!add_physical(m, apic, kvm->irq->x2apic_format)) {
			free(m);
			return NULL;
		}
		add_logical(m, apic);
	}
	return m;
}

static void free_map(struct rcu_head *head)
{
	free(container_of(head, struct apic_map, rcu));
}

void apic_map_changed(struct kvm_irq *irq)
{
	atomic32_store(&irq->map_dirty, MAP_DIRTY);
}

void apic_map_update(struct kvm *kvm)
{
	struct kvm_irq *irq = kvm->irq;
	struct apic_map *old, *new;
	uint32_t expected;

	if (atomic32_load_acquire(&irq->map_dirty) == MAP_CLEAN)
		return;
	mutex_lock(&irq->map_lock);
	/* Who finds it dirty, or half done by us, looks at the registers after this. */
	expected = MAP_DIRTY;
	if (!atomic32_cas(&irq->map_dirty, &expected, MAP_UPDATING) && expected == MAP_CLEAN) {
		mutex_unlock(&irq->map_lock);
		return;
	}
	new = make_map(kvm);
	old = irq->map;
	rcu_assign_pointer(irq->map, new);
	expected = MAP_UPDATING;
	atomic32_cas(&irq->map_dirty, &expected, MAP_CLEAN);
	mutex_unlock(&irq->map_lock);
	if (old)
		rcu_call(&old->rcu, free_map);
}

static bool matches_physical(const struct lapic *apic, uint32_t dest)
{
	if (dest == (lapic_is_x2(apic) ? X2APIC_BROADCAST : XAPIC_BROADCAST))
		return true;
	/* An id that xAPIC cannot name is the x2APIC's, whatever mode the APIC is in. */
	if (lapic_is_x2(apic) || dest > MAX_XAPIC_ID)
		return dest == lapic_id(apic);
	return dest == lapic_xapic_id(apic);
}

static bool matches_logical(const struct lapic *apic, uint32_t dest)
{
	uint32_t ldr = lapic_get(apic, LAPIC_LDR);

	if (dest == (lapic_is_x2(apic) ? X2APIC_BROADCAST : XAPIC_BROADCAST))
		return true;
	if (lapic_is_x2(apic))
		return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
	ldr >>= 24;
	switch (lapic_get(apic, LAPIC_DFR)) {
	case LAPIC_DFR_FLAT:
		return ldr & dest;
	case LAPIC_DFR_CLUSTER:
		return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
	default:
		return false;
	}
}

bool apic_matches(struct lapic *apic, const struct lapic *src, const struct lapic_irq *irq)
{
	uint32_t dest = irq->dest;

	switch (irq->shorthand) {
	case LAPIC_TO_SELF:
		return apic == src;
	case LAPIC_TO_ALL:
		return true;
	case LAPIC_TO_OTHERS:
		return apic != src;
	default:
		break;
	}
	/* A device's 255 is everybody, as there is no interrupt remapping to say it otherwise. */
	if (!src && dest == XAPIC_BROADCAST && lapic_is_x2(apic) &&
	    !apic->vcpu->kvm->irq->x2apic_broadcast_quirk_disabled)
		dest = X2APIC_BROADCAST;
	return irq->logical ? matches_logical(apic, dest) : matches_physical(apic, dest);
}

static bool is_lowest(const struct lapic_irq *irq)
{
	return irq->delivery == LAPIC_LOWEST || irq->msi_redir_hint;
}

static bool is_broadcast(const struct kvm_irq *vm, const struct lapic *src,
			 const struct lapic_irq *irq, const struct apic_map *m)
{
	if (vm->x2apic_broadcast_quirk_disabled)
		return irq->dest == X2APIC_BROADCAST ||
		       (irq->dest == XAPIC_BROADCAST && m->logical != LOGICAL_X2APIC);
	return irq->dest == (src && lapic_is_x2(src) ? X2APIC_BROADCAST : XAPIC_BROADCAST);
}

/* The @n-th set bit of @mask. */
static unsigned nth_bit(uint32_t mask, unsigned n)
{
	while (n--)
		mask &= mask - 1;
	return (unsigned)__builtin_ctz(mask);
}

/* kvm.vector_hashing: of several for a lowest-priority interrupt, one by its vector. */
static void pick_one(struct targets *t, uint8_t vector)
{
	unsigned bit;

	if (!t->mask)
		return;
	bit = nth_bit(t->mask, vector % (unsigned)__builtin_popcount(t->mask));
	t->mask = t->at[bit] ? 1u << bit : 0;
}

/* False: every APIC has to be asked. */
static bool map_targets(struct kvm_irq *vm, struct apic_map *m, const struct lapic *src,
			const struct lapic_irq *irq, struct targets *t)
{
	if (!m || irq->shorthand || is_broadcast(vm, src, irq, m))
		return false;
	if (!irq->logical) {
		*t = (struct targets){ .at = &m->phys[irq->dest], .mask = irq->dest <= m->max_id };
		return true;
	}
	if (!logical_targets(m, irq->dest, t))
		return false;
	if (is_lowest(irq))
		pick_one(t, irq->vector);
	return true;
}

static int deliver_by_map(struct kvm *kvm, struct lapic *src, const struct lapic_irq *irq)
{
	struct targets t;
	int n = -1;

	rcu_read_lock();
	if (map_targets(kvm->irq, rcu_dereference(kvm->irq->map), src, irq, &t)) {
		n = 0;
		for (; t.mask; t.mask &= t.mask - 1) {
			struct lapic *apic = t.at[__builtin_ctz(t.mask)];

			if (apic)
				n += lapic_accept(apic, irq);
		}
	}
	rcu_read_unlock();
	return n;
}

/* The next present APIC that hears it, from vCPU *@i on; NULL: no more. */
static struct lapic *next_match(struct kvm *kvm, struct lapic *src, const struct lapic_irq *irq,
				uint32_t *i)
{
	uint32_t nr = atomic32_load_acquire(&kvm->nr_vcpus);

	while (*i < nr) {
		struct lapic *apic = kvm_get_vcpu(kvm, (*i)++)->lapic;

		if (apic && lapic_hw_enabled(apic) && apic_matches(apic, src, irq))
			return apic;
	}
	return NULL;
}

static int deliver_lowest(struct kvm *kvm, struct lapic *src, const struct lapic_irq *irq)
{
	uint32_t i = 0, nr = 0, n;
	struct lapic *apic;

	while ((apic = next_match(kvm, src, irq, &i)))
		nr += lapic_sw_enabled(apic);
	if (!nr)
		return -1;
	i = 0;
	n = irq->vector % nr;
	while ((apic = next_match(kvm, src, irq, &i))) {
		if (lapic_sw_enabled(apic) && !n--)
			return lapic_accept(apic, irq);
	}
	return 0;
}

int irq_deliver(struct kvm *kvm, struct lapic *src, const struct lapic_irq *irq)
{
	struct lapic_irq one = *irq;
	struct lapic *apic;
	uint32_t i = 0;
	int n;

	if (irq->shorthand == LAPIC_TO_SELF)
		return lapic_accept(src, irq);
	n = deliver_by_map(kvm, src, irq);
	if (n >= 0)
		return n;
	if (!irq->logical && irq->dest == XAPIC_BROADCAST && is_lowest(irq)) {
		one.delivery = LAPIC_FIXED;
		one.msi_redir_hint = false;
	}
	if (is_lowest(&one))
		return deliver_lowest(kvm, src, &one);
	while ((apic = next_match(kvm, src, &one, &i)))
		n = MAX(n, 0) + lapic_accept(apic, &one);
	return n;
}

/* APICs with ids from @min on, one for each bit of @ids. */
static int send_to_ids(struct apic_map *m, uint64_t ids, uint32_t min, const struct lapic_irq *irq)
{
	int n = 0;

	if (min > m->max_id)
		return 0;
	for (; ids; ids &= ids - 1) {
		uint32_t id = min + (uint32_t)__builtin_ctzll(ids);

		if (id <= m->max_id && m->phys[id])
			n += lapic_accept(m->phys[id], irq);
	}
	return n;
}

int irq_send_to_ids(struct kvm *kvm, const uint64_t ids[2], uint32_t min, unsigned width,
		    const struct lapic_irq *irq)
{
	struct apic_map *m;
	int n = -1;

	rcu_read_lock();
	m = rcu_dereference(kvm->irq->map);
	if (m)
		n = send_to_ids(m, ids[0], min, irq) + send_to_ids(m, ids[1], min + width, irq);
	rcu_read_unlock();
	return n;
}
