/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "world.h"

#include <errno.h>

#include "hw/insn/cpu.h"
#include "kvm/core/attr.h"
#include "kvm/gmem/audit.h"
#include "kvm/core/request.h"
#include "kvm/types/snp.h"
#include "kvm/types/types.h"
#include "os/maps.h"
#include "os/memory.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define FALLOC_FL_KEEP_SIZE	1
#define FALLOC_FL_PUNCH_HOLE	2

/* No processor runs here; a kick finds nobody inside. */
void cpu_kick(struct cpu *cpu)
{
}

/* The arena is nobody's file. */
int os_mapping_of(const void *p, struct os_mapping *out)
{
	*out = (struct os_mapping){ .start = (uintptr_t)p & PAGE_MASK };
	return 0;
}

static void fail_test(const char *text, struct inter_place at)
{
	inter_always_yield(false);
	print_error("%s:%d: %s\n", at.file, at.line, text);
	_fail(at.file, at.line);
}

void world_open_arena(void)
{
	/* cmocka has its own handlers in each test. */
	assert_int_equal(os_uaccess_install(), 0);
	assert_int_equal(os_arena_open(), 0);
	os_arena_clear();
	inter_on_failure(fail_test);
}

static void last_put(struct kvm *kvm)
{
	container_of(kvm, struct world, kvm)->destroyed = true;
}

static const struct hw_config intel = { .vendor = HW_VENDOR_INTEL, .phys_bits = 46, .nr_cpus = 1 };
static const struct hw_config amd_snp = { .vendor = HW_VENDOR_AMD, .phys_bits = 46, .nr_cpus = 1,
					  .phys_reduction = 5, .c_bit = 45, .snp = true };

static bool load_module(struct kvm_module *m, const struct hw_config *machine)
{
	struct hw_config config = *machine;

	config.counters = m->counters = counters_create(NR_COUNTERS);
	m->abi = KERNEL_ABI_6_18;
	m->params.mmio_caching = true;
	return m->counters && hw_create(&config, &m->hw) == HW_OK && !kvm_mmu_module_init(m) &&
	       !kvm_host_map_create(m);
}

static bool add_vcpu(struct world *w, unsigned i)
{
	struct kvm *kvm = &w->kvm;
	struct vcpu *v = aligned_alloc(64, sizeof(*v));

	w->vcpus[i] = v;
	if (!v || kvm_reserve_vcpu(kvm))
		return false;
	kvm_vcpu_core_init(&v->base, kvm, i);
	v->base.run = calloc(1, sizeof(*v->base.run));
	kvm_publish_vcpu(kvm, &v->base);
	return v->base.run;
}

static struct world *make_on(const struct hw_config *machine, const struct vm_type_ops *ops)
{
	struct world *w = calloc(1, sizeof(*w));
	struct kvm *kvm = &w->kvm;
	bool ok;

	if (!w || !load_module(&w->module, machine))
		return NULL;
	kvm->ops = ops;
	kvm->vm_type = ops->vm_type;
	kvm->has_private_mem = ops->has_private_mem;
	kvm->nr_address_spaces = ops->has_private_mem ? 1 : 2;
	atomic32_store(&kvm->pre_fault_allowed, 1);
	if (kvm_core_init(kvm, &w->module, last_put) || kvm_mmu_init_vm(kvm) || ops->vm_init(kvm))
		return NULL;
	mutex_lock(&kvm->lock);
	ok = add_vcpu(w, 0) && add_vcpu(w, 1);
	mutex_unlock(&kvm->lock);
	return ok ? w : NULL;
}

static struct world *make(const struct vm_type_ops *ops)
{
	return make_on(&intel, ops);
}

struct world *world_make(bool private_mem)
{
	return make(private_mem ? &vm_type_sw_protected : &vm_type_default);
}

void world_free(struct world *w)
{
	for (unsigned i = 0; i < WORLD_VCPUS; i++) {
		struct kvm_vcpu *vcpu = &w->vcpus[i]->base;

		kvm_mmu_destroy_vcpu(vcpu);
		kvm_vcpu_core_fini(vcpu);
		free(vcpu->run);
	}
	kvm_mmu_uninit_vm(&w->kvm);
	w->kvm.ops->vm_free(&w->kvm);
	kvm_vm_free_memory(&w->kvm);
	kvm_put(&w->kvm);
	for (unsigned i = 0; i < WORLD_VCPUS; i++)
		free(w->vcpus[i]);
	kvm_core_fini(&w->kvm);
	kvm_host_map_destroy(&w->module);
	kvm_mmu_module_fini(&w->module);
	hw_destroy(w->module.hw);
	counters_destroy(w->module.counters);
	free(w->module.sev);
	free(w);
}

struct world *world_create(bool private_mem)
{
	struct world *w;

	world_open_arena();
	w = world_make(private_mem);
	assert_non_null(w);
	return w;
}

struct world *world_create_separate(void)
{
	struct world *w;

	world_open_arena();
	w = make(&vm_type_sw_separate);
	assert_non_null(w);
	return w;
}

