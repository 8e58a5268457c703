/* SPDX-License-Identifier: MIT */
/* Stands in front of inih: true lines, comments, quotes, ${NAME}; says what inih would pass over. */
#include "conf/reader.h"

#include <ini.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/quotes.h"

/*
 * inih cuts names at 50 bytes, goes on after indentation, stops at a NUL, takes ':' for '=',
 * accepts text behind ']' and cuts values at " ;" even inside quotes. So each line is looked
 * at here first: a bad one becomes a problem, inih gets an empty line in its place; a good one
 * reaches it without comment. inih calls once for each line given, so the line that is being
 * read when on_pair runs is the line the pair stands on. Sections are noticed here, since inih
 * does not tell of one without keys.
 */
struct reader {
    const char *at, *end; /* what is left of the file */
    struct origin origin; /* of the line given to inih last */
    const struct reader_sink *sink;
    struct problems *problems;
    bool has_section; /* some heading was there, good or bad */
    bool is_skipping; /* keys belong to a heading that was bad */
    char title[READER_NAME_BYTES + 1], key[READER_NAME_BYTES + 1]; /* for problems */
    char *line;        /* READER_LINE_BYTES and a NUL: the line as it is looked at */
    struct text value; /* with ${NAME} filled in */
    struct text why;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Length of the UTF-8 sequence (RFC 3629: no surrogates, no overlong forms), 0 when it is none. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char first_least, first_most, second_least, second_most, length;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (at[0] < forms[i].first_least || at[0] > forms[i].first_most)
            continue;
        size_t length = forms[i].length;
        if (length > left ||
            (length > 1 && (at[1] < forms[i].second_least || at[1] > forms[i].second_most)))
            return 0;
        for (size_t k = 2; k < length; k++)
            if ((at[k] & 0xc0) != 0x80)
                return 0;
        return length;
    }
    return 0;
}

/* What no line may hold; NULL when it is clean. */
static const char *line_fault(const char *line, size_t length)
{
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)line[i];
        if (c == '\0')
            return "a NUL byte";
        if (c == '\r')
            return "a carriage return inside the line";
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return "a control byte";
        size_t step = utf8_length((const unsigned char *)line + i, length - i);
        if (step == 0)
            return "bytes that are not UTF-8";
        i += step;
    }
    return NULL;
}

static void refuse(struct reader *reader, const char *what)
{
    problems_add(reader->problems, &reader->origin, NULL, NULL, "%s", what);
}

/* As refuse, about the pair whose key was read last. */
static void refuse_pair(struct reader *reader, const char *what)
{
    problems_add(reader->problems, &reader->origin,
                 reader->title[0] != '\0' ? reader->title : NULL, reader->key, "%s", what);
}

/* ---- the kinds of lines; each returns true when inih is to see reader->line ---- */

static bool take_heading(struct reader *reader)
{
    char *title = reader->line + 1, *close = strchr(title, ']');
    reader->has_section = true;
    reader->is_skipping = true;
    reader->title[0] = '\0';
    if (close == NULL) {
        refuse(reader, "[ without its ]");
        return false;
    }
    const char *behind = close + 1;
    while (is_blank(*behind))
        behind++;
    if (*behind != '\0' && (*behind != ';' || behind == close + 1)) {
        refuse(reader, "text behind ]");
        return false;
    }
    while (is_blank(*title))
        title++;
    while (close > title && is_blank(close[-1]))
        close--;
    *close = '\0';
    if (*title == '\0') {
        refuse(reader, "a section without a name");
        return false;
    }
    if (close - title > READER_NAME_BYTES) {
        problems_add(reader->problems, &reader->origin, NULL, NULL,
                     "[%.60s...]: a section's name is longer than %d bytes", title,
                     READER_NAME_BYTES);
        return false;
    }
    reader->is_skipping = false;
    memcpy(reader->title, title, (size_t)(close - title) + 1);
    reader->sink->on_section(reader->sink->argument, title, &reader->origin);
    return false;
}

/* Looks at "key = value" and cuts its comment off. */
static bool take_pair(struct reader *reader)
{
    char *equals = strpbrk(reader->line, "=:");
    if (equals == NULL || *equals == ':') {
        problems_add(reader->problems, &reader->origin, NULL, NULL,
                     "\"%.60s\": no = behind the key", reader->line);
        return false;
    }
    size_t key_length = (size_t)(equals - reader->line);
    while (key_length > 0 && is_blank(reader->line[key_length - 1]))
        key_length--;
    if (key_length == 0) {
        refuse(reader, "no key before the =");
        return false;
    }
    if (key_length > READER_NAME_BYTES) {
        problems_add(reader->problems, &reader->origin, NULL, NULL,
                     "%.60s...: a key is longer than %d bytes", reader->line,
                     READER_NAME_BYTES);
        return false;
    }
    memcpy(reader->key, reader->line, key_length);
    reader->key[key_length] = '\0';
    if (!reader->has_section) {
        refuse_pair(reader, "a key before any section");
        return false;
    }
    size_t value_length;
    const char *why = NULL;
    if (!quotes_find_end(equals + 1, &value_length, &why)) {
        refuse_pair(reader, why);
        return false;
    }
    equals[1 + value_length] = '\0';
    return !reader->is_skipping;
}

