/* keys: the private keys a command signs with, opened as its options say. */
#include "cli/keys.h"

int keys_open(struct keyring **out, const struct keys_options *o, struct err *e)
{
	AUTO(keyring) struct keyring *ring = NULL;
	struct passphrase asked = o->passphrase;

	if (o->dir) {
		if (keyring_load(&ring, o->dir, passphrase_ask, &asked, e) < 0)
			return e->code;
	} else if (!(ring = keyring_new())) {
		return err_memory(e);
	}
	for (size_t i = 0; i < o->keys.count; i++) {
		struct seckey *k = NULL;

		if (seckey_load(&k, o->keys.items[i], passphrase_ask, &asked, e) < 0 || keyring_add(ring, o->keys.items[i], k, e) < 0)
			return e->code;
	}
	if (ring->count == 0)
		return err_set(e, ERR_USAGE, "which keys sign? name them with --key KEY or --keys DIR");
	*out = TAKE(ring);
	return 0;
}
