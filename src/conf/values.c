/* SPDX-License-Identifier: MIT */
/* One parser with one printer per type of value. */
#include "conf/values.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/list.h"
#include "base/units.h"
#include "conf/directives.h"

#define NAME_BYTES 49
#define SHOWN_BYTES VALUE_SHOWN_BYTES
#define NS_PER_US 1000
#define SUGGEST_MOST 4096 /* names to look through for the nearest */
#define NS_PER_MS 1000000

void value_store_number(const struct directive *row, void *field, int64_t number)
{
    int32_t narrow = (int32_t)number;
    bool truth = number != 0;
    if (row->bytes == sizeof number)
        memcpy(field, &number, sizeof number);
    else if (row->bytes == sizeof narrow)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &truth, sizeof truth);
}

int64_t value_load_number(const struct directive *row, const void *field)
{
    int64_t number;
    int32_t narrow;
    bool truth;
    if (row->bytes == sizeof number) {
        memcpy(&number, field, sizeof number);
        return number;
    }
    if (row->bytes == sizeof narrow) {
        memcpy(&narrow, field, sizeof narrow);
        return narrow;
    }
    memcpy(&truth, field, sizeof truth);
    return truth;
}

/* ---- numbers: one parser, told apart by kind->number ---- */

static int number_of_bool(const char *text, int64_t *out)
{
    bool truth;
    if (units_parse_bool(text, &truth) != 0)
        return -1;
    *out = truth;
    return 0;
}

static int number_of_workers(const char *text, int64_t *out)
{
    if (strcmp(text, "auto") != 0)
        return units_parse_number(text, out);
    *out = 0;
    return 0;
}

/* Nanoseconds; besides the durations of all keys also "50us", since a spin is that short. */
static int number_of_spin(const char *text, int64_t *out_ns)
{
    size_t length = strlen(text);
    char digits[24];
    int64_t number;
    if (length > 2 && length < sizeof digits && strcmp(text + length - 2, "us") == 0) {
        memcpy(digits, text, length - 2);
        digits[length - 2] = '\0';
        if (units_parse_number(digits, &number) != 0)
            return -1;
        if (__builtin_mul_overflow(number, (int64_t)NS_PER_US, out_ns)) {
            errno = ERANGE;
            return -1;
        }
        return 0;
    }
    if (units_parse_duration(text, &number) != 0)
        return -1;
    if (__builtin_mul_overflow(number, (int64_t)NS_PER_MS, out_ns)) {
        errno = ERANGE;
        return -1;
    }
    return 0;
}

static bool number_in_bounds(const struct directive *row, int64_t number)
{
    int64_t bound;
    if (row->min != NULL && row->kind->number(row->min, &bound) == 0 && number < bound)
        return false;
    return row->max == NULL || row->kind->number(row->max, &bound) != 0 || number <= bound;
}

static bool refuse_form(struct value_context *context, const char *text)
{
    text_printf(context->why, "\"%.*s\" is not %s", SHOWN_BYTES, text,
                context->row->kind->form);
    return false;
}

static bool refuse_bounds(struct value_context *context, const char *text)
{
    const struct directive *row = context->row;
    bool has_both = row->min != NULL && row->max != NULL;
    if (row->kind == &value_workers)
        text_printf(context->why, "%.*s is out of bounds: must be auto or %s to %s",
                    SHOWN_BYTES, text, row->min, row->max);
    else if (has_both)
        text_printf(context->why, "%.*s is out of bounds: must be %s to %s", SHOWN_BYTES, text,
                    row->min, row->max);
    else
        text_printf(context->why, "%.*s is too large", SHOWN_BYTES, text);
    return false;
}

/* Text to a number within the row's bounds. */
static bool parse_bounded(struct value_context *context, const char *text, int64_t *number)
{
    const struct directive *row = context->row;
    if (row->kind->number(text, number) != 0)
        return errno == ERANGE ? refuse_bounds(context, text) : refuse_form(context, text);
    bool is_auto = row->kind == &value_workers && strcmp(text, "auto") == 0;
    return is_auto || number_in_bounds(row, *number) || refuse_bounds(context, text);
}

static bool unwrap(struct value_context *context, const char *value, const char **text)
{
    const char *why = NULL;
    if (quotes_unwrap(context->arena, value, text, &why))
        return true;
    text_add(context->why, why);
    return false;
}

bool value_split(struct value_context *context, const char *value, struct quotes_words *words)
{
    const char *why = NULL;
    if (quotes_split(context->arena, value, words, &why))
        return true;
    text_add(context->why, why);
    return false;
}

static bool parse_number(struct value_context *context, const char *value, void *field)
{
    const char *text;
    int64_t number;
    if (!unwrap(context, value, &text) || !parse_bounded(context, text, &number))
        return false;
    value_store_number(context->row, field, number);
    return true;
}

