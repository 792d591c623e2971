/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "snp_attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snp_digest.h"

/* The VM's slots: 0, private from PRIVATE on; 1, of shared memory only. */
#define PRIVATE		0x100000UL
#define PRIVATE_END	0x104000UL
#define PLAIN_SLOT	(1UL << 30)
#define NOWHERE		(1UL << 40)
#define SOURCE_PAGES	4
#define HOLE		((void *)8)
#define BAD_BITS	(1ULL << 1)	/* of vmsa_features: never a feature of KVM's */
#define POLICY_DEBUG	(1ULL << 19)

/* ---- VMs ---- */

static long op(const struct snp_trial *t, uint32_t id, void *data)
{
	return snp_op(&t->g, id, data, NULL);
}

static void add_vcpu(struct snp_trial *t)
{
	long vcpu = kvm_ioctl(t->g.vm, KVM_CREATE_VCPU, t->nr_vcpus);

	need(vcpu >= 0, "KVM_CREATE_VCPU");
	t->vcpus[t->nr_vcpus++] = (int)vcpu;
}

static long finish(struct snp_trial *t)
{
	struct kvm_sev_snp_launch_finish f = { 0 };

	return op(t, KVM_SEV_SNP_LAUNCH_FINISH, &f);
}

static unsigned long type_of(enum snp_state s)
{
	return s == NR_SNP_STATES ? KVM_X86_DEFAULT_VM : s == AT_SEV ? KVM_X86_SEV_VM :
	       s == AT_SEV_ES ? KVM_X86_SEV_ES_VM : KVM_X86_SNP_VM;
}

