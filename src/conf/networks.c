/* SPDX-License-Identifier: MIT */
/* The values that are bare IP addresses, networks, lengths of prefixes. */
#include "conf/networks.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "conf/addresses.h"
#include "conf/directives.h"

#define DNS_PORT 53
#define INET_BITS 32
#define INET6_BITS 128

/* ---- allow, deny ---- */

/* Words of a line, or a few more where there are blanks in quotes. */
static size_t most_words(const char *value)
{
    size_t n = 0;
    for (const char *c = value; *c != '\0'; c++)
        n += *c != ' ' && *c != '\t' && (c == value || c[-1] == ' ' || c[-1] == '\t');
    return n;
}

static bool parse_networks(struct value_context *context, const char *value, void *field)
{
    struct addr_network *networks = field;
    struct quotes_cursor cursor;
    struct quotes_word word;
    const char *why = NULL;
    size_t n = 0;
    bool is_right = quotes_start(&cursor, context->arena, value, &why);
    while (is_right && (is_right = quotes_next(&cursor, &word, &why)) && word.at != NULL) {
        if (addr_parse_network(word.at, &networks[n], &why) != 0)
            return value_refuse_word(context, word.at, why);
        n++;
    }
    if (!is_right)
        text_add(context->why, why);
    context->n_elements = n;
    return is_right;
}

static void print_network(struct text *out, const struct model *model,
                          const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    char text[ADDR_TEXT_BYTES];
    text_add(out, addr_print_network(text, field));
}

/* ---- one IP address ---- */

/* An address alone, without brackets, port or prefix. */
static bool parse_ip(struct value_context *context, const char *word, struct addr *out)
{
    struct addr_network network;
    const char *why;
    if (strchr(word, '/') != NULL)
        return value_refuse_word(context, word, "one address, without a prefix");
    if (addr_parse_network(word, &network, &why) != 0)
        return value_refuse_word(context, word, why);
    *out = network.address;
    return true;
}

static bool take_one_word(struct value_context *context, const char *value, const char **word)
{
    struct quotes_words words;
    if (!value_split(context, value, &words))
        return false;
    if (words.n != 1) {
        text_printf(context->why, "\"%.*s\": one address a line, the key repeats",
                    VALUE_SHOWN_BYTES, value);
        return false;
    }
    *word = words.at[0];
    return true;
}

static void set_port(struct addr *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET)
        address->in.sin_port = htons(port);
    else
        address->in6.sin6_port = htons(port);
}

/* "192.0.2.53", "2001:db8::53", "[2001:db8::53]" have no port; one behind brackets or a single colon is one. */
static bool has_port(const char *word)
{
    const char *colon = strrchr(word, ':');
    if (word[0] == '[')
        return word[strlen(word) - 1] != ']';
    return colon != NULL && strchr(word, ':') == colon;
}

bool value_take_socket(struct value_context *context, const char *word, uint16_t port,
                       struct addr *out)
{
    struct addr_spec spec = {0};
    size_t length = strlen(word);
    const char *why = NULL;
    if (has_port(word)) {
        if (addr_parse(word, &spec, &why) != 0)
            return value_refuse_word(context, word, why);
        if (spec.kind != ADDR_SOCKET || spec.address.any.sa_family == AF_UNIX)
            why = "must be an IP address, with a port behind it or not";
    } else {
        bool has_brackets = word[0] == '[' && length > 1;
        const char *ip =
            arena_copy(context->arena, word + has_brackets, has_brackets ? length - 2 : length);
        if (ip == NULL)
            return value_refuse_word(context, word, "out of memory");
        if (!parse_ip(context, ip, &spec.address))
            return false;
        set_port(&spec.address, port);
    }
    if (why == NULL && !addr_is_one_host(&spec.address))
        why = "no address that can be asked";
    if (why != NULL)
        return value_refuse_word(context, word, why);
    *out = spec.address;
    return true;
}

