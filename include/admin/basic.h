/* SPDX-License-Identifier: MIT */
/* Name and password as HTTP Basic authentication carries them (RFC 7617). */
#ifndef ADMIN_BASIC_H
#define ADMIN_BASIC_H

#include <stdbool.h>

enum { BASIC_MOST = 512 };

/* NUL-terminated. */
struct basic {
    char name[BASIC_MOST], password[BASIC_MOST];
};

/*
 * Reads the value of an Authorization header. Strict: "Basic", one base64 text (RFC 4648, with its padding), a colon
 * in what it stands for, no NUL and no control byte in it.
 * header  NULL = there was none
 * Returns false when it is none; out is then wiped.
 */
bool basic_parse(struct basic *out, const char *header);

/* Forgets it, so that no memory keeps the password. */
void basic_wipe(struct basic *basic);

#endif
