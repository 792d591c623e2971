/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_ghcb.c - GHCB-1: what KVM does for a request is what one state of the
 * page says, however the guest rewrites it meanwhile, the entries of a page state
 * change among it; GHCB-2: data that goes out in pieces is of one moment.
 *
 * The guest's other processor puts another request, the scratch data with it,
 * in place of the first, after each number of steps of the exit.
 */
#include "world.h"

#include "softcvm/uapi/kvm_para.h"

#include "ghcb_apart.h"
#include "kvm/vcpu/backend.h"

#define PAGE_GFN	16
#define OUTSIDE		(P(PAGE_GFN + 1) + 0x80)
#define INSIDE(at)	(P(PAGE_GFN) + GHCB_BUFFER + (at))
#define MAX_SEEN	64

struct request {
	uint64_t code, info1, info2, scratch, rax, rcx, rdx;
	uint8_t  fill;			/* scratch data begins with it and goes up */
	bool	 incomplete;		/* no bit for any register, nor for the scratch area */
	unsigned nr_pages;		/* GHCB_PSC: that many entries, of pages from fill << 8 on */
};

struct a_case {
	const char	*what;
	unsigned	 version;
	struct request	 a, b;
	bool		 data_apart;	/* outside: another read than the page's */
};

static const struct a_case cases[] = {
	{ "MMIO write", 2,
	  { GHCB_MMIO_WRITE, 0xd0000000, 8, INSIDE(0), .fill = 0xaa },
	  { GHCB_MMIO_WRITE, 0xe0000000, 4, INSIDE(0x100), .fill = 0xbb }, false },
	{ "MMIO write in pieces", 1,
	  { GHCB_MMIO_WRITE, 0xd0000000, 28, INSIDE(8), .fill = 0xaa },
	  { GHCB_MMIO_WRITE, 0xe0000000, 20, INSIDE(0x300), .fill = 0xbb }, false },
	{ "MMIO write from outside the page", 1,
	  { GHCB_MMIO_WRITE, 0xd0000000, 28, OUTSIDE, .fill = 0xaa },
	  { GHCB_MMIO_WRITE, 0xd0000000, 28, OUTSIDE, .fill = 0xbb }, true },
	{ "a scratch area that would end outside", 2,
	  { GHCB_MMIO_WRITE, 0xd0000000, 8, INSIDE(0), .fill = 0xaa },
	  { GHCB_MMIO_WRITE, 0xd0000000, 8, INSIDE(0x7ec), .fill = 0xbb }, false },
	{ "string output", 2,
	  { SVM_EXIT_IOIO, 0x03f80000 | SVM_IOIO_STR | SVM_IOIO_SZ32, 9, INSIDE(4), .fill = 0xaa },
	  { SVM_EXIT_IOIO, 0x00800000 | SVM_IOIO_STR | SVM_IOIO_SZ8, 7, INSIDE(0x40), .fill = 0xbb },
	  false },
	{ "a register for another", 2,
	  { SVM_EXIT_MSR, 1, 0, .rax = 1, .rcx = 0x10, .rdx = 2 },
	  { SVM_EXIT_MSR, 0, 0, .rax = 3, .rcx = 0x1b, .rdx = 4 }, false },
	{ "an event for another", 2,
	  { SVM_EXIT_CPUID, 0, 0, .rax = 1, .rcx = 0x10 },
	  { SVM_EXIT_WBINVD, 0, 0, .rax = 3, .rcx = 0x1b }, false },
	{ "a page state change", 2,
	  { GHCB_PSC, 0, 0, INSIDE(0), .fill = 0xaa, .nr_pages = 4 },
	  { GHCB_PSC, 0, 0, INSIDE(0), .fill = 0xbb, .nr_pages = 3 }, false },
	{ "a page state change of more entries than the area holds", 2,
	  { GHCB_PSC, 0, 0, INSIDE(0x7c8), .fill = 0xaa, .nr_pages = 4 },
	  { GHCB_PSC, 0, 0, INSIDE(0x7c8), .fill = 0xbb, .nr_pages = 5 }, false },
	{ "inputs that go away", 2,
	  { SVM_EXIT_VMMCALL, 0, 0, .rax = 5 },
	  { SVM_EXIT_VMMCALL, 0, 0, .rax = 6, .incomplete = true }, false },
};

