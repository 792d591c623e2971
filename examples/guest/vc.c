/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vc.c - #VC: an instruction that would have left the guest, done with the hypervisor's help.
 *
 * The error code is the exit's; the instruction has to be one that can cause it (a hypervisor
 * that raises #VC by itself gains nothing).  A real guest kernel would also raise the
 * exceptions that the hypervisor asks for; here they are a panic.
 */
#include "ghcb.h"
#include "insn.h"
#include "snp.h"

#define VC_IOIO		0x7b
#define VC_MSR		0x7c
#define VC_CPUID	0x72
#define VC_VMMCALL	0x81
#define VC_NPF		0x400

#define CPUID_XSAVE	0xdu
#define RFLAGS_DF	0x400u

/* Instructions of which only registers go back and forth. */
enum { A = 1, C = 2, D = 4, B = 8, S = 16 };
static const struct row {
	uint16_t	code, opcode;
	uint8_t		modrm;		/* with opcode 0x0f01 */
	uint8_t		in, out;
} rows[] = {
	{ VC_CPUID, 0x0fa2, 0, A | C, A | B | C | D },
	{ VC_MSR, 0x0f32, 0, C, A | D },
	{ VC_MSR, 0x0f30, 0, A | C | D, 0 },
	{ 0x6e, 0x0f31, 0, 0, A | D },			/* RDTSC */
	{ 0x87, 0x0f01, 0xf9, 0, A | C | D },		/* RDTSCP */
	{ 0x6f, 0x0f33, 0, C, A | D },			/* RDPMC */
	{ 0x89, 0x0f09, 0, 0, 0 },			/* WBINVD */
	{ VC_VMMCALL, 0x0f01, 0xd9, A | B | C | D | S, A },
};

static const struct { uint8_t bit; enum ghcb_field field; uint8_t number; } registers[] = {
	{ A, GHCB_RAX, 0 }, { C, GHCB_RCX, 1 }, { D, GHCB_RDX, 2 }, { B, GHCB_RBX, 3 }, { S, GHCB_RSI, 6 },
};
#define NR_REGISTERS (sizeof(registers) / sizeof(registers[0]))

static uint64_t nr_seen;

uint64_t guest_vc_count(void)
{
	return nr_seen;
}

__attribute__((noreturn)) static void give_up(const struct guest_frame *f)
{
	if (!guest_ghcb_version())
		guest_terminate(0, 0);			/* nobody would hear a panic */
	guest_panic("#VC 0x%lx at 0x%lx is not one that is known here", f->error, f->rip);
}

static bool forward(struct guest_frame *f, const struct guest_insn *insn)
{
	const struct row *r = rows;

	for (; r < rows + sizeof(rows) / sizeof(rows[0]); r++) {
		if (r->code == f->error && r->opcode == insn->opcode &&
		    (r->opcode != 0x0f01 || r->modrm == insn->modrm))
			break;
	}
	if (r == rows + sizeof(rows) / sizeof(rows[0]))
		return false;
	ghcb_clear();
	for (size_t i = 0; i < NR_REGISTERS; i++) {
		if (r->in & registers[i].bit)
			ghcb_set(registers[i].field, *guest_insn_register(f, registers[i].number));
	}
	if (r->code == VC_CPUID && (uint32_t)f->rax == CPUID_XSAVE)
		ghcb_set(GHCB_XCR0, 1);			/* nothing but x87 is switched on here */
	if (r->code == VC_VMMCALL)
		ghcb_set(GHCB_CPL, 0);
	ghcb_call(r->code, r->opcode == 0x0f30, 0);
	for (size_t i = 0; i < NR_REGISTERS; i++) {
		uint64_t *to = guest_insn_register(f, registers[i].number);

		if (r->out & registers[i].bit)
			*to = r->code == VC_VMMCALL ? ghcb_get(registers[i].field) :
						      (uint32_t)ghcb_get(registers[i].field);
	}
	return true;
}

static bool cpuid_from_table(struct guest_frame *f, const struct guest_insn *insn)
{
	struct guest_cpuid c = snp_cpuid((uint32_t)f->rax, (uint32_t)f->rcx);

	f->rax = c.eax;
	f->rbx = c.ebx;
	f->rcx = c.ecx;
	f->rdx = c.edx;
	return insn->opcode == 0x0fa2;
}

static bool is_in(uint16_t opcode)
{
	return !(opcode & 2);				/* E4, E5, EC, ED, 6C, 6D */
}

/* EXITINFO1 as the VMCB has it (APM vol. 2, "IOIO Intercept Information"). */
static uint64_t io_info(const struct guest_insn *insn, uint16_t port, bool string)
{
	uint64_t info = (uint64_t)port << 16 | (uint64_t)insn->size << 4 | is_in(insn->opcode);

	if (string)
		info |= 1u << 2 | 1u << 9 | (insn->rep ? 1u << 3 : 0) |
			(is_in(insn->opcode) ? 0u : 3u) << 10;		/* ES or DS */
	return info;
}

/* INS and OUTS: as much at once as the buffer holds. */
static void io_string(struct guest_frame *f, const struct guest_insn *insn)
{
	uint64_t info = io_info(insn, (uint16_t)f->rdx, true);
	uint64_t left = insn->rep ? f->rcx : 1;

	if (f->rflags & RFLAGS_DF)
		give_up(f);
	while (left) {
		uint64_t n = left < GHCB_BUFFER_SIZE / insn->size ? left : GHCB_BUFFER_SIZE / insn->size;
		uint64_t bytes = n * insn->size;

		ghcb_clear();
		if (!is_in(insn->opcode))
			memcpy(ghcb_buffer(), (void *)f->rsi, bytes);
		ghcb_use_buffer();
		ghcb_call(VC_IOIO, info, n);
		if (is_in(insn->opcode))
			memcpy((void *)f->rdi, ghcb_buffer(), bytes);
		*(is_in(insn->opcode) ? &f->rdi : &f->rsi) += bytes;
		left -= n;
	}
	if (insn->rep)
		f->rcx = 0;
}

