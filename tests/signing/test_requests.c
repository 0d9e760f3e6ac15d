/* What ringhold-tuf asks a server for: which names, spelt how, how often, on how many connections. */
#include "served.h"

static void requests_are(struct served *x, const char *want)
{
	assert_string_equal(x->web->log, want);
	x->web->log[0] = '\0';
}

static char *artifact(struct served *x)
{
	static char path[160];

	snprintf(path, sizeof path, " /targets/%s", x->targets.list[0].name);
	return path;
}

static void nothing_new_is_two_requests_on_one_connection(void **state)
{
	struct served *x = *state;
	const char *const refresh[] = { "--metadata-url", x->mu, "--metadata-dir", x->md, "refresh", NULL };

	fresh(x);
	assert_int_equal(run(x, refresh), 0);
	requests_are(x, " /metadata/2.root.json /metadata/timestamp.json /metadata/1.snapshot.json /metadata/1.targets.json");
	x->web->connections = 0;
	assert_int_equal(run(x, refresh), 0);
	requests_are(x, " /metadata/2.root.json /metadata/timestamp.json");
	assert_int_equal(x->web->connections, 1);
}

static void metadata_and_content_share_the_connection(void **state)
{
	struct served *x = *state;
	AUTO_FREE char *want = NULL;

	fresh(x);
	x->web->connections = 0;
	assert_int_equal(download(x, PATH), 0);
	assert_true(asprintf(&want, " /metadata/2.root.json /metadata/timestamp.json /metadata/1.snapshot.json"
				    " /metadata/1.targets.json /metadata/1.one.json%s", artifact(x)) > 0);
	requests_are(x, want);
	assert_int_equal(x->web->connections, 1);
	/* What is on disk and right is not asked for again. */
	assert_int_equal(download(x, PATH), 0);
	requests_are(x, " /metadata/2.root.json /metadata/timestamp.json");
}

static void a_bad_local_root_asks_for_nothing(void **state)
{
	static const char *const bad[] = { "", "{}", "{\"signatures\":[],\"signed\":{}}", "not JSON" };
	struct served *x = *state;
	AUTO_FREE char *path = NULL;
	struct buf *root;
	struct err e;

	fresh(x);
	path = file_join(x->md, "root.json");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_ok(file_replace(path, bad[i], strlen(bad[i]), 0644, &e));
		assert_int_equal(download(x, PATH), 1);
	}
	/* Well formed, and below its own threshold. */
	x->f->docs[ROOT].signer_count = 1;
	publish(x);
	root = forge_get(&x->f->net, "1.root.json");
	assert_ok(file_replace(path, root->data, root->len, 0644, &e));
	assert_int_equal(download(x, PATH), 1);
	assert_non_null(strstr(x->said, "1 of 2"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(download(x, PATH), 1);
	requests_are(x, "");
}

static void an_expired_local_root_is_no_bad_one(void **state)
{
	struct served *x = *state;

	x->f->docs[ROOT].expires = 1;
	publish(x);
	fresh(x);
	x->f->docs[ROOT].expires = time(NULL) + DAY;
	x->f->docs[ROOT].version = 2;
	publish(x);
	accepted(x);
}

static void only_404_and_403_end_the_roots_and_nothing_is_tried_twice(void **state)
{
	static const int statuses[] = { 500, 503, 401, 410, 301, 204, 304 };
	struct served *x = *state;

	fresh(x);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		x->web->status = statuses[i];
		assert_int_equal(download(x, PATH), 1);
		requests_are(x, " /metadata/2.root.json");
	}
	x->web->status = 404;
	assert_int_equal(download(x, PATH), 1);
	requests_are(x, " /metadata/2.root.json /metadata/timestamp.json");
	x->web->status = 403;
	assert_int_equal(download(x, PATH), 1);
	requests_are(x, " /metadata/2.root.json /metadata/timestamp.json");
	x->web->status = 0;
	accepted(x);
}

static void without_consistent_snapshots_nothing_but_root_has_a_prefix(void **state)
{
	struct served *x = *state;

	x->f->consistent = false;
	forge_root_body(x->f, 2);
	publish(x);
	forge_put(&x->targets, "one/t", CONTENT, strlen(CONTENT));
	fresh(x);
	accepted(x);
	requests_are(x, " /metadata/2.root.json /metadata/timestamp.json /metadata/snapshot.json /metadata/targets.json"
			" /metadata/one.json /targets/one/t");
}

/* Escapes, dots and all: what follows the address is appended, the address is not touched. */
static void addresses_are_appended_to_as_they_stand(void **state)
{
	struct served *x = *state;

	fresh(x);
	snprintf(x->mu, sizeof x->mu, "http://127.0.0.1:%d/%%41%%2fb%%7E/./x/../%%c3", x->web->port);
	assert_int_equal(download(x, PATH), 1);
	requests_are(x, " /%41%2fb%7E/./x/../%c3/2.root.json /%41%2fb%7E/./x/../%c3/timestamp.json");
}

