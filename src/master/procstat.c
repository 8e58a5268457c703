/* SPDX-License-Identifier: MIT */
/* What /proc tells of another process. */
#include "master/procstat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool procstat_read(pid_t pid, struct procstat *out)
{
    char path[32], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    /* "PID (NAME) STATE PARENT ..."; the name may hold anything. */
    const char *end = strrchr(line, ')');
    if (end == NULL || strlen(end) < 5)
        return false;
    *out = (struct procstat){.state = end[2], .parent = (pid_t)strtol(end + 4, NULL, 10)};
    return true;
}
