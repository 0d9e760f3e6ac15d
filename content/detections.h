/*
 * detections: what a bundle detects, by name, and what another one has more.
 *
 * Of rules files each instance by its id, of YARA files each rule as
 * "PATH:NAME"; of files of other engines, and of those that cannot be read, the
 * file by its path, and so is a YARA file with a rule whose name so would be longer
 * than DETECTIONS_NAME_MAX. Nothing is compiled or loaded. The tree's bytes may be hostile: for a confined process.
 */
#ifndef CONTENT_DETECTIONS_H
#define CONTENT_DETECTIONS_H

#include "base/err.h"

#define DETECTIONS_NAME_MAX 255         /* of what is visited */

struct detections;

/* Every file of the tree at dir is re-hashed on the way; ERR_CONFLICT when it is not what its manifest says. */
int detections_read(struct detections **out, int dir, struct err *e) MUST_CHECK;
void detections_free(struct detections *d);     /* NULL is fine */
size_t detections_count(const struct detections *d);

enum detections_change { DETECTIONS_NEW, DETECTIONS_CHANGED, DETECTIONS_GONE };

/* Visits what `to` has that `from` (NULL: nothing) has not, or has otherwise, or has and `to` has not; by name. A negative answer stops. */
typedef int detections_visit(void *arg, enum detections_change change, const char *name, struct err *e);
int detections_compare(const struct detections *from, const struct detections *to, detections_visit *visit, void *arg,
		       struct err *e) MUST_CHECK;

AUTO_DEFINE(detections, struct detections *, detections_free);

#endif
