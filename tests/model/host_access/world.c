/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/host_access/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hw/insn/psp_snp.h"
#include "hw/insn/svm.h"
#include "hw/insn/view.h"
#include "kvm/core/attr.h"
#include "kvm/mmu/mmu.h"
#include "kvm/mmu/tdp_mmu.h"
#include "kvm/types/sev.h"
#include "kvm/types/types.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/memory.h"
#include "kvm/vm/vm.h"
#include "os/memory.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define GIB		(1ull << 30)
#define SIZE_2M		(SLOT_2M << PAGE_SHIFT)

_Noreturn void world_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: the test itself: %s\n", file, line, what);
	exit(2);
}

static int any_fd(struct kvm_module *module, int fd)
{
	(void)module;
	(void)fd;
	return 0;
}

static bool ask(void *hw, void *addr, bool write)
{
	return view_trap(hw, addr, write);
}

static void make_machine(struct world *w, const char *abi, bool strict)
{
	struct hw_config config = { .vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5,
				    .c_bit = 47, .nr_cpus = 1, .snp = true,
				    .counters = counters_create(NR_COUNTERS) };

	w->module = (struct kvm_module){
		.abi = strcmp(abi, "6.18") ? KERNEL_ABI_6_12 : KERNEL_ABI_6_18,
		.counters = config.counters, .check_sev_fd = any_fd,
		.strict_host_access = strict,
		.params = { .tdp_mmu = true, .mmio_caching = true, .sev = true, .sev_es = true,
			    .sev_snp = true } };
	ENSURE(config.counters && hw_create(&config, &w->module.hw) == HW_OK);
	ENSURE(!kvm_module_load(&w->module) && !vm_types_load(&w->module));
	ENSURE(!os_uaccess_install());
	os_uaccess_ask_first(ask, w->module.hw);
}

void world_sev(struct world *w, uint32_t id, void *data)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data };

	ENSURE(!sev_mem_enc_ioctl(w->kvm, &cmd));
}

uint16_t world_asid(const struct world *w)
{
	return (uint16_t)to_kvm_sev(w->kvm)->asid;
}

static void begin_launch(struct world *w, uint32_t type)
{
	struct kvm_sev_init init = { 0 };
	struct kvm_sev_launch_start start = { .policy = type == KVM_X86_SEV_ES_VM ? 4 : 0 };
	struct kvm_sev_snp_launch_start snp = { .policy = PSP_SNP_POLICY_SMT | PSP_SNP_POLICY_MBO };

	if (type == KVM_X86_DEFAULT_VM || type == KVM_X86_SW_PROTECTED_VM)
		return;
	world_sev(w, KVM_SEV_INIT2, &init);
	if (type == KVM_X86_SNP_VM)
		world_sev(w, KVM_SEV_SNP_LAUNCH_START, &snp);
	else
		world_sev(w, KVM_SEV_LAUNCH_START, &start);
}

struct world *world_make(const char *type, const char *abi, bool strict)
{
	static const struct {
		const char *name;
		uint32_t type;
	} types[] = {
		{ "DEFAULT", KVM_X86_DEFAULT_VM }, { "SW_PROTECTED", KVM_X86_SW_PROTECTED_VM },
		{ "SEV", KVM_X86_SEV_VM }, { "SEV_ES", KVM_X86_SEV_ES_VM },
		{ "SNP", KVM_X86_SNP_VM },
	};
	struct world *w;
	size_t i = 0;

	while (i < ARRAY_SIZE(types) && strcmp(types[i].name, type))
		i++;
	if (i == ARRAY_SIZE(types))
		return NULL;
	w = calloc(1, sizeof(*w));
	ENSURE(w);
	make_machine(w, abi, strict);
	ENSURE(!kvm_vm_create(&w->module, vm_type_find(&w->module, types[i].type), &w->kvm));
	w->run_pages = os_map_shared_anonymous(VCPU_RUN_PAGES * PAGE_SIZE);
	begin_launch(w, types[i].type);
	ENSURE(!kvm_vm_create_vcpu(w->kvm, 0, w->run_pages, &w->v));
	w->arena = os_map_private(2 * GIB, GIB);
	ENSURE(w->arena);
	w->side[0] = (struct side){ .nr = 0, .gfn = GFN(MEET_GFN - 1),
				    .page = w->arena + GIB - PAGE_SIZE };
	w->side[1] = (struct side){ .nr = 1, .gfn = GFN(MEET_GFN), .page = w->arena + GIB };
	return w;
}

