/* confine_access: the tables of paths and system calls per role. */
#include "agent/confine_access.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/home.h"

/* ---- paths ---- */

/* What a resolver and a TLS client read, wherever a distribution keeps it. The rest of /etc is nobody's business. */
static const char *const of_the_network[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services",
	"/etc/protocols", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies", "/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates", "/usr/share/crypto-policies", "/usr/lib/ssl", "/usr/share/pki",
	"/run/systemd/resolve", "/run/NetworkManager/resolv.conf", "/run/resolvconf",
};

static void add(struct confine_paths *p, const char *path, unsigned rights)
{
	int fd = *path ? open(path, O_PATH | O_CLOEXEC) : -1;

	if (fd < 0 && *path && errno != ENOENT && errno != ENOTDIR && !p->why.code)
		err_errno(&p->why, "%s: open", path);
	if (fd < 0)
		return;
	if (p->count == CONFINE_PATHS_MAX) {
		p->full = true;
		close(fd);
		return;
	}
	p->of[p->count++] = (struct sandbox_path){ fd, rights };
}

static void PRINTF_LIKE(4, 5) add_below(struct confine_paths *p, const char *root, unsigned rights, const char *fmt, ...)
{
	char path[HOME_PATH_MAX], below[HOME_PATH_MAX];
	struct err ignored;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(below, sizeof below, fmt, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof below && home_path(path, root, below, &ignored) == 0)
		add(p, path, rights);
}

static void add_slots(struct confine_paths *p, const struct settings *s)
{
	for (size_t i = 0; i < s->channel_count; i++)
		add_below(p, s->root, SANDBOX_READ, HOME_CHANNELS "/%s/slots", s->channels[i].name);
}

static void add_contract(struct confine_paths *p, const struct settings *s)
{
	if (*s->contract)
		add_below(p, s->root, SANDBOX_READ, "%s", s->contract);
}

static void open_fetch(struct confine_paths *p, const struct settings *s)
{
	const char *const files[] = { s->ca_file, s->content_ca_file, s->rings_ca_file };
	const char *const urls[] = { s->server, s->content_url, s->rings_url };

	if (s->mirror) {
		add(p, s->mirror, SANDBOX_READ);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(of_the_network); i++)
		add(p, of_the_network[i], SANDBOX_READ);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		add(p, files[i], SANDBOX_READ);
	for (size_t i = 0; i < ARRAY_LEN(urls); i++)
		if (!strncmp(urls[i], "file://", 7))
			add(p, urls[i] + 7, SANDBOX_READ);
}

/* It lives long: roots of trust may come under it; for another contract it is started anew (round.c). */
static void open_judge(struct confine_paths *p, const struct settings *s)
{
	add_below(p, s->root, SANDBOX_READ, HOME_ETC "/trust");
	add_contract(p, s);
	add(p, "/etc/os-release", SANDBOX_READ);
	add(p, "/usr/lib", SANDBOX_READ);       /* where os-release really is */
	add_below(p, s->root, SANDBOX_READ | SANDBOX_WRITE, HOME_STATE "/tuf");
}

bool confine_runs_commands(const struct settings *s)
{
	for (size_t i = 0; i < s->channel_count; i++)
		if (s->channels[i].exec && s->channels[i].exec[0])
			return true;
	return false;
}

static void add_opened(struct confine_paths *p, const struct sandbox_path *of, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (p->count < CONFINE_PATHS_MAX) {
			p->of[p->count++] = of[i];
			continue;
		}
		p->full = true;
		close(of[i].fd);
	}
}

static void open_commands(struct confine_paths *p, const struct settings *s)
{
	struct sandbox_path system[SANDBOX_COMMAND_PATHS_MAX];

	add_opened(p, system, sandbox_command_paths(system));
	add_below(p, s->root, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_SPECIAL, HOME_SCRATCH);
	for (size_t i = 0; i < s->channel_count; i++) {
		for (char **x = s->channels[i].exec; x && *x; x++)
			add_below(p, s->root, SANDBOX_READ | SANDBOX_EXECUTE, "%s", strchr(*x, '=') + 1);
		for (char **x = s->channels[i].exec_reads; x && *x; x++)
			add_below(p, s->root, SANDBOX_READ | SANDBOX_EXECUTE, "%s", *x);
	}
}

