/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp.c - the launch of SNP guests (virt/kvm/x86/amd-memory-encryption of the
 * kernel's documentation).
 *
 * All RAM is private from the start.  What was loaded is measured, the image's
 * empty parts as zeros; then the page of secrets and the CPUID table, each at
 * its place, filled and checked by the secure processor.  All other RAM the
 * guest has to validate itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/vmm.h"

#define POLICY_SMT		(1u << 16)
#define POLICY_RESERVED_MBO	(1u << 17)
#define FIRMWARE_INVALID_PARAM	22u

#define CPUID_XSAVE		0xdu
#define XSAVE_LEGACY_SIZE	0x240u
#define HAS_SUBLEAF		KVM_CPUID_FLAG_SIGNIFCANT_INDEX

/* Firmware ABI, "CPUID page". */
struct cpuid_entry {
	uint32_t leaf, subleaf;
	uint64_t xcr0, xss;
	uint32_t reg[4];
	uint64_t reserved;
};
struct cpuid_table {
	uint32_t nr, reserved1;
	uint64_t reserved2;
	struct cpuid_entry entry[64];
	uint8_t rest[VMM_PAGE - 16 - 64 * sizeof(struct cpuid_entry)];
};
_Static_assert(sizeof(struct cpuid_table) == VMM_PAGE, "one page");
#define NR_ENTRIES	(sizeof(((struct cpuid_table *)NULL)->entry) / sizeof(struct cpuid_entry))

/* 0, or the errno; *@error is the firmware's. */
static int command(struct vmm *vmm, uint32_t id, void *data, uint32_t *error)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = (uint32_t)vmm->sev };
	int err = ioctl(vmm->vm, KVM_MEMORY_ENCRYPT_OP, &cmd) ? errno : 0;

	*error = cmd.error;
	return err;
}

__attribute__((noreturn)) static void refused(const char *name, int err, uint32_t error)
{
	vmm_die(VMM_EXIT_MACHINE, "%s: %s, firmware error %u", name, vmm_errno_name(err), error);
}

/* All of @range, from @from; 0 or the errno. */
static int update(struct vmm *vmm, struct vmm_range range, void *from, uint8_t type, uint32_t *error)
{
	struct kvm_sev_snp_launch_update u = { .gfn_start = range.gpa / VMM_PAGE,
		.uaddr = (uintptr_t)from, .len = range.size, .type = type };
	int err = 0;

	*error = 0;
	/* What was done is taken off. */
	while (u.len && (!err || err == EAGAIN))
		err = command(vmm, KVM_SEV_SNP_LAUNCH_UPDATE, &u, error);
	return err;
}

static void must_update(struct vmm *vmm, struct vmm_range range, void *from, uint8_t type)
{
	uint32_t error;
	int err = update(vmm, range, from, type, &error);

	if (err)
		vmm_die(VMM_EXIT_MACHINE, "KVM_SEV_SNP_LAUNCH_UPDATE of 0x%llx bytes from 0x%llx on: %s, "
			"firmware error %u", (unsigned long long)range.size,
			(unsigned long long)range.gpa, vmm_errno_name(err), error);
}

/* Where a range that was loaded ends the empty part from @gpa on, at most @end. */
static uint64_t empty_end(const struct vmm_image *image, uint64_t gpa, uint64_t end)
{
	for (size_t i = 0; i < image->nr_loaded; i++) {
		if (image->loaded[i].gpa >= gpa)
			return image->loaded[i].gpa < end ? image->loaded[i].gpa : end;
	}
	return end;
}

/* The first byte from @gpa on that is in no range that was loaded. */
static uint64_t empty_start(const struct vmm_image *image, uint64_t gpa)
{
	for (size_t i = 0; i < image->nr_loaded; i++) {
		const struct vmm_range *r = &image->loaded[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size)
			gpa = r->gpa + r->size;
	}
	return gpa;
}

static void launch_empty(struct vmm *vmm, const struct vmm_range *part)
{
	uint64_t end = part->gpa + part->size, gpa = part->gpa, stop;

	for (;; gpa = stop) {
		gpa = empty_start(&vmm->image, gpa);
		if (gpa >= end)
			return;
		stop = empty_end(&vmm->image, gpa, end);
		must_update(vmm, (struct vmm_range){ gpa, stop - gpa }, vmm_memory_at(vmm, gpa, stop - gpa),
			    KVM_SEV_SNP_PAGE_TYPE_ZERO);
	}
}

