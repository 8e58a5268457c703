/* SPDX-License-Identifier: MIT */
/* The fine print of a value: comments behind it, double quotes, escapes, ${NAME}. */
#ifndef CONF_QUOTES_H
#define CONF_QUOTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "conf/store.h"

#define QUOTES_VALUE_BYTES 65536 /* longest value once ${NAME} is filled in */
#define QUOTES_WORDS 32          /* most words of a value that is a list */

struct quotes_words {
    const char *at[QUOTES_WORDS];
    size_t n;
};

/*
 * A double quote opens at the start of a word and holds blanks, " ;" and the escapes
 * \" \\ \r \n \t \xHH up to the next double quote, behind which a blank or the end must follow.
 * All functions return false with *why set to a static sentence for the user.
 */

/* Where a raw value ends: before the blanks of a " ;" comment, or at its end. raw begins right behind the '='. */
bool quotes_find_end(const char *raw, size_t *length, const char **why);

/*
 * Adds the value with every ${NAME} and ${NAME:-text} filled in from the environment. What
 * is filled in counts as if it were written there, inside double quotes letter by letter.
 * text also stands for a NAME that is empty.
 * why  gets the sentence; the caller's
 */
bool quotes_expand(struct text *out, const char *value, struct text *why);

/* One word of a value, quotes taken off; its bytes may hold NULs, one more lies behind them. */
struct quotes_word {
    const char *at; /* NULL: there are no more words */
    size_t length;
    bool is_quoted;
};

/* A walk from word to word; opaque but for its size. */
struct quotes_cursor {
    const char *from;
    char *to;
};

/* Begins a walk over the value, which outlives it; words lie in the arena. */
bool quotes_start(struct quotes_cursor *cursor, struct arena *arena, const char *value,
                  const char **why);

/* Takes the next word. The only function that lets \x00 pass. */
bool quotes_next(struct quotes_cursor *cursor, struct quotes_word *word, const char **why);

/* Cuts a value into its words, quotes taken off; they lie in the arena. */
bool quotes_split(struct arena *arena, const char *value, struct quotes_words *out,
                  const char **why);

/* Takes a value as one text, with or without quotes around the whole; it lies in the arena. */
bool quotes_unwrap(struct arena *arena, const char *value, const char **out, const char **why);

/* Adds the word or the whole text so that reading it back gives the same, in quotes where it must be. */
void quotes_add_word(struct text *out, const char *word);
void quotes_add_text(struct text *out, const char *text);

/* Adds bytes, NULs among them, as a word in double quotes. */
void quotes_add_bytes(struct text *out, const void *bytes, size_t length);

/*
 * Adds a value in which every ${NAME} has been filled in so that reading it back gives the same
 * words: letter by letter as it is wherever that does, else word by word.
 */
void quotes_add_value(struct text *out, const char *value);

#endif
