/*
 * bench_staging: a new slot from an archive, durable, beside `tar -x` of the
 * same archive and syncfs.
 *
 * Ours is the whole of it, with the real processes: this program starts itself
 * as the confined unpack process, takes its records, hashes and writes the
 * files as the supervisor does, syncs, and gives the tree its name. Both on
 * one journaled ext4, in turn; between the rounds all is removed and synced.
 * A machine that is busy may spoil a measurement: the best of three counts,
 * and beyond the limit it fails.
 * A round of its own, not timed, looks at the memory of both processes of ours
 * at every turn: their proportional shares, less what this program had before.
 */
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>

#include "agent/job.h"
#include "agent/role.h"
#include "agent/slots.h"
#include "boot/link.h"
#include "content/bundle.h"
#include "tests/bench/scratch_disk.h"

#define ROUNDS 11
#define RATIO_MAX 1.50
#define MEASUREMENTS 3
#define SMALL_FILES 4000
#define SMALL_BYTES 3000
#define BIG_FILES 4
#define BIG_BYTES ((size_t)4 << 20)
#define DISK_BYTES ((off_t)512 << 20)

struct bench {
	struct scratch_disk disk;
	char archive[160], channel[160], peer[160];
	struct settings *settings;
	struct digest digest;
	uint64_t size, archived;
	int channel_dir, peer_dir;
};

/* ---- the content: lines of words, as rules and lists are ---- */

static int write_words(const char *path, size_t bytes, struct err *e)
{
	static const char *const words[] = { "process", "parent", "hash", "image", "network", "domain", "registry", "script" };
	static uint32_t seed = 1;
	AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	AUTO(buf) struct buf *b = buf_new(bytes + 64);

	if (fd < 0)
		return err_errno(e, "%s", path);
	if (!b)
		return err_memory(e);
	while (b->len < bytes) {
		seed = seed * 1664525 + 1013904223;
		buf_addf(b, "%s %08x%s", words[seed >> 29], (unsigned)seed, seed >> 20 & 3 ? " " : "\n");
	}
	return file_write_all(fd, b->data, bytes, e);
}

static int write_content(const char *dir, struct err *e)
{
	static const char recipe[] = "{\"format\":1,\"types\":[{\"match\":\"**\",\"type\":\"yara\"}]}";
	char path[300];

	for (int i = 0; i < SMALL_FILES + BIG_FILES; i++) {
		snprintf(path, sizeof path, "%s/rules/%02d", dir, i % 40);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_errno(e, "%s", path);
		snprintf(path, sizeof path, "%s/rules/%02d/%04d.yar", dir, i % 40, i);
		if (write_words(path, i < SMALL_FILES ? SMALL_BYTES : BIG_BYTES, e) < 0)
			return e->code;
	}
	snprintf(path, sizeof path, "%s/" BUNDLE_NAME, dir);
	return file_create(path, recipe, strlen(recipe), 0644, e);
}

static int make_archive(struct bench *b, struct err *e)
{
	struct bundle_options o = BUNDLE_OPTIONS_NONE;
	AUTO(bundle) struct bundle *made = NULL;
	char dir[120], rules[160];

	snprintf(dir, sizeof dir, "%s/content", b->disk.dir);
	snprintf(rules, sizeof rules, "%s/rules", dir);
	o.channel = "edr";
	o.serial = 1;
	o.version = "1";
	o.created = 1;
	if (file_mkdirs(rules, 0755, e) < 0 || write_content(dir, e) < 0 || bundle_build(&made, dir, &o, e) < 0)
		return e->code;
	b->digest = made->digest;
	b->size = made->size;
	b->archived = made->archive->len;
	snprintf(b->archive, sizeof b->archive, "%s/archive.tar.gz", b->disk.at);
	return file_create(b->archive, made->archive->data, made->archive->len, 0644, e);
}

/* ---- a host on the disk ---- */

