/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_ghcb_io.c - requests with data: MMIO and string I/O.
 *
 * What goes out is copied when the guest exits, and never looked at in the
 * guest's memory again: however often the VMM comes back for the next piece, it
 * sees the data of that moment.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/host/access.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/irq.h"
#include "trace/counters.h"

#define OUTSIDE_MAX	(16u * (uint32_t)PAGE_SIZE)
#define MMIO_CHUNK	8u

static struct sev_ghcb *ghcb_of(const struct vcpu *v)
{
	return &to_sev_vcpu(&v->base)->ghcb;
}

/* All of it between the start of the buffer and the reserved bytes. */
static bool take_inside(struct sev_ghcb *g, gpa_t gpa, uint64_t end)
{
	uint64_t at = gpa.v - g->gpa.v;

	if (at < GHCB_BUFFER || end > g->gpa.v + GHCB_BUFFER_END)
		return false;
	g->scratch = (struct ghcb_scratch){
		.gpa = gpa,
		.data = g->copy.bytes + at,
		.len = (uint32_t)(GHCB_BUFFER_END - at),
	};
	return true;
}

static int take_outside(struct kvm *kvm, struct sev_ghcb *g, gpa_t gpa, uint32_t len, bool result)
{
	uint8_t *data = malloc(len);

	if (!data)
		return -ENOMEM;
	SYNC_POINT(ghcb_before_scratch);
	if (kvm_read_guest(kvm, gpa, data, len)) {
		free(data);
		return -EFAULT;
	}
	g->scratch = (struct ghcb_scratch){
		.gpa = gpa, .data = data, .len = len, .is_outside = true, .is_result = result,
	};
	return 0;
}

int ghcb_take_scratch(struct vcpu *v, uint64_t len, bool result)
{
	struct sev_ghcb *g = ghcb_of(v);
	gpa_t gpa = GPA(ghcb_has(&g->copy, GHCB_SCRATCH) ? ghcb_get(&g->copy, GHCB_SCRATCH) : 0);
	uint64_t end = gpa.v + len;

	if (!gpa.v || end < gpa.v)
		return ghcb_refuse(&v->base, GHCB_INVALID_SCRATCH);
	if ((gpa.v & PAGE_MASK) == g->gpa.v)
		return take_inside(g, gpa, end) ? 0 : ghcb_refuse(&v->base, GHCB_INVALID_SCRATCH);
	if (to_kvm_sev(v->base.kvm)->ghcb_version >= 2 || len > OUTSIDE_MAX)
		return ghcb_refuse(&v->base, GHCB_INVALID_SCRATCH);
	return take_outside(v->base.kvm, g, gpa, (uint32_t)len, result);
}

void ghcb_drop_scratch(struct sev_ghcb *g)
{
	if (g->scratch.is_outside)
		free(g->scratch.data);
	g->scratch = (struct ghcb_scratch){ 0 };
}

void ghcb_store_scratch(struct kvm_vcpu *vcpu)
{
	const struct ghcb_scratch *s = &to_sev_vcpu(vcpu)->ghcb.scratch;

	/* Memory that has gone meanwhile takes the answer with it. */
	if (s->is_result && kvm_write_guest(vcpu->kvm, s->gpa, s->data, s->len))
		return;
}

void ghcb_scratch_changed(struct vcpu *v, uint32_t at, uint32_t len)
{
	const struct ghcb_scratch *s = &ghcb_of(v)->scratch;

	if (!s->is_outside)
		ghcb_put(&v->base, (unsigned)(s->gpa.v & ~PAGE_MASK) + at, s->data + at, len);
}

/* Devices in the kernel: 8 bytes at a time, until one is not theirs. */
static void offer_to_devices(struct vcpu *v)
{
	struct sev_ghcb *g = ghcb_of(v);
	struct ghcb_transfer *t = &g->io;

	while (t->left) {
		uint32_t n = MIN(MMIO_CHUNK, t->left);
		uint8_t *data = g->scratch.data + t->at;

		if (t->is_write ? !vcpu_irq_mmio_write(v, t->gpa, n, data) &&
				  !kvm_io_bus_write(&v->base, KVM_MMIO_BUS, t->gpa, n, data)
				: !vcpu_irq_mmio_read(v, t->gpa, n, data) &&
				  !kvm_io_bus_read(&v->base, KVM_MMIO_BUS, t->gpa, n, data))
			return;
		if (!t->is_write)
			ghcb_scratch_changed(v, t->at, n);
		t->at += n;
		t->left -= n;
		t->gpa.v += n;
	}
}

static int complete_mmio(struct vcpu *v);

static int mmio_exit(struct vcpu *v)
{
	const struct sev_ghcb *g = ghcb_of(v);
	struct kvm_run *run = v->base.run;
	uint32_t len = MIN(MMIO_CHUNK, g->io.left);

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = g->io.gpa.v;
	run->mmio.len = len;
	run->mmio.is_write = g->io.is_write;
	if (g->io.is_write)
		memcpy(run->mmio.data, g->scratch.data + g->io.at, len);
	v->complete = complete_mmio;
	counter_add(v->base.kvm->module->counters, COUNTER_MMIO_EXITS, 1);
	return 0;
}