static bool take_line(struct reader *reader, const char *line, size_t length)
{
    if (length > 0 && line[length - 1] == '\r')
        length--;
    if (length > READER_LINE_BYTES) {
        problems_add(reader->problems, &reader->origin, NULL, NULL,
                     "the line is longer than %d bytes", READER_LINE_BYTES);
        return false;
    }
    const char *fault = line_fault(line, length);
    if (fault != NULL) {
        refuse(reader, fault);
        return false;
    }
    memcpy(reader->line, line, length);
    reader->line[length] = '\0';
    size_t indent = strspn(reader->line, " \t");
    char first = reader->line[indent];
    if (first == '\0' || first == '#' || first == ';')
        return false;
    if (indent > 0) {
        refuse(reader, "the line begins with a blank: a value does not go on in the next line");
        return false;
    }
    return first == '[' ? take_heading(reader) : take_pair(reader);
}

/* ---- what inih calls ---- */

/* Gives inih the next line; the room is enough for the longest. */
static char *on_line(char *room, int bytes, void *argument)
{
    struct reader *reader = argument;
    if (reader->at == reader->end)
        return NULL;
    const char *line = reader->at;
    size_t left = (size_t)(reader->end - line);
    const char *newline = memchr(line, '\n', left);
    size_t length = newline != NULL ? (size_t)(newline - line) : left;
    reader->at = newline != NULL ? newline + 1 : reader->end;
    reader->origin.line++;
    size_t given = take_line(reader, line, length) ? strlen(reader->line) : 0;
    if (given + 2 > (size_t)bytes)
        given = 0; /* cannot be: the room was set to hold any line */
    memcpy(room, reader->line, given);
    room[given] = '\n';
    room[given + 1] = '\0';
    return room;
}

static int on_name(void *argument, const char *section, const char *name, const char *value)
{
    (void)section;
    struct reader *reader = argument;
    text_clear(&reader->value);
    text_clear(&reader->why);
    if (!quotes_expand(&reader->value, value, &reader->why)) {
        refuse_pair(reader, reader->why.at);
        return 1;
    }
    const char *filled = reader->value.at != NULL ? reader->value.at : "";
    reader->sink->on_pair(reader->sink->argument, name, filled, &reader->origin);
    return 1;
}

/* inih's limits are variables that it exports; always set to the same. */
static void set_limits(void)
{
    ini_use_stack = false;
    ini_allow_realloc = false;
    ini_max_line = READER_LINE_BYTES + 8;
    ini_initial_alloc = READER_LINE_BYTES + 8;
    ini_allow_inline_comments = false;
    ini_allow_multiline = false;
    ini_allow_bom = false;
    ini_allow_no_value = false;
    ini_stop_on_first_error = false;
}

/* What the first bytes give away about a file that is not plain UTF-8; NULL when nothing. */
static const char *file_fault(const char *bytes, size_t length)
{
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        return "the file begins with a byte order mark: save it as UTF-8 without one";
    if (length >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0))
        return "the file is UTF-16: save it as UTF-8";
    return NULL;
}

void reader_run(const char *file, const char *bytes, size_t length,
                const struct reader_sink *sink, struct problems *problems)
{
    struct reader reader = {.at = bytes,
                            .end = bytes + length,
                            .origin = {.file = file},
                            .sink = sink,
                            .problems = problems,
                            .line = malloc(READER_LINE_BYTES + 1)};
    const char *fault = file_fault(bytes, length);
    if (reader.line == NULL) {
        refuse(&reader, "out of memory");
        return;
    }
    if (fault != NULL) {
        reader.origin.line = 1;
        refuse(&reader, fault);
    } else {
        set_limits();
        int result = ini_parse_stream(on_line, &reader, on_name, &reader);
        if (result > 0) {
            reader.origin.line = (uint32_t)result;
            refuse(&reader, "not understood");
        } else if (result < 0) {
            refuse(&reader, "out of memory");
        }
    }
    free(reader.line);
    text_fini(&reader.value);
    text_fini(&reader.why);
}