static void open_canary(struct confine_paths *p, const struct settings *s)
{
	add_slots(p, s);
	add_contract(p, s);
	add_below(p, s->root, SANDBOX_READ, "%s", HOME_BENIGN_VENDOR);
	add_below(p, s->root, SANDBOX_READ, "%s", HOME_BENIGN_SITE);
	for (size_t i = 0; i < s->channel_count; i++)
		for (char **x = s->channels[i].benign; x && *x; x++)
			add_below(p, s->root, SANDBOX_READ, "%s", *x);
	add(p, "/proc", SANDBOX_READ);          /* the try measures itself, then loses it */
	add(p, "/dev/null", SANDBOX_READ | SANDBOX_WRITE);
	if (confine_runs_commands(s))
		open_commands(p, s);
}

int confine_paths_open(struct confine_paths *p, const struct settings *s, enum confine_role role, struct err *e)
{
	p->count = 0;
	p->full = false;
	p->why.code = 0;
	switch (role) {
	case CONFINE_FETCH:
		open_fetch(p, s);
		break;
	case CONFINE_JUDGE:
		open_judge(p, s);
		break;
	case CONFINE_UNPACK:
		add_slots(p, s);
		break;
	case CONFINE_CHECK:
		add_slots(p, s);
		add_contract(p, s);
		break;
	default:
		open_canary(p, s);
	}
	return p->why.code ? err_set(e, p->why.code, "%s", p->why.msg) : 0;
}

void confine_paths_close(struct confine_paths *p)
{
	while (p->count)
		close(p->of[--p->count].fd);
}

/* ---- system calls ---- */

#define CALL(name) SCMP_SYS(name)

#define TALKING CALL(sendmsg), CALL(recvmsg), CALL(dup), CALL(sysinfo), CALL(fadvise64), CALL(rseq), CALL(set_robust_list)

static const int fetch_calls[] = {
	TALKING, CALL(connect), CALL(bind), CALL(sendto), CALL(sendmmsg), CALL(recvfrom), CALL(recvmmsg), CALL(getsockopt),
	CALL(setsockopt), CALL(getsockname), CALL(getpeername), CALL(socketpair), CALL(shutdown), CALL(pipe2),
	CALL(eventfd2), CALL(ioctl), CALL(memfd_create), CALL(ftruncate), CALL(pwrite64), CALL(fsync),
};
/* bind is for asking the kernel about its addresses; Landlock forbids TCP to be bound. */
static const int fetch_families[] = { AF_INET, AF_INET6, AF_NETLINK };

static const int judge_calls[] = {
	TALKING, CALL(memfd_create), CALL(ftruncate), CALL(rename), CALL(renameat), CALL(renameat2), CALL(unlink),
	CALL(unlinkat), CALL(mkdir), CALL(mkdirat), CALL(fchmod), CALL(fsync), CALL(fdatasync), CALL(pwrite64), CALL(access),
	CALL(faccessat), CALL(faccessat2), CALL(flock), CALL(readlink), CALL(readlinkat), CALL(umask),
};

static const int reader_calls[] = { TALKING, CALL(access), CALL(faccessat), CALL(faccessat2), CALL(readlink), CALL(readlinkat) };

/* It starts the try, which confines itself again, and watches it. */
static const int canary_calls[] = {
	TALKING, CALL(access), CALL(faccessat), CALL(faccessat2), CALL(readlink), CALL(readlinkat), CALL(wait4),
	CALL(waitid), CALL(kill), CALL(tkill), CALL(setpgid), CALL(pipe2), CALL(dup2), CALL(dup3), CALL(prctl), CALL(seccomp),
	CALL(landlock_create_ruleset), CALL(landlock_add_rule), CALL(landlock_restrict_self), CALL(capset), CALL(capget),
	CALL(set_tid_address), CALL(getpgrp), CALL(getpgid),
};

static const struct sandbox_filter filters[CONFINE_ROLES] = {
	[CONFINE_FETCH] = { .also = fetch_calls, .also_count = ARRAY_LEN(fetch_calls), .threads = true,
			    .families = fetch_families, .family_count = ARRAY_LEN(fetch_families) },
	[CONFINE_JUDGE] = { .also = judge_calls, .also_count = ARRAY_LEN(judge_calls), .write_files = true },
	[CONFINE_UNPACK] = { .also = reader_calls, .also_count = ARRAY_LEN(reader_calls) },
	[CONFINE_CHECK] = { .also = reader_calls, .also_count = ARRAY_LEN(reader_calls) },
	[CONFINE_CANARY] = { .also = canary_calls, .also_count = ARRAY_LEN(canary_calls), .write_files = true,
			     .processes = true },
};

bool confine_filter(const struct settings *s, enum confine_role role)
{
	if (role == CONFINE_CANARY && confine_runs_commands(s))
		return sandbox_filter_commands(true);
	return sandbox_filter(&filters[role]);
}
