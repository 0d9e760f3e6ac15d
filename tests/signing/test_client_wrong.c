/* The client engine against wrong bytes: too long, of another type, forged, or signed by too few. */
#include "client_case.h"

static void wrong_length_and_wrong_hash_are_refused(void **state)
{
	struct forge *f = *state;
	struct buf *b = forge_get(&f->net, "1.snapshot.json");
	struct err e;

	buf_addc(b, ' ');
	assert_refused(forge_refresh(f, &e), ERR_LIMIT, "longer than");
	b->len -= 2;
	assert_refused(forge_refresh(f, &e), ERR_REFUSED, "instead of the listed");
	forge_publish(f);
	b = forge_get(&f->net, "1.snapshot.json");
	b->data[b->len - 1] = '\n';
	assert_refused(forge_refresh(f, &e), ERR_REFUSED, "sha256");
	assert_null(forge_get(&f->store, "snapshot.json"));
}

static void endless_data_is_cut_at_the_limit(void **state)
{
	struct forge *f = *state;
	AUTO(buf) struct buf *big = buf_new(0);
	struct err e;

	memset(buf_grow(big, METADATA_ROOT_MAX + 1), ' ', METADATA_ROOT_MAX + 1);
	big->len = METADATA_ROOT_MAX + 1;
	forge_put(&f->net, "2.root.json", big->data, big->len);
	assert_refused(forge_refresh(f, &e), ERR_LIMIT, "longer than 512000");
	forge_drop(&f->net, "2.root.json");
	forge_put(&f->net, "timestamp.json", big->data, METADATA_TIMESTAMP_MAX + 1);
	assert_refused(forge_refresh(f, &e), ERR_LIMIT, "longer than 16384");
}

static void a_file_of_another_type_is_refused_however_well_signed(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[TIMESTAMP].type = "snapshot";
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_FORMAT, "of type \"snapshot\" instead of \"timestamp\"");
	f->docs[TIMESTAMP].type = "timestamp";
	f->docs[TARGETS].type = "snapshot";
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_FORMAT, "targets");
}

static void another_roles_key_signs_nothing(void **state)
{
	struct forge *f = *state;
	struct err e;

	forge_sign_by(&f->docs[TIMESTAMP], f->snapshot);
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 0 of 1");
	/* ... nor does a stranger's under the right id. */
	f->docs[TIMESTAMP].signers[0] = (struct forge_signer){ f->a, forge_keyid(f->timestamp) };
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 0 of 1");
}

static void repeated_key_ids_in_signatures_refuse_the_file(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[TIMESTAMP].signers[1] = f->docs[TIMESTAMP].signers[0];
	f->docs[TIMESTAMP].signer_count = 2;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_FORMAT, "two signatures with the same keyid");
}

static void an_unusable_signature_does_not_spoil_the_others(void **state)
{
	struct forge *f = *state;
	struct buf *b = forge_get(&f->net, "timestamp.json");
	AUTO(buf) struct buf *more = buf_new(0);
	struct err e;

	buf_adds(more, "{\"signatures\":[{\"keyid\":\"x\",\"sig\":\"\"},{\"keyid\":\"y\",\"sig\":\"zz\"},{\"keyid\":\"v\"},{\"keyid\":\"w\",\"sig\":5},"
		       "{\"keyid\":\"\",\"sig\":\"abc\",\"method\":\"q\"},");
	buf_adds(more, b->data + strlen("{\"signatures\":["));
	forge_put(&f->net, "timestamp.json", more->data, more->len);
	assert_ok(forge_refresh(f, &e));
}

/* Root with the timestamp role as given. */
static void root_with_timestamp_role(struct forge *f, const char *second_id, const char *keyids, int threshold)
{
	char *at;
	AUTO(buf) struct buf *body = buf_new(0), *key = buf_new(0);
	struct forge_doc *d = &f->docs[ROOT];

	forge_root_body(f, 2);
	forge_key_member(key, second_id, f->timestamp);
	at = strstr(d->body, "\"keys\":{") + strlen("\"keys\":{");
	buf_add(body, d->body, (size_t)(at - d->body));
	buf_addf(body, "%s,", key->data);
	buf_adds(body, at);
	at = strstr(body->data, "\"timestamp\":{");
	*at = '\0';
	snprintf(d->body, sizeof d->body, "%s\"timestamp\":{\"keyids\":[%s],\"threshold\":%d},%s", body->data, keyids, threshold,
		 strstr(at + 1, "\"snapshot\":"));
}

/* Trusted with these key ids the role has one valid signature: enough for one, too few for two. */
static void assert_counts_once(struct forge *f, const char *keyids)
{
	struct err e;

	root_with_timestamp_role(f, "alias", keyids, 2);
	forge_publish(f);
	forge_trust(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 1 of 2");
	root_with_timestamp_role(f, "alias", keyids, 1);
	forge_publish(f);
	forge_trust(f);
	assert_ok(forge_refresh(f, &e));
}

static void one_key_under_two_ids_counts_once(void **state)
{
	struct forge *f = *state;
	struct forge_doc *timestamp = &f->docs[TIMESTAMP];
	char keyids[256];

	snprintf(keyids, sizeof keyids, "\"%s\",\"alias\"", forge_keyid(f->timestamp));
	timestamp->signers[1] = (struct forge_signer){ f->timestamp, "alias" };
	timestamp->signer_count = 2;
	assert_counts_once(f, keyids);
}

static void a_role_that_repeats_a_key_id_counts_it_once(void **state)
{
	struct forge *f = *state;
	char keyids[256];

	snprintf(keyids, sizeof keyids, "\"%s\",\"%s\",\"nobody\"", forge_keyid(f->timestamp), forge_keyid(f->timestamp));
	assert_counts_once(f, keyids);
}

static void a_threshold_above_the_keys_is_unsatisfiable_but_no_fault_of_root(void **state)
{
	struct forge *f = *state;
	char keyids[256];
	struct err e;

	snprintf(keyids, sizeof keyids, "\"%s\"", forge_keyid(f->timestamp));
	root_with_timestamp_role(f, "alias", keyids, 5);
	forge_publish(f);
	forge_trust(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 1 of 5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(wrong_length_and_wrong_hash_are_refused),
		T(endless_data_is_cut_at_the_limit),
		T(a_file_of_another_type_is_refused_however_well_signed),
		T(another_roles_key_signs_nothing),
		T(repeated_key_ids_in_signatures_refuse_the_file),
		T(an_unusable_signature_does_not_spoil_the_others),
		T(one_key_under_two_ids_counts_once),
		T(a_role_that_repeats_a_key_id_counts_it_once),
		T(a_threshold_above_the_keys_is_unsatisfiable_but_no_fault_of_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