static void print_number(struct text *out, const struct model *model,
                         const struct directive *row, const void *field)
{
    (void)model;
    int64_t number = value_load_number(row, field);
    char text[UNITS_TEXT_BYTES];
    if (row->kind == &value_bool)
        text_add(out, number != 0 ? "yes" : "no");
    else if (row->kind == &value_workers && number == 0)
        text_add(out, "auto");
    else if (row->kind == &value_duration)
        text_add(out, units_print_duration(text, number));
    else if (row->kind == &value_percent)
        text_printf(out, "%" PRId64 "%%", number);
    else
        text_printf(out, "%" PRId64, number);
}

/* The number that is written is kept too: 3000/m lets more come at once than 50/s. */
static bool parse_rate(struct value_context *context, const char *value, void *field)
{
    struct model_service *service =
        container_of(field, struct model_service, connection_rate_per_source);
    const char *text;
    if (!parse_number(context, value, field) || !unwrap(context, value, &text))
        return false;
    service->connection_rate_burst = strtoll(text, NULL, 10);
    return true;
}

static void print_rate(struct text *out, const struct model *model, const struct directive *row,
                       const void *field)
{
    (void)model;
    (void)row;
    const struct model_service *service =
        (const void *)((const char *)field -
                       offsetof(struct model_service, connection_rate_per_source));
    char text[UNITS_TEXT_BYTES];
    text_add(out, units_print_rate(text, service->connection_rate_per_source,
                                   service->connection_rate_burst));
}

static void print_spin(struct text *out, const struct model *model, const struct directive *row,
                       const void *field)
{
    (void)model;
    int64_t ns = value_load_number(row, field);
    char text[UNITS_TEXT_BYTES];
    if (ns % NS_PER_MS == 0)
        text_add(out, units_print_duration(text, ns / NS_PER_MS));
    else
        text_printf(out, "%" PRId64 "us", ns / NS_PER_US);
}

/* "1h", or "1h 10%": the spread lies in a field of its own. */
/* ---- words ---- */

static bool parse_word(struct value_context *context, const char *value, void *field)
{
    const struct directive *row = context->row;
    const char *text, *known[16];
    if (!unwrap(context, value, &text))
        return false;
    assert(row->n_words <= sizeof known / sizeof known[0]);
    for (size_t i = 0; i < row->n_words; i++) {
        known[i] = row->words[i].word;
        if (strcmp(text, known[i]) != 0)
            continue;
        if (row->words[i].is_later) {
            text_printf(context->why, "%s is not yet supported", text);
            return false;
        }
        value_store_number(row, field, row->words[i].value);
        return true;
    }
    text_printf(context->why, "\"%.*s\" must be one of", SHOWN_BYTES, text);
    for (size_t i = 0; i < row->n_words; i++)
        text_printf(context->why, " %s", known[i]);
    const char *nearest = text_nearest(text, known, row->n_words);
    if (nearest != NULL)
        text_printf(context->why, ": did you mean %s?", nearest);
    return false;
}

static void print_word(struct text *out, const struct model *model, const struct directive *row,
                       const void *field)
{
    (void)model;
    text_add(out, directives_word(row, value_load_number(row, field)));
}

/* ---- texts ---- */

static void store_text(void *field, const char *text)
{
    memcpy(field, &text, sizeof text);
}

static const char *load_text(const void *field)
{
    const char *text;
    memcpy(&text, field, sizeof text);
    return text;
}

static bool has_control(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return true;
    return false;
}

bool value_refuse_word(struct value_context *context, const char *word, const char *why)
{
    text_printf(context->why, "\"%.*s\": %s", VALUE_SHOWN_BYTES, word, why);
    return false;
}

bool value_take_printable(struct value_context *context, const char *value, size_t most,
                          const char **text)
{
    if (!unwrap(context, value, text))
        return false;
    if (has_control(*text)) {
        text_add(context->why, "a control byte in the value");
        return false;
    }
    int64_t bound;
    if (context->row->max != NULL && units_parse_number(context->row->max, &bound) == 0)
        most = (size_t)bound;
    if (strlen(*text) > most) {
        text_printf(context->why, "longer than %zu bytes", most);
        return false;
    }
    return true;
}

static bool parse_text(struct value_context *context, const char *value, void *field)
{
    const char *text;
    if (!value_take_printable(context, value, PATH_MAX - 1, &text))
        return false;
    store_text(field, text);
    return true;
}

static bool parse_name(struct value_context *context, const char *value, void *field)
{
    const char *text;
    if (!value_take_printable(context, value, NAME_BYTES, &text))
        return false;
    if (strpbrk(text, " \t/") != NULL)
        return refuse_form(context, text);
    store_text(field, text);
    return true;
}

static void print_text(struct text *out, const struct model *model, const struct directive *row,
                       const void *field)
{
    (void)model;
    (void)row;
    quotes_add_text(out, load_text(field));
}

bool value_is_name(const char *text)
{
    size_t length = strlen(text);
    return length >= 1 && length <= NAME_BYTES && !has_control(text) &&
           strchr(text, ' ') == NULL;
}

/* ---- paths ---- */

const char *value_resolve_path(struct arena *arena, const char *folder, const char *path)
{
    size_t folder_length = strlen(folder), path_length = strlen(path);
    if (path[0] == '/' || path[0] == '\0')
        return arena_copy(arena, path, path_length);
    if (folder_length > 0 && folder[folder_length - 1] == '/')
        folder_length--;
    char *whole = arena_take(arena, folder_length + path_length + 2);
    if (whole == NULL)
        return NULL;
    memcpy(whole, folder, folder_length);
    whole[folder_length] = '/';
    memcpy(whole + folder_length + 1, path, path_length);
    return whole;
}

