/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * config.h - the machine that `softcvm exec` was asked for, on its way
 * through exec: one environment variable of lines "key=value".
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "abi/abi.h"

#define EXEC_CONFIG_VARIABLE	"SOFTCVM_EXEC"

struct exec_config {
	struct abi_config	 abi;
	char			*stats;		/* owned; absolute path or NULL */
	bool			 host_cpuid;	/* the program's own CPUID is left alone */
};

/*
 * Keys: cpu, kernel-abi, param (any number), phys-bits, phys-reduction, c-bit,
 * cpus, sw-protected, host-map, strict-host-access,
 * stats, audit, findings, host-cpuid, trace (may be repeated), trace-file.  Starts from
 * abi_default_config().  0, or -EINVAL / -ENOMEM
 * with one line for people in @why (no newline).  Frees nothing of @text.
 */
MUST_CHECK int exec_config_parse(const char *text, struct exec_config *out, char *why, size_t size);
void exec_config_free(struct exec_config *config);
