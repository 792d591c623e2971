/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* gmem_rows_slot.c - capabilities, creation, slots, and what guests and KVM reach through them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flat_guest.h"
#include "gmem_rows.h"

#define MSR_KVM_WALL_CLOCK_NEW	0x4b564d00

/* Without KVM's private memory, and with. */
static const unsigned plain_types[] = { 0, KVM_X86_SEV_VM, KVM_X86_SEV_ES_VM };
static const unsigned private_types[] = { KVM_X86_SW_PROTECTED_VM, KVM_X86_SNP_VM };

typedef const char *vm_fn(int vm);

/* The answer of @fn, the same for VMs of all of these types that there are; @least of them. */
static const char *for_types(struct gmem_place *p, const unsigned *types, size_t n, size_t least,
			     vm_fn *fn)
{
	const char *first = NULL;
	size_t nr = 0;

	for (size_t i = 0; i < n; i++) {
		int vm = gmem_vm(p, types[i]);
		const char *r;

		if (vm < 0)
			continue;
		r = fn(vm);
		close(vm);
		if (nr++ && strcmp(first, r))
			return "not the same for all";
		first = r;
	}
	return nr >= least ? first : NULL;
}

/* ---- capabilities ---- */

static const char *flags_of(int fd)
{
	return gmem_number(kvm_ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS));
}

static const char *cap_system(struct gmem_place *p)
{
	return flags_of(p->kvm);
}

static const char *cap_vm(struct gmem_place *p)
{
	return for_types(p, plain_types, 3, 1, flags_of);
}

static const char *cap_private_vm(struct gmem_place *p)
{
	return for_types(p, private_types, 2, 1, flags_of);
}

static const char *cap_gmem_vm(struct gmem_place *p)
{
	return gmem_number(kvm_ioctl(p->vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD));
}

/* ---- creation ---- */

/* What comes of flags @from to @to, the same for all. */
static const char *created(int vm, uint64_t from, uint64_t to)
{
	const char *first = NULL;

	for (uint64_t flags = from; flags <= to; flags++) {
		long fd = vm_gmem(vm, GMEM_SIZE, flags);
		const char *r = fd >= 0 ? "a descriptor" : errno_name(-fd);

		if (fd >= 0)
			close((int)fd);
		if (first && strcmp(first, r))
			return "not the same for all";
		first = r;
	}
	return first;
}

static const char *create_known(int vm)
{
	return created(vm, 0, 3);
}

static const char *create_flags(struct gmem_place *p)
{
	return for_types(p, plain_types, 3, 1, create_known);
}

static const char *create_unknown(struct gmem_place *p)
{
	for (uint64_t flag = 4; flag; flag <<= 1) {
		long fd = vm_gmem(p->vm, GMEM_SIZE, flag), both = vm_gmem(p->vm, PAGE, flag | 3);

		if (fd != -EINVAL || both != -EINVAL)
			return "not EINVAL for each";
	}
	return "EINVAL";
}

static const char *create_mmap(int vm)
{
	return created(vm, GMEM_MMAP, GMEM_MMAP);
}

static const char *create_private_mmap(struct gmem_place *p)
{
	return for_types(p, private_types, 2, 1, create_mmap);
}

static const char *create_shared(int vm)
{
	return created(vm, GUEST_MEMFD_FLAG_INIT_SHARED, GMEM_BOTH);
}

static const char *create_private_shared(struct gmem_place *p)
{
	return for_types(p, private_types, 2, 1, create_shared);
}

/* ---- regions ---- */

/* The answer for a region of @size at @offset of a file of GMEM_SIZE. */
static const char *bound(struct gmem_place *p, uint64_t size, uint64_t offset)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	long r = vm_region_gmem(p->vm, 9, GMEM_GPA, size, NULL, fd, offset);

	if (!r)
		need(!vm_region(p->vm, 9, 0, 0, 0, NULL), "the region goes");
	close(fd);
	return gmem_number(r);
}

static const char *bind_within(struct gmem_place *p)
{
	const char *r = bound(p, GMEM_SIZE, 0);

	return strcmp(r, bound(p, PAGE, GMEM_SIZE - PAGE)) ? "not the same for both" : r;
}

