/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/finding.h"

#include "base/log.h"
#include "hw/mem/machine.h"

#include <stdarg.h>
#include <stdio.h>

#define TOLD	50

static void tell(const struct hw *hw, const char *kind, const struct hw_finding *f)
{
	enum log_level level = hw->config.tell_findings && f->nr <= TOLD ? LOG_WARN : LOG_DEBUG;

	if (!log_is_on(level))
		return;
	log_at(level, "%s %llu (%s): %s", kind, (unsigned long long)f->nr, f->section, f->text);
	if (f->nr == TOLD)
		log_at(level, "that was the %dth; more are counted, not told", TOLD);
}

/* Keeps @f as number ++*@nr of its kind. */
static void keep(struct hw *hw, struct hw_finding *f, uint64_t *nr)
{
	uint64_t kept;

	spin_lock(&hw->findings_lock);
	kept = hw->nr_findings + hw->nr_host_findings;
	f->nr = ++*nr;
	hw->findings[kept % HW_FINDINGS_KEPT] = *f;
	spin_unlock(&hw->findings_lock);
}

static const struct kind {
	const char	*name;
	enum counter_id	 counter;
} rule_broken = { "finding", COUNTER_HW_FINDINGS },
  host_access = { "host access", COUNTER_HOST_ACCESS_FINDINGS };

/* @nr: how many of the kind there are. */
static void find(struct hw *hw, const struct kind *kind, uint64_t *nr, const char *section,
		 const char *fmt, va_list args)
{
	struct hw_finding f = { .section = section };

	vsnprintf(f.text, sizeof(f.text), fmt, args);
	keep(hw, &f, nr);
	counter_add(hw->config.counters, kind->counter, 1);
	tell(hw, kind->name, &f);
}

void hw_finding(struct hw *hw, const char *section, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	find(hw, &rule_broken, &hw->nr_findings, section, fmt, args);
	va_end(args);
}

void hw_host_finding(struct hw *hw, const char *section, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	find(hw, &host_access, &hw->nr_host_findings, section, fmt, args);
	va_end(args);
}

static uint64_t number(struct hw *hw, const uint64_t *nr)
{
	uint64_t n;

	spin_lock(&hw->findings_lock);
	n = *nr;
	spin_unlock(&hw->findings_lock);
	return n;
}

uint64_t hw_nr_findings(struct hw *hw)
{
	return number(hw, &hw->nr_findings);
}

uint64_t hw_nr_host_findings(struct hw *hw)
{
	return number(hw, &hw->nr_host_findings);
}

size_t hw_findings_read(struct hw *hw, struct hw_finding *out, size_t max)
{
	uint64_t kept;
	size_t n;

	spin_lock(&hw->findings_lock);
	kept = hw->nr_findings + hw->nr_host_findings;
	n = MIN(MIN(kept, (uint64_t)HW_FINDINGS_KEPT), (uint64_t)max);
	for (size_t i = 0; i < n; i++)
		out[i] = hw->findings[(kept - n + i) % HW_FINDINGS_KEPT];
	spin_unlock(&hw->findings_lock);
	return n;
}
