/* SPDX-License-Identifier: MIT */
/* The fine print of a value: comments behind it, double quotes, escapes, ${NAME}. */
#include "conf/quotes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/*
 * Every walk over a value goes through this: it knows whether the next byte lies inside
 * double quotes, so that comment, filling in and splitting never disagree.
 */
struct walk {
    const char *at;
    bool is_quoted, is_word_start;
};

static struct walk walk_start(const char *value)
{
    return (struct walk){.at = value, .is_word_start = true};
}

/* Steps over one byte, or over an escape inside quotes. */
static void walk_step(struct walk *walk)
{
    char c = *walk->at;
    if (walk->is_quoted && c == '\\' && walk->at[1] != '\0')
        walk->at++;
    else if (walk->is_quoted && c == '"')
        walk->is_quoted = false;
    else if (!walk->is_quoted && walk->is_word_start && c == '"')
        walk->is_quoted = true;
    walk->is_word_start = !walk->is_quoted && is_blank(c);
    walk->at++;
}

bool quotes_find_end(const char *raw, size_t *length, const char **why)
{
    struct walk walk = walk_start(raw);
    while (*walk.at != '\0') {
        bool is_behind_blank = walk.at > raw && walk.is_word_start;
        if (!walk.is_quoted && is_behind_blank && *walk.at == ';')
            break;
        if (walk.at[0] == '$' && walk.at[1] == '{') {
            const char *end = strchr(walk.at, '}');
            if (end == NULL) {
                *why = "${ without its }";
                return false;
            }
            walk.at = end + 1;
            walk.is_word_start = false;
            continue;
        }
        walk_step(&walk);
    }
    if (walk.is_quoted) {
        *why = "double quotes that are never closed";
        return false;
    }
    while (walk.at > raw && is_blank(walk.at[-1]))
        walk.at--;
    *length = (size_t)(walk.at - raw);
    return true;
}

static bool is_name_byte(char c, bool is_first)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (!is_first && c >= '0' && c <= '9');
}

/* What an environment variable holds, as if it had been written there. */
static bool expand_add(struct text *out, const char *name, const char *held, bool is_quoted,
                       struct text *why)
{
    for (const char *c = held; *c != '\0'; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f) {
            text_printf(why, "${%s} holds a control byte", name);
            return false;
        }
        if (is_quoted && (*c == '"' || *c == '\\'))
            text_append(out, "\\", 1);
        text_append(out, c, 1);
    }
    return true;
}

/* One ${...}; *at stands on the '$' and is moved behind the '}'. */
static bool expand_one(struct text *out, const char **at, bool is_quoted, struct text *why)
{
    const char *name = *at + 2, *end = name;
    while (is_name_byte(*end, end == name))
        end++;
    const char *close = strchr(name, '}');
    bool has_default = end[0] == ':' && end[1] == '-';
    if (end == name || close == NULL || (end != close && !has_default)) {
        text_add(why, "what follows ${ must be NAME} or NAME:-text}");
        return false;
    }
    *at = close + 1;
    char spelt[256];
    int written = snprintf(spelt, sizeof spelt, "%.*s", (int)(end - name), name);
    const char *held = written < (int)sizeof spelt ? getenv(spelt) : NULL;
    if (held != NULL && (held[0] != '\0' || !has_default))
        return expand_add(out, spelt, held, is_quoted, why);
    if (!has_default) {
        text_printf(why, "${%s} is not set in the environment and has no default", spelt);
        return false;
    }
    text_append(out, end + 2, (size_t)(close - end - 2));
    return true;
}

