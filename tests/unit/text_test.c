/* SPDX-License-Identifier: MIT */
/* Tests of base/text. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/hash.h"

static void grows_over_many_additions(void **state)
{
    (void)state;
    struct text text = {0};
    for (int i = 0; i < 1000; i++)
        text_add(&text, "0123456789");
    assert_false(text.failed);
    assert_int_equal(text.length, 10000);
    assert_int_equal(strlen(text.at), 10000);
    for (size_t i = 0; i < text.length; i++)
        assert_int_equal(text.at[i], '0' + (int)(i % 10));
    text_fini(&text);
    assert_null(text.at);
    assert_int_equal(text.length, 0);
}

static void appends_bytes_with_nul(void **state)
{
    (void)state;
    struct text text = {0};
    text_append(&text, "a\0b", 3);
    text_append(&text, "c", 1);
    assert_int_equal(text.length, 4);
    assert_memory_equal(text.at, "a\0bc", 5);
    text_fini(&text);
}

static void prints_at_every_room_left(void **state)
{
    (void)state;
    /* The storage starts at 64 bytes: the printed 21 must fit, just fit, and not fit. */
    for (size_t before = 0; before < 130; before++) {
        struct text text = {0};
        for (size_t i = 0; i < before; i++)
            text_append(&text, "x", 1);
        text_printf(&text, "%s=%d", "0123456789012345", 1234);
        assert_int_equal(text.length, before + 21);
        assert_string_equal(text.at + before, "0123456789012345=1234");
        text_fini(&text);
    }
}

static void clear_keeps_the_storage(void **state)
{
    (void)state;
    struct text text = {0};
    text_add(&text, "something");
    const char *storage = text.at;
    text_clear(&text);
    assert_int_equal(text.length, 0);
    assert_string_equal(text.at, "");
    text_add(&text, "else");
    assert_ptr_equal(text.at, storage);
    assert_string_equal(text.at, "else");
    text_fini(&text);
    text_clear(&text);
    assert_null(text.at);
}

static void failure_sticks_and_keeps_what_is_there(void **state)
{
    (void)state;
    struct text text = {0};
    text_add(&text, "kept");
    text_append(&text, "x", SIZE_MAX - 10); /* more than there can be: refused unread */
    assert_true(text.failed);
    text_add(&text, "later");
    text_printf(&text, "%d", 7);
    text_add_html(&text, "<");
    assert_string_equal(text.at, "kept");
    assert_int_equal(text.length, 4);
    assert_null(text_take(&text));
    assert_null(text.at);
    assert_false(text.failed);
}

static void takes_the_storage_away(void **state)
{
    (void)state;
    struct text text = {0};
    text_add(&text, "mine");
    char *taken = text_take(&text);
    assert_string_equal(taken, "mine");
    assert_null(text.at);
    free(taken);
    char *empty = text_take(&text);
    assert_string_equal(empty, "");
    free(empty);
}

static void escapes_for_a_log_line(void **state)
{
    (void)state;
    struct text text = {0};
    text_add_escaped(&text, "plain ~ text");
    assert_string_equal(text.at, "plain ~ text");
    text_clear(&text);
    text_add_escaped(&text, "a\"b'c\\d\n\t\x01\x1f\x7f\x80\xff!");
    assert_string_equal(text.at, "a\\x22b\\x27c\\x5cd\\x0a\\x09\\x01\\x1f\\x7f\\x80\\xff!");
    text_clear(&text);
    text_add_escaped(&text, "");
    assert_string_equal(text.at, "");
    text_fini(&text);
}

static void quotes_for_html(void **state)
{
    (void)state;
    struct text text = {0};
    text_add_html(&text, "<b class=\"x\" id='y'>a&b</b> \xc3\xa9");
    assert_string_equal(text.at, "&lt;b class=&quot;x&quot; id=&#39;y&#39;&gt;a&amp;b&lt;/b&gt;"
                                 " \xc3\xa9");
    text_fini(&text);
}

/* What a JSON parser makes of the shown string. */
static json_t *read_back(const char *string)
{
    struct text text = {0};
    text_add_json(&text, string);
    json_t *value = json_loads(text.at, JSON_DECODE_ANY, NULL);
    text_fini(&text);
    assert_non_null(value);
    return value;
}

static void json_string_survives_a_parser(void **state)
{
    (void)state;
    static const char *const strings[] = {
        "",
        "plain",
        "\"\\/\b\f\n\r\t\x01\x1f\x7f",
        "</script><b>&amp;",
        "gr\xc3\xbc\xc3\x9f",
        "\xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf \xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        json_t *value = read_back(strings[i]);
        assert_string_equal(json_string_value(value), strings[i]);
        json_decref(value);
    }
}

