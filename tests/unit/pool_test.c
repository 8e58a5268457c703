/* SPDX-License-Identifier: MIT */
/* Tests of base/pool. */
#include "base/pool.h"

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void empty_pool_holds_no_memory(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, 24, 8);
    assert_int_equal(pool.object_bytes, 32);
    assert_int_equal(pool.capacity, 0);
    assert_null(pool.slabs);
    pool_fini(&pool);
}

static void objects_are_zero_aligned_and_apart(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, 40, 8);
    char *objects[20];
    for (int i = 0; i < 20; i++) {
        objects[i] = pool_take(&pool);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % 16, 0);
        for (int b = 0; b < 40; b++)
            assert_int_equal(objects[i][b], 0);
        memset(objects[i], i + 1, pool.object_bytes);
    }
    for (int i = 0; i < 20; i++) {
        for (size_t b = 0; b < pool.object_bytes; b++)
            assert_int_equal(objects[i][b], i + 1);
    }
    assert_int_equal(pool.taken, 20);
    assert_int_equal(pool.capacity, 24);
    for (int i = 0; i < 20; i++)
        pool_give(&pool, objects[i]);
    assert_int_equal(pool.taken, 0);
    pool_fini(&pool);
    assert_int_equal(pool.capacity, 0);
}

static void a_given_object_is_taken_next_and_zero_again(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, 64, 4);
    char *first = pool_take(&pool), *second = pool_take(&pool);
    memset(first, 0xff, 64);
    pool_give(&pool, first);
    char *again = pool_take(&pool);
    assert_ptr_equal(again, first);
    for (int b = 0; b < 64; b++)
        assert_int_equal(again[b], 0);
    pool_give(&pool, again);
    pool_give(&pool, second);
    pool_fini(&pool);
}

static void capacity_follows_the_peak_only(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, 16, 4);
    void *objects[10];
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 10; i++)
            objects[i] = pool_take(&pool);
        for (int i = 0; i < 10; i++)
            pool_give(&pool, objects[i]);
    }
    assert_int_equal(pool.capacity, 12);
    pool_fini(&pool);
}

static void free_objects_are_poisoned(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, 48, 2);
    char *object = pool_take(&pool);
    for (size_t b = 0; b < 48; b++)
        assert_false(__asan_address_is_poisoned(object + b));
    for (size_t b = 0; b < 48; b++)
        assert_true(__asan_address_is_poisoned(object + 48 + b)); /* its free neighbour */
    pool_give(&pool, object);
    for (size_t b = 0; b < 48; b++)
        assert_true(__asan_address_is_poisoned(object + b));
    char *unset = pool_take_unset(&pool);
    assert_ptr_equal(unset, object);
    assert_false(__asan_address_is_poisoned(unset));
    pool_give(&pool, unset);
    pool_fini(&pool);
}

static void giving_null_does_nothing(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, 16, 4);
    pool_give(&pool, NULL);
    assert_int_equal(pool.taken, 0);
    pool_fini(&pool);
}

static void tells_when_memory_ends(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, 64, SIZE_MAX / 32); /* a slab would be larger than any address */
    errno = 0;
    assert_null(pool_take(&pool));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(pool_take_unset(&pool));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(pool.taken, 0);
    pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_pool_holds_no_memory),
        cmocka_unit_test(objects_are_zero_aligned_and_apart),
        cmocka_unit_test(a_given_object_is_taken_next_and_zero_again),
        cmocka_unit_test(capacity_follows_the_peak_only),
        cmocka_unit_test(free_objects_are_poisoned),
        cmocka_unit_test(giving_null_does_nothing),
        cmocka_unit_test(tells_when_memory_ends),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
