/* channel_fetch: FETCHING: download, verify, unpack; by delta when there is one, else whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/slots.h"
#include "base/file.h"
#include "base/log.h"
#include "schema/reason.h"

#define LOOK_MS 1000

struct transfer {
	const char *path;               /* URL name below targets/ */
	const struct digest *sha256;
	uint64_t length;
	char name[DIGEST_HEX_LEN + 1];  /* of the file in incoming/ */
};

static struct transfer transfer_of(const struct channel *c)
{
	const struct message_verdict *o = &c->state.offer;
	struct transfer t = { o->path, &o->sha256, o->length, "" };

	if (c->by_delta)
		t = (struct transfer){ o->delta_path, &o->delta_sha256, o->delta_length, "" };
	digest_hex(t.name, t.sha256);
	return t;
}

static int open_incoming(const struct channel *c, struct err *e)
{
	int fd = openat(c->boot.dir, "incoming", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 ? fd : err_errno(e, "incoming");
}

static void forget_file(const struct channel *c, const struct transfer *t)
{
	struct err ignored;
	AUTO_FD int dir = open_incoming(c, &ignored);

	if (dir >= 0 && unlinkat(dir, t->name, 0) < 0 && errno != ENOENT)
		log_warn("channel %s: incoming/%s: %s", c->state.name, t->name, strerror(errno));
}

static int open_file(const struct channel *c, const struct transfer *t, uint64_t *size, struct err *e)
{
	AUTO_FD int dir = open_incoming(c, e);
	struct stat st;
	int fd;

	if (dir < 0)
		return e->code;
	fd = openat(dir, t->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, "incoming/%s", t->name);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
		return fd;
	}
	close(fd);
	return err_set(e, ERR_IO, "incoming/%s: no regular file", t->name);
}

static int download(struct channel *c, const struct transfer *t, struct err *e)
{
	static struct message_download m;
	uint64_t size = 0;
	AUTO_FD int file = open_file(c, t, &size, e);

	if (file < 0)
		return e->code;
	if (size > t->length && ftruncate(file, 0) < 0)
		return err_errno(e, "incoming/%s", t->name);
	memset(&m, 0, sizeof m);
	m.repo = REPO_CONTENT;
	m.from = size > t->length ? 0 : size;
	m.max = t->length;
	snprintf(m.path, sizeof m.path, "%s", t->path);
	memcpy(m.token, c->host->credentials.now.token, sizeof m.token);
	return job_download(&c->job, c->host->s, &c->host->credentials.server, file, &m, e);
}

/* 1 complete and right, 0 not complete, ERR_REFUSED complete and wrong. */
static int verified(const struct channel *c, const struct transfer *t, struct err *e)
{
	uint64_t size = 0;
	AUTO_FD int file = open_file(c, t, &size, e);
	struct digest got;

	if (file < 0)
		return e->code;
	if (size != t->length)
		return 0;
	if (hash_fd(&got, file, NULL, e) < 0)
		return e->code;
	if (!digest_equal(&got, t->sha256))
		return err_set(e, ERR_REFUSED, "%s: the bytes are not the ones that were signed", t->path);
	return 1;
}

static int unpack(struct channel *c, const struct transfer *t, struct err *e)
{
	const struct message_verdict *o = &c->state.offer;
	struct message_unpack m = { .delta = c->by_delta, .digest = o->digest, .from = o->delta_from, .size = o->size,
				    .window_log = o->window_log, .length = t->length };
	AUTO_FD int dir = open_incoming(c, e), file = -1;

	if (dir < 0)
		return e->code;
	file = openat(dir, t->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0)
		return err_errno(e, "incoming/%s", t->name);
	return job_unpack(&c->job, c->host->s, file, c->boot.dir, &m, e);
}

/* The delta did not do: the whole archive, at once. */
static void without_delta(struct channel *c, const char *why)
{
	struct journal_channel before = c->state;
	struct err e;

	log_warn("channel %s: the delta cannot be used, the whole archive is fetched: %s", c->state.name, why);
	c->state.no_delta = true;
	if (channel_store(c, "", "", "", &e) < 0) {
		log_error("channel %s: %s", c->state.name, e.msg);
		c->state = before;
		c->state.no_delta = true;
	}
}

static void not_transferred(struct channel *c, const char *reason, const char *why)
{
	if (c->by_delta && !c->state.no_delta)
		without_delta(c, why);
	else
		channel_later(c, reason, why);
}

static const char *reason_of(const struct err *e)
{
	return reason_word(e->code == ERR_SPACE ? REASON_DISK_FULL : e->code == ERR_MEMORY ? REASON_MEMORY : REASON_DISK_BAD);
}

int64_t channel_fetch(struct channel *c)
{
	const struct message_verdict *o = &c->state.offer;
	struct transfer t;
	struct err e = { 0 };
	int rc;

	if (slots_have(c->boot.dir, &o->digest)) {
		channel_event(c, ON_STAGED, "", "");
		return 0;
	}
	c->by_delta = o->has_delta && !c->state.no_delta && slots_have(c->boot.dir, &o->delta_from);
	t = transfer_of(c);
	rc = verified(c, &t, &e);
	if (rc == ERR_REFUSED) {
		forget_file(c, &t);
		not_transferred(c, reason_word(REASON_DIGEST), e.msg);
		return 0;
	}
	if (rc == 1)
		rc = unpack(c, &t, &e);
	else if (rc == 0)
		rc = download(c, &t, &e);
	if (rc < 0)
		not_transferred(c, reason_of(&e), e.msg);
	return LOOK_MS;
}

static void unpacked(struct channel *c, const struct job_result *r)
{
	const struct message_verdict *o = &c->state.offer;
	struct transfer t = transfer_of(c);
	struct err e;

	if (r->outcome == RESULT_OK) {
		forget_file(c, &t);
		channel_note(c, "fetched", "%s, %llu bytes", c->by_delta ? "delta" : "archive", (unsigned long long)t.length);
		if (journal_serial_set(c->host->journal, c->state.name, &o->digest, o->serial, &e) < 0)
			channel_later(c, reason_word(REASON_DISK_BAD), e.msg);
		else
			channel_event(c, ON_STAGED, "", "");
		return;
	}
	if (r->outcome == RESULT_ENVIRONMENT && !c->by_delta) {
		channel_later(c, r->reason, r->text);
		return;
	}
	if (c->by_delta) {
		forget_file(c, &t);
		without_delta(c, r->text);
	} else if (r->outcome == RESULT_REFUSED || c->state.tries >= 2) {
		forget_file(c, &t);
		channel_event(c, ON_REFUSED, r->reason, r->text);
	} else {
		channel_later(c, r->reason, r->text);
	}
}

void channel_transferred(struct channel *c, const struct job_result *r)
{
	struct transfer t = transfer_of(c);

	if (r->kind == JOB_UNPACK) {
		unpacked(c, r);
	} else if (r->outcome != RESULT_OK) {
		if (r->code == ERR_LIMIT || r->code == 416)     /* not ours: begin anew */
			forget_file(c, &t);
		not_transferred(c, r->reason, r->text);
	} else {
		struct err e = { 0 };
		int rc = verified(c, &t, &e);

		if (rc == 1)    /* the next look unpacks it */
			return;
		forget_file(c, &t);
		if (rc == 0)
			err_set(&e, ERR_NET, "%s: shorter than the %llu bytes that were signed", t.path, (unsigned long long)t.length);
		not_transferred(c, rc == 0 || rc == ERR_REFUSED ? reason_word(REASON_DIGEST) : reason_of(&e), e.msg);
	}
}