static void add_memory(struct snp_trial *t)
{
	long gmem = vm_gmem(t->g.vm, SNP_SIZE, 0);

	need(gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	t->g.gmem = (int)gmem;
	need(!vm_region_gmem(t->g.vm, 0, 0, SNP_SIZE, t->g.memory, t->g.gmem, 0) &&
	     !vm_region(t->g.vm, 1, 0, PLAIN_SLOT, PAGE, t->g.memory) &&
	     !vm_attributes(t->g.vm, PRIVATE, PRIVATE_END - PRIVATE, KVM_MEMORY_ATTRIBUTE_PRIVATE) &&
	     !vm_attributes(t->g.vm, SNP_SIZE - PAGE, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE),
	     "memory slots");
}

static void make_vm(struct snp_trial *t, unsigned nr_vcpus)
{
	struct kvm_sev_init init = { 0 };

	t->g = (struct snp_guest){ .kvm = kvm_open(), .gmem = -1, .vcpu = -1 };
	t->g.sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
	t->g.vm = vm_make(t->g.kvm, type_of(t->state));
	t->g.memory = pages(SNP_SIZE);
	if (t->state <= AT_RUNNING)
		add_memory(t);
	if (t->state == AT_CREATED || t->state == NR_SNP_STATES)
		return;
	need(!op(t, KVM_SEV_INIT2, &init), "INIT2");
	while (t->nr_vcpus < nr_vcpus)
		add_vcpu(t);
	if (t->state == AT_STARTED || t->state == AT_RUNNING)
		snp_start(&t->g);
	for (unsigned i = 0; i < nr_vcpus; i++)
		snp_digest_vcpu(t->digest, t->vcpus[i]);
	if (t->state == AT_RUNNING)
		need(!finish(t), "LAUNCH_FINISH");
}

/* ---- ioctls ---- */

static long run_op(struct snp_trial *t)
{
	struct kvm_sev_cmd cmd = { .id = t->id, .data = (uintptr_t)t->data, .error = t->error,
				   .sev_fd = (uint32_t)t->fd };
	long r = kvm_ioctlp(t->g.vm, KVM_MEMORY_ENCRYPT_OP, &cmd);

	t->error = cmd.error;
	return r;
}

static long run_null(struct snp_trial *t)
{
	return kvm_ioctl(t->g.vm, KVM_MEMORY_ENCRYPT_OP, 0);
}

static long run_unreadable(struct snp_trial *t)
{
	return kvm_ioctlp(t->g.vm, KVM_MEMORY_ENCRYPT_OP, HOLE);
}

static long run_pre_fault(struct snp_trial *t)
{
	struct kvm_pre_fault_memory range = { .gpa = PRIVATE, .size = PAGE };

	if (!t->nr_vcpus)
		add_vcpu(t);
	return kvm_ioctlp(t->vcpus[0], KVM_PRE_FAULT_MEMORY, &range);
}

/* Another VM takes the context of this one, which is an SNP guest's. */
static long take_context(struct snp_trial *t, uint32_t cap)
{
	int vm = vm_make(t->g.kvm, t->state <= AT_RUNNING ? KVM_X86_SNP_VM : KVM_X86_DEFAULT_VM);
	long r;

	r = vm_enable(vm, cap, (uint64_t)t->g.vm);
	close(vm);
	return r;
}

static long run_copy(struct snp_trial *t)
{
	return take_context(t, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM);
}

static long run_move(struct snp_trial *t)
{
	return take_context(t, KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM);
}

/* ---- what is wrong with an argument ---- */

static void data_unreadable(struct snp_trial *t) { t->data = HOLE; }
static void a_vcpu(struct snp_trial *t) { add_vcpu(t); }
static void init_flags(struct snp_trial *t) { t->arg.init.flags = 1; }
static void init_features(struct snp_trial *t) { t->arg.init.vmsa_features = BAD_BITS; }
static void init_snp(struct snp_trial *t) { t->arg.init.vmsa_features = 1; }
static void init_pads(struct snp_trial *t) { memset(t->arg.init.pad2, 0xff, sizeof(t->arg.init.pad2)); }
static void init_ghcb_1(struct snp_trial *t) { t->arg.init.ghcb_version = 1; }
static void init_ghcb_2(struct snp_trial *t) { t->arg.init.ghcb_version = 2; }
static void init_ghcb_3(struct snp_trial *t) { t->arg.init.ghcb_version = 3; }
static void start_flags(struct snp_trial *t) { t->arg.start.flags = 1; }
static void start_pads(struct snp_trial *t) { memset(t->arg.start.pad1, 0xff, sizeof(t->arg.start.pad1)); }
static void start_abi(struct snp_trial *t) { t->arg.start.policy |= 0xff00; }
static void update_len(struct snp_trial *t) { t->arg.update.len = 100; }
static void update_flags(struct snp_trial *t) { t->arg.update.flags = 1; }
static void update_nothing(struct snp_trial *t) { t->arg.update.len = 0; }
static void update_nowhere(struct snp_trial *t) { t->arg.update.gfn_start = NOWHERE / PAGE; }
static void update_plain(struct snp_trial *t) { t->arg.update.gfn_start = PLAIN_SLOT / PAGE; }
static void update_shared(struct snp_trial *t) { t->arg.update.gfn_start = PRIVATE_END / PAGE; }
static void update_unreadable(struct snp_trial *t) { t->arg.update.uaddr = (uintptr_t)HOLE; }
static void update_null(struct snp_trial *t) { t->arg.update.uaddr = 0; }
static void update_pads(struct snp_trial *t) { memset(t->arg.update.pad2, 0xff, sizeof(t->arg.update.pad2)); }
static void finish_flags(struct snp_trial *t) { t->arg.finish.flags = 1; }
static void finish_author(struct snp_trial *t) { t->arg.finish.auth_key_en = 1; }
static void finish_pads(struct snp_trial *t) { memset(t->arg.finish.pad1, 0xff, sizeof(t->arg.finish.pad1)); }

static void all_asids(struct snp_trial *t)
{
	struct kvm_sev_init init = { 0 };
	struct snp_guest other = { .sev = t->g.sev };

	do {
		need(t->nr_others < SNP_MAX_OTHERS, "fewer ASIDs");
		other.vm = t->others[t->nr_others++] = vm_make(t->g.kvm, KVM_X86_SNP_VM);
	} while (!snp_op(&other, KVM_SEV_INIT2, &init, NULL));
}

static void bad_fd(struct snp_trial *t)
{
	t->fd = t->variant ? t->g.kvm : 1000;
}

static void update_zero(struct snp_trial *t)
{
	t->arg.update.uaddr = 0;
	t->arg.update.type = KVM_SEV_SNP_PAGE_TYPE_ZERO;
}

static void update_prepared(struct snp_trial *t)
{
	need(!run_op(t), "a page that is prepared");
	t->arg.update.gfn_start = PRIVATE / PAGE;
	t->arg.update.uaddr = (uintptr_t)t->source;
	t->arg.update.len = PAGE;
	t->error = SNP_UNTOUCHED;
}

/* CPUID leaf 0, whose EAX may be no more than the processor's. */
static void update_cpuid(struct snp_trial *t)
{
	uint32_t entry[12] = { [6] = ~0u };

	t->arg.update.type = KVM_SEV_SNP_PAGE_TYPE_CPUID;
	memset(t->source, 0, PAGE);
	t->source[0] = 1;
	memcpy(t->source + 16, entry, sizeof(entry));
}

/* Two good pages, and one that is not private. */
static void update_later(struct snp_trial *t)
{
	t->arg.update.gfn_start = PRIVATE_END / PAGE - 2;
	t->arg.update.len = 3 * PAGE;
}

static void update_beyond(struct snp_trial *t)
{
	t->arg.update.gfn_start = SNP_SIZE / PAGE - 1;
	t->arg.update.len = 3 * PAGE;
}

static void id_block(struct snp_trial *t)
{
	const uint64_t policy = SNP_POLICY;

	memcpy(t->id_block, t->digest, sizeof(t->digest));
	t->id_block[80] = 1;
	memcpy(t->id_block + 88, &policy, sizeof(policy));
	t->id_auth[0] = 1;
	t->arg.finish.id_block_en = 1;
	t->arg.finish.id_block_uaddr = (uintptr_t)t->id_block;
	t->arg.finish.id_auth_uaddr = (uintptr_t)t->id_auth;
}

static void id_null(struct snp_trial *t) { id_block(t); t->arg.finish.id_block_uaddr = 0; }
static void id_unreadable(struct snp_trial *t) { id_block(t); t->arg.finish.id_block_uaddr = (uintptr_t)HOLE; }
static void auth_null(struct snp_trial *t) { id_block(t); t->arg.finish.id_auth_uaddr = 0; }
static void id_digest(struct snp_trial *t) { id_block(t); t->id_block[0] ^= 1; }
static void id_policy(struct snp_trial *t) { id_block(t); t->id_block[88] ^= 1; }
static void id_algorithm(struct snp_trial *t) { id_block(t); t->id_auth[0] = 2; }

static void finish_again(struct snp_trial *t)
{
	id_digest(t);
	need(run_op(t) == -EIO, "a finish that fails");
	memset(&t->arg, 0, sizeof(t->arg));
	t->error = SNP_UNTOUCHED;
}

static void debugged(struct snp_trial *t)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };

	need(!kvm_ioctlp(t->vcpus[1], KVM_SET_GUEST_DEBUG, &debug), "KVM_SET_GUEST_DEBUG");
}

