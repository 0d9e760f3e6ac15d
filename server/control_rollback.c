/* control_rollback: older bytes for every ring of a channel, by an operator's word. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "rollout/stops.h"
#include "server/control_parts.h"
#include "server/now.h"

#define ROLLBACKS_MAX 16        /* under way at once */
#define FLOOR_MAX 4096          /* bytes of the document */

/* A row that outlives the walk it was read in. */
struct rollback {
	uint64_t id, max_serial;
	char channel[NAME_LEN_MAX + 1];
	struct bundle_ref bundle;
	char reason[REASON_LEN_MAX + 1], by[ACCESS_WHO_MAX + 1];
	int64_t at;
};

struct rollbacks {
	struct rollback items[ROLLBACKS_MAX];
	size_t count;
};

static int collect(const struct store_rollback *row, void *arg, struct err *e)
{
	struct rollbacks *all = arg;
	struct rollback *r = &all->items[all->count];

	(void)e;
	if (all->count == ROLLBACKS_MAX)
		return 1;
	*r = (struct rollback){ .id = row->id, .max_serial = row->max_serial, .at = row->at };
	r->bundle.serial = row->serial;
	r->bundle.digest = row->digest;
	snprintf(r->channel, sizeof r->channel, "%s", row->channel);
	snprintf(r->bundle.version, sizeof r->bundle.version, "%s", row->version);
	snprintf(r->bundle.path, sizeof r->bundle.path, "%s", row->path);
	snprintf(r->reason, sizeof r->reason, "%s", row->reason);
	snprintf(r->by, sizeof r->by, "%s", row->by);
	all->count++;
	return 0;
}

static void row_of(const struct rollback *r, bool done, struct store_rollback *out)
{
	*out = (struct store_rollback){
		.id = r->id, .channel = r->channel, .digest = r->bundle.digest, .serial = r->bundle.serial,
		.max_serial = r->max_serial, .version = r->bundle.version, .path = r->bundle.path, .reason = r->reason,
		.by = r->by, .at = r->at, .done = done,
	};
}

/* The rings of the channel are those of its newest rollout. */
static const struct rollout *newest_of(const struct server *s, const char *channel)
{
	const struct rollout *r = s->rollouts.newest;

	while (r && strcmp(r->channel, channel) != 0)
		r = r->older;
	return r;
}

/* 1: it waits for signatures. */
static int assign(struct server *s, const struct rollback *r, const char *ring, int64_t now, struct err *e)
{
	struct requests_info info;
	AUTO(assignment) struct assignment *current = NULL;
	const struct rollout *was = rollouts_of(&s->rollouts, r->channel, &r->bundle.digest);
	struct assignment a = { .issued = now, .bundle = r->bundle, .granted = true, .grant_max_serial = r->max_serial };
	int got = desk_assignment(s->desk, ring, r->channel, &current, e);

	if (got == ERR_NOT_FOUND)
		return 0;       /* it never had anything */
	if (got < 0)
		return got;
	if (digest_equal(&current->bundle.digest, &r->bundle.digest))
		return 0;
	a.attempt = was ? was->attempt : 1;
	snprintf(a.channel, sizeof a.channel, "%s", r->channel);
	snprintf(a.ring, sizeof a.ring, "%s", ring);
	snprintf(a.reason, sizeof a.reason, "%s", r->reason);
	snprintf(a.grant_reason, sizeof a.grant_reason, "%s", r->reason);
	/* What is signed for this ring already: nobody has to think about the way back. */
	a.drops = current->drops;
	a.drop_count = current->drop_count;
	got = control_assign(s, &a, NULL, now, &info, e);
	return got < 0 ? err_wrap(e, "ring %s", ring) : got;
}

/* Every ring whose keys are here gets it at once; the others keep the rollback open, unless it is stopped meanwhile. */
static int go_on(struct server *s, const struct rollback *r, int64_t now, struct err *e)
{
	const struct rollout *rings = newest_of(s, r->channel);
	bool stopped = desk_stopped(s->desk, r->channel, &r->bundle.digest);
	struct server_batch b = { .count = 0 };
	struct err first = { 0 };
	bool waits = false;

	for (size_t i = 0; rings && !stopped && i < rings->policy->count; i++) {
		int got = assign(s, r, rings->policy->rings[i].name, now, e);

		if (got < 0 && !first.code)
			first = *e;
		waits = waits || got > 0;
	}
	if (first.code) {
		*e = first;
		return e->code;
	}
	if (waits)
		return 0;
	row_of(r, true, &server_record(&b, STORE_ROLLBACK)->u.rollback);
	server_record(&b, STORE_DECISION)->u.decision = (struct store_decision){
		.at = now, .kind = "rollback", .channel = r->channel, .ring = "", .device = "", .digest = r->bundle.digest,
		.from = "", .to = stopped ? "ended" : "done", .cause = "operator",
		.sentence = stopped ? "it was stopped meanwhile" : r->reason, .inputs = "",
	};
	return server_write(s, &b, e);
}

