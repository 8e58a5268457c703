/* SPDX-License-Identifier: MIT */
/* Stands in front of inih: true lines, comments, quotes, ${NAME}; says what inih would pass over. */
#ifndef CONF_READER_H
#define CONF_READER_H

#include <stddef.h>
#include <stdint.h>

#include "conf/problems.h"

#define READER_LINE_BYTES 65536 /* longest line, without its end */
#define READER_NAME_BYTES 49    /* longest key, longest text between [ and ]: inih cuts there */

/* Where what was read goes; strings live as long as the call. */
struct reader_sink {
    void *argument;
    void (*on_section)(void *argument, const char *title, const struct origin *origin);
    void (*on_pair)(void *argument, const char *key, const char *value,
                    const struct origin *origin);
};

/*
 * Reads one file's bytes and hands on what is well-formed; every fault becomes a problem.
 * file  its name for problems and origins; lives as long as the origins
 * Not for two threads at once: inih's limits are variables of its own.
 */
void reader_run(const char *file, const char *bytes, size_t length,
                const struct reader_sink *sink, struct problems *problems);

#endif
