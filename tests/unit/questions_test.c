/* SPDX-License-Identifier: MIT */
/* Promises of share/questions: each comes out once and whole, and no dead writer keeps a place. */
#include "share/questions.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct question_place *places;
static struct question taken;

static int open_places(void **state)
{
    (void)state;
    places = calloc(QUESTIONS_MOST, sizeof *places);
    return places != NULL ? 0 : -1;
}

static int close_places(void **state)
{
    (void)state;
    free(places);
    return 0;
}

static bool put(const char *url, const char *chain, size_t length)
{
    return questions_put(places, &(struct question_text){.url = url,
                                                         .chain = chain,
                                                         .length = length,
                                                         .timeout_ms = 3000,
                                                         .keep_ms = 60000});
}

static void it_comes_out_once_and_whole(void **state)
{
    (void)state;
    assert_false(questions_take(places, &taken, false));
    assert_true(put("http://a.example/", "certificate", 11));
    assert_true(put("", "other", 5));
    assert_true(questions_take(places, &taken, false));
    assert_string_equal(taken.url, "http://a.example/");
    assert_int_equal(taken.length, 11);
    assert_memory_equal(taken.chain, "certificate", 11);
    assert_int_equal(taken.timeout_ms, 3000);
    assert_int_equal(taken.keep_ms, 60000);
    assert_true(questions_take(places, &taken, false));
    assert_string_equal(taken.url, "");
    assert_int_equal(taken.length, 5);
    assert_memory_equal(taken.chain, "other", 5);
    assert_false(questions_take(places, &taken, false));
}

static void what_does_not_fit_is_turned_away(void **state)
{
    (void)state;
    static char chain[QUESTION_CHAIN_BYTES + 1], url[QUESTION_URL_BYTES + 1];
    memset(url, 'u', QUESTION_URL_BYTES);
    assert_false(put(url, "c", 1));
    assert_false(put("", chain, sizeof chain));
    assert_false(put("", "", 0));
    assert_false(questions_take(places, &taken, true));
    url[QUESTION_URL_BYTES - 1] = '\0';
    assert_true(put(url, chain, sizeof chain - 1));
    assert_true(questions_take(places, &taken, true));
    assert_string_equal(taken.url, url);
    assert_int_equal(taken.length, QUESTION_CHAIN_BYTES);
}

static void too_many_are_turned_away(void **state)
{
    (void)state;
    for (int i = 0; i < QUESTIONS_MOST; i++)
        assert_true(put("", "c", 1));
    assert_false(put("", "c", 1));
    assert_true(questions_take(places, &taken, false));
    assert_true(put("", "d", 1));
}

/* Half written, and its writer dead: the looks between the periodic ones do not count, however many. */
static void the_place_of_a_dead_writer_is_freed(void **state)
{
    (void)state;
    enum { LOOKS_MOST = 10 };
    int n_looks = 0;
    assert_true(box_claim(&places[0].box));
    for (int i = 1; i < QUESTIONS_MOST; i++)
        assert_true(put("", "c", 1));
    for (int i = 1; i < QUESTIONS_MOST; i++)
        assert_true(questions_take(places, &taken, false));
    for (int i = 0; i < 100; i++)
        assert_false(questions_take(places, &taken, false));
    assert_false(box_claim(&places[0].box));
    while (!box_claim(&places[0].box) && n_looks++ < LOOKS_MOST)
        assert_false(questions_take(places, &taken, true));
    assert_in_range(n_looks, 2, LOOKS_MOST - 1);
}

/* Whatever lies there by accident, what comes out has an end. */
static void scribble_has_an_end(void **state)
{
    (void)state;
    assert_true(box_claim(&places[5].box));
    memset(&places[5].question, 'x', sizeof places[5].question);
    box_close(&places[5].box);
    assert_true(questions_take(places, &taken, false));
    assert_int_equal(strlen(taken.url), QUESTION_URL_BYTES - 1);
    assert_int_equal(taken.length, QUESTION_CHAIN_BYTES);
}

#define WITH_PLACES(test) cmocka_unit_test_setup_teardown(test, open_places, close_places)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACES(it_comes_out_once_and_whole),
        WITH_PLACES(what_does_not_fit_is_turned_away),
        WITH_PLACES(too_many_are_turned_away),
        WITH_PLACES(the_place_of_a_dead_writer_is_freed),
        WITH_PLACES(scribble_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
