/* SPDX-License-Identifier: MIT */
/* Tests of the stick table. */
#include "share/stick.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "share/segment.h"

#define SECOND CLOCK_NS_PER_S
#define NOW (100 * SECOND)
#define KEY_BIT (UINT64_C(1) << 63)

enum { SECOND_MS = 1000 };

static struct segment segment;

static int open_small(void **state)
{
    const struct segment_sizes one_bucket = {STICK_WAYS, 1};
    (void)state;
    return segment_create(&segment, &one_bucket);
}

static int open_default(void **state)
{
    (void)state;
    return segment_create(&segment, NULL);
}

static int close_segment(void **state)
{
    (void)state;
    segment_fini(&segment);
    return 0;
}

static struct addr address(const char *text)
{
    struct addr_spec spec;
    const char *why;
    assert_int_equal(addr_parse(text, &spec, &why), 0);
    return spec.address;
}

static uint64_t key_of(uint32_t group, const char *text, int inet_bits, int inet6_bits)
{
    const struct addr client = address(text);
    return stick_key(&segment, group, &client, inet_bits, inet6_bits);
}

/* A key with a number, for the one bucket. */
static uint64_t key(uint64_t n)
{
    return KEY_BIT | n << 20;
}

static void put(uint64_t n, uint32_t host, uint64_t now_ns, int64_t duration_ms)
{
    stick_put(&segment, key(n), host, now_ns, duration_ms);
}

/* The host found, or -1. */
static int64_t find(uint64_t n, uint64_t now_ns)
{
    uint32_t host;
    return stick_find(&segment, key(n), now_ns, &host) ? (int64_t)host : -1;
}

static void tells_clients_and_groups_apart(void **state)
{
    struct addr none = {0};

    (void)state;
    uint64_t one = key_of(1, "192.0.2.1:80", 32, 64);
    assert_true(one != 0);
    assert_int_equal(one, key_of(1, "192.0.2.1:81", 32, 64));
    assert_int_equal(one, key_of(1, "[::ffff:192.0.2.1]:80", 32, 64));
    assert_true(one != key_of(1, "192.0.2.2:80", 32, 64));
    assert_true(one != key_of(2, "192.0.2.1:80", 32, 64));
    assert_int_equal(key_of(1, "192.0.2.1:80", 24, 64), key_of(1, "192.0.2.200:80", 24, 64));
    assert_int_equal(key_of(1, "[2001:db8::1]:80", 32, 64),
                     key_of(1, "[2001:db8::ffff:1]:80", 32, 64));
    assert_true(key_of(1, "[2001:db8::1]:80", 32, 64) !=
                key_of(1, "[2001:db8:0:1::1]:80", 32, 64));
    assert_int_equal(stick_key(&segment, 1, &none, 32, 64),
                     key_of(1, "unix:/run/x.sock", 32, 64));
}

static void remembers_for_the_time_given(void **state)
{
    (void)state;
    assert_int_equal(find(1, NOW), -1);
    put(1, 65535, NOW, SECOND_MS);
    assert_int_equal(find(1, NOW), 65535);
    assert_int_equal(find(1, NOW + SECOND - 1), 65535);
    assert_int_equal(find(1, NOW + SECOND), -1);
    assert_int_equal(find(2, NOW), -1);
    /* Each connection begins the time anew, and may change the host. */
    put(1, 65535, NOW + SECOND / 2, SECOND_MS);
    assert_int_equal(find(1, NOW + SECOND), 65535);
    put(1, 0, NOW + SECOND, SECOND_MS);
    assert_int_equal(find(1, NOW + SECOND), 0);
    assert_int_equal(stick_count(&segment, NOW + SECOND), 1);
    put(1, 0, NOW + SECOND, 0);
    assert_int_equal(stick_count(&segment, NOW + 2 * SECOND), 0);
    put(3, 9, NOW, INT64_MAX);
    assert_int_equal(find(3, NOW + UINT64_C(30) * 365 * 24 * 3600 * SECOND), 9);
}

static void forgets_a_host_whose_row_went_to_another(void **state)
{
    (void)state;
    host_reset(&segment, 7, 0);
    put(1, 7, NOW, SECOND_MS);
    assert_int_equal(find(1, NOW), 7);
    host_forget(&segment, 7);
    host_reset(&segment, 7, 0);
    assert_int_equal(find(1, NOW), -1);
    put(1, 7, NOW, SECOND_MS);
    assert_int_equal(find(1, NOW), 7);
}

