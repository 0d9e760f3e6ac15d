/* command_doctor: is everything in place, and which confinement is in force? */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/command.h"
#include "agent/command_json.h"
#include "agent/confine.h"
#include "agent/home.h"
#include "base/file.h"
#include "base/clock.h"
#include "base/log.h"
#include "content/sandbox.h"

/* One line for people, one object for programs. */
struct finding {
	bool fine;
	char what[64];
	char words[1024];
};

/* A process of the agent, as it would be confined. */
struct confined {
	const char *name;
	uid_t uid;
	unsigned in_force, missing;
};

#define FINDINGS_MAX (64 + 8 * SETTINGS_CHANNELS_MAX)

struct examination {
	bool strict;
	unsigned wrong;
	struct finding found[FINDINGS_MAX];
	size_t count;
	struct confined processes[CONFINE_ROLES + 1];
	size_t process_count;
	uint32_t landlock;
	bool seccomp;
};

static void PRINTF_LIKE(4, 5) say(struct examination *x, bool fine, const char *what, const char *fmt, ...)
{
	struct finding *f = &x->found[x->count];
	va_list args;

	x->wrong += !fine;
	if (x->count == FINDINGS_MAX) {
		f = &x->found[FINDINGS_MAX - 1];
		f->fine = !x->wrong;
		snprintf(f->what, sizeof f->what, "doctor");
		snprintf(f->words, sizeof f->words, "more was found than fits here");
		return;
	}
	x->count++;
	f->fine = fine;
	snprintf(f->what, sizeof f->what, "%s", what);
	va_start(args, fmt);
	vsnprintf(f->words, sizeof f->words, fmt, args);
	va_end(args);
}

/* Each kernel interface that a process would confine itself with, and what this one does not know yet. */
static void kernel(struct examination *x, const struct settings *s)
{
	static const struct { uint32_t abi; const char *lacks; } news[] = {
		{ 1, "files" }, { 3, "truncation" }, { 4, "TCP" }, { 5, "device control" }, { 6, "signals and abstract sockets" },
	};
	uint32_t abi = x->landlock = sandbox_landlock_abi();
	bool filters = x->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
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
	struct confined *process = &x->processes[x->process_count];
	char in_force[200], missing[200];
	struct err e;

	if (confine_examine(s, role, &bits, &e) < 0 || (role != CONFINE_ROLES && confine_identity(&who, s, role, &e) < 0)) {
		say(x, false, confine_role_name(role), "%s", e.msg);
		return;
	}
	*process = (struct confined){ .name = confine_role_name(role), .uid = who.uid && geteuid() == 0 ? who.uid : geteuid(),
				      .in_force = bits, .missing = want & ~bits };
	x->process_count++;
	confine_words(bits, in_force, sizeof in_force);
	confine_words(process->missing, missing, sizeof missing);
	say(x, !s->strict_sandbox || !process->missing, process->name, "uid %u; in force: %s%s%s", (unsigned)process->uid,
	    *in_force ? in_force : "nothing", *missing ? "; missing: " : "", missing);
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

static void time_of_day(struct examination *x)
{
	char says[CLOCK_TEXT_LEN + 1];
	int64_t at;
	bool behind = clock_behind(&at);

	clock_text(says, at);
	say(x, !behind, "clock", "%s%s", says, behind ? ": before this program was built" : "");
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

static void examine(struct examination *x, const struct settings *s)
{
	struct host h = { 0 };
	struct err e;
	int rc;

	x->strict = s->strict_sandbox;
	say(x, true, "configuration", "%s" SETTINGS_PATH, s->root);
	time_of_day(x);
	trust(x, s);
	rc = host_open(&h, s, true, &e);
	say(x, rc == 0, "state", "%s", rc < 0 ? e.msg : "agent.db, contract and channels can be read");
	for (size_t i = 0; rc == 0 && i < h.channel_count; i++)
		channel(x, &h.channels[i]);
	if (rc == 0)
		say(x, true, "server", "%s", *h.credentials.now.device ? h.credentials.server.server : "not enrolled");
	host_close(&h);
	kernel(x, s);
	for (int role = 0; role <= CONFINE_ROLES; role++)
		confinement(x, s, (enum confine_role)role);
	commands(x, s);
}

/* ---- saying it ---- */

static void text(const struct examination *x)
{
	for (size_t i = 0; i < x->count; i++) {
		const struct finding *f = &x->found[i];
		AUTO(buf) struct buf *words = buf_new(4096);

		if (words)
			log_escape(words, f->words, strlen(f->words));
		printf("%-5s %-20s %s\n", f->fine ? "ok" : "WRONG", f->what, words && words->data ? words->data : "");
	}
}

static void put_words(struct json_writer *w, const char *key, unsigned bits)
{
	json_open_array(w, key);
	for (unsigned bit = 1; bit < CONFINE_ALL; bit <<= 1)
		if (bits & bit)
			json_put_text(w, NULL, confine_word(bit));
	json_close_array(w);
}

static int json(const struct examination *x, struct err *e)
{
	struct command_json j;
	int rc = command_json_open(&j, e);

	if (rc < 0)
		return rc;
	json_put_bool(&j.w, "fine", !x->wrong);
	json_open_array(&j.w, "findings");
	for (size_t i = 0; i < x->count; i++) {
		json_open_object(&j.w, NULL);
		json_put_bool(&j.w, "fine", x->found[i].fine);
		json_put_text(&j.w, "what", x->found[i].what);
		json_put_text(&j.w, "words", x->found[i].words);
		json_close_object(&j.w);
	}
	json_close_array(&j.w);
	json_open_object(&j.w, "confinement");
	json_put_bool(&j.w, "strict", x->strict);
	json_put_int(&j.w, "landlock_abi", x->landlock);
	json_put_bool(&j.w, "seccomp", x->seccomp);
	json_open_array(&j.w, "processes");
	for (size_t i = 0; i < x->process_count; i++) {
		json_open_object(&j.w, NULL);
		json_put_text(&j.w, "process", x->processes[i].name);
		json_put_int(&j.w, "uid", x->processes[i].uid);
		put_words(&j.w, "in_force", x->processes[i].in_force);
		put_words(&j.w, "missing", x->processes[i].missing);
		json_close_object(&j.w);
	}
	json_close_array(&j.w);
	json_close_object(&j.w);
	rc = command_json_print(&j, e);
	command_json_close(&j);
	return rc;
}

int command_doctor(int argc, char **argv, const void *options, struct err *e)
{
	static struct examination x;
	const struct show_options *o = options;
	AUTO(settings) struct settings *s = NULL;

	(void)argc;
	(void)argv;
	log_init("agent", LOG_ERROR);
	if (settings_load(&s, command_root(), NULL, e) < 0)
		return e->code;
	examine(&x, s);
	if (!o->json)
		text(&x);
	else if (json(&x, e) < 0)
		return e->code;
	return x.wrong ? 1 : 0;
}
