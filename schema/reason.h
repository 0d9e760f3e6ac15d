/*
 * reason: why something was refused, reverted or put off; one closed table.
 *
 * Agents report these words, the server classifies outcomes by them. Words are
 * only ever added: an older reader counts one it does not know as content, the
 * careful side.
 */
#ifndef SCHEMA_REASON_H
#define SCHEMA_REASON_H

#include <stdbool.h>
#include <stddef.h>

enum reason_class {
	REASON_CONTENT,         /* the bundle's fault: counts against it */
	REASON_ENVIRONMENT,     /* the host's or the network's: counts for nothing */
	REASON_OPERATOR,        /* somebody decided */
};

/* name, word in documents, class, sentence for people */
#define REASON_TABLE(X)                                                                                     \
	/* found before the content runs */                                                                 \
	X(REASON_CONTRACT, "contract", CONTENT, "the sensor's contract does not accept the content")        \
	X(REASON_LINT, "lint", CONTENT, "the content breaks a rule of its format")                          \
	X(REASON_ARCHIVE, "archive", CONTENT, "the archive is not the one canonical encoding of its bundle")\
	X(REASON_DIGEST, "digest-mismatch", CONTENT, "the bytes are not the ones that were signed")         \
	X(REASON_SELFTEST, "selftest", CONTENT, "a self-test of the bundle gave another verdict")           \
	X(REASON_PROTECTED, "protected", CONTENT, "a destructive verdict on a protected object")            \
	X(REASON_BENIGN, "benign", CONTENT, "too many matches in the benign corpora")                       \
	X(REASON_LOAD, "load", CONTENT, "the engine refused to load the content")                           \
	X(REASON_CRASH, "crash", CONTENT, "the engine crashed on the content")                              \
	X(REASON_HANG, "hang", CONTENT, "the engine did not finish within its time")                        \
	X(REASON_CEILING_LOAD, "ceiling-load", CONTENT, "loading takes longer than the contract allows")    \
	X(REASON_CEILING_RSS, "ceiling-rss", CONTENT, "the content needs more memory than the contract allows") \
	X(REASON_CEILING_EVENT, "ceiling-event", CONTENT, "an event takes longer than the contract allows") \
	X(REASON_QUARANTINED, "quarantined", CONTENT, "this host quarantined the content earlier")          \
	/* found while it runs */                                                                           \
	X(REASON_BOOT, "boot-failed", CONTENT, "boots on trial content failed")                             \
	X(REASON_LATE_BOOT, "late-boot-failed", CONTENT, "boots on committed content failed")               \
	X(REASON_KERNEL, "kernel-crash", CONTENT, "the kernel crashed while the content ran")               \
	X(REASON_SENSOR_DIED, "sensor-died", CONTENT, "the sensor died while the content ran")              \
	X(REASON_RELOAD, "reload", CONTENT, "the sensor did not take the content over")                     \
	X(REASON_PROBE, "probe", CONTENT, "the probe of the running sensor failed")                         \
	X(REASON_HEALTH, "health", CONTENT, "a required health check failed")                               \
	X(REASON_CEILING_CPU, "ceiling-cpu", CONTENT, "the running sensor takes more CPU time than allowed")  \
	X(REASON_VERDICTS, "verdict-storm", CONTENT, "more verdicts than allowed while on trial")                 \
	/* decided by people or by documents they signed */                                                 \
	X(REASON_STOP, "stop", OPERATOR, "the content was stopped")                                         \
	X(REASON_RECALL, "recall", OPERATOR, "the content was recalled")                                    \
	X(REASON_ROLLBACK, "rollback", OPERATOR, "the assignment went back to older content")               \
	X(REASON_SUPERSEDED, "superseded", OPERATOR, "newer content took its place")                        \
	X(REASON_UNASSIGNED, "unassigned", OPERATOR, "the assignment no longer names it")                   \
	X(REASON_HOLD, "local-hold", OPERATOR, "held on this host")                                         \
	X(REASON_PIN, "local-pin", OPERATOR, "pinned on this host")                                         \
	X(REASON_DISABLE, "local-disable", OPERATOR, "disabled on this host")                               \
	X(REASON_REVERT, "local-revert", OPERATOR, "reverted on this host")                                 \
	X(REASON_INSTALL, "local-install", OPERATOR, "brought to this host by hand")                        \
	X(REASON_LEFT_OUT, "left-out", OPERATOR, "the assignment names single rules to leave out")           \
	X(REASON_APPROVAL, "approval", OPERATOR, "an approval that this host demands is missing")           \
	X(REASON_RING_HELD, "ring-held", OPERATOR, "the ring gives no permits")                             \
	X(REASON_WINDOW, "window", OPERATOR, "outside the window for changes")                              \
	X(REASON_ORDER, "order", OPERATOR, "not this host's turn yet")                                      \
	X(REASON_FLOOR, "floor", OPERATOR, "older than the channel's floor")                                \
	X(REASON_HIGH_WATER, "high-water", OPERATOR, "not newer than what was committed here, and no grant") \
	X(REASON_AGE, "age", OPERATOR, "not known to this host for long enough")                            \
	/* the host's trouble */                                                                            \
	X(REASON_DISK_FULL, "disk-full", ENVIRONMENT, "no space on this host")                              \
	X(REASON_DISK_BAD, "disk-error", ENVIRONMENT, "this host's storage failed")                         \
	X(REASON_NO_NETWORK, "no-network", ENVIRONMENT, "the network failed")                               \
	X(REASON_NO_POWER, "no-power", ENVIRONMENT, "power was lost without a sign of a crash")             \
	X(REASON_CLOCK, "clock", ENVIRONMENT, "this host's clock is wrong")                                 \
	X(REASON_MEMORY, "memory-kill", ENVIRONMENT, "the system ran out of memory")                        \
	X(REASON_BUSY, "busy", ENVIRONMENT, "the machine was too busy to try the content fairly")           \
	X(REASON_METADATA_EXPIRED, "metadata-expired", ENVIRONMENT, "the signed metadata is expired")       \
	X(REASON_METADATA, "metadata-invalid", ENVIRONMENT, "the signed metadata does not verify")          \
	X(REASON_NO_SENSOR, "no-sensor", ENVIRONMENT, "the sensor is not running")                          \
	X(REASON_SHUTDOWN, "shutdown", ENVIRONMENT, "the machine was shut down or suspended in order")      \
	X(REASON_NOT_STARTED, "not-started", ENVIRONMENT, "the machine was away before it began")           \
	X(REASON_POISONED, "poisoned-event", ENVIRONMENT, "the server could not take one event")            \
	X(REASON_REENROL, "re-enrol", ENVIRONMENT, "the server does not know this device")                  \
	X(REASON_CONTRACT_CHANGED, "contract-changed", ENVIRONMENT, "the sensor's contract changed meanwhile") \
	X(REASON_INTERNAL, "internal", ENVIRONMENT, "a defect of the agent itself")

enum reason {
#define X(name, word, class, sentence) name,
	REASON_TABLE(X)
#undef X
	REASONS
};

const char *reason_word(enum reason r);                 /* "ceiling-load"; never NULL */
const char *reason_sentence(enum reason r);             /* never NULL */
bool reason_parse(enum reason *out, const char *word);  /* false: not in the table */
enum reason_class reason_class(const char *word);       /* a word not in the table, or NULL: REASON_CONTENT */
const char *reason_class_name(enum reason_class c);     /* "content" */

#endif
