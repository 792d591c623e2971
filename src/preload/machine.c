/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "os/process.h"
#include "preload/config.h"
#include "preload/front.h"
#include "preload/stats.h"

atomicptr_t front_machine_made;

enum { NOT_YET, BEING_MADE, MADE, FAILED };

static atomic32_t state;		/* one of the above; waiters sleep on it */
static int failure;			/* of FAILED */
static char *config_text;		/* what the environment said */
static struct stats_slot *stats;
static char *stats_path;
static bool wants_audit, tells_findings;

void front_remember_config(void)
{
	const char *text = getenv(EXEC_CONFIG_VARIABLE);

	config_text = strdup(text ? text : "");
}

static int make(struct abi **out)
{
	struct exec_config config;
	char why[2560];
	int r;

	if (!config_text)
		front_remember_config();
	if (!config_text)
		return -ENOMEM;
	r = exec_config_parse(config_text, &config, why, sizeof(why));
	if (r) {
		log_error("%s", why);
		return r == -ENOMEM ? r : -ENODEV;
	}
	if (config.stats && !stats)
		stats = stats_slot_claim(config.stats);
	config.abi.counters = stats_slot_counters(stats);
	r = abi_create(&config.abi, out);
	if (r) {
		log_error("no machine: %s", r == -ENOMEM ? "out of memory" :
			  "there is no such processor (--phys-bits, --phys-reduction, --c-bit)");
		exec_config_free(&config);
		return r == -ENOMEM ? r : -ENODEV;
	}
	stats_path = config.stats;
	wants_audit = config.abi.audit;
	tells_findings = config.abi.hw.tell_findings;
	abi_set_run_hook(*out, front_run_hook);
	return 0;
}

static void finish(uint32_t now)
{
	atomic32_store(&state, now);
	os_futex_wake((const uint32_t *)&state.v, INT32_MAX);
}

int front_machine_make(struct abi **out)
{
	uint32_t was = NOT_YET;

	if (atomic32_cas(&state, &was, BEING_MADE)) {
		int r = make(out);

		if (r) {
			failure = r;
			finish(r == -ENOMEM ? NOT_YET : FAILED);
			return r;
		}
		atomicptr_store_release(&front_machine_made, *out);
		finish(MADE);
		return 0;
	}
	while (was == BEING_MADE) {
		os_futex_wait((const uint32_t *)&state.v, BEING_MADE, 0);
		was = atomic32_load(&state);
	}
	if (was != MADE)
		return failure;
	*out = front_machine();
	return 0;
}

bool front_own_cpuid(struct hw_config *out)
{
	struct exec_config config;
	char why[2560];

	/* What cannot be read is said when a machine is asked for. */
	if (exec_config_parse(front_config_text(), &config, why, sizeof(why)))
		return false;
	*out = config.abi.hw;
	exec_config_free(&config);
	return !config.host_cpuid;
}

const char *front_config_text(void)
{
	return config_text ? config_text : "";
}

const char *front_stats(struct stats_slot **slot)
{
	*slot = stats;
	return stats_path;
}

bool front_wants_audit(void)
{
	return wants_audit;
}

bool front_tells_findings(void)
{
	return tells_findings;
}

/* The thread that was making one is not in the child. */
void front_machine_in_child(void)
{
	uint32_t making = BEING_MADE;

	atomic32_cas(&state, &making, NOT_YET);
}

bool front_is_vfork_child(void)
{
	return getpid() != os_pid();
}
