/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ioctl.c - from number to row to handler.
 */
#include "abi/ioctl.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "kvm/core/kvm.h"
#include "kvm/vcpu/protected.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define MAX_STACK_ARG	4096

static const struct ioctl_table *const tables[NR_FILE_KINDS] = {
	[FILE_SYSTEM] = &system_ioctls,
	[FILE_VM] = &vm_ioctls,
	[FILE_VCPU] = &vcpu_ioctls,
	[FILE_SEV] = &sev_ioctls,
};

static const struct ioctl_row *find_row(const struct abi *abi, const struct ioctl_table *t,
					unsigned long cmd)
{
	for (unsigned i = 0; i < t->nr; i++) {
		if (t->rows[i].cmd == (unsigned int)cmd)
			return t->rows[i].since <= abi->module.abi ? &t->rows[i] : NULL;
	}
	return NULL;
}

static struct kvm *vm_of(const struct abi_file *f)
{
	switch (f->kind) {
	case FILE_VM:
		return f->kvm;
	case FILE_VCPU:
		return f->vcpu->base.kvm;
	default:
		return NULL;
	}
}

/* The vCPU is locked. */
static bool is_refused(const struct ioctl_row *row, const struct ioctl_call *call)
{
	return (row->flags & IOC_REGISTERS) && vcpu_hides_state(call->file->vcpu);
}

/* The row says whether there is a lock. */
NO_LOCK_ANALYSIS /* NO_LOCK_ANALYSIS: the row says whether there is a lock. */
NO_LOCK_ANALYSIS static long call_locked(const struct ioctl_row *row, struct ioctl_call *call)
{
	struct mutex *lock = row->flags & IOC_LOCK_VCPU ? &call->file->vcpu->base.mutex : NULL;
	long r;

	if (lock)
		mutex_lock(lock);
	r = is_refused(row, call) ? -EINVAL : row->fn(call);
	if (lock)
		mutex_unlock(lock);
	return r;
}

/* An argument of known size, on the stack. */
static long call_with_copy(const struct ioctl_row *row, struct ioctl_call *call)
{
	size_t size = _IOC_SIZE(row->cmd);
	unsigned dir = _IOC_DIR(row->cmd);
	_Alignas(16) uint8_t data[MAX_STACK_ARG];
	void *user = (void *)call->arg;
	long r;

	call->data = data;
	if (dir & _IOC_WRITE) {
		if (os_copy_from(data, user, size))
			return -EFAULT;
	}
	r = call_locked(row, call);
	if (row->flags & IOC_IN_ONLY)
		return r;
	if ((dir & _IOC_READ) && (r >= 0 || (row->flags & IOC_COPY_BACK))) {
		if (os_copy_to(user, data, size))
			return -EFAULT;
	}
	return r;
}

static long run_row(const struct ioctl_row *row, struct ioctl_call *call)
{
	if ((row->flags & IOC_NO_ARG) && call->arg)
		return -EINVAL;
	if ((row->flags & (IOC_NO_ARG | IOC_VALUE | IOC_RAW)) || !_IOC_SIZE(row->cmd))
		return call_locked(row, call);
	return call_with_copy(row, call);
}

long abi_ioctl(struct abi *abi, struct abi_file *file, unsigned long cmd, unsigned long arg)
{
	const struct ioctl_table *table = tables[file->kind];
	struct kvm *kvm = vm_of(file);
	const struct ioctl_row *row;

	if (!table)
		return -ENOTTY;
	counter_add(abi->module.counters, COUNTER_IOCTLS, 1);
	/* First of all, before the number is looked at. */
	if (kvm && (!abi_is_owner(abi, kvm) || kvm_vm_is_dead(kvm)))
		return -EIO;
	row = find_row(abi, table, cmd);
	if (!row)
		return table->unknown;
	if (file->kind == FILE_SYSTEM && abi_renew(abi))
		return -ENOMEM;
	return run_row(row, &(struct ioctl_call){ .abi = abi, .file = file, .arg = arg });
}