/* One role for everything, which lists `path` with the usual content. */
static void list_only(struct served *x, const char *role, const char *pattern, const char *path)
{
	struct forge *f = x->f;
	struct forge_doc *d = forge_add(f, role, "targets", f->a);
	AUTO(buf) struct buf *keys = buf_new(0);
	char target[512];

	d->expires = time(NULL) + DAY;
	forge_target(target, path, CONTENT);
	snprintf(d->body, sizeof d->body, "\"targets\":{%s}", target);
	forge_key_member(keys, NULL, f->a);
	snprintf(f->docs[TARGETS].body, sizeof f->docs[TARGETS].body,
		 "\"targets\":{},\"delegations\":{\"keys\":{%s},\"roles\":["
		 "{\"name\":\"%s\",\"keyids\":[\"%s\"],\"threshold\":1,\"terminating\":true,\"paths\":[\"%s\"]}]}",
		 keys->data, role, forge_keyid(f->a), pattern);
	publish(x);
}

static void role_names_are_quoted_whole(void **state)
{
	static const struct {
		const char *role, *quoted;
	} rows[] = {
		{ "?", "%3F" }, { "#", "%23" }, { "/abs", "%2Fabs" }, { "../../up", "..%2F..%2Fup" }, { "a b%20c", "a%20b%2520c" },
		{ "\xc3\xa9+~_.-", "%C3%A9%2B~_.-" }, { "..", ".." }, { "1.root", "1.root" },
	};
	struct served *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t docs = x->f->doc_count;
		char named[128], plain[128], in_store[128];
		AUTO(buf) struct buf *kept = NULL;

		list_only(x, rows[i].role, "*/*", PATH);
		snprintf(named, sizeof named, "1.%s.json", rows[i].quoted);
		snprintf(plain, sizeof plain, "1.%s.json", rows[i].role);
		if (strcmp(named, plain) != 0)
			forge_copy(&x->f->net, named, &x->f->net, plain);
		fresh(x);
		accepted(x);
		assert_non_null(strstr(x->web->log, named));
		snprintf(in_store, sizeof in_store, "%s.json", rows[i].quoted);
		kept = stored(x, in_store);
		assert_non_null(kept);
		x->f->doc_count = docs;
	}
}

/* In a URL a path keeps what may stand in one; on disk all of it is one name. */
static void target_paths_are_spelt_for_urls_and_for_files(void **state)
{
	static const struct {
		const char *path, *dir, *base, *file;
	} rows[] = {
		{ "a b/c d", "a%20b/", "c%20d", "a%20b%2Fc%20d" },
		{ "@scope/x+y=z", "@scope/", "x+y=z", "%40scope%2Fx%2By%3Dz" },
		{ "a%2Fb/50%", "a%2Fb/", "50%25", "a%252Fb%2F50%25" },
		{ "\xc3\xa9/q?s#f", "%C3%A9/", "q%3Fs%23f", "%C3%A9%2Fq%3Fs%23f" },
		{ "../../../../etc/x", "../../../../etc/", "x", "..%2F..%2F..%2F..%2Fetc%2Fx" },
		{ "plain", "", "plain", "plain" },
	};
	struct served *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char pattern[64] = "?*", name[256], hex[DIGEST_HEX_LEN + 1];
		size_t docs = x->f->doc_count;
		AUTO_FREE char *file = NULL;
		struct digest d;

		for (const char *at = rows[i].path; *at; at++)
			if (*at == '/')
				strcat(pattern, "/*");
		hash_bytes(&d, CONTENT, strlen(CONTENT));
		digest_hex(hex, &d);
		snprintf(name, sizeof name, "%s%s.%s", rows[i].dir, hex, rows[i].base);
		forge_put(&x->targets, name, CONTENT, strlen(CONTENT));
		list_only(x, "all", pattern, rows[i].path);
		fresh(x);
		if (download(x, rows[i].path) != 0)
			fail_msg("%s: %s\nasked:%s", rows[i].path, x->said, x->web->log);
		file = file_join(x->td, rows[i].file);
		assert_true(file_exists(file));
		x->f->doc_count = docs;
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, served_setup, served_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_new_is_two_requests_on_one_connection),
		T(metadata_and_content_share_the_connection),
		T(a_bad_local_root_asks_for_nothing),
		T(an_expired_local_root_is_no_bad_one),
		T(only_404_and_403_end_the_roots_and_nothing_is_tried_twice),
		T(without_consistent_snapshots_nothing_but_root_has_a_prefix),
		T(addresses_are_appended_to_as_they_stand),
		T(role_names_are_quoted_whole),
		T(target_paths_are_spelt_for_urls_and_for_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
