/* SPDX-License-Identifier: MIT */
/* The calls of ctl/words.h as gaidarosctl looks at them. */
#ifndef CTL_CALLWORDS_H
#define CTL_CALLWORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

struct callword {
    const char *word;
    const char *fields; /* names with blanks between them, those in [] may be left out */
    const char *says;
};

/* All, in the table's order. n is set to how many. */
const struct callword *callwords_all(size_t *n);

/* NULL when the table does not know it. */
const struct callword *callwords_find(const char *word);

/* One field of a call. */
struct callfield {
    char name[32];
    bool is_optional;
};

/*
 * Reads the next name of a list of fields.
 * at  where to begin; moved behind it
 * Returns false at the end of the list.
 */
bool callwords_next(const char **at, struct callfield *field);

/* The value of FIELD=VALUE among the words; NULL when there is none. */
const char *callwords_value(char *const *words, size_t n_words, const char *field);

/*
 * Looks whether a call takes all of the fields and lacks none.
 * words  FIELD=VALUE each
 * why    what is wrong, with the nearest name; the caller's
 */
bool callwords_check(const struct callword *call, char *const *words, size_t n_words,
                     struct text *why);

#endif
