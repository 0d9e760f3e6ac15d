/*
 * bench_trust: what trust costs a client. A refresh with nothing new (it must
 * be the specification's two requests, on one connection, or this fails), a
 * cold refresh of 50 delegated roles, and signatures verified per second beside
 * `openssl speed` in the same run.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fetch.h"
#include "base/file.h"
#include "base/proc.h"
#include "signing/driver.h"
#include "signing/repo.h"
#include "tests/bench/peer_files.h"

#define ROLES 50
#define REFRESHES 500
#define COLD_ROUNDS 7
#define SIGNED 1024             /* bytes under each signature */
#define SIGNATURE_MS 1000       /* as long as `openssl speed -seconds 1` */
#define SIGNATURE_ROUNDS 2

/* ---- a repository of 50 content roles, behind a web server ---- */

struct bench {
	char dir[64], repo[96], store[96], url[64];
	struct keyring *ring;
	struct peer_files server;
	struct fetch *fetch;
	unsigned asked;         /* requests, as we made them */
};

static int make_repository(struct bench *b, struct err *e)
{
	static char names[ROLES][16];
	static struct author_role roles[ROLES];
	struct seckey *k = NULL;
	const struct pubkey *public;
	AUTO(repo) struct repo *r = NULL;

	b->ring = keyring_new();
	if (!b->ring)
		return err_memory(e);
	if (seckey_generate(&k, e) < 0 || keyring_add(b->ring, "only", k, e) < 0)
		return e->code;
	public = seckey_public(k);
	for (int i = 0; i < ROLES; i++) {
		snprintf(names[i], sizeof names[i], "content-c%d", i);
		roles[i] = (struct author_role){ .name = names[i], .keys = &public, .key_count = 1, .threshold = 1 };
	}

	const struct author_role top = { .name = "top", .keys = &public, .key_count = 1, .threshold = 1 };
	const struct repo_plan plan = { .root = top, .targets = top, .snapshot = top, .timestamp = top, .roles = roles, .count = ROLES };

	if (repo_create(b->repo, &plan, b->ring, clock_now(), e) < 0 || repo_open(&r, b->repo, e) < 0)
		return e->code;
	for (int i = 0; i < ROLES; i++) {
		char path[64];

		snprintf(path, sizeof path, "bundles/c%d/floor.json", i);
		if (repo_put_target(r, names[i], path, "{}", 2, NULL, e) < 0)
			return e->code;
	}
	return repo_publish(r, b->ring, clock_now(), e);
}

