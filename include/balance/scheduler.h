/* SPDX-License-Identifier: MIT */
/* The interface of a scheduler: which of the usable hosts comes next. */
#ifndef BALANCE_SCHEDULER_H
#define BALANCE_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "balance/group.h"

#define PICK_MOST_TRIED 16

/* One choice to be made. */
struct pick_request {
    uint64_t now_ns;
    const struct addr *client; /* NULL or without an IP address: nothing to hash */
    uint64_t key; /* filled by pick_host: for a scheduler that hashes, of the client (hash_bytes
                     with a key of zeros over its 4 or 16 address bytes, the same on every machine and in
                     every release); else random */
    uint32_t tried[PICK_MOST_TRIED]; /* indexes into group->hosts not to be chosen again */
    uint32_t n_tried;
};

struct scheduler {
    const char *name; /* the configuration's word */
    bool is_keyed;    /* the choice follows from request->key */
    /*
     * Builds what choose needs from group->usable (never empty here); frees what an earlier
     * call left in group->prepared. 0, or -1 with errno ENOMEM.
     */
    int (*prepare)(struct group *group);
    /*
     * Chooses and claims a host among group->usable that is neither tried nor full.
     * Bounded: at most a few steps per usable host.
     * Returns its index into group->hosts with one place claimed, or -1 when none can be had.
     */
    int32_t (*choose)(struct group *group, const struct pick_request *request);
    /* Frees group->prepared; may be NULL when there is nothing. */
    void (*fini)(struct group *group);
};

/*
 * By whose ideas: twochoices, the power of two choices (Mitzenmacher 2001); source, rendezvous
 * hashing (Thaler and Ravishankar 1998; balance/rendezvous); maglev, "Maglev: A Fast and Reliable
 * Software Network Load Balancer" (Eisenbud and others, NSDI 2016).
 */
extern const struct scheduler scheduler_roundrobin, scheduler_leastconn, scheduler_random,
    scheduler_weighted, scheduler_first, scheduler_twochoices, scheduler_source,
    scheduler_maglev;

/* The scheduler for the configuration's word; NULL when it is not built yet. */
const struct scheduler *scheduler_find(enum scheduler_kind kind);

/*
 * The key of a client with an IP address, the same on every machine and in every release.
 * An IPv4 address mapped into IPv6 counts as the IPv4 address it is.
 * Returns false, and no key, for NULL and for addresses that are not IP.
 */
bool scheduler_client_key(const struct addr *client, uint64_t *key_out);

/* For schedulers: whether request->key is its client's. */
bool scheduler_has_key(const struct pick_request *request);

/* For schedulers: what a host is known by in hashes: its name, whatever its address or its place in the file. */
uint64_t scheduler_identity(const struct host *host);

/* For schedulers: true when the host (index into group->hosts) was tried before. */
bool scheduler_is_tried(const struct pick_request *request, uint32_t index);

/*
 * For schedulers: whether a host may be chosen for this request as far as slow start goes: of
 * all keys the share that host_warmth tells may, and a key that once may goes on to, as the share
 * grows. The last resort, scheduler_scan, does not ask.
 */
bool scheduler_is_warm(const struct group *group, const struct pick_request *request,
                       uint32_t index);

/* For schedulers: host_warmth of the host; HOST_WARM, too, when no host is in slow start. */
uint32_t scheduler_warmth(const struct group *group, uint64_t now_ns, uint32_t index);

/* For schedulers: claims the host's place under its limit; false when it is full. */
bool scheduler_claim(const struct group *group, uint32_t index);

/*
 * For schedulers: claims the next usable host that is neither tried nor full.
 * first  where in group->usable to begin; the search goes once round
 * Returns its index into group->hosts, or -1 when there is none.
 */
int32_t scheduler_scan(const struct group *group, const struct pick_request *request,
                       uint32_t first);

/*
 * For schedulers: the host's weight, at least 1 (it may have become 0 since the list of the usable
 * was made; the next pick sees that).
 */
uint32_t scheduler_weight(const struct group *group, uint32_t index);

#endif
