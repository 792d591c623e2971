/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run.c - `softcvm run`: the small VMM of src/vmm, started as `softcvm exec`
 * starts any program.  What exec takes goes to exec, all else to the VMM.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/library.h"
#include "cli/verb.h"

/* Words for exec: options, "--cpu" where none was given, "--", the VMM and its words. */
struct words {
	char	**list;
	int	  n;
};

/* VM types that only one vendor's machine has; any other: that of exec. */
static const struct { const char *type, *cpu; } vendors[] = {
	{ "sev", "amd" }, { "sev-es", "amd" }, { "snp", "amd" }, { "tdx", "intel" },
};

/* Options of the VMM that have a value of their own. */
static const char *const valued[] = { "type", "memory", "vcpus", "device", "policy" };
static const char *const alone[] = { "irqchip", "hugepages", "hugetlb", "in-place", "no-discard",
				     "measurement", "json" };

static size_t key_length(const char *word)
{
	return strcspn(word + 2, "=");
}

static bool is_key(const char *word, const char *key)
{
	return strlen(key) == key_length(word) && !strncmp(word + 2, key, strlen(key));
}

/* How many words an option of the VMM has: 1 or 2, 0: it is none. */
static int own_words(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(valued); i++) {
		if (is_key(word, valued[i]))
			return word[2 + key_length(word)] ? 1 : 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
		if (!strcmp(word + 2, alone[i]))
			return 1;
	}
	return 0;
}

/* The value of an option that has one, in this word or the next; may be NULL. */
static const char *value_of(char **at)
{
	const char *eq = strchr(*at, '=');

	return eq ? eq + 1 : at[1];
}

static const char *cpu_of(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
		if (type && !strcmp(type, vendors[i].type))
			return vendors[i].cpu;
	}
	return "amd";
}

struct request {
	struct words	 exec, vmm;
	const char	*type, *device;
	const char	*first_exec;	/* the first option that is exec's */
	bool		 has_cpu, is_short;	/* short: what nobody asked for is left out */
	bool		 hugepages, in_place;
};

/* What an SNP guest's developer wants to know of a run. */
#define SNP_SUMMARY "rmp_faults,rmp_faults_in_vain,psmashes,nested_demotions,host_splits," \
		    "attribute_changes"

static void add(struct words *w, char **from, int n)
{
	while (n-- && *from)
		w->list[w->n++] = *from++;
}

static void note(struct request *r, const char *word)
{
	r->hugepages |= is_key(word, "hugepages");
	r->in_place |= is_key(word, "in-place");
	r->is_short |= is_key(word, "quiet") || is_key(word, "json") || is_key(word, "summary");
	r->has_cpu |= is_key(word, "cpu");
}

static int parse(struct request *r, char **argv)
{
	int at = 1, n;

	for (; argv[at] && !strncmp(argv[at], "--", 2); at += n) {
		char **word = &argv[at];

		note(r, *word);
		n = own_words(*word);
		if (n) {
			if (is_key(*word, "type"))
				r->type = value_of(word);
			if (is_key(*word, "device"))
				r->device = value_of(word);
			if (n == 2 && !word[1])
				return usage_error("%s needs a value", *word);
			add(&r->vmm, word, n);
			continue;
		}
		n = exec_option_words(*word);
		if (!n)
			return usage_error("run has no option %s", *word);
		r->first_exec = r->first_exec ? r->first_exec : *word;
		add(&r->exec, word, n);
	}
	if (argv[at] && argv[at][0] == '-')
		return usage_error("run has no option %s", argv[at]);
	if (!argv[at] || argv[at + 1])
		return usage_error("run: %s", argv[at] ? "one image, please" : "which image?");
	add(&r->vmm, &argv[at], 1);
	return 0;
}

/* A real device: no library, no options for it. */
static int run_on_device(const struct request *r)
{
	if (r->first_exec)
		return usage_error("%s is for SoftCVM's machine, not for %s", r->first_exec, r->device);
	execv(r->vmm.list[0], r->vmm.list);
	log_error("%s: %s", r->vmm.list[0], strerror(errno));
	return EXIT_NOT_EXECUTABLE;
}

static int run_on_model(struct request *r, char *vmm)
{
	char *cpu[] = { (char *)"--cpu", (char *)cpu_of(r->type), NULL };
	char *large[] = { (char *)"--param", (char *)"kvm.gmem_order=9", NULL };
	char *in_place[] = { (char *)"--kernel-abi", (char *)"6.18", (char *)"--param",
			     (char *)"kvm.gmem_in_place=1", NULL };
	char *summary[] = { (char *)"--summary", (char *)SNP_SUMMARY, NULL };
	char *start[] = { (char *)"--findings", (char *)"--", NULL };

	if (!r->has_cpu)
		add(&r->exec, cpu, 2);
	if (r->hugepages)
		add(&r->exec, large, 2);
	if (r->in_place)
		add(&r->exec, in_place, 4);
	if (!r->is_short && r->type && !strcmp(r->type, "snp"))
		add(&r->exec, summary, 2);
	add(&r->exec, start, 2);
	r->vmm.list[0] = vmm;
	add(&r->exec, r->vmm.list, r->vmm.n);
	return verb_exec(r->exec.n, r->exec.list);
}

int verb_run(int argc, char **argv)
{
	struct request r = { .type = NULL };
	char exec[] = "exec";
	char *vmm = runner_name();
	int status = EXIT_NOT_EXECUTABLE;

	r.vmm.list = calloc((size_t)argc + 2, sizeof(char *));
	r.exec.list = calloc(2 * (size_t)argc + 16, sizeof(char *));
	if (!r.vmm.list || !r.exec.list) {
		log_error("out of memory");
	} else if (vmm) {
		r.vmm.list[r.vmm.n++] = vmm;
		r.exec.list[r.exec.n++] = exec;
		status = parse(&r, argv);
		if (!status)
			status = r.device ? run_on_device(&r) : run_on_model(&r, vmm);
	}
	free(r.vmm.list);
	free(r.exec.list);
	free(vmm);
	return status;
}
