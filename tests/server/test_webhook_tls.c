/* test_webhook_tls: a receiver whose certificate is of an organisation's own authority is believed when that authority is named. */
#include "receiver.h"

#include "pki.h"

static char dir[64];

static bool start(struct place *x)
{
	char key[100], certificate[100], ca[100];

	if (x->receiver)
		return true;
	strcpy(dir, "/tmp/ringhold-pki-XXXXXX");
	assert_non_null(mkdtemp(dir));
	pki_authority(dir, "ours");
	pki_authority(dir, "theirs");
	shell_must("printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' > %s/receiver.ext", dir);
	pki_certificate(dir, "ours", "receiver", "receiver");
	snprintf(key, sizeof key, "%s/receiver.key", dir);
	snprintf(certificate, sizeof certificate, "%s/receiver.crt", dir);
	snprintf(ca, sizeof ca, "%s/ours.crt", dir);
	return start_receiver(x, key, certificate, ca);
}

/* The same receiver for all, and each time another server. */
static int setup_tls(void **state)
{
	*state = &shared;
	*shift_ms = 0;
	if (test_other_program("openssl") && start(&shared))
		receiver(&shared, "POST", "/control", "{\"mode\":\"ok\",\"forget\":true}");
	return 0;
}

static void authority(char out[200], const char *name)
{
	snprintf(out, 200, LOCAL "webhook-ca-file = %s/%s.crt\n", dir, name);
}

static void a_receiver_is_believed_when_its_authority_is_named(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *item;
	char more[200];

	authority(more, "ours");
	BEGIN(x, more);
	make_known(x, "siem", "");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "test", "siem"), 0);
	d = wait_for(x, "ringhold.webhook.test", 1, &item);
	assert_int_equal(number_of(item, "verified"), 1);
}

static void a_receiver_of_another_authority_hears_nothing(void **state)
{
	struct place *x = *state;
	char more[200];

	authority(more, "theirs");
	BEGIN(x, more);
	make_known(x, "siem", "");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "test", "siem"), 0);
	wait_trouble(x, "siem", "certificate");
	assert_int_equal(count_of(x, NULL), 0);
}

static void without_a_name_the_systems_authorities_are_asked(void **state)
{
	struct place *x = *state;

	BEGIN(x, LOCAL);
	make_known(x, "siem", "");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "test", "siem"), 0);
	wait_trouble(x, "siem", "certificate");
	assert_int_equal(count_of(x, NULL), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_tls, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_receiver_is_believed_when_its_authority_is_named),
		TEST(a_receiver_of_another_authority_hears_nothing),
		TEST(without_a_name_the_systems_authorities_are_asked),
	};
	int failed = run_with_receiver("webhook_tls", tests, ARRAY_LEN(tests));
	struct err e;

	if (dir[0])
		assert_ok(file_remove_tree(dir, &e));
	return failed;
}
