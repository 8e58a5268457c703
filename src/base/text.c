/* SPDX-License-Identifier: MIT */
/* Growing text, quoting for people, and the nearest known word. */
#include "base/text.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64
#define NEAREST_MOST 3                    /* words further apart are not alike */
#define BAND_CELLS (2 * NEAREST_MOST + 1) /* diagonals of the distance table worth filling */
#define FAR (NEAREST_MOST + 1)            /* any distance beyond the limit */

void text_fini(struct text *text)
{
    free(text->at);
    *text = (struct text){0};
}

void text_clear(struct text *text)
{
    text->length = 0;
    text->failed = false;
    if (text->at != NULL)
        text->at[0] = '\0';
}

/* Makes room for length more bytes and a NUL. False, and the text failed, when there is none. */
static bool reserve(struct text *text, size_t length)
{
    if (text->failed)
        return false;
    if (length < text->capacity - text->length)
        return true;
    size_t capacity = text->capacity == 0 ? FIRST_CAPACITY : text->capacity;
    while (capacity - text->length <= length) {
        if (capacity > SIZE_MAX / 2) {
            text->failed = true;
            return false;
        }
        capacity *= 2;
    }
    char *grown = realloc(text->at, capacity);
    if (grown == NULL) {
        text->failed = true;
        return false;
    }
    text->at = grown;
    text->capacity = capacity;
    return true;
}

void text_append(struct text *text, const void *bytes, size_t length)
{
    if (!reserve(text, length))
        return;
    if (length > 0)
        memcpy(text->at + text->length, bytes, length);
    text->length += length;
    text->at[text->length] = '\0';
}

void text_add(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_vprintf(struct text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    size_t room = text->failed ? 0 : text->capacity - text->length;
    int length = vsnprintf(room == 0 ? NULL : text->at + text->length, room, format, arguments);
    if (length < 0) {
        text->failed = true;
        if (room > 0)
            text->at[text->length] = '\0';
    } else if ((size_t)length < room) {
        text->length += (size_t)length;
    } else if (reserve(text, (size_t)length)) {
        vsnprintf(text->at + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    } else if (room > 0) {
        text->at[text->length] = '\0'; /* takes back what the first try left there */
    }
    va_end(again);
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(text, format, arguments);
    va_end(arguments);
}

void text_add_escaped(struct text *text, const char *string)
{
    text_append(text, "", 0);
    for (const char *at = string; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\'' || byte == '\\')
            text_printf(text, "\\x%02x", byte);
        else
            text_append(text, at, 1);
    }
}

/* byte: one of & < > " ' */
static const char *html_entity(char byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return "&#39;";
    }
}

void text_add_html(struct text *text, const char *string)
{
    text_append(text, "", 0);
    for (const char *at = string;; at++) {
        size_t length = strcspn(at, "&<>\"'");
        text_append(text, at, length);
        at += length;
        if (*at == '\0')
            break;
        text_add(text, html_entity(*at));
    }
}

/* Continuation bytes that a UTF-8 sequence must have after its first byte; -1 = no such first byte. */
static int utf8_rest(unsigned char first)
{
    if (first < 0x80)
        return 0;
    if (first >= 0xc2 && first <= 0xdf)
        return 1;
    if (first >= 0xe0 && first <= 0xef)
        return 2;
    if (first >= 0xf0 && first <= 0xf4)
        return 3;
    return -1;
}

size_t text_utf8_length(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;
    int rest = utf8_rest(bytes[0]);
    if (rest < 0)
        return 0;
    for (int i = 1; i <= rest; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0; /* a NUL ends the search too */
    }
    /* Overlong forms, surrogates and what lies beyond U+10FFFF show in the second byte (Unicode 15, table 3-7). */
    if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
        (bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return (size_t)rest + 1;
}

/* Bytes that a JSON string may hold as they are, from at on. */
static size_t plain_length(const unsigned char *at)
{
    size_t length = 0;
    while (at[length] >= 0x20 && at[length] < 0x7f && at[length] != '"' && at[length] != '\\' &&
           at[length] != '<' && at[length] != '>' && at[length] != '&')
        length++;
    return length;
}

void text_add_json(struct text *text, const char *string)
{
    const unsigned char *at = (const unsigned char *)string;
    text_append(text, "\"", 1);
    for (;;) {
        size_t length = plain_length(at);
        text_append(text, at, length);
        at += length;
        if (*at == '\0')
            break;
        length = text_utf8_length((const char *)at);
        if (length == 0)
            text_add(text, "\\ufffd");
        else if (length == 1)
            text_printf(text, "\\u%04x", *at);
        else
            text_append(text, at, length);
        at += length > 0 ? length : 1;
    }
    text_append(text, "\"", 1);
}

char *text_take(struct text *text)
{
    text_append(text, "", 0);
    if (text->failed) {
        text_fini(text);
        return NULL;
    }
    char *taken = text->at;
    *text = (struct text){0};
    return taken;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/*
 * Damerau-Levenshtein distance with adjacent transpositions (optimal string alignment).
 * Only cells with |i - j| <= NEAREST_MOST can matter (Ukkonen 1985), so a row of the table
 * is BAND_CELLS wide: cell d of row i stands for j = i + d - NEAREST_MOST.
 * Returns FAR for anything beyond NEAREST_MOST.
 */
static int distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t apart = a_length > b_length ? a_length - b_length : b_length - a_length;
    if (apart > NEAREST_MOST)
        return FAR;
    int rows[3][BAND_CELLS] = {{0}};
    for (size_t i = 0; i <= a_length; i++) {
        int *row = rows[i % 3];
        const int *above = rows[(i + 2) % 3];
        const int *two_above = rows[(i + 1) % 3];
        for (size_t d = 0; d < BAND_CELLS; d++) {
            size_t shifted = i + d; /* j + NEAREST_MOST, which cannot be negative */
            row[d] = FAR;
            if (shifted < NEAREST_MOST || shifted - NEAREST_MOST > b_length)
                continue;
            size_t j = shifted - NEAREST_MOST;
            if (i == 0) {
                row[d] = smaller((int)j, FAR);
                continue;
            }
            if (d + 1 < BAND_CELLS)
                row[d] = smaller(row[d], above[d + 1] + 1);
            if (j == 0)
                continue;
            if (d > 0)
                row[d] = smaller(row[d], row[d - 1] + 1);
            row[d] = smaller(row[d], above[d] + !same_letter(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]))
                row[d] = smaller(row[d], two_above[d] + 1);
        }
    }
    return rows[a_length % 3][b_length + NEAREST_MOST - a_length];
}

const char *text_nearest(const char *word, const char *const *words, size_t n)
{
    size_t length = strlen(word);
    int limit = length / 3 < NEAREST_MOST ? (int)(length / 3) : NEAREST_MOST;
    const char *nearest = NULL;
    for (size_t i = 0; i < n; i++) {
        int apart = distance(word, length, words[i], strlen(words[i]));
        if (apart > limit)
            continue;
        nearest = words[i];
        limit = apart - 1; /* only a nearer one is taken from here on */
    }
    return nearest;
}