int control_rollbacks(struct server *s, int64_t now, struct err *e)
{
	struct rollbacks all = { .count = 0 };

	if (store_each_rollback(s->store, collect, &all, e) < 0)
		return e->code;
	for (size_t i = 0; i < all.count; i++)
		if (go_on(s, &all.items[i], now, e) < 0)
			return err_wrap(e, "channel %s", all.items[i].channel);
	return 0;
}

/* ---- where to ---- */

struct target {
	const struct server *s;
	const char *channel;
	struct digest want;             /* zero: the newest that is neither stopped nor the one assigned */
	uint64_t serial;                /* wanted instead; 0: none */
	struct digest assigned;
	uint64_t below;                 /* those from here on are stopped; 0: not asked yet */
	struct bundle_ref found;
	uint64_t greatest;              /* serial ever published */
};

static int choose(const struct store_bundle *b, void *arg, struct err *e)
{
	struct target *t = arg;
	bool fits;

	(void)e;
	t->greatest = MAX(t->greatest, b->serial);
	if (t->serial)
		fits = b->serial == t->serial;
	else if (!digest_is_zero(&t->want))
		fits = digest_equal(&t->want, &b->digest);
	else
		fits = digest_is_zero(&t->found.digest) && !digest_equal(&b->digest, &t->assigned) && (!t->below || b->serial < t->below);
	if (!fits)
		return 0;
	t->found.serial = b->serial;
	t->found.digest = b->digest;
	snprintf(t->found.path, sizeof t->found.path, "%s", b->path);
	snprintf(t->found.version, sizeof t->found.version, "%s", b->version);
	return 0;
}

/* Row by row: the desk must not be asked in a visit, for it reads the store itself. */
static int choose_bundle(struct target *t, struct err *e)
{
	bool named = t->serial || !digest_is_zero(&t->want);

	for (;; t->below = t->found.serial) {
		t->found = (struct bundle_ref){ .serial = 0 };
		if (store_each_bundle(t->s->store, t->channel, choose, t, e) < 0)
			return e->code;
		if (named || digest_is_zero(&t->found.digest) || !desk_stopped(t->s->desk, t->channel, &t->found.digest))
			return 0;
	}
}

/* What the first ring has, which is the newest any ring has. */
static int assigned_now(struct server *s, const struct rollout *rings, struct assignment **out, struct err *e)
{
	for (size_t i = 0; i < rings->policy->count; i++) {
		int got = desk_assignment(s->desk, rings->policy->rings[i].name, rings->channel, out, e);

		if (got != ERR_NOT_FOUND)
			return got;
	}
	return err_set(e, ERR_CONFLICT, "channel %s: no ring has an assignment", rings->channel);
}

/* What the vendor lists as the oldest that may be installed; 0: nothing. */
static int floor_of(struct server *s, const char *channel, uint64_t *out, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO_FREE char *file = NULL;
	char path[PATH_LEN_MAX + 1];
	int got;

	*out = 0;
	floor_path(path, channel);
	got = desk_target_file(s->desk, path, &file, e);
	if (got == ERR_NOT_FOUND)
		return 0;
	if (got < 0 || file_read(&text, file, FLOOR_MAX, e) < 0)
		return e->code;
	return floor_parse(out, channel, path, text->len ? text->data : "", text->len, e);
}

