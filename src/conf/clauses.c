/* SPDX-License-Identifier: MIT */
/* The values that are a word with something behind it, and lists of groups. */
#include "conf/clauses.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/list.h"
#include "base/units.h"
#include "conf/attached.h"
#include "conf/directives.h"

#define SORRY_MOST_BYTES ((size_t)64 << 10)

static bool refuse_form(struct value_context *context, const char *value)
{
    text_printf(context->why, "\"%.*s\" is not %s", VALUE_SHOWN_BYTES, value,
                context->row->kind->form);
    return false;
}

/* A duration within the row's bounds. */
static bool take_duration(struct value_context *context, const char *word, int64_t *ms)
{
    const struct directive *row = context->row;
    int64_t least = 0, most = INT64_MAX;
    if (units_parse_duration(word, ms) != 0 && errno != ERANGE) {
        text_printf(context->why, "\"%.*s\" is not %s", VALUE_SHOWN_BYTES, word,
                    value_duration.form);
        return false;
    }
    if (units_parse_duration(word, ms) != 0)
        *ms = INT64_MAX;
    units_parse_duration(row->min, &least);
    units_parse_duration(row->max, &most);
    if (*ms >= least && *ms <= most)
        return true;
    text_printf(context->why, "%.*s is out of bounds: must be %s to %s", VALUE_SHOWN_BYTES,
                word, row->min, row->max);
    return false;
}

/* Says which of the words was probably meant. */
static bool refuse_word(struct value_context *context, const char *value, const char *word,
                        const char *const *known, size_t n)
{
    const char *nearest = context->may_suggest ? text_nearest(word, known, n) : NULL;
    refuse_form(context, value);
    if (nearest != NULL)
        text_printf(context->why, ": did you mean %s?", nearest);
    return false;
}

/* ---- when_no_host ---- */

static bool parse_no_host(struct value_context *context, const char *value, void *field)
{
    static const char *const known[] = {
        [NO_HOST_CLOSE] = "close", [NO_HOST_HOLD] = "hold", [NO_HOST_SORRY] = "sorry"};
    struct model_no_host action = {.sorry = {.path = ""}};
    struct quotes_words words;
    size_t i = 0;
    if (!value_split(context, value, &words))
        return false;
    while (words.n > 0 && i < 3 && strcmp(words.at[0], known[i]) != 0)
        i++;
    if (words.n == 0 || i == 3)
        return refuse_word(context, value, words.n > 0 ? words.at[0] : "", known, 3);
    action.action = (enum no_host_action)i;
    if (words.n != (action.action == NO_HOST_CLOSE ? 1 : 2))
        return refuse_form(context, value);
    if (action.action == NO_HOST_HOLD && !take_duration(context, words.at[1], &action.hold_ms))
        return false;
    if (action.action == NO_HOST_SORRY &&
        !attached_take(context, words.at[1], SORRY_MOST_BYTES, &action.sorry))
        return false;
    memcpy(field, &action, sizeof action);
    return true;
}

static void print_no_host(struct text *out, const struct model *model,
                          const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    const struct model_no_host *action = field;
    char text[UNITS_TEXT_BYTES];
    switch (action->action) {
    case NO_HOST_CLOSE:
        text_add(out, "close");
        break;
    case NO_HOST_HOLD:
        text_printf(out, "hold %s", units_print_duration(text, action->hold_ms));
        break;
    case NO_HOST_SORRY:
        text_add(out, "sorry ");
        quotes_add_word(out, action->sorry.path);
        break;
    }
}

/* ---- sticky ---- */

static bool parse_sticky(struct value_context *context, const char *value, void *field)
{
    static const char *const known[] = {"none", "source"};
    struct quotes_words words;
    int64_t ms = 0;
    if (!value_split(context, value, &words))
        return false;
    if (words.n == 0)
        return refuse_form(context, value);
    if (strcmp(words.at[0], known[0]) != 0 && strcmp(words.at[0], known[1]) != 0)
        return refuse_word(context, value, words.at[0], known, 2);
    bool is_none = strcmp(words.at[0], known[0]) == 0;
    if (words.n != (is_none ? 1 : 2))
        return refuse_form(context, value);
    if (!is_none && !take_duration(context, words.at[1], &ms))
        return false;
    memcpy(field, &ms, sizeof ms);
    return true;
}

