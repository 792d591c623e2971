/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * capabilities.c - `softcvm --print-capabilities`: asked of the machine itself,
 * not of a list beside it.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

#include "abi/abi.h"
#include "abi/params.h"
#include "base/log.h"
#include "cli/verb.h"
#include "preload/config.h"
#include "softcvm/uapi/kvm.h"
#include "trace/counters.h"
#include "trace/trace.h"

static const char *const vendors[] = { "amd", "intel" };

static const char *const vm_type_names[] = {
	[KVM_X86_DEFAULT_VM] = "default", [KVM_X86_SW_PROTECTED_VM] = "sw_protected",
	[KVM_X86_SEV_VM] = "sev", [KVM_X86_SEV_ES_VM] = "sev_es",
	[KVM_X86_SNP_VM] = "snp", [KVM_X86_TDX_VM] = "tdx",
};

static void add_string(struct json_object *array, const char *text)
{
	json_object_array_add(array, json_object_new_string(text));
}

/* The machine that `exec --cpu VENDOR` has. */
static int machine_of(const char *vendor, struct abi **abi)
{
	struct exec_config config;
	char text[32], why[256];
	int r;

	snprintf(text, sizeof(text), "cpu=%s", vendor);
	r = exec_config_parse(text, &config, why, sizeof(why));
	if (r)
		return r;
	r = abi_create(&config.abi, abi);
	exec_config_free(&config);
	return r;
}

/* The VM types of a machine of @vendor, by KVM_CAP_VM_TYPES; NULL: no machine. */
static struct json_object *vm_types(const char *vendor)
{
	struct json_object *list;
	struct abi_file *file;
	struct abi *abi;
	long bits;
	int fd;

	if (machine_of(vendor, &abi))
		return NULL;
	fd = abi_open(abi, 0);
	file = fd < 0 ? NULL : abi_file_get(abi, fd, true);
	if (!file) {
		abi_destroy(abi);
		return NULL;
	}
	bits = abi_ioctl(abi, file, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	abi_file_put(file);
	abi_file_put(abi_file_detach(abi, fd));
	close(fd);
	abi_destroy(abi);
	list = json_object_new_array();
	for (size_t i = 0; i < ARRAY_SIZE(vm_type_names); i++) {
		if (bits > 0 && bits >> i & 1 && vm_type_names[i])
			add_string(list, vm_type_names[i]);
	}
	return list;
}

static void add_param(const char *module, const char *name, bool settable, void *arg)
{
	struct json_object *param = json_object_new_object();
	char full[128];

	snprintf(full, sizeof(full), "%s.%s", module, name);
	json_object_object_add(param, "name", json_object_new_string(full));
	json_object_object_add(param, "settable", json_object_new_boolean(settable));
	json_object_array_add(arg, param);
}

static struct json_object *list_of(const char *const *names, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		add_string(list, names[i]);
	return list;
}

int verb_capabilities(int argc, char **argv)
{
	static const char *const abis[] = { "6.12", "6.18" };
	static const char *const modes[] = { "interleaved", "separate" };
	struct json_object *all, *types, *params, *names, *counters, *events;

	if (argc > 1)
		return usage_error("%s takes no argument", argv[0]);
	all = json_object_new_object();
	types = json_object_new_object();
	params = json_object_new_array();
	names = json_object_new_array();
	counters = json_object_new_array();
	events = json_object_new_array();
	for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
		struct json_object *list = vm_types(vendors[i]);

		if (!list) {
			log_error("cannot make a machine");
			return 1;
		}
		json_object_object_add(types, vendors[i], list);
	}
	for (const struct verb *v = verbs; v->name; v++)
		add_string(names, v->name);
	for (int i = 0; i < NR_COUNTERS; i++)
		add_string(counters, counter_name(i));
	for (unsigned e = 0; e < NR_TRACE_EVENTS; e++)
		add_string(events, trace_event_name(e));
	abi_param_each(add_param, params);
	json_object_object_add(all, "version", json_object_new_string(SOFTCVM_VERSION));
	json_object_object_add(all, "confidential", json_object_new_boolean(false));
	json_object_object_add(all, "vm_types", types);
	/* What --sw-protected takes; what a vendor's machine has not is refused. */
	json_object_object_add(all, "sw_protected", list_of(modes, ARRAY_SIZE(modes)));
	json_object_object_add(all, "kernel_abis", list_of(abis, ARRAY_SIZE(abis)));
	json_object_object_add(all, "parameters", params);
	json_object_object_add(all, "counters", counters);
	json_object_object_add(all, "trace_events", events);
	json_object_object_add(all, "verbs", names);
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY |
						 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
	return fflush(stdout) ? 1 : 0;
}