void world_free(struct world *w)
{
	kvm_put(w->kvm);	/* the vCPU's */
	kvm_put(w->kvm);
	rcu_barrier();
	os_uaccess_ask_first(NULL, NULL);
	vm_types_unload(&w->module);
	kvm_module_unload(&w->module);
	hw_destroy(w->module.hw);
	counters_destroy(w->module.counters);
	os_unmap(w->arena, 2 * GIB);
	free(w);
}

uint64_t world_counter(const struct world *w, const char *name)
{
	for (enum counter_id i = 0; i < NR_COUNTERS; i++)
		if (!strcmp(counter_name(i), name))
			return counter_read(w->module.counters, i);
	world_failed(__FILE__, __LINE__, name);
}

uint8_t *world_slot_memory(const struct side *s, uint64_t npages)
{
	return s->nr ? s->page : s->page + PAGE_SIZE - (npages << PAGE_SHIFT);
}

static int set_region(struct world *w, struct side *s, uint64_t npages, uint32_t flags,
		      uint64_t address)
{
	uint64_t before = s->is_joint ? npages / 2 : npages;
	struct kvm_userspace_memory_region2 r = {
		.slot = s->nr + 1, .flags = flags, .memory_size = npages << PAGE_SHIFT,
		.guest_phys_addr = (s->nr ? s->gfn.v : s->gfn.v + 1 - before) << PAGE_SHIFT,
		.userspace_addr = address != ADDRESS_OF_PAGES ? address :
				  (uintptr_t)world_slot_memory(s, before),
	};

	return kvm_vm_set_memory_region(w->kvm, &r, false, (struct kvm_gmem_arg){ 0, s->file });
}

void world_add_slot(struct world *w, struct side *s, uint64_t npages, uint32_t flags,
		    uint64_t address)
{
	ENSURE(!s->npages);
	ENSURE(!set_region(w, s, npages, flags, address));
	s->npages = npages;
}

void world_delete_slot(struct world *w, struct side *s)
{
	ENSURE(s->npages && !set_region(w, s, 0, 0, 0));
	s->npages = 0;
}

void world_convert(struct world *w, gfn_t gfn, uint64_t n, bool to_private)
{
	struct kvm_memory_attributes a = {
		.address = gfn.v << PAGE_SHIFT, .size = n << PAGE_SHIFT,
		.attributes = to_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	ENSURE(!kvm_vm_set_memory_attributes(w->kvm, &a));
}

/* As the exit of a guest's store; 1: served. */
void world_fault_in(struct world *w, gfn_t gfn, bool is_private)
{
	struct kvm_vcpu *b = &w->v->base;
	bool tells = is_private && w->kvm->has_protected_state;
	int r;

	ENSURE(!kvm_mmu_reload(b));
	b->srcu_idx = srcu_read_lock(&w->kvm->srcu);
	w->v->svm_exit = (struct svm_exit){
		.exitcode = SVM_EXIT_NPF, .exitinfo2 = gfn.v << PAGE_SHIFT,
		.exitinfo1 = PFERR_GUEST_FINAL | PFERR_WRITE | PFERR_USER |
			     (tells ? PFERR_GUEST_ENC : 0) };
	r = svm_backend.handle_exit(w->v);
	srcu_read_unlock(&w->kvm->srcu, b->srcu_idx);
	if (r != 1)
		fprintf(stderr, "fault in %llx: %d\n", (unsigned long long)gfn.v, r);
	ENSURE(r == 1);
}

spte_t world_spte(struct world *w, gfn_t gfn, uint8_t *level)
{
	struct tdp_iter it, last = { .old = SPTE_NONPRESENT };

	rcu_read_lock();
	for_each_tdp_pte(it, w->kvm, w->v->base.mmu.root_sp, gfn, GFN(gfn.v + 1))
		last = it;
	rcu_read_unlock();
	*level = last.level;
	return last.old;
}

struct kvm_memory_slot *world_slot(struct world *w, const struct side *s)
{
	return kvm_gfn_to_memslot(w->kvm, 0, s->gfn);
}

void world_change(struct world *w, uint8_t *at, size_t size, bool gone,
		  void (*change)(uint8_t *at, size_t size))
{
	struct kvm_hva_range range = { (uintptr_t)at, (uintptr_t)at + size };
	struct kvm_host_change c;

	kvm_host_change_begin(&w->module, &range, 1, &c);
	change(at, size);
	kvm_host_change_end(&c, gone);
}

void side_fill(const struct side *s, uint64_t n, uint8_t *to)
{
	for (size_t i = 0; i < PAGE_SIZE; i++)
		to[i] = side_byte(s, n, i);
}
