/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * held.h - what a virtual thread holds, for reports of the second build.
 */
#pragma once
#include <stddef.h>

/* Kinds and names, in the order of taking; "" when nothing. */
void check_describe(unsigned thread, char *text, size_t size);
