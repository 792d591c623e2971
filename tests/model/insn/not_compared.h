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
/*
 * The same, of the state that was made for it: a far CALL by chance into 64-bit code pushes
 * on AMD's with the upper half of RSP, and Linux takes a fault above 4 GiB in
 * compatibility mode for erratum 100 of the K8 and tries again for ever.
 */
bool is_worth_running(const struct insn *i, const struct world *before);
/* What was not compared, a line for each reason. */
void not_compared_report(int only_mode);
