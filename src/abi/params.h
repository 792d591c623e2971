/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * params.h - setting module parameters before the modules are loaded.
 */
#pragma once
#include <stdbool.h>

#include "abi/abi.h"

enum param_answer {
	PARAM_OK,
	PARAM_BAD_FORM,		/* not MODULE.NAME=VALUE */
	PARAM_UNKNOWN,
	PARAM_FIXED,		/* shows what the model is; cannot be set */
	PARAM_BAD_VALUE,
};

MUST_CHECK enum param_answer abi_param_set(struct kvm_params *params, const char *assignment);
void abi_param_each(void (*fn)(const char *module, const char *name, bool settable, void *arg),
		    void *arg);