static const char *bind_past_end(struct gmem_place *p)
{
	const char *r = bound(p, 2 * PAGE, GMEM_SIZE - PAGE);

	return strcmp(r, bound(p, PAGE, GMEM_SIZE)) || strcmp(r, bound(p, GMEM_SIZE + PAGE, 0))
	       ? "not the same for all" : r;
}

static const char *bind_signed(struct gmem_place *p)
{
	return bound(p, 2 * PAGE, INT64_MAX & ~4095ull);
}

static const char *bind_wrap(struct gmem_place *p)
{
	return bound(p, 2 * PAGE, ~4095ull);
}

static const char *bind_unaligned(struct gmem_place *p)
{
	return bound(p, PAGE, 1);
}

static const char *bind_twice(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	const char *r;

	need(!vm_region_gmem(p->vm, 9, GMEM_GPA, 2 * PAGE, NULL, fd, PAGE), "a region");
	r = gmem_number(vm_region_gmem(p->vm, 10, 2 * GMEM_GPA, 2 * PAGE, NULL, fd, 2 * PAGE));
	need(!vm_region(p->vm, 9, 0, 0, 0, NULL), "the region goes");
	close(fd);
	return r;
}

static const char *bind_flags(struct gmem_place *p)
{
	int fd = gmem_file(p->vm, GMEM_SIZE, GMEM_BOTH);
	const char *first = NULL;

	for (uint32_t flag = KVM_MEM_LOG_DIRTY_PAGES; flag <= KVM_MEM_READONLY; flag <<= 1) {
		struct kvm_userspace_memory_region2 r = {
			.slot = 9, .flags = KVM_MEM_GUEST_MEMFD | flag, .guest_phys_addr = GMEM_GPA,
			.memory_size = PAGE, .guest_memfd = (uint32_t)fd,
		};
		const char *got = gmem_number(kvm_ioctlp(p->vm, KVM_SET_USER_MEMORY_REGION2, &r));

		if (first && strcmp(first, got))
			first = "not the same for both";
		else
			first = got;
	}
	close(fd);
	return first;
}

/* ---- guests ---- */

/* mov (%rax),%rbx; incq (%rax); out %al,$0x10 */
static const char code[] = { 0x48, (char)0x8b, 0x18, 0x48, (char)0xff, 0x00, (char)0xe6, 0x10 };

/* What the guest finds at GMEM_GPA and adds one to; ~0: it does not come so far. */
static uint64_t guest_adds(struct flat_guest *g)
{
	struct kvm_regs regs = flat_guest_regs(g, code);

	regs.rax = GMEM_GPA;
	flat_guest_set(g, &regs);
	if (flat_guest_run(g) || g->run->exit_reason != KVM_EXIT_IO)
		return ~0ull;
	return flat_guest_get(g).rbx;
}

/* Slot 1 has the file, and @userspace beside it. */
static bool goes_by_the_file(struct flat_guest *g, void *userspace)
{
	int fd = gmem_file(g->vm, GMEM_SIZE, GMEM_BOTH);
	uint64_t *p = (uint64_t *)gmem_map(fd, GMEM_SIZE, 0);
	bool ok;

	p[0] = 41;
	ok = !vm_region_gmem(g->vm, 1, GMEM_GPA, GMEM_SIZE, userspace, fd, 0) &&
	     guest_adds(g) == 41 && p[0] == 42;
	p[0] = 100;
	ok &= guest_adds(g) == 100 && p[0] == 101;
	ok &= !fallocate(fd, GMEM_PUNCH, 0, PAGE) && p[0] == 0 && guest_adds(g) == 0 && p[0] == 1;
	ok &= !madvise(p, PAGE, MADV_REMOVE) && guest_adds(g) == 0 && p[0] == 1;
	need(!vm_region(g->vm, 1, 0, 0, 0, NULL), "the region goes");
	munmap(p, GMEM_SIZE);
	close(fd);
	return ok;
}

static const char *guest_shared(struct gmem_place *p)
{
	uint64_t *decoy = pages(GMEM_SIZE);
	struct flat_guest g;
	bool ok;

	if (!p->guests)
		return NULL;
	flat_guest_make(&g, 0, false, code, sizeof(code));
	ok = goes_by_the_file(&g, decoy) && goes_by_the_file(&g, NULL) && !decoy[0];
	flat_guest_free(&g);
	munmap(decoy, GMEM_SIZE);
	return gmem_is(ok, "the file's page; userspace_addr may be 0");
}

