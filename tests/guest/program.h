/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs of a few bytes, all of whose calls are known. */
#ifndef SYSTRACE_TESTS_PROGRAM_H
#define SYSTRACE_TESTS_PROGRAM_H

#include <elf.h>

#include "tap.h"

#define PROGRAM_BASE 0x400000

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
#define PROGRAM_CODE_32 (PROGRAM_BASE + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr))
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

TAP void program_file(const char *name, const void *data, size_t size, const void *more,
		       size_t more_size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
	    write(fd, more, more_size) != (ssize_t)more_size)
		tap_bail("%s", name);
	close(fd);
}

/* memory: the size of the program in memory; the kernel refuses what is less than in the file */
TAP void program_64(const char *name, const void *code, size_t size, size_t memory)
{
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr;
	} head = {
		.ehdr = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				     EV_CURRENT },
			.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
			.e_entry = PROGRAM_BASE + sizeof(head), .e_phoff = sizeof(Elf64_Ehdr),
			.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.phdr = {
			.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = PROGRAM_BASE,
			.p_filesz = sizeof(head) + size, .p_memsz = memory, .p_align = 0x1000,
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
			.e_type = ET_EXEC, .e_machine = EM_386, .e_version = EV_CURRENT,
			.e_entry = PROGRAM_CODE_32, .e_phoff = sizeof(Elf32_Ehdr),
			.e_ehsize = sizeof(Elf32_Ehdr), .e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 1,
		},
		.phdr = {
			.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = PROGRAM_BASE,
			.p_filesz = sizeof(head) + size, .p_memsz = sizeof(head) + size,
			.p_align = 0x1000,
		},
	};

	program_file(name, &head, sizeof(head), code, size);
}

#endif
