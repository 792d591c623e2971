/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * host_map.c - what it costs KVM to map a page of the guest and to unmap it, with nobody
 * else there, and with a second thread that does the same to its own page: whether readers
 * share a cache line shows in what the second costs the first.  Beside it two threads that
 * do share one, for what that costs on this machine.
 */
#include "kvm/mmu/a_slot.h"

#include <pthread.h>
#include <stdio.h>

#include "bench/report.h"
#include "kvm/host/map.h"

#define ROUNDS	200000u
#define GOAL_NS	30.0
#define GOAL_RATIO 1.5		/* two at once to one alone */

/* Both are running when both go on. */
static void meet(unsigned *arrived, unsigned n)
{
	if (!arrived)
		return;
	__atomic_fetch_add(arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < n)
		;
}

struct mapper {
	struct kvm_vcpu	*vcpu;
	uint64_t	 gfn;
	unsigned	 core;
	unsigned	*arrived;	/* the two; NULL: alone */
	double		 ns;
};

static void *maps(void *arg)
{
	struct mapper *m = arg;
	int idx = srcu_read_lock(&m->vcpu->kvm->srcu);
	struct kvm_guest_map map;
	double began;

	pin_to(m->core);
	meet(m->arrived, 2);
	began = cpu_ns();
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (kvm_vcpu_map(m->vcpu, GFN(m->gfn), &map))
			cannot("the page is not mapped");
		kvm_vcpu_unmap(m->vcpu, &map, false);
	}
	m->ns = (cpu_ns() - began) / ROUNDS;
	srcu_read_unlock(&m->vcpu->kvm->srcu, idx);
	return NULL;
}

/* The section by itself: what a short-term map is more than upstream's. */
static double section(struct kvm *kvm)
{
	double began = cpu_ns();

	for (unsigned i = 0; i < ROUNDS; i++)
		srcu_read_unlock(&kvm->host_maps, srcu_read_lock(&kvm->host_maps));
	return (cpu_ns() - began) / ROUNDS;
}

static double two_at_once(struct a_vm *vm)
{
	unsigned arrived = 0;
	struct mapper a = { &vm->vcpus[0], 0x100, 0, &arrived, 0 };
	struct mapper b = { &vm->vcpus[1], 0x102, 1, &arrived, 0 };
	pthread_t other;

	if (pthread_create(&other, NULL, maps, &b))
		cannot("no thread");
	maps(&a);
	pthread_join(other, NULL);
	return (a.ns + b.ns) / 2;
}

/* What readers would do who count themselves in one place. */
struct counter {
	uint64_t	*at;
	unsigned	 core;
	unsigned	*arrived;
	double		 ns;
};

static void *counts(void *arg)
{
	struct counter *c = arg;
	double began;

	pin_to(c->core);
	meet(c->arrived, 2);
	began = cpu_ns();
	for (unsigned i = 0; i < ROUNDS; i++)
		__atomic_fetch_add(c->at, 1, __ATOMIC_SEQ_CST);
	c->ns = (cpu_ns() - began) / ROUNDS;
	return NULL;
}

/* Two atomic additions, as a section has: by two threads, @apart bytes from each other. */
static double additions(size_t apart)
{
	static _Alignas(128) uint64_t words[64];
	unsigned arrived = 0;
	struct counter a = { words, 0, &arrived, 0 }, b = { words + apart / 8, 1, &arrived, 0 };
	pthread_t other;

	if (pthread_create(&other, NULL, counts, &b))
		cannot("no thread");
	counts(&a);
	pthread_join(other, NULL);
	return a.ns + b.ns;
}

int main(int argc, char **argv)
{
	static const struct hw_config machine = { HW_VENDOR_AMD, 46, 0, 0, 2, NULL };
	struct a_vm *vm = a_vm_create(&machine, true);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 4, 0);
	struct series upstream = { 0 }, alone = { 0 }, both = { 0 }, sections = { 0 };
	struct series shared = { 0 }, apart = { 0 };
	struct mapper m = { &vm->vcpus[0], 0x100, 0, NULL, 0 };
	struct report r;

	if (srcu_init(&vm->kvm.host_maps))
		cannot("no memory");
	report_begin(&r, "host_map", "A page under the host's hand.", 11, &argc, argv);
	for (int run = 0; run < r.runs; run++) {
		vm->module.host_map_short_term = false;
		maps(&m);
		series_add(&upstream, m.ns);
		vm->module.host_map_short_term = true;
		maps(&m);
		series_add(&alone, m.ns);
		series_add(&both, two_at_once(vm));
		series_add(&sections, section(&vm->kvm));
		series_add(&shared, additions(0));
		series_add(&apart, additions(256));
	}
	report_series(&r, "map.upstream", "map and unmap, upstream", "ns", &upstream);
	report_series(&r, "map.short_term", "map and unmap, short-term", "ns", &alone);
	report_series(&r, "map.two_cores", "the same on two cores at once", "ns", &both);
	report_series(&r, "map.section", "of it the section", "ns", &sections);
	report_series(&r, "two.one_line", "two threads, two additions to one line", "ns", &shared);
	report_series(&r, "two.two_lines", "two threads, two additions to a line each", "ns", &apart);
	report_goal(&r, "goal.two_cores", "two cores at once to one alone",
		    series_median(&both) / series_median(&alone), AT_MOST, GOAL_RATIO, "");
	report_goal(&r, "goal.short_term", "map and unmap, short-term", series_median(&alone), AT_MOST,
		    GOAL_NS, "ns");
	series_free(&upstream);
	series_free(&alone);
	series_free(&both);
	series_free(&sections);
	series_free(&shared);
	series_free(&apart);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
	return report_end(&r);
}
