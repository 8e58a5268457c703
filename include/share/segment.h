/* SPDX-License-Identifier: MIT */
/* The shared-memory segment: one sparse memfd of rows that every process maps. */
#ifndef SHARE_SEGMENT_H
#define SHARE_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "share/groups.h"
#include "share/hosts.h"
#include "share/labels.h"
#include "share/live.h"
#include "share/questions.h"
#include "share/remembered.h"
#include "share/services.h"
#include "share/slates.h"
#include "share/slots.h"
#include "share/sources.h"
#include "share/standing.h"
#include "share/stick.h"
#include "share/tickets.h"
#include "share/wishes.h"

enum {
    SEGMENT_SLOTS = 512, /* twice 256 workers: an upgrade runs two sets */
    SEGMENT_HOSTS = 65536,
    SEGMENT_GROUPS = 4096,
    SEGMENT_SERVICES = 1024,
    HOSTS_A_BLOCK = 32,
    SEGMENT_ENTRIES_MOST = 100000000 + SOURCE_WAYS, /* of the stick table, of the sources */
    SEGMENT_LIVE = 131072                           /* open connections a worker */
};

#define SEGMENT_VERSION 8

/* Sizes that the configuration decides, once for the life of the daemon. Zero: as by default. */
struct segment_sizes {
    uint64_t stick_entries, source_entries;
};

/* Words of the whole daemon. Zeroed at creation. */
struct daemon_row {
    uint32_t magic, version;
    struct segment_sizes sizes;
    struct hash_key
        secret; /* of the hashes in stick and sources; random, by master at creation */
    _Atomic uint64_t generation; /* committed on every process; written by master */
    _Atomic uint64_t started_ns; /* monotonic, by master */
    _Atomic uint32_t state;      /* enum daemon_state, by master */
    _Atomic uint64_t reloads_ok, reloads_failed;
    _Atomic uint32_t
        generations; /* that some process still uses, the current one included; by master */
    _Atomic uint64_t director_restarts;
    _Atomic uint64_t
        change; /* bumped whenever rows changed that a waiting process may care for */
    _Atomic uint64_t access_lines, access_dropped;
    _Atomic uint64_t
        lines_lost; /* of the logs: what master, director or the targets could not take */
    _Atomic uint64_t next_connection;  /* connection ids: unique over all workers */
    _Atomic uint64_t director_beat_ns; /* the director's heartbeat, monotonic */
    _Atomic uint64_t settled;          /* slots settled, by settle_slot: the audit's cue */
    _Atomic uint32_t has_sources;      /* some source was ever counted: else nobody looks */
    _Atomic uint64_t
        standings; /* bumped by the director when it has written some, and when it begins */
    _Atomic uint64_t ocsp_good, ocsp_revoked, ocsp_failed; /* what has become of questions */
    struct tickets tickets; /* keys of TLS tickets, by master at creation, then the director */
    struct wishes wishes;   /* of workers, for the director to fetch */
    /* One more than the highest row ever in use: nobody looks (and so pays for pages) beyond. */
    _Atomic uint32_t slots_used;                             /* by segment_use_slot */
    _Atomic uint32_t hosts_used, groups_used, services_used; /* by host_reset, … */
};
enum daemon_state { DAEMON_STARTING, DAEMON_SERVING, DAEMON_DRAINING };

/*
 * A mapping. The arrays are addressed as rows[n]; sharded ones as
 * host_shards[slot * SEGMENT_HOSTS + host] through the functions of their module.
 * Untouched pages cost nothing. The mapping is left out of core dumps.
 */
struct segment {
    int fd; /* owned */
    void *base;
    size_t bytes;
    struct daemon_row *daemon;
    struct slot_row *slots;
    struct host_row *hosts;
    struct host_shard *host_shards;
    struct group_row *groups;
    struct service_row *services;
    struct service_shard *service_shards;
    struct live_row *live;            /* live[slot * SEGMENT_LIVE + n] */
    struct host_change *host_changes; /* host_changes[host * HOST_CHANGES + n] */
    _Atomic uint64_t *line_firsts;    /* line_firsts[group * SEGMENT_SLOTS + slot] */
    _Atomic uint32_t *
        host_blocks; /* host_blocks[host / HOSTS_A_BLOCK]: moves with each claim or release in the block */
    struct live_traffic *live_traffic;                         /* as live */
    struct slate *slates;                                      /* slates[slot] */
    struct label *service_labels, *group_labels, *host_labels; /* by row */
    struct remembered *remembered;                             /* REMEMBERED_MOST of them */
    struct standing_row *standings;                            /* STANDINGS_MOST of them */
    struct question_place *questions;                          /* QUESTIONS_MOST of them */
    struct stick_entry *stick;
    struct source_bucket *sources; /* source_entries / SOURCE_WAYS of them */
};

/*
 * Makes a new segment of zero rows; sizes NULL: the defaults, which 0 means, too; they are rounded
 * up to whole buckets. Returns 0, or -1 with errno; EINVAL: more than SEGMENT_ENTRIES_MOST.
 */
int segment_create(struct segment *segment, const struct segment_sizes *sizes);

/* Maps the segment behind fd, which the segment then owns. -1 with errno; EPROTO: other layout. */
int segment_attach(struct segment *segment, int fd);

/* Unmaps it, closes the descriptor. */
void segment_fini(struct segment *segment);

/* Master, before the first process sits in the slot: sums look at used slots only. */
void segment_use_slot(struct segment *segment, uint32_t slot);

/*
 * For walking a table of which little may be in use: the first part at or after *from that has
 * pages. Reading elsewhere would bring pages into being.
 * table, bytes  within the mapping
 * from, end     offsets in the table; the part found
 * Returns false when there is none.
 */
bool segment_find_used(const struct segment *segment, const void *table, size_t bytes,
                       size_t *from, size_t *end);

/*
 * What a mark says, but never more than the most rows there are. Workers can write everything in
 * here, and master, which reads it, may be root: no scribble there may stop it.
 */
static inline uint32_t segment_used(const _Atomic uint32_t *mark, uint32_t most)
{
    uint32_t used = atomic_load(mark);
    return used < most ? used : most;
}

/* Raises a mark (one of daemon_row's …_used) to at least used; it never goes back. */
void segment_raise(_Atomic uint32_t *mark, uint32_t used);

#endif
