/* incoming: what every new bundle goes through before its rollout begins. */
#include "server/incoming.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "server/control.h"
#include "server/now.h"

/* ---- one serial, one digest ---- */

struct known {
	const struct incoming *b;
	bool same;
	uint64_t greatest;
	bool conflict;
};

static int compare(const struct store_bundle *b, void *arg, struct err *e)
{
	struct known *k = arg;
	bool serial = b->serial == k->b->serial, digest = digest_equal(&b->digest, &k->b->digest);

	(void)e;
	k->same = k->same || (serial && digest);
	k->conflict = k->conflict || serial != digest;
	k->greatest = MAX(k->greatest, b->serial);
	return 0;
}

int incoming_known(struct server *s, const struct incoming *b, bool *same, struct err *e)
{
	struct known k = { .b = b };

	if (store_each_bundle(s->store, b->channel, compare, &k, e) < 0)
		return e->code;
	*same = k.same;
	if (k.same)
		return 0;
	if (k.conflict)
		return err_set(e, ERR_CONFLICT, "channel %s: serial %" PRIu64 " or this digest is published already with another partner",
			       b->channel, b->serial);
	if (b->serial <= k.greatest)
		return err_set(e, ERR_CONFLICT, "channel %s: serial %" PRIu64 " does not come after %" PRIu64, b->channel, b->serial, k.greatest);
	return 0;
}

/* ---- what it is worth ---- */

static int note_refusal(struct server *s, const struct incoming *b, const struct trial *t, struct err *e)
{
	struct server_batch batch = { .count = 0 };
	int64_t now = server_now(s);
	char sentence[512];

	trial_sentence(t, sentence, sizeof sentence);
	server_record(&batch, STORE_DECISION)->u.decision = (struct store_decision){
		.at = now, .kind = "refused", .channel = b->channel, .ring = "", .device = "", .digest = b->digest, .from = "",
		.to = "", .cause = "checks", .sentence = sentence, .inputs = "" };
	server_audit_entry(&batch, &(const struct audit_entry){ .at = now, .who = b->by, .action = "publish-refused", .subject = b->channel,
								.detail = sentence, .why = b->reason });
	return server_write(s, &batch, e);
}

/* Who let out what sensors refuse, before anything of it is visible. */
static int note_overridden(struct server *s, const struct incoming *b, const struct trial *t, struct err *e)
{
	struct server_batch batch = { .count = 0 };
	int64_t now = server_now(s);
	char names[400], subject[NAME_LEN_MAX + 32], detail[800];

	if (trial_overridden(t, names, sizeof names) == 0)
		return 0;
	snprintf(subject, sizeof subject, "%s %" PRIu64, b->channel, b->serial);
	snprintf(detail, sizeof detail, "although refused by %s: %.300s", names, b->reason);
	server_audit_entry(&batch, &(const struct audit_entry){ .at = now, .who = b->by, .action = "publish-allow-refused", .subject = subject,
								.detail = detail, .why = b->reason });
	return server_write(s, &batch, e);
}

int incoming_try(struct trial **out, struct server *s, const struct incoming *b, const struct trial_override *override, struct err *e)
{
	if (trial_run(out, s, b->archive, b->channel, b->serial, b->version, &b->digest, b->size, override, e) < 0)
		return e->code;
	if (b->dry_run)
		return 0;
	return trial_refuses(*out) ? note_refusal(s, b, *out, e) : note_overridden(s, b, *out, e);
}

int incoming_start(struct server *s, const struct incoming *b, const struct trial *t, uint64_t *rollout, struct err *e)
{
	AUTO(buf) struct buf *matrix = buf_new(0);
	struct json_writer w = { .out = matrix };
	struct store_bundle row = {
		.channel = b->channel, .serial = b->serial, .digest = b->digest, .version = b->version, .path = b->path,
		.size = b->size, .length = b->length, .published = server_now(s), .by = b->by, .reason = b->reason,
	};

	if (!matrix)
		return err_memory(e);
	json_open_object(&w, NULL);
	trial_write_matrix(t, &w);
	json_close_object(&w);
	if (buf_check(matrix, e) < 0)
		return e->code;
	row.matrix = matrix->data;
	return control_start(s, &row, rollout, e);
}