static void breakpoint(struct snp_trial *t)
{
	struct kvm_debugregs debug = { .dr6 = 0xffff0ff0, .dr7 = 0x401 };

	need(!kvm_ioctlp(t->vcpus[1], KVM_SET_DEBUGREGS, &debug), "KVM_SET_DEBUGREGS");
}

/* ---- the words ---- */

#define INIT2	"22 INIT2"
#define START	"100 SNP_LAUNCH_START"
#define UPDATE	"101 SNP_LAUNCH_UPDATE"
#define FINISH	"102 SNP_LAUNCH_FINISH"

static const struct snp_attempt attempts[] = {
	{ "any", "SEV disabled" },
	{ "any", "NULL argument" },
	{ "any", "struct kvm_sev_cmd unreadable" },
	{ INIT2, "data unreadable", data_unreadable },
	{ INIT2, "a vCPU exists", a_vcpu },
	{ INIT2, "flags!=0", init_flags },
	{ INIT2, "vmsa_features outside what KVM_X86_SEV_VMSA_FEATURES says", init_features },
	{ INIT2, "vmsa_features bit 0 (SNP)", init_snp },
	{ INIT2, "ghcb_version>2", init_ghcb_3 },
	{ INIT2, "ghcb_version=0", NULL },
	{ INIT2, "ghcb_version=1", init_ghcb_1 },
	{ INIT2, "ghcb_version=2", init_ghcb_2 },
	{ INIT2, "pads!=0", init_pads },
	/* There is no VM of the type without one: unit test kvm/types/snp_launch. */
	{ INIT2, "no ASID below the minimum for SEV", .elsewhere = true },
	{ INIT2, "all ASIDs in use", all_asids },
	{ START, "data unreadable", data_unreadable },
	{ START, "flags!=0", start_flags },
	{ START, "pads!=0", start_pads },
	{ START, "sev_fd not open or not /dev/sev", bad_fd, .variants = 2 },
	{ START, "policy with ABI above the firmware", start_abi },
	{ UPDATE, "data unreadable", data_unreadable },
	{ UPDATE, "len not a multiple of 4096", update_len },
	{ UPDATE, "flags!=0", update_flags },
	{ UPDATE, "gfn in no slot", update_nowhere },
	{ UPDATE, "slot without guest_memfd", update_plain },
	{ UPDATE, "len=0", update_nothing },
	{ UPDATE, "first page: attribute not private", update_shared },
	{ UPDATE, "first page: already prepared", update_prepared },
	/* What is assigned is prepared: unit test kvm/types/snp_launch. */
	{ UPDATE, "first page: RMP entry assigned", .elsewhere = true },
	{ UPDATE, "first page: uaddr unreadable", update_unreadable },
	{ UPDATE, "uaddr=0, type not ZERO", update_null },
	{ UPDATE, "uaddr=0, type=3 (ZERO)", update_zero },
	{ UPDATE, "sev_fd not open or not /dev/sev", bad_fd, .variants = 2 },
	{ UPDATE, "type=6, refused CPUID page", update_cpuid },
	{ UPDATE, "a later page fails", update_later },
	{ UPDATE, "len beyond the slot", update_beyond },
	{ UPDATE, "pads!=0", update_pads },
	{ UPDATE, "all good", NULL },
	{ FINISH, "data unreadable", data_unreadable },
	{ FINISH, "flags!=0", finish_flags },
	/* Some microseconds: unit test kvm/types/snp_launch. */
	{ FINISH, "a vCPU is being created", .elsewhere = true },
	{ FINISH, "a vCPU with guest_debug", debugged, .nr_vcpus = 2 },
	{ FINISH, "a vCPU with DR7 not 0x400", breakpoint, .nr_vcpus = 2 },
	{ FINISH, "id_block_en, id_block_uaddr=0", id_null, .nr_vcpus = 1 },
	{ FINISH, "id_block_en, id_block unreadable", id_unreadable, .nr_vcpus = 1 },
	{ FINISH, "id_block_en, id_auth_uaddr=0", auth_null, .nr_vcpus = 1 },
	{ FINISH, "id block with another digest", id_digest, .nr_vcpus = 1 },
	{ FINISH, "id block with another policy", id_policy, .nr_vcpus = 1 },
	{ FINISH, "id block with a bad signature", id_block, .nr_vcpus = 1 },
	{ FINISH, "id_key_algo not 1", id_algorithm, .nr_vcpus = 1 },
	{ FINISH, "again after a failure that protected vCPUs", finish_again, .nr_vcpus = 1 },
	{ FINISH, "auth_key_en without id_block_en", finish_author, .nr_vcpus = 1 },
	{ FINISH, "pads!=0", finish_pads, .nr_vcpus = 1 },
	{ FINISH, "all good", NULL, .nr_vcpus = 2 },
	{ FINISH, "any, with vCPUs", NULL, .nr_vcpus = 1 },
	{ FINISH, "any, without vCPUs", NULL },
	{ "KVM_PRE_FAULT_MEMORY", "any", NULL },
	{ "KVM_CAP_VM_COPY_ENC_CONTEXT_FROM", "source is SNP", .snp_only = true },
	{ "KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM", "source is SNP", .snp_only = true },
};

