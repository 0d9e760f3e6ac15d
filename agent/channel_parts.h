/* channel_parts: what the files of a running channel share: channel.c, channel_due.c, _watch.c, _command.c, _effects.c, _lists.c. */
#ifndef AGENT_CHANNEL_PARTS_H
#define AGENT_CHANNEL_PARTS_H

#include "agent/channel.h"
#include "agent/home.h"
#include "base/proc.h"

#define CHANNEL_COMMAND_MS 30000
#define CHANNEL_TELLING "telling.%s"    /* key of the journal: a reload that may have been cut short */
#define TRIES_BEFORE_BLAME 3    /* of what may be the host's fault, or the content's */

/* Every command gets: slot, channel, digest, serial of what runs. argv[0] is path, empty until it is known. */
struct command_line {
	char path[HOME_PATH_MAX], slot[HOME_PATH_MAX], hex[DIGEST_HEX_LEN + 1], serial[32];
	char *argv[6];
};
int channel_command_line(struct command_line *out, const struct channel *c, struct err *e) MUST_CHECK;
int channel_command_prepare(struct command_line *out, struct proc_run *run, const struct channel *c, const char *command, struct err *e) MUST_CHECK;

/* What the running content does: begins anew with other content; a sample of the sensor's process and counters. */
void channel_effects_begin(struct channel *c, bool goes_on);    /* goes_on: the trial began under an agent before this one */
void channel_effects_reset(struct channel *c);  /* the same content begins again */
void channel_effects_look(struct channel *c);
uint64_t channel_verdicts_ceiling(const struct channel *c);     /* in a window; 0: none */

/* Audit first: what the sensors of one trial counted, added up. */
void channel_audit_begin(struct channel *c, bool goes_on);
void channel_audit_count(struct channel *c, const struct ringhold_effects *e);
/* "; its new rules would have blocked 3 ...": for the report of a trial; "" when nothing was only observed. */
void channel_audit_words(const struct channel *c, char *out, size_t cap);

#endif
