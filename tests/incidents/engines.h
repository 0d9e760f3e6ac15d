/*
 * engines: small engines with the defects that the engines of the incidents
 * had; each stands in for one that cannot be had. They run in the canary
 * process only.
 */
#ifndef TESTS_INCIDENTS_ENGINES_H
#define TESTS_INCIDENTS_ENGINES_H

#include "content/loader.h"

extern const struct loader engine_out_of_bounds;        /* 20 inputs in an array; a rule may ask for the 21st */
extern const struct loader engine_endless;              /* loops on one kind of file */
extern const struct loader engine_backtracking;         /* PCRE2 as it comes: no bound that matters */
extern const struct loader engine_fixed_array;          /* room for 200 features, and a panic beyond */
extern const struct loader engine_trusting;             /* follows what it takes for a pointer to text */

#endif
