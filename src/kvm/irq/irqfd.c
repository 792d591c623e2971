/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/irq/irqfd.h"

#include <errno.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/routing.h"
#include "os/file.h"
#include "os/process.h"
#include "sync/lock.h"
#include "sync/rcu.h"
#include "sync/wait.h"

#define FLAGS		(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE)
#define FIRST_CHAINS	16u
#define ID_STOP		0	/* of the eventfd that ends the thread */

/* Keys: [l] irqfds.lock. */
struct irqfds {
	struct mutex	 lock;		/* RANK_IRQFD */
	struct list	 all;		/* [l] struct irqfd.link */
	struct irqfd	**by_id;	/* [l] chains of them, by the low bits of their ids */
	unsigned	 nr_chains;	/* [l] a power of two, or 0 */
	unsigned	 nr;		/* [l] in the list */
	struct os_poll	*poll;		/* [l] NULL until the first */
	uint64_t	 next_id;	/* [l] */
	int		 owner;		/* [l] process of the thread */
	bool		 ended;		/* [l] */
	struct waitq	 done;
};

struct irqfd {
	struct list	 link;
	struct irqfd	*next;		/* in its chain */
	struct kvm	*kvm;
	uint64_t	 id;		/* for the thread; never used again */
	uint64_t	 eventfd;	/* which one */
	int		 held;
	uint32_t	 gsi;
	int		 resample;	/* -1: an edge */
	struct irq_ack_notifier ack;	/* when there is @resample */
};

/* Where the chain of @id begins.  There are chains. */
static struct irqfd **chain_of(const struct irqfds *all, uint64_t id)
{
	return &all->by_id[id & (all->nr_chains - 1)];
}

static struct irqfd *find(const struct irqfds *all, uint64_t id)
{
	struct irqfd *f = all->nr ? *chain_of(all, id) : NULL;

	while (f && f->id != id)
		f = f->next;
	return f;
}

static void enchain(struct irqfds *all, struct irqfd *f)
{
	struct irqfd **chain = chain_of(all, f->id);

	f->next = *chain;
	*chain = f;
}

/* Ids count up: as many chains as there are irqfds keep them short. */
static int make_room(struct irqfds *all)
{
	unsigned nr = MAX(all->nr_chains * 2, FIRST_CHAINS);
	struct irqfd **by_id, *f;

	if (all->nr < all->nr_chains)
		return 0;
	by_id = calloc(nr, sizeof(*by_id));
	if (!by_id)
		return -ENOMEM;
	free(all->by_id);
	all->by_id = by_id;
	all->nr_chains = nr;
	list_for_each(f, &all->all, link)
		enchain(all, f);
	return 0;
}

static void link_irqfd(struct irqfds *all, struct irqfd *f)
{
	list_add_tail(&all->all, &f->link);
	enchain(all, f);
	all->nr++;
}

static void unlink_irqfd(struct irqfds *all, struct irqfd *f)
{
	struct irqfd **at = chain_of(all, f->id);

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	list_del(&f->link);
	all->nr--;
}

static void inject(struct irqfd *f)
{
	os_eventfd_drain(f->held);
	if (f->resample >= 0) {
		(void)kvm_set_irq(f->kvm, IRQ_SOURCE_RESAMPLE, f->gsi, true);
		return;
	}
	(void)kvm_set_irq(f->kvm, IRQ_SOURCE_USER, f->gsi, true);
	(void)kvm_set_irq(f->kvm, IRQ_SOURCE_USER, f->gsi, false);
}

/* The guest has ended it: the line falls, and whoever still wants it raises it again. */
static void acked(struct irq_ack_notifier *n)
{
	struct irqfd *f = container_of(n, struct irqfd, ack);

	(void)kvm_set_irq(f->kvm, IRQ_SOURCE_RESAMPLE, f->gsi, false);
	os_eventfd_signal(f->resample);
}

static void serve(void *arg)
{
	struct irqfds *all = arg;
	struct os_poll *poll;
	struct irqfd *f;
	uint64_t id;

	mutex_lock(&all->lock);
	poll = all->poll;
	mutex_unlock(&all->lock);
	while ((id = os_poll_wait(poll)) != ID_STOP) {
		mutex_lock(&all->lock);
		f = find(all, id);
		if (f)
			inject(f);
		mutex_unlock(&all->lock);
	}
	mutex_lock(&all->lock);
	all->ended = true;
	/* The destroyer lets this section end before it frees. */
	rcu_read_lock();
	mutex_unlock(&all->lock);
	waitq_wake_all(&all->done);
	rcu_read_unlock();
}

struct irqfds *irqfds_create(void)
{
	struct irqfds *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	mutex_init(&all->lock, "irqfds", RANK_IRQFD);
	list_init(&all->all);
	waitq_init(&all->done);
	all->next_id = ID_STOP + 1;
	return all;
}

