/* sql: every statement of the store, in one place. */
#include "server/sql.h"

static const char first[] =
	"CREATE TABLE device (id TEXT PRIMARY KEY, enrolled INTEGER NOT NULL, last_seen INTEGER NOT NULL,"
	" goodbye INTEGER NOT NULL, generation INTEGER NOT NULL, revoked INTEGER NOT NULL, flagged INTEGER NOT NULL,"
	" event_n INTEGER NOT NULL, old_epoch TEXT NOT NULL, attributes TEXT NOT NULL, said TEXT) WITHOUT ROWID;"

	/* event and decision share one sequence of ids: the order in which things happened */
	"CREATE TABLE event (id INTEGER PRIMARY KEY, device TEXT NOT NULL, epoch TEXT NOT NULL, n INTEGER NOT NULL,"
	" at INTEGER NOT NULL, received INTEGER NOT NULL, channel TEXT NOT NULL, digest BLOB NOT NULL,"
	" attempt INTEGER NOT NULL, kind INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,"
	" UNIQUE (device, epoch, n));"
	"CREATE TABLE decision (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, channel TEXT NOT NULL,"
	" ring TEXT NOT NULL, device TEXT NOT NULL, rollout INTEGER NOT NULL, digest BLOB NOT NULL,"
	" was TEXT NOT NULL, becomes TEXT NOT NULL, cause TEXT NOT NULL, sentence TEXT NOT NULL, inputs TEXT NOT NULL);"

	"CREATE TABLE bundle (channel TEXT NOT NULL, serial INTEGER NOT NULL, digest BLOB NOT NULL, version TEXT NOT NULL,"
	" path TEXT NOT NULL, size INTEGER NOT NULL, length INTEGER NOT NULL, published INTEGER NOT NULL,"
	" by TEXT NOT NULL, reason TEXT NOT NULL, matrix TEXT NOT NULL,"
	" PRIMARY KEY (channel, serial), UNIQUE (channel, digest)) WITHOUT ROWID;"
	"CREATE TABLE contract (digest BLOB PRIMARY KEY, sensor TEXT NOT NULL, version TEXT NOT NULL, body BLOB NOT NULL,"
	" registered INTEGER NOT NULL, by TEXT NOT NULL);"
	"CREATE TABLE policy (channel TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL,"
	" by TEXT NOT NULL, PRIMARY KEY (channel, version)) WITHOUT ROWID;"

	"CREATE TABLE rollout (id INTEGER PRIMARY KEY, channel TEXT NOT NULL, digest BLOB NOT NULL, serial INTEGER NOT NULL,"
	" version TEXT NOT NULL, path TEXT NOT NULL, attempt INTEGER NOT NULL, created INTEGER NOT NULL, by TEXT NOT NULL,"
	" reason TEXT NOT NULL, policy TEXT NOT NULL, secret BLOB NOT NULL, UNIQUE (channel, digest));"
	"CREATE TABLE rollout_ring (rollout INTEGER NOT NULL, ring INTEGER NOT NULL, state INTEGER NOT NULL,"
	" changed INTEGER NOT NULL, began INTEGER NOT NULL, bound_at INTEGER NOT NULL, passed_at INTEGER NOT NULL,"
	" cause TEXT NOT NULL, sentence TEXT NOT NULL, operator_hold INTEGER NOT NULL, coverage_approved INTEGER NOT NULL,"
	" continue_anyway INTEGER NOT NULL, content_crash INTEGER NOT NULL, declined INTEGER NOT NULL,"
	" by_coverage INTEGER NOT NULL, previous TEXT NOT NULL, PRIMARY KEY (rollout, ring)) WITHOUT ROWID;"
	/* n is gap-free per (rollout, ring); one offer per device, for ever */
	"CREATE TABLE offer (rollout INTEGER NOT NULL, ring INTEGER NOT NULL, n INTEGER NOT NULL, device TEXT NOT NULL,"
	" stratum TEXT NOT NULL, at INTEGER NOT NULL, renewed INTEGER NOT NULL DEFAULT 0,"
	" survived INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,"
	" environment INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0, voided INTEGER NOT NULL DEFAULT 0,"
	" reason TEXT NOT NULL DEFAULT '', PRIMARY KEY (rollout, ring, n), UNIQUE (rollout, ring, device)) WITHOUT ROWID;"
	"CREATE TABLE rollback (id INTEGER PRIMARY KEY, channel TEXT NOT NULL, digest BLOB NOT NULL, serial INTEGER NOT NULL,"
	" max_serial INTEGER NOT NULL, version TEXT NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL,"
	" at INTEGER NOT NULL, done INTEGER NOT NULL);"

	"CREATE TABLE audit (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,"
	" subject TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL);"
	"CREATE TABLE enrolment (hash BLOB PRIMARY KEY, name TEXT NOT NULL, attributes TEXT NOT NULL,"
	" created INTEGER NOT NULL, expires INTEGER NOT NULL, uses INTEGER NOT NULL, by TEXT NOT NULL);";

