/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_launch.c - the launch of a SEV or SEV-ES guest, command by command
 * (spec snp.md 6.3).  kvm->lock is held.
 */
#include <errno.h>
#include <string.h>

#include "hw/insn/psp.h"
#include "hw/insn/svm.h"
#include "kvm/types/sev_memory.h"
#include "kvm/vcpu/vcpu.h"
#include "os/uaccess.h"

#define USER(addr)	((void *)(uintptr_t)(addr))

/* A blob that the command may have; @uaddr 0: none. */
static int optional_blob(struct kvm *kvm, uint64_t uaddr, uint32_t len, struct sev_buffer *b)
{
	*b = (struct sev_buffer){ 0 };
	return uaddr ? sev_buffer_from_user(kvm->module, uaddr, len, b) : 0;
}

/* The guest exists in the firmware; its key is put into the ASID, its name told. */
static int start_finish(struct kvm *kvm, struct kvm_sev_cmd *cmd, struct kvm_sev_launch_start *p,
			uint32_t handle)
{
	struct kvm_sev *sev = to_kvm_sev(kvm);
	struct psp_activate activate = { .handle = handle, .asid = sev->asid };
	int r = sev_do_cmd(kvm, PSP_ACTIVATE, &activate, &cmd->error);

	if (r) {
		sev_decommission(kvm, handle);
		return r;
	}
	p->handle = handle;
	if (os_copy_to(USER(cmd->data), p, sizeof(*p))) {
		sev_unbind_asid(kvm, handle);
		return -EFAULT;
	}
	sev->handle = handle;
	sev->fd = (int)cmd->sev_fd;
	return 0;
}

int sev_launch_start(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct psp_launch_start start = { 0 };
	struct kvm_sev_launch_start p;
	struct sev_buffer dh, session;
	int r;

	if (!sev_guest(kvm))
		return -ENOTTY;
	if (os_copy_from(&p, USER(cmd->data), sizeof(p)))
		return -EFAULT;
	r = optional_blob(kvm, p.dh_uaddr, p.dh_len, &dh);
	if (r)
		return r;
	r = optional_blob(kvm, p.session_uaddr, p.session_len, &session);
	if (!r) {
		start.handle = p.handle;
		start.policy = p.policy;
		start.dh_cert_address = dh.page.v;
		start.dh_cert_length = dh.data ? p.dh_len : 0;
		start.session_address = session.page.v;
		start.session_length = session.data ? p.session_len : 0;
		r = sev_issue_cmd_fd(kvm, (int)cmd->sev_fd, PSP_LAUNCH_START, &start, &cmd->error);
	}
	if (!r)
		r = start_finish(kvm, cmd, &p, start.handle);
	sev_buffer_free(kvm->module, &session);
	sev_buffer_free(kvm->module, &dh);
	return r;
}

#define LONGEST_UPDATE	(2ul << 20)	/* bytes a command: aligned to it, they may move as one */
#define TRIES		1000u		/* for one page that goes again and again */

/*
 * One command.  Nothing is pinned, so the VMM may take back a page between the
 * look-up and the command, which has then changed nothing and is given again,
 * with less at a time: with what is there now.
 */
static int update_data_step(struct kvm *kvm, uint64_t addr, uint64_t len, uint64_t *done,
			    uint32_t *error)
{
	uint64_t longest = MIN(len, LONGEST_UPDATE - addr % LONGEST_UPDATE);
	int r = -EIO;

	for (unsigned tries = 0; tries < TRIES; tries += longest <= PAGE_SIZE) {
		struct psp_guest_range range = { .handle = to_kvm_sev(kvm)->handle };
		struct sev_chunk chunk;

		r = sev_next_chunk(kvm, addr, longest, true, &chunk);
		if (r)
			break;
		range.address = chunk.page.v;
		range.length = (uint32_t)chunk.len;
		*done = chunk.len;
		r = sev_issue_cmd(kvm, PSP_LAUNCH_UPDATE_DATA, &range, error);
		if (r != -EIO || *error != PSP_INVALID_ADDRESS || addr % 16)
			break;
		longest = MIN(longest, MAX(ALIGN_DOWN(longest / 2, PAGE_SIZE), PAGE_SIZE));
	}
	return r;
}

