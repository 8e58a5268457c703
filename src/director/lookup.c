/* SPDX-License-Identifier: MIT */
/* One question: which addresses has this name, or this service. */
#include "director/lookup.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "net/sock.h"
#include "net/srv.h"

/*
 * A lookup is made of parts, one for each question that c-ares has: the service records, then both
 * families of each target. The families are asked apart: c-ares takes the failure of one for an answer
 * when the other has one, and a server that lost AAAA for a minute would take hosts away. The hosts
 * file is looked at first, as everywhere. When the last part has ended the answer is told on
 * the loop's next turn, so that nobody is called out of c-ares.
 */
enum { RECORDS_MOST = 256, FOUND_MOST = 1024, HOSTS_FILE_TTL_S = 30, TTL_NONE = INT32_MAX };

static const char service_word[] = "srv:";

struct lookup {
    struct ev_loop *loop;
    struct dns *dns;
    lookup_done *on_done; /* NULL = nobody wants to know */
    void *context;
    size_t n_parts;        /* under way */
    struct address *found; /* owned */
    size_t n, capacity;
    bool is_v4_open, is_v6_open, is_cut;
    bool has_refused, has_unreachable; /* addresses that were left out */
    uint32_t ttl_s;
    int status; /* of c-ares: what spoke against an answer last */
    struct ev_timer done;
};

/* A question of c-ares. Owner: c-ares, until it calls back. */
struct part {
    struct lookup *lookup;
    int family; /* AF_UNSPEC: the service records */
    uint16_t port;
    uint32_t weight;
    bool is_second; /* it was asked before, without answer */
    char name[SRV_NAME_BYTES];
};

/* ---- the end ---- */

static void lookup_free(struct lookup *lookup)
{
    free(lookup->found);
    free(lookup);
}

static const char *reason(const struct lookup *lookup)
{
    if (lookup->has_refused)
        return "has only addresses that no host can have";
    if (lookup->has_unreachable)
        return "has only IPv6 addresses, and this machine has no way there";
    switch (lookup->status) {
    case ARES_ENOTFOUND:
        return "no such name";
    case ARES_SUCCESS:
    case ARES_ENODATA:
        return "has no address";
    case ARES_ESERVFAIL:
        return "the name server failed (SERVFAIL)";
    case ARES_EREFUSED:
        return "the name server refuses to answer";
    case ARES_ETIMEOUT:
        return "no name server answers";
    case ARES_EBADRESP:
        return "the name server's answer is damaged";
    case ARES_ECONNREFUSED:
        return "no name server can be reached";
    default:
        return ares_strerror(lookup->status);
    }
}

static void on_done(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct lookup *lookup = timer->data;
    const struct lookup_answer answer = {
        .found = lookup->found,
        .n = lookup->n,
        .is_v4_open = lookup->is_v4_open,
        .is_v6_open = lookup->is_v6_open,
        .is_cut = lookup->is_cut,
        .ttl_s = lookup->ttl_s == TTL_NONE ? 0 : lookup->ttl_s,
        .why = reason(lookup),
    };
    (void)loop;
    (void)events;
    lookup->on_done(lookup->context, &answer);
    lookup_free(lookup);
}

/* One part less. */
static void end_part(struct lookup *lookup)
{
    if (--lookup->n_parts > 0)
        return;
    if (lookup->on_done == NULL)
        lookup_free(lookup);
    else
        ev_timer_start(lookup->loop, &lookup->done);
}

void lookup_cancel(struct lookup *lookup)
{
    lookup->on_done = NULL;
    if (lookup->n_parts > 0)
        return;
    ev_timer_stop(lookup->loop, &lookup->done);
    lookup_free(lookup);
}

/* ---- what comes in ---- */

static void limit_ttl(struct lookup *lookup, int ttl_s)
{
    uint32_t at_most_s = ttl_s > 0 ? (uint32_t)ttl_s : 0;
    if (at_most_s < lookup->ttl_s)
        lookup->ttl_s = at_most_s;
}

