/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/finding.h"

#include "base/log.h"
#include "hw/mem/machine.h"

#include <stdarg.h>
#include <stdio.h>

#define TOLD	50

static void tell(const struct hw *hw, const struct hw_finding *f)
{
	enum log_level level = hw->config.tell_findings && f->nr <= TOLD ? LOG_WARN : LOG_DEBUG;

	log_at(level, "finding %llu (%s): %s", (unsigned long long)f->nr, f->section, f->text);
	if (f->nr == TOLD)
		log_at(level, "that was the %dth; more are counted, not told", TOLD);
}

void hw_finding(struct hw *hw, const char *section, const char *fmt, ...)
{
	struct hw_finding f = { .section = section };
	va_list args;

	va_start(args, fmt);
	vsnprintf(f.text, sizeof(f.text), fmt, args);
	va_end(args);
	spin_lock(&hw->findings_lock);
	f.nr = ++hw->nr_findings;
	hw->findings[(f.nr - 1) % HW_FINDINGS_KEPT] = f;
	spin_unlock(&hw->findings_lock);
	counter_add(hw->config.counters, COUNTER_HW_FINDINGS, 1);
	tell(hw, &f);
}

uint64_t hw_nr_findings(struct hw *hw)
{
	uint64_t nr;

	spin_lock(&hw->findings_lock);
	nr = hw->nr_findings;
	spin_unlock(&hw->findings_lock);
	return nr;
}

size_t hw_findings_read(struct hw *hw, struct hw_finding *out, size_t max)
{
	size_t n;

	spin_lock(&hw->findings_lock);
	n = MIN(MIN(hw->nr_findings, (uint64_t)HW_FINDINGS_KEPT), (uint64_t)max);
	for (size_t i = 0; i < n; i++)
		out[i] = hw->findings[(hw->nr_findings - n + i) % HW_FINDINGS_KEPT];
	spin_unlock(&hw->findings_lock);
	return n;
}