static void print_sticky(struct text *out, const struct model *model,
                         const struct directive *row, const void *field)
{
    (void)model;
    char text[UNITS_TEXT_BYTES];
    int64_t ms = value_load_number(row, field);
    if (ms == 0)
        text_add(out, "none");
    else
        text_printf(out, "source %s", units_print_duration(text, ms));
}

/* ---- lifetime: the share lies in a field of its own ---- */

static bool parse_lifetime(struct value_context *context, const char *value, void *field)
{
    struct model_service *service = container_of(field, struct model_service, lifetime_ms);
    struct quotes_words words;
    int64_t ms, percent = 0;
    if (!value_split(context, value, &words))
        return false;
    if (words.n == 0 || words.n > 2)
        return refuse_form(context, value);
    if (!take_duration(context, words.at[0], &ms))
        return false;
    if (words.n == 2 && units_parse_percent(words.at[1], &percent) != 0) {
        text_printf(context->why, "\"%.*s\" is not a share from 0%% to 100%%",
                    VALUE_SHOWN_BYTES, words.at[1]);
        return false;
    }
    service->lifetime_ms = ms;
    service->lifetime_spread = percent;
    return true;
}

static void print_lifetime(struct text *out, const struct model *model,
                           const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    const struct model_service *service =
        (const void *)((const char *)field - offsetof(struct model_service, lifetime_ms));
    char text[UNITS_TEXT_BYTES];
    text_add(out, units_print_duration(text, service->lifetime_ms));
    if (service->lifetime_spread > 0)
        text_printf(out, " %" PRId64 "%%", service->lifetime_spread);
}

/* ---- standby: the count lies in a field of its own ---- */

static bool parse_groups(struct value_context *context, const char *value, void *field)
{
    struct model_service *service = container_of(field, struct model_service, standby);
    struct quotes_words words;
    if (!value_split(context, value, &words))
        return false;
    size_t *groups = arena_take_array(context->arena, words.n, sizeof *groups);
    if (groups == NULL) {
        text_add(context->why, "out of memory");
        return false;
    }
    for (size_t i = 0; i < words.n; i++)
        if (!value_find_group(context, words.at[i], &groups[i]))
            return false;
    service->standby = groups;
    service->n_standby = words.n;
    return true;
}

static void print_groups(struct text *out, const struct model *model,
                         const struct directive *row, const void *field)
{
    (void)row;
    const struct model_service *service =
        (const void *)((const char *)field - offsetof(struct model_service, standby));
    for (size_t i = 0; i < service->n_standby; i++) {
        text_append(out, " ", i > 0);
        quotes_add_word(out, model->groups[service->standby[i]].name);
    }
}

const struct value_kind value_no_host = {.noun = "close | hold DURATION | sorry FILE",
                                         .form = "one of close, hold DURATION, sorry FILE",
                                         .is_words = true,
                                         .parse = parse_no_host,
                                         .print = print_no_host};
const struct value_kind value_sticky = {.noun = "none | source DURATION",
                                        .form = "none or source DURATION (as source 30m)",
                                        .is_words = true,
                                        .parse = parse_sticky,
                                        .print = print_sticky};
const struct value_kind value_groups = {.noun = "group ...",
                                        .form = "names of groups",
                                        .is_words = true,
                                        .parse = parse_groups,
                                        .print = print_groups};
const struct value_kind value_lifetime = {
    .noun = "duration [share]",
    .form = "a duration, with a share behind it or not (as 1h 10%)",
    .is_words = true,
    .number = units_parse_duration,
    .parse = parse_lifetime,
    .print = print_lifetime};