/* Arguments that say what they are: any, policy=N, type=N. */
static const struct snp_attempt plain = { "", "", NULL };

const struct snp_attempt *snp_attempt_find(const char *ioctl, const char *argument)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (!strcmp(attempts[i].ioctl, ioctl) && !strcmp(attempts[i].argument, argument))
			return &attempts[i];
	}
	if (!strcmp(argument, "any") || (!strcmp(ioctl, START) && !strncmp(argument, "policy=0", 8)) ||
	    (!strcmp(ioctl, UPDATE) && !strncmp(argument, "type=", 5)))
		return &plain;
	return NULL;
}

/* A good argument for the ioctl. */
static void fill_argument(struct snp_trial *t, const char *argument)
{
	const char *bit = strstr(argument, "and bit ");

	memset(&t->arg, 0, sizeof(t->arg));
	t->data = &t->arg;
	if (t->id == KVM_SEV_SNP_LAUNCH_START)
		t->arg.start.policy = !strncmp(argument, "policy=0", 8)
				      ? strtoull(argument + 7, NULL, 0) : SNP_POLICY;
	if (t->id == KVM_SEV_SNP_LAUNCH_START && bit)
		t->arg.start.policy |= 1ULL << atoi(bit + 8);
	if (t->id == KVM_SEV_SNP_LAUNCH_UPDATE)
		t->arg.update = (struct kvm_sev_snp_launch_update){
			.gfn_start = PRIVATE / PAGE, .uaddr = (uintptr_t)t->source, .len = PAGE,
			.type = (uint8_t)(strncmp(argument, "type=", 5) ? KVM_SEV_SNP_PAGE_TYPE_NORMAL
					  : atoi(argument + 5)),
		};
}

