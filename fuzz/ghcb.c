/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ghcb.c - requests of SEV-ES and SNP guests: pages, registers, scratch data, the GHCB
 * MSR, and what the VMM answers, all from bytes.
 *
 * After each request: kvm_run says something that the kernel could have said;
 * the guest's memory has changed inside its page and where it wants data only; the
 * vCPU can be entered, and then nothing is mapped or owned any more.
 */
#include "fuzz.h"

#include <errno.h>

#include "hw/insn/phys.h"
#include "../tests/unit/kvm/types/a_guest.h"

#define MAX_REQUESTS	24u
#define MEMORY		(GUEST_PAGES * PAGE_SIZE)

static struct a_guest guest;
static uint8_t before[MEMORY];

static const uint64_t codes[] = {
	SVM_EXIT_CPUID, SVM_EXIT_IOIO, SVM_EXIT_MSR, SVM_EXIT_VMMCALL, SVM_EXIT_RDTSC,
	SVM_EXIT_RDTSCP, SVM_EXIT_RDPMC, SVM_EXIT_INVD, SVM_EXIT_WBINVD, SVM_EXIT_MONITOR,
	SVM_EXIT_MWAIT, GHCB_READ_DR7, GHCB_WRITE_DR7, GHCB_MMIO_READ, GHCB_MMIO_WRITE,
	GHCB_MMIO_READ, GHCB_MMIO_WRITE, GHCB_NMI_COMPLETE, GHCB_AP_HLT_LOOP, GHCB_AP_JUMP_TABLE,
	GHCB_PSC, GHCB_GUEST_REQUEST, GHCB_EXT_GUEST_REQUEST, GHCB_AP_CREATION, GHCB_HV_FEATURES,
	GHCB_TERM_REQUEST, GHCB_UNSUPPORTED, SVM_EXIT_IOIO, SVM_EXIT_IOIO, SVM_EXIT_MSR,
};

/* Mostly a number near an edge. */
static uint64_t a_number(struct input *in)
{
	static const uint64_t edges[] = {
		0, 1, 8, 9, PAGE_SIZE, GHCB_AT, GHCB_AT + GHCB_BUFFER, GHCB_AT + GHCB_BUFFER_END,
		GHCB_AT + PAGE_SIZE, MEMORY, 16 * PAGE_SIZE, 1ull << 31, 1ull << 32, 1ull << 63, ~0ull,
		GHCB_BUFFER_END - GHCB_BUFFER,
	};
	const uint8_t b = take8(in);

	if (b < 0x40)
		return take(in, 8);
	return edges[b % ARRAY_SIZE(edges)] + (uint64_t)(int64_t)(int8_t)take8(in) / 8;
}

static uint64_t an_ioio(struct input *in)
{
	return (a_number(in) & 0xffff0000) | take(in, 2);
}

static void write_page(struct input *in)
{
	const uint8_t how = take8(in);
	const uint64_t code = how < 0xe0 ? codes[how % ARRAY_SIZE(codes)] : take(in, 8);
	const bool all_valid = take8(in) < 0xc0;
	static const unsigned fields[] = { GHCB_CPL, GHCB_RAX, GHCB_RCX, GHCB_RDX, GHCB_RBX,
					   GHCB_RSI, GHCB_SCRATCH, GHCB_XCR0 };

	a_guest_asks(&guest, code, code == SVM_EXIT_IOIO ? an_ioio(in) : a_number(in),
		     a_number(in));
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
		a_guest_put(&guest, fields[i], fields[i] == GHCB_CPL ? take8(in) & 3 : a_number(in));
	if (all_valid)
		return;
	for (unsigned i = 0; i < 16; i++)
		guest.memory[GHCB_AT + GHCB_VALID + i] &= take8(in);
	guest.memory[GHCB_AT + GHCB_USAGE] = take8(in) >> 7;
}

static bool is_exit_of_ours(const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return run->io.count && run->io.size && run->io.size < 8 &&
		       (uint64_t)run->io.count * run->io.size <= PAGE_SIZE &&
		       run->io.data_offset == VCPU_PIO_PAGE_OFFSET * PAGE_SIZE;
	case KVM_EXIT_MMIO:
		return run->mmio.len && run->mmio.len <= sizeof(run->mmio.data);
	case KVM_EXIT_SYSTEM_EVENT:
		return run->system_event.type == KVM_SYSTEM_EVENT_SEV_TERM;
	case KVM_EXIT_AP_RESET_HOLD:
		return true;
	case KVM_EXIT_HYPERCALL:	/* fuzz/psc.c says more */
		return guest.sev.vmsa_features && run->hypercall.nr == KVM_HC_MAP_GPA_RANGE &&
		       run->hypercall.args[1];
	case KVM_EXIT_INTERNAL_ERROR:	/* RDTSC has no handler */
		return run->internal.suberror == KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	default:
		return false;
	}
}

