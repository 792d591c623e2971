/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * some_apics.h - a VM with local APICs and nothing to run them.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kvm/core/request.h"
#include "kvm/irq/irq.h"
#include "os/clock.h"

#define MAX_APICS 300

struct some_apics {
	struct kvm_module module;
	struct kvm	kvm;
	struct guest_tsc tsc;
	unsigned	nr;
	struct kvm_vcpu	*vcpu;
};

static inline void some_apics_make(struct some_apics *s, unsigned nr, enum irqchip_mode mode)
{
	*s = (struct some_apics){ .nr = nr, .module = { .abi = KERNEL_ABI_6_12 } };
	s->module.timers = irq_timers_create();
	assert_non_null(s->module.timers);
	s->kvm.module = &s->module;
	s->tsc.khz = os_tsc_khz();
	mutex_init(&s->kvm.lock, "kvm->lock", RANK_VM);
	assert_int_equal(kvm_irq_create(&s->kvm), 0);
	s->kvm.irq->mode = mode;
	s->vcpu = calloc(nr, sizeof(*s->vcpu));
	assert_non_null(s->vcpu);
	mutex_lock(&s->kvm.lock);
	for (unsigned i = 0; i < nr; i++) {
		struct kvm_vcpu *v = &s->vcpu[i];

		kvm_vcpu_core_init(v, &s->kvm, i);
		v->lapic = lapic_create(v, &s->tsc);
		assert_non_null(v->lapic);
		lapic_reset(v->lapic, false, i == 0);
		assert_int_equal(kvm_reserve_vcpu(&s->kvm), 0);
		kvm_publish_vcpu(&s->kvm, v);
	}
	apic_map_changed(s->kvm.irq);
	apic_map_update(&s->kvm);
	mutex_unlock(&s->kvm.lock);
}

static inline void some_apics_free(struct some_apics *s)
{
	for (unsigned i = 0; i < s->nr; i++) {
		lapic_destroy(s->vcpu[i].lapic);
		kvm_vcpu_core_fini(&s->vcpu[i]);
	}
	rcu_barrier();
	kvm_irq_destroy(&s->kvm);
	irq_timers_destroy(s->module.timers);
	for (size_t i = 0; i < ARRAY_SIZE(s->kvm.vcpu_chunks); i++)
		free(s->kvm.vcpu_chunks[i]);
	mutex_fini(&s->kvm.lock);
	free(s->vcpu);
}

static inline void poke(struct lapic *apic, uint32_t reg, uint32_t value)
{
	lapic_write(apic, reg, sizeof(value), &value);
}

static inline uint32_t peek(struct lapic *apic, uint32_t reg)
{
	uint32_t value;

	lapic_read(apic, reg, sizeof(value), &value);
	return value;
}

/* Enabled by software. */
static inline void enable(struct lapic *apic)
{
	poke(apic, LAPIC_SVR, 0x1ff);
}

static inline void to_x2apic(struct lapic *apic)
{
	lapic_mode_changed(apic, LAPIC_BASE_ENABLE, LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC);
}
