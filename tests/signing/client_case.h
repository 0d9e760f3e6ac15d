/* client_case: a published repository and a client that trusts its root, for each test of the client engine. */
#ifndef TESTS_SIGNING_CLIENT_CASE_H
#define TESTS_SIGNING_CLIENT_CASE_H

#include "forge.h"

static inline int client_setup(void **state)
{
	struct forge *f = forge_new();

	forge_publish(f);
	forge_trust(f);
	*state = f;
	return 0;
}

static inline int client_teardown(void **state)
{
	forge_free(*state);
	return 0;
}

static inline bool stored(struct forge *f, const char *name, const char *as_served)
{
	struct buf *have = forge_get(&f->store, name), *served = forge_get(&f->net, as_served);

	return have && served && have->len == served->len && !memcmp(have->data, served->data, have->len);
}

static inline void new_root(struct forge *f)
{
	f->docs[ROOT].version++;
	forge_publish(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

#endif
