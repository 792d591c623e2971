/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* ghcb_apart.h - where requests of a GHCB lead that are not in this program: once in each. */
#pragma once
#include "kvm/types/sev_vcpu.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/irq.h"

int exit_ap_reset_hold(struct vcpu *v)
{
	return 1;
}

int ghcb_msr_request(struct kvm_vcpu *vcpu)
{
	return 1;
}

void ghcb_msr_sipi(struct vcpu *v)
{
}

int ghcb_terminate(struct vcpu *v)
{
	return 0;
}

int ghcb_ap_creation(struct vcpu *v)
{
	return 1;
}

int ghcb_guest_request(struct vcpu *v)
{
	return 1;
}

int ghcb_ext_guest_request(struct vcpu *v)
{
	return 1;
}

bool vcpu_irq_mmio_read(struct vcpu *v, gpa_t gpa, unsigned len, void *data)
{
	return false;
}

bool vcpu_irq_mmio_write(struct vcpu *v, gpa_t gpa, unsigned len, const void *data)
{
	return false;
}
