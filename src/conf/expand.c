/* SPDX-License-Identifier: MIT */
/* Hosts whose address is a name: a line becomes a host for each address that is known. */
#include "conf/expand.h"

#include <netinet/in.h>
#include <string.h>

#define HOST_WEIGHT_MOST 256

static const struct address_entry *meaning_of(const struct conf_store *store,
                                              const struct model_host *host)
{
    return host->lookup[0] != '\0' ? addresses_find(&store->addresses, host->lookup) : NULL;
}

/* "10.0.0.1:80", or without its port, as printed. False when memory ran out. */
static bool print_address(struct arena *arena, const struct addr *address,
                          const char **with_port, const char **without)
{
    char text[ADDR_TEXT_BYTES], bare[ADDR_TEXT_BYTES];
    addr_print(text, address);
    bool has_brackets = text[0] == '[';
    size_t length = strcspn(text, has_brackets ? "]" : ":") - has_brackets;
    memcpy(bare, text + has_brackets, length);
    *with_port = arena_copy(arena, text, strlen(text));
    *without = arena_copy(arena, bare, length);
    return *with_port != NULL && *without != NULL;
}

static int64_t weigh(int64_t of_host, uint32_t of_record)
{
    int64_t weight = of_host * (int64_t)of_record;
    return weight > HOST_WEIGHT_MOST ? HOST_WEIGHT_MOST : weight;
}

/* The host that a line is at one address of its name. False when memory ran out. */
static bool place_host(struct arena *arena, const struct model_host *line,
                       const struct address *meaning, bool is_alone, struct model_host *out)
{
    const char *with_port, *without;
    *out = *line;
    out->address = meaning->at;
    out->weight = weigh(line->weight, meaning->weight);
    bool is_srv = line->lookup_port == 0;
    if (!is_srv && meaning->at.any.sa_family == AF_INET)
        out->address.in.sin_port = htons(line->lookup_port);
    else if (!is_srv)
        out->address.in6.sin6_port = htons(line->lookup_port);
    if (!print_address(arena, &out->address, &with_port, &without))
        return false;
    out->address_text = with_port;
    if (is_alone)
        return true;
    /* Of a service record two hosts may lie at one address, on ports of their own. */
    const char *suffix = is_srv ? with_port : without;
    size_t length = strlen(line->name), suffix_length = strlen(suffix);
    char *name = arena_take(arena, length + suffix_length + 2);
    if (name == NULL)
        return false;
    memcpy(name, line->name, length);
    name[length] = '@';
    memcpy(name + length + 1, suffix, suffix_length);
    out->name = name;
    return true;
}

/* Puts the hosts that the lines mean in place of these. False when memory ran out. */
static bool expand_group(struct conf_store *store, struct model_group *group)
{
    size_t most = 0, n = 0;
    bool has_names = false;
    for (size_t i = 0; i < group->n_hosts; i++) {
        const struct address_entry *meaning = meaning_of(store, &group->hosts[i]);
        most += meaning != NULL ? meaning->n : 1;
        has_names |= meaning != NULL;
    }
    if (!has_names)
        return true;
    struct model_host *hosts = arena_take_array(&store->arena, most, sizeof *hosts);
    if (hosts == NULL)
        return false;
    for (size_t i = 0; i < group->n_hosts; i++) {
        const struct model_host *line = &group->hosts[i];
        const struct address_entry *meaning = meaning_of(store, line);
        if (meaning == NULL)
            hosts[n++] = *line;
        for (size_t k = 0; meaning != NULL && k < meaning->n; k++)
            if (!place_host(&store->arena, line, &meaning->addresses[k], meaning->n == 1,
                            &hosts[n++]))
                return false;
    }
    group->hosts = hosts;
    group->n_hosts = n;
    return true;
}

bool expand_names(struct conf_store *store, struct model *model)
{
    for (size_t i = 0; i < model->n_groups; i++)
        if (!expand_group(store, &model->groups[i]))
            return false;
    return true;
}
