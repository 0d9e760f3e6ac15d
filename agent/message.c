/* message: the fields of every record, in the order they cross. */
#include "agent/message.h"

#include <stdlib.h>
#include <unistd.h>

#define U64(s, f) { WIRE_U64, offsetof(struct message_##s, f), 0 }
#define BOOL(s, f) { WIRE_U64, offsetof(struct message_##s, f), 1 }
#define RANGE(s, f, most) { WIRE_U64, offsetof(struct message_##s, f), most }
#define I64(s, f) { WIRE_I64, offsetof(struct message_##s, f), 0 }
#define TEXT(s, f) { WIRE_TEXT, offsetof(struct message_##s, f), sizeof(((struct message_##s *)0)->f) }
#define NAME(s, f) { WIRE_NAME, offsetof(struct message_##s, f), sizeof(((struct message_##s *)0)->f) }
#define DIGEST(s, f) { WIRE_DIGEST, offsetof(struct message_##s, f), 0 }
#define BYTES(s, f) { WIRE_BYTES, offsetof(struct message_##s, f), 0 }

#define SECONDS_MAX ((uint64_t)400 * 86400)

static const struct wire_field begin_fields[] = {
	BOOL(begin, check_in), BOOL(begin, refresh), U64(begin, epoch), U64(begin, seq), I64(begin, fresh_at), BOOL(begin, explain), BOOL(begin, brief),
	BOOL(begin, offline),
	TEXT(begin, enrolment), TEXT(begin, nonce), TEXT(begin, token), TEXT(begin, device), TEXT(begin, boot_id),
};
static const struct wire_field channel_fields[] = {
	NAME(channel, channel), NAME(channel, ring), TEXT(channel, phase), RANGE(channel, rung, 255),
	DIGEST(channel, running), DIGEST(channel, offered), U64(channel, attempt), U64(channel, high_water),
	U64(channel, floor), TEXT(channel, held), TEXT(channel, held_words), DIGEST(channel, pinned), DIGEST(channel, drop),
	DIGEST(channel, first_seen), I64(channel, first_seen_at), I64(channel, stop_left_at),
};
static const struct wire_field slot_fields[] = {
	NAME(slot, channel), RANGE(slot, rung, 4), DIGEST(slot, digest), U64(slot, serial),
};
static const struct wire_field quarantine_fields[] = {
	NAME(quarantine, channel), DIGEST(quarantine, digest), U64(quarantine, attempt),
};
static const struct wire_field event_fields[] = {
	U64(event, n), I64(event, at), NAME(event, channel), DIGEST(event, digest), U64(event, attempt),
	TEXT(event, kind), TEXT(event, reason), TEXT(event, evidence),
};
static const struct wire_field want_fields[] = {
	NAME(want, channel), DIGEST(want, digest), U64(want, attempt),
};
static const struct wire_field go_fields[] = { U64(go, count) };
#define COUNT(s, f) RANGE(s, f, INT64_MAX)      /* as JSON readers hold them */
static const struct wire_field effects_fields[] = {
	DIGEST(effects, digest), BOOL(effects, counted), BOOL(effects, measured), COUNT(effects, counted_s), COUNT(effects, events),
	COUNT(effects, errors), COUNT(effects, observe), COUNT(effects, alert), COUNT(effects, block), COUNT(effects, quarantine),
	COUNT(effects, would_block), COUNT(effects, would_quarantine), COUNT(effects, load_ms), COUNT(effects, measured_s),
	COUNT(effects, cpu_ms), COUNT(effects, rss_bytes),
};
static const struct wire_field effect_fields[] = { TEXT(effect, rule), COUNT(effect, n) };
static const struct wire_field token_fields[] = {
	BOOL(token, revoked), TEXT(token, token), TEXT(token, device),
};
static const struct wire_field acked_fields[] = { U64(acked, seq), U64(acked, n) };
static const struct wire_field poisoned_fields[] = { U64(poisoned, n), TEXT(poisoned, reason) };
static const struct wire_field resync_fields[] = { U64(resync, unused) };
static const struct wire_field permit_fields[] = {
	NAME(permit, channel), DIGEST(permit, digest), U64(permit, attempt), RANGE(permit, answer, PERMIT_WAIT),
	RANGE(permit, valid_s, 86400), TEXT(permit, reason),
};
static const struct wire_field next_fields[] = { RANGE(next, seconds, SECONDS_MAX), BOOL(next, fresh) };
static const struct wire_field stop_fields[] = {
	NAME(stop, channel), DIGEST(stop, digest), BOOL(stop, by_people), TEXT(stop, reason),
};
static const struct wire_field drop_fields[] = { NAME(drop, channel), TEXT(drop, rule) };
static const struct wire_field verdict_fields[] = {
	NAME(verdict, channel), NAME(verdict, ring), RANGE(verdict, say, SAY_COUNT - 1), DIGEST(verdict, digest),
	DIGEST(verdict, assigned), U64(verdict, serial), U64(verdict, attempt), U64(verdict, floor),
	U64(verdict, assigned_serial), TEXT(verdict, version),
	TEXT(verdict, path), DIGEST(verdict, sha256), U64(verdict, length), U64(verdict, size),
	BOOL(verdict, has_delta), TEXT(verdict, delta_path), DIGEST(verdict, delta_sha256),
	DIGEST(verdict, delta_from), U64(verdict, delta_length), RANGE(verdict, window_log, 64),
	BOOL(verdict, permit), RANGE(verdict, probation_s, SECONDS_MAX), RANGE(verdict, boots, 255), BOOL(verdict, observe),
	BOOL(verdict, granted), BOOL(verdict, urgent), I64(verdict, not_before), I64(verdict, not_after), I64(verdict, evaluated),
	I64(verdict, again_at), BOOL(verdict, online_stop), DIGEST(verdict, drop), TEXT(verdict, word), TEXT(verdict, reason),
};
static const struct wire_field clause_fields[] = {
	NAME(clause, channel), TEXT(clause, name), BOOL(clause, holds), TEXT(clause, sentence),
};
static const struct wire_field done_fields[] = { I64(done, code), BOOL(done, refreshed), TEXT(done, text) };
static const struct wire_field identity_fields[] = { RANGE(identity, size, MESSAGE_IDENTITY_MAX) };
static const struct wire_field server_fields[] = { TEXT(server, server), TEXT(server, pin) };
static const struct wire_field get_fields[] = {
	RANGE(get, repo, 7), RANGE(get, plane, PLANES - 1), TEXT(get, path), U64(get, max),
};
static const struct wire_field call_fields[] = {
	BOOL(call, get), TEXT(call, path), TEXT(call, token), U64(call, max),
};
static const struct wire_field download_fields[] = {
	RANGE(download, repo, 7), TEXT(download, path), U64(download, from), U64(download, max), TEXT(download, token),
};
static const struct wire_field answer_fields[] = {
	I64(answer, status), I64(answer, retry_after), U64(answer, size), TEXT(answer, text),
};
static const struct wire_field unpack_fields[] = {
	BOOL(unpack, delta), DIGEST(unpack, digest), DIGEST(unpack, from), U64(unpack, size),
	RANGE(unpack, window_log, 64), U64(unpack, length),
};
static const struct wire_field old_fields[] = { DIGEST(old, digest) };
static const struct wire_field member_fields[] = { TEXT(member, path), U64(member, size) };
static const struct wire_field data_fields[] = { BYTES(data, bytes) };
static const struct wire_field end_fields[] = { U64(end, unused) };
static const struct wire_field file_fields[] = { TEXT(file, path), BYTES(file, bytes) };
static const struct wire_field measured_fields[] = {
	DIGEST(measured, digest), U64(measured, size), U64(measured, serial), NAME(measured, channel),
};
static const struct wire_field attempt_fields[] = {
	TEXT(attempt, slot), NAME(attempt, channel), DIGEST(attempt, digest), BOOL(attempt, rehash), BOOL(attempt, novel), TEXT(attempt, before),
};
static const struct wire_field compare_fields[] = { TEXT(compare, from), TEXT(compare, to) };
static const struct wire_field rule_fields[] = { RANGE(rule, change, RULE_CHANGES - 1), TEXT(rule, rule) };
static const struct wire_field leave_out_fields[] = { TEXT(leave_out, rule) };
static const struct wire_field result_fields[] = {
	RANGE(result, outcome, RESULT_COUNT - 1), I64(result, code), TEXT(result, reason), TEXT(result, text),
	I64(result, load_ms), I64(result, rss_bytes), I64(result, us_per_event), U64(result, rules),
	U64(result, dropped), U64(result, confinement),
};

