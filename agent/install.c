/* install: the staged copy, and the orders that judge and take it. */
#include "agent/install.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/home.h"
#include "agent/round.h"
#include "agent/slots.h"
#include "agent/transfer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "schema/reason.h"

#define STAGE HOME_STATE "/install"
#define UNFINISHED "new"
#define ROUND_MS 12000          /* the agent does nothing else meanwhile */
#define LOOK_MS 20

/* ---- the staged copy ---- */

static void remove_all(int dir)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = again >= 0 ? fdopendir(again) : NULL;
	struct err e;

	for (struct dirent *entry; list && (entry = readdir(list));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && file_remove_treeat(dir, entry->d_name, &e) < 0)
			log_warn("install: clean-up: %s", e.msg);
	if (list)
		closedir(list);
	else if (again >= 0)
		close(again);
}

void install_clean(const char *root)
{
	struct err ignored;
	AUTO_FD int dir = home_open(root, STAGE, &ignored);

	if (dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) == 0)
		remove_all(dir);
}

static int copy(int to, int from, const struct digest *sha256, uint64_t length, struct err *e)
{
	AUTO(hash) struct hash *h = hash_new();
	static uint8_t room[1 << 16];
	struct digest got;
	uint64_t done = 0;
	ssize_t n;

	if (!h)
		return err_memory(e);
	while ((n = pread(from, room, sizeof room, (off_t)done)) > 0) {
		done += (uint64_t)n;
		if (done > length)
			break;
		hash_add(h, room, (size_t)n);
		if (file_write_all(to, room, (size_t)n, e) < 0)
			return e->code;
	}
	if (n < 0)
		return err_errno(e, "read");
	hash_final(h, &got);
	if (done != length || !digest_equal(&got, sha256))
		return err_set(e, ERR_REFUSED, "the file changed while it was read");
	return fsync(to) < 0 ? err_errno(e, "fsync") : 0;
}

