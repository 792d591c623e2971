/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_encryption.c - a SEV guest's memory is the VMM's, and the VMM finds
 * ciphertext there, however it looks: by its own loads and stores, through a
 * second mapping of the file, by system calls on it.  The guest's eyes are
 * KVM_SEV_DBG_DECRYPT's (tests/guest has those of guests).
 *
 * usage: test_encryption [--verbose | --looks N]
 *
 * --looks: a launch, N pages looked at, and no more (nobody-looks counts).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <softcvm/uapi/kvm_sev.h>
#include <softcvm/uapi/kvm_since_6_1.h>

#include "kvm_user.h"

#define NR_PAGES	8u
#define SIZE		(NR_PAGES * PAGE)
#define BLOCK		16u
#define PLAIN		0x5a

static struct checks c;

struct vmm {
	int	kvm, vm, sev, file;
	uint8_t	*mem, *twice;	/* two mappings of one file */
};

static long command(const struct vmm *v, uint32_t id, void *data)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = (uint32_t)v->sev };

	return kvm_ioctlp(v->vm, KVM_MEMORY_ENCRYPT_OP, &cmd);
}

static void *map_file(int fd)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	need(p != MAP_FAILED, "mmap");
	return p;
}

/* All pages but the last are the guest's, full of PLAIN. */
static struct vmm launch(bool file)
{
	struct vmm v = { .kvm = kvm_open(), .sev = open("/dev/sev", O_RDWR | O_CLOEXEC), .file = -1 };
	struct kvm_sev_launch_start start = { .policy = 0 };
	struct kvm_sev_launch_update_data data = { .len = SIZE - PAGE };
	struct kvm_sev_launch_measure measure = { 0 };
	struct kvm_sev_init init = { 0 };
	uint8_t blob[64];

	need(v.sev >= 0, "/dev/sev");
	v.vm = vm_make(v.kvm, KVM_X86_SEV_VM);
	need(!command(&v, KVM_SEV_INIT2, &init), "KVM_SEV_INIT2");
	if (file) {
		v.file = memfd_create("guest", MFD_CLOEXEC);
		need(v.file >= 0 && !ftruncate(v.file, SIZE), "memfd");
		v.mem = map_file(v.file);
		v.twice = map_file(v.file);
	} else {
		v.mem = v.twice = pages(SIZE);
	}
	memset(v.mem, PLAIN, SIZE);
	need(!vm_region(v.vm, 0, 0, 0, SIZE, v.mem), "memslot");
	need(!command(&v, KVM_SEV_LAUNCH_START, &start), "LAUNCH_START");
	data.uaddr = (uintptr_t)v.mem;
	need(!command(&v, KVM_SEV_LAUNCH_UPDATE_DATA, &data), "LAUNCH_UPDATE_DATA");
	measure.uaddr = (uintptr_t)blob;
	measure.len = sizeof(blob);
	need(!command(&v, KVM_SEV_LAUNCH_MEASURE, &measure), "LAUNCH_MEASURE");
	need(!command(&v, KVM_SEV_LAUNCH_FINISH, NULL), "LAUNCH_FINISH");
	return v;
}

static void end(struct vmm *v)
{
	close(v->vm);
	close(v->sev);
	close(v->kvm);
	munmap(v->mem, SIZE);
	if (v->file >= 0) {
		munmap(v->twice, SIZE);
		close(v->file);
	}
}

/* What the guest sees of @page; afterwards it has it. */
static void guest_sees(const struct vmm *v, unsigned page, uint8_t *out)
{
	struct kvm_sev_dbg d = { .src_uaddr = (uintptr_t)v->mem + page * PAGE,
				 .dst_uaddr = (uintptr_t)out, .len = PAGE };
	long r = command(v, KVM_SEV_DBG_DECRYPT, &d);

	need(!r, "DBG_DECRYPT: %s", errno_name(r));
}

static unsigned blocks_unlike(const uint8_t *a, const uint8_t *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PAGE; i += BLOCK)
		n += !!memcmp(a + i, b + i, BLOCK);
	return n;
}

static uint8_t plain[PAGE], seen[PAGE], other[PAGE];