int sev_launch_update_data(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct kvm_sev_launch_update_data p;
	uint64_t n;
	int r;

	if (!sev_guest(kvm))
		return -ENOTTY;
	if (os_copy_from(&p, USER(cmd->data), sizeof(p)))
		return -EFAULT;
	r = sev_check_range(kvm, p.uaddr, p.len, true);
	for (uint64_t done = 0; !r && done < p.len; done += n)
		r = update_data_step(kvm, p.uaddr + done, p.len - done, &n, &cmd->error);
	return r;
}

/* vcpu->mutex is held. */
static int update_vmsa(struct kvm *kvm, struct kvm_vcpu *vcpu, struct kvm_sev_cmd *cmd)
{
	struct psp_guest_range range = { .handle = to_kvm_sev(kvm)->handle };
	int r = sev_es_sync_vmsa(vcpu);

	if (r)
		return r;
	range.address = to_vcpu(vcpu)->svm.vmsa_pa.v;
	range.length = PSP_VMSA_LEN;
	r = sev_issue_cmd(kvm, PSP_LAUNCH_UPDATE_VMSA, &range, &cmd->error);
	if (!r)
		vcpu->guest_state_protected = true;
	return r;
}

int sev_launch_vcpus(struct kvm *kvm, struct kvm_sev_cmd *cmd,
		     int (*update)(struct kvm *kvm, struct kvm_vcpu *vcpu, struct kvm_sev_cmd *cmd))
{
	unsigned nr = atomic32_load_acquire(&kvm->nr_vcpus);
	int r = 0;

	if (atomic32_load(&kvm->created_vcpus) != nr)
		return -EBUSY;
	for (unsigned i = 0; i < nr && !r; i++) {
		struct kvm_vcpu *vcpu = kvm_get_vcpu(kvm, i);

		mutex_lock(&vcpu->mutex);
		r = update(kvm, vcpu, cmd);
		mutex_unlock(&vcpu->mutex);
	}
	return r;
}

int sev_launch_update_vmsa(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	return sev_es_guest(kvm) ? sev_launch_vcpus(kvm, cmd, update_vmsa) : -ENOTTY;
}

/*
 * MEASURE and the attestation report: a length of 0 asks how long it is, and
 * the firmware's "too short" is then not looked at.
 */
struct answer {
	void		*params;	/* the VMM's structure, copied */
	size_t		 size;
	const __u64	*uaddr;		/* in it */
	__u32		*len;		/* in it: in, out */
	struct sev_buffer buffer;	/* nothing: only the length is asked for */
};

static int answer_begin(struct kvm *kvm, const struct kvm_sev_cmd *cmd, struct answer *a)
{
	if (!sev_guest(kvm))
		return -ENOTTY;
	if (os_copy_from(a->params, USER(cmd->data), a->size))
		return -EFAULT;
	if (!*a->len || !*a->uaddr)
		return 0;
	if (*a->len > SEV_BLOB_MAX)
		return -EINVAL;
	return sev_buffer_alloc(kvm->module, *a->len, &a->buffer);
}

/* @r: what the command said, with @len the firmware's length. */
static int answer_end(struct kvm *kvm, const struct kvm_sev_cmd *cmd, struct answer *a,
		      uint32_t len, int r)
{
	bool tell = !*a->len || !r;

	if (!r && a->buffer.data && os_copy_to(USER(*a->uaddr), a->buffer.data, *a->len))
		r = -EFAULT;
	sev_buffer_free(kvm->module, &a->buffer);
	*a->len = len;
	if (tell && os_copy_to(USER(cmd->data), a->params, a->size))
		r = -EFAULT;
	return r;
}

