/*
 * Takes the kernel proper out of an x86 bzImage. LZ4 is decoded here, because
 * few machines have its program; the other formats are left to theirs.
 *
 *   bzimage FILE        prints the payload's format: elf, lz4, gzip, xz, zstd,
 *                       bzip2, lzma, lzo, or none if FILE is not a bzImage
 *   bzimage -x FILE     writes the payload: decoded for elf and lz4, as it is
 *                       in the file for the others
 *
 * Exit status 1 with one line on standard error when the file is damaged.
 * The layout is that of the kernel's Documentation/arch/x86/boot.rst (2.08 and
 * later: payload_offset, payload_length); LZ4's is its "legacy frame".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LZ4_BLOCK (8u << 20) /* a legacy frame's block, decoded */

struct span {
	const uint8_t *at;
	size_t len;
};

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static const char *format_name(struct span s)
{
	static const struct {
		const char *name;
		size_t len;
		uint8_t magic[6];
	} known[] = {
		{"elf", 4, {0x7f, 'E', 'L', 'F'}},
		{"lz4", 4, {0x02, 0x21, 0x4c, 0x18}},
		{"gzip", 3, {0x1f, 0x8b, 0x08}},
		{"xz", 6, {0xfd, '7', 'z', 'X', 'Z', 0}},
		{"zstd", 4, {0x28, 0xb5, 0x2f, 0xfd}},
		{"bzip2", 3, {'B', 'Z', 'h'}},
		{"lzma", 3, {0x5d, 0, 0}},
		{"lzo", 4, {0x89, 'L', 'Z', 'O'}},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (s.len >= known[i].len && memcmp(s.at, known[i].magic, known[i].len) == 0)
			return known[i].name;
	return "none";
}

/*
 * Finds the payload. False if this is not a bzImage or its numbers are wrong.
 * All but gzip have four bytes behind them, the size of the decoded kernel,
 * which their programs would take for garbage: they are cut off.
 */
static bool payload_find(struct span file, struct span *payload)
{
	uint32_t sects, off, len;
	size_t start;

	if (file.len < 0x250 || memcmp(file.at + 0x202, "HdrS", 4) != 0)
		return false;
	if ((file.at[0x206] | file.at[0x207] << 8) < 0x208)
		return false;
	sects = file.at[0x1f1] ? file.at[0x1f1] : 4;
	off = le32(file.at + 0x248);
	len = le32(file.at + 0x24c);
	start = ((size_t)sects + 1) * 512 + off;
	if (start > file.len || len > file.len - start || len < 8)
		return false;
	payload->at = file.at + start;
	payload->len = len;
	if (strcmp(format_name(*payload), "gzip") != 0 && strcmp(format_name(*payload), "elf") != 0)
		payload->len -= 4;
	return true;
}

/* Reads the continuation of a length: bytes of 255 add up until a smaller one. */
static bool lz4_length(const uint8_t **in, const uint8_t *end, size_t *len)
{
	uint8_t byte;

	if (*len != 15)
		return true;
	do {
		if (*in >= end)
			return false;
		byte = *(*in)++;
		*len += byte;
	} while (byte == 255);
	return true;
}

/* Decodes one block into out (LZ4_BLOCK bytes); its size, or 0 if it is damaged. */
static size_t lz4_block(const uint8_t *in, size_t in_len, uint8_t *out)
{
	const uint8_t *end = in + in_len;
	size_t have = 0;

	while (in < end) {
		uint8_t token = *in++;
		size_t literals = token >> 4, match = token & 15, back;

		if (!lz4_length(&in, end, &literals))
			return 0;
		if (literals > (size_t)(end - in) || literals > LZ4_BLOCK - have)
			return 0;
		memcpy(out + have, in, literals);
		in += literals;
		have += literals;
		if (in == end)
			return have; /* the last sequence has no match */
		if (end - in < 2)
			return 0;
		back = in[0] | (size_t)in[1] << 8;
		in += 2;
		if (!lz4_length(&in, end, &match))
			return 0;
		match += 4;
		if (back == 0 || back > have || match > LZ4_BLOCK - have)
			return 0;
		for (; match > 0; match--, have++)
			out[have] = out[have - back]; /* may overlap itself */
	}
	return 0;
}

static bool write_out(const uint8_t *at, size_t len)
{
	return fwrite(at, 1, len, stdout) == len;
}

static bool lz4_write(struct span in)
{
	uint8_t *out = malloc(LZ4_BLOCK);
	size_t at = 4, got = 0;
	bool good = out != NULL;

	while (good && in.len - at >= 4) {
		uint32_t size = le32(in.at + at);

		at += 4;
		if (size == 0x184c2102) /* another frame follows */
			continue;
		good = size <= in.len - at;
		got = good ? lz4_block(in.at + at, size, out) : 0;
		good = got > 0 && write_out(out, got);
		at += size;
	}
	free(out);
	return good && got > 0;
}

static bool payload_write(struct span payload)
{
	bool good;

	if (strcmp(format_name(payload), "lz4") == 0)
		good = lz4_write(payload);
	else
		good = write_out(payload.at, payload.len);
	return fflush(stdout) == 0 && good;
}

int main(int argc, char **argv)
{
	bool extract = argc == 3 && strcmp(argv[1], "-x") == 0;
	struct span file, payload;
	struct stat st;
	void *map;
	int fd;

	if (argc != 2 && !extract) {
		fprintf(stderr, "usage: bzimage [-x] FILE\n");
		return 2;
	}
	fd = open(argv[argc - 1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "bzimage: %s: %s\n", argv[argc - 1], strerror(errno));
		return 1;
	}
	file.len = (size_t)st.st_size;
	map = mmap(NULL, file.len ? file.len : 1, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		fprintf(stderr, "bzimage: %s: %s\n", argv[argc - 1], strerror(errno));
		return 1;
	}
	file.at = map;
	if (!payload_find(file, &payload)) {
		if (extract)
			fprintf(stderr, "bzimage: %s: not a bzImage\n", argv[argc - 1]);
		else
			puts("none");
		return extract;
	}
	if (!extract) {
		puts(format_name(payload));
		return 0;
	}
	if (!payload_write(payload)) {
		fprintf(stderr, "bzimage: %s: damaged payload, or no room for it\n",
			argv[argc - 1]);
		return 1;
	}
	return 0;
}