/* Which version of a role's metadata was signed last, whatever became of the repository's files. */
static const char second[] =
	"CREATE TABLE reservation (role TEXT PRIMARY KEY, version INTEGER NOT NULL, digest BLOB NOT NULL);";

/* What the gates decided from. */
static const char third[] =
	"CREATE TABLE gate_record (id INTEGER PRIMARY KEY, rollout INTEGER NOT NULL, ring INTEGER NOT NULL,"
	" channel TEXT NOT NULL, ring_name TEXT NOT NULL, event TEXT NOT NULL, verdict TEXT NOT NULL, cause TEXT NOT NULL,"
	" sentence TEXT NOT NULL, at INTEGER NOT NULL, digest BLOB NOT NULL, body TEXT NOT NULL);"
	"CREATE INDEX gate_record_of ON gate_record (rollout, ring, event);"
	"CREATE INDEX gate_record_digest ON gate_record (digest);";

/* What waits for signatures that the server cannot give, and what became of it. */
static const char fourth[] =
	"CREATE TABLE signing_request (id TEXT PRIMARY KEY, state INTEGER NOT NULL, created INTEGER NOT NULL,"
	" expires INTEGER NOT NULL, changed INTEGER NOT NULL, subject TEXT NOT NULL, roles TEXT NOT NULL, by TEXT NOT NULL,"
	" reason TEXT NOT NULL, note TEXT NOT NULL, body TEXT NOT NULL);"
	"CREATE INDEX signing_request_state ON signing_request (state, created);";

/* What gates count besides outcomes: strata frozen at a ring's first offer, endpoints that fell silent, placebo offers by day. */
static const char fifth[] =
	"CREATE TABLE strata (rollout INTEGER NOT NULL, ring INTEGER NOT NULL, at INTEGER NOT NULL, last INTEGER NOT NULL,"
	" plan TEXT NOT NULL, PRIMARY KEY (rollout, ring)) WITHOUT ROWID;"
	/* n is the order in which they count; one per device, for ever */
	"CREATE TABLE silence (rollout INTEGER NOT NULL, ring INTEGER NOT NULL, n INTEGER NOT NULL, device TEXT NOT NULL,"
	" at INTEGER NOT NULL, stratum INTEGER NOT NULL, treated INTEGER NOT NULL, at_risk INTEGER NOT NULL,"
	" waiting INTEGER NOT NULL, PRIMARY KEY (rollout, ring, n), UNIQUE (rollout, ring, device)) WITHOUT ROWID;"
	"CREATE TABLE background (channel TEXT NOT NULL, ring TEXT NOT NULL, observe INTEGER NOT NULL, day INTEGER NOT NULL,"
	" placebos INTEGER NOT NULL, lost INTEGER NOT NULL, PRIMARY KEY (channel, ring, observe, day)) WITHOUT ROWID;";

