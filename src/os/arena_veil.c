/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * arena_veil.c - os/veil.h of the second build: there is no kernel to hide a
 * page, so no machine of it has keys.
 */
#include "os/veil.h"

#include <errno.h>

#include "os/coro.h"

struct veil *veil_create(bool may_fault)
{
	return NULL;
}

void veil_destroy(struct veil *v)
{
}

enum veil_status veil_watch(struct veil *v, void *p, size_t *size, enum veil_way *way)
{
	return VEIL_FAILED;
}

void *veil_reserve(struct veil *v, size_t size, size_t align, enum veil_way *way)
{
	return NULL;
}

void veil_mapped(struct veil *v, void *p, size_t size)
{
}

bool veil_freeze(struct veil *v, void *p, size_t size, enum veil_way way)
{
	return false;
}

void veil_hide(struct veil *v, void *p, size_t size, enum veil_way way)
{
}

enum veil_status veil_fill(struct veil *v, void *p, const void *from, size_t size,
			   enum veil_way way, size_t *done)
{
	return VEIL_FAILED;
}

void veil_thaw(struct veil *v, void *p, size_t size, enum veil_way way)
{
}

bool veil_zero(struct veil *v, void *p)
{
	return false;
}

bool veil_is_open(struct veil *v, void *p, bool write)
{
	return false;
}

bool veil_read(struct veil *v, void *to, const void *from, size_t size)
{
	return false;
}

void *veil_next_alias(struct veil *v, const void *p, size_t *iter)
{
	return NULL;
}

void veil_enter(uint64_t *mask)
{
}

void veil_leave(const uint64_t *mask)
{
}

bool veil_has_faults(const struct veil *v)
{
	return false;
}

bool veil_is_here(const struct veil *v)
{
	return true;
}

void veil_unwatch(struct veil *v, void *p, size_t size)
{
}

bool veil_write(struct veil *v, void *to, const void *from, size_t size)
{
	return false;
}

bool veil_has_aliases(struct veil *v, const void *p, size_t size)
{
	return false;
}

void veil_restore(struct veil *v, void *p, size_t size)
{
}

bool veil_is_watched(struct veil *v, void *p, size_t size)
{
	return false;
}

size_t veil_move(struct veil *v, void *to, void *from, size_t size)
{
	return 0;
}

bool veil_can_gate(const struct veil *v)
{
	return false;
}

int veil_gate_add(struct veil *v, void *p, size_t size, void *owner, uint64_t offset)
{
	return -EOPNOTSUPP;
}

int veil_gate_remove(struct veil *v, void *p, size_t size)
{
	return 0;
}

void *veil_gate_enter(struct veil *v, const void *p, uint64_t *offset, unsigned *section)
{
	return NULL;
}

void veil_gate_leave(struct veil *v, unsigned section)
{
}

bool veil_gate_next(struct veil *v, const void *p, struct veil_gate *out)
{
	return false;
}

bool veil_gate_has(struct veil *v, const void *owner)
{
	return false;
}

bool veil_gate_show(struct veil *v, void *p)
{
	return false;
}

void veil_gate_take(struct veil *v, const void *owner, uint64_t offset, uint64_t size)
{
}
