/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_dbg.c - KVM_SEV_DBG_DECRYPT and DBG_ENCRYPT: page by page, through
 * buffers where the VMM's addresses are not those of 16-byte blocks.
 */
#include <errno.h>
#include <string.h>

#include "hw/insn/psp.h"
#include "kvm/types/sev_memory.h"
#include "os/uaccess.h"

#define BLOCK		16u
#define USER(addr)	((void *)(uintptr_t)(addr))

static bool is_block(uint64_t v)
{
	return !(v % BLOCK);
}

/* Within one page on each side. */
struct piece {
	uint64_t	src, dst;	/* the VMM's addresses */
	uint64_t	src_page, dst_page;	/* physical ones of the same bytes */
	uint32_t	len;
};

static int issue(struct kvm *kvm, enum psp_cmd cmd, uint64_t src, uint64_t dst, uint32_t len,
		 uint32_t *error)
{
	struct psp_dbg dbg = {
		.handle = to_kvm_sev(kvm)->handle, .src_address = src, .dst_address = dst,
		.length = len,
	};

	return sev_issue_cmd(kvm, cmd, &dbg, error);
}

/* More may be read than was asked for: whole blocks around it. */
static int decrypt_blocks(struct kvm *kvm, uint64_t src, uint64_t dst, uint32_t len,
			  uint32_t *error)
{
	uint32_t offset = src % BLOCK;

	return issue(kvm, PSP_DBG_DECRYPT, src - offset, dst, ALIGN_UP(len + offset, BLOCK), error);
}

static int decrypt_piece(struct kvm *kvm, const struct piece *p, uint32_t *error)
{
	struct sev_buffer b;
	int r;

	if (is_block(p->src_page) && is_block(p->dst_page) && is_block(p->len))
		return decrypt_blocks(kvm, p->src_page, p->dst_page, p->len, error);
	r = sev_buffer_alloc(kvm->module, PAGE_SIZE, &b);
	if (r)
		return r;
	r = decrypt_blocks(kvm, p->src_page, b.page.v, p->len, error);
	if (!r && os_copy_to(USER(p->dst), (char *)b.data + p->src_page % BLOCK, p->len))
		r = -EFAULT;
	sev_buffer_free(kvm->module, &b);
	return r;
}

/* Blocks that are only partly written: read, changed, written. */
static int encrypt_partly(struct kvm *kvm, const struct piece *p, uint32_t *error)
{
	struct sev_buffer b;
	uint32_t offset = p->dst_page % BLOCK;
	int r = sev_buffer_alloc(kvm->module, PAGE_SIZE + BLOCK, &b);

	if (r)
		return r;
	r = decrypt_blocks(kvm, p->dst_page, b.page.v, p->len, error);
	if (!r && os_copy_from((char *)b.data + offset, USER(p->src), p->len))
		r = -EFAULT;
	if (!r)
		r = issue(kvm, PSP_DBG_ENCRYPT, b.page.v, p->dst_page - offset,
			  ALIGN_UP(p->len, BLOCK), error);
	sev_buffer_free(kvm->module, &b);
	return r;
}

static int encrypt_piece(struct kvm *kvm, const struct piece *p, uint32_t *error)
{
	struct sev_buffer b;
	int r;

	if (!is_block(p->dst) || !is_block(p->len))
		return encrypt_partly(kvm, p, error);
	if (is_block(p->src))
		return issue(kvm, PSP_DBG_ENCRYPT, p->src_page, p->dst_page, p->len, error);
	r = sev_buffer_alloc(kvm->module, PAGE_SIZE, &b);
	if (r)
		return r;
	if (os_copy_from(b.data, USER(p->src), p->len))
		r = -EFAULT;
	else
		r = issue(kvm, PSP_DBG_ENCRYPT, b.page.v, p->dst_page, p->len, error);
	sev_buffer_free(kvm->module, &b);
	return r;
}

static int find_pages(struct kvm *kvm, struct piece *p)
{
	struct sev_chunk chunk;
	int r = sev_next_chunk(kvm, p->src, 1, false, &chunk);

	if (r)
		return r;
	p->src_page = chunk.page.v;
	r = sev_next_chunk(kvm, p->dst, 1, true, &chunk);
	p->dst_page = chunk.page.v;
	return r;
}

static int dbg(struct kvm *kvm, struct kvm_sev_cmd *cmd,
	       int (*each)(struct kvm *, const struct piece *, uint32_t *))
{
	struct kvm_sev_dbg d;
	int r = 0;

	if (!sev_guest(kvm))
		return -ENOTTY;
	if (os_copy_from(&d, USER(cmd->data), sizeof(d)))
		return -EFAULT;
	if (!d.len || d.src_uaddr + d.len < d.src_uaddr || !d.dst_uaddr)
		return -EINVAL;
	for (uint32_t done = 0; done < d.len && !r; ) {
		struct piece p = { .src = d.src_uaddr + done, .dst = d.dst_uaddr + done };
		uint64_t len = MIN(PAGE_SIZE - (p.src & ~PAGE_MASK), (uint64_t)(d.len - done));

		p.len = (uint32_t)MIN(len, PAGE_SIZE - (p.dst & ~PAGE_MASK));
		r = find_pages(kvm, &p);
		if (!r)
			r = each(kvm, &p, &cmd->error);
		done += p.len;
	}
	return r;
}

int sev_dbg_decrypt(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	return dbg(kvm, cmd, decrypt_piece);
}

int sev_dbg_encrypt(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	return dbg(kvm, cmd, encrypt_piece);
}
