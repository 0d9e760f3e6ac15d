/*
 * vm: a virtual machine that boots a host's disk with a real kernel, panics included.
 *
 * No acceleration is needed. The machine is bounded in processor seconds, so
 * that a busy test machine changes nothing, and far behind that in wall time.
 */
#ifndef TESTS_VM_VM_H
#define TESTS_VM_VM_H

#include <stdbool.h>

#include "base/buf.h"

enum vm_verdict {
	VM_HEALTHY,             /* the sensor came up and the machine switched itself off */
	VM_TOO_MANY_PANICS,     /* it was given up after so many boots that ended in a panic, or in the watchdog */
	VM_WRONG_CONTENT,       /* healthy, on other content than was expected */
	VM_TIMEOUT,
	VM_BROKEN,              /* anything else: the emulator failed, or the guest did what no guest may */
};

struct vm_boot {
	const char *disk;       /* an ext4 image; changed by the guest */
	const char *options;    /* further words of the kernel's command line: "rh.fault=module" */
	const char *content;    /* hex digest that the last boot must run; "none"; NULL: any */
	const char *initrd;     /* from vm_initrd(); NULL: the kernel mounts the disk itself */
	const char *clock;      /* the machine's clock, as "2027-01-01T00:00:00"; NULL: now */
	unsigned most;          /* boots */
	const char *esp;        /* from vm_esp(): EFI boots its entry, with the options there; NULL: the emulator brings the kernel */
	bool system;            /* the disk is of vm_system(): bigger, slower, its network card leads to the loopback here as 10.0.2.2 */
	unsigned cpu_s;         /* processor seconds for all of it; 0: by the number of boots */
};

struct vm_report {
	enum vm_verdict verdict;
	unsigned boots, panics;
	unsigned expiries;      /* resets by the watchdog */
	char content[65];       /* hex digest that the last boot ran; "none" */
	struct buf *serial;     /* everything it printed; owned */
};

/* What is missing to run one at all, as a sentence; NULL: nothing. */
const char *vm_missing(void);

/* Makes a disk of a host's root directory and the programs of bin; extra: files for /usr/lib, by blanks, or NULL. */
int vm_disk(const char *root, const char *bin, const char *extra, const char *disk, struct err *e) MUST_CHECK;
/* Makes an initramfs that runs the boot guard of bin on the disk before it goes there. */
int vm_initrd(const char *bin, const char *initrd, struct err *e) MUST_CHECK;

/* What is missing to run a whole system; NULL: nothing. */
const char *vm_system_missing(void);
/* Makes a disk of Debian with systemd, `make install` of the build that bin is of, and a host's root directory. */
int vm_system(const char *root, const char *bin, const char *disk, struct err *e) MUST_CHECK;

/* Makes an EFI system partition with systemd-boot and one entry, which may fail three times; options: as above. */
int vm_esp(const char *esp, const char *options, struct err *e) MUST_CHECK;

enum vm_end {
	VM_END_OFF,             /* the machine switched itself off */
	VM_END_CUT,             /* out of time */
	VM_END_FAILED,          /* the emulator failed */
};

/* Reads what a machine printed and how it ended into everything but `serial`. Pure. */
void vm_read(struct vm_report *out, const char *serial, enum vm_end end, const char *content);

/* Boots until the guest switches itself off. */
int vm_run(const struct vm_boot *b, struct vm_report *out, struct err *e) MUST_CHECK;
void vm_report_release(struct vm_report *r);
const char *vm_verdict_name(enum vm_verdict v);

#endif
