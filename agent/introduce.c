/* introduce: tells a fetch process whom it talks to, and who we are there. */
#include "agent/introduce.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/home.h"
#include "base/file.h"
#include "base/log.h"

/* Certificate and key one after the other; the size, or a negative code. */
static int put_identity(int fd, const struct settings *s, struct err *e)
{
	AUTO(buf) struct buf *certificate = NULL, *key = NULL;
	char path[HOME_PATH_MAX];
	int got;

	if (home_path(path, s->root, s->client_certificate, e) < 0 || file_read(&certificate, path, MESSAGE_IDENTITY_MAX / 2, e) < 0 ||
	    home_path(path, s->root, s->client_key, e) < 0 || file_read_secret(&key, path, MESSAGE_IDENTITY_MAX / 2 - 1, e) < 0)
		return e->code;
	got = file_write_all(fd, certificate->data, certificate->len, e);
	if (got == 0)
		got = file_write_all(fd, "\n", 1, e);
	if (got == 0)
		got = file_write_all(fd, key->data, key->len, e);
	explicit_bzero(key->data, key->len);
	return got < 0 ? got : (int)(certificate->len + 1 + key->len);
}

static int say_identity(int sock, const struct settings *s, struct err *e)
{
	AUTO_FD int fd = memfd_create("identity", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct message_identity m;
	struct err why;
	int size;

	if (fd < 0)
		return err_errno(e, "memory for the client certificate");
	size = put_identity(fd, s, &why);
	if (size < 0) {
		log_warn("this host shows its server no certificate: %s", why.msg);
		return 0;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(e, "seal the client certificate");
	m.size = (uint64_t)size;
	return message_send(sock, MSG_IDENTITY, &m, fd, e);
}

static void look(struct introduce_file *out, const struct settings *s, const char *file)
{
	char path[HOME_PATH_MAX];
	struct stat st;
	struct err e;

	if (home_path(path, s->root, file, &e) < 0 || stat(path, &st) < 0)
		return;
	*out = (struct introduce_file){ st.st_dev, st.st_ino, st.st_size, st.st_ctim.tv_sec, st.st_ctim.tv_nsec };
}

void introduce_look(struct introduce_seen *out, const struct settings *s)
{
	memset(out, 0, sizeof *out);
	if (!*s->client_key)
		return;
	look(&out->certificate, s, s->client_certificate);
	look(&out->key, s, s->client_key);
}

int introduce(int sock, const struct settings *s, const struct message_server *server, struct err *e)
{
	if (message_send(sock, MSG_SERVER, server, -1, e) < 0)
		return e->code;
	return *s->client_key && *server->server ? say_identity(sock, s, e) : 0;
}
