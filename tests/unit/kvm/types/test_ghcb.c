/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_ghcb.c - requests of a SEV-ES guest and what KVM makes of them.
 */
#include "a_guest.h"

#include <errno.h>

#include "kvm/core/attr.h"
#include "kvm/vcpu/irq.h"

#define BUFFER		(GHCB_AT + GHCB_BUFFER)
#define BUFFER_END	(GHCB_AT + GHCB_BUFFER_END)
#define MEMORY_END	(GUEST_PAGES * PAGE_SIZE)
#define DEVICE		0xfed00000ull
#define EXIT		100		/* to the VMM */

/* GHCB specification 2.3.1, as KVM answers a guest without SNP. */
static const struct {
	uint64_t request, want;
	int	 r;
} msr_rows[] = {
	{ 0x002, 0x0002000100000001, 1 },
	{ 0x006, 0x007, 0 },			/* no local APIC: KVM_EXIT_AP_RESET_HOLD */
	{ 0x080, 0x3081, 1 },
	{ 0x010, 0x010, 0 },
	{ 0x012 | 0x5000, 0x012 | 0x5000, 0 },
	{ 0x014, 0x014, 0 },
	{ 0x100 | 0x12000, 0x100 | 0x12000, 0 },
	{ 0x001, 0x001, 1 },			/* answers, and what nobody knows */
	{ 0x003, 0x003, 1 },
	{ 0x005, 0x005, 1 },
	{ 0x016, 0x016, 1 },
	{ 0xfff | 0x7000, 0xfff | 0x7000, 1 },
};

static void the_msr_protocol(void **unused)
{
	struct a_guest g;
	const struct kvm_run *run;

	(void)unused;
	a_guest_make(&g, 2, false);
	run = g.v->base.run;
	for (size_t i = 0; i < ARRAY_SIZE(msr_rows); i++) {
		const uint64_t request = msr_rows[i].request;
		const bool is_hold = request == 0x006;

		g.v->svm.ghcb_gpa = request;
		assert_int_equal(a_guest_exits(&g), msr_rows[i].r);
		assert_int_equal(g.v->svm.ghcb_gpa, msr_rows[i].want);
		if (msr_rows[i].r)
			continue;
		assert_int_equal(run->exit_reason, is_hold ? KVM_EXIT_AP_RESET_HOLD :
							     KVM_EXIT_SYSTEM_EVENT);
		if (is_hold)
			continue;
		assert_int_equal(run->system_event.type, KVM_SYSTEM_EVENT_SEV_TERM);
		assert_int_equal(run->system_event.ndata, 1);
		assert_int_equal(run->system_event.data[0], request);
	}
	a_guest_free(&g);
}

/* All four registers of a leaf; the register's number stays in the answer. */
static void cpuid_by_the_msr(void **unused)
{
	struct kvm_cpuid_entry2 e[] = {
		{ .function = 0x40000010, .eax = 0x11111111, .ebx = 0x22222222, .ecx = 0x33333333,
		  .edx = 0x44444444 },
		{ .function = 0x40000011, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 5 },
		{ .function = 0x40000011, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .index = 1 },
	};
	struct a_guest g;

	(void)unused;
	a_guest_make(&g, 2, false);
	assert_int_equal(vcpu_set_cpuid(g.v, e, ARRAY_SIZE(e)), 0);
	for (uint64_t reg = 0; reg < 4; reg++) {
		g.v->svm.ghcb_gpa = 0x4000001000000004 | reg << 30;
		assert_int_equal(a_guest_exits(&g), 1);
		assert_int_equal(g.v->svm.ghcb_gpa, (0x11111111 * (reg + 1)) << 32 | reg << 30 | 5);
	}
	g.v->state.gpr[X86_RCX] = 1;			/* of the request before */
	g.v->svm.ghcb_gpa = 0x4000001100000004;
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(g.v->svm.ghcb_gpa, 5ull << 32 | 5);
	a_guest_free(&g);
}

