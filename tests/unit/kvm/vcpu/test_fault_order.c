/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_fault_order.c - vcpu_faultin_pfn() against docs/facts/fault-order.tsv, the full product.
 *
 * Real here: the fault's order (kvm/vcpu/fault.c), memslots and attributes (kvm/core).  Played:
 * where pages come from and the page table; they count that they were asked, so that the test
 * also sees a mismatch answered before anybody asks for a page.  The table was written from
 * Linux 6.12; its path is in the environment, FAULT_ORDER_TSV.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "hw/insn/cpu.h"
#include "kvm/core/attr.h"
#include "kvm/core/memslot.h"
#include "kvm/gmem/gmem.h"
#include "kvm/host/access.h"
#include "kvm/mmu/mmu.h"
#include "kvm/vcpu/fault.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define TARGET	0xd0000000ull
#define APIC	0xfee00000ull
#define OFFSET	0x123u			/* in the page: the exit names the page */

enum column { STAGE, SLOT, ATTRIBUTE, ACCESS, OP, RET, EXIT, FLAGS, ERRNO, FIX, THEN, PLAIN_ABI,
	      SOURCE, NR_COLUMNS };

static const char *const slot_names[] = { "none", "gmem", "plain", "gmem-closed", "deleted",
					  "apic", "apic-inhibited", "readonly" };
static const struct {
	const char	*name;
	uint64_t	 bits;
} ops[] = { { "read", PFERR_USER }, { "write", PFERR_WRITE }, { "fetch", PFERR_FETCH } };

struct row {
	char	line[1024];
	char	*cell[NR_COLUMNS];
};
static struct row *rows;
static size_t nr_rows;

struct world {
	struct kvm_module	module;
	struct kvm		kvm;
	struct vcpu		vcpu;
	struct kvm_memory_slot	slot;
	bool			has_slot, gmem_closed;
	gpa_t			gpa;
	unsigned		asked;	/* how often for a page */
};
static struct world *world;

static bool is(const struct row *r, enum column c, const char *value)
{
	return !strcmp(r->cell[c], value);
}

/* ---- what is played ---- */

void cpu_kick(struct cpu *cpu)
{
	fail_msg("nobody runs here");
}

int kvm_gmem_get_pfn(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t gfn, hpa_t *page,
		     uint8_t *max_level)
{
	world->asked++;
	*page = HPA(0x2000);
	*max_level = PG_LEVEL_4K;
	return world->gmem_closed ? -EFAULT : 0;
}

enum kvm_gup kvm_gup(struct kvm *kvm, hva_t hva, bool write, const atomic32_t *stop,
		     struct kvm_host_page *out)
{
	world->asked++;
	/* It may wait for somebody who changes memslots. */
	srcu_synchronize(&kvm->srcu);
	*out = (struct kvm_host_page){ .page = HPA(0x1000), .level = PG_LEVEL_4K,
				       .writable = true };
	return hva.v == world->slot.userspace_addr.v ? KVM_GUP_OK : KVM_GUP_FAULT;
}

int kvm_mmu_map(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	return fault->kind == KVM_PAGE_NOSLOT ? RET_PF_EMULATE : RET_PF_FIXED;
}

enum ret_pf kvm_mmu_fast_page_fault(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	return RET_PF_INVALID;
}

uint64_t kvm_mmu_invalidate_snapshot(const struct kvm *kvm)
{
	return 0;
}

bool kvm_mmu_fault_may_be_stale(struct kvm *kvm, const struct kvm_page_fault *fault)
{
	return false;
}

void kvm_mmu_cache_mmio(struct kvm_vcpu *vcpu, gfn_t gfn, uint64_t generation)
{
}

int kvm_mmu_handle_mmio_fault(struct kvm_vcpu *vcpu, gpa_t addr)
{
	return RET_PF_INVALID;
}

gfn_t kvm_mmu_max_gfn(const struct kvm_module *module)
{
	return GFN(1ull << (module->maxphyaddr - PAGE_SHIFT));
}

/* ---- a VM as a row wants it ---- */

static void change_slot(struct kvm_memory_slot *old, struct kvm_memory_slot *new)
{
	struct kvm *kvm = &world->kvm;
	uint64_t generation;

	mutex_lock(&kvm->slots_lock);
	assert_int_equal(kvm_memslots_reserve(kvm, 0, world->slot.id), 0);
	kvm_memslots_replace(kvm, 0, old, new);
	generation = kvm_memslots_publish(kvm, 0);
	kvm_memslots_settle(kvm, 0, generation);
	kvm_memslots_replace(kvm, 0, old, new);
	mutex_unlock(&kvm->slots_lock);
	world->has_slot = new;
}

