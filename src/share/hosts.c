/* SPDX-License-Identifier: MIT */
/* One row per host: health, weight, ejection, exact in-flight total; counters sharded by worker. */
#include "share/hosts.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/counter.h"
#include "share/segment.h"

/*
 * How ejection works. Any worker may eject or readmit; the row's ejected_until_ns decides, moved
 * from 0 and back by compare-and-swap, so that of several workers one does it. How many hosts
 * of a group are ejected is bounded: a worker first reserves one of the allowed ejections in
 * group_row.ejected, and a readmission gives it back last. A kill in between thus leaves the
 * count too high, never too low, and the segment's audit lowers it.
 * An ejected host's streak outlives its readmission until a connect succeeds: while it is above
 * zero, one failure is enough, and each ejection lasts twice as long as the one before.
 */

enum {
    STREAK_MOST = 4, /* 2^4 = 16 times eject_time */
    REASON_LOCK_MS =
        1000, /* a reason is written in microseconds: after so long its writer is dead */
    REASON_TRIES = 64,
    FIRST_BUCKET_NS = 64 * 1000, /* the top of bucket 0 */
};

struct host_shard *host_shard(const struct segment *segment, uint32_t slot, uint32_t host)
{
    assert(slot < SEGMENT_SLOTS && host < SEGMENT_HOSTS);
    return &segment->host_shards[(size_t)slot * SEGMENT_HOSTS + host];
}

static struct host_row *row_of(const struct segment *segment, uint32_t host)
{
    assert(host < SEGMENT_HOSTS);
    return &segment->hosts[host];
}

/* Workers can write the row, and master reads it: a number that is none must harm nobody. */
static uint32_t group_number(const struct host_row *row)
{
    return atomic_load(&row->group) % SEGMENT_GROUPS;
}

static struct group_row *group_of(const struct segment *segment, const struct host_row *row)
{
    return &segment->groups[group_number(row)];
}

/* Places at a host */

static void touch_block(const struct segment *segment, uint32_t host)
{
    atomic_fetch_add(&segment->host_blocks[host / HOSTS_A_BLOCK], 1);
}

void host_touch_blocks(const struct segment *segment)
{
    for (uint32_t host = 0; host < segment_used(&segment->daemon->hosts_used, SEGMENT_HOSTS);
         host += HOSTS_A_BLOCK)
        touch_block(segment, host);
}

void host_adjust(const struct segment *segment, uint32_t host, int64_t by)
{
    atomic_fetch_add(&row_of(segment, host)->in_flight, by);
    touch_block(segment, host);
}

bool host_claim(const struct segment *segment, uint32_t slot, uint32_t host, int64_t limit)
{
    _Atomic int64_t *total = &row_of(segment, host)->in_flight;

    if (limit <= 0) {
        atomic_fetch_add(total, 1);
    } else {
        int64_t seen = atomic_load(total);
        do {
            if (seen >= limit)
                return false;
        } while (!atomic_compare_exchange_weak(total, &seen, seen + 1));
    }
    touch_block(segment, host); /* between the two: see settle_audit_look */
    atomic_fetch_add(&host_shard(segment, slot, host)->in_flight, 1);
    return true;
}

enum host_claim_result host_claim_expected(const struct segment *segment, uint32_t slot,
                                           uint32_t host, int64_t expected)
{
    _Atomic int64_t *total = &row_of(segment, host)->in_flight;

    if (!atomic_compare_exchange_strong(total, &expected, expected + 1))
        return CLAIM_CHANGED;
    touch_block(segment, host);
    atomic_fetch_add(&host_shard(segment, slot, host)->in_flight, 1);
    return CLAIM_TAKEN;
}

void host_release(const struct segment *segment, uint32_t slot, uint32_t host)
{
    atomic_fetch_sub(&host_shard(segment, slot, host)->in_flight, 1);
    host_adjust(segment, host, -1);
}

/* Reasons: two texts, of which the writer fills the one that is not shown. */

