/* job: starting the children, and believing only what can be checked. */
#include "agent/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/introduce.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "schema/reason.h"

#define DOWNLOAD_MS ((int64_t)24 * 3600 * 1000) /* the fetch process drops slow and dead peers much earlier */
#define UNPACK_MS 600000
#define CHECK_MS 300000
#define CANARY_SLACK_MS 30000
#define RECORDS_A_TURN 512

void job_init(struct job *j)
{
	*j = (struct job){ .kind = JOB_NONE, .child = SPAWNED_NONE, .slots = -1, .old = -1 };
}

void job_stop(struct job *j)
{
	spawn_kill(&j->child);
	tree_writer_free(TAKE(j->writer));
	if (j->slots >= 0)
		close(j->slots);
	if (j->old >= 0)
		close(j->old);
	job_init(j);
}

static int start(struct job *j, const struct settings *s, enum job_kind kind, enum confine_role role, int64_t limit_ms, struct err *e)
{
	job_init(j);
	if (spawn(&j->child, s, role, -1, e) < 0)
		return e->code;
	j->kind = kind;
	j->deadline = clock_work_ms() + limit_ms;
	return 0;
}

/* A job whose first words could not be said is over. */
static int begun(struct job *j, int rc)
{
	if (rc < 0)
		job_stop(j);
	return rc;
}

int job_download(struct job *j, const struct settings *s, const struct message_server *server, int file,
		 const struct message_download *m, struct err *e)
{
	int rc;

	if (start(j, s, JOB_DOWNLOAD, CONFINE_FETCH, DOWNLOAD_MS, e) < 0)
		return e->code;
	rc = introduce(j->child.sock, s, server, e);
	if (rc == 0)
		rc = message_send(j->child.sock, MSG_DOWNLOAD, m, file, e);
	return begun(j, rc);
}

static int prepare_slot(struct job *j, int channel_dir, const struct message_unpack *m, struct err *e)
{
	char name[DIGEST_HEX_LEN + 1];

	j->digest = m->digest;
	j->most = m->size;
	j->slots = slots_open(channel_dir, e);
	if (j->slots < 0)
		return e->code;
	if (m->delta) {
		j->old = slots_open_slot(channel_dir, &m->from, e);
		if (j->old < 0)
			return e->code;
	}
	digest_hex(name, &m->digest);
	if (tree_writer_new(&j->writer, j->slots, name, j->old, e) < 0)
		return e->code;
	j->sink = tree_writer_sink(j->writer);
	return 0;
}

int job_unpack(struct job *j, const struct settings *s, int file, int channel_dir, const struct message_unpack *m, struct err *e)
{
	struct message_old old = { .digest = m->from };
	int rc;

	if (start(j, s, JOB_UNPACK, CONFINE_UNPACK, UNPACK_MS, e) < 0)
		return e->code;
	rc = prepare_slot(j, channel_dir, m, e);
	if (rc == 0)
		rc = message_send(j->child.sock, MSG_UNPACK, m, file, e);
	if (rc == 0 && m->delta)
		rc = message_send(j->child.sock, MSG_OLD, &old, j->old, e);
	return begun(j, rc);
}

int job_replace(struct job *j, const struct settings *s, int file, int channel_dir, const struct message_unpack *m, struct err *e)
{
	if (job_unpack(j, s, file, channel_dir, m, e) < 0)
		return e->code;
	j->replace = true;
	return 0;
}

void job_share_nothing(struct job *j)
{
	if (j->writer)
		tree_writer_copy(j->writer);
}

void job_rules(struct job *j, job_rule *rule, void *arg)
{
	j->rule = rule;
	j->rule_arg = arg;
}

int job_compare(struct job *j, const struct settings *s, const struct message_compare *m, job_rule *rule, void *arg, struct err *e)
{
	if (start(j, s, JOB_COMPARE, CONFINE_CHECK, CHECK_MS, e) < 0)
		return e->code;
	job_rules(j, rule, arg);
	return begun(j, message_send(j->child.sock, MSG_COMPARE, m, -1, e));
}

int job_check(struct job *j, const struct settings *s, const struct message_attempt *m, struct err *e)
{
	if (start(j, s, JOB_CHECK, CONFINE_CHECK, CHECK_MS, e) < 0)
		return e->code;
	return begun(j, message_send(j->child.sock, MSG_TRY, m, -1, e));
}

