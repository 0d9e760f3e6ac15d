/* machine: one endpoint whose boots the world drives. */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/proc.h"
#include "boot/link.h"
#include "boot/sensor_status.h"
#include "world.h"

#define GUARD_LIMIT_MS 20000
#define AGENT_LIMIT_MS 60000

char *machine_path(const struct machine *m, const char *path)
{
	return file_join(m->root, path);
}

static int write_file(const struct machine *m, const char *path, const char *text, struct err *e)
{
	AUTO_FREE char *full = machine_path(m, path);

	if (!full)
		return err_memory(e);
	return file_replace(full, text, strlen(text), 0644, e);
}

int machine_new(struct machine *m, const struct world *w, const char *ring, unsigned number,
		struct err *e)
{
	static const char *const dirs[] = {
		"etc/ringhold/trust", "etc/ringhold/health.d/required.d",
		"etc/ringhold/health.d/wanted.d", "etc/ringhold/benign.d",
		"var/lib/ringhold/channels", "proc/sys/kernel/random",
	};

	*m = (struct machine){ .sensor = -1, .agent = -1, .sensor_in = -1 };
	snprintf(m->name, sizeof m->name, "%s-%u", ring, number);
	snprintf(m->ring, sizeof m->ring, "%s", ring);
	if (asprintf(&m->root, "%s/hosts/%s", w->dir, m->name) < 0 ||
	    asprintf(&m->log, "%s/hosts/%s.log", w->dir, m->name) < 0)
		return err_memory(e);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		AUTO_FREE char *path = machine_path(m, dirs[i]);

		if (!path)
			return err_memory(e);
		if (file_mkdirs(path, 0755, e) < 0)
			return e->code;
	}
	return 0;
}

/* Starts a program of the machine in a process group of its own, dying with us. */
static int start(pid_t *out, const struct machine *m, const struct world *w, int in,
		 char *const *argv, struct err *e)
{
	AUTO_FREE char *path = file_join(w->bin, argv[0]);
	AUTO_FD int log = open(m->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	AUTO_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t pid;

	if (!path)
		return err_memory(e);
	if (log < 0 || null < 0)
		return err_errno(e, "%s: open", m->log);
	pid = fork();
	if (pid < 0)
		return err_errno(e, "fork");
	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in >= 0 ? in : null, STDIN_FILENO);
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		execv(path, argv);
		_exit(127);
	}
	setpgid(pid, pid);
	*out = pid;
	return 0;
}

static int start_sensor(struct machine *m, const struct world *w, struct err *e)
{
	char *argv[] = { (char *)"ringhold-sensor", (char *)"--root", m->root, (char *)"--channel",
			 (char *)w->channel, (char *)"--at-boot", NULL };
	int pipes[2];
	int code;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_errno(e, "pipe");
	code = start(&m->sensor, m, w, pipes[0], argv, e);
	close(pipes[0]);
	if (m->sensor_in >= 0)
		close(m->sensor_in);
	m->sensor_in = pipes[1];
	return code;
}

static int start_agent(struct machine *m, const struct world *w, struct err *e)
{
	char *argv[] = { (char *)"ringhold-agent", (char *)"run", (char *)"--root", m->root, NULL };

	return start(&m->agent, m, w, -1, argv, e);
}

