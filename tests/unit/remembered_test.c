/* SPDX-License-Identifier: MIT */
/* Promises of share/remembered: what was put in under an id is found, until others need the room. */
#include "share/remembered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct remembered *new_table(void)
{
    struct remembered *table = calloc(REMEMBERED_MOST, sizeof *table);
    assert_non_null(table);
    return table;
}

/* Ids that differ in their last bytes alone share a bucket. */
static void make_id(unsigned char id[REMEMBERED_ID_BYTES], unsigned bucket, unsigned n)
{
    memset(id, 7, REMEMBERED_ID_BYTES);
    memcpy(id, &bucket, sizeof bucket);
    memcpy(id + REMEMBERED_ID_BYTES - sizeof n, &n, sizeof n);
}

static void what_was_put_in_is_found(void **state)
{
    (void)state;
    struct remembered *table = new_table();
    unsigned char id[REMEMBERED_ID_BYTES], in[REMEMBERED_BYTES], out[REMEMBERED_BYTES];
    const size_t lengths[] = {1, 7, 8, 9, 1000, REMEMBERED_BYTES};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memset(in, (int)i + 1, sizeof in);
        make_id(id, (unsigned)i, 0);
        assert_int_equal(remembered_get(table, id, out), 0);
        remembered_put(table, id, in, lengths[i], 1);
        assert_int_equal(remembered_get(table, id, out), lengths[i]);
        assert_memory_equal(out, in, lengths[i]);
    }
    make_id(id, 2, 1); /* the same bucket, another id */
    assert_int_equal(remembered_get(table, id, out), 0);
    free(table);
}

static void what_does_not_fit_is_not_kept(void **state)
{
    (void)state;
    struct remembered *table = new_table();
    unsigned char id[REMEMBERED_ID_BYTES], in[REMEMBERED_BYTES + 1] = {0},
                                                                 out[REMEMBERED_BYTES];
    make_id(id, 1, 1);
    remembered_put(table, id, in, sizeof in, 1);
    assert_int_equal(remembered_get(table, id, out), 0);
    free(table);
}

static void the_oldest_makes_room(void **state)
{
    (void)state;
    struct remembered *table = new_table();
    unsigned char id[REMEMBERED_ID_BYTES], out[REMEMBERED_BYTES];
    for (unsigned n = 0; n < REMEMBERED_WAYS; n++) {
        make_id(id, 3, n);
        remembered_put(table, id, &n, sizeof n,
                       10 + (n + 2) % REMEMBERED_WAYS); /* n 2 is the oldest */
    }
    unsigned last = 99;
    make_id(id, 3, last);
    remembered_put(table, id, &last, sizeof last, 20);
    for (unsigned n = 0; n < REMEMBERED_WAYS; n++) {
        make_id(id, 3, n);
        assert_int_equal(remembered_get(table, id, out), n == 2 ? 0 : sizeof n);
    }
    make_id(id, 3, last);
    assert_int_equal(remembered_get(table, id, out), sizeof last);
    free(table);
}

static void an_id_has_one_place(void **state)
{
    (void)state;
    struct remembered *table = new_table();
    unsigned char id[REMEMBERED_ID_BYTES], out[REMEMBERED_BYTES];
    make_id(id, 5, 1);
    for (unsigned n = 0; n < 3 * REMEMBERED_WAYS; n++) {
        remembered_put(table, id, &n, sizeof n, n);
        assert_int_equal(remembered_get(table, id, out), sizeof n);
        assert_memory_equal(out, &n, sizeof n);
    }
    size_t used = 0;
    for (size_t i = 0; i < REMEMBERED_MOST; i++)
        used += atomic_load(&table[i].length) > 0;
    assert_int_equal(used, 1);
    free(table);
}

/* Anybody can write into the segment. */
static void a_length_beyond_all_is_nothing(void **state)
{
    (void)state;
    struct remembered *table = new_table();
    unsigned char id[REMEMBERED_ID_BYTES], out[REMEMBERED_BYTES];
    make_id(id, 0, 1);
    remembered_put(table, id, "x", 1, 1);
    for (size_t i = 0; i < REMEMBERED_MOST; i++)
        if (atomic_load(&table[i].length) > 0)
            atomic_store(&table[i].length, UINT64_MAX);
    assert_int_equal(remembered_get(table, id, out), 0);
    free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_in_is_found),
        cmocka_unit_test(what_does_not_fit_is_not_kept),
        cmocka_unit_test(the_oldest_makes_room),
        cmocka_unit_test(an_id_has_one_place),
        cmocka_unit_test(a_length_beyond_all_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
