/* channel_lists: rules the sensor shall leave out, or only observe; beside `current`, before it is switched. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/channel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "content/observe.h"

#define LIST_MAX ((size_t)4 << 20)

static int add_line(void *arg, const char *rule, struct err *e)
{
	struct buf *out = arg;

	buf_adds(out, rule);
	buf_addc(out, '\n');
	return buf_check(out, e);
}

static struct buf *list_about(const struct digest *d)
{
	struct buf *text = buf_new(LIST_MAX);
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, d);
	if (text)
		buf_addf(text, "%s\n", hex);
	return text;
}

static bool is_empty(const struct buf *list)
{
	return list->len == DIGEST_HEX_LEN + 1;
}

static int remove_list(int dir, const char *name, struct err *e)
{
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_errno(e, "%s: remove", name);
	return 0;
}

/* For the sensor (boot/sensor_status.h). Touched only when it changes: the sensor looks anew whenever it does. */
static int publish(const struct channel *c, const char *name, const struct buf *list, struct err *e)
{
	AUTO(buf) struct buf *old = NULL;
	struct err none;

	if (!list || is_empty(list))
		return remove_list(c->boot.run, name, e);
	if (file_readat(&old, c->boot.run, name, LIST_MAX, &none) == 0 && old->len == list->len && !memcmp(old->data, list->data, list->len))
		return 0;
	return file_replaceat(c->boot.run, name, list->data, list->len, 0644, e);
}

static int publish_drops(const struct channel *c, struct err *e)
{
	struct digest running = trial_running(&c->boot);
	AUTO(buf) struct buf *list = list_about(&running);

	if (!list)
		return err_memory(e);
	if (journal_drops(c->host->journal, c->state.name, &running, add_line, list, e) < 0)
		return e->code;
	return publish(c, SENSOR_DROP_NAME, list, e);
}

/* ---- rules that only observe ---- */

/* The kept list, when it is about d. *out NULL: it is not. */
static int kept_list(struct buf **out, const struct channel *c, const struct digest *d, struct err *e)
{
	AUTO(buf) struct buf *list = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	*out = NULL;
	digest_hex(hex, d);
	if (file_readat(&list, c->boot.dir, SENSOR_OBSERVE_NAME, LIST_MAX, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : e->code;
	if (list->len > DIGEST_HEX_LEN && !memcmp(list->data, hex, DIGEST_HEX_LEN) && list->data[DIGEST_HEX_LEN] == '\n')
		*out = TAKE(list);
	return 0;
}

/* On trial the list lies beside `current`; a sensor that starts before this agent finds the kept one. */
static int publish_observed(const struct channel *c, const struct digest *running, struct err *e)
{
	AUTO(buf) struct buf *kept = NULL;
	AUTO(buf) struct buf *all = NULL;

	if (kept_list(&kept, c, running, e) < 0)
		return e->code;
	if (kept)
		return publish(c, SENSOR_OBSERVE_NAME, kept, e);
	log_warn("channel %s: the list of rules to observe is gone: all of them are observed", c->state.name);
	all = list_about(running);
	if (!all)
		return err_memory(e);
	buf_adds(all, OBSERVE_ALL "\n");
	return publish(c, SENSOR_OBSERVE_NAME, all, e);
}

/* The kept one goes first: whoever looks in between must not find it again. The other one going is what tells the sensor. */
static int retire_observed(const struct channel *c, const struct digest *running, struct err *e)
{
	AUTO(buf) struct buf *kept = NULL;

	if (kept_list(&kept, c, running, e) < 0)
		return e->code;
	if (kept && (file_replaceat(c->boot.run, SENSOR_OBSERVE_NAME, kept->data, DIGEST_HEX_LEN + 1, 0644, e) < 0 ||
		     remove_list(c->boot.dir, SENSOR_OBSERVE_NAME, e) < 0))
		return e->code;
	return remove_list(c->boot.run, SENSOR_OBSERVE_NAME, e);
}

/*
 * Lists come before the link: whoever follows it must find them. One that is
 * over goes after it: content that is taken back must not act at the last moment.
 */
int channel_link(struct channel *c, struct err *e)
{
	struct digest running = trial_running(&c->boot);
	bool trial = trial_on(&c->boot) && digest_equal(&running, &c->state.offer.digest) && c->state.offer.observe;
	int rc;

	if (publish_drops(c, e) < 0 || (trial && publish_observed(c, &running, e) < 0))
		return e->code;
	rc = trial_link(&c->boot, e);
	return rc >= 0 && !trial && retire_observed(c, &running, e) < 0 ? e->code : rc;
}

/* ---- from the check of an offer ---- */

void channel_novel_begin(struct channel *c)
{
	buf_free(TAKE(c->novel));
	c->novel_count = 0;
	if (c->state.offer.observe)
		c->novel = list_about(&c->state.offer.digest);
}

int channel_novel(void *arg, const struct message_rule *r, struct err *e)
{
	struct channel *c = arg;

	/* More than are passed on one by one: then all. */
	if (++c->novel_count == JOB_RULES_MAX && c->novel)
		return add_line(c->novel, OBSERVE_ALL, e);
	return c->novel && c->novel_count < JOB_RULES_MAX ? add_line(c->novel, r->rule, e) : 0;
}

int channel_novel_keep(struct channel *c, struct err *e)
{
	struct digest running = trial_running(&c->boot);
	int rc;

	if (!c->state.offer.observe)
		return remove_list(c->boot.dir, SENSOR_OBSERVE_NAME, e);
	if (!c->novel)
		return err_memory(e);
	c->novel_after = running;
	rc = file_replaceat(c->boot.dir, SENSOR_OBSERVE_NAME, c->novel->data, c->novel->len, 0644, e);
	buf_free(TAKE(c->novel));
	if (rc == 0)
		channel_note(c, "audit first", "%llu rules only observe while the content is on trial", (unsigned long long)c->novel_count);
	return rc;
}

bool channel_novel_stale(const struct channel *c)
{
	struct digest running = trial_running(&c->boot);

	return c->state.offer.observe && !digest_is_zero(&c->novel_after) && !digest_equal(&c->novel_after, &running);
}
