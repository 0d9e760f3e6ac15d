/*
 * sides: a vendor and a customer, each with a repository, keys and a root of
 * its own, and a judge between them. The test is the judge's supervisor and
 * its fetch process: it serves the two directories, or lets one be dead, and
 * notes what the judge asked and said, in order.
 */
#ifndef TESTS_AGENT_SIDES_H
#define TESTS_AGENT_SIDES_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/message.h"
#include "agent/role.h"
#include "agent/settings.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "boot/record.h"
#include "rollout/approvals.h"
#include "rollout/assignment.h"
#include "rollout/ringmap.h"
#include "rollout/stops.h"
#include "signing/repo.h"
#include "test.h"

#define STOPS_HEARD 64
#define D(c) ((struct digest){ { c, c } })

enum { VENDOR, OURS, SIDES };

struct side {
	char dir[256];
	struct keyring *keys;           /* one key signs everything of this side */
	struct repo *repo;
};

struct judged {
	char root[128];
	struct side of[SIDES];
	struct settings *settings;
	int sock, fetch;
	pid_t judge;
	bool dead[SIDES];
	/* the host: bundles are named by their serial, which is the first byte of the digest too */
	unsigned char current, previous;
	uint64_t high_water;
	int64_t first_seen_at, stop_left_at;
	struct message_stop stops[STOPS_HEARD]; /* as its journal keeps them */
	size_t stop_count;
	unsigned others;                /* stops of other digests that it keeps beside these */
	/* the last round */
	struct message_verdict verdict;
	unsigned verdicts, new_stops, asked[SIDES];
	bool before_vendor;             /* the verdict came before anything was asked of the vendor */
	char unmet[2048];               /* of an explaining round: "name: sentence\n" of each clause that does not hold */
	struct message_done done;
};

/* ---- a side ---- */

static inline void side_publish(struct side *a)
{
	struct err e;

	assert_ok(repo_publish(a->repo, a->keys, clock_now(), &e));
}

static inline void side_make(struct side *a, const char *dir, const char *const *roles, size_t count)
{
	const struct pubkey *key;
	struct author_role delegated[16], top = { .key_count = 1, .threshold = 1 };
	struct repo_plan plan = { .roles = delegated, .count = count };
	struct seckey *k;
	struct err e;

	snprintf(a->dir, sizeof a->dir, "%s", dir);
	assert_ok(file_mkdirs(dir, 0755, &e));
	assert_ok(seckey_generate(&k, &e));
	a->keys = keyring_new();
	assert_ok(keyring_add(a->keys, "all", k, &e));
	key = seckey_public(a->keys->keys[0].key);
	top.keys = &key;
	plan.root = plan.targets = plan.snapshot = plan.timestamp = top;
	for (size_t i = 0; i < count; i++)
		delegated[i] = (struct author_role){ .name = roles[i], .keys = &key, .key_count = 1, .threshold = 1 };
	assert_ok(repo_create(dir, &plan, a->keys, clock_now(), &e));
	assert_ok(repo_open(&a->repo, dir, &e));
}

static inline void side_put(struct side *a, const char *role, const char *path, const struct buf *bytes, const char *custom)
{
	struct err e;

	assert_ok(repo_put_target(a->repo, role, path, bytes->data, bytes->len, custom, &e));
	side_publish(a);
}

/* An archive that nobody decodes here: judging takes the role's word for it. */
static inline void side_bundle(struct side *a, unsigned char serial, unsigned char digest)
{
	AUTO(buf) struct buf *bytes = buf_new(0);
	struct digest d = D(digest);
	char custom[400], hex[DIGEST_HEX_LEN + 1], path[PATH_LEN_MAX + 1];

	buf_addf(bytes, "archive %u", digest);
	digest_hex(hex, &d);
	snprintf(custom, sizeof custom,
		 "{\"ringhold\":{\"kind\":\"full\",\"channel\":\"edr\",\"serial\":%u,\"version\":\"v\",\"digest\":\"%s\",\"size\":7}}", serial, hex);
	bundle_path(path, "edr", serial);
	side_put(a, "content-edr", path, bytes, custom);
}

