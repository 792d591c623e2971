/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_launch.c - what no program can bring about in the launch and the end of
 * an SNP VM: rows of docs/facts/snp-kvm-ioctls.tsv that test_snp_errno names as
 * shown elsewhere, and a secure processor that refuses (ld --wrap).
 */
#include "an_snp_guest.h"

#include <errno.h>

#include "hw/insn/psp_snp.h"
#include "kvm/gmem/audit.h"

#define POLICY	(PSP_SNP_POLICY_SMT | PSP_SNP_POLICY_MBO)

static struct {
	enum psp_cmd	cmd;		/* is refused, the @after + 1st time and ever after */
	unsigned	after;
	unsigned	nr[PSP_SNP_COMMIT + 1];	/* how often each was given */
} psp;

enum psp_status __real_psp_command(struct hw *hw, enum psp_cmd cmd, void *buffer);
enum psp_status __wrap_psp_command(struct hw *hw, enum psp_cmd cmd, void *buffer);
enum psp_status __wrap_psp_command(struct hw *hw, enum psp_cmd cmd, void *buffer)
{
	psp.nr[cmd]++;
	if (psp.cmd == cmd && psp.nr[cmd] > psp.after)
		return PSP_HWERROR_PLATFORM;
	return __real_psp_command(hw, cmd, buffer);
}

enum psp_status __real_psp_commands(struct hw *hw, enum psp_cmd cmd, void *buffers, unsigned n,
				    unsigned *done);
enum psp_status __wrap_psp_commands(struct hw *hw, enum psp_cmd cmd, void *buffers, unsigned n,
				    unsigned *done);
enum psp_status __wrap_psp_commands(struct hw *hw, enum psp_cmd cmd, void *buffers, unsigned n,
				    unsigned *done)
{
	unsigned good = psp.after > psp.nr[cmd] ? psp.after - psp.nr[cmd] : 0;
	enum psp_status st;

	st = __real_psp_commands(hw, cmd, buffers, psp.cmd == cmd ? MIN(n, good) : n, done);
	if (st == PSP_SUCCESS && *done < n)
		st = PSP_HWERROR_PLATFORM;
	psp.nr[cmd] += *done + (st != PSP_SUCCESS);
	return st;
}

/* Every descriptor number is /dev/sev. */
static int any_fd(struct kvm_module *module, int fd)
{
	(void)module;
	(void)fd;
	return 0;
}

static void make(struct an_snp_guest *g)
{
	memset(&psp, 0, sizeof(psp));
	an_snp_guest_make(g, 0, 0);
	g->module.check_sev_fd = any_fd;
}

static int command(struct kvm *kvm, uint32_t id, void *data, uint32_t *error)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data };
	int r = sev_mem_enc_ioctl(kvm, &cmd);

	*error = cmd.error;
	return r;
}

static int start(struct kvm *kvm, uint32_t *error)
{
	struct kvm_sev_snp_launch_start s = { .policy = POLICY };

	return command(kvm, KVM_SEV_SNP_LAUNCH_START, &s, error);
}

static int update(struct an_snp_guest *g, uint64_t page, uint64_t n, uint32_t *error, uint64_t *left)
{
	struct kvm_sev_snp_launch_update u = {
		.gfn_start = BASE_GFN.v + page, .uaddr = (uintptr_t)g->memory, .len = n << PAGE_SHIFT,
		.type = KVM_SEV_SNP_PAGE_TYPE_NORMAL,
	};
	int r = command(g->kvm, KVM_SEV_SNP_LAUNCH_UPDATE, &u, error);

	*left = u.len >> PAGE_SHIFT;
	return r;
}

static int finish(struct kvm *kvm, uint32_t *error)
{
	struct kvm_sev_snp_launch_finish f = { 0 };

	return command(kvm, KVM_SEV_SNP_LAUNCH_FINISH, &f, error);
}

/* The page behind @page of the file, without its being prepared. */
static hpa_t raw_page(struct an_snp_guest *g, uint64_t page)
{
	int idx = srcu_read_lock(&g->kvm->srcu);
	gfn_t gfn = GFN(BASE_GFN.v + page);
	uint8_t level;
	const void *bytes;
	hpa_t hpa;

	assert_int_equal(kvm_gmem_fallocate(g->gmem, 1, (int64_t)(page << PAGE_SHIFT), PAGE_SIZE), 0);
	bytes = kvm_gmem_private_bytes(kvm_gfn_to_memslot(g->kvm, 0, gfn), gfn, &level);
	srcu_read_unlock(&g->kvm->srcu, idx);
	hpa = phys_publish(g->module.hw, bytes);
	assert_true(hpa_is_valid(hpa));
	return hpa;
}

