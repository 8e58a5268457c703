/* SPDX-License-Identifier: MIT */
/* Finds and takes off what a kill between two steps has left in the totals, while all goes on. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "share/settle.h"

/*
 * How it works. A total is raised before, and lowered after, the shards that it is the sum of: what
 * it has more is either a claim being made just now, or one whose maker was killed in between.
 * A single look cannot tell; of ten looks the least excess is believed.
 * A look counts only when nothing has moved meanwhile: else a connection that went from one worker to
 * another behind its back would make the sum too high, and a leftover would not be seen. What moves
 * with each claim is the word of the host's block, the service's moves, the source's version; it does so
 * between total and shard, and the total is read before the shards: a claim whose shard was seen, but
 * not its total, is thus noticed. A place given back can only make the total look too high.
 * What some look has found right is not looked at again. And nothing is believed before each worker
 * has turned once more: one that was put aside between the two steps stands still as if it were dead.
 */

enum {
    TRIES = 64,      /* to read while nothing moves */
    ROW_TRIES = 8,   /* the same for sources, where each try is a walk over live rows */
    QUIET_LEAST = 3, /* looks that could tell, before anything is believed */
};

static void note_excess(struct settle_excess *seen, int64_t excess)
{
    if (seen->looks == 0 || excess < seen->least)
        seen->least = excess;
    if (seen->looks == 0 || excess > seen->most)
        seen->most = excess;
    seen->looks++;
}

/* Some look has found it right, or too low once and too high another time. */
static bool is_cleared(const struct settle_excess *seen)
{
    return seen->looks > 0 && seen->least <= 0 && seen->most >= 0;
}

/* What every look agreed on: too high by so much, or (negative) too low. */
static int64_t agreed_excess(const struct settle_excess *seen)
{
    if (seen->looks < QUIET_LEAST || is_cleared(seen))
        return 0;
    return seen->least > 0 ? seen->least : seen->most;
}

/* Hosts, services, groups */

static int64_t host_held(const struct segment *segment, uint32_t host)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);
    int64_t held = 0;

    for (uint32_t slot = 0; slot < n_slots; slot++)
        held += atomic_load(&host_shard(segment, slot, host)->in_flight);
    return held;
}

static void look_at_host(const struct segment *segment, uint32_t host,
                         struct settle_excess *seen)
{
    const _Atomic uint32_t *moves = &segment->host_blocks[host / HOSTS_A_BLOCK];

    if (is_cleared(seen))
        return;
    for (int i = 0; i < TRIES; i++) {
        uint32_t before = atomic_load(moves);
        int64_t total = atomic_load(&segment->hosts[host].in_flight);
        int64_t held = host_held(segment, host);
        if (atomic_load(moves) != before)
            continue;
        note_excess(seen, total - held);
        return;
    }
}

static int64_t service_held(const struct segment *segment, uint32_t service)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);
    int64_t held = 0;

    for (uint32_t slot = 0; slot < n_slots; slot++)
        held += atomic_load(&service_shard(segment, slot, service)->connections);
    return held;
}

static void look_at_service(const struct segment *segment, uint32_t service,
                            struct settle_excess *seen)
{
    const struct service_row *row = &segment->services[service];

    if (is_cleared(seen))
        return;
    for (int i = 0; i < TRIES; i++) {
        uint64_t before = atomic_load(&row->moves);
        int64_t total = atomic_load(&row->open);
        int64_t held = service_held(segment, service);
        if (atomic_load(&row->moves) != before)
            continue;
        note_excess(seen, total - held);
        return;
    }
}

static void look_at_groups(const struct segment *segment, struct settle_audit *audit)
{
    memset(audit->counts, 0, audit->n_groups * sizeof *audit->counts);
    for (uint32_t host = 0; host < audit->n_hosts; host++) {
        const struct host_row *row = &segment->hosts[host];
        uint32_t group = atomic_load(&row->group);
        if (group < audit->n_groups && atomic_load(&row->ejected_until_ns) != 0)
            audit->counts[group]++;
    }
    for (uint32_t group = 0; group < audit->n_groups; group++) {
        int64_t ejected = atomic_load(&segment->groups[group].ejected);
        note_excess(&audit->groups[group], ejected - audit->counts[group]);
    }
}

/* Sources */

/* All that count connections now; one that begins to later is not suspected. */
static int gather_sources(const struct segment *segment, struct settle_audit *audit)
{
    struct source_walk walk = {0};
    size_t capacity = 0;

    if (atomic_load(&segment->daemon->has_sources) == 0)
        return 0;
    for (uint32_t entry; (entry = source_next(segment, &walk)) != 0; audit->n_sources++) {
        if (audit->n_sources == capacity) {
            capacity = capacity == 0 ? 64 : 2 * capacity;
            struct settle_source *more =
                realloc(audit->sources, capacity * sizeof *audit->sources);
            if (more == NULL)
                return -1;
            audit->sources = more;
        }
        audit->sources[audit->n_sources] = (struct settle_source){.entry = entry};
    }
    return 0;
}

/* How many live rows name each entry. */
static void count_rows(const struct segment *segment, uint32_t *counts)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);

    for (uint32_t slot = 0; slot < n_slots; slot++) {
        uint32_t n_rows = atomic_load(&segment->slots[slot].live_used);
        for (uint32_t n = 0; n < n_rows && n < SEGMENT_LIVE; n++) {
            uint32_t source = atomic_load(&live_row(segment, slot, n)->source);
            if (source <= segment->daemon->sizes.source_entries)
                counts[source]++;
        }
    }
}

