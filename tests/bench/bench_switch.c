/*
 * bench_switch: the durable switch beside the least that any durable switch
 * costs, a rename and one fsync of its directory.
 *
 * Counted is all of trial_arm(): the look for the slot, the boot record read,
 * written to its other place and synced, and the link in /run (a tmpfs, as on
 * a machine). Once that is through, a power cut leaves the new content. The
 * entries of agent.db around it are not counted: they say what the agent does
 * next, not what runs. Both on one journaled ext4, in turn.
 */
#include "agent/trial.h"
#include "tests/bench/scratch_disk.h"

#define ROUNDS 301
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

static int measure(const char *root, struct err *e)
{
	static double ours[ROUNDS], peer[ROUNDS];
	const struct digest slots[2] = { { { 1 } }, { { 2 } } };
	char path[160];
	struct trial t;
	double a, b;
	int rc = 0;

	if (make_host(root, slots, e) < 0 || trial_open(&t, root, "edr", e) < 0)
		return e->code;
	snprintf(path, sizeof path, "%s/peer", root);
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (trial_baseline(&t, &slots[1], e) < 0)
		rc = e->code;
	for (unsigned i = 0; rc == 0 && i < ROUNDS; i++) {
		rc = switch_ours(&t, &slots[i % 2], i + 1, &ours[i], e);
		if (rc == 0)
			rc = switch_peer(dir, &peer[i], e);
	}
	trial_close(&t);
	if (rc < 0)
		return rc;
	a = scratch_median(ours, ROUNDS);
	b = scratch_median(peer, ROUNDS);
	printf("  boot record and link              %8.0f us\n  rename, fsync of its directory    %8.0f us\n"
	       "  ratio                             %8.2f    (at most 1.20)\n", a, b, a / b);
	return 0;
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
		rc = measure(disk.at, &e);
	if (rc < 0)
		fprintf(stderr, "bench_switch: %s\n", e.msg);
	scratch_disk_close(&disk);
	return rc < 0;
}
