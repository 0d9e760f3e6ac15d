/* command: the agent itself, enrolment, baseline, and orders. */
#include "agent/command.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/credentials.h"
#include "agent/home.h"
#include "agent/job.h"
#include "agent/orders.h"
#include "agent/supervisor.h"
#include "base/clock.h"
#include "base/log.h"

struct command_common command_common;

#define LOOK_MS 50

const char *command_root(void)
{
	static char root[HOME_PATH_MAX];
	size_t len;

	if (!command_common.root)
		return "";
	if (!*root && !realpath(command_common.root, root))
		snprintf(root, sizeof root, "%s", command_common.root);
	len = strlen(root);
	while (len && root[len - 1] == '/')
		root[--len] = 0;
	return root;
}

int command_run(int argc, char **argv, const void *options, struct err *e)
{
	const struct run_options *o = options;
	AUTO(settings) struct settings *s = NULL;

	(void)argc;
	(void)argv;
	log_init("agent", LOG_INFO);
	if (settings_load(&s, command_root(), NULL, e) < 0)
		return e->code;
	return supervisor_run(s, o->once, e);
}

int command_enrol(int argc, char **argv, const void *options, struct err *e)
{
	AUTO_FD int lock = -1;
	int pid = 0;

	(void)argc;
	(void)options;
	if (credentials_enrol(command_root(), argv[0], e) < 0)
		return e->code;
	lock = home_lock(command_root(), &pid, e);
	if (lock < 0 && pid > 0)
		kill(pid, SIGUSR1);
	printf("kept; the agent enrols at its next check-in\n");
	return 0;
}

/* ---- baseline ---- */

static int finish(struct job *j, struct job_result *r, const char *what, struct err *e)
{
	while (job_turn(j, r) == 0) {
		struct pollfd p = { .fd = j->child.sock, .events = POLLIN };

		poll(&p, 1, LOOK_MS);
	}
	return r->outcome == RESULT_OK ? 0 : err_set(e, r->code < 0 ? r->code : ERR_REFUSED, "%s: %s", what, r->text);
}

/* What a local archive is, found out by the unpack process. */
static int measure(struct message_measured *out, const struct settings *s, int file, struct err *e)
{
	static const enum message_type allowed[] = { MSG_MEASURED, MSG_RESULT, 0 };
	static struct message m;
	struct message_unpack u = { .delta = 0 };
	struct spawned child;
	int rc;

	if (spawn(&child, s, CONFINE_UNPACK, -1, e) < 0)
		return e->code;
	rc = message_send(child.sock, MSG_UNPACK, &u, file, e);
	if (rc == 0)
		rc = message_receive(child.sock, &m, allowed, 600000, e);
	if (rc == 0)
		err_set(e, ERR_CRASH, "the unpack process broke off");
	else if (rc == 1 && m.type == MSG_RESULT)
		err_set(e, m.u.result.code < 0 ? (int)m.u.result.code : ERR_REFUSED, "%s", m.u.result.text);
	else if (rc == 1)
		e->code = 0;
	spawn_kill(&child);
	*out = m.u.measured;
	return e->code;
}

static int install_slot(const struct settings *s, const char *channel, int file, const struct message_measured *m, struct err *e)
{
	struct message_unpack u = { .digest = m->digest, .size = m->size };
	char path[HOME_PATH_MAX];
	struct job_result r;
	struct job j;
	AUTO_FD int dir = -1;

	if (home_pathf(path, e, "", HOME_CHANNELS "/%s", channel) < 0)
		return e->code;
	dir = home_open(s->root, path, e);
	if (dir < 0)
		return e->code;
	if (lseek(file, 0, SEEK_SET) < 0)
		return err_errno(e, "rewind");
	if (job_unpack(&j, s, file, dir, &u, e) < 0)
		return e->code;
	return finish(&j, &r, "unpack", e);
}

int command_baseline(int argc, char **argv, const void *options, struct err *e)
{
	AUTO(settings) struct settings *s = NULL;
	struct message_measured m;
	char order[DIGEST_HEX_LEN + 32], answer[MESSAGE_TEXT];
	AUTO_FD int file = -1;

	(void)argc;
	(void)options;
	if (settings_load(&s, command_root(), NULL, e) < 0)
		return e->code;
	if (!settings_channel(s, argv[0]))
		return err_set(e, ERR_NOT_FOUND, "channel %s: not configured in agent.ini", argv[0]);
	file = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return err_errno(e, "%s", argv[1]);
	if (home_make_channel(s->root, argv[0], e) < 0 || measure(&m, s, file, e) < 0)
		return err_wrap(e, "%s", argv[1]);
	if (strcmp(m.channel, argv[0]) != 0)
		return err_set(e, ERR_REFUSED, "%s: of channel %s, not %s", argv[1], m.channel, argv[0]);
	if (install_slot(s, argv[0], file, &m, e) < 0)
		return err_wrap(e, "%s", argv[1]);
	digest_hex(order, &m.digest);
	snprintf(order + DIGEST_HEX_LEN, sizeof order - DIGEST_HEX_LEN, " %" PRIu64, m.serial);
	if (orders_give(s, "baseline", argv[0], order, answer, sizeof answer, e) < 0)
		return e->code;
	printf("%s\n", answer);
	return 0;
}

/* ---- orders ---- */

static int give(const char *command, const char *channel, const char *argument, struct err *e)
{
	AUTO(settings) struct settings *s = NULL;
	char answer[MESSAGE_TEXT];

	log_init("agent", LOG_WARN);
	if (settings_load(&s, command_root(), NULL, e) < 0 ||
	    orders_give(s, command, channel, argument, answer, sizeof answer, e) < 0)
		return e->code;
	printf("%s\n", answer);
	return 0;
}

int command_hold(int argc, char **argv, const void *options, struct err *e)
{
	const struct hold_options *o = options;

	(void)argc;
	return give("hold", argv[0], o->until ? o->until : "", e);
}

#define ORDER(name)                                                                      \
	int command_##name(int argc, char **argv, const void *options, struct err *e)    \
	{                                                                                \
		(void)argc;                                                              \
		(void)options;                                                           \
		return give(#name, argv[0], "", e);                                      \
	}

ORDER(unhold)
ORDER(pin)
ORDER(unpin)
ORDER(revert)
ORDER(disable)
ORDER(enable)
