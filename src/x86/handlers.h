/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * handlers.h - numbers of the handlers, and the shape of a table of them.
 */
#pragma once
#include "x86/exec/handlers.def"
#include "x86/op.h"

enum x86_handler {
#define X86_AS_ENUM(n) X86_H_##n,
	X86_HANDLERS(X86_AS_ENUM)
#undef X86_AS_ENUM
	X86_NR_HANDLERS
};

/* An instantiation: one function for each number. */
struct x86_handlers {
	x86_fn fn[X86_NR_HANDLERS];
};

const char *x86_handler_name(unsigned id);
