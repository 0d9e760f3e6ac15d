/*
 * metadata: one TUF metadata file, parsed; TUF specification 1.0.34, section 4.
 *
 * Parsing checks form only: who signed it, its version and its expiry are
 * questions for verify.h and client.h. Unknown members are kept and are part
 * of what is signed. Strings may hold NUL, so they are compared by length;
 * names of delegated roles may not. Pure.
 */
#ifndef SIGNING_METADATA_H
#define SIGNING_METADATA_H

#include "signing/pubkey.h"

#define METADATA_ROOT_MAX 512000        /* bytes, when no length is listed */
#define METADATA_TIMESTAMP_MAX 16384
#define METADATA_SNAPSHOT_MAX 2000000
#define METADATA_TARGETS_MAX 5000000
#define METADATA_LISTED_MAX (16 << 20)  /* a listed length above this is refused: parsing takes a dozen times as much memory */
#define METADATA_SIGNATURES_MAX 1024

enum metadata_type { METADATA_ROOT, METADATA_TIMESTAMP, METADATA_SNAPSHOT, METADATA_TARGETS };
#define METADATA_TYPES 4

struct metadata_key {
	struct json_string id;          /* opaque */
	struct pubkey *key;             /* NULL: a type, scheme or value we cannot use; its signatures do not count */
};

struct metadata_role {
	struct json_string *keyids;     /* as listed */
	size_t count;
	int64_t threshold;              /* >= 1; may be above count: then nothing satisfies it */
};

struct metadata_signature {
	struct json_string keyid;
	const char *hex;                /* borrowed; anything */
	size_t hex_len;
};

/* What a file is said to be. */
struct metadata_file {
	int64_t length;                 /* bytes; -1: not listed */
	const struct json *hashes;      /* algorithm -> hex; NULL: not listed */
};

struct metadata_entry {                 /* of meta in snapshot and timestamp */
	struct json_string name;        /* "targets.json", unquoted */
	int64_t version;
	struct metadata_file file;
};

struct metadata_target {
	struct json_string path;
	struct metadata_file file;      /* both always listed */
	const struct json *custom;      /* NULL: none */
	bool has_sha256;
	struct digest sha256;
};

struct metadata_delegation {
	const char *name;
	struct metadata_role role;
	bool terminating;
	const struct json *paths;       /* array of patterns; NULL: prefixes instead */
	const struct json *prefixes;    /* array of hex prefixes of SHA-256(path) */
};

struct metadata_succinct {              /* TAP 15; bit_length 0: none */
	int bit_length;                 /* 1..32 */
	const char *prefix;
	struct metadata_role role;
};

struct metadata {
	enum metadata_type type;
	int64_t version;                /* >= 1 */
	int64_t expires;                /* seconds since the epoch; expired when now >= expires */
	struct buf *raw;                /* the file, byte for byte */
	struct buf *canonical;          /* what the signatures sign */
	const struct json *body;        /* the member "signed", unknown members included */
	struct json_doc *doc;
	char *name;                     /* for errors */
	struct metadata_signature *signatures;
	size_t signature_count;

	/* root, and targets with delegations: */
	struct metadata_key *keys;      /* sorted by id */
	size_t key_count;
	/* root: */
	struct metadata_role roles[METADATA_TYPES];
	bool consistent_snapshot;
	/* snapshot, and timestamp with its one entry "snapshot.json": */
	struct metadata_entry *entries; /* sorted by name */
	size_t entry_count;
	/* targets: */
	struct metadata_target *targets;        /* sorted by path */
	size_t target_count;
	struct metadata_delegation *delegations;        /* in order */
	size_t delegation_count;
	struct metadata_succinct succinct;
};

/* "root", "timestamp", "snapshot", "targets" */
const char *metadata_type_name(enum metadata_type type);

/*
 * Parses a file that must be of this type; name is what errors call it.
 * ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED (another major spec_version). The bytes are copied.
 */
int metadata_parse(struct metadata **out, enum metadata_type type, const char *name,
		   const void *bytes, size_t len, struct err *e) MUST_CHECK;
void metadata_free(struct metadata *m);         /* NULL is fine */

/* NULL when absent. */
const struct metadata_entry *metadata_entry(const struct metadata *m, const char *name, size_t len);
const struct metadata_target *metadata_target(const struct metadata *m, const char *path, size_t len);
const struct metadata_key *metadata_key(const struct metadata *m, struct json_string id);
const struct metadata_delegation *metadata_delegation(const struct metadata *m, const char *name);

/* The listed length, if any, and every listed hash hold; hashes of unknown algorithms alone are ERR_UNSUPPORTED. */
int metadata_file_check(const struct metadata_file *f, const char *name, const void *bytes, size_t len, struct err *e) MUST_CHECK;
int metadata_file_check_fd(const struct metadata_file *f, const char *name, int fd, struct err *e) MUST_CHECK;  /* from offset 0 to the end */

AUTO_DEFINE(metadata, struct metadata *, metadata_free);

#endif
