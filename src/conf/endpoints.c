/* SPDX-License-Identifier: MIT */
/* The values that name an address: listen lines with their options, host lines with theirs. */
#include "conf/endpoints.h"

#include <assert.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "conf/addresses.h"
#include "conf/directives.h"

#define BACKLOG_DEFAULT 4096
#define SHOWN_BYTES VALUE_SHOWN_BYTES

enum option_form {
    OPTION_FLAG,
    OPTION_NUMBER,
    OPTION_DURATION,
    OPTION_TEXT,
    OPTION_WORD, /* one of words */
    OPTION_ADDRESS,
    OPTION_NETWORKS, /* of listens: accept_proxy */
    OPTION_LATER
};

/* A word behind an address, as "backlog=100" or "insecure". */
struct option {
    const char *name;
    enum option_form form;
    size_t offset; /* of the field in the element */
    int64_t least, most,
        def; /* OPTION_NUMBER, OPTION_DURATION in ms; OPTION_TEXT: most bytes */
    const char *const
        *words; /* OPTION_WORD: by the value of the enum; NULL: not to be written */
    size_t n_words;
};
#define WORDS(table) .words = (table), .n_words = sizeof(table) / sizeof((table)[0])

static const char *const states[] = {
    [HOST_SET_UP] = "up", [HOST_SET_DRAIN] = "drain", [HOST_SET_DOWN] = "down"};
static const char *const starttlses[] = {[STARTTLS_NO] = NULL,
                                         [STARTTLS_POSTGRES] = "postgres",
                                         [STARTTLS_SMTP] = "smtp",
                                         [STARTTLS_IMAP] = "imap"};

static const struct option listen_options[] = {
    {.name = "backlog",
     .form = OPTION_NUMBER,
     .offset = offsetof(struct model_listen, backlog),
     .least = 1,
     .most = 65535,
     .def = BACKLOG_DEFAULT},
    {.name = "interface",
     .form = OPTION_TEXT,
     .offset = offsetof(struct model_listen, interface),
     .most = IFNAMSIZ - 1},
    {.name = "tls", .form = OPTION_FLAG, .offset = offsetof(struct model_listen, tls)},
    {.name = "starttls",
     .form = OPTION_WORD,
     .offset = offsetof(struct model_listen, starttls),
     WORDS(starttlses)},
    {.name = "accept_proxy", .form = OPTION_NETWORKS},
    {.name = "transparent", .form = OPTION_LATER},
    {.name = "mode", .form = OPTION_LATER},
};
static const struct option admin_options[] = {
    {.name = "tls", .form = OPTION_FLAG, .offset = offsetof(struct model_listen, tls)},
    {.name = "insecure",
     .form = OPTION_FLAG,
     .offset = offsetof(struct model_listen, insecure)},
};
static const struct option host_options[] = {
    {.name = "weight",
     .form = OPTION_NUMBER,
     .offset = offsetof(struct model_host, weight),
     .most = 256,
     .def = 1},
    {.name = "max_connections",
     .form = OPTION_NUMBER,
     .offset = offsetof(struct model_host, max_connections),
     .most = 10000000},
    {.name = "state",
     .form = OPTION_WORD,
     .offset = offsetof(struct model_host, state),
     WORDS(states)},
    {.name = "slow_start",
     .form = OPTION_DURATION,
     .offset = offsetof(struct model_host, slow_start_ms),
     .most = 86400000},
    {.name = "check",
     .form = OPTION_ADDRESS,
     .offset = offsetof(struct model_host, check_address)},
};

struct options {
    const struct option *at;
    size_t n;
};
#define OPTIONS(table)                                                                         \
    (struct options)                                                                           \
    {                                                                                          \
        (table), sizeof(table) / sizeof((table)[0])                                            \
    }
#define OPTIONS_MOST 16

/* ---- options ---- */

/* A whole number, or a duration in milliseconds. */
static bool store_number(struct value_context *context, const struct option *option,
                         const char *given, unsigned char *field)
{
    bool is_duration = option->form == OPTION_DURATION;
    int64_t number;
    char least[UNITS_TEXT_BYTES], most[UNITS_TEXT_BYTES];
    int result =
        is_duration ? units_parse_duration(given, &number) : units_parse_number(given, &number);
    if (result == 0 && number >= option->least && number <= option->most) {
        memcpy(field, &number, sizeof number);
        return true;
    }
    if (is_duration)
        text_printf(context->why, "%s=%.*s: must be a duration from %s to %s", option->name,
                    SHOWN_BYTES, given, units_print_duration(least, option->least),
                    units_print_duration(most, option->most));
    else
        text_printf(context->why,
                    "%s=%.*s: must be a whole number from %" PRId64 " to %" PRId64,
                    option->name, SHOWN_BYTES, given, option->least, option->most);
    return false;
}

