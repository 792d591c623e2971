/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * finding.h - software broke a rule of the manual that silicon punishes with silence.
 *
 * Any thread, any lock held, inside RCU; not async-signal-safe.  A finding
 * never changes what the hardware does.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "hw/insn/finding.h"

struct hw;

struct hw_finding {
	uint64_t	nr;		/* 1 is the machine's first of its kind */
	const char	*section;	/* of the manual, static storage */
	char		text[400];
};

/* Counted, told (config.tell_findings: the first 50; the rest at debug level), and the last ones kept. */
void hw_finding(struct hw *hw, const char *section, const char *fmt, ...) PRINTF(3, 4);

uint64_t hw_nr_findings(struct hw *hw);
uint64_t hw_nr_host_findings(struct hw *hw);
/* Of both kinds: the newest ones, oldest of them first, at most @max; how many. */
size_t hw_findings_read(struct hw *hw, struct hw_finding *out, size_t max);
