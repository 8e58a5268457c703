/* SPDX-License-Identifier: MIT */
/* Text of others as a terminal may get it: a name must not move the cursor or change the screen. */
#ifndef CTL_SAFE_H
#define CTL_SAFE_H

#include <stddef.h>
#include <stdio.h>

#include "base/text.h"

/*
 * Adds text whose control characters (of ASCII, DEL, U+0080 to U+009F) and bytes that are no UTF-8 have become '?'.
 * text  NUL-terminated behind its length bytes
 * kept  control characters that stay, as "\n\t"; may be ""
 */
void safe_add(struct text *out, const char *text, size_t length, const char *kept);

/* Columns that the text takes, a character each. */
size_t safe_width(const char *text);

/*
 * Writes text: to a terminal with newlines and tabs as its only control characters, elsewhere as it is.
 * text  NUL-terminated behind its length bytes; NULL with length 0 writes nothing
 */
void safe_write(FILE *to, const char *text, size_t length);

/* The same for a line of errors: "gaidarosctl: TEXT" on standard error. */
void safe_complain(const char *text);

#endif