/* What the canary ring is assigned, as text; grant 0: none. */
static inline struct buf *side_assignment(unsigned char serial, uint64_t grant)
{
	struct assignment as = { .channel = "edr", .ring = "canary", .attempt = 1, .issued = clock_now(), .reason = "test",
				 .probation_s = 60, .granted = grant != 0, .grant_max_serial = grant, .grant_reason = "test" };
	struct buf *text = buf_new(0);
	struct err e;

	as.bundle.serial = serial;
	as.bundle.digest = D(serial);
	snprintf(as.bundle.version, sizeof as.bundle.version, "v");
	bundle_path(as.bundle.path, "edr", serial);
	assert_ok(assignment_write(text, &as, &e));
	return text;
}

static inline void side_assign(struct side *a, unsigned char serial, uint64_t grant)
{
	AUTO(buf) struct buf *text = side_assignment(serial, grant);

	side_put(a, "ring-canary", "rings/canary/edr.json", text, NULL);
}

/* The whole document: digests that end with 0. */
static inline void side_stops(struct side *a, enum stops_kind kind, bool urgent, const unsigned char *digests)
{
	AUTO(stops) struct stops *s = stops_new(kind, "edr");
	AUTO(buf) struct buf *text = buf_new(0);
	char path[PATH_LEN_MAX + 1];
	struct err e;

	for (; *digests; digests++) {
		struct stop_entry entry = { .digest = D(*digests), .serial = *digests, .at = clock_now(), .reason = "it hurts",
					    .urgent = urgent };

		assert_ok(stops_add(s, &entry, &e));
	}
	assert_ok(stops_write(text, s, &e));
	stops_path(path, kind, "edr");
	side_put(a, kind == STOPS_STOP ? "stop" : "recall", path, text, NULL);
}

static inline struct buf *side_approvals(const char *channel, unsigned char digest)
{
	AUTO(approvals) struct approvals *ap = approvals_new(channel);
	struct buf *text = buf_new(0);
	struct digest d = D(digest);
	struct err e;

	assert_ok(approvals_add(ap, &d, &e));
	assert_ok(approvals_write(text, ap, &e));
	return text;
}

static inline void side_approve(struct side *a, const char *party, unsigned char digest)
{
	AUTO(buf) struct buf *text = side_approvals("edr", digest);
	char role[80], path[PATH_LEN_MAX + 1];

	snprintf(role, sizeof role, "approve-%s", party);
	approvals_path(path, party, "edr");
	side_put(a, role, path, text, NULL);
}

/* ---- forging: every key of the side in hand, and no care for what a role may say ---- */

static inline void forge_file(const struct side *a, const struct side *signer, struct author *au, enum metadata_type type, const char *role,
			      const char *name, uint64_t *length, struct digest *sha256)
{
	AUTO(buf) struct buf *bare = NULL, *whole = NULL;
	struct authority by;
	char path[512];
	struct err e;
	bool met;

	assert_true(authority_of(&by, type == METADATA_TARGETS ? repo_role(signer->repo, "targets") : repo_root(signer->repo), role));
	assert_ok(author_finish(au, &bare, &e));
	assert_int_equal(author_sign(&whole, bare->data, bare->len, type, signer->keys, &by, &met, &e), 1);
	snprintf(path, sizeof path, "%s/metadata/%s", a->dir, name);
	assert_ok(file_replace(path, whole->data, whole->len, 0644, &e));
	*length = whole->len;
	hash_bytes(sha256, whole->data, whole->len);
}

