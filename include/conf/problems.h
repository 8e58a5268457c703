/* SPDX-License-Identifier: MIT */
/* The list of what is wrong with a configuration. */
#ifndef CONF_PROBLEMS_H
#define CONF_PROBLEMS_H

#include <stddef.h>

#include "base/text.h"
#include "conf/model.h"

/*
 * Problems, each a line "FILE:LINE: [section] key: what is wrong\n"; parts that do not
 * apply are left out. Zero is the empty list. Warnings are kept apart: they stop nothing.
 */
struct problems {
    struct text errors, warnings;
    size_t n_errors, n_warnings;
};
void problems_fini(struct problems *problems);
/* section, key may be NULL; file NULL = no place. */
void problems_add(struct problems *problems, const struct origin *origin, const char *section,
                  const char *key, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void problems_warn(struct problems *problems, const struct origin *origin, const char *section,
                   const char *key, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
