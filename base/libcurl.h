/*
 * libcurl: the library behind fetch.c, loaded by the process that fetches when
 * it first does. It brings thirty others along, with over a megabyte of memory
 * in every process that has them; of an agent's processes one fetches.
 */
#ifndef BASE_LIBCURL_H
#define BASE_LIBCURL_H

#include <curl/curl.h>

#include "base/err.h"

/* As <curl/curl.h> declares them. */
#define LIBCURL_CALLS(X)                                                                                                  \
	X(easy_init) X(easy_cleanup) X(easy_reset) X(easy_setopt) X(easy_getinfo) X(easy_perform) X(easy_strerror)        \
	X(slist_append) X(slist_free_all) X(getdate) X(global_init)

#define LIBCURL_MEMBER(name) __typeof__(&curl_##name) name;
struct libcurl {
	LIBCURL_CALLS(LIBCURL_MEMBER)
};

extern struct libcurl libcurl;  /* after libcurl_load() */

/* Loads and initialises it, once; every thread and every later call gets the same answer. */
int libcurl_load(struct err *e) MUST_CHECK;

#endif
