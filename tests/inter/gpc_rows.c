/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "gpc_rows.h"

char *memory;
unsigned nr_lookups, nr_warnings;

hpa_t __real_phys_publish(struct hw *hw, const void *host);
hpa_t __wrap_phys_publish(struct hw *hw, const void *host);
hpa_t __wrap_phys_publish(struct hw *hw, const void *host)
{
	nr_lookups++;
	return __real_phys_publish(hw, host);
}

void __wrap_log_at(int level, const char *fmt, ...);
void __wrap_log_at(int level, const char *fmt, ...)
{
	(void)fmt;
	nr_warnings += level == LOG_WARN;
}

/* ---- calls ---- */

int call(struct cache *c, enum gpc_call call, uint64_t at, size_t len)
{
	int r = 0, idx = srcu_read_lock(&c->w->kvm.srcu);

	switch (call) {
	case ACTIVATE:
		r = is_hva(c) ? kvm_gpc_activate_hva(&c->gpc, address_of(at), len)
			      : kvm_gpc_activate(&c->gpc, GPA(at), len);
		break;
	case REFRESH:
		r = kvm_gpc_refresh(&c->gpc, len);
		break;
	case DEACTIVATE:
		kvm_gpc_deactivate(&c->gpc);
		break;
	}
	srcu_read_unlock(&c->w->kvm.srcu, idx);
	return r;
}

static void do_gpc_call(void *arg)
{
	struct gpc_thread *t = arg;

	t->r = call(t->c, t->call, t->at, t->len);
}

void start(struct gpc_thread *t, struct cache *c, enum gpc_call what, const char *name)
{
	*t = (struct gpc_thread){ .c = c, .call = what, .at = c->at, .len = LEN, .r = CALLING };
	t->thread = inter_thread(do_gpc_call, t, name);
}

bool check_cache(struct cache *c, size_t len)
{
	int idx = srcu_read_lock(&c->w->kvm.srcu);
	bool valid;

	read_lock(&c->gpc.lock);
	valid = kvm_gpc_check(&c->gpc, len);
	read_unlock(&c->gpc.lock);
	srcu_read_unlock(&c->w->kvm.srcu, idx);
	return valid;
}

unsigned on_list(const struct cache *c)
{
	const struct list *head = &c->w->kvm.gpcs;
	unsigned n = 0;

	for (const struct list *l = head->next; l != head; l = l->next)
		n += l == &c->gpc.link;
	return n;
}

/* ---- what the VMM does ---- */

void set_slot(struct cache *c, unsigned id, uint64_t npages, uint64_t gfn, char *at,
		     uint32_t flags)
{
	struct kvm_userspace_memory_region2 r = {
		.slot = id, .guest_phys_addr = P(gfn), .memory_size = P(npages),
		.userspace_addr = (uintptr_t)at, .flags = flags,
	};

	CHECK(c, !kvm_vm_set_memory_region(&c->w->kvm, &r, false, (struct kvm_gmem_arg){ 0 }));
}

void another_slot(void *arg)
{
	struct cache *c = arg;
	unsigned id = 3;

	while (kvm_id_to_memslot(&c->w->kvm, 0, id))
		id++;
	set_slot(c, id, 1, 200 + id, memory + P(2 * PAGES - id), 0);
}

void begin_change(struct cache *c, bool inside)
{
	uint64_t at = inside ? c->at : OTHER + P(1);

	c->change = (struct host_change){ .w = c->w, .memory = memory, .page = at >> PAGE_SHIFT,
					  .n = 1, .gone = true };
	c->changer = inter_thread(do_host_change, &c->change, "notifier");
	INTER_TO(c->changer, host_change_begun);
}

void end_change(struct cache *c)
{
	INTER_END(c->changer);
}

void change(struct cache *c, bool inside)
{
	begin_change(c, inside);
	end_change(c);
}

/* ---- states ---- */

static void make_slot(struct cache *c)
{
	set_slot(c, 0, PAGES, 0, memory, KVM_MEM_LOG_DIRTY_PAGES);
}

void enter_state(struct cache *c)
{
	const char *s = c->state;

	make_slot(c);
	if (!strcmp(s, "new"))
		return;
	if (!strcmp(s, "error")) {
		c->at = NO_SLOT;
		CHECK(c, call(c, ACTIVATE, c->at, LEN) == -EFAULT);
		return;
	}
	CHECK(c, call(c, ACTIVATE, c->at, LEN) == 0);
	if (!strcmp(s, "stale")) {
		another_slot(c);
	} else if (!strcmp(s, "invalid") || !strcmp(s, "refreshing")) {
		change(c, true);
	} else if (!strcmp(s, "off")) {
		(void)call(c, DEACTIVATE, 0, 0);
	} else {
		CHECK(c, !strcmp(s, "valid"));
	}
	if (strcmp(s, "refreshing"))
		return;
	if (when(c, "lookup failed"))
		protect(c->at, PROT_NONE);
	start(&c->first, c, REFRESH, "refresher");
	INTER_TO(c->first.thread, gpc_looked_up);
	CHECK(c, !c->gpc.valid);
}

const char *state_now(struct cache *c)
{
	const struct gfn_to_pfn_cache *g = &c->gpc;

	if (c->first.c && c->first.r == CALLING)
		return "refreshing";
	if (!g->active)
		return g->gpa.v == GPC_NO_GPA.v && !g->hva.v ? "new" : "off";
	if (!g->hva.v)
		return "error";
	if (!g->valid)
		return "invalid";
	if (is_hva(c))
		return "valid";
	return g->generation == kvm_memslots_generation(&c->w->kvm, 0) ? "valid" : "stale";
}
