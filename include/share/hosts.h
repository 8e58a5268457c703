/* SPDX-License-Identifier: MIT */
/* One row per host: health, weight, ejection, exact in-flight total; counters sharded by worker. */
#ifndef SHARE_HOSTS_H
#define SHARE_HOSTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

struct segment;

#define HOST_REASON_BYTES 96
#define HOST_WARM 65536 /* the most that host_warmth tells */

enum host_health { HEALTH_UP, HEALTH_DOWN, HEALTH_UNRESOLVED };
enum host_admin { ADMIN_UP, ADMIN_DRAIN, ADMIN_DOWN };
enum host_state {
    HOST_UP,
    HOST_DOWN,
    HOST_DRAINING,
    HOST_EJECTED,
    HOST_ADMIN_DOWN,
    HOST_UNRESOLVED
};

/* Why a connect failed; index of host_shard.failures. */
enum host_failure {
    FAILURE_REFUSED,
    FAILURE_TIMEOUT,
    FAILURE_UNREACHABLE,
    FAILURE_TLS,
    FAILURE_OTHER,
    FAILURES
};

struct host_row {
    _Alignas(64) _Atomic int64_t
        in_flight; /* connections claimed now, over all workers; see settle_slot */
    _Alignas(64) _Atomic uint32_t is_used; /* by master: some generation names it */
    _Atomic uint32_t group;                /* row number of its group; by master */
    _Atomic uint32_t health;               /* enum host_health; by the director */
    _Atomic uint32_t
        admin; /* enum host_admin; by master from the file, by the director at run time */
    _Atomic uint32_t weight;       /* 0 to 256; as admin */
    _Atomic uint32_t fails_in_row; /* failed connects since the last good one */
    _Atomic uint32_t
        eject_streak; /* ejections since the last good connect: doubles eject_time */
    _Atomic uint64_t ejected_until_ns; /* monotonic; 0 = not ejected */
    _Atomic int64_t since_ns;          /* wall clock of the last change of state */
    _Atomic uint64_t line_hash;        /* by master: its line in the file */
    _Atomic uint32_t incarnation;      /* by master: grows when the row goes to another host */
    _Atomic uint64_t
        returned_ns; /* monotonic: new or usable again since; slow start counts from here; 0 = no slow start */
    _Atomic uint64_t faults; /* failed connects and resets, ever: moves with each */
    _Atomic uint64_t drain_from_ns, drain_until_ns; /* open connections are closed evenly over
                                                        this time, monotonic; 0 = they are kept */
    _Atomic uint32_t retry_wish; /* moves when an admin wants it checked and readmitted now */
    /* Checks: by the director, which carries on from here when it is replaced. */
    _Atomic uint32_t check_good_run, check_bad_run; /* results in a row; one of them is 0 */
    _Atomic uint32_t
        check_stretch; /* the interval is multiplied by so much; 0 = never checked */
    _Atomic uint64_t checks_total, check_failures_total;
    _Atomic uint64_t check_took_ns; /* the last one */
    _Atomic uint64_t next_check_ns; /* monotonic; 0 = none is planned */
    _Atomic uint32_t
        ports_left; /* by the director: 1 + local ports left for connections to it from one source; 0 = not known */
    _Atomic uint32_t change_count; /* of host_change, ever; see host_note_change */
    _Atomic uint32_t reason_at;    /* its lowest bit says which text holds; writers add one */
    _Atomic char reason
        [2]
        [HOST_REASON_BYTES]; /* last fault in words, NUL-terminated, shown escaped; read it by host_read_reason */
    _Atomic uint32_t
        reason_lock; /* claims the right to write a reason: a try-lock, dropped when held; the millisecond it was taken, so that one left by a dead process runs out; 0 = free */
};

/*
 * One change of a host's state. The last HOST_CHANGES of each host are kept, at change_count
 * modulo HOST_CHANGES. Several processes write, and may be killed doing so: mark is a check sum
 * over the change's number and all that the row says, so that a reader sees whether what it copied is whole.
 */
#define HOST_CHANGES 16
struct host_change {
    _Atomic uint32_t mark;
    _Atomic uint32_t state; /* enum host_state from then on */
    _Atomic int64_t at_ns;  /* wall clock */
    _Atomic char reason[HOST_REASON_BYTES];
};

#define HOST_CONNECT_BUCKETS 16
struct host_shard {
    _Alignas(64) _Atomic int64_t in_flight;
    _Atomic uint64_t connections_total, bytes_in, bytes_out; /* bytes_in: what clients sent */
    _Atomic uint64_t failures[FAILURES];
    _Atomic uint64_t connect_ns_sum;
    _Atomic uint64_t connect_buckets
        [HOST_CONNECT_BUCKETS]; /* bucket n: connect time <= 2^n * 64 us and in no lower one; last: all above */
};

/* Sums over all workers, for showing. */
struct host_figures {
    int64_t in_flight;
    uint64_t connections_total, bytes_in, bytes_out, failures_total;
    uint64_t failures[FAILURES];
    uint64_t connect_ns_sum, connect_buckets[HOST_CONNECT_BUCKETS];
};

/* A worker's own shard of a host. */
struct host_shard *host_shard(const struct segment *segment, uint32_t slot, uint32_t host);

