/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * system.c - ioctls on /dev/kvm.
 */
#include <errno.h>

#include "abi/counted.h"
#include "abi/ioctl.h"
#include "kvm/types/sev_platform.h"
#include "kvm/types/types.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/mce.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/vm.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/uaccess.h"

static long get_api_version(struct ioctl_call *c)
{
	return KVM_API_VERSION;
}

static long create_vm(struct ioctl_call *c)
{
	struct kvm_module *module = &c->abi->module;
	const struct vm_type_ops *ops = vm_type_find(module, c->arg);
	int fd = os_object_fd("kvm-vm", true);	/* before the type is looked at */
	struct kvm *kvm;
	long r;

	if (fd < 0)
		return fd;
	r = ops ? kvm_vm_create(module, ops, &kvm) : -EINVAL;
	if (r) {
		os_close(fd);
		return r;
	}
	r = abi_file_install(c->abi, fd, FILE_VM, kvm);
	if (r < 0)
		kvm_put(kvm);
	return r;
}

static long check_extension(struct ioctl_call *c)
{
	return kvm_check_extension(&c->abi->module, NULL, c->arg);
}

static long get_vcpu_mmap_size(struct ioctl_call *c)
{
	return VCPU_RUN_PAGES * PAGE_SIZE;
}

static long get_supported_cpuid(struct ioctl_call *c)
{
	struct kvm_cpuid_entry2 e[KVM_MAX_CPUID_ENTRIES];
	long room = counted_cpuid_room(c->arg, 1);
	int nr;

	if (room < 0)
		return room;
	nr = kvm_supported_cpuid(&c->abi->module, e, (unsigned)room);
	return nr < 0 ? nr : counted_cpuid_out(c->arg, e, nr);
}

/* Features that only KVM's emulator has. */
static long get_emulated_cpuid(struct ioctl_call *c)
{
	struct kvm_cpuid_entry2 e[KVM_MAX_CPUID_ENTRIES];
	long room = counted_cpuid_room(c->arg, 1);
	int nr;

	if (room < 0)
		return room;
	if (!counted_cpuid_padding_is_clean(c->arg, (uint32_t)room))
		return -EINVAL;
	nr = kvm_emulated_cpuid(&c->abi->module, e, (unsigned)room);
	return nr < 0 ? nr : counted_cpuid_out(c->arg, e, nr);
}

static long get_mce_cap_supported(struct ioctl_call *c)
{
	*(uint64_t *)c->data = kvm_mce_cap_supported(&c->abi->module);
	return 0;
}

static long get_msr_index_list(struct ioctl_call *c)
{
	return counted_msr_list(&c->abi->module, c->arg, vcpu_msr_list);
}

static long get_msr_feature_index_list(struct ioctl_call *c)
{
	return counted_msr_list(&c->abi->module, c->arg, vcpu_feature_msr_list);
}

static int read_feature_msr(void *who, uint32_t index, uint64_t *value)
{
	return vcpu_get_feature_msr(who, index, value);
}

static long get_msrs(struct ioctl_call *c)
{
	return counted_msrs(c->arg, read_feature_msr, &c->abi->module, true);
}

/* CPUID 0xD.0, EDX:EAX. */
static uint64_t supported_xcr0(const struct kvm_module *module)
{
	struct kvm_cpuid_entry2 e[KVM_MAX_CPUID_ENTRIES];
	int nr = kvm_supported_cpuid(module, e, ARRAY_SIZE(e));

	for (int i = 0; i < nr; i++) {
		if (e[i].function == 0xd && !e[i].index)
			return (uint64_t)e[i].edx << 32 | e[i].eax;
	}
	return 0;
}

/* Group 0 is KVM's own, all others are the vendor module's. */
static int device_attr(const struct kvm_device_attr *attr, const struct kvm_module *module,
		       uint64_t *value)
{
	if (attr->group)
		return sev_device_attr(module, attr->group, attr->attr, value);
	if (attr->attr != KVM_X86_XCOMP_GUEST_SUPP)
		return -ENXIO;
	*value = supported_xcr0(module);
	return 0;
}

static long get_device_attr(struct ioctl_call *c)
{
	const struct kvm_device_attr *attr = c->data;
	uint64_t value;
	int r = device_attr(attr, &c->abi->module, &value);

	if (!r && os_copy_to((void *)attr->addr, &value, sizeof(value)))
		r = -EFAULT;
	return r;
}

static long has_device_attr(struct ioctl_call *c)
{
	uint64_t value;

	return device_attr(c->data, &c->abi->module, &value);
}

static const struct ioctl_row rows[] = {
	IOC(KVM_GET_API_VERSION, IOC_NO_ARG, get_api_version),
	IOC(KVM_CREATE_VM, IOC_VALUE, create_vm),
	IOC(KVM_GET_MSR_INDEX_LIST, IOC_RAW, get_msr_index_list),
	IOC(KVM_GET_MSR_FEATURE_INDEX_LIST, IOC_RAW, get_msr_feature_index_list),
	IOC(KVM_GET_MSRS, IOC_RAW, get_msrs),
	IOC(KVM_CHECK_EXTENSION, IOC_VALUE, check_extension),
	IOC(KVM_GET_VCPU_MMAP_SIZE, IOC_NO_ARG, get_vcpu_mmap_size),
	IOC(KVM_GET_DEVICE_ATTR, 0, get_device_attr),
	IOC(KVM_HAS_DEVICE_ATTR, 0, has_device_attr),
	IOC(KVM_GET_SUPPORTED_CPUID, IOC_RAW, get_supported_cpuid),
	IOC(KVM_GET_EMULATED_CPUID, IOC_RAW, get_emulated_cpuid),
	IOC(KVM_X86_GET_MCE_CAP_SUPPORTED, 0, get_mce_cap_supported),
};

const struct ioctl_table system_ioctls = { rows, ARRAY_SIZE(rows), -EINVAL };
