/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * reader.c - from the rings to lines in the order of time, as trace_pipe has
 * them.  One thread of ours, every few milliseconds; and whoever flushes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/page.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/process.h"
#include "trace/trace_priv.h"

#define PERIOD_NS	5000000ull
#define SETTLE_NS	1000000ull	/* a record that is being written is that young at most */
#define LINES		(64u << 10)
#define LONGEST		512u
#define NAME_BYTES	16

struct lines {
	struct trace	*t;
	size_t		 n;
	uint32_t	 tid;		/* whose name is known */
	char		 name[NAME_BYTES];
	char		 text[LINES];
};

/* What the file does not take is lost, counted, and said once: a line that is cut off, too. */
static void write_out(struct lines *l)
{
	uint64_t nr = 0;
	size_t left;
	int err;

	left = os_write_all(l->t->fd, l->text, l->n, &err);
	for (const char *at = l->text + l->n - left; at < l->text + l->n; at++)
		nr += *at == '\n';
	l->n = 0;
	if (left && !atomic64_add(&l->t->nr_unwritten, nr))
		log_error("trace: %s; from here on events are lost", strerror(err));
}

static void add_line(struct lines *l, const struct trace_record *rec)
{
	char text[LONGEST];

	if (l->n + 2 * LONGEST > LINES)
		write_out(l);
	if (rec->lost)
		l->n += (size_t)snprintf(l->text + l->n, LONGEST, "CPU:%u [LOST %llu EVENTS]\n",
					 rec->cpu, (unsigned long long)rec->lost);
	if (rec->tid != l->tid) {
		l->tid = rec->tid;
		os_thread_name(rec->tid, l->name, sizeof(l->name));
	}
	trace_text(rec->event, rec->arg, text, sizeof(text) - 128);
	l->n += (size_t)snprintf(l->text + l->n, LONGEST,
				 "%16s-%-7u [%03u] ..... %5llu.%06llu: %s: %s\n", l->name, rec->tid,
				 rec->cpu, (unsigned long long)(rec->ns / 1000000000),
				 (unsigned long long)(rec->ns / 1000 % 1000000),
				 trace_event_name(rec->event), text);
}

/* Where reading stands in each ring that has something. */
struct cursor {
	struct trace_ring	*ring;
	uint64_t		 at, end;
};

static const struct trace_record *record_at(const struct cursor *c)
{
	return &c->ring->record[c->at % RING_RECORDS];
}

/* A heap by time, the oldest on top. */
static void sift_down(struct cursor *c, unsigned nr, unsigned i)
{
	for (;;) {
		unsigned least = i;

		for (unsigned child = 2 * i + 1; child <= 2 * i + 2 && child < nr; child++)
			if (record_at(&c[child])->ns < record_at(&c[least])->ns)
				least = child;
		if (least == i)
			return;

		struct cursor swap = c[i];

		c[i] = c[least];
		c[least] = swap;
		i = least;
	}
}

static unsigned collect(struct trace *t, struct cursor *c)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < MAX_RINGS; i++) {
		struct trace_ring *r = atomicptr_load_acquire(&t->ring[i]);

		if (!r)
			continue;
		c[nr] = (struct cursor){ r, atomic64_load_relaxed(&r->tail),
					 atomic64_load_acquire(&r->head) };
		nr += c[nr].at != c[nr].end;
	}
	for (unsigned i = nr / 2; i-- > 0;)
		sift_down(c, nr, i);
	return nr;
}

static void merge(struct lines *l, struct cursor *c, unsigned nr, uint64_t until)
{
	while (nr && record_at(c)->ns <= until) {
		add_line(l, record_at(c));
		atomic64_store_release(&c->ring->tail, ++c->at);
		if (c->at == c->end)
			c[0] = c[--nr];
		sift_down(c, nr, 0);
	}
}

void trace_drain(struct trace *t, bool all)
{
	struct cursor *c = malloc(MAX_RINGS * sizeof(*c));
	struct lines *l = malloc(sizeof(*l));

	if (c && l) {
		*l = (struct lines){ .t = t };
		mutex_lock(&t->reading);
		merge(l, c, collect(t, c), all ? ~0ull : os_monotonic_ns() - SETTLE_NS);
		write_out(l);
		mutex_unlock(&t->reading);
	}
	free(c);
	free(l);
}

enum { RUNNING, STOPPING, ENDED };

static void reader(void *arg)
{
	struct trace *t = arg;

	while (atomic32_load(&t->stop) == RUNNING) {
		uint32_t prepared = waitq_prepare(&t->wake);

		trace_drain(t, false);
		if (atomic32_load(&t->stop) == RUNNING)
			waitq_sleep(&t->wake, prepared, PERIOD_NS);
	}
	atomic32_store(&t->stop, ENDED);
	waitq_wake_all(&t->ended);
}

int trace_create(const struct trace_config *config, struct trace **out)
{
	struct trace *t = os_map_inherited(ALIGN_UP(sizeof(*t), (size_t)PAGE_SIZE));
	int r = -ENOMEM;

	if (!t)
		return r;
	memcpy(t->on, config->on, sizeof(t->on));
	t->owner_pid = os_pid();
	mutex_init(&t->reading, "trace->reading", RANK_LEAF);
	waitq_init(&t->wake);
	waitq_init(&t->ended);
	t->fd = os_open_for_lines(config->file);
	if (t->fd < 0) {
		r = t->fd;
		goto out_unmap;
	}
	r = sync_start_worker(reader, t, "softcvm-trace");
	if (r)
		goto out_close;
	*out = t;
	return 0;

out_close:
	os_close(t->fd);
out_unmap:
	os_unmap(t, ALIGN_UP(sizeof(*t), (size_t)PAGE_SIZE));
	return r;
}

void trace_flush(struct trace *t)
{
	if (t && t->owner_pid == os_pid())
		trace_drain(t, true);
}

uint64_t trace_lost(const struct trace *t)
{
	uint64_t sum = atomic64_load(&t->nr_homeless) + atomic64_load(&t->nr_unwritten);

	for (unsigned i = 0; i < MAX_RINGS; i++) {
		const struct trace_ring *r = atomicptr_load_acquire(&t->ring[i]);

		if (r)
			sum += atomic64_load_relaxed(&r->nr_lost);
	}
	return sum;
}

/* Of the parent only the memory is here: no reader, perhaps a lock that is held. */
void trace_forget(struct trace *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < MAX_RINGS; i++) {
		struct trace_ring *r = atomicptr_load_relaxed(&t->ring[i]);

		if (r)
			os_unmap(r, ALIGN_UP(sizeof(*r), (size_t)PAGE_SIZE));
	}
	os_close(t->fd);
	os_unmap(t, ALIGN_UP(sizeof(*t), (size_t)PAGE_SIZE));
}

void trace_destroy(struct trace *t)
{
	if (!t)
		return;
	atomic32_store(&t->stop, STOPPING);
	waitq_wake_all(&t->wake);
	waitq_wait(&t->ended, atomic32_load(&t->stop) == ENDED);
	trace_drain(t, true);
	trace_forget(t);
}
