/* SPDX-License-Identifier: MIT */
/* Tests of base/buffer. */
#include "base/buffer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/pool.h"

#define CAPACITY 64

static int make_pool(void **state)
{
    static struct pool pool;
    pool_init(&pool, CAPACITY, 4);
    *state = &pool;
    return 0;
}

static int free_pool(void **state)
{
    pool_fini(*state);
    return 0;
}

static void empty_buffer_holds_no_storage(void **state)
{
    struct pool *pool = *state;
    struct buffer buffer = {0};
    assert_null(buffer_bytes(&buffer));
    assert_int_equal(buffer_room(&buffer, pool), CAPACITY);
    assert_int_equal(buffer_append(&buffer, pool, "", 0), 0);
    buffer_consume(&buffer, pool, 5);
    assert_int_equal(pool->taken, 0);
    assert_int_equal(pool->capacity, 0);
}

static void gives_storage_back_when_emptied(void **state)
{
    struct pool *pool = *state;
    struct buffer buffer = {0};
    assert_int_equal(buffer_append(&buffer, pool, "hello", 5), 5);
    assert_int_equal(pool->taken, 1);
    buffer_consume(&buffer, pool, 4);
    assert_int_equal(pool->taken, 1);
    assert_memory_equal(buffer_bytes(&buffer), "o", 1);
    buffer_consume(&buffer, pool, 1);
    assert_int_equal(pool->taken, 0);
    assert_null(buffer_bytes(&buffer));
    assert_int_equal(buffer.length, 0);
}

static void takes_no_more_than_fits(void **state)
{
    struct pool *pool = *state;
    struct buffer buffer = {0};
    char bytes[CAPACITY + 10];
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(buffer_append(&buffer, pool, bytes, sizeof bytes), CAPACITY);
    assert_int_equal(buffer_room(&buffer, pool), 0);
    assert_int_equal(buffer_append(&buffer, pool, bytes, 1), 0);
    buffer_consume(&buffer, pool, 10);
    assert_int_equal(buffer_room(&buffer, pool), 10);
    assert_int_equal(buffer_append(&buffer, pool, "0123456789ab", 12), 10);
    assert_memory_equal(buffer_bytes(&buffer) + CAPACITY - 10, "0123456789", 10);
    buffer_fini(&buffer, pool);
    assert_int_equal(pool->taken, 0);
}

static void consuming_too_much_only_empties(void **state)
{
    struct pool *pool = *state;
    struct buffer buffer = {0};
    buffer_append(&buffer, pool, "abc", 3);
    buffer_consume(&buffer, pool, 1000);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(pool->taken, 0);
}

static void finishing_drops_everything(void **state)
{
    struct pool *pool = *state;
    struct buffer buffer = {0};
    buffer_append(&buffer, pool, "abc", 3);
    buffer_fini(&buffer, pool);
    assert_null(buffer.storage);
    assert_int_equal(pool->taken, 0);
    buffer_fini(&buffer, pool);
    assert_int_equal(pool->taken, 0);
}

static void stream_comes_out_as_it_went_in(void **state)
{
    struct pool *pool = *state;
    struct buffer buffer = {0};
    struct random random;
    random_init(&random, 3);
    uint8_t next_in = 0, next_out = 0;
    size_t total = 0;
    for (int i = 0; i < 20000; i++) {
        unsigned char bytes[CAPACITY];
        size_t length = random_below(&random, CAPACITY) + 1;
        for (size_t b = 0; b < length; b++)
            bytes[b] = (uint8_t)(next_in + b);
        size_t room = buffer_room(&buffer, pool);
        size_t taken = buffer_append(&buffer, pool, bytes, length);
        assert_int_equal(taken, length < room ? length : room);
        next_in = (uint8_t)(next_in + taken);
        size_t leaving = random_below(&random, buffer.length + 1);
        for (size_t b = 0; b < leaving; b++)
            assert_int_equal(buffer_bytes(&buffer)[b], next_out++);
        buffer_consume(&buffer, pool, leaving);
        total += leaving;
        assert_int_equal(pool->taken, buffer.length > 0);
    }
    assert_true(total > 100000);
    buffer_fini(&buffer, pool);
}

static void tells_when_memory_ends(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, 64, SIZE_MAX / 32);
    struct buffer buffer = {0};
    errno = 0;
    assert_int_equal(buffer_append(&buffer, &pool, "abc", 3), 0);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(buffer.length, 0);
    pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(empty_buffer_holds_no_storage, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(gives_storage_back_when_emptied, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(takes_no_more_than_fits, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(consuming_too_much_only_empties, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(finishing_drops_everything, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(stream_comes_out_as_it_went_in, make_pool, free_pool),
        cmocka_unit_test(tells_when_memory_ends),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
