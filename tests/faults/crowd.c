/* crowd: devices and an operator at work against a real ringholdd, and what each of them was told. */
#include "crowd.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"

#define VISITS 8                /* check-ins of one device, before its client becomes the next */
#define FAILS 20                /* one device out of so many fails */
#define PATIENCE_S 60
#define AGAIN_MS 20

void crowd_trouble(struct crowd *c, const char *fmt, ...)
{
	va_list args;

	pthread_mutex_lock(&c->lock);
	if (!c->trouble[0]) {
		va_start(args, fmt);
		vsnprintf(c->trouble, sizeof c->trouble, fmt, args);
		va_end(args);
	}
	pthread_cond_broadcast(&c->news);
	pthread_mutex_unlock(&c->lock);
}

bool crowd_troubled(struct crowd *c, char out[sizeof c->trouble])
{
	pthread_mutex_lock(&c->lock);
	memcpy(out, c->trouble, sizeof c->trouble);
	pthread_mutex_unlock(&c->lock);
	return out[0];
}

static void acknowledge(struct crowd *c)        /* with `lock` */
{
	c->acks++;
	pthread_cond_broadcast(&c->news);
}

static void in_ms(struct timespec *t, int64_t ms)
{
	clock_gettime(CLOCK_REALTIME, t);
	t->tv_sec += ms / 1000;
	t->tv_nsec += (ms % 1000) * 1000000;
	t->tv_sec += t->tv_nsec / 1000000000;
	t->tv_nsec %= 1000000000;
}

/* ---- one request ---- */

static void arrived(struct crowd *c)
{
	pthread_mutex_lock(&c->lock);
	c->under_way--;
	pthread_cond_broadcast(&c->news);
	pthread_mutex_unlock(&c->lock);
}

/* Waits for a server; false: nobody may wait any longer. */
static bool find_server(struct crowd_seat *s)
{
	struct crowd *c = s->crowd;
	char pin[sizeof c->pin];
	bool found, moved;
	struct err e;

	pthread_mutex_lock(&c->lock);
	while (!c->url[0] && !c->trouble[0])
		pthread_cond_wait(&c->news, &c->lock);
	found = c->url[0] && !c->trouble[0];
	c->under_way += found;
	moved = strcmp(s->url, c->url) != 0;
	memcpy(s->url, c->url, sizeof s->url);
	memcpy(pin, c->pin, sizeof pin);
	pthread_mutex_unlock(&c->lock);
	if (!found || (s->http && !moved))
		return found;
	fetch_free(s->http);
	s->http = NULL;
	if (fetch_new(&s->http, &(const struct fetch_settings){ .agent = "crowd", .pin = pin }, &e) < 0) {
		arrived(c);
		crowd_trouble(c, "%s", e.msg);
		return false;
	}
	return true;
}

struct ask {
	const char *method, *path, *bearer, *body, *key;
};

/* "Not now" is asked again like silence. */
static bool not_now(long status)
{
	return status == 503 || status == 429;
}

static bool again(long status)
{
	return status == 0 || not_now(status);
}

/* A moment, or news. */
static void pause_before(struct crowd *c, uint64_t *counter)
{
	struct timespec until;

	pthread_mutex_lock(&c->lock);
	++*counter;
	c->vain++;
	pthread_cond_broadcast(&c->news);
	in_ms(&until, AGAIN_MS);
	pthread_cond_timedwait(&c->news, &c->lock, &until);
	pthread_mutex_unlock(&c->lock);
}

/* One try. The status, with the answer's text in `said` (freed by the caller); 0: no answer came; -1: it is over. */
static long try(struct crowd_seat *s, const struct ask *a, char **said)
{
	char url[400], header[120];
	const char *const headers[] = { header, NULL };
	struct fetch_answer got = { 0 };
	struct fetch_request r = { .method = a->method, .url = url, .bearer = a->bearer, .body = a->body, .body_len = strlen(a->body),
				   .headers = a->key ? headers : NULL, .max = 1 << 20 };
	struct err e;
	long status;

	*said = NULL;
	if (!find_server(s))
		return -1;
	snprintf(url, sizeof url, "%s%s", s->url, a->path);
	snprintf(header, sizeof header, "Idempotency-Key: %s", a->key ? a->key : "");
	if (fetch_do(s->http, &r, &got, &e) == 0) {
		arrived(s->crowd);
		status = got.status;
		*said = strdup(got.body && got.body->data ? got.body->data : "");
		fetch_answer_release(&got);
		if (not_now(status))
			pause_before(s->crowd, &s->crowd->refused);
		return status;
	}
	arrived(s->crowd);
	pause_before(s->crowd, &s->crowd->lost);
	return 0;
}

