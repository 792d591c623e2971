/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * an_snp_guest.h - an SNP VM as KVM_CREATE_VM and KVM_SEV_INIT2 make it, with a
 * vCPU and a slot of guest_memfd, all private; nothing runs.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hw/insn/peek.h"
#include "hw/insn/phys.h"
#include "kvm/core/attr.h"
#include "kvm/gmem/gmem.h"
#include "kvm/mmu/mmu.h"
#include "kvm/types/snp.h"
#include "kvm/types/types.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/memory.h"
#include "kvm/vm/vm.h"
#include "os/memory.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define PRIVATE		KVM_MEMORY_ATTRIBUTE_PRIVATE
#define SIZE_2M		PG_LEVEL_SIZE(PG_LEVEL_2M)
#define BASE_GFN	GFN(0x4000)
#define GUEST_SIZE	(2 * SIZE_2M)
#define PUNCH		3		/* KEEP_SIZE | PUNCH_HOLE */

struct an_snp_guest {
	struct kvm_module	module;
	struct kvm		*kvm;
	struct vcpu		*v;
	struct gmem_file	*gmem;
	void			*memory;
};

static inline void an_snp_guest_convert(struct an_snp_guest *g, uint64_t page, uint64_t n,
					uint64_t attributes)
{
	struct kvm_memory_attributes a = { .address = (BASE_GFN.v + page) << PAGE_SHIFT,
					   .size = n << PAGE_SHIFT, .attributes = attributes };

	assert_int_equal(kvm_vm_set_memory_attributes(g->kvm, &a), 0);
}

static inline int an_snp_guest_region(struct an_snp_guest *g, uint64_t size, bool gmem)
{
	struct kvm_userspace_memory_region2 r = {
		.flags = gmem ? KVM_MEM_GUEST_MEMFD : 0, .memory_size = size,
		.guest_phys_addr = BASE_GFN.v << PAGE_SHIFT,
		.userspace_addr = (uintptr_t)g->memory,
	};

	return kvm_vm_set_memory_region(g->kvm, &r, false,
					(struct kvm_gmem_arg){ 0, gmem ? g->gmem : NULL });
}

static inline void an_snp_guest_init2(struct an_snp_guest *g)
{
	struct kvm_sev_init init = { 0 };
	struct kvm_sev_cmd cmd = { .id = KVM_SEV_INIT2, .data = (uintptr_t)&init };

	assert_int_equal(sev_mem_enc_ioctl(g->kvm, &cmd), 0);
	assert_true(sev_snp_guest(g->kvm));
}

/* @order: kvm.gmem_order; @rmp_end: as in struct hw_config. */
static inline void an_snp_guest_make(struct an_snp_guest *g, uint32_t order, uint64_t rmp_end)
{
	struct kvm_create_guest_memfd args = { .size = GUEST_SIZE };
	struct hw_config config = { .vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5,
				    .c_bit = 47, .nr_cpus = 1, .snp = true, .rmp_end = rmp_end,
				    .counters = counters_create(NR_COUNTERS) };

	*g = (struct an_snp_guest){ .module = {
		.abi = KERNEL_ABI_6_12, .counters = config.counters, .audit = true,
		.params = { .tdp_mmu = true, .mmio_caching = true, .sev = true, .sev_es = true,
			    .sev_snp = true, .gmem_order = order } } };
	assert_int_equal(os_uaccess_install(), 0);
	assert_int_equal(hw_create(&config, &g->module.hw), HW_OK);
	assert_int_equal(kvm_module_load(&g->module), 0);
	assert_int_equal(vm_types_load(&g->module), 0);
	assert_true(g->module.sev->snp);
	assert_int_equal(kvm_vm_create(&g->module, vm_type_find(&g->module, KVM_X86_SNP_VM),
				       &g->kvm), 0);
	an_snp_guest_init2(g);
	assert_int_equal(kvm_vm_create_vcpu(g->kvm, 0,
					    os_map_shared_anonymous(VCPU_RUN_PAGES * PAGE_SIZE),
					    &g->v), 0);
	g->memory = os_map_private(GUEST_SIZE, SIZE_2M);
	assert_non_null(g->memory);
	assert_int_equal(kvm_gmem_create(g->kvm, &args, &g->gmem), 0);
	assert_int_equal(an_snp_guest_region(g, GUEST_SIZE, true), 0);
	an_snp_guest_convert(g, 0, GUEST_SIZE >> PAGE_SHIFT, PRIVATE);
}

static inline void an_snp_guest_end(struct an_snp_guest *g)
{
	kvm_put(g->kvm);	/* the vCPU's */
	if (g->gmem)
		kvm_gmem_release(g->gmem);
	kvm_put(g->kvm);
	rcu_barrier();
	assert_int_equal(counter_read(g->module.counters, COUNTER_AUDIT_FINDINGS), 0);
	vm_types_unload(&g->module);
	kvm_module_unload(&g->module);
	hw_destroy(g->module.hw);
	counters_destroy(g->module.counters);
	os_unmap(g->memory, GUEST_SIZE);
}

/* One nested fault of the vCPU's, from the exit code on: 1, 0, -errno. */
static inline int an_snp_guest_faults(struct an_snp_guest *g, uint64_t page, uint64_t ec)
{
	struct kvm_vcpu *b = &g->v->base;
	int r;

	assert_int_equal(kvm_mmu_reload(b), 0);
	b->srcu_idx = srcu_read_lock(&g->kvm->srcu);
	g->v->svm_exit = (struct svm_exit){ .exitcode = SVM_EXIT_NPF, .exitinfo1 = ec,
					    .exitinfo2 = (BASE_GFN.v + page) << PAGE_SHIFT };
	r = svm_backend.handle_exit(g->v);
	srcu_read_unlock(&g->kvm->srcu, b->srcu_idx);
	return r;
}

/* The physical page behind @page of the file, as it is prepared now. */
static inline hpa_t an_snp_guest_page(struct an_snp_guest *g, uint64_t page, uint8_t *level)
{
	int idx = srcu_read_lock(&g->kvm->srcu);
	gfn_t gfn = GFN(BASE_GFN.v + page);
	hpa_t hpa = HPA_INVALID;

	assert_int_equal(kvm_gmem_get_pfn(g->kvm, kvm_gfn_to_memslot(g->kvm, 0, gfn), gfn, &hpa,
					  level), 0);
	srcu_read_unlock(&g->kvm->srcu, idx);
	return hpa;
}

static inline struct rmp_entry an_snp_guest_entry(struct an_snp_guest *g, hpa_t page)
{
	struct rmp_entry e;

	assert_true(peek_rmp(g->module.hw, page, &e));
	return e;
}