static void set_attribute(const char *kind)
{
	const gfn_t gfn = gpa_to_gfn(world->gpa), end = GFN(gfn.v + 1);
	uint64_t attrs = !strcmp(kind, "private") ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;

	mutex_lock(&world->kvm.slots_lock);
	assert_int_equal(kvm_attributes_prepare(&world->kvm, gfn, end, attrs), 0);
	kvm_attributes_store(&world->kvm, gfn, end, attrs);
	mutex_unlock(&world->kvm.slots_lock);
}

static void create_slot(const struct row *r)
{
	struct kvm_memory_slot *s = &world->slot;

	if (is(r, SLOT, "none"))
		return;
	s->base_gfn = gpa_to_gfn(world->gpa);
	s->npages = 1;
	s->userspace_addr = HVA((uint64_t)mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	s->id = !strncmp(r->cell[SLOT], "apic", 4) ? KVM_APIC_ACCESS_SLOT : 1;
	if (is(r, SLOT, "gmem") || is(r, SLOT, "gmem-closed") || is(r, SLOT, "deleted"))
		s->flags |= KVM_MEM_GUEST_MEMFD;
	if (is(r, SLOT, "deleted"))
		s->flags |= KVM_MEMSLOT_INVALID;
	if (is(r, SLOT, "readonly"))
		s->flags |= KVM_MEM_READONLY;
	world->gmem_closed = is(r, SLOT, "gmem-closed");
	change_slot(NULL, s);
}

static void no_more_users(struct kvm *kvm)
{
}

static void create_world(const struct row *r, bool mmio_caching)
{
	world = calloc(1, sizeof(*world));
	world->module = (struct kvm_module){
		.abi = KERNEL_ABI_6_12, .enable_mmio_caching = mmio_caching, .maxphyaddr = 46,
		.counters = counters_create(NR_COUNTERS),
	};
	assert_int_equal(kvm_core_init(&world->kvm, &world->module, no_more_users), 0);
	world->kvm.vm_type = KVM_X86_SW_PROTECTED_VM;
	world->kvm.has_private_mem = true;
	world->kvm.nr_address_spaces = 1;
	world->vcpu.base.kvm = &world->kvm;
	world->vcpu.base.run = calloc(1, sizeof(struct kvm_run));
	world->gpa = GPA((!strncmp(r->cell[SLOT], "apic", 4) ? APIC : TARGET) + OFFSET);
	create_slot(r);
	set_attribute(r->cell[ATTRIBUTE]);
}

static void destroy_world(void)
{
	if (world->has_slot)
		change_slot(&world->slot, NULL);
	if (world->slot.npages)
		munmap((void *)world->slot.userspace_addr.v, PAGE_SIZE);
	set_attribute("shared");
	kvm_core_fini(&world->kvm);
	counters_destroy(world->module.counters);
	free(world->vcpu.base.run);
	free(world);
}

/* ---- the checks ---- */

/* The fault step alone, or the whole fault. */
static int fault(const char *access, uint64_t op, bool whole)
{
	uint64_t bits = op | (!strcmp(access, "private") ? PFERR_PRIVATE_ACCESS : 0);
	struct vcpu *v = &world->vcpu;
	struct kvm_page_fault f;
	int r;

	memset(v->base.run, 0, sizeof(*v->base.run));
	v->base.srcu_idx = srcu_read_lock(&world->kvm.srcu);
	vcpu_fault_init(v, &f, world->gpa, bits);
	r = whole ? vcpu_do_page_fault(v, &f) : vcpu_faultin_pfn(v, &f);
	srcu_read_unlock(&world->kvm.srcu, v->base.srcu_idx);
	return r;
}

static bool is_memory_fault(int r, bool private)
{
	const struct kvm_run *run = world->vcpu.base.run;

	return r == -EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	       run->memory_fault.flags == (private ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0) &&
	       run->memory_fault.gpa == world->gpa.v - OFFSET &&
	       run->memory_fault.size == PAGE_SIZE;
}

static int ret_of(const struct row *r, bool mmio_caching)
{
	if (is(r, RET, "noslot"))
		return mmio_caching ? RET_PF_CONTINUE : RET_PF_EMULATE;
	return is(r, RET, "continue") ? RET_PF_CONTINUE : is(r, RET, "retry") ? RET_PF_RETRY :
	       is(r, RET, "emulate") ? RET_PF_EMULATE : -EFAULT;
}

/* @what: an exit of the table, or what comes after the fix. */
static bool ends_as(const struct row *r, const char *what, int ret)
{
	bool apic = !strncmp(r->cell[SLOT], "apic", 4);

	if (!strcmp(what, "MEMORY_FAULT"))
		return is_memory_fault(ret, is(r, ACCESS, "private"));
	if (world->vcpu.base.run->exit_reason)
		return false;
	if (!strcmp(what, "MMIO"))
		return ret == RET_PF_EMULATE;
	if (is(r, SLOT, "deleted") && world->has_slot)
		return ret == RET_PF_RETRY;
	return ret == RET_PF_FIXED || (apic && ret == RET_PF_EMULATE);
}

static void expect(bool ok, const struct row *r, const char *op, const char *what)
{
	if (!ok)
		fail_msg("slot %s, attribute %s, access %s, %s: %s (%s)", r->cell[SLOT],
			 r->cell[ATTRIBUTE], r->cell[ACCESS], op, what, r->cell[SOURCE]);
}

/* After the VMM's answer, with the same kind of access unless the VM type takes it from there. */
static void check_fix(const struct row *r, const char *op_name, uint64_t op)
{
	const char *access = r->cell[ACCESS], *then = r->cell[THEN];

	if (is(r, FIX, "private") || is(r, FIX, "shared")) {
		set_attribute(r->cell[FIX]);
		access = r->cell[FIX];
	}
	if (!strcmp(then, "as none")) {
		change_slot(&world->slot, NULL);
		then = !strcmp(access, "private") ? "MEMORY_FAULT" : "MMIO";
	}
	if (!is(r, EXIT, "MMIO"))
		expect(ends_as(r, then, fault(access, op, true)), r, op_name,
		       "what the same access does after the VMM's answer");
}

static void check(const struct row *r, const char *op_name, uint64_t op, bool mmio_caching)
{
	bool mismatch = strcmp(r->cell[ATTRIBUTE], r->cell[ACCESS]);
	int ret;

	create_world(r, mmio_caching);
	ret = fault(r->cell[ACCESS], op, false);
	if (mismatch)
		expect(is_memory_fault(ret, is(r, ACCESS, "private")), r, op_name,
		       "MMU-G6: a mismatch is KVM_EXIT_MEMORY_FAULT whatever the slot");
	/* Our machine has no APICv: KVM's own slot is there, but never in use. */
	if (!is(r, SLOT, "apic") || mismatch)
		expect(ret == ret_of(r, mmio_caching), r, op_name, "the fault step's answer");
	if (mismatch)
		expect(!world->asked, r, op_name,
		       "MMU-G6: nobody asks for a page after a mismatch");
	expect(ends_as(r, r->cell[EXIT], fault(r->cell[ACCESS], op, true)), r, op_name,
	       "how the whole fault ends");
	check_fix(r, op_name, op);
	destroy_world();
}

static bool row_has_op(const struct row *r, const char *op)
{
	return is(r, OP, "any") || is(r, OP, op) || (is(r, OP, "read") && !strcmp(op, "fetch"));
}

static void each_row_is_answered_as_the_table_says(void **unused)
{
	for (size_t i = 0; i < nr_rows; i++)
		for (size_t o = 0; o < ARRAY_SIZE(ops); o++)
			for (int caching = 0; caching < 2; caching++)
				if (is(&rows[i], STAGE, "faultin") &&
				    row_has_op(&rows[i], ops[o].name))
					check(&rows[i], ops[o].name, ops[o].bits, caching);
}

static void the_table_has_the_full_product_once(void **unused)
{
	static const char *const kinds[] = { "private", "shared" };

	for (size_t s = 0; s < ARRAY_SIZE(slot_names); s++) {
		for (size_t k = 0; k < 4; k++) {
			for (size_t o = 0; o < ARRAY_SIZE(ops); o++) {
				unsigned found = 0;

				for (size_t i = 0; i < nr_rows; i++)
					found += is(&rows[i], SLOT, slot_names[s]) &&
						 is(&rows[i], ATTRIBUTE, kinds[k / 2]) &&
						 is(&rows[i], ACCESS, kinds[k % 2]) &&
						 row_has_op(&rows[i], ops[o].name);
				assert_int_equal(found, 1);
			}
		}
	}
}

static int read_table(void **unused)
{
	const char *path = getenv("FAULT_ORDER_TSV");
	FILE *f = path ? fopen(path, "r") : NULL;
	struct row r;

	if (!f)
		return -1;
	while (fgets(r.line, sizeof(r.line), f)) {
		char *rest;

		if (*r.line == '#' || !strncmp(r.line, "stage\t", 6))
			continue;
		rows = realloc(rows, (nr_rows + 1) * sizeof(*rows));
		rows[nr_rows] = r;
		rest = rows[nr_rows++].line;
		rest[strcspn(rest, "\n")] = '\0';
	}
	fclose(f);
	for (size_t i = 0; i < nr_rows; i++) {
		char *rest = rows[i].line;

		for (int c = 0; c < NR_COLUMNS; c++)
			if (!(rows[i].cell[c] = strsep(&rest, "\t")))
				return -1;
	}
	return 0;
}

static int free_table(void **unused)
{
	free(rows);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_the_full_product_once),
		cmocka_unit_test(each_row_is_answered_as_the_table_says),
	};

	return cmocka_run_group_tests(tests, read_table, free_table);
}
