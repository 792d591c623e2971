/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * list.h - circular doubly linked lists whose links lie in the elements.
 *
 * A list is its head; an element embeds a struct list and is found again by
 * container_of.  Nothing here is atomic: the lock named beside the head
 * protects head and links alike.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(head)	{ &(head), &(head) }

/* Makes @l an empty list, or an element that is in none. */
static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_insert_between(struct list *l, struct list *prev, struct list *next)
{
	l->prev = prev;
	l->next = next;
	prev->next = l;
	next->prev = l;
}

/* At the front; @l must be in no list. */
static inline void list_add(struct list *head, struct list *l)
{
	list_insert_between(l, head, head->next);
}

/* At the end; @l must be in no list. */
static inline void list_add_tail(struct list *head, struct list *l)
{
	list_insert_between(l, head->prev, head);
}

/* Takes @l out of its list; again on the same element does nothing. */
static inline void list_del(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* Moves all elements of @from to the end of @to; @from is empty afterwards. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(l, type, member)	container_of(l, type, member)

#define list_first(head, type, member)	\
	(list_is_empty(head) ? (type *)NULL : list_entry((head)->next, type, member))

/* @pos, a pointer to the element's type, goes over all of them. */
#define list_for_each(pos, head, member)					\
	for (pos = list_entry((head)->next, __typeof__(*pos), member);		\
	     &pos->member != (head);						\
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))

/* As list_for_each; @pos itself may be taken out or freed. */
#define list_for_each_safe(pos, tmp, head, member)				\
	for (pos = list_entry((head)->next, __typeof__(*pos), member),		\
	     tmp = list_entry(pos->member.next, __typeof__(*pos), member);	\
	     &pos->member != (head);						\
	     pos = tmp, tmp = list_entry(pos->member.next, __typeof__(*pos), member))
