/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * handlers.c - the handlers' names, for reports and tests.
 */
#include "x86/handlers.h"

const char *x86_handler_name(unsigned id)
{
	static const char *const names[] = {
#define AS_NAME(n) [X86_H_##n] = #n,
		X86_HANDLERS(AS_NAME)
	};

	return id < ARRAY_SIZE(names) ? names[id] : "?";
}