static long (*run_of(const char *ioctl, const char *argument))(struct snp_trial *t)
{
	if (!strcmp(ioctl, "KVM_PRE_FAULT_MEMORY"))
		return run_pre_fault;
	if (!strcmp(ioctl, "KVM_CAP_VM_COPY_ENC_CONTEXT_FROM"))
		return run_copy;
	if (!strcmp(ioctl, "KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM"))
		return run_move;
	if (!strcmp(argument, "NULL argument") || !strcmp(argument, "SEV disabled"))
		return run_null;
	return !strcmp(ioctl, "any") ? run_unreadable : run_op;
}

void snp_trial_make(struct snp_trial *t, const char *ioctl, const char *argument,
		    const struct snp_attempt *a)
{
	make_vm(t, a->nr_vcpus);
	t->source = pages(SOURCE_PAGES * PAGE);
	memset(t->source, 0x5a, SOURCE_PAGES * PAGE);
	t->fd = t->g.sev;
	t->id = (uint32_t)strtoul(ioctl, NULL, 10);
	t->run = run_of(ioctl, argument);
	fill_argument(t, argument);
	if (a->tweak)
		a->tweak(t);
	t->before = t->arg.update;
}

void snp_trial_run(struct snp_trial *t)
{
	t->r = t->run(t);
}

/* ---- afterwards ---- */

static bool is_protected(const struct snp_trial *t, unsigned vcpu)
{
	struct kvm_regs regs;

	return vcpu < t->nr_vcpus && kvm_ioctlp(t->vcpus[vcpu], KVM_GET_REGS, &regs) == -EINVAL;
}

static bool is_running(struct snp_trial *t)
{
	struct kvm_sev_snp_launch_update update = {
		.gfn_start = SNP_SIZE / PAGE - 1, .uaddr = (uintptr_t)t->source, .len = PAGE,
		.type = KVM_SEV_SNP_PAGE_TYPE_NORMAL,
	};
	uint32_t error = 0;
	long r = snp_op(&t->g, KVM_SEV_SNP_LAUNCH_UPDATE, &update, &error);

	return r == -EIO && error == 2;		/* of the wrong state */
}

/* By what a command with an unreadable argument says, which changes nothing. */
static bool is_in(struct snp_trial *t, enum snp_state s)
{
	static const long answers[] = { [AT_CREATED] = -ENOTTY, [AT_INIT] = -EINVAL,
					[AT_STARTED] = -EFAULT, [AT_RUNNING] = -EFAULT,
					[AT_SEV] = -ENOTTY, [AT_SEV_ES] = -ENOTTY };

	if (s == NR_SNP_STATES)
		return true;
	if (op(t, KVM_SEV_SNP_LAUNCH_FINISH, HOLE) != answers[s])
		return false;
	/* What was not initialised can be, if it has no vCPU yet. */
	if (s == AT_CREATED && !t->nr_vcpus && !t->nr_others) {
		struct kvm_sev_init init = { 0 };

		return !op(t, KVM_SEV_INIT2, &init);
	}
	return s < AT_STARTED || s > AT_RUNNING || is_running(t) == (s == AT_RUNNING);
}

