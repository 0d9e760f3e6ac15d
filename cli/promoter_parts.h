/* promoter_parts: what the parts of the promoter share; for cli/promoter*.c only. */
#ifndef CLI_PROMOTER_PARTS_H
#define CLI_PROMOTER_PARTS_H

#include "cli/promoter.h"
#include "cli/promoter_content.h"
#include "cli/promoter_view.h"
#include "cli/witness.h"
#include "rollout/gate_record.h"

#define PROMOTER_CHANNELS_MAX 32
#define PROMOTER_SAID_MAX 64            /* reasons remembered, so that each is told once */

struct promoter_config {
	char *server, *pin, *pin_file, *ca_file, *token_file, *root, *policies, *vouch, *state;
	char *content_url, *content_root, *content_pin, *content_ca_file;
	int64_t poll_s, per_day, vouchers;
};

/* A key that one endpoint and we have. */
struct promoter_voucher {
	char ring[NAME_LEN_MAX + 1], name[NAME_LEN_MAX + 1];
	struct buf *key;
};
struct promoter_vouchers {
	struct promoter_voucher *items;
	size_t count;
	uint64_t after;                         /* the last event looked at */
};

struct promoter_said {
	char subject[48], sentence[256];
};

struct promoter {
	struct promoter_config settings;
	struct remote *remote;
	struct keyring *keys;
	struct promoter_view *view;
	struct promoter_content *content;       /* NULL: bundles are in the same repository as rings */
	struct witness *witness;
	struct promoter_vouchers vouchers;
	char *records;                          /* directory: the last record of each ring */
	struct policy *policies[PROMOTER_CHANNELS_MAX];
	size_t policy_count;
	uint64_t after;                         /* the last gate record asked for */
	struct promoter_said said[PROMOTER_SAID_MAX];
	size_t said_at;
};

/* ---- promoter.c ---- */

/* The same sentence about the same thing is told once. */
void promoter_say(struct promoter *p, const char *subject, const struct err *e);
int64_t promoter_vouchers_of(const struct promoter *p, const char *ring);      /* how many endpoints of the ring must vouch */

/* ---- promoter_watch.c: what the server and the endpoints have said ---- */

int promoter_watch_assignments(struct promoter *p, int64_t now, struct err *e) MUST_CHECK;
int promoter_watch_records(struct promoter *p, int64_t now, struct err *e) MUST_CHECK;
int promoter_hear_endpoints(struct promoter *p, int64_t now, struct err *e) MUST_CHECK;
int promoter_digest_member(struct digest *out, const struct json *o, const char *key) MUST_CHECK;     /* negative: absent or malformed */
/* The record behind a digest, checked against what was seen before. */
int promoter_take_record(struct promoter *p, const struct digest *digest, struct gate_record **out, int64_t now, struct err *e) MUST_CHECK;

/* ---- promoter_requests.c: what waits for our signature ---- */

int promoter_answer_requests(struct promoter *p, int64_t now, struct promoter_round *out, struct err *e) MUST_CHECK;

#endif
