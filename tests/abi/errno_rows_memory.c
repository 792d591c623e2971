/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* errno_rows_memory.c - memory slots of both kinds, and attributes. */
#include "errno_rows.h"
#include "kvm_user.h"

#define SIZE		(ROW_PAGES * PAGE)
#define FREE_GPA	(64 * PAGE)
#define NEW_SLOT	5
#define HVA_2		(ROW_HVA + (1ULL << 20))
#define LAST_SLOT	32763
#define NOT_MAPPED	(ROW_HVA + ROW_HVA_SIZE + (1ULL << 30))
#define USER_END	0x7ffffffff000ULL

static int slot_5_next_to_0(struct machine *m)
{
	return (int)vm_region(machine_fd(m, ON_VM), NEW_SLOT, 0, 2 * SIZE, SIZE, (void *)HVA_2);
}

static int slot_0_read_only(struct machine *m)
{
	return (int)vm_region(machine_fd(m, ON_BARE), 0, KVM_MEM_READONLY, 0, SIZE, (void *)ROW_HVA);
}

#define V1(text, ...) \
	{ "region: " text, ON_VM, KVM_SET_USER_MEMORY_REGION, \
	  ARG(struct kvm_userspace_memory_region, __VA_ARGS__)
#define V2(text, ...) \
	{ "region 2: " text, ON_SWP, KVM_SET_USER_MEMORY_REGION2, \
	  .cap = KVM_CAP_USER_MEMORY2, ARG(struct kvm_userspace_memory_region2, __VA_ARGS__)
#define NEW(...)	.slot = NEW_SLOT, .guest_phys_addr = FREE_GPA, .memory_size = SIZE, \
			.userspace_addr = HVA_2, __VA_ARGS__
#define SLOT_0(...)	.slot = 0, .guest_phys_addr = 0, .memory_size = SIZE, \
			.userspace_addr = ROW_HVA, __VA_ARGS__
#define WITH_GMEM(...)	NEW(.flags = KVM_MEM_GUEST_MEMFD, __VA_ARGS__)
/* Every `want` below ends a row that V1 or V2 began. */
#define OK		}
#define REFUSED(e)	, .want = (e) }

static const struct row rows[] = {
	V1("a new slot", NEW()) OK,
	V1("the last slot", NEW(.slot = LAST_SLOT)) OK,
	V1("with a dirty log", NEW(.flags = KVM_MEM_LOG_DIRTY_PAGES)) OK,
	V1("read only", NEW(.flags = KVM_MEM_READONLY)) OK,
	V1("at address 0 of the VMM", NEW(.userspace_addr = 0)) OK,
	V1("where nothing is mapped", NEW(.userspace_addr = NOT_MAPPED)) OK,
	V1("next to another", NEW(.guest_phys_addr = SIZE)) OK,
	V1("guest_memfd is for region 2", NEW(.flags = KVM_MEM_GUEST_MEMFD)) REFUSED(EINVAL),
	V1("flag 3", NEW(.flags = 1 << 3)) REFUSED(EINVAL),
	V1("flag 16, which KVM has for itself", NEW(.flags = 1 << 16)) REFUSED(EINVAL),
	V1("flag 31", NEW(.flags = 1U << 31)) REFUSED(EINVAL),
	V1("slot 32764", NEW(.slot = LAST_SLOT + 1)) REFUSED(EINVAL),
	V1("slot 65535", NEW(.slot = 0xffff)) REFUSED(EINVAL),
	V1("address space 2", NEW(.slot = 2 << 16 | NEW_SLOT)) REFUSED(EINVAL),
	V1("address space 65535", NEW(.slot = 0xffff0000U)) REFUSED(EINVAL),
	V1("half a page", NEW(.memory_size = 2048)) REFUSED(EINVAL),
	V1("a page and a byte", NEW(.memory_size = PAGE + 1)) REFUSED(EINVAL),
	V1("gpa is not aligned", NEW(.guest_phys_addr = FREE_GPA + 8)) REFUSED(EINVAL),
	V1("hva is not aligned", NEW(.userspace_addr = HVA_2 + 8)) REFUSED(EINVAL),
	V1("hva of the kernel", NEW(.userspace_addr = 0xffff800000000000)) REFUSED(EINVAL),
	V1("hva of nobody", NEW(.userspace_addr = 1ULL << 62)) REFUSED(EINVAL),
	V1("hva runs over the end of user space", NEW(.userspace_addr = USER_END - PAGE))
		REFUSED(EINVAL),
	V1("hva wraps", NEW(.userspace_addr = -PAGE)) REFUSED(EINVAL),
	V1("gpa wraps", NEW(.guest_phys_addr = -PAGE)) REFUSED(EINVAL),
	V1("gpa ends at 2^64", NEW(.guest_phys_addr = -SIZE)) REFUSED(EINVAL),
	V1("gpa beyond any processor", NEW(.guest_phys_addr = 1ULL << 52)) REFUSED(EINVAL),
	V1("2^31 pages", NEW(.memory_size = 1ULL << 43, .userspace_addr = PAGE)) REFUSED(EINVAL),
	V1("the greatest size", NEW(.memory_size = -PAGE)) REFUSED(EINVAL),
	V1("delete what is not", NEW(.memory_size = 0)) REFUSED(EINVAL),
	V1("delete", .slot = 0) OK,
	V1("delete, the rest is nobody's but aligned", .slot = 0, .guest_phys_addr = 5 * PAGE,
	   .userspace_addr = 7 * PAGE) OK,
	V1("delete with a bad flag", .slot = 0, .flags = 1 << 5) REFUSED(EINVAL),
	V1("delete with a bad gpa", .slot = 0, .guest_phys_addr = 1) REFUSED(EINVAL),
	V1("delete with a bad hva", .slot = 0, .userspace_addr = 1) REFUSED(EINVAL),
	V1("the same again", SLOT_0()) OK,
	V1("only the dirty log is new", SLOT_0(.flags = KVM_MEM_LOG_DIRTY_PAGES)) OK,
	V1("moved", SLOT_0(.guest_phys_addr = FREE_GPA)) OK,
	V1("moved within itself", SLOT_0(.guest_phys_addr = PAGE)) OK,
	V1("another size", SLOT_0(.memory_size = SIZE + PAGE)) REFUSED(EINVAL),
	V1("another hva", SLOT_0(.userspace_addr = HVA_2)) REFUSED(EINVAL),
	V1("made read only", SLOT_0(.flags = KVM_MEM_READONLY)) REFUSED(EINVAL),
	V1("on top of another", NEW(.guest_phys_addr = 0)) REFUSED(EEXIST),
	V1("over the last page of another", NEW(.guest_phys_addr = SIZE - PAGE)) REFUSED(EEXIST),
	V1("around another", NEW(.guest_phys_addr = 0, .memory_size = 4 * SIZE)) REFUSED(EEXIST),
	V1("moved onto another", SLOT_0(.guest_phys_addr = 2 * SIZE)), .before = slot_5_next_to_0
		REFUSED(EEXIST),
	V1("moved to touch another", SLOT_0(.guest_phys_addr = SIZE)), .before = slot_5_next_to_0 OK,
	V1("a new slot in the way of a bad flag", NEW(.guest_phys_addr = 0, .flags = 1 << 9))
		REFUSED(EINVAL),
	{ "region: made writable", ON_BARE, KVM_SET_USER_MEMORY_REGION,
	  ARG(struct kvm_userspace_memory_region, SLOT_0()), .before = slot_0_read_only,
	  .want = EINVAL },

	V2("a new slot", NEW()) OK,
	V2("padding is nobody's", NEW(.pad1 = 1, .pad2 = { ~0ULL, 2, 3 })) OK,
	V2("without the flag, gmem fields are nobody's", NEW(.guest_memfd = FD_CLOSED,
							     .guest_memfd_offset = 3)) OK,
	V2("address space 1 of a private VM", NEW(.slot = 1 << 16)) REFUSED(EINVAL),
	V2("flag 3", NEW(.flags = 1 << 3)) REFUSED(EINVAL),
	V2("flag 31", NEW(.flags = 1U << 31)) REFUSED(EINVAL),
	V2("slot 32764", NEW(.slot = LAST_SLOT + 1)) REFUSED(EINVAL),
	V2("half a page", NEW(.memory_size = 2048)) REFUSED(EINVAL),
	V2("gpa is not aligned", NEW(.guest_phys_addr = FREE_GPA + 8)) REFUSED(EINVAL),
	V2("gpa wraps", NEW(.guest_phys_addr = -PAGE)) REFUSED(EINVAL),
	V2("on top of another", NEW(.guest_phys_addr = ROW_GMEM_GPA)) REFUSED(EEXIST),
	V2("a guest_memfd", WITH_GMEM(.guest_memfd = FD_GMEM_FREE)) OK,
	V2("the other half of a guest_memfd", WITH_GMEM(.guest_memfd = FD_GMEM,
							.guest_memfd_offset = SIZE)) OK,
	V2("a guest_memfd and hva 0", WITH_GMEM(.guest_memfd = FD_GMEM_FREE, .userspace_addr = 0)) OK,
	V2("a guest_memfd with a dirty log", WITH_GMEM(.guest_memfd = FD_GMEM_FREE,
		.flags = KVM_MEM_GUEST_MEMFD | KVM_MEM_LOG_DIRTY_PAGES)) REFUSED(EINVAL),
	V2("a guest_memfd, read only", WITH_GMEM(.guest_memfd = FD_GMEM_FREE,
		.flags = KVM_MEM_GUEST_MEMFD | KVM_MEM_READONLY)) REFUSED(EINVAL),
	V2("a closed descriptor", WITH_GMEM(.guest_memfd = FD_CLOSED)) REFUSED(EBADF),
	V2("descriptor -1", WITH_GMEM(.guest_memfd = ~0U)) REFUSED(EBADF),
	V2("an ordinary file", WITH_GMEM(.guest_memfd = FD_MEMFD)) REFUSED(EINVAL),
	V2("/dev/kvm", WITH_GMEM(.guest_memfd = FD_KVM)) REFUSED(EINVAL),
	V2("another VM's guest_memfd", WITH_GMEM(.guest_memfd = FD_GMEM_OTHER)) REFUSED(EINVAL),
	V2("offset is not aligned", WITH_GMEM(.guest_memfd = FD_GMEM_FREE, .guest_memfd_offset = 8))
		REFUSED(EINVAL),
	V2("offset beyond the file", WITH_GMEM(.guest_memfd = FD_GMEM_FREE,
					       .guest_memfd_offset = 1ULL << 40)) REFUSED(EINVAL),
	V2("offset runs over the end of the file", WITH_GMEM(.guest_memfd = FD_GMEM_FREE,
		.guest_memfd_offset = (ROW_GMEM_PAGES - 1) * PAGE)) REFUSED(EINVAL),
	V2("offset + size wraps", WITH_GMEM(.guest_memfd = FD_GMEM_FREE,
					    .guest_memfd_offset = -PAGE)) REFUSED(EINVAL),
	V2("offset + size wraps, seen before the descriptor", WITH_GMEM(.guest_memfd = FD_CLOSED,
		.guest_memfd_offset = -PAGE)) REFUSED(EINVAL),
	V2("pages that are bound", WITH_GMEM(.guest_memfd = FD_GMEM)) REFUSED(EINVAL),
	V2("one page that is bound", WITH_GMEM(.guest_memfd = FD_GMEM,
		.guest_memfd_offset = SIZE - PAGE)) REFUSED(EINVAL),
	V2("in the way, seen before the descriptor", WITH_GMEM(.guest_memfd = FD_CLOSED,
		.guest_phys_addr = 0)) REFUSED(EEXIST),
	V2("a gmem slot again, the same", .slot = 1, .flags = KVM_MEM_GUEST_MEMFD,
	   .guest_phys_addr = ROW_GMEM_GPA, .memory_size = SIZE, .userspace_addr = HVA_2,
	   .guest_memfd = FD_GMEM) REFUSED(EINVAL),
	V2("a gmem slot again, without the flag", .slot = 1, .guest_phys_addr = ROW_GMEM_GPA,
	   .memory_size = SIZE, .userspace_addr = HVA_2) REFUSED(EINVAL),
	V2("a gmem slot moved", .slot = 1, .flags = KVM_MEM_GUEST_MEMFD,
	   .guest_phys_addr = FREE_GPA, .memory_size = SIZE, .userspace_addr = HVA_2,
	   .guest_memfd = FD_GMEM) REFUSED(EINVAL),
	V2("a shared slot given a guest_memfd", SLOT_0(.flags = KVM_MEM_GUEST_MEMFD,
						       .guest_memfd = FD_GMEM_FREE)) REFUSED(EINVAL),
	V2("a gmem slot deleted", .slot = 1, .flags = KVM_MEM_GUEST_MEMFD) OK,
	V2("a gmem slot deleted, without the flag", .slot = 1) OK,
	V2("delete what is not", .slot = NEW_SLOT, .flags = KVM_MEM_GUEST_MEMFD) REFUSED(EINVAL),
	{ "region 2: a DEFAULT VM has no private memory", ON_VM, KVM_SET_USER_MEMORY_REGION2,
	  ARG(struct kvm_userspace_memory_region2, WITH_GMEM(.guest_memfd = FD_CLOSED)),
	  .cap = KVM_CAP_USER_MEMORY2, .want = EINVAL,
	  .later = EBADF, .later_why = "6.18: a VM of any type may bind a guest_memfd" },

#define ATTR(text, ...) \
	{ "attributes: " text, ON_SWP, KVM_SET_MEMORY_ATTRIBUTES, \
	  ARG(struct kvm_memory_attributes, __VA_ARGS__)
#define PRIVATE		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE
	ATTR("private", .size = SIZE, PRIVATE) OK,
	ATTR("shared, as it is", .size = SIZE) OK,
	ATTR("where there is no slot", .address = 1ULL << 40, .size = SIZE, PRIVATE) OK,
	ATTR("beyond any processor", .address = 1ULL << 60, .size = SIZE, PRIVATE) OK,
	ATTR("flags", .size = SIZE, PRIVATE, .flags = 1) REFUSED(EINVAL),
	ATTR("an upper flag", .size = SIZE, PRIVATE, .flags = 1ULL << 63) REFUSED(EINVAL),
	ATTR("read, a bit that was once meant", .size = SIZE, .attributes = 1) REFUSED(EINVAL),
	ATTR("private and another bit", .size = SIZE, .attributes = 8 | 1ULL << 63) REFUSED(EINVAL),
	ATTR("size 0", .address = PAGE, PRIVATE) REFUSED(EINVAL),
	ATTR("size is not aligned", .size = PAGE + 1, PRIVATE) REFUSED(EINVAL),
	ATTR("address is not aligned", .address = 1, .size = PAGE, PRIVATE) REFUSED(EINVAL),
	ATTR("the range wraps", .address = -PAGE, .size = 2 * PAGE, PRIVATE) REFUSED(EINVAL),
	ATTR("the range ends at 2^64", .address = -PAGE, .size = PAGE, PRIVATE) REFUSED(EINVAL),
	ATTR("the greatest size", .address = PAGE, .size = -PAGE, PRIVATE) REFUSED(EINVAL),
	{ "attributes: a DEFAULT VM has none", ON_VM, KVM_SET_MEMORY_ATTRIBUTES,
	  ARG(struct kvm_memory_attributes, .size = PAGE, PRIVATE), .want = EINVAL,
	  .cap = KVM_CAP_MEMORY_ATTRIBUTES },
	{ "attributes: none, of a DEFAULT VM", ON_VM, KVM_SET_MEMORY_ATTRIBUTES,
	  ARG(struct kvm_memory_attributes, .size = PAGE), .cap = KVM_CAP_MEMORY_ATTRIBUTES },
};

const struct row_table memory_rows = { rows, sizeof(rows) / sizeof(rows[0]) };