static bool make_room(struct lookup *lookup)
{
    if (lookup->n < lookup->capacity)
        return true;
    size_t capacity = lookup->capacity > 0 ? 2 * lookup->capacity : 16;
    struct address *grown =
        capacity <= FOUND_MOST ? realloc(lookup->found, capacity * sizeof *grown) : NULL;
    if (grown == NULL)
        return false;
    lookup->found = grown;
    lookup->capacity = capacity;
    return true;
}

static void add_address(struct lookup *lookup, const struct part *part, struct addr address)
{
    addr_unmap(&address);
    if (!addr_is_one_host(&address)) {
        lookup->has_refused = true;
        return;
    }
    if (address.any.sa_family == AF_INET6 && !sock_has_route(&address)) {
        lookup->has_unreachable = true;
        return;
    }
    if (address.any.sa_family == AF_INET)
        address.in.sin_port = htons(part->port);
    else
        address.in6.sin6_port = htons(part->port);
    for (size_t i = 0; i < lookup->n; i++)
        if (addr_is_equal(&lookup->found[i].at, &address))
            return;
    if (make_room(lookup))
        lookup->found[lookup->n++] = (struct address){.at = address, .weight = part->weight};
}

/* A part has failed: that there is nothing is an answer, all else leaves open what there is. */
static void note_failure(struct lookup *lookup, int family, int status)
{
    bool is_open = status != ARES_ENOTFOUND && status != ARES_ENODATA;
    lookup->is_cut |= status == ARES_EDESTRUCTION || status == ARES_ECANCELLED;
    lookup->is_v4_open |= is_open && family == AF_INET;
    lookup->is_v6_open |= is_open && family == AF_INET6;
    bool is_worse = lookup->status == ARES_SUCCESS || lookup->status == ARES_ENODATA ||
                    (lookup->status == ARES_ENOTFOUND && status != ARES_ENODATA);
    if (is_worse)
        lookup->status = status;
}

static void ask(struct part *part);

/* A lost packet is asked for once more; what was refused is not. */
static bool ask_again(struct part *part, int status)
{
    if (status != ARES_ETIMEOUT || part->is_second || part->lookup->on_done == NULL)
        return false;
    part->is_second = true;
    ask(part);
    return true;
}

static void on_addresses(void *context, int status, int timeouts, struct ares_addrinfo *result)
{
    struct part *part = context;
    struct lookup *lookup = part->lookup;
    (void)timeouts;
    if (ask_again(part, status))
        return;
    if (status != ARES_SUCCESS) {
        note_failure(lookup, part->family, status);
    } else {
        for (const struct ares_addrinfo_node *node = result->nodes; node != NULL;
             node = node->ai_next) {
            struct addr address = {.length = node->ai_addrlen};
            if (node->ai_addrlen > sizeof address.in6)
                continue;
            memcpy(&address.any, node->ai_addr, node->ai_addrlen);
            limit_ttl(lookup, node->ai_ttl);
            add_address(lookup, part, address);
        }
        for (const struct ares_addrinfo_cname *alias = result->cnames; alias != NULL;
             alias = alias->next)
            limit_ttl(lookup, alias->ttl);
    }
    ares_freeaddrinfo(result); /* takes NULL */
    free(part);
    end_part(lookup);
}

static void ask_target(struct lookup *lookup, const struct part *like);

