/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * end.c - how the guest ended: recorded once, told in one line.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "vmm/vmm.h"

void vmm_end(struct vmm *vmm, const char *kind, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pthread_mutex_lock(&vmm->lock);
	if (!vmm->ended) {
		vmm->ended = true;
		vmm->end.kind = kind;
		vmm->end.status = status;
		vsnprintf(vmm->end.text, sizeof(vmm->end.text), fmt, ap);
		/* One that has not entered yet is stopped by the flag, one that runs by the signal. */
		for (unsigned i = 0; i < vmm->options.nr_vcpus; i++) {
			vmm->vcpus[i].run->immediate_exit = 1;
			pthread_kill(vmm->vcpus[i].thread, SIGUSR1);
		}
	}
	pthread_mutex_unlock(&vmm->lock);
	va_end(ap);
}

bool vmm_has_ended(struct vmm *vmm)
{
	bool ended;

	pthread_mutex_lock(&vmm->lock);
	ended = vmm->ended;
	pthread_mutex_unlock(&vmm->lock);
	return ended;
}

static void print_measurement(const struct vmm *vmm)
{
	for (size_t i = 0; i < sizeof(vmm->measurement); i++)
		fprintf(stderr, "%02x", vmm->measurement[i]);
}

void vmm_measurement_print(const struct vmm *vmm)
{
	if (!vmm->measured || vmm->options.json)
		return;
	fputs("measurement: ", stderr);
	print_measurement(vmm);
	fputc('\n', stderr);
}

/* All texts are ours, but for an image's name in none of them: nothing to escape. */
static void print_json(const struct vmm *vmm)
{
	static const char *const names[VMM_NR_COUNTED] = {
		[VMM_COUNT_IO] = "io", [VMM_COUNT_MMIO] = "mmio", [VMM_COUNT_HYPERCALL] = "hypercall",
		[VMM_COUNT_MEMORY_FAULT] = "memory_fault", [VMM_COUNT_OTHER] = "other",
	};

	fprintf(stderr, "{\"type\": \"%s\", \"end\": \"%s\", \"text\": \"%s\", \"status\": %d, "
		"\"exits\": {", vmm->options.type->name, vmm->end.kind, vmm->end.text, vmm->end.status);
	for (unsigned c = 0; c < VMM_NR_COUNTED; c++) {
		uint64_t n = 0;

		for (unsigned i = 0; i < vmm->options.nr_vcpus; i++)
			n += vmm->vcpus[i].count[c];
		fprintf(stderr, "%s\"%s\": %llu", c ? ", " : "", names[c], (unsigned long long)n);
	}
	fputc('}', stderr);
	if (vmm->measured) {
		fputs(", \"measurement\": \"", stderr);
		print_measurement(vmm);
		fputc('"', stderr);
	}
	fputs("}\n", stderr);
}

void vmm_end_print(struct vmm *vmm)
{
	fflush(stdout);
	if (vmm->options.json)
		print_json(vmm);
	else
		fprintf(stderr, "guest ended: %s\n", vmm->end.text);
}
