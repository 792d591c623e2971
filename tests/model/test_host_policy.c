/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What KVM's own hand gets of pages that are somebody's: as today's kernels, with a finding; as
 * --strict-host-access, nothing.  And that asking changes nothing.
 */
#include "kvm/host/policy.h"

#include "kvm/mmu/a_slot.h"

#include <errno.h>

#include "hw/insn/peek.h"
#include "hw/mem/finding.h"
#include "hw/mem/view.h"
#include "kvm/host/cached.h"
#include "kvm/host/map.h"
#include "kvm/host/pfncache.h"
#include "faults.h"

#define PRIV	KVM_MEMORY_ATTRIBUTE_PRIVATE
#define BASE	0x100ull	/* gfn of the slot */
#define MARK	0x1122334455667788ull

static const struct hw_config snp = { .vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5,
				      .c_bit = 47, .nr_cpus = 1, .snp = true };

/* Page BASE + n is in state n; SHARED_TOO is what lies behind all of them. */
enum state { SHARED, PRIVATE, KEYED, ASSIGNED, SHARED_TOO, NR_STATES };

enum call { READ, READ_PAGE, READ_CACHED, WRITE, WRITE_PAGE, WRITE_CACHED, CLEAR, CAS, CAS_LOSES, MAP,
	    ACTIVATE, NR_CALLS };

static const char *const names[NR_CALLS] = {
	"read", "read-page", "read-cached", "write", "write-page", "write-cached", "clear", "cmpxchg",
	"cmpxchg-differs", "map", "gpc-activate",
};

struct bench {
	struct a_vm	*vm;
	struct kvm_memory_slot *slot;
	char		*memory;
	struct gfn_to_hva_cache ghc[NR_STATES];
	struct gfn_to_pfn_cache gpc;
};

static uint8_t *raw(struct bench *b, unsigned page)
{
	return (uint8_t *)b->memory + page * PAGE_SIZE;
}

static void make_private(struct kvm *kvm, gfn_t gfn, uint64_t attributes)
{
	gfn_t end = GFN(gfn.v + 1);

	mutex_lock(&kvm->slots_lock);
	assert_int_equal(kvm_attributes_prepare(kvm, gfn, end, attributes), 0);
	kvm_attributes_store(kvm, gfn, end, attributes);
	mutex_unlock(&kvm->slots_lock);
}

/* Caches are made before the pages are anybody's. */
static struct bench create(bool strict)
{
	const uint8_t key[MEM_KEY_BYTES] = { 1, 2, 3 };
	struct bench b = { .vm = a_vm_create(&snp, true) };
	const struct rmp_operand guests = { .assigned = 1, .asid = 3, .gpa = (BASE + ASSIGNED) << 12 };
	struct hw *hw = b.vm->module.hw;

	catch_faults(hw);
	b.vm->module.strict_host_access = strict;
	b.slot = a_slot_add(b.vm, 0, BASE, NR_STATES, KVM_MEM_LOG_DIRTY_PAGES);
	b.memory = (char *)(uintptr_t)b.slot->userspace_addr.v;
	for (unsigned i = 0; i < NR_STATES; i++) {
		*(uint64_t *)(void *)raw(&b, i) = MARK;
		assert_int_equal(kvm_gfn_to_hva_cache_init(&b.vm->kvm, &b.ghc[i],
							   gfn_to_gpa(GFN(BASE + i)), 64), 0);
	}
	assert_int_equal(kvm_gpc_init(&b.gpc, &b.vm->kvm), 0);
	make_private(&b.vm->kvm, GFN(BASE + PRIVATE), PRIV);
	assert_true(view_key_install(hw, 7, key));
	assert_true(view_encrypt(hw, phys_publish(hw, raw(&b, KEYED)), PAGE_SIZE, 7));
	assert_int_equal(rmpupdate(hw, phys_publish(hw, raw(&b, ASSIGNED)), &guests), RMP_SUCCESS);
	return b;
}

static void destroy(struct bench *b)
{
	kvm_gpc_deactivate(&b->gpc);
	kvm_gpc_fini(&b->gpc);
	a_slot_remove(&b->vm->kvm, b->slot);
	a_vm_destroy(b->vm);
}

