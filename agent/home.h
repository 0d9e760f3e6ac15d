/*
 * home: where things lie on this host, below its root directory.
 *
 *   /etc/ringhold/{agent.ini,trust/<repo>.root.json,contract.json,vouch.key,benign.d/}
 *   /usr/share/ringhold/benign.d/
 *   /var/lib/ringhold/{agent.db,tuf/<repo>/,install/,device.token,channels/<channel>/{slots,quarantine.d,incoming,drop.d,boot}}
 *   /run/ringhold/{agent.lock,scratch/,<channel>/}
 */
#ifndef AGENT_HOME_H
#define AGENT_HOME_H

#include <stdbool.h>

#include "base/err.h"

#define HOME_PATH_MAX 4096
#define HOME_STATE "/var/lib/ringhold"
#define HOME_CHANNELS HOME_STATE "/channels"
#define HOME_RUN "/run/ringhold"
#define HOME_ETC "/etc/ringhold"
#define HOME_BENIGN_SITE HOME_ETC "/benign.d"   /* events that must stay undisturbed: the site's, */
#define HOME_BENIGN_VENDOR "/usr/share/ringhold/benign.d"      /* and those that came with the sensor */
#define HOME_SCRATCH HOME_RUN "/scratch"        /* empty; each canary that runs commands has its own file system there */

/* root followed by an absolute path; ERR_LIMIT when too long. */
int home_path(char out[HOME_PATH_MAX], const char *root, const char *path, struct err *e) MUST_CHECK;
int home_pathf(char out[HOME_PATH_MAX], struct err *e, const char *root, const char *fmt, ...) PRINTF_LIKE(4, 5) MUST_CHECK;

/* Makes a directory and its parents below root; 0755, or 0700 when secret. */
int home_make(const char *root, const char *path, bool secret, struct err *e) MUST_CHECK;

/* Opens a directory below root. */
int home_open(const char *root, const char *path, struct err *e) MUST_CHECK;

/* Everything one channel needs on disk exists after this. */
int home_make_channel(const char *root, const char *channel, struct err *e) MUST_CHECK;

/*
 * The agent's lock: a descriptor to keep open, or ERR_CONFLICT when another
 * agent holds it. *pid (may be NULL) gets the holder's process id, 0 unknown.
 */
int home_lock(const char *root, int *pid, struct err *e) MUST_CHECK;

#endif
