/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The auditor on a VM with a mirror, whose external table the test plays: both
 * agree whatever faults came, the mirror is frozen while the external table
 * changes (MMU-I4), and no gfn is in both halves (MMU-G1).
 */
#include "kvm/mmu/audit.h"

#include "kvm/mmu/a_slot.h"

#include "hw/insn/peek.h"

#define PAGES	2048u
#define MAX_ENTRIES	64

/* The external table: what the operations have put there. */
static struct {
	struct { gfn_t gfn; uint8_t level; bool leaf; hpa_t address; } entry[MAX_ENTRIES];
	size_t		nr;
	struct kvm	*kvm;
	unsigned	nr_visible;	/* mirror entries not frozen while one changed */
} ext;

void peek_tlb(const struct cpu *cpu, void (*fn)(const struct peek_tlb_entry *e, void *arg),
	      void *arg)
{
	(void)cpu;
	(void)fn;
	(void)arg;
}

static size_t find(gfn_t gfn, uint8_t level)
{
	size_t i = 0;

	while (i < ext.nr && (ext.entry[i].gfn.v != gfn.v || ext.entry[i].level != level))
		i++;
	return i;
}

static void must_be_frozen(struct kvm *kvm, gfn_t gfn, uint8_t level)
{
	struct kvm_mmu_page *root = list_entry(kvm->mmu.roots.next, struct kvm_mmu_page, link);
	struct tdp_iter it;

	for_each_tdp_pte_min_level(it, kvm, root, level, gfn, GFN(gfn.v + 1)) {
		if (it.level != level || spte_is_frozen(it.old))
			continue;
		ext.nr_visible++;
		print_error("MMU-I4: gfn %#llx: level %u of the mirror holds %#llx while the external "
			    "table is being changed\n", (unsigned long long)gfn.v, level,
			    (unsigned long long)it.old.v);
	}
}

static int add(struct kvm *kvm, gfn_t gfn, uint8_t level, bool leaf, hpa_t address)
{
	must_be_frozen(kvm, gfn, level);
	assert_true(ext.nr < MAX_ENTRIES);
	ext.entry[ext.nr].gfn = gfn;
	ext.entry[ext.nr].level = level;
	ext.entry[ext.nr].leaf = leaf;
	ext.entry[ext.nr++].address = address;
	return 0;
}

static int on_link(struct kvm *kvm, gfn_t gfn, uint8_t level, hpa_t external_spt)
{
	return add(kvm, GFN(gfn.v & ~(PG_LEVEL_PAGES(level) - 1)), level, false, external_spt);
}

static int on_set(struct kvm *kvm, gfn_t gfn, uint8_t level, uint64_t spte)
{
	return add(kvm, gfn, level, true, spte_address(kvm->module->spte, SPTE(spte)));
}

static void drop(size_t i)
{
	if (i < ext.nr)
		ext.entry[i] = ext.entry[--ext.nr];
}

static int on_remove(struct kvm *kvm, gfn_t gfn, uint8_t level, uint64_t spte)
{
	(void)kvm;
	(void)spte;
	drop(find(gfn, level));
	return 0;
}

/* @level is the table's own; the entry that led to it is one up. */
static int on_free(struct kvm *kvm, gfn_t gfn, uint8_t level, hpa_t external_spt)
{
	(void)kvm;
	(void)external_spt;
	drop(find(gfn, level + 1));
	return 0;
}

static struct kvm_external_entry external_entry(struct kvm *kvm, const struct kvm_mmu_page *sp,
						unsigned index)
{
	uint8_t level = spt_level(sp);
	size_t i = find(GFN(sp->gfn.v + index * PG_LEVEL_PAGES(level)), level);

	(void)kvm;
	if (i == ext.nr)
		return (struct kvm_external_entry){ .present = false };
	return (struct kvm_external_entry){ .present = true, .leaf = ext.entry[i].leaf,
					    .address = ext.entry[i].address };
}

struct fixture {
	struct a_vm		*vm;
	struct kvm_memory_slot	*slot;
};

static void fixture_init(struct fixture *x)
{
	static const struct hw_config machine = { HW_VENDOR_INTEL, 46, 0, 0, 1, NULL };

	x->vm = a_vm_create(&machine, true);
	ext.nr = ext.nr_visible = 0;
	a_vm_add_mirror(x->vm);
	x->vm->ops.link_external_spt = on_link;
	x->vm->ops.set_external_spte = on_set;
	x->vm->ops.remove_external_spte = on_remove;
	x->vm->ops.free_external_spt = on_free;
	x->slot = a_slot_add(x->vm, 0, 0, PAGES, 0);
	mutex_lock(&x->vm->kvm.slots_lock);
	assert_int_equal(kvm_attributes_prepare(&x->vm->kvm, GFN(0), GFN(PAGES / 2),
						KVM_MEMORY_ATTRIBUTE_PRIVATE), 0);
	kvm_attributes_store(&x->vm->kvm, GFN(0), GFN(PAGES / 2), KVM_MEMORY_ATTRIBUTE_PRIVATE);
	mutex_unlock(&x->vm->kvm.slots_lock);
}

static void fixture_fini(struct fixture *x)
{
	a_vm_drop_tables(x->vm);
	a_slot_remove(&x->vm->kvm, x->slot);
	a_vm_destroy(x->vm);
}

