/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/core/vm_type_ops.h"

#include <errno.h>

#define OP(ret, op, args)
#define OPT(ret, op, args, nothing) ret vm_type_no_##op args { return nothing; }
#include "kvm/core/vm_type_ops.def"
#undef OPT
#undef OP

bool vm_type_ops_complete(const struct vm_type_ops *ops)
{
	bool complete = ops->name;

#define CHECK(ret, op, args, ...) complete = complete && ops->op;
#define OP CHECK
#define OPT CHECK
#include "kvm/core/vm_type_ops.def"
#undef OPT
#undef OP
#undef CHECK
	return complete;
}
