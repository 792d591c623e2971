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
			.nr_cpus = MAX(os_nr_cpus(), MIN_LOGICAL_PROCESSORS),
		},
		.kernel_abi = KERNEL_ABI_6_12,
		.params = {
			.mmio_caching = true, .tdp_mmu = true, .eager_page_split = true,
			.enable_pmu = false,
		},
	};
}

static int create_machine(struct abi *abi, const struct abi_config *config)
{
	struct hw_config hw = config->hw;

	abi->module.counters = counters_create();
	if (!abi->module.counters)
		return -ENOMEM;
	hw.counters = abi->module.counters;
	switch (hw_create(&hw, &abi->module.hw)) {
	case HW_OK:
		return 0;
	case HW_NO_MEMORY:
		counters_destroy(abi->module.counters);
		return -ENOMEM;
	case HW_BAD_CONFIG:
		break;
	}
	counters_destroy(abi->module.counters);
	return -EINVAL;
}

static int load_module(struct abi *abi, const struct abi_config *config)
{
	abi->module.abi = config->kernel_abi;
	abi->module.params = config->params;
	abi->module.vm_types = vm_types_supported(&abi->module);
	return kvm_module_load(&abi->module);
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
	*abi->pid = os_pid();
	r = fd_table_init(&abi->table);
	if (!r)
		r = create_machine(abi, config);
	if (r)
		goto out_free;
	r = load_module(abi, config);
	if (r)
		goto out_machine;
	*out = abi;
	return 0;

out_machine:
	hw_destroy(abi->module.hw);
	counters_destroy(abi->module.counters);
out_free:
	os_unmap(abi->pid, PAGE_SIZE);
	free(abi);
	return r;
}

struct counters *abi_counters(struct abi *abi)
{
	return abi->module.counters;
}

int abi_open(struct abi *abi, int flags)
{
	return abi_file_install(abi, os_object_fd("kvm", flags & O_CLOEXEC), FILE_SYSTEM, NULL);
}

void abi_set_run_hook(struct abi *abi, abi_run_hook hook)
{
	abi->run_hook = hook;
}

void abi_notify_signal(struct vcpu *vcpu)
{
	vcpu_notify_signal(vcpu);
}
