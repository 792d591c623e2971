/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/cpu/a_sev.h"

#include <string.h>
#include <sys/mman.h>

#include "hw/insn/view.h"
#include "hw/mem/machine.h"
#include "hw/mem/tmr.h"
#include "hw/snp/firmware.h"
#include "os/uaccess.h"

#define PRIVATE_SIZE	0x60000ull	/* what the launch encrypts */
#define SLOT		3u

static const uint8_t a_key[MEM_KEY_BYTES] = "a key of 32 bytes for two halves";

static bool trap(void *hw, void *host, bool write)
{
	return view_trap(hw, host, write);
}

void sev_init(struct sev *s, enum sev_kind kind)
{
	struct vm *vm = &s->vm;

	memset(s, 0, sizeof(*s));
	vm_init_on(vm, (struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48,
					   .phys_reduction = 5, .c_bit = SEV_C_BIT, .nr_cpus = 2,
					   .snp = kind == SEV_SNP });
	os_uaccess_ask_first(trap, vm->hw);
	s->es = kind >= SEV_ES;
	s->snp = kind == SEV_SNP;
	s->features = s->snp ? VMSA_SNP_ACTIVE : 0;
	s->slot = kind == PLAIN ? 0 : SLOT;
	/* As a VMM's memory is: of another kind than the machine's own beside it. */
	assert_int_equal(madvise(vm->mem, VM_SIZE, MADV_DOFORK), 0);
	s->vmsa = phys_page_alloc(vm->hw);
	assert_true(hpa_is_valid(s->vmsa));
	memset(s->msrpm, 0xff, sizeof(s->msrpm));
	vm->svm.asid = SLOT;
	vm->svm.msrpm = s->msrpm;
	vm->svm.np_control = SVM_NP_ENABLE | (kind >= SEV ? SVM_NP_SEV : 0) |
			     (kind >= SEV_ES ? SVM_NP_SEV_ES : 0);
	vm->svm.vmsa_pa = s->vmsa;
	vm->s.efer |= X86_EFER_SVME;
	vm->s.dr6 = 0xffff0ff0;
	vm->s.dr7 = 0x400;
	vm->s.msr.pat = 0x0007040600070406ull;
}

static void put(struct sev *s, unsigned at, uint64_t v, unsigned size)
{
	assert_true(view_write(s->vm.hw, HPA(s->vmsa.v + at), 0, &v, size));
}

static void put_segment(struct sev *s, unsigned at, const struct x86_segment *seg)
{
	uint32_t ar = seg->ar & X86_AR_UNUSABLE ? seg->ar & ~(uint32_t)X86_AR_P : seg->ar;

	put(s, at, seg->selector, 2);
	put(s, at + 2, (ar & 0xff) | (ar >> 4 & 0xf00), 2);
	put(s, at + 4, seg->limit, 4);
	put(s, at + 8, seg->base, 8);
}

/* What KVM does before KVM_SEV_LAUNCH_UPDATE_VMSA. */
static void fill_vmsa(struct sev *s)
{
	static const uint8_t order[8] = { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS };
	static const uint16_t gprs[16] = {
		[X86_RAX] = VMSA_RAX, [X86_RCX] = VMSA_RCX, [X86_RDX] = VMSA_RDX,
		[X86_RBX] = VMSA_RBX, [X86_RSP] = VMSA_RSP, [X86_RBP] = VMSA_RBP,
		[X86_RSI] = VMSA_RSI, [X86_RDI] = VMSA_RDI,
	};
	const struct x86_state *x = &s->vm.s;

	for (unsigned i = 0; i < 6; i++)
		put_segment(s, i * 16, &x->seg[order[i]]);
	put(s, 0x64, x->gdtr.limit, 4);
	put(s, 0x68, x->gdtr.base, 8);
	put_segment(s, 0x70, &x->seg[X86_LDTR]);
	put(s, 0x84, x->idtr.limit, 4);
	put(s, 0x88, x->idtr.base, 8);
	put_segment(s, 0x90, &x->seg[X86_TR]);
	put(s, VMSA_CPL, x->cpl, 1);
	put(s, VMSA_EFER, x->efer, 8);
	put(s, VMSA_CR4, x->cr4, 8);
	put(s, VMSA_CR3, x->cr3, 8);
	put(s, VMSA_CR0, x->cr0, 8);
	put(s, VMSA_DR7, x->dr7, 8);
	put(s, VMSA_DR6, x->dr6, 8);
	put(s, VMSA_RFLAGS, x->rflags, 8);
	put(s, VMSA_RIP, x->rip, 8);
	put(s, VMSA_CR2, x->cr2, 8);
	put(s, VMSA_PAT, x->msr.pat, 8);
	for (unsigned i = 0; i < 16; i++)
		put(s, i < 8 ? gprs[i] : VMSA_R8 + (i - 8) * 8, x->gpr[i], 8);
	put(s, VMSA_FEATURES, s->features, 8);
	put(s, VMSA_XCR0, x->xcr0, 8);
	put(s, VMSA_MXCSR, x->fpu.mxcsr, 4);
	put(s, VMSA_FCW, x->fpu.fcw, 2);
}

static void own_pages(struct sev *s)
{
	for (unsigned i = 0; i < SEV_SHARED / 4096; i++)
		*vm_pte(&s->vm, (uint64_t)i << 12) |= SEV_C;
}

