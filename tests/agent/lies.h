/* lies: what a hostile program says, and tries, in place of a role of the agent. */
#ifndef TESTS_AGENT_LIES_H
#define TESTS_AGENT_LIES_H

#include <sys/file.h>
#include <sys/socket.h>

#include "agent/message.h"
#include "agent/role.h"
#include "agent/spawn.h"
#include "content/tree.h"
#include "attacks.h"
#include "endpoint.h"

static inline bool lie_is(const char *word)
{
	return !strcmp(plot->lie, word);
}

static inline int say_body(int sock, const char *base, const struct message_get *g, struct err *e)
{
	struct message_answer a = { .status = 404, .retry_after = -1 };
	AUTO(buf) struct buf *bytes = NULL;
	AUTO_FD int fd = -1;
	char path[1200];

	snprintf(path, sizeof path, "%s/%s/%s", base, g->plane == PLANE_METADATA ? "metadata" : "targets", g->path);
	if (file_read(&bytes, path, g->max, e) < 0)
		return message_send(sock, MSG_ANSWER, &a, -1, e);
	fd = memfd_create("body", MFD_CLOEXEC);
	a.status = 200;
	a.size = bytes->len;
	if (fd < 0 || file_write_all(fd, bytes->data, bytes->len, e) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return message_send(sock, MSG_BODY, &a, fd, e);
}

/* The bytes of another bundle, in place of those asked for. */
static inline int say_other_archive(int sock, int file, struct err *e)
{
	struct message_answer a = { .status = 200, .retry_after = -1 };
	AUTO(buf) struct buf *bytes = NULL;

	if (file_read(&bytes, plot->other, 1 << 24, e) < 0 || file_write_all(file, bytes->data, bytes->len, e) < 0)
		return e->code;
	plot->answered++;
	return message_send(sock, MSG_ANSWER, &a, -1, e);
}

static inline int hostile_fetch(const struct settings *s, int sock)
{
	static const enum message_type asked[] = { MSG_SERVER, MSG_GET, MSG_CALL, MSG_DOWNLOAD, 0 };
	static struct message m;
	struct err e;

	while (message_receive(sock, &m, asked, -1, &e) == 1) {
		int rc = 0;

		if (m.type == MSG_DOWNLOAD)
			rc = say_other_archive(sock, m.fd, &e);
		else if (m.type == MSG_GET && lie_is("forged metadata"))
			rc = say_body(sock, plot->forged, &m.u.get, &e), plot->answered++;
		else if (m.type == MSG_GET)
			rc = say_body(sock, s->content_url + 7, &m.u.get, &e);
		message_release(&m);
		if (rc < 0)
			return 1;
	}
	return 0;
}

static inline int say_result_for(int sock, enum result_outcome outcome, const char *reason)
{
	struct message_result r = { .outcome = outcome };
	struct err e;

	snprintf(r.reason, sizeof r.reason, "%s", reason);
	snprintf(r.text, sizeof r.text, "so says the hostile process");
	plot->answered++;
	return message_send(sock, MSG_RESULT, &r, -1, &e);
}

static inline int say_result(int sock, enum result_outcome outcome)
{
	return say_result_for(sock, outcome, "crash");
}

static inline void say_member(int sock, const char *path, const char *bytes)
{
	struct message_member m = { .size = strlen(bytes) };
	static struct message_data d;
	struct message_end end = { 0 };
	struct err e;

	snprintf(m.path, sizeof m.path, "%s", path);
	d.bytes.len = strlen(bytes);
	memcpy(d.bytes.data, bytes, d.bytes.len);
	if (message_send(sock, MSG_MEMBER, &m, -1, &e) == 0 && message_send(sock, MSG_DATA, &d, -1, &e) == 0)
		(void)!message_send(sock, MSG_END, &end, -1, &e);
}

static inline int hostile_unpack(int sock)
{
	static const enum message_type asked[] = { MSG_UNPACK, 0 };
	static struct message m, other;
	struct err e;

	if (message_receive(sock, &m, asked, -1, &e) != 1)
		return 1;
	if (lie_is("other content")) {
		say_member(sock, "manifest.json", "{\"format\":1,\"channel\":\"edr\"}");
		say_member(sock, "rules.json", "[]");
	} else if (lie_is("paths outside")) {
		say_member(sock, "../../../../../../evil", "evil");
		say_member(sock, "/tmp/evil", "evil");
	} else if (lie_is("a verdict")) {
		static struct message_verdict v = { .channel = "edr", .say = SAY_INSTALL };

		v.digest.bytes[0] = 0xee;
		plot->answered++;
		return message_send(sock, MSG_VERDICT, &v, -1, &e);
	} else if (lie_is("nothing at all")) {
		plot->answered++;
		return message_receive(sock, &other, asked, -1, &e);    /* until it is killed */
	}
	return say_result(sock, RESULT_OK);
}

static inline int hostile_try(int sock, bool canary)
{
	static const enum message_type asked[] = { MSG_TRY, MSG_LEAVE_OUT, MSG_GO, 0 };
	static struct message m;
	struct err e;

	while (message_receive(sock, &m, asked, -1, &e) == 1)
		if (m.type == (canary ? MSG_GO : MSG_TRY))
			break;
	if (lie_is("a verdict")) {
		static struct message_verdict v = { .channel = "edr", .say = SAY_INSTALL };

		v.digest.bytes[0] = 0xee;
		plot->answered++;
		return message_send(sock, MSG_VERDICT, &v, -1, &e);
	}
	if (lie_is("hang") || lie_is("memory-kill"))
		return say_result_for(sock, RESULT_RETRY, plot->lie);
	return say_result(sock, lie_is("refuse") ? RESULT_REFUSED : RESULT_OK);
}

static inline void open_plot(const char *dir, bool make)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/plot", dir);
	fd = open(path, O_RDWR | O_CLOEXEC | (make ? O_CREAT : 0), 0600);
	if (fd < 0 || (make && ftruncate(fd, sizeof *plot) < 0))
		exit(98);
	plot = mmap(NULL, sizeof *plot, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (plot == MAP_FAILED)
		exit(98);
}

static inline int hostile(const char *name, const char *root)
{
	enum confine_role role = (enum confine_role)confine_role_parse(name);
	char parent[512];
	struct settings *s;
	struct err e = { 0 };

	snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(root, '/') - root), root);
	open_plot(parent, false);
	plot->started++;
	if (settings_load(&s, root, NULL, &e) < 0 || confine(s, role, NULL, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	attack(root, lie_is("die"));
	switch (role) {
	case CONFINE_FETCH:
		return hostile_fetch(s, SPAWN_SOCKET);
	case CONFINE_UNPACK:
		return hostile_unpack(SPAWN_SOCKET);
	default:
		return hostile_try(SPAWN_SOCKET, role == CONFINE_CANARY);
	}
}

#endif
