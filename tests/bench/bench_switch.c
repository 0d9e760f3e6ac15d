/*
 * bench_switch: the durable switch beside the least that any durable switch
 * costs, a rename and one fsync of its directory.
 *
 * Counted is all of trial_arm(): the look for the slot, the boot record read,
 * written to its other place and synced, and the link in /run (a tmpfs, as on
 * a machine). Once that is through, a power cut leaves the new content. The
 * entries of agent.db around it say what the agent does next, not what runs:
 * they are in a line of their own, without a limit. All on one journaled ext4,
 * in turn. A machine that is busy may spoil a measurement: the best of three
 * counts, and beyond the limit it fails.
 */
#include "agent/journal.h"
#include "agent/trial.h"
#include "tests/bench/scratch_disk.h"

#define ROUNDS 301
#define RATIO_MAX 1.20
#define MEASUREMENTS 3
#define DISK_BYTES ((off_t)64 << 20)

static int make_host(const char *root, const struct digest slots[2], struct err *e)
{
	char path[400], hex[DIGEST_HEX_LEN + 1];

	for (int i = 0; i < 2; i++) {
		digest_hex(hex, &slots[i]);
		snprintf(path, sizeof path, "%s" BOOT_CHANNELS_DIR "/edr/slots/%s", root, hex);
		if (file_mkdirs(path, 0755, e) < 0)
			return e->code;
	}
	snprintf(path, sizeof path, "%s/peer", root);
	if (file_mkdirs(path, 0755, e) < 0)
		return e->code;
	snprintf(path, sizeof path, "%s/run", root);
	if (file_mkdirs(path, 0755, e) < 0)
		return e->code;
	return mount("tmpfs", path, "tmpfs", 0, "size=1m") < 0 ? err_errno(e, "%s: tmpfs", path) : 0;
}

/* Microseconds; what both find prepared is on disk already. */
static int switch_ours(struct trial *t, const struct digest *to, uint64_t serial, double *us, struct err *e)
{
	double from;

	if (syncfs(t->dir) < 0)
		return err_errno(e, "syncfs");
	from = scratch_now_us();
	if (trial_arm(t, to, serial, e) < 0)
		return e->code;
	*us = scratch_now_us() - from;
	return trial_commit(t, serial, e);
}

/* As the agent's channel does it: a phase, durable, on either side of it, the second with the event that tells of it. */
static int store(struct journal *j, const struct digest *to, enum phase phase, const char *kind, struct err *e)
{
	struct journal_channel c = { .name = "edr", .phase = phase, .offer.digest = *to };
	struct message_event event = { .digest = *to };

	snprintf(event.kind, sizeof event.kind, "%s", kind);
	snprintf(event.channel, sizeof event.channel, "%s", c.name);
	if (journal_begin(j, e) < 0)
		return e->code;
	if (journal_channel_store(j, &c, e) < 0 || (*kind && journal_event(j, &event, e) < 0)) {
		journal_undo(j);
		return e->code;
	}
	return journal_end(j, e);
}

static int switch_whole(struct trial *t, struct journal *j, const struct digest *to, uint64_t serial, double *us, struct err *e)
{
	double from;

	if (syncfs(t->dir) < 0)
		return err_errno(e, "syncfs");
	from = scratch_now_us();
	if (store(j, to, PHASE_ARMED, "", e) < 0 || trial_arm(t, to, serial, e) < 0 || store(j, to, PHASE_ACTIVE, "armed", e) < 0)
		return e->code;
	*us = scratch_now_us() - from;
	return trial_commit(t, serial, e);
}

static int switch_peer(int dir, double *us, struct err *e)
{
	double from;

	if (symlinkat("somewhere", dir, "current.new") < 0 || syncfs(dir) < 0)
		return err_errno(e, "current.new");
	from = scratch_now_us();
	if (renameat(dir, "current.new", dir, "current") < 0 || fsync(dir) < 0)
		return err_errno(e, "current");
	*us = scratch_now_us() - from;
	return 0;
}

/* 0 within the limit, 1 beyond it. */
static int measure(struct trial *t, struct journal *j, int dir, const struct digest slots[2], struct err *e)
{
	static double ours[ROUNDS], whole[ROUNDS], peer[ROUNDS];
	static uint64_t serial;
	double a, b, c;

	for (unsigned i = 0; i < ROUNDS; i++) {
		serial += 2;
		if (switch_ours(t, &slots[0], serial, &ours[i], e) < 0 || switch_peer(dir, &peer[i], e) < 0 ||
		    switch_whole(t, j, &slots[1], serial + 1, &whole[i], e) < 0)
			return e->code;
	}
	a = scratch_median(ours, ROUNDS);
	b = scratch_median(peer, ROUNDS);
	c = scratch_median(whole, ROUNDS);
	printf("  boot record and link              %8.0f us\n  rename, fsync of its directory    %8.0f us\n"
	       "  ratio                             %8.2f    (at most %.2f)%s\n"
	       "  with the journal on either side   %8.0f us (%.2f, for information)\n",
	       a, b, a / b, RATIO_MAX, a / b <= RATIO_MAX ? "" : ": MISSED", c, c / b);
	fflush(stdout);
	return a / b > RATIO_MAX;
}

static int compare(const char *root, struct err *e)
{
	const struct digest slots[2] = { { { 1 } }, { { 2 } } };
	AUTO(journal) struct journal *j = NULL;
	char path[160];
	struct trial t;
	int rc = 1;

	if (make_host(root, slots, e) < 0 || journal_open(&j, root, e) < 0 || trial_open(&t, root, "edr", e) < 0)
		return e->code;
	snprintf(path, sizeof path, "%s/peer", root);
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (trial_baseline(&t, &slots[1], e) < 0)
		rc = e->code;
	for (int i = 0; rc == 1 && i < MEASUREMENTS; i++)
		rc = measure(&t, j, dir, slots, e);
	trial_close(&t);
	return rc;
}

int main(void)
{
	const char *missing = scratch_disk_missing();
	struct scratch_disk disk;
	struct err e;
	int rc;

	if (missing) {
		printf("bench_switch: not measured: needs %s\n", missing);
		return 0;
	}
	printf("durable switch on ext4 with a journal: median of %d, in turn\n", ROUNDS);
	fflush(stdout);
	rc = scratch_disk_open(&disk, DISK_BYTES, &e);
	if (rc == 0)
		rc = compare(disk.at, &e);
	if (rc < 0)
		fprintf(stderr, "bench_switch: %s\n", e.msg);
	scratch_disk_close(&disk);
	return rc != 0;
}