bool quotes_expand(struct text *out, const char *value, struct text *why)
{
    struct walk walk = walk_start(value);
    size_t start = out->length;
    while (*walk.at != '\0') {
        if (walk.at[0] == '$' && walk.at[1] == '{') {
            if (!expand_one(out, &walk.at, walk.is_quoted, why))
                return false;
            walk.is_word_start = false;
        } else {
            const char *before = walk.at;
            walk_step(&walk);
            text_append(out, before, (size_t)(walk.at - before));
        }
        if (out->length - start > QUOTES_VALUE_BYTES) {
            text_printf(why, "the value is longer than %d bytes", QUOTES_VALUE_BYTES);
            return false;
        }
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One escape; *at stands behind the backslash and is moved on. */
static bool unescape(const char **at, char *out, const char **why)
{
    static const char from[] = "\"\\rnt", to[] = "\"\\\r\n\t";
    char c = **at;
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found != NULL) {
        *out = to[found - from];
        *at += 1;
        return true;
    }
    int high = c == 'x' ? hex_digit((*at)[1]) : -1;
    int low = high >= 0 ? hex_digit((*at)[2]) : -1;
    if (low < 0) {
        *why = "an escape in double quotes must be one of \\\" \\\\ \\r \\n \\t \\xHH";
        return false;
    }
    *out = (char)(high * 16 + low);
    *at += 3;
    return true;
}

/* A quoted word; *at stands on its opening quote and is moved behind the closing one. */
static bool take_quoted(const char **at, char **out, const char **why)
{
    const char *from = *at + 1;
    while (*from != '"') {
        if (*from == '\0') {
            *why = "double quotes that are never closed";
            return false;
        }
        if (*from == '\\') {
            from++;
            if (!unescape(&from, *out, why))
                return false;
        } else {
            **out = *from++;
        }
        *out += 1;
    }
    *at = from + 1;
    if (**at != '\0' && !is_blank(**at)) {
        *why = "text right behind the closing double quote";
        return false;
    }
    return true;
}

/* A bare word up to the next blank. */
static bool take_bare(const char **at, char **out, const char **why)
{
    while (**at != '\0' && !is_blank(**at)) {
        if (**at == '"') {
            *why =
                "a double quote inside a word: put the whole in double quotes and write \\\"";
            return false;
        }
        *(*out)++ = *(*at)++;
    }
    return true;
}

bool quotes_start(struct quotes_cursor *cursor, struct arena *arena, const char *value,
                  const char **why)
{
    /* Words are never longer than what they were cut from, each with a NUL for the blank. */
    *cursor = (struct quotes_cursor){.from = value, .to = arena_take(arena, strlen(value) + 2)};
    if (cursor->to == NULL)
        *why = "out of memory";
    return cursor->to != NULL;
}

bool quotes_next(struct quotes_cursor *cursor, struct quotes_word *word, const char **why)
{
    while (is_blank(*cursor->from))
        cursor->from++;
    *word = (struct quotes_word){.is_quoted = *cursor->from == '"'};
    if (*cursor->from == '\0')
        return true;
    char *start = cursor->to;
    if (!(word->is_quoted ? take_quoted(&cursor->from, &cursor->to, why)
                          : take_bare(&cursor->from, &cursor->to, why)))
        return false;
    word->at = start;
    word->length = (size_t)(cursor->to - start);
    *cursor->to++ = '\0';
    return true;
}

bool quotes_split(struct arena *arena, const char *value, struct quotes_words *out,
                  const char **why)
{
    struct quotes_cursor cursor;
    struct quotes_word word;
    out->n = 0;
    if (!quotes_start(&cursor, arena, value, why))
        return false;
    while (quotes_next(&cursor, &word, why)) {
        if (word.at == NULL)
            return true;
        if (strlen(word.at) != word.length) {
            *why = "\\x00 cannot be part of this value";
            return false;
        }
        if (out->n == QUOTES_WORDS) {
            *why = "too many words";
            return false;
        }
        out->at[out->n++] = word.at;
    }
    return false;
}

bool quotes_unwrap(struct arena *arena, const char *value, const char **out, const char **why)
{
    if (value[0] == '"') {
        struct quotes_words words;
        if (!quotes_split(arena, value, &words, why))
            return false;
        if (words.n != 1) {
            *why = "text behind the closing double quote";
            return false;
        }
        *out = words.at[0];
        return true;
    }
    if (strchr(value, '"') != NULL) {
        *why = "a double quote inside the value: put the whole in double quotes and write \\\"";
        return false;
    }
    *out = arena_copy(arena, value, strlen(value));
    if (*out == NULL)
        *why = "out of memory";
    return *out != NULL;
}

static bool needs_quotes(const char *text)
{
    size_t length = strlen(text);
    if (length == 0)
        return false;
    if (text[0] == ';' || is_blank(text[0]) || is_blank(text[length - 1]))
        return true;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || (unsigned char)*c < 0x20 || *c == 0x7f)
            return true;
        if ((c[0] == '$' && c[1] == '{') || (is_blank(c[0]) && c[1] == ';'))
            return true;
    }
    return false;
}

void quotes_add_bytes(struct text *out, const void *bytes, size_t length)
{
    const char *at = bytes;
    text_append(out, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        char c = at[i];
        bool is_control = (unsigned char)c < 0x20 || c == 0x7f;
        bool opens_name = c == '$' && i + 1 < length && at[i + 1] == '{';
        if (c == '"' || c == '\\')
            text_printf(out, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            text_add(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if (is_control || opens_name)
            text_printf(out, "\\x%02x", (unsigned)(unsigned char)c);
        else
            text_append(out, &c, 1);
    }
    text_append(out, "\"", 1);
}

void quotes_add_word(struct text *out, const char *word)
{
    if (word[0] == '\0' || strpbrk(word, " \t") != NULL || needs_quotes(word))
        quotes_add_bytes(out, word, strlen(word));
    else
        text_add(out, word);
}

void quotes_add_text(struct text *out, const char *text)
{
    if (needs_quotes(text))
        quotes_add_bytes(out, text, strlen(text));
    else
        text_add(out, text);
}

/* Would a line of this value come back as it is? */
static bool reads_back(const char *value)
{
    const char *why;
    size_t length;
    return strstr(value, "${") == NULL && quotes_find_end(value, &length, &why) &&
           length == strlen(value) && !is_blank(value[0]) && value[0] != ';';
}

void quotes_add_value(struct text *out, const char *value)
{
    struct arena arena = {0};
    struct quotes_cursor cursor;
    struct quotes_word word = {0};
    const char *why, *blank = "";
    if (reads_back(value)) {
        text_add(out, value);
        return;
    }
    out->failed |= !quotes_start(&cursor, &arena, value, &why);
    while (!out->failed && quotes_next(&cursor, &word, &why) && word.at != NULL) {
        text_add(out, blank);
        if (word.is_quoted)
            quotes_add_bytes(out, word.at, word.length);
        else
            quotes_add_word(out, word.at);
        blank = " ";
    }
    arena_fini(&arena);
}
