/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/host/policy.h"

#include <inttypes.h>

#include "hw/insn/finding.h"
#include "kvm/core/attr.h"

static const struct accessor {
	const char	*does;		/* KVM ... gfn */
	bool		 reads, writes;	/* bytes of the page, or may from now on */
} accessors[NR_HOST_ACCESSES] = {
	[HOST_READ]	   = { "reads", true, false },
	[HOST_WRITE]	   = { "writes to", false, true },
	[HOST_EXCHANGE]	   = { "compares and exchanges in", true, true },
	[HOST_MAP_READ]	   = { "maps for reading", true, false },
	[HOST_MAP]	   = { "maps", true, true },
	[HOST_CACHE]	   = { "keeps a pointer to", true, true },
	[HOST_CACHE_CHECK] = { "goes by a kept pointer to", true, true },
};

/* One page of one call, as it was found. */
struct look {
	struct kvm	*kvm;
	const void	*host;
	gfn_t		 gfn;
	const struct accessor *who;
	bool		 is_private;
	enum byte_owner	 owner;
	bool		 may;
};

/* What the accessor has of it. */
static const char *outcome(const struct look *l)
{
	if (!l->may)
		return "-EFAULT";
	if (l->owner != OWNER_HOST && l->who->reads)
		return "ciphertext";
	return l->who->reads && l->who->writes ? "the shared backing, which the guest does not look at" :
	       l->who->reads ? "the shared backing's bytes, which are not the guest's" :
			       "it to the shared backing, which the guest does not look at";
}

static const char *rule(const struct look *l)
{
	if (l->owner == OWNER_RMP)
		return "APM vol. 2 15.36.10";
	return l->owner == OWNER_KEY && !l->is_private ? "APM vol. 2 15.34" : "house: host access";
}

static NOINLINE void find(const struct look *l)
{
	char owner[200] = "";

	if (l->owner != OWNER_HOST)
		hw_owner_text(l->kvm->module->hw, l->host, owner, sizeof(owner));
	hw_host_finding(l->kvm->module->hw, rule(l),
			"KVM %s gfn 0x%" PRIx64 ", which %s%s%s%s, and gets %s%s", l->who->does,
			l->gfn.v, l->is_private ? "is private" : "the guest has encrypted",
			*owner ? " (" : "", owner, *owner ? ")" : "", outcome(l),
			!l->may && l->kvm->module->strict_host_access ? " (--strict-host-access)" : "");
}

/* A store that only a key is in the way of goes through, as on the machine. */
static bool takes_bytes(enum byte_owner owner, const struct accessor *who)
{
	return owner == OWNER_RMP || (owner == OWNER_KEY && who->reads);
}

/* These are maps of what is shared, only. */
static bool is_short_term_map(const struct kvm *kvm, enum host_access how)
{
	return kvm->module->host_map_short_term && (how == HOST_MAP || how == HOST_MAP_READ);
}

/* Somebody's page: what is private, or bytes that an owner has and the accessor wants. */
static NOINLINE bool judge(struct look *l, enum host_access how)
{
	const struct kvm_module *module = l->kvm->module;

	l->may = !module->strict_host_access && !(l->owner == OWNER_RMP && l->who->writes) &&
		 !(l->is_private && is_short_term_map(l->kvm, how));
	find(l);
	return l->may;
}

bool host_may_touch(struct kvm *kvm, const struct kvm_memory_slot *slot, gfn_t gfn,
		    enum host_access how)
{
	const struct kvm_module *module = kvm->module;
	bool is_private = kvm->has_private_mem && kvm_mem_is_private(kvm, gfn);
	const void *host = (void *)(uintptr_t)kvm_slot_hva(slot, gfn).v;
	enum byte_owner owner = OWNER_HOST;

	/* Nothing tells a cache of keys and the RMP, only the access does. */
	if (hw_has_owners(module->hw) && (how != HOST_CACHE_CHECK || module->strict_host_access))
		owner = hw_owner_at(module->hw, host);
	if (likely(!is_private && !takes_bytes(owner, &accessors[how])))
		return true;
	return judge(&(struct look){ .kvm = kvm, .host = host, .gfn = gfn, .who = &accessors[how],
				     .is_private = is_private, .owner = owner }, how);
}
