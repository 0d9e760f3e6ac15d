/*
 * tree: a bundle as a directory (a slot): manifest.json and its files, nothing else.
 *
 * The writer parses nothing: it creates files from begin/data/end, computes D
 * from the bytes it wrote, and only equality moves the tree to its name. All
 * files are synced at once. The process that owns the slots uses exactly this.
 */
#ifndef CONTENT_TREE_H
#define CONTENT_TREE_H

#include "content/archive.h"
#include "content/manifest.h"

struct tree_writer;

/*
 * Prepares parent/.NAME.new, removing what a killed writer left there. `old`
 * is the directory that `same` members are linked from, or -1. Both
 * descriptors are borrowed and must outlive the writer.
 */
int tree_writer_new(struct tree_writer **out, int parent, const char *name, int old, struct err *e) MUST_CHECK;
void tree_writer_copy(struct tree_writer *w);           /* `same` members become files of their own: the baseline shares its with nobody */
void tree_writer_free(struct tree_writer *w);           /* removes what was not committed; NULL is fine */

/* A sink that writes into w. Linked files are hashed through the link, never before it. */
struct archive_sink tree_writer_sink(struct tree_writer *w);

/*
 * The digest of what was written is *want: syncfs, rename to parent/NAME,
 * fsync of parent. Else ERR_REFUSED. ERR_CONFLICT when NAME is there already.
 */
int tree_writer_commit(struct tree_writer *w, const struct digest *want, struct err *e) MUST_CHECK;

/*
 * As commit, but NAME, when there, makes room in the same step and is left at
 * parent/.NAME.old for whoever still reads it: a damaged tree for a whole one.
 */
int tree_writer_replace(struct tree_writer *w, const struct digest *want, struct err *e) MUST_CHECK;

/*
 * Re-hashes a tree: the files are those of its manifest and nothing else is
 * there, and D is *want (all zero: any). ERR_CONFLICT names what differs;
 * ERR_REFUSED a file that is not as its manifest says though D is *want: the
 * disk is right, and the bundle was built wrong. manifest, digest and size may
 * be NULL.
 */
int tree_verify(int dir, const struct digest *want, struct manifest **manifest, struct digest *digest,
		uint64_t *size, struct err *e) MUST_CHECK;

/* manifest.json beneath dir; json, its bytes, may be NULL. Proves nothing about the files. */
int tree_manifest(int dir, struct manifest **out, struct buf **json, struct err *e) MUST_CHECK;

/*
 * Streams the bytes of one file beneath dir. ERR_CONFLICT when it is not what
 * *f says; the bytes are proved only by success.
 */
typedef int tree_data(void *arg, const void *bytes, size_t len, struct err *e);
int tree_read_file(int dir, const struct manifest_file *f, tree_data *data, void *arg, struct err *e) MUST_CHECK;

AUTO_DEFINE(tree_writer, struct tree_writer *, tree_writer_free);

#endif