/* KVM's rules for the scratch area: MMIO writes. */
static const struct {
	const char *what;
	unsigned version;
	uint64_t gpa, len;
	int	 want;			/* EXIT, -errno, or the reason of the refusal */
} scratch_rows[] = {
	{ "its first bytes", 2, BUFFER, 8, EXIT },
	{ "its last bytes", 2, BUFFER_END - 8, 8, EXIT },
	{ "one byte", 2, BUFFER_END - 1, 1, EXIT },
	{ "one byte too many", 2, BUFFER_END - 7, 8, GHCB_INVALID_SCRATCH },
	{ "before the buffer", 2, BUFFER - 1, 2, GHCB_INVALID_SCRATCH },
	{ "the registers", 2, GHCB_AT, 8, GHCB_INVALID_SCRATCH },
	{ "the reserved bytes", 2, BUFFER_END, 1, GHCB_INVALID_SCRATCH },
	{ "none", 2, 0, 8, GHCB_INVALID_SCRATCH },
	{ "a wrap", 2, ~0ull - 3, 8, GHCB_INVALID_SCRATCH },
	{ "outside, version 2", 2, GHCB_AT + 0x1000, 8, GHCB_INVALID_SCRATCH },
	{ "nothing to do", 2, BUFFER, 0, GHCB_OK },
	{ "more than 8 bytes, version 2", 2, BUFFER, 9, GHCB_INVALID_INPUT },
	{ "more than 8 bytes, version 1", 1, BUFFER, 9, EXIT },
	{ "the whole buffer, version 1", 1, BUFFER, BUFFER_END - BUFFER, EXIT },
	{ "and one byte more", 1, BUFFER, BUFFER_END - BUFFER + 1, GHCB_INVALID_SCRATCH },
	{ "outside, version 1", 1, GHCB_AT + 0x1000, 8, EXIT },
	{ "outside, up to the limit", 1, 0x8000, 0x10000, EXIT },
	{ "outside, beyond it", 1, 0x8000, 0x10001, GHCB_INVALID_SCRATCH },
	{ "no memory", 1, MEMORY_END, 8, -EFAULT },
	{ "memory that ends", 1, MEMORY_END - 4, 8, -EFAULT },
	{ "a length that wraps, version 1", 1, BUFFER, ~0ull, GHCB_INVALID_SCRATCH },
	{ "a wrap, version 1", 1, ~0ull - 3, 4, GHCB_INVALID_SCRATCH },
};

static void the_scratch_area(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(scratch_rows); i++) {
		const int want = scratch_rows[i].want;
		struct a_guest g;
		int r;

		a_guest_make(&g, scratch_rows[i].version, false);
		a_guest_asks(&g, GHCB_MMIO_WRITE, DEVICE, scratch_rows[i].len);
		a_guest_put(&g, GHCB_SCRATCH, scratch_rows[i].gpa);
		r = a_guest_exits(&g);
		if (want == EXIT || want < 0) {
			if (r != (want == EXIT ? 0 : want))
				fail_msg("%s: %d", scratch_rows[i].what, r);
		} else {
			assert_int_equal(r, 1);
			if (a_guest_get(&g, GHCB_EXITINFO1) != (want ? 2 : 0) ||
			    a_guest_get(&g, GHCB_EXITINFO2) != (uint64_t)want)
				fail_msg("%s: %llu", scratch_rows[i].what,
					 (unsigned long long)a_guest_get(&g, GHCB_EXITINFO2));
		}
		a_guest_enters(&g);
		a_guest_free(&g);
	}
}

static void pattern(uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + 1);
}

/* 20 bytes in three exits; what has gone out does not change with memory. */
static void mmio_goes_out_in_pieces(void **unused)
{
	static const uint64_t where[] = { BUFFER + 4, GHCB_AT + 0x1004 };
	uint8_t want[20];

	(void)unused;
	pattern(want, sizeof(want));
	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		const struct kvm_run *run;
		struct a_guest g;
		int r;

		a_guest_make(&g, 1, false);
		run = g.v->base.run;
		a_guest_asks(&g, GHCB_MMIO_WRITE, DEVICE, sizeof(want));
		a_guest_put(&g, GHCB_SCRATCH, where[i]);
		pattern(g.memory + where[i], sizeof(want));
		r = a_guest_exits(&g);
		for (unsigned at = 0; at < sizeof(want); at += 8) {
			const unsigned n = MIN(8u, (unsigned)sizeof(want) - at);

			assert_int_equal(r, 0);
			assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
			assert_int_equal(run->mmio.phys_addr, DEVICE + at);
			assert_int_equal(run->mmio.len, n);
			assert_true(run->mmio.is_write);
			assert_memory_equal(run->mmio.data, want + at, n);
			memset(g.memory + where[i], 0xee, sizeof(want));
			r = a_guest_answered(&g);
		}
		assert_int_equal(r, 1);
		a_guest_enters(&g);
		a_guest_free(&g);
	}
}