#define CARRIES_FD(t) \
	((t) == MSG_IDENTITY || (t) == MSG_CALL || (t) == MSG_DOWNLOAD || (t) == MSG_BODY || (t) == MSG_UNPACK || (t) == MSG_OLD)

static const struct wire_record records[] = {
#define X(id, member, value) { .type = value, .name = #member, .size = sizeof(struct message_##member), \
				 .fields = member##_fields, .count = ARRAY_LEN(member##_fields), .has_fd = CARRIES_FD(value) },
	MESSAGE_TABLE(X)
#undef X
};

const struct wire_record *message_record(enum message_type type)
{
	for (size_t i = 0; i < ARRAY_LEN(records); i++)
		if (records[i].type == (uint16_t)type)
			return &records[i];
	return NULL;
}

int message_decode(struct message *out, const enum message_type *allowed, const void *packet, size_t len, struct err *e)
{
	uint16_t type = wire_type(packet, len);
	const struct wire_record *r;

	while (*allowed && (uint16_t)*allowed != type)
		allowed++;
	r = *allowed ? message_record(*allowed) : NULL;
	if (!r)
		return err_set(e, ERR_FORMAT, "a record of type %u is out of place", type);
	out->type = *allowed;
	return wire_decode(&out->u, r, packet, len, e);
}

int message_send(int sock, enum message_type type, const void *body, int fd, struct err *e)
{
	return wire_send(sock, message_record(type), body, fd, e);
}

int message_receive(int sock, struct message *out, const enum message_type *allowed, int64_t wait_ms, struct err *e)
{
	static struct wire_packet p;
	int rc;

	out->fd = -1;
	rc = wire_receive(sock, &p, wait_ms, e);
	if (rc <= 0)
		return rc;
	out->fd = p.fd;
	if (message_decode(out, allowed, p.bytes, p.len, e) < 0) {
		message_release(out);
		return e->code;
	}
	if ((out->fd >= 0) == message_record(out->type)->has_fd)
		return 1;
	err_set(e, ERR_FORMAT, "record %s: a descriptor too many or too few", message_record(out->type)->name);
	message_release(out);
	return e->code;
}

void message_release(struct message *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}