static int complete_mmio(struct vcpu *v)
{
	struct sev_ghcb *g = ghcb_of(v);
	struct ghcb_transfer *t = &g->io;
	uint32_t len = MIN(MMIO_CHUNK, t->left);

	if (!t->is_write) {
		memcpy(g->scratch.data + t->at, v->base.run->mmio.data, len);
		ghcb_scratch_changed(v, t->at, len);
	}
	t->at += len;
	t->left -= len;
	t->gpa.v += len;
	return t->left ? mmio_exit(v) : 1;
}

int ghcb_mmio(struct kvm_vcpu *vcpu, bool is_write)
{
	struct vcpu *v = to_vcpu(vcpu);
	uint64_t len = v->svm_exit.exitinfo2;
	int r;

	if (!len)
		return 1;
	if (to_kvm_sev(vcpu->kvm)->ghcb_version >= 2 && len > MMIO_CHUNK)
		return ghcb_refuse(vcpu, GHCB_INVALID_INPUT);
	r = ghcb_take_scratch(v, len, !is_write);
	if (r)
		return r;
	ghcb_of(v)->io = (struct ghcb_transfer){
		.is_write = is_write, .gpa = GPA(v->svm_exit.exitinfo1), .left = (uint32_t)len,
	};
	offer_to_devices(v);
	return ghcb_of(v)->io.left ? mmio_exit(v) : 1;
}

/* A device in the kernel that takes the first element takes all; one that has gone reads as 0. */
static bool string_to_devices(struct vcpu *v, uint8_t *data, uint32_t count)
{
	gpa_t port = GPA(v->pio.port);
	uint32_t size = v->pio.size;

	for (uint32_t i = 0; i < count; i++) {
		uint8_t *e = data + i * size;
		bool taken = v->pio.in ? kvm_io_bus_read(&v->base, KVM_PIO_BUS, port, size, e)
				       : kvm_io_bus_write(&v->base, KVM_PIO_BUS, port, size, e);

		if (!taken && !i)
			return false;
		if (!taken) {
			if (v->pio.in)
				memset(e, 0, (count - i) * size);
			break;
		}
	}
	return true;
}

static void elements_done(struct vcpu *v, uint32_t count)
{
	struct ghcb_transfer *t = &ghcb_of(v)->io;

	if (v->pio.in)
		ghcb_scratch_changed(v, t->at, count * v->pio.size);
	t->at += count * v->pio.size;
	t->left -= count;
}

static int string_step(struct vcpu *v);

/* OUTS has gone out; what INS asked for is in the page behind kvm_run. */
static int complete_string(struct vcpu *v)
{
	struct sev_ghcb *g = ghcb_of(v);
	uint32_t count = v->pio.count;

	v->pio.count = 0;
	if (v->pio.in) {
		memcpy(g->scratch.data + g->io.at, v->pio_data, (size_t)count * v->pio.size);
		elements_done(v, count);
	}
	return g->io.left ? string_step(v) : 1;
}

static int string_exit(struct vcpu *v, uint8_t *data, uint32_t count)
{
	struct kvm_run *run = v->base.run;
	size_t bytes = (size_t)count * v->pio.size;

	if (v->pio.in)
		memset(v->pio_data, 0, bytes);
	else
		memcpy(v->pio_data, data, bytes);
	v->pio.count = count;
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = v->pio.in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = v->pio.size;
	run->io.port = v->pio.port;
	run->io.count = count;
	run->io.data_offset = VCPU_PIO_PAGE_OFFSET * PAGE_SIZE;
	v->complete = complete_string;
	if (!v->pio.in)
		elements_done(v, count);
	counter_add(v->base.kvm->module->counters, COUNTER_IO_EXITS, 1);
	return 0;
}

/* As many elements at once as a page holds. */
static int string_step(struct vcpu *v)
{
	struct sev_ghcb *g = ghcb_of(v);

	do {
		uint32_t count = MIN((uint32_t)PAGE_SIZE / v->pio.size, g->io.left);
		uint8_t *data = g->scratch.data + g->io.at;

		if (!string_to_devices(v, data, count))
			return string_exit(v, data, count);
		elements_done(v, count);
	} while (g->io.left);
	return 1;
}

int ghcb_string_io(struct kvm_vcpu *vcpu)
{
	struct vcpu *v = to_vcpu(vcpu);
	uint64_t info = v->svm_exit.exitinfo1, count = v->svm_exit.exitinfo2;
	uint8_t size = (uint8_t)(info >> 4 & 7);
	int r;

	KVM_VCPU_COUNT(vcpu, io_exits);
	if (count > INT_MAX || count * size > INT_MAX)
		return -EINVAL;
	if (!count)
		return 1;
	r = ghcb_take_scratch(v, count * size, info & SVM_IOIO_IN);
	if (r)
		return r;
	v->pio = (struct vcpu_pio){ .in = info & SVM_IOIO_IN, .size = size,
				    .port = (uint16_t)(info >> 16) };
	ghcb_of(v)->io = (struct ghcb_transfer){ .left = (uint32_t)count };
	return string_step(v);
}