/* One walk over the rows, for those that have moved in each one before. Returns how many still have. */
static size_t try_sources(const struct segment *segment, struct settle_audit *audit,
                          uint32_t *counts)
{
    size_t n_moved = 0;

    for (size_t i = 0; i < audit->n_sources; i++) {
        struct settle_source *source = &audit->sources[i];
        counts[source->entry] = 0;
        if (!source->is_quiet)
            source->open = source_open(segment, source->entry, &source->word);
    }
    count_rows(segment, counts);
    for (size_t i = 0; i < audit->n_sources; i++) {
        struct settle_source *source = &audit->sources[i];
        uint64_t word;
        if (source->is_quiet)
            continue;
        source_open(segment, source->entry, &word);
        source->is_quiet = word == source->word;
        n_moved += !source->is_quiet;
        if (source->is_quiet)
            note_excess(&source->excess, source->open - counts[source->entry]);
    }
    return n_moved;
}

static int look_at_sources(const struct segment *segment, struct settle_audit *audit)
{
    if (audit->n_sources == 0)
        return 0;
    /* Only the pages of entries that rows name come into being. */
    uint32_t *counts = calloc(segment->daemon->sizes.source_entries + 1, sizeof *counts);
    if (counts == NULL)
        return -1;
    for (size_t i = 0; i < audit->n_sources; i++)
        audit->sources[i].is_quiet = false;
    for (int i = 0; i < ROW_TRIES && try_sources(segment, audit, counts) > 0; i++)
        ;
    free(counts);
    size_t n_left = 0;
    for (size_t i = 0; i < audit->n_sources; i++)
        if (!is_cleared(&audit->sources[i].excess))
            audit->sources[n_left++] = audit->sources[i];
    audit->n_sources = n_left;
    return 0;
}

/* The whole */

void settle_audit_fini(struct settle_audit *audit)
{
    free(audit->hosts);
    free(audit->groups);
    free(audit->services);
    free(audit->counts);
    free(audit->sources);
    free(audit->beats);
    *audit = (struct settle_audit){0};
}

static int audit_start(const struct segment *segment, struct settle_audit *audit)
{
    *audit = (struct settle_audit){
        .n_hosts = segment_used(&segment->daemon->hosts_used, SEGMENT_HOSTS),
        .n_groups = segment_used(&segment->daemon->groups_used, SEGMENT_GROUPS),
        .n_services = segment_used(&segment->daemon->services_used, SEGMENT_SERVICES),
    };
    audit->hosts = calloc((size_t)audit->n_hosts + 1, sizeof *audit->hosts);
    audit->groups = calloc((size_t)audit->n_groups + 1, sizeof *audit->groups);
    audit->services = calloc((size_t)audit->n_services + 1, sizeof *audit->services);
    audit->counts = calloc((size_t)audit->n_groups + 1, sizeof *audit->counts);
    audit->beats = calloc(SEGMENT_SLOTS, sizeof *audit->beats);
    if (audit->hosts != NULL && audit->groups != NULL && audit->services != NULL &&
        audit->counts != NULL && audit->beats != NULL && gather_sources(segment, audit) == 0) {
        uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);
        for (uint32_t slot = 0; slot < n_slots; slot++)
            audit->beats[slot] = atomic_load(&segment->slots[slot].heartbeat_ns);
        return 0;
    }
    settle_audit_fini(audit);
    errno = ENOMEM;
    return -1;
}

int settle_audit_look(struct segment *segment, struct settle_audit *audit)
{
    if (audit->looks == 0 && audit_start(segment, audit) != 0)
        return -1;
    audit->looks++;
    for (uint32_t host = 0; host < audit->n_hosts; host++)
        look_at_host(segment, host, &audit->hosts[host]);
    for (uint32_t service = 0; service < audit->n_services; service++)
        look_at_service(segment, service, &audit->services[service]);
    look_at_groups(segment, audit);
    return look_at_sources(segment, audit);
}

bool settle_audit_is_ripe(const struct segment *segment, const struct settle_audit *audit)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);

    for (uint32_t slot = 0; audit->beats != NULL && slot < n_slots; slot++) {
        const struct slot_row *row = &segment->slots[slot];
        if (atomic_load(&row->pid) != 0 &&
            atomic_load(&row->heartbeat_ns) == audit->beats[slot])
            return false;
    }
    return true;
}

bool settle_audit_finish(struct segment *segment, struct settle_audit *audit)
{
    bool has_changed = false;

    for (uint32_t host = 0; host < audit->n_hosts; host++) {
        int64_t excess = agreed_excess(&audit->hosts[host]);
        if (excess != 0)
            host_adjust(segment, host, -excess);
        has_changed |= excess != 0;
    }
    for (uint32_t service = 0; service < audit->n_services; service++) {
        int64_t excess = agreed_excess(&audit->services[service]);
        if (excess > 0)
            service_adjust(segment, service, -excess);
        has_changed |= excess > 0;
    }
    for (uint32_t group = 0; group < audit->n_groups; group++) {
        int64_t excess = agreed_excess(&audit->groups[group]);
        if (excess != 0)
            atomic_fetch_sub(&segment->groups[group].ejected, (uint32_t)excess);
    }
    for (size_t i = 0; i < audit->n_sources; i++) {
        int64_t excess = agreed_excess(&audit->sources[i].excess);
        if (excess > 0)
            source_lower(segment, audit->sources[i].entry, excess);
        has_changed |= excess > 0;
    }
    if (has_changed)
        atomic_fetch_add(&segment->daemon->change, 1);
    settle_audit_fini(audit);
    return has_changed;
}