/* Makes a role list any path, signed by that role's key of either side, and publishes it with new snapshot and timestamp. */
static inline void side_forge(struct side *a, const struct side *signer, const char *role, const char *target, const struct buf *bytes, const char *custom)
{
	AUTO(author) struct author *r = NULL, *snapshot = NULL, *timestamp = NULL;
	struct digest sha256;
	uint64_t length;
	char name[160];
	struct err e;

	assert_ok(repo_stage(a->repo, target, bytes->data, bytes->len, &sha256, &e));
	assert_ok(author_load(&r, repo_role(a->repo, role), &e));
	assert_ok(author_put_target(r, target, bytes->len, &sha256, custom, &e));
	author_set_version(r, author_version(r) + 1);
	snprintf(name, sizeof name, "%lld.%s.json", (long long)author_version(r), role);
	forge_file(a, signer, r, METADATA_TARGETS, role, name, &length, &sha256);
	assert_ok(author_load(&snapshot, repo_role(a->repo, "snapshot"), &e));
	snprintf(name, sizeof name, "%s.json", role);
	assert_ok(author_put_meta(snapshot, name, author_version(r), (int64_t)length, &sha256, &e));
	author_set_version(snapshot, author_version(snapshot) + 1);
	snprintf(name, sizeof name, "%lld.snapshot.json", (long long)author_version(snapshot));
	forge_file(a, a, snapshot, METADATA_SNAPSHOT, "snapshot", name, &length, &sha256);
	assert_ok(author_load(&timestamp, repo_role(a->repo, "timestamp"), &e));
	assert_ok(author_put_meta(timestamp, "snapshot.json", author_version(snapshot), (int64_t)length, &sha256, &e));
	author_set_version(timestamp, author_version(timestamp) + 1);
	forge_file(a, a, timestamp, METADATA_TIMESTAMP, "timestamp", "timestamp.json", &length, &sha256);
	if (signer != a)        /* nothing that checks signatures opens it again */
		return;
	repo_free(TAKE(a->repo));
	assert_ok(repo_open(&a->repo, a->dir, &e));
}

/* ---- the judge ---- */

static inline void judge_start(struct judged *j)
{
	int sock[2], fetch[2];
	struct err e;

	assert_ok(wire_pair(sock, &e));
	assert_ok(wire_pair(fetch, &e));
	j->judge = fork();
	assert_true(j->judge >= 0);
	if (j->judge == 0) {
		close(sock[0]);
		close(fetch[0]);
		_exit(role_judge(j->settings, sock[1], fetch[1]));
	}
	close(sock[1]);
	close(fetch[1]);
	j->sock = sock[0];
	j->fetch = fetch[0];
}

static inline void judge_end(struct judged *j)
{
	int status;

	if (!j->judge)
		return;
	close(j->sock);
	close(j->fetch);
	assert_int_equal(waitpid(j->judge, &status, 0), j->judge);
	assert_int_equal(status, 0);
	j->judge = 0;
}

static inline void judge_answer(struct judged *j)
{
	static const enum message_type gets[] = { MSG_GET, 0 };
	static struct message m;
	AUTO(buf) struct buf *bytes = NULL;
	AUTO_FD int fd = -1;
	struct message_answer a = { .status = 200, .retry_after = -1 };
	char path[1024];
	struct err e;

	assert_int_equal(message_receive(j->fetch, &m, gets, 20000, &e), 1);
	assert_true(m.u.get.repo < SIDES);
	j->asked[m.u.get.repo]++;
	snprintf(path, sizeof path, "%s/%s/%s", j->of[m.u.get.repo].dir, m.u.get.plane == PLANE_METADATA ? "metadata" : "targets", m.u.get.path);
	if (j->dead[m.u.get.repo]) {
		a.status = ERR_NET;
		snprintf(a.text, sizeof a.text, "connection refused");
		assert_ok(message_send(j->fetch, MSG_ANSWER, &a, -1, &e));
		return;
	}
	if (file_read(&bytes, path, m.u.get.max, &e) < 0) {
		a.status = 404;
		assert_ok(message_send(j->fetch, MSG_ANSWER, &a, -1, &e));
		return;
	}
	fd = memfd_create("body", MFD_CLOEXEC);
	a.size = bytes->len;
	assert_ok(file_write_all(fd, bytes->data, bytes->len, &e));
	lseek(fd, 0, SEEK_SET);
	assert_ok(message_send(j->fetch, MSG_BODY, &a, fd, &e));
}

