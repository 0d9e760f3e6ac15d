/* vm: qemu, a kernel, a disk; the serial line tells what happened. */
#include "vm.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"

#define QEMU "/usr/bin/qemu-system-x86_64"
#define KERNEL "build/vm/vmlinuz"
#define KERNEL_OPTIONS "console=ttyS0 root=/dev/nvme0n1 rw rootwait init=/sbin/init panic=1 oops=panic quiet"
#define FIRMWARE "/usr/share/ovmf/OVMF.fd"
#define SYSTEM "build/vm/debian.tar"
#define CPU_S_A_BOOT 60                 /* some six are usual */
#define CPU_S_A_SYSTEM_BOOT 180         /* some forty are usual, and as many until a watchdog expires */
#define WALL_MS (20 * 60 * 1000)
#define WALL_SYSTEM_MS (60 * 60 * 1000)
#define SERIAL_MAX ((size_t)16 << 20)

const char *vm_missing(void)
{
	if (access(QEMU, X_OK) < 0)
		return "qemu-system-x86";
	if (access("/bin/busybox", X_OK) < 0)
		return "busybox-static";
	if (access("/sbin/mke2fs", X_OK) < 0)
		return "e2fsprogs";
	return access(KERNEL, R_OK) < 0 ? "the kernel for virtual machines (" KERNEL ")" : NULL;
}

/* One of the scripts here, with a word for its environment. */
static int script(const char *name, const char *a, const char *b, const char *c, char *word, struct err *e)
{
	char *argv[] = { (char *)"sh", (char *)name, (char *)a, (char *)b, (char *)c, NULL };
	char *env[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C", word, NULL };
	struct proc_run how = { .path = "/bin/sh", .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = 300000, .output_max = 65536 };
	struct proc_result got = { 0 };
	int code = 0;

	if (proc_run(&how, &got, e) < 0)
		return e->code;
	if (got.exit_status != 0)
		code = err_set(e, ERR_IO, "%s: %.300s", name, got.output ? got.output->data : "");
	proc_result_release(&got);
	return code;
}

int vm_disk(const char *root, const char *bin, const char *extra, const char *disk, struct err *e)
{
	AUTO_FREE char *more = NULL;

	if (extra && asprintf(&more, "EXTRA=%s", extra) < 0)
		return err_memory(e);
	return script("tests/vm/image.sh", root, bin, disk, more, e);
}

const char *vm_system_missing(void)
{
	if (access("/sbin/depmod", X_OK) < 0)
		return "kmod";
	if (access(FIRMWARE, R_OK) < 0)
		return "ovmf";
	if (access("/usr/bin/mformat", X_OK) < 0)
		return "mtools";
	if (access("/sbin/sfdisk", X_OK) < 0)
		return "fdisk";
	if (access(SYSTEM, R_OK) < 0)
		return "the system for virtual machines (" SYSTEM ", by tests/vm/debian.sh)";
	return vm_missing();
}

int vm_system(const char *root, const char *bin, const char *disk, struct err *e)
{
	return script("tests/vm/system.sh", root, bin, disk, NULL, e);
}

int vm_esp(const char *esp, const char *options, struct err *e)
{
	AUTO_FREE char *all = NULL;

	if (asprintf(&all, KERNEL_OPTIONS " %s", options) < 0)
		return err_memory(e);
	return script("tests/vm/esp.sh", esp, all, NULL, NULL, e);
}

int vm_initrd(const char *bin, const char *initrd, struct err *e)
{
	return script("tests/vm/initrd.sh", bin, initrd, NULL, NULL, e);
}

static int bound(void *arg)
{
	const struct vm_boot *b = arg;
	rlim_t seconds = b->cpu_s ? b->cpu_s : (b->system ? CPU_S_A_SYSTEM_BOOT : CPU_S_A_BOOT) * (b->most + 1);
	struct rlimit cpu = { seconds, seconds };

	return setrlimit(RLIMIT_CPU, &cpu);
}

/* What a kernel that died said may be quoted by the script of the guest, and by its agent. */
static bool is_kernels(const char *line)
{
	return strncmp(line, "vm: ", 4) != 0 && strncmp(line, "agent: ", 7) != 0;
}

/* Lines of the kernel's with these words. */
static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) {
		const char *line = at;

		while (line > text && line[-1] != '\n')
			line--;
		n += is_kernels(line);
	}
	return n;
}

/* "vm: boot 3", and not "vm: boot complete". */
static unsigned count_boots(const char *text)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, "vm: boot ")); at += strlen("vm: boot "))
		n += at[9] >= '0' && at[9] <= '9' && (at == text || at[-1] == '\n');
	return n;
}

