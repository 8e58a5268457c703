/* SPDX-License-Identifier: MIT */
/* Tests of the limits by source: counts, rates, places in a bucket, several processes. */
#include "share/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "share/segment.h"

#define SECOND CLOCK_NS_PER_S
#define NOW (100 * SECOND)
#define HOUR (3600 * SECOND)

static struct segment segment;

static int open_segment(void **state)
{
    const struct segment_sizes one_bucket = {1, SOURCE_WAYS};
    (void)state;
    return segment_create(&segment, &one_bucket);
}

static int close_segment(void **state)
{
    (void)state;
    segment_fini(&segment);
    return 0;
}

/* Keys with a number, for the one bucket. */
static uint64_t key(uint64_t n)
{
    return (n + 1) << 32;
}

static enum source_verdict enter(uint64_t n, const struct source_limits *limits,
                                 uint64_t now_ns, uint32_t *entry)
{
    uint32_t taken = 0;
    enum source_verdict verdict = source_enter(&segment, key(n), limits, now_ns, &taken);
    /* Who did not come in has nothing to give back when he goes. */
    assert_int_equal(taken != 0, verdict == SOURCE_ENTERED);
    if (entry != NULL)
        *entry = taken;
    return verdict;
}

/* How many of tries come in at now_ns. */
static int come_in(const struct source_limits *limits, uint64_t now_ns, int tries)
{
    int n = 0;
    for (int i = 0; i < tries; i++)
        n += enter(0, limits, now_ns, NULL) == SOURCE_ENTERED;
    return n;
}

static void tells_clients_and_services_apart(void **state)
{
    struct addr_spec one, two;
    const char *why;

    (void)state;
    assert_int_equal(addr_parse("192.0.2.1:80", &one, &why), 0);
    assert_int_equal(addr_parse("192.0.2.2:90", &two, &why), 0);
    uint64_t first = source_key(&segment, 1, &one.address, 32, 64);
    assert_true(first != source_key(&segment, 1, &two.address, 32, 64));
    assert_true(first != source_key(&segment, 2, &one.address, 32, 64));
    assert_int_equal(source_key(&segment, 1, &one.address, 24, 64),
                     source_key(&segment, 1, &two.address, 24, 64));
}

static void counts_up_to_the_limit(void **state)
{
    const struct source_limits limits = {.most_open = 2};
    uint32_t first, second, other, last;

    (void)state;
    assert_int_equal(segment.daemon->has_sources, 0);
    assert_int_equal(enter(0, &limits, NOW, &first), SOURCE_ENTERED);
    assert_int_equal(enter(0, &limits, NOW, &second), SOURCE_ENTERED);
    assert_true(first > 0);
    assert_int_equal(first, second);
    assert_int_equal(enter(0, &limits, NOW, NULL), SOURCE_TOO_MANY);
    assert_int_equal(enter(1, &limits, NOW, &other), SOURCE_ENTERED);
    assert_true(other != first);
    source_leave(&segment, first);
    assert_int_equal(enter(0, &limits, NOW, &last), SOURCE_ENTERED);
    assert_int_equal(last, first);
    assert_int_equal(enter(0, &limits, NOW, NULL), SOURCE_TOO_MANY);
    assert_int_equal(segment.daemon->has_sources, 1);
    /* Once too often does no harm. */
    for (int i = 0; i < 5; i++)
        source_leave(&segment, other);
    assert_int_equal(enter(1, &limits, NOW, NULL), SOURCE_ENTERED);
    assert_int_equal(enter(1, &limits, NOW, NULL), SOURCE_ENTERED);
    assert_int_equal(enter(1, &limits, NOW, NULL), SOURCE_TOO_MANY);
}

static void counts_without_limits_too(void **state)
{
    const struct source_limits none = {0}, five = {.most_open = 5};

    (void)state;
    assert_int_equal(come_in(&none, NOW, 5000), 5000);
    assert_int_equal(enter(0, &five, NOW, NULL), SOURCE_TOO_MANY);
}

static void lets_the_burst_in_at_once_then_evenly(void **state)
{
    /* Ten in a second. */
    const struct source_limits limits = {.rate_per_hour = 36000, .burst = 10};

    (void)state;
    assert_int_equal(come_in(&limits, NOW, 50), 10);
    assert_int_equal(enter(0, &limits, NOW, NULL), SOURCE_TOO_FAST);
    assert_int_equal(come_in(&limits, NOW + SECOND / 10 - 1, 50), 0);
    assert_int_equal(come_in(&limits, NOW + SECOND / 10, 50), 1);
    assert_int_equal(come_in(&limits, NOW + SECOND / 2, 50), 4);
    assert_int_equal(come_in(&limits, NOW + 3 * SECOND, 50), 10);
    assert_int_equal(come_in(&limits, NOW + 30 * SECOND, 50), 10); /* no more is saved up */
}

