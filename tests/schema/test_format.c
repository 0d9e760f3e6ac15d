/* test_format: what each format takes and refuses, and when it asserts anything at all. */
#include "schema/format.h"
#include "schema/schema.h"
#include "test.h"

static const struct {
	const char *format;
	const char *fits[12], *fails[16];
} formats[] = {
	{ "date-time", { "2026-01-31T12:00:00Z", "1998-12-31T23:59:60Z", "1998-12-31T15:59:60.123-08:00", "2024-02-29t00:00:00.5z", "0001-01-01T00:00:00+23:59" },
	  { "", "2026-01-31", "2026-01-31 12:00:00Z", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "1998-12-31T22:59:60Z",
	    "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00Zx", "2026-01-3\xe0\xa7\xaaT00:00:00Z" } },
	{ "date", { "2026-01-31", "2000-02-29" }, { "2026-1-31", "1900-02-29", "2026-04-31", "2026-00-10", "2026-01-00", "20260131", "2026-01-31T" } },
	{ "time", { "00:00:00Z", "23:59:60z", "12:30:15.25+01:00", "23:29:60+23:30" }, { "12:00:00", "24:00:00Z", "12:00:61Z", "22:59:60Z", "12:00Z", "1:00:00Z", "12:00:00+1:00" } },
	{ "duration", { "P1D", "PT1H", "P1Y2M3DT4H5M6S", "P4W", "PT36H", "P0D", "P1M" },
	  { "", "P", "PT", "P1", "1D", "P1DT", "P1D2H", "P2D1Y", "P1Y2W", "PT1D", "P1Y3D", "P1S", "PT1.5S", "p1d" } },
	{ "ipv4", { "0.0.0.0", "192.0.2.255" }, { "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "1.2.3.", "1.2.3.x", "0x7f.0.0.1", "1..2.3" } },
	{ "ipv6", { "::", "::1", "1::", "fe80::1:2", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "1::8", "ABCD::" },
	  { "", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:7::8", "fe80::1%eth0", "::1.2.3", ":1", "1:", "1:2:3:4:5:6:7:192.0.2.1" } },
	{ "cidr", { "192.0.2.0/24", "0.0.0.0/0", "10.1.2.3/32", "2001:db8::/32", "::/128" }, { "192.0.2.0", "192.0.2.0/33", "192.0.2.0/024", "::/129", "/8", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1" } },
	{ "hostname", { "a", "example.com", "xn--bcher-kva.example", "1.2.3.4", "A-1.b" },
	  { "", "-a.com", "a-.com", "a..b", ".", "a.", "a_b", "b\xc3\xbc" "cher.example", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg.com", "a b" } },
	{ "idn-hostname", { "b\xc3\xbc" "cher.example", "example.com" }, { "", "-a", "a b", "a/b" } },
	{ "email", { "a@b", "joe.bloggs+tag@example.com", "\"joe bloggs\"@example.com", "a@[192.0.2.1]", "a@[IPv6:::1]", "~!#$%@x.example" },
	  { "", "a", "@b", "a@", ".a@b.c", "a.@b.c", "a..b@c.d", "a b@c.d", "a@[1.2.3]", "a@b_c", "\"a\"b\"@c.d", "a@-b.c" } },
	{ "idn-email", { "\xec\x8b\xa4\xeb\xa1\x80@\xec\x8b\xa4.example" }, { "x", "@" } },
	{ "uri", { "http://example.com/a?b#c", "urn:x:y", "mailto:a@b.c", "http://[2001:db8::1]:80/", "ftp://u:p@h:21/x%20y", "file:///c:/x", "a:", "http://[v1.a:b]/" },
	  { "", "//x", "/a/b", "a b:c", "http://a b/", "http://x/%zz", "http://[::1/", "http://x:8a/", "1a:x", "http://x/<y>", "http://x/\\y", "http://[::g]/", "http://\xc3\xa9/",
	    "http://x/{y}", "http://x#a#b" } },
	{ "uri-reference", { "", "/a", "a/b:c", "?q", "#f", "//host/x", "./a:b", "http://x" }, { "a b", ":x", "a:b c", "\\\\host", "1:2", "#\"" } },
	{ "iri", { "http://\xc6\x92\xc3\xb8\xc3\xb8.example/?q=\xe2\x82\xac", "urn:x" }, { "", "/a", "http://a b", "http://2001:0db8:85a3::1" } },
	{ "iri-reference", { "\xe2\x82\xac", "#\xc3\xa9" }, { "a b", "\\x" } },
	{ "uri-template", { "", "http://x/{id}", "{+path}/here", "{?a,b*,c:3}", "x{&y}", "{a.b_c}", "{%41}", "\xc3\xa9{a}" },
	  { "{", "}", "{}", "a}b", "{a", "{a,}", "{a b}", "{a:0}", "{a:12345}", "{.}", "{a..b}", "a<b", "%4", "{a-b}" } },
	{ "uuid", { "2EB8AA08-aa98-11ea-b4aa-73b441d16380", "00000000-0000-0000-0000-000000000000" },
	  { "", "2eb8aa08aa9811eab4aa73b441d16380", "2eb8aa08-aa98-11ea-b4aa-73b441d1638", "2eb8aa08-aa98-11ea-b4aa-73b441d16380a", "2eb8aa08-aa98-11ea-b4aa73b441d163800-", "zeb8aa08-aa98-11ea-b4aa-73b441d16380" } },
	{ "regex", { "", "^a+$", "[\\s\\S]", "(?<n>a)\\k<n>", "\\p{Letter}" }, { "(", "[", "\\a", "(?i)a", "a{2,1}", "*", "a++", "^(abc]" } },
	{ "json-pointer", { "", "/", "/a/b~0~1", "/a//b", "/\xc3\xa9" }, { "a", "#/a", "/~", "/~2", "/a~", " " } },
	{ "relative-json-pointer", { "0", "1/a", "0#", "12/~0" }, { "", "/a", "-1", "01/a", "0##", "1a", "+1", "#" } },
};

static struct err e;

static void each_format_takes_what_fits_and_refuses_what_does_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		const struct format *f = format_find(formats[i].format);

		assert_non_null(f);
		for (size_t k = 0; k < ARRAY_LEN(formats[i].fits) && formats[i].fits[k]; k++)
			if (!f->fits(formats[i].fits[k], strlen(formats[i].fits[k])))
				fail_msg("%s refuses \"%s\"", f->name, formats[i].fits[k]);
		for (size_t k = 0; k < ARRAY_LEN(formats[i].fails) && formats[i].fails[k]; k++)
			if (f->fits(formats[i].fails[k], strlen(formats[i].fails[k])))
				fail_msg("%s takes \"%s\"", f->name, formats[i].fails[k]);
	}
}

/* Whatever is cut off, put in or turned round: an answer, and no look beyond the end (ASan sees it). */
static void every_piece_of_every_text_gets_an_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		for (size_t k = 0; k < ARRAY_LEN(formats[i].fits) && formats[i].fits[k]; k++)
			for (size_t n = 0; n < ARRAY_LEN(formats); n++) {
				const struct format *f = format_find(formats[n].format);
				const char *text = formats[i].fits[k];

				for (size_t len = 0; len <= strlen(text); len++) {
					char *piece = test_malloc(len + 1);

					memcpy(piece, text, len);
					(void)f->fits(piece, len);
					if (len)
						piece[len / 2] = '\0';
					(void)f->fits(piece, len);
					test_free(piece);
				}
			}
}

static int answer(const char *schema, const char *doc, bool asserted)
{
	struct schema_options o = { .formats = asserted };
	AUTO(json) struct json_doc *s = NULL;
	AUTO(json) struct json_doc *d = NULL;
	AUTO(schema) struct schema *program = NULL;

	assert_ok(json_parse(&s, "s", schema, strlen(schema), NULL, &e));
	assert_ok(json_parse(&d, "d", doc, strlen(doc), NULL, &e));
	assert_ok(schema_compile_as(&program, s, s->root, &o, &e));
	return schema_check(program, d, d->root, NULL, &e);
}

static void format_is_an_annotation_until_somebody_asks(void **state)
{
	(void)state;
	assert_int_equal(answer("{\"format\":\"date\"}", "\"x\"", false), 0);
	assert_refused(answer("{\"format\":\"date\"}", "\"x\"", true), ERR_FORMAT, "d:1:1: expected a date (2026-01-31), found \"x\"");
	assert_int_equal(answer("{\"format\":\"date\"}", "\"2026-01-31\"", true), 0);
	assert_int_equal(answer("{\"format\":\"date\"}", "7", true), 0);
	assert_int_equal(answer("{\"format\":\"nobody-knows-it\"}", "\"x\"", true), 0);
	assert_int_equal(answer("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"format\":\"ipv4\"}", "\"x\"", true), ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_format_takes_what_fits_and_refuses_what_does_not),
		cmocka_unit_test(every_piece_of_every_text_gets_an_answer),
		cmocka_unit_test(format_is_an_annotation_until_somebody_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
