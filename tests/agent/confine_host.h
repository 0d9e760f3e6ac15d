/* confine_host: a host's directory with all that a role of the agent may want, for the tests of confinement. */
#ifndef TESTS_AGENT_CONFINE_HOST_H
#define TESTS_AGENT_CONFINE_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/settings.h"
#include "base/file.h"
#include "base/log.h"
#include "test.h"
#include "walls.h"

#define SLOT "/var/lib/ringhold/channels/edr/slots/x"

static char host_root[128];

#define NEED_ROOT()                                                  \
	do {                                                         \
		if (geteuid())                                       \
			skip_named("not root: users cannot change"); \
	} while (0)

static inline void confine_host_put(const char *path, const char *text, mode_t mode)
{
	char full[512], parent[512];
	struct err e;

	snprintf(full, sizeof full, "%s%s", host_root, path);
	snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(full, '/') - full), full);
	assert_ok(file_mkdirs(parent, 0755, &e));
	assert_ok(file_replace(full, text, strlen(text), mode, &e));
}

/* With further lines; the caller frees. */
static inline struct settings *confine_host_settings(const char *extra)
{
	struct settings *s;
	char path[256], text[512];
	struct err e;

	snprintf(path, sizeof path, "%s/etc/ringhold/agent.ini", host_root);
	snprintf(text, sizeof text,
		 "[agent]\nclient-certificate = /etc/ringhold/client.crt\nclient-key = /etc/ringhold/client.key\n%s\n[channel edr]\nbenign = /etc/ringhold/benign.d\n", extra);
	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
	assert_ok(settings_load(&s, host_root, NULL, &e));
	return s;
}

static inline int confine_host_make(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char path[512];

	(void)state;
	log_init("test", LOG_ERROR);
	snprintf(host_root, sizeof host_root, "%s/ringhold-confine.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(host_root));
	assert_int_equal(chmod(host_root, 0755), 0);
	confine_host_put("/etc/ringhold/agent.ini", "{}", 0644);
	confine_host_put("/etc/ringhold/contract.json", "{}", 0644);
	confine_host_put("/etc/ringhold/vouch.key", "{}", 0644);
	confine_host_put("/etc/ringhold/client.key", "{}", 0644);
	confine_host_put("/etc/ringhold/trust/content.root.json", "{}", 0644);
	confine_host_put("/etc/ringhold/benign.d/x.ndjson", "{}", 0644);
	confine_host_put("/var/lib/ringhold/device.json", "{}", 0600);
	confine_host_put("/var/lib/ringhold/agent.db", "{}", 0600);
	confine_host_put(SLOT "/file", "{}", 0644);
	confine_host_put("/var/lib/ringhold/tuf/content/x", "{}", 0644);
	confine_host_put("/tmp/x", "{}", 0644);
	snprintf(path, sizeof path, "%s/tmp", host_root);
	assert_int_equal(chmod(path, 01777), 0);
	return 0;
}

static inline int confine_host_remove(void **state)
{
	struct err e;

	(void)state;
	return file_remove_tree(host_root, &e);
}

#endif
