/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_trace.c - what was emitted is written or counted as lost; every text.
 */
#include "trace/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "sync/atomic.h"
#include "sync/wait.h"

static const struct {
	enum trace_event e;
	uint64_t	 arg[TRACE_MAX_ARGS];
	const char	*text;
} texts[] = {
	{ TRACE_kvm_entry, { 3, 0xfff0, 0 }, "vcpu 3, rip 0xfff0" },
	{ TRACE_kvm_entry, { 0, 0x1000, 1 }, "vcpu 0, rip 0x1000[immediate exit]" },
	{ TRACE_kvm_exit, { 0, 0x400, 2, 0x8000, 6, 0x1000, 0, 0 },
	  "vcpu 0 reason npf rip 0x8000 info1 0x0000000000000006 info2 0x0000000000001000 "
	  "intr_info 0x00000000 error_code 0x00000000" },
	{ TRACE_kvm_exit, { 0, 0x80000021, 1, 1, 0, 0, 0, 0 },
	  "vcpu 0 reason INVALID_STATE FAILED_VMENTRY rip 0x1 info1 0x0000000000000000 "
	  "info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000" },
	{ TRACE_kvm_exit, { 0, 0x777, 1, 1, 0, 0, 0, 0 },
	  "vcpu 0 reason 0x777 rip 0x1 info1 0x0000000000000000 "
	  "info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000" },
	{ TRACE_kvm_pio, { 1, 0x3f8, 1, 1, 0x41, 0 },
	  "pio_write at 0x3f8 size 1 count 1 val 0x41 " },
	{ TRACE_kvm_pio, { 0, 0x60, 2, 3, 7, 1 }, "pio_read at 0x60 size 2 count 3 val 0x7 (...)" },
	{ TRACE_kvm_cpuid, { 0xd, 1, 1, 2, 3, 4, 0, 1 },
	  "func d idx 1 rax 1 rbx 2 rcx 3 rdx 4, cpuid entry not found, used max basic" },
	{ TRACE_kvm_apic, { 1, 0xb0, 0 }, "apic_write APIC_EOI = 0x0" },
	{ TRACE_kvm_apic, { 0, 0x44, 1 }, "apic_read 0x44 = 0x1" },
	{ TRACE_kvm_inj_virq, { 0xec, 0, 0 }, "IRQ 0xec" },
	{ TRACE_kvm_inj_virq, { 0x80, 1, 1 }, "Soft/INTn 0x80 [reinjected]" },
	{ TRACE_kvm_inj_exception, { 14, 1, 6, 0 }, "#PF (0x6)" },
	{ TRACE_kvm_inj_exception, { 6, 0, 0, 1 }, "#UD [reinjected]" },
	{ TRACE_kvm_msr, { 0, 0xc0000080, 0, 1 }, "msr_read c0000080 = 0x0 (#GP)" },
	{ TRACE_kvm_apic_ipi, { 1, 0xfd, 0, 0, 1, 0, 3 },
	  "dst 1 vec 253 (Fixed|physical|assert|edge|all-but-self)" },
	{ TRACE_kvm_ioapic_set_irq, { 4, 1, 0x34, 0, 0, 0, 1, 1 },
	  "pin 4 dst 1 vec 52 (Fixed|physical|edge|masked) (coalesced)" },
	{ TRACE_kvm_msi_set_irq, { 1, 0x41, 1, 1, 0, 0 }, "dst 1 vec 65 (LowPrio|logical|edge)" },
	{ TRACE_kvm_msi_set_irq, { 1, 0x41, 1, 1, 1, 1 }, "dst 1 vec 65 (LowPrio|logical|level|rh)" },
	{ TRACE_kvm_ack_irq, { 2, 4 }, "irqchip IOAPIC pin 4" },
	{ TRACE_kvm_emulate_insn, { 0, 0x8000, 0x0000009090d1010full, 0, 3, 4, 0 },
	  "0:8000:0f 01 d1 (prot64)" },
	{ TRACE_kvm_userspace_exit, { 6, 0, 6 }, "reason KVM_EXIT_MMIO (6)" },
	{ TRACE_kvm_userspace_exit, { 10, -4ull, 4 }, "reason restart (4)" },
	{ TRACE_kvm_userspace_exit, { 39, -14ull, 14 }, "reason error (14)" },
	{ TRACE_kvm_userspace_exit, { 39, 0, 39 }, "reason 0x27 (39)" },
	{ TRACE_kvm_vmgexit_enter, { 1, 0x80000010, 0, 0xffff000000000000 },
	  "vcpu 1, exit_reason 80000010, exit_info1 0, exit_info2 ffff000000000000" },
	{ TRACE_kvm_vmgexit_msr_protocol_enter, { 0, 0x4000012 }, "vcpu 0, ghcb_gpa 0000000004000012" },
	{ TRACE_kvm_vmgexit_msr_protocol_exit, { 0, 0x13, -22ull },
	  "vcpu 0, ghcb_gpa 0000000000000013, result -22" },
	{ TRACE_kvm_mmio, { 0, 4, 0xfee00030, 0 },
	  "mmio unsatisfied-read len 4 gpa 0xfee00030 val 0x0" },
	{ TRACE_kvm_rmp_fault, { 1, 0x12345000, 0x40010, 0xd80000007, 2, -1ull },
	  "vcpu 1 gpa 0000000012345000 pfn 0x40010 error_code 0xd80000007 rmp_level 2 psmash_ret -1" },
	{ TRACE_kvm_unmap_hva_range, { 0x7f0000001000, 0x7f0000003000 },
	  "mmu notifier unmap range: 0x007f0000001000 -- 0x007f0000003000" },
	{ TRACE_fast_page_fault, { 1, 0x5000, 0x13, 0xabc, 0x77, 0x79, 0, 1 },
	  "vcpu 1 gva 5000 error_code P|W|F sptep 0000000000000abc old 0x77 new 79 spurious 0 fixed 1" },
	{ TRACE_kvm_mmu_set_spte, { 0x10, 0x77, 1, 0, 1, -1ull, 2, 0x1000 },
	  "gfn 10 spte 77 (r-x) level 2 at 1000" },
	{ TRACE_kvm_mmu_set_spte, { 0x10, 0x77, 1, 1, 0, 1, 1, 0x1000 },
	  "gfn 10 spte 77 (rw-u) level 1 at 1000" },
	{ TRACE_kvm_mmu_split_huge_page, { 0x200, 0x77, 2, -16ull },
	  "gfn 200 spte 77 level 2 errno -16" },
};

