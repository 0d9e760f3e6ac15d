/*
 * fuzz_records: what a hostile unpack process may say, record for record, to
 * the supervisor that builds a slot from it. Whatever comes, no slot appears
 * and nothing is left outside the directory of slots.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/job.h"
#include "base/clock.h"
#include "base/file.h"

#define PACKETS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The channel's directory with slots/ in it, made once and removed at the end. */
static char dir[128];

static void remove_dir(void)
{
	struct err ignored;

	(void)!file_remove_tree(dir, &ignored);
}

static void make_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char path[160];
	struct err e;

	snprintf(dir, sizeof dir, "%s/ringhold-records.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof path, "%s/slots", dir);
	if (file_mkdirs(path, 0755, &e) < 0)
		abort();
	atexit(remove_dir);
}

static size_t entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* The same state in which job_unpack() leaves a job whose child has been asked. */
static void begin(struct job *j, int sock)
{
	char path[160], name[DIGEST_HEX_LEN + 1];
	struct err e;

	snprintf(path, sizeof path, "%s/slots", dir);
	job_init(j);
	j->kind = JOB_UNPACK;
	j->child.sock = sock;
	j->deadline = clock_work_ms() + 60000;
	memset(j->digest.bytes, 0xd1, sizeof j->digest.bytes);
	j->most = 1 << 16;
	j->slots = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	digest_hex(name, &j->digest);
	if (j->slots < 0 || tree_writer_new(&j->writer, j->slots, name, -1, &e) < 0)
		abort();
	j->sink = tree_writer_sink(j->writer);
}

/* Each packet: two bytes of length, then as many bytes as there are; the socket keeps their bounds. */
static void send_packets(int sock, const uint8_t *data, size_t len)
{
	for (int i = 0; i < PACKETS_MAX && len >= 2; i++) {
		size_t n = MIN((size_t)(data[0] | data[1] << 8), len - 2);

		if (n && send(sock, data + 2, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
		data += 2 + n;
		len -= 2 + n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct job_result result;
	char path[160];
	struct job j;
	struct err e;
	int ends[2];

	if (!*dir)
		make_dir();
	if (wire_pair(ends, &e) < 0)
		abort();
	begin(&j, ends[0]);
	send_packets(ends[1], data, len);
	close(ends[1]);
	while (job_turn(&j, &result) == 0)
		;
	job_stop(&j);
	snprintf(path, sizeof path, "%s/slots", dir);
	if (result.outcome == RESULT_OK || entries(path) != 2 || entries(dir) != 3)
		abort();
	return 0;
}
