/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lapic_timer.c - the local APIC's timer.  SDM vol. 3A 11.5.4.
 *
 * @target and @period belong to the vCPU's thread while the timer is not
 * armed, and to fire() while it is.
 */
#include "base/bits.h"
#include "kvm/core/request.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/lapic.h"
#include "os/clock.h"

#define MIN_PERIOD_NS	200000ull	/* kvm.min_timer_period_us */
#define NS_PER_MS	1000000ull
#define SPIN_NS		20000ull	/* rather than arming once more */

static struct lapic *lapic_of(struct irq_timer *timer)
{
	return container_of(timer, struct lapic, timer.timer);
}

static enum lapic_timer_mode mode_of(const struct lapic *apic)
{
	return atomic32_load_relaxed(&apic->timer.mode);
}

static void expire(struct lapic *apic)
{
	if (atomic32_load(&apic->timer.pending))
		return;
	atomic32_store(&apic->timer.pending, 1);
	kvm_make_request(KVM_REQ_UNBLOCK, apic->vcpu);
}

/* The next beat; one that should have been is now. */
static uint64_t advance(struct lapic *apic)
{
	uint64_t now = os_monotonic_ns();
	uint64_t target = atomic64_load_relaxed(&apic->timer.target) +
			  atomic64_load_relaxed(&apic->timer.period);

	target = MAX(target, now);
	atomic64_store_relaxed(&apic->timer.target, target);
	return target;
}

static void fire(struct irq_timer *timer)
{
	struct lapic *apic = lapic_of(timer);

	expire(apic);
	kvm_vcpu_kick(apic->vcpu);
	if (mode_of(apic) == LAPIC_PERIODIC)
		irq_timer_arm(timer, advance(apic));
}

void lapic_timer_init(struct lapic *apic)
{
	irq_timer_init(&apic->timer.timer, apic->vcpu->kvm->module->timers, fire);
	apic->timer.divide = 2;
}

void lapic_timer_stop(struct lapic *apic)
{
	irq_timer_cancel(&apic->timer.timer);
	atomic32_store(&apic->timer.pending, 0);
}

static void limit_period(struct lapic *apic)
{
	uint64_t period = atomic64_load_relaxed(&apic->timer.period);

	if (mode_of(apic) == LAPIC_PERIODIC && period && period < MIN_PERIOD_NS)
		atomic64_store_relaxed(&apic->timer.period, MIN_PERIOD_NS);
}

static uint64_t count_to_ns(const struct lapic *apic, uint32_t count)
{
	return (uint64_t)count * apic->vcpu->kvm->irq->bus_cycle_ns * apic->timer.divide;
}

/* False: the count is 0, nothing counts. */
static bool set_target(struct lapic *apic, uint32_t count_reg)
{
	uint64_t period = count_to_ns(apic, lapic_get(apic, LAPIC_TMICT)), wait;

	atomic64_store_relaxed(&apic->timer.period, period);
	if (!period) {
		apic->timer.tsc_deadline = 0;
		return false;
	}
	limit_period(apic);
	wait = period = atomic64_load_relaxed(&apic->timer.period);
	if (count_reg != LAPIC_TMICT) {
		wait = count_to_ns(apic, lapic_get(apic, count_reg));
		if (!wait)
			wait = mode_of(apic) == LAPIC_PERIODIC ? period : 0;
		wait = MIN(wait, period);
	}
	atomic64_store_relaxed(&apic->timer.target, os_monotonic_ns() + wait);
	return true;
}

static void start_periods(struct lapic *apic)
{
	uint64_t target = atomic64_load_relaxed(&apic->timer.target);

	if (os_monotonic_ns() > target) {
		expire(apic);
		if (mode_of(apic) == LAPIC_ONESHOT)
			return;
		target = advance(apic);
	}
	irq_timer_arm(&apic->timer.timer, target);
}

static void start_deadline(struct lapic *apic)
{
	uint64_t deadline = apic->timer.tsc_deadline, tsc = guest_tsc_read(apic->tsc);
	uint64_t now = os_monotonic_ns();
	unsigned __int128 ns;

	if (!deadline || !apic->tsc->khz)
		return;
	if (deadline <= tsc) {
		expire(apic);
		return;
	}
	ns = (unsigned __int128)(deadline - tsc) * NS_PER_MS / apic->tsc->khz + 1;
	irq_timer_arm(&apic->timer.timer, ns > ~now ? ~0ull : now + (uint64_t)ns);
}

static void start(struct lapic *apic)
{
	if (mode_of(apic) == LAPIC_TSC_DEADLINE)
		start_deadline(apic);
	else if (atomic64_load_relaxed(&apic->timer.period))
		start_periods(apic);
}

void lapic_timer_restart(struct lapic *apic, uint32_t count_reg)
{
	atomic32_store(&apic->timer.pending, 0);
	if (mode_of(apic) != LAPIC_TSC_DEADLINE && !set_target(apic, count_reg))
		return;
	start(apic);
}

