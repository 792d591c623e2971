/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "abi/change.h"

#include <sys/mman.h>
#include <signal.h>
#include <errno.h>
#include <stdlib.h>

#include "abi/file.h"
#include "abi/mapped_file.h"
#include "base/page.h"
#include "hw/insn/gate.h"
#include "hw/insn/view.h"
#include "os/maps.h"
#include "os/uaccess.h"
#include "trace/counters.h"
#include "trace/trace.h"

static struct kvm_host_map *map_of(const struct abi *abi)
{
	/* A forked child has no machine before it opens /dev/kvm itself. */
	return *abi->pid ? abi->module.host_map : NULL;
}

static struct kvm_hva_range pages_of(const void *at, size_t size)
{
	uint64_t start = (uintptr_t)at, end = start + size;

	if (end < start)
		end = ~0ull - PAGE_SIZE;
	return (struct kvm_hva_range){ ALIGN_DOWN(start, PAGE_SIZE), ALIGN_UP(end, PAGE_SIZE) };
}

static void begin_none(struct abi_change *c)
{
	c->inner.module = NULL;
	c->many = NULL;
	c->is_too_much = false;
}

void abi_change_ranges(struct abi *abi, struct abi_change *c, const void *at, size_t size,
		       const void *at2, size_t size2)
{
	begin_none(c);
	if (!map_of(abi))
		return;
	c->ranges[0] = pages_of(at, size);
	c->ranges[1] = pages_of(at2, size2);
	kvm_host_change_begin(&abi->module, c->ranges, size2 ? 2 : 1, &c->inner);
}

void abi_change_range(struct abi *abi, struct abi_change *c, const void *at, size_t size)
{
	abi_change_ranges(abi, c, at, size, NULL, 0);
}

/* @places are all of them, unless !@ok. */
static void begin_places(struct abi *abi, struct abi_change *c, struct mapped_places *places,
			 bool ok)
{
	c->is_too_much = !ok;
	if (ok) {
		c->many = places->ranges;
		kvm_host_change_begin(&abi->module, c->many, places->nr, &c->inner);
		return;
	}
	free(places->ranges);
	c->many = NULL;
	c->ranges[0] = (struct kvm_hva_range){ 0, ALIGN_DOWN(~0ull, PAGE_SIZE) };
	kvm_host_change_begin(&abi->module, c->ranges, 1, &c->inner);
}

void abi_change_file(struct abi *abi, struct abi_change *c, const struct stat *st,
		     uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length < offset ? ~0ull : offset + length;
	struct mapped_places places = { 0 };
	bool ok;

	begin_none(c);
	if (!abi_has_slots(abi))
		return;
	ok = mapped_file_find(&abi->files, map_of(abi), st->st_dev, st->st_ino, offset, end,
			      &places);
	begin_places(abi, c, &places, ok);
}

void abi_change_behind(struct abi *abi, struct abi_change *c, const void *at, size_t size)
{
	struct kvm_hva_range r = pages_of(at, size);
	struct mapped_places places = { 0 };
	bool ok;

	begin_none(c);
	if (!abi_has_slots(abi))
		return;
	places.ranges = malloc(sizeof(r));
	ok = places.ranges;
	if (ok) {
		places.ranges[places.nr++] = r;
		ok = mapped_file_find_behind(&abi->files, map_of(abi), r.start, r.end, &places);
	}
	begin_places(abi, c, &places, ok);
}

void abi_change_end(struct abi_change *c, bool gone)
{
	if (c->inner.module)
		kvm_host_change_end(&c->inner, gone && !c->is_too_much);
	free(c->many);
}

uint64_t abi_looks(struct abi *abi)
{
	return map_of(abi) ? counter_read(abi->module.counters, COUNTER_LOOKS) : 0;
}

bool abi_looked_since(struct abi *abi, uint64_t looks)
{
	return abi_looks(abi) != looks;
}

bool abi_has_slots(const struct abi *abi)
{
	const struct kvm_host_map *map = map_of(abi);

	return map && atomic64_load_acquire(&map->nr_slots);
}

void abi_files_mapped(struct abi *abi)
{
	struct kvm_host_map *map = map_of(abi);

	if (map)
		atomic64_add(&map->version, 1);
}

bool abi_touched(struct abi *abi, int sig, void *at, const void *ucontext)
{
	const bool write = os_fault_is_write(ucontext);
	const int need = write ? PROT_WRITE : os_fault_is_fetch(ucontext) ? PROT_EXEC : PROT_READ;
	struct hw *hw = abi->module.hw;
	uint64_t moves;

	if (!map_of(abi))
		return false;
	moves = gate_moves(hw);
	/* What a gate closes is SIGBUS. */
	if (!(sig == SIGSEGV && gate_is_protected(hw, at, need)) && view_trap(hw, at, write))
		return true;
	return gate_have_moved(hw, moves);
}

bool abi_denied(struct abi *abi, void *at, bool write, bool is_bus, uint64_t rip)
{
	struct view_denial d;

	if (!map_of(abi) || !view_denies(abi->module.hw, at, write, is_bus, &d))
		return false;
	TRACE(abi->module.trace, softcvm_denied, write, rip, (uintptr_t)at, d.gfn, d.change, d.ms_ago,
	      d.is_first);
	if (d.is_first && ratelimit_ok(&abi->denials, "the VMM's own pointer"))
		log_warn("the VMM's own %s at RIP 0x%llx meets %s (its address 0x%llx): SIGBUS",
			 write ? "store" : "load", (unsigned long long)rip, d.text,
			 (unsigned long long)(uintptr_t)at);
	return true;
}

bool abi_may_hide(struct abi *abi, const void *at, size_t size)
{
	return map_of(abi) && view_may_hide(abi->module.hw, at, size);
}

struct leaving {
	struct hw	*hw;
	uint64_t	 start, end;
};

static bool show_mapping(const struct os_mapping *m, void *arg)
{
	const struct leaving *l = arg;

	for (uint64_t p = MAX(m->start, l->start); m->is_shared && p < MIN(m->end, l->end);
	     p += PAGE_SIZE) {
		void *page = (void *)(uintptr_t)p;

		if (view_is_hidden(l->hw, page))
			(void)!os_prefault(page, false);
	}
	return m->start < l->end;
}

void abi_show_shared(struct abi *abi, const void *at, size_t size)
{
	struct leaving l = { abi->module.hw, (uintptr_t)at & PAGE_MASK, (uintptr_t)at + size };

	if (abi_may_hide(abi, at, size))
		(void)!os_for_each_mapping(show_mapping, &l);
}

void abi_mapped(struct abi *abi, void *at, size_t size)
{
	if (map_of(abi))
		view_mapped(abi->module.hw, at, size);
}

int abi_gates_leave(struct abi *abi, void *at, size_t size, struct gate_move **out)
{
	*out = NULL;
	return !map_of(abi) || gate_leave(abi->module.hw, at, size, out) ? 0 : -ENOMEM;
}

void abi_gates_arrive(struct gate_move *m, void *to, size_t size, bool stays)
{
	gate_arrive(m, to, size, stays);
}

bool abi_is_gated(struct abi *abi, const void *at, size_t size)
{
	return map_of(abi) && gate_is_there(abi->module.hw, at, size);
}
