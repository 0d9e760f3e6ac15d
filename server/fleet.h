/*
 * fleet: every device, in memory.
 *
 * A bare heartbeat only moves `last_seen` here and reaches the store later, in
 * bulk. Nothing here locks: the caller holds the server's lock.
 */
#ifndef SERVER_FLEET_H
#define SERVER_FLEET_H

#include "rollout/checkin.h"
#include "rollout/ringmap.h"
#include "server/store.h"

#define DEVICE_ATTRIBUTES_MAX 32
#define DEVICE_ATTRIBUTES_TEXT 4096     /* bytes of the JSON object */

#define DEVICE_EPOCHS_MAX 16            /* that it left and that are remembered */

#define FLEET_EFFECTS_MAX 8192          /* reports kept: rules of a whole fleet are more memory than its devices */

struct stage;

/* What a device's sensor counts on the content of one channel, and counted on the content before. */
struct device_effects {
	char channel[NAME_LEN_MAX + 1];
	struct effects *now, *before;   /* owned; before NULL: it was not reported */
	struct device_effects *next;
};

/* One offer of a device, found from the device. */
struct offer_link {
	struct stage *stage;
	uint32_t n;
	struct offer_link *next;
};

struct device {
	char id[DEVICE_ID_LEN + 1];
	int64_t enrolled;
	int64_t last_seen, before;      /* the last check-in and the one before; 0: none */
	int64_t goodbye;
	uint64_t generation;            /* of its token: the greatest that was shown */
	int64_t issued;                 /* when that was first shown */
	bool revoked, flagged;
	bool busy;                      /* a check-in of it is on its way to the store */
	bool news;                      /* its attributes changed: the next answer asks it to look at the ring map anew */
	bool unsaved;                   /* memory knows more than the store */
	char epoch[CHECKIN_EPOCH_LEN + 1];
	char *old_epochs;               /* owned; as in its row; NULL: none */
	char *certificate, *flag;       /* owned; as in its row; NULL: none */
	uint64_t seq, event_n;
	struct checkin *said;           /* owned: facts and channels of the last check-in; NULL: none */
	char *attribute_text;           /* owned: the JSON object */
	char **attributes;              /* owned: "key=value" */
	size_t attribute_count;
	const char *ring;               /* by the ring map, borrowed from it; NULL: no map, or never heard of */
	struct offer_link *offers;
	struct device_effects *effects; /* memory only: every check-in brings them anew */
	struct device *chain;           /* private */
};

struct fleet {
	struct device **items;          /* owned, in order of arrival */
	size_t count, cap;
	struct device **table;          /* private: by id */
	size_t table_size;
	struct device **order;          /* owned, private: the first `ordered` items by id (fleet_order.c) */
	size_t ordered;
	size_t effects;                 /* devices' channels whose reports are kept */
};

void fleet_release(struct fleet *f);
struct device *fleet_find(const struct fleet *f, const char *id);
int fleet_add(struct fleet *f, struct device **out, const char *id, struct err *e) MUST_CHECK;
/* All beyond this id, by id; borrowed, until the next of these calls. Only after enrolments more than a search. */
int fleet_after(struct fleet *f, const char *id, struct device *const **out, size_t *count, struct err *e) MUST_CHECK;

/* {"ring":"canary"} becomes "ring=canary"; ERR_FORMAT, ERR_LIMIT. */
int device_set_attributes(struct device *d, const char *json, size_t len, struct err *e) MUST_CHECK;

void device_forget_attributes(struct device *d);

/* Where the map puts the device now; map NULL: nowhere. */
void device_place(struct device *d, const struct ringmap *map);
/* Where that map would put it, borrowed from the map; NULL: no map, or never heard of. rule as of ringmap_resolve(). */
const char *device_ring(const struct device *d, const struct ringmap *map, int *rule);

const struct checkin_channel *device_channel(const struct device *d, const char *channel);     /* NULL: it has no such channel */
/* Was this epoch left for a newer one? Of those that are remembered. */
bool device_left_epoch(const struct device *d, const char *epoch);
/* The epochs it will have left when it leaves the one it is in; NULL when there is no memory. The caller frees. */
char *device_leave_epoch(const struct device *d);
/* Flags it for a reason, or with NULL no more. False: no memory, and nothing changed. */
bool device_set_flag(struct device *d, const char *why);

bool device_away(const struct device *d);               /* said goodbye and was not heard since */
void device_stratum(const struct device *d, unsigned keys, char out[CHECKIN_STRATUM_MAX + 1]);

/* Takes the effects out of what a device says now; of many devices those that came first are kept. */
void fleet_take_effects(struct fleet *f, struct device *d, struct checkin *c);
const struct device_effects *device_effects(const struct device *d, const char *channel);       /* NULL: none */

/* The row; said is the buffer it points into. */
int device_row(const struct device *d, struct store_device *out, struct buf *said, struct err *e) MUST_CHECK;
int device_load(struct fleet *f, const struct store_device *row, struct err *e) MUST_CHECK;

#endif
