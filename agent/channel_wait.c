/* channel_wait: is this a time for downloads, is this a time for changes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/home.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"

#define HOOK_MS 30000
#define HOOK_OUTPUT 4096
#define HOOK_KEY "transfer_wait.%s"     /* journal key: what the hook said, for other processes to show; "" go */
#define KEY_MAX (sizeof HOOK_KEY + NAME_LEN_MAX)

/* ---- windows ---- */

struct window_state channel_window(const struct channel *c)
{
	const struct message_verdict *o = &c->state.offer;
	int64_t now = clock_now(), from = MAX(now, o->not_before);
	struct window_state s = { true, INT64_MAX };

	if (!o->urgent || c->cfg->window_urgent)
		s = windows_at(&c->cfg->windows, from);
	if (from == now && s.open)
		s.until = o->not_after ? MIN(s.until, o->not_after) : s.until;
	else
		s = (struct window_state){ false, s.open ? from : s.until };
	if (o->not_after && (s.open ? now : s.until) >= o->not_after)
		s = (struct window_state){ false, INT64_MAX };
	return s;
}

/* ---- the hook ---- */

static int ask_hook(struct channel *c, const struct message_verdict *o, uint64_t length, struct err *e)
{
	char path[HOME_PATH_MAX], hex[DIGEST_HEX_LEN + 1], serial[32], bytes[32];
	char *argv[] = { path, c->state.name, hex, serial, bytes, (char *)(o->urgent ? "urgent" : "normal"), NULL };
	const struct proc_run run = { .path = path, .argv = argv, .stdin_fd = -1, .timeout_ms = HOOK_MS, .output_max = HOOK_OUTPUT };

	if (home_path(path, c->host->s->root, c->host->s->transfer_hook, e) < 0 || file_check_private(path, false, e) < 0)
		return e->code;
	digest_hex(hex, &o->digest);
	snprintf(serial, sizeof serial, "%" PRIu64, o->serial);
	snprintf(bytes, sizeof bytes, "%" PRIu64, length);
	return errand_start(&c->hook, &run, e);
}

static void remember(const struct channel *c, const char *words)
{
	char key[KEY_MAX], known[200];
	struct err e;

	snprintf(key, sizeof key, HOOK_KEY, c->state.name);
	if (journal_get(c->host->journal, key, known, sizeof known, &e) < 0)
		return;
	if (!strcmp(known, words))
		return;
	channel_log(c, "downloads %s%s", *words ? "wait: " : "go on", words);
	if (journal_set(c->host->journal, key, words, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

/* Where nobody can tell, the careful answer, and one that is seen. */
static void answered(struct channel *c, const struct errand_result *r)
{
	char words[160];

	if (r->ran)
		snprintf(words, sizeof words, "%s", *r->line && !r->timed_out ? r->line : r->words);
	else
		snprintf(words, sizeof words, "transfer-hook: %.140s", r->words);
	c->hook_go = r->passed;
	remember(c, c->hook_go ? "" : words);
}

/* Beside the loop, which stops and reverts go through: until the hook has answered, its last answer holds. */
bool channel_may_transfer(struct channel *c, const struct message_verdict *what, uint64_t bytes)
{
	bool other = !digest_equal(&c->hook_about, &what->digest) || c->hook_urgent != !!what->urgent;
	const struct settings *s = c->host->s;
	struct errand_result r = { .passed = false };
	struct err e;

	if (!*s->transfer_hook)
		return true;
	if (errand_over(&c->hook, &r))
		answered(c, &r);
	if (c->hook.pid || (!other && c->hook_asked && clock_ticks_ms() - c->hook_asked < s->transfer_hook_s * 1000))
		return c->hook_go;
	c->hook_asked = clock_ticks_ms();
	c->hook_about = what->digest;
	c->hook_urgent = what->urgent;
	if (ask_hook(c, what, bytes, &e) < 0) {
		snprintf(r.words, sizeof r.words, "%.127s", e.msg);
		r.ran = r.passed = false;
		answered(c, &r);
	}
	return c->hook_go;
}

bool channel_line_free(const struct channel *c)
{
	return !c->host->s->max_rate || !host_other_download(c->host, c);
}

/* ---- for people ---- */

void channel_waits(const struct channel *c, char *out, size_t cap)
{
	struct window_state s = channel_window(c);
	char key[KEY_MAX], said[200] = "", when[CLOCK_TEXT_LEN + 1];
	struct err ignored;

	out[0] = '\0';
	if (c->state.phase == PHASE_FETCHING) {
		snprintf(key, sizeof key, HOOK_KEY, c->state.name);
		(void)!journal_get(c->host->journal, key, said, sizeof said, &ignored);
		if (*c->host->s->transfer_hook && *said)
			snprintf(out, cap, "the download waits: %s", said);
	} else if (c->state.phase != PHASE_VALIDATED && c->state.phase != PHASE_CANARIED) {
		return;
	} else if (trial_uncounted(&c->boot)) {
		snprintf(out, cap, "waits for the next boot: the boot guard could not count this one");
	} else if (!s.open) {
		clock_text(when, s.until);
		if (s.until == INT64_MAX)
			snprintf(out, cap, "its window is over");
		else
			snprintf(out, cap, "waits for its window, which opens at %s", when);
	}
}
