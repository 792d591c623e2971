/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_context.c - an encryption context changes VMs, or serves two: intra-host
 * migration and mirroring.
 *
 * Two VMs' locks are taken, destination first.  Two threads that do it the
 * other way round do not meet: the second finds migration_in_progress set.
 */
#include <errno.h>

#include "kvm/types/sev.h"

static int lock_two_vms(struct kvm *dst, struct kvm *src) NO_LOCK_ANALYSIS
{
	struct kvm_sev *d = to_kvm_sev(dst), *s = to_kvm_sev(src);
	uint32_t was = 0;

	if (dst == src)
		return -EINVAL;
	if (!atomic32_cas(&d->migration_in_progress, &was, 1))
		return -EBUSY;
	was = 0;
	if (!atomic32_cas(&s->migration_in_progress, &was, 1)) {
		atomic32_store_release(&d->migration_in_progress, 0);
		return -EBUSY;
	}
	mutex_lock(&dst->lock);
	mutex_lock_nested(&src->lock);
	return 0;
}

static void unlock_two_vms(struct kvm *dst, struct kvm *src) NO_LOCK_ANALYSIS
{
	mutex_unlock(&dst->lock);
	mutex_unlock(&src->lock);
	atomic32_store_release(&to_kvm_sev(dst)->migration_in_progress, 0);
	atomic32_store_release(&to_kvm_sev(src)->migration_in_progress, 0);
}

static unsigned nr_vcpus(const struct kvm *kvm)
{
	return atomic32_load_acquire(&kvm->nr_vcpus);
}

/* Nobody else holds two of them: migration_in_progress of their VM is ours. */
static void lock_vcpus(struct kvm *kvm) NO_LOCK_ANALYSIS
{
	for (unsigned i = 0; i < nr_vcpus(kvm); i++)
		mutex_lock_nested(&kvm_get_vcpu(kvm, i)->mutex);
}

static void unlock_vcpus(struct kvm *kvm) NO_LOCK_ANALYSIS
{
	for (unsigned i = 0; i < nr_vcpus(kvm); i++)
		mutex_unlock(&kvm_get_vcpu(kvm, i)->mutex);
}

static bool is_creating_vcpu(const struct kvm *kvm)
{
	return atomic32_load(&kvm->created_vcpus) != nr_vcpus(kvm);
}

static int check_vcpus(const struct kvm *dst, struct kvm *src)
{
	if (is_creating_vcpu(src) || is_creating_vcpu(dst))
		return -EBUSY;
	if (!sev_es_guest(src))
		return 0;
	if (nr_vcpus(src) != nr_vcpus(dst))
		return -EINVAL;
	for (unsigned i = 0; i < nr_vcpus(src); i++) {
		if (!kvm_get_vcpu(src, i)->guest_state_protected)
			return -EINVAL;
	}
	return 0;
}

/* Who mirrors @src mirrors @dst from now on, and @dst mirrors whom @src did. */
static void move_mirrors(struct kvm *dst, struct kvm *src)
{
	struct kvm_sev *d = to_kvm_sev(dst), *s = to_kvm_sev(src);
	struct sev_module *m = sev_module(dst);

	mutex_lock(&m->mirror_lock);
	while (!list_is_empty(&s->mirrors)) {
		struct kvm_sev *mirror = container_of(s->mirrors.next, struct kvm_sev, mirror_link);

		list_del(&mirror->mirror_link);
		list_add_tail(&d->mirrors, &mirror->mirror_link);
		kvm_get(dst);
		kvm_put(src);	/* not the last one: the caller has it */
		mirror->owner = dst;
	}
	if (s->owner) {
		d->owner = s->owner;
		s->owner = NULL;
		list_del(&s->mirror_link);
		list_add_tail(&to_kvm_sev(d->owner)->mirrors, &d->mirror_link);
	}
	mutex_unlock(&m->mirror_lock);
}

static void move_regions(struct kvm_sev *d, struct kvm_sev *s)
{
	while (!list_is_empty(&s->regions)) {
		struct list *l = s->regions.next;

		list_del(l);
		list_add_tail(&d->regions, l);
	}
}

static void migrate(struct kvm *dst, struct kvm *src)
{
	struct kvm_sev *d = to_kvm_sev(dst), *s = to_kvm_sev(src);

	d->active = true;
	d->es_active = s->es_active;
	d->asid = s->asid;
	d->handle = s->handle;
	d->vmsa_features = s->vmsa_features;
	move_regions(d, s);
	move_mirrors(dst, src);
	for (unsigned i = 0; i < nr_vcpus(dst); i++) {
		sev_init_vmcb(kvm_get_vcpu(dst, i));
		if (d->es_active)
			sev_es_take_state(kvm_get_vcpu(dst, i), kvm_get_vcpu(src, i));
	}
	s->active = false;
	s->es_active = false;
	s->asid = 0;
	s->handle = 0;
}

static bool may_migrate(const struct kvm *dst, const struct kvm *src)
{
	return dst->vm_type == src->vm_type && !sev_guest(dst) && sev_guest(src) &&
	       !sev_snp_guest(src);
}

int sev_move_enc_context_from(struct kvm *kvm, struct kvm *source)
{
	int r = lock_two_vms(kvm, source);

	if (r)
		return r;
	if (!may_migrate(kvm, source)) {
		unlock_two_vms(kvm, source);
		return -EINVAL;
	}
	lock_vcpus(kvm);
	lock_vcpus(source);
	r = check_vcpus(kvm, source);
	if (!r) {
		migrate(kvm, source);
		kvm_vm_dead(source);
	}
	unlock_vcpus(source);
	unlock_vcpus(kvm);
	unlock_two_vms(kvm, source);
	return r;
}

/* Mirrors of mirrors would work; the kernel does not have them either. */
static bool may_mirror(const struct kvm *mirror, const struct kvm *source)
{
	return !sev_guest(mirror) && sev_guest(source) && !sev_snp_guest(source) &&
	       !to_kvm_sev(source)->owner &&
	       !atomic32_load(&mirror->created_vcpus);
}

static void mirror_context(struct kvm *kvm, struct kvm *source)
{
	struct kvm_sev *m = to_kvm_sev(kvm), *s = to_kvm_sev(source);

	mutex_lock(&sev_module(kvm)->mirror_lock);
	kvm_get(source);
	list_add_tail(&s->mirrors, &m->mirror_link);
	m->owner = source;
	mutex_unlock(&sev_module(kvm)->mirror_lock);
	m->active = true;
	m->es_active = s->es_active;
	m->need_init = false;
	m->asid = s->asid;
	m->fd = s->fd;
	m->handle = s->handle;
}

int sev_copy_enc_context_from(struct kvm *kvm, struct kvm *source)
{
	int r = lock_two_vms(kvm, source);

	if (r)
		return r;
	if (may_mirror(kvm, source))
		mirror_context(kvm, source);
	else
		r = -EINVAL;
	unlock_two_vms(kvm, source);
	return r;
}
