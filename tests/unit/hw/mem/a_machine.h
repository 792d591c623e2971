/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* a_machine.h - a machine for a test, with its counters. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/mem/machine.h"
#include "os/memory.h"
#include "os/uaccess.h"

static inline struct hw *a_machine(struct hw_config c)
{
	struct hw *hw = NULL;

	c.counters = counters_create(NR_COUNTERS);
	c.nr_cpus = c.nr_cpus ? c.nr_cpus : 1;
	assert_non_null(c.counters);
	assert_int_equal(os_uaccess_install(), 0);
	assert_int_equal(hw_create(&c, &hw), HW_OK);
	return hw;
}

static inline void no_machine(struct hw *hw)
{
	struct counters *c = hw_config(hw)->counters;

	hw_destroy(hw);
	counters_destroy(c);
}