struct vm {
	struct world	*w;
	struct vcpu	*v;
	struct kvm_sev	 sev;
	uint8_t		*page, *outside;
	const struct request *next;
	uint64_t	 seen[MAX_SEEN];	/* what left KVM, in this order */
	unsigned	 nr_seen;
};

static struct vm *now;
static bool is_short_term;		/* the page is mapped for each use, not for all of the exit */

static void see(uint64_t what)
{
	if (now->nr_seen < MAX_SEEN)
		now->seen[now->nr_seen++] = what;
}

/* Handlers of exits, and devices, are not here. */
static int handle_exit(struct vcpu *v)
{
	const uint64_t *gpr = v->state.gpr;

	see(v->svm_exit.exitcode);
	see(v->svm_exit.exitinfo1);
	see(gpr[X86_RAX]);
	see(gpr[X86_RCX]);
	see(gpr[X86_RDX]);
	return 1;
}

static const struct vcpu_backend backend = { .handle_exit = handle_exit };

static void put64(uint8_t *page, unsigned at, uint64_t value, bool is_valid)
{
	memcpy(page + at, &value, sizeof(value));
	if (is_valid)
		page[GHCB_VALID + at / 64] |= (uint8_t)(1u << at / 8 % 8);
}

/* Every second page is to be private, so that each is an exit of its own. */
static void put_entries(struct vm *m, const struct request *r)
{
	uint8_t *area = m->page + (r->scratch & ~PAGE_MASK);
	const uint16_t header[2] = { 0, (uint16_t)(r->nr_pages - 1) };

	memset(area, 0, GHCB_BUFFER_END - (r->scratch & ~PAGE_MASK));
	memcpy(area, header, sizeof(header));
	for (unsigned i = 0; area + 16 + 8 * i <= m->page + GHCB_BUFFER_END; i++) {
		uint64_t e = 1ull << 52 | ((uint64_t)r->fill << 8 | 2 * i) << 12;

		memcpy(area + 8 + 8 * i, &e, sizeof(e));
	}
}

static void put_request(struct vm *m, const struct request *r)
{
	uint8_t *page = m->page;

	memset(page, 0, GHCB_BUFFER);
	for (unsigned i = GHCB_BUFFER; i < GHCB_BUFFER_END; i++)
		page[i] = m->outside[i] = (uint8_t)(r->fill + i / 4);
	for (unsigned i = 0; i < GHCB_BUFFER; i++)
		m->outside[i] = (uint8_t)(r->fill + i / 4);
	if (r->nr_pages)
		put_entries(m, r);
	put64(page, GHCB_EXITCODE, r->code, true);
	put64(page, GHCB_EXITINFO1, r->info1, true);
	put64(page, GHCB_EXITINFO2, r->info2, true);
	put64(page, GHCB_SCRATCH, r->scratch, !r->incomplete);
	put64(page, GHCB_RAX, r->rax, !r->incomplete);
	put64(page, GHCB_RCX, r->rcx, !r->incomplete);
	put64(page, GHCB_RDX, r->rdx, !r->incomplete);
	page[GHCB_VALID + GHCB_CPL / 64] |= 1u << GHCB_CPL / 8 % 8;
}

static void see_mmio(const struct kvm_run *run)
{
	uint64_t data = 0;

	memcpy(&data, run->mmio.data, MIN(run->mmio.len, 8u));
	see(run->mmio.phys_addr);
	see(run->mmio.len);
	see(data);
}

static void see_io(const struct vcpu *v)
{
	const struct kvm_run *run = v->base.run;

	see(run->io.port);
	see(run->io.count);
	for (unsigned i = 0; i < run->io.count * run->io.size; i++)
		see(v->pio_data[i]);
}

static void see_page_state_change(const struct kvm_run *run)
{
	see(run->hypercall.args[0]);
	see(run->hypercall.args[1]);
	see(run->hypercall.args[2]);
}

/* KVM_RUN from the exit to the next entry; the VMM answers at once. */
static void exits(void *arg)
{
	struct vm *m = arg;
	struct vcpu *v = m->v;
	struct kvm_vcpu *b = &v->base;
	int r;

	b->srcu_idx = srcu_read_lock(&b->kvm->srcu);
	r = sev_vmgexit(b);
	while (!r) {
		if (b->run->exit_reason == KVM_EXIT_MMIO)
			see_mmio(b->run);
		else if (b->run->exit_reason == KVM_EXIT_HYPERCALL)
			see_page_state_change(b->run);
		else
			see_io(v);
		kvm_vcpu_assert_no_short_map(b);
		CORO_STEP();
		r = v->complete(v);
	}
	see((uint64_t)r);
	sev_es_before_entry(b);
	kvm_vcpu_assert_no_short_map(b);
	srcu_read_unlock(&b->kvm->srcu, b->srcu_idx);
}

