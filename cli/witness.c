#include "cli/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "rollout/field.h"

#define LINE_MAX_BYTES 4096

/* ---- lists in memory ---- */

/* Grows by doubling at powers of two; the new item is zero. */
static void *add_item(void *list, size_t *count, size_t size)
{
	char *items = *(char **)list;

	if ((*count & (*count + 1)) == 0) {
		char *more = reallocarray(items, 2 * *count + 2, size);

		if (!more)
			return NULL;
		items = more;
		memcpy(list, &items, sizeof items);
	}
	memset(items + *count * size, 0, size);
	return items + (*count)++ * size;
}

/* ---- lines ---- */

static void hash_line(struct digest *out, const char *line, size_t len)
{
	hash_bytes(out, line, len);
}

/* Begins a line: when, what, and what came before. */
static struct json_writer begin(const struct witness *m, struct buf *line, const char *kind, int64_t now)
{
	struct json_writer w = { .out = line };

	json_open_object(&w, NULL);
	json_put_int(&w, "at", now);
	json_put_text(&w, "kind", kind);
	field_put_digest(&w, "before", &m->head);
	return w;
}

/* The line is durable before it counts. A failed write is undone, so that the file stays whole. */
static int end(struct witness *m, struct json_writer *w, struct err *e)
{
	struct buf *line = w->out;
	off_t was = lseek(m->fd, 0, SEEK_END);

	json_close_object(w);
	if (buf_check(line, e) < 0)
		return e->code;
	buf_addc(line, '\n');
	if (was < 0)
		return err_errno(e, "%s: seek", m->path);
	if (file_write_all(m->fd, line->data, line->len, e) < 0 || fdatasync(m->fd) < 0) {
		err_errno(e, "%s: write", m->path);
		if (ftruncate(m->fd, was) < 0)
			err_errno(e, "%s: undo", m->path);
		return e->code;
	}
	hash_line(&m->head, line->data, line->len - 1);
	return 0;
}

/* ---- reading them again ---- */

static int read_assigned(struct witness *m, const struct json_doc *d, int64_t at, struct err *e)
{
	struct witness_assigned *a = add_item(&m->assigned, &m->assigned_count, sizeof *a);

	if (!a)
		return err_memory(e);
	a->at = at;
	if (field_want_name(d, d->root, "ring", a->ring, e) < 0 || field_want_name(d, d->root, "channel", a->channel, e) < 0 ||
	    field_want_count(d, d->root, "serial", 0, &a->serial, e) < 0 ||
	    field_want_count(d, d->root, "attempt", 1, &a->attempt, e) < 0 ||
	    field_want_digest(d, d->root, "digest", &a->digest, e) < 0 ||
	    field_may_digest(d, d->root, "previous", &a->previous, e) < 0 ||
	    json_want_int(d, d->root, "issued", 0, INT64_MAX, &a->issued, e) < 0)
		return e->code;
	return 0;
}

static int read_record(struct witness *m, const struct json_doc *d, int64_t at, struct err *e)
{
	struct witness_record *r = add_item(&m->records, &m->record_count, sizeof *r);

	if (!r)
		return err_memory(e);
	r->at = at;
	if (field_want_count(d, d->root, "rollout", 1, &r->rollout, e) < 0 || field_want_name(d, d->root, "ring", r->ring, e) < 0 ||
	    field_want_name(d, d->root, "channel", r->channel, e) < 0 ||
	    field_want_text(d, d->root, "event", r->event, GATE_RECORD_EVENT, e) < 0 ||
	    field_want_digest(d, d->root, "bundle", &r->bundle, e) < 0 || field_want_digest(d, d->root, "record", &r->record, e) < 0)
		return e->code;
	return 0;
}

static int read_distrust(struct witness *m, const struct json_doc *d, int64_t at, struct err *e)
{
	struct witness_distrust *x = add_item(&m->distrust, &m->distrust_count, sizeof *x);

	if (!x)
		return err_memory(e);
	x->at = at;
	if (field_want_count(d, d->root, "rollout", 1, &x->rollout, e) < 0)
		return e->code;
	return field_want_text(d, d->root, "sentence", x->sentence, sizeof x->sentence - 1, e);
}

static int read_signed(struct witness *m, const struct json_doc *d, int64_t at, struct err *e)
{
	struct witness_signed *s = add_item(&m->signatures, &m->signed_count, sizeof *s);

	if (!s)
		return err_memory(e);
	s->at = at;
	if (field_want_text(d, d->root, "request", s->request, WITNESS_REQUEST, e) < 0 ||
	    field_want_name(d, d->root, "ring", s->ring, e) < 0 || field_may_text(d, d->root, "channel", s->channel, NAME_LEN_MAX, e) < 0 ||
	    json_want_bool(d, d->root, "promotion", &s->promotion, e) < 0)
		return e->code;
	return 0;
}

