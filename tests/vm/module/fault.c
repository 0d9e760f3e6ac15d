// SPDX-License-Identifier: GPL-2.0
/* fault: a kernel module that faults as it is loaded, as a sensor's driver does over bad content. */
#include <linux/init.h>
#include <linux/module.h>

static int *volatile sessions;

static int __init fault_init(void)
{
	return *sessions;
}

module_init(fault_init);
MODULE_DESCRIPTION("faults as it is loaded; for the tests of ringhold");
MODULE_LICENSE("GPL");
