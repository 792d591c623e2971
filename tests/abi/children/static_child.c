/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * static_child.c - a program that no loader loads: it says what it finds.
 */
#include <fcntl.h>
#include <stdio.h>

int main(void)
{
	puts(open("/dev/kvm", O_RDWR) >= 0 ? "real" : "none");
	return 42;
}
