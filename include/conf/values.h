/* SPDX-License-Identifier: MIT */
/* One parser with one printer per type of value. */
#ifndef CONF_VALUES_H
#define CONF_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "conf/model.h"
#include "conf/names.h"
#include "conf/quotes.h"
#include "conf/store.h"

struct directive;

/* A word of an enum, as the file spells it. */
struct value_word {
    const char *word;
    int64_t value;
    bool is_later; /* known, but not yet supported */
};

/* What a parser may need besides the text. */
struct value_context {
    struct arena *arena;      /* what is parsed lives here */
    struct conf_store *store; /* has the files that values name; NULL: none can be had */
    const char *folder;       /* relative paths count from here */
    const struct directive *row;
    struct origin origin;
    const struct model *model; /* its groups have their names */
    const struct names *groups;
    bool may_suggest; /* looking for the nearest name is still affordable */
    struct text *why; /* gets the sentence when a parser returns false */
    /* Of a row that repeats: how many elements the value was; a parser of several sets it. */
    size_t n_elements;
};

/* The interface of a type; constant. */
struct value_kind {
    const char *noun; /* for the manual: "duration" */
    const char *form; /* for messages: "a duration (as 250ms 30s 5m 1h 7d)" */
    bool is_words;    /* the value is a list of words, not one text */
    /* Numbers only: text to the field's unit; 0, or -1 with errno EINVAL or ERANGE. */
    int (*number)(const char *text, int64_t *out);
    /* Fills the field, or for a row that repeats the element; false with a sentence in why. */
    bool (*parse)(struct value_context *context, const char *value, void *field);
    /* Of a row that repeats, where a line may hold several elements: no more than so many; else NULL. */
    size_t (*most)(const char *value);
    /* Of a row that repeats, where a line may have become several elements: is this one of the line of the one before? Else NULL. */
    bool (*is_continued)(const void *element, const void *before);
    /* Adds text that parses back to the same. */
    void (*print)(struct text *out, const struct model *model, const struct directive *row,
                  const void *field);
};

extern const struct value_kind value_bool, value_number, value_duration, value_spin,
    value_percent, value_rate, value_workers;
extern const struct value_kind value_word, value_text, value_name, value_path,
    value_socket_path, value_reference;
extern const struct value_kind value_pattern; /* include: read by the reader, no field */
extern const struct value_kind
    value_other; /* of later issues: text compared with the default */

#define VALUE_SHOWN_BYTES 80 /* of a bad value in its message */

/* True when the text is the name of a service, group or host: 1 to 49 bytes without blanks and control bytes. */
bool value_is_name(const char *text);

/* Writes number to the row's field, of 1, 4 or 8 bytes. */
void value_store_number(const struct directive *row, void *field, int64_t number);
int64_t value_load_number(const struct directive *row, const void *field);

/* The index of the group of this name; false with a sentence in why. */
bool value_find_group(struct value_context *context, const char *name, size_t *index);

/* False, with `"WORD": why` in the context's why. */
bool value_refuse_word(struct value_context *context, const char *word, const char *why);

/* quotes_split, with the sentence in the context's why. */
bool value_split(struct value_context *context, const char *value, struct quotes_words *words);

/*
 * One text without control bytes.
 * most  bytes, where the row has no bound of its own
 * False with a sentence in the context's why.
 */
bool value_take_printable(struct value_context *context, const char *value, size_t most,
                          const char **text);

/* As value_resolve_path, refusing what would be longer than most bytes or name a folder. */
bool value_take_path(struct value_context *context, const char *text, size_t most,
                     const char **out);

/* The absolute form of a path that counts from folder; NULL with errno ENOMEM. */
const char *value_resolve_path(struct arena *arena, const char *folder, const char *path);

#endif