static void holds_the_slowest_and_the_fastest_rates(void **state)
{
    const struct source_limits hourly = {.rate_per_hour = 1, .burst = 1};
    const struct source_limits fast = {.rate_per_hour = INT64_C(3600000000), .burst = 1000000};
    const struct source_limits absurd = {.rate_per_hour = INT64_MAX, .burst = INT64_MAX};
    const struct source_limits slow = {.rate_per_hour = 1, .burst = INT64_MAX};

    (void)state;
    assert_int_equal(come_in(&hourly, NOW, 3), 1);
    assert_int_equal(come_in(&hourly, NOW + HOUR - 1, 3), 0);
    assert_int_equal(come_in(&hourly, NOW + HOUR, 3), 1);
    assert_int_equal(come_in(&fast, NOW + 3 * HOUR, 1000005), 1000000);
    assert_int_equal(come_in(&fast, NOW + 3 * HOUR + 5000, 10), 5);
    assert_int_equal(come_in(&absurd, NOW + 6 * HOUR, 1000), 1000);
    assert_int_equal(come_in(&slow, NOW + 9 * HOUR, 1000), 1000);
}

static void what_is_refused_counts_for_nothing(void **state)
{
    const struct source_limits limits = {.most_open = 1, .rate_per_hour = 2, .burst = 2};
    uint32_t entry;

    (void)state;
    assert_int_equal(enter(0, &limits, NOW, &entry), SOURCE_ENTERED);
    for (int i = 0; i < 5; i++)
        assert_int_equal(enter(0, &limits, NOW, NULL), SOURCE_TOO_MANY);
    source_leave(&segment, entry);
    assert_int_equal(enter(0, &limits, NOW, &entry), SOURCE_ENTERED);
    source_leave(&segment, entry);
    for (int i = 0; i < 5; i++)
        assert_int_equal(enter(0, &limits, NOW, NULL), SOURCE_TOO_FAST);
    uint64_t word;
    assert_int_equal(source_open(&segment, entry, &word), 0);
    assert_int_equal(enter(0, &limits, NOW + HOUR / 2, NULL), SOURCE_ENTERED);
}

/* A worker reads its clock once a turn: another's may be ahead. */
static void a_worker_that_is_behind_does_not_change_the_count(void **state)
{
    const struct source_limits limits = {.rate_per_hour = 36000, .burst = 10};

    (void)state;
    assert_int_equal(come_in(&limits, NOW + SECOND / 20, 4), 4);
    assert_int_equal(come_in(&limits, NOW, 50), 6);
    assert_int_equal(come_in(&limits, NOW + SECOND / 10, 50), 0);
    assert_int_equal(come_in(&limits, NOW + SECOND / 20 + SECOND / 10, 50), 1);
}

static void a_lowered_limit_does_not_keep_a_source_out_for_long(void **state)
{
    const struct source_limits hourly = {.rate_per_hour = 1, .burst = 1};
    const struct source_limits often = {.rate_per_hour = 36000, .burst = 1};

    (void)state;
    assert_int_equal(come_in(&hourly, NOW, 1), 1);
    assert_int_equal(come_in(&often, NOW + SECOND, 5), 1);
    assert_int_equal(come_in(&often, NOW + SECOND + SECOND / 10, 5), 1);
}

static void a_full_bucket_refuses_until_a_place_counts_nothing(void **state)
{
    const struct source_limits limits = {.most_open = 5, .rate_per_hour = 3600, .burst = 1};
    uint32_t entries[SOURCE_WAYS], entry;

    (void)state;
    for (uint64_t n = 0; n < SOURCE_WAYS; n++)
        assert_int_equal(enter(n, &limits, NOW, &entries[n]), SOURCE_ENTERED);
    assert_int_equal(enter(99, &limits, NOW, NULL), SOURCE_NO_ROOM);
    source_leave(&segment, entries[4]);
    /* Its rate still counts: to forget it would lift the limit. */
    assert_int_equal(enter(99, &limits, NOW + SECOND - 1, NULL), SOURCE_NO_ROOM);
    assert_int_equal(enter(4, &limits, NOW + SECOND - 1, NULL), SOURCE_TOO_FAST);
    assert_int_equal(enter(99, &limits, NOW + SECOND, &entry), SOURCE_ENTERED);
    assert_int_equal(entry, entries[4]);
    assert_int_equal(enter(4, &limits, NOW + SECOND, NULL), SOURCE_NO_ROOM);
    assert_int_equal(enter(3, &limits, NOW + SECOND, NULL), SOURCE_ENTERED);
}

/* As sources.c packs them: whether it holds, place, version, serial number, owner. */
static uint64_t claim_word(uint64_t way, uint64_t version, uint64_t mark)
{
    return UINT64_C(1) << 63 | way << 59 | version << 49 | UINT64_C(7) << 32 | mark;
}

