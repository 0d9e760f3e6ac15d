/*
 * settings: /etc/ringhold/agent.ini, the only configuration of an agent.
 *
 * Every path, in the file and in this program, lies below one root directory
 * ("" in production), so that many agents can live on one machine in tests.
 * An unknown section or key is an error with file and line.
 */
#ifndef AGENT_SETTINGS_H
#define AGENT_SETTINGS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/name.h"
#include "rollout/window.h"

#define SETTINGS_PATH "/etc/ringhold/agent.ini"
#define SETTINGS_CHANNELS_MAX 16
#define SETTINGS_APPROVALS_MAX 16
#define SETTINGS_RINGS_MAX 16           /* ring positions that may have a minimum age */

enum settings_repo { REPO_CONTENT, REPO_RINGS, SETTINGS_REPOS };

struct settings_channel {
	char name[NAME_LEN_MAX + 1];
	char *reload;           /* command that makes the sensor take new content; "" none: the sensor watches the link */
	char *pidfile;          /* or: whose process gets `signal`; "" none */
	char *signal;           /* "HUP", "USR1", "USR2" */
	char *probe;            /* command that must succeed while on probation; "" none */
	char **exec;            /* "TYPE=COMMAND": check commands of content types without an engine of ours */
	char **exec_reads;      /* what these may read beside the system's programs */
	char **benign;          /* directories of benign events */
	bool watch;             /* the sensor reports through libringhold-sensor; else only the probe speaks for it */
	int64_t sensor_wait_s;  /* how long it may take to take content over, or to come back */
	int64_t probe_every_s;
	int64_t canary_wall_s;
	/* ceilings of probation; see agent/probation.h */
	int64_t max_restarts;
	int64_t ceiling_window_s;
	int64_t cpu_ceiling;    /* percent of one processor; 0: none of ours */
	int64_t rss_ceiling;    /* bytes; 0: none of ours */
	int64_t verdict_rate;   /* a minute; 0: none of ours */
	int64_t verdict_times;  /* of the rate before; 0: does not raise it */
	int64_t health_every_s;
	char *window;           /* "mon-fri 22:00-05:00 Europe/Berlin; ..."; "" any time */
	struct windows windows; /* of it */
	bool window_urgent;     /* urgent content waits for it too */
};

struct settings {
	const char *root;               /* borrowed; "" or a directory without a slash at its end */
	char *server;                   /* https://host:port; "": from enrolment; then none: no check-ins */
	char *pin;                      /* "sha256//..."; "": from enrolment, else the CA store */
	char *ca_file, *proxy;
	char *client_certificate, *client_key;  /* PEM files, shown to the server in TLS; "": none */
	char *content_repo, *rings_repo;        /* names; rings_repo "": the content repository serves both */
	char *content_url, *rings_url;          /* above metadata/ and targets/; "": <server>/content */
	char *content_pin, *rings_pin;          /* of these URLs' servers; "": see role_fetch.c */
	char *content_ca_file, *rings_ca_file;  /* "": ca_file */
	char *contract;                 /* path; "": none, then nothing is refused for it */
	char *device;                   /* id for ring maps while not enrolled; usually "" */
	char **attributes;              /* assigned by operators at provisioning */
	char **tags;
	char *os, *locale, *host;       /* "": what the machine says */
	char **approvals;               /* parties whose approval this host demands: "bank", or of one repository only "bank@ours" */
	char **min_age;                 /* by ring position: "0 1h 4h" */
	int64_t min_age_s[SETTINGS_RINGS_MAX];  /* of min_age; -1: default of the design */
	int64_t poll_s, poll_max_s;
	int64_t boot_ok_s;
	int64_t max_rate;               /* bytes per second of downloads; 0: no limit */
	char *transfer_hook;            /* command that says whether now is a time for downloads; "" none */
	int64_t transfer_hook_s;        /* seconds its answer is good for */
	int64_t keep_events;
	bool strict_sandbox;            /* refuse to run when the kernel lacks confinement */
	char *fetch_user, *judge_user, *unpack_user, *canary_user;      /* "": stay who we are */
	struct settings_channel channels[SETTINGS_CHANNELS_MAX];
	size_t channel_count;
	const char *mirror;             /* of no file: the directory that fetch reads instead of any network; NULL: none; borrowed */
};

/* root must outlive the settings; path NULL: SETTINGS_PATH below root. */
int settings_load(struct settings **out, const char *root, const char *path, struct err *e) MUST_CHECK;
void settings_free(struct settings *s);

const struct settings_channel *settings_channel(const struct settings *s, const char *name);    /* NULL: none */

/* One repository or two: REPO_RINGS is REPO_CONTENT when only one is named. */
enum settings_repo settings_repo(const struct settings *s, enum settings_repo which);
const char *settings_repo_name(const struct settings *s, enum settings_repo which);

/* A word of `approvals`: its party, and the one repository that counts (SETTINGS_REPOS: any). False: neither PARTY nor PARTY@REPO. */
bool settings_party(const struct settings *s, const char *word, char party[NAME_LEN_MAX + 1], enum settings_repo *only);

/* The table, for --help and the manual. */
struct ini_key;
const struct ini_key *settings_keys(size_t *count);
const struct ini_key *settings_channel_keys(size_t *count);

AUTO_DEFINE(settings, struct settings *, settings_free);

#endif
