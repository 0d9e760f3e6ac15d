/* trust_ask: requests made from what stands at a place. */
#include <stdlib.h>
#include <string.h>

#include "cli/trust_edit.h"
#include "signing/author.h"
#include "signing/repo.h"

int trust_ask(struct sigreq **out, struct trust_place *p, const char *reason, int64_t now, struct err *e)
{
	AUTO(metadata) struct metadata *root = NULL, *targets = NULL;
	const char *user = getenv("USER");

	if (trust_place_role(p, "root", &root, e) < 0 || trust_place_role(p, "targets", &targets, e) < 0)
		return e->code;
	return sigreq_new(out, user && *user ? user : "an operator", reason, root, targets, now, now + SIGREQ_LIFE, e);
}

int trust_ask_renewal(struct sigreq *q, struct trust_place *p, const char *role, int64_t now, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *text = NULL;
	bool people = repo_is_people(role);

	if (trust_place_role(p, role, &m, e) < 0 || author_load(&a, m, e) < 0)
		return e->code;
	author_set_version(a, people ? m->version + 1 : MAX(m->version + 1, now));
	author_set_expires(a, now + (people ? REPO_PEOPLE_LIFE : REPO_SERVER_LIFE));
	if (author_finish(a, &text, e) < 0)
		return e->code;
	return sigreq_add(q, role, m, text->data, text->len, e);
}

/* What is published of a role is no longer signed by enough of its keys. *by: who signs it from now on. */
static int must_sign_again(struct sigreq *q, struct trust_place *p, const char *role, bool *again, struct authority *by, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;
	struct authority both[SIGREQ_AUTHORITIES];
	struct err why;

	*again = false;
	if (sigreq_draft(q, role) || sigreq_authorities(q, role, NULL, both) == 0)
		return 0;
	*by = both[0];
	if (trust_place_role(p, role, &m, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : e->code;
	*again = verify(m, by, role, &why) < 0;
	return 0;
}

int trust_ask_companions(struct sigreq *q, struct trust_place *p, int64_t now, struct err *e)
{
	const struct sigreq_draft *root = sigreq_draft(q, "root"), *targets;
	struct authority by;
	bool again;

	if (root) {
		if (must_sign_again(q, p, "targets", &again, &by, e) < 0 || (again && trust_ask_renewal(q, p, "targets", now, e) < 0))
			return e->code;
	}
	targets = sigreq_draft(q, "targets");
	for (size_t i = 0; targets && i < targets->draft->delegation_count; i++) {
		const char *role = targets->draft->delegations[i].name;

		if (must_sign_again(q, p, role, &again, &by, e) < 0)
			return e->code;
		/* With the new key in its directory the server signs its own again while it publishes. */
		if (!again || (!repo_is_people(role) && by.role->threshold == 1))
			continue;
		if (trust_ask_renewal(q, p, role, now, e) < 0)
			return e->code;
	}
	return 0;
}
