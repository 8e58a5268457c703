/* SPDX-License-Identifier: MIT */
/* Tests of settling and auditing: limits hold exactly again after kills, while others go on. */
#include "share/settle.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/counter.h"

#define NOW (100 * CLOCK_NS_PER_S)

enum { SERVICE = 2, LOOKS = 10 };

static const struct source_limits no_limits = {0};

static struct segment segment;

static int open_segment(void **state)
{
    (void)state;
    if (segment_create(&segment, NULL) != 0)
        return -1;
    for (uint32_t slot = 0; slot <= 4; slot++)
        segment_use_slot(&segment, slot);
    group_reset(&segment, 0);
    for (uint32_t host = 0; host < 3; host++)
        host_reset(&segment, host, 0);
    service_reset(&segment, SERVICE);
    return 0;
}

static int close_segment(void **state)
{
    (void)state;
    segment_fini(&segment);
    return 0;
}

/* Makes the ten looks with so much time in between; whether something was put right. */
static bool audit(int64_t pause_ms)
{
    const struct timespec pause = {.tv_nsec = (long)(pause_ms * (int64_t)CLOCK_NS_PER_MS)};
    struct settle_audit state = {0};

    for (int look = 0; look < LOOKS || !settle_audit_is_ripe(&segment, &state); look++) {
        assert_int_equal(settle_audit_look(&segment, &state), 0);
        nanosleep(&pause, NULL);
    }
    return settle_audit_finish(&segment, &state);
}

/* What a worker holds for a connection. */
struct held {
    int32_t host; /* -1 = none */
    bool has_service;
    uint32_t source; /* 0 = none */
};

