/* SPDX-License-Identifier: MIT */
/* The value of check: how hosts are probed, as a small language of what to send and what to expect. */
#include "conf/talk.h"

#include <string.h>

#include "base/units.h"
#include "conf/directives.h"
#include "conf/presets.h"

#define METHOD_MOST 20
#define PATH_MOST 2000
#define STATUS_LEAST 100
#define STATUS_MOST 599
#define KNOWN_MOST 16

/* The words of a check. */
struct words {
    struct quotes_word *at;
    size_t n;
};

static bool refuse(struct value_context *context, const struct quotes_word *word,
                   const char *why)
{
    text_printf(context->why, "\"%.*s\": %s", VALUE_SHOWN_BYTES, word->at, why);
    return false;
}

static bool refuse_memory(struct value_context *context)
{
    text_add(context->why, "out of memory");
    return false;
}

static bool is_bare(const struct quotes_word *word, const char *text)
{
    return !word->is_quoted && strcmp(word->at, text) == 0;
}

static bool split(struct value_context *context, const char *value, struct words *words)
{
    struct quotes_cursor cursor;
    const char *why = NULL;
    size_t most = strlen(value) / 2 + 2; /* one is a mere end */
    *words = (struct words){arena_take_array(context->arena, most, sizeof *words->at), 0};
    if (words->at == NULL)
        return refuse_memory(context);
    bool is_right = quotes_start(&cursor, context->arena, value, &why);
    while (is_right && (is_right = quotes_next(&cursor, &words->at[words->n], &why)) &&
           words->at[words->n].at != NULL)
        words->n++;
    if (!is_right)
        text_add(context->why, why);
    return is_right;
}

/* ---- http [METHOD] PATH [STATUS] ---- */

