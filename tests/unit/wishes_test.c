/* SPDX-License-Identifier: MIT */
/* Promises of share/wishes: each URL comes out once, none is torn, a dead writer costs no place for ever. */
#include "share/wishes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void comes_out_once(void **state)
{
    (void)state;
    struct wishes wishes = {0};
    char url[WISH_BYTES];
    assert_false(wishes_take(&wishes, url));
    assert_true(wishes_add(&wishes, "http://a/1"));
    assert_true(wishes_add(&wishes, "http://a/1")); /* waits already */
    assert_true(wishes_add(&wishes, "http://a/2"));
    assert_true(wishes_take(&wishes, url));
    assert_string_equal(url, "http://a/1");
    assert_true(wishes_take(&wishes, url));
    assert_string_equal(url, "http://a/2");
    assert_false(wishes_take(&wishes, url));
}

static void bounds(void **state)
{
    (void)state;
    struct wishes wishes = {0};
    char url[WISH_BYTES + 1], taken[WISH_BYTES];
    memset(url, 'x', sizeof url);
    url[WISH_BYTES] = '\0';
    assert_false(wishes_add(&wishes, url));
    assert_false(wishes_add(&wishes, ""));
    url[WISH_BYTES - 1] = '\0';
    assert_true(wishes_add(&wishes, url));
    assert_true(wishes_take(&wishes, taken));
    assert_string_equal(taken, url);
    for (int i = 0; i < WISHES_MOST; i++) {
        snprintf(url, sizeof url, "http://a/%d", i);
        assert_true(wishes_add(&wishes, url));
    }
    assert_false(wishes_add(&wishes, "http://a/one-more"));
    assert_true(wishes_add(&wishes, "http://a/7")); /* that one is there */
}

static void a_dead_writer_gives_its_place_back(void **state)
{
    (void)state;
    struct wishes wishes = {0};
    char url[WISH_BYTES];
    for (int i = 0; i < WISHES_MOST; i++)
        atomic_store(&wishes.at[i].state, 1); /* as whoever dies while it writes leaves it */
    assert_false(wishes_add(&wishes, "http://a/1"));
    for (int i = 0; i < 10; i++)
        assert_false(wishes_take(&wishes, url));
    assert_true(wishes_add(&wishes, "http://a/1"));
    assert_true(wishes_take(&wishes, url));
    assert_string_equal(url, "http://a/1");
}

enum { WRITERS = 4, ROUNDS = 2000 };

struct writer {
    struct wishes *wishes;
    int number;
};

/* Every letter of a URL is its writer's: a torn one would show. */
static void *write_many(void *argument)
{
    const struct writer *writer = argument;
    char url[WISH_BYTES];
    memset(url, 'a' + writer->number, sizeof url);
    for (int i = 0; i < ROUNDS; i++) {
        url[1 + (i * 7 + writer->number) % (WISH_BYTES - 1)] = '\0';
        (void)wishes_add(writer->wishes, url);
        memset(url, 'a' + writer->number, sizeof url);
    }
    return NULL;
}

static void none_is_torn(void **state)
{
    (void)state;
    static struct wishes wishes;
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    char url[WISH_BYTES];
    size_t n = 0;
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&wishes, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS * ROUNDS; i++) {
        if (!wishes_take(&wishes, url))
            continue;
        n++;
        size_t length = strlen(url);
        assert_in_range(length, 1, WISH_BYTES - 1);
        for (size_t k = 1; k < length; k++)
            assert_int_equal(url[k], url[0]);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    while (wishes_take(&wishes, url))
        n++;
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_out_once),
        cmocka_unit_test(bounds),
        cmocka_unit_test(a_dead_writer_gives_its_place_back),
        cmocka_unit_test(none_is_torn),
    };
    return cmocka_run_group_tests_name("wishes", tests, NULL, NULL);
}