static uint64_t key_of(uint32_t n)
{
    return (n + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Totals first, then shard or row. */
static struct held take(uint32_t slot, uint32_t row, uint32_t n, int64_t limit)
{
    const struct source_limits limits = {.most_open = limit};
    struct held held = {.host = -1};

    if (service_claim(&segment, SERVICE, 3 * limit)) {
        held.has_service = true;
        gauge_add(&service_shard(&segment, slot, SERVICE)->connections, 1);
    }
    if (source_enter(&segment, key_of(n), &limits, NOW, &held.source) == SOURCE_ENTERED)
        atomic_store(&live_row(&segment, slot, row)->source, held.source);
    else
        held.source = 0;
    if (host_claim(&segment, slot, n, limit))
        held.host = (int32_t)n;
    return held;
}

/* The other way round. */
static void give(uint32_t slot, uint32_t row, const struct held *held)
{
    if (held->host >= 0)
        host_release(&segment, slot, (uint32_t)held->host);
    if (held->source != 0) {
        atomic_store(&live_row(&segment, slot, row)->source, 0);
        source_leave(&segment, held->source);
    }
    if (held->has_service) {
        gauge_add(&service_shard(&segment, slot, SERVICE)->connections, -1);
        service_release(&segment, SERVICE);
    }
}

static void settling_gives_back_what_a_worker_held(void **state)
{
    struct held held[3];
    uint64_t word;

    (void)state;
    atomic_store(&segment.slots[1].live_used, 3);
    for (uint32_t i = 0; i < 3; i++)
        held[i] = take(1, i, i == 2 ? 1 : i, 10);
    struct held other = take(2, 0, 1, 10);
    group_line_set_first(&segment, 0, 1, group_line_ticket(&segment.groups[0]));
    uint64_t change = segment.daemon->change, settled = segment.daemon->settled;
    uint32_t block = segment.host_blocks[0];

    settle_slot(&segment, 1);

    assert_int_equal(segment.services[SERVICE].open, 1);
    assert_int_equal(segment.hosts[0].in_flight, 0);
    assert_int_equal(segment.hosts[1].in_flight, 1);
    assert_int_equal(source_open(&segment, held[0].source, &word), 0);
    assert_int_equal(source_open(&segment, held[1].source, &word), 1);
    assert_int_equal(held[1].source, other.source);
    assert_int_equal(segment.slots[1].live_used, 0);
    assert_int_equal(segment.line_firsts[1], 0);
    assert_true(segment.host_blocks[0] > block);
    assert_int_equal(segment.daemon->settled, settled + 1);
    assert_true(segment.daemon->change > change);
    assert_int_equal(live_row(&segment, 2, 0)->source, other.source);
    settle_slot(&segment, 1); /* once more changes nothing */
    assert_int_equal(segment.services[SERVICE].open, 1);
    assert_int_equal(source_open(&segment, other.source, &word), 1);
}

static void auditing_lowers_what_nobody_holds(void **state)
{
    uint32_t alone, shared;
    uint64_t word;

    (void)state;
    atomic_store(&segment.slots[2].live_used, 1);
    take(2, 0, 1, 10);
    /* As kills between the two steps leave it. */
    assert_true(service_claim(&segment, SERVICE, 0));
    assert_int_equal(source_enter(&segment, key_of(1), &no_limits, NOW, &shared),
                     SOURCE_ENTERED);
    assert_int_equal(source_enter(&segment, key_of(2), &no_limits, NOW, &alone),
                     SOURCE_ENTERED);
    segment.hosts[1].in_flight += 2;
    uint64_t change = segment.daemon->change;
    assert_true(audit(0));
    assert_int_equal(segment.services[SERVICE].open, 1);
    assert_int_equal(segment.hosts[1].in_flight, 1);
    assert_int_equal(source_open(&segment, shared, &word), 1);
    assert_int_equal(source_open(&segment, alone, &word), 0);
    assert_true(segment.daemon->change > change);
    assert_false(audit(0));
}

static void auditing_waits_for_claims_on_their_way(void **state)
{
    struct settle_audit audit_state = {0};
    uint32_t entry;
    uint64_t word;

    (void)state;
    assert_int_equal(source_enter(&segment, key_of(1), &no_limits, NOW, &entry),
                     SOURCE_ENTERED);
    assert_true(service_claim(&segment, SERVICE, 0));
    for (int look = 0; look < LOOKS; look++) {
        if (look == 8) { /* it was only slow */
            atomic_store(&segment.slots[2].live_used, 1);
            atomic_store(&live_row(&segment, 2, 0)->source, entry);
            service_shard(&segment, 2, SERVICE)->connections = 1;
        }
        assert_int_equal(settle_audit_look(&segment, &audit_state), 0);
    }
    assert_false(settle_audit_finish(&segment, &audit_state));
    assert_int_equal(source_open(&segment, entry, &word), 1);
    assert_int_equal(segment.services[SERVICE].open, 1);
}

static void an_audit_given_up_leaves_all_as_it_was(void **state)
{
    struct settle_audit audit_state = {0};

    (void)state;
    segment.hosts[1].in_flight = 3;
    for (int look = 0; look < 5; look++)
        assert_int_equal(settle_audit_look(&segment, &audit_state), 0);
    settle_audit_fini(&audit_state);
    assert_int_equal(segment.hosts[1].in_flight, 3);
    assert_int_equal(audit_state.looks, 0);
}

static void auditing_waits_for_every_worker_to_turn(void **state)
{
    struct settle_audit audit_state = {0};

    (void)state;
    atomic_store(&segment.slots[1].pid, 4711);
    assert_int_equal(settle_audit_look(&segment, &audit_state), 0);
    assert_false(settle_audit_is_ripe(&segment, &audit_state));
    atomic_fetch_add(&segment.slots[1].heartbeat_ns, 1);
    assert_true(settle_audit_is_ripe(&segment, &audit_state));
    settle_audit_fini(&audit_state);
    assert_int_equal(settle_audit_look(&segment, &audit_state), 0);
    atomic_store(&segment.slots[1].pid, 0); /* a dead one is not waited for */
    assert_true(settle_audit_is_ripe(&segment, &audit_state));
    settle_audit_fini(&audit_state);
}

/* --- a hundred kills while others hammer ---------------------------------------------------- */

enum {
    HAMMERS = 4,
    HELD = 4,
    LIVING_SLOT = 4,
    LIMIT = 6,
    KILLS = 100,
    KILLS_A_ROUND = 10,
    PAUSE_MS = 25
};

/* Takes and gives back all there is, until it is told to end; then gives all back. */
static void hammer(uint32_t slot)
{
    struct held held[HELD] = {{.host = -1}, {.host = -1}, {.host = -1}, {.host = -1}};

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test end before it */
    atomic_store(&segment.slots[slot].live_used, HELD);
    for (uint32_t i = slot; segment.daemon->state != DAEMON_DRAINING; i++) {
        uint32_t row = i % HELD;
        give(slot, row, &held[row]);
        held[row] = take(slot, row, i / 3 % 3, LIMIT);
        counter_add(&segment.slots[slot].accepted_total, 1);
        counter_add(&segment.slots[slot].heartbeat_ns, 1);
    }
    for (uint32_t row = 0; row < HELD; row++)
        give(slot, row, &held[row]);
}

static pid_t start_hammer(uint32_t slot)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hammer(slot);
        _exit(0);
    }
    atomic_store(&segment.slots[slot].pid, child);
    return child;
}