static bool io(struct guest_frame *f, struct guest_insn *insn)
{
	bool immediate = insn->opcode >= 0xe4 && insn->opcode <= 0xe7;
	uint64_t value;

	if (insn->size == 8)
		insn->size = 4;
	if (insn->opcode >= 0x6c && insn->opcode <= 0x6f) {
		io_string(f, insn);
		return true;
	}
	if (!immediate && (insn->opcode < 0xec || insn->opcode > 0xef))
		return false;
	ghcb_clear();
	if (!is_in(insn->opcode))
		ghcb_set(GHCB_RAX, insn->size == 4 ? (uint32_t)f->rax :
						     f->rax & ((1u << 8 * insn->size) - 1));
	ghcb_call(VC_IOIO, io_info(insn, immediate ? (uint8_t)insn->imm : (uint16_t)f->rdx, false), 0);
	if (is_in(insn->opcode)) {
		value = ghcb_get(GHCB_RAX);
		if (insn->size == 4)
			f->rax = (uint32_t)value;
		else
			memcpy(&f->rax, &value, insn->size);
	}
	return true;
}

/* Device memory has to be mapped shared: a private one is the hypervisor's trick or our mistake. */
static uint64_t device_at(uint64_t va)
{
	if (guest_entry(va) & guest_c_bit)
		guest_panic("#VC for private memory at 0x%lx", va);
	return guest_physical(va);
}

static uint64_t device_read(uint64_t va, unsigned size)
{
	uint64_t value = 0, gpa = device_at(va);

	ghcb_clear();
	ghcb_use_buffer();
	ghcb_call(GHCB_MMIO_READ, gpa, size);
	memcpy(&value, ghcb_buffer(), size);
	return value;
}

static void device_write(uint64_t va, unsigned size, uint64_t value)
{
	uint64_t gpa = device_at(va);

	ghcb_clear();
	memcpy(ghcb_buffer(), &value, size);
	ghcb_use_buffer();
	ghcb_call(GHCB_MMIO_WRITE, gpa, size);
}

/* One element; the side that is a device raises #VC again, for a MOV. */
static void move_string(struct guest_frame *f, const struct guest_insn *insn, bool *again)
{
	switch (insn->size) {
	case 1: guest_write8(f->rdi, guest_read8(f->rsi)); break;
	case 2: guest_write16(f->rdi, guest_read16(f->rsi)); break;
	case 4: guest_write32(f->rdi, guest_read32(f->rsi)); break;
	default: guest_write64(f->rdi, guest_read64(f->rsi)); break;
	}
	f->rsi += f->rflags & RFLAGS_DF ? -(uint64_t)insn->size : insn->size;
	f->rdi += f->rflags & RFLAGS_DF ? -(uint64_t)insn->size : insn->size;
	*again = insn->rep && --f->rcx;
}

static uint64_t extended(const struct guest_insn *insn, uint64_t value, unsigned size)
{
	bool with_sign = insn->opcode == 0x63 || insn->opcode == 0x0fbe || insn->opcode == 0x0fbf;
	unsigned shift = 64 - 8 * size;

	return with_sign ? (uint64_t)((int64_t)(value << shift) >> shift) : value;
}

static bool mmio(struct guest_frame *f, const struct guest_insn *insn, bool *again)
{
	unsigned size = insn->size;

	switch (insn->opcode) {
	case 0x88: case 0x89:
		device_write(insn->address, size, guest_insn_get(insn, f, size));
		return true;
	case 0x8a: case 0x8b:
		guest_insn_set(insn, f, size, device_read(insn->address, size));
		return true;
	case 0xc6: case 0xc7:
		device_write(insn->address, size, insn->imm);
		return true;
	case 0xa0: case 0xa1: {		/* the accumulator is register 0 of a ModRM byte of 0 */
		guest_insn_set(insn, f, size, device_read(insn->address, size));
		return true;
	}
	case 0xa2: case 0xa3:
		device_write(insn->address, size, guest_insn_get(insn, f, size));
		return true;
	case 0xa4: case 0xa5:
		move_string(f, insn, again);
		return true;
	case 0x63: case 0x0fb6: case 0x0fb7: case 0x0fbe: case 0x0fbf:
		size = insn->opcode == 0x63 ? 4 : insn->opcode & 1 ? 2 : 1;
		guest_insn_set(insn, f, insn->size,
			       extended(insn, device_read(insn->address, size), size));
		return true;
	}
	return false;
}

void guest_vc(struct guest_frame *f)
{
	struct guest_insn insn;
	bool done, again = false;

	__atomic_fetch_add(&nr_seen, 1, __ATOMIC_SEQ_CST);
	if (!guest_ghcb_version() || !guest_insn_decode(&insn, f))
		give_up(f);
	if (f->error == VC_IOIO)
		done = io(f, &insn);
	else if (f->error == VC_NPF)
		done = mmio(f, &insn, &again);
	else if (f->error == VC_CPUID && guest_is_snp())
		done = cpuid_from_table(f, &insn);
	else
		done = forward(f, &insn);
	if (!done)
		give_up(f);
	if (!again)
		f->rip += insn.length;
}
