/* SPDX-License-Identifier: MIT */
/* Stopped processes that a killed master left behind. */
#include "master/orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/procstat.h"

/*
 * A child's command line ends in "of PID", its master's. The pidfile tells the number of the daemon
 * that was killed; nobody else's children carry it.
 */

enum { WORDS_BYTES = 256 };

/* The word in front of the one that begins at `at`; NULL when there is none. */
static const char *word_before(const char *words, const char *at)
{
    if (at == NULL || at == words)
        return NULL;
    at--; /* its NUL */
    while (at > words && at[-1] != '\0')
        at--;
    return at;
}

bool orphans_is_child(const char *words, size_t length, pid_t master)
{
    char number[16];
    if (length == 0 || words[length - 1] != '\0')
        return false;
    if (strcmp(words, "gaidaros: worker") != 0 && strcmp(words, "gaidaros: director") != 0)
        return false;
    const char *last = word_before(words, words + length);
    const char *of = word_before(words, last);
    snprintf(number, sizeof number, "%d", (int)master);
    return of != NULL && strcmp(of, "of") == 0 && strcmp(last, number) == 0;
}

static bool is_child(pid_t pid, pid_t master)
{
    char path[32], words[WORDS_BYTES];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, words, sizeof words);
    close(fd);
    return length > 0 && orphans_is_child(words, (size_t)length, master);
}

static bool is_stopped(pid_t pid)
{
    struct procstat stat;
    return procstat_read(pid, &stat) && (stat.state == 'T' || stat.state == 't');
}

/* One that its parent has not waited for yet is as dead. */
static bool is_alive(pid_t pid)
{
    struct procstat stat;
    return procstat_read(pid, &stat) && stat.state != 'Z' && stat.state != 'X';
}

size_t orphans_end_stopped(pid_t dead)
{
    if (dead <= 0 || is_alive(dead))
        return 0;
    DIR *folder = opendir("/proc");
    if (folder == NULL)
        return 0;
    size_t n = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && is_child(pid, dead) && is_stopped(pid) && kill(pid, SIGKILL) == 0)
            n++;
    }
    closedir(folder);
    return n;
}
