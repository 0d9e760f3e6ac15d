/*
 * replay: runs a fuzz target over files, where libFuzzer is not at hand.
 *
 * Arguments are files and directories (not deeper); every file is one input.
 * Each input lies in memory of exactly its size, so that sanitizers see a read
 * too far.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

#define INPUT_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path, struct err *e)
{
	AUTO(buf) struct buf *raw = NULL;
	AUTO_FREE uint8_t *exact = NULL;
	int rc = file_read(&raw, path, INPUT_MAX, e);

	if (rc < 0)
		return rc;
	exact = malloc(raw->len ? raw->len : 1);
	if (!exact)
		return err_memory(e);
	if (raw->len)
		memcpy(exact, raw->data, raw->len);
	LLVMFuzzerTestOneInput(exact, raw->len);
	return 1;
}

static int replay_dir(const char *path, struct err *e)
{
	DIR *dir = opendir(path);
	int count = 0, rc = 0;

	if (!dir)
		return err_errno(e, "%s", path);
	for (struct dirent *entry; rc >= 0 && (entry = readdir(dir));) {
		AUTO_FREE char *file = file_join(path, entry->d_name);
		struct stat st;

		if (!file || stat(file, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		rc = replay_file(file, e);
		count += rc > 0;
	}
	closedir(dir);
	return rc < 0 ? rc : count;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		struct err e;
		struct stat st;
		int rc;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			rc = replay_dir(argv[i], &e);
		else
			rc = replay_file(argv[i], &e);
		if (rc < 0) {
			fprintf(stderr, "replay: %s\n", e.msg);
			return 1;
		}
		count += rc;
	}
	printf("replayed %d inputs\n", count);
	return 0;
}