/* A file with MMAP alone, in a VM of @type: shared, and private where there is that. */
static bool goes_by_it_alone(unsigned type)
{
	uint64_t *decoy = pages(GMEM_SIZE);
	struct flat_guest g;
	bool ok;
	int fd;

	flat_guest_make(&g, type, false, code, sizeof(code));
	fd = gmem_file(g.vm, GMEM_SIZE, GMEM_MMAP);
	ok = !vm_region_gmem(g.vm, 1, GMEM_GPA, GMEM_SIZE, decoy, fd, 0) && guest_adds(&g) == 0 &&
	     guest_adds(&g) == 1;
	for (int i = 0; type && i < 2; i++)
		ok &= !vm_attributes(g.vm, GMEM_GPA, GMEM_SIZE,
				     i ? 0 : KVM_MEMORY_ATTRIBUTE_PRIVATE) &&
		      guest_adds(&g) == 2u + i;
	ok &= !fallocate(fd, GMEM_PUNCH, 0, GMEM_SIZE) && guest_adds(&g) == 0 && !decoy[0];
	close(fd);
	flat_guest_free(&g);
	munmap(decoy, GMEM_SIZE);
	return ok;
}

static const char *guest_private(struct gmem_place *p)
{
	int vm = gmem_vm(p, KVM_X86_SW_PROTECTED_VM);

	if (vm < 0 || !p->guests)
		return NULL;
	close(vm);
	return gmem_is(goes_by_it_alone(0) && goes_by_it_alone(KVM_X86_SW_PROTECTED_VM),
		       "the file's page, private or not");
}

static bool has_bytes(const char *p)
{
	for (size_t i = 0; i < PAGE; i++)
		if (p[i])
			return true;
	return false;
}

/* KVM writes the time of day to where the MSR says. */
static const char *host_accessors(struct gmem_place *p)
{
	struct {
		struct kvm_msrs		head;
		struct kvm_msr_entry	entry;
	} msr = { .head.nmsrs = 1, .entry = { .index = MSR_KVM_WALL_CLOCK_NEW, .data = GMEM_GPA } };
	int vm = vm_make(p->kvm, 0), vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	int fd = gmem_file(vm, GMEM_SIZE, GMEM_BOTH);
	char *at = gmem_map(fd, GMEM_SIZE, 0), *decoy = pages(GMEM_SIZE);
	const char *r = "neither";

	need(vcpu >= 0, "KVM_CREATE_VCPU");
	need(!vm_region_gmem(vm, 0, GMEM_GPA, GMEM_SIZE, decoy, fd, 0), "a region");
	need(kvm_ioctlp(vcpu, KVM_SET_MSRS, &msr) == 1, "KVM_SET_MSRS");
	if (has_bytes(decoy))
		r = has_bytes(at) ? "both" : "userspace_addr";
	else if (has_bytes(at))
		r = "the file's page";
	munmap(at, GMEM_SIZE);
	munmap(decoy, GMEM_SIZE);
	close(fd);
	close(vcpu);
	close(vm);
	return r;
}

const struct gmem_row gmem_rows_slot[] = {
	{ "cap-flags-system", cap_system },
	{ "cap-flags-vm", cap_vm },
	{ "cap-flags-private-vm", cap_private_vm },
	{ "cap-gmem-vm", cap_gmem_vm },
	{ "create-flags", create_flags },
	{ "create-unknown", create_unknown },
	{ "create-private-mmap", create_private_mmap },
	{ "create-private-shared", create_private_shared },
	{ "bind-within", bind_within },
	{ "bind-past-end", bind_past_end },
	{ "bind-signed", bind_signed },
	{ "bind-wrap", bind_wrap },
	{ "bind-unaligned", bind_unaligned },
	{ "bind-twice", bind_twice },
	{ "bind-flags", bind_flags },
	{ "guest-shared", guest_shared },
	{ "guest-private", guest_private },
	{ "host-accessors", host_accessors },
	{ NULL, NULL },
};
