/* SPDX-License-Identifier: MIT */
/* Growing text, quoting for people, and the nearest known word. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Always NUL-terminated once something was added; zero is the valid empty text.
 * When memory runs out, failed is set, what is there stays, later calls do nothing:
 * a builder adds everything and looks at failed once.
 */
struct text {
    char *at; /* owned; NULL while empty */
    size_t length, capacity;
    bool failed;
};

/* Frees the storage; the text is empty again. */
void text_fini(struct text *text);

/* Forgets the contents and a failure, keeps the storage. */
void text_clear(struct text *text);

/* Adds length bytes, which may hold NUL. */
void text_append(struct text *text, const void *bytes, size_t length);

/* Adds a NUL-terminated string. */
void text_add(struct text *text, const char *string);

/* Adds as printf does. */
void text_printf(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Adds the string for a log line: control bytes, quotes, backslash and bytes above 0x7e as \xHH. */
void text_add_escaped(struct text *text, const char *string);

/* Adds the string for HTML text or a quoted attribute: & < > " ' as entities. */
void text_add_html(struct text *text, const char *string);

/*
 * Adds the string as a JSON string with its quotes. Always valid JSON: control bytes, quotes,
 * backslash, and < > & (so that it is inert inside HTML too) as \uHHHH; bytes that are no UTF-8 become U+FFFD.
 */
void text_add_json(struct text *text, const char *string);

/* Bytes of the well-formed UTF-8 character at the beginning of a NUL-terminated string; 0 when there is none. */
size_t text_utf8_length(const char *at);

/*
 * Gives the storage away: the caller frees the NUL-terminated result; the text is empty
 * again. NULL when failed.
 */
char *text_take(struct text *text);

/*
 * The word most like the given one (Damerau-Levenshtein distance, at most a third of its
 * length and at most 3, ignoring case), or NULL when none is near.
 * words  n NUL-terminated strings; the result is one of them.
 */
const char *text_nearest(const char *word, const char *const *words, size_t n);

#endif
