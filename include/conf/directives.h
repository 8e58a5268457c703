/* SPDX-License-Identifier: MIT */
/* THE table: every key of the file with its type, default, bounds, unit, reach and sentence. */
#ifndef CONF_DIRECTIVES_H
#define CONF_DIRECTIVES_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/store.h"
#include "conf/values.h"

/* What a changed value does at a reload. */
enum reach {
    REACH_NOW,             /* it applies at once */
    REACH_NEW_CONNECTIONS, /* open connections keep the old value */
    REACH_RESTART          /* the daemon must be started anew */
};

struct directive {
    enum section_kind section;
    const char *key;
    const struct value_kind *kind;
    size_t offset; /* of the field in the section's struct, of the array for one that repeats */
    size_t count_offset; /* of the array's count, for one that repeats */
    size_t bytes;        /* of the field, or of one element; 0: no field */
    const char
        *def; /* as a file would spell it; NULL: there is none, the key is given or absent */
    const char *min, *max; /* bounds, spelt likewise; NULL: none */
    const struct value_word *words;
    size_t n_words;
    bool repeats;
    bool is_required;
    bool may_be_empty; /* also when def is not empty */
    bool is_later;     /* anything but the default is refused as not yet supported */
    enum reach reach;
    const char *says; /* one sentence for the manual */
};

/* The rows, section by section in the order they are written. */
const struct directive *directives_all(size_t *n);

/* The row of this key, or NULL. */
const struct directive *directives_find(enum section_kind section, const char *key);

/* The row whose field lies at this offset of the section's struct; there must be one. */
const struct directive *directives_at(enum section_kind section, size_t offset);
#define DIRECTIVE_OF(kind, type, member) directives_at((kind), offsetof(struct type, member))

/* A set of rows; zero is the empty one. */
#define DIRECTIVES_MOST 128
struct directive_set {
    uint64_t bits[DIRECTIVES_MOST / 64];
};
/* Adds the row; false when it was there already. */
bool directives_add(struct directive_set *set, const struct directive *row);

/* The known key most like this one, or NULL. */
const char *directives_nearest(enum section_kind section, const char *key);

/* Words of the enums, for printing. */
const char *directives_word(const struct directive *row, int64_t value);

/* "at once", "new connections", "restart". */
const char *directives_reach_word(enum reach reach);

#endif
