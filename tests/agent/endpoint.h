/*
 * endpoint: a vendor, a ring and one host in a temporary directory.
 *
 * The repository is forged here with the authoring side of signing/ and served
 * by file:// URLs; the host runs the real ringhold-agent; its sensor is this
 * process, through libringhold-sensor; time is the injected clock.
 */
#ifndef TESTS_AGENT_ENDPOINT_H
#define TESTS_AGENT_ENDPOINT_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/home.h"
#include "agent/quarantine.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "boot/sensor_status.h"
#include "content/bundle.h"
#include "content/delta.h"
#include "rollout/assignment.h"
#include "rollout/ringmap.h"
#include "rollout/stops.h"
#include "signing/repo.h"
#include "test.h"

#define ENDPOINT_LIMIT_MS 120000        /* real time, on every wait */

struct endpoint {
	char dir[128], root[160], repo[160], bin[512];
	volatile int64_t *clock_ms;
	struct keyring *keys;
	const struct pubkey *key;
	struct repo *published;
	pid_t agent;
	/* the sensor */
	bool sensor_up;
	bool sensor_refuses;            /* reports unhealthy whatever it is given */
	bool observe;                   /* assignments ask that new rules only observe on trial */
	bool gated;                     /* ... and a permit */
	struct digest refused;          /* and whenever it is given this */
	struct ringhold_sensor sensor;
	struct ringhold_content content;
	unsigned loads;
};

struct published {
	const char *channel;            /* NULL: edr */
	struct digest digest;
	uint64_t serial, size;
	char path[PATH_LEN_MAX + 1];
	struct buf *archive;            /* freed by whoever published */
};

/* ---- files ---- */

static inline void endpoint_write(const struct endpoint *p, const char *path, const char *text, mode_t mode)
{
	char full[512], parent[512];
	struct err e;

	snprintf(full, sizeof full, "%s%s", p->root, path);
	snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(full, '/') - full), full);
	assert_ok(file_mkdirs(parent, 0755, &e));
	assert_ok(file_replace(full, text, strlen(text), mode, &e));
}

static inline void endpoint_copy(const char *from, const char *to)
{
	AUTO(buf) struct buf *b = NULL;
	struct err e;

	assert_ok(file_read(&b, from, 1 << 24, &e));
	assert_ok(file_replace(to, b->data, b->len, 0644, &e));
}

/* ---- the vendor and the ring ---- */

static inline void endpoint_publish(struct endpoint *p)
{
	struct err e;

	assert_ok(repo_publish(p->published, p->keys, clock_now(), &e));
}

static inline void endpoint_put(struct endpoint *p, const char *role, const char *path, const struct buf *b, const char *custom)
{
	struct err e;

	assert_ok(buf_check(b, &e));
	assert_ok(repo_put_target(p->published, role, path, b->data, b->len, custom, &e));
}

static inline void endpoint_make_repo(struct endpoint *p)
{
	const struct author_role roles[] = {
		{ .name = "content-edr", .keys = &p->key, .key_count = 1, .threshold = 1 },
		{ .name = "content-waf", .keys = &p->key, .key_count = 1, .threshold = 1 },     /* for the tests that configure it */
		{ .name = "ring-canary", .keys = &p->key, .key_count = 1, .threshold = 1 },
		{ .name = "fleet", .keys = &p->key, .key_count = 1, .threshold = 1 },
		{ .name = "stop", .keys = &p->key, .key_count = 1, .threshold = 1 },
		{ .name = "recall", .keys = &p->key, .key_count = 1, .threshold = 1 },
	};
	const struct author_role top = { .keys = &p->key, .key_count = 1, .threshold = 1 };
	const struct repo_plan plan = { .root = top, .targets = top, .snapshot = top, .timestamp = top,
					.roles = roles, .count = ARRAY_LEN(roles) };
	static const char *const rings[] = { "canary", "early", "broad" };
	AUTO(buf) struct buf *map = buf_new(0);
	struct seckey *k;
	struct err e;

	assert_ok(seckey_generate(&k, &e));
	p->keys = keyring_new();
	assert_ok(keyring_add(p->keys, "all", k, &e));
	p->key = seckey_public(p->keys->keys[0].key);
	assert_ok(repo_create(p->repo, &plan, p->keys, clock_now(), &e));
	assert_ok(repo_open(&p->published, p->repo, &e));
	assert_ok(ringmap_write_default(map, rings, ARRAY_LEN(rings), "saltsalt", 8, &e));
	endpoint_put(p, "fleet", RINGMAP_PATH, map, NULL);
	endpoint_publish(p);
}