static void on_records(void *context, int status, int timeouts, unsigned char *bytes,
                       int length)
{
    struct part *part = context;
    struct lookup *lookup = part->lookup;
    (void)timeouts;
    if (ask_again(part, status))
        return;
    struct srv_record *records = NULL;
    if (status == ARES_SUCCESS)
        records = malloc(RECORDS_MOST * sizeof *records);
    int n = records != NULL ? srv_parse(bytes, (size_t)length, records, RECORDS_MOST) : 0;
    if (status == ARES_SUCCESS && records == NULL)
        status = ARES_ENOMEM;
    else if (n < 0)
        status = ARES_EBADRESP;
    if (status != ARES_SUCCESS)
        note_failure(lookup, part->family, status);
    n = n > 0 ? srv_choose(records, n) : 0;
    for (int i = 0; i < n && lookup->on_done != NULL; i++) {
        struct part like = {.port = records[i].port, .weight = records[i].weight};
        memcpy(like.name, records[i].target, sizeof like.name);
        limit_ttl(lookup, (int)records[i].ttl_s);
        ask_target(lookup, &like);
    }
    free(records);
    free(part);
    end_part(lookup);
}

/* ---- what goes out ---- */

/* c-ares may call back before this returns, and then the part is gone. */
static void ask(struct part *part)
{
    const struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT,
                                              .ai_family = part->family};
    struct dns *dns = part->lookup->dns;
    if (part->family == AF_UNSPEC)
        ares_query(dns_channel(dns), part->name, ns_c_in, ns_t_srv, on_records, part);
    else
        ares_getaddrinfo(dns_channel(dns), part->name, NULL, &hints, on_addresses, part);
}

static void begin_part(struct lookup *lookup, const struct part *like, int family)
{
    struct part *part = malloc(sizeof *part);
    if (part == NULL) {
        note_failure(lookup, family, ARES_ENOMEM);
        return;
    }
    *part = *like;
    part->lookup = lookup;
    part->family = family;
    lookup->n_parts++;
    ask(part);
}

/* True when the hosts file knows the name. */
static bool is_in_hosts_file(struct lookup *lookup, const struct part *like, int family)
{
    struct hostent *entry = NULL;
    if (ares_gethostbyname_file(dns_channel(lookup->dns), like->name, family, &entry) !=
        ARES_SUCCESS)
        return false;
    for (char **at = entry->h_addr_list; *at != NULL; at++) {
        struct addr address = {0};
        address.any.sa_family = (sa_family_t)family;
        address.length = family == AF_INET ? sizeof address.in : sizeof address.in6;
        if (family == AF_INET)
            memcpy(&address.in.sin_addr, *at, sizeof address.in.sin_addr);
        else
            memcpy(&address.in6.sin6_addr, *at, sizeof address.in6.sin6_addr);
        limit_ttl(lookup, HOSTS_FILE_TTL_S);
        add_address(lookup, like, address);
    }
    ares_free_hostent(entry);
    return true;
}

static void ask_target(struct lookup *lookup, const struct part *like)
{
    bool has_v4 = is_in_hosts_file(lookup, like, AF_INET);
    bool has_v6 = is_in_hosts_file(lookup, like, AF_INET6);
    if (has_v4 || has_v6)
        return;
    begin_part(lookup, like, AF_INET);
    begin_part(lookup, like, AF_INET6);
}

struct lookup *lookup_start(struct ev_loop *loop, struct dns *dns, const char *name,
                            lookup_done *done, void *context)
{
    size_t word = sizeof service_word - 1;
    bool is_service = strncmp(name, service_word, word) == 0;
    const char *asked = is_service ? name + word : name;
    struct part like = {.weight = 1};
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    *lookup = (struct lookup){.loop = loop,
                              .dns = dns,
                              .on_done = done,
                              .context = context,
                              .n_parts = 1, /* this function's own */
                              .ttl_s = TTL_NONE};
    ev_timer_init(&lookup->done, on_done, 0., 0.);
    lookup->done.data = lookup;
    size_t length = strnlen(asked, sizeof like.name);
    if (length == sizeof like.name) {
        note_failure(lookup, AF_UNSPEC, ARES_EBADNAME);
    } else {
        memcpy(like.name, asked, length);
        if (is_service)
            begin_part(lookup, &like, AF_UNSPEC);
        else
            ask_target(lookup, &like);
    }
    dns_watch(dns);
    if (--lookup->n_parts == 0)
        ev_timer_start(loop, &lookup->done);
    return lookup;
}