static int stage(int dir, int file, const struct digest *sha256, uint64_t length, struct err *e)
{
	char name[DIGEST_HEX_LEN + 1];
	AUTO_FD int to = openat(dir, UNFINISHED, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	digest_hex(name, sha256);
	if (to < 0)
		return err_errno(e, STAGE "/" UNFINISHED);
	if (copy(to, file, sha256, length, e) < 0)
		return e->code;
	if (renameat(dir, UNFINISHED, dir, name) < 0 || fsync(dir) < 0)
		return err_errno(e, STAGE "/%s", name);
	return 0;
}

int install_stage(const char *root, int file, const struct digest *sha256, uint64_t length, struct err *e)
{
	int dir;

	if (home_make(root, STAGE, true, e) < 0)
		return e->code;
	dir = home_open(root, STAGE, e);
	if (dir < 0)
		return e->code;
	if (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		close(dir);
		return err_set(e, ERR_CONFLICT, "another install is under way");
	}
	remove_all(dir);
	if (stage(dir, file, sha256, length, e) == 0)
		return dir;
	remove_all(dir);
	close(dir);
	return e->code;
}

/* ---- the judge, now ---- */

/* A round of its own, of the store or of a mirror; verdicts reach the channels as in any round. */
static int ask_judge(struct host *h, const char *mirror, struct err *e)
{
	int64_t until = clock_work_ms() + ROUND_MS;
	struct round r;
	int rc;

	/* Two judges would each believe to be the only writer of what is stored. */
	if (mirror && h->round)
		round_stop(h->round);
	round_init(&r, h);
	r.aside = true;
	r.mirror = mirror;
	rc = round_start(&r, mirror ? ROUND_MIRROR : ROUND_STORED, e);
	while (rc == 0 && round_turn(&r) == 0) {
		struct pollfd p = { .fd = r.judge.sock, .events = POLLIN };

		if (clock_work_ms() > until)
			rc = err_set(e, ERR_TIMEOUT, "the judge did not come to an end within %d s", ROUND_MS / 1000);
		poll(&p, 1, LOOK_MS);
	}
	if (rc == 0 && mirror && *r.trouble)
		rc = err_set(e, ERR_REFUSED, "%s", r.trouble);
	round_stop(&r);
	return rc;
}

/* ---- an archive ---- */

struct archive {
	bool take;
	struct digest sha256;
	uint64_t length;
	char hex[DIGEST_HEX_LEN + 1];
};

static bool parse(struct archive *a, const char *argument)
{
	const char *hex = strchr(argument, ' ');
	int64_t length;

	a->take = !strncmp(argument, "take ", 5);
	if (!hex || (!a->take && strncmp(argument, "ask ", 4) != 0) || strlen(++hex) < DIGEST_HEX_LEN + 2 ||
	    !digest_parse(&a->sha256, hex, DIGEST_HEX_LEN) || hex[DIGEST_HEX_LEN] != ' ' ||
	    !number_parse(&length, hex + DIGEST_HEX_LEN + 1) || length < 0)
		return false;
	a->length = (uint64_t)length;
	digest_hex(a->hex, &a->sha256);
	return true;
}

static bool of_verdict(const struct message_verdict *v, const struct archive *a)
{
	return digest_equal(&v->sha256, &a->sha256) && v->length == a->length;
}

static int refuse(const struct channel *c, const struct archive *a, struct err *e)
{
	const struct message_verdict *v = &c->state.last;
	char assigned[DIGEST_HEX_LEN + 1];

	if (of_verdict(v, a))
		return err_set(e, ERR_REFUSED, "channel %s: it is the archive of serial %" PRIu64 ", which is not to be installed: %s",
			       c->state.name, v->assigned_serial, v->reason);
	if (digest_is_zero(&v->assigned))
		return err_set(e, ERR_REFUSED, "channel %s: nothing is known to be assigned: %s", c->state.name, v->reason);
	digest_hex(assigned, &v->sha256);
	if (digest_is_zero(&v->sha256))
		return err_set(e, ERR_REFUSED, "channel %s: assigned is serial %" PRIu64 ", of which no archive is known: %s", c->state.name,
			       v->assigned_serial, v->reason);
	return err_set(e, ERR_REFUSED, "channel %s: assigned is serial %" PRIu64 ", whose archive has SHA-256 %s (%s)", c->state.name,
		       v->assigned_serial, assigned, v->reason);
}

/* Only what is asked for, and only under the name of its hash; whether that is true is looked at where downloads are. */
static int take(struct channel *c, const struct archive *a, struct err *e)
{
	char evidence[MESSAGE_TEXT];
	AUTO_FD int incoming = openat(c->boot.dir, "incoming", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_FD int dir = home_open(c->host->s->root, STAGE, e);
	struct stat st;

	if (dir < 0)
		return e->code;
	if (incoming < 0)
		return err_errno(e, "incoming");
	if (fstatat(dir, a->hex, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, STAGE "/%s", a->hex);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != a->length)
		return err_set(e, ERR_REFUSED, STAGE "/%s: no file of %" PRIu64 " bytes", a->hex, a->length);
	if (c->job.kind == JOB_DOWNLOAD && c->upkeep.task == UPKEEP_NONE)
		job_stop(&c->job);
	c->state.no_delta = true;
	c->state.tries = c->state.retry_at = 0;
	if (channel_store(c, "", "", "", e) < 0)
		return e->code;
	if (renameat(dir, a->hex, incoming, a->hex) < 0 || fsync(incoming) < 0)
		return err_errno(e, "incoming/%s", a->hex);
	snprintf(evidence, sizeof evidence, "serial %" PRIu64 ", archive %s, from a file on this machine", c->state.offer.serial, a->hex);
	return host_event(c->host, c->state.name, "local", reason_word(REASON_INSTALL), evidence, e);
}

int install_archive(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	const struct message_verdict *v = &c->state.last;
	struct digest running = trial_running(&c->boot);
	char hex[DIGEST_HEX_LEN + 1];
	struct archive a;
	bool offered;

	if (!parse(&a, argument))
		return err_set(e, ERR_USAGE, "install: not ask|take SHA256 LENGTH");
	/* Each time: a round of a network that is away may have come between. */
	if (ask_judge(c->host, NULL, e) < 0)
		return e->code;
	offered = c->state.phase != PHASE_IDLE && of_verdict(&c->state.offer, &a);
	/* An offer outlasts a hold or expired metadata; bytes are taken only while it stands. */
	if (offered && c->state.phase == PHASE_FETCHING && (v->say != SAY_INSTALL || !of_verdict(v, &a)))
		return refuse(c, &a, e);
	if (offered && c->state.phase == PHASE_FETCHING && c->job.kind != JOB_UNPACK && !slots_have(c->boot.dir, &c->state.offer.digest)) {
		if (a.take && take(c, &a, e) < 0)
			return e->code;
		if (a.take)
			snprintf(answer, cap, "channel %s: serial %" PRIu64 " is here; contract, canary and trial come next", c->state.name,
				 c->state.offer.serial);
		digest_hex(hex, &c->state.offer.digest);
		if (!a.take)
			snprintf(answer, cap, INSTALL_WANTED "%s", hex);
		return 0;
	}
	if (offered) {
		snprintf(answer, cap, "channel %s: serial %" PRIu64 " is on its way already: %s", c->state.name, c->state.offer.serial,
			 phase_name(c->state.phase));
		return 0;
	}
	if (of_verdict(v, &a) && digest_equal(&v->assigned, &running)) {
		snprintf(answer, cap, "channel %s: serial %" PRIu64 " runs already", c->state.name, v->assigned_serial);
		return 0;
	}
	return refuse(c, &a, e);
}

/* ---- a mirror ---- */

static int check_mirror(const struct settings *s, const char *dir, struct err *e)
{
	for (int i = 0; i < (*s->rings_repo ? SETTINGS_REPOS : 1); i++) {
		char path[HOME_PATH_MAX];
		struct stat st;

		if (home_pathf(path, e, dir, "%s%s/metadata", *s->rings_repo ? "/" : "",
			       *s->rings_repo ? settings_repo_name(s, (enum settings_repo)i) : "") < 0)
			return e->code;
		if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
			return err_set(e, ERR_NOT_FOUND, "%s: the agent sees no such directory (its service sees neither /home nor /tmp)", path);
	}
	return 0;
}

int install_mirror(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	/* At its last step, where a verdict must be fresh once more, it is the same install. */
	bool again = c->state.phase == PHASE_CANARIED;
	struct host *h = c->host;

	if (*argument != '/')
		return err_set(e, ERR_USAGE, "mirror: %s is no absolute path", argument);
	if (check_mirror(h->s, argument, e) < 0)
		return e->code;
	if (ask_judge(h, argument, e) < 0)
		return err_wrap(e, "%s", argument);
	/* Before a round of the network finds that there is none. */
	for (size_t i = 0; i < h->channel_count; i++)
		if (h->channels[i].state.phase == PHASE_CANARIED && h->channels[i].job.kind == JOB_NONE)
			(void)channel_tick(&h->channels[i]);
	snprintf(answer, cap, "metadata comes from %s", argument);
	return again ? 0 : host_event(h, c->state.name, "local", reason_word(REASON_INSTALL), answer, e);
}
