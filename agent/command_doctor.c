/* command_doctor: is everything in place, and which confinement is in force? */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/command.h"
#include "agent/confine.h"
#include "agent/home.h"
#include "base/file.h"
#include "base/log.h"
#include "content/sandbox.h"

struct examination {
	unsigned wrong;
};

static void PRINTF_LIKE(4, 5) say(struct examination *x, bool fine, const char *what, const char *fmt, ...)
{
	AUTO(buf) struct buf *text = buf_new(4096);
	char words[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(words, sizeof words, fmt, args);
	va_end(args);
	if (text)
		log_escape(text, words, strlen(words));
	printf("%-5s %-20s %s\n", fine ? "ok" : "WRONG", what, text && text->data ? text->data : "");
	x->wrong += !fine;
}

/* Each kernel interface that a process would confine itself with, and what this one does not know yet. */
static void kernel(struct examination *x, const struct settings *s)
{
	static const struct { uint32_t abi; const char *lacks; } news[] = {
		{ 1, "files" }, { 3, "truncation" }, { 4, "TCP" }, { 5, "device control" }, { 6, "signals and abstract sockets" },
	};
	uint32_t abi = sandbox_landlock_abi();
	bool filters = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
	char lacks[200] = "";
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_LEN(news) && at < sizeof lacks; i++)
		if (abi < news[i].abi)
			at += (size_t)snprintf(lacks + at, sizeof lacks - at, "%s%s", at ? ", " : "; it does not restrain ", news[i].lacks);
	say(x, abi || !s->strict_sandbox, "kernel", "Landlock ABI %u%s", (unsigned)abi, lacks);
	say(x, filters || !s->strict_sandbox, "kernel", "seccomp %s", filters ? "is there" : "is missing");
}

/* In a child, as the real process would do it. */
static void confinement(struct examination *x, const struct settings *s, enum confine_role role)
{
	unsigned want = role == CONFINE_ROLES ? CONFINE_SUPERVISOR : CONFINE_ALL, bits;
	struct confine_identity who = { .uid = 0 };
	char in_force[200], missing[200];
	struct err e;

	if (confine_examine(s, role, &bits, &e) < 0 || (role != CONFINE_ROLES && confine_identity(&who, s, role, &e) < 0)) {
		say(x, false, confine_role_name(role), "%s", e.msg);
		return;
	}
	confine_words(bits, in_force, sizeof in_force);
	confine_words(want & ~bits, missing, sizeof missing);
	say(x, !s->strict_sandbox || !(want & ~bits), confine_role_name(role), "uid %u; in force: %s%s%s",
	    (unsigned)(who.uid && geteuid() == 0 ? who.uid : geteuid()), *in_force ? in_force : "nothing",
	    *missing ? "; missing: " : "", missing);
}

/* Only where a channel has them. Without control groups the canary counts their processes and adds up their memory itself. */
static void commands(struct examination *x, const struct settings *s)
{
	char lacks[256];

	if (!confine_runs_commands(s))
		return;
	confine_examine_commands(s, lacks, sizeof lacks);
	say(x, !*lacks, "check commands", "%s%s", *lacks ? "they judge no events here, or leave processes behind: " :
	    "end together with the canary, and write into a place of their own", lacks);
}

static void trust(struct examination *x, const struct settings *s)
{
	for (int i = 0; i < SETTINGS_REPOS; i++) {
		const char *name = settings_repo_name(s, (enum settings_repo)i);
		char path[HOME_PATH_MAX];
		struct err e;

		if (i && settings_repo(s, (enum settings_repo)i) == REPO_CONTENT)
			continue;
		if (home_pathf(path, &e, s->root, HOME_ETC "/trust/%s.root.json", name) < 0)
			continue;
		if (file_exists(path) && file_check_private(path, false, &e) < 0)
			say(x, false, "root of trust", "%s", e.msg);
		else
			say(x, file_exists(path), "root of trust", "%s%s", path, file_exists(path) ? "" : " is absent");
	}
}

static void channel(struct examination *x, struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	uint8_t linked[BOOT_DIGEST_LEN] = { 0 };
	struct boot_report why = { "" };
	int rc = boot_link_get(c->boot.run, linked, &why);

	say(x, !*c->boot.trouble || c->boot.record.seq == 0, c->state.name, "boot record: %s",
	    *c->boot.trouble ? c->boot.trouble : boot_mode_name(c->boot.record.mode));
	say(x, rc >= 0 && !memcmp(linked, running.bytes, DIGEST_LEN), c->state.name, "link %s",
	    rc < 0 ? why.text : memcmp(linked, running.bytes, DIGEST_LEN) ? "does not match the boot record" : "matches the boot record");
	say(x, !*c->boot.status.report, c->state.name, "boot guard %s%s%s",
	    c->boot.guarded ? "ran" : "did not run since this directory was made", *c->boot.status.report ? ": " : "", c->boot.status.report);
	channel_look(c);
	if (c->cfg->watch)
		say(x, c->sensor_known && c->sensor.alive, c->state.name, "sensor %s",
		    !c->sensor_known ? "never reported" : c->sensor.alive ? sensor_state_name(c->sensor.state) : "is dead");
}

int command_doctor(int argc, char **argv, const void *options, struct err *e)
{
	struct examination x = { 0 };
	AUTO(settings) struct settings *s = NULL;
	struct host h = { 0 };
	int rc;

	(void)argc;
	(void)argv;
	(void)options;
	log_init("agent", LOG_ERROR);
	if (settings_load(&s, command_root(), NULL, e) < 0)
		return e->code;
	say(&x, true, "configuration", "%s" SETTINGS_PATH, s->root);
	trust(&x, s);
	rc = host_open(&h, s, true, e);
	say(&x, rc == 0, "state", "%s", rc < 0 ? e->msg : "agent.db, contract and channels can be read");
	for (size_t i = 0; rc == 0 && i < h.channel_count; i++)
		channel(&x, &h.channels[i]);
	if (rc == 0)
		say(&x, true, "server", "%s", *h.credentials.now.device ? h.credentials.server.server : "not enrolled");
	host_close(&h);
	kernel(&x, s);
	for (int role = 0; role <= CONFINE_ROLES; role++)
		confinement(&x, s, (enum confine_role)role);
	commands(&x, s);
	return x.wrong ? 1 : 0;
}
