/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vm_type_ops.h - one constant table per VM type, in kvm/types: what it is and
 * what it does differently.  No member is ever NULL (vm_type_ops_complete).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/core/kvm.h"

struct kvm_enc_region;

struct vm_type_ops {
	const char	*name;
	uint32_t	 vm_type;		/* KVM_X86_*_VM */
	bool		 has_private_mem;	/* attributes, guest_memfd slots; no SMM */
	bool		 has_protected_state;	/* registers are the guest's alone */
	bool		 pre_fault_at_once;	/* allowed before any launch step */
	bool		 has_mirror;		/* private half in an external table */
	bool		 zap_all_on_slot_change;/* unless the quirk is disabled */
#define AS_FIELD(ret, op, args, ...) ret (*op) args;
#define OP AS_FIELD
#define OPT AS_FIELD
#include "kvm/core/vm_type_ops.def"
#undef OPT
#undef OP
#undef AS_FIELD
};

/* vm_type_no_<op>: nothing, said aloud. */
#define OP(ret, op, args)
#define OPT(ret, op, args, nothing) ret vm_type_no_##op args;
#include "kvm/core/vm_type_ops.def"
#undef OPT
#undef OP

/* True when every member is filled; a test asks it of all types. */
bool vm_type_ops_complete(const struct vm_type_ops *ops);
