/*
 * operators: the tokens of the operator plane, as memory knows them.
 *
 * The store has the rows (struct store_token); this is a copy of them for the
 * loop thread, which looks a token up by its SHA-256 and waits for nothing.
 * When a token was last used is noted here and folded into the store in
 * batches. All functions may be called from any thread.
 *
 * A token that has no row yet comes in through a file, `operator-tokens` in
 * the server's directory: whoever may write there makes tokens without asking
 * the server. Its lines are
 *
 *	<sha256 of the token> <role>[,<role>...] <name> [expires=<unix>] [channels=<a>[,<b>...]]
 *
 * and are taken into the store at start and when the file changes; then the
 * file is removed. A line without `expires` is of an older version, whose
 * operators might also publish.
 */
#ifndef SERVER_OPERATORS_H
#define SERVER_OPERATORS_H

#include "base/hash.h"
#include "server/access.h"
#include "server/store.h"

#define OPERATORS_MAX 4096
#define OPERATORS_LIFE (365 * (int64_t)86400)   /* of tokens from lines that do not say */
#define OPERATORS_ID_LEN 16                     /* hex digits */

struct operators;

struct operators *operators_new(void);          /* NULL when there is no memory */
void operators_free(struct operators *o);       /* NULL is fine */

/* Takes a row in, in place of the one with this id. */
int operators_put(struct operators *o, const struct store_token *row, struct err *e) MUST_CHECK;
/*
 * The same in two steps, so that what the store keeps in between cannot fail
 * to be known here: with memory for everything first, then without a way to
 * fail. One at a time. operators_take() frees; so does operators_forget(), when
 * the store refused.
 */
struct operators_fresh;
int operators_ready(struct operators_fresh **out, struct operators *o, const struct store_token *row, struct err *e) MUST_CHECK;
void operators_take(struct operators *o, struct operators_fresh *f);
void operators_forget(struct operators_fresh *f);       /* NULL is fine */

enum operators_found { OPERATORS_FOUND, OPERATORS_UNKNOWN, OPERATORS_EXPIRED, OPERATORS_REVOKED };

/* Whose token is it at `now`? Fills in the identity and notes the use. */
enum operators_found operators_find(struct operators *o, const char *token, int64_t now, struct identity *out);

/* One row, by id. ERR_NOT_FOUND. Texts are borrowed for the call; operators_put() not from inside. */
int operators_get(struct operators *o, const char *id, int (*visit)(const struct store_token *, void *, struct err *), void *arg,
		  struct err *e) MUST_CHECK;
/* All rows, oldest first. A visit's non-zero answer ends the walk and is returned. */
int operators_each(struct operators *o, int (*visit)(const struct store_token *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;

/* Uses that the store does not know: up to max ids and times; what was given is thought to be kept. */
struct operators_use {
	char id[OPERATORS_ID_LEN + 1];
	int64_t at;
};
size_t operators_take_uses(struct operators *o, struct operators_use *out, size_t max);
void operators_give_back(struct operators *o, const struct operators_use *uses, size_t count);  /* they were not kept */

/* ---- the file ---- */

/* Each line as a row to be kept; text is changed in place. ERR_FORMAT names the line. Pure. */
int operators_parse(char *text, const char *path, int64_t now, int (*visit)(const struct store_token *, void *, struct err *), void *arg,
		    struct err *e) MUST_CHECK;

AUTO_DEFINE(operators, struct operators *, operators_free);

#endif
