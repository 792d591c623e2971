/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct item {
	char		name;
	struct list	link;
};

/* The names in order, and that both directions agree. */
static void assert_holds(struct list *head, const char *want)
{
	char got[16] = "";
	struct list *back = head;
	struct item *i;
	size_t n = 0;

	list_for_each(i, head, link) {
		assert_ptr_equal(i->link.prev, back);
		back = &i->link;
		got[n++] = i->name;
	}
	assert_ptr_equal(head->prev, back);
	assert_string_equal(got, want);
}

static void elements_keep_their_order(void **unused)
{
	struct list a = LIST_INIT(a), b;
	struct item x[] = { { .name = 'x' }, { .name = 'y' }, { .name = 'z' } };

	(void)unused;
	list_init(&b);
	assert_true(list_is_empty(&a));
	assert_null(list_first(&a, struct item, link));
	list_add_tail(&a, &x[1].link);
	list_add_tail(&a, &x[2].link);
	list_add(&a, &x[0].link);
	assert_holds(&a, "xyz");
	assert_int_equal(list_first(&a, struct item, link)->name, 'x');
	list_del(&x[1].link);
	list_del(&x[1].link);
	assert_holds(&a, "xz");
	list_add(&b, &x[1].link);
	list_splice_tail(&b, &a);
	assert_true(list_is_empty(&a));
	assert_holds(&b, "yxz");
	list_splice_tail(&b, &a);
	assert_holds(&b, "yxz");
}

static void a_walk_may_take_elements_out(void **unused)
{
	struct list head = LIST_INIT(head);
	struct item x[] = { { .name = 'x' }, { .name = 'y' }, { .name = 'z' } };
	struct item *pos, *tmp;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(x); i++)
		list_add_tail(&head, &x[i].link);
	list_for_each_safe(pos, tmp, &head, link) {
		if (pos->name != 'y') {
			list_del(&pos->link);
			memset(pos, 0x5a, sizeof(*pos));
		}
	}
	assert_holds(&head, "y");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_keep_their_order),
		cmocka_unit_test(a_walk_may_take_elements_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