/* Inside the page an answer is there at once, outside at the next entry. */
static void mmio_comes_in_in_pieces(void **unused)
{
	static const uint64_t where[] = { BUFFER + 4, GHCB_AT + 0x1004 };
	uint8_t want[20];

	(void)unused;
	pattern(want, sizeof(want));
	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		struct a_guest g;
		struct kvm_run *run;
		int r;

		a_guest_make(&g, 1, false);
		run = g.v->base.run;
		a_guest_asks(&g, GHCB_MMIO_READ, DEVICE, sizeof(want));
		a_guest_put(&g, GHCB_SCRATCH, where[i]);
		r = a_guest_exits(&g);
		for (unsigned at = 0; at < sizeof(want); at += 8) {
			const unsigned n = MIN(8u, (unsigned)sizeof(want) - at);

			assert_int_equal(r, 0);
			assert_false(run->mmio.is_write);
			assert_int_equal(run->mmio.phys_addr, DEVICE + at);
			memcpy(run->mmio.data, want + at, n);
			r = a_guest_answered(&g);
			assert_int_equal(g.memory[where[i] + at], i ? 0 : want[at]);
		}
		assert_int_equal(r, 1);
		a_guest_enters(&g);
		assert_memory_equal(g.memory + where[i], want, sizeof(want));
		assert_int_equal(g.memory[where[i] + sizeof(want)], 0);
		a_guest_free(&g);
	}
}

#define STR_IN	(SVM_IOIO_STR | SVM_IOIO_IN)
#define PORT	(0x5658ull << 16)

static const struct {
	unsigned version;
	uint64_t info1, count;
	int	 want;			/* as in scratch_rows */
	unsigned exits[4];		/* elements */
} string_rows[] = {
	{ 2, SVM_IOIO_STR | SVM_IOIO_SZ8, 2028, EXIT, { 2028 } },
	{ 2, SVM_IOIO_STR | SVM_IOIO_SZ8, 2029, GHCB_INVALID_SCRATCH, { 0 } },
	{ 2, SVM_IOIO_STR | SVM_IOIO_SZ32, 507, EXIT, { 507 } },
	{ 2, SVM_IOIO_STR | SVM_IOIO_SZ32, 508, GHCB_INVALID_SCRATCH, { 0 } },
	{ 2, STR_IN | SVM_IOIO_SZ16, 1014, EXIT, { 1014 } },
	{ 2, STR_IN | SVM_IOIO_SZ16, 0, GHCB_OK, { 0 } },
	{ 2, STR_IN, 5, GHCB_OK, { 0 } },		/* no size: nothing */
	{ 1, SVM_IOIO_STR | SVM_IOIO_SZ16, 5000, EXIT, { 2048, 2048, 904 } },
	{ 1, STR_IN | SVM_IOIO_SZ32, 3000, EXIT, { 1024, 1024, 952 } },
	{ 1, STR_IN | SVM_IOIO_SZ32, 0x80000000, -EINVAL, { 0 } },
	{ 1, STR_IN | SVM_IOIO_SZ32, 0x20000000, -EINVAL, { 0 } },
	{ 1, STR_IN | SVM_IOIO_SZ32, 0x100000003, -EINVAL, { 0 } },
	{ 1, STR_IN | SVM_IOIO_SZ32, 0x10000, GHCB_INVALID_SCRATCH, { 0 } },
};

static void run_string(struct a_guest *g, size_t row, uint8_t *scratch)
{
	const struct kvm_run *run = g->v->base.run;
	const bool in = string_rows[row].info1 & SVM_IOIO_IN;
	const unsigned size = string_rows[row].info1 >> 4 & 7;
	unsigned at = 0;
	int r = 0;

	for (unsigned i = 0; string_rows[row].exits[i]; i++) {
		const unsigned n = string_rows[row].exits[i];

		assert_int_equal(r, 0);
		assert_int_equal(run->exit_reason, KVM_EXIT_IO);
		assert_int_equal(run->io.port, PORT >> 16);
		assert_int_equal(run->io.size, size);
		assert_int_equal(run->io.count, n);
		assert_int_equal(run->io.direction, in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT);
		for (unsigned b = 0; b < n * size; b++, at++) {
			if (in)
				g->v->pio_data[b] = (uint8_t)(at * 3 + 5);
			else
				assert_int_equal(g->v->pio_data[b], (uint8_t)(at * 7 + 1));
		}
		memset(scratch, 0xee, in ? 0 : string_rows[row].count * size);
		r = a_guest_answered(g);
	}
	assert_int_equal(r, 1);
	a_guest_enters(g);
	for (unsigned b = 0; in && b < at; b++)
		assert_int_equal(scratch[b], (uint8_t)(b * 3 + 5));
}

