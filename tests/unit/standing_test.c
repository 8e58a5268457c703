/* SPDX-License-Identifier: MIT */
/* Promises of share/standing: what was said holds for its time, and nobody gets what was said of another. */
#include "share/standing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT64_MAX

static struct standing_row *table;

static int open_table(void **state)
{
    (void)state;
    table = calloc(STANDINGS_MOST, sizeof *table);
    return table != NULL ? 0 : -1;
}

static int close_table(void **state)
{
    (void)state;
    free(table);
    return 0;
}

/* Keys that differ in their last bytes alone share a bucket. */
static void make_key(unsigned char key[STANDING_KEY_BYTES], unsigned bucket, unsigned n)
{
    memset(key, 7, STANDING_KEY_BYTES);
    memcpy(key, &bucket, sizeof bucket);
    memcpy(key + STANDING_KEY_BYTES - sizeof n, &n, sizeof n);
}

static void it_holds_until_its_end(void **state)
{
    (void)state;
    unsigned char key[STANDING_KEY_BYTES], other[STANDING_KEY_BYTES];
    make_key(key, 1, 1);
    make_key(other, 1, 2);
    assert_int_equal(standing_get(table, key, 1000, NOBODY), STANDING_UNASKED);
    for (int said = STANDING_GOOD; said <= STANDING_UNANSWERED; said++) {
        standing_put(table, key, (enum standing)said, 1000, 2000);
        assert_int_equal(standing_get(table, key, 1000, NOBODY), said);
        assert_int_equal(standing_get(table, key, 1999, NOBODY), said);
        assert_int_equal(standing_get(table, key, 2000, NOBODY), STANDING_UNASKED);
        assert_int_equal(standing_get(table, other, 1000, NOBODY), STANDING_UNASKED);
    }
}

static void who_waits_takes_what_is_said_then(void **state)
{
    (void)state;
    unsigned char key[STANDING_KEY_BYTES];
    make_key(key, 2, 1);
    standing_put(table, key, STANDING_GOOD, 1000, 1000); /* for nobody else */
    assert_int_equal(standing_get(table, key, 1500, NOBODY), STANDING_UNASKED);
    assert_int_equal(standing_get(table, key, 1500, 1000), STANDING_GOOD);
    assert_int_equal(standing_get(table, key, 1500, 999), STANDING_GOOD);
    assert_int_equal(standing_get(table, key, 1500, 1001), STANDING_UNASKED);
}

static void the_oldest_of_a_bucket_makes_room(void **state)
{
    (void)state;
    unsigned char key[STANDING_KEY_BYTES];
    for (unsigned n = 0; n <= STANDING_WAYS; n++) {
        make_key(key, 3, n);
        standing_put(table, key, STANDING_REVOKED, 1000 + n, 9000);
    }
    for (unsigned n = 0; n <= STANDING_WAYS; n++) {
        make_key(key, 3, n);
        assert_int_equal(standing_get(table, key, 2000, NOBODY),
                         n == 0 ? STANDING_UNASKED : STANDING_REVOKED);
    }
}

/* Parts of two: any word of a row comes from another one of the same bucket. */
static void parts_of_two_are_nothing(void **state)
{
    (void)state;
    unsigned char good[STANDING_KEY_BYTES], bad[STANDING_KEY_BYTES];
    struct standing_row *rows = table + 4 * STANDING_WAYS;
    memset(good, 0x11, sizeof good);
    memset(bad, 0x22, sizeof bad);
    const uint64_t bucket = 4;
    memcpy(good, &bucket, sizeof bucket);
    memcpy(bad, &bucket, sizeof bucket);
    standing_put(table, good, STANDING_GOOD, 1000, 5000);
    standing_put(table, bad, STANDING_REVOKED, 1003, 6001);
    uint64_t of_good[sizeof *rows / 8], of_bad[sizeof *rows / 8], mixed[sizeof *rows / 8];
    memcpy(of_good, &rows[0], sizeof of_good);
    memcpy(of_bad, &rows[1], sizeof of_bad);
    memset(rows, 0, 2 * sizeof *rows);
    for (unsigned mask = 0; mask < 1U << 7; mask++) {
        for (unsigned word = 0; word < sizeof *rows / 8; word++)
            mixed[word] = (mask >> word & 1U) != 0 ? of_good[word] : of_bad[word];
        memcpy(&rows[0], mixed, sizeof mixed);
        bool is_good = mask == (1U << 7) - 1 || mask == (1U << 7) - 2; /* word 0 is the same */
        enum standing found = standing_get(table, bad, 2000, NOBODY);
        assert_true(found == STANDING_UNASKED || found == STANDING_REVOKED);
        found = standing_get(table, good, 2000, NOBODY);
        assert_true(is_good ? found == STANDING_GOOD : found == STANDING_UNASKED);
    }
}

enum { ROUNDS = 100000 };

struct writer {
    pthread_t thread;
    unsigned n;
};

/* Even keys are good, odd ones revoked. */
static void *write_often(void *argument)
{
    const struct writer *writer = argument;
    unsigned char key[STANDING_KEY_BYTES];
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned n = writer->n + 2 * (i % STANDING_WAYS);
        memset(key, (int)(n * 37 + 1), sizeof key);
        memset(key, 0, 8);
        standing_put(table, key, n % 2 == 0 ? STANDING_GOOD : STANDING_REVOKED, i + 1, i + 9);
    }
    return NULL;
}

static void nobody_gets_what_was_said_of_another(void **state)
{
    (void)state;
    struct writer writers[] = {{.n = 0}, {.n = 1}};
    unsigned char key[STANDING_KEY_BYTES];
    unsigned n_found = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_often, &writers[i]), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned n = i % (2 * STANDING_WAYS);
        memset(key, (int)(n * 37 + 1), sizeof key);
        memset(key, 0, 8);
        enum standing found = standing_get(table, key, 0, NOBODY);
        n_found += found != STANDING_UNASKED;
        assert_true(found == STANDING_UNASKED ||
                    found == (n % 2 == 0 ? STANDING_GOOD : STANDING_REVOKED));
    }
    for (int i = 0; i < 2; i++)
        pthread_join(writers[i].thread, NULL);
    assert_true(n_found > 0);
}

#define IN_TABLE(test) cmocka_unit_test_setup_teardown(test, open_table, close_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TABLE(it_holds_until_its_end),
        IN_TABLE(who_waits_takes_what_is_said_then),
        IN_TABLE(the_oldest_of_a_bucket_makes_room),
        IN_TABLE(parts_of_two_are_nothing),
        IN_TABLE(nobody_gets_what_was_said_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