static bool store_name(struct value_context *context, const struct option *option,
                       const char *given, unsigned char *field)
{
    if (given[0] == '\0' || strlen(given) > (size_t)option->most || !value_is_name(given)) {
        text_printf(context->why, "%s=%.*s: must be a name of 1 to %" PRId64 " bytes",
                    option->name, SHOWN_BYTES, given, option->most);
        return false;
    }
    memcpy(field, &given, sizeof given);
    return true;
}

/* An IP address with its port that can be connected to. */
static bool store_address(struct value_context *context, const struct option *option,
                          const char *given, unsigned char *field)
{
    struct addr_spec spec;
    const char *why = NULL;
    if (addr_parse(given, &spec, &why) == 0)
        why = spec.kind == ADDR_SOCKET && spec.address.any.sa_family == AF_UNIX
                  ? "unix sockets are not yet supported"
              : spec.kind == ADDR_NAME || spec.kind == ADDR_SRV
                  ? "must be an IP address with its port, not a name"
              : spec.kind == ADDR_WILDCARD || !addr_is_one_host(&spec.address)
                  ? "no address that can be connected to"
                  : NULL;
    if (why == NULL) {
        memcpy(field, &spec.address, sizeof spec.address);
        return true;
    }
    text_printf(context->why, "%s=%.*s: %s", option->name, SHOWN_BYTES, given, why);
    return false;
}

static size_t count_commas(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == ',';
    return n;
}

/* Networks with commas between them. */
static bool store_networks(struct value_context *context, const struct option *option,
                           const char *given, struct model_listen *listen)
{
    const char *why = "out of memory", *at = given;
    struct addr_network *networks =
        arena_take_array(context->arena, count_commas(given) + 1, sizeof *networks);
    size_t n = 0;
    while (networks != NULL) {
        size_t length = strcspn(at, ",");
        const char *word = arena_copy(context->arena, at, length);
        if (word == NULL || addr_parse_network(word, &networks[n], &why) != 0)
            break;
        n++;
        at += length;
        if (*at++ == ',')
            continue;
        listen->proxies = networks;
        listen->n_proxies = n;
        return true;
    }
    text_printf(context->why, "%s=%.*s: %s; must be networks with commas between them",
                option->name, SHOWN_BYTES, given, why);
    return false;
}

static void print_networks(struct text *out, const struct option *option,
                           const struct model_listen *listen)
{
    char text[ADDR_TEXT_BYTES];
    for (size_t i = 0; i < listen->n_proxies; i++) {
        text_add(out, i == 0 ? " " : ",");
        if (i == 0)
            text_printf(out, "%s=", option->name);
        text_add(out, addr_print_network(text, &listen->proxies[i]));
    }
}

/* All enums that are stored here have the size of this one. */
static_assert(sizeof(enum host_setting) == sizeof(enum starttls), "fields of one size");

static bool store_word(struct value_context *context, const struct option *option,
                       const char *given, unsigned char *field)
{
    for (size_t i = 0; i < option->n_words; i++) {
        if (option->words[i] != NULL && strcmp(given, option->words[i]) == 0) {
            enum host_setting value = (enum host_setting)i;
            memcpy(field, &value, sizeof value);
            return true;
        }
    }
    text_printf(context->why, "%s=%.*s: must be one of", option->name, SHOWN_BYTES, given);
    for (size_t i = 0; i < option->n_words; i++)
        if (option->words[i] != NULL)
            text_printf(context->why, " %s", option->words[i]);
    return false;
}

static bool option_store(struct value_context *context, const struct option *option,
                         const char *given, void *element)
{
    unsigned char *field = (unsigned char *)element + option->offset;
    switch (option->form) {
    case OPTION_NUMBER:
    case OPTION_DURATION:
        return store_number(context, option, given, field);
    case OPTION_TEXT:
        return store_name(context, option, given, field);
    case OPTION_WORD:
        return store_word(context, option, given, field);
    case OPTION_ADDRESS:
        return store_address(context, option, given, field);
    case OPTION_NETWORKS:
        return store_networks(context, option, given, element);
    case OPTION_FLAG:
    case OPTION_LATER:
        break;
    }
    assert(!"has no value");
    return false;
}

static bool option_refuse_unknown(struct value_context *context, struct options options,
                                  const char *name)
{
    const char *known[OPTIONS_MOST];
    assert(options.n <= OPTIONS_MOST);
    for (size_t i = 0; i < options.n; i++)
        known[i] = options.at[i].name;
    const char *nearest = context->may_suggest ? text_nearest(name, known, options.n) : NULL;
    text_printf(context->why, "unknown option \"%.*s\"", SHOWN_BYTES, name);
    if (nearest != NULL)
        text_printf(context->why, ": did you mean %s?", nearest);
    return false;
}

