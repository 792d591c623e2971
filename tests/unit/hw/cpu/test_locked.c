/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_locked.c - LOCK forms over a page end, where the second page is another
 * one for the host than the next: the values, and two processors at once.
 */
#include "hw/cpu/a_vm.h"

#include <string.h>

#include "sync/crowd.h"

#define CODE(name, text)						\
	extern const uint8_t name[], name##_end[];			\
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection")
#define LOAD(name) vm_code(vm, name, (size_t)(name##_end - name))

#define END	(VM_DATA + 0x1000)	/* of a page whose successor is elsewhere */
#define ELSEWHERE (VM_DATA + 0x8000)
#define TURNS	400000

static void separate(struct vm *vm)
{
	*vm_pte(vm, END) = ELSEWHERE | 7;
}

/* The value of @size bytes of which @low are before the page end. */
static uint64_t split_get(const struct vm *vm, unsigned size, unsigned low)
{
	uint64_t v = 0;

	memcpy(&v, vm->mem + END - low, low);
	memcpy((uint8_t *)&v + low, vm->mem + ELSEWHERE, size - low);
	return v;
}

static void split_put(struct vm *vm, unsigned size, unsigned low, uint64_t v)
{
	memcpy(vm->mem + END - low, &v, low);
	memcpy(vm->mem + ELSEWHERE, (uint8_t *)&v + low, size - low);
}

CODE(c_add8, "lock addq %rax,(%rbx); hlt");
CODE(c_add4, "lock addl %eax,(%rbx); hlt");
CODE(c_add2, "lock addw %ax,(%rbx); hlt");
CODE(c_xadd8, "lock xaddq %rax,(%rbx); hlt");
CODE(c_xchg4, "xchgl %eax,(%rbx); hlt");
CODE(c_cas8, "mov %rcx,%rdx; mov %rax,%rcx; mov %rdx,%rax; lock cmpxchgq %rcx,(%rbx); hlt");

/* Memory holds @before, RAX @rax, RCX @before too. */
static const struct row {
	const char *name;
	const uint8_t *code, *end;
	unsigned size;
	uint64_t before, rax, after;
} rows[] = {
#define ROW(n, size, before, rax, after) { #n, c_##n, c_##n##_end, size, before, rax, after }
	ROW(add8, 8, 0x00ffffffffffffff, 1, 0x0100000000000000),
	ROW(add4, 4, 0xffffff, 2, 0x1000001),
	ROW(add2, 2, 0xff, 1, 0x100),
	ROW(xadd8, 8, 0x1122334455667788, 0x1111111111111111, 0x2233445566778899),
	ROW(xchg4, 4, 0xdeadbeef, 0x12345678, 0x12345678),
	ROW(cas8, 8, 0x8877665544332211, 0x0123456789abcdef, 0x0123456789abcdef),
#undef ROW
};

static void one(struct vm *vm, const struct row *r, unsigned low)
{
	uint8_t before[2], after[2];

	separate(vm);
	split_put(vm, r->size, low, r->before);
	before[0] = vm->mem[END - low - 1];
	before[1] = vm->mem[ELSEWHERE + r->size - low];
	vm_code(vm, r->code, (size_t)(r->end - r->code));
	vm->s.gpr[X86_RAX] = r->rax;
	vm->s.gpr[X86_RCX] = r->before;
	vm->s.gpr[X86_RBX] = END - low;
	assert_int_equal(vm_run(vm), VM_HLT);
	assert_int_equal(split_get(vm, r->size, low), r->after);
	after[0] = vm->mem[END - low - 1];
	after[1] = vm->mem[ELSEWHERE + r->size - low];
	assert_memory_equal(before, after, 2);
}

static void halves_are_exchanged(void **state)
{
	unsigned i, low;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (low = 1; low < rows[i].size; low++) {
			struct vm vm;

			vm_init(&vm, i & 1);
			memset(vm.mem + VM_DATA, 0x5a, 0x10000);
			one(&vm, &rows[i], low);
			vm_fini(&vm);
		}
}

CODE(c_count, "mov $400000,%ecx; 1: lock incq (%rbx); dec %ecx; jnz 1b; hlt");

struct counter {
	struct vm	vm;
};

static void count(void *arg, unsigned index)
{
	struct counter *c = arg;

	c += index;
	assert_int_equal(vm_run(&c->vm), VM_HLT);
}

/* What two add up is nowhere lost. */
static void two_processors(void **state)
{
	struct counter c[2];
	struct vm *vm = &c[0].vm;

	(void)state;
	vm_init(vm, true);
	separate(vm);
	split_put(vm, 8, 3, 0xfff000);
	LOAD(c_count);
	vm->s.gpr[X86_RBX] = END - 3;
	c[1] = c[0];
	c[1].vm.cpu = hw_cpu(vm->hw, 1);
	crowd_run(2, count, c);
	assert_int_equal(split_get(vm, 8, 3), 0xfff000 + 2 * TURNS);
	vm_fini(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(halves_are_exchanged),
		cmocka_unit_test(two_processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