static inline void judge_say_host(struct judged *j, bool explain)
{
	static struct message_begin begin;
	static struct message_channel channel;
	struct message_go go = { 0 };
	struct err e;

	memset(&begin, 0, sizeof begin);
	memset(&channel, 0, sizeof channel);
	begin.explain = explain;
	begin.refresh = 1;
	channel = (struct message_channel){ .channel = "edr", .ring = "canary", .phase = "idle", .rung = j->current ? RUNG_CURRENT : RUNG_NONE,
					    .running = D(j->current), .high_water = j->high_water, .stop_left_at = j->stop_left_at };
	assert_ok(message_send(j->sock, MSG_BEGIN, &begin, -1, &e));
	assert_ok(message_send(j->sock, MSG_CHANNEL, &channel, -1, &e));
	for (int rung = RUNG_CURRENT; rung <= RUNG_PREVIOUS; rung++) {
		unsigned char serial = rung == RUNG_CURRENT ? j->current : j->previous;
		struct message_slot slot = { .channel = "edr", .rung = (uint64_t)rung, .digest = D(serial), .serial = serial };

		if (serial)
			assert_ok(message_send(j->sock, MSG_SLOT, &slot, -1, &e));
	}
	for (unsigned i = 0; i < j->others; i++) {
		struct message_stop other = { .channel = "edr", .reason = "other" };

		hash_bytes(&other.digest, &i, sizeof i);
		assert_ok(message_send(j->sock, MSG_STOP, &other, -1, &e));
	}
	for (size_t i = 0; i < j->stop_count; i++)
		assert_ok(message_send(j->sock, MSG_STOP, &j->stops[i], -1, &e));
	assert_ok(message_send(j->sock, MSG_GO, &go, -1, &e));
}

/* One record of the judge. False: the round is over. */
static inline bool judge_hear(struct judged *j)
{
	static const enum message_type any[] = { MSG_STOP, MSG_DROP, MSG_CLAUSE, MSG_VERDICT, MSG_DONE, 0 };
	static struct message m;
	size_t len = strlen(j->unmet);
	struct err e;

	assert_int_equal(message_receive(j->sock, &m, any, 20000, &e), 1);
	switch (m.type) {
	case MSG_STOP:
		assert_int_equal(j->verdicts, 0);       /* kept before anything is done about it */
		assert_true(j->stop_count < STOPS_HEARD);
		j->stops[j->stop_count++] = m.u.stop;
		j->new_stops++;
		return true;
	case MSG_CLAUSE:
		if (!m.u.clause.holds)
			snprintf(j->unmet + len, sizeof j->unmet - len, "%s: %s\n", m.u.clause.name, m.u.clause.sentence);
		return true;
	case MSG_VERDICT:
		j->verdict = m.u.verdict;
		j->verdicts++;
		j->before_vendor = j->asked[VENDOR] == 0;
		return true;
	case MSG_DONE:
		j->done = m.u.done;
		return false;
	default:
		return true;
	}
}

/* A whole round; afterwards the verdict on the one channel, and how it came about. */
static inline void judge_round_with(struct judged *j, bool explain)
{
	bool on = true;

	if (!j->judge)
		judge_start(j);
	j->verdicts = j->new_stops = j->asked[VENDOR] = j->asked[OURS] = 0;
	j->unmet[0] = '\0';
	judge_say_host(j, explain);
	while (on) {
		struct pollfd p[] = { { .fd = j->sock, .events = POLLIN }, { .fd = j->fetch, .events = POLLIN } };

		assert_true(poll(p, 2, 60000) > 0);
		if (p[0].revents)
			on = judge_hear(j);
		else if (p[1].revents)
			judge_answer(j);
	}
	assert_int_equal(j->verdicts, 1);
}

