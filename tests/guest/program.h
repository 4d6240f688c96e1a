/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs of a few bytes, all of whose calls are known. */
#ifndef SYSTRACE_TESTS_PROGRAM_H
#define SYSTRACE_TESTS_PROGRAM_H

#include <elf.h>

#include "tap.h"

#define PROGRAM_BASE 0x400000
#define PROGRAM_CODE_32 (PROGRAM_BASE + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr))

#if defined(__x86_64__)

#define PROGRAM_MACHINE		EM_X86_64
#define PROGRAM_MACHINE_32	EM_386
#define PROGRAM_FLAGS_32	0

/* mov eax, 60 (exit); mov edi, 7; syscall */
static const unsigned char program_exit[] = { 0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05 };

/* mov eax, 57 (fork); syscall; and the same in both tasks */
static const unsigned char program_fork[] = {
	0xb8, 57, 0, 0, 0, 0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05
};

/*
 * mov eax, 11 (execve); mov ebx, the file's name; mov ecx, argv; xor edx, edx; int 0x80.
 * Behind it the name, and argv.
 */
static const struct __attribute__((packed)) {
	unsigned char mov_eax;
	uint32_t nr;
	unsigned char mov_ebx;
	uint32_t file;
	unsigned char mov_ecx;
	uint32_t argv;
	unsigned char rest[4];
	uint32_t arguments[2];
	char name[12];
} program_exec_32 = {
	0xb8, 11, 0xbb, PROGRAM_CODE_32 + 27, 0xb9, PROGRAM_CODE_32 + 19, { 0x31, 0xd2, 0xcd, 0x80 },
	{ PROGRAM_CODE_32 + 27, 0 }, "./exit"
};

#elif defined(__aarch64__)

#define PROGRAM_MACHINE		EM_AARCH64
#define PROGRAM_MACHINE_32	EM_ARM
#define PROGRAM_FLAGS_32	EF_ARM_EABI_VER5

/* mov x8, 93 (exit); mov x0, 7; svc 0 */
static const uint32_t program_exit[] = { 0xd2800ba8, 0xd28000e0, 0xd4000001 };

/* mov x8, 220 (clone); mov x0, SIGCHLD; mov x1 ... x4, 0; svc 0; and the same in both tasks */
static const uint32_t program_fork[] = {
	0xd2801b88, 0xd2800220, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800004, 0xd4000001,
	0xd2800ba8, 0xd28000e0, 0xd4000001
};

/*
 * mov r7, 11 (execve); ldr r0, the file's name; ldr r1, argv; mov r2, 0; svc 0. Behind it
 * these two, argv itself, and the name.
 */
static const struct {
	uint32_t code[5], file, argv, arguments[2];
	char name[12];
} program_exec_32 = {
	{ 0xe3a0700b, 0xe59f0008, 0xe59f1008, 0xe3a02000, 0xef000000 },
	PROGRAM_CODE_32 + 36, PROGRAM_CODE_32 + 28, { PROGRAM_CODE_32 + 36, 0 }, "./exit"
};

#endif

TAP void program_file(const char *name, const void *data, size_t size, const void *more,
		       size_t more_size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
	    write(fd, more, more_size) != (ssize_t)more_size)
		tap_bail("%s", name);
	close(fd);
}

/* One that is less in memory than in the file is refused, once it is too late. */
TAP void program_64(const char *name, const void *code, size_t size, bool broken)
{
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr;
	} head = {
		.ehdr = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				     EV_CURRENT },
			.e_type = ET_EXEC, .e_machine = PROGRAM_MACHINE, .e_version = EV_CURRENT,
			.e_entry = PROGRAM_BASE + sizeof(head), .e_phoff = sizeof(Elf64_Ehdr),
			.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.phdr = {
			.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = PROGRAM_BASE,
			.p_filesz = sizeof(head) + size,
			.p_memsz = broken ? 0 : sizeof(head) + size, .p_align = 0x10000,
		},
	};

	program_file(name, &head, sizeof(head), code, size);
}

TAP void program_32(const char *name, const void *code, size_t size)
{
	struct {
		Elf32_Ehdr ehdr;
		Elf32_Phdr phdr;
	} head = {
		.ehdr = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
				     EV_CURRENT },
			.e_type = ET_EXEC, .e_machine = PROGRAM_MACHINE_32, .e_version = EV_CURRENT,
			.e_entry = PROGRAM_CODE_32, .e_phoff = sizeof(Elf32_Ehdr),
			.e_flags = PROGRAM_FLAGS_32,
			.e_ehsize = sizeof(Elf32_Ehdr), .e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 1,
		},
		.phdr = {
			.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = PROGRAM_BASE,
			.p_filesz = sizeof(head) + size, .p_memsz = sizeof(head) + size,
			.p_align = 0x10000,
		},
	};

	program_file(name, &head, sizeof(head), code, size);
}

#endif