static void strings_go_out_in_pages(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(string_rows); i++) {
		const int want = string_rows[i].want;
		const uint64_t at = string_rows[i].version == 2 ? BUFFER + 4 : 0x8000;
		struct a_guest g;
		int r;

		a_guest_make(&g, string_rows[i].version, false);
		a_guest_asks(&g, SVM_EXIT_IOIO, PORT | string_rows[i].info1, string_rows[i].count);
		a_guest_put(&g, GHCB_SCRATCH, at);
		pattern(g.memory + at, string_rows[i].version == 2 ? 2028 : 0x10000);
		r = a_guest_exits(&g);
		assert_int_equal(r, want == EXIT ? 0 : want < 0 ? want : 1);
		if (want >= 0)
			assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), want == EXIT ? 0 : want);
		if (want == EXIT)
			run_string(&g, i, g.memory + at);
		a_guest_enters(&g);
		a_guest_free(&g);
	}
}

/* What is not given is zero; RAX to RDX come back always, with their bits. */
static void registers_come_and_go(void **unused)
{
	struct a_guest g;
	uint64_t *gpr;

	(void)unused;
	a_guest_make(&g, 2, false);
	gpr = g.v->state.gpr;
	for (unsigned i = 0; i < X86_NR_GPRS; i++)
		gpr[i] = 0x5555;
	g.v->state.rip = 0x5555;
	a_guest_asks(&g, SVM_EXIT_WBINVD, 0, 0);
	a_guest_put(&g, GHCB_RCX, 0x77);
	a_guest_put(&g, GHCB_CPL, 3);
	memset(g.memory + GHCB_AT + GHCB_RAX, 0x99, 8);		/* without its bit */
	assert_int_equal(a_guest_exits(&g), 1);
	for (unsigned i = 0; i < X86_NR_GPRS; i++)
		assert_int_equal(gpr[i], i == X86_RCX ? 0x77 : 0);
	assert_int_equal(g.v->state.cpl, 3);
	assert_int_equal(g.v->state.rip, 0);
	assert_false(a_guest_finds(&g, GHCB_EXITCODE));
	assert_true(a_guest_finds(&g, GHCB_EXITINFO1) && a_guest_finds(&g, GHCB_EXITINFO2));
	assert_false(a_guest_finds(&g, GHCB_RAX));		/* not before the entry */
	gpr[X86_RAX] = 1;
	gpr[X86_RBX] = 2;
	gpr[X86_RCX] = 3;
	gpr[X86_RDX] = 4;
	a_guest_enters(&g);
	assert_int_equal(a_guest_get(&g, GHCB_RAX), 1);
	assert_int_equal(a_guest_get(&g, GHCB_RBX), 2);
	assert_int_equal(a_guest_get(&g, GHCB_RCX), 3);
	assert_int_equal(a_guest_get(&g, GHCB_RDX), 4);
	assert_true(a_guest_finds(&g, GHCB_RAX) && a_guest_finds(&g, GHCB_RBX) &&
		    a_guest_finds(&g, GHCB_RCX) && a_guest_finds(&g, GHCB_RDX));
	assert_false(a_guest_finds(&g, GHCB_RSI) || a_guest_finds(&g, GHCB_CPL));
	/* The next answer is of the next request.  XCR0 stays unless it is given. */
	g.v->state.xcr0 = 3;
	a_guest_asks(&g, SVM_EXIT_WBINVD, 0, 0);
	memset(g.memory + GHCB_AT + GHCB_XCR0, 7, 1);
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(g.v->state.xcr0, 3);
	assert_false(a_guest_finds(&g, GHCB_RAX) || a_guest_finds(&g, GHCB_RBX));
	a_guest_enters(&g);
	a_guest_asks(&g, SVM_EXIT_WBINVD, 0, 0);
	a_guest_put(&g, GHCB_XCR0, 7);
	a_guest_put(&g, GHCB_RAX, 0x62);
	a_guest_put(&g, GHCB_RBX, 0x63);
	a_guest_put(&g, GHCB_RDX, 0x64);
	a_guest_put(&g, GHCB_RSI, 0x66);
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(g.v->state.xcr0, 7);
	assert_true(gpr[X86_RAX] == 0x62 && gpr[X86_RBX] == 0x63 && gpr[X86_RDX] == 0x64);
	assert_int_equal(gpr[X86_RSI], 0x66);
	a_guest_enters(&g);
	a_guest_free(&g);
}

