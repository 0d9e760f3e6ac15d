/* libcurl: one dlopen(), a table of its functions. */
#include "base/libcurl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

#define LIBRARY "libcurl.so.4"

#define ROW(name) { "curl_" #name, offsetof(struct libcurl, name) },
static const struct {
	const char *name;
	size_t at;
} calls[] = {
	LIBCURL_CALLS(ROW)
};

struct libcurl libcurl;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct err failed;

static void load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	CURLcode code;

	if (!library) {
		err_set(&failed, ERR_UNSUPPORTED, "%s", dlerror());
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		void *call = dlsym(library, calls[i].name);

		if (!call) {
			err_set(&failed, ERR_UNSUPPORTED, LIBRARY ": no %s", calls[i].name);
			return;
		}
		*(void **)((char *)&libcurl + calls[i].at) = call;
	}
	code = libcurl.global_init(CURL_GLOBAL_DEFAULT);
	if (code != CURLE_OK)
		err_set(&failed, ERR_NET, "libcurl: %s", libcurl.easy_strerror(code));
}

int libcurl_load(struct err *e)
{
	pthread_once(&once, load);
	if (failed.code)
		*e = failed;
	return failed.code;
}
