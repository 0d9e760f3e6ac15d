/* ini: configuration files against a table. */
#include "tests/test.h"

#include <unistd.h>

#include "base/file.h"
#include "base/ini.h"

struct channel {
	char name[32];
	char *loader;
	int64_t keep;
};

struct settings {
	char *server, *note;
	int64_t port, interval, cache;
	bool tls;
	char **tags;
	struct channel channels[2];
	size_t channel_count;
};

static const struct ini_key keys[] = {
	{ "", "server", INI_TEXT, offsetof(struct settings, server), NULL, 0, 0, "where" },
	{ "", "note", INI_TEXT, offsetof(struct settings, note), "", 0, 0, "words" },
	{ "net", "port", INI_INT, offsetof(struct settings, port), "443", 1, 65535, "port" },
	{ "net", "interval", INI_SECONDS, offsetof(struct settings, interval), "5m", 0, 0, "how often" },
	{ "net", "cache", INI_BYTES, offsetof(struct settings, cache), "16M", 0, 0, "how much" },
	{ "net", "tls", INI_BOOL, offsetof(struct settings, tls), "yes", 0, 0, "whether" },
	{ "net", "tags", INI_LIST, offsetof(struct settings, tags), "plain", 0, 0, "words" },
};

static const struct ini_key channel_keys[] = {
	{ "channel", "loader", INI_TEXT, offsetof(struct channel, loader), NULL, 0, 0, "engine" },
	{ "channel", "keep", INI_INT, offsetof(struct channel, keep), "3", -1, 9, "slots" },
};

static void *begin_channel(void *arg, const char *label)
{
	struct settings *s = arg;
	struct channel *c;

	if (s->channel_count == 2 || strlen(label) >= sizeof c->name)
		return NULL;
	c = &s->channels[s->channel_count++];
	snprintf(c->name, sizeof c->name, "%s", label);
	return c;
}

static const struct ini_many many[] = {
	{ "channel", channel_keys, ARRAY_LEN(channel_keys), begin_channel },
	{ 0 },
};

static char path[] = "/tmp/test_ini.XXXXXX";

static int read_text(struct settings *s, const char *text, size_t len, struct err *e)
{
	assert_int_equal(file_replace(path, text, len, 0600, e), 0);
	memset(s, 0, sizeof *s);
	memset(e, 0, sizeof *e);
	return ini_read(s, path, keys, ARRAY_LEN(keys), many, e);
}

static void release(struct settings *s)
{
	ini_release(s, keys, ARRAY_LEN(keys));
	for (size_t i = 0; i < s->channel_count; i++)
		ini_release(&s->channels[i], channel_keys, ARRAY_LEN(channel_keys));
}

static void what_is_not_given_has_its_default(void **state)
{
	static const char text[] = "server = https://a\n";
	struct settings s;
	struct err e;

	(void)state;
	assert_ok(read_text(&s, text, strlen(text), &e));
	assert_string_equal(s.server, "https://a");
	assert_string_equal(s.note, "");
	assert_int_equal(s.port, 443);
	assert_int_equal(s.interval, 300);
	assert_int_equal(s.cache, 16 << 20);
	assert_true(s.tls);
	assert_string_equal(s.tags[0], "plain");
	assert_null(s.tags[1]);
	release(&s);
}

static void what_is_given_replaces_the_default(void **state)
{
	static const char text[] = "# a comment\n"
				   "server=x ; not part of it\n"
				   "[net]\n"
				   "port = 8443\n"
				   "interval = 90\n"
				   "cache=4K\n"
				   "tls=off\n"
				   "tags = a  b\n"
				   "tags = c\n";
	struct settings s;
	struct err e;

	(void)state;
	assert_ok(read_text(&s, text, strlen(text), &e));
	assert_string_equal(s.server, "x");
	assert_int_equal(s.port, 8443);
	assert_int_equal(s.interval, 90);
	assert_int_equal(s.cache, 4096);
	assert_false(s.tls);
	assert_string_equal(s.tags[0], "a");
	assert_string_equal(s.tags[1], "b");
	assert_string_equal(s.tags[2], "c");
	assert_null(s.tags[3]);
	release(&s);
}

