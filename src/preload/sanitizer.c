/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sanitizer.c - what a program that has us in it needs of its sanitizer; only
 * in builds that have one.  The environment's *SAN_OPTIONS come after.
 */
#include "base/macros.h"

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__tsan_default_options(void);

/*
 * We are loaded first and the sanitizer with us.  Faults of ours and of the
 * program's are our handler's to sort out, and its stack the program's choice.
 */
EXPORT const char *__asan_default_options(void)
{
	return "verify_asan_link_order=0:detect_stack_use_after_return=1:allow_user_segv_handler=1:"
	       "handle_segv=0:handle_sigbus=0:handle_sigill=0";
}

EXPORT const char *__ubsan_default_options(void)
{
	return "halt_on_error=1:print_stacktrace=1";
}

/*
 * To name the places of a report TSan calls munmap, which is ours and looks at
 * memory: it would wait for itself (tools/sanitize names them).
 */
EXPORT const char *__tsan_default_options(void)
{
	return "symbolize=0:stack_trace_format='    #%n %m+%o':second_deadlock_stack=1:"
	       "halt_on_error=1:die_after_fork=0:handle_segv=0:handle_sigbus=0:handle_sigill=0";
}
