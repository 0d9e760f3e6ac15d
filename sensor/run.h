/* run: the life of a sensor: load, match, take over switches, go in order. */
#ifndef SENSOR_RUN_H
#define SENSOR_RUN_H

#include <stdbool.h>

#include "base/err.h"

struct run_options {
	const char *root;               /* "" or a directory */
	const char *channel;
	const char *contract;           /* path; NULL: what this program supplies */
	bool once;                      /* stop at the end of standard input */
	bool at_boot;                   /* the first load happens while the machine boots */
};

/* Until a signal or, with `once`, the end of standard input. ERR_REFUSED when `once` had content that does not load. */
int run_sensor(const struct run_options *o, struct err *e) MUST_CHECK;

#endif