static bool option_parse(struct value_context *context, struct options options,
                         const char *word, uint32_t *given, void *element)
{
    const char *equals = strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const char *name = arena_copy(context->arena, word, length);
    if (name == NULL) {
        text_add(context->why, "out of memory");
        return false;
    }
    size_t i = 0;
    while (i < options.n && strcmp(options.at[i].name, name) != 0)
        i++;
    if (i == options.n)
        return option_refuse_unknown(context, options, name);
    const struct option *option = &options.at[i];
    if (option->form == OPTION_LATER) {
        text_printf(context->why, "option %s is not yet supported", name);
        return false;
    }
    if ((*given & (1U << i)) != 0) {
        text_printf(context->why, "option %s is given twice", name);
        return false;
    }
    *given |= 1U << i;
    if ((option->form == OPTION_FLAG) != (equals == NULL)) {
        text_printf(context->why,
                    equals == NULL ? "option %s needs =VALUE" : "option %s takes no value",
                    name);
        return false;
    }
    if (option->form == OPTION_FLAG) {
        bool truth = true;
        memcpy((unsigned char *)element + option->offset, &truth, sizeof truth);
        return true;
    }
    return option_store(context, option, equals + 1, element);
}

static bool options_parse(struct value_context *context, struct options options,
                          const struct quotes_words *words, size_t first, void *element)
{
    uint32_t given = 0;
    for (size_t i = first; i < words->n; i++)
        if (!option_parse(context, options, words->at[i], &given, element))
            return false;
    return true;
}

static void options_print(struct text *out, struct options options, const void *element)
{
    for (size_t i = 0; i < options.n; i++) {
        const struct option *option = &options.at[i];
        const unsigned char *field = (const unsigned char *)element + option->offset;
        int64_t number;
        const char *text;
        bool truth;
        enum host_setting word;
        switch (option->form) {
        case OPTION_NUMBER:
            memcpy(&number, field, sizeof number);
            if (number != option->def)
                text_printf(out, " %s=%" PRId64, option->name, number);
            break;
        case OPTION_TEXT:
            memcpy(&text, field, sizeof text);
            if (text[0] != '\0') {
                text_printf(out, " %s=", option->name);
                text_add(out, text);
            }
            break;
        case OPTION_FLAG:
            memcpy(&truth, field, sizeof truth);
            if (truth)
                text_printf(out, " %s", option->name);
            break;
        case OPTION_NETWORKS:
            print_networks(out, option, element);
            break;
        case OPTION_WORD:
            memcpy(&word, field, sizeof word);
            if (word != 0)
                text_printf(out, " %s=%s", option->name, option->words[word]);
            break;
        case OPTION_DURATION:
        case OPTION_ADDRESS:
            break; /* of hosts, whose lines are printed as written */
        case OPTION_LATER:
            break;
        }
    }
}

/* ---- addresses ---- */

/* An address; where only IP addresses can be meant, names are refused, as unix sockets are everywhere. */
static bool parse_address(struct value_context *context, const char *word, bool takes_names,
                          struct addr_spec *spec)
{
    const char *why = NULL;
    if (addr_parse(word, spec, &why) != 0) {
        text_printf(context->why, "\"%.*s\": %s", SHOWN_BYTES, word, why);
        return false;
    }
    bool is_unix = spec->kind == ADDR_SOCKET && spec->address.any.sa_family == AF_UNIX;
    bool is_name = spec->kind == ADDR_NAME || spec->kind == ADDR_SRV;
    if (is_unix)
        text_printf(context->why, "\"%.*s\": unix sockets are not yet supported", SHOWN_BYTES,
                    word);
    else if (is_name && !takes_names)
        text_printf(context->why, "\"%.*s\": must be an IP address or *, not a name",
                    SHOWN_BYTES, word);
    return !is_unix && (!is_name || takes_names);
}

static bool parse_listen_line(struct value_context *context, const char *value,
                              struct options options, struct model_listen *listen)
{
    struct quotes_words words;
    struct addr_spec spec;
    if (!value_split(context, value, &words))
        return false;
    if (words.n == 0 || !parse_address(context, words.at[0], false, &spec))
        return false;
    *listen = (struct model_listen){.address = spec.address,
                                    .interface = "",
                                    .backlog = BACKLOG_DEFAULT,
                                    .origin = context->origin};
    return options_parse(context, options, &words, 1, listen);
}

static bool parse_listen(struct value_context *context, const char *value, void *field)
{
    return parse_listen_line(context, value, OPTIONS(listen_options), field);
}

