/* `ringhold key ...`, the real program: files, tokens, passphrases on a terminal. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "signing/seckey.h"
#include "tests/program.h"
#include "tests/softhsm.h"

#define LIMIT_MS 20000
#define WORDS_MAX 12

struct place {
	char dir[256];
};

static int setup(void **state)
{
	static struct place p;
	const char *tmp = getenv("TMPDIR");

	snprintf(p.dir, sizeof p.dir, "%s/ringhold-keycli-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(p.dir));
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	struct err e;

	assert_ok(file_remove_tree(p->dir, &e));
	return 0;
}

#define NEED_PROGRAM()                                        \
	do {                                                  \
		if (access(test_program("ringhold"), X_OK) < 0) \
			skip_named("ringhold is not built");  \
	} while (0)

/* ---- running it; words that begin with '@' name files of the directory ---- */

struct line {
	char room[WORDS_MAX][700];
	char *argv[WORDS_MAX + 2];
};

static void words(struct line *l, const struct place *p, const char *const *w)
{
	size_t n = 1;

	l->argv[0] = (char *)"ringhold";
	for (; w[n - 1]; n++) {
		assert_true(n < WORDS_MAX);
		if (w[n - 1][0] == '@')
			snprintf(l->room[n], sizeof l->room[n], "%s/%s", p->dir, w[n - 1] + 1);
		else
			snprintf(l->room[n], sizeof l->room[n], "%s", w[n - 1]);
		l->argv[n] = l->room[n];
	}
	l->argv[n] = NULL;
}

/* Whoever runs the tests may sit at a terminal. */
static int leave_terminal(void *arg)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY);

	(void)arg;
	return fd < 0 ? 0 : ioctl(fd, TIOCNOTTY);
}

