/* publish_matrix: a bundle against every sensor build that is registered. */
#include "server/publish_matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *publish_answer_name(enum publish_answer a)
{
	static const char *const names[] = {
		[PUBLISH_PASS] = "pass", [PUBLISH_REFUSE] = "refuse", [PUBLISH_NOT_ADDRESSED] = "not addressed" };

	return names[a];
}

void publish_matrix_free(struct publish_matrix *m)
{
	if (!m)
		return;
	free(m->rows);
	free(m);
}

/* ---- who is there ---- */

static bool is_named(const struct publish_opinion *o, const char *sensor, const char *version)
{
	return o->sensor && sensor && version && strcmp(o->sensor, sensor) == 0 && strcmp(o->version, version) == 0;
}

/* The row of these devices; m->count when nobody registered what it runs. */
static size_t row_of(const struct publish_matrix *m, const struct publish_device *d)
{
	size_t named = m->count;

	for (size_t i = 0; i < m->count; i++) {
		if (m->opinions[i].sensor && digest_equal(&m->opinions[i].contract, &d->contract))
			return i;
		if (is_named(&m->opinions[i], d->sensor, d->version))
			named = i;
	}
	return named;
}

static size_t ring_of(const struct publish_matrix *m, const char *ring)
{
	for (size_t i = 0; ring && i < m->ring_count; i++)
		if (strcmp(m->rings[i], ring) == 0)
			return i;
	return m->ring_count ? m->ring_count - 1 : 0;
}

static void place(struct publish_matrix *m, const struct publish_device *devices, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t row = row_of(m, &devices[i]);

		if (row == m->count) {
			m->unknown += devices[i].count;
			continue;
		}
		m->rows[row].present += devices[i].count;
		m->rows[row].in_ring[ring_of(m, devices[i].ring)] += devices[i].count;
	}
}

/* ---- who says what ---- */

/* A sensor that takes the channel and none of its types is not left alone: its hosts would refuse. */
static void answer(struct publish_matrix *m)
{
	m->nobody = m->count > 0;
	for (size_t i = 0; i < m->count; i++) {
		const struct publish_opinion *o = &m->opinions[i];
		struct publish_row *r = &m->rows[i];

		r->opinion = i;
		r->answer = o->accepts ? PUBLISH_PASS : o->addressed || r->present ? PUBLISH_REFUSE : PUBLISH_NOT_ADDRESSED;
		m->nobody = m->nobody && r->answer != PUBLISH_PASS;
	}
}

/* "SENSOR/VERSION" means every contract of that name. */
static int allow(struct publish_matrix *m, const char *name, struct err *e)
{
	const char *slash = strrchr(name, '/');
	bool known = false;

	for (size_t i = 0; slash && i < m->count; i++) {
		const struct publish_opinion *o = &m->opinions[i];

		if (!o->sensor || strlen(o->sensor) != (size_t)(slash - name) || strncmp(o->sensor, name, (size_t)(slash - name)) != 0 ||
		    strcmp(o->version, slash + 1) != 0)
			continue;
		known = true;
		m->rows[i].allowed = m->rows[i].answer != PUBLISH_PASS;
	}
	return known ? 0 : err_set(e, ERR_NOT_FOUND, "no contract %.128s is registered", name);
}

static void block(struct publish_matrix *m)
{
	for (size_t i = 0; i < m->count; i++) {
		struct publish_row *r = &m->rows[i];

		r->blocks = !r->allowed && r->answer != PUBLISH_PASS && (r->present || m->nobody);
	}
}

int publish_matrix_new(struct publish_matrix **out, const struct publish_opinion *opinions, size_t count,
		       const struct publish_device *devices, size_t device_count, const char *const *rings, size_t ring_count,
		       const char *const *allowed, size_t allowed_count, struct err *e)
{
	AUTO(publish_matrix) struct publish_matrix *m = calloc(1, sizeof *m);

	if (m)
		m->rows = calloc(MAX(count, (size_t)1), sizeof *m->rows);
	if (!m || !m->rows)
		return err_memory(e);
	m->opinions = opinions;
	m->count = count;
	m->rings = rings;
	m->ring_count = MIN(ring_count, (size_t)PUBLISH_RINGS_MAX);
	place(m, devices, device_count);
	answer(m);
	for (size_t i = 0; i < allowed_count; i++)
		if (allow(m, allowed[i], e) < 0)
			return e->code;
	block(m);
	*out = TAKE(m);
	return 0;
}

