/* world: the server without its sockets, machines that check in, and a clock that can be moved. */
#ifndef TESTS_SERVER_WORLD_H
#define TESTS_SERVER_WORLD_H

#include <fcntl.h>
#include <sys/mman.h>

#include "base/log.h"
#include "fixture.h"
#include "rollout/replay.h"
#include "server/control_parts.h"
#include "server/handlers.h"

#define DEVICES 4       /* in each ring */
#define MACHINES 4096
#define INTERVAL 300

struct machine {
	char id[DEVICE_ID_LEN + 1];
	const char *ring;
	const char *os, *boot;          /* NULL: as all others */
	char effects[768];              /* member of its channel; "": none */
	char epoch[CHECKIN_EPOCH_LEN + 1];
	uint64_t seq, n;
};

struct world {
	struct fixture *f;
	struct server *s;
	struct machine machines[MACHINES];
	size_t count, made;
};

static volatile int64_t *shift_ms;      /* of the clock that all of the program sees */

/* ---- the server without its sockets ---- */

static inline void world_open(struct world *w)
{
	AUTO_FREE char *path = fixture_path(w->f, "ringholdd.ini");
	struct config *c;
	struct err e;

	assert_ok(config_read(&c, path, &e));
	assert_ok(server_open(&w->s, c, &e));
}

static inline void world_reopen(struct world *w)
{
	server_close(w->s);
	world_open(w);
}

static inline void tick(struct world *w)
{
	control_tick(w->s);
}

static inline void pass_time(int64_t seconds)
{
	*shift_ms += seconds * 1000;
}

/* Runs a handler as the pool would. The reply's body is copied out. */
static inline int call(struct world *w, void (*handler)(struct request *), const char *who, const char *param, const char *body, char *out, size_t cap)
{
	static const struct route any = { .pattern = "", .may = MAY(ADMIN) };
	struct request *q = request_new(w->s, &any);
	int status;

	q->http = calloc(1, sizeof *q->http);
	q->http->query = "";
	q->body = buf_new(1 << 20);
	buf_adds(q->body, body);
	fixture_identity(q, who);
	q->params[0] = param;
	handler(q);
	status = q->reply.status;
	snprintf(out, cap, "%s", q->reply.body && q->reply.body->data ? q->reply.body->data : "");
	request_free(q);
	return status;
}

/* The channel's policy from now on: these rings. */
static inline void world_policy(struct world *w, const char *rings)
{
	static uint64_t version;
	struct server_batch b = { .count = 0 };
	char body[2048];
	struct err e;

	snprintf(body, sizeof body, "{\"format\":1,\"channel\":\"edr\",\"rings\":[%s]}", rings);
	server_record(&b, STORE_POLICY)->u.policy = (struct store_policy){ .channel = "edr", .version = ++version, .body = body, .at = clock_now(), .by = "tester" };
	assert_ok(server_write(w->s, &b, &e));
}

static inline struct machine *add_machine(struct world *w, const char *ring)
{
	struct machine *m = (assert_true(w->count < MACHINES), &w->machines[w->count++]);
	char attributes[64];
	struct err e;
	struct store_record r = { .kind = STORE_DEVICE };
	struct write write = { .append = { .records = &r, .count = 1 } };

	w->made++;
	snprintf(m->id, sizeof m->id, "%032zx", w->made);
	snprintf(m->epoch, sizeof m->epoch, "%016zx", w->made);
	snprintf(attributes, sizeof attributes, "{\"ring\":\"%s\"}", ring);
	m->ring = ring;
	r.u.device = (struct store_device){ .id = m->id, .enrolled = clock_now() - 86400, .generation = 1, .old_epochs = "", .attributes = attributes };
	assert_ok(writer_submit(w->s->writer, &write, &e));
	pthread_mutex_lock(&w->s->lock);
	assert_ok(device_load(&w->s->fleet, &r.u.device, &e));
	pthread_mutex_unlock(&w->s->lock);
	return m;
}

/* One check-in; events and wants are JSON. The answer's text. */
static inline const char *checkin(struct world *w, struct machine *m, const char *events, const char *wants)
{
	static char body[8192], answer[8192];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"%s\",\"seq\":%llu,\"sent\":%lld,\"boot_id\":\"%s\",\"facts\":{\"os\":\"%s\",\"sensor\":\"acme\","
		 "\"sensor_version\":\"7.11\",\"locale\":\"C\",\"host\":\"h\",\"arch\":\"x\"},\"channels\":[{\"channel\":\"edr\",\"ring\":\"%s\","
		 "\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,\"drop\":null,\"high_water\":0,\"held\":null%s%s}],"
		 "\"events\":[%s],\"want\":[%s]}",
		 m->epoch, (unsigned long long)++m->seq, (long long)clock_now(), m->boot ? m->boot : "b", m->os ? m->os : "debian-12", m->ring, m->effects[0] ? "," : "",
		 m->effects, events, wants);
	if (call(w, device_checkin, m->id, NULL, body, answer, sizeof answer) != 200)
		fail_msg("check-in: %s\n%s", answer, body);
	return answer;
}

static inline const char *hex_of(const struct digest *d)
{
	static char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, d);
	return hex;
}

static inline const char *report(struct world *w, struct machine *m, const struct digest *d, const char *kind, const char *reason)
{
	char event[512];

	snprintf(event, sizeof event,
		 "{\"n\":%llu,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1,\"kind\":\"%s\",\"reason\":%s%s%s}",
		 (unsigned long long)++m->n, hex_of(d), kind, reason[0] ? "\"" : "", reason[0] ? reason : "null", reason[0] ? "\"" : "");
	return checkin(w, m, event, "");
}

