/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* errno_rows_irq.c - interrupt controllers, routes, the interval timer and eventfds. */
#include "errno_rows.h"
#include "kvm_user.h"

#include <unistd.h>

#define CAP(...)	ARG(struct kvm_enable_cap, __VA_ARGS__)

static int split(struct machine *m)
{
	return (int)vm_enable(machine_fd(m, ON_BARE), KVM_CAP_SPLIT_IRQCHIP, 24);
}

static int make_irqchip(struct machine *m)
{
	return (int)kvm_ioctl(machine_fd(m, ON_BARE), KVM_CREATE_IRQCHIP, 0);
}

static int make_vcpu(struct machine *m)
{
	int fd = (int)kvm_ioctl(machine_fd(m, ON_BARE), KVM_CREATE_VCPU, 0);

	return fd < 0 ? fd : close(fd);
}

static int make_pit(struct machine *m)
{
	return (int)kvm_ioctl(machine_fd(m, ON_VM), KVM_CREATE_PIT, 0);
}

struct routing {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry entry[2];
};

#define PIN(g, c, p)	{ .gsi = (g), .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { (c), (p) } }
#define MSI(g, ...)	{ .gsi = (g), .type = KVM_IRQ_ROUTING_MSI, __VA_ARGS__ }
#define ROUTES(text, where, error, count, flag, ...)				\
	{ "routes: " text, where, KVM_SET_GSI_ROUTING,				\
	  ARG(struct routing, { .nr = (count), .flags = (flag) }, { __VA_ARGS__ }), .want = (error) }
#define IRQFD(text, where, error, ...)						\
	{ "irqfd: " text, where, KVM_IRQFD, ARG(struct kvm_irqfd, __VA_ARGS__), .want = (error) }

