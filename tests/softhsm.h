/*
 * softhsm: tokens in a temporary directory, made by SoftHSM2, for tests that sign with them.
 *
 * SOFTHSM2_CONF is set for this process and its children: one struct at a time.
 */
#ifndef TESTS_SOFTHSM_H
#define TESTS_SOFTHSM_H

#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "tests/test.h"

#define SOFTHSM_UTIL "/usr/bin/softhsm2-util"
#define SOFTHSM_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define SOFTHSM_PIN "271828"
#define SOFTHSM_QUERY "?module-path=" SOFTHSM_MODULE "&pin-value=" SOFTHSM_PIN

struct softhsm {
	char dir[256];          /* holds tokens/ and softhsm2.conf */
};

static inline bool softhsm_installed(void)
{
	return access(SOFTHSM_UTIL, X_OK) == 0 && access(SOFTHSM_MODULE, R_OK) == 0;
}

/* Runs softhsm2-util; the last argument is NULL. */
static inline void softhsm_util(char *const *argv)
{
	char conf[300];
	char *env[] = { (char *)"PATH=/usr/bin:/bin", conf, NULL };
	struct proc_run run = { .path = SOFTHSM_UTIL, .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = 30000, .output_max = 65536 };
	struct proc_result r;
	struct err e;

	snprintf(conf, sizeof conf, "SOFTHSM2_CONF=%s", getenv("SOFTHSM2_CONF"));
	assert_ok(proc_run(&run, &r, &e));
	if (r.exit_status != 0)
		fail_msg("softhsm2-util %s: %s", argv[1], r.output->data);
	proc_result_release(&r);
}

static inline void softhsm_token(const char *label)
{
	char *argv[] = { (char *)"softhsm2-util", (char *)"--init-token", (char *)"--free", (char *)"--label", (char *)(uintptr_t)label,
			 (char *)"--pin", (char *)SOFTHSM_PIN, (char *)"--so-pin", (char *)"314159", NULL };

	softhsm_util(argv);
}

/* Puts a PKCS #8 PEM file into a token; id in hex. */
static inline void softhsm_import(const char *token, const char *pem, const char *label, const char *id)
{
	char *argv[] = { (char *)"softhsm2-util", (char *)"--import", (char *)(uintptr_t)pem, (char *)"--token", (char *)(uintptr_t)token,
			 (char *)"--label", (char *)(uintptr_t)label, (char *)"--id", (char *)(uintptr_t)id, (char *)"--pin", (char *)SOFTHSM_PIN, NULL };

	softhsm_util(argv);
}

static inline void softhsm_open(struct softhsm *h)
{
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
	char text[400], path[300];
	struct err e;

	snprintf(h->dir, sizeof h->dir, "%s/ringhold-token-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(h->dir));
	snprintf(path, sizeof path, "%s/tokens", h->dir);
	assert_ok(file_mkdirs(path, 0700, &e));
	snprintf(text, sizeof text, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", path);
	snprintf(path, sizeof path, "%s/softhsm2.conf", h->dir);
	assert_ok(file_replace(path, text, strlen(text), 0600, &e));
	setenv("SOFTHSM2_CONF", path, 1);
}

static inline void softhsm_close(struct softhsm *h)
{
	struct err e;

	assert_ok(file_remove_tree(h->dir, &e));
	unsetenv("SOFTHSM2_CONF");
}

#endif