/* Who may come to the operator plane, and what was answered to whom may ask again. */
static const char sixth[] =
	"CREATE TABLE operator_token (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, hash BLOB NOT NULL UNIQUE,"
	" old_hash BLOB NOT NULL, old_until INTEGER NOT NULL, roles INTEGER NOT NULL, channels TEXT NOT NULL,"
	" created INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER NOT NULL, revoked INTEGER NOT NULL,"
	" by TEXT NOT NULL, note TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE answer (who TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, request BLOB NOT NULL,"
	" status INTEGER NOT NULL, type TEXT NOT NULL, etag TEXT NOT NULL, location TEXT NOT NULL, body BLOB NOT NULL,"
	" PRIMARY KEY (who, key));"
	"CREATE INDEX answer_at ON answer (at);";

/* Rollouts that came back with a backup wait for a person. */
static const char seventh[] =
	"ALTER TABLE rollout ADD COLUMN restored INTEGER NOT NULL DEFAULT 0;";

/* Whose a device is by its certificate, when it got its token, why it is flagged; why somebody did what, and what changed. */
static const char eighth[] =
	"ALTER TABLE device ADD COLUMN issued INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE device ADD COLUMN certificate TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE device ADD COLUMN flag TEXT NOT NULL DEFAULT '';"
	"UPDATE device SET issued = enrolled;"
	"ALTER TABLE audit ADD COLUMN form INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE audit ADD COLUMN why TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE audit ADD COLUMN was TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE audit ADD COLUMN becomes TEXT NOT NULL DEFAULT '';"
	"CREATE TABLE audit_checkpoint (count INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);";

/* Whom to tell what happened; what was not delivered yet; and one row that is written to see whether rows can be. */
static const char ninth[] =
	"CREATE TABLE webhook (name TEXT PRIMARY KEY, kind INTEGER NOT NULL, url TEXT NOT NULL, types TEXT NOT NULL,"
	" channels TEXT NOT NULL, rings TEXT NOT NULL, timeout INTEGER NOT NULL, paused INTEGER NOT NULL, secret TEXT NOT NULL,"
	" old_secret TEXT NOT NULL, old_until INTEGER NOT NULL, created INTEGER NOT NULL, by TEXT NOT NULL,"
	" version INTEGER NOT NULL, cursor INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE delivery (id INTEGER PRIMARY KEY AUTOINCREMENT, webhook TEXT NOT NULL, message TEXT NOT NULL UNIQUE,"
	" type TEXT NOT NULL, made INTEGER NOT NULL, due INTEGER NOT NULL, dead INTEGER NOT NULL, attempts INTEGER NOT NULL,"
	" status INTEGER NOT NULL, error TEXT NOT NULL, body TEXT NOT NULL);"
	"CREATE INDEX delivery_due ON delivery (webhook, dead, due);"
	"CREATE TABLE pulse (id INTEGER PRIMARY KEY, at INTEGER NOT NULL);";

/* Who agreed to what, and which version of the policy it was. */
static const char tenth[] =
	"CREATE TABLE approval (rollout INTEGER NOT NULL, ring INTEGER NOT NULL, kind INTEGER NOT NULL, who TEXT NOT NULL,"
	" at INTEGER NOT NULL, attempt INTEGER NOT NULL, digest BLOB NOT NULL, policy_version INTEGER NOT NULL,"
	" reason TEXT NOT NULL, PRIMARY KEY (rollout, ring, kind, who)) WITHOUT ROWID;"
	"ALTER TABLE rollout ADD COLUMN policy_version INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE policy ADD COLUMN reason TEXT NOT NULL DEFAULT '';";

/* What the last server saw of the clock, instead of a row that only showed that rows can be written; what was decided about one rollout. */
static const char eleventh[] =
	"DROP TABLE pulse;"
	"CREATE TABLE clock (id INTEGER PRIMARY KEY, now INTEGER NOT NULL, ticks INTEGER NOT NULL, offset_s INTEGER NOT NULL,"
	" since INTEGER NOT NULL, boot TEXT NOT NULL);"
	"CREATE INDEX decision_rollout ON decision (rollout, id) WHERE rollout <> 0;";

