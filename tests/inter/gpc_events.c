/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* gpc_events.c - activate, check and refresh. */
#include "gpc_rows.h"

static void gives_call(struct cache *c, enum gpc_call what, uint64_t at, size_t len)
{
	gives_errno(c, call(c, what, at, len));
}

static void activate_crosses(struct cache *c)
{
	unsigned was = on_list(c);

	gives_call(c, ACTIVATE, c->at & PAGE_MASK ? c->at | 0xff9 : 0xff9, LEN);
	CHECK(c, on_list(c) == was);
}

static void activate_no_gpa(struct cache *c)
{
	unsigned was = nr_warnings;

	gives_errno(c, kvm_gpc_activate(&c->gpc, GPC_NO_GPA, LEN));
	CHECK(c, nr_warnings == was + 1);
}

static void activate_no_user(struct cache *c)
{
	CHECK(c, kvm_gpc_activate_hva(&c->gpc, HVA(0x7ffffffffffcull), LEN) == -EINVAL);
	CHECK(c, kvm_gpc_activate_hva(&c->gpc, HVA(~0ull - 4), LEN) == -EINVAL);
	gives_errno(c, kvm_gpc_activate_hva(&c->gpc, HVA(0xffff888000001000ull), LEN));
}

/* Of no slot: a change that has not found it is waited for, a later one finds it. */
static void activate_beside_slots(struct cache *c)
{
	struct gpc_thread t;

	c->change = (struct host_change){ .w = c->w, .memory = memory, .page = PAGES + 2, .n = 1,
					  .gone = true };
	INTER_THREAD(before, do_host_change, &c->change);
	INTER_TO(before, host_change_looked);
	start(&t, c, ACTIVATE, "activator");
	t.at = P(PAGES + 2) + 0x10;
	INTER_BLOCKED(t.thread);
	INTER_END(before);
	INTER_END(t.thread);
	CHECK(c, t.r == 0 && check_cache(c, LEN));
	INTER_THREAD(later, do_host_change, &c->change);
	INTER_END(later);
	CHECK(c, !check_cache(c, LEN));
	(void)call(c, DEACTIVATE, 0, 0);
}

/* On the list before it is active, active before the lookup. */
static void activate_fresh(struct cache *c)
{
	struct gpc_thread t;

	if (is_hva(c))
		activate_beside_slots(c);
	start(&t, c, ACTIVATE, "activator");
	INTER_TO(t.thread, gpc_looked_up);
	CHECK(c, on_list(c) == 1);
	CHECK(c, c->gpc.active);
	CHECK(c, !check_cache(c, LEN));
	INTER_END(t.thread);
	gives_errno(c, t.r);
	CHECK(c, on_list(c) == 1);
}

/* One way after the other to have no slot for it; all but the last are taken back. */
static void activate_without_slot(struct cache *c)
{
	struct kvm_memory_slot *s = kvm_id_to_memslot(&c->w->kvm, 0, 0);
	static const uint32_t flags[] = { KVM_MEM_READONLY, KVM_MEMSLOT_INVALID };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		s->flags = flags[i];
		CHECK(c, call(c, ACTIVATE, OTHER, LEN) == -EFAULT);
		CHECK(c, !strcmp(state_now(c), "error"));
		s->flags = KVM_MEM_LOG_DIRTY_PAGES;
	}
	gives_call(c, ACTIVATE, NO_SLOT + P(1), LEN);
	CHECK(c, on_list(c) == 1);
	CHECK(c, c->gpc.active);
	CHECK(c, !hpa_is_valid(c->gpc.page));
}

static void activate_no_memory(struct cache *c)
{
	uint64_t at = in_state(c, "new") || in_state(c, "off") ? c->at : OTHER;

	protect(at, PROT_READ);
	CHECK(c, call(c, ACTIVATE, at, LEN) == -EFAULT);
	protect(at, PROT_NONE);
	gives_call(c, ACTIVATE, at, LEN);
	CHECK(c, on_list(c) == 1);
	CHECK(c, c->gpc.active);
	CHECK(c, !hpa_is_valid(c->gpc.page));
}

static void activate_other(struct cache *c)
{
	hpa_t old = c->gpc.page;

	gives_call(c, ACTIVATE, OTHER, LEN);
	CHECK(c, on_list(c) == 1);
	CHECK(c, hpa_is_valid(c->gpc.page));
	CHECK(c, c->gpc.page.v != old.v);
	CHECK(c, c->gpc.hva.v + c->gpc.offset == address_of(OTHER).v);
}