static void write_reason(struct host_row *row, const char *reason)
{
    uint32_t now_ms =
        (uint32_t)(clock_now_ns() / CLOCK_NS_PER_MS) | 1; /* never 0, which is free */
    uint32_t held = atomic_load(&row->reason_lock);

    if (held != 0 && now_ms - held < REASON_LOCK_MS)
        return;
    if (!atomic_compare_exchange_strong(&row->reason_lock, &held, now_ms))
        return;
    uint32_t next = atomic_load(&row->reason_at) + 1;
    _Atomic char *text = row->reason[next & 1];
    size_t length = strnlen(reason, HOST_REASON_BYTES - 1);
    for (size_t i = 0; i < length; i++)
        atomic_store_explicit(&text[i], reason[i], memory_order_relaxed);
    atomic_store_explicit(&text[length], '\0', memory_order_relaxed);
    atomic_store(&row->reason_at, next);
    /* Not if somebody took us for dead meanwhile. */
    atomic_compare_exchange_strong(&row->reason_lock, &now_ms, 0);
}

void host_read_reason(const struct host_row *row, char out[HOST_REASON_BYTES])
{
    for (int i = 0; i < REASON_TRIES; i++) {
        uint32_t at = atomic_load(&row->reason_at);
        for (size_t n = 0; n < HOST_REASON_BYTES; n++)
            out[n] = atomic_load_explicit(&row->reason[at & 1][n], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&row->reason_at, memory_order_relaxed) == at)
            break;
    }
    out[HOST_REASON_BYTES - 1] = '\0';
}

/* State */

/* What the operator asked for is shown before what was found out. */
static enum host_state state_of(uint32_t admin, uint32_t health, bool is_ejected)
{
    if (admin == ADMIN_DOWN)
        return HOST_ADMIN_DOWN;
    if (admin == ADMIN_DRAIN)
        return HOST_DRAINING;
    if (health == HEALTH_UNRESOLVED)
        return HOST_UNRESOLVED;
    if (health == HEALTH_DOWN)
        return HOST_DOWN;
    return is_ejected ? HOST_EJECTED : HOST_UP;
}

enum host_state host_state(const struct host_row *row, uint64_t now_ns)
{
    return state_of(atomic_load(&row->admin), atomic_load(&row->health),
                    now_ns < atomic_load(&row->ejected_until_ns));
}

/* Every worker rebuilds its order at its next pick, and who waits looks again. */
static void touch(const struct segment *segment, const struct host_row *row)
{
    group_touch(segment, group_number(row));
    atomic_fetch_add(&segment->daemon->change, 1);
}

/* What follows a change of the row: only what users can see of it is kept. */
static void note_change(const struct segment *segment, uint32_t host, enum host_state before,
                        enum host_state after, const char *reason)
{
    struct host_row *row = row_of(segment, host);

    if (before != after)
        atomic_store(&row->since_ns, clock_wall_ns());
    touch(segment, row);
    if (before != after)
        host_note_change(segment, host, after, reason);
}

/* As note_change, for an ejection that began or ended. */
static void note_ejection(const struct segment *segment, uint32_t host, bool is_ejected,
                          const char *reason)
{
    const struct host_row *row = row_of(segment, host);
    uint32_t admin = atomic_load(&row->admin), health = atomic_load(&row->health);

    note_change(segment, host, state_of(admin, health, !is_ejected),
                state_of(admin, health, is_ejected), reason);
}

/* Failures and ejection */

/* Counts one more ejected host of the group unless that would be more than most. */
static bool reserve_ejection(struct group_row *group, uint32_t most)
{
    uint32_t ejected = atomic_load(&group->ejected);

    do {
        if (ejected >= most)
            return false;
    } while (!atomic_compare_exchange_weak(&group->ejected, &ejected, ejected + 1));
    return true;
}

static void return_ejection(struct group_row *group)
{
    uint32_t ejected = atomic_load(&group->ejected);

    while (ejected > 0 && !atomic_compare_exchange_weak(&group->ejected, &ejected, ejected - 1))
        ;
}

