/* promoter_requests: signing requests of later rings, judged, signed when the gate's inputs say the same here, and brought back. */
#include "cli/promoter_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/promoter_judge.h"
#include "rollout/replay.h"
#include "signing/repo.h"

#define REQUESTS_MAX 256                /* looked at in one look */
#define EXPIRY_MOST (40 * 86400)        /* of what is signed, from now */
#define VERSION_AHEAD 86400             /* versions are seconds: none may use up the future */

/* ---- judging ---- */

struct judging {
	struct promoter *p;
	struct sigreq *q;
	const struct sigreq_draft *draft;
	const struct metadata *current;         /* the role as published; NULL: never */
	const char *ring;
	int64_t now;
};

/* What one draft changes, noted when it is signed. */
struct change {
	char channel[NAME_LEN_MAX + 1];
	enum judge_kind kind;
};
struct changes {
	struct change items[PROMOTER_CHANNELS_MAX];
	size_t count;
};

static bool same_target(const struct metadata_target *a, const struct metadata_target *b)
{
	return a->has_sha256 && b->has_sha256 && digest_equal(&a->sha256, &b->sha256) && a->file.length == b->file.length;
}

/* The bytes that the draft lists; what was published before may travel along under the same path. */
static const struct sigreq_document *document_of(const struct sigreq *q, const struct metadata_target *t)
{
	for (size_t i = 0; i < q->document_count; i++) {
		const struct sigreq_document *d = &q->documents[i];
		struct err e;

		if (strcmp(d->path, t->path.text) == 0 && metadata_file_check(&t->file, d->path, d->bytes->data, d->bytes->len, &e) == 0)
			return d;
	}
	return NULL;
}

/* The channel whose assignment lies at this path of the ring; NULL: none of ours. */
static const struct policy *policy_at(const struct judging *j, const struct metadata_target *t)
{
	for (size_t i = 0; i < j->p->policy_count; i++) {
		char path[PATH_LEN_MAX + 1];

		assignment_path(path, j->ring, j->p->policies[i]->channel);
		if (strlen(path) == t->path.len && memcmp(path, t->path.text, t->path.len) == 0)
			return j->p->policies[i];
	}
	return NULL;
}

static int evidence_record(const struct judging *j, struct gate_record **out, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	struct digest digest;

	if (!j->q->evidence || json_parse(&d, "evidence", j->q->evidence, strlen(j->q->evidence), NULL, e) < 0 ||
	    promoter_digest_member(&digest, d->root, "gate_record") < 0)
		return 0;
	return promoter_take_record(j->p, &digest, out, j->now, e);
}

static int wanted_of(const struct judging *j, const struct metadata_target *t, const char *channel, struct assignment **out, struct err *e)
{
	const struct sigreq_document *doc = document_of(j->q, t);

	if (!doc)
		return err_set(e, ERR_REFUSED, "%s: the request does not carry it", t->path.text);
	if (assignment_parse(out, t->path.text, doc->bytes->data, doc->bytes->len, e) < 0)
		return e->code;
	return assignment_check_place(*out, channel, j->ring, e);
}

/* By either repository, as hosts count it; one that cannot be asked adds nothing. */
static int is_stopped(struct promoter *p, const char *channel, const struct digest *d, bool *stopped, struct err *e)
{
	struct promoter_view *theirs = p->content ? promoter_content_view(p->content, &(struct err){ 0 }) : NULL;
	bool by_vendor = false;

	if (promoter_view_stopped(p->view, channel, d, stopped, e) < 0 ||
	    (theirs && promoter_view_stopped(theirs, channel, d, &by_vendor, e) < 0))
		return e->code;
	*stopped = *stopped || by_vendor;
	return 0;
}

/* Where the vendor cannot be asked the way back stays open: what the ring had was the vendor's when it came. */
static int ask_vendor(const struct judging *j, struct judge_case *k, struct err *e)
{
	const struct bundle_ref *b = &k->wanted->bundle;
	struct promoter_view *view = j->p->content ? promoter_content_view(j->p->content, e) : j->p->view;

	if (view)
		return promoter_view_vendor(view, k->channel, b, &k->vendor_signed, &k->vendor_greatest, e);
	k->vendor_signed = !(k->current && digest_equal(&k->current->bundle.digest, &b->digest)) &&
			   witness_in_force(j->p->witness, j->ring, k->channel, &b->digest);
	if (k->vendor_signed)
		return 0;
	e->code = ERR_CONFLICT;         /* asked again in the next look */
	return e->code;
}

/* t: what the draft lists, NULL: no more; was: what is published, NULL: nothing. */
static int judge_target(const struct judging *j, const struct metadata_target *t, const struct metadata_target *was, struct changes *all,
			struct err *e)
{
	const struct policy *policy = policy_at(j, t ? t : was);
	AUTO(assignment) struct assignment *wanted = NULL, *current = NULL;
	AUTO(gate_record) struct gate_record *record = NULL;
	struct promoter *p = j->p;
	struct change *c = &all->items[all->count];
	struct judge_case k = { .request = j->q->id, .ring = j->ring, .policy = policy, .witness = p->witness, .now = j->now,
				.per_day = p->settings.per_day };
	int position = policy ? policy_position(policy, j->ring) : -1;