/* What the accessor answers; *@got: the eight bytes that it had. */
static int do_call(struct bench *b, enum call call, unsigned page, uint64_t *got)
{
	gfn_t gfn = GFN(BASE + page);
	gpa_t gpa = gfn_to_gpa(gfn);
	struct kvm *kvm = &b->vm->kvm;
	uint64_t new = ~MARK, other = 5;
	struct kvm_guest_map map;
	int r;

	*got = MARK;
	switch (call) {
	case READ:
		return kvm_read_guest(kvm, gpa, got, 8);
	case READ_PAGE:
		return kvm_read_guest_page(kvm, gfn, got, 0, 8);
	case READ_CACHED:
		return kvm_read_guest_cached(kvm, &b->ghc[page], got, 8);
	case WRITE:
		return kvm_write_guest(kvm, gpa, &new, 8);
	case WRITE_PAGE:
		return kvm_write_guest_page(kvm, gfn, &new, 0, 8);
	case WRITE_CACHED:
		return kvm_write_guest_cached(kvm, &b->ghc[page], &new, 8);
	case CLEAR:
		return kvm_clear_guest(kvm, gpa, 8);
	case CAS:
		r = kvm_cmpxchg_guest(kvm, gpa, got, &new, 8);
		return r == KVM_CMPXCHG_DONE ? 0 : r;
	case CAS_LOSES:
		r = kvm_cmpxchg_guest(kvm, gpa, &other, &new, 8);
		*got = other;
		return r == KVM_CMPXCHG_LOST ? 0 : r;
	case MAP:
		r = kvm_vcpu_map(&b->vm->vcpus[0], gfn, &map);
		kvm_vcpu_unmap(&b->vm->vcpus[0], &map, false);
		return r;
	case ACTIVATE:
		return kvm_gpc_activate(&b->gpc, gpa, 8);
	case NR_CALLS:
		break;
	}
	return 1;
}

#define F	-EFAULT
#define ALL	(1u << READ | 1u << READ_PAGE | 1u << READ_CACHED | 1u << WRITE | 1u << WRITE_PAGE |	\
		 1u << WRITE_CACHED | 1u << CLEAR | 1u << CAS | 1u << CAS_LOSES | 1u << MAP | 1u << ACTIVATE)
#define PURE_READS	(1u << READ | 1u << READ_PAGE | 1u << READ_CACHED)
#define PURE_WRITES	(1u << WRITE | 1u << WRITE_PAGE | 1u << WRITE_CACHED | 1u << CLEAR)

/* host-access.tsv: private-backed, key-owned, rmp-guest; the old value is not there in ciphertext. */
static const struct row {
	const char	*why;
	enum state	 state;
	unsigned	 calls;		/* bits by enum call */
	int		 result[2];	/* default, strict */
	unsigned	 findings;
	const char	*says[2];	/* in the finding */
} rows[] = {
	{ "nobody's but the host's", SHARED, ALL, { 0, 0 }, 0, { NULL } },
	{ "private: the shared backing", PRIVATE, PURE_READS, { 0, F }, 1,
	  { "reads gfn 0x101, which is private, and gets the shared backing's bytes", "-EFAULT (--strict" } },
	{ "private: the shared backing", PRIVATE, PURE_WRITES, { 0, F }, 1,
	  { "writes to gfn 0x101, which is private", "-EFAULT (--strict" } },
	{ "private: the shared backing", PRIVATE, ALL & ~PURE_READS & ~PURE_WRITES, { 0, F }, 1,
	  { "gfn 0x101, which is private", "-EFAULT (--strict" } },
	{ "a key's: ciphertext", KEYED, PURE_READS, { 0, F }, 1,
	  { "which the guest has encrypted (of the key of ASID 7), and gets ciphertext", "-EFAULT (--strict" } },
	{ "a key's: who writes is not told", KEYED, PURE_WRITES, { 0, 0 }, 0, { NULL } },
	{ "a key's: an exchange reads", KEYED, 1u << CAS, { KVM_CMPXCHG_LOST, F }, 1, { "ciphertext", "-EFAULT" } },
	{ "a key's: an exchange reads", KEYED, 1u << CAS_LOSES, { 0, F }, 1, { "ciphertext", "-EFAULT" } },
	{ "a key's: a map reads, too", KEYED, 1u << MAP | 1u << ACTIVATE, { 0, F }, 1,
	  { "ciphertext", "-EFAULT" } },
	{ "assigned: reads are not checked", ASSIGNED, PURE_READS, { 0, F }, 1, { "ASID 3", "-EFAULT (--strict" } },
	{ "assigned: #PF", ASSIGNED, ALL & ~PURE_READS, { F, F }, 1, { "ASID 3", "-EFAULT" } },
};

