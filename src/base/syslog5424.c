/* SPDX-License-Identifier: MIT */
/* The head of a message to a syslog server, RFC 5424, section 6.2. */
#include "base/syslog5424.h"

#include <stdio.h>
#include <unistd.h>

enum { NAME_BYTES = 128 };

/* Printable ASCII without blanks; "-" where there is no such name. */
static void print_hostname(char out[NAME_BYTES])
{
    if (gethostname(out, NAME_BYTES) != 0)
        out[0] = '\0';
    out[NAME_BYTES - 1] = '\0';
    for (char *c = out; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            *c = '_';
    if (out[0] == '\0')
        snprintf(out, NAME_BYTES, "-");
}

int syslog5424_print(char out[SYSLOG5424_HEADER_BYTES], int priority, const char *when, int pid,
                     const char *kind)
{
    char name[NAME_BYTES];
    print_hostname(name);
    return snprintf(out, SYSLOG5424_HEADER_BYTES, "<%d>1 %.32s %s gaidaros %d %.16s - ",
                    priority, when, name, pid, kind);
}