static int open_bench(struct bench *b, struct err *e)
{
	const struct fetch_settings settings = { .agent = "ringhold-bench" };

	snprintf(b->dir, sizeof b->dir, "%s/ringhold-bench.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(b->dir))
		return err_errno(e, "%s: mkdtemp", b->dir);
	snprintf(b->repo, sizeof b->repo, "%s/repo", b->dir);
	snprintf(b->store, sizeof b->store, "%s/store", b->dir);
	if (mkdir(b->store, 0755) < 0)
		return err_errno(e, "%s", b->store);
	if (make_repository(b, e) < 0)
		return e->code;
	if (peer_files_start(&b->server, b->repo) < 0)
		return err_errno(e, "a web server");
	snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d/metadata/", b->server.port);
	return fetch_new(&b->fetch, &settings, e);
}

static void close_bench(struct bench *b)
{
	struct err e;

	fetch_free(b->fetch);
	peer_files_stop(&b->server);
	keyring_free(b->ring);
	(void)!file_remove_tree(b->dir, &e);
}

/* ---- refreshing ---- */

static int get(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	struct bench *b = arg;
	struct fetch_answer answer = { 0 };
	char url[256];
	struct fetch_request r = { .method = "GET", .url = url, .max = max };

	snprintf(url, sizeof url, "%s%s", b->url, name);
	b->asked++;
	if (fetch_do(b->fetch, &r, &answer, e) < 0)
		return e->code;
	if (answer.status == 200)
		*out = TAKE(answer.body);
	fetch_answer_release(&answer);
	return *out ? 0 : answer.status == 404 ? 1 : err_set(e, ERR_NET, "%s: status %ld", url, answer.status);
}

/* As a new process would: from the store, then the network; then `roles` of the delegated ones. */
static int refresh(struct bench *b, int roles, struct err *e)
{
	const struct driver d = { .dir = b->store, .get = get, .arg = b };
	AUTO(tuf_client) struct tuf_client *c = NULL;
	AUTO_FREE char *path = file_join(b->repo, "metadata/1.root.json");
	AUTO(buf) struct buf *root = NULL;

	if (file_read(&root, path, METADATA_ROOT_MAX, e) < 0 ||
	    driver_open(&c, b->store, root->data, root->len, TUF_HOUSE, e) < 0 || driver_refresh(&d, c, clock_now(), e) < 0)
		return e->code;
	for (int i = 0; i < roles; i++) {
		const struct tuf_target *t;
		char target[64];

		snprintf(target, sizeof target, "bundles/c%d/floor.json", i);
		if (driver_find(&d, c, target, &t, e) < 0)
			return e->code;
		if (!t)
			return err_set(e, ERR_NOT_FOUND, "%s: nobody lists it", target);
	}
	return 0;
}

static int bench_nothing_new(struct bench *b, struct err *e)
{
	struct peer_files_counts before, after;
	int64_t cpu, wall;
	double requests, connections;

	if (refresh(b, 0, e) < 0)
		return e->code;
	before = *b->server.counts;
	b->asked = 0;
	cpu = clock_cpu_us();
	wall = clock_work_ms();
	for (int i = 0; i < REFRESHES; i++)
		if (refresh(b, 0, e) < 0)
			return e->code;
	cpu = clock_cpu_us() - cpu;
	wall = clock_work_ms() - wall;
	after = *b->server.counts;
	requests = (double)(after.requests - before.requests) / REFRESHES;
	connections = (double)after.connections;
	printf("refresh, nothing new: %.0f us of CPU (%.2f ms in all), %.0f bytes received, %.0f sent, %.2f requests; "
	       "%d refreshes on %.0f connection\n",
	       (double)cpu / REFRESHES, (double)wall / REFRESHES, (double)(after.out - before.out) / REFRESHES,
	       (double)(after.in - before.in) / REFRESHES, requests, REFRESHES + 1, connections);
	if (after.requests - before.requests != 2 * REFRESHES || b->asked != 2 * REFRESHES || after.connections != 1)
		return err_set(e, ERR_CONFLICT, "a refresh with nothing new is two requests on one connection, and was not");
	return 0;
}

static int bench_cold(struct bench *b, struct err *e)
{
	int64_t best_cpu = INT64_MAX, best_wall = INT64_MAX;
	struct peer_files_counts before, after;

	for (int round = 0; round < COLD_ROUNDS; round++) {
		int64_t cpu, wall;

		if (file_remove_tree(b->store, e) < 0)
			return e->code;
		if (mkdir(b->store, 0755) < 0)
			return err_errno(e, "%s", b->store);
		before = *b->server.counts;
		cpu = clock_cpu_us();
		wall = clock_work_ms();
		if (refresh(b, ROLES, e) < 0)
			return e->code;
		best_cpu = MIN(best_cpu, clock_cpu_us() - cpu);
		best_wall = MIN(best_wall, clock_work_ms() - wall);
		after = *b->server.counts;
	}
	printf("cold refresh of %d delegated roles: %.1f ms of CPU (%lld ms in all), %llu requests, %llu bytes received, "
	       "%llu new connections\n",
	       ROLES, (double)best_cpu / 1000, (long long)best_wall, (unsigned long long)(after.requests - before.requests),
	       (unsigned long long)(after.out - before.out), (unsigned long long)(after.connections - before.connections));
	return 0;
}

/* ---- signatures ---- */

static const struct algorithm {
	const char *name, *openssl;
} algorithms[] = {
	{ "Ed25519", "ed25519" },
	{ "ECDSA P-256", "ecdsap256" },
	{ "RSA-PSS 2048", "rsa2048" },
};

static EVP_PKEY *make_key(size_t which)
{
	return which == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") :
	       which == 1 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256") : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
}

static size_t sign(EVP_PKEY *k, size_t which, const uint8_t *bytes, uint8_t *sig, size_t cap)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	bool good = EVP_DigestSignInit(ctx, &pctx, which ? EVP_sha256() : NULL, NULL, k) == 1;

	if (good && which == 2)
		good = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 32) == 1;
	good = good && EVP_DigestSign(ctx, sig, &cap, bytes, SIGNED) == 1;
	EVP_MD_CTX_free(ctx);
	return good ? cap : 0;
}