static bool has_ended(struct irqfds *all)
{
	bool ended;

	mutex_lock(&all->lock);
	ended = all->ended;
	mutex_unlock(&all->lock);
	return ended;
}

void irqfds_destroy(struct irqfds *all)
{
	if (!all)
		return;
	if (all->poll && all->owner == os_pid()) {
		os_poll_stop(all->poll);
		waitq_wait(&all->done, has_ended(all));
		rcu_synchronize();
	}
	os_poll_destroy(all->poll);
	mutex_fini(&all->lock);
	free(all->by_id);
	free(all);
}

/* The lock is held. */
static int start(struct irqfds *all)
{
	int r;

	if (all->poll)
		return 0;
	all->poll = os_poll_create(ID_STOP);
	if (!all->poll)
		return -ENOMEM;
	all->owner = os_pid();
	r = sync_start_worker(serve, all, "softcvm-irqfd");
	if (r) {
		os_poll_destroy(all->poll);
		all->poll = NULL;
	}
	return r;
}

static void free_irqfd(struct irqfd *f)
{
	if (f->resample >= 0) {
		irq_ack_unregister(f->kvm, &f->ack);
		(void)kvm_set_irq(f->kvm, IRQ_SOURCE_RESAMPLE, f->gsi, false);
		os_close(f->resample);
	}
	os_close(f->held);
	free(f);
}

/* The lock is held. */
static int add(struct irqfds *all, struct irqfd *f)
{
	struct irqfd *other;
	int r;

	/* Since 6.17 an eventfd is one interrupt's, whichever VM's. */
	list_for_each(other, &all->all, link) {
		if (other->eventfd == f->eventfd &&
		    (other->kvm == f->kvm || f->kvm->module->abi >= KERNEL_ABI_6_18))
			return -EBUSY;
	}
	r = start(all);
	if (!r)
		r = make_room(all);
	if (r)
		return r;
	f->id = all->next_id++;
	link_irqfd(all, f);
	r = os_poll_add(all->poll, f->held, f->id);
	if (r)
		unlink_irqfd(all, f);
	return r;
}

static int hold(struct irqfd *f, const struct kvm_irqfd *args)
{
	uint64_t unused;
	int r = os_eventfd_hold((int)args->fd, &f->eventfd);

	if (r < 0)
		return r;
	f->held = r;
	f->resample = -1;
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	r = os_eventfd_hold((int)args->resamplefd, &unused);
	if (r < 0) {
		os_close(f->held);
		return r;
	}
	f->resample = r;
	return 0;
}

static int assign(struct kvm *kvm, const struct kvm_irqfd *args)
{
	struct irqfds *all = kvm->module->irqfds;
	struct irqfd *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->kvm = kvm;
	f->gsi = args->gsi;
	f->ack = (struct irq_ack_notifier){ .gsi = args->gsi, .acked = acked };
	r = hold(f, args);
	if (r) {
		free(f);
		return r;
	}
	if (f->resample >= 0)
		irq_ack_register(kvm, &f->ack);
	mutex_lock(&all->lock);
	r = add(all, f);
	mutex_unlock(&all->lock);
	if (r)
		free_irqfd(f);
	return r;
}

/* Takes out the next of @kvm's that is @eventfd on @gsi (@any: whichever). */
static struct irqfd *take(struct kvm *kvm, bool any, uint64_t eventfd, uint32_t gsi)
{
	struct irqfds *all = kvm->module->irqfds;
	struct irqfd *f, *found = NULL;

	mutex_lock(&all->lock);
	list_for_each(f, &all->all, link) {
		if (f->kvm == kvm && (any || (f->eventfd == eventfd && f->gsi == gsi))) {
			found = f;
			break;
		}
	}
	if (found) {
		unlink_irqfd(all, found);
		os_poll_remove(all->poll, found->held);
	}
	mutex_unlock(&all->lock);
	return found;
}

static int deassign(struct kvm *kvm, const struct kvm_irqfd *args)
{
	uint64_t eventfd;
	struct irqfd *f;
	int r = os_eventfd_id((int)args->fd, &eventfd);

	if (r)
		return r;
	while ((f = take(kvm, false, eventfd, args->gsi)))
		free_irqfd(f);
	return 0;
}

int kvm_irqfd(struct kvm *kvm, const struct kvm_irqfd *args)
{
	enum irqchip_mode mode = kvm->irq->mode;

	if (args->flags & ~(uint32_t)FLAGS)
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return deassign(kvm, args);
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE ? mode != IRQCHIP_KERNEL : mode == IRQCHIP_NONE)
		return -EINVAL;
	return assign(kvm, args);
}

void kvm_irqfd_release(struct kvm *kvm)
{
	struct irqfd *f;

	if (!kvm->module->irqfds)
		return;
	while ((f = take(kvm, true, 0, 0)))
		free_irqfd(f);
}
