/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* vp.c - a TD's vCPUs. */
#include <stdlib.h>

#include "hw/tdx/tdx_priv.h"

void td_vcpu_free(struct td_vcpu *vp)
{
	free(vp);
}
