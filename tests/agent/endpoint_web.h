/* endpoint_web: an endpoint whose repository comes over HTTP from a plain web server, with the faults of file_server.h. */
#ifndef TESTS_AGENT_ENDPOINT_WEB_H
#define TESTS_AGENT_ENDPOINT_WEB_H

#include "endpoint_story.h"
#include "file_server.h"

static struct file_server web;

static inline void endpoint_web_configure(struct endpoint *p, const char *agent, const char *channel)
{
	char ini[1024];

	snprintf(ini, sizeof ini,
		 "[agent]\ncontent-url = http://127.0.0.1:%d\nattributes = ring=canary\npoll = 5s\nboot-ok = 60s\n%s\n"
		 "[channel edr]\nsensor-wait = 2s\n%s\n", web.port, agent, channel);
	endpoint_write(p, "/etc/ringhold/agent.ini", ini, 0644);
}

/* From now on; metadata is served well all the time. */
static inline void break_the_line(enum file_fault fault, size_t after, unsigned times)
{
	web.shared->after = after;
	web.shared->times = times;
	web.shared->fault = fault;
}

/* The n-th for this path, from 0; `from`: where its range begins, -1 without one. */
static inline void expect_request(const char *path, unsigned n, long long from, int status)
{
	const struct file_request *r = file_server_nth(&web, path, n);

	if (!r || r->from != from || r->status != status)
		fail_msg("request %u for %s: range from %lld, status %d", n, path, r ? r->from : 0, r ? r->status : 0);
}

static inline int endpoint_web_setup(void **state)
{
	struct endpoint *p;

	if (endpoint_setup(state) < 0)
		return -1;
	p = *state;
	file_server_start(&web, p->repo);
	endpoint_web_configure(p, "", "");
	return 0;
}

static inline int endpoint_web_teardown(void **state)
{
	file_server_stop(&web);
	return endpoint_teardown(state);
}

#endif