/* Not before it has taken something since its start. */
static void kill_hammer(pid_t child, uint32_t slot, uint64_t n_more)
{
    uint64_t seen = segment.slots[slot].accepted_total;
    while (segment.slots[slot].accepted_total < seen + 3 * HELD + n_more)
        ;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    atomic_store(&segment.slots[slot].pid, 0);
    settle_slot(&segment, slot);
}

static void check_exact(uint32_t entry)
{
    uint64_t word;

    for (uint32_t host = 0; host < 3; host++)
        assert_int_equal(segment.hosts[host].in_flight, host == 1 ? 2 : 0);
    assert_int_equal(segment.services[SERVICE].open, 2);
    for (uint32_t n = 0; n < 3; n++) {
        uint32_t other;
        assert_int_equal(source_enter(&segment, key_of(n), &no_limits, NOW, &other),
                         SOURCE_ENTERED);
        assert_int_equal(source_open(&segment, other, &word), n == 1 ? 3 : 1);
        assert_int_equal(other == entry, n == 1);
    }
}

static void limits_are_exact_after_a_hundred_kills_while_others_go_on(void **state)
{
    struct random random;
    pid_t children[HAMMERS];
    struct held living[2];

    (void)state;
    random_init(&random, 0);
    atomic_store(&segment.slots[LIVING_SLOT].live_used, 2);
    for (uint32_t i = 0; i < 2; i++)
        living[i] = take(LIVING_SLOT, i, 1, LIMIT);
    for (uint32_t slot = 0; slot < HAMMERS; slot++)
        children[slot] = start_hammer(slot);
    for (uint32_t i = 0; i < KILLS; i++) {
        uint32_t slot = i % HAMMERS;
        kill_hammer(children[slot], slot, random_below(&random, 1000));
        children[slot] = start_hammer(slot);
        /* Two rounds, as the director does: one may find too little that stands still. */
        if (i % KILLS_A_ROUND == KILLS_A_ROUND - 1) {
            audit(PAUSE_MS);
            audit(PAUSE_MS);
        }
    }
    /* What is wrong now was not found by the audit, or made by it. */
    segment.daemon->state = DAEMON_DRAINING;
    for (uint32_t slot = 0; slot < HAMMERS; slot++) {
        int status;
        assert_int_equal(waitpid(children[slot], &status, 0), children[slot]);
        assert_int_equal(status, 0);
    }
    check_exact(living[0].source);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_segment, close_segment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(settling_gives_back_what_a_worker_held),
        PROMISE(auditing_lowers_what_nobody_holds),
        PROMISE(auditing_waits_for_claims_on_their_way),
        PROMISE(an_audit_given_up_leaves_all_as_it_was),
        PROMISE(auditing_waits_for_every_worker_to_turn),
        PROMISE(limits_are_exact_after_a_hundred_kills_while_others_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