static void own_loads_and_stores(struct vmm *v)
{
	memcpy(seen, v->mem, PAGE);
	check(&c, blocks_unlike(seen, plain) == PAGE / BLOCK, "loads: each block is ciphertext");
	guest_sees(v, 0, other);
	check(&c, !memcmp(other, plain, PAGE), "loads: the guest's bytes are what they were");
	memcpy(other, v->mem, PAGE);
	check(&c, !memcmp(other, seen, PAGE), "loads: ciphertext is always the same");
	check(&c, blocks_unlike(v->mem, v->mem + PAGE) == PAGE / BLOCK,
	      "loads: equal pages at two addresses are unlike");

	guest_sees(v, 1, other);
	v->mem[PAGE + 100] ^= 1;
	guest_sees(v, 1, other);
	check(&c, blocks_unlike(other, plain) == 1, "stores: one block is garbage");

	memcpy(v->mem + 2 * PAGE, v->mem, PAGE);
	guest_sees(v, 2, other);
	check(&c, blocks_unlike(other, plain) == PAGE / BLOCK, "moved ciphertext is garbage");
	guest_sees(v, 0, other);
	check(&c, !memcmp(other, plain, PAGE), "what it was moved from is not");
	memcpy(v->mem, seen, PAGE);
	guest_sees(v, 0, other);
	check(&c, !memcmp(other, plain, PAGE), "ciphertext that is put back is the old plaintext");
}

static void other_mappings(struct vmm *v)
{
	uint8_t *late;

	guest_sees(v, 0, other);
	memcpy(seen, v->twice, PAGE);
	check(&c, blocks_unlike(seen, plain) == PAGE / BLOCK, "a second mapping: ciphertext");
	check(&c, !memcmp(seen, v->mem, PAGE), "a second mapping: the same");
	guest_sees(v, 3, other);
	v->twice[3 * PAGE] ^= 1;
	guest_sees(v, 3, other);
	check(&c, blocks_unlike(other, plain) == 1, "a store by a second mapping: garbage");
	guest_sees(v, 0, other);
	late = map_file(v->file);
	check(&c, !memcmp(seen, late, PAGE), "a mapping made later: ciphertext");
	late[1] = 7;
	check(&c, v->mem[1] == 7 && v->twice[1] == 7, "a mapping made later: the same bytes");
	late[1] = seen[1];
	munmap(late, SIZE);
}

/* One call that hands page 0 to the kernel, and one that brings it to @to. */
struct road {
	const char *name;
	ssize_t (*out)(int fd, void *page);
};

static ssize_t by_write(int fd, void *p) { return write(fd, p, PAGE); }
static ssize_t by_send(int fd, void *p) { return send(fd, p, PAGE, 0); }
static ssize_t by_sendto(int fd, void *p) { return sendto(fd, p, PAGE, 0, NULL, 0); }
static ssize_t by_number(int fd, void *p) { return syscall(SYS_write, fd, p, PAGE); }

static ssize_t by_writev(int fd, void *p)
{
	struct iovec v[2] = { { p, 1000 }, { (char *)p + 1000, PAGE - 1000 } };

	return writev(fd, v, 2);
}

static ssize_t by_sendmsg(int fd, void *p)
{
	struct iovec v = { p, PAGE };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	return sendmsg(fd, &m, 0);
}

static ssize_t by_read(int fd, void *p) { return read(fd, p, PAGE); }
static ssize_t by_recv(int fd, void *p) { return recv(fd, p, PAGE, 0); }
static ssize_t by_recvfrom(int fd, void *p) { return recvfrom(fd, p, PAGE, 0, NULL, NULL); }

static ssize_t by_readv(int fd, void *p)
{
	struct iovec v = { p, PAGE };

	return readv(fd, &v, 1);
}

static ssize_t by_recvmsg(int fd, void *p)
{
	struct iovec v = { p, PAGE };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	return recvmsg(fd, &m, 0);
}

static void system_calls(struct vmm *v)
{
	static const struct road out[] = {
		{ "write", by_write }, { "writev", by_writev }, { "send", by_send },
		{ "sendto", by_sendto }, { "sendmsg", by_sendmsg }, { "syscall(SYS_write)", by_number },
	};
	static const struct road in[] = {
		{ "read", by_read }, { "readv", by_readv }, { "recv", by_recv },
		{ "recvfrom", by_recvfrom }, { "recvmsg", by_recvmsg },
	};
	int pair[2];

	need(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), "socketpair");
	memcpy(seen, v->mem, PAGE);
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		ssize_t n;

		guest_sees(v, 0, other);
		n = out[i].out(pair[0], v->mem);
		check(&c, n == (ssize_t)PAGE, "%s: %s", out[i].name, strerror(errno));
		n = recv(pair[1], other, PAGE, MSG_DONTWAIT);
		check(&c, n == (ssize_t)PAGE && !memcmp(other, seen, PAGE), "%s sends ciphertext",
		      out[i].name);
	}
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		ssize_t n;

		guest_sees(v, 4, other);
		memset(other, (int)i, PAGE);
		need(send(pair[0], other, PAGE, MSG_DONTWAIT) == (ssize_t)PAGE, "send");
		n = in[i].out(pair[1], v->mem + 4 * PAGE);
		check(&c, n == (ssize_t)PAGE, "%s: %s", in[i].name, strerror(errno));
		check(&c, !memcmp(v->mem + 4 * PAGE, other, PAGE), "%s brings what was sent", in[i].name);
		guest_sees(v, 4, other);
		check(&c, other[0] != i || other[17] != i, "%s: the guest finds garbage", in[i].name);
	}
	close(pair[0]);
	close(pair[1]);
}