static bool parse_admin_listen(struct value_context *context, const char *value, void *field)
{
    return parse_listen_line(context, value, OPTIONS(admin_options), field);
}

static bool is_wildcard(const struct addr *address)
{
    return address->any.sa_family == AF_INET6
               ? IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr) != 0
               : address->any.sa_family == AF_INET && address->in.sin_addr.s_addr == 0;
}

static void print_listen_line(struct text *out, struct options options,
                              const struct model_listen *listen)
{
    char printed[ADDR_TEXT_BYTES];
    if (listen->address.any.sa_family == AF_INET6 && is_wildcard(&listen->address))
        text_printf(out, "*:%u", (unsigned)addr_port(&listen->address));
    else
        text_add(out, addr_print(printed, &listen->address));
    options_print(out, options, listen);
}

static void print_listen(struct text *out, const struct model *model,
                         const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    print_listen_line(out, OPTIONS(listen_options), field);
}

static void print_admin_listen(struct text *out, const struct model *model,
                               const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    print_listen_line(out, OPTIONS(admin_options), field);
}

/* ---- hosts ---- */

/* The name of an address that is one, in lower case: names that differ in case mean the same. */
static const char *make_lookup(struct arena *arena, const struct addr_spec *spec)
{
    char text[sizeof spec->name + sizeof "srv:"];
    if (spec->kind != ADDR_NAME && spec->kind != ADDR_SRV)
        return "";
    snprintf(text, sizeof text, "%s%s", spec->kind == ADDR_SRV ? "srv:" : "", spec->name);
    for (char *c = text; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return arena_copy(arena, text, strlen(text));
}

/* Name and address of a host; false with a sentence in why. */
static bool check_host(struct value_context *context, const struct quotes_words *words,
                       struct addr_spec *spec)
{
    if (words->n < 2) {
        text_add(context->why, "must be NAME ADDRESS:PORT, with options behind them");
        return false;
    }
    if (!value_is_name(words->at[0])) {
        text_printf(context->why,
                    "a host's name has 1 to 49 bytes without blanks, not \"%.*s\"", SHOWN_BYTES,
                    words->at[0]);
        return false;
    }
    if (!parse_address(context, words->at[1], true, spec))
        return false;
    bool is_socket = spec->kind == ADDR_SOCKET;
    if (spec->kind == ADDR_WILDCARD || (is_socket && !addr_is_one_host(&spec->address))) {
        text_printf(context->why, "\"%.*s\" is no address that can be connected to",
                    SHOWN_BYTES, words->at[1]);
        return false;
    }
    return true;
}

static bool parse_host(struct value_context *context, const char *value, void *field)
{
    struct model_host *host = field;
    struct quotes_words words;
    struct addr_spec spec;
    if (!value_split(context, value, &words))
        return false;
    if (!check_host(context, &words, &spec))
        return false;
    const char *line = arena_copy(context->arena, value, strlen(value));
    const char *lookup = make_lookup(context->arena, &spec);
    if (line == NULL || lookup == NULL) {
        text_add(context->why, "out of memory");
        return false;
    }
    bool is_literal = lookup[0] == '\0';
    *host = (struct model_host){.name = words.at[0],
                                .line_name = words.at[0],
                                .address = spec.address,
                                .address_text = words.at[1],
                                .lookup = lookup,
                                .lookup_port = is_literal ? 0 : spec.port,
                                .weight = 1,
                                .line = line,
                                .origin = context->origin};
    return options_parse(context, OPTIONS(host_options), &words, 2, host);
}

static void print_host(struct text *out, const struct model *model, const struct directive *row,
                       const void *field)
{
    (void)model;
    (void)row;
    const struct model_host *host = field;
    /* As written, so that a reload of what was saved sees an unchanged line. */
    quotes_add_value(out, host->line);
}

/* Addresses of one name share the line they come from. */
static bool is_of_same_line(const void *element, const void *before)
{
    const struct model_host *host = element, *other = before;
    return host->line == other->line;
}

const struct value_kind value_listen = {.noun = "address [options]",
                                        .form = "an address with its options",
                                        .is_words = true,
                                        .parse = parse_listen,
                                        .print = print_listen};
const struct value_kind value_admin_listen = {.noun = "address [tls] [insecure]",
                                              .form = "an address with its options",
                                              .is_words = true,
                                              .parse = parse_admin_listen,
                                              .print = print_admin_listen};
const struct value_kind value_host = {.noun = "name address [options]",
                                      .form = "a name and an address with its options",
                                      .is_words = true,
                                      .parse = parse_host,
                                      .is_continued = is_of_same_line,
                                      .print = print_host};