static void labelled_sections_fill_one_struct_each(void **state)
{
	static const char text[] = "server=x\n"
				   "[channel edr]\nloader=rules\nkeep=-1\n"
				   "[channel av-signatures]\nloader=yara\n"
				   "[net]\nport=1\n";
	struct settings s;
	struct err e;

	(void)state;
	assert_ok(read_text(&s, text, strlen(text), &e));
	assert_int_equal(s.channel_count, 2);
	assert_string_equal(s.channels[0].name, "edr");
	assert_string_equal(s.channels[0].loader, "rules");
	assert_int_equal(s.channels[0].keep, -1);
	assert_string_equal(s.channels[1].name, "av-signatures");
	assert_string_equal(s.channels[1].loader, "yara");
	assert_int_equal(s.channels[1].keep, 3);
	assert_int_equal(s.port, 1);
	release(&s);
}

static void every_mistake_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "server is required" },
		{ "server=x\nservre=y\n", ":2: unknown key servre" },
		{ "server=x\nserver=y\n", ":2: server was given before, in line 1" },
		{ "server=x\nport=1\n", ":2: unknown key port" },
		{ "server=x\n[nett]\n", ":2: unknown section [nett]" },
		{ "server=x\n[net]\nfoo=1\n", ":3: unknown key foo in [net]" },
		{ "server=x\n[net]\nport=0\n", ":3: port: 0 is not between 1 and 65535" },
		{ "server=x\n[net]\nport=65536\n", "not between" },
		{ "server=x\n[net]\nport=1e3\n", "not a whole number" },
		{ "server=x\n[net]\nport=\n", "not a whole number" },
		{ "server=x\n[net]\ninterval=5w\n", "not a time" },
		{ "server=x\n[net]\ncache=5X\n", "not a size" },
		{ "server=x\n[net]\ntls=maybe\n", "neither yes nor no" },
		{ "server=x\nnonsense\n", ":2: neither a section" },
		{ "server=x\n[net\n", ":2: section without ]" },
		{ "server=x\n[channel]\n", ":2: section [channel] needs a label" },
		{ "server=x\n[channel a]\n", "[channel a] loader is required" },
		{ "server=x\n[channel a]\nloader=r\n[channel a]\n", ":4: section [channel a] occurs twice" },
		{ "server=x\n[channel a]\nloader=r\n[channel b]\nloader=r\n[channel c]\n", ":6: [channel c]: no room" },
		{ "server=x\n[channels a]\n", "unknown section" },
		{ "server=x\n[channel a]\nport=1\n", "unknown key port in [channel a]" },
	};
	struct settings s;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int code = read_text(&s, rows[i].text, strlen(rows[i].text), &e);

		if (strstr(rows[i].says, "no room"))
			assert_refused(code, ERR_LIMIT, rows[i].says);
		else
			assert_refused(code, ERR_USAGE, rows[i].says);
		assert_non_null(strstr(e.msg, path));
	}
}

static void an_over_long_line_or_a_zero_byte_is_refused(void **state)
{
	char text[5000];
	struct settings s;
	struct err e;

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text, "server=", 7);
	assert_refused(read_text(&s, text, sizeof text, &e), ERR_USAGE, ":1: line longer");
	assert_refused(read_text(&s, "server=a\0b\n", 11, &e), ERR_USAGE, "zero byte");
	memset(&e, 0, sizeof e);
	assert_refused(ini_read(&s, "/nonexistent/x.ini", keys, ARRAY_LEN(keys), many, &e),
		       ERR_NOT_FOUND, "x.ini");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_given_has_its_default),
		cmocka_unit_test(what_is_given_replaces_the_default),
		cmocka_unit_test(labelled_sections_fill_one_struct_each),
		cmocka_unit_test(every_mistake_is_named_with_its_line),
		cmocka_unit_test(an_over_long_line_or_a_zero_byte_is_refused),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