static bool eject(const struct segment *segment, uint32_t host,
                  const struct host_eject_rules *rules, uint64_t now_ns, const char *reason)
{
    struct host_row *row = row_of(segment, host);
    struct group_row *group = group_of(segment, row);
    uint64_t most = (uint64_t)rules->n_hosts * rules->most_percent / 100;
    uint32_t streak = atomic_load(&row->eject_streak);
    uint64_t until_ns =
        now_ns + (rules->time_ns << (streak < STREAK_MOST ? streak : STREAK_MOST));
    uint64_t expected = 0;

    if (!reserve_ejection(group, (uint32_t)most))
        return false;
    if (!atomic_compare_exchange_strong(&row->ejected_until_ns, &expected, until_ns)) {
        return_ejection(group);
        return false;
    }
    atomic_fetch_add(&row->eject_streak, 1);
    note_ejection(segment, host, true, reason);
    return true;
}

void host_note_fault(const struct segment *segment, uint32_t slot, uint32_t host,
                     enum host_failure failure, const char *reason)
{
    counter_add(&host_shard(segment, slot, host)->failures[failure], 1);
    atomic_fetch_add(&row_of(segment, host)->faults, 1);
    write_reason(row_of(segment, host), reason);
}

bool host_note_failure(const struct segment *segment, uint32_t slot, uint32_t host,
                       enum host_failure failure, const struct host_eject_rules *rules,
                       uint64_t now_ns, const char *reason)
{
    struct host_row *row = row_of(segment, host);

    counter_add(&host_shard(segment, slot, host)->failures[failure], 1);
    atomic_fetch_add(&row->faults, 1);
    if (reason != NULL)
        write_reason(row, reason);
    uint32_t fails = atomic_fetch_add(&row->fails_in_row, 1) + 1;
    if (rules->failures == 0 || atomic_load(&row->ejected_until_ns) != 0)
        return false;
    if (fails < rules->failures && atomic_load(&row->eject_streak) == 0)
        return false;

    /* Said beforehand, so that a kill before the epoch has moved can be made good. */
    _Atomic uint32_t *ejecting = &segment->slots[slot].ejecting;
    atomic_store(ejecting, group_number(row) + 1);
    bool has_ejected = eject(segment, host, rules, now_ns,
                             reason != NULL ? reason : host_failure_word(failure));
    atomic_store(ejecting, 0);
    return has_ejected;
}

static size_t bucket_of(uint64_t connect_ns)
{
    size_t bucket = 0;

    while (bucket < HOST_CONNECT_BUCKETS - 1 && connect_ns > (uint64_t)FIRST_BUCKET_NS
                                                                 << bucket)
        bucket++;
    return bucket;
}

void host_note_success(const struct segment *segment, uint32_t slot, uint32_t host,
                       uint64_t connect_ns)
{
    struct host_row *row = row_of(segment, host);
    struct host_shard *shard = host_shard(segment, slot, host);

    counter_add(&shard->connections_total, 1);
    counter_add(&shard->connect_ns_sum, connect_ns);
    counter_add(&shard->connect_buckets[bucket_of(connect_ns)], 1);
    if (atomic_load_explicit(&row->fails_in_row, memory_order_relaxed) != 0)
        atomic_store(&row->fails_in_row, 0);
    if (atomic_load_explicit(&row->eject_streak, memory_order_relaxed) != 0)
        atomic_store(&row->eject_streak, 0);
}

/* Ends an ejection that was seen to last until until_ns; false when another did. */
static bool end_ejection(const struct segment *segment, uint32_t host, uint64_t until_ns,
                         const char *reason)
{
    struct host_row *row = row_of(segment, host);

    atomic_store(&row->returned_ns, clock_now_ns());
    if (!atomic_compare_exchange_strong(&row->ejected_until_ns, &until_ns, 0))
        return false;
    return_ejection(group_of(segment, row));
    note_ejection(segment, host, false, reason);
    return true;
}

bool host_readmit(const struct segment *segment, uint32_t host, uint64_t now_ns)
{
    struct host_row *row = row_of(segment, host);
    uint64_t until_ns = atomic_load(&row->ejected_until_ns);

    return until_ns != 0 && now_ns >= until_ns &&
           end_ejection(segment, host, until_ns, "eject_time is over");
}