/* The same bytes until there is an answer. */
static long ask(struct crowd_seat *s, const struct ask *a, char **said)
{
	long status;

	while (again(status = try(s, a, said)))
		free(*said);
	return status;
}

/* ---- a device ---- */

static struct crowd_device *enrol(struct crowd_seat *s)
{
	struct crowd *c = s->crowd;
	const struct ask a = { "POST", "/device/v1/enrol", c->enrolment, "{\"format\":1,\"facts\":{}}", NULL };
	struct crowd_device *d = NULL;
	AUTO(json) struct json_doc *doc = NULL;
	char *said;
	struct err e;
	long status;

	while (again(status = try(s, &a, &said))) {
		free(said);
		pthread_mutex_lock(&c->lock);
		c->enrolments_lost++;
		pthread_mutex_unlock(&c->lock);
	}
	if (status == 201 && json_parse(&doc, "enrolment", said, strlen(said), NULL, &e) == 0) {
		pthread_mutex_lock(&c->lock);
		if (c->device_count < CROWD_DEVICES) {
			d = &c->devices[c->device_count++];
			snprintf(d->id, sizeof d->id, "%s", json_get(doc->root, "device")->u.text);
			snprintf(d->token, sizeof d->token, "%s", json_get(doc->root, "token")->u.text);
			d->epoch = c->device_count << 8;
			acknowledge(c);
		}
		pthread_mutex_unlock(&c->lock);
	}
	if (!d && status > 0)
		crowd_trouble(c, "an enrolment was answered %ld: %s", status, said);
	free(said);
	return d;
}

/* One event more in this check-in; its detail is of no other event. */
static void put_event(struct crowd *c, struct crowd_device *d, struct buf *out, const char *kind, const char *reason, bool content)
{
	uint64_t n;

	pthread_mutex_lock(&c->lock);
	n = ++d->events_sent;
	pthread_mutex_unlock(&c->lock);
	buf_addf(out, "%s{\"n\":%" PRIu64 ",\"at\":1,\"channel\":\"%s\",\"kind\":\"%s\",\"detail\":\"%s %" PRIu64 "\"", out->len ? "," : "", n,
		 c->channel, kind, d->id, n);
	if (content)
		buf_addf(out, ",\"digest\":\"%s\",\"attempt\":1", c->digest);
	if (reason)
		buf_addf(out, ",\"reason\":\"%s\"", reason);
	buf_addc(out, '}');
}

static void put_news(struct crowd *c, struct crowd_device *d, size_t visit, struct buf *out)
{
	enum crowd_fate fate = (d->epoch >> 8) % FAILS == FAILS - 1 ? FATE_FAILED : FATE_SURVIVED;

	if (d->offered && d->told == FATE_NONE) {
		put_event(c, d, out, "armed", NULL, true);
		put_event(c, d, out, fate == FATE_FAILED ? "failed" : "survived", fate == FATE_FAILED ? "health" : NULL, true);
		pthread_mutex_lock(&c->lock);
		d->told = fate;
		pthread_mutex_unlock(&c->lock);
	}
	/* every fourth one is a bare heartbeat */
	for (size_t i = 0; i < visit % 4; i++)
		put_event(c, d, out, "local", NULL, false);
}

static void put_checkin(struct crowd *c, struct crowd_device *d, const char *events, bool want, struct buf *out)
{
	uint64_t seq;

	pthread_mutex_lock(&c->lock);
	seq = ++d->seq;
	pthread_mutex_unlock(&c->lock);
	buf_addf(out,
		 "{\"format\":1,\"epoch\":\"%016" PRIx64 "\",\"seq\":%" PRIu64 ",\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},"
		 "\"channels\":[{\"channel\":\"%s\",\"ring\":\"" CROWD_RING "\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,\"drop\":null,"
		 "\"high_water\":0,\"held\":null}],\"events\":[%s],\"want\":[",
		 d->epoch, seq, c->channel, events);
	if (want)
		buf_addf(out, "{\"channel\":\"%s\",\"digest\":\"%s\",\"attempt\":1}", c->channel, c->digest);
	buf_adds(out, "]}");
}

static void acked(struct crowd *c, struct crowd_device *d, bool wanted, const char *said)
{
	pthread_mutex_lock(&c->lock);
	d->events_acked = d->events_sent;
	d->kept = d->told;
	if (wanted && strstr(said, "\"answer\":\"go\""))
		d->offered = true;
	acknowledge(c);
	pthread_mutex_unlock(&c->lock);
}

