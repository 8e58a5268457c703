/* SPDX-License-Identifier: MIT */
/* Promises of conf/store. */
#include "conf/store.h"

#include <errno.h>

#include "conf/directives.h"
#include "conf_fixture.h"

static void arena_gives_aligned_zeroed_memory(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t bytes = 1; bytes < 100000; bytes = bytes * 3 + 1) {
        unsigned char *taken = arena_take(&arena, bytes);
        assert_non_null(taken);
        assert_int_equal((uintptr_t)taken % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(taken[i], 0);
        memset(taken, 0xff, bytes);
    }
    arena_fini(&arena);
}

/* The sanitizer tells who reads what was given back, or never frees the rest. */
static void arena_gives_large_memory_back(void **state)
{
    (void)state;
    enum { LARGE = 100000, SMALL = 100 };
    struct arena arena = {0};
    for (int newest = 0; newest < 2; newest++) {
        char *before = arena_copy(&arena, "before", 6), *large = arena_take(&arena, LARGE);
        char *after = newest ? NULL : arena_copy(&arena, "after", 5);
        memset(large, 'x', LARGE);
        arena_release(&arena, before, 7); /* has others beside it */
        arena_release(&arena, "nobody's", LARGE);
        arena_release(&arena, large, LARGE);
        char *again = arena_take(&arena, SMALL);
        for (int i = 0; i < SMALL; i++)
            assert_int_equal(again[i], 0);
        assert_string_equal(before, "before");
        assert_true(newest || strcmp(after, "after") == 0);
    }
    arena_fini(&arena);
}

static void arena_refuses_sizes_that_overflow(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    assert_null(arena_take_array(&arena, SIZE_MAX / 2, 16));
    assert_int_equal(errno, ENOMEM);
    arena_fini(&arena);
}

static void copies_what_it_is_given(void **state)
{
    (void)state;
    struct conf_store *store = store_new();
    char name[] = "web", value[] = "5s";
    const struct origin origin = {"file", 7};
    struct conf_section *section = store_add_section(store, SECTION_SERVICE, name, &origin);
    const struct directive *row = directives_find(SECTION_SERVICE, "idle_timeout");
    assert_non_null(store_add_line(store, section, row, value, &origin));
    memset(name, 'x', 3);
    memset(value, 'x', 2);
    assert_string_equal(section->title, "service web");
    assert_string_equal(section->name, "web");
    assert_string_equal(section->first->value, "5s");
    assert_ptr_equal(store_find_line(section, row), section->first);
    assert_null(store_find_line(section, row + 1));
    assert_ptr_equal(store_find_section(store, SECTION_SERVICE, "web"), section);
    assert_null(store_find_section(store, SECTION_GROUP, "web"));
    store_free(store);
}

static void lines_without_effect_are_not_found(void **state)
{
    (void)state;
    struct conf_store *store = store_new();
    const struct origin origin = {"file", 7};
    struct conf_section *section = store_add_section(store, SECTION_GLOBAL, "", &origin);
    const struct directive *row = directives_find(SECTION_GLOBAL, "workers");
    store_add_line(store, section, row, "1", &origin)->is_overridden = true;
    struct conf_line *second = store_add_line(store, section, row, "2", &origin);
    assert_ptr_equal(store_find_line(section, row), second);
    section->is_duplicate = true;
    assert_null(store_find_section(store, SECTION_GLOBAL, ""));
    store_free(store);
}

static void origins_of_the_command_line_have_no_line(void **state)
{
    (void)state;
    char text[ORIGIN_TEXT_BYTES];
    assert_string_equal(origin_print(text, &(struct origin){"a.conf", 12}), "a.conf:12");
    assert_string_equal(origin_print(text, &(struct origin){ORIGIN_COMMAND_LINE, 12}),
                        "command line");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_gives_large_memory_back),
        cmocka_unit_test(arena_gives_aligned_zeroed_memory),
        cmocka_unit_test(arena_refuses_sizes_that_overflow),
        cmocka_unit_test(copies_what_it_is_given),
        cmocka_unit_test(lines_without_effect_are_not_found),
        cmocka_unit_test(origins_of_the_command_line_have_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