/* Exit status; output, both streams, in *said, which the caller frees. No terminal. */
static int run_in(const struct place *p, char **said, const char *const *w)
{
	struct line l;
	char conf[300];
	char *env[] = { (char *)"PATH=/usr/bin:/bin", conf, NULL };
	struct proc_run run = { .path = test_program("ringhold"), .argv = l.argv, .env = env, .stdin_fd = -1, .timeout_ms = LIMIT_MS,
				.output_max = 1 << 20, .confine = leave_terminal };
	struct proc_result r;
	struct err e;
	int status;

	snprintf(conf, sizeof conf, "SOFTHSM2_CONF=%s", getenv("SOFTHSM2_CONF") ? getenv("SOFTHSM2_CONF") : "");
	words(&l, p, w);
	assert_ok(proc_run(&run, &r, &e));
	status = r.exit_status;
	*said = strdup(r.output->data ? r.output->data : "");
	proc_result_release(&r);
	return status;
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define MUST_SAY(status, text, ...)                                                                  \
	do {                                                                                         \
		AUTO_FREE char *said_ = NULL;                                                        \
		int got_ = run_in(*state, &said_, WORDS(__VA_ARGS__));                               \
		if (got_ != (status) || !strstr(said_, text))                                        \
			fail_msg("status %d instead of %d, or no \"%s\" in: %s", got_, status, text, said_); \
	} while (0)

static void write_in(const struct place *p, const char *name, const char *text, mode_t mode)
{
	AUTO_FREE char *path = file_join(p->dir, name);
	struct err e;

	assert_ok(file_replace(path, text, strlen(text), mode, &e));
}

static mode_t mode_in(const struct place *p, const char *name)
{
	AUTO_FREE char *path = file_join(p->dir, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* On a terminal of its own: answers each prompt, in order, with a line. Everything the terminal showed is in *said. */
static int type_in(const struct place *p, char **said, const char *const *answers, const char *const *w)
{
	struct line l;
	const char *program = test_program("ringhold");
	char shown[8192];
	size_t len = 0, at = 0;
	int64_t until = clock_work_ms() + LIMIT_MS;
	int master, status;
	pid_t pid;

	words(&l, p, w);
	pid = forkpty(&master, NULL, NULL, NULL);
	assert_true(pid >= 0);
	if (pid == 0) {
		execv(program, l.argv);
		_exit(127);
	}
	for (;;) {
		struct pollfd f = { .fd = master, .events = POLLIN };
		ssize_t n;

		if (clock_work_ms() > until)
			fail_msg("the terminal stands at: %.*s", (int)len, shown);
		if (poll(&f, 1, 100) <= 0)
			continue;
		n = read(master, shown + len, sizeof shown - len - 1);
		if (n <= 0)
			break;
		len += (size_t)n;
		shown[len] = '\0';
		/* a prompt ends with ": " and waits */
		if (*answers && len >= 2 && len > at && strcmp(shown + len - 2, ": ") == 0) {
			assert_int_equal(write(master, *answers, strlen(*answers)), (ssize_t)strlen(*answers));
			answers++;
			at = len;
		}
	}
	close(master);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_null(*answers);
	*said = strdup(shown);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- files ---- */

static void a_generated_key_is_private_listed_shown_and_never_overwritten(void **state)
{
	AUTO_FREE char *json = NULL;
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	NEED_PROGRAM();
	MUST_SAY(0, "would be written", "key", "generate", "@a.pem", "--dry-run");
	MUST_SAY(0, "type  ed25519", "key", "generate", "@a.pem");
	MUST_SAY(0, "type  p256", "key", "generate", "@b.pem", "--type", "p256");
	assert_int_equal(mode_in(*state, "a.pem"), 0600);
	MUST_SAY(1, "a.pem: exists already", "key", "generate", "@a.pem");
	MUST_SAY(1, "a.pem: exists already", "key", "generate", "@a.pem", "--dry-run");
	MUST_SAY(2, "RSA is verified, not made", "key", "generate", "@c.pem", "--type", "rsa");
	MUST_SAY(2, "ed25519 or p256", "key", "generate", "@c.pem", "--type", "dsa");
	MUST_SAY(0, "type  p256", "key", "show", "@b.pem");
	MUST_SAY(0, "it opens, and signs", "key", "show", "@b.pem", "--open");
	assert_int_equal(run_in(*state, &json, WORDS("key", "list", "@", "--json")), 0);
	assert_ok(json_parse(&d, "list", json, strlen(json), NULL, &e));
	assert_int_equal(d->root->count, 2);
	assert_true(json_is(json_get(&d->root->u.items[1], "type"), "p256"));
	assert_true(json_is(json_get(&d->root->u.items[1], "held"), "file"));
}

static void a_private_key_that_others_can_read_is_refused_by_every_command(void **state)
{
	AUTO_FREE char *path = file_join(((struct place *)*state)->dir, "a.pem");

	NEED_PROGRAM();
	MUST_SAY(0, "written", "key", "generate", "@a.pem");
	write_in(*state, "pw", "sesame\n", 0600);
	MUST_SAY(0, "written", "key", "generate", "@b.pem", "--passphrase-file", "@pw");
	write_in(*state, "open.uri", "pkcs11:token=x;object=y?pin-value=1\n", 0644);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(chmod(path, i ? 0604 : 0640), 0);
		MUST_SAY(1, "a.pem: mode 06", "key", "show", "@a.pem");
		MUST_SAY(1, "a.pem: mode 06", "key", "show", "@a.pem", "--open");
		MUST_SAY(1, "a.pem: mode 06", "key", "import", "@a.pem", "@c.pem");
		MUST_SAY(1, "a.pem: mode 06", "key", "list", "@");
		MUST_SAY(1, "a.pem: mode 06", "publish", "@none.tar.gz", "--key", "@a.pem", "--server", "https://127.0.0.1:1");
		MUST_SAY(1, "a.pem: mode 06", "publish", "@none.tar.gz", "--keys", "@", "--server", "https://127.0.0.1:1");
	}
	MUST_SAY(1, "open.uri: mode 0644", "key", "show", "@open.uri");
	MUST_SAY(1, "open.uri: mode 0644", "publish", "@none.tar.gz", "--key", "@open.uri", "--server", "https://127.0.0.1:1");
	write_in(*state, "pw", "sesame\n", 0644);
	MUST_SAY(1, "pw: mode 0644", "key", "show", "@b.pem", "--open", "--passphrase-file", "@pw");
}

static void an_encrypted_key_shows_its_public_half_and_opens_with_its_passphrase(void **state)
{
	NEED_PROGRAM();
	write_in(*state, "pw", "sesame\n", 0600);
	write_in(*state, "wrong", "open\n", 0600);
	write_in(*state, "empty", "\nsesame\n", 0600);
	MUST_SAY(0, "type  ed25519", "key", "generate", "@a.pem", "--passphrase-file", "@pw");
	MUST_SAY(0, "in a file, encrypted", "key", "show", "@a.pem");
	MUST_SAY(0, "yes", "key", "list", "@");
	MUST_SAY(0, "it opens, and signs", "key", "show", "@a.pem", "--open", "--passphrase-file", "@pw");
	MUST_SAY(1, "the passphrase does not open it", "key", "show", "@a.pem", "--open", "--passphrase-file", "@wrong");
	MUST_SAY(2, "no passphrase of 1 to", "key", "show", "@a.pem", "--open", "--passphrase-file", "@empty");
}

static void without_a_terminal_nobody_waits_for_an_answer(void **state)
{
	NEED_PROGRAM();
	write_in(*state, "pw", "sesame\n", 0600);
	MUST_SAY(0, "written", "key", "generate", "@a.pem", "--passphrase-file", "@pw");
	MUST_SAY(1, "no terminal to ask on", "key", "show", "@a.pem", "--open");
	MUST_SAY(1, "no terminal to ask on", "key", "generate", "@b.pem", "--passphrase");
}

static void keys_of_other_tools_come_in_private_encrypted_or_public(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *public = NULL;

	NEED_PROGRAM();
	write_in(p, "pw", "sesame\n", 0600);
	write_in(p, "new", "open\n", 0600);
	MUST_SAY(0, "written", "key", "generate", "@from.pem", "--type", "p256", "--passphrase-file", "@pw");
	MUST_SAY(0, "would be written", "key", "import", "@from.pem", "@to.pem", "--passphrase-file", "@pw", "--dry-run");
	MUST_SAY(0, "to.pem: written", "key", "import", "@from.pem", "@to.pem", "--passphrase-file", "@pw");
	MUST_SAY(0, "in a file, not encrypted", "key", "show", "@to.pem");
	assert_int_equal(mode_in(p, "to.pem"), 0600);
	MUST_SAY(0, "again.pem: written", "key", "import", "@to.pem", "@again.pem", "--new-passphrase-file", "@new");
	MUST_SAY(0, "it opens", "key", "show", "@again.pem", "--open", "--passphrase-file", "@new");
	MUST_SAY(1, "exists already", "key", "import", "@to.pem", "@again.pem");
	MUST_SAY(1, "the passphrase does not open it", "key", "import", "@from.pem", "@x.pem", "--passphrase-file", "@new");
	assert_int_equal(run_in(p, &public, WORDS("key", "show", "@to.pem", "--json")), 0);
	write_in(p, "to.json", public, 0644);
	MUST_SAY(0, "a public key, as metadata carries it", "key", "import", "@to.json", "@public.json");
	assert_int_equal(mode_in(p, "public.json"), 0644);
	MUST_SAY(0, "type  p256", "key", "show", "@public.json");
	MUST_SAY(2, "nothing to encrypt", "key", "import", "@to.json", "@x.json", "--passphrase");
	MUST_SAY(2, "do not move into or out of tokens", "key", "import", "@to.pem", "pkcs11:token=x;object=y");
}

/* ---- a terminal ---- */

static void a_passphrase_is_asked_twice_when_chosen_once_when_used_and_never_shown(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *second = file_join(p->dir, "b.pem"), *chosen = NULL, *differ = NULL, *used = NULL, *wrong = NULL, *gone = NULL;

	NEED_PROGRAM();
	assert_int_equal(type_in(p, &chosen, WORDS("xyzzy-7\n", "xyzzy-7\n"), WORDS("key", "generate", "@a.pem", "--passphrase")), 0);
	assert_non_null(strstr(chosen, "New passphrase for "));
	assert_non_null(strstr(chosen, "Once more for "));
	assert_null(strstr(chosen, "xyzzy"));
	assert_int_equal(type_in(p, &differ, WORDS("xyzzy-7\n", "xyzzy-8\n"), WORDS("key", "generate", "@b.pem", "--passphrase")), 1);
	assert_non_null(strstr(differ, "the two differ"));
	/* corrected while typing: backspace, and the whole line */
	assert_int_equal(type_in(p, &used, WORDS("no\025xyzzy-8\1777\n"), WORDS("key", "show", "@a.pem", "--open")), 0);
	assert_non_null(strstr(used, "it opens, and signs"));
	assert_null(strstr(used, "xyzzy"));
	assert_int_equal(type_in(p, &wrong, WORDS("xyzzy-8\n"), WORDS("key", "show", "@a.pem", "--open")), 1);
	assert_non_null(strstr(wrong, "the passphrase does not open it"));
	assert_int_equal(type_in(p, &gone, WORDS("xyz\003"), WORDS("key", "show", "@a.pem", "--open")), 1);
	assert_non_null(strstr(gone, "nobody answered"));
	assert_false(file_exists(second));
}

/* ---- tokens ---- */

#define HOUSE "?module-path=" SOFTHSM_MODULE

static void keys_in_a_token_are_made_listed_and_shown(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *said = NULL, *typed = NULL;
	struct softhsm hsm;

	NEED_PROGRAM();
	if (!softhsm_installed())
		skip_missing_program("softhsm2");
	softhsm_open(&hsm);
	softhsm_token("house");
	write_in(p, "stop.uri", "pkcs11:token=house;object=stop" SOFTHSM_QUERY "\n", 0600);
	MUST_SAY(0, "shows no such key yet", "key", "generate", "pkcs11:token=house;object=stop" SOFTHSM_QUERY, "--type", "p256", "--dry-run");
	assert_int_equal(run_in(p, &said, WORDS("key", "generate", "pkcs11:token=house;object=stop" SOFTHSM_QUERY, "--type", "p256")), 0);
	assert_non_null(strstr(said, "made in the token"));
	assert_non_null(strstr(said, "object=stop"));
	assert_null(strstr(said, SOFTHSM_PIN));
	MUST_SAY(1, "already", "key", "generate", "pkcs11:token=house;object=stop" SOFTHSM_QUERY, "--type", "p256");
	MUST_SAY(1, "already", "key", "generate", "pkcs11:token=house;object=stop" SOFTHSM_QUERY, "--dry-run");
	MUST_SAY(2, "there is no passphrase", "key", "generate", "pkcs11:token=house;object=more" SOFTHSM_QUERY, "--passphrase");
	MUST_SAY(0, "p256", "key", "list", "pkcs11:token=house" HOUSE);
	MUST_SAY(0, "token", "key", "list", "@");
	MUST_SAY(0, "in a token", "key", "show", "@stop.uri");
	MUST_SAY(0, "it opens, and signs", "key", "show", "@stop.uri", "--open");
	MUST_SAY(1, "no such token", "key", "list", "pkcs11:token=nowhere" HOUSE);
	MUST_SAY(1, "shows no such key without its PIN", "key", "show", "pkcs11:token=house;object=nothing" HOUSE);
	MUST_SAY(1, "refused the PIN", "key", "show", "pkcs11:token=house;object=stop" HOUSE "&pin-value=999999", "--open");
	assert_int_equal(type_in(p, &typed, WORDS(SOFTHSM_PIN "\n"), WORDS("key", "show", "pkcs11:token=house;object=stop" HOUSE, "--open")), 0);
	assert_non_null(strstr(typed, "PIN for pkcs11:token=house;object=stop: "));
	assert_null(strstr(typed, SOFTHSM_PIN));
	softhsm_close(&hsm);
}

static void a_list_says_which_keys_cannot_be_used_and_why(void **state)
{
	NEED_PROGRAM();
	MUST_SAY(0, "no keys", "key", "list", "@");
	MUST_SAY(0, "written", "key", "generate", "@a.pem");
	write_in(*state, "b.pem", "x", 0600);
	MUST_SAY(1, "no PEM private key", "key", "list", "@");
	MUST_SAY(1, "1 of 2 keys cannot be used", "key", "list", "@");
	MUST_SAY(1, "/nowhere", "key", "list", "/nowhere");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_generated_key_is_private_listed_shown_and_never_overwritten),
		T(a_private_key_that_others_can_read_is_refused_by_every_command),
		T(an_encrypted_key_shows_its_public_half_and_opens_with_its_passphrase),
		T(without_a_terminal_nobody_waits_for_an_answer),
		T(keys_of_other_tools_come_in_private_encrypted_or_public),
		T(a_passphrase_is_asked_twice_when_chosen_once_when_used_and_never_shown),
		T(keys_in_a_token_are_made_listed_and_shown),
		T(a_list_says_which_keys_cannot_be_used_and_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