static bool is_method(const struct quotes_word *word)
{
    return word->length >= 1 && word->length <= METHOD_MOST &&
           strspn(word->at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == word->length;
}

/* What stands on a request line: anything else would have to be written as %XX (RFC 3986). */
static bool is_path(const struct quotes_word *word)
{
    for (size_t i = 0; i < word->length; i++)
        if ((unsigned char)word->at[i] <= 0x20 || (unsigned char)word->at[i] >= 0x7f)
            return false;
    return word->at[0] == '/' && word->length <= PATH_MOST;
}

/* "200" or "200-399" */
static bool parse_status(struct value_context *context, const struct quotes_word *word,
                         struct model_check *check)
{
    static const char form[] =
        "must be a status or a range of them from 100 to 599, as 200-399";
    const char *dash = strchr(word->at, '-');
    size_t length = dash != NULL ? (size_t)(dash - word->at) : word->length;
    const char *first = arena_copy(context->arena, word->at, length);
    if (first == NULL)
        return refuse_memory(context);
    if (strlen(word->at) != word->length ||
        units_parse_number(first, &check->status_least) != 0 ||
        units_parse_number(dash != NULL ? dash + 1 : first, &check->status_most) != 0 ||
        check->status_least < STATUS_LEAST || check->status_most > STATUS_MOST)
        return refuse(context, word, form);
    if (check->status_least > check->status_most)
        return refuse(context, word, "the range ends before it begins");
    return true;
}

static bool parse_http(struct value_context *context, const struct words *words,
                       struct model_check *check)
{
    size_t at = 1;
    if (at < words->n && words->at[at].at[0] != '/') {
        if (!is_method(&words->at[at]))
            return refuse(context, &words->at[at],
                          "neither a method in capital letters nor a path that begins with /");
        check->method = words->at[at++].at;
    }
    if (at == words->n) {
        text_add(context->why, "http needs a path that begins with /");
        return false;
    }
    if (!is_path(&words->at[at]))
        return refuse(context, &words->at[at],
                      "a path begins with / and has at most 2000 letters without blanks");
    check->path = words->at[at++].at;
    if (at < words->n && !parse_status(context, &words->at[at++], check))
        return false;
    if (at < words->n)
        return refuse(context, &words->at[at],
                      "is too much behind http [METHOD] PATH [STATUS]");
    return true;
}

/* ---- send "…" expect "…" [or "…"]… ---- */

/* The text behind a send, an expect, an or. */
static bool parse_text(struct value_context *context, const struct words *words, size_t at,
                       struct model_text *text)
{
    const char *keyword = words->at[at - 1].at;
    if (at == words->n || !words->at[at].is_quoted) {
        text_printf(context->why, "%s needs a text in double quotes behind it", keyword);
        return false;
    }
    const struct quotes_word *word = &words->at[at];
    if (word->length == 0 || (word->length > TALK_ANSWER_BYTES && keyword[0] != 's')) {
        text_printf(context->why,
                    word->length == 0
                        ? "the text behind %s is empty"
                        : "the text behind %s is longer than what is read of an answer",
                    keyword);
        return false;
    }
    *text = (struct model_text){(const unsigned char *)word->at, word->length};
    return true;
}

static bool parse_steps(struct value_context *context, const struct words *words,
                        struct model_check *check)
{
    struct model_text *texts = arena_take_array(context->arena, words->n, sizeof *texts);
    check->steps = arena_take_array(context->arena, words->n, sizeof *check->steps);
    if (texts == NULL || check->steps == NULL)
        return refuse_memory(context);
    for (size_t at = 0; at < words->n;) {
        const struct quotes_word *word = &words->at[at];
        struct model_step *step = &check->steps[check->n_steps++];
        step->is_expect = is_bare(word, "expect");
        if (!step->is_expect && !is_bare(word, "send"))
            return refuse(context, word, "here only send, expect or the end may stand");
        step->texts = texts;
        do {
            if (!parse_text(context, words, at + 1, texts++))
                return false;
            step->n_texts++;
            at += 2;
        } while (step->is_expect && at < words->n && is_bare(&words->at[at], "or"));
    }
    return true;
}

static bool parse_preset(struct value_context *context, const struct words *words,
                         struct model_check *check)
{
    const char **arguments = arena_take_array(context->arena, words->n, sizeof *arguments);
    struct text written = {0};
    struct words steps;
    if (arguments == NULL)
        return refuse_memory(context);
    for (size_t i = 1; i < words->n; i++) {
        arguments[i - 1] = words->at[i].at;
        if (strlen(words->at[i].at) != words->at[i].length)
            return refuse(context, &words->at[i], "a \\x00 cannot be part of it");
    }
    bool is_right =
        presets_write(&written, words->at[0].at, arguments, words->n - 1, context->why);
    if (is_right && written.failed)
        is_right = refuse_memory(context);
    is_right =
        is_right && split(context, written.at, &steps) && parse_steps(context, &steps, check);
    text_fini(&written);
    return is_right;
}

/* ---- all of them ---- */

static const char *const kinds[] = {
    [CHECK_NONE] = "none", [CHECK_TCP] = "tcp",   [CHECK_TLS] = "tls",
    [CHECK_HTTP] = "http", [CHECK_TALK] = "send", "expect"};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

/* Index of the word among the kinds and, behind them, the presets; *n_known when it is unknown. */
static size_t find_kind(const struct quotes_word *word, const char *known[KNOWN_MOST],
                        size_t *n_known)
{
    size_t n;
    const char *const *presets = presets_names(&n);
    memcpy(known, kinds, sizeof kinds);
    memcpy(known + N_KINDS, presets, n * sizeof *presets);
    *n_known = N_KINDS + n;
    size_t i = 0;
    while (i < *n_known && !is_bare(word, known[i]))
        i++;
    return i;
}

static bool refuse_kind(struct value_context *context, const char *word,
                        const char *const *known, size_t n)
{
    const char *nearest = context->may_suggest ? text_nearest(word, known, n) : NULL;
    text_printf(context->why, "\"%.*s\" is no check: must begin with one of", VALUE_SHOWN_BYTES,
                word);
    for (size_t i = 0; i < n; i++)
        text_printf(context->why, " %s", known[i]);
    if (nearest != NULL)
        text_printf(context->why, ": did you mean %s?", nearest);
    return false;
}

static bool parse_kind(struct value_context *context, const struct words *words,
                       struct model_check *check)
{
    const char *known[KNOWN_MOST];
    size_t n_known, kind = find_kind(&words->at[0], known, &n_known);
    if (kind == n_known)
        return refuse_kind(context, words->at[0].at, known, n_known);
    check->kind = kind < CHECK_TALK ? (enum check_kind)kind : CHECK_TALK;
    if (kind >= N_KINDS)
        return parse_preset(context, words, check);
    if (kind >= CHECK_TALK)
        return parse_steps(context, words, check);
    if (kind == CHECK_HTTP)
        return parse_http(context, words, check);
    if (words->n > 1) {
        text_printf(context->why, "\"%.*s\" is too much behind %s", VALUE_SHOWN_BYTES,
                    words->at[1].at, known[kind]);
        return false;
    }
    return true;
}

static bool parse_check(struct value_context *context, const char *value, void *field)
{
    struct words words;
    struct model_check check = {.text = arena_copy(context->arena, value, strlen(value)),
                                .method = "GET",
                                .path = "",
                                .status_least = 200,
                                .status_most = 399};
    if (check.text == NULL)
        return refuse_memory(context);
    if (!split(context, value, &words))
        return false;
    if (words.n == 0) {
        text_add(context->why, "needs a value");
        return false;
    }
    if (!parse_kind(context, &words, &check))
        return false;
    memcpy(field, &check, sizeof check);
    return true;
}

static void print_check(struct text *out, const struct model *model,
                        const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    const struct model_check *check = field;
    quotes_add_value(out, check->text);
}

const struct value_kind value_check = {.noun = "check",
                                       .form = "a check",
                                       .is_words = true,
                                       .parse = parse_check,
                                       .print = print_check};