/*
 * Takes one of the host's places: total first, then the shard, so that a kill can only leave
 * the total high.
 * limit  most in flight over all workers; 0 = none. Exact: compare-and-swap.
 * Returns false when the host is full.
 */
bool host_claim(const struct segment *segment, uint32_t slot, uint32_t host, int64_t limit);

/* As host_claim, and only if the total still is expected: for leastconn, whose choice rests on it. */
enum host_claim_result { CLAIM_TAKEN, CLAIM_CHANGED };
enum host_claim_result host_claim_expected(const struct segment *segment, uint32_t slot,
                                           uint32_t host, int64_t expected);

/* Gives the place back: shard first, then total. */
void host_release(const struct segment *segment, uint32_t slot, uint32_t host);

/*
 * For settling: adds to the total alone (by < 0: lowers it).
 * As with every change of a total, the word of the host's block (segment.host_blocks) moves after
 * the total: who reads the word, then totals, sees all that the word tells of.
 */
void host_adjust(const struct segment *segment, uint32_t host, int64_t by);

/* For settling: moves the words of all blocks, for changes whose maker died before it could. */
void host_touch_blocks(const struct segment *segment);

/* What eject_* of a group ask, with the number of its hosts. */
struct host_eject_rules {
    uint32_t failures; /* 0 = never eject */
    uint64_t time_ns;
    uint32_t most_percent;
    uint32_t n_hosts;
};

/*
 * The host reset a connection right after it was made: counted and kept as the last fault,
 * but no reason to eject it.
 */
void host_note_fault(const struct segment *segment, uint32_t slot, uint32_t host,
                     enum host_failure failure, const char *reason);

/*
 * A connect failed: counts it in the shard, keeps the reason, and ejects the host when the
 * rules say so (then the group's epoch moves).
 * Returns true when this very call ejected it (the caller logs).
 */
bool host_note_failure(const struct segment *segment, uint32_t slot, uint32_t host,
                       enum host_failure failure, const struct host_eject_rules *rules,
                       uint64_t now_ns, const char *reason);

/* A connect succeeded after connect_ns: counts (connections_total, sum, bucket), ends the run of failures. Cheap when there was none. */
void host_note_success(const struct segment *segment, uint32_t slot, uint32_t host,
                       uint64_t connect_ns);

/* Keeps a change of state with its reason. Any process. */
void host_note_change(const struct segment *segment, uint32_t host, enum host_state state,
                      const char *reason);

/* Master: forgets all changes, for a row that goes to another host. */
void host_clear_changes(const struct segment *segment, uint32_t host);

/* One of the last changes, copied whole. n: 0 = the newest. False when there is none, or it is just being overwritten. */
struct host_change_copy {
    enum host_state state;
    int64_t at_ns;
    char reason[HOST_REASON_BYTES];
};
bool host_read_change(const struct segment *segment, uint32_t host, uint32_t n,
                      struct host_change_copy *out);

/* Ends an ejection before its time, if there is one, and forgets the failures that led to it: an admin or a check says so. */
void host_pardon(const struct segment *segment, uint32_t host);

/*
 * What share of its connections a host in slow start may have now: HOST_WARM = all. Grows evenly over
 * slow_start_ns since returned_ns.
 * slow_start_ns  0 = none
 */
uint32_t host_warmth(const struct host_row *row, uint64_t slow_start_ns, uint64_t now_ns);

/* Readmits the host if its ejection has run out; true when this call did it. The group's epoch moves. */
bool host_readmit(const struct segment *segment, uint32_t host, uint64_t now_ns);

/* The state as users see it. */
enum host_state host_state(const struct host_row *row, uint64_t now_ns);
const char *host_state_word(enum host_state state);
const char *
host_failure_word(enum host_failure failure); /* "refused" "timeout" "unreachable" "other" */

/* Whether new connections may go there: up, not drained, down or ejected, weight above 0. */
bool host_is_usable(const struct host_row *row, uint64_t now_ns);

/*
 * Setters: when something changed they move the group's epoch and the daemon's change counter;
 * when the state that users see did, they stamp since_ns and keep the change. (A weight is no
 * state.) A host that becomes usable again has its slow start begin before others can see it.
 */
void host_set_admin(const struct segment *segment, uint32_t host, enum host_admin admin);
void host_set_weight(const struct segment *segment, uint32_t host, uint32_t weight);
void host_set_health(const struct segment *segment, uint32_t host, enum host_health health,
                     const char *reason);

/* Copies the reason, NUL-terminated. */
void host_read_reason(const struct host_row *row, char out[HOST_REASON_BYTES]);

/* Adds up all shards. */
void host_sum(const struct segment *segment, uint32_t host, struct host_figures *out);

/*
 * Master: makes the row and its shards as new (zeroes, since_ns now), for a host that was not
 * known; once the daemon serves, the slow start of such a host begins now. is_used is left to master.
 */
void host_reset(const struct segment *segment, uint32_t host, uint32_t group);

/* Master: no generation names the host any more: ends its ejection, clears is_used, moves incarnation on. Call it before group_reset of its group. */
void host_forget(const struct segment *segment, uint32_t host);

#endif
