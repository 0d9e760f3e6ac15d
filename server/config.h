/* config: the server's configuration file. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "rollout/retention.h"
#include "server/access_log.h"

#define CONFIG_FOLLOWS_MAX 8
#define CONFIG_HOST 256

/* [follow NAME]: a vendor's repository whose bundles go into the rings of this server. */
struct config_follow {
	char name[64];
	char *url;              /* above its metadata/ and targets/ */
	char *root;             /* file: the vendor's root that is trusted */
	char *pin, *ca_file;    /* of the vendor's server; "": the system's authorities */
	char **channels;
	bool automatic;         /* a rollout begins by itself; else an operator begins it */
	int64_t poll_s;
};

struct config {
	char *listen;           /* "127.0.0.1:8443", "[::]:8443"; port 0: the kernel's choice */
	char *data;             /* directory: store, secrets, certificate, uploads, `listening` */
	char *repository;       /* the published repository; "": <data>/repository */
	char *name;             /* what agents call the repository */
	char *keys;             /* directory of signing keys; "": <data>/keys */
	bool tls;
	char *tls_certificate, *tls_key;        /* PEM; "": <data>/tls.crt, tls.key, made when absent */
	char *client_ca;        /* PEM; "": devices need no certificate of their own */
	char **trusted_proxies; /* addresses and networks whose header counts */
	char *client_header;    /* its name, in lower case */
	char *address_header;   /* in which they name the address that they speak for, in lower case; "": they do not */
	char *advertise;        /* host or host:port that devices shall use; "": the listen address */
	int64_t device_token_s; /* after which a device gets its next token; 0: it keeps its first */
	int64_t checkin_s;      /* what devices are told when no policy says otherwise */
	int64_t threads;        /* pool threads */
	int64_t connections;    /* open at once */
	int64_t upload_max;     /* bytes of one upload */
	int64_t head_s, body_s, idle_s, write_s;        /* time-outs of a connection */
	char **benign;          /* directories of benign events for the self-tests at publish */
	char *log, *access_log, *metrics, *metrics_listen;
	char **webhook_networks;
	char *webhook_ca_file;
	int64_t webhook_give_up_s;
	int64_t min_free;       /* bytes of the data directory's file system */
	int64_t size_ratio;     /* of a file to the one before, at publish */
	int64_t token_rate, token_burst;        /* requests of one operator: a second in the long run, and at once */
	int64_t device_rate, device_burst;
	int64_t address_rate, address_burst;    /* from one address to the operator plane */
	int64_t enrol_rate, enrol_burst;        /* enrolments from one address */
	int64_t bad_tokens, lock_out_s; /* so many in ten minutes lock the address out for so long */
	struct retention keep;  /* of the repository's files */
	char *oidc_issuer;      /* [oidc]: "" none */
	char *oidc_audience, *oidc_jwks_uri, *oidc_ca_file, *oidc_roles_claim;
	char **oidc_map;
	int64_t oidc_poll_s, oidc_stale_s;
	struct config_follow follows[CONFIG_FOLLOWS_MAX];
	size_t follow_count;
	/* derived: */
	enum log_form log_form;
	enum access_log access;
	bool metrics_open, metrics_off; /* to everybody; to nobody */
	char metrics_host[CONFIG_HOST]; /* of `metrics-listen` */
	int metrics_port;
	char host[CONFIG_HOST]; /* of `listen` */
	int port;
	bool loopback;          /* the listen address is one of this machine only */
};

/* Reads, checks, fills in what is derived. ERR_USAGE names file and line. */
int config_read(struct config **out, const char *path, struct err *e) MUST_CHECK;
void config_free(struct config *c);     /* NULL is fine */
void config_help(void);                 /* prints the table of keys */

AUTO_DEFINE(config, struct config *, config_free);

#endif
