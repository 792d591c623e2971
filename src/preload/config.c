/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/params.h"

#define AMD_PHYS_BITS		48
#define AMD_PHYS_REDUCTION	5
#define AMD_C_BIT		51

struct parser {
	struct exec_config	*out;
	char			*why;
	size_t			 size;
	bool	has_phys_bits, has_reduction, has_c_bit;
};

static int refuse(struct parser *p, const char *fmt, ...) PRINTF(2, 3);
static int refuse(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, p->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* A decimal number of [min, max]. */
static int number(struct parser *p, const char *key, const char *value, unsigned min,
		  unsigned max, unsigned *out)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n < min || n > max)
		return refuse(p, "%s: '%s' is not a number from %u to %u", key, value, min, max);
	*out = (unsigned)n;
	return 0;
}

static int set_cpu(struct parser *p, const char *value)
{
	if (!strcmp(value, "amd"))
		p->out->abi.hw.vendor = HW_VENDOR_AMD;
	else if (!strcmp(value, "intel"))
		p->out->abi.hw.vendor = HW_VENDOR_INTEL;
	else
		return refuse(p, "cpu: '%s' is neither amd nor intel", value);
	return 0;
}

/* 6.18 is taken though only some of its rows are there (docs/caveats.md): guest_memfd's. */
static int set_kernel_abi(struct parser *p, const char *value)
{
	if (!strcmp(value, "6.12"))
		p->out->abi.kernel_abi = KERNEL_ABI_6_12;
	else if (!strcmp(value, "6.18"))
		p->out->abi.kernel_abi = KERNEL_ABI_6_18;
	else
		return refuse(p, "kernel-abi: '%s' is not known; there is 6.12, 6.18", value);
	return 0;
}

struct known_params {
	char	text[2048];
	size_t	n;
};

static void add_known(const char *module, const char *name, bool settable, void *arg)
{
	struct known_params *k = arg;

	if (settable && k->n < sizeof(k->text))
		k->n += (size_t)snprintf(k->text + k->n, sizeof(k->text) - k->n, "%s%s.%s",
					 k->n ? ", " : "", module, name);
}

static int set_param(struct parser *p, const char *value)
{
	struct known_params known = { .n = 0 };

	switch (abi_param_set(&p->out->abi.params, value)) {
	case PARAM_OK:
		return 0;
	case PARAM_BAD_FORM:
		return refuse(p, "param: '%s' is not MODULE.NAME=VALUE", value);
	case PARAM_FIXED:
		return refuse(p, "param: '%s': this parameter says what the model is and cannot be set",
			      value);
	case PARAM_BAD_VALUE:
		return refuse(p, "param: '%s': the value is not one of 0, 1, N, Y, off, on "
			      "(kvm.gmem_order: 0, 9)", value);
	case PARAM_UNKNOWN:
		break;
	}
	abi_param_each(add_known, &known);
	return refuse(p, "param: '%s' is unknown; there are %s", value, known.text);
}

static int set_phys_bits(struct parser *p, const char *value)
{
	unsigned n = 0;
	int r = number(p, "phys-bits", value, 36, 52, &n);

	if (!r) {
		p->out->abi.hw.phys_bits = (uint8_t)n;
		p->has_phys_bits = true;
	}
	return r;
}

static int set_phys_reduction(struct parser *p, const char *value)
{
	unsigned n = 0;
	int r = number(p, "phys-reduction", value, 0, 16, &n);

	if (!r) {
		p->out->abi.hw.phys_reduction = (uint8_t)n;
		p->has_reduction = true;
	}
	return r;
}

static int set_c_bit(struct parser *p, const char *value)
{
	unsigned n = 0;
	int r = number(p, "c-bit", value, 0, 63, &n);

	if (!r) {
		p->out->abi.hw.c_bit = (uint8_t)n;
		p->has_c_bit = true;
	}
	return r;
}

static int set_cpus(struct parser *p, const char *value)
{
	return number(p, "cpus", value, 1, 4096, &p->out->abi.hw.nr_cpus);
}

static int set_sw_protected(struct parser *p, const char *value)
{
	p->out->abi.sw_separate = !strcmp(value, "separate");
	if (p->out->abi.sw_separate || !strcmp(value, "interleaved"))
		return 0;
	return refuse(p, "sw-protected: '%s' is neither interleaved nor separate", value);
}

static int set_host_map(struct parser *p, const char *value)
{
	p->out->abi.host_map_short_term = !strcmp(value, "short-term");
	if (p->out->abi.host_map_short_term || !strcmp(value, "upstream"))
		return 0;
	return refuse(p, "host-map: '%s' is neither upstream nor short-term", value);
}

static int set_strict_host_access(struct parser *p, const char *value)
{
	unsigned n = 0;
	int r = number(p, "strict-host-access", value, 0, 1, &n);

	if (!r)
		p->out->abi.strict_host_access = n;
	return r;
}