/* A time that durations are counted from; 0: it did not happen. */
#define MOVED(column) column " = CASE WHEN " column " = 0 THEN 0 ELSE " column " + $1 END"

const char *const sql_schema[] = { first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh };

const char *const sql_text[SQL_COUNT] = {
	[SQL_DEVICE_PUT] =
		"INSERT INTO device (id, enrolled, last_seen, goodbye, generation, revoked, flagged, event_n, old_epoch,"
		" attributes, said, issued, certificate, flag) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
		" ON CONFLICT (id) DO UPDATE SET last_seen = $3, goodbye = $4, generation = $5, revoked = $6, flagged = $7,"
		" event_n = $8, old_epoch = $9, attributes = $10, said = $11, issued = $12, certificate = $13, flag = $14",
	[SQL_DEVICE_ADD] =
		"INSERT INTO device (id, enrolled, last_seen, goodbye, generation, revoked, flagged, event_n, old_epoch,"
		" attributes, said, issued, certificate, flag) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
	[SQL_DEVICE_SEEN] =
		"UPDATE device SET last_seen = $2 WHERE id = $1",
	[SQL_EVENT_ADD] =
		"INSERT INTO event (id, device, epoch, n, at, received, channel, digest, attempt, kind, reason, detail)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
	[SQL_OUTCOME_PUT] =
		"UPDATE offer SET renewed = $4, survived = $5, failed = $6, environment = $7, lost = $8, voided = $9,"
		" reason = $10"
		" WHERE rollout = $1 AND ring = $2 AND device = $3",
	[SQL_BUNDLE_ADD] =
		"INSERT INTO bundle (channel, serial, digest, version, path, size, length, published, by, reason, matrix)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
	[SQL_CONTRACT_ADD] =
		"INSERT INTO contract (digest, sensor, version, body, registered, by) VALUES ($1, $2, $3, $4, $5, $6)"
		" ON CONFLICT DO NOTHING",
	[SQL_POLICY_ADD] =
		"INSERT INTO policy (channel, version, body, at, by, reason) VALUES ($1, $2, $3, $4, $5, $6)",
	[SQL_APPROVAL_ADD] =
		"INSERT INTO approval (rollout, ring, kind, who, at, attempt, digest, policy_version, reason)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
	[SQL_ROLLOUT_PUT] =
		"INSERT INTO rollout (id, channel, digest, serial, version, path, attempt, created, by, reason, policy, secret,"
		" restored, policy_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
		" ON CONFLICT (id) DO UPDATE SET attempt = $7, by = $9, reason = $10, restored = $13",
	[SQL_RING_PUT] =
		"INSERT INTO rollout_ring (rollout, ring, state, changed, began, bound_at, passed_at, cause, sentence,"
		" operator_hold, coverage_approved, continue_anyway, content_crash, declined, by_coverage, previous)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
		" ON CONFLICT (rollout, ring) DO UPDATE SET state = $3, changed = $4, began = $5, bound_at = $6,"
		" passed_at = $7, cause = $8, sentence = $9, operator_hold = $10, coverage_approved = $11,"
		" continue_anyway = $12, content_crash = rollout_ring.content_crash | $13,"
		" declined = rollout_ring.declined | $14, by_coverage = $15, previous = $16",
	[SQL_RING_FLAGS] =
		"UPDATE rollout_ring SET content_crash = content_crash | $3, declined = declined | $4"
		" WHERE rollout = $1 AND ring = $2",
	[SQL_DECISION_ADD] =
		"INSERT INTO decision (id, at, kind, channel, ring, device, rollout, digest, was, becomes, cause, sentence,"
		" inputs) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
	[SQL_AUDIT_ADD] =
		"INSERT INTO audit (id, at, who, action, subject, detail, why, was, becomes, form, hash)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
	[SQL_ENROLMENT_PUT] =
		"INSERT INTO enrolment (hash, name, attributes, created, expires, uses, by) VALUES ($1, $2, $3, $4, $5, $6, $7)"
		" ON CONFLICT (hash) DO UPDATE SET expires = $5, uses = $6",
	[SQL_ENROLMENT_USE] =
		"UPDATE enrolment SET uses = CASE WHEN uses > 0 THEN uses - 1 ELSE uses END WHERE hash = $1 AND uses <> 0",
	[SQL_ROLLBACK_PUT] =
		"INSERT INTO rollback (id, channel, digest, serial, max_serial, version, path, reason, by, at, done)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO UPDATE SET done = $11",
	[SQL_RESERVATION_SWAP] =
		"INSERT INTO reservation (role, version, digest) SELECT $1, $3, $4"
		" WHERE $2 = 0 OR EXISTS (SELECT 1 FROM reservation WHERE role = $1)"
		" ON CONFLICT (role) DO UPDATE SET version = $3, digest = $4 WHERE reservation.version = $2",
	[SQL_REQUEST_PUT] =
		"INSERT INTO signing_request (id, state, created, expires, changed, subject, roles, by, reason, note, body)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
		" ON CONFLICT (id) DO UPDATE SET state = $2, expires = $4, changed = $5, note = $10, body = $11",
	[SQL_STRATA_ADD] =
		"INSERT INTO strata (rollout, ring, at, last, plan) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
	[SQL_SILENCE_ADD] =
		"INSERT INTO silence (rollout, ring, n, device, at, stratum, treated, at_risk, waiting)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	[SQL_BACKGROUND_ADD] =
		"INSERT INTO background (channel, ring, observe, day, placebos, lost) VALUES ($1, $2, $3, $4, $5, $6)"
		" ON CONFLICT DO UPDATE SET placebos = background.placebos + $5, lost = background.lost + $6",
	[SQL_BACKGROUND_TRIM] =
		"DELETE FROM background WHERE day < $1",
	[SQL_TOKEN_PUT] =
		"INSERT INTO operator_token (id, name, hash, old_hash, old_until, roles, channels, created, expires, used, revoked,"
		" by, note, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
		" ON CONFLICT (id) DO UPDATE SET hash = $3, old_hash = $4, old_until = $5, roles = $6, channels = $7, expires = $9,"
		" revoked = $11, note = $13, version = $14",
	[SQL_TOKEN_USED] =
		"UPDATE operator_token SET used = $2 WHERE id = $1 AND used < $2",
	[SQL_ANSWER_BEGIN] =
		"INSERT INTO answer (who, key, at, request, status, type, etag, location, body)"
		" VALUES ($1, $2, $3, $4, 0, '', '', '', '')",
	[SQL_ANSWER_PUT] =
		"UPDATE answer SET status = $3, type = $4, etag = $5, location = $6, body = $7 WHERE who = $1 AND key = $2",
	[SQL_ANSWER_DROP] =
		"DELETE FROM answer WHERE who = $1 AND key = $2",
	[SQL_ANSWERS_END] =
		"DELETE FROM answer WHERE at <= $1",
	[SQL_GATE_ADD] =
		"INSERT INTO gate_record (id, rollout, ring, channel, ring_name, event, verdict, cause, sentence, at, digest, body)"
		" SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM gate_record",
	[SQL_GATE_TRIM] =
		"DELETE FROM gate_record WHERE rollout = $1 AND ring = $2 AND event NOT IN ('pass', 'halt') AND id <="
		" (SELECT id FROM gate_record WHERE rollout = $1 AND ring = $2 AND event NOT IN ('pass', 'halt')"
		" ORDER BY id DESC LIMIT 1 OFFSET $3)",
	[SQL_CHECKPOINT_ADD] =
		"INSERT INTO audit_checkpoint (count, at, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
	[SQL_OFFER_FIND] =
		"SELECT n FROM offer WHERE rollout = $1 AND ring = $2 AND device = $3",
	[SQL_OFFER_ADD] =
		"INSERT INTO offer (rollout, ring, n, device, stratum, at) SELECT $1, $2,"
		" (SELECT coalesce(max(n), 0) + 1 FROM offer WHERE rollout = $1 AND ring = $2), $3, $4, $5 RETURNING n",

	[SQL_FEED_LAST] =
		"SELECT max(coalesce((SELECT max(id) FROM event), 0), coalesce((SELECT max(id) FROM decision), 0))",
	[SQL_AUDIT_LAST] =
		"SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1",

	[SQL_DEVICES] =
		"SELECT id, enrolled, last_seen, goodbye, generation, revoked, flagged, event_n, old_epoch, attributes, said, issued,"
		" certificate, flag"
		" FROM device ORDER BY id",
	[SQL_ENROLMENTS] =
		"SELECT hash, name, attributes, created, expires, uses, by FROM enrolment ORDER BY created, hash",
	[SQL_BUNDLES] =
		"SELECT channel, serial, digest, version, path, size, length, published, by, reason, matrix FROM bundle"
		" WHERE $1 = '' OR channel = $1 ORDER BY published DESC, serial DESC",
	[SQL_CONTRACTS] =
		"SELECT digest, sensor, version, body, registered, by FROM contract ORDER BY registered, digest",
	[SQL_POLICIES] =
		"SELECT channel, version, body, at, by, reason FROM policy p"
		" WHERE version = (SELECT max(version) FROM policy q WHERE q.channel = p.channel) ORDER BY channel",
	[SQL_POLICIES_OF] =
		"SELECT channel, version, body, at, by, reason FROM policy WHERE channel = $1 ORDER BY version DESC",
	[SQL_APPROVALS] =
		"SELECT rollout, ring, kind, who, at, attempt, digest, policy_version, reason FROM approval WHERE rollout = $1"
		" ORDER BY at, who",
	[SQL_ROLLOUTS] =
		"SELECT id, channel, digest, serial, version, path, attempt, created, by, reason, policy, secret,"
		" restored, policy_version FROM rollout"
		" ORDER BY id",
	[SQL_RINGS] =
		"SELECT rollout, ring, state, changed, began, bound_at, passed_at, cause, sentence, operator_hold,"
		" coverage_approved, continue_anyway, content_crash, declined, by_coverage, previous FROM rollout_ring"
		" WHERE rollout = $1 ORDER BY ring",
	[SQL_OFFERS] =
		"SELECT rollout, ring, n, device, stratum, at, renewed, survived, failed, environment, lost, voided, reason"
		" FROM offer"
		" WHERE rollout = $1 AND ring = $2 ORDER BY n",
	[SQL_FEED] =
		"SELECT * FROM (SELECT id, at, kind, channel, ring, device, rollout, digest, was, becomes, cause, sentence,"
		" inputs FROM decision WHERE id > $1 ORDER BY id LIMIT $2)"
		" UNION ALL SELECT * FROM (SELECT id, received, kind, channel, '', device, attempt, digest, '', '', reason,"
		" detail, NULL FROM event WHERE id > $1 ORDER BY id LIMIT $2) ORDER BY 1 LIMIT $2",
	[SQL_FEED_OF] =
		"SELECT id, at, kind, channel, ring, device, rollout, digest, was, becomes, cause, sentence, inputs FROM decision"
		" WHERE id > $1 AND rollout = $3 AND rollout <> 0 ORDER BY id LIMIT $2",      /* the index needs it said */
	[SQL_STOPS_ORDERED] =
		"SELECT id, at, kind, channel, ring, device, rollout, digest, was, becomes, cause, sentence, inputs FROM decision"
		" WHERE kind = 'stop' ORDER BY id",
	[SQL_AUDIT] =
		"SELECT id, at, who, action, subject, detail, why, was, becomes, form, hash FROM audit WHERE id > $1"
		" AND ($3 = '' OR who = $3) AND ($4 = '' OR action = $4) AND ($5 = '' OR subject = $5) AND at >= $6"
		" AND ($7 = 0 OR at < $7) ORDER BY id LIMIT $2",
	[SQL_ROLLBACKS] =
		"SELECT id, channel, digest, serial, max_serial, version, path, reason, by, at, done FROM rollback"
		" WHERE done = 0 ORDER BY id",
	[SQL_STRATA] =
		"SELECT rollout, ring, at, last, plan FROM strata WHERE rollout = $1 ORDER BY ring",
	[SQL_SILENCES] =
		"SELECT rollout, ring, n, device, at, stratum, treated, at_risk, waiting FROM silence"
		" WHERE rollout = $1 AND ring = $2 ORDER BY n",
	[SQL_BACKGROUNDS] =
		"SELECT channel, ring, observe, day, placebos, lost FROM background WHERE day >= $1",
	[SQL_GATES] =
		"SELECT id, rollout, ring, channel, ring_name, event, verdict, cause, sentence, at, digest, NULL FROM gate_record"
		" WHERE id > $1 ORDER BY id LIMIT $2",
	[SQL_GATES_OF] =
		"SELECT id, rollout, ring, channel, ring_name, event, verdict, cause, sentence, at, digest, NULL FROM gate_record"
		" WHERE +id > $1 AND rollout = $3 ORDER BY +id LIMIT $2",    /* those of the rollout by its index, then in order */
	[SQL_GATE] =
		"SELECT id, rollout, ring, channel, ring_name, event, verdict, cause, sentence, at, digest, body FROM gate_record"
		" WHERE digest = $1 ORDER BY id LIMIT 1",
	[SQL_GATE_OF] =
		"SELECT id, rollout, ring, channel, ring_name, event, verdict, cause, sentence, at, digest, NULL FROM gate_record"
		" WHERE rollout = $1 AND ring = $2 AND event = $3 ORDER BY id DESC LIMIT 1",
	[SQL_REQUESTS] =
		"SELECT id, state, created, expires, changed, subject, roles, by, reason, note, NULL FROM signing_request"
		" WHERE $1 = -1 OR state = $1 ORDER BY created, id",
	[SQL_REQUEST] =
		"SELECT id, state, created, expires, changed, subject, roles, by, reason, note, body FROM signing_request"
		" WHERE id = $1",
	[SQL_TOKENS] =
		"SELECT id, name, hash, old_hash, old_until, roles, channels, created, expires, used, revoked, by, note, version"
		" FROM operator_token ORDER BY created, id",
	[SQL_ANSWER] =
		"SELECT who, key, at, request, status, type, etag, location, body FROM answer WHERE who = $1 AND key = $2",
	[SQL_AUDIT_NEWEST] =
		"SELECT id, at, who, action, subject, detail, why, was, becomes, form, hash FROM audit ORDER BY id DESC LIMIT 1",
	[SQL_CHECKPOINTS] =
		"SELECT count, at, body FROM audit_checkpoint WHERE $2 = 0 OR count < $2 ORDER BY count DESC LIMIT $1",
	[SQL_WEBHOOK_PUT] =
		"INSERT INTO webhook (name, kind, url, types, channels, rings, timeout, paused, secret, old_secret, old_until,"
		" created, by, version, cursor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
		" ON CONFLICT (name) DO UPDATE SET kind = $2, url = $3, types = $4, channels = $5, rings = $6, timeout = $7,"
		" paused = $8, secret = $9, old_secret = $10, old_until = $11, version = $14",
	[SQL_WEBHOOK_CURSOR] =
		"UPDATE webhook SET cursor = $2 WHERE name = $1 AND cursor < $2",
	[SQL_WEBHOOK_END] =
		"DELETE FROM webhook WHERE name = $1",
	[SQL_WEBHOOK_END_QUEUE] =
		"DELETE FROM delivery WHERE webhook = $1",
	[SQL_DELIVERY_ADD] =
		"INSERT INTO delivery (webhook, message, type, made, due, dead, attempts, status, error, body)"
		" VALUES ($1, $2, $3, $4, $5, 0, 0, 0, '', $6) ON CONFLICT DO NOTHING",
	[SQL_DELIVERY_TRIED] =
		"UPDATE delivery SET due = $2, dead = $3, attempts = $4, status = $5, error = $6 WHERE message = $1",
	[SQL_DELIVERY_END] =
		"DELETE FROM delivery WHERE message = $1",
	[SQL_DELIVERIES_TRIM] =
		"DELETE FROM delivery WHERE dead > 0 AND webhook = (SELECT webhook FROM delivery WHERE message = $1) AND id <="
		" (SELECT id FROM delivery WHERE dead > 0 AND webhook = (SELECT webhook FROM delivery WHERE message = $1)"
		" ORDER BY id DESC LIMIT 1 OFFSET $2)",
	[SQL_DELIVERIES_AGAIN] =
		"UPDATE delivery SET due = $3, made = $3, dead = 0, attempts = 0 WHERE webhook = $1 AND dead > 0"
		" AND ($2 = '' OR message = $2)",
	[SQL_CLOCK_PUT] =
		"INSERT INTO clock (id, now, ticks, offset_s, since, boot) VALUES (1, $1, $2, $3, $4, $5)"
		" ON CONFLICT (id) DO UPDATE SET now = $1, ticks = $2, offset_s = $3, since = $4, boot = $5",
	[SQL_CLOCK] =
		"SELECT now, ticks, offset_s, since, boot FROM clock",
	[SQL_MOVED_RINGS] =
		"UPDATE rollout_ring SET " MOVED("changed") ", " MOVED("bound_at") ", " MOVED("passed_at")
		/* a ring that was not written since it began did so with its first offer, which may be over and stay where it is */
		", began = CASE WHEN began = 0 THEN COALESCE((SELECT at + $1 FROM offer WHERE offer.rollout = rollout_ring.rollout"
		" AND offer.ring = rollout_ring.ring AND n = 1), 0) ELSE began + $1 END",
	/* in the observation that is not over */
	[SQL_MOVED_OFFERS] =
		"UPDATE offer SET " MOVED("at") ", " MOVED("renewed") ", " MOVED("environment") " WHERE survived = 0 AND failed = 0 AND lost = 0",
	[SQL_MOVED_DEVICES] =
		"UPDATE device SET " MOVED("last_seen") ", " MOVED("goodbye") ", " MOVED("issued"),
	[SQL_MOVED_DELIVERIES] =
		"UPDATE delivery SET " MOVED("made") ", " MOVED("due") " WHERE dead = 0",
	[SQL_MOVED_ANSWERS] =
		"UPDATE answer SET " MOVED("at"),
	[SQL_WEBHOOKS] =
		"SELECT name, kind, url, types, channels, rings, timeout, paused, secret, old_secret, old_until, created, by,"
		" version, cursor FROM webhook ORDER BY name",
	[SQL_DELIVERIES] =
		"SELECT id, webhook, message, type, made, due, dead, attempts, status, error, NULL FROM delivery"
		" WHERE webhook = $1 AND (dead > 0) = ($2 <> 0) AND id > $3 ORDER BY id LIMIT $4",
	[SQL_DELIVERY_DUE] =
		"SELECT id, webhook, message, type, made, due, dead, attempts, status, error, body FROM delivery"
		" WHERE webhook = $1 AND dead = 0 AND due <= $2 ORDER BY due, id LIMIT 1",
	[SQL_QUEUES] =
		"SELECT webhook, sum(dead = 0), sum(dead > 0), COALESCE(min(CASE WHEN dead = 0 THEN made END), 0) FROM delivery"
		" GROUP BY webhook ORDER BY webhook",
	[SQL_HEADS] =
		"SELECT max(COALESCE((SELECT max(id) FROM event), 0), COALESCE((SELECT max(id) FROM decision), 0)),"
		" COALESCE((SELECT max(id) FROM audit), 0)",
	[SQL_RESERVATIONS] =
		"SELECT role, version, digest FROM reservation WHERE $1 = '' OR role = $1 ORDER BY role",
};
