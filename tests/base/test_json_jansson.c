/*
 * test_json_jansson: the same documents through jansson, which is strict, too.
 *
 * Documents are generated, then mutated, from a fixed seed. Known differences,
 * set aside before the comparison: numbers that jansson's int and double do
 * not hold, and \u0000 in a key (it refuses both), and nesting beyond our depth. jansson is told to
 * allow \u0000, any value at the top, and to refuse duplicate keys.
 */
#include <dlfcn.h>

#include "base/json.h"
#include "test.h"

#define ROUNDS 6000
#define REJECT_DUPLICATES 0x1
#define DECODE_ANY 0x4
#define ALLOW_NUL 0x10
#define ENCODE_ANY 0x200
#define COMPACT 0x20
#define REAL_PRECISION_17 (17 << 11)

struct jansson {                /* what we use of its interface, found at run time */
	void *library;
	void *(*loadb)(const char *text, size_t len, size_t flags, void *error);
	char *(*dumps)(const void *v, size_t flags);
	void (*delete)(void *v);
};

static struct jansson j;
static uint64_t seed = 0x5eed;

static uint32_t any(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

/* ---- documents ---- */

static void put_spaces(struct buf *b)
{
	static const char *const spaces[] = { "", "", "", " ", "\n", "\t", "  \r\n" };

	buf_adds(b, spaces[any(ARRAY_LEN(spaces))]);
}

static void put_text(struct buf *b)
{
	static const char *const parts[] = { "a", "key", "\\n", "\\u00e9", "\\ud83d\\ude00", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
					     "\\\"", "\\\\", "\\/", "long enough for a word", "\\u0000", "\x7f", " " };

	buf_addc(b, '"');
	for (uint32_t i = any(5); i; i--)
		buf_adds(b, parts[any(ARRAY_LEN(parts))]);
	buf_addc(b, '"');
}

static void put_any(struct buf *b, unsigned depth)
{
	static const char *const scalars[] = { "null", "true", "false", "0", "-0", "1", "-17", "1.5", "1e5", "-2.5E-3", "123456789012345", "0.1" };
	uint32_t kind = any(depth ? 8 : 4);

	put_spaces(b);
	if (kind < 2) {
		buf_adds(b, scalars[any(ARRAY_LEN(scalars))]);
	} else if (kind < 4) {
		put_text(b);
	} else {
		bool object = kind & 1;

		buf_addc(b, object ? '{' : '[');
		for (uint32_t i = 0, n = any(6); i < n; i++) {
			if (i)
				buf_addc(b, ',');
			if (object) {
				put_spaces(b);
				put_text(b);
				put_spaces(b);
				buf_addc(b, ':');
			}
			put_any(b, depth - 1);
		}
		put_spaces(b);
		buf_addc(b, object ? '}' : ']');
	}
	put_spaces(b);
}

static void mutate(struct buf *b)
{
	static const char bytes[] = "{}[]\",:\\u0d8eE+-.1 \n\t\x01\x80\xc0\xed\xf4\xff/tfn";

	for (uint32_t i = 1 + any(2); i && b->len; i--) {
		uint32_t at = any((uint32_t)b->len);

		switch (any(4)) {
		case 0:
			b->data[at] = bytes[any(sizeof bytes - 1)];
			break;
		case 1:
			memmove(b->data + at, b->data + at + 1, b->len-- - at);
			break;
		case 2:
			buf_addc(b, ' ');
			memmove(b->data + at + 1, b->data + at, b->len - 1 - at);
			b->data[at] = bytes[any(sizeof bytes - 1)];
			break;
		default:
			b->len = at;
		}
		b->data[b->len] = '\0';
	}
}

/* ---- the comparison ---- */

static bool is_ordinary(const struct json *v)
{
	int64_t n;
	double x;

	if (v->type == JSON_NUMBER)
		return (strpbrk(v->u.text, ".eE") ? json_to_double(v, &x) : json_to_int(v, &n)) && v->count < 16;
	for (uint32_t i = 0; v->type == JSON_ARRAY && i < v->count; i++)
		if (!is_ordinary(&v->u.items[i]))
			return false;
	for (uint32_t i = 0; v->type == JSON_OBJECT && i < v->count; i++)
		if (memchr(v->u.members[i].key.text, '\0', v->u.members[i].key.len) || !is_ordinary(&v->u.members[i].value))
			return false;
	return true;
}

/* jansson keeps doubles; compare what both wrote, numbers as doubles. */
static bool same(const struct json *a, const struct json *b)
{
	double x, y;

	if (a->type == JSON_NUMBER && b->type == JSON_NUMBER)
		return json_to_double(a, &x) && json_to_double(b, &y) && x == y;
	if (a->type != b->type || ((a->type == JSON_ARRAY || a->type == JSON_OBJECT) && a->count != b->count))
		return false;
	for (uint32_t i = 0; a->type == JSON_ARRAY && i < a->count; i++)
		if (!same(&a->u.items[i], &b->u.items[i]))
			return false;
	for (uint32_t i = 0; a->type == JSON_OBJECT && i < a->count; i++) {
		const struct json_member *x_m = &a->u.members[i], *y_m = &b->u.members[i];

		if (x_m->key.len != y_m->key.len || memcmp(x_m->key.text, y_m->key.text, x_m->key.len) != 0 ||
		    !same(&x_m->value, &y_m->value))
			return false;
	}
	return a->type == JSON_ARRAY || a->type == JSON_OBJECT || json_equal(a, b);
}

static void compare(const struct buf *b, unsigned *both)
{
	AUTO(json) struct json_doc *ours = NULL;
	AUTO(json) struct json_doc *back = NULL;
	char error[2048];               /* larger than its json_error_t */
	void *theirs = j.loadb(b->data, b->len, REJECT_DUPLICATES | DECODE_ANY | ALLOW_NUL, error);
	AUTO_FREE char *dump = NULL;
	struct err e;
	int rc = json_parse(&ours, "ours", b->data, b->len, NULL, &e);

	if (rc == ERR_LIMIT || (rc == 0 && !is_ordinary(ours->root))) {
		if (theirs)
			j.delete(theirs);
		return;
	}
	if ((rc == 0) != (theirs != NULL))
		fail_msg("%s: %s, jansson %s", b->data, rc ? e.msg : "accepted", theirs ? "accepts" : "refuses");
	if (!theirs)
		return;
	dump = j.dumps(theirs, ENCODE_ANY | COMPACT | REAL_PRECISION_17);
	j.delete(theirs);
	assert_non_null(dump);
	if (json_parse(&back, "back", dump, strlen(dump), NULL, &e) < 0)
		fail_msg("%s", e.msg);
	if (!same(ours->root, back->root))
		fail_msg("%s reads as %s with jansson", b->data, dump);
	++*both;
}

/* Its reference count is in the second word; json_decref() is inline in its header. */
struct jansson_value {
	int type;
	volatile size_t references;
};

static void drop(void *v)
{
	struct jansson_value *value = v;
	void (*release)(void *) = (void (*)(void *))(uintptr_t)dlsym(j.library, "json_delete");

	if (value->references != (size_t)-1 && --value->references == 0)
		release(v);
}

static int find_jansson(void **state)
{
	(void)state;
	j.library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!j.library)
		return 0;
	j.loadb = (void *(*)(const char *, size_t, size_t, void *))(uintptr_t)dlsym(j.library, "json_loadb");
	j.dumps = (char *(*)(const void *, size_t))(uintptr_t)dlsym(j.library, "json_dumps");
	j.delete = drop;
	return j.loadb && j.dumps ? 0 : -1;
}

static void generated_documents_are_read_alike(void **state)
{
	unsigned both = 0;

	(void)state;
	if (!j.library)
		skip_named("libjansson.so.4 is not installed");
	for (int i = 0; i < ROUNDS; i++) {
		AUTO(buf) struct buf *b = buf_new(0);

		put_any(b, 4);
		compare(b, &both);
	}
	assert_true(both > ROUNDS / 2);         /* some have duplicate keys */
}

static void mutated_documents_are_answered_alike(void **state)
{
	unsigned both = 0;

	(void)state;
	if (!j.library)
		skip_named("libjansson.so.4 is not installed");
	for (int i = 0; i < ROUNDS; i++) {
		AUTO(buf) struct buf *b = buf_new(0);

		put_any(b, 4);
		mutate(b);
		if (b->len)
			compare(b, &both);
	}
	assert_true(both > ROUNDS / 50 && both < ROUNDS - ROUNDS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generated_documents_are_read_alike),
		cmocka_unit_test(mutated_documents_are_answered_alike),
	};

	return cmocka_run_group_tests(tests, find_jansson, NULL);
}