static void finishes_the_claim_that_a_dead_process_began(void **state)
{
    const struct source_limits limits = {.most_open = 1};
    struct source_bucket *bucket = segment.sources;
    uint32_t entry;

    (void)state;
    bucket->claim = claim_word(3, 0, 51);
    assert_int_equal(enter(70, &limits, NOW, NULL), SOURCE_ENTERED);
    assert_int_equal(bucket->claim >> 63, 0);
    assert_int_equal(bucket->entries[3].word >> 32, 51);
    assert_int_equal(enter(50, &limits, NOW, &entry), SOURCE_ENTERED); /* whose key it is */
    assert_int_equal(entry, 4);
    /* One whose place has moved on since comes to nothing. */
    bucket->claim = claim_word(3, 1, 52);
    assert_int_equal(enter(50, &limits, NOW, NULL), SOURCE_TOO_MANY);
    assert_int_equal(bucket->claim >> 63, 0);
    assert_int_equal(bucket->entries[3].word >> 32, 51);
}

static void walks_over_what_counts(void **state)
{
    const struct source_limits limits = {0};
    struct source_walk walk = {0};
    struct segment large;
    uint32_t entries[50], found;
    uint64_t sum = 0, expected = 0;

    (void)state;
    assert_int_equal(segment_create(&large, NULL), 0);
    assert_int_equal(source_next(&large, &walk), 0);
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(
            source_enter(&large, i * 0x9e3779b97f4a7c15 + 1, &limits, NOW, &entries[i]),
            SOURCE_ENTERED);
        expected += entries[i];
    }
    walk = (struct source_walk){0};
    for (int i = 0; i < 50; i++) {
        found = source_next(&large, &walk);
        assert_true(found != 0);
        sum += found;
    }
    assert_int_equal(sum, expected);
    assert_int_equal(source_next(&large, &walk), 0);
    segment_fini(&large);
}

enum { CHURN_KEYS = 20 };

/* How many places belong to the source; to be asked by who holds one of them. */
static int places_of(uint64_t n)
{
    int n_places = 0;
    for (int way = 0; way < SOURCE_WAYS; way++)
        n_places += segment.sources->entries[way].word >> 32 == n + 1;
    return n_places;
}

/* Enters and leaves with more sources than the bucket has places. False: over the limit. */
static bool churn(uint64_t seed)
{
    const struct source_limits limits = {.most_open = 1};
    struct random random;
    bool is_exact = true;

    random_init(&random, seed);
    for (int i = 0; i < 300000; i++) {
        uint64_t n = random_below(&random, CHURN_KEYS);
        _Atomic int64_t *holders = &segment.hosts[n].in_flight; /* any shared words will do */
        uint32_t entry;
        if (enter(n, &limits, NOW, &entry) != SOURCE_ENTERED)
            continue;
        atomic_fetch_add(&segment.daemon->change, 1);
        is_exact &= atomic_fetch_add(holders, 1) == 0 && places_of(n) == 1;
        atomic_fetch_sub(holders, 1);
        source_leave(&segment, entry);
    }
    return is_exact;
}

static void no_source_ever_counts_in_two_places(void **state)
{
    enum { PROCESSES = 4 };
    pid_t children[PROCESSES];
    uint64_t word;

    (void)state;
    for (uint64_t i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(churn(i + 1) ? 0 : 1);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_true(segment.daemon->change > 100000); /* that many came in */
    for (uint32_t entry = 1; entry <= SOURCE_WAYS; entry++)
        assert_int_equal(source_open(&segment, entry, &word), 0);
    for (uint64_t n = 0; n < CHURN_KEYS; n++)
        assert_true(places_of(n) <= 1);
}

/* All at once, with times that differ: together exactly the burst. */
static void rates_are_exact_between_processes(void **state)
{
    enum { PROCESSES = 4, BURST = 1000 };
    const struct source_limits limits = {.rate_per_hour = 3600, .burst = BURST};
    pid_t children[PROCESSES];

    (void)state;
    for (uint64_t i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] != 0)
            continue;
        int n = come_in(&limits, NOW + i * CLOCK_NS_PER_MS, BURST);
        atomic_fetch_add(&segment.daemon->change, (uint64_t)n);
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
    assert_int_equal(segment.daemon->change, BURST);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_segment, close_segment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(tells_clients_and_services_apart),
        PROMISE(counts_up_to_the_limit),
        PROMISE(counts_without_limits_too),
        PROMISE(lets_the_burst_in_at_once_then_evenly),
        PROMISE(holds_the_slowest_and_the_fastest_rates),
        PROMISE(what_is_refused_counts_for_nothing),
        PROMISE(a_worker_that_is_behind_does_not_change_the_count),
        PROMISE(a_lowered_limit_does_not_keep_a_source_out_for_long),
        PROMISE(a_full_bucket_refuses_until_a_place_counts_nothing),
        PROMISE(finishes_the_claim_that_a_dead_process_began),
        PROMISE(walks_over_what_counts),
        PROMISE(no_source_ever_counts_in_two_places),
        PROMISE(rates_are_exact_between_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