static int read_vouched(struct witness *m, const struct json_doc *d, int64_t at, struct err *e)
{
	struct witness_vouched *v = add_item(&m->vouched, &m->vouched_count, sizeof *v);

	if (!v)
		return err_memory(e);
	v->at = at;
	if (field_want_name(d, d->root, "ring", v->ring, e) < 0 || field_want_name(d, d->root, "channel", v->channel, e) < 0 ||
	    field_want_name(d, d->root, "name", v->name, e) < 0 || field_want_digest(d, d->root, "digest", &v->digest, e) < 0)
		return e->code;
	return 0;
}

static const struct {
	const char *kind;
	int (*read)(struct witness *m, const struct json_doc *d, int64_t at, struct err *e);
} kinds[] = {
	{ "assigned", read_assigned }, { "record", read_record }, { "distrust", read_distrust }, { "signed", read_signed },
	{ "vouched", read_vouched },
};

static int read_line(struct witness *m, const char *line, size_t len, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	struct digest before = { 0 };
	const char *kind;
	int64_t at;

	if (json_parse(&d, "line", line, len, NULL, e) < 0 || json_want_int(d, d->root, "at", 0, INT64_MAX, &at, e) < 0 ||
	    json_want_text(d, d->root, "kind", 16, &kind, e) < 0 || field_may_digest(d, d->root, "before", &before, e) < 0)
		return e->code;
	if (!digest_equal(&before, &m->head))
		return err_set(e, ERR_FORMAT, "it does not follow the line before");
	hash_line(&m->head, line, len);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].read(m, d, at, e);
	return err_set(e, ERR_FORMAT, "\"%.16s\" is nothing we write", kind);
}

static int read_all(struct witness *m, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	size_t at = 0;

	if (file_read(&text, m->path, WITNESS_MAX, e) < 0)
		return e->code;
	for (unsigned n = 1; at < text->len; n++) {
		const char *line = text->data + at, *stop = memchr(line, '\n', text->len - at);

		if (!stop)
			break;
		if (read_line(m, line, (size_t)(stop - line), e) < 0)
			return err_wrap(e, "%s: line %u", m->path, n);
		at = (size_t)(stop - text->data) + 1;
	}
	/* A line cut short was never counted on: it goes. */
	if (at < text->len && ftruncate(m->fd, (off_t)at) < 0)
		return err_errno(e, "%s: truncate", m->path);
	return 0;
}

/* The file may be new: a power cut must not take the name, and with it everything that was seen. */
static int sync_name(const char *path, struct err *e)
{
	AUTO_FREE char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!dir)
		return err_memory(e);
	if (slash)
		slash[slash == dir] = '\0';
	return file_sync_dir(slash ? dir : ".", e);
}