static int snp_init(struct kvm *kvm)
{
	static const struct kvm_sev guest = { .active = true, .es_active = true, .asid = WORLD_ASID,
					      .vmsa_features = SEV_FEATURE_SNP_ACTIVE };
	struct sev_module *module = calloc(1, sizeof(*module));
	struct kvm_sev *sev = malloc(sizeof(*sev));

	if (!module || !sev)
		return -ENOMEM;
	*sev = guest;
	module->snp = true;
	kvm->module->sev = module;
	kvm->type_state = sev;
	return 0;
}

static void snp_free(struct kvm *kvm)
{
	free(kvm->type_state);
}

struct world *world_create_snp(uint32_t gmem_order)
{
	static struct vm_type_ops ops;
	struct world *w;

	ops = vm_type_sw_protected;
	ops.vm_type = KVM_X86_SNP_VM;
	ops.vm_init = snp_init;
	ops.vm_free = snp_free;
	ops.gmem_prepare = snp_gmem_prepare;
	ops.gmem_invalidate = snp_gmem_invalidate;
	ops.max_mapping_level = snp_max_mapping_level;
	ops.handle_rmp_fault = snp_handle_rmp_fault;
	world_open_arena();
	w = make_on(&amd_snp, &ops);
	assert_non_null(w);
	w->module.params.gmem_order = gmem_order;
	return w;
}

void world_map_short_term(struct world *w)
{
	assert_int_equal(srcu_init(&w->kvm.host_maps), 0);
	w->module.host_map_short_term = true;
}

void world_destroy(struct world *w)
{
	const char *wrong;

	world_free(w);
	wrong = os_arena_check();
	if (wrong)
		fail_msg("%s", wrong);
}

void *world_memory(uint64_t npages)
{
	void *p = os_map_private(P(npages), PG_LEVEL_SIZE(PG_LEVEL_2M));

	assert_non_null(p);
	return p;
}

static struct gmem_file *make_gmem(struct world *w, uint64_t npages, uint64_t flags)
{
	struct kvm_create_guest_memfd args = { .size = P(npages), .flags = flags };
	struct gmem_file *file = NULL;

	assert_int_equal(kvm_gmem_create(&w->kvm, &args, &file), 0);
	return file;
}

struct gmem_file *world_gmem(struct world *w, uint64_t npages)
{
	return make_gmem(w, npages, 0);
}

struct gmem_file *world_gmem_shared(struct world *w, uint64_t npages)
{
	return make_gmem(w, npages, GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
}

void do_access(void *arg)
{
	struct access *a = arg;
	struct kvm_vcpu *vcpu = &a->v->base;

	a->r = kvm_mmu_reload(vcpu);
	if (a->r)
		return;
	vcpu->srcu_idx = srcu_read_lock(&vcpu->kvm->srcu);
	vcpu_fault_init(a->v, &a->f, GPA(P(a->gfn)), a->ec);
	a->r = vcpu_do_page_fault(a->v, &a->f);
	srcu_read_unlock(&vcpu->kvm->srcu, vcpu->srcu_idx);
}

void do_prefault(void *arg)
{
	struct prefault *p = arg;
	struct kvm_pre_fault_memory range = { .gpa = P(p->gfn), .size = PAGE_SIZE };

	p->r = vcpu_prefault(p->v, &range);
}

void do_conversion(void *arg)
{
	struct conversion *c = arg;
	struct kvm_memory_attributes a = { .address = P(c->gfn), .size = P(c->n),
					   .attributes = c->attrs };

	c->r = kvm_vm_set_memory_attributes(&c->w->kvm, &a);
}

void do_region(void *arg)
{
	struct region *r = arg;
	struct kvm_userspace_memory_region2 region = {
		.slot = r->slot, .guest_phys_addr = P(r->gfn), .memory_size = P(r->npages),
		.userspace_addr = (uintptr_t)r->memory,
		.flags = r->gmem ? KVM_MEM_GUEST_MEMFD : 0,
		.guest_memfd_offset = r->gmem_offset,
	};

	r->r = kvm_vm_set_memory_region(&r->w->kvm, &region, false,
					(struct kvm_gmem_arg){ .file = r->gmem });
}

struct mapped_hole {
	struct hole		*h;
	struct kvm_hva_range	 range;
	struct kvm_host_change	 c;
};

static void mapped_hole_begin(void *arg, uint64_t offset, uint64_t len)
{
	struct mapped_hole *m = arg;
	uint64_t at = (uintptr_t)m->h->mapped + offset;

	m->range = (struct kvm_hva_range){ at, at + len };
	kvm_host_change_begin(&m->h->w->module, &m->range, 1, &m->c);
}

static void mapped_hole_end(void *arg)
{
	kvm_host_change_end(&((struct mapped_hole *)arg)->c, false);
}

void do_hole(void *arg)
{
	struct hole *h = arg;
	struct mapped_hole m = { .h = h };
	const struct kvm_gmem_bracket outer = { mapped_hole_begin, mapped_hole_end, &m };

	h->r = kvm_gmem_fallocate_mapped(h->file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
					 (int64_t)P(h->page), (int64_t)P(h->n),
					 h->mapped ? &outer : NULL);
}

void do_release(void *gmem_file)
{
	kvm_gmem_release(gmem_file);
}

void do_host_change(void *arg)
{
	struct host_change *h = arg;
	uint64_t start = (uintptr_t)h->memory + P(h->page);
	struct kvm_hva_range range = { start, start + P(h->n) };
	struct kvm_host_change c;

	kvm_host_change_begin(&h->w->module, &range, 1, &c);
	/* The system call. */
	CORO_STEP();
	if (h->breaks)
		os_arena_map_huge(NULL, 0, PG_LEVEL_4K);
	CORO_STEP();
	kvm_host_change_end(&c, h->gone);
}

void do_zap_all(void *world)
{
	struct kvm *kvm = &((struct world *)world)->kvm;

	mutex_lock(&kvm->slots_lock);
	kvm_mmu_zap_all_fast(kvm);
	mutex_unlock(&kvm->slots_lock);
}

void world_add_slot(struct world *w, unsigned slot, uint64_t gfn, uint64_t npages,
		    struct gmem_file *gmem)
{
	struct region r = { .w = w, .slot = slot, .gfn = gfn, .npages = npages,
			    .memory = world_memory(npages), .gmem = gmem };