static void files(struct vmm *v)
{
	int fd = memfd_create("file", 0);
	ssize_t n;

	need(fd >= 0, "memfd");
	memcpy(seen, v->mem, PAGE);
	guest_sees(v, 0, other);
	n = pwrite(fd, v->mem, PAGE, 0);
	check(&c, n == (ssize_t)PAGE, "pwrite: %s", strerror(errno));
	check(&c, pread(fd, other, PAGE, 0) == (ssize_t)PAGE && !memcmp(seen, other, PAGE),
	      "pwrite writes ciphertext");
	guest_sees(v, 5, other);
	n = pread(fd, v->mem + 5 * PAGE, PAGE, 0);
	check(&c, n == (ssize_t)PAGE, "pread: %s", strerror(errno));
	check(&c, !memcmp(seen, v->mem + 5 * PAGE, PAGE), "pread brings what is there");
	close(fd);
}

static bool holds_plain(const uint8_t *p)
{
	for (unsigned i = 0; i < PAGE; i += BLOCK)
		if (!memcmp(p + i, plain, BLOCK))
			return true;
	return false;
}

static void used_again(struct vmm *v)
{
	guest_sees(v, 6, other);
	check(&c, !madvise(v->mem + 6 * PAGE, PAGE, v->file >= 0 ? MADV_REMOVE : MADV_DONTNEED), "madvise");
	check(&c, !holds_plain(v->mem + 6 * PAGE) && !v->mem[6 * PAGE], "a page given back is zeros");
	guest_sees(v, 6, other);
	check(&c, !holds_plain(other), "the guest's bytes are gone with it");
}

/* A file outlives its mapping and what is dropped of it. */
static void the_file_stays(struct vmm *v)
{
	uint8_t *again;

	memcpy(seen, v->mem, PAGE);
	guest_sees(v, 0, other);
	check(&c, !madvise(v->mem, PAGE, MADV_DONTNEED), "madvise");
	check(&c, !memcmp(v->mem, seen, PAGE), "MADV_DONTNEED leaves a file's page as it is");
	guest_sees(v, 0, other);
	check(&c, !memcmp(other, plain, PAGE), "MADV_DONTNEED: the guest's, too");
	again = mmap(v->mem, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, v->file, 0);
	check(&c, again == v->mem && !memcmp(again, seen, PAGE), "mapped over itself: ciphertext");
	guest_sees(v, 0, other);
	check(&c, !memcmp(other, plain, PAGE), "mapped over itself: the guest's bytes are there");
}

static void a_child_finds_no_plaintext(struct vmm *v)
{
	int status;
	pid_t child;

	guest_sees(v, 0, other);
	child = fork();
	if (!child)
		_exit(holds_plain(v->mem));
	check(&c, child > 0 && waitpid(child, &status, 0) == child && !status, "a forked child: no plaintext");
	guest_sees(v, 0, other);
	check(&c, !memcmp(other, plain, PAGE), "the parent's guest knows nothing of it");
}

static void moved_memory_is_what_was_there(void)
{
	struct vmm v = launch(false);
	uint8_t *to;

	memcpy(seen, v.mem, PAGE);
	guest_sees(&v, 0, other);
	need(!vm_region(v.vm, 0, 0, 0, 0, v.mem), "no memslot");
	to = mremap(v.mem, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, pages(SIZE));
	need(to != MAP_FAILED, "mremap");
	check(&c, !memcmp(to, seen, PAGE), "mremap moves the ciphertext");
	v.mem = to;
	end(&v);
}

int main(int argc, char **argv)
{
	struct vmm v;

	if (argc > 2 && !strcmp(argv[1], "--looks")) {
		v = launch(true);
		for (int i = 0; i < atoi(argv[2]); i++)
			(void)((volatile uint8_t *)v.mem)[(unsigned)i * PAGE];
		return 0;	/* unmapping would be one more: the file stays */
	}
	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	memset(plain, PLAIN, PAGE);
	for (int file = 0; file < 2; file++) {
		v = launch(file);
		own_loads_and_stores(&v);
		if (file) {
			the_file_stays(&v);
			other_mappings(&v);
		}
		system_calls(&v);
		files(&v);
		used_again(&v);
		a_child_finds_no_plaintext(&v);
		end(&v);
	}
	moved_memory_is_what_was_there();
	return checks_end(&c);
}
