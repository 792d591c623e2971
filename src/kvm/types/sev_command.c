/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_command.c - KVM_MEMORY_ENCRYPT_OP on a SEV VM: the table of commands.
 */
#include <errno.h>

#include "kvm/types/sev_memory.h"
#include "os/uaccess.h"

/*
 * Commands that read or write the VMM's memory under kvm->lock, where nobody
 * may wait for a page: it is made present before.  A pointer that is wrong is
 * found out by the command itself.
 */
static void touch_update_data(uint64_t data)
{
	struct kvm_sev_launch_update_data p;

	if (!os_copy_from(&p, (void *)(uintptr_t)data, sizeof(p)))
		sev_touch(p.uaddr, p.len, true);
}

static void touch_secret(uint64_t data)
{
	struct kvm_sev_launch_secret p;

	if (!os_copy_from(&p, (void *)(uintptr_t)data, sizeof(p)))
		sev_touch(p.guest_uaddr, p.guest_len, true);
}

static void touch_snp_update(uint64_t data)
{
	struct kvm_sev_snp_launch_update p;

	if (!os_copy_from(&p, (void *)(uintptr_t)data, sizeof(p)) &&
	    p.type != KVM_SEV_SNP_PAGE_TYPE_ZERO)
		sev_touch(p.uaddr, p.len, p.type == KVM_SEV_SNP_PAGE_TYPE_CPUID);
}

static void touch_dbg(uint64_t data)
{
	struct kvm_sev_dbg p;

	if (os_copy_from(&p, (void *)(uintptr_t)data, sizeof(p)))
		return;
	sev_touch(p.src_uaddr, p.len, false);
	sev_touch(p.dst_uaddr, p.len, true);
}

static const struct row {
	bool		for_mirrors;	/* a mirror may ask for it */
	sev_command	fn;
	void		(*touch)(uint64_t data);
} rows[] = {
	[KVM_SEV_INIT] = { .fn = sev_guest_init },
	[KVM_SEV_ES_INIT] = { .fn = sev_guest_init },
	[KVM_SEV_INIT2] = { .fn = sev_guest_init2 },
	[KVM_SEV_LAUNCH_START] = { .fn = sev_launch_start },
	[KVM_SEV_LAUNCH_UPDATE_DATA] = { .fn = sev_launch_update_data, .touch = touch_update_data },
	[KVM_SEV_LAUNCH_UPDATE_VMSA] = { .fn = sev_launch_update_vmsa, .for_mirrors = true },
	[KVM_SEV_LAUNCH_SECRET] = { .fn = sev_launch_secret, .touch = touch_secret },
	[KVM_SEV_LAUNCH_MEASURE] = { .fn = sev_launch_measure },
	[KVM_SEV_LAUNCH_FINISH] = { .fn = sev_launch_finish },
	[KVM_SEV_GUEST_STATUS] = { .fn = sev_guest_status, .for_mirrors = true },
	[KVM_SEV_DBG_DECRYPT] = { .fn = sev_dbg_decrypt, .touch = touch_dbg, .for_mirrors = true },
	[KVM_SEV_DBG_ENCRYPT] = { .fn = sev_dbg_encrypt, .touch = touch_dbg, .for_mirrors = true },
	[KVM_SEV_GET_ATTESTATION_REPORT] = { .fn = sev_attestation_report },
	[KVM_SEV_SNP_LAUNCH_START] = { .fn = snp_launch_start },
	[KVM_SEV_SNP_LAUNCH_UPDATE] = { .fn = snp_launch_update, .touch = touch_snp_update },
	[KVM_SEV_SNP_LAUNCH_FINISH] = { .fn = snp_launch_finish },
};

static const struct row *find_row(const struct kvm *kvm, const struct kvm_sev_cmd *cmd)
{
	const struct row *row = cmd->id < ARRAY_SIZE(rows) ? &rows[cmd->id] : NULL;

	return row && row->fn ? row : NULL;
}

static int run_locked(struct kvm *kvm, const struct row *row, struct kvm_sev_cmd *cmd, void *argp)
{
	int r;

	if (to_kvm_sev(kvm)->owner && !(row && row->for_mirrors))
		return -EINVAL;
	if (sev_snp_guest(kvm) && cmd->id < KVM_SEV_SNP_LAUNCH_START)
		return -EPERM;
	if (!row)
		return -EINVAL;
	if (cmd->id == KVM_SEV_ES_INIT && !sev_module(kvm)->es)
		return -ENOTTY;
	r = row->fn(kvm, cmd);
	return os_copy_to(argp, cmd, sizeof(*cmd)) ? -EFAULT : r;
}

int sev_mem_enc_ioctl(struct kvm *kvm, void *argp)
{
	struct kvm_sev_cmd cmd;
	const struct row *row;
	int r;

	if (!sev_module(kvm)->sev)
		return -ENOTTY;
	if (!argp)
		return 0;
	if (os_copy_from(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	row = find_row(kvm, &cmd);
	if (row && row->touch)
		row->touch(cmd.data);
	mutex_lock(&kvm->lock);
	r = run_locked(kvm, row, &cmd, argp);
	mutex_unlock(&kvm->lock);
	return r;
}