static int make_host(struct bench *b, struct err *e)
{
	static const char ini[] = "[agent]\ncontent-url = file:///nowhere\n\n[channel edr]\n";
	char path[200];

	snprintf(path, sizeof path, "%s/etc/ringhold", b->disk.at);
	snprintf(b->channel, sizeof b->channel, "%s" BOOT_CHANNELS_DIR "/edr", b->disk.at);
	snprintf(b->peer, sizeof b->peer, "%s/peer", b->disk.at);
	if (file_mkdirs(path, 0755, e) < 0 || file_mkdirs(b->peer, 0755, e) < 0)
		return e->code;
	strcat(path, "/agent.ini");
	if (file_create(path, ini, strlen(ini), 0644, e) < 0)
		return e->code;
	snprintf(path, sizeof path, "%s/slots", b->channel);
	if (file_mkdirs(path, 0755, e) < 0 || settings_load(&b->settings, b->disk.at, NULL, e) < 0)
		return e->code;
	b->channel_dir = open(b->channel, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b->peer_dir = open(b->peer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->channel_dir < 0 || b->peer_dir < 0 ? err_errno(e, "%s", b->channel) : 0;
}

/* ---- memory ---- */

/* Kilobytes of a process's proportional share; 0: it is gone. */
static long share_of(pid_t pid)
{
	AUTO(buf) struct buf *text = NULL;
	char path[64];
	struct err ignored;
	const char *at;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	if (file_read(&text, path, 65536, &ignored) < 0 || !text->data)
		return 0;
	at = strstr(text->data, "\nPss:");
	return at ? strtol(at + 5, NULL, 10) : 0;
}

/* ---- one round of each, in microseconds ---- */

struct round {
	double wall, cpu;       /* cpu: of this program and the processes it started */
};

static double cpu_us(void)
{
	double sum = 0;

	for (int i = 0; i < 2; i++) {
		struct rusage r;

		getrusage(i ? RUSAGE_CHILDREN : RUSAGE_SELF, &r);
		sum += 1e6 * (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
	}
	return sum;
}

static struct round now(void)
{
	return (struct round){ scratch_now_us(), cpu_us() };
}

static struct round since(struct round from)
{
	struct round to = now();

	return (struct round){ to.wall - from.wall, to.cpu - from.cpu };
}

/* peak: NULL, or the kilobytes of both processes to watch. */
static int stage(struct bench *b, struct round *took, long *peak, struct err *e)
{
	long before = peak ? share_of(getpid()) : 0;
	AUTO_FD int archive = open(b->archive, O_RDONLY | O_CLOEXEC);
	const struct message_unpack m = { .digest = b->digest, .size = b->size, .length = b->archived };
	struct round from = now();
	struct job_result r;
	struct job j;

	job_init(&j);
	if (job_unpack(&j, b->settings, archive, b->channel_dir, &m, e) < 0)
		return e->code;
	while (!job_turn(&j, &r)) {
		struct pollfd f = { .fd = j.child.sock, .events = POLLIN };

		if (peak)
			*peak = MAX(*peak, share_of(getpid()) - before + share_of(j.child.pid));
		poll(&f, 1, 1000);
	}
	*took = since(from);
	return r.outcome == RESULT_OK ? 0 : err_set(e, ERR_IO, "staging: %s", r.text);
}

static int untar(struct bench *b, struct round *took, struct err *e)
{
	char *argv[] = { (char *)"/bin/tar", (char *)"-x", (char *)"-z", (char *)"-f", b->archive, (char *)"-C", b->peer, NULL };
	struct round from = now();

	if (scratch_run(argv, e) < 0)
		return e->code;
	if (syncfs(b->peer_dir) < 0)
		return err_errno(e, "syncfs");
	*took = since(from);
	return 0;
}

static int clean(const struct bench *b, struct err *e)
{
	if (slots_clean(b->channel_dir, NULL, 0, e) < 0 || file_remove_treeat(b->peer_dir, "rules", e) < 0 ||
	    file_remove_treeat(b->peer_dir, MANIFEST_NAME, e) < 0)
		return e->code;
	return syncfs(b->peer_dir) < 0 ? err_errno(e, "syncfs") : 0;
}

/* limit: 0, or what the ratio may be. 1: it is beyond that. */
static int say(const char *what, double *ours, double *peer, double limit)
{
	double x = scratch_median(ours, ROUNDS), y = scratch_median(peer, ROUNDS);
	bool missed = limit > 0 && x / y > limit;

	printf("  %-4s  ours %8.1f ms   tar %8.1f ms   ratio %5.2f", what, x / 1e3, y / 1e3, x / y);
	if (limit > 0)
		printf("   (at most %.2f)%s", limit, missed ? ": MISSED" : "");
	printf("\n");
	fflush(stdout);
	return missed;
}

/* 0 within the limit, 1 beyond it. */
static int measure(struct bench *b, struct err *e)
{
	double wall[2][ROUNDS], cpu[2][ROUNDS];
	struct round ours = { 0 }, peer = { 0 };
	int missed;

	for (int i = 0; i < ROUNDS; i++) {
		if (stage(b, &ours, NULL, e) < 0 || clean(b, e) < 0 || untar(b, &peer, e) < 0 || clean(b, e) < 0)
			return e->code;
		wall[0][i] = ours.wall;
		wall[1][i] = peer.wall;
		cpu[0][i] = ours.cpu;
		cpu[1][i] = peer.cpu;
	}
	missed = say("wall", wall[0], wall[1], RATIO_MAX);
	(void)say("CPU", cpu[0], cpu[1], 0);
	return missed;
}

static int compare(struct bench *b, struct err *e)
{
	struct round ignored = { 0 };
	long peak = 0;
	int rc = 1;

	if (stage(b, &ignored, &peak, e) < 0 || clean(b, e) < 0)
		return e->code;
	for (int i = 0; rc == 1 && i < MEASUREMENTS; i++)
		rc = measure(b, e);
	printf("  memory of the two processes, at most %.1f MB\n", (double)peak * 1024 / 1e6);
	return rc;
}

int main(int argc, char **argv)
{
	struct bench b = { .channel_dir = -1, .peer_dir = -1 };
	const char *missing = scratch_disk_missing();
	struct err e;
	int rc;

	if (argc == 5 && !strcmp(argv[1], "--role") && !strcmp(argv[3], "--root"))
		return role_main(argv[2], argv[4], NULL);
	if (missing) {
		printf("bench_staging: not measured: needs %s\n", missing);
		return 0;
	}
	rc = scratch_disk_open(&b.disk, DISK_BYTES, &e);
	if (rc == 0)
		rc = make_host(&b, &e);
	if (rc == 0)
		rc = make_archive(&b, &e);
	if (rc == 0) {
		printf("staging (unpacked, hashed, written, synced, named) beside tar -x and syncfs, on ext4 with a journal:\n"
		       "%d files and %d of %zu MB, %.1f MB, %.1f MB as an archive; median of %d, in turn\n",
		       SMALL_FILES, BIG_FILES, BIG_BYTES >> 20, (double)b.size / 1e6, (double)b.archived / 1e6, ROUNDS);
		fflush(stdout);
		rc = compare(&b, &e);
	}
	if (rc < 0)
		fprintf(stderr, "bench_staging: %s\n", e.msg);
	settings_free(b.settings);
	scratch_disk_close(&b.disk);
	return rc != 0;
}