static bool is_dirty(const struct bench *b, unsigned page)
{
	return b->slot->dirty_bitmap[0] >> page & 1;
}

static void run(const struct row *row, enum call call, bool strict)
{
	struct bench b = create(strict);
	struct hw *hw = b.vm->module.hw;
	uint64_t got, before = *(uint64_t *)(void *)raw(&b, SHARED_TOO);
	struct rmp_entry e;
	struct hw_finding f;
	int r = do_call(&b, call, row->state, &got);
	unsigned n = (unsigned)hw_nr_host_findings(hw);
	bool marks = !r && (1u << call & (PURE_WRITES | 1u << CAS | 1u << CAS_LOSES));

	if (r != row->result[strict] || n != row->findings || is_dirty(&b, row->state) != marks)
		print_error("%s, %s, %s: %d, %u findings\n", row->why, names[call],
			    strict ? "strict" : "default", r, n);
	assert_int_equal(r, row->result[strict]);
	assert_int_equal(n, row->findings);
	assert_int_equal(is_dirty(&b, row->state), marks);
	assert_int_equal(counter_read(b.vm->module.counters, COUNTER_HOST_ACCESS_FINDINGS), n);
	assert_int_equal(hw_nr_findings(hw), 0);
	if (n) {
		assert_int_equal(hw_findings_read(hw, &f, 1), 1);
		if (!strstr(f.text, row->says[strict]))
			print_error("%s: %s\n", names[call], f.text);
		assert_non_null(strstr(f.text, row->says[strict]));
	}
	if (row->state == KEYED && (1u << call & PURE_READS) && !r)
		assert_int_not_equal(got, MARK);
	/* Nothing but the bytes has changed. */
	assert_true(kvm_mem_is_private(&b.vm->kvm, GFN(BASE + PRIVATE)));
	assert_false(kvm_mem_is_private(&b.vm->kvm, GFN(BASE + ASSIGNED)));
	assert_true(peek_rmp(hw, phys_publish(hw, raw(&b, ASSIGNED)), &e) && e.assigned && e.asid == 3);
	if (r && row->state == KEYED)
		assert_int_equal(view_owner_at(hw, raw(&b, KEYED)), 7);
	if (row->state == ASSIGNED)
		assert_int_equal(*(uint64_t *)(void *)raw(&b, ASSIGNED), MARK);
	assert_int_equal(*(uint64_t *)(void *)raw(&b, SHARED_TOO), before);
	destroy(&b);
}

static void each_accessor_asks(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned call = 0; call < NR_CALLS; call++)
			for (unsigned strict = 0; strict < 2 && (rows[i].calls >> call & 1); strict++)
				run(&rows[i], call, strict);
}

/* One for each page, in one call. */
static void a_finding_is_of_a_page_and_a_call(void **unused)
{
	struct bench b = create(false);
	struct hw *hw = b.vm->module.hw;
	char bytes[2 * PAGE_SIZE];

	(void)unused;
	make_private(&b.vm->kvm, GFN(BASE + SHARED), PRIV);
	assert_int_equal(kvm_read_guest(&b.vm->kvm, gfn_to_gpa(GFN(BASE)), bytes, sizeof(bytes)), 0);
	assert_int_equal(hw_nr_host_findings(hw), 2);
	assert_int_equal(kvm_read_guest(&b.vm->kvm, gfn_to_gpa(GFN(BASE)), bytes, sizeof(bytes)), 0);
	assert_int_equal(hw_nr_host_findings(hw), 4);
	/* No bytes, no page. */
	assert_int_equal(kvm_read_guest(&b.vm->kvm, gfn_to_gpa(GFN(BASE)), bytes, 0), 0);
	assert_int_equal(hw_nr_host_findings(hw), 4);
	/* Strict: the first page is refused, the second is not asked for. */
	b.vm->module.strict_host_access = true;
	assert_int_equal(kvm_read_guest(&b.vm->kvm, gfn_to_gpa(GFN(BASE)), bytes, sizeof(bytes)), -EFAULT);
	assert_int_equal(hw_nr_host_findings(hw), 5);
	make_private(&b.vm->kvm, GFN(BASE + SHARED), 0);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(kvm_read_guest(&b.vm->kvm, gfn_to_gpa(GFN(BASE)), bytes, sizeof(bytes)), -EFAULT);
	assert_int_equal(*(uint64_t *)(void *)bytes, MARK);
	destroy(&b);
}