struct range {
	uint64_t start, len;
};

/* What the guest has itself said is KVM's to write, besides its page. */
struct ranges {
	struct range scratch, response, certificates;
};

static struct ranges ranges_of_request(void)
{
	const uint64_t code = a_guest_get(&guest, GHCB_EXITCODE);
	struct ranges r = { 0 };

	if (guest.sev.ghcb_version == 1)
		r.scratch = (struct range){ a_guest_get(&guest, GHCB_SCRATCH), 16 * PAGE_SIZE };
	if (code == GHCB_GUEST_REQUEST || code == GHCB_EXT_GUEST_REQUEST)
		r.response = (struct range){ a_guest_get(&guest, GHCB_EXITINFO2), PAGE_SIZE };
	if (code == GHCB_EXT_GUEST_REQUEST)
		r.certificates = (struct range){ a_guest_get(&guest, GHCB_RAX), 24 };
	return r;
}

static bool is_in(uint64_t i, struct range r)
{
	return i - r.start < r.len;
}

static void check_memory(const struct ranges *r)
{
	for (uint64_t i = 0; i < MEMORY; i++) {
		if (i - GHCB_AT < GHCB_BUFFER_END || is_in(i, r->scratch) || is_in(i, r->response) ||
		    is_in(i, r->certificates))
			continue;
		MUST(guest.memory[i] == before[i]);
	}
}

static int answer(struct input *in, int r)
{
	struct kvm_run *run = guest.v->base.run;

	for (unsigned n = 0; !r && guest.v->complete; n++) {
		MUST(is_exit_of_ours(run));
		MUST(n < 20000);
		for (unsigned i = 0; i < 8; i++)
			run->mmio.data[i] = run->exit_reason == KVM_EXIT_MMIO ? take8(in) :
					    run->mmio.data[i];
		guest.v->pio_data[0] = take8(in);
		r = a_guest_answered(&guest);
	}
	return r;
}

static void request(struct input *in)
{
	const uint8_t kind = take8(in);
	struct ranges ranges;
	int r;

	guest.v->mp_state = KVM_MP_STATE_RUNNABLE;
	guest.v->svm.ghcb_gpa = kind < 0xc0 ? GHCB_AT : a_number(in);
	write_page(in);
	memcpy(before, guest.memory, MEMORY);
	ranges = ranges_of_request();
	r = answer(in, a_guest_exits(&guest));
	MUST(r == 1 || r == -EINVAL || r == -EFAULT || (r == -EIO && guest.sev.vmsa_features) ||
	     (!r && is_exit_of_ours(guest.v->base.run)));
	if (take8(in) & 1)
		sev_es_deliver_sipi(&guest.v->base);
	a_guest_enters(&guest);
	MUST(!guest.es.ghcb.is_mapped && !guest.es.ghcb.scratch.data);
	if (kind < 0xc0)
		check_memory(&ranges);
	guest.v->events = (struct vcpu_events){ .external_vector = -1 };
	if (kvm_check_request(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, &guest.v->base))
		vcpu_reset(guest.v, true);
	if (take8(in) & 3)
		guest.es.ghcb.registered = GPA(GHCB_AT);
}

static int any_fd(struct kvm_module *module, int fd)
{
	return 0;
}

/* The secure processor knows of no guest: it has an error for every message. */
static void make_guest(void)
{
	a_guest_make_snp(&guest, false);
	guest.a.module.check_sev_fd = any_fd;
	guest.sev.guest_request = phys_page_alloc(guest.a.module.hw);
	guest.sev.guest_response = phys_page_alloc(guest.a.module.hw);
	mutex_init(&guest.sev.guest_request_lock, "fuzz", RANK_SEV_GUEST_REQUEST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };

	const uint8_t kind = take8(&in);

	if (!guest.memory)
		make_guest();
	guest.sev.ghcb_version = 1 + (kind & 1);
	guest.sev.vmsa_features = kind & 2 ? SEV_FEATURE_SNP_ACTIVE : 0;
	for (unsigned n = 0; n < MAX_REQUESTS && in.at < in.end; n++)
		request(&in);
	return 0;
}
