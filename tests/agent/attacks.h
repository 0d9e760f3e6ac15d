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

static const struct {
	const char *name;
	bool (*works)(const char *root);
	bool ends;              /* the filter may end the process for the mere attempt */
} attacks[] = {
	{ "change a file that runs", changes_a_file_that_runs, false },
	{ "add a file to what runs", adds_a_file_to_what_runs, false },
	{ "make a slot", makes_a_slot, false },
	{ "write the boot record", writes_the_boot_record, false },
	{ "read the device's token", reads_the_token, false },
	{ "read the vouching key", reads_the_vouching_key, false },
	{ "read the journal", reads_the_journal, false },
	{ "write the journal", writes_the_journal, false },
	{ "write the root of trust", writes_the_root_of_trust, false },
	{ "write metadata", writes_the_metadata, false },
	{ "write the configuration", writes_the_configuration, false },
	{ "turn the link", turns_the_link, false },
	{ "read the supervisor's memory", reads_the_supervisors_memory, false },
	{ "signal the supervisor", signals_the_supervisor, true },
	{ "trace the supervisor", traces_the_supervisor, true },
};

static void attack(const char *root, bool deadly)
{
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
		size_t at = strlen(plot->succeeded);

		if (attacks[i].ends && !deadly)
			continue;
		plot->attacks++;
		if (attacks[i].works(root))
			snprintf(plot->succeeded + at, sizeof plot->succeeded - at, "%s; ", attacks[i].name);
	}
}

#endif