static void test_assigned_already(void **state)
{
	struct an_snp_guest g;
	uint32_t error;
	uint64_t left;
	hpa_t page;

	(void)state;
	make(&g);
	assert_int_equal(start(g.kvm, &error), 0);
	page = raw_page(&g, 3);
	assert_int_equal(rmp_make_private(&g.module, page, 0x1000, PG_LEVEL_4K, 1, false), 0);
	assert_int_equal(update(&g, 3, 1, &error, &left), -EIO);
	assert_int_equal(error, 0);
	assert_int_equal(an_snp_guest_entry(&g, page).gpa, 0x1000);
	/* With a good page before it, that one is done. */
	assert_int_equal(update(&g, 2, 2, &error, &left), 0);
	assert_int_equal(left, 1);
	assert_int_equal(rmp_make_shared(&g.module, page, PG_LEVEL_4K), 0);
	an_snp_guest_end(&g);
}

static void test_vcpu_is_being_created(void **state)
{
	struct an_snp_guest g;
	uint32_t error;

	(void)state;
	make(&g);
	assert_int_equal(start(g.kvm, &error), 0);
	atomic32_add(&g.kvm->created_vcpus, 1);
	assert_int_equal(finish(g.kvm, &error), -EBUSY);
	assert_false(g.v->base.guest_state_protected);
	atomic32_sub(&g.kvm->created_vcpus, 1);
	assert_int_equal(finish(g.kvm, &error), 0);
	assert_true(g.v->base.guest_state_protected);
	an_snp_guest_end(&g);
}

static void test_no_asid(void **state)
{
	struct an_snp_guest g;
	unsigned min, asid;

	(void)state;
	make(&g);
	min = g.module.sev->min_asid;
	g.module.sev->min_asid = 1;
	assert_int_equal(sev_asid_new(g.kvm, true, &asid), -ENOTTY);
	g.module.sev->min_asid = min;
	an_snp_guest_end(&g);
}

/* A VMSA page is immutable, then the guest's, then nobody's. */
static void test_pages_of_a_vm(void **state)
{
	struct an_snp_guest g;
	struct kvm_sev *sev;
	hpa_t context, vmsa;
	struct rmp_entry e;
	uint32_t error;
	struct hw *hw;

	(void)state;
	make(&g);
	hw = g.module.hw;
	sev = to_kvm_sev(g.kvm);
	vmsa = g.v->svm.vmsa_pa;
	assert_false(hpa_is_valid(sev->snp_context));
	assert_int_equal(start(g.kvm, &error), 0);
	context = sev->snp_context;
	e = an_snp_guest_entry(&g, context);
	assert_true(e.assigned && e.immutable && !e.asid);
	assert_true(an_snp_guest_entry(&g, sev->guest_response).assigned);
	assert_false(an_snp_guest_entry(&g, sev->guest_request).assigned);
	assert_false(an_snp_guest_entry(&g, vmsa).assigned);
	assert_int_equal(finish(g.kvm, &error), 0);
	e = an_snp_guest_entry(&g, vmsa);
	assert_true(e.assigned && e.vmsa && e.validated && !e.immutable);
	assert_int_equal(e.asid, sev->asid);
	assert_true(e.gpa == SNP_VMSA_GPA);
	assert_true(atomic32_load(&g.kvm->pre_fault_allowed));
	kvm_put(g.kvm);
	kvm_gmem_release(g.gmem);
	kvm_put(g.kvm);
	rcu_barrier();
	g.gmem = NULL;
	assert_true(!peek_rmp(hw, vmsa, &e) || !e.assigned);
	assert_true(!peek_rmp(hw, context, &e) || !e.assigned);
	assert_true(counter_read(g.module.counters, COUNTER_LEAKED_PAGES) == 0);
	/* Once when the module was loaded, once of the VM. */
	assert_int_equal(psp.nr[PSP_SNP_DECOMMISSION], 1);
	vm_types_unload(&g.module);
	assert_int_equal(psp.nr[PSP_SNP_SHUTDOWN_EX], 2);	/* the first wants a flush */
	kvm_module_unload(&g.module);
	hw_destroy(hw);
	counters_destroy(g.module.counters);
	os_unmap(g.memory, GUEST_SIZE);
}

