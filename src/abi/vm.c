/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vm.c - ioctls on a VM.
 */
#include <errno.h>

#include "abi/ioctl.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/gmem/gmem.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/ioeventfd.h"
#include "kvm/vm/memory.h"
#include "kvm/vm/vm.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/uaccess.h"

#define RUN_BYTES	(VCPU_RUN_PAGES * PAGE_SIZE)

static long check_extension(struct ioctl_call *c)
{
	return kvm_check_extension(&c->abi->module, c->file->kvm, c->arg);
}

/*
 * kvm_run and its neighbours live in the memfd that is the vCPU's descriptor,
 * so that the VMM's mmap is the kernel's own.
 */
static long create_vcpu(struct ioctl_call *c)
{
	struct vcpu *v;
	void *pages;
	long r;
	int fd;

	if (c->arg >= KVM_MAX_VCPU_IDS_LIMIT)
		return -EINVAL;
	fd = os_shared_memfd("kvm-vcpu", RUN_BYTES, true);
	if (fd < 0)
		return fd;
	pages = os_map_shared(fd, RUN_BYTES);
	r = pages ? kvm_vm_create_vcpu(c->file->kvm, c->arg, pages, &v) : -ENOMEM;
	if (r) {
		if (pages)
			os_unmap(pages, RUN_BYTES);
		os_close(fd);
		return r;
	}
	/* A vCPU stays when its descriptor goes; so it does when there is none. */
	r = abi_file_install(c->abi, fd, FILE_VCPU, v);
	if (r < 0)
		kvm_put(c->file->kvm);
	return r;
}

/* What args->guest_memfd names; the reference lasts until the caller is done. */
static struct kvm_gmem_arg find_gmem(struct abi *abi, const struct kvm_userspace_memory_region2 *m,
				     struct abi_file **held)
{
	struct kvm_gmem_arg arg = { 0 };
	struct stat st;

	*held = NULL;
	if (!(m->flags & KVM_MEM_GUEST_MEMFD) || !m->memory_size)
		return arg;
	*held = abi_file_get(abi, m->guest_memfd, true);
	if (*held && (*held)->kind == FILE_GMEM)
		arg.file = (*held)->gmem;
	else if (!*held && os_fstat(m->guest_memfd, &st))
		arg.error = -EBADF;
	return arg;
}

static long set_region(struct ioctl_call *c, const struct kvm_userspace_memory_region2 *m,
		       bool v1)
{
	struct abi_file *held;
	struct kvm_gmem_arg gmem = find_gmem(c->abi, m, &held);
	long r = kvm_vm_set_memory_region(c->file->kvm, m, v1, gmem);

	abi_file_put(held);
	return r;
}

static long set_user_memory_region(struct ioctl_call *c)
{
	const struct kvm_userspace_memory_region *m = c->data;
	struct kvm_userspace_memory_region2 m2 = {
		.slot = m->slot,
		.flags = m->flags,
		.guest_phys_addr = m->guest_phys_addr,
		.memory_size = m->memory_size,
		.userspace_addr = m->userspace_addr,
	};

	return set_region(c, &m2, true);
}

static long set_user_memory_region2(struct ioctl_call *c)
{
	return set_region(c, c->data, false);
}

static long set_memory_attributes(struct ioctl_call *c)
{
	return kvm_vm_set_memory_attributes(c->file->kvm, c->data);
}

static long create_guest_memfd(struct ioctl_call *c)
{
	struct gmem_file *gmem;
	long r = kvm_gmem_create(c->file->kvm, c->data, &gmem);

	if (r)
		return r;
	r = abi_file_install(c->abi, os_object_fd("kvm-gmem", false), FILE_GMEM, gmem);
	if (r < 0)
		kvm_gmem_release(gmem);
	return r;
}

static long enable_cap(struct ioctl_call *c)
{
	return kvm_vm_enable_cap(c->file->kvm, c->data);
}

static long create_irqchip(struct ioctl_call *c)
{
	return kvm_vm_create_irqchip(c->file->kvm);
}

static long set_tss_addr(struct ioctl_call *c)
{
	return kvm_vm_set_tss_addr(c->file->kvm, c->arg);
}

/* After the first vCPU it is EINVAL, before the pointer is looked at. */
static long set_identity_map_addr(struct ioctl_call *c)
{
	uint64_t addr;

	if (atomic32_load(&c->file->kvm->created_vcpus))
		return -EINVAL;
	if (os_copy_from(&addr, (void *)c->arg, sizeof(addr)))
		return -EFAULT;
	return kvm_vm_set_identity_map_addr(c->file->kvm, addr);
}

static long get_clock(struct ioctl_call *c)
{
	kvm_get_clock(c->file->kvm, c->data);
	return 0;
}

static long set_clock(struct ioctl_call *c)
{
	return kvm_set_clock(c->file->kvm, c->data);
}