int witness_open(struct witness **out, const char *path, struct err *e)
{
	AUTO(witness) struct witness *m = calloc(1, sizeof *m);

	if (!m)
		return err_memory(e);
	m->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (m->fd < 0)
		return err_errno(e, "%s: open", path);
	if (!(m->path = strdup(path)))
		return err_memory(e);
	if (flock(m->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? err_set(e, ERR_CONFLICT, "%s: another promoter uses it", path) : err_errno(e, "%s: lock", path);
	if (file_check_private(path, true, e) < 0 || sync_name(path, e) < 0 || read_all(m, e) < 0)
		return e->code;
	*out = TAKE(m);
	return 0;
}

void witness_close(struct witness *m)
{
	if (!m)
		return;
	if (m->fd >= 0)
		close(m->fd);
	free(m->path);
	free(m->assigned);
	free(m->records);
	free(m->distrust);
	free(m->signatures);
	free(m->vouched);
	free(m);
}

/* ---- noting ---- */

static const struct witness_assigned *last_assigned(const struct witness *m, const char *ring, const char *channel)
{
	for (size_t i = m->assigned_count; i-- > 0; )
		if (strcmp(m->assigned[i].ring, ring) == 0 && strcmp(m->assigned[i].channel, channel) == 0)
			return &m->assigned[i];
	return NULL;
}

int witness_note_assigned(struct witness *m, const struct assignment *a, int64_t now, struct err *e)
{
	const struct witness_assigned *last = last_assigned(m, a->ring, a->channel);
	AUTO(buf) struct buf *line = buf_new(LINE_MAX_BYTES);
	struct witness_assigned *x;
	struct json_writer w;

	if (last && digest_equal(&last->digest, &a->bundle.digest) && last->attempt == a->attempt && last->issued == a->issued)
		return 0;
	if (!line)
		return err_memory(e);
	w = begin(m, line, "assigned", now);
	json_put_text(&w, "ring", a->ring);
	json_put_text(&w, "channel", a->channel);
	json_put_int(&w, "serial", (int64_t)a->bundle.serial);
	json_put_int(&w, "attempt", (int64_t)a->attempt);
	field_put_digest(&w, "digest", &a->bundle.digest);
	field_put_digest(&w, "previous", &a->previous.digest);
	json_put_int(&w, "issued", a->issued);
	if (end(m, &w, e) < 0)
		return e->code;
	x = add_item(&m->assigned, &m->assigned_count, sizeof *x);
	if (!x)
		return err_memory(e);
	*x = (struct witness_assigned){ .at = now, .serial = a->bundle.serial, .attempt = a->attempt, .digest = a->bundle.digest,
				       .previous = a->previous.digest, .issued = a->issued };
	memcpy(x->ring, a->ring, sizeof x->ring);
	memcpy(x->channel, a->channel, sizeof x->channel);
	return 0;
}

int witness_note_record(struct witness *m, const struct gate_record *r, const struct digest *record, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *line = buf_new(LINE_MAX_BYTES);
	struct witness_record *x;
	struct json_writer w;

	if (witness_knows_record(m, record))
		return 0;
	if (!line)
		return err_memory(e);
	w = begin(m, line, "record", now);
	json_put_int(&w, "rollout", (int64_t)r->rollout);
	json_put_text(&w, "ring", r->ring);
	json_put_text(&w, "channel", r->channel);
	json_put_text(&w, "event", r->event);
	field_put_digest(&w, "bundle", &r->bundle.digest);
	field_put_digest(&w, "record", record);
	if (end(m, &w, e) < 0)
		return e->code;
	x = add_item(&m->records, &m->record_count, sizeof *x);
	if (!x)
		return err_memory(e);
	*x = (struct witness_record){ .at = now, .rollout = r->rollout, .bundle = r->bundle.digest, .record = *record };
	memcpy(x->ring, r->ring, sizeof x->ring);
	memcpy(x->channel, r->channel, sizeof x->channel);
	memcpy(x->event, r->event, sizeof x->event);
	return 0;
}

int witness_note_distrust(struct witness *m, uint64_t rollout, const char *sentence, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *line = buf_new(LINE_MAX_BYTES);
	struct witness_distrust *x;
	struct json_writer w;

	if (witness_distrusted(m, rollout))
		return 0;
	if (!line)
		return err_memory(e);
	w = begin(m, line, "distrust", now);
	json_put_int(&w, "rollout", (int64_t)rollout);
	json_put_textn(&w, "sentence", sentence, strnlen(sentence, sizeof x->sentence - 1));
	if (end(m, &w, e) < 0)
		return e->code;
	x = add_item(&m->distrust, &m->distrust_count, sizeof *x);
	if (!x)
		return err_memory(e);
	*x = (struct witness_distrust){ .at = now, .rollout = rollout };
	snprintf(x->sentence, sizeof x->sentence, "%s", sentence);
	return 0;
}

int witness_note_signed(struct witness *m, const char *request, const char *ring, const char *channel, bool promotion, int64_t now,
		       struct err *e)
{
	AUTO(buf) struct buf *line = buf_new(LINE_MAX_BYTES);
	struct witness_signed *x;
	struct json_writer w;

	for (size_t i = 0; i < m->signed_count; i++)
		if (strcmp(m->signatures[i].request, request) == 0 && strcmp(m->signatures[i].ring, ring) == 0 &&
		    strcmp(m->signatures[i].channel, channel) == 0)
			return 0;
	if (!line)
		return err_memory(e);
	w = begin(m, line, "signed", now);
	json_put_text(&w, "request", request);
	json_put_text(&w, "ring", ring);
	json_put_text(&w, "channel", channel);
	json_put_bool(&w, "promotion", promotion);
	if (end(m, &w, e) < 0)
		return e->code;
	x = add_item(&m->signatures, &m->signed_count, sizeof *x);
	if (!x)
		return err_memory(e);
	*x = (struct witness_signed){ .at = now, .promotion = promotion };
	snprintf(x->request, sizeof x->request, "%s", request);
	snprintf(x->ring, sizeof x->ring, "%s", ring);
	snprintf(x->channel, sizeof x->channel, "%s", channel);
	return 0;
}

static bool vouched(const struct witness_vouched *v, const char *ring, const char *channel, const struct digest *digest)
{
	return digest_equal(&v->digest, digest) && strcmp(v->ring, ring) == 0 && strcmp(v->channel, channel) == 0;
}

int witness_note_vouched(struct witness *m, const char *ring, const char *channel, const char *name, const struct digest *digest,
			 int64_t now, struct err *e)
{
	AUTO(buf) struct buf *line = buf_new(LINE_MAX_BYTES);
	struct witness_vouched *x;
	struct json_writer w;

	for (size_t i = 0; i < m->vouched_count; i++)
		if (vouched(&m->vouched[i], ring, channel, digest) && strcmp(m->vouched[i].name, name) == 0)
			return 0;
	if (!line)
		return err_memory(e);
	w = begin(m, line, "vouched", now);
	json_put_text(&w, "ring", ring);
	json_put_text(&w, "channel", channel);
	json_put_text(&w, "name", name);
	field_put_digest(&w, "digest", digest);
	if (end(m, &w, e) < 0)
		return e->code;
	x = add_item(&m->vouched, &m->vouched_count, sizeof *x);
	if (!x)
		return err_memory(e);
	*x = (struct witness_vouched){ .at = now, .digest = *digest };
	snprintf(x->ring, sizeof x->ring, "%s", ring);
	snprintf(x->channel, sizeof x->channel, "%s", channel);
	snprintf(x->name, sizeof x->name, "%s", name);
	return 0;
}

/* ---- looking back ---- */

/* Each name is noted once for a bundle. */
size_t witness_vouchers(const struct witness *m, const char *ring, const char *channel, const struct digest *digest)
{
	size_t count = 0;

	for (size_t i = 0; i < m->vouched_count; i++)
		count += vouched(&m->vouched[i], ring, channel, digest);
	return count;
}

const struct witness_assigned *witness_first(const struct witness *m, const char *ring, const char *channel, const struct digest *digest,
					   uint64_t attempt)
{
	for (size_t i = 0; i < m->assigned_count; i++) {
		const struct witness_assigned *a = &m->assigned[i];

		if (a->attempt == attempt && digest_equal(&a->digest, digest) && strcmp(a->ring, ring) == 0 &&
		    strcmp(a->channel, channel) == 0)
			return a;
	}
	return NULL;
}

bool witness_in_force(const struct witness *m, const char *ring, const char *channel, const struct digest *digest)
{
	for (size_t i = 0; i < m->assigned_count; i++) {
		const struct witness_assigned *a = &m->assigned[i];

		if ((digest_equal(&a->digest, digest) || digest_equal(&a->previous, digest)) && strcmp(a->ring, ring) == 0 &&
		    strcmp(a->channel, channel) == 0)
			return true;
	}
	return false;
}

uint64_t witness_greatest(const struct witness *m, const char *ring, const char *channel)
{
	uint64_t greatest = 0;

	for (size_t i = 0; i < m->assigned_count; i++)
		if ((!ring || strcmp(m->assigned[i].ring, ring) == 0) && strcmp(m->assigned[i].channel, channel) == 0)
			greatest = MAX(greatest, m->assigned[i].serial);
	return greatest;
}

bool witness_knows_record(const struct witness *m, const struct digest *record)
{
	for (size_t i = m->record_count; i-- > 0; )
		if (digest_equal(&m->records[i].record, record))
			return true;
	return false;
}

static bool of_ring(const struct witness_record *r, uint64_t rollout, const char *ring)
{
	return r->rollout == rollout && strcmp(r->ring, ring) == 0;
}

const struct witness_record *witness_last_record(const struct witness *m, uint64_t rollout, const char *ring)
{
	for (size_t i = m->record_count; i-- > 0; )
		if (of_ring(&m->records[i], rollout, ring))
			return &m->records[i];
	return NULL;
}

int64_t witness_bound_since(const struct witness *m, uint64_t rollout, const char *ring)
{
	int64_t since = 0;

	for (size_t i = 0; i < m->record_count; i++) {
		const struct witness_record *r = &m->records[i];

		if (!of_ring(r, rollout, ring))
			continue;
		if (strcmp(r->event, "reopen") == 0)
			since = 0;
		else if (!since && (strcmp(r->event, "bound") == 0 || strcmp(r->event, "pass") == 0))
			since = r->at;
	}
	return since;
}

bool witness_halted(const struct witness *m, uint64_t rollout)
{
	for (size_t i = 0; i < m->record_count; i++)
		if (m->records[i].rollout == rollout && strcmp(m->records[i].event, "halt") == 0)
			return true;
	return false;
}

const struct witness_distrust *witness_distrusted(const struct witness *m, uint64_t rollout)
{
	for (size_t i = 0; i < m->distrust_count; i++)
		if (m->distrust[i].rollout == rollout)
			return &m->distrust[i];
	return NULL;
}

size_t witness_signed_since(const struct witness *m, const char *ring, const char *channel, bool promotions, int64_t since, const char *but)
{
	size_t count = 0;

	for (size_t i = 0; i < m->signed_count; i++) {
		const struct witness_signed *s = &m->signatures[i];

		count += s->promotion == promotions && s->at > since && strcmp(s->request, but) != 0 && strcmp(s->ring, ring) == 0 &&
			 strcmp(s->channel, channel) == 0;
	}
	return count;
}
