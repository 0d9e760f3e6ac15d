/* attacks: what a process that was taken over tries on its host, and what the test and its hostile processes share. */
#ifndef TESTS_AGENT_ATTACKS_H
#define TESTS_AGENT_ATTACKS_H

#include <sys/ptrace.h>

#include "endpoint.h"

/* Shared by the test and the hostile processes: where, before it confines itself, each finds its orders. */
struct plot {
	char lie[32];                           /* what to do after the attacks */
	char digest[DIGEST_HEX_LEN + 1];        /* of what runs: its slot is to be changed */
	char other[512];                        /* an archive that is signed and not assigned */
	char forged[512];                       /* a repository under another key */
	pid_t agent;
	unsigned started, attacks, answered;
	unsigned deadly;                        /* bits: which of the attacks that may end it were tried */
	char succeeded[1024];                   /* names of attacks; "" as it should be */
};

static struct plot *plot;

/* ---- attacks: true when it worked ---- */

static bool opens(const char *root, const char *path, int flags)
{
	char full[1024];
	int fd;

	snprintf(full, sizeof full, "%s%s", root, path);
	fd = open(full, flags | O_CLOEXEC, 0644);
	return fd >= 0 && close(fd) == 0;
}

static bool opens_in_slot(const char *root, const char *name, int flags)
{
	char path[512];

	snprintf(path, sizeof path, HOME_CHANNELS "/edr/slots/%s/%s", plot->digest, name);
	return opens(root, path, flags);
}

static bool changes_a_file_that_runs(const char *root) { return opens_in_slot(root, "manifest.json", O_WRONLY); }
static bool adds_a_file_to_what_runs(const char *root) { return opens_in_slot(root, "evil", O_WRONLY | O_CREAT); }
static bool makes_a_slot(const char *root) { return opens(root, HOME_CHANNELS "/edr/slots/evil", O_WRONLY | O_CREAT); }
static bool writes_the_boot_record(const char *root) { return opens(root, HOME_CHANNELS "/edr/boot", O_WRONLY); }
static bool reads_the_token(const char *root) { return opens(root, HOME_STATE "/device.json", O_RDONLY); }
static bool reads_the_vouching_key(const char *root) { return opens(root, HOME_ETC "/vouch.key", O_RDONLY); }
static bool reads_the_clients_key(const char *root) { return opens(root, HOME_ETC "/client.key", O_RDONLY); }
static bool reads_the_journal(const char *root) { return opens(root, HOME_STATE "/agent.db", O_RDONLY); }
static bool writes_the_journal(const char *root) { return opens(root, HOME_STATE "/agent.db", O_RDWR); }
static bool writes_the_root_of_trust(const char *root) { return opens(root, HOME_ETC "/trust/content.root.json", O_WRONLY); }
static bool writes_the_metadata(const char *root) { return opens(root, HOME_STATE "/tuf/content/evil", O_WRONLY | O_CREAT); }
static bool writes_the_configuration(const char *root) { return opens(root, SETTINGS_PATH, O_WRONLY); }

static bool turns_the_link(const char *root)
{
	char link[512];

	snprintf(link, sizeof link, "%s" HOME_RUN "/edr/evil", root);
	return symlink("/tmp", link) == 0;
}

static bool reads_the_supervisors_memory(const char *root)
{
	char path[64];

	(void)root;
	snprintf(path, sizeof path, "/proc/%d/mem", (int)plot->agent);
	return opens("", path, O_RDONLY);
}

static bool signals_the_supervisor(const char *root)
{
	(void)root;
	return kill(plot->agent, 0) == 0;
}

static bool traces_the_supervisor(const char *root)
{
	(void)root;
	return ptrace(PTRACE_ATTACH, plot->agent, NULL, NULL) == 0;
}

/* The filter may end a process for the mere attempt at one of the last DEADLY. */
static const struct {
	const char *name;
	bool (*works)(const char *root);
} attacks[] = {
	{ "change a file that runs", changes_a_file_that_runs },
	{ "add a file to what runs", adds_a_file_to_what_runs },
	{ "make a slot", makes_a_slot },
	{ "write the boot record", writes_the_boot_record },
	{ "read the device's token", reads_the_token },
	{ "read the vouching key", reads_the_vouching_key },
	{ "read the key of the client certificate", reads_the_clients_key },
	{ "read the journal", reads_the_journal },
	{ "write the journal", writes_the_journal },
	{ "write the root of trust", writes_the_root_of_trust },
	{ "write metadata", writes_the_metadata },
	{ "write the configuration", writes_the_configuration },
	{ "turn the link", turns_the_link },
	{ "read the supervisor's memory", reads_the_supervisors_memory },
	{ "signal the supervisor", signals_the_supervisor },
	{ "trace the supervisor", traces_the_supervisor },
};

#define DEADLY 2                /* they come last */
#define DEADLY_ALL 3u

static void attack_by(size_t i, const char *root)
{
	size_t at = strlen(plot->succeeded);

	plot->attacks++;
	if (attacks[i].works(root))
		snprintf(plot->succeeded + at, sizeof plot->succeeded - at, "%s; ", attacks[i].name);
}

/* Who dies of the first deadly one begins with the other when it is started again. */
static void attack(const char *root, bool deadly)
{
	for (size_t i = 0; i < ARRAY_LEN(attacks) - DEADLY; i++)
		attack_by(i, root);
	for (unsigned n = 0; deadly && n < DEADLY; n++) {
		unsigned which = (plot->started + n) % DEADLY;

		plot->deadly |= 1u << which;
		attack_by(ARRAY_LEN(attacks) - DEADLY + which, root);
	}
}

#endif
