/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A VM with nothing but kvm/core, and a processor that only counts its kicks. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hw/insn/cpu.h"
#include "kvm/core/kvm.h"
#include "trace/counters.h"

struct cpu {
	atomic32_t kicks;
};

void cpu_kick(struct cpu *cpu)
{
	atomic32_add(&cpu->kicks, 1);
}

static inline void fixture_destroy(struct kvm *kvm)
{
	struct kvm_module *module = kvm->module;

	kvm_core_fini(kvm);
	free(kvm);
	counters_destroy(module->counters);
	free(module);
}

static inline struct kvm *fixture_create(unsigned nr_address_spaces)
{
	struct kvm_module *module = calloc(1, sizeof(*module));
	struct kvm *kvm = calloc(1, sizeof(*kvm));

	assert_non_null(module);
	assert_non_null(kvm);
	module->counters = counters_create(NR_COUNTERS);
	kvm->nr_address_spaces = nr_address_spaces;
	assert_int_equal(kvm_core_init(kvm, module, fixture_destroy), 0);
	return kvm;
}

static inline uint32_t fixture_random(uint32_t below)
{
	static uint32_t state = 12345;

	state = state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)(state >> 4) * below) >> 28);
}