static bool visit(struct crowd_seat *s, struct crowd_device *d, size_t number)
{
	struct crowd *c = s->crowd;
	bool want = c->digest[0] && number > 0 && !d->offered;
	struct buf events = { .max = 8192 }, body = { .max = 16384 };
	char *said = NULL;
	long status;

	put_news(c, d, number, &events);
	put_checkin(c, d, events.len ? events.data : "", want, &body);
	if (want) {
		pthread_mutex_lock(&c->lock);
		d->asked = true;
		pthread_mutex_unlock(&c->lock);
	}
	status = ask(s, &(const struct ask){ "POST", "/device/v1/checkin", d->token, body.data, NULL }, &said);
	if (status == 200)
		acked(c, d, want, said);
	else if (status > 0)
		crowd_trouble(c, "a check-in was answered %ld: %s\n%s", status, said, body.data);
	free(said);
	if (status == 200 && c->manners == CROWD_FRESH_EPOCH && events.len) {
		struct crowd_device twin = *d;

		/* the answer reached nobody, they say, and the journal was lost with it */
		twin.epoch++;
		buf_clear(&body);
		put_checkin(c, &twin, events.data, false, &body);
		(void)ask(s, &(const struct ask){ "POST", "/device/v1/checkin", d->token, body.data, NULL }, &said);
		free(said);
		pthread_mutex_lock(&c->lock);
		d->epoch = twin.epoch;
		pthread_mutex_unlock(&c->lock);
	}
	buf_release(&events);
	buf_release(&body);
	return status == 200;
}

static bool ending(struct crowd *c)
{
	bool yes;

	pthread_mutex_lock(&c->lock);
	yes = c->ending || c->trouble[0];
	pthread_mutex_unlock(&c->lock);
	return yes;
}

static void be_devices(struct crowd_seat *s)
{
	while (!ending(s->crowd)) {
		struct crowd_device *d = enrol(s);

		for (size_t i = 0; d && i < VISITS && !ending(s->crowd); i++)
			if (!visit(s, d, i))
				return;
		/* an offer that was taken gets its outcome, whoever wants to leave */
		if (d && d->offered && d->kept == FATE_NONE && !visit(s, d, 1))
			return;
	}
}

/* ---- the operator ---- */

static struct crowd_decision *decide(struct crowd *c, char path[160])
{
	struct crowd_decision *d = NULL;

	pthread_mutex_lock(&c->lock);
	while (c->device_count == 0 && !c->ending && !c->trouble[0])
		pthread_cond_wait(&c->news, &c->lock);
	if (c->device_count > 0 && c->decision_count < CROWD_DECISIONS) {
		d = &c->decisions[c->decision_count++];
		snprintf(d->why, sizeof d->why, "d%zu", c->decision_count);
		d->kind = (enum crowd_order)((c->decision_count - 1) % CROWD_ORDERS);
		if (d->kind == CROWD_ATTRIBUTES)
			snprintf(path, 160, "/v1/devices/%s/attributes?reason=%s", c->devices[c->decision_count % c->device_count].id, d->why);
		else
			snprintf(path, 160, "/v1/rollouts/1/%s", d->kind == CROWD_PAUSE ? "pause" : "resume");
	}
	pthread_mutex_unlock(&c->lock);
	return d;
}

/* "The server ended while it did this: look what became of it" is an honest answer, and no acknowledgement. */
static bool order(struct crowd_seat *s, struct crowd_decision *d, const char *path, const char *key)
{
	struct crowd *c = s->crowd;
	char *said, body[120];
	long status;

	if (d->kind == CROWD_ATTRIBUTES)
		snprintf(body, sizeof body, "{\"attributes\":{\"ring\":\"%s\",\"ticket\":\"%s\"}}", CROWD_RING, d->why);
	else
		snprintf(body, sizeof body, "{\"reason\":\"%s\"}", d->why);
	status = ask(s, &(const struct ask){ d->kind == CROWD_ATTRIBUTES ? "PUT" : "POST", path, c->operator, body, key }, &said);
	if (status == 200) {
		pthread_mutex_lock(&c->lock);
		d->acked = true;
		acknowledge(c);
		pthread_mutex_unlock(&c->lock);
	} else if (status > 0 && strstr(said, "outcome-unknown")) {
		pthread_mutex_lock(&c->lock);
		c->unknown++;
		pthread_mutex_unlock(&c->lock);
	} else if (status == 409 && d->kind != CROWD_ATTRIBUTES) {
		/* there is nothing to pause or to resume: what became of the order before nobody can tell, or it is repeated */
		pthread_mutex_lock(&c->lock);
		c->idle_orders++;
		pthread_mutex_unlock(&c->lock);
	} else if (status > 0) {
		crowd_trouble(c, "a decision was answered %ld: %s", status, said);
		status = -1;
	}
	free(said);
	return status > 0;
}