bool value_take_path(struct value_context *context, const char *text, size_t most,
                     const char **out)
{
    *out = value_resolve_path(context->arena, context->folder, text);
    if (*out == NULL) {
        text_add(context->why, "out of memory");
        return false;
    }
    size_t length = strlen(*out);
    if (length > most) {
        text_printf(context->why, "the path is longer than %zu bytes", most);
        return false;
    }
    if (length > 0 && (*out)[length - 1] == '/') {
        text_printf(context->why, "\"%.*s\" names a folder, not a file", SHOWN_BYTES, text);
        return false;
    }
    return true;
}

static bool parse_path_up_to(struct value_context *context, const char *value, size_t most,
                             void *field)
{
    const char *text, *path;
    if (!value_take_printable(context, value, PATH_MAX - 1, &text) ||
        !value_take_path(context, text, most, &path))
        return false;
    store_text(field, path);
    return true;
}

static bool parse_path(struct value_context *context, const char *value, void *field)
{
    return parse_path_up_to(context, value, PATH_MAX - 1, field);
}

static bool parse_socket_path(struct value_context *context, const char *value, void *field)
{
    return parse_path_up_to(context, value, sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
                            field);
}

/* ---- the group of a service ---- */

bool value_find_group(struct value_context *context, const char *name, size_t *index)
{
    if (names_find(context->groups, 0, name, strlen(name), index))
        return true;
    text_printf(context->why, "there is no [group %.*s]", SHOWN_BYTES, name);
    size_t n = context->may_suggest ? context->model->n_groups : 0;
    if (n == 0 || n > SUGGEST_MOST)
        return false;
    const char **known = calloc(n, sizeof *known);
    if (known == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        known[i] = context->model->groups[i].name;
    const char *nearest = text_nearest(name, known, n);
    if (nearest != NULL)
        text_printf(context->why, ": did you mean %s?", nearest);
    free(known);
    return false;
}

static bool parse_reference(struct value_context *context, const char *value, void *field)
{
    const char *name;
    size_t index;
    if (!unwrap(context, value, &name) || !value_find_group(context, name, &index))
        return false;
    memcpy(field, &index, sizeof index);
    return true;
}

static void print_reference(struct text *out, const struct model *model,
                            const struct directive *row, const void *field)
{
    (void)row;
    size_t index;
    memcpy(&index, field, sizeof index);
    quotes_add_text(out, model->groups[index].name);
}

/* ---- rows without a field ---- */

static bool parse_nothing(struct value_context *context, const char *value, void *field)
{
    (void)field;
    const char *text;
    return unwrap(context, value, &text);
}

static void print_nothing(struct text *out, const struct model *model,
                          const struct directive *row, const void *field)
{
    (void)model;
    (void)field;
    text_add(out, row->def != NULL ? row->def : "");
}

/* clang-format off */
#define NUMBER(word, sentence, function, print_function) \
    { .noun = (word), .form = (sentence), .number = (function), .parse = parse_number, .print = (print_function) }
const struct value_kind value_bool = NUMBER("yes or no", "one of yes no true false on off 1 0", number_of_bool, print_number);
const struct value_kind value_number = NUMBER("number", "a whole number", units_parse_number, print_number);
const struct value_kind value_duration = NUMBER("duration", "a duration (as 250ms 30s 5m 1h 7d)", units_parse_duration, print_number);
const struct value_kind value_spin = NUMBER("duration", "a duration (as 50us 1ms)", number_of_spin, print_spin);
const struct value_kind value_percent = NUMBER("share", "a share from 0% to 100%", units_parse_percent, print_number);
const struct value_kind value_rate = { .noun = "rate", .form = "a rate (as 100/s 3000/m)",
    .number = units_parse_rate, .parse = parse_rate, .print = print_rate };
const struct value_kind value_workers = NUMBER("auto or number", "auto or a whole number", number_of_workers, print_number);
const struct value_kind value_word = { .noun = "word", .form = "a known word", .parse = parse_word, .print = print_word };
const struct value_kind value_text = { .noun = "text", .form = "a text", .parse = parse_text, .print = print_text };
const struct value_kind value_name = { .noun = "name", .form = "a name", .parse = parse_name, .print = print_text };
const struct value_kind value_path = { .noun = "path", .form = "a path", .parse = parse_path, .print = print_text };
const struct value_kind value_socket_path = { .noun = "path", .form = "a path", .parse = parse_socket_path, .print = print_text };
const struct value_kind value_reference = { .noun = "group", .form = "a group's name", .parse = parse_reference, .print = print_reference };
const struct value_kind value_pattern = { .noun = "path or pattern", .form = "a path or a pattern", .parse = parse_nothing, .print = print_nothing };
const struct value_kind value_other = { .noun = "value", .form = "a value", .is_words = true, .parse = parse_nothing, .print = print_nothing };
/* clang-format on */
