/*
 * job: one child process that does one thing for one channel: download,
 * unpack, check, compare or canary. The supervisor starts it, turns it whenever its
 * socket is readable or time passes, and gets one result.
 *
 * While unpacking, the slot is built here, in the supervisor, from the
 * child's records; it appears under its digest only when the digest of what
 * was written is the one wanted.
 */
#ifndef AGENT_JOB_H
#define AGENT_JOB_H

#include "agent/message.h"
#include "agent/spawn.h"
#include "content/tree.h"

enum job_kind { JOB_NONE, JOB_DOWNLOAD, JOB_UNPACK, JOB_CHECK, JOB_CANARY, JOB_COMPARE };

#define JOB_RULES_MAX 4096      /* of a comparison or check; the count goes on */

/* What a comparison found, one by one. */
typedef int job_rule(void *arg, const struct message_rule *r, struct err *e);

struct job {
	enum job_kind kind;             /* JOB_NONE: nothing runs */
	struct spawned child;
	int64_t deadline;               /* clock_work_ms(); real time, whatever tests do to the clock */
	/* unpack */
	struct digest digest;
	uint64_t most, written;         /* bytes */
	struct tree_writer *writer;
	struct archive_sink sink;
	bool in_member;
	bool replace;                   /* a slot that is there makes room */
	int slots, old;                 /* descriptors, -1 */
	/* compare, check */
	job_rule *rule;
	void *rule_arg;
	uint64_t rules;
};

struct job_result {
	enum job_kind kind;
	enum result_outcome outcome;
	int code;                       /* err code, or the HTTP status of a download */
	char reason[64];
	char text[MESSAGE_TEXT];
	struct message_result record;   /* of check and canary: the figures */
};

void job_init(struct job *j);

/* file: descriptor to write to, from its byte `m->from` on; stays the caller's. */
int job_download(struct job *j, const struct settings *s, const struct message_server *server, int file,
		 const struct message_download *m, struct err *e) MUST_CHECK;
/* file: the verified archive or delta; channel_dir: where slots/ is. */
int job_unpack(struct job *j, const struct settings *s, int file, int channel_dir, const struct message_unpack *m, struct err *e) MUST_CHECK;
/* The same from a whole archive for a slot that is damaged, or shares its files. */
int job_replace(struct job *j, const struct settings *s, int file, int channel_dir, const struct message_unpack *m, struct err *e) MUST_CHECK;
/* The baseline's slot may be what a delta starts from, but shares no file with what comes of it. */
void job_share_nothing(struct job *j);
/* Runs in the check process; `rule` is called from job_turn(). */
int job_compare(struct job *j, const struct settings *s, const struct message_compare *m, job_rule *rule, void *arg, struct err *e) MUST_CHECK;
int job_check(struct job *j, const struct settings *s, const struct message_attempt *m, struct err *e) MUST_CHECK;
void job_rules(struct job *j, job_rule *rule, void *arg);        /* of a check that was asked for novel rules; before its first turn */
int job_canary(struct job *j, const struct settings *s, const struct message_attempt *m, const char *const *leave_out, size_t count,
	       int64_t wall_ms, struct err *e) MUST_CHECK;

/* 1 and *out when it is over (the child is gone then), 0 while it goes on. Never blocks for long. */
int job_turn(struct job *j, struct job_result *out);

void job_stop(struct job *j);           /* kills the child, removes what was unfinished */

#endif
