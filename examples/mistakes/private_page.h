/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * private_page.h - one page more at 4 GiB, private, which the VMM has mapped: of SNP in a
 * guest_memfd that converts in place, of SEV in its own memory.  When the guest writes to
 * port 0xf8, touch_private_page() is called with the VMM's own pointer to it.
 */
#ifndef EXAMPLES_MISTAKES_PRIVATE_PAGE_H
#define EXAMPLES_MISTAKES_PRIVATE_PAGE_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "vmm/vmm.h"

#define PORT_TOUCH	0xf8
#define SLOT		7u
#define SECRET		0x1111u		/* what the guest has written */

static volatile uint64_t *page;
static sigjmp_buf after;

static void touch_private_page(volatile uint64_t *p);

void __real_vmm_memory_create(struct vmm *vmm);
void __wrap_vmm_memory_create(struct vmm *vmm);
void __real_vmm_device_port(struct vmm *vmm, uint16_t port, bool write, unsigned size, uint8_t *data);
void __wrap_vmm_device_port(struct vmm *vmm, uint16_t port, bool write, unsigned size, uint8_t *data);

static void *map(int fd)
{
	void *p = mmap(NULL, VMM_LARGE_PAGE, PROT_READ | PROT_WRITE,
		       fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		vmm_die(VMM_EXIT_MACHINE, "mmap: %s", vmm_errno_name(errno));
	return p;
}

static void add_in_place(struct vmm *vmm)
{
	struct kvm_create_guest_memfd gmem = { .size = VMM_LARGE_PAGE,
					       .flags = GUEST_MEMFD_FLAG_MMAP };
	int fd = VMM_IOCTL(vmm->vm, KVM_CREATE_GUEST_MEMFD, &gmem);
	struct kvm_userspace_memory_region2 slot = {
		.slot = SLOT, .flags = KVM_MEM_GUEST_MEMFD, .guest_phys_addr = VMM_HIGH_RAM,
		.memory_size = VMM_LARGE_PAGE, .guest_memfd = (unsigned)fd,
	};
	struct kvm_memory_attributes private = { .address = VMM_HIGH_RAM, .size = VMM_LARGE_PAGE,
						 .attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE };

	page = map(fd);
	slot.userspace_addr = (uintptr_t)page;
	VMM_IOCTL(vmm->vm, KVM_SET_USER_MEMORY_REGION2, &slot);
	VMM_IOCTL(vmm->vm, KVM_SET_MEMORY_ATTRIBUTES, &private);
}

void __wrap_vmm_memory_create(struct vmm *vmm)
{
	struct kvm_userspace_memory_region slot = {
		.slot = SLOT, .guest_phys_addr = VMM_HIGH_RAM, .memory_size = VMM_LARGE_PAGE,
	};

	__real_vmm_memory_create(vmm);
	if (vmm->options.type->private_memory) {
		add_in_place(vmm);
		return;
	}
	page = map(-1);
	slot.userspace_addr = (uintptr_t)page;
	VMM_IOCTL(vmm->vm, KVM_SET_USER_MEMORY_REGION, &slot);
}

static void on_bus(int signo, siginfo_t *info, void *ucontext)
{
	(void)signo;
	(void)ucontext;
	printf("the VMM: SIGBUS, %s\n", info->si_addr == page ? "at that page" : "elsewhere");
	siglongjmp(after, 1);
}

/* The VMM goes on, so that the guest can look at what it has. */
void __wrap_vmm_device_port(struct vmm *vmm, uint16_t port, bool write, unsigned size, uint8_t *data)
{
	const struct sigaction act = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

	if (port != PORT_TOUCH) {
		__real_vmm_device_port(vmm, port, write, size, data);
		return;
	}
	sigaction(SIGBUS, &act, NULL);
	if (!sigsetjmp(after, 1))
		touch_private_page(page);
	fflush(stdout);
}

#endif