	if (position > 0)
		k.vouchers = promoter_vouchers_of(p, policy->rings[position - 1].name);
	if (!policy)
		return err_set(e, ERR_REFUSED, "%s: of no channel that we have a policy of", (t ? t : was)->path.text);
	if (all->count == PROMOTER_CHANNELS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d channels change at once", PROMOTER_CHANNELS_MAX);
	k.channel = policy->channel;
	if (promoter_view_assignment(p->view, j->ring, policy->channel, &current, e) < 0 ||
	    (current && is_stopped(p, policy->channel, &current->bundle.digest, &k.current_stopped, e) < 0))
		return e->code;
	k.current = current;
	if (t && (wanted_of(j, t, policy->channel, &wanted, e) < 0 || evidence_record(j, &record, e) < 0 ||
		  is_stopped(p, policy->channel, &wanted->bundle.digest, &k.wanted_stopped, e) < 0))
		return e->code;
	k.wanted = wanted;
	k.record = record;
	if (wanted && ask_vendor(j, &k, e) < 0)
		return e->code;
	if (judge_change(&k, &c->kind, e) < 0)
		return e->code;
	snprintf(c->channel, sizeof c->channel, "%s", policy->channel);
	all->count++;
	return 0;
}

static int judge_targets(const struct judging *j, struct changes *all, struct err *e)
{
	const struct metadata *draft = j->draft->draft;

	for (size_t i = 0; i < draft->target_count; i++) {
		const struct metadata_target *t = &draft->targets[i];
		const struct metadata_target *was = j->current ? metadata_target(j->current, t->path.text, t->path.len) : NULL;

		if (!(was && same_target(t, was)) && judge_target(j, t, was, all, e) < 0)
			return e->code;
	}
	for (size_t i = 0; j->current && i < j->current->target_count; i++) {
		const struct metadata_target *was = &j->current->targets[i];

		if (!metadata_target(draft, was->path.text, was->path.len) && judge_target(j, NULL, was, all, e) < 0)
			return e->code;
	}
	return 0;
}

/* The frame around the targets: follows what is published, delegates nothing, uses up neither time nor versions. */
static int judge_frame(const struct judging *j, struct err *e)
{
	const struct metadata *d = j->draft->draft;
	int64_t most = MAX(j->current ? j->current->version + 1 : 1, j->now + VERSION_AHEAD);

	if (sigreq_check_base(j->draft, j->current, e) < 0)
		return e->code;
	if (d->delegation_count || d->succinct.bit_length)
		return err_set(e, ERR_REFUSED, "%s: delegates further", j->draft->role);
	if (d->version > most)
		return err_set(e, ERR_REFUSED, "%s: version %lld leaves out too many", j->draft->role, (long long)d->version);
	if (d->expires > j->now + EXPIRY_MOST)
		return err_set(e, ERR_REFUSED, "%s: would be valid for more than %d days", j->draft->role, EXPIRY_MOST / 86400);
	return 0;
}

/* The ring's name when one of our policies has it as a later ring. */
static const char *later_ring(const struct promoter *p, const char *role)
{
	const char *ring = strncmp(role, "ring-", 5) == 0 ? role + 5 : NULL;

	for (size_t i = 0; ring && i < p->policy_count; i++)
		if (policy_position(p->policies[i], ring) > 0)
			return ring;
	return NULL;
}

static int note_signed(const struct judging *j, const struct changes *all, struct err *e)
{
	for (size_t i = 0; i < all->count; i++)
		if (witness_note_signed(j->p->witness, j->q->id, j->ring, all->items[i].channel, all->items[i].kind == JUDGE_PROMOTION,
					j->now, e) < 0)
			return e->code;
	/* a renewal changes no channel */
	if (all->count == 0)
		return witness_note_signed(j->p->witness, j->q->id, j->ring, "", false, j->now, e);
	return 0;
}

/* Every draft is judged before any is signed; what will be signed is noted first. */
static int judge_request(struct promoter *p, struct sigreq *q, int64_t now, struct err *e)
{
	for (size_t i = 0; i < q->draft_count; i++) {
		struct judging j = { .p = p, .q = q, .draft = &q->drafts[i], .ring = later_ring(p, q->drafts[i].role), .now = now };
		struct changes all = { .count = 0 };

		if (promoter_view_role(p->view, j.ring, p->policies[0]->channel, &j.current, e) < 0 || judge_frame(&j, e) < 0 ||
		    judge_targets(&j, &all, e) < 0 || note_signed(&j, &all, e) < 0)
			return e->code;
	}
	return 0;
}

/* ---- asking and answering ---- */

static bool carries(const struct sigreq_draft *d, const struct metadata_signature *sig)
{
	for (size_t i = 0; d && i < d->draft->signature_count; i++)
		if (d->draft->signatures[i].keyid.len == sig->keyid.len &&
		    memcmp(d->draft->signatures[i].keyid.text, sig->keyid.text, sig->keyid.len) == 0)
			return true;
	return false;
}

/* The signatures that `signed_now` has and `was` had not. */
static int submit(struct promoter *p, const struct sigreq *was, const struct sigreq *signed_now, struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(0);
	AUTO_ANSWER answer = { 0 };
	struct json_writer w = { .out = body };
	char path[80];

	if (!body)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_open_array(&w, "signatures");
	for (size_t i = 0; i < signed_now->draft_count; i++) {
		const struct sigreq_draft *d = &signed_now->drafts[i];

		for (size_t k = 0; k < d->draft->signature_count; k++) {
			const struct metadata_signature *sig = &d->draft->signatures[k];

			if (carries(sigreq_draft(was, d->role), sig))
				continue;
			json_open_object(&w, NULL);
			json_put_text(&w, "role", d->role);
			json_put_textn(&w, "keyid", sig->keyid.text, sig->keyid.len);
			json_put_textn(&w, "sig", sig->hex, sig->hex_len);
			json_close_object(&w);
		}
	}
	json_close_array(&w);
	json_close_object(&w);
	snprintf(path, sizeof path, "/v1/signing-requests/%s/signatures", signed_now->id);
	return remote_call(p->remote, "POST", path, body, &answer, e);
}

/* 1: co-signed; 0: nothing for us; else why not. */
static int answer_request(struct promoter *p, const char *id, int64_t now, struct err *e)
{
	struct sigreq_trust trust = promoter_view_trust(p->view);
	AUTO(sigreq) struct sigreq *q = NULL, *was = NULL;
	AUTO_ANSWER answer = { 0 };
	char path[64];
	int added;

	snprintf(path, sizeof path, "/v1/signing-requests/%s", id);
	if (remote_call(p->remote, "GET", path, NULL, &answer, e) < 0 ||
	    sigreq_parse(&q, "signing request", answer.text->data, answer.text->len, e) < 0 ||
	    sigreq_parse(&was, "signing request", answer.text->data, answer.text->len, e) < 0)
		return e->code;
	if (strcmp(q->id, id) != 0)
		return err_set(e, ERR_REFUSED, "the server gave request %s for %s", q->id, id);
	for (size_t i = 0; i < q->draft_count; i++)
		if (!later_ring(p, q->drafts[i].role))
			return 0;       /* people decide about everything else */
	if (judge_request(p, q, now, e) < 0)
		return e->code;
	added = sigreq_sign(q, p->keys, &trust, e);
	if (added <= 0)
		return added;
	if (submit(p, was, q, e) < 0)
		return e->code;
	log_info("signing request %s: co-signed: %s", id, q->reason);
	return 1;
}

/* "ring-early" among the roles it asks for: anything else is not fetched at all. */
static bool concerns_us(const struct promoter *p, const struct json *item)
{
	const struct json *roles = json_get(item, "roles");

	for (uint32_t i = 0; roles && roles->type == JSON_ARRAY && i < roles->count; i++) {
		const struct json *r = &roles->u.items[i];

		if (r->type == JSON_STRING && later_ring(p, r->u.text))
			return true;
		if (r->type == JSON_OBJECT && json_get(r, "role") && json_get(r, "role")->type == JSON_STRING &&
		    later_ring(p, json_get(r, "role")->u.text))
			return true;
	}
	return false;
}

static bool fleeting(int code)
{
	return code == ERR_NET || code == ERR_TIMEOUT || code == ERR_IO || code == ERR_SPACE || code == ERR_STORE || code == ERR_MEMORY;
}

int promoter_answer_requests(struct promoter *p, int64_t now, struct promoter_round *out, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;

	if (remote_all(p->remote, "/v1/signing-requests?state=open", &answer, e) < 0 ||
	    json_want_array(answer.doc, answer.doc->root, "items", REQUESTS_MAX, &items, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count; i++) {
		char id[SIGREQ_ID_LEN + 1], subject[48];
		struct err why;
		int got;

		remote_text(&items->u.items[i], "id", id, sizeof id);
		if (!concerns_us(p, &items->u.items[i]) || strspn(id, "0123456789abcdef") != SIGREQ_ID_LEN)
			continue;
		got = answer_request(p, id, now, &why);
		if (got < 0 && fleeting(why.code)) {
			*e = why;
			return e->code;
		}
		snprintf(subject, sizeof subject, "signing request %s", id);
		if (got < 0)
			promoter_say(p, subject, &why);
		out->signatures += got > 0;
		out->waiting += got < 0 && why.code == ERR_CONFLICT;
		out->refused += got < 0 && why.code != ERR_CONFLICT;
	}
	return 0;
}
