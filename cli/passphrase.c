/* passphrase: what opens a private key, asked of a person or read from a file. */
#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define FILE_MAX 4096
#define TERMINAL "/dev/tty"

enum { CTRL_C = 3, CTRL_D = 4, BACKSPACE = 8, CTRL_U = 21, DEL = 127 };

/* ---- a file ---- */

static int from_file(const char *path, char *secret, size_t cap, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	size_t len;
	int code = 0;

	if (file_read_secret(&text, path, FILE_MAX, e) < 0)
		return e->code;
	len = strcspn(text->data, "\r\n");
	if (len == 0 || len >= cap)
		code = err_set(e, ERR_USAGE, "%s: its first line is no passphrase of 1 to %zu bytes", path, cap - 1);
	else if (len < text->len && text->data[len] == '\0')
		code = err_set(e, ERR_USAGE, "%s: a zero byte in the passphrase", path);
	else
		snprintf(secret, cap, "%.*s", (int)len, text->data);
	explicit_bzero(text->data, text->len);
	return code;
}

/* ---- the terminal ---- */

/* One line, key by key; what is typed shows nowhere. */
static int read_line(int fd, char *secret, size_t cap, struct err *e)
{
	size_t len = 0;

	for (;;) {
		unsigned char c;
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || c == CTRL_C || (c == CTRL_D && len == 0))
			return err_set(e, ERR_AUTH, "nobody answered");
		if (c == '\n' || c == '\r')
			break;
		if (c == BACKSPACE || c == DEL)
			len -= len > 0;
		else if (c == CTRL_U)
			len = 0;
		else if (len + 1 == cap)
			return err_set(e, ERR_LIMIT, "more than %zu bytes", cap - 1);
		else
			secret[len++] = (char)c;
	}
	secret[len] = '\0';
	return len ? 0 : err_set(e, ERR_AUTH, "nothing was typed");
}

static void show(int fd, const char *words, const char *where)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct err ignored;

	if (!text)
		return;
	buf_adds(text, words);
	log_escape(text, where, strlen(where));
	buf_adds(text, ": ");
	if (!text->failed)
		(void)!file_write_all(fd, text->data, text->len, &ignored);
}

/* Signals of the keyboard come as bytes meanwhile, so that the terminal is never left silent. */
static int from_terminal(const char *words, const char *where, char *secret, size_t cap, struct err *e)
{
	AUTO_FD int fd = open(TERMINAL, O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios before, silent;
	struct err ignored;
	int code;

	if (fd < 0 || tcgetattr(fd, &before) < 0)
		return err_set(e, ERR_AUTH, "no terminal to ask on");
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	silent.c_cc[VMIN] = 1;
	silent.c_cc[VTIME] = 0;
	if (tcsetattr(fd, TCSAFLUSH, &silent) < 0)
		return err_errno(e, TERMINAL);
	show(fd, words, where);
	code = read_line(fd, secret, cap, e);
	tcsetattr(fd, TCSAFLUSH, &before);
	(void)!file_write_all(fd, "\n", 1, &ignored);
	return code;
}

int passphrase_ask(void *arg, const char *where, char *secret, size_t cap, struct err *e)
{
	const struct passphrase *p = arg;

	if (seckey_is_uri(where))
		return from_terminal("PIN for ", where, secret, cap, e) < 0 ? err_wrap(e, "PIN") : 0;
	if (p->file)
		return from_file(p->file, secret, cap, e);
	return from_terminal("Passphrase for ", where, secret, cap, e) < 0 ? err_wrap(e, "passphrase") : 0;
}

int passphrase_choose(const struct passphrase *p, const char *where, char secret[SECKEY_SECRET_MAX], struct err *e)
{
	char again[SECKEY_SECRET_MAX];
	int code;

	if (p->file)
		return from_file(p->file, secret, SECKEY_SECRET_MAX, e);
	code = from_terminal("New passphrase for ", where, secret, SECKEY_SECRET_MAX, e);
	if (code == 0)
		code = from_terminal("Once more for ", where, again, sizeof again, e);
	if (code == 0 && strcmp(secret, again) != 0)
		code = err_set(e, ERR_AUTH, "the two differ; nothing was written");
	explicit_bzero(again, sizeof again);
	return code < 0 ? err_wrap(e, "passphrase of %s", where) : 0;
}