/* A bundle of a demo directory under any serial; `tamper` may change the archive after it was named. */
static inline struct published endpoint_bundle_of(struct endpoint *p, const char *channel, const char *dir, uint64_t serial,
						  void (*tamper)(struct buf *archive))
{
	struct bundle_options o = BUNDLE_OPTIONS_NONE;
	AUTO(bundle) struct bundle *b = NULL;
	struct published out = { .channel = channel, .serial = serial };
	char custom[512], hex[DIGEST_HEX_LEN + 1], role[80];
	struct err e;

	o.channel = channel;
	o.serial = (int64_t)serial;
	assert_ok(bundle_build(&b, dir, &o, &e));
	out.digest = b->digest;
	out.size = b->size;
	digest_hex(hex, &b->digest);
	snprintf(custom, sizeof custom,
		 "{\"ringhold\":{\"kind\":\"full\",\"channel\":\"%s\",\"serial\":%llu,\"version\":\"1\",\"digest\":\"%s\",\"size\":%llu}}",
		 channel, (unsigned long long)serial, hex, (unsigned long long)b->size);
	if (tamper)
		tamper(b->archive);
	bundle_path(out.path, channel, serial);
	snprintf(role, sizeof role, "content-%s", channel);
	endpoint_put(p, role, out.path, b->archive, custom);
	return out;
}

static inline struct published endpoint_bundle(struct endpoint *p, const char *dir, uint64_t serial, void (*tamper)(struct buf *archive))
{
	return endpoint_bundle_of(p, "edr", dir, serial, tamper);
}

static inline void endpoint_assign(struct endpoint *p, const struct published *b, const struct published *previous, uint64_t attempt,
				   int64_t probation_s, int64_t boots)
{
	struct assignment a = { .ring = "canary", .attempt = attempt, .issued = clock_now(), .reason = "test",
				.probation_s = probation_s, .probation_boots = boots, .observe = p->observe,
				.permit_required = p->gated };
	AUTO(buf) struct buf *text = buf_new(0);
	char path[120];
	struct err e;

	snprintf(a.channel, sizeof a.channel, "%s", b->channel ? b->channel : "edr");
	memcpy(a.bundle.path, b->path, sizeof a.bundle.path);
	a.bundle.serial = b->serial;
	snprintf(a.bundle.version, sizeof a.bundle.version, "1");
	a.bundle.digest = b->digest;
	if (previous) {
		memcpy(a.previous.path, previous->path, sizeof a.previous.path);
		a.previous.serial = previous->serial;
		snprintf(a.previous.version, sizeof a.previous.version, "1");
		a.previous.digest = previous->digest;
	}
	assert_ok(assignment_write(text, &a, &e));
	snprintf(path, sizeof path, "rings/canary/%s.json", a.channel);
	endpoint_put(p, "ring-canary", path, text, NULL);
	endpoint_publish(p);
}

static inline void endpoint_stop(struct endpoint *p, const struct published *b)
{
	struct stops *s = stops_new(STOPS_STOP, "edr");
	struct stop_entry entry = { .digest = b->digest, .serial = b->serial, .at = clock_now(), .reason = "it hurts" };
	AUTO(buf) struct buf *text = buf_new(0);
	struct err e;

	assert_ok(stops_add(s, &entry, &e));
	assert_ok(stops_write(text, s, &e));
	endpoint_put(p, "stop", "stop/edr/stops.json", text, NULL);
	endpoint_publish(p);
	stops_free(s);
}

/* ---- the sensor: this process ---- */

static inline void endpoint_sensor_load(struct endpoint *p)
{
	struct ringhold_content next = { .dir = -1 };
	struct ringhold_why why = { "" };
	int rc = ringhold_content_open(&next, &p->sensor, &why);
	bool refuses = p->sensor_refuses || (rc == 1 && !memcmp(next.digest, p->refused.bytes, DIGEST_LEN));

	if (rc < 0)
		fail_msg("sensor: %s", why.text);
	if (ringhold_report(&p->sensor, rc ? &next : NULL, refuses ? RINGHOLD_UNHEALTHY : RINGHOLD_HEALTHY,
			  refuses ? "I do not like it" : "", clock_now(), &why) < 0)
		fail_msg("sensor: %s", why.text);
	ringhold_content_close(&p->content);
	p->content = next;
	p->loads += rc == 1;
}

static inline void endpoint_sensor_start(struct endpoint *p)
{
	struct ringhold_why why = { "" };

	p->content.dir = -1;
	if (ringhold_open(&p->sensor, p->root, "edr", &why) < 0)
		fail_msg("sensor: %s", why.text);
	p->sensor_up = true;
	endpoint_sensor_load(p);
}

