/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_memory.c - the VMM's memory for the secure processor: what the kernel
 * pins.  Nothing moves here, so pinning is resolving; who launches counts as
 * having CAP_IPC_LOCK (docs/caveats.md).
 */
#include "kvm/types/sev_memory.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/insn/phys.h"
#include "hw/insn/view.h"
#include "kvm/gmem/gmem.h"
#include "os/memory.h"
#include "os/uaccess.h"
#include "sync/wait.h"

bool sev_touch(uint64_t addr, uint64_t len, bool write)
{
	if (!len || addr + len < addr)
		return false;
	for (uint64_t a = addr & PAGE_MASK; a < addr + len; a += PAGE_SIZE) {
		void *page = (void *)(uintptr_t)a;

		if (!os_prefault(page, write))
			return false;
	}
	return true;
}

/* The page at @host has a frame, and is there (perhaps in a key's view). */
static hpa_t resolve(struct kvm *kvm, uint64_t host, bool write)
{
	void *page = (void *)(uintptr_t)kvm_gmem_own_address(kvm, host & PAGE_MASK);
	struct hw *hw = kvm->module->hw;

	if (!view_is_hidden(hw, page) && !os_prefault(page, write))
		return HPA_INVALID;
	return phys_publish(hw, page);
}

int sev_next_chunk(struct kvm *kvm, uint64_t addr, uint64_t len, bool write,
		   struct sev_chunk *chunk)
{
	hpa_t first = resolve(kvm, addr, write), next = first;
	uint64_t done = MIN(len, PAGE_SIZE - (addr & ~PAGE_MASK));

	if (!hpa_is_valid(first))
		return -ENOMEM;
	while (done < len) {
		hpa_t page = resolve(kvm, addr + done, write);

		if (!hpa_is_valid(page))
			return -ENOMEM;
		if (page.v != next.v + PAGE_SIZE)
			break;
		next = page;
		done += MIN(len - done, PAGE_SIZE);
	}
	chunk->page = HPA(first.v + (addr & ~PAGE_MASK));
	chunk->len = done;
	return 0;
}

int sev_check_range(struct kvm *kvm, uint64_t addr, uint64_t len, bool write)
{
	if (!len || addr + len < addr || ((addr & ~PAGE_MASK) + len) / PAGE_SIZE >= INT32_MAX)
		return -EINVAL;
	for (uint64_t a = addr & PAGE_MASK; a < addr + len; a += PAGE_SIZE) {
		if (!hpa_is_valid(resolve(kvm, a, write)))
			return -ENOMEM;
	}
	return 0;
}

int sev_buffer_alloc(struct kvm_module *module, uint32_t len, struct sev_buffer *b)
{
	struct hw *hw = module->hw;

	b->size = ALIGN_UP(MAX(len, 1u), PAGE_SIZE);
	b->data = os_map_private(b->size, SEV_BLOB_MAX);	/* within one gigabyte */
	if (!b->data)
		return -ENOMEM;
	for (size_t at = 0; at < b->size; at += PAGE_SIZE) {
		hpa_t page = phys_publish(hw, (char *)b->data + at);

		if (!hpa_is_valid(page)) {
			sev_buffer_free(module, b);
			return -ENOMEM;
		}
		if (!at)
			b->page = page;
	}
	return 0;
}

void sev_buffer_free(struct kvm_module *module, struct sev_buffer *b)
{
	if (!b->data)
		return;
	phys_retire(module->hw, b->data, b->size);
	os_unmap(b->data, b->size);
	b->data = NULL;
}

int sev_buffer_from_user(struct kvm_module *module, uint64_t uaddr, uint32_t len, struct sev_buffer *b)
{
	int r;

	*b = (struct sev_buffer){ 0 };
	if (!uaddr || !len || len > SEV_BLOB_MAX)
		return -EINVAL;
	r = sev_buffer_alloc(module, len, b);
	if (!r && os_copy_from(b->data, (void *)(uintptr_t)uaddr, len)) {
		sev_buffer_free(module, b);
		r = -EFAULT;
	}
	return r;
}

int sev_register_region(struct kvm *kvm, const struct kvm_enc_region *range)
{
	struct kvm_sev *sev = to_kvm_sev(kvm);
	struct sev_region *region = calloc(1, sizeof(*region));
	int r = 0;

	if (!region)
		return -ENOMEM;
	*region = (struct sev_region){ .addr = range->addr, .size = range->size };
	/* Waiting for the VMM's memory is for who holds nothing. */
	sev_touch(range->addr, range->size, false);
	mutex_lock(&kvm->lock);
	if (!sev_guest(kvm))
		r = -ENOTTY;
	else if (sev->owner)
		r = -EINVAL;
	else
		r = sev_check_range(kvm, range->addr, range->size, false);
	if (!r)
		list_add_tail(&sev->regions, &region->link);
	mutex_unlock(&kvm->lock);
	/* B24: from here on it is whoever's who unregisters it. */
	SYNC_POINT(sev_region_listed);
	if (r)
		free(region);
	return r;
}

static struct sev_region *find_region(struct kvm_sev *sev, const struct kvm_enc_region *range)
{
	for (struct list *l = sev->regions.next; l != &sev->regions; l = l->next) {
		struct sev_region *r = container_of(l, struct sev_region, link);

		if (r->addr == range->addr && r->size == range->size)
			return r;
	}
	return NULL;
}

static void free_region(struct sev_region *region)
{
	list_del(&region->link);
	free(region);
}

int sev_unregister_region(struct kvm *kvm, const struct kvm_enc_region *range)
{
	struct kvm_sev *sev = to_kvm_sev(kvm);
	struct sev_region *region = NULL;
	int r = 0;

	mutex_lock(&kvm->lock);
	if (sev->owner)
		r = -EINVAL;
	else if (!sev_guest(kvm))
		r = -ENOTTY;
	else
		region = find_region(sev, range);
	if (region)
		free_region(region);
	else if (!r)
		r = -EINVAL;
	mutex_unlock(&kvm->lock);
	SYNC_POINT(sev_region_unlisted);
	return r;
}

void sev_free_regions(struct kvm_sev *sev)
{
	while (!list_is_empty(&sev->regions))
		free_region(container_of(sev->regions.next, struct sev_region, link));
}