static const struct row rows[] = {
	{ "irqchip state without one", ON_BARE, KVM_GET_IRQCHIP, ARG(struct kvm_irqchip, 0),
	  .want = ENXIO },
	{ "irqchip state of a split one", ON_BARE, KVM_GET_IRQCHIP, ARG(struct kvm_irqchip, 0),
	  .before = split, .want = ENXIO },
	{ "irqchip state", ON_VM, KVM_GET_IRQCHIP, ARG(struct kvm_irqchip, .chip_id = 2) },
	{ "irqchip state of a fourth", ON_VM, KVM_GET_IRQCHIP, ARG(struct kvm_irqchip, .chip_id = 3),
	  .want = EINVAL },
	{ "irqchip set without one", ON_BARE, KVM_SET_IRQCHIP, ARG(struct kvm_irqchip, 0),
	  .want = ENXIO },
	{ "irqchip set", ON_VM, KVM_SET_IRQCHIP, ARG(struct kvm_irqchip, .chip_id = 1) },
	{ "irqchip set, a fourth", ON_VM, KVM_SET_IRQCHIP, ARG(struct kvm_irqchip, .chip_id = 3),
	  .want = EINVAL },
	{ "a line without a chip", ON_BARE, KVM_IRQ_LINE, ARG(struct kvm_irq_level, { 0 }, 0),
	  .want = ENXIO },
	{ "a line", ON_VM, KVM_IRQ_LINE, ARG(struct kvm_irq_level, { 4 }, 0) },
	{ "a line of a split chip", ON_BARE, KVM_IRQ_LINE, ARG(struct kvm_irq_level, { 4 }, 0),
	  .before = split },

	{ "a message without a local APIC", ON_BARE, KVM_SIGNAL_MSI, ARG(struct kvm_msi, 0),
	  .want = EINVAL },
	{ "a message with a device", ON_VM, KVM_SIGNAL_MSI,
	  ARG(struct kvm_msi, .flags = KVM_MSI_VALID_DEVID, .data = 0x41) },
	{ "a message with another flag", ON_VM, KVM_SIGNAL_MSI, ARG(struct kvm_msi, .flags = 2),
	  .want = EINVAL },

	ROUTES("without a chip", ON_BARE, EINVAL, 0, 0, MSI(0)),
	ROUTES("none", ON_VM, 0, 0, 0, MSI(0)),
	ROUTES("with flags", ON_VM, EINVAL, 0, 1, MSI(0)),
	ROUTES("too many", ON_VM, EINVAL, 4097, 0, MSI(0)),
	ROUTES("the last line", ON_VM, 0, 1, 0, MSI(4095)),
	ROUTES("past the last line", ON_VM, EINVAL, 1, 0, MSI(4096)),
	ROUTES("a message with a device", ON_VM, 0, 1, 0, MSI(1, .flags = KVM_MSI_VALID_DEVID)),
	ROUTES("a message with another flag", ON_VM, EINVAL, 1, 0, MSI(1, .flags = 2)),
	ROUTES("a pin with a flag", ON_VM, EINVAL, 1, 0, { .type = KVM_IRQ_ROUTING_IRQCHIP, .flags = 1 }),
	ROUTES("no such kind", ON_VM, EINVAL, 1, 0, { .type = 77 }),
	ROUTES("two messages on a line", ON_VM, EINVAL, 2, 0, MSI(1), MSI(1)),
	ROUTES("a pin of each", ON_VM, 0, 2, 0, PIN(1, 0, 1), PIN(1, 2, 1)),
	ROUTES("two pins of one", ON_VM, EINVAL, 2, 0, PIN(1, 2, 1), PIN(1, 2, 2)),
	ROUTES("the I/O APIC's last pin", ON_VM, 0, 1, 0, PIN(1, 2, 23)),
	ROUTES("past it", ON_VM, EINVAL, 1, 0, PIN(1, 2, 24)),
	ROUTES("a PIC's last pin", ON_VM, 0, 1, 0, PIN(1, 1, 7)),
	ROUTES("past that", ON_VM, EINVAL, 1, 0, PIN(1, 1, 8)),
	ROUTES("a fourth chip", ON_VM, EINVAL, 1, 0, PIN(1, 3, 0)),

	{ "timer without a chip", ON_BARE, KVM_CREATE_PIT, .want = ENOENT },
	{ "timer with a split chip", ON_BARE, KVM_CREATE_PIT2, ARG(struct kvm_pit_config, 0),
	  .before = split, .want = ENOENT },
	{ "timer", ON_VM, KVM_CREATE_PIT2, ARG(struct kvm_pit_config, 0) },
	{ "timer twice", ON_VM, KVM_CREATE_PIT2, ARG(struct kvm_pit_config, 0), .before = make_pit,
	  .want = EEXIST },
	{ "timer's state without one", ON_VM, KVM_GET_PIT2, ARG(struct kvm_pit_state2, .flags = 0),
	  .want = ENXIO },
	{ "timer's old state without one", ON_VM, KVM_GET_PIT, ARG(struct kvm_pit_state, .channels = { { 0 } }),
	  .want = ENXIO },
	{ "timer's state", ON_VM, KVM_GET_PIT2, ARG(struct kvm_pit_state2, .flags = 0), .before = make_pit },
	{ "timer set without one", ON_VM, KVM_SET_PIT2, ARG(struct kvm_pit_state2, .flags = 0),
	  .want = ENXIO },
	{ "timer set, old, without one", ON_VM, KVM_SET_PIT, ARG(struct kvm_pit_state, .channels = { { 0 } }),
	  .want = ENXIO },
	{ "reinjection without a timer", ON_VM, KVM_REINJECT_CONTROL,
	  ARG(struct kvm_reinject_control, 0), .want = ENXIO },
	{ "reinjection", ON_VM, KVM_REINJECT_CONTROL, ARG(struct kvm_reinject_control, 0),
	  .before = make_pit },

	/* The pointer comes before the timer that is not there. */
	{ "timer's old state to nowhere", ON_VM, KVM_GET_PIT, .value = 8, .want = EFAULT },
	{ "timer set, old, from nowhere", ON_VM, KVM_SET_PIT, .value = 8, .want = EFAULT },
	{ "timer's state to nowhere", ON_VM, KVM_GET_PIT2, .value = 8, .want = ENXIO },
	{ "timer set from nowhere", ON_VM, KVM_SET_PIT2, .value = 8, .want = EFAULT },
	{ "reinjection from nowhere", ON_VM, KVM_REINJECT_CONTROL, .value = 8, .want = EFAULT },
	{ "a message from nowhere", ON_BARE, KVM_SIGNAL_MSI, .value = 8, .want = EFAULT },
	{ "irqfd from nowhere", ON_BARE, KVM_IRQFD, .value = 8, .want = EFAULT },

	IRQFD("no such flag", ON_VM, EINVAL, .fd = FD_CLOSED, .flags = 4),
	IRQFD("without a chip", ON_BARE, EINVAL, .fd = FD_CLOSED),
	IRQFD("a closed one", ON_VM, EBADF, .fd = FD_CLOSED),
	IRQFD("no eventfd", ON_VM, EINVAL, .fd = FD_MEMFD),

	{ "split: pins", ON_BARE, KVM_ENABLE_CAP, CAP(.cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 4096 }) },
	{ "split: too many pins", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 4097 }), .want = EINVAL },
	{ "split: beside one", ON_VM, KVM_ENABLE_CAP, CAP(.cap = KVM_CAP_SPLIT_IRQCHIP),
	  .want = EEXIST },
	{ "split: after a vCPU", ON_BARE, KVM_ENABLE_CAP, CAP(.cap = KVM_CAP_SPLIT_IRQCHIP),
	  .before = make_vcpu, .want = EEXIST },
	{ "x2APIC: its flags", ON_BARE, KVM_ENABLE_CAP, CAP(.cap = KVM_CAP_X2APIC_API, .args = { 3 }) },
	{ "x2APIC: another flag", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_X2APIC_API, .args = { 4 }), .want = EINVAL },
	{ "bus cycles", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_X86_APIC_BUS_CYCLES_NS, .args = { 10 }), .before = make_irqchip },
	{ "bus cycles of 0", ON_BARE, KVM_ENABLE_CAP, CAP(.cap = KVM_CAP_X86_APIC_BUS_CYCLES_NS),
	  .before = make_irqchip, .want = EINVAL },
	{ "bus cycles without a chip", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_X86_APIC_BUS_CYCLES_NS, .args = { 10 }), .want = ENXIO },
	{ "bus cycles after a vCPU", ON_VM, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_X86_APIC_BUS_CYCLES_NS, .args = { 10 }), .want = EINVAL },
};

const struct row_table irq_rows = { rows, sizeof(rows) / sizeof(rows[0]) };
