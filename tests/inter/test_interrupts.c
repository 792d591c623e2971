/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_interrupts.c - IRQ-G1: an interrupt that is sent to a vCPU that goes to
 * sleep wakes it, and one that is sent while the APIC map is replaced arrives.
 */
#include "world.h"

#include "base/log.h"
#include "kvm/core/request.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/irqfd.h"

#define VECTOR	0x41
#define SEEDS	300
#define SENT	4

/* Eventfds are the kernel's, which is not here. */
void kvm_irqfd_release(struct kvm *kvm)
{
}

struct apics {
	struct world	*w;
	struct guest_tsc tsc;
	struct lapic	*apic[WORLD_VCPUS];
	unsigned	 taken, sent, to_take;
	bool		 logical;
};

static void write_reg(struct lapic *apic, uint32_t reg, uint32_t value)
{
	lapic_write(apic, reg, sizeof(value), &value);
}

static struct apics *create(void)
{
	struct world *w = world_create(false);
	struct apics *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	a->w = w;
	w->module.timers = irq_timers_create();
	assert_non_null(w->module.timers);
	assert_int_equal(kvm_irq_create(&w->kvm), 0);
	w->kvm.irq->mode = IRQCHIP_SPLIT;
	for (unsigned i = 0; i < WORLD_VCPUS; i++) {
		struct kvm_vcpu *vcpu = kvm_get_vcpu(&w->kvm, i);

		a->apic[i] = vcpu->lapic = lapic_create(vcpu, &a->tsc);
		assert_non_null(vcpu->lapic);
		lapic_reset(vcpu->lapic, false, false);
		write_reg(vcpu->lapic, LAPIC_SVR, 0x1ff);
		write_reg(vcpu->lapic, LAPIC_LDR, 1u << (24 + i));
	}
	return a;
}

static void destroy(struct apics *a)
{
	struct world *w = a->w;

	for (unsigned i = 0; i < WORLD_VCPUS; i++)
		lapic_destroy(a->apic[i]);
	rcu_barrier();
	kvm_irq_destroy(&w->kvm);
	irq_timers_destroy(w->module.timers);
	free(a);
	world_destroy(w);
}

/* A halted vCPU: sleeps until there is an interrupt, takes it, ends it. */
static void halter(void *arg)
{
	struct apics *a = arg;
	struct lapic *apic = a->apic[0];

	while (a->taken < a->to_take) {
		waitq_wait(&apic->vcpu->left_guest, lapic_has_interrupt(apic) >= 0);
		lapic_ack(apic, (uint8_t)lapic_has_interrupt(apic));
		lapic_set_eoi(apic);
		a->taken++;
	}
}

static void send(struct apics *a)
{
	struct lapic_irq irq = { .vector = VECTOR, .level = true, .logical = a->logical,
				 .dest = a->logical ? 1 : 0 };

	int n = irq_deliver(&a->w->kvm, a->apic[1], &irq);

	a->sent += n > 0 ? (unsigned)n : 0;
}

static void sender(void *arg)
{
	send(arg);
}

/* The other one sleeps until an NMI. */
static void nmi_waiter(void *arg)
{
	struct apics *a = arg;
	struct kvm_vcpu *vcpu = a->apic[0]->vcpu;

	waitq_wait(&vcpu->left_guest, kvm_request_is_pending(KVM_REQ_NMI, vcpu));
	a->taken += atomic32_xchg(&vcpu->nmi_queued, 0);
}

static void nmi_sender(void *arg)
{
	struct apics *a = arg;

	kvm_inject_nmi(a->apic[0]->vcpu);
}

/* Whole interrupt between any two steps of falling asleep. */
static void sent_at_any_step(void (*wait)(void *), void (*wake)(void *))
{
	for (unsigned steps = 1;; steps++) {
		struct apics *a = create();
		bool more;

		a->to_take = 1;
		INTER_THREAD(sleeps, wait, a);
		INTER_THREAD(wakes, wake, a);
		more = coro_run(sleeps, NULL, steps) == CORO_SPENT;
		INTER_END(wakes);
		INTER_END(sleeps);
		assert_int_equal(a->taken, 1);
		destroy(a);
		if (!more)
			return;
	}
}

static void an_interrupt_at_any_step(void **unused)
{
	(void)unused;
	sent_at_any_step(halter, sender);
}

static void an_nmi_at_any_step(void **unused)
{
	(void)unused;
	sent_at_any_step(nmi_waiter, nmi_sender);
}

/* The bit is there and nobody has been woken yet: who looks now does not sleep. */
static void between_the_bit_and_the_kick(void **unused)
{
	struct apics *a = create();

	(void)unused;
	a->to_take = 1;
	INTER_THREAD(sleeps, halter, a);
	INTER_THREAD(wakes, sender, a);
	INTER_TO(wakes, lapic_accepted);
	INTER_END(sleeps);
	INTER_END(wakes);
	assert_int_equal(a->taken, 1);
	destroy(a);
}

/* LDR changes to and fro what it was, each time with a new map. */
static void mapper(void *arg)
{
	struct apics *a = arg;

	for (unsigned i = 0; i < 3; i++) {
		write_reg(a->apic[1], LAPIC_LDR, 4u << 24);
		write_reg(a->apic[1], LAPIC_LDR, 2u << 24);
	}
}

static void four_times(void *arg)
{
	struct apics *a = arg;

	for (unsigned i = 0; i < SENT; i++) {
		send(a);
		/* The next is another edge only after this one has been taken. */
		while (lapic_test(a->apic[0], LAPIC_IRR, VECTOR))
			sync_relax();
	}
}

static void while_the_map_is_replaced(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct apics *a = create();

		a->logical = seed & 1;
		a->to_take = SENT;
		inter_thread(halter, a, "halter");
		inter_thread(four_times, a, "sender");
		inter_thread(mapper, a, "mapper");
		INTER_RANDOM(seed);
		assert_int_equal(a->sent, SENT);
		assert_int_equal(a->taken, SENT);
		destroy(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interrupt_at_any_step),
		cmocka_unit_test(an_nmi_at_any_step),
		cmocka_unit_test(between_the_bit_and_the_kick),
		cmocka_unit_test(while_the_map_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
