/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * host_map.c - what it costs KVM to map a page of the guest and to unmap it, with nobody
 * else there, and with a second thread that does the same to its own page.
 */
#include "kvm/mmu/a_slot.h"

#include <pthread.h>
#include <stdio.h>

#include "bench/report.h"
#include "kvm/host/map.h"

#define ROUNDS	200000u
#define GOAL_NS	30.0

struct mapper {
	struct kvm_vcpu	*vcpu;
	uint64_t	 gfn;
	unsigned	 core;
	double		 ns;
};

static void *maps(void *arg)
{
	struct mapper *m = arg;
	int idx = srcu_read_lock(&m->vcpu->kvm->srcu);
	struct kvm_guest_map map;
	double began;

	pin_to(m->core);
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
	struct mapper a = { &vm->vcpus[0], 0x100, 0, 0 }, b = { &vm->vcpus[1], 0x102, 1, 0 };
	pthread_t other;

	if (pthread_create(&other, NULL, maps, &b))
		cannot("no thread");
	maps(&a);
	pthread_join(other, NULL);
	return (a.ns + b.ns) / 2;
}

int main(int argc, char **argv)
{
	static const struct hw_config machine = { HW_VENDOR_AMD, 46, 0, 0, 2, NULL };
	struct a_vm *vm = a_vm_create(&machine, true);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 4, 0);
	struct series upstream = { 0 }, alone = { 0 }, both = { 0 }, sections = { 0 };
	struct mapper m = { &vm->vcpus[0], 0x100, 0, 0 };
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
	}
	report_series(&r, "map.upstream", "map and unmap, upstream", "ns", &upstream);
	report_series(&r, "map.short_term", "map and unmap, short-term", "ns", &alone);
	report_series(&r, "map.two_cores", "the same on two cores at once", "ns", &both);
	report_series(&r, "map.section", "of it the section", "ns", &sections);
	report_goal(&r, "goal.short_term", "map and unmap, short-term", series_median(&alone), AT_MOST,
		    GOAL_NS, "ns");
	series_free(&upstream);
	series_free(&alone);
	series_free(&both);
	series_free(&sections);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
	return report_end(&r);
}