static int public_of(struct pubkey **out, EVP_PKEY *k, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long len;
	int rc;

	PEM_write_bio_PUBKEY(bio, k);
	len = BIO_get_mem_data(bio, &pem);
	rc = pubkey_from_pem(out, pem, (size_t)len, e);
	BIO_free(bio);
	return rc;
}

/* Verified per second; 0 when a good signature was refused. */
static double ours(const struct pubkey *k, const uint8_t *bytes, const uint8_t *sig, size_t sig_len)
{
	int64_t start = clock_cpu_us(), now;
	uint64_t count = 0;

	do {
		for (int i = 0; i < 100; i++)
			if (!pubkey_verify(k, bytes, SIGNED, sig, sig_len))
				return 0;
		count += 100;
		now = clock_cpu_us();
	} while (now - start < SIGNATURE_MS * 1000);
	return (double)count * 1e6 / (double)(now - start);
}

/* The last number of `openssl speed -mr`: verifications per second. 0: it cannot tell. */
static double theirs(const char *algorithm)
{
	char *argv[] = { (char *)"openssl", (char *)"speed", (char *)"-mr", (char *)"-seconds", (char *)"1",
			 (char *)(uintptr_t)algorithm, NULL };
	struct proc_run r = { .path = "/usr/bin/openssl", .argv = argv, .stdin_fd = -1, .timeout_ms = 60000, .output_max = 65536 };
	struct proc_result result = { 0 };
	const char *line, *last;
	struct err e;
	double rate = 0;

	if (proc_run(&r, &result, &e) < 0)
		return 0;
	line = result.output->data ? strstr(result.output->data, "\n+F") : NULL;
	if (line) {
		last = line + 1 + strcspn(line + 1, "\n");
		while (last > line && *last != ':')
			last--;
		rate = strtod(last + 1, NULL);
	}
	proc_result_release(&result);
	return rate;
}

static int bench_signatures(size_t which, struct err *e)
{
	EVP_PKEY *k = make_key(which);
	AUTO(pubkey) struct pubkey *public = NULL;
	uint8_t bytes[SIGNED], sig[512];
	double best = 0, best_theirs = 0;
	size_t sig_len;

	memset(bytes, 'x', sizeof bytes);
	sig_len = k ? sign(k, which, bytes, sig, sizeof sig) : 0;
	if (!sig_len || public_of(&public, k, e) < 0) {
		EVP_PKEY_free(k);
		return err_set(e, ERR_INTERNAL, "%s: no signature", algorithms[which].name);
	}
	for (int round = 0; round < SIGNATURE_ROUNDS; round++) {
		best = MAX(best, ours(public, bytes, sig, sig_len));
		best_theirs = MAX(best_theirs, theirs(algorithms[which].openssl));
	}
	EVP_PKEY_free(k);
	if (best == 0)
		return err_set(e, ERR_AUTH, "%s: a good signature was refused", algorithms[which].name);
	if (best_theirs > 0)
		printf("%s: %.0f signatures of %d bytes verified a second; openssl speed %.0f; %.2f of it\n", algorithms[which].name,
		       best, SIGNED, best_theirs, best / best_theirs);
	else
		printf("%s: %.0f signatures of %d bytes verified a second; openssl speed is not at hand\n", algorithms[which].name,
		       best, SIGNED);
	return 0;
}

int main(void)
{
	struct bench b = { 0 };
	struct err e = { 0 };
	int rc = open_bench(&b, &e);

	if (rc == 0)
		rc = bench_nothing_new(&b, &e);
	if (rc == 0)
		rc = bench_cold(&b, &e);
	close_bench(&b);
	for (size_t i = 0; i < ARRAY_LEN(algorithms) && rc == 0; i++)
		rc = bench_signatures(i, &e);
	if (rc < 0)
		fprintf(stderr, "bench_trust: %s\n", e.msg);
	return rc < 0;
}