static void launch_image(struct vmm *vmm)
{
	const struct vmm_image *image = &vmm->image;

	for (size_t i = 0; i < image->nr_loaded; i++)
		must_update(vmm, image->loaded[i],
			    vmm_memory_at(vmm, image->loaded[i].gpa, image->loaded[i].size),
			    KVM_SEV_SNP_PAGE_TYPE_NORMAL);
	for (size_t i = 0; i < image->nr_empty; i++)
		launch_empty(vmm, &image->empty[i]);
}

static void fill_entry(struct cpuid_entry *to, const struct kvm_cpuid_entry2 *from)
{
	*to = (struct cpuid_entry){ .leaf = from->function,
		.subleaf = from->flags & HAS_SUBLEAF ? from->index : 0,
		.reg = { from->eax, from->ebx, from->ecx, from->edx } };
	/* The size is that of what is switched on at a start: x87 alone. */
	if (from->function == CPUID_XSAVE && from->index < 2) {
		to->xcr0 = 1;
		to->reg[1] = XSAVE_LEGACY_SIZE;
	}
}

/* The first vCPU's, without what is all zeros: a guest takes what is missing for that. */
static void fill_table(struct vmm *vmm, struct cpuid_table *table)
{
	const struct kvm_cpuid2 *c = vmm->cpuid;

	for (unsigned i = 0; i < c->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (!(e->eax | e->ebx | e->ecx | e->edx))
			continue;
		if (table->nr == NR_ENTRIES)
			vmm_die(VMM_EXIT_MACHINE, "more CPUID entries than a CPUID table has (%zu)",
				NR_ENTRIES);
		fill_entry(&table->entry[table->nr++], e);
	}
}

/* What the firmware would have let pass, register by register. */
static void print_corrections(const struct cpuid_table *asked, const struct cpuid_table *allowed)
{
	static const char *const names[] = { "EAX", "EBX", "ECX", "EDX" };

	for (uint32_t i = 0; i < asked->nr; i++) {
		const struct cpuid_entry *a = &asked->entry[i], *b = &allowed->entry[i];

		for (unsigned r = 0; r < 4; r++) {
			if (a->reg[r] != b->reg[r])
				fprintf(stderr, "softcvm run: CPUID 0x%x/0x%x %s: 0x%x, the firmware allows 0x%x\n",
					a->leaf, a->subleaf, names[r], a->reg[r], b->reg[r]);
		}
	}
}

static void launch_cpuid(struct vmm *vmm)
{
	struct cpuid_table asked = { 0 };
	void *page = vmm_memory_at(vmm, VMM_CPUID_TABLE, VMM_PAGE);
	uint32_t error;
	int err;

	fill_table(vmm, &asked);
	memcpy(page, &asked, sizeof(asked));
	err = update(vmm, (struct vmm_range){ VMM_CPUID_TABLE, VMM_PAGE }, page,
		     KVM_SEV_SNP_PAGE_TYPE_CPUID, &error);
	if (err && error == FIRMWARE_INVALID_PARAM)
		print_corrections(&asked, page);
	if (err)
		refused("KVM_SEV_SNP_LAUNCH_UPDATE of the CPUID table", err, error);
}

/* The copies from which pages were launched are the VMM's, and seen as what the guest shares: away. */
static void drop_copies(struct vmm *vmm)
{
	for (unsigned i = 0; i < vmm->nr_ram; i++)
		madvise(vmm->ram[i].host, vmm->ram[i].at.size, MADV_DONTNEED);
}

void vmm_snp_launch(struct vmm *vmm)
{
	const struct vmm_options *o = &vmm->options;
	struct kvm_sev_snp_launch_start start = {
		.policy = o->policy ? o->policy : POLICY_SMT | POLICY_RESERVED_MBO };
	struct kvm_sev_snp_launch_finish finish = { 0 };
	struct vmm_range secrets = { VMM_SECRETS, VMM_PAGE };
	uint32_t error;
	int err = command(vmm, KVM_SEV_SNP_LAUNCH_START, &start, &error);

	if (err)
		refused("KVM_SEV_SNP_LAUNCH_START", err, error);
	launch_image(vmm);
	must_update(vmm, secrets, vmm_memory_at(vmm, VMM_SECRETS, VMM_PAGE),
		    KVM_SEV_SNP_PAGE_TYPE_SECRETS);
	launch_cpuid(vmm);
	err = command(vmm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, &error);
	if (err)
		refused("KVM_SEV_SNP_LAUNCH_FINISH", err, error);
	drop_copies(vmm);
}
