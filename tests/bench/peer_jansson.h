/* peer_jansson: the same work by jansson; apart, because its names are ours. */
#ifndef TESTS_BENCH_PEER_JANSSON_H
#define TESTS_BENCH_PEER_JANSSON_H

#include <stddef.h>
#include <stdint.h>

/* CPU microseconds to parse all texts strictly; -1 when one is refused. */
int64_t peer_jansson_parse(char *const *texts, const size_t *lens, size_t count);

#endif