static void be_the_operator(struct crowd_seat *s)
{
	struct crowd *c = s->crowd;
	struct crowd_decision *d;
	char path[160], fresh[48];

	while (!ending(c) && (d = decide(c, path)) && order(s, d, path, d->why)) {
		snprintf(fresh, sizeof fresh, "%s-again", d->why);
		if (c->manners == CROWD_FRESH_KEY && !order(s, d, path, fresh))
			break;
	}
}

static void *sit(void *arg)
{
	struct crowd_seat *s = arg;

	if (s->number == CROWD_CLIENTS - 1)
		be_the_operator(s);
	else
		be_devices(s);
	fetch_free(s->http);
	return NULL;
}

/* ---- all of them ---- */

void crowd_begin(struct crowd *c)
{
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->news, NULL);
	c->devices = calloc(CROWD_DEVICES, sizeof *c->devices);
	c->decisions = calloc(CROWD_DECISIONS, sizeof *c->decisions);
	if (!c->devices || !c->decisions)
		abort();
	for (size_t i = 0; i < CROWD_CLIENTS; i++) {
		c->seats[i] = (struct crowd_seat){ .crowd = c, .number = i };
		if (pthread_create(&c->threads[i], NULL, sit, &c->seats[i]) != 0)
			abort();
	}
}

void crowd_meet(struct crowd *c, const char *url, const char *pin)
{
	pthread_mutex_lock(&c->lock);
	snprintf(c->url, sizeof c->url, "%s", url);
	snprintf(c->pin, sizeof c->pin, "%s", pin);
	pthread_cond_broadcast(&c->news);
	pthread_mutex_unlock(&c->lock);
}

void crowd_part(struct crowd *c)
{
	pthread_mutex_lock(&c->lock);
	c->url[0] = '\0';
	pthread_mutex_unlock(&c->lock);
}

void crowd_rest(struct crowd *c)
{
	crowd_part(c);
	pthread_mutex_lock(&c->lock);
	while (c->under_way > 0)
		pthread_cond_wait(&c->news, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

bool crowd_wait(struct crowd *c, const uint64_t *counter, uint64_t more)
{
	struct timespec until;
	bool came;

	in_ms(&until, PATIENCE_S * 1000);
	pthread_mutex_lock(&c->lock);
	more += *counter;
	while (*counter < more && !c->trouble[0] && pthread_cond_timedwait(&c->news, &c->lock, &until) == 0)
		;
	came = *counter >= more || c->trouble[0];
	pthread_mutex_unlock(&c->lock);
	return came;
}

void crowd_end(struct crowd *c)
{
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_broadcast(&c->news);
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < CROWD_CLIENTS; i++)
		pthread_join(c->threads[i], NULL);
}

void crowd_look(struct crowd *out, struct crowd *c)
{
	pthread_mutex_lock(&c->lock);
	*out = *c;
	out->devices = calloc(c->device_count + 1, sizeof *out->devices);
	out->decisions = calloc(c->decision_count + 1, sizeof *out->decisions);
	if (!out->devices || !out->decisions)
		abort();
	memcpy(out->devices, c->devices, c->device_count * sizeof *out->devices);
	memcpy(out->decisions, c->decisions, c->decision_count * sizeof *out->decisions);
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_init(&out->lock, NULL);
	pthread_cond_init(&out->news, NULL);
}

void crowd_between(const struct crowd *before, struct crowd *after)
{
	for (size_t i = 0; i < after->device_count; i++) {
		struct crowd_device *d = &after->devices[i];
		const struct crowd_device none = { .later = true }, *was = i < before->device_count ? &before->devices[i] : &none;

		d->events_acked = was->events_acked;
		d->offered = was->offered;
		d->kept = was->kept;
		d->later = was->later;
	}
	for (size_t i = 0; i < after->decision_count; i++)
		after->decisions[i].acked = i < before->decision_count && before->decisions[i].acked;
	/* each client may be about to hear the name of a device */
	after->enrolments_lost += CROWD_CLIENTS;
}

void crowd_free(struct crowd *c)
{
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->news);
	free(c->devices);
	free(c->decisions);
}
