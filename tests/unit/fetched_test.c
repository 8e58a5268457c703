/* SPDX-License-Identifier: MIT */
/* Promises of conf/fetched: names, what a configuration has a use for, the way into a bundle and back. */
#include "conf/fetched.h"

#include "conf_fixture.h"

#include "base/text.h"
#include "conf/bundle.h"

#define LIST "http://ca.example/list"
#define AUTO_LINES                                                                             \
    BASE_LINES "[service b]\nlisten = 127.0.0.1:8081\ngroup = main\nclient_crl = auto\n"
#define URL_LINES                                                                              \
    BASE_LINES "[service b]\nlisten = 127.0.0.1:8081\ngroup = main\nclient_crl = " LIST "\n"

static void keeps_what_is_set(void **state)
{
    (void)state;
    struct fetched fetched = {0};
    assert_int_equal(fetched_set(&fetched, "crl:a", "one\0more", 8), 1);
    assert_int_equal(fetched_set(&fetched, "crl:a", "one\0more", 8), 0);
    assert_int_equal(fetched_set(&fetched, "crl:b", "", 0), 1);
    assert_int_equal(fetched_set(&fetched, "crl:a", "two", 3), 1);
    assert_int_equal(fetched.n, 2);
    const struct fetched_item *item = fetched_find(&fetched, "crl:a");
    assert_int_equal(item->length, 3);
    assert_memory_equal(item->bytes, "two", 3);
    assert_null(fetched_find(&fetched, "crl:c"));
    fetched_drop(&fetched, 0);
    assert_null(fetched_find(&fetched, "crl:a"));
    assert_non_null(fetched_find(&fetched, "crl:b"));
    fetched_fini(&fetched);
}

static struct model_file points_of(const char *text)
{
    return (struct model_file){
        .path = FETCHED_POINTS, .bytes = (const unsigned char *)text, .length = strlen(text)};
}

static void knows_what_is_wanted(void **state)
{
    (void)state;
    struct model *none = load_good(BASE_LINES), *url = load_good(URL_LINES),
                 *all = load_good(AUTO_LINES);
    struct model_file points = points_of("http://p/1\n\nhttp://p/2");
    assert_false(fetched_is_wanted(none, "crl:" LIST, &points));
    assert_false(fetched_is_wanted(none, "points", &points));
    assert_true(fetched_is_wanted(url, "crl:" LIST, NULL));
    assert_false(fetched_is_wanted(url, "crl:" LIST "2", NULL));
    assert_false(fetched_is_wanted(url, "crl:http://p/1", &points));
    assert_false(fetched_is_wanted(url, "points", NULL));
    assert_false(fetched_is_wanted(url, "staple:" LIST, NULL));
    assert_true(fetched_is_wanted(all, "points", NULL));
    assert_false(fetched_is_wanted(all, "crl:http://p/1", NULL));
    assert_true(fetched_is_wanted(all, "crl:http://p/1", &points));
    assert_true(fetched_is_wanted(all, "crl:http://p/2", &points));
    assert_false(fetched_is_wanted(all, "crl:http://p/", &points));
    assert_false(fetched_wants_points(url));
    assert_true(fetched_wants_points(all));
    conf_free(none);
    conf_free(url);
    conf_free(all);
}

static void note(void *context, const char *name)
{
    text_printf(context, "%s ", name);
}

static void lists_it(void **state)
{
    (void)state;
    struct model *url = load_good(URL_LINES), *all = load_good(AUTO_LINES);
    struct model_file points = points_of("http://p/1\nhttp://p/2\n");
    struct text names = {0};
    fetched_list(url, note, &names);
    assert_string_equal(names.at, "crl:" LIST " ");
    text_clear(&names);
    fetched_list(all, note, &names);
    assert_string_equal(names.at, "points ");
    fetched_list_points(&points, note, &names);
    assert_string_equal(names.at, "points crl:http://p/1 crl:http://p/2 ");
    text_fini(&names);
    conf_free(url);
    conf_free(all);
}

static void passes_over_what_is_no_point(void **state)
{
    (void)state;
    char text[2048], url[MODEL_URL_MOST + 1];
    memset(text, 'x', sizeof text);
    memcpy(text, "\n\nhttp://p/1\n", 13);
    text[13 + MODEL_URL_MOST + 1] = '\n'; /* one that is too long */
    text[300] = '\n';
    text[305] = '\0'; /* one with a NUL */
    text[310] = '\n';
    const struct model_file points = {
        .path = FETCHED_POINTS, .bytes = (const unsigned char *)text, .length = 320};
    size_t at = 0;
    assert_true(fetched_next_point(&points, &at, url));
    assert_string_equal(url, "http://p/1");
    assert_true(fetched_next_point(&points, &at, url));
    assert_int_equal(strlen(url), 300 - (13 + MODEL_URL_MOST + 2));
    assert_true(fetched_next_point(&points, &at, url));
    assert_int_equal(strlen(url), 9);
    assert_false(fetched_next_point(&points, &at, url));
}

