/* SPDX-License-Identifier: MIT */
/* The fields of a call's body, JSON or form. */
#ifndef ADMIN_FIELDS_H
#define ADMIN_FIELDS_H

#include <stddef.h>

#define FIELDS_MOST 16

/* Names and values, NUL-terminated and owned. Zero is the empty set. */
struct fields {
    struct {
        char *name, *value;
    } at[FIELDS_MOST];
    size_t n;
};

/*
 * Reads a body. An empty one holds no fields, whatever its type.
 * type  the Content-Type, NULL when there is none: application/json (one flat object, values strings, numbers
 *       or booleans) or application/x-www-form-urlencoded, parameters behind ';' are ignored
 * why   set to a static sentence when it fails
 * Returns 0, or the HTTP status of the refusal: 400, 415 for another type.
 */
unsigned int fields_parse(struct fields *fields, const char *type, const char *body,
                          size_t length, const char **why);

/* The value of a field, NULL when it was not given. */
const char *fields_find(const struct fields *fields, const char *name);

void fields_fini(struct fields *fields);

#endif