int job_canary(struct job *j, const struct settings *s, const struct message_attempt *m, const char *const *leave_out, size_t count,
	       int64_t wall_ms, struct err *e)
{
	struct message_go go = { .count = count };
	int rc;

	if (start(j, s, JOB_CANARY, CONFINE_CANARY, wall_ms + CANARY_SLACK_MS, e) < 0)
		return e->code;
	rc = message_send(j->child.sock, MSG_TRY, m, -1, e);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct message_leave_out l = { { 0 } };

		snprintf(l.rule, sizeof l.rule, "%s", leave_out[i]);
		rc = message_send(j->child.sock, MSG_LEAVE_OUT, &l, -1, e);
	}
	if (rc == 0)
		rc = message_send(j->child.sock, MSG_GO, &go, -1, e);
	return begun(j, rc);
}

/* ---- results ---- */

static int over(struct job *j, struct job_result *out, enum result_outcome outcome, int code, const char *reason, const char *text)
{
	out->kind = j->kind;
	out->outcome = outcome;
	out->code = code;
	snprintf(out->reason, sizeof out->reason, "%s", reason);
	snprintf(out->text, sizeof out->text, "%s", text);
	job_stop(j);
	return 1;
}

/* The machine's trouble or the content's? Ours are about writing the slot. */
static int over_error(struct job *j, struct job_result *out, const struct err *e)
{
	switch (e->code) {
	case ERR_SPACE:
		return over(j, out, RESULT_ENVIRONMENT, e->code, reason_word(REASON_DISK_FULL), e->msg);
	case ERR_IO:
	case ERR_NOT_FOUND:
		return over(j, out, RESULT_ENVIRONMENT, e->code, reason_word(REASON_DISK_BAD), e->msg);
	case ERR_MEMORY:
		return over(j, out, RESULT_ENVIRONMENT, e->code, reason_word(REASON_MEMORY), e->msg);
	default:
		return over(j, out, RESULT_REFUSED, e->code, reason_word(REASON_ARCHIVE), e->msg);
	}
}

/* The child died or broke off. What that says depends on what it was doing. */
static int over_gone(struct job *j, struct job_result *out, const char *how)
{
	char text[MESSAGE_TEXT];

	snprintf(text, sizeof text, "the %s process broke off: %.400s",
		 j->kind == JOB_DOWNLOAD ? "fetch" : j->kind == JOB_UNPACK ? "unpack" : j->kind == JOB_CANARY ? "canary" : "check", how);
	if (j->kind == JOB_DOWNLOAD)
		return over(j, out, RESULT_RETRY, ERR_NET, reason_word(REASON_NO_NETWORK), text);
	return over(j, out, RESULT_RETRY, ERR_CRASH, reason_word(REASON_CRASH), text);
}

static int downloaded(struct job *j, struct job_result *out, const struct message_answer *a)
{
	char text[64];

	if (a->status < 0) {
		struct err e;

		err_set(&e, (int)MAX(a->status, ERR_INTERNAL), "%s", a->text);
		if (e.code == ERR_SPACE || e.code == ERR_IO)
			return over_error(j, out, &e);
		return over(j, out, RESULT_RETRY, e.code, reason_word(REASON_NO_NETWORK), e.msg);
	}
	if (a->status == 200 || a->status == 206)
		return over(j, out, RESULT_OK, (int)a->status, "", "");
	snprintf(text, sizeof text, "HTTP status %d", (int)MIN(a->status, 999));
	return over(j, out, RESULT_RETRY, (int)MIN(a->status, 999), reason_word(REASON_NO_NETWORK), text);
}

/* ---- building the slot ---- */

static int begin_member(struct job *j, const struct message_member *m, struct err *e)
{
	if (j->in_member)
		return err_set(e, ERR_FORMAT, "%s begins inside another member", m->path);
	if (m->size > j->most - MIN(j->written, j->most))
		return err_set(e, ERR_LIMIT, "%s: the bundle exceeds its %" PRIu64 " bytes", m->path, j->most);
	j->in_member = true;
	j->written += m->size;
	return j->sink.begin(j->sink.arg, m->path, m->size, e);
}

static int same_member(struct job *j, const struct message_member *m, struct err *e)
{
	if (j->in_member || !j->sink.same || j->old < 0)
		return err_set(e, ERR_FORMAT, "%s: nothing to take it from", m->path);
	return j->sink.same(j->sink.arg, m->path, m->size, e);
}