static bool may_use(struct bench *b)
{
	bool may;

	read_lock(&b->gpc.lock);
	may = kvm_gpc_check(&b->gpc, 8);
	read_unlock(&b->gpc.lock);
	return may;
}

/* A conversion is no event for it: it is asked whenever somebody goes by the pointer. */
static void the_pfn_cache_asks_when_it_is_used(void **unused)
{
	(void)unused;
	for (unsigned strict = 0; strict < 2; strict++) {
		struct bench b = create(strict);
		gfn_t gfn = GFN(BASE + SHARED);

		assert_int_equal(kvm_gpc_activate(&b.gpc, gfn_to_gpa(gfn), 8), 0);
		assert_true(may_use(&b));
		assert_int_equal(hw_nr_host_findings(b.vm->module.hw), 0);
		make_private(&b.vm->kvm, gfn, PRIV);
		assert_int_equal(may_use(&b), !strict);
		assert_int_equal(hw_nr_host_findings(b.vm->module.hw), 1);
		assert_int_equal(kvm_gpc_refresh(&b.gpc, 8), strict ? -EFAULT : 0);
		make_private(&b.vm->kvm, gfn, 0);
		assert_int_equal(kvm_gpc_refresh(&b.gpc, 8), 0);
		assert_true(may_use(&b));
		destroy(&b);
	}
}

/* A section is open when it asks; of what is private there is no such map, strict or not. */
static void a_short_term_map_asks_inside(void **unused)
{
	static const struct {
		const char	*why;
		enum state	 state;
		int		 result[2];
		unsigned	 findings;
		const char	*says;
	} maps[] = {
		{ "shared", SHARED, { 0, 0 }, 0, NULL },
		{ "private", PRIVATE, { F, F }, 1, "which is private, and gets -EFAULT" },
		{ "a key's", KEYED, { 0, F }, 1, "ASID 7" },
		{ "assigned", ASSIGNED, { F, F }, 1, "ASID 3" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		for (unsigned strict = 0; strict < 2; strict++) {
			struct bench b = create(strict);
			struct kvm_vcpu *vcpu = &b.vm->vcpus[0];
			struct kvm_guest_map map;
			struct hw_finding f;
			int r;

			b.vm->module.host_map_short_term = true;
			assert_int_equal(srcu_init(&b.vm->kvm.host_maps), 0);
			r = kvm_vcpu_map(vcpu, GFN(BASE + maps[i].state), &map);
			if (r != maps[i].result[strict])
				print_error("%s, %s: %d\n", maps[i].why, strict ? "strict" : "default", r);
			assert_int_equal(r, maps[i].result[strict]);
			assert_int_equal(vcpu->nr_short_maps, !r);
			assert_int_equal(hw_nr_host_findings(b.vm->module.hw), maps[i].findings);
			if (maps[i].findings) {
				assert_int_equal(hw_findings_read(b.vm->module.hw, &f, 1), 1);
				assert_non_null(strstr(f.text, maps[i].says));
			}
			kvm_vcpu_unmap(vcpu, &map, false);
			assert_int_equal(vcpu->nr_short_maps, 0);
			/* Nobody is inside: it would wait for ever. */
			srcu_synchronize(&b.vm->kvm.host_maps);
			destroy(&b);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_accessor_asks),
		cmocka_unit_test(a_finding_is_of_a_page_and_a_call),
		cmocka_unit_test(the_pfn_cache_asks_when_it_is_used),
		cmocka_unit_test(a_short_term_map_asks_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