static inline void endpoint_sensor_stop(struct endpoint *p)
{
	if (!p->sensor_up)
		return;
	ringhold_content_close(&p->content);
	ringhold_close(&p->sensor);
	p->sensor_up = false;
}

/* ---- the agent ---- */

/* A program beside the agent's; the path lives until the next call. */
static inline const char *endpoint_program(const struct endpoint *p, const char *name)
{
	static char path[sizeof p->bin + 64];

	snprintf(path, sizeof path, "%.*s/%s", (int)(strrchr(p->bin, '/') - p->bin), p->bin, name);
	return path;
}

/* As fork(): what the child says on standard error is added to the agent's log. Never negative. */
static inline pid_t endpoint_agent_fork(struct endpoint *p)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char log[256];

		snprintf(log, sizeof log, "%s/agent.log", p->dir);
		dup2(open(log, O_WRONLY | O_CREAT | O_APPEND, 0644), STDERR_FILENO);
	}
	return pid;
}

static inline void endpoint_agent_start(struct endpoint *p)
{
	p->agent = endpoint_agent_fork(p);
	if (p->agent == 0) {
		execl(p->bin, "ringhold-agent", "run", "--root", p->root, (char *)NULL);
		_exit(127);
	}
}

static inline int endpoint_agent_end(struct endpoint *p, int signal)
{
	int status = 0;

	if (p->agent <= 0)
		return 0;
	kill(p->agent, signal);
	while (waitpid(p->agent, &status, 0) < 0 && errno == EINTR)
		;
	p->agent = 0;
	return status;
}

/* Any command; its output (the caller frees) and exit status. */
static inline int endpoint_command(struct endpoint *p, char **output, const char *a, const char *b, const char *c)
{
	char *argv[] = { p->bin, (char *)a, (char *)"--root", p->root, (char *)b, (char *)c, NULL };
	char clock[256];
	char *env[] = { clock, (char *)"PATH=/usr/bin:/bin", NULL };
	struct proc_run run = { .path = p->bin, .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = 60000, .output_max = 1 << 20 };
	struct proc_result r;
	struct err e;
	int status;

	snprintf(clock, sizeof clock, "RINGHOLD_TEST_CLOCK=%s", getenv("RINGHOLD_TEST_CLOCK"));
	assert_ok(proc_run(&run, &r, &e));
	status = r.exit_status;
	if (output) {
		*output = strdup(r.output->data ? r.output->data : "");
		assert_non_null(*output);
	}
	proc_result_release(&r);
	return status;
}

struct seen {
	struct journal_channel state;
	struct boot_record record;
	struct digest running;
};

/* What the host's files say, read beside the running agent. */
static inline struct seen endpoint_look_at(struct endpoint *p, const char *channel)
{
	AUTO(journal) struct journal *j = NULL;
	struct seen s;
	struct trial t;
	struct err e;

	assert_ok(home_make_channel(p->root, channel, &e));
	assert_ok(journal_open(&j, p->root, &e));
	assert_ok(journal_channel_load(j, &s.state, channel, &e));
	assert_ok(trial_open(&t, p->root, channel, &e));
	s.record = t.record;
	s.running = trial_running(&t);
	trial_close(&t);
	return s;
}

static inline struct seen endpoint_look(struct endpoint *p)
{
	return endpoint_look_at(p, "edr");
}

typedef bool endpoint_done(const struct seen *s, const void *arg);

static inline void endpoint_print_log(const struct endpoint *p)
{
	AUTO(buf) struct buf *b = NULL;
	char log[256];
	struct err e;

	snprintf(log, sizeof log, "%s/agent.log", p->dir);
	if (file_read(&b, log, 1 << 24, &e) == 0)
		fprintf(stderr, "%s\n", b->data + (b->len > 6000 ? b->len - 6000 : 0));
}

