/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * params.c - module parameters by the kernel's names: what --param sets and
 * /sys/module shows.
 */
#include "abi/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/file.h"

#define PLACE(member)	offsetof(struct kvm_params, member)
#define NOT_OURS	((size_t)-1)

/* Parameters that only show what this model is have no place. */
static const struct param_row {
	const char	*module, *name;
	size_t		 place;
	bool		 as_number;	/* "0"/"1" instead of N/Y */
	unsigned	 is_uint;	/* a uint32_t; 1 + its place in uint_params */
	bool		 is_order;	/* a uint32_t, 0 or 9; the kernel has none: not in /sys */
	bool		 is_ours;	/* the kernel has none: not in /sys */
	const char	*fixed;
} rows[] = {
	{ "kvm", "mmio_caching", PLACE(mmio_caching) },
	{ "kvm", "tdp_mmu", PLACE(tdp_mmu) },
	{ "kvm", "eager_page_split", PLACE(eager_page_split) },
	{ "kvm", "force_emulation_prefix", PLACE(force_emulation_prefix), .as_number = true },
	{ "kvm", "enable_pmu", PLACE(enable_pmu) },
	{ "kvm", "ignore_msrs", PLACE(ignore_msrs) },
	{ "kvm", "nx_huge_pages", PLACE(nx_huge_pages) },
	{ "kvm", "nx_huge_pages_recovery_ratio", PLACE(nx_huge_pages_recovery_ratio),
	  .is_uint = 1 },
	{ "kvm", "nx_huge_pages_recovery_period_ms", PLACE(nx_huge_pages_recovery_period_ms),
	  .is_uint = 2 },
	{ "kvm", "gmem_order", PLACE(gmem_order), .is_order = true },
	{ "kvm", "gmem_in_place", PLACE(gmem_in_place), .is_ours = true },
	{ "kvm_intel", "allow_smaller_maxphyaddr", PLACE(allow_smaller_maxphyaddr) },
	{ "kvm_intel", "ept", NOT_OURS, .fixed = "Y\n" },
	{ "kvm_intel", "vpid", NOT_OURS, .fixed = "Y\n" },
	{ "kvm_intel", "unrestricted_guest", NOT_OURS, .fixed = "Y\n" },
	{ "kvm_intel", "flexpriority", NOT_OURS, .fixed = "Y\n" },
	{ "kvm_intel", "enable_apicv", NOT_OURS, .fixed = "N\n" },
	{ "kvm_intel", "nested", NOT_OURS, .fixed = "N\n" },
	{ "kvm_amd", "npt", NOT_OURS, .fixed = "Y\n" },
	{ "kvm_amd", "avic", NOT_OURS, .fixed = "N\n" },
	{ "kvm_amd", "nested", NOT_OURS, .fixed = "0\n" },
	{ "kvm_amd", "sev", PLACE(sev) },
	{ "kvm_amd", "sev_es", PLACE(sev_es) },
	{ "kvm_amd", "sev_snp", PLACE(sev_snp) },
	{ "kvm_amd", "debug_swap", PLACE(debug_swap) },
};

static const struct param_row *find(const char *module, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!strcmp(rows[i].module, module) && !strcmp(rows[i].name, name))
			return &rows[i];
	}
	return NULL;
}

static void *place_of(struct kvm_params *p, const struct param_row *r)
{
	return (char *)p + r->place;
}

/* kstrtobool() */
static int parse_bool(const char *text, bool *out)
{
	if (!strcmp(text, "1") || !strcasecmp(text, "y") || !strcasecmp(text, "on"))
		*out = true;
	else if (!strcmp(text, "0") || !strcasecmp(text, "n") || !strcasecmp(text, "off"))
		*out = false;
	else
		return -1;
	return 0;
}

/* kstrtouint() */
static int parse_uint(const char *text, uint32_t *out)
{
	unsigned long v;
	char *end;

	if (!*text || strspn(text, "0123456789abcdefxABCDEFX") != strlen(text))
		return -1;
	v = strtoul(text, &end, 0);
	if (*end || v > UINT32_MAX)
		return -1;
	*out = (uint32_t)v;
	return 0;
}

/* The processor is not one that needs it, as "auto" asks. */
static int parse_nx_huge_pages(const char *text, bool *out)
{
	*out = !strcmp(text, "force");
	return *out || !strcmp(text, "auto") ? 0 : parse_bool(text, out);
}

/* Of guest_memfd's pages: 4 KiB, or 2 MiB. */
static int parse_order(const char *text, uint32_t *out)
{
	return parse_uint(text, out) || (*out && *out != 9) ? -1 : 0;
}

static int parse(const struct param_row *r, const char *text, void *place)
{
	if (r->is_order)
		return parse_order(text, place);
	if (r->is_uint)
		return parse_uint(text, place);
	if (r->place == PLACE(nx_huge_pages))
		return parse_nx_huge_pages(text, place);
	return parse_bool(text, place);
}

enum param_answer abi_param_set(struct kvm_params *params, const char *assignment)
{
	const char *dot = strchr(assignment, '.'), *eq = strchr(assignment, '=');
	char module[32] = "", name[64] = "";
	const struct param_row *r;

	if (!dot || !eq || dot > eq || dot - assignment >= (long)sizeof(module) ||
	    eq - dot > (long)sizeof(name))
		return PARAM_BAD_FORM;
	memcpy(module, assignment, dot - assignment);
	memcpy(name, dot + 1, eq - dot - 1);
	r = find(module, name);
	if (!r)
		return PARAM_UNKNOWN;
	if (r->place == NOT_OURS)
		return PARAM_FIXED;
	return parse(r, eq + 1, place_of(params, r)) ? PARAM_BAD_VALUE : PARAM_OK;
}

void abi_param_each(void (*fn)(const char *module, const char *name, bool settable, void *arg),
		    void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		fn(rows[i].module, rows[i].name, rows[i].place != NOT_OURS, arg);
}

bool abi_module_is_loaded(struct abi *abi, const char *module)
{
	bool amd = hw_config(abi->module.hw)->vendor == HW_VENDOR_AMD;

	return !strcmp(module, "kvm") || !strcmp(module, amd ? "kvm_amd" : "kvm_intel");
}

const char *abi_smt_text(const char *name)
{
	return !strcmp(name, "control") ? "on\n" : !strcmp(name, "active") ? "1\n" : NULL;
}

void abi_params_print(struct abi *abi)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].is_uint)
			snprintf(abi->uint_params[rows[i].is_uint - 1],
				 sizeof(abi->uint_params[0]), "%u\n",
				 *(uint32_t *)place_of(&abi->module.params, &rows[i]));
}

const char *abi_param_text(struct abi *abi, const char *module, const char *name)
{
	const struct param_row *r = find(module, name);
	bool on;

	if (!r || r->is_order || r->is_ours || !abi_module_is_loaded(abi, module))
		return NULL;
	if (r->place == NOT_OURS)
		return r->fixed;
	if (r->is_uint)
		return abi->uint_params[r->is_uint - 1];
	on = *(bool *)place_of(&abi->module.params, r);
	/* The kernel shows what it made of the wish. */
	if (r->place == PLACE(mmio_caching))
		on = abi->module.enable_mmio_caching;
	if (r->as_number)
		return on ? "1\n" : "0\n";
	return on ? "Y\n" : "N\n";
}