static int end_member(struct job *j, struct err *e)
{
	if (!j->in_member)
		return err_set(e, ERR_FORMAT, "the end of no member");
	j->in_member = false;
	return j->sink.end(j->sink.arg, e);
}

static int member_data(struct job *j, const struct wire_bytes *b, struct err *e)
{
	if (!j->in_member)
		return err_set(e, ERR_FORMAT, "bytes of no member");
	return j->sink.data(j->sink.arg, b->data, b->len, e);
}

static int whole_member(struct job *j, const struct message_file *f, struct err *e)
{
	struct message_member m = { .size = f->bytes.len };

	memcpy(m.path, f->path, sizeof m.path);
	if (begin_member(j, &m, e) < 0 || member_data(j, &f->bytes, e) < 0)
		return e->code;
	return end_member(j, e);
}

static int unpacked(struct job *j, struct job_result *out, const struct message_result *r, struct err *e)
{
	if (r->outcome != RESULT_OK)
		return over(j, out, (enum result_outcome)r->outcome, (int)r->code,
			    r->outcome == RESULT_ENVIRONMENT ? reason_word(REASON_DISK_BAD) : reason_word(REASON_ARCHIVE), r->text);
	if (j->replace ? tree_writer_replace(j->writer, &j->digest, e) < 0
		       : tree_writer_commit(j->writer, &j->digest, e) < 0 && e->code != ERR_CONFLICT)
		return over_error(j, out, e);
	return over(j, out, RESULT_OK, 0, "", "");
}

static int build(struct job *j, const struct message *m, struct err *e)
{
	switch (m->type) {
	case MSG_FILE:
		return whole_member(j, &m->u.file, e);
	case MSG_MEMBER:
		return begin_member(j, &m->u.member, e);
	case MSG_SAME:
		return same_member(j, &m->u.member, e);
	case MSG_DATA:
		return member_data(j, &m->u.data.bytes, e);
	default:
		return end_member(j, e);
	}
}

static int unpacking(struct job *j, struct job_result *out, const struct message *m)
{
	struct err e;

	if (m->type == MSG_RESULT)
		return unpacked(j, out, &m->u.result, &e);
	return build(j, m, &e) < 0 ? over_error(j, out, &e) : 0;
}

/* However many it names, as many are passed on as people can use. */
static int compared(struct job *j, struct job_result *out, const struct message *m)
{
	struct err e;

	if (j->rules++ >= JOB_RULES_MAX)
		return 0;
	return j->rule(j->rule_arg, &m->u.rule, &e) < 0 ? over_error(j, out, &e) : 0;
}

static int take(struct job *j, struct job_result *out, const struct message *m)
{
	if (m->type == MSG_RULE)
		return compared(j, out, m);
	if (j->kind == JOB_DOWNLOAD)
		return downloaded(j, out, &m->u.answer);
	if (j->kind == JOB_UNPACK)
		return unpacking(j, out, m);
	out->record = m->u.result;
	return over(j, out, (enum result_outcome)m->u.result.outcome, (int)m->u.result.code, m->u.result.reason, m->u.result.text);
}

int job_turn(struct job *j, struct job_result *out)
{
	static const enum message_type answers[] = { MSG_ANSWER, 0 }, results[] = { MSG_RESULT, 0 },
				       members[] = { MSG_FILE, MSG_MEMBER, MSG_DATA, MSG_SAME, MSG_END, MSG_RESULT, 0 },
				       rules[] = { MSG_RULE, MSG_RESULT, 0 };
	const enum message_type *allowed = j->kind == JOB_DOWNLOAD ? answers : j->kind == JOB_UNPACK ? members
					 : j->rule ? rules : results;
	static struct message m;
	struct err e;
	int rc = 0;

	memset(out, 0, sizeof *out);
	for (int i = 0; i < RECORDS_A_TURN && rc == 0; i++) {
		rc = message_receive(j->child.sock, &m, allowed, 0, &e);
		if (rc == ERR_TIMEOUT)
			break;
		if (rc == 0)
			return over_gone(j, out, "it ended");
		if (rc < 0)
			return over_gone(j, out, e.msg);
		rc = take(j, out, &m);
	}
	if (rc == 1)
		return 1;
	if (clock_work_ms() >= j->deadline)
		return over_gone(j, out, "its time is over");
	return 0;
}