static int run_guard(const struct machine *m, const struct world *w, struct err *e)
{
	AUTO_FREE char *path = file_join(w->bin, "ringhold-bootguard");
	char *argv[] = { (char *)"ringhold-bootguard", (char *)"--root", m->root, NULL };
	struct proc_run run = { .path = path, .argv = argv, .stdin_fd = -1,
				.timeout_ms = GUARD_LIMIT_MS, .output_max = 8192 };
	struct proc_result result = { 0 };
	AUTO_FD int log = open(m->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int status;

	if (!path)
		return err_memory(e);
	if (proc_run(&run, &result, e) < 0)
		return err_wrap(e, "%s: boot guard", m->name);
	if (log >= 0 && result.output)
		(void)!write(log, result.output->data, result.output->len);
	status = result.exit_status;
	proc_result_release(&result);
	if (status != 0)
		return err_set(e, ERR_CRASH, "%s: the boot guard left with status %d", m->name, status);
	return 0;
}

static int fresh_boot_id(const struct machine *m, struct err *e)
{
	uint8_t raw[16];
	char hex[33], text[40];

	if (random_bytes(raw, sizeof raw, e) < 0)
		return e->code;
	hex_encode(hex, raw, sizeof raw);
	snprintf(text, sizeof text, "%.8s-%.4s-%.4s-%.4s-%.12s\n", hex, hex + 8, hex + 12, hex + 16,
		 hex + 20);
	return write_file(m, "proc/sys/kernel/random/boot_id", text, e);
}

int machine_boot(struct machine *m, const struct world *w, struct err *e)
{
	AUTO_FREE char *run = machine_path(m, "run");
	AUTO_FREE char *run_ringhold = machine_path(m, "run/ringhold");

	if (!run || !run_ringhold)
		return err_memory(e);
	m->boots++;
	/* /run is a tmpfs: a boot finds it empty. */
	if (file_remove_tree(run, e) < 0 || file_mkdirs(run_ringhold, 0755, e) < 0)
		return e->code;
	if (fresh_boot_id(m, e) < 0 || run_guard(m, w, e) < 0 || start_sensor(m, w, e) < 0)
		return e->code;
	m->state = MACHINE_BOOTING;
	return 0;
}

/* To a process, or with `group` to all of its group; to nobody when it is gone: kill(-1) would reach everybody. */
static int send(pid_t pid, bool group, int signal)
{
	if (pid <= 1)
		return -1;
	return kill(group ? -pid : pid, signal);
}

static void end(pid_t *pid, int signal)
{
	if (send(*pid, true, signal) < 0 && *pid <= 1)
		return;
	if (signal == SIGKILL) {
		while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
			;
		*pid = -1;
	}
}

/* status: of one that ended just now; NULL: nobody asks how. */
static bool ended(pid_t *pid, int *status)
{
	if (*pid > 0 && waitpid(*pid, status, WNOHANG) == *pid)
		*pid = -1;
	return *pid <= 0;
}

/* Whoever kills an agent reaps it: one that is found dead of a signal has crashed, and a restart would hide it. */
static int agent_ended(struct machine *m, struct err *e)
{
	if (!ended(&m->agent, &m->agent_status))
		return 0;
	if (WIFSIGNALED(m->agent_status))
		return err_set(e, ERR_CRASH, "%s: the agent died of signal %d; see %s", m->name, WTERMSIG(m->agent_status), m->log);
	return 1;
}

int machine_reboot(struct machine *m, struct err *e)
{
	if (m->state != MACHINE_UP && m->state != MACHINE_FROZEN)
		return err_set(e, ERR_CONFLICT, "%s: is not up", m->name);
	/* systemd stops the agent before the sensor it was ordered after; a frozen one hears of it before anything else. */
	(void)send(m->agent, false, SIGTERM);
	(void)send(m->agent, true, SIGCONT);
	m->state = MACHINE_STOPPING;
	return 0;
}

int machine_freeze(struct machine *m, struct err *e)
{
	if (m->state != MACHINE_UP || send(m->agent, true, SIGSTOP) < 0)
		return err_set(e, ERR_CONFLICT, "%s: has no agent to stop", m->name);
	m->state = MACHINE_FROZEN;
	return 0;
}

void machine_kill_agent(struct machine *m)
{
	end(&m->agent, SIGKILL);
}

int machine_thaw(struct machine *m, struct err *e)
{
	if (m->state != MACHINE_FROZEN || send(m->agent, true, SIGCONT) < 0)
		return err_set(e, ERR_CONFLICT, "%s: is not frozen", m->name);
	m->state = MACHINE_UP;
	return 0;
}

static bool sensor_says(const struct machine *m, const struct world *w, struct sensor_status *out)
{
	struct boot_report why;
	int run = boot_run_open(m->root, w->channel, false, &why);
	bool read;

	if (run < 0)
		return false;
	read = sensor_status_read(out, run, &why) == 1;
	close(run);
	return read && out->alive;
}

static void remember(struct machine *m, const struct sensor_status *s)
{
	struct digest d;

	memcpy(d.bytes, s->digest, DIGEST_LEN);
	if (s->state != RINGHOLD_HEALTHY || digest_is_zero(&d) || machine_ever_ran(m, &d) ||
	    m->ran_count == MACHINE_RAN_MAX)
		return;
	m->ran[m->ran_count++] = d;
}

/* A sensor of this kind lives in the kernel: when it dies, the machine does. */
static int panic(struct machine *m, const struct world *w, struct err *e)
{
	if (++m->panics > MACHINE_PANICS_MAX)
		return err_set(e, ERR_CRASH, "%s: still panics after %u boots", m->name, m->boots);
	end(&m->agent, SIGKILL);
	return machine_boot(m, w, e);
}

int machine_turn(struct machine *m, const struct world *w, struct err *e)
{
	struct sensor_status says;
	int got;

	switch (m->state) {
	case MACHINE_OFF:
		return 0;
	case MACHINE_BOOTING:
		if (ended(&m->sensor, NULL))
			return panic(m, w, e);
		if (!sensor_says(m, w, &says) || says.state == RINGHOLD_STARTING)
			return 0;
		remember(m, &says);
		m->state = MACHINE_UP;
		return start_agent(m, w, e);
	case MACHINE_UP:
	case MACHINE_FROZEN:
		if (ended(&m->sensor, NULL))
			return panic(m, w, e);
		if (sensor_says(m, w, &says))
			remember(m, &says);
		got = m->state == MACHINE_UP ? agent_ended(m, e) : 0;
		return got > 0 ? start_agent(m, w, e) : got;    /* Restart=always */
	case MACHINE_STOPPING:
		got = agent_ended(m, e);
		if (got <= 0)
			return got;
		(void)send(m->sensor, false, SIGTERM);
		if (!ended(&m->sensor, NULL))
			return 0;
		return machine_boot(m, w, e);
	}
	return 0;
}

bool machine_runs(const struct machine *m, const struct world *w, const struct digest *d)
{
	struct sensor_status says;

	return sensor_says(m, w, &says) && says.state == RINGHOLD_HEALTHY &&
	       memcmp(says.digest, d->bytes, DIGEST_LEN) == 0;
}

bool machine_ever_ran(const struct machine *m, const struct digest *d)
{
	for (size_t i = 0; i < m->ran_count; i++)
		if (digest_equal(&m->ran[i], d))
			return true;
	return false;
}

bool machine_holds(const struct machine *m, const struct world *w, const struct digest *d)
{
	AUTO_FREE char *path = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, d);
	if (asprintf(&path, "%s/var/lib/ringhold/channels/%s/slots/%s", m->root, w->channel, hex) < 0)
		return false;
	return file_exists(path);
}

int machine_stop(struct machine *m, struct err *e)
{
	int64_t until = clock_work_ms() + AGENT_LIMIT_MS;
	int got = 0;

	if (m->state != MACHINE_UP || send(m->agent, false, SIGTERM) < 0)
		return 0;
	while (got == 0) {
		got = agent_ended(m, e);
		if (got == 0 && clock_work_ms() > until)
			return err_set(e, ERR_TIMEOUT, "%s: the agent did not stop", m->name);
		if (got == 0)
			poll(NULL, 0, 20);
	}
	if (got > 0 && WEXITSTATUS(m->agent_status) != 0)
		return err_set(e, ERR_CRASH, "%s: the agent left with status %d; see %s", m->name, WEXITSTATUS(m->agent_status), m->log);
	return got < 0 ? got : 0;
}

void machine_release(struct machine *m)
{
	end(&m->agent, SIGKILL);
	end(&m->sensor, SIGKILL);
	if (m->sensor_in >= 0)
		close(m->sensor_in);
	free(m->root);
	free(m->log);
	*m = (struct machine){ .sensor = -1, .agent = -1, .sensor_in = -1 };
}
