/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console.c - text by the first serial port, and the end by the exit port.
 */
#include "guest.h"

#define PORT_SERIAL	0x3f8
#define PORT_EXIT	0xf4

static void put(char c)
{
	guest_out8(PORT_SERIAL, (uint8_t)c);
}

static void put_padded(const char *text, size_t n, unsigned width, char pad)
{
	for (; width > n; width--)
		put(pad);
	while (n--)
		put(*text++);
}

static void put_number(uint64_t value, unsigned base, bool negative, unsigned width, char pad)
{
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (negative)
		digits[--at] = '-';
	put_padded(digits + at, sizeof(digits) - at, width, pad);
}

static void put_argument(char kind, bool is_long, unsigned width, char pad, va_list *ap)
{
	const char *text;
	int64_t value;

	switch (kind) {
	case 's':
		text = va_arg(*ap, const char *);
		put_padded(text, strlen(text), width, ' ');
		break;
	case 'c':
		put((char)va_arg(*ap, int));
		break;
	case 'd':
		value = is_long ? va_arg(*ap, long) : va_arg(*ap, int);
		put_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0, width, pad);
		break;
	case 'u':
	case 'x':
		put_number(is_long ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned),
			   kind == 'u' ? 10 : 16, false, width, pad);
		break;
	case 'p':
		put_number((uintptr_t)va_arg(*ap, void *), 16, false, width, pad);
		break;
	default:
		put(kind);
	}
}

static void vprint(const char *fmt, va_list *ap)
{
	for (; *fmt; fmt++) {
		unsigned width = 0;
		bool is_long = false;
		char pad = ' ';

		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		if (*++fmt == '0')
			pad = *fmt++;
		while (*fmt >= '0' && *fmt <= '9')
			width = width * 10 + (unsigned)(*fmt++ - '0');
		while (*fmt == 'l') {
			is_long = true;
			fmt++;
		}
		put_argument(*fmt, is_long, width, pad, ap);
	}
}

void guest_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(fmt, &ap);
	va_end(ap);
}

void guest_exit(int status)
{
	guest_out8(PORT_EXIT, (uint8_t)status);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void guest_panic(const char *fmt, ...)
{
	va_list ap;

	guest_printf("guest panic: ");
	va_start(ap, fmt);
	vprint(fmt, &ap);
	va_end(ap);
	put('\n');
	guest_exit(GUEST_EXIT_PANIC);
}
