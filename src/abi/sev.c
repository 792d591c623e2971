/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev.c - /dev/sev: the kernel's driver of the secure processor, for whoever
 * manages the platform.
 */
#include <errno.h>
#include <fcntl.h>

#include "abi/ioctl.h"
#include "base/macros.h"
#include "kvm/types/sev_platform.h"
#include "os/file.h"
#include "os/memory.h"
#include "softcvm/uapi/psp_sev.h"

int abi_sev_open(struct abi *abi, int flags)
{
	int fd = abi_renew(abi);

	if (!fd && !kvm_has_sev(&abi->module))
		return -ENOENT;
	if (!fd)
		fd = os_object_fd("sev", flags & O_CLOEXEC);
	if (fd >= 0)
		os_reopen(fd, flags & (O_ACCMODE | O_CLOEXEC | O_NONBLOCK));
	return abi_file_install(abi, fd, FILE_SEV, (flags & O_ACCMODE) == O_RDONLY ? NULL : abi);
}

bool abi_has_sev(struct abi *abi)
{
	return kvm_has_sev(&abi->module);
}

int abi_check_sev_fd(struct kvm_module *module, int fd)
{
	struct abi *abi = container_of(module, struct abi, module);
	struct abi_file *file = abi_file_get(abi, fd, true);
	int r = file && file->kind == FILE_SEV ? 0 : -EBADF;

	abi_file_put(file);
	return r;
}

static long issue_cmd(struct ioctl_call *c)
{
	struct sev_issue_cmd *cmd = c->data;

	if (cmd->cmd > SEV_MAX)
		return -EINVAL;
	return sev_platform_command(&c->abi->module, cmd, c->file->writer);
}

/* What is not SEV_ISSUE_CMD is EINVAL; the firmware's answer is told even then. */
static const struct ioctl_row rows[] = {
	IOC(SEV_ISSUE_CMD, IOC_COPY_BACK, issue_cmd),
};

const struct ioctl_table sev_ioctls = { rows, ARRAY_SIZE(rows), -EINVAL };
