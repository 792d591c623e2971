/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * not_compared.h - forms that have no counterpart on this machine, and why.
 */
#pragma once
#include "model/insn/generate.h"

/* NULL: it is compared. */
const char *not_compared_why(uint64_t key);
/* An instruction of a compared form that would leave the process, or not come back. */
bool is_worth_it(const struct insn *i);
/* What was not compared, a line for each reason. */
void not_compared_report(int only_mode);