static long get_tsc_khz(struct ioctl_call *c)
{
	return c->file->kvm->caps.tsc_khz;
}

static long set_tsc_khz(struct ioctl_call *c)
{
	return kvm_vm_set_tsc_khz(c->file->kvm, c->arg);
}

static long set_nr_mmu_pages(struct ioctl_call *c)
{
	return kvm_vm_set_nr_mmu_pages(c->file->kvm, c->arg);
}

static long set_boot_cpu_id(struct ioctl_call *c)
{
	return kvm_vm_set_boot_cpu_id(c->file->kvm, c->arg);
}

static long get_stats_fd(struct ioctl_call *c)
{
	return abi_stats_open(c->file);
}

static long ioeventfd(struct ioctl_call *c)
{
	return kvm_vm_ioeventfd(c->file->kvm, c->data);
}

static long register_coalesced_mmio(struct ioctl_call *c)
{
	return kvm_coalesced_register(c->file->kvm, c->data);
}

static long unregister_coalesced_mmio(struct ioctl_call *c)
{
	return kvm_coalesced_unregister(c->file->kvm, c->data);
}

/*
 * There is no device that could be created: VFIO's is an option of a kernel's
 * build, and all others belong to other architectures.
 */
static long create_device(struct ioctl_call *c)
{
	return -ENODEV;
}

static long memory_encrypt_op(struct ioctl_call *c)
{
	struct kvm *kvm = c->file->kvm;

	return kvm->ops->mem_enc_ioctl(kvm, (void *)c->arg);
}

/* _IOR by its number, and yet it is read: copied by hand. */
static long memory_encrypt_region(struct ioctl_call *c, bool add)
{
	struct kvm *kvm = c->file->kvm;
	struct kvm_enc_region region;

	if (os_copy_from(&region, (void *)c->arg, sizeof(region)))
		return -EFAULT;
	return add ? kvm->ops->mem_enc_register_region(kvm, &region)
		   : kvm->ops->mem_enc_unregister_region(kvm, &region);
}

static long memory_encrypt_reg_region(struct ioctl_call *c)
{
	return memory_encrypt_region(c, true);
}

static long memory_encrypt_unreg_region(struct ioctl_call *c)
{
	return memory_encrypt_region(c, false);
}

static const struct ioctl_row rows[] = {
	IOC(KVM_CHECK_EXTENSION, IOC_VALUE, check_extension),
	IOC(KVM_CREATE_VCPU, IOC_VALUE, create_vcpu),
	IOC(KVM_SET_USER_MEMORY_REGION, 0, set_user_memory_region),
	IOC(KVM_SET_USER_MEMORY_REGION2, 0, set_user_memory_region2),
	IOC(KVM_SET_MEMORY_ATTRIBUTES, 0, set_memory_attributes),
	IOC(KVM_CREATE_GUEST_MEMFD, IOC_IN_ONLY, create_guest_memfd),
	IOC(KVM_ENABLE_CAP, 0, enable_cap),
	IOC(KVM_CREATE_IRQCHIP, IOC_VALUE, create_irqchip),
	IOC(KVM_SET_TSS_ADDR, IOC_VALUE, set_tss_addr),
	IOC(KVM_SET_IDENTITY_MAP_ADDR, IOC_RAW, set_identity_map_addr),
	IOC(KVM_GET_CLOCK, 0, get_clock),
	IOC(KVM_SET_CLOCK, 0, set_clock),
	IOC(KVM_GET_TSC_KHZ, IOC_VALUE, get_tsc_khz),
	IOC(KVM_SET_TSC_KHZ, IOC_VALUE, set_tsc_khz),
	IOC(KVM_SET_NR_MMU_PAGES, IOC_VALUE, set_nr_mmu_pages),
	IOC(KVM_SET_BOOT_CPU_ID, IOC_VALUE, set_boot_cpu_id),
	IOC(KVM_X86_SET_MSR_FILTER, 0, abi_set_msr_filter),
	IOC(KVM_IOEVENTFD, 0, ioeventfd),
	IOC(KVM_REGISTER_COALESCED_MMIO, 0, register_coalesced_mmio),
	IOC(KVM_UNREGISTER_COALESCED_MMIO, 0, unregister_coalesced_mmio),
	IOC(KVM_CREATE_DEVICE, 0, create_device),
	IOC(KVM_GET_STATS_FD, IOC_VALUE, get_stats_fd),
	IOC(KVM_MEMORY_ENCRYPT_OP, IOC_RAW, memory_encrypt_op),
	IOC(KVM_MEMORY_ENCRYPT_REG_REGION, IOC_RAW, memory_encrypt_reg_region),
	IOC(KVM_MEMORY_ENCRYPT_UNREG_REGION, IOC_RAW, memory_encrypt_unreg_region),
};

const struct ioctl_table vm_ioctls = { rows, ARRAY_SIZE(rows), -ENOTTY };
