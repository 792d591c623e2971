/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "abi/abi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "abi/file.h"
#include "hw/insn/machine.h"
#include "kvm/types/types.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/vm.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/process.h"
#include "os/processor.h"
#include "trace/counters.h"

#define MIN_LOGICAL_PROCESSORS	4

void abi_default_config(struct abi_config *c)
{
	struct os_cpu_identity id = os_cpu_identity();

	*c = (struct abi_config){
		.hw = {
			.vendor = id.is_amd ? HW_VENDOR_AMD : HW_VENDOR_INTEL,
			.phys_bits = MIN(MAX(id.phys_bits, 36), 52),
			.misalign_sse = id.has_mxcsr_mm,
			.nr_cpus = MAX(os_nr_cpus(), MIN_LOGICAL_PROCESSORS),
		},
		.kernel_abi = KERNEL_ABI_6_12,
		.params = {
			.mmio_caching = true, .tdp_mmu = true, .eager_page_split = true,
			.enable_pmu = false, .sev = true, .sev_es = true, .sev_snp = true,
			.debug_swap = true, .nx_huge_pages_recovery_ratio = 60,
		},
	};
}

/* A machine and its module, from abi->config. */
static int create_machine(struct abi *abi)
{
	struct hw_config hw = abi->config.hw;
	struct kvm_module fresh = {
		.counters = abi->module.counters,
		.abi = abi->config.kernel_abi,
		.params = abi->config.params,
		.sw_separate = abi->config.sw_separate,
		.host_map_short_term = abi->config.host_map_short_term,
		.strict_host_access = abi->config.strict_host_access,
		.audit = KVM_AUDIT || abi->config.audit,
	};
	int r;

	r = trace_config_is_on(&abi->config.trace) ? trace_create(&abi->config.trace, &fresh.trace) : 0;
	if (r)
		return r;
	hw.counters = fresh.counters;
	switch (hw_create(&hw, &fresh.hw)) {
	case HW_OK:
		break;
	case HW_NO_MEMORY:
		r = -ENOMEM;
		goto out_trace;
	case HW_BAD_CONFIG:
		r = -EINVAL;
		goto out_trace;
	}
	abi->module = fresh;
	abi->module.check_sev_fd = abi_check_sev_fd;
	r = kvm_module_load(&abi->module);
	if (!r) {
		r = vm_types_load(&abi->module);
		if (r)
			kvm_module_unload(&abi->module);
	}
	abi_params_print(abi);
	if (!r)
		return 0;
	hw_destroy(fresh.hw);
out_trace:
	trace_destroy(fresh.trace);
	abi->module.trace = NULL;
	return r;
}

static void destroy_counters(struct abi *abi)
{
	if (!abi->config.counters)
		counters_destroy(abi->module.counters);
}

int abi_create(const struct abi_config *config, struct abi **out)
{
	struct abi *abi = calloc(1, sizeof(*abi));
	int r;

	if (!abi)
		return -ENOMEM;
	abi->pid = os_map_wiped_on_fork(PAGE_SIZE);
	if (!abi->pid) {
		free(abi);
		return -ENOMEM;
	}
	abi->config = *config;
	abi->module.counters = config->counters ? config->counters : counters_create(NR_COUNTERS);
	r = abi->module.counters ? fd_table_init(&abi->table) : -ENOMEM;
	if (r)
		goto out_free;
	r = create_machine(abi);
	if (r)
		goto out_table;
	mapped_files_init(&abi->files);
	*abi->pid = os_pid();
	*out = abi;
	return 0;

out_table:
	fd_table_fini(&abi->table);
out_free:
	destroy_counters(abi);
	os_unmap(abi->pid, PAGE_SIZE);
	free(abi);
	return r;
}

void abi_after_fork_child(struct abi *abi)
{
	mutex_init(&abi->table.lock, "abi fd table", RANK_ABI_TABLE);
	mapped_files_init(&abi->files);
	trace_forget(abi->module.trace);
	abi->module.trace = NULL;
}

int abi_renew(struct abi *abi)
{
	int r = 0;

	if (likely(*abi->pid))
		return 0;
	mutex_lock(&abi->table.lock);
	if (!*abi->pid) {
		r = create_machine(abi);
		if (!r)
			*abi->pid = os_pid();
	}
	mutex_unlock(&abi->table.lock);
	return r;
}

void abi_destroy(struct abi *abi)
{
	for (int fd = 0; fd <= abi_highest_fd(abi); fd++)
		abi_file_put(abi_file_detach(abi, fd));
	rcu_barrier();			/* files are freed after a grace period */
	fd_table_fini(&abi->table);
	vm_types_unload(&abi->module);
	kvm_module_unload(&abi->module);
	hw_destroy(abi->module.hw);
	trace_destroy(abi->module.trace);
	destroy_counters(abi);
	os_unmap(abi->pid, PAGE_SIZE);
	free(abi);
}

struct counters *abi_counters(struct abi *abi)
{
	return abi->module.counters;
}

uint64_t abi_trace_flush(struct abi *abi)
{
	trace_flush(abi->module.trace);
	return abi->module.trace ? trace_lost(abi->module.trace) : 0;
}

int abi_open(struct abi *abi, int flags)
{
	int fd = abi_renew(abi);

	if (!fd)
		fd = os_object_fd("kvm", flags & O_CLOEXEC);
	if (fd >= 0)
		os_reopen(fd, flags & (O_ACCMODE | O_CLOEXEC | O_NONBLOCK));
	return abi_file_install(abi, fd, FILE_SYSTEM, NULL);
}

void abi_set_run_hook(struct abi *abi, abi_run_hook hook)
{
	abi->run_hook = hook;
}

int abi_kick(struct abi_file *file)
{
	if (file->kind != FILE_VCPU)
		return -EINVAL;
	atomic32_store(&file->vcpu->kicked, 1);
	vcpu_notify_signal(file->vcpu);
	return 0;
}

void abi_notify_signal(struct vcpu *vcpu)
{
	vcpu_notify_signal(vcpu);
}

/* @thread 0: whoever it is. */
static void interrupt(struct abi *abi, uint64_t thread)
{
	int highest = abi_highest_fd(abi);

	for (int fd = 0; fd <= highest; fd++) {
		struct abi_file *f = abi_file_get(abi, fd, false);
		uint64_t runner = f && f->kind == FILE_VCPU ? atomic64_load(&f->vcpu->runner) : 0;

		if (runner && (!thread || runner == thread))
			vcpu_notify_signal(f->vcpu);
		abi_file_put(f);
	}
}

void abi_interrupt_thread(struct abi *abi, uint64_t thread)
{
	interrupt(abi, thread);
}

void abi_interrupt_all(struct abi *abi)
{
	interrupt(abi, 0);
}

bool abi_signal_mask(const struct vcpu *vcpu, uint64_t *mask)
{
	*mask = vcpu->signal_mask;
	return vcpu->has_signal_mask;
}
