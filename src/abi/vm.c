/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vm.c - ioctls on a VM.
 */
#include <errno.h>
#include <stdlib.h>

#include "abi/ioctl.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/gmem/gmem.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/ioeventfd.h"
#include "kvm/vm/memory.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/irqfd.h"
#include "kvm/irq/routing.h"
#include "kvm/vm/irqchip.h"
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
	pages = os_map_shared(fd, 0, RUN_BYTES);
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
	r = abi_file_install(c->abi, kvm_gmem_take_fd(gmem), FILE_GMEM, gmem);
	if (r < 0)
		kvm_gmem_release(gmem);
	return r;
}

/* The capabilities that name another VM by its descriptor. */
static long take_context_from(struct ioctl_call *c, const struct kvm_enable_cap *cap)
{
	struct kvm *kvm = c->file->kvm;
	struct abi_file *source = abi_file_get(c->abi, (int)cap->args[0], true);
	long r = -EBADF;

	if (source && source->kind == FILE_VM && abi_is_owner(c->abi, source->kvm))
		r = cap->cap == KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM
			    ? kvm->ops->move_enc_context_from(kvm, source->kvm)
			    : kvm->ops->copy_enc_context_from(kvm, source->kvm);
	abi_file_put(source);
	return r;
}

static long enable_cap(struct ioctl_call *c)
{
	const struct kvm_enable_cap *cap = c->data;

	if (cap->cap != KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM &&
	    cap->cap != KVM_CAP_VM_COPY_ENC_CONTEXT_FROM)
		return kvm_vm_enable_cap(c->file->kvm, cap);
	if (cap->flags || c->file->kvm->ops->move_enc_context_from == vm_type_no_move_enc_context_from)
		return -EINVAL;
	return take_context_from(c, cap);
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

static long irq_line(struct ioctl_call *c)
{
	return kvm_vm_irq_line(c->file->kvm, c->data);
}

static long get_irqchip(struct ioctl_call *c)
{
	return kvm_vm_get_irqchip(c->file->kvm, c->data);
}

/* The next three are _IOR or _IO by their numbers, and yet they are read. */
static long set_irqchip(struct ioctl_call *c)
{
	struct kvm_irqchip chip;

	if (os_copy_from(&chip, (void *)c->arg, sizeof(chip)))
		return -EFAULT;
	return kvm_vm_set_irqchip(c->file->kvm, &chip);
}

static long set_pit(struct ioctl_call *c)
{
	struct kvm_pit_state2 state = { .flags = 0 };

	if (os_copy_from(&state, (void *)c->arg, sizeof(struct kvm_pit_state)))
		return -EFAULT;
	return kvm_vm_set_pit(c->file->kvm, &state, true);
}

static long reinject_control(struct ioctl_call *c)
{
	struct kvm_reinject_control control;

	if (os_copy_from(&control, (void *)c->arg, sizeof(control)))
		return -EFAULT;
	return kvm_vm_reinject_control(c->file->kvm, &control);
}

/* Copied in for its size's sake, like the kernel's. */
static long get_pit(struct ioctl_call *c)
{
	struct kvm_pit_state2 state;
	int r;

	if (os_copy_from(&state, (void *)c->arg, sizeof(struct kvm_pit_state)))
		return -EFAULT;
	r = kvm_vm_get_pit(c->file->kvm, &state);
	if (r)
		return r;
	return os_copy_to((void *)c->arg, &state, sizeof(struct kvm_pit_state)) ? -EFAULT : 0;
}

static long get_pit2(struct ioctl_call *c)
{
	return kvm_vm_get_pit(c->file->kvm, c->data);
}

static long set_pit2(struct ioctl_call *c)
{
	return kvm_vm_set_pit(c->file->kvm, c->data, false);
}

static long create_pit(struct ioctl_call *c)
{
	const struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return kvm_vm_create_pit(c->file->kvm, &config);
}

static long create_pit2(struct ioctl_call *c)
{
	return kvm_vm_create_pit(c->file->kvm, c->data);
}

static long signal_msi(struct ioctl_call *c)
{
	return kvm_send_msi(c->file->kvm, c->data);
}

static long irqfd(struct ioctl_call *c)
{
	return kvm_irqfd(c->file->kvm, c->data);
}

static long set_gsi_routing(struct ioctl_call *c)
{
	struct kvm_irq_routing header;
	struct kvm_irq_routing_entry *e;
	size_t size;
	long r = -EFAULT;

	if (os_copy_from(&header, (void *)c->arg, sizeof(header)))
		return -EFAULT;
	if (c->file->kvm->irq->mode == IRQCHIP_NONE || header.nr > KVM_MAX_IRQ_ROUTES ||
	    header.flags)
		return -EINVAL;
	size = header.nr * sizeof(*e);
	e = malloc(size + 1);
	if (!e)
		return -ENOMEM;
	if (!os_copy_from(e, (char *)c->arg + sizeof(header), size))
		r = kvm_vm_set_gsi_routing(c->file->kvm, e, header.nr);
	free(e);
	return r;
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
	IOC(KVM_IRQ_LINE, 0, irq_line),
	IOC(KVM_IRQ_LINE_STATUS, 0, irq_line),
	IOC(KVM_GET_IRQCHIP, 0, get_irqchip),
	IOC(KVM_SET_IRQCHIP, IOC_RAW, set_irqchip),
	IOC(KVM_SET_GSI_ROUTING, IOC_RAW, set_gsi_routing),
	IOC(KVM_SIGNAL_MSI, 0, signal_msi),
	IOC(KVM_IRQFD, 0, irqfd),
	IOC(KVM_CREATE_PIT, IOC_VALUE, create_pit),
	IOC(KVM_CREATE_PIT2, 0, create_pit2),
	IOC(KVM_GET_PIT, IOC_RAW, get_pit),
	IOC(KVM_SET_PIT, IOC_RAW, set_pit),
	IOC(KVM_GET_PIT2, 0, get_pit2),
	IOC(KVM_SET_PIT2, 0, set_pit2),
	IOC(KVM_REINJECT_CONTROL, IOC_RAW, reinject_control),
	IOC(KVM_GET_CLOCK, 0, get_clock),
	IOC(KVM_SET_CLOCK, 0, set_clock),
	IOC(KVM_GET_TSC_KHZ, IOC_VALUE, get_tsc_khz),
	IOC(KVM_SET_TSC_KHZ, IOC_VALUE, set_tsc_khz),
	IOC(KVM_SET_NR_MMU_PAGES, IOC_VALUE, set_nr_mmu_pages),
	IOC(KVM_SET_BOOT_CPU_ID, IOC_VALUE, set_boot_cpu_id),
	IOC(KVM_X86_SET_MSR_FILTER, 0, abi_set_msr_filter),
	IOC(KVM_SET_PMU_EVENT_FILTER, 0, abi_set_pmu_event_filter),
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