static int find_target(struct server *s, struct target *t, struct err *e)
{
	AUTO(assignment) struct assignment *now = NULL;
	const struct rollout *rings = newest_of(s, t->channel);
	uint64_t floor;

	if (!rings)
		return err_set(e, ERR_NOT_FOUND, "channel %s: nothing was ever published", t->channel);
	if (assigned_now(s, rings, &now, e) < 0)
		return e->code;
	t->assigned = now->bundle.digest;
	if (!t->serial && digest_is_zero(&t->want))
		t->want = now->previous.digest;
	if (choose_bundle(t, e) < 0)
		return e->code;
	if (digest_is_zero(&t->found.digest))
		return err_set(e, ERR_NOT_FOUND, "channel %s: there is no such bundle to go back to", t->channel);
	if (desk_stopped(s->desk, t->channel, &t->found.digest))
		return err_set(e, ERR_CONFLICT, "channel %s: serial %" PRIu64 " is stopped for good", t->channel, t->found.serial);
	if (floor_of(s, t->channel, &floor, e) < 0)
		return e->code;
	if (t->found.serial < floor)
		return err_set(e, ERR_CONFLICT, "channel %s: serial %" PRIu64 " is below the floor, serial %" PRIu64 ": no endpoint would install it",
			       t->channel, t->found.serial, floor);
	if (desk_dropped(s->desk, t->channel, t->found.path))
		return err_set(e, ERR_CONFLICT, "channel %s: the vendor no longer lists serial %" PRIu64 ": no endpoint would install it", t->channel,
			       t->found.serial);
	return 0;
}

static int record(struct server *s, const struct rollback *r, struct err *e)
{
	struct server_batch b = { .count = 0 };
	char hex[DIGEST_HEX_LEN + 1], was[40], becomes[DIGEST_HEX_LEN + 60];

	row_of(r, false, &server_record(&b, STORE_ROLLBACK)->u.rollback);
	digest_hex(hex, &r->bundle.digest);
	snprintf(becomes, sizeof becomes, "{\"digest\":\"%s\",\"serial\":%" PRIu64 "}", hex, r->bundle.serial);
	snprintf(was, sizeof was, "{\"serial\":%" PRIu64 "}", r->max_serial);
	server_audit_entry(&b, &(const struct audit_entry){ .at = r->at, .who = r->by, .action = "rollback", .subject = r->channel, .why = r->reason,
							    .was = was, .becomes = becomes });
	server_record(&b, STORE_DECISION)->u.decision = (struct store_decision){
		.at = r->at, .kind = "rollback", .channel = r->channel, .ring = "", .device = "", .digest = r->bundle.digest,
		.from = "", .to = "begun", .cause = "operator", .sentence = r->reason, .inputs = "",
	};
	return server_write(s, &b, e);
}

static int begin(struct server *s, struct rollback *r, struct err *e)
{
	struct motive m = { .cause = "operator", .sentence = r->reason, .who = r->by };

	if (record(s, r, e) < 0)
		return e->code;
	log_info("channel %s: back to serial %" PRIu64 " by %s: %s", r->channel, r->bundle.serial, r->by, r->reason);
	for (struct rollout *o = s->rollouts.newest; o; o = o->older)
		if (strcmp(o->channel, r->channel) == 0 && control_abort(s, o, 0, &m, r->at, e) < 0)
			return e->code;
	return go_on(s, r, r->at, e);
}

/* What people look at before they go back is the newest rollout. */
static int check(struct server *s, const char *channel, struct control_back *b, struct err *e)
{
	char version[ROLLOUT_VERSION_MAX];
	const struct rollout *r;

	b->refused = CONTROL_NO_REFUSAL;
	if (!b->match)
		return 0;
	pthread_mutex_lock(&s->lock);
	r = newest_of(s, channel);
	if (r)
		rollout_version(r, version);
	pthread_mutex_unlock(&s->lock);
	if (!r || http_tag_matches(b->match, version))
		return 0;
	b->refused = CONTROL_CHANGED;
	return err_set(e, ERR_CONFLICT, "channel %s: its newest rollout, %" PRIu64 ", is at version \"%s\" now: look at it again", channel, r->id, version);
}

int control_rollback(struct server *s, const char *channel, struct control_back *b, struct err *e)
{
	struct target t = { .s = s, .channel = channel, .want = b->to, .serial = b->serial };
	struct rollback r = { .id = 0 };
	int got;

	pthread_mutex_lock(&s->control);
	r.at = server_now(s);
	got = check(s, channel, b, e);
	if (got == 0)
		got = find_target(s, &t, e);
	if (got == 0 && !b->dry_run)
		got = random_bytes(&r.id, sizeof r.id, e);
	if (got == 0)
		b->found = t.found;
	if (got == 0 && !b->dry_run) {
		r.id &= INT64_MAX;
		r.bundle = t.found;
		r.max_serial = t.greatest;
		snprintf(r.channel, sizeof r.channel, "%s", channel);
		snprintf(r.reason, sizeof r.reason, "%s", b->reason);
		snprintf(r.by, sizeof r.by, "%s", b->who);
		got = begin(s, &r, e);
	}
	pthread_mutex_unlock(&s->control);
	return got;
}