static void every_text(void **unused)
{
	char out[512];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t n = trace_text(texts[i].e, texts[i].arg, out, sizeof(out));

		assert_string_equal(out, texts[i].text);
		assert_int_equal(n, strlen(texts[i].text));
		trace_text(texts[i].e, texts[i].arg, out, 5);
		assert_int_equal(strlen(out), 4);
	}
	for (unsigned e = 0; e < NR_TRACE_EVENTS; e++) {
		const uint64_t zero[TRACE_MAX_ARGS] = { 0 };

		assert_true(trace_text(e, zero, out, sizeof(out)) > 0);
		assert_null(strchr(out, '%'));
	}
}

static bool is_on(const uint64_t *on, enum trace_event e)
{
	return on[e / 64] >> e % 64 & 1;
}

static void selections(void **unused)
{
	uint64_t on[TRACE_WORDS] = { 0 };
	const char *bad;
	size_t len;

	assert_null(trace_select("kvm_exit,kvmmmu:*zap*", on, &len));
	assert_true(is_on(on, TRACE_kvm_exit));
	assert_true(is_on(on, TRACE_kvm_mmu_zap_all_fast));
	assert_true(is_on(on, TRACE_kvm_mmu_prepare_zap_page));
	assert_false(is_on(on, TRACE_kvm_entry));
	assert_false(is_on(on, TRACE_kvm_mmu_set_spte));
	bad = trace_select("softcvm,kvm_nonsense,kvm_entry", on, &len);
	assert_non_null(bad);
	assert_int_equal(len, strlen("kvm_nonsense"));
	assert_memory_equal(bad, "kvm_nonsense", len);
	assert_non_null(trace_select("", on, &len));
	assert_null(trace_select("all", on, &len));
	for (unsigned e = 0; e < NR_TRACE_EVENTS; e++)
		assert_true(is_on(on, e));
}

