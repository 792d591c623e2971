/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_memory.h - memory of the VMM and of ours, as the secure processor is
 * given it: by physical address.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/types/sev.h"

#define SEV_BLOB_MAX	0x4000u	/* SEV_FW_BLOB_MAX_SIZE */

/*
 * Makes [@addr, @addr + @len) of the VMM present, waiting for it if need be:
 * before any lock is taken, for under it nobody waits.  False: some of it is
 * not there (which the command will find out by itself).
 */
bool sev_touch(uint64_t addr, uint64_t len, bool write);

/* What sev_pin_memory() refuses: -EINVAL (nothing, or wraps), -ENOMEM (not there). */
MUST_CHECK int sev_check_range(struct kvm *kvm, uint64_t addr, uint64_t len, bool write);

struct sev_chunk {
	hpa_t		page;	/* of the first byte */
	uint64_t	len;	/* physically contiguous bytes */
};

/* The first chunk of a range that has been checked.  -ENOMEM. */
MUST_CHECK int sev_next_chunk(struct kvm *kvm, uint64_t addr, uint64_t len, bool write,
			      struct sev_chunk *chunk);

/* A buffer of the kernel's, physically contiguous. */
struct sev_buffer {
	void	*data;
	size_t	 size;
	hpa_t	 page;
};

MUST_CHECK int sev_buffer_alloc(struct kvm_module *module, uint32_t len, struct sev_buffer *b);
/* psp_copy_user_blob(): -EINVAL (no address, or more than SEV_BLOB_MAX), -ENOMEM, -EFAULT. */
MUST_CHECK int sev_buffer_from_user(struct kvm_module *module, uint64_t uaddr, uint32_t len,
				    struct sev_buffer *b);
void sev_buffer_free(struct kvm_module *module, struct sev_buffer *b);	/* twice does nothing */
