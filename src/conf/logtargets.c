/* SPDX-License-Identifier: MIT */
/* The values that name where log lines go. */
#include "conf/logtargets.h"

#include <limits.h>
#include <string.h>
#include <syslog.h>

#include "conf/directives.h"
#include "conf/networks.h"

#define SHOWN_BYTES VALUE_SHOWN_BYTES
#define SYSLOG_PORT 514

static const struct value_word facilities[] = {
    {"daemon", LOG_DAEMON, false}, {"user", LOG_USER, false},     {"local0", LOG_LOCAL0, false},
    {"local1", LOG_LOCAL1, false}, {"local2", LOG_LOCAL2, false}, {"local3", LOG_LOCAL3, false},
    {"local4", LOG_LOCAL4, false}, {"local5", LOG_LOCAL5, false}, {"local6", LOG_LOCAL6, false},
    {"local7", LOG_LOCAL7, false},
};
#define N_FACILITIES (sizeof facilities / sizeof facilities[0])

static bool take_facility(struct value_context *context, const char *word, int *facility)
{
    for (size_t i = 0; i < N_FACILITIES; i++) {
        if (strcmp(word, facilities[i].word) == 0) {
            *facility = (int)facilities[i].value;
            return true;
        }
    }
    text_printf(context->why, "\"%.*s\" is no syslog facility: must be one of", SHOWN_BYTES,
                word);
    for (size_t i = 0; i < N_FACILITIES; i++)
        text_printf(context->why, " %s", facilities[i].word);
    return false;
}

/* Where a facility begins behind syslog@ADDRESS: a last ':' with a letter behind it. */
static const char *facility_behind(const char *address)
{
    const char *colon = strrchr(address, ':');
    bool is_word = colon != NULL &&
                   ((colon[1] >= 'a' && colon[1] <= 'z') || colon[1] == '\0') &&
                   strchr(colon, ']') == NULL;
    return is_word ? colon : NULL;
}

/* syslog:FACILITY, syslog@ADDRESS, syslog@ADDRESS:FACILITY */
static bool take_syslog(struct value_context *context, const char *text,
                        struct log_target *target)
{
    target->facility = LOG_DAEMON;
    if (*text == ':') {
        target->kind = LOGS_SYSLOG;
        return take_facility(context, text + 1, &target->facility);
    }
    const char *address = text + 1, *colon = facility_behind(address);
    target->kind = LOGS_SYSLOG_UDP;
    if (colon != NULL) {
        if (!take_facility(context, colon + 1, &target->facility))
            return false;
        address = arena_copy(context->arena, address, (size_t)(colon - address));
    }
    if (address == NULL || *address == '\0') {
        text_add(context->why,
                 address == NULL ? "out of memory" : "syslog@ needs an address behind it");
        return false;
    }
    return value_take_socket(context, address, SYSLOG_PORT, &target->server);
}

/* A bare word is more likely a slip than a file: a file's name has a '/' or a '.'. */
static bool take_file(struct value_context *context, const char *text, const char *const *known,
                      size_t n, struct log_target *target)
{
    target->kind = LOGS_FILE;
    if (strpbrk(text, "/.") != NULL)
        return value_take_path(context, text, PATH_MAX - 1, &target->path);
    text_printf(context->why, "\"%.*s\" is not %s", SHOWN_BYTES, text,
                context->row->kind->form);
    const char *nearest = text_nearest(text, known, n);
    if (nearest != NULL)
        text_printf(context->why, ": did you mean %s?", nearest);
    return false;
}

/* word, kind: what there is besides syslog and a file */
static bool parse_target(struct value_context *context, const char *value, const char *word,
                         enum log_kind kind, void *field)
{
    static const char syslog[] = "syslog";
    const char *const known[] = {word, syslog};
    const size_t n_prefix = sizeof syslog - 1;
    struct log_target target = {.path = ""};
    const char *text;
    if (!value_take_printable(context, value, PATH_MAX - 1, &text))
        return false;
    if (strcmp(text, word) == 0)
        target.kind = kind;
    else if (strcmp(text, syslog) == 0)
        target = (struct log_target){.kind = LOGS_SYSLOG, .facility = LOG_DAEMON, .path = ""};
    else if (strncmp(text, syslog, n_prefix) == 0 &&
             (text[n_prefix] == ':' || text[n_prefix] == '@')) {
        if (!take_syslog(context, text + n_prefix, &target))
            return false;
    } else if (!take_file(context, text, known, 2, &target)) {
        return false;
    }
    memcpy(field, &target, sizeof target);
    return true;
}

static bool parse_log(struct value_context *context, const char *value, void *field)
{
    return parse_target(context, value, "stderr", LOGS_STDERR, field);
}

static bool parse_access_log(struct value_context *context, const char *value, void *field)
{
    return parse_target(context, value, "off", LOGS_OFF, field);
}

static void print_syslog(struct text *out, const struct log_target *target)
{
    char printed[ADDR_TEXT_BYTES];
    text_add(out, "syslog");
    if (target->kind == LOGS_SYSLOG_UDP)
        text_printf(out, "@%s", addr_print(printed, &target->server));
    for (size_t i = 0; i < N_FACILITIES; i++)
        if (facilities[i].value == target->facility && target->facility != LOG_DAEMON)
            text_printf(out, ":%s", facilities[i].word);
}

static void print_target(struct text *out, const struct model *model,
                         const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    struct log_target target;
    memcpy(&target, field, sizeof target);
    switch (target.kind) {
    case LOGS_OFF:
        text_add(out, "off");
        break;
    case LOGS_STDERR:
        text_add(out, "stderr");
        break;
    case LOGS_FILE:
        quotes_add_text(out, target.path);
        break;
    case LOGS_SYSLOG:
    case LOGS_SYSLOG_UDP:
        print_syslog(out, &target);
        break;
    }
}

const struct value_kind value_log = {
    .noun = "target",
    .form = "stderr, syslog, syslog:FACILITY, syslog@ADDRESS or a path",
    .parse = parse_log,
    .print = print_target};
const struct value_kind value_access_log = {
    .noun = "target",
    .form = "off, syslog, syslog:FACILITY, syslog@ADDRESS or a path",
    .parse = parse_access_log,
    .print = print_target};