static void the_oldest_makes_room(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < STICK_WAYS; n++)
        put(n, n, NOW + n * SECOND, 60 * SECOND_MS);
    put(0, 0, NOW + 20 * SECOND, 60 * SECOND_MS); /* the oldest no more */
    put(100, 100, NOW + 21 * SECOND, 60 * SECOND_MS);
    assert_int_equal(find(1, NOW + 22 * SECOND), -1);
    assert_int_equal(find(0, NOW + 22 * SECOND), 0);
    assert_int_equal(find(100, NOW + 22 * SECOND), 100);
    for (uint32_t n = 2; n < STICK_WAYS; n++)
        assert_int_equal(find(n, NOW + 22 * SECOND), n);
    assert_int_equal(stick_count(&segment, NOW + 22 * SECOND), STICK_WAYS);
}

static void a_place_left_by_the_dead_is_taken_after_a_second(void **state)
{
    (void)state;
    for (int way = 0; way < STICK_WAYS; way++) {
        segment.stick[way].key = (NOW / CLOCK_NS_PER_MS) << 16 | 5; /* as a writer marks it */
        segment.stick[way].value = UINT64_MAX; /* of who was there before */
    }
    assert_int_equal(stick_count(&segment, NOW), 0);
    put(1, 3, NOW + SECOND - CLOCK_NS_PER_MS, SECOND_MS);
    assert_int_equal(find(1, NOW + SECOND), -1);
    put(1, 3, NOW + SECOND, SECOND_MS);
    assert_int_equal(find(1, NOW + SECOND), 3);
}

static void of_two_entries_the_later_counts_for_all(void **state)
{
    (void)state;
    put(1, 3, NOW, SECOND_MS);
    segment.stick[5].key = key(1); /* two workers at once made one each */
    segment.stick[5].value = segment.stick[0].value + (UINT64_C(7) << 24) + 1;
    assert_int_equal(find(1, NOW), 4);
    put(1, 4, NOW + SECOND / 2, SECOND_MS);
    assert_int_equal(find(1, NOW + SECOND), 4);
    assert_int_equal(stick_count(&segment, NOW + SECOND), 1);
}

static void touches_little_of_a_large_table(void **state)
{
    struct stat before, after;

    (void)state;
    for (uint64_t i = 0; i < 10; i++)
        stick_put(&segment, KEY_BIT | i * 7919 << 30, (uint32_t)i, NOW, SECOND_MS);
    assert_int_equal(fstat(segment.fd, &before), 0);
    assert_int_equal(stick_count(&segment, NOW), 10);
    assert_int_equal(fstat(segment.fd, &after), 0);
    assert_int_equal(before.st_blocks, after.st_blocks);
}

enum { CHURN_KEYS = 20 };

/* Puts and finds more keys than the bucket holds; each key has one host. 1: it found another one's. */
static int churn(uint64_t seed, uint64_t rounds)
{
    struct random random;
    random_init(&random, seed);

    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t n = random_below(&random, CHURN_KEYS);
        int64_t found = find(n, NOW);
        if (found >= 0 && found != (int64_t)n + 100)
            return 1;
        stick_put(&segment, key(n), (uint32_t)n + 100, NOW + i * 1000, 1000000);
    }
    return 0;
}

static void never_finds_the_host_of_another_while_writers_are_killed(void **state)
{
    enum { WRITERS = 3, KILLS = 30 };
    pid_t children[WRITERS] = {0};
    int status;

    (void)state;
    for (int i = 0; i < KILLS + WRITERS; i++) {
        pid_t *child = &children[i % WRITERS];
        if (*child != 0) {
            kill(*child, SIGKILL);
            assert_int_equal(waitpid(*child, &status, 0), *child);
            assert_true(WIFSIGNALED(status)); /* it did not end by itself, with a complaint */
        }
        *child = i < KILLS ? fork() : 0;
        if (i < KILLS && *child == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
            _exit(churn((uint64_t)i + 1, UINT64_MAX));
        assert_int_equal(churn(1000 + (uint64_t)i, 20000), 0);
    }
}

static void a_renewed_entry_is_never_missed(void **state)
{
    (void)state;
    put(1, 3, NOW, SECOND_MS);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (uint64_t i = 0;; i++)
            put(1, 3, NOW + i * CLOCK_NS_PER_MS, SECOND_MS + (int64_t)(i % 7));
    }
    for (int i = 0; i < 1000000; i++)
        if (find(1, NOW) != 3)
            fail();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

#define SMALL(name) cmocka_unit_test_setup_teardown(name, open_small, close_segment)
#define DEFAULT(name) cmocka_unit_test_setup_teardown(name, open_default, close_segment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEFAULT(tells_clients_and_groups_apart),
        SMALL(remembers_for_the_time_given),
        SMALL(forgets_a_host_whose_row_went_to_another),
        SMALL(the_oldest_makes_room),
        SMALL(a_place_left_by_the_dead_is_taken_after_a_second),
        SMALL(of_two_entries_the_later_counts_for_all),
        DEFAULT(touches_little_of_a_large_table),
        SMALL(never_finds_the_host_of_another_while_writers_are_killed),
        SMALL(a_renewed_entry_is_never_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
