/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * finding.h - what the host's own hand did to a guest's memory without being stopped:
 * told as the machine tells what software breaks, and counted apart from it.
 *
 * Any thread, any lock held, inside RCU; not async-signal-safe.
 */
#pragma once
#include "base/macros.h"

struct hw;

/*
 * Counted (host_access_findings), told (config.tell_findings: the first 50; the rest at
 * debug level), and the last ones kept.  @section: the rule, static storage.
 */
void hw_host_finding(struct hw *hw, const char *section, const char *fmt, ...) PRINTF(3, 4);
