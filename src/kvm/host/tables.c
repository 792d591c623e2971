/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tables.c - the host's own page tables.
 *
 * What is claimed about the host's mapping must never be more than is true.
 * The host's own page tables are asked (os/pages.h), once for 2 MiB and not
 * once a fault; the machine's frame table keeps the answer until the VMM
 * changes the mapping (docs/adr/0004).
 */
#include "kvm/host/tables.h"

#include "hw/insn/gate.h"
#include "hw/insn/phys.h"
#include "hw/insn/rmp.h"
#include "hw/insn/view.h"
#include "os/pages.h"
#include "os/uaccess.h"
#include "sync/wait.h"
#include "trace/counters.h"

/* The page at @host is there and its frame exists. */
static struct phys_mapping ask_the_host(struct hw *hw, const void *host)
{
	uint64_t ticket = phys_mapping_ticket(hw);
	unsigned nr = (uintptr_t)host / PAGE_SIZE % OS_PAGES;
	struct os_pages pages;

	os_pages_ask(host, &pages);
	SYNC_POINT(gup_host_asked);
	if (!phys_learn(hw, host, ticket, &pages))
		/* It is changing: its other frames may not exist. */
		return (struct phys_mapping){ .level = PG_LEVEL_4K };
	return (struct phys_mapping){
		.level = pages.level,
		.writable = pages.writable[nr / 64] >> (nr % 64) & 1,
		.is_fixed = pages.is_fixed,
	};
}

enum kvm_gup kvm_host_page(struct hw *hw, void *host, bool write, const uint32_t *stop,
			   struct kvm_host_page *out)
{
	uint64_t ticket = phys_mapping_ticket(hw);
	/* What a guest's key has is there, and a touch would be a look. */
	bool is_hidden = view_is_hidden(hw, host);
	enum os_present r = is_hidden ? OS_PRESENT : os_wait_for_page(host, write, stop);
	struct phys_mapping m;

	if (r != OS_PRESENT)
		return r == OS_INTERRUPTED ? KVM_GUP_INTERRUPTED : KVM_GUP_FAULT;
	SYNC_POINT(gup_host_present);
	out->page = phys_publish(hw, host);
	if (!hpa_is_valid(out->page))
		return KVM_GUP_FAULT;
	if (write)
		phys_wrote(hw, host, ticket);
	m = phys_mapping(hw, host);
	if (unlikely(!m.level))
		m = ask_the_host(hw, host);
	out->writable = write || m.writable || is_hidden;
	out->level = m.level;
	out->is_fixed = m.is_fixed;
	return KVM_GUP_OK;
}

/* Only the size of the host's mapping decides: the page itself is the hypervisor's. */
static NOINLINE uint64_t store_beside_a_guest(struct kvm_module *module, void *host, bool user)
{
	static const uint32_t never;
	struct kvm_host_page page;
	uint64_t error;

	counter_add(module->counters, COUNTER_HOST_SIZE_QUESTIONS, 1);
	/* First the page as the store will find it; where there is none, that is the store's to say. */
	if (kvm_host_page(module->hw, host, true, &never, &page) != KVM_GUP_OK)
		return 0;
	SYNC_POINT(host_store_asked);
	error = rmp_host_store_at(module->hw, host, page.level, user);
	if (!error || page.is_fixed)
		return error;
	if (phys_split(module->hw, host))
		counter_add(module->counters, COUNTER_HOST_SPLITS, 1);
	/* The instruction runs again, by 4K. */
	return rmp_host_store_at(module->hw, host, PG_LEVEL_4K, user);
}

uint64_t kvm_host_store(struct kvm_module *module, void *host, bool user)
{
	uint64_t error;

	/* Of memory that converts in place there are two mappings; frames are known by the machine's. */
	host = gate_bytes(module->hw, host);
	error = rmp_host_store_at(module->hw, host, PG_LEVEL_2M, user);
	if (likely(!error))
		return 0;
	error = rmp_host_store_at(module->hw, host, PG_LEVEL_4K, user);
	return error ? error : store_beside_a_guest(module, host, user);
}