/* Commands that come before the agent has its lock do the work themselves, and the agent that meets them gives up. */
static inline void endpoint_agent_up(struct endpoint *p)
{
	char path[512], text[32];
	int holder = 0;

	snprintf(path, sizeof path, "%s" HOME_RUN "/agent.lock", p->root);
	while (holder != p->agent) {
		siginfo_t ended = { 0 };
		FILE *f = fopen(path, "re");

		if (f && fgets(text, sizeof text, f))
			holder = atoi(text);
		if (f)
			fclose(f);
		if (waitid(P_PID, p->agent, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid) {
			endpoint_print_log(p);
			fail_msg("the agent ended before it was up");
		}
		poll(NULL, 0, 5);
	}
}

/* Turns the sensor until done; each turn moves the clock on by advance_ms. */
static inline void endpoint_until(struct endpoint *p, const char *what, endpoint_done *done, const void *arg, int64_t advance_ms)
{
	int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS;

	for (;;) {
		struct seen s = endpoint_look(p);
		struct pollfd f = { .fd = p->sensor_up ? p->sensor.notify : -1, .events = POLLIN };

		if (done(&s, arg))
			return;
		if (clock_work_ms() > until) {
			endpoint_print_log(p);
			fail_msg("gave up waiting until %s; phase %s, verdict \"%s\"", what, phase_name(s.state.phase), s.state.last.reason);
		}
		if (poll(&f, 1, 20) > 0 && ringhold_switched(&p->sensor))
			endpoint_sensor_load(p);
		*p->clock_ms += advance_ms;
	}
}

static inline bool endpoint_runs_committed(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && s->record.mode == BOOT_COMMITTED && digest_equal(&s->running, &b->digest);
}

/* Of the whole host, all channels. */
static inline int endpoint_history_count(struct endpoint *p, const char *text)
{
	char *out = NULL;
	int n = 0;

	assert_int_equal(endpoint_command(p, &out, "history", NULL, NULL), 0);
	for (const char *at = out; (at = strstr(at, text)); at += strlen(text))
		n++;
	free(out);
	return n;
}

static inline bool endpoint_has_history(struct endpoint *p, const char *text)
{
	char *out = NULL;
	bool found;

	assert_int_equal(endpoint_command(p, &out, "history", "edr", NULL), 0);
	found = strstr(out, text);
	if (!found)
		fprintf(stderr, "no \"%s\" in:\n%s\n", text, out);
	free(out);
	return found;
}

/* ---- set-up ---- */

/* extra: further lines of [agent]. */
static inline int endpoint_setup_with(void **state, const char *extra)
{
	static struct endpoint p;
	const char *tmp = getenv("TMPDIR");
	char path[512], ini[1024];
	int64_t zero = 0;
	ssize_t n;
	int fd;

	memset(&p, 0, sizeof p);
	log_init("test", LOG_ERROR);
	n = readlink("/proc/self/exe", p.bin, sizeof p.bin - 64);
	assert_true(n > 0);
	p.bin[n] = 0;
	for (int i = 0; i < 3; i++)
		*strrchr(p.bin, '/') = 0;
	strcat(p.bin, "/bin/ringhold-agent");
	snprintf(p.dir, sizeof p.dir, "%s/ringhold-agent.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(p.dir));
	assert_int_equal(chmod(p.dir, 0755), 0);        /* the agent's processes may be other users */
	snprintf(p.root, sizeof p.root, "%s/host", p.dir);
	snprintf(p.repo, sizeof p.repo, "%s/repo", p.dir);
	snprintf(path, sizeof path, "%s/clock", p.dir);
	fd = open(path, O_RDWR | O_CREAT, 0644);
	assert_int_equal(write(fd, &zero, sizeof zero), sizeof zero);
	p.clock_ms = mmap(NULL, sizeof zero, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	setenv("RINGHOLD_TEST_CLOCK", path, 1);
	assert_int_equal(mkdir(p.root, 0755), 0);
	endpoint_make_repo(&p);
	snprintf(ini, sizeof ini,
		 "[agent]\ncontent-url = file://%s\nattributes = ring=canary\npoll = 5s\nboot-ok = 60s\n%s\n[channel edr]\nsensor-wait = 2s\n",
		 p.repo, extra);
	endpoint_write(&p, "/etc/ringhold/agent.ini", ini, 0644);
	endpoint_write(&p, "/etc/ringhold/trust/.keep", "", 0644);
	snprintf(ini, sizeof ini, "%s/metadata/1.root.json", p.repo);
	snprintf(path, sizeof path, "%s/etc/ringhold/trust/content.root.json", p.root);
	endpoint_copy(ini, path);
	snprintf(path, sizeof path, "%s/etc/ringhold/contract.json", p.root);
	endpoint_copy("deploy/demo/contract.json", path);
	*state = &p;
	return 0;
}

static inline int endpoint_setup(void **state)
{
	return endpoint_setup_with(state, "");
}

static inline int endpoint_teardown(void **state)
{
	struct endpoint *p = *state;
	struct err e;

	endpoint_agent_end(p, SIGKILL);
	endpoint_sensor_stop(p);
	repo_free(p->published);
	keyring_free(p->keys);
	munmap((void *)p->clock_ms, sizeof *p->clock_ms);
	/* A role outlives its killed agent by a moment, in which it may make a file in a directory just emptied. */
	for (int tries = 0; !getenv("RINGHOLD_KEEP") && file_remove_tree(p->dir, &e) < 0; tries++) {
		if (tries == 50)
			fail_msg("%s", e.msg);
		poll(NULL, 0, 100);
	}
	return 0;
}

#endif