	do_region(&r);
	assert_int_equal(r.r, 0);
}

void *world_memory_of(struct world *w, unsigned slot)
{
	return (void *)(uintptr_t)kvm_id_to_memslot(&w->kvm, 0, slot)->userspace_addr.v;
}

void world_map_huge(struct world *w, unsigned slot, uint8_t level)
{
	os_arena_map_huge(world_memory_of(w, slot), P(kvm_id_to_memslot(&w->kvm, 0, slot)->npages),
			  level);
}

void world_delete_slot(struct world *w, unsigned slot)
{
	struct region r = { .w = w, .slot = slot };

	do_region(&r);
	assert_int_equal(r.r, 0);
}

void world_fault_in(struct world *w, unsigned vcpu, uint64_t gfn, uint64_t ec)
{
	struct access a = { .v = w->vcpus[vcpu], .gfn = gfn, .ec = ec };

	do_access(&a);
	assert_int_equal(a.r, RET_PF_FIXED);
}

void world_audit(struct world *w, uint64_t n)
{
	struct kvm_audit a;

	kvm_audit_init(&a, &w->kvm, GFN(0), GFN(~0ull));
	mutex_lock(&w->kvm.slots_lock);
	kvm_gmem_audit(&a);
	kvm_mmu_audit(&a);
	mutex_unlock(&w->kvm.slots_lock);
	if (a.nr_findings)
		fail_msg("step %llu: %s: %s", (unsigned long long)n,
			 kvm_guarantee_name(a.findings[0].guarantee), a.findings[0].text);
	kvm_audit_fini(&a);
}

void world_sweep(struct world *w, unsigned first, unsigned second,
		 void (*check)(void *arg, uint64_t n), void *arg)
{
	bool more = true;

	os_arena_snapshot();
	for (uint64_t n = 1; more; n += 1 + n / 128) {
		os_arena_reset();
		more = INTER_STEPS(first, n);
		(void)INTER_TRY(second);
		INTER_ALL(INTER_MAX_STEPS);
		check(arg, n);
		world_audit(w, n);
	}
	os_arena_reset();
}

static spte_t last_entry(struct kvm *kvm, struct kvm_mmu_page *root, uint64_t gfn, uint8_t *level)
{
	struct tdp_iter it, last = { .old = SPTE_NONPRESENT };

	rcu_read_lock();
	for_each_tdp_pte(it, kvm, root, GFN(gfn), GFN(gfn + 1))
		last = it;
	rcu_read_unlock();
	*level = last.level;
	return last.old;
}

spte_t world_spte(struct world *w, unsigned vcpu, uint64_t gfn, uint8_t *level)
{
	struct kvm_mmu_page *root = w->vcpus[vcpu]->base.mmu.root_sp;

	*level = PG_LEVEL_NONE;
	return root ? last_entry(&w->kvm, root, gfn, level) : SPTE_NONPRESENT;
}

bool world_is_mapped(struct world *w, unsigned vcpu, uint64_t gfn)
{
	uint8_t level;
	spte_t s = world_spte(w, vcpu, gfn, &level);

	return spte_is_present_leaf(s, level);
}

bool world_is_mapped_anywhere(struct world *w, uint64_t gfn)
{
	struct kvm *kvm = &w->kvm;
	struct kvm_mmu_page *root;
	bool any = false;

	rcu_read_lock();
	for (struct list *l = kvm->mmu.roots.next; l != &kvm->mmu.roots; l = l->next) {
		uint8_t level;
		spte_t s;

		root = list_entry(l, struct kvm_mmu_page, link);
		s = last_entry(kvm, root, gfn, &level);
		any |= spte_is_present_leaf(s, level);
	}
	rcu_read_unlock();
	return any;
}

/* The secure processor has no part in what is shown here. */
int sev_module_cmd(struct kvm_module *module, enum psp_cmd cmd, void *params, uint32_t *error)
{
	*error = 0;
	return -EIO;
}
