/* SPDX-License-Identifier: MIT */
/* Counters that the kernel keeps of all TCP of this machine (/proc/net/netstat). */
#include "net/netstat.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 16384 }; /* about 4 KiB on Linux 6 */

/* The first line from `at` on that begins with the group and a colon: what follows these, or NULL. */
static const char *line_of(const char *at, const char *group)
{
    size_t length = strlen(group);

    while (at != NULL && *at != '\0') {
        if (strncmp(at, group, length) == 0 && at[length] == ':')
            return at + length + 1;
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    return NULL;
}

/* The next word of a line: sets *length, moves *at behind it; false at the line's end. */
static bool next_word(const char **at, const char **word, size_t *length)
{
    *at += strspn(*at, " ");
    *word = *at;
    *length = strcspn(*at, " \n");
    *at += *length;
    return *length > 0;
}

bool netstat_find(const char *text, const char *group, const char *name, uint64_t *value_out)
{
    const char *names = line_of(text, group), *word, *value;
    const char *end = names != NULL ? strchr(names, '\n') : NULL;
    const char *values = end != NULL ? line_of(end + 1, group) : NULL;
    size_t length, value_length;

    while (values != NULL && next_word(&names, &word, &length) &&
           next_word(&values, &value, &value_length)) {
        if (length != strlen(name) || strncmp(word, name, length) != 0)
            continue;
        *value_out = strtoull(value, NULL, 10);
        return true;
    }
    return false;
}

uint64_t netstat_listen_overflows(void)
{
    char text[TEXT_BYTES];
    size_t length = 0;
    uint64_t value = 0;
    int fd = open("/proc/net/netstat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n;
    while ((n = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)n;
    close(fd);
    text[length] = '\0';
    netstat_find(text, "TcpExt", "ListenOverflows", &value);
    return value;
}