static void without_a_page_the_guest_goes_on(void **unused)
{
	static const uint64_t nowhere[] = { 0, MEMORY_END, 1ull << 51 };
	struct a_guest g;

	(void)unused;
	a_guest_make(&g, 2, false);
	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		g.v->svm.ghcb_gpa = nowhere[i];
		assert_int_equal(a_guest_exits(&g), 1);
		assert_false(g.es.ghcb.is_mapped);
	}
	a_guest_free(&g);
}

/* Where the page is now, or was at the exit; docs/facts/host-map.tsv. */
static void answers_go_where_the_page_is_mapped(void **unused)
{
	static const struct {
		bool	 short_term, is_private;
		uint32_t flags;
		bool	 arrives;
	} rows[] = {
		{ false, false, 0, true }, { true, false, 0, true },
		{ false, true, 0, true }, { true, true, 0, false },
		{ false, false, KVM_MEMSLOT_INVALID, true }, { true, false, KVM_MEMSLOT_INVALID, false },
	};
	const gfn_t at = GFN(GHCB_AT >> PAGE_SHIFT), end = GFN(at.v + 1);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct a_guest g;
		struct kvm *kvm;

		a_guest_make(&g, 2, false);
		kvm = g.a.kvm;
		kvm->module->host_map_short_term = rows[i].short_term;
		assert_int_equal(srcu_init(&kvm->host_maps), 0);
		a_guest_asks(&g, SVM_EXIT_WBINVD, 0, 0);
		assert_int_equal(a_guest_exits(&g), 1);
		kvm_vcpu_assert_no_short_map(&g.v->base);
		/* To user space and back. */
		srcu_read_unlock(&kvm->srcu, g.v->base.srcu_idx);
		mutex_lock(&kvm->slots_lock);
		if (rows[i].is_private) {
			assert_int_equal(kvm_attributes_prepare(kvm, at, end,
								KVM_MEMORY_ATTRIBUTE_PRIVATE), 0);
			kvm_attributes_store(kvm, at, end, KVM_MEMORY_ATTRIBUTE_PRIVATE);
		}
		mutex_unlock(&kvm->slots_lock);
		g.v->base.srcu_idx = srcu_read_lock(&kvm->srcu);
		g.slot.flags = rows[i].flags;
		g.v->state.gpr[X86_RAX] = 0x1234;
		a_guest_enters(&g);
		kvm_vcpu_assert_no_short_map(&g.v->base);
		assert_null(g.es.ghcb.map.host);
		assert_int_equal(a_guest_get(&g, GHCB_RAX), rows[i].arrives ? 0x1234 : 0);
		g.slot.flags = 0;
		a_guest_free(&g);
	}
}

/* #GP of RDMSR and WRMSR is the guest's handler's to raise. */
static void a_refused_msr_is_an_exception_in_the_answer(void **unused)
{
	struct a_guest g;

	(void)unused;
	a_guest_make(&g, 2, false);
	for (uint64_t write = 0; write < 2; write++) {
		a_guest_asks(&g, SVM_EXIT_MSR, write, 0);
		a_guest_put(&g, GHCB_RCX, 0x12345);
		a_guest_put(&g, GHCB_RAX, 0);
		a_guest_put(&g, GHCB_RDX, 0);
		assert_int_equal(a_guest_exits(&g), 1);
		assert_int_equal(a_guest_get(&g, GHCB_EXITINFO1), 1);
		assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), 0x8000030d);
		assert_false(g.v->events.exception.pending);
		a_guest_enters(&g);
	}
	a_guest_free(&g);
}

/* Set, get, what is neither; one for the VM. */
static void the_jump_table(void **unused)
{
	struct a_guest g;

	(void)unused;
	a_guest_make(&g, 2, false);
	a_guest_asks(&g, GHCB_AP_JUMP_TABLE, 0, 0x123000);
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), 0);
	a_guest_asks(&g, GHCB_AP_JUMP_TABLE, 1, 0);
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), 0x123000);
	a_guest_asks(&g, GHCB_AP_JUMP_TABLE, 2, 0);
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(a_guest_get(&g, GHCB_EXITINFO1), 2);
	assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), GHCB_INVALID_INPUT);
	a_guest_free(&g);
}