static hpa_t hpa_of(struct sev *s, uint64_t gpa)
{
	hpa_t a = phys_publish(s->vm.hw, s->vm.mem + gpa);

	assert_true(hpa_is_valid(a));
	return a;
}

/* As SNP_LAUNCH_UPDATE leaves a page. */
static void own_in_rmp(struct sev *s, hpa_t a, uint64_t gpa, bool vmsa)
{
	struct rmp_operand o = { .gpa = gpa, .assigned = 1, .immutable = 1, .asid = s->slot };
	struct rmp_entry e;

	assert_int_equal(rmpupdate(s->vm.hw, a, &o), RMP_SUCCESS);
	e = snp_page(s->vm.hw, a);
	e.immutable = false;
	e.validated = true;
	e.vmsa = vmsa;
	assert_int_equal(snp_firmware_move(s->vm.hw, a, false, SNP_STATE_PRE_GUEST, &e,
					   RMP_EVENT_LAUNCHED), SNP_MOVED);
}

void sev_launch(struct sev *s)
{
	struct hw *hw = s->vm.hw;
	uint8_t page[4096];
	hpa_t sum;

	if (!s->slot)
		return;
	own_pages(s);
	assert_true(view_key_install(hw, s->slot, a_key));
	assert_true(view_encrypt(hw, hpa_of(s, 0), PRIVATE_SIZE, s->slot));
	if (!s->es)
		return;
	assert_true(tmr_open(hw, HPA(BIT(40)), 1 << 20));
	sum = tmr_take(hw);
	assert_true(hpa_is_valid(sum));
	fill_vmsa(s);
	put(s, TMR_VMSA_ADDRESS, sum.v, 8);
	assert_true(view_read(hw, s->vmsa, 0, page, sizeof(page)));
	assert_true(tmr_store(hw, page));
	assert_true(view_encrypt(hw, s->vmsa, 4096, s->slot));
	for (uint64_t gpa = 0; s->snp && gpa < SEV_SHARED; gpa += 4096)
		own_in_rmp(s, hpa_of(s, gpa), gpa, false);
	if (s->snp)
		own_in_rmp(s, s->vmsa, 0xfffffffff000, true);
	memset(&s->vm.s, 0xee, sizeof(s->vm.s));	/* nobody may look at it */
}

void sev_fini(struct sev *s)
{
	vm_fini(&s->vm);
	os_uaccess_ask_first(NULL, NULL);
}

uint64_t sev_run(struct sev *s)
{
	struct svm_control *c = &s->vm.svm;
	struct svm_exit *e = &s->vm.svm_exit;

	svm_vmrun(s->vm.cpu, c, s->es ? NULL : &s->vm.s, e);
	c->event_inj = 0;
	c->tlb_control = SVM_TLB_DO_NOTHING;
	c->ghcb_gpa = e->ghcb_gpa;
	c->int_state = e->int_state & SVM_INT_SHADOW;
	c->v_nmi_blocked = e->v_nmi_blocked;
	c->v_nmi_pending = e->v_nmi_pending;
	c->v_tpr = e->v_tpr;
	return e->exitcode;
}

void sev_read(struct sev *s, uint64_t gpa, void *to, size_t n)
{
	keyslot_t slot = gpa < SEV_SHARED ? s->slot : 0;

	assert_true(view_read(s->vm.hw, hpa_of(s, gpa), slot, to, n));
}

void sev_write(struct sev *s, uint64_t gpa, const void *from, size_t n)
{
	keyslot_t slot = gpa < SEV_SHARED ? s->slot : 0;

	assert_true(view_write(s->vm.hw, hpa_of(s, gpa), slot, from, n));
}

struct vmsa sev_vmsa(struct sev *s)
{
	struct vmsa v;

	assert_true(view_read(s->vm.hw, s->vmsa, s->slot, &v, sizeof(v)));
	return v;
}

uint64_t sev_vmsa_field(struct sev *s, unsigned offset)
{
	struct vmsa v = sev_vmsa(s);
	uint64_t q;

	memcpy(&q, (const char *)&v + offset, 8);
	return q;
}

/* The stub's HLT is done: RIP is past it. */
int64_t sev_vc(struct sev *s)
{
	struct vmsa v = sev_vmsa(s);
	uint64_t error;

	if (s->vm.svm_exit.exitcode != SVM_EXIT_HLT || v.rip != VM_HANDLERS + X86_VC * 16 + 1)
		return -1;
	sev_read(s, v.rsp, &error, 8);
	return (int64_t)error;
}

void sev_nested_mmio(struct sev *s, uint64_t gpa)
{
	hpa_t t = s->vm.root;

	for (int shift = 39; shift > 12; shift -= 9)
		t = HPA(phys_load64(s->vm.hw, HPA(t.v + (gpa >> shift & 511) * 8)) &
			0x000ffffffffff000ull);
	phys_store64(s->vm.hw, HPA(t.v + (gpa >> 12 & 511) * 8), SEV_RESERVED | 7);
}

void sev_pass_msr(struct sev *s, uint32_t nr)
{
	int bit = svm_msrpm_bit(nr);

	s->msrpm[bit / 8] &= (uint8_t)~(3u << bit % 8);
}