static bool parse_resolver(struct value_context *context, const char *value, void *field)
{
    struct addr address;
    const char *word;
    if (!take_one_word(context, value, &word))
        return false;
    if (word[0] == '[' && !has_port(word))
        return value_refuse_word(context, word, "brackets are for an address with a port");
    if (!value_take_socket(context, word, DNS_PORT, &address))
        return false;
    memcpy(field, &address, sizeof address);
    return true;
}

static void print_resolver(struct text *out, const struct model *model,
                           const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    char text[ADDR_TEXT_BYTES];
    text_add(out, addr_print(text, field));
}

static bool parse_bind(struct value_context *context, const char *value, void *field)
{
    struct model_bind bind = {0};
    const char *word;
    if (!take_one_word(context, value, &word))
        return false;
    bind.is_client = strcmp(word, "client") == 0;
    if (!bind.is_client && !parse_ip(context, word, &bind.address)) {
        text_add(context->why, "; must be an IP address without a port, or client");
        return false;
    }
    if (!bind.is_client && !addr_is_one_host(&bind.address))
        return value_refuse_word(context, word, "no address that a connection can come from");
    memcpy(field, &bind, sizeof bind);
    return true;
}

static void print_bind(struct text *out, const struct model *model, const struct directive *row,
                       const void *field)
{
    (void)model;
    (void)row;
    const struct model_bind *bind = field;
    char text[ADDR_TEXT_BYTES];
    bool is_v4 = bind->address.any.sa_family == AF_INET;
    /* A network of one address is printed as that alone. */
    const struct addr_network whole = {bind->address, is_v4 ? INET_BITS : INET6_BITS};
    text_add(out, bind->is_client ? "client" : addr_print_network(text, &whole));
}

/* ---- share_sources ---- */

static bool parse_length(struct value_context *context, const char *word, const char *family,
                         int64_t most, int64_t *out)
{
    if (units_parse_number(word, out) == 0 && *out <= most)
        return true;
    text_printf(context->why, "\"%.*s\": the prefix length of %s must be 0 to %" PRId64,
                VALUE_SHOWN_BYTES, word, family, most);
    return false;
}

static bool parse_prefixes(struct value_context *context, const char *value, void *field)
{
    struct model_prefixes prefixes;
    struct quotes_words words;
    if (!value_split(context, value, &words))
        return false;
    if (words.n != 2) {
        text_printf(context->why, "\"%.*s\" is not %s", VALUE_SHOWN_BYTES, value,
                    context->row->kind->form);
        return false;
    }
    if (!parse_length(context, words.at[0], "IPv4", INET_BITS, &prefixes.inet) ||
        !parse_length(context, words.at[1], "IPv6", INET6_BITS, &prefixes.inet6))
        return false;
    memcpy(field, &prefixes, sizeof prefixes);
    return true;
}

static void print_prefixes(struct text *out, const struct model *model,
                           const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    const struct model_prefixes *prefixes = field;
    text_printf(out, "%" PRId64 " %" PRId64, prefixes->inet, prefixes->inet6);
}

const struct value_kind value_network = {.noun = "network ...",
                                         .form = "one or more networks (as 10.0.0.0/8 ::1)",
                                         .is_words = true,
                                         .parse = parse_networks,
                                         .most = most_words,
                                         .print = print_network};
const struct value_kind value_resolver = {.noun = "address",
                                          .form = "an IP address, with a port or without",
                                          .is_words = true,
                                          .parse = parse_resolver,
                                          .print = print_resolver};
const struct value_kind value_bind = {.noun = "address | client",
                                      .form = "an IP address without a port, or client",
                                      .is_words = true,
                                      .parse = parse_bind,
                                      .print = print_bind};
const struct value_kind value_prefixes = {.noun = "bits bits",
                                          .form =
                                              "two prefix lengths, of IPv4 and IPv6 (as 32 64)",
                                          .is_words = true,
                                          .parse = parse_prefixes,
                                          .print = print_prefixes};
