/* delegation: which delegated roles may speak for a target path. */
#include "signing/delegation.h"

#include <stdio.h>
#include <string.h>

/* The byte behind the character at s: `?` stands for a character, not for a byte of one. */
static const char *next_char(const char *s, const char *end)
{
	s++;
	while (s < end && ((unsigned char)*s & 0xc0) == 0x80)
		s++;
	return s;
}

/* Only the last `*` needs to be tried again, so this takes pattern × text steps at most. */
static bool glob_segment(const char *p, const char *p_end, const char *s, const char *s_end)
{
	const char *star = NULL, *retry = NULL;

	while (s < s_end) {
		if (p < p_end && *p == '*') {
			star = ++p;
			retry = s;
		} else if (p < p_end && *p == '?') {
			p++;
			s = next_char(s, s_end);
		} else if (p < p_end && *p == *s) {
			p++;
			s++;
		} else if (star) {
			p = star;
			s = ++retry;
		} else {
			return false;
		}
	}
	while (p < p_end && *p == '*')
		p++;
	return p == p_end;
}

static const char *segment_end(const char *s, const char *end)
{
	const char *slash = memchr(s, '/', (size_t)(end - s));

	return slash ? slash : end;
}

bool delegation_glob(const char *pattern, size_t pattern_len, const char *path, size_t len)
{
	const char *p = pattern, *p_end = pattern + pattern_len, *s = path, *s_end = path + len;

	for (;;) {
		const char *p_stop = segment_end(p, p_end), *s_stop = segment_end(s, s_end);

		if (!glob_segment(p, p_stop, s, s_stop))
			return false;
		if (p_stop == p_end || s_stop == s_end)
			return p_stop == p_end && s_stop == s_end;
		p = p_stop + 1;
		s = s_stop + 1;
	}
}

static bool match_paths(const struct json *patterns, const char *path, size_t len)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (delegation_glob(patterns->u.items[i].u.text, patterns->u.items[i].count, path, len))
			return true;
	return false;
}

static bool match_prefixes(const struct json *prefixes, const char *path, size_t len)
{
	char hex[DIGEST_HEX_LEN + 1];
	struct digest digest;

	hash_bytes(&digest, path, len);
	digest_hex(hex, &digest);
	for (size_t i = 0; i < prefixes->count; i++) {
		const struct json *one = &prefixes->u.items[i];

		if (one->count <= DIGEST_HEX_LEN && !memcmp(hex, one->u.text, one->count))
			return true;
	}
	return false;
}

bool delegation_match(const struct metadata_delegation *d, const char *path, size_t len)
{
	return d->paths ? match_paths(d->paths, path, len) : match_prefixes(d->prefixes, path, len);
}

/* ---- bins ---- */

/* Digits of the last bin: that many every bin has. */
static int bin_width(const struct metadata_succinct *s)
{
	return (s->bit_length + 3) / 4;
}

int delegation_bin(const struct metadata_succinct *s, const char *path, size_t len,
		   char out[DELEGATION_NAME_MAX], struct err *e)
{
	struct digest d;
	uint32_t first;
	int written;

	hash_bytes(&d, path, len);
	first = (uint32_t)d.bytes[0] << 24 | (uint32_t)d.bytes[1] << 16 | (uint32_t)d.bytes[2] << 8 | d.bytes[3];
	written = snprintf(out, DELEGATION_NAME_MAX, "%s-%0*x", s->prefix, bin_width(s), first >> (32 - s->bit_length));
	if (written < 0 || written >= DELEGATION_NAME_MAX)
		return err_set(e, ERR_LIMIT, "a bin's name is too long");
	return 0;
}

bool delegation_is_bin(const struct metadata_succinct *s, const char *name)
{
	size_t prefix = strlen(s->prefix);
	uint64_t bin = 0;
	const char *digits;

	if (strncmp(name, s->prefix, prefix) != 0 || name[prefix] != '-')
		return false;
	digits = name + prefix + 1;
	if (strlen(digits) != (size_t)bin_width(s) || strspn(digits, "0123456789abcdef") != strlen(digits))
		return false;
	for (; *digits; digits++)
		bin = bin << 4 | (uint64_t)(*digits <= '9' ? *digits - '0' : *digits - 'a' + 10);
	return bin < (uint64_t)1 << s->bit_length;
}

/* ---- names ---- */

void delegation_quote(struct buf *out, const char *name, size_t len)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~";

	for (size_t i = 0; i < len; i++) {
		if (name[i] && strchr(plain, name[i]))
			buf_addc(out, name[i]);
		else
			buf_addf(out, "%%%02X", (unsigned char)name[i]);
	}
}

void delegation_target_name(struct buf *out, const char *path, size_t len, const char *hash)
{
	const char *slash = memrchr(path, '/', len);
	size_t dir = slash ? (size_t)(slash - path) + 1 : 0;

	buf_add(out, path, dir);
	if (hash) {
		buf_adds(out, hash);
		buf_addc(out, '.');
	}
	buf_add(out, path + dir, len - dir);
}
