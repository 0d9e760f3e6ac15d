/* peer_files: a plain web server for a directory, in a process of its own, that counts what a client costs. */
#ifndef TESTS_BENCH_PEER_FILES_H
#define TESTS_BENCH_PEER_FILES_H

#include <stdint.h>
#include <sys/types.h>

struct peer_files {
	pid_t pid;
	int port;               /* on 127.0.0.1 */
	volatile struct peer_files_counts {
		uint64_t connections, requests;
		uint64_t in, out;       /* bytes on the wire above TCP, heads included */
	} *counts;
};

int peer_files_start(struct peer_files *p, const char *dir);   /* negative: errno says why */
void peer_files_stop(struct peer_files *p);

#endif
