/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "x86/native.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

/* What the trampoline addresses absolutely: it lives below 2 GiB. */
struct frame {
	uint64_t r[16];
	uint64_t flags;			/* popped from and pushed to */
	uint64_t host_rsp;
};

static struct frame *frame;
static uint8_t *code, *memory;
static sigjmp_buf back;

int native_init(void)
{
	static uint8_t stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	uint8_t *p = mmap(NULL, 0x20000, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	code = p;
	frame = (struct frame *)(void *)(p + 0x1000);
	memory = p + 0x8000;
	/* Around the window: nothing. */
	if (mprotect(p + 0x2000, 0x6000, PROT_NONE) ||
	    mprotect(memory + NATIVE_SIZE, 0x20000 - 0x8000 - NATIVE_SIZE, PROT_NONE))
		return -1;
	return sigaltstack(&ss, NULL);
}

uint8_t *native_memory(void)
{
	return memory;
}

static uint8_t *put(uint8_t *p, const void *bytes, unsigned n)
{
	memcpy(p, bytes, n);
	return p + n;
}

/* mov between register @r and the absolute address @at */
static uint8_t *move(uint8_t *p, unsigned r, const void *at, int store)
{
	uint32_t a = (uint32_t)(uintptr_t)at;

	*p++ = (uint8_t)(0x48 | (r >> 3) << 2);
	*p++ = store ? 0x89 : 0x8b;
	*p++ = (uint8_t)(0x04 | (r & 7) << 3);
	*p++ = 0x25;
	return put(p, &a, 4);
}

static void build(const uint8_t *insn, unsigned len)
{
	static const uint8_t saves[] = { 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57 };
	static const uint8_t restores[] = { 0xfc, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c,
					    0x5d, 0x5b, 0xc3 };
	uint8_t *p = code;
	uint32_t at;
	unsigned i;

	p = put(p, saves, sizeof(saves));
	p = move(p, 4, &frame->host_rsp, 1);
	at = (uint32_t)(uintptr_t)&frame->flags;
	*p++ = 0xbc;				/* mov $flags,%esp; popfq */
	p = put(p, &at, 4);
	*p++ = 0x9d;
	for (i = 0; i < 16; i++)
		p = move(p, i, &frame->r[i], 0);
	p = put(p, insn, len);
	for (i = 0; i < 16; i++)
		p = move(p, i, &frame->r[i], 1);
	at += 8;
	*p++ = 0xbc;				/* mov $flags + 8,%esp; pushfq */
	p = put(p, &at, 4);
	*p++ = 0x9c;
	p = move(p, 4, &frame->host_rsp, 0);
	p = put(p, restores, sizeof(restores));
}

static void caught(int sig)
{
	siglongjmp(back, sig);
}

int native_run(struct native *n, const uint8_t *insn, unsigned len)
{
	static const int sigs[] = { SIGFPE, SIGSEGV, SIGBUS, SIGILL, SIGTRAP };
	struct sigaction sa = { .sa_handler = caught, .sa_flags = SA_ONSTACK }, old[5];
	void (*volatile go)(void) = (void (*)(void))(uintptr_t)code;
	unsigned i;
	int sig;

	build(insn, len);
	memcpy(frame->r, n->r, sizeof(n->r));
	frame->flags = n->flags;
	for (i = 0; i < 5; i++)
		sigaction(sigs[i], &sa, &old[i]);
	sig = sigsetjmp(back, 1);
	if (!sig)
		go();
	for (i = 0; i < 5; i++)
		sigaction(sigs[i], &old[i], NULL);
	if (!sig) {
		memcpy(n->r, frame->r, sizeof(n->r));
		n->flags = frame->flags;
	}
	return sig;
}