/* LVT bits 18:17; the reserved combination counts once, as KVM's does not. */
static enum lapic_timer_mode mode_in_lvt(const struct lapic *apic)
{
	switch (lapic_get(apic, LAPIC_LVT_TIMER) >> 17 & (apic->timer.deadline_allowed ? 3 : 1)) {
	case 1:
		return LAPIC_PERIODIC;
	case 2:
		return LAPIC_TSC_DEADLINE;
	default:
		return LAPIC_ONESHOT;
	}
}

void lapic_timer_mode_written(struct lapic *apic)
{
	enum lapic_timer_mode was = mode_of(apic), now = mode_in_lvt(apic);

	if (was == now)
		return;
	if ((was == LAPIC_TSC_DEADLINE) != (now == LAPIC_TSC_DEADLINE)) {
		lapic_timer_stop(apic);
		lapic_put(apic, LAPIC_TMICT, 0);
		atomic64_store_relaxed(&apic->timer.period, 0);
		apic->timer.tsc_deadline = 0;
	}
	atomic32_store_relaxed(&apic->timer.mode, now);
	limit_period(apic);
}

/* SDM vol. 3A figure 11-10: bits 3, 1 and 0 make a power of two; 111b is 1. */
static uint8_t divide_of(uint32_t tdcr)
{
	uint32_t code = ((tdcr & 3) | (tdcr & 8) >> 1) + 1;

	return (uint8_t)(1u << (code & 7));
}

void lapic_timer_divide_written(struct lapic *apic, bool running)
{
	uint8_t was = apic->timer.divide, now = divide_of(lapic_get(apic, LAPIC_TDCR));
	uint64_t t, left, target;

	apic->timer.divide = now;
	if (!running || was == now || !atomic64_load_relaxed(&apic->timer.period))
		return;
	irq_timer_cancel(&apic->timer.timer);
	atomic64_store_relaxed(&apic->timer.period,
			       count_to_ns(apic, lapic_get(apic, LAPIC_TMICT)));
	limit_period(apic);
	t = os_monotonic_ns();
	target = atomic64_load_relaxed(&apic->timer.target);
	left = target > t ? target - t : 0;
	atomic64_store_relaxed(&apic->timer.target, t + left * now / was);
	if (mode_of(apic) == LAPIC_PERIODIC || !atomic32_load(&apic->timer.pending))
		start(apic);
}

uint32_t lapic_timer_count(const struct lapic *apic)
{
	uint64_t period = atomic64_load_relaxed(&apic->timer.period), now, target, left;

	if (mode_of(apic) == LAPIC_TSC_DEADLINE || !lapic_get(apic, LAPIC_TMICT) || !period)
		return 0;
	now = os_monotonic_ns();
	target = atomic64_load_relaxed(&apic->timer.target);
	left = target > now ? (target - now) % period : 0;
	return (uint32_t)(left / (apic->vcpu->kvm->irq->bus_cycle_ns * apic->timer.divide));
}

bool lapic_timer_is_pending(const struct lapic *apic)
{
	return atomic32_load(&apic->timer.pending) && lapic_hw_enabled(apic) &&
	       lapic_sw_enabled(apic) && !(lapic_get(apic, LAPIC_LVT_TIMER) & LAPIC_LVT_MASKED);
}

/* The two clocks differ a little: the guest may not see its deadline in the future. */
static bool is_early(struct lapic *apic)
{
	uint64_t deadline = apic->timer.tsc_deadline, tsc;

	if (mode_of(apic) != LAPIC_TSC_DEADLINE)
		return false;
	while (tsc = guest_tsc_read(apic->tsc), tsc < deadline) {
		if ((deadline - tsc) * NS_PER_MS / apic->tsc->khz > SPIN_NS)
			return true;
		sync_relax();
	}
	return false;
}

void lapic_timer_deliver(struct lapic *apic)
{
	if (is_early(apic)) {
		lapic_timer_restart(apic, LAPIC_TMICT);
		return;
	}
	(void)lapic_local_deliver(apic, LAPIC_LVT_TIMER);
	if (mode_of(apic) == LAPIC_TSC_DEADLINE)
		apic->timer.tsc_deadline = 0;
	else if (mode_of(apic) == LAPIC_ONESHOT)
		atomic64_store_relaxed(&apic->timer.target, 0);
	atomic32_store(&apic->timer.pending, 0);
}

uint64_t lapic_get_tsc_deadline(const struct lapic *apic)
{
	if (!lapic_hw_enabled(apic) || mode_of(apic) != LAPIC_TSC_DEADLINE)
		return 0;
	return apic->timer.tsc_deadline;
}

void lapic_set_tsc_deadline(struct lapic *apic, uint64_t tsc)
{
	if (!lapic_hw_enabled(apic) || mode_of(apic) != LAPIC_TSC_DEADLINE)
		return;
	irq_timer_cancel(&apic->timer.timer);
	apic->timer.tsc_deadline = tsc;
	lapic_timer_restart(apic, LAPIC_TMICT);
}