int sev_launch_measure(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct psp_guest_range range = { 0 };
	struct kvm_sev_launch_measure p;
	struct answer a = { &p, sizeof(p), &p.uaddr, &p.len, { 0 } };
	int r = answer_begin(kvm, cmd, &a);

	if (r)
		return r;
	range.handle = to_kvm_sev(kvm)->handle;
	range.address = a.buffer.page.v;
	range.length = a.buffer.data ? p.len : 0;
	r = sev_issue_cmd(kvm, PSP_LAUNCH_MEASURE, &range, &cmd->error);
	return answer_end(kvm, cmd, &a, range.length, r);
}

int sev_attestation_report(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct psp_attestation report = { 0 };
	struct kvm_sev_attestation_report p;
	struct answer a = { &p, sizeof(p), &p.uaddr, &p.len, { 0 } };
	int r = answer_begin(kvm, cmd, &a);

	if (r)
		return r;
	report.handle = to_kvm_sev(kvm)->handle;
	report.address = a.buffer.page.v;
	if (a.buffer.data) {
		report.length = p.len;
		memcpy(report.mnonce, p.mnonce, sizeof(report.mnonce));
	}
	r = sev_issue_cmd(kvm, PSP_ATTESTATION, &report, &cmd->error);
	return answer_end(kvm, cmd, &a, report.length, r);
}

static int inject_secret(struct kvm *kvm, struct kvm_sev_cmd *cmd,
			 const struct kvm_sev_launch_secret *p, struct psp_packet *packet)
{
	struct sev_buffer data, header;
	int r = sev_buffer_from_user(kvm->module, p->trans_uaddr, p->trans_len, &data);

	if (r)
		return r;
	r = sev_buffer_from_user(kvm->module, p->hdr_uaddr, p->hdr_len, &header);
	if (!r) {
		packet->trans_address = data.page.v;
		packet->trans_length = p->trans_len;
		packet->header_address = header.page.v;
		packet->header_length = p->hdr_len;
		r = sev_issue_cmd(kvm, PSP_LAUNCH_UPDATE_SECRET, packet, &cmd->error);
	}
	sev_buffer_free(kvm->module, &header);
	sev_buffer_free(kvm->module, &data);
	return r;
}

int sev_launch_secret(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct kvm_sev_launch_secret p;
	struct psp_packet packet = { 0 };
	struct sev_chunk chunk;
	int r;

	if (!sev_guest(kvm))
		return -ENOTTY;
	if (os_copy_from(&p, USER(cmd->data), sizeof(p)))
		return -EFAULT;
	r = sev_check_range(kvm, p.guest_uaddr, p.guest_len, true);
	if (!r)
		r = sev_next_chunk(kvm, p.guest_uaddr, p.guest_len, true, &chunk);
	if (!r && chunk.len != p.guest_len)
		r = -EINVAL;		/* one packet is one physical range */
	if (r)
		return r;
	packet.handle = to_kvm_sev(kvm)->handle;
	packet.guest_address = chunk.page.v;
	packet.guest_length = p.guest_len;
	return inject_secret(kvm, cmd, &p, &packet);
}

int sev_launch_finish(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct psp_handle finish = { 0 };

	if (!sev_guest(kvm))
		return -ENOTTY;
	finish.handle = to_kvm_sev(kvm)->handle;
	return sev_issue_cmd(kvm, PSP_LAUNCH_FINISH, &finish, &cmd->error);
}

int sev_guest_status(struct kvm *kvm, struct kvm_sev_cmd *cmd)
{
	struct psp_guest_status status = { 0 };
	struct kvm_sev_guest_status p;
	int r;

	if (!sev_guest(kvm))
		return -ENOTTY;
	status.handle = to_kvm_sev(kvm)->handle;
	r = sev_issue_cmd(kvm, PSP_GUEST_STATUS, &status, &cmd->error);
	if (r)
		return r;
	p.policy = status.policy;
	p.state = status.state;
	p.handle = status.handle;
	return os_copy_to(USER(cmd->data), &p, sizeof(p)) ? -EFAULT : 0;
}
