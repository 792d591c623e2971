/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guard.h - memory that the program stores to by its own pointers, under the
 * RMP: view_guard() says which, RMPUPDATE when a page of it becomes a guest's.
 */
#pragma once
#include <stdbool.h>

#include "base/addr.h"
#include "base/macros.h"

struct hw;
struct view_denial;

/* Pages [@page, @page + @nr) are a guest's by now: of those that are guarded stores trap. */
void guard_assigned(struct hw *hw, hpa_t page, unsigned nr);
/* Why a store to @host was refused.  False: not for the RMP's sake.  Async-signal-safe. */
MUST_CHECK bool guard_denies(struct hw *hw, const void *host, struct view_denial *out);
