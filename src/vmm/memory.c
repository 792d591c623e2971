/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * memory.c - the guest's RAM: slots, its private side, conversion.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/vmm.h"

#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB	(30u << 26)
#endif

static int create_gmem(struct vmm *vmm, uint64_t size)
{
	struct kvm_create_guest_memfd gmem = { .size = size,
		.flags = vmm->options.in_place ? GUEST_MEMFD_FLAG_MMAP : 0 };

	return VMM_IOCTL(vmm->vm, KVM_CREATE_GUEST_MEMFD, &gmem);
}

static void set_slot(struct vmm *vmm, unsigned slot)
{
	const struct vmm_ram *ram = &vmm->ram[slot];
	struct kvm_userspace_memory_region2 region = {
		.slot = slot, .guest_phys_addr = ram->at.gpa, .memory_size = ram->at.size,
		.userspace_addr = (uintptr_t)ram->shared,
	};

	if (ram->gmem < 0) {		/* the first members are those of the older call */
		VMM_IOCTL(vmm->vm, KVM_SET_USER_MEMORY_REGION, &region);
		return;
	}
	region.flags = KVM_MEM_GUEST_MEMFD;
	region.guest_memfd = (unsigned)ram->gmem;
	VMM_IOCTL(vmm->vm, KVM_SET_USER_MEMORY_REGION2, &region);
}

/* As aligned as its gpa is, up to the largest page in it: what is shared may then be mapped large. */
static uint8_t *map_ram(const struct vmm *vmm, uint64_t size)
{
	uint64_t align = size < VMM_GIANT_PAGE ? VMM_LARGE_PAGE : VMM_GIANT_PAGE;
	uint8_t *host = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t skip;

	if (host == MAP_FAILED)
		vmm_die(VMM_EXIT_MACHINE, "mmap of 0x%llx bytes: %s", (unsigned long long)size,
			vmm_errno_name(errno));
	skip = -(uintptr_t)host & (align - 1);
	if (skip)
		munmap(host, skip);
	munmap(host + skip + size, align - skip);
	if (vmm->options.hugepages)
		madvise(host + skip, size, MADV_HUGEPAGE);
	return host + skip;
}

/* All but the first gigabyte of RAM, in which the image lies, on pages of 1 GiB. */
static void map_giant(struct vmm_ram *ram)
{
	uint64_t size;

	ram->giant = ram->at.gpa ? 0 : VMM_GIANT_PAGE;
	size = ram->at.size - ram->giant;
	if (size && mmap(ram->host + ram->giant, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | MAP_HUGE_1GB, -1,
			 0) == MAP_FAILED)
		vmm_die(VMM_EXIT_MACHINE, "--hugetlb: %llu pages of 1 GiB: %s (root reserves them: echo "
			"%llu > /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages)",
			(unsigned long long)(size / VMM_GIANT_PAGE), vmm_errno_name(errno),
			(unsigned long long)(size / VMM_GIANT_PAGE));
}

/* What is shared of it is the guest_memfd's; SNP guests are launched from a copy all the same. */
static void map_in_place(const struct vmm *vmm, struct vmm_ram *ram)
{
	ram->shared = mmap(NULL, ram->at.size, PROT_READ | PROT_WRITE, MAP_SHARED, ram->gmem, 0);
	if (ram->shared == MAP_FAILED)
		vmm_die(VMM_EXIT_MACHINE, "mmap of a guest_memfd: %s", vmm_errno_name(errno));
	if (!vmm->options.type->snp)
		ram->host = ram->shared;
}

static void add_ram(struct vmm *vmm, uint64_t gpa, uint64_t size)
{
	struct vmm_ram *ram = &vmm->ram[vmm->nr_ram];

	*ram = (struct vmm_ram){ .at = { gpa, size }, .host = map_ram(vmm, size), .giant = size,
				 .gmem = -1 };
	if (vmm->options.hugetlb)
		map_giant(ram);
	ram->shared = ram->host;
	if (vmm->options.type->private_memory)
		ram->gmem = create_gmem(vmm, size);
	if (vmm->options.in_place)
		map_in_place(vmm, ram);
	set_slot(vmm, vmm->nr_ram++);
}

void vmm_memory_create(struct vmm *vmm)
{
	uint64_t size = vmm->options.memory;
	uint64_t low = size < VMM_LOW_RAM_END ? size : VMM_LOW_RAM_END;

	add_ram(vmm, 0, low);
	if (size > low)
		add_ram(vmm, VMM_HIGH_RAM, size - low);
}

static const struct vmm_ram *ram_of(const struct vmm *vmm, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < vmm->nr_ram; i++) {
		const struct vmm_range *at = &vmm->ram[i].at;

		if (gpa >= at->gpa && size <= at->size && gpa - at->gpa <= at->size - size)
			return &vmm->ram[i];
	}
	return NULL;
}

uint8_t *vmm_memory_at(const struct vmm *vmm, uint64_t gpa, uint64_t size)
{
	const struct vmm_ram *ram = ram_of(vmm, gpa, size);

	return ram ? ram->host + (gpa - ram->at.gpa) : NULL;
}

static int set_attributes(struct vmm *vmm, uint64_t gpa, uint64_t size, bool to_private)
{
	struct kvm_memory_attributes a = { .address = gpa, .size = size,
		.attributes = to_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0 };

	return ioctl(vmm->vm, KVM_SET_MEMORY_ATTRIBUTES, &a) ? errno : 0;
}

void vmm_memory_make_private(struct vmm *vmm)
{
	int err = 0;

	for (unsigned i = 0; i < vmm->nr_ram && !err; i++)
		err = set_attributes(vmm, vmm->ram[i].at.gpa, vmm->ram[i].at.size, true);
	for (size_t i = 0; i < vmm->image.nr_loaded && !vmm->options.type->snp && !err; i++)
		err = set_attributes(vmm, vmm->image.loaded[i].gpa, vmm->image.loaded[i].size, false);
	if (err)
		vmm_die(VMM_EXIT_MACHINE, "KVM_SET_MEMORY_ATTRIBUTES: %s", vmm_errno_name(err));
}

/* The side that is no longer used is given back (--no-discard: kept): its next use begins anew. */
int vmm_memory_convert(struct vmm *vmm, uint64_t gpa, uint64_t size, bool to_private)
{
	const struct vmm_ram *ram = ram_of(vmm, gpa, size);
	int err;

	if (!vmm->options.type->private_memory || (gpa | size) % VMM_PAGE || !size)
		return EINVAL;
	err = set_attributes(vmm, gpa, size, to_private);
	/* In place the other side is the same page. */
	if (err || !ram || vmm->options.no_discard || vmm->options.in_place)
		return err;
	/* A page of 1 GiB is given back whole or not at all. */
	if (to_private && gpa - ram->at.gpa + size > ram->giant)
		return 0;
	if (to_private)
		return madvise(ram->host + (gpa - ram->at.gpa), size, MADV_DONTNEED) ? errno : 0;
	return fallocate(ram->gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)(gpa - ram->at.gpa), (off_t)size) ? errno : 0;
}