static inline void judge_round(struct judged *j)
{
	judge_round_with(j, true);
}

static inline void expect(struct judged *j, enum verdict_say say, const char *word, unsigned char digest)
{
	struct digest d = D(digest);

	if (j->verdict.say != (uint64_t)say || strcmp(j->verdict.word, word) != 0 || (digest && !digest_equal(&j->verdict.digest, &d)))
		fail_msg("verdict %d (%s), digest %u: %s\n%s%s", (int)j->verdict.say, j->verdict.word, j->verdict.digest.bytes[0],
			 j->verdict.reason, j->unmet, j->done.text);
}

/* ---- set-up ---- */

static inline void judged_settings(struct judged *j, const char *extra)
{
	char path[256], ini[512];
	struct err e;

	judge_end(j);
	settings_free(TAKE(j->settings));
	snprintf(ini, sizeof ini,
		 "[agent]\ncontract =\nattributes = ring=canary\ncontent-repo = vendor\ncontent-url = http://vendor.example\n"
		 "rings-repo = ours\nrings-url = http://ours.example\n%s\n[channel edr]\n", extra);
	snprintf(path, sizeof path, "%s/etc/ringhold/agent.ini", j->root);
	assert_ok(file_replace(path, ini, strlen(ini), 0644, &e));
	assert_ok(settings_load(&j->settings, j->root, NULL, &e));
}

static inline void give_root(struct judged *j, int side, const char *name)
{
	AUTO(buf) struct buf *root = NULL;
	char path[256];
	struct err e;

	snprintf(path, sizeof path, "%s/metadata/1.root.json", j->of[side].dir);
	assert_ok(file_read(&root, path, 1 << 20, &e));
	snprintf(path, sizeof path, "%s/etc/ringhold/trust/%s.root.json", j->root, name);
	assert_ok(file_replace(path, root->data, root->len, 0644, &e));
}

/* Both sides have every role, so that only what counts from which keeps them apart. */
static inline int judged_setup(void **state)
{
	static const char *const roles[] = { "content-edr", "ring-canary", "ring-early", "fleet", "stop", "recall", "approve-bank",
					     "approve-works" };
	static const char *const rings[] = { "canary", "early" };
	static struct judged j;
	const char *tmp = getenv("TMPDIR");
	AUTO(buf) struct buf *map = buf_new(0);
	char path[256];
	struct err e;

	memset(&j, 0, sizeof j);
	log_init("test", LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	snprintf(j.root, sizeof j.root, "%s/ringhold-sides.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(j.root));
	snprintf(path, sizeof path, "%s/etc/ringhold/trust", j.root);
	assert_ok(file_mkdirs(path, 0755, &e));
	assert_ok(ringmap_write_default(map, rings, ARRAY_LEN(rings), "saltsalt", 8, &e));
	for (int i = 0; i < SIDES; i++) {
		snprintf(path, sizeof path, "%s/%s", j.root, i == VENDOR ? "vendor" : "ours");
		side_make(&j.of[i], path, roles, ARRAY_LEN(roles));
		give_root(&j, i, i == VENDOR ? "vendor" : "ours");
	}
	side_put(&j.of[OURS], "fleet", RINGMAP_PATH, map, NULL);
	judged_settings(&j, "");
	j.current = 9;          /* hosts begin on serial 9, with 8 before it */
	j.previous = 8;
	j.high_water = 9;
	*state = &j;
	return 0;
}

static inline int judged_teardown(void **state)
{
	struct judged *j = *state;
	struct err e;

	judge_end(j);
	settings_free(j->settings);
	for (int i = 0; i < SIDES; i++) {
		repo_free(j->of[i].repo);
		keyring_free(j->of[i].keys);
	}
	return file_remove_tree(j->root, &e);
}

#endif
