/* SPDX-License-Identifier: MIT */
/* Run-time services, groups, hosts of one configuration, counted by the connections that use it. */
#ifndef RELAY_GENERATION_H
#define RELAY_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "balance/pick.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "conf/bundle.h"
#include "net/netset.h"
#include "net/sock.h"
#include "relay/parked.h"

/* What a worker remembers of a host for as long as the generation lives. */
struct host_note {
    struct log_limit failures;
    uint32_t eager_misses;          /* sends in a row that came before the handshake was over */
    struct ssl_session_st *session; /* of TLS, that the host gave last; owned, or NULL */
    bool is_near;                   /* the last that was tried came after it */
};

/* A group with what this worker remembers of its hosts. */
struct group_line {
    struct group group;
    struct host_note *notes; /* one a host */
    uint32_t *by_number;     /* indexes into group.hosts, by row number, ascending */
    struct tls_trust *trust; /* hosts are spoken TLS with; NULL: they are not */
    uint32_t next_bind;      /* whose turn it is of the group's source addresses */
};

struct ssl_session_st;
struct tls_server;
struct tls_trust;
struct warm_pool;

/* From a service to one of its groups. */
struct way {
    struct group_line *line;
    struct sock_options host_options;
    struct parked
        parked; /* host sockets made fresh again; none where source addresses are given */
    struct warm_pool
        *pools; /* one a host of the group; NULL: nothing is kept open ahead of need */
};

/* A listen line of a service: what a client goes through before a host is sought. */
struct entrance {
    const struct model_listen *model;
    struct netset proxies; /* who must begin with a PROXY header; empty: there are none */
};

/* One service of one generation in one worker. */
struct service {
    const struct model_service *model;
    uint32_t number; /* of its row */
    struct service_row *row;
    struct service_shard *shard;
    struct way *ways; /* to each of its groups, by place */
    uint32_t n_ways;
    uint32_t
        n_reserve; /* the first so many: `group` and `standby`, which stand in for each other */
    bool looks_ahead;            /* a route asks for what TLS clients say first */
    struct tls_server *tls;      /* for entrances with TLS; NULL: there are none */
    bool sends_proxy;            /* some host of it gets a PROXY header */
    struct entrance *entrances;  /* one a listen line */
    struct log_limit refusals;   /* clients whose opening was not as it must be */
    struct netset allow, deny;   /* no network in allow: everybody may enter */
    struct source_limits limits; /* for each source */
};

/* Owner: whoever holds a reference; freed with the last. Belongs to one thread once built. */
struct generation {
    uint64_t id;
    uint64_t references;
    struct model *model;
    struct bundle_rows rows; /* lives in the model */
    struct service *services;
    struct group_line *lines;                  /* one a group */
    void (*on_free)(void *owner, uint64_t id); /* the last reference is gone */
    void *owner;
    int64_t *parked_count; /* the worker's count of parked sockets; NULL outside a worker */
    bool has_tls;          /* with clients or with hosts */
    bool is_past;          /* another one is current: it keeps no host sockets */
    struct list_node past; /* in relay.past, until it is shed; see relay/past */
    uint64_t opened_ns;    /* then: when no client of it can be in its opening any more */
    uint32_t
        n_shakes; /* handshakes under way, also of who has left while another thread is at it */
};

/* Where a generation runs. */
struct generation_place {
    const struct segment *segment;
    uint32_t slot;
    struct random *random; /* the worker's; outlives the generation */
};

/*
 * Builds a generation from a bundle; may run on a task thread.
 * keys_fd  the keys that workers get; -1: there are none. Both descriptors stay the caller's
 * Returns it with one reference (the caller's), or NULL with the reasons in problems.
 */
struct generation *generation_new(const struct generation_place *place, int bundle_fd,
                                  int keys_fd, uint64_t id, struct problems *problems);

/* Another one is current from now on: its parked host sockets make room for that one's. */
void generation_retire(struct generation *generation);

/* Nobody shakes hands under it any more: certificates and lists go, which are of no use to connections that are open. */
void generation_shed(struct generation *generation);

/* The index in its group of the host with this row number; false when the group has none. */
bool generation_find_host(const struct group_line *line, uint32_t number, uint32_t *index_out);

struct generation *generation_get(struct generation *generation);
void generation_put(struct generation *generation);

#endif