#define NR_THREADS	4
#define NR_EVENTS	30000

static struct trace *trace;
static atomic32_t nr_ended;
static struct waitq ended;

static void emit_many(void *arg)
{
	for (uint64_t i = 0; i < NR_EVENTS; i++)
		TRACE(trace, kvm_entry, (uintptr_t)arg, i, 0);
	atomic32_add(&nr_ended, 1);
	waitq_wake_all(&ended);
}

/* Adds up a trace: lines, lost ones; each thread's own are in order. */
static void read_back(const char *path, uint64_t *nr, uint64_t *lost)
{
	long last[NR_THREADS] = { -1, -1, -1, -1 };
	FILE *f = fopen(path, "r");
	char line[512];

	assert_non_null(f);
	*nr = *lost = 0;
	while (fgets(line, sizeof(line), f)) {
		unsigned long long n;
		unsigned cpu, vcpu;
		long rip;

		if (sscanf(line, "CPU:%u [LOST %llu EVENTS]", &cpu, &n) == 2) {
			*lost += n;
			continue;
		}
		assert_non_null(strstr(line, ": kvm_entry: vcpu "));
		assert_int_equal(sscanf(strstr(line, "vcpu"), "vcpu %u, rip 0x%lx", &vcpu, &rip), 2);
		assert_true(vcpu < NR_THREADS && rip > last[vcpu]);
		last[vcpu] = rip;
		(*nr)++;
	}
	fclose(f);
}

static void written_or_counted(void **unused)
{
	char path[] = "/tmp/softcvm-trace-XXXXXX";
	struct trace_config config = { .file = path };
	uint64_t nr, lost, total;
	size_t len;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_null(trace_select("kvm_entry", config.on, &len));
	assert_true(trace_config_is_on(&config));
	assert_int_equal(trace_create(&config, &trace), 0);
	waitq_init(&ended);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		assert_int_equal(sync_start_worker(emit_many, (void *)i, "emitter"), 0);
	TRACE(trace, kvm_exit, 0);	/* not selected */
	waitq_wait(&ended, atomic32_load(&nr_ended) == NR_THREADS);
	total = trace_lost(trace);
	trace_destroy(trace);
	read_back(path, &nr, &lost);
	assert_int_equal(nr + total, NR_THREADS * NR_EVENTS);
	assert_true(lost <= total);	/* those at the very end have no line behind them */
	unlink(path);
	close(fd);
}

static void a_full_file(void **unused)
{
	char path[] = "/dev/full";
	struct trace_config config = { .file = path };
	size_t len;

	assert_null(trace_select("kvm_entry", config.on, &len));
	assert_int_equal(trace_create(&config, &trace), 0);
	for (unsigned i = 0; i < 10; i++)
		TRACE(trace, kvm_entry, 0, i, 0);
	trace_flush(trace);
	assert_int_equal(trace_lost(trace), 10);
	trace_destroy(trace);
}

static void nobody_looks(void **unused)
{
	struct trace_config config = { .file = NULL };
	uint64_t worked_out = 0;

	trace = NULL;
	assert_false(trace_config_is_on(&config));
	TRACE(trace, kvm_entry, ++worked_out);
	assert_int_equal(worked_out, 0);
	trace_flush(NULL);
	trace_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text),
		cmocka_unit_test(selections),
		cmocka_unit_test(written_or_counted),
		cmocka_unit_test(a_full_file),
		cmocka_unit_test(nobody_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