static void travels_in_a_bundle(void **state)
{
    (void)state;
    static uint32_t numbers[2];
    const struct bundle_rows rows = {.services = numbers,
                                     .groups = numbers,
                                     .hosts = numbers,
                                     .listeners = numbers,
                                     .n_services = 2,
                                     .n_groups = 1,
                                     .n_hosts = 1,
                                     .n_listeners = 2};
    struct bundle_rows out;
    struct problems problems = {0};
    struct fetched fetched = {0};
    struct model *model = load_good(URL_LINES);
    fetched_set(&fetched, "crl:" LIST, "first", 5);
    fetched_set(&fetched, "crl:" LIST "2", "nobody's", 8);
    assert_int_equal(fetched_attach(model, &fetched), 0);
    assert_null(fetched_of(model, FETCHED_CRL, LIST "2"));
    fetched_set(&fetched, "crl:" LIST, "se\0ond", 6);
    assert_int_equal(fetched_attach(model, &fetched), 0); /* in place of the first */
    int fd = bundle_pack(model, &rows);
    struct model *copy = bundle_unpack(fd, &out, &problems);
    assert_non_null(copy);
    const struct model_file *file = fetched_of(copy, FETCHED_CRL, LIST);
    assert_non_null(file);
    assert_int_equal(file->length, 6);
    assert_memory_equal(file->bytes, "se\0ond", 6);
    assert_null(fetched_of(copy, FETCHED_STAPLE, LIST));
    close(fd);
    conf_free(copy);
    conf_free(model);
    fetched_fini(&fetched);
    problems_fini(&problems);
}

static void goes_through_bytes(void **state)
{
    (void)state;
    struct fetched_item item;
    struct text whole = {0};
    int fd = fetched_encode("crl:a b", "x\0\ny", 4);
    assert_true(fd >= 0);
    assert_int_equal(fetched_decode(fd, &item), 0);
    close(fd);
    assert_string_equal(item.name, "crl:a b");
    assert_int_equal(item.length, 4);
    assert_memory_equal(item.bytes, "x\0\ny", 4);
    fetched_item_fini(&item);
    fetched_print(&whole, "points", "p", 1);
    for (size_t n = 0; n + 1 < whole.length; n++) /* cut anywhere before the end of the name */
        if (n + 1 < whole.length - 1) {
            assert_int_equal(fetched_parse(whole.at, n, &item), -1);
            assert_null(item.name);
        }
    assert_int_equal(fetched_parse(whole.at, whole.length - 1, &item),
                     0); /* nothing at all, under that name */
    assert_int_equal(item.length, 0);
    fetched_item_fini(&item);
    whole.at[0] ^= 1;
    assert_int_equal(fetched_parse(whole.at, whole.length, &item), -1);
    text_fini(&whole);
}

static void lines_are_checked(void **state)
{
    (void)state;
    char long_line[400];
    const char *service = BASE_LINES "[service b]\nlisten = 127.0.0.1:8081\ngroup = main\n";
    const struct {
        const char *line, *says;
    } cases[] = {{"client_crl = https://a/list", "http:// alone"},
                 {"client_crl = http://", "no URL"},
                 {"client_crl = \"http://a/b c\"", "no URL"},
                 {"client_crl = /nowhere/list.crl", "nowhere"},
                 {"crl_policy = soft", "strict"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s%s\n", service, cases[i].line);
        assert_refused(text, cases[i].says);
    }
    snprintf(long_line, sizeof long_line, "%sclient_crl = http://", service);
    struct text text = {0};
    text_add(&text, long_line);
    for (int i = 0; i < 260; i++)
        text_add(&text, "x");
    assert_refused(text.at, "no URL");
    text_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_set),
        cmocka_unit_test(knows_what_is_wanted),
        cmocka_unit_test(lists_it),
        cmocka_unit_test(passes_over_what_is_no_point),
        cmocka_unit_test(travels_in_a_bundle),
        cmocka_unit_test(goes_through_bytes),
        cmocka_unit_test(lines_are_checked),
    };
    return cmocka_run_group_tests_name("fetched", tests, NULL, NULL);
}
