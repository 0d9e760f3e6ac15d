/* control_drop: single rules that a channel leaves out, by an operator's word, and the word taken back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/control_parts.h"
#include "server/http.h"
#include "server/now.h"

void control_drop_version(char out[CONTROL_DROP_VERSION], const struct assignment *a)
{
	struct digest d = { { 0 } };
	char hex[DIGEST_HEX_LEN + 1];
	struct err ignored;

	if (a && assignment_drop_digest(&d, a, &ignored) < 0)
		d = (struct digest){ { 0 } };
	digest_hex(hex, &d);
	snprintf(out, CONTROL_DROP_VERSION, "%.*s", CONTROL_DROP_VERSION - 1, hex);
}

static struct assignment_drop *find(struct assignment *a, const char *rule)
{
	for (size_t i = 0; i < a->drop_count; i++)
		if (strcmp(a->drops[i].rule, rule) == 0)
			return &a->drops[i];
	return NULL;
}

static int leave_out(struct assignment *a, const char *rule, const char *reason, struct err *e)
{
	struct assignment_drop *d = find(a, rule), *more;

	if (d)
		return 0;
	if (a->drop_count == ASSIGNMENT_DROPS_MAX)
		return err_set(e, ERR_LIMIT, "no more than %d rules are left out: publish content without them", ASSIGNMENT_DROPS_MAX);
	if (strlen(rule) > RULE_LEN_MAX)
		return err_set(e, ERR_FORMAT, "a rule's id has at most %d bytes", RULE_LEN_MAX);
	more = reallocarray(a->drops, a->drop_count + 1, sizeof *more);
	if (!more)
		return err_memory(e);
	a->drops = more;
	d = &a->drops[a->drop_count++];
	snprintf(d->rule, sizeof d->rule, "%s", rule);
	snprintf(d->reason, sizeof d->reason, "%s", reason);
	return 0;
}

static int take_back(struct assignment *a, const char *rule, struct err *e)
{
	struct assignment_drop *d = find(a, rule);
	size_t at;

	if (!d)
		return err_set(e, ERR_NOT_FOUND, "channel %s: rule %.80s is not left out", a->channel, rule);
	at = (size_t)(d - a->drops);
	memmove(d, d + 1, (a->drop_count - at - 1) * sizeof *d);
	a->drop_count--;
	return 0;
}

static int edit(struct assignment *a, const struct control_drop *w, struct err *e)
{
	for (size_t i = 0; i < w->count; i++)
		if ((w->undo ? take_back(a, w->rules[i], e) : leave_out(a, w->rules[i], w->reason, e)) < 0)
			return e->code;
	return 0;
}

/* ["a","b"]: for the audit log. */
static int list_rules(struct buf *out, const struct assignment *a, struct err *e)
{
	struct json_writer w = { .out = out };

	json_open_array(&w, NULL);
	for (size_t i = 0; i < a->drop_count; i++)
		json_put_text(&w, NULL, a->drops[i].rule);
	json_close_array(&w);
	return buf_check(out, e);
}

static int record(struct server *s, const struct assignment *before, const struct assignment *after, const struct control_drop *w,
		  int64_t now, struct err *e)
{
	AUTO(buf) struct buf *was = buf_new(ASSIGNMENT_MAX), *becomes = buf_new(ASSIGNMENT_MAX);
	struct server_batch b = { .count = 0 };
	char sentence[REASON_LEN_MAX + 64];

	if (!was || !becomes)
		return err_memory(e);
	if (list_rules(was, before, e) < 0 || list_rules(becomes, after, e) < 0)
		return e->code;
	snprintf(sentence, sizeof sentence, "%zu rules are left out, %zu were: %s", after->drop_count, before->drop_count, w->reason);
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = w->who, .action = w->undo ? "undrop" : "drop",
							    .subject = after->channel, .detail = "", .why = w->reason, .was = was->data,
							    .becomes = becomes->data });
	server_record(&b, STORE_DECISION)->u.decision = (struct store_decision){
		.at = now, .kind = "drop", .channel = after->channel, .ring = "", .device = "", .digest = after->bundle.digest,
		.from = "", .to = "", .cause = "operator", .sentence = sentence, .inputs = "",
	};
	return server_write(s, &b, e);
}

static int check(const struct assignment *now, struct control_drop *w, struct err *e)
{
	char version[CONTROL_DROP_VERSION];

	control_drop_version(version, now);
	if (!w->match || http_tag_matches(w->match, version))
		return 0;
	w->refused = CONTROL_CHANGED;
	return err_set(e, ERR_CONFLICT, "channel %s: the list of rules left out is at version \"%s\" now: look at it again", now->channel, version);
}

static int order(struct server *s, const char *channel, struct control_drop *w, int64_t now, struct err *e)
{
	AUTO(assignment) struct assignment *before = NULL, *a = NULL;
	AUTO(buf) struct buf *text = buf_new(ASSIGNMENT_MAX);
	struct requests_info info;
	char was[CONTROL_DROP_VERSION], is[CONTROL_DROP_VERSION];

	if (!text)
		return err_memory(e);
	if (control_first(s, channel, &before, e) < 0 || control_first(s, channel, &a, e) < 0)
		return e->code == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "channel %s: no ring has an assignment", channel) : e->code;
	if (check(before, w, e) < 0 || edit(a, w, e) < 0)
		return e->code;
	a->issued = now;
	snprintf(a->reason, sizeof a->reason, "%s", w->reason);
	if (assignment_write(text, a, e) < 0)   /* what nobody could read is not recorded either */
		return e->code;
	control_drop_version(was, before);
	control_drop_version(is, a);
	if (w->dry_run || strcmp(was, is) == 0)
		return 0;
	if (!desk_can_assign(s->desk, a->ring))
		return err_set(e, ERR_CONFLICT, "ring %s: its key is not on this server, so which rules are left out is signed where the key is", a->ring);
	if (record(s, before, a, w, now, e) < 0)
		return e->code;
	log_info("channel %s: %zu rules are left out by %s: %s", channel, a->drop_count, w->who, w->reason);
	s->reissued_at = 0;
	return control_assign(s, a, NULL, now, &info, e) < 0 ? err_wrap(e, "ring %s", a->ring) : 0;
}

int control_drop(struct server *s, const char *channel, struct control_drop *w, struct err *e)
{
	int got;

	w->refused = CONTROL_NO_REFUSAL;
	pthread_mutex_lock(&s->control);
	got = order(s, channel, w, server_now(s), e);
	pthread_mutex_unlock(&s->control);
	if (got == 0 && !w->dry_run)
		control_tick(s);
	return got;
}