static void json_string_replaces_what_is_no_utf8(void **state)
{
    (void)state;
#define R "\xef\xbf\xbd"
    static const char *const cases[][2] = {
        {"a\xff"
         "b",
         "a" R "b"},                   /* no first byte */
        {"\xc0\xaf", R R},             /* overlong */
        {"\xe0\x80\xaf", R R R},       /* overlong */
        {"\xed\xa0\x80", R R R},       /* surrogate */
        {"\xf4\x90\x80\x80", R R R R}, /* beyond U+10FFFF */
        {"\xf0\x80\x80\x80", R R R R}, /* overlong */
        {"x\xe2\x82", "x" R R},        /* ends in mid-character */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = read_back(cases[i][0]);
        assert_string_equal(json_string_value(value), cases[i][1]);
        json_decref(value);
    }
}

static void json_string_is_inert_in_html(void **state)
{
    (void)state;
    struct text text = {0};
    text_add_json(&text, "</script>&");
    assert_null(strpbrk(text.at, "<>&"));
    text_fini(&text);
}

static void finds_the_nearest_word(void **state)
{
    (void)state;
    static const char *const words[] = {
        "listen", "idle_timeout", "connect_timeout", "half_close_timeout",
        "cork",   "nodelay",      "keepalive"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"listen", "listen"},
        {"LISTEN", "listen"},
        {"lsiten", "listen"},
        {"listn", "listen"},
        {"listenn", "listen"},
        {"idle_timout", "idle_timeout"},
        {"Idle-Timeout", "idle_timeout"},
        {"conect_timeot", "connect_timeout"},
        {"halfclosetimeout", "half_close_timeout"},
        {"crok", "cork"},
        {"kor", NULL}, /* two changes of three letters */
        {"no", NULL},
        {"", NULL},
        {"weight", NULL},
        {"idletimeouts_of_all", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *nearest = text_nearest(cases[i].word, words, sizeof words / sizeof *words);
        if (cases[i].nearest == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, cases[i].nearest);
    }
    assert_null(text_nearest("listen", words, 0));
}

static void prefers_the_nearer_word_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const near_last[] = {"timeoux", "timeoxx", "timeout"};
    static const char *const near_first[] = {"timeout", "timeoux"};
    static const char *const tie[] = {"timeoua", "timeoub"};
    assert_ptr_equal(text_nearest("timeout", near_last, 3), near_last[2]);
    assert_ptr_equal(text_nearest("timeout", near_first, 2), near_first[0]);
    assert_ptr_equal(text_nearest("timeout", tie, 2), tie[0]);
}

/* The textbook's whole table, for words up to 15 letters. */
static int whole_table_distance(const char *a, const char *b)
{
    int table[16][16];
    size_t n = strlen(a), m = strlen(b);
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            int best = (int)(i == 0 ? j : i);
            if (i > 0 && j > 0) {
                int change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
                int drop = table[i - 1][j] + 1, add = table[i][j - 1] + 1;
                best = change < drop ? change : drop;
                best = add < best ? add : best;
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                table[i - 2][j - 2] + 1 < best)
                best = table[i - 2][j - 2] + 1;
            table[i][j] = best;
        }
    }
    return table[n][m];
}

static void make_word(struct random *random, char word[16])
{
    size_t length = random_below(random, 15) + 1;
    for (size_t i = 0; i < length; i++)
        word[i] = (char)('a' + random_below(random, 2));
    word[length] = '\0';
}

static void nearness_is_that_of_the_whole_table(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    int near = 0;
    for (int i = 0; i < 50000; i++) {
        char a[16], b[16];
        make_word(&random, a);
        make_word(&random, b);
        int third = (int)strlen(a) / 3;
        bool is_near = whole_table_distance(a, b) <= (third < 3 ? third : 3);
        const char *const words[] = {b};
        assert_int_equal(text_nearest(a, words, 1) != NULL, is_near);
        near += is_near;
    }
    assert_in_range(near, 1000, 49000); /* both answers were tried often */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_over_many_additions),
        cmocka_unit_test(appends_bytes_with_nul),
        cmocka_unit_test(prints_at_every_room_left),
        cmocka_unit_test(clear_keeps_the_storage),
        cmocka_unit_test(failure_sticks_and_keeps_what_is_there),
        cmocka_unit_test(takes_the_storage_away),
        cmocka_unit_test(escapes_for_a_log_line),
        cmocka_unit_test(quotes_for_html),
        cmocka_unit_test(json_string_survives_a_parser),
        cmocka_unit_test(json_string_replaces_what_is_no_utf8),
        cmocka_unit_test(json_string_is_inert_in_html),
        cmocka_unit_test(finds_the_nearest_word),
        cmocka_unit_test(prefers_the_nearer_word_wherever_it_stands),
        cmocka_unit_test(nearness_is_that_of_the_whole_table),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
