/* SPDX-License-Identifier: MIT */
/* Promises of share/wishes: each URL comes out once, whoever wished for it, and no dead writer keeps a place. */
#include "share/wishes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct wishes wishes;

static int make_empty(void **state)
{
    (void)state;
    wishes = (struct wishes){0};
    return 0;
}

static void assert_nothing_waits(void)
{
    char url[WISH_BYTES];
    assert_false(wishes_take(&wishes, url));
}

static void what_was_wished_is_taken_once(void **state)
{
    (void)state;
    char url[WISH_BYTES];
    assert_nothing_waits();
    assert_true(wishes_add(&wishes, "http://a.example/list"));
    assert_true(wishes_take(&wishes, url));
    assert_string_equal(url, "http://a.example/list");
    assert_nothing_waits();
    /* A longer one was there before: nothing of it is left behind the shorter. */
    assert_true(wishes_add(&wishes, "http://b"));
    assert_true(wishes_take(&wishes, url));
    assert_string_equal(url, "http://b");
    assert_nothing_waits();
}

static void the_same_waits_once(void **state)
{
    (void)state;
    char first[WISH_BYTES], second[WISH_BYTES];
    for (int i = 0; i < 2 * WISHES_MOST; i++) {
        assert_true(wishes_add(&wishes, "http://a.example/list"));
        assert_true(wishes_add(&wishes, "http://a.example/lis"));
    }
    assert_true(wishes_take(&wishes, first));
    assert_true(wishes_take(&wishes, second));
    assert_string_not_equal(first, second);
    assert_nothing_waits();
    assert_true(wishes_add(&wishes, "http://a.example/list")); /* it may be wished again */
    assert_true(wishes_take(&wishes, first));
    assert_string_equal(first, "http://a.example/list");
}

static void add_number(int i)
{
    char url[WISH_BYTES];
    snprintf(url, sizeof url, "http://a.example/%d", i);
    assert_true(wishes_add(&wishes, url));
}

static void too_many_are_turned_away(void **state)
{
    (void)state;
    char url[WISH_BYTES];
    for (int i = 0; i < WISHES_MOST; i++)
        add_number(i);
    assert_false(wishes_add(&wishes, "http://a.example/more"));
    assert_true(wishes_add(&wishes, "http://a.example/7")); /* that one waits already */
    assert_true(wishes_take(&wishes, url));
    assert_true(wishes_add(&wishes, "http://a.example/more"));
    bool has_come = false;
    for (int i = 0; i < WISHES_MOST; i++) {
        assert_true(wishes_take(&wishes, url));
        has_come = has_come || strcmp(url, "http://a.example/more") == 0;
    }
    assert_true(has_come);
    assert_nothing_waits();
}

static void what_is_too_long_is_turned_away(void **state)
{
    (void)state;
    char longest[WISH_BYTES + 1], url[WISH_BYTES];
    memset(longest, 'a', sizeof longest);
    longest[WISH_BYTES] = '\0';
    assert_false(wishes_add(&wishes, longest));
    assert_nothing_waits();
    longest[WISH_BYTES - 1] = '\0';
    assert_true(wishes_add(&wishes, longest));
    assert_true(wishes_take(&wishes, url));
    assert_string_equal(url, longest);
}

/* The value of state while a place is written, which the header does not tell: neither free nor to be read. */
static uint32_t find_begun(void)
{
    uint32_t made;
    assert_true(wishes_add(&wishes, "http://a.example/list"));
    made = atomic_load(&wishes.at[0].box.state);
    wishes = (struct wishes){0};
    assert_int_not_equal(made, 0);
    return made == 1 ? 2 : 1;
}

static void the_place_of_a_dead_writer_is_freed(void **state)
{
    (void)state;
    enum { TURNS_MOST = 100 };
    uint32_t begun = find_begun();
    char url[WISH_BYTES];
    int turns = 0;
    memset(wishes.at[3].url, 'x', WISH_BYTES); /* it has not come to the NUL */
    atomic_store(&wishes.at[3].box.state, begun);
    for (int i = 0; i < WISHES_MOST - 1; i++)
        add_number(i);
    assert_false(wishes_add(&wishes, "http://a.example/more"));
    for (int i = 0; i < WISHES_MOST - 1; i++) {
        assert_true(wishes_take(&wishes, url));
        assert_int_equal(strncmp(url, "http://a.example/", 17), 0);
    }
    while (atomic_load(&wishes.at[3].box.state) != 0 && turns++ < TURNS_MOST)
        assert_nothing_waits(); /* what is half written is nobody's wish */
    assert_in_range(turns, 0, TURNS_MOST - 1);
    for (int i = 0; i < WISHES_MOST; i++)
        add_number(i);
}

static void a_writer_is_waited_for(void **state)
{
    (void)state;
    uint32_t begun = find_begun();
    char url[WISH_BYTES];
    atomic_store(&wishes.at[0].box.state, begun);
    assert_nothing_waits();
    assert_int_equal(atomic_load(&wishes.at[0].box.state), begun);
    strcpy(wishes.at[0].url, "http://late");
    atomic_store(&wishes.at[0].box.state, 3 - begun);
    assert_true(wishes_take(&wishes, url));
    assert_string_equal(url, "http://late");
    /* The next writer has as much time as this one. */
    atomic_store(&wishes.at[0].box.state, begun);
    assert_nothing_waits();
    assert_int_equal(atomic_load(&wishes.at[0].box.state), begun);
}

enum { THREADS = 8, EACH = WISHES_MOST / THREADS, ROUNDS = 200 };

struct wisher {
    pthread_t thread;
    pthread_barrier_t *start;
    int first, n_added;
};

static void *wish(void *argument)
{
    struct wisher *wisher = argument;
    pthread_barrier_wait(wisher->start);
    for (int i = 0; i < EACH; i++) {
        char url[WISH_BYTES];
        snprintf(url, sizeof url, "http://a.example/%d", wisher->first + i);
        wisher->n_added += wishes_add(&wishes, url);
    }
    return NULL;
}

static void many_may_wish_at_a_time(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct wisher wishers[THREADS];
        pthread_barrier_t start;
        bool has_come[WISHES_MOST] = {false};
        char url[WISH_BYTES];
        pthread_barrier_init(&start, NULL, THREADS);
        for (int i = 0; i < THREADS; i++) {
            wishers[i] = (struct wisher){.start = &start, .first = i * EACH};
            assert_int_equal(pthread_create(&wishers[i].thread, NULL, wish, &wishers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(wishers[i].thread, NULL);
            assert_int_equal(wishers[i].n_added, EACH);
        }
        pthread_barrier_destroy(&start);
        for (int i = 0; i < WISHES_MOST; i++) {
            int number = -1;
            assert_true(wishes_take(&wishes, url));
            assert_int_equal(sscanf(url, "http://a.example/%d", &number), 1);
            assert_in_range(number, 0, WISHES_MOST - 1);
            assert_false(has_come[number]);
            has_come[number] = true;
        }
        assert_nothing_waits();
    }
}

#define FROM_EMPTY(test) cmocka_unit_test_setup(test, make_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FROM_EMPTY(what_was_wished_is_taken_once),
        FROM_EMPTY(the_same_waits_once),
        FROM_EMPTY(too_many_are_turned_away),
        FROM_EMPTY(what_is_too_long_is_turned_away),
        FROM_EMPTY(the_place_of_a_dead_writer_is_freed),
        FROM_EMPTY(a_writer_is_waited_for),
        FROM_EMPTY(many_may_wish_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
