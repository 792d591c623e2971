/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* faults.h - a program's handler of faults, for tests that touch what a guest's key has. */
#pragma once
#include <signal.h>
#include <stdlib.h>

#include "hw/insn/view.h"
#include "os/uaccess.h"

static struct hw *fault_hw;

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	if (!view_trap(fault_hw, info->si_addr, false) && !os_uaccess_fixup(sig, ucontext))
		abort();
}

/* Inside a test: cmocka takes the signals anew for each. */
static void catch_faults(struct hw *hw)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	fault_hw = hw;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}