void host_pardon(const struct segment *segment, uint32_t host)
{
    struct host_row *row = row_of(segment, host);
    uint64_t until_ns = atomic_load(&row->ejected_until_ns);

    /* Before it is back: else the next failure would be taken for one more of the old ones. */
    atomic_store(&row->fails_in_row, 0);
    atomic_store(&row->eject_streak, 0);
    if (until_ns != 0)
        end_ejection(segment, host, until_ns, "readmitted before eject_time is over");
}

uint32_t host_warmth(const struct host_row *row, uint64_t slow_start_ns, uint64_t now_ns)
{
    enum { NS_A_UNIT = 1000 }; /* so that the product below fits */
    uint64_t from_ns = atomic_load_explicit(&row->returned_ns, memory_order_relaxed);
    uint64_t age_ns = now_ns > from_ns ? now_ns - from_ns : 0;

    if (from_ns == 0 || age_ns >= slow_start_ns)
        return HOST_WARM;
    return (uint32_t)(age_ns / NS_A_UNIT * HOST_WARM / (slow_start_ns / NS_A_UNIT + 1));
}

const char *host_state_word(enum host_state state)
{
    static const char *const words[] = {
        [HOST_UP] = "up",
        [HOST_DOWN] = "down",
        [HOST_DRAINING] = "draining",
        [HOST_EJECTED] = "ejected",
        [HOST_ADMIN_DOWN] = "admin_down",
        [HOST_UNRESOLVED] = "unresolved",
    };
    assert((size_t)state < sizeof words / sizeof words[0]);
    return words[state];
}

const char *host_failure_word(enum host_failure failure)
{
    static const char *const words[FAILURES] = {
        [FAILURE_REFUSED] = "refused",
        [FAILURE_TIMEOUT] = "timeout",
        [FAILURE_UNREACHABLE] = "unreachable",
        [FAILURE_TLS] = "tls",
        [FAILURE_OTHER] = "other",
    };
    assert((size_t)failure < FAILURES);
    return words[failure];
}

bool host_is_usable(const struct host_row *row, uint64_t now_ns)
{
    return host_state(row, now_ns) == HOST_UP && atomic_load(&row->weight) > 0;
}

void host_set_admin(const struct segment *segment, uint32_t host, enum host_admin admin)
{
    struct host_row *row = row_of(segment, host);
    uint32_t health = atomic_load(&row->health);
    bool is_ejected = atomic_load(&row->ejected_until_ns) != 0;

    if (admin == ADMIN_UP && atomic_load(&row->admin) != ADMIN_UP)
        atomic_store(&row->returned_ns, clock_now_ns());
    uint32_t before = atomic_exchange(&row->admin, (uint32_t)admin);
    if (before != (uint32_t)admin)
        note_change(segment, host, state_of(before, health, is_ejected),
                    state_of((uint32_t)admin, health, is_ejected),
                    "set by an admin or by the file");
}

void host_set_weight(const struct segment *segment, uint32_t host, uint32_t weight)
{
    struct host_row *row = row_of(segment, host);

    if (atomic_exchange(&row->weight, weight) != weight)
        touch(segment, row);
}

void host_set_health(const struct segment *segment, uint32_t host, enum host_health health,
                     const char *reason)
{
    struct host_row *row = row_of(segment, host);
    uint32_t admin = atomic_load(&row->admin);
    bool is_ejected = atomic_load(&row->ejected_until_ns) != 0;

    if (reason != NULL)
        write_reason(row, reason);
    if (health == HEALTH_UP && atomic_load(&row->health) != HEALTH_UP)
        atomic_store(&row->returned_ns, clock_now_ns());
    uint32_t before = atomic_exchange(&row->health, (uint32_t)health);
    if (before != (uint32_t)health)
        note_change(segment, host, state_of(admin, before, is_ejected),
                    state_of(admin, (uint32_t)health, is_ejected),
                    reason != NULL ? reason : "");
}