/* At once: a page half of one and half of the other request would be a third one. */
static void rewrites(void *arg)
{
	struct vm *m = arg;

	CORO_STEP();
	put_request(m, m->next);
}

static struct vm *create(unsigned version)
{
	struct world *w = world_create(false);
	struct vm *m = calloc(1, sizeof(*m));
	struct sev_vcpu *es = calloc(1, sizeof(*es));
	struct vcpu *v = w->vcpus[0];

	assert_true(m && es);
	m->w = w;
	m->v = v;
	m->sev = (struct kvm_sev){ .active = true, .es_active = true, .ghcb_version = version,
				   .vmsa_features = SEV_FEATURE_SNP_ACTIVE };
	es->ghcb.registered = GPA(P(PAGE_GFN));
	w->kvm.type_state = &m->sev;
	w->kvm.caps.exit_hypercalls = BIT(KVM_HC_MAP_GPA_RANGE);
	v->base.type_state = es;
	v->backend = &backend;
	v->svm = (struct svm_control){ .np_control = SVM_NP_SEV | SVM_NP_SEV_ES,
				       .ghcb_gpa = P(PAGE_GFN) };
	v->pio_data = calloc(1, PAGE_SIZE);
	if (is_short_term)
		world_map_short_term(w);
	world_add_slot(w, 0, PAGE_GFN, 2, NULL);
	m->page = world_memory_of(w, 0);
	m->outside = m->page + PAGE_SIZE;
	now = m;
	return m;
}

static void destroy(struct vm *m)
{
	struct world *w = m->w;

	sev_es_free_ghcb(&m->v->base);
	free(m->v->base.type_state);
	free(m->v->pio_data);
	w->kvm.type_state = NULL;
	free(m);
	world_destroy(w);
}

struct expected {
	struct vm	*m;
	const struct a_case *c;
	uint64_t	 seen[2][MAX_SEEN];
	unsigned	 nr[2];
};

/* What the request gives when nobody disturbs. */
static void alone(struct expected *e, unsigned i, const struct request *r)
{
	struct vm *m = create(e->c->version);

	put_request(m, r);
	exits(m);
	e->nr[i] = m->nr_seen;
	memcpy(e->seen[i], m->seen, sizeof(m->seen));
	destroy(m);
}

static bool is(const struct expected *e, unsigned i)
{
	const struct vm *m = e->m;

	return m->nr_seen == e->nr[i] && !memcmp(m->seen, e->seen[i], m->nr_seen * sizeof(*m->seen));
}

static void is_one_of_both(void *arg, uint64_t n)
{
	const struct expected *e = arg;

	if (!is(e, 0) && !is(e, 1))
		fail_msg("%s: at step %llu neither of the two requests was served", e->c->what,
			 (unsigned long long)n);
}

static void run_in_mode(const struct a_case *c)
{
	struct expected e = { .c = c };
	struct vm *m;

	alone(&e, 0, &c->a);
	alone(&e, 1, &c->b);
	assert_true(e.nr[0] != e.nr[1] || memcmp(e.seen[0], e.seen[1], e.nr[0] * sizeof(uint64_t)));
	m = e.m = create(c->version);
	m->next = &c->b;
	put_request(m, &c->a);
	INTER_THREAD(kvm, exits, m);
	INTER_THREAD(guest, rewrites, m);
	world_sweep(m->w, kvm, guest, is_one_of_both, &e);
	INTER_ALL(INTER_MAX_STEPS);
	destroy(m);
}

static void run_case(const struct a_case *c)
{
	is_short_term = false;
	run_in_mode(c);
	is_short_term = true;
	run_in_mode(c);
}

static void ghcb1_a_request_is_of_one_moment(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!cases[i].data_apart)
			run_case(&cases[i]);
	}
}

static void ghcb2_data_is_of_one_moment(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].data_apart)
			run_case(&cases[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ghcb1_a_request_is_of_one_moment),
		cmocka_unit_test(ghcb2_data_is_of_one_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