static bool has_version(struct snp_trial *t, uint64_t version)
{
	uint8_t image[SNP_IMAGE_END - SNP_IMAGE];
	uint64_t info;

	t->g.c_bit = 1ULL << 51;
	snp_add_vcpu(&t->g);
	t->vcpus[t->nr_vcpus++] = t->g.vcpu;
	snp_image(&t->g, image);
	snp_start(&t->g);
	snp_put(&t->g, SNP_IMAGE, image, sizeof(image), KVM_SEV_SNP_PAGE_TYPE_NORMAL);
	snp_finish(&t->g);
	snp_run(&t->g);
	info = snp_msr(&t->g, 2);	/* the request for SEV information */
	munmap(t->g.run, (size_t)kvm_ioctl(t->g.kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	return (info & 0xfff) == 1 && info >> 48 == version;
}

/* The structure says that @nr pages are done, of which the source has so many. */
static bool advanced(const struct snp_trial *t, uint64_t nr, uint64_t of_source)
{
	const struct kvm_sev_snp_launch_update *now = &t->arg.update, *was = &t->before;

	return now->gfn_start == was->gfn_start + nr && now->len == was->len - nr * PAGE &&
	       now->uaddr == was->uaddr + of_source * PAGE;
}

/* A page of what LAUNCH_UPDATE took is prepared now: it is not taken again. */
static bool is_taken(struct snp_trial *t)
{
	uint32_t error = SNP_UNTOUCHED;

	t->arg.update = t->before;
	return snp_op(&t->g, KVM_SEV_SNP_LAUNCH_UPDATE, &t->arg, &error) == -EIO && !error;
}

/* Nothing has come of it, so it can be tried again: with all good, or as badly as before. */
static bool is_shared_again(struct snp_trial *t)
{
	uint32_t error = t->error;

	if (memcmp(&t->arg.update, &t->before, sizeof(t->before)))
		return false;
	t->error = SNP_UNTOUCHED;
	if (t->state == AT_RUNNING)
		return run_op(t) == t->r && t->error == error;
	t->fd = t->g.sev;
	t->arg.update.type = KVM_SEV_SNP_PAGE_TYPE_NORMAL;
	return !run_op(t);
}

static bool cpuid_is_corrected(const struct snp_trial *t)
{
	uint32_t eax;

	memcpy(&eax, t->source + 16 + 24, sizeof(eax));
	return eax >= 0xd && eax < 0x100 && t->source[0] == 1;
}

bool snp_trial_check(struct snp_trial *t, const char *after)
{
	if (!strcmp(after, "same"))
		return is_in(t, t->state);
	if (!strcmp(after, "init"))
		return is_in(t, AT_INIT);
	if (!strncmp(after, "init, GHCB version ", 19))
		return is_in(t, AT_INIT) && has_version(t, strtoull(after + 19, NULL, 10));
	if (!strcmp(after, "started"))
		return is_in(t, AT_STARTED);
	if (!strcmp(after, "running") || !strncmp(after, "running, auth_key_en", 20))
		return is_in(t, AT_RUNNING) && is_protected(t, 0);
	if (!strcmp(after, "running, vCPUs protected, pre-fault allowed"))
		return is_in(t, AT_RUNNING) && is_protected(t, 0) && is_protected(t, 1) &&
		       !run_pre_fault(t);
	if (!strcmp(after, "vCPUs before it are protected"))
		return is_protected(t, 0) && !is_protected(t, 1) && !is_running(t);
	if (!strcmp(after, "vCPUs are protected"))
		return is_protected(t, 0) && !is_running(t);
	if (!strcmp(after, "gfn and len advance, uaddr does not"))
		return advanced(t, 1, 0) && is_taken(t);
	if (!strcmp(after, "gfn, len and uaddr advance to that page"))
		return advanced(t, 2, 2) && is_taken(t);
	if (!strcmp(after, "gfn, len and uaddr advance to its end"))
		return advanced(t, 1, 1) && is_taken(t);
	if (!strcmp(after, "as without") || !strcmp(after, "len=0, gfn and uaddr advance, pages prepared"))
		return advanced(t, 1, 1) && is_taken(t);
	if (!strcmp(after, "page is shared again"))
		return is_shared_again(t);
	if (!strcmp(after, "page is shared again, the corrected page is at uaddr"))
		return cpuid_is_corrected(t) && is_shared_again(t);
	return false;
}

void snp_trial_end(struct snp_trial *t)
{
	for (unsigned i = 0; i < t->nr_vcpus; i++)
		close(t->vcpus[i]);
	for (unsigned i = 0; i < t->nr_others; i++)
		close(t->others[i]);
	munmap(t->source, SOURCE_PAGES * PAGE);
	munmap(t->g.memory, SNP_SIZE);
	if (t->g.gmem >= 0)
		close(t->g.gmem);
	close(t->g.vm);
	if (t->g.sev >= 0)
		close(t->g.sev);
	close(t->g.kvm);
}
