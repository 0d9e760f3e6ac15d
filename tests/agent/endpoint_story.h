/* endpoint_story: how the stories of one endpoint begin, and what they ask on the way. */
#ifndef TESTS_AGENT_ENDPOINT_STORY_H
#define TESTS_AGENT_ENDPOINT_STORY_H

#include "endpoint.h"

#define GOOD "deploy/demo/edr-good"
#define ONE_MORE "deploy/demo/edr-21"           /* one field and one rule, ipc-0008, more */

#define NEED_AGENT(p)                                                            \
	do {                                                                     \
		if (access((p)->bin, X_OK) < 0)                                  \
			skip_named("%s is not built", (p)->bin);                 \
	} while (0)

#define ENDPOINT_TEST(f, setup) cmocka_unit_test_setup_teardown(f, setup, endpoint_teardown)

static inline bool runs(struct endpoint *p, const struct digest *d)
{
	struct seen s = endpoint_look(p);

	return digest_equal(&s.running, d);
}

static inline void commit(struct endpoint *p, const struct published *b, const struct published *previous)
{
	endpoint_assign(p, b, previous, 1, 10, 0);
	endpoint_until(p, "the bundle is committed", endpoint_runs_committed, b, 1000);
}

static inline struct published settled(struct endpoint *p)
{
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);

	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	commit(p, &one, NULL);
	return one;
}

/* ---- slots ---- */

static inline void slot_path(char out[600], const struct endpoint *p, const struct published *b)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->digest);
	snprintf(out, 600, "%s" HOME_CHANNELS "/edr/slots/%s", p->root, hex);
}

static inline bool whole(const struct endpoint *p, const struct published *b)
{
	char path[600];
	struct err e;

	slot_path(path, p, b);
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir >= 0 && tree_verify(dir, &b->digest, NULL, NULL, NULL, &e) == 0;
}

/* ---- commands ---- */

static inline char *told(struct endpoint *p, const char *command, const char *argument, int status)
{
	char *out = NULL;
	int got = endpoint_command(p, &out, command, argument, NULL);

	if (got != status)
		fail_msg("%s: exit status %d instead of %d:\n%s", command, got, status, out);
	return out;
}

static inline void assert_tells(struct endpoint *p, const char *command, const char *argument, int status, const char *text)
{
	char *out = told(p, command, argument, status);

	if (*text && !strstr(out, text))
		fail_msg("no \"%s\" in %s:\n%s", text, command, out);
	free(out);
}

/* ---- contracts ---- */

/* The demo's contract of a sensor that supplies 21 fields to pipes, or only another version of it. The caller frees. */
static inline struct buf *contract_of(bool wide, const char *version)
{
	static const char last[] = "{\"name\": \"image_hash\", \"type\": \"bytes\"}\n        ]}";
	AUTO(buf) struct buf *text = NULL;
	struct buf *out = buf_new(0);
	const char *at, *v;
	struct err e;

	assert_ok(file_read(&text, "deploy/demo/contract.json", 1 << 20, &e));
	v = strstr(text->data, "7.11");
	at = strstr(text->data, last);
	assert_true(v && at && v < at);
	buf_add(out, text->data, (size_t)(v - text->data));
	buf_adds(out, version);
	buf_add(out, v + 4, (size_t)(at - v - 4));
	if (wide)
		buf_adds(out, "{\"name\": \"image_hash\", \"type\": \"bytes\"},\n          {\"name\": \"pipe_flags\", \"type\": \"integer\"}\n        ]}");
	else
		buf_adds(out, last);
	buf_adds(out, at + strlen(last));
	assert_ok(buf_check(out, &e));
	return out;
}

static inline void put_contract(struct endpoint *p, bool wide, const char *version)
{
	AUTO(buf) struct buf *text = contract_of(wide, version);

	endpoint_write(p, "/etc/ringhold/contract.json", text->data, 0644);
}

static inline int setup_wide(void **state)
{
	int rc = endpoint_setup_with(state, "contract = /etc/ringhold/contract.json\n");

	put_contract(*state, true, "7.11");
	return rc;
}

#endif
