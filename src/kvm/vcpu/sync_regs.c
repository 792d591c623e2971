/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sync_regs.c - KVM_CAP_SYNC_REGS: registers through kvm_run instead of ioctls.
 *
 * Other threads of the VMM may write the page at any time: each word of it is
 * read once, into a copy, and only the copy is looked at.
 */
#include <errno.h>
#include <string.h>

#include "kvm/vcpu/protected.h"

static_assert(sizeof(struct kvm_sync_regs) <= SYNC_REGS_SIZE_BYTES, "it fits");

/* memcpy that reads every word exactly once. */
static void copy_once(void *to, const void *from, size_t size)
{
	const volatile uint64_t *src = from;

	for (size_t i = 0; i < size / sizeof(*src); i++) {
		uint64_t word = src[i];

		memcpy((char *)to + i * sizeof(word), &word, sizeof(word));
	}
}

static_assert(!(sizeof(struct kvm_regs) % 8) && !(sizeof(struct kvm_sregs) % 8) &&
	      !(sizeof(struct kvm_vcpu_events) % 8), "whole words");

static int set_regs(struct vcpu *v, const struct kvm_sync_regs *from)
{
	struct kvm_regs regs;

	copy_once(&regs, &from->regs, sizeof(regs));
	return vcpu_set_regs(v, &regs);
}

static int set_sregs(struct vcpu *v, const struct kvm_sync_regs *from)
{
	struct kvm_sregs sregs;

	copy_once(&sregs, &from->sregs, sizeof(sregs));
	return vcpu_set_sregs(v, &sregs);
}

static int set_events(struct vcpu *v, const struct kvm_sync_regs *from)
{
	struct kvm_vcpu_events events;

	copy_once(&events, &from->events, sizeof(events));
	return vcpu_set_events(v, &events);
}

static const struct {
	uint64_t flag;
	int	 (*set)(struct vcpu *v, const struct kvm_sync_regs *from);
} groups[] = {
	{ KVM_SYNC_X86_REGS, set_regs },
	{ KVM_SYNC_X86_SREGS, set_sregs },
	{ KVM_SYNC_X86_EVENTS, set_events },
};

/* A group that was taken is no longer dirty; those after a refused one still are. */
int vcpu_sync_from_run(struct vcpu *v)
{
	struct kvm_run *run = v->base.run;
	uint64_t dirty = READ_ONCE(run->kvm_dirty_regs);
	uint64_t known = v->base.kvm->has_protected_state ? 0 : KVM_SYNC_X86_VALID_FIELDS;

	if ((dirty | READ_ONCE(run->kvm_valid_regs)) & ~known)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (!(dirty & groups[i].flag))
			continue;
		if (groups[i].set(v, &run->s.regs))
			return -EINVAL;
		dirty &= ~groups[i].flag;
		run->kvm_dirty_regs = dirty;
	}
	return 0;
}

void vcpu_sync_to_run(struct vcpu *v)
{
	struct kvm_run *run = v->base.run;
	uint64_t wanted = READ_ONCE(run->kvm_valid_regs);

	if (vcpu_has_old_state(v))
		return;
	if (wanted & KVM_SYNC_X86_REGS)
		vcpu_get_regs(v, &run->s.regs.regs);
	if (wanted & KVM_SYNC_X86_SREGS)
		vcpu_get_sregs(v, &run->s.regs.sregs);
	if (wanted & KVM_SYNC_X86_EVENTS)
		vcpu_get_events(v, &run->s.regs.events);
}