/* The first SIPI finds the vCPU as the VMM made it; later ones end a hold, of either form. */
static void sipi_ends_a_hold(void **unused)
{
	struct a_guest g;

	(void)unused;
	a_guest_make(&g, 2, true);
	a_guest_asks(&g, GHCB_AP_HLT_LOOP, 0, 0);
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(a_guest_exits(&g), 1);
		assert_int_equal(g.v->mp_state, KVM_MP_STATE_AP_RESET_HOLD);
		g.v->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		atomic32_or(&g.v->base.lapic->pending_events, LAPIC_EVENT_SIPI);
		vcpu_accept_events(g.v);
		assert_int_equal(g.v->mp_state, KVM_MP_STATE_RUNNABLE);
		/* By the page, by the page, by the MSR. */
		assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), n == 1);
		assert_int_equal(g.v->svm.ghcb_gpa, n == 2 ? 0x1007 : GHCB_AT);
		a_guest_enters(&g);
		assert_int_equal(g.es.ghcb.hold, AP_HOLD_NONE);
		a_guest_asks(&g, GHCB_AP_HLT_LOOP, 0, 0);
		g.v->svm.ghcb_gpa = n ? 0x006 : GHCB_AT;
	}
	a_guest_free(&g);
}

static void the_rest(void **unused)
{
	struct a_guest g;

	(void)unused;
	a_guest_make(&g, 2, false);
	a_guest_asks(&g, GHCB_HV_FEATURES, 0, 0);
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), 3);
	a_guest_asks(&g, GHCB_UNSUPPORTED, 0, 0);
	assert_int_equal(a_guest_exits(&g), -EINVAL);
	a_guest_asks(&g, GHCB_TERM_REQUEST, 0x21, 0);
	assert_int_equal(a_guest_exits(&g), 0);
	assert_int_equal(g.v->base.run->exit_reason, KVM_EXIT_SYSTEM_EVENT);
	assert_int_equal(g.v->base.run->system_event.data[0], GHCB_AT);
	a_guest_asks(&g, SVM_EXIT_RDTSC, 0, 0);			/* KVM has no handler */
	assert_int_equal(a_guest_exits(&g), 0);
	assert_int_equal(g.v->base.run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	a_guest_asks(&g, GHCB_WRITE_DR7, 0, 0);
	a_guest_put(&g, GHCB_RAX, 0x400);
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(a_guest_get(&g, GHCB_EXITINFO1), 0);
	a_guest_free(&g);
}

/* RFLAGS.IF, NMI and shadow of such a vCPU are what VMRUN left in the control area. */
static void interrupts_go_by_the_control_area(void **unused)
{
	static const struct { uint64_t int_state; bool nmi_blocked, irq, nmi; } rows[] = {
		{ 0, false, false, true },
		{ SVM_GUEST_INTERRUPT_MASK, false, true, true },
		{ SVM_GUEST_INTERRUPT_MASK | SVM_INT_SHADOW, false, false, false },
		{ SVM_INT_SHADOW, false, false, false },
		{ SVM_GUEST_INTERRUPT_MASK, true, true, false },
	};
	struct a_guest g;

	(void)unused;
	a_guest_make(&g, 2, false);
	for (unsigned old = 0; old < 2; old++) {
		g.v->state.rflags = old ? X86_FLAGS_IF : 0;
		g.v->state.shadow = old ? 0 : X86_SHADOW_STI | X86_SHADOW_NMI;
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			g.v->svm.int_state = rows[i].int_state;
			g.v->svm.v_nmi_blocked = rows[i].nmi_blocked;
			assert_int_equal(vcpu_interrupt_allowed(g.v), rows[i].irq);
			assert_int_equal(vcpu_nmi_allowed(g.v), rows[i].nmi);
		}
	}
	a_guest_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_msr_protocol),
		cmocka_unit_test(cpuid_by_the_msr),
		cmocka_unit_test(the_scratch_area),
		cmocka_unit_test(mmio_goes_out_in_pieces),
		cmocka_unit_test(mmio_comes_in_in_pieces),
		cmocka_unit_test(strings_go_out_in_pages),
		cmocka_unit_test(registers_come_and_go),
		cmocka_unit_test(without_a_page_the_guest_goes_on),
		cmocka_unit_test(answers_go_where_the_page_is_mapped),
		cmocka_unit_test(a_refused_msr_is_an_exception_in_the_answer),
		cmocka_unit_test(the_jump_table),
		cmocka_unit_test(sipi_ends_a_hold),
		cmocka_unit_test(the_rest),
		cmocka_unit_test(interrupts_go_by_the_control_area),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