static void activate_again(struct cache *c)
{
	uint64_t at = when(c, "other offset") ? c->at + 0x40 : c->at;
	unsigned was = nr_lookups;

	gives_call(c, ACTIVATE, at, LEN);
	CHECK(c, nr_lookups == was);
	CHECK(c, c->gpc.hva.v + c->gpc.offset == address_of(at).v);
	CHECK(c, c->gpc.page.v == c->before.page.v);
}

/* As refresh would: invalid and stale become valid, error stays. */
static void activate_as_refresh(struct cache *c)
{
	gives_call(c, ACTIVATE, c->at, LEN);
	if (in_state(c, "error")) {
		CHECK(c, !strcmp(c->result, "-EFAULT"));
		c->next = "error";
	} else {
		CHECK(c, !strcmp(c->result, "0"));
		c->next = "valid";
	}
	gives(c, "*");
}

/* Behind the one that is under way: its end, then as in the state that it left. */
static void call_while_refreshing(struct cache *c)
{
	static const enum gpc_call calls[] = { ACTIVATE, REFRESH };
	struct gpc_thread t[2];

	for (unsigned i = 0; i < 2; i++) {
		start(&t[i], c, calls[i], i ? "refresh" : "activate");
		INTER_BLOCKED(t[i].thread);
	}
	INTER_END(c->first.thread);
	CHECK(c, c->first.r == 0);
	for (unsigned i = 0; i < 2; i++) {
		if (t[i].r == CALLING)
			INTER_END(t[i].thread);
		CHECK(c, t[i].r == 0);
	}
	gives(c, "*");
	c->next = "valid";
}

/* One that was valid becomes another's: the new address with the old page is never seen. */
static void check_between(struct cache *c)
{
	INTER_END(c->first.thread);
	start(&c->first, c, ACTIVATE, "activator");
	c->first.at = OTHER;
	CHECK(c, check_cache(c, LEN));
	INTER_TO(c->first.thread, gpc_looked_up);
	CHECK(c, !c->gpc.valid);
}

static void check_event(struct cache *c)
{
	size_t len = LEN;

	if (in_state(c, "refreshing"))
		check_between(c);
	if (when(c, "crosses"))
		len = PAGE_SIZE - c->gpc.offset + 1;
	if (when(c, "inside"))
		len = PAGE_SIZE - c->gpc.offset;
	gives(c, check_cache(c, len) ? "true" : "false");
}

/* Behind another refresh it waits like any, and leaves what that one has. */
static void refresh_crosses(struct cache *c)
{
	struct gpc_thread t;

	start(&t, c, REFRESH, "too long");
	t.len = PAGE_SIZE - c->gpc.offset + 1;
	if (in_state(c, "refreshing")) {
		INTER_BLOCKED(t.thread);
		INTER_END(c->first.thread);
		c->next = "valid";
	}
	INTER_END(t.thread);
	gives_errno(c, t.r);
}

static void refresh_plain(struct cache *c)
{
	unsigned was = nr_lookups, warned = nr_warnings;

	gives_call(c, REFRESH, 0, LEN);
	CHECK(c, nr_warnings == warned + in_state(c, "new"));
	CHECK(c, nr_lookups == was);
}

/* The generation is taken over, the page is kept. */
static void refresh_same_address(struct cache *c)
{
	unsigned was = nr_lookups;

	gives_call(c, REFRESH, 0, LEN);
	CHECK(c, nr_lookups == was);
	CHECK(c, c->gpc.page.v == c->before.page.v);
	CHECK(c, c->gpc.generation == kvm_memslots_generation(&c->w->kvm, 0));
}

static void refresh_other_address(struct cache *c)
{
	set_slot(c, 0, 0, 0, NULL, 0);
	set_slot(c, 0, PAGES / 2, 0, memory + NEXT_ADDRESS, 0);
	gives_call(c, REFRESH, 0, LEN);
	CHECK(c, c->gpc.hva.v == c->before.hva.v + NEXT_ADDRESS);
	CHECK(c, hpa_is_valid(c->gpc.page));
	CHECK(c, c->gpc.page.v != c->before.page.v);
}

static void refresh_no_slot(struct cache *c)
{
	struct kvm_memory_slot *s;
	static const uint32_t flags[] = { KVM_MEM_READONLY, KVM_MEMSLOT_INVALID };

	for (size_t i = 0; i < ARRAY_SIZE(flags) && !in_state(c, "error"); i++) {
		/* The generation moves each time. */
		another_slot(c);
		s = kvm_id_to_memslot(&c->w->kvm, 0, 0);
		s->flags = flags[i];
		CHECK(c, call(c, REFRESH, 0, LEN) == -EFAULT);
		CHECK(c, !strcmp(state_now(c), "error"));
		s->flags = KVM_MEM_LOG_DIRTY_PAGES;
		CHECK(c, call(c, REFRESH, 0, LEN) == 0);
	}
	if (!in_state(c, "error"))
		set_slot(c, 0, 0, 0, NULL, 0);
	gives_call(c, REFRESH, 0, LEN);
	CHECK(c, !hpa_is_valid(c->gpc.page));
	CHECK(c, c->gpc.generation == kvm_memslots_generation(&c->w->kvm, 0));
}

