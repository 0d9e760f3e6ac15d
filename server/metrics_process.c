/* metrics_process: what the kernel says of this process, under the names that every Prometheus client uses. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/metrics_page.h"

static double open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	double count = -1;      /* the one that counts them */

	if (!d)
		return 0;
	for (const struct dirent *one = readdir(d); one; one = readdir(d))
		count += one->d_name[0] != '.';
	closedir(d);
	return count;
}

static void read_memory(double *resident, double *virtual)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0, in_memory = 0;

	if (f && fscanf(f, "%lu %lu", &pages, &in_memory) != 2)
		pages = in_memory = 0;
	if (f)
		fclose(f);
	*resident = (double)in_memory * (double)sysconf(_SC_PAGESIZE);
	*virtual = (double)pages * (double)sysconf(_SC_PAGESIZE);
}

void metrics_process(struct scrape *p)
{
	struct rlimit files = { 0, 0 };
	double resident, virtual;

	read_memory(&resident, &virtual);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	scrape_one(p, METRIC_PROCESS_CPU, (double)clock_cpu_us() / 1e6);
	scrape_one(p, METRIC_PROCESS_RESIDENT, resident);
	scrape_one(p, METRIC_PROCESS_VIRTUAL, virtual);
	scrape_one(p, METRIC_PROCESS_FDS, open_files());
	scrape_one(p, METRIC_PROCESS_MAX_FDS, (double)files.rlim_cur);
	scrape_one(p, METRIC_PROCESS_START, (double)p->server->started);
}