/* ---- what comes of it ---- */

bool publish_matrix_blocks(const struct publish_matrix *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->rows[i].blocks)
			return true;
	return false;
}

/* "3 devices in canary, 1 in broad" */
static void put_devices(struct buf *out, const struct publish_matrix *m, const struct publish_row *r)
{
	bool first = true;

	for (size_t i = 0; i < m->ring_count; i++) {
		if (!r->in_ring[i])
			continue;
		buf_addf(out, first ? "%zu device%s in %s" : ", %zu%s in %s", r->in_ring[i], first && r->in_ring[i] > 1 ? "s" : "", m->rings[i]);
		first = false;
	}
	if (first)
		buf_addf(out, "%zu devices", r->present);
}

void publish_matrix_sentence(const struct publish_matrix *m, char *out, size_t cap)
{
	AUTO(buf) struct buf *text = buf_new(1024);
	size_t more = 0;

	snprintf(out, cap, "refused");
	for (size_t i = 0; text && i < m->count; i++) {
		const struct publish_opinion *o = &m->opinions[i];

		if (!m->rows[i].blocks)
			continue;
		if (text->len) {
			more++;
			continue;
		}
		buf_addf(text, "%s%s%s refuses it", o->sensor ? o->sensor : "every sensor", o->sensor ? " " : "", o->sensor ? o->version : "");
		if (m->rows[i].present) {
			buf_adds(text, " (");
			put_devices(text, m, &m->rows[i]);
			buf_addc(text, ')');
		}
		buf_addf(text, ": %.300s", o->why);
	}
	if (text && text->len)
		snprintf(out, cap, more ? "%s (and %zu more sensors)" : "%s", text->data, more);
}

size_t publish_matrix_allowed(const struct publish_matrix *m, char *out, size_t cap)
{
	size_t count = 0, len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < m->count; i++) {
		if (!m->rows[i].allowed)
			continue;
		if (len < cap)
			len += (size_t)snprintf(out + len, cap - len, "%s%s/%s", count ? ", " : "", m->opinions[i].sensor, m->opinions[i].version);
		count++;
	}
	return count;
}

static void write_row(const struct publish_matrix *m, const struct publish_row *r, struct json_writer *w)
{
	const struct publish_opinion *o = &m->opinions[r->opinion];
	char hex[DIGEST_HEX_LEN + 1];

	json_open_object(w, NULL);
	if (o->sensor)
		digest_hex(hex, &o->contract);
	json_put_text(w, "contract", o->sensor ? hex : NULL);
	json_put_text(w, "sensor", o->sensor);
	json_put_text(w, "version", o->version);
	json_put_text(w, "answer", publish_answer_name(r->answer));
	json_put_text(w, "why", r->answer == PUBLISH_PASS ? NULL : o->why);
	json_put_int(w, "devices", (int64_t)r->present);
	json_open_object(w, "rings");
	for (size_t i = 0; i < m->ring_count; i++)
		if (r->in_ring[i])
			json_put_int(w, m->rings[i], (int64_t)r->in_ring[i]);
	json_close_object(w);
	json_put_bool(w, "allowed", r->allowed);
	json_put_bool(w, "blocks", r->blocks);
	json_close_object(w);
}

void publish_matrix_write(const struct publish_matrix *m, struct json_writer *w)
{
	json_open_array(w, "matrix");
	for (size_t i = 0; i < m->count; i++)
		write_row(m, &m->rows[i], w);
	json_close_array(w);
	json_put_int(w, "unknown_sensors", (int64_t)m->unknown);
}
