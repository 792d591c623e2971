/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_platform.h - the platform's owner speaks to the secure processor:
 * SEV_ISSUE_CMD on /dev/sev.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct kvm_module;
struct sev_issue_cmd;

/* Is there a secure processor at all? */
bool kvm_has_sev(const struct kvm_module *module);

/* KVM_GET_DEVICE_ATTR of /dev/kvm, groups of kvm_amd.  -ENXIO. */
MUST_CHECK int sev_device_attr(const struct kvm_module *module, uint32_t group, uint64_t attr,
			       uint64_t *value);

/* @cmd->error is set whenever the firmware was asked.  0, -EIO, -EPERM, -EBUSY, -EFAULT, -EINVAL, -ENOMEM. */
MUST_CHECK int sev_platform_command(struct kvm_module *module, struct sev_issue_cmd *cmd,
				    bool writable);