/* What the firmware refuses leaves nothing behind, and can be done again. */
static void test_refused(void **state)
{
	static const enum psp_cmd starts[] = { PSP_SNP_GCTX_CREATE, PSP_SNP_LAUNCH_START,
					       PSP_SNP_ACTIVATE };
	struct an_snp_guest g;
	uint32_t error;
	uint64_t left;
	hpa_t page;

	(void)state;
	make(&g);
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		psp.cmd = starts[i];
		psp.after = 0;
		assert_int_equal(start(g.kvm, &error), starts[i] == PSP_SNP_GCTX_CREATE ? -ENOTTY : -EIO);
		assert_int_equal(error, PSP_HWERROR_PLATFORM);
		assert_false(hpa_is_valid(to_kvm_sev(g.kvm)->snp_context));
	}
	psp.cmd = PSP_SNP_LAUNCH_UPDATE;
	assert_int_equal(start(g.kvm, &error), 0);
	assert_int_equal(update(&g, 1, 1, &error, &left), -EIO);
	assert_int_equal(error, PSP_HWERROR_PLATFORM);
	page = raw_page(&g, 1);
	assert_false(an_snp_guest_entry(&g, page).assigned);
	assert_int_equal(finish(g.kvm, &error), -EIO);
	assert_false(g.v->base.guest_state_protected);
	assert_false(an_snp_guest_entry(&g, g.v->svm.vmsa_pa).assigned);
	psp.after = psp.nr[PSP_SNP_LAUNCH_UPDATE] + 2;
	assert_int_equal(update(&g, 1, 5, &error, &left), 0);
	assert_int_equal(left, 3);
	assert_true(an_snp_guest_entry(&g, raw_page(&g, 2)).validated);
	for (uint64_t i = 3; i < 6; i++)
		assert_false(an_snp_guest_entry(&g, raw_page(&g, i)).assigned);
	psp.cmd = PSP_NOP;
	assert_int_equal(update(&g, 3, 3, &error, &left), 0);
	assert_int_equal(left, 0);
	assert_int_equal(finish(g.kvm, &error), 0);
	/* Memory that the guest's key has in view is there. */
	assert_int_equal(kvm_gmem_fallocate(g.gmem, 1, 1 << PAGE_SHIFT, 5 << PAGE_SHIFT), 0);
	assert_true(counter_read(g.module.counters, COUNTER_LEAKED_PAGES) == 0);
	an_snp_guest_end(&g);
}

/* A page that the firmware keeps is leaked, and its VM gives up. */
static void test_kept(void **state)
{
	struct an_snp_guest g;
	uint32_t error;
	uint64_t left;
	hpa_t page;

	(void)state;
	make(&g);
	assert_int_equal(start(g.kvm, &error), 0);
	assert_int_equal(__real_psp_command(g.module.hw, PSP_NOP, NULL), PSP_SUCCESS);
	psp.cmd = PSP_SNP_PAGE_RECLAIM;
	page = raw_page(&g, 1);
	/* No key for the page's owner: refused by the firmware itself. */
	to_kvm_sev(g.kvm)->asid++;
	assert_int_equal(update(&g, 1, 1, &error, &left), -EIO);
	to_kvm_sev(g.kvm)->asid--;
	assert_int_equal(error, PSP_INVALID_PAGE_OWNER);
	assert_true(counter_read(g.module.counters, COUNTER_LEAKED_PAGES) == 1);
	assert_true(atomic32_load(&g.kvm->dead));
	psp.cmd = PSP_NOP;
	assert_int_equal(snp_page_reclaim(&g.module, page), 0);
	an_snp_guest_end(&g);
}

/* A guest that the firmware does not forget keeps its ASID for ever. */
static void test_decommission_fails(void **state)
{
	struct an_snp_guest g;
	uint32_t error;
	unsigned asid;

	(void)state;
	make(&g);
	asid = to_kvm_sev(g.kvm)->asid;
	assert_int_equal(start(g.kvm, &error), 0);
	psp.cmd = PSP_SNP_DECOMMISSION;
	kvm_put(g.kvm);
	kvm_gmem_release(g.gmem);
	kvm_put(g.kvm);
	rcu_barrier();
	assert_true(g.module.sev->used[asid / 64] >> (asid % 64) & 1);
	assert_false(g.module.sev->reclaim[asid / 64] >> (asid % 64) & 1);
	psp.cmd = PSP_NOP;
	vm_types_unload(&g.module);
	kvm_module_unload(&g.module);
	hw_destroy(g.module.hw);
	counters_destroy(g.module.counters);
	os_unmap(g.memory, GUEST_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assigned_already),
		cmocka_unit_test(test_vcpu_is_being_created),
		cmocka_unit_test(test_no_asid),
		cmocka_unit_test(test_pages_of_a_vm),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_decommission_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
