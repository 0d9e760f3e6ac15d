/* requests_parts: what server/requests*.c share; for these only. All of it with `requests` held. */
#ifndef SERVER_REQUESTS_PARTS_H
#define SERVER_REQUESTS_PARTS_H

#include "server/desk_requests.h"
#include "server/requests.h"

#define REQUESTS_SUBJECT_MAX 320

/* A row that outlives the walk it was read in. */
struct requests_row {
	char id[SIGREQ_ID_LEN + 1];
	enum requests_state state;
	int64_t created, expires, changed;
	char subject[REQUESTS_SUBJECT_MAX];
	char note[512];
	char roles[1024];
	struct buf *body;               /* owned; NULL: not read */
};
void requests_row_release(struct requests_row *r);
bool requests_is_bundle(const struct requests_row *r);  /* opened by requests_bundle_open(): only then its evidence is the server's own word */
#define REQUESTS_BUNDLE "publish "      /* what its subject begins with */
#define AUTO_ROW __attribute__((cleanup(requests_row_release))) struct requests_row

/* One with its body, parsed. ERR_NOT_FOUND. */
int requests_load(struct server *s, const char *id, struct requests_row *row, struct sigreq **q, struct err *e);
/* Whatever is in this state (-1: any), without bodies, oldest first; the caller frees. */
int requests_list(struct server *s, int state, struct requests_row **out, size_t *count, struct err *e);

/* Writes it down with its new state, told in the feed and audited. note "" when there is nothing to say. */
int requests_keep(struct server *s, const struct sigreq *q, const char *subject, enum requests_state state, const char *note,
		  const char *who, const char *action, int64_t now, struct err *e);
/* A new one, or one that was closed and is asked again: open from now on. */
int requests_begin(struct server *s, const struct sigreq *q, const char *subject, const char *who, int64_t now, struct requests_info *info,
		   struct err *e);
/* requests_begin(), then requests_try(). */
int requests_begin_and_try(struct server *s, const struct sigreq *q, const char *subject, const char *who, int64_t now,
			   struct requests_info *info, struct err *e);
/* Exactly what it drafts is what is published: whoever did it died before the store knew. */
bool requests_is_published(struct server *s, const struct sigreq *q);
int requests_met(struct server *s, const struct sigreq *q, bool *out, struct err *e);
/* A draft's version and expiry. */
int requests_check_draft(const struct sigreq_draft *d, int64_t now, struct err *e);
/* How it ended: stale (why), published; or trouble that is said once and leaves it open. */
int requests_close_stale(struct server *s, const struct sigreq *q, const char *subject, const char *why, const char *who, int64_t now,
			 struct requests_info *info, struct err *e);
int requests_done(struct server *s, const struct sigreq *q, const char *subject, const char *who, int64_t now, struct requests_info *info,
		  struct err *e);
int requests_trouble(struct server *s, const struct sigreq *q, const struct requests_row *row, const char *why, const char *who, int64_t now,
		     struct err *e);
int requests_not_open(const struct requests_row *row, struct err *e);  /* ERR_CONFLICT: what became of it */
/*
 * Publishes an open request that has all it wants; one whose base is gone is
 * closed. Trouble with the repository leaves it open, to be tried again, and
 * is said in the note and the log. info->state tells what became of it. A
 * bundle is only found ready: what follows needs other locks.
 */
int requests_try(struct server *s, const struct sigreq *q, const struct requests_row *row, const char *who, int64_t now,
		 struct requests_info *info, struct err *e);

#endif
