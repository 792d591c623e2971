/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Resolving a host address for a guest fault.
 *
 * What is claimed about the host's mapping must never be more than is true.
 * The host's own page tables are asked (os/pages.h), once for 2 MiB and not
 * once a fault; the machine's frame table keeps the answer until the VMM
 * changes the mapping (docs/adr/0004).
 */
#include "hw/insn/phys.h"
#include "hw/insn/view.h"
#include "kvm/host/access.h"
#include "os/pages.h"
#include "os/uaccess.h"

/* The page at @host is there and its frame exists. */
static struct phys_mapping ask_the_host(struct hw *hw, const void *host)
{
	uint64_t ticket = phys_mapping_ticket(hw);
	struct os_pages pages;
	unsigned nr = (uintptr_t)host / PAGE_SIZE % OS_PAGES;
	struct phys_mapping m;

	os_pages_ask(host, &pages);
	SYNC_POINT(gup_host_asked);
	m.level = pages.level;
	m.writable = pages.writable[nr / 64] >> (nr % 64) & 1;
	if (!phys_learn(hw, host, ticket, pages.level, pages.is_zero, pages.writable))
		/* It is changing: its other frames may not exist. */
		m = (struct phys_mapping){ .level = PG_LEVEL_4K };
	return m;
}

enum kvm_gup kvm_gup(struct kvm *kvm, hva_t hva, bool write, const atomic32_t *stop,
		     struct kvm_host_page *out)
{
	struct hw *hw = kvm->module->hw;
	void *host = (void *)(uintptr_t)hva.v;
	uint64_t ticket = phys_mapping_ticket(hw);
	/* What a guest's key has is there, and a touch would be a look. */
	bool is_hidden = view_is_hidden(hw, host);
	enum os_present r = is_hidden ? OS_PRESENT
				      : os_wait_for_page(host, write, atomic32_word(stop));
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
	return KVM_GUP_OK;
}