/* What follows the last "vm: content ". */
static void last_content(char out[65], const char *text)
{
	const char *at = NULL;

	for (const char *next = text; (next = strstr(next, "vm: content ")); next++)
		at = next + strlen("vm: content ");
	snprintf(out, 65, "%.*s", at ? (int)strcspn(at, "\r\n") : 0, at ? at : "");
}

static bool is_wrong(const char *runs, const char *content)
{
	return content && strcmp(runs, content) != 0;
}

void vm_read(struct vm_report *out, const char *serial, enum vm_end end, const char *content)
{
	out->boots = count_boots(serial);
	out->panics = count(serial, "Kernel panic - not syncing");
	out->expiries = count(serial, "softdog: Initiating system reboot");
	last_content(out->content, serial);
	if (end == VM_END_CUT)
		out->verdict = VM_TIMEOUT;
	else if (end == VM_END_FAILED || strstr(serial, "vm: survived"))
		out->verdict = VM_BROKEN;
	else if (strstr(serial, "vm: too many boots"))
		out->verdict = VM_TOO_MANY_PANICS;
	else if (!strstr(serial, "vm: healthy"))
		out->verdict = VM_BROKEN;
	else
		out->verdict = is_wrong(out->content, content) ? VM_WRONG_CONTENT : VM_HEALTHY;
}

static enum vm_end end_of(const struct proc_result *got)
{
	if (got->timed_out || got->signal == SIGXCPU || got->signal == SIGKILL)
		return VM_END_CUT;
	return got->exit_status == 0 && got->signal == 0 ? VM_END_OFF : VM_END_FAILED;
}

/* ---- the emulator's command line ---- */

struct line {
	char *argv[64];
	size_t n;
};

static void __attribute__((sentinel)) add(struct line *l, ...)
{
	va_list ap;

	va_start(ap, l);
	while (l->n + 1 < ARRAY_LEN(l->argv) && (l->argv[l->n] = va_arg(ap, char *)))
		l->n++;
	va_end(ap);
}

/*
 * Time passes with instructions while the machine works and with ours while it
 * waits: a busy test machine lets no watchdog expire that is well fed.
 */
static void add_system(struct line *l)
{
	add(l, "-m", "512", "-icount", "shift=3", "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n", NULL);
}

int vm_run(const struct vm_boot *b, struct vm_report *out, struct err *e)
{
	AUTO_FREE char *append = NULL, *drive = NULL, *rtc = NULL, *serial = NULL, *esp = NULL;
	struct line l = { .n = 0 };
	struct proc_run how = { .path = QEMU, .argv = l.argv, .stdin_fd = -1, .timeout_ms = b->system ? WALL_SYSTEM_MS : WALL_MS, .output_max = 4096,
				.confine = bound, .confine_arg = (void *)b };
	struct proc_result got = { 0 };

	*out = (struct vm_report){ .verdict = VM_BROKEN };
	if (asprintf(&append, KERNEL_OPTIONS " rh.most=%u %s", b->most, b->options ? b->options : "") < 0 ||
	    asprintf(&esp, "file=%s,format=raw,if=none,id=e,cache=unsafe", b->esp ? b->esp : "") < 0 ||
	    asprintf(&drive, "file=%s,format=raw,if=none,id=d,cache=unsafe", b->disk) < 0 ||
	    asprintf(&rtc, "base=%s", b->clock ? b->clock : "utc") < 0 || asprintf(&serial, "file:%s.serial", b->disk) < 0)
		return err_memory(e);
	add(&l, "qemu-system-x86_64", "-accel", "tcg", "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none", NULL);
	add(&l, "-serial", serial, "-drive", drive, "-device", "nvme,drive=d,serial=1", "-rtc", rtc, NULL);
	if (b->esp)
		add(&l, "-bios", FIRMWARE, "-drive", esp, "-device", "nvme,drive=e,serial=2", NULL);
	else
		add(&l, "-kernel", KERNEL, "-append", append, NULL);
	if (b->system)
		add_system(&l);
	else
		add(&l, "-m", "256", NULL);
	if (b->initrd)
		add(&l, "-initrd", b->initrd, NULL);
	if (proc_run(&how, &got, e) < 0)
		return e->code;
	if (file_read(&out->serial, serial + strlen("file:"), SERIAL_MAX, e) == 0)
		vm_read(out, out->serial->data ? out->serial->data : "", end_of(&got), b->content);
	else
		err_wrap(e, "%s", got.output && got.output->data ? got.output->data : "qemu");
	proc_result_release(&got);
	return out->serial ? 0 : e->code;
}

void vm_report_release(struct vm_report *r)
{
	buf_free(TAKE(r->serial));
}

const char *vm_verdict_name(enum vm_verdict v)
{
	static const char *const names[] = { "healthy", "given up after too many panics", "healthy on wrong content",
					     "cut off by its time limit", "broken" };

	return names[v];
}
