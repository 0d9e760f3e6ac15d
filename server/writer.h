/*
 * writer: the one thread that writes the store, and groups commits.
 *
 * Many pool threads submit and wait; whatever has gathered while the last
 * commit was on its way to the disk goes out as one transaction. `committed`
 * runs on the writer's thread in commit order, so what follows in memory
 * follows the order on disk.
 */
#ifndef SERVER_WRITER_H
#define SERVER_WRITER_H

#include "server/store.h"

struct writer;

struct write {
	struct store_append append;     /* count 0: none */
	struct store_offer *offers;     /* made when the records above were accepted */
	size_t offer_count;
	void (*committed)(struct write *w);     /* may be NULL; only after success; must not submit */
	void *arg;
	/* private */
	struct write *next;
	bool done;
};

int writer_start(struct writer **out, struct store *s, struct err *e) MUST_CHECK;
void writer_stop(struct writer *w);     /* after the last writer_submit() returned; NULL is fine */

/* Waits until it is durable and committed() has run, or refused: w->append.error says why. */
int writer_submit(struct writer *w, struct write *job, struct err *e) MUST_CHECK;

/* Counts commits there from now on; before anything is submitted. */
struct metrics;
void writer_count(struct writer *w, struct metrics *m);

/* 0 while the store takes what is written; else why it did not, the last time: the code and *e. */
int writer_trouble(struct writer *w, struct err *e) MUST_CHECK;

/* Jobs that wait for the next commit. */
size_t writer_waiting(struct writer *w);

/* Commits so far, and jobs in them: what the grouping achieves. */
void writer_figures(struct writer *w, uint64_t *commits, uint64_t *jobs);

#endif