/* The slot is looked up at every refresh. */
static void refresh_slot_again(struct cache *c)
{
	bool there = !when(c, "unmapped");

	set_slot(c, 2, 1, c->at >> PAGE_SHIFT, memory + P(PAGES), 0);
	if (!there)
		protect(P(PAGES), PROT_NONE);
	gives_call(c, REFRESH, 0, LEN);
	CHECK(c, hpa_is_valid(c->gpc.page) == there);
}

static void refresh_running(struct cache *c)
{
	for (int inside = 0; inside < 2; inside++) {
		begin_change(c, inside);
		start(&c->first, c, REFRESH, "refresher");
		INTER_BLOCKED(c->first.thread);
		CHECK(c, !check_cache(c, LEN));
		CHECK(c, !strcmp(state_now(c), "refreshing"));
		gives(c, "-");
		if (inside)
			return;		/* goes on when the world ends */
		end_change(c);
		INTER_END(c->first.thread);
		CHECK(c, c->first.r == 0);
		CHECK(c, check_cache(c, LEN));
		change(c, true);
	}
}

static void refresh_anew(struct cache *c)
{
	unsigned was = nr_lookups;

	gives_call(c, REFRESH, 0, LEN);
	CHECK(c, nr_lookups > was);
	CHECK(c, hpa_is_valid(c->gpc.page));
}

static void refresh_no_memory(struct cache *c)
{
	protect(c->at, PROT_READ);
	CHECK(c, call(c, REFRESH, 0, LEN) == -EFAULT);
	protect(c->at, PROT_NONE);
	gives_call(c, REFRESH, 0, LEN);
	CHECK(c, !hpa_is_valid(c->gpc.page));
	CHECK(c, c->gpc.gpa.v == c->before.gpa.v && c->gpc.hva.v == c->before.hva.v);
	CHECK(c, c->gpc.generation == c->before.generation);
}

/* ---- how ---- */

static const struct how hows[] = {
	{ NULL, "activate", "range crosses a page", activate_crosses },
	{ NULL, "activate", "gpa = INVALID_GPA", activate_no_gpa },
	{ NULL, "activate", "range not of user space", activate_no_user },
	{ NULL, "activate", "page can be written", activate_fresh },
	{ NULL, "activate", "no slot, slot invalid or read-only", activate_without_slot },
	{ NULL, "activate", "address unmapped or not writable", activate_no_memory },
	{ NULL, "activate", "other gpa or address, page can be written", activate_other },
	{ NULL, "activate", "other gpa, no slot, slot invalid or read-only", activate_without_slot },
	{ NULL, "activate", "other gpa or address, which is unmapped or not writable",
	  activate_no_memory },
	{ NULL, "activate", "same page, other offset", activate_again },
	{ "valid", "activate", "same gpa or address", activate_again },
	{ "invalid|error|stale", "activate", "same gpa or address", activate_as_refresh },
	{ "refreshing", "activate|refresh", "-", call_while_refreshing },
	{ NULL, "check", NULL, check_event },
	{ NULL, "refresh", "length crosses the page", refresh_crosses },
	{ "new", "refresh", "-", refresh_plain },
	{ "off", "refresh", "-", refresh_plain },
	{ "valid", "refresh", "-", refresh_plain },
	{ "stale", "refresh", "-", refresh_plain },
	{ NULL, "refresh", "same address as before", refresh_same_address },
	{ NULL, "refresh", "another address, page can be written", refresh_other_address },
	{ NULL, "refresh", "no slot now, slot invalid or read-only", refresh_no_slot },
	{ NULL, "refresh", "still no slot", refresh_no_slot },
	{ NULL, "refresh", "a slot again, page can be written", refresh_slot_again },
	{ NULL, "refresh", "a slot again, its address unmapped or not writable", refresh_slot_again },
	{ NULL, "refresh", "generation moved, no slot now, slot invalid or read-only",
	  refresh_no_slot },
	{ NULL, "refresh", "running, whatever range", refresh_running },
	{ NULL, "refresh", "page can be written, no notifier", refresh_anew },
	{ NULL, "refresh", "address unmapped or not writable", refresh_no_memory },
};

const struct how *how_of_call(const char *state, const char *event, const char *when)
{
	return find_how(hows, ARRAY_SIZE(hows), state, event, when);
}
