/* policy_file: a policy that somebody works on, from its file. */
#include "cli/policy_file.h"

#include <unistd.h>

#include "base/file.h"

int policy_file_read(struct policy **out, struct buf **text, const char *path, struct err *e)
{
	if (file_read(text, path, POLICY_MAX, e) < 0)
		return e->code;
	return policy_parse(out, path, (*text)->len ? (*text)->data : "", (*text)->len, e);
}

int policy_file_print(struct buf *text, struct err *e)
{
	buf_adds(text, "\n");
	return buf_check(text, e) < 0 ? e->code : file_write_all(STDOUT_FILENO, text->data, text->len, e);
}