/* By the address that the guest used; what the fault calls itself does not matter. */
static int map(struct fixture *x, uint64_t gfn, bool by_mirror, bool is_private)
{
	struct kvm_page_fault f = a_fault(x->vm, x->slot, gfn, true, PG_LEVEL_4K);
	uint64_t bits = by_mirror ? 0 : x->vm->kvm.mmu.direct_bits;

	f.addr = GPA((gfn | bits) << PAGE_SHIFT);
	f.is_private = is_private;
	assert_int_equal(kvm_mmu_reload(&x->vm->vcpus[0]), 0);
	return kvm_mmu_map(&x->vm->vcpus[0], &f);
}

/* How many findings of each name. */
static void audit(struct fixture *x, unsigned nr[NR_KVM_GUARANTEES], const char *want)
{
	struct kvm_audit a;

	memset(nr, 0, NR_KVM_GUARANTEES * sizeof(*nr));
	kvm_audit_init(&a, &x->vm->kvm, GFN(0), GFN(~0ull));
	a.external = external_entry;
	mutex_lock(&x->vm->kvm.slots_lock);
	kvm_mmu_audit(&a);
	mutex_unlock(&x->vm->kvm.slots_lock);
	for (size_t i = 0; i < a.nr_kept; i++) {
		const char *name = kvm_guarantee_name(a.findings[i].guarantee);

		nr[a.findings[i].guarantee]++;
		if (!want)
			print_error("%s: gfn %#llx: %s\n", name,
				    (unsigned long long)a.findings[i].gfn.v, a.findings[i].text);
	}
	assert_true(want || !a.nr_findings);
	kvm_audit_fini(&a);
}

static void a_mirror_agrees_whatever_the_fault_calls_itself(void **unused)
{
	unsigned nr[NR_KVM_GUARANTEES];
	struct fixture x;

	(void)unused;
	fixture_init(&x);
	assert_int_equal(map(&x, 0x10, true, true), RET_PF_FIXED);
	audit(&x, nr, NULL);
	assert_int_equal(map(&x, 0x11, true, false), RET_PF_FIXED);
	audit(&x, nr, NULL);
	assert_int_equal(map(&x, PAGES - 1, false, false), RET_PF_FIXED);
	assert_int_equal(map(&x, PAGES - 2, false, true), RET_PF_FIXED);
	audit(&x, nr, NULL);
	fixture_fini(&x);
}

static void nobody_sees_the_mirror_change_first(void **unused)
{
	struct fixture x;

	(void)unused;
	fixture_init(&x);
	assert_int_equal(map(&x, 0x10, true, true), RET_PF_FIXED);
	assert_int_equal(map(&x, 0x210, true, true), RET_PF_FIXED);
	assert_int_equal(ext.nr_visible, 0);
	fixture_fini(&x);
}

static void a_mirror_that_disagrees_is_mmu_i4(void **unused)
{
	unsigned nr[NR_KVM_GUARANTEES];
	struct fixture x;
	size_t at;

	(void)unused;
	fixture_init(&x);
	assert_int_equal(map(&x, 0x10, true, true), RET_PF_FIXED);
	at = find(GFN(0x10), PG_LEVEL_4K);
	ext.entry[at].address.v += PAGE_SIZE;		/* another page */
	audit(&x, nr, "MMU-I4");
	assert_int_equal(nr[KVM_GUARANTEE_I4], 1);
	ext.entry[at].address.v -= PAGE_SIZE;
	ext.entry[at].gfn.v++;				/* one too few, one too many */
	audit(&x, nr, "MMU-I4");
	assert_int_equal(nr[KVM_GUARANTEE_I4], 2);
	ext.entry[at].gfn.v--;
	audit(&x, nr, NULL);
	at = find(GFN(0), PG_LEVEL_2M);
	ext.entry[at].address.v += PAGE_SIZE;		/* another table */
	audit(&x, nr, "MMU-I4");
	assert_int_equal(nr[KVM_GUARANTEE_I4], 1);
	for (int g = 0; g < NR_KVM_GUARANTEES; g++)
		assert_true(g == KVM_GUARANTEE_I4 || !nr[g]);
	fixture_fini(&x);
}

/* One of the two is of the wrong kind as well. */
static void a_gfn_mapped_both_ways_is_mmu_g1(void **unused)
{
	unsigned nr[NR_KVM_GUARANTEES];
	struct fixture x;

	(void)unused;
	fixture_init(&x);
	assert_int_equal(map(&x, 0x10, true, true), RET_PF_FIXED);
	assert_int_equal(map(&x, 0x10, false, false), RET_PF_FIXED);
	audit(&x, nr, "MMU-G1");
	assert_int_equal(nr[KVM_GUARANTEE_G1], 1);
	assert_int_equal(nr[KVM_GUARANTEE_I1], 1);
	fixture_fini(&x);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mirror_agrees_whatever_the_fault_calls_itself),
		cmocka_unit_test(nobody_sees_the_mirror_change_first),
		cmocka_unit_test(a_mirror_that_disagrees_is_mmu_i4),
		cmocka_unit_test(a_gfn_mapped_both_ways_is_mmu_g1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
