/* writer: the one thread that writes the store, and groups commits. */
#include "server/writer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "server/metrics.h"

#define GROUP_MAX 1024

struct writer {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct write *first, **last;    /* waiting, in order */
	bool stopping;
	uint64_t commits, jobs;
	struct err trouble;             /* of the last group that changed something; code 0: none */
	struct metrics *metrics;
};

/* Takes up to GROUP_MAX jobs; 0: told to stop and nothing left. */
static size_t gather(struct writer *w, struct write *group[GROUP_MAX])
{
	size_t count = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->stopping)
		pthread_cond_wait(&w->work, &w->lock);
	while (w->first && count < GROUP_MAX) {
		group[count++] = w->first;
		w->first = w->first->next;
	}
	if (!w->first)
		w->last = &w->first;
	pthread_mutex_unlock(&w->lock);
	return count;
}

static int offers(struct writer *w, struct write *job, struct err *e)
{
	for (size_t i = 0; i < job->offer_count; i++) {
		struct store_offer *one = &job->offers[i];

		if (offer_batch(w->store, &one, 1, e) < 0)
			return e->code;
	}
	return 0;
}

/* Everything in one transaction; a failure of the transaction itself fails every job in it. */
static int transact(struct writer *w, struct write *group[], size_t count, struct err *e)
{
	if (store_begin(w->store, e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++) {
		struct store_append *one = &group[i]->append;

		append_batch(w->store, &one, 1);
		if (store_ended(w->store) && one->error.code) {
			*e = one->error;        /* why, which the commit would not know */
			return e->code;
		}
		if (one->error.code == 0 && offers(w, group[i], e) < 0)
			return e->code;
	}
	return store_commit(w->store, e);
}

/* What says something about the disk, not about the row. */
static bool of_the_store(int code)
{
	return code == ERR_IO || code == ERR_STORE || code == ERR_SPACE || code == ERR_MEMORY;
}

static void run_group(struct writer *w, struct write *group[], size_t count)
{
	int64_t began = clock_work_us(), changes = store_changes(w->store);
	struct err e = { 0 };

	if (transact(w, group, count, &e) < 0) {
		store_abandon(w->store);
		for (size_t i = 0; i < count; i++)
			group[i]->append.error = e;
	}
	for (size_t i = 0; i < count; i++)
		if (group[i]->append.error.code == 0 && group[i]->committed)
			group[i]->committed(group[i]);
	for (size_t i = 0; i < count && e.code == 0; i++)
		if (of_the_store(group[i]->append.error.code))
			e = group[i]->append.error;
	metrics_commit(w->metrics, count, clock_work_us() - began, e.code == 0);
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < count; i++)
		group[i]->done = true;
	/* A group without a change says nothing of the disk, bad or good. */
	if (e.code != 0 || store_changes(w->store) != changes)
		w->trouble = e;
	w->commits++;
	w->jobs += count;
	pthread_cond_broadcast(&w->done);
	pthread_mutex_unlock(&w->lock);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	struct write *group[GROUP_MAX];
	size_t count;

	while ((count = gather(w, group)) > 0)
		run_group(w, group, count);
	return NULL;
}

int writer_start(struct writer **out, struct store *s, struct err *e)
{
	struct writer *w = calloc(1, sizeof *w);

	if (!w)
		return err_memory(e);
	w->store = s;
	w->last = &w->first;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->done, NULL);
	if (pthread_create(&w->thread, NULL, writer_main, w) != 0) {
		free(w);
		return err_set(e, ERR_IO, "the store's writer cannot be started");
	}
	*out = w;
	return 0;
}

void writer_stop(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->done);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int writer_submit(struct writer *w, struct write *job, struct err *e)
{
	job->next = NULL;
	job->done = false;
	job->append.error = (struct err){ 0 };
	pthread_mutex_lock(&w->lock);
	*w->last = job;
	w->last = &job->next;
	pthread_cond_signal(&w->work);
	while (!job->done)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
	if (job->append.error.code)
		*e = job->append.error;
	return job->append.error.code;
}

void writer_count(struct writer *w, struct metrics *m)
{
	w->metrics = m;
}

int writer_trouble(struct writer *w, struct err *e)
{
	pthread_mutex_lock(&w->lock);
	*e = w->trouble;
	pthread_mutex_unlock(&w->lock);
	return e->code;
}

size_t writer_waiting(struct writer *w)
{
	size_t count = 0;

	pthread_mutex_lock(&w->lock);
	for (const struct write *job = w->first; job; job = job->next)
		count++;
	pthread_mutex_unlock(&w->lock);
	return count;
}

void writer_figures(struct writer *w, uint64_t *commits, uint64_t *jobs)
{
	pthread_mutex_lock(&w->lock);
	*commits = w->commits;
	*jobs = w->jobs;
	pthread_mutex_unlock(&w->lock);
}