static int set_stats(struct parser *p, const char *value)
{
	if (*value != '/')
		return refuse(p, "stats: '%s' is not an absolute path", value);
	free(p->out->stats);
	p->out->stats = strdup(value);
	return p->out->stats ? 0 : -ENOMEM;
}

static int set_trace(struct parser *p, const char *value)
{
	size_t len;
	const char *bad = trace_select(value, p->out->abi.trace.on, &len);

	return bad ? refuse(p, "trace: '%.*s' names no event ('softcvm exec --trace help')",
			    (int)len, bad) : 0;
}

static int set_trace_file(struct parser *p, const char *value)
{
	if (*value != '/')
		return refuse(p, "trace-file: '%s' is not an absolute path", value);
	free(p->out->abi.trace.file);
	p->out->abi.trace.file = strdup(value);
	return p->out->abi.trace.file ? 0 : -ENOMEM;
}

static int set_audit(struct parser *p, const char *value)
{
	unsigned n = 0;
	int r = number(p, "audit", value, 0, 1, &n);

	if (!r)
		p->out->abi.audit = n;
	return r;
}

static int set_findings(struct parser *p, const char *value)
{
	unsigned n = 0;
	int r = number(p, "findings", value, 0, 1, &n);

	if (!r)
		p->out->abi.hw.tell_findings = n;
	return r;
}

static int set_host_cpuid(struct parser *p, const char *value)
{
	unsigned n = 0;
	int r = number(p, "host-cpuid", value, 0, 1, &n);

	if (!r)
		p->out->host_cpuid = n;
	return r;
}

static const struct {
	const char	*key;
	int		(*set)(struct parser *p, const char *value);
} keys[] = {
	{ "cpu", set_cpu },
	{ "kernel-abi", set_kernel_abi },
	{ "param", set_param },
	{ "phys-bits", set_phys_bits },
	{ "phys-reduction", set_phys_reduction },
	{ "c-bit", set_c_bit },
	{ "cpus", set_cpus },
	{ "sw-protected", set_sw_protected },
	{ "host-map", set_host_map },
	{ "strict-host-access", set_strict_host_access },
	{ "stats", set_stats },
	{ "audit", set_audit },
	{ "findings", set_findings },
	{ "host-cpuid", set_host_cpuid },
	{ "trace", set_trace },
	{ "trace-file", set_trace_file },
};

static int parse_line(struct parser *p, char *line)
{
	char *eq = strchr(line, '=');

	if (eq) {
		*eq = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			if (!strcmp(line, keys[i].key))
				return keys[i].set(p, eq + 1);
		}
	}
	return refuse(p, "'%s' is no option of " EXEC_CONFIG_VARIABLE, line);
}

/* AMD's servers: the C-bit is 51, memory encryption takes 5 bits of 48; SYSCFG.SNPEn is set. */
static void complete_amd(struct parser *p)
{
	struct hw_config *hw = &p->out->abi.hw;

	if (!p->has_phys_bits)
		hw->phys_bits = MAX(hw->phys_bits, AMD_PHYS_BITS);
	if (!p->has_reduction)
		hw->phys_reduction = p->has_c_bit && !hw->c_bit ? 0
				     : (uint8_t)MIN(AMD_PHYS_REDUCTION, hw->phys_bits - 36);
	/* One below the address bits that are left is no place for it. */
	if (!p->has_c_bit && hw->phys_bits - hw->phys_reduction <= AMD_C_BIT)
		hw->c_bit = AMD_C_BIT;
	hw->snp = hw->c_bit;
}

/* What no single key shows. */
static int check_whole(struct parser *p)
{
	const struct hw_config *hw = &p->out->abi.hw;

	if (hw->vendor == HW_VENDOR_AMD)
		complete_amd(p);
	if (hw->vendor == HW_VENDOR_INTEL && (hw->c_bit || hw->phys_reduction))
		return refuse(p, "c-bit and phys-reduction exist on amd only");
	if (hw->c_bit && (hw->c_bit < 32 || hw->c_bit >= 52))
		return refuse(p, "c-bit: %u is not 0 nor from 32 to 51", hw->c_bit);
	return 0;
}

int exec_config_parse(const char *text, struct exec_config *out, char *why, size_t size)
{
	struct parser p = { .out = out, .why = why, .size = size };
	char *copy = strdup(text), *rest = copy, *line;
	int r = 0;

	*out = (struct exec_config){ .stats = NULL };
	snprintf(why, size, "out of memory");
	if (!copy)
		return -ENOMEM;
	abi_default_config(&out->abi);
	while (!r && (line = strsep(&rest, "\n"))) {
		if (*line)
			r = parse_line(&p, line);
	}
	free(copy);
	if (!r)
		r = check_whole(&p);
	if (r)
		exec_config_free(out);
	return r;
}

void exec_config_free(struct exec_config *config)
{
	free(config->stats);
	config->stats = NULL;
	free(config->abi.trace.file);
	config->abi.trace.file = NULL;
}