static inline bool gets_permit(struct world *w, struct machine *m, const struct digest *d)
{
	char want[256];

	snprintf(want, sizeof want, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", hex_of(d));
	return strstr(checkin(w, m, "", want), "\"answer\":\"go\"") != NULL;
}

static inline void all_check_in(struct world *w)
{
	for (size_t i = 0; i < w->count; i++)
		checkin(w, &w->machines[i], "", "");
}

static inline struct rollout *publish(struct world *w, uint64_t serial)
{
	char path[PATH_LEN_MAX + 1];
	struct store_bundle b = { .channel = "edr", .serial = serial, .version = "v", .path = path, .by = "vendor",
				  .reason = "", .matrix = "", .published = clock_now() };
	uint64_t id;
	struct err e;

	bundle_path(path, "edr", serial);
	hash_bytes(&b.digest, &serial, sizeof serial);
	assert_ok(control_start(w->s, &b, &id, &e));
	return rollouts_find(&w->s->rollouts, id);
}

static inline struct rollout *again(struct world *w, uint64_t id)
{
	return rollouts_find(&w->s->rollouts, id);
}

#define assert_state(r, position, want)                                                                          \
	do {                                                                                                     \
		if ((r)->stages[position].state != (want))                                                       \
			fail_msg("ring %d is %s instead of %s: %s %s", position, state_name((r)->stages[position].state), \
				 state_name(want), (r)->stages[position].sentence, (r)->stages[position].problem); \
	} while (0)

static inline void ring_survives(struct world *w, struct rollout *r, const char *ring)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->machines[i].ring, ring) == 0) {
			assert_true(gets_permit(w, &w->machines[i], &r->bundle.digest));
			report(w, &w->machines[i], &r->bundle.digest, "armed", "");
			report(w, &w->machines[i], &r->bundle.digest, "survived", "");
		}
	tick(w);
}

/* Time goes on as it does: everybody checks in every interval. */
static inline void live(struct world *w, int64_t seconds)
{
	for (int64_t at = 0; at < seconds; at += INTERVAL) {
		pass_time(INTERVAL);
		all_check_in(w);
		tick(w);
	}
}

static inline void assigned_to(struct world *w, const char *ring, const struct digest *want, bool granted)
{
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;

	assert_ok(desk_assignment(w->s->desk, ring, "edr", &a, &e));
	assert_true(digest_equal(&a->bundle.digest, want));
	assert_int_equal(a->granted, granted);
}

static inline void not_assigned(struct world *w, const char *ring)
{
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;

	assert_int_equal(desk_assignment(w->s->desk, ring, "edr", &a, &e), ERR_NOT_FOUND);
}

static inline struct machine *machine_of(struct world *w, const char *ring, size_t n)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->machines[i].ring, ring) == 0 && n-- == 0)
			return &w->machines[i];
	fail_msg("no such machine");
	return NULL;
}

static inline struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof *w);
	char ini[512];

	assert_non_null(w);
	w->f = fixture_new();
	snprintf(ini, sizeof ini, "listen = 127.0.0.1:0\ndata = %s\n", w->f->data);
	fixture_write(w->f, "ringholdd.ini", ini);
	world_open(w);
	return w;
}

/* So many in each ring, of whom was heard often enough. */
static inline int setup(void **state)
{
	struct world *w = world_new();

	for (size_t r = 0; r < 3; r++)
		for (size_t i = 0; i < DEVICES; i++)
			add_machine(w, fixture_rings[r]);
	all_check_in(w);
	pass_time(2 * INTERVAL + 1);
	all_check_in(w);
	*state = w;
	return 0;
}

/* ---- what was decided can be decided again ---- */

static inline int replay_one(const struct store_gate *g, void *arg, struct err *e)
{
	AUTO(gate_record) struct gate_record *r = NULL;
	struct digest digest;
	struct replay replay;

	(void)arg;
	hash_bytes(&digest, g->body, strlen(g->body));
	if (!digest_equal(&digest, &g->digest))
		return err_set(e, ERR_INTERNAL, "a record is not what its name says");
	if (gate_record_parse(&r, "record", g->body, strlen(g->body), e) < 0)
		return e->code;
	return replay_record(&replay, r, e);
}

struct names {
	struct digest items[256];
	size_t count;
};

static inline int name_one(const struct store_gate *g, void *arg, struct err *e)
{
	struct names *n = arg;

	if (n->count == ARRAY_LEN(n->items))
		return err_set(e, ERR_LIMIT, "more records than this test looks at");
	n->items[n->count++] = g->digest;
	return 0;
}

/* After every test of this file: each decision that was recorded replays from its record alone. */
static inline void every_decision_replays(struct world *w)
{
	struct names names = { .count = 0 };
	struct err e;

	assert_ok(store_each_gate(w->s->store, 0, ARRAY_LEN(names.items) + 1, name_one, &names, &e));
	for (size_t i = 0; i < names.count; i++)
		assert_ok(store_gate(w->s->store, &names.items[i], replay_one, NULL, &e));
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	every_decision_replays(w);

	server_close(w->s);
	fixture_free(w->f);
	free(w);
	return 0;
}

/* The clock of this program can be moved by pass_time(). */
static inline bool world_clock(void)
{
	char path[] = "/tmp/ringhold-clock-XXXXXX";
	int64_t zero = 0;
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0 || write(fd, &zero, sizeof zero) != sizeof zero || setenv("RINGHOLD_TEST_CLOCK", path, 1) < 0)
		return false;
	shift_ms = mmap(NULL, sizeof zero, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shift_ms == MAP_FAILED)
		return false;
	log_init("test", LOG_ERROR);
	(void)clock_now();
	unlink(path);
	return true;
}

#endif
