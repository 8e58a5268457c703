/* SPDX-License-Identifier: MIT */
/* How many processors this process may use. */
#include "master/processors.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"

enum { PROCESSORS_MOST = 256 };

size_t processors_parse_quota(const char *text)
{
    char copy[64];
    size_t length = strcspn(text, "\n");
    if (length >= sizeof copy)
        return 0;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *blank = strchr(copy, ' ');
    if (blank == NULL)
        return 0;
    *blank = '\0';
    int64_t quota, period;
    if (units_parse_number(copy, &quota) != 0 || units_parse_number(blank + 1, &period) != 0 ||
        quota == 0 || period == 0 || quota > INT64_MAX - period)
        return 0;
    return (size_t)((quota + period - 1) / period);
}

/* Reads a small file whole; an empty text when there is none. */
static void read_file(const char *path, char *out, size_t capacity)
{
    out[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t length = read(fd, out, capacity - 1);
    out[length > 0 ? length : 0] = '\0';
    close(fd);
}

static size_t lower(size_t n, size_t limit)
{
    return limit > 0 && limit < n ? limit : n;
}

/* Version 2: every group on the way up may set a limit. */
static size_t apply_unified(size_t n)
{
    char groups[4096];
    read_file("/proc/self/cgroup", groups, sizeof groups);
    char *line = strstr(groups, "0::/");
    if (line == NULL)
        return n;
    char *group = line + 3;
    group[strcspn(group, "\n")] = '\0';
    for (;;) {
        char path[PATH_MAX], text[64];
        int length =
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group[1] ? group : "");
        if (length > 0 && (size_t)length < sizeof path) {
            read_file(path, text, sizeof text);
            n = lower(n, processors_parse_quota(text));
        }
        char *slash = strrchr(group, '/');
        if (slash == NULL || group[1] == '\0')
            return n;
        slash[slash == group ? 1 : 0] = '\0';
    }
}

/* Version 1, as far as the process's own mount shows it. */
static size_t apply_version_1(size_t n)
{
    char quota[32], period[32], both[68];
    read_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota);
    read_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period);
    quota[strcspn(quota, "\n")] = '\0';
    period[strcspn(period, "\n")] = '\0';
    snprintf(both, sizeof both, "%s %s", quota, period);
    return lower(n, processors_parse_quota(both));
}

size_t processors_for(int64_t asked)
{
    return asked > 0 ? (size_t)asked : processors_usable();
}

size_t processors_usable(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    size_t n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = (size_t)CPU_COUNT(&set);
    else if (sysconf(_SC_NPROCESSORS_ONLN) > 0)
        n = (size_t)sysconf(_SC_NPROCESSORS_ONLN); /* more than 1024 of them */
    n = apply_version_1(apply_unified(n));
    if (n < 1)
        n = 1;
    return n < PROCESSORS_MOST ? n : PROCESSORS_MOST;
}
