/* SPDX-License-Identifier: MIT */
/* The values that send some connections to another group. */
#include "conf/ways.h"

#include <string.h>

#include "conf/directives.h"

enum { NAME_MOST_BYTES = 253, PROTOCOL_MOST_BYTES = 255 };

static const char *const kinds[] = {
    [ROUTE_SNI] = "sni", [ROUTE_ALPN] = "alpn", [ROUTE_SOURCE] = "source"};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

/* A host name as clients send it: labels of letters, digits, '-' and '_', with dots between. */
static bool is_host_name(const char *name)
{
    size_t label = 0;
    for (const char *c = name; *c != '\0'; c++) {
        bool is_fine =
            (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '_';
        if (*c == '.' ? label == 0 : !is_fine)
            return false;
        label = *c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label > 0;
}

static bool take_name(struct value_context *context, const char *word,
                      struct model_route *route)
{
    size_t length = strlen(word);
    char *name = NULL;
    if (length > 0 && word[length - 1] == '.') /* the root's dot says nothing */
        length--;
    if (length == 0 || length > NAME_MOST_BYTES)
        return value_refuse_word(context, word, "must be a host name, or *. and one");
    name = arena_take(context->arena, length + 1);
    if (name == NULL)
        return value_refuse_word(context, word, "out of memory");
    for (size_t i = 0; i < length; i++)
        name[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] - 'A' + 'a') : word[i];
    name[length] = '\0';
    if (!is_host_name(strncmp(name, "*.", 2) == 0 ? name + 2 : name))
        return value_refuse_word(context, word, "must be a host name, or *. and one");
    route->word = name;
    return true;
}

static bool take_what(struct value_context *context, const char *word,
                      struct model_route *route)
{
    const char *why = NULL;
    switch (route->kind) {
    case ROUTE_SNI:
        return take_name(context, word, route);
    case ROUTE_ALPN:
        route->word = word;
        return strlen(word) <= PROTOCOL_MOST_BYTES && word[0] != '\0'
                   ? true
                   : value_refuse_word(context, word, "must be a protocol's name, as h2");
    case ROUTE_SOURCE:
        return addr_parse_network(word, &route->network, &why) == 0
                   ? true
                   : value_refuse_word(context, word, why);
    }
    return false;
}

static bool parse_route(struct value_context *context, const char *value, void *field)
{
    struct model_route route = {.word = "", .origin = context->origin};
    struct quotes_words words;
    size_t kind = 0;
    if (!value_split(context, value, &words))
        return false;
    while (words.n > 0 && kind < N_KINDS && strcmp(words.at[0], kinds[kind]) != 0)
        kind++;
    if (words.n != 3 || kind == N_KINDS) {
        text_printf(context->why, "\"%.*s\" is not %s", VALUE_SHOWN_BYTES, value,
                    context->row->kind->form);
        const char *nearest = words.n > 0 && kind == N_KINDS && context->may_suggest
                                  ? text_nearest(words.at[0], kinds, N_KINDS)
                                  : NULL;
        if (nearest != NULL)
            text_printf(context->why, ": did you mean %s?", nearest);
        return false;
    }
    route.kind = (enum route_kind)kind;
    if (!take_what(context, words.at[1], &route) ||
        !value_find_group(context, words.at[2], &route.group))
        return false;
    memcpy(field, &route, sizeof route);
    return true;
}

static void print_route(struct text *out, const struct model *model,
                        const struct directive *row, const void *field)
{
    (void)row;
    const struct model_route *route = field;
    char network[ADDR_TEXT_BYTES];
    text_printf(out, "%s ", kinds[route->kind]);
    if (route->kind == ROUTE_SOURCE)
        text_add(out, addr_print_network(network, &route->network));
    else
        quotes_add_word(out, route->word);
    text_add(out, " ");
    quotes_add_word(out, model->groups[route->group].name);
}

const struct value_kind value_route = {
    .noun = "sni NAME | alpn PROTOCOL | source NETWORK, then GROUP",
    .form = "one of sni NAME GROUP, alpn PROTOCOL GROUP, source NETWORK GROUP",
    .is_words = true,
    .parse = parse_route,
    .print = print_route};
