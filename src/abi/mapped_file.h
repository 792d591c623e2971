/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mapped_file.h - where the files are mapped that slots use.
 *
 * A list from /proc/self/maps, read anew when a slot has come or a file has been
 * mapped since.  What has been unmapped meanwhile may still be in it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kvm/core/host_map.h"
#include "os/maps.h"
#include "sync/lock.h"

struct mapped_files {
	struct mutex	   lock;	/* RANK_LEAF; all below */
	uint64_t	   version;	/* of the host map that the list was made for, plus 1 */
	struct os_mapping *pieces;
	size_t		   nr;
};

void mapped_files_init(struct mapped_files *f);
void mapped_files_fini(struct mapped_files *f);

/* Places where a file is mapped: an array that the owner frees. */
struct mapped_places {
	struct kvm_hva_range *ranges;
	size_t		      nr;
};

/*
 * Adds the addresses of bytes [start, end) of a file.  False: not all of them
 * could be found, for want of memory or of /proc.
 */
MUST_CHECK bool mapped_file_find(struct mapped_files *f, const struct kvm_host_map *map,
				 dev_t dev, ino_t ino, uint64_t start, uint64_t end,
				 struct mapped_places *out);

/* The same for whatever files are mapped at addresses [start, end). */
MUST_CHECK bool mapped_file_find_behind(struct mapped_files *f, const struct kvm_host_map *map,
					uint64_t start, uint64_t end, struct mapped_places *out);