/* Figures */

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void host_sum(const struct segment *segment, uint32_t host, struct host_figures *out)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);

    memset(out, 0, sizeof *out);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        const struct host_shard *shard = host_shard(segment, slot, host);
        out->in_flight += atomic_load_explicit(&shard->in_flight, memory_order_relaxed);
        out->connections_total += get(&shard->connections_total);
        out->bytes_in += get(&shard->bytes_in);
        out->bytes_out += get(&shard->bytes_out);
        for (size_t i = 0; i < FAILURES; i++)
            out->failures[i] += get(&shard->failures[i]);
        out->connect_ns_sum += get(&shard->connect_ns_sum);
        for (size_t i = 0; i < HOST_CONNECT_BUCKETS; i++)
            out->connect_buckets[i] += get(&shard->connect_buckets[i]);
    }
    for (size_t i = 0; i < FAILURES; i++)
        out->failures_total += out->failures[i];
}

/* Rows come and go */

static void reset_shard(struct host_shard *shard)
{
    atomic_store(&shard->in_flight, 0);
    atomic_store(&shard->connections_total, 0);
    atomic_store(&shard->bytes_in, 0);
    atomic_store(&shard->bytes_out, 0);
    for (size_t i = 0; i < FAILURES; i++)
        atomic_store(&shard->failures[i], 0);
    atomic_store(&shard->connect_ns_sum, 0);
    for (size_t i = 0; i < HOST_CONNECT_BUCKETS; i++)
        atomic_store(&shard->connect_buckets[i], 0);
}

static void reset_checks(struct host_row *row)
{
    atomic_store(&row->check_good_run, 0);
    atomic_store(&row->check_bad_run, 0);
    atomic_store(&row->check_stretch, 0);
    atomic_store(&row->checks_total, 0);
    atomic_store(&row->check_failures_total, 0);
    atomic_store(&row->check_took_ns, 0);
    atomic_store(&row->next_check_ns, 0);
}

/* Ends what the row's last host may have left: its ejection counts against the group. */
static void end_use(const struct segment *segment, uint32_t host)
{
    struct host_row *row = row_of(segment, host);
    uint64_t until_ns = atomic_load(&row->ejected_until_ns);

    if (until_ns != 0)
        end_ejection(segment, host, until_ns, "");
    atomic_store(&row->is_used, 0);
}

void host_reset(const struct segment *segment, uint32_t host, uint32_t group)
{
    struct host_row *row = row_of(segment, host);
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);
    bool is_serving = atomic_load(&segment->daemon->state) == DAEMON_SERVING;

    assert(group < SEGMENT_GROUPS);
    segment_raise(&segment->daemon->hosts_used, host + 1);
    end_use(segment, host);
    host_clear_changes(segment, host);
    for (uint32_t slot = 0; slot < n_slots; slot++)
        reset_shard(host_shard(segment, slot, host));
    atomic_store(&row->in_flight, 0);
    touch_block(segment, host);
    atomic_store(&row->group, group);
    atomic_store(&row->health, HEALTH_UP);
    atomic_store(&row->admin, ADMIN_UP);
    atomic_store(&row->weight, 0);
    atomic_store(&row->fails_in_row, 0);
    atomic_store(&row->eject_streak, 0);
    atomic_store(&row->faults, 0);
    atomic_store(&row->line_hash, 0);
    atomic_store(&row->drain_from_ns, 0);
    atomic_store(&row->drain_until_ns, 0);
    atomic_store(&row->retry_wish, 0);
    reset_checks(row);
    atomic_store(&row->reason[0][0], '\0');
    atomic_store(&row->reason[1][0], '\0');
    atomic_store(&row->reason_lock, 0);
    atomic_store(&row->since_ns, clock_wall_ns());
    /* At the start every host is new: there is none that could take the load meanwhile. */
    atomic_store(&row->returned_ns, is_serving ? clock_now_ns() : 0);
}

void host_forget(const struct segment *segment, uint32_t host)
{
    end_use(segment, host);
    atomic_fetch_add(&row_of(segment, host)->incarnation, 1);
}
