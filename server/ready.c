/* ready: what must hold for this server to be of use. */
#include "server/ready.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "server/follow.h"

#define ROLES_MAX 128
#define LATE_POLLS 3    /* looks at a vendor that may fail */

static const char *const names[READY_CONDITIONS] = {
	[READY_STORE] = "store", [READY_KEYS] = "keys", [READY_REPOSITORY] = "repository", [READY_SPACE] = "space",
	[READY_FOLLOWED] = "followed",
};

const char *ready_name(enum ready c)
{
	return names[c];
}

static void look_at_store(struct server *s, char why[READY_WHY])
{
	uint64_t feed, audit;
	struct err e;

	if (writer_trouble(s->writer, &e) < 0 || store_heads(s->store, &feed, &audit, &e) < 0)
		snprintf(why, READY_WHY, "%.255s", e.msg);
}

/* Both, as each of them is signed again every day or week. */
static bool renews(const char *role)
{
	return strcmp(role, "timestamp") == 0 || strcmp(role, "snapshot") == 0;
}

static void look_at_repository(struct server *s, int64_t now, char keys[READY_WHY], char repository[READY_WHY])
{
	struct desk_role_status *roles = calloc(ROLES_MAX, sizeof *roles);
	size_t count = roles ? MIN(desk_roles(s->desk, roles, ROLES_MAX), (size_t)ROLES_MAX) : 0;

	if (desk_timestamp(s->desk) == 0)
		snprintf(repository, READY_WHY, "the repository has no timestamp");
	for (size_t i = 0; i < count; i++) {
		const struct desk_role_status *r = &roles[i];

		if (renews(r->role) && r->held < (size_t)r->threshold)
			snprintf(keys, READY_WHY, "%s needs %lld keys and %zu are here: nothing is signed any more", r->role,
				 (long long)r->threshold, r->held);
		if (strcmp(r->role, "timestamp") == 0 && r->version > 0 && r->expires <= now)
			snprintf(repository, READY_WHY, "the timestamp is expired: agents install nothing new");
	}
	free(roles);
}

static void look_at_space(struct server *s, char why[READY_WHY])
{
	struct statvfs v;
	uint64_t left;

	if (statvfs(s->config->data, &v) < 0) {
		snprintf(why, READY_WHY, "the data directory cannot be looked at");
		return;
	}
	left = (uint64_t)v.f_bavail * v.f_frsize;
	if (left < (uint64_t)s->config->min_free)
		snprintf(why, READY_WHY, "%llu bytes are free in the data directory, and min-free is %lld", (unsigned long long)left,
			 (long long)s->config->min_free);
}

struct late {
	const struct server *server;
	int64_t now;
	char *why;
};

static void look_at_followed(void *arg, const struct follow_state_of *f)
{
	struct late *l = arg;
	int64_t since = f->fresh_at ? f->fresh_at : l->server->started;

	if (f->trouble[0] && l->now - since > LATE_POLLS * f->poll_s)
		snprintf(l->why, READY_WHY, "%.40s was not found fresh for %lld s: %.150s", f->name, (long long)(l->now - since), f->trouble);
}

void ready_look(struct server *s, int64_t now, char why[READY_CONDITIONS][READY_WHY])
{
	struct late late = { s, now, why[READY_FOLLOWED] };

	for (int c = 0; c < READY_CONDITIONS; c++)
		why[c][0] = '\0';
	look_at_store(s, why[READY_STORE]);
	look_at_repository(s, now, why[READY_KEYS], why[READY_REPOSITORY]);
	look_at_space(s, why[READY_SPACE]);
	follow_each(s, look_at_followed, &late);
}
