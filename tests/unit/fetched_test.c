/* SPDX-License-Identifier: MIT */
/* Promises of conf/fetched: what was fetched has a name, a use, and a way into the bundle. */
#include "conf/fetched.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/text.h"
#include "conf/bundle.h"
#include "conf_fixture.h"

#define KEY "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
#define CHAIN "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define LIST "http://crl.example/list"

/* Of `web`, `plain` and `auto` alone web has a list by its URL, auto those of points; plain staples nothing. */
#define GROUP "[group main]\nhost = app1 10.0.0.11:8080\n"
#define WEB                                                                                    \
    "[service web]\nlisten = 127.0.0.1:8081 tls\ngroup = main\ncertificate = page.pem\n"       \
    "certificate = more.pem\nocsp_stapling = yes\nclient_crl = " LIST "\n"                     \
    "client_crl = file.crl\n" CLIENTS
#define CLIENTS "client_ca = ca.pem\nclient_verify = required\n"
#define PLAIN                                                                                  \
    "[service plain]\nlisten = 127.0.0.1:8082 tls\ngroup = main\ncertificate = plain.pem\n"
#define AUTO                                                                                   \
    "[service auto]\nlisten = 127.0.0.1:8083 tls\ngroup = main\ncertificate = plain.pem\n"     \
    "client_crl = auto\n" CLIENTS

static char folder[FOLDER_BYTES];

static int make_folder(void **state)
{
    (void)state;
    static const char *const pairs[] = {"page.pem", "more.pem", "plain.pem"};
    char path[256];
    folder_make(folder);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        file_make(folder, pairs[i], CHAIN KEY);
        assert_int_equal(chmod(folder_path(path, folder, pairs[i]), 0600), 0);
    }
    file_make(folder, "ca.pem", CHAIN);
    file_make(folder, "file.crl", "list");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct model *load(const char *text)
{
    char path[256];
    struct problems problems = {0};
    file_make(folder, "main.conf", text);
    struct model *model = load_path(folder_path(path, folder, "main.conf"), &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    problems_fini(&problems);
    return model;
}

/* "staple:" with the path of a file of the folder. */
static const char *staple_of(const char *name)
{
    static char text[512];
    char path[256];
    snprintf(text, sizeof text, FETCHED_STAPLE "%s", folder_path(path, folder, name));
    return text;
}

static struct model_file points_of(const char *text)
{
    return (struct model_file){
        .path = FETCHED_POINTS, .bytes = (const unsigned char *)text, .length = strlen(text)};
}

/* ---- the table ---- */

static void assert_item(const struct fetched *fetched, const char *name, const char *bytes)
{
    const struct fetched_item *item = fetched_find(fetched, name);
    assert_non_null(item);
    assert_string_equal(item->name, name);
    assert_int_equal(item->length, strlen(bytes));
    assert_memory_equal(item->bytes, bytes, item->length);
}

static void what_was_put_is_found_under_its_name(void **state)
{
    (void)state;
    struct fetched fetched = {0};
    char bytes[] = "one", name[] = "crl:a";
    assert_null(fetched_find(&fetched, "crl:a"));
    assert_int_equal(fetched_set(&fetched, name, bytes, 3), 1);
    memset(bytes, 'x', 3); /* both were copied */
    memset(name, 'x', 5);
    assert_item(&fetched, "crl:a", "one");
    assert_int_equal(fetched_set(&fetched, "crl:a", "one", 3), 0);
    assert_int_equal(fetched_set(&fetched, "crl:a", "on", 2), 1);
    assert_item(&fetched, "crl:a", "on");
    assert_int_equal(fetched_set(&fetched, "crl:a", "an", 2), 1);
    assert_item(&fetched, "crl:a", "an");
    assert_int_equal(fetched_set(&fetched, "crl:b", "an", 2), 1);
    assert_int_equal(fetched_set(&fetched, "crl:c", "", 0), 1);
    assert_int_equal(fetched_set(&fetched, "crl:c", "", 0), 0);
    assert_int_equal(fetched.n, 3);
    assert_item(&fetched, "crl:b", "an");
    assert_item(&fetched, "crl:c", "");
    assert_null(fetched_find(&fetched, "crl:"));
    fetched_fini(&fetched);
    assert_int_equal(fetched.n, 0);
    assert_null(fetched_find(&fetched, "crl:b"));
}

static void what_was_dropped_is_gone_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d"};
    for (size_t dropped = 0; dropped < 4; dropped++) {
        struct fetched fetched = {0};
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(fetched_set(&fetched, names[i], names[i], 1), 1);
        for (size_t i = 0; i < fetched.n; i++)
            if (strcmp(fetched.items[i].name, names[dropped]) == 0) {
                fetched_drop(&fetched, i);
                break;
            }
        assert_int_equal(fetched.n, 3);
        for (size_t i = 0; i < 4; i++)
            if (i == dropped)
                assert_null(fetched_find(&fetched, names[i]));
            else
                assert_item(&fetched, names[i], names[i]);
        assert_int_equal(fetched_set(&fetched, names[dropped], "again", 5), 1);
        assert_item(&fetched, names[dropped], "again");
        fetched_fini(&fetched);
    }
}

/* ---- what there is a use for ---- */

static void lists_are_wanted_by_url(void **state)
{
    (void)state;
    struct model *model = load(GROUP WEB PLAIN);
    const struct model_file points = points_of("http://other\n");
    assert_true(fetched_is_wanted(model, FETCHED_CRL LIST, NULL));
    assert_true(fetched_is_wanted(model, FETCHED_CRL LIST, &points));
    assert_false(fetched_is_wanted(model, FETCHED_CRL LIST "x", NULL));
    assert_false(fetched_is_wanted(model, FETCHED_CRL, NULL));
    assert_false(fetched_is_wanted(model, LIST, NULL));
    assert_false(fetched_is_wanted(model, FETCHED_STAPLE LIST, NULL));
    assert_false(fetched_is_wanted(model, "crl:auto", NULL));
    /* Nobody here takes what certificates name. */
    assert_false(fetched_wants_points(model));
    assert_false(fetched_is_wanted(model, FETCHED_POINTS, &points));
    assert_false(fetched_is_wanted(model, "crl:http://other", &points));
    conf_free(model);
}

static void points_are_wanted_where_a_service_says_auto(void **state)
{
    (void)state;
    struct model *model = load(GROUP AUTO);
    const struct model_file points = points_of("http://one\nhttp://other");
    assert_true(fetched_wants_points(model));
    assert_true(fetched_is_wanted(model, FETCHED_POINTS, NULL));
    assert_false(fetched_is_wanted(model, FETCHED_POINTS "s", NULL));
    assert_false(fetched_is_wanted(model, "crl:http://other", NULL));
    assert_true(fetched_is_wanted(model, "crl:http://one", &points));
    assert_true(fetched_is_wanted(model, "crl:http://other", &points));
    assert_false(fetched_is_wanted(model, "crl:http://othe", &points));
    assert_false(fetched_is_wanted(model, "crl:http://one\nhttp://other", &points));
    assert_false(fetched_is_wanted(model, "crl:auto", &points));
    conf_free(model);
}

static void staples_are_wanted_where_they_are_sent(void **state)
{
    (void)state;
    char path[256];
    struct model *model = load(GROUP WEB PLAIN);
    assert_true(fetched_is_wanted(model, staple_of("page.pem"), NULL));
    assert_true(fetched_is_wanted(model, staple_of("more.pem"), NULL));
    assert_false(fetched_is_wanted(model, staple_of("plain.pem"), NULL));
    assert_false(fetched_is_wanted(model, FETCHED_STAPLE, NULL));
    assert_false(fetched_is_wanted(model, folder_path(path, folder, "page.pem"), NULL));
    conf_free(model);
}

struct names_told {
    char names[16][512];
    size_t n;
};

static void note(void *context, const char *name)
{
    struct names_told *told = context;
    assert_in_range(told->n, 0, 15);
    snprintf(told->names[told->n++], sizeof told->names[0], "%s", name);
}

static bool was_told(const struct names_told *told, const char *name)
{
    for (size_t i = 0; i < told->n; i++)
        if (strcmp(told->names[i], name) == 0)
            return true;
    return false;
}

static void all_that_is_wanted_is_told(void **state)
{
    (void)state;
    struct names_told told = {0};
    struct model *model = load(GROUP WEB PLAIN AUTO);
    fetched_list(model, note, &told);
    assert_string_equal(told.names[0], FETCHED_POINTS);
    assert_true(was_told(&told, FETCHED_CRL LIST));
    assert_true(was_told(&told, staple_of("page.pem")));
    assert_true(was_told(&told, staple_of("more.pem")));
    for (size_t i = 0; i < told.n; i++)
        assert_true(fetched_is_wanted(model, told.names[i], NULL));
    conf_free(model);

    told = (struct names_told){0};
    model = load(GROUP PLAIN);
    fetched_list(model, note, &told);
    assert_int_equal(told.n, 0);
    conf_free(model);

    const struct model_file points = points_of("http://one\n\nhttp://other\n");
    fetched_list_points(&points, note, &told);
    assert_int_equal(told.n, 2);
    assert_string_equal(told.names[0], "crl:http://one");
    assert_string_equal(told.names[1], "crl:http://other");
}

/* ---- in a model ---- */

static void put(struct fetched *fetched, const char *name, const char *bytes)
{
    assert_int_equal(fetched_set(fetched, name, bytes, strlen(bytes)), 1);
}

static void assert_has(const struct model *model, const char *kind, const char *rest,
                       const char *bytes)
{
    const struct model_file *file = fetched_of(model, kind, rest);
    if ((file == NULL) != (bytes == NULL))
        fail_msg("%s%s", kind, rest);
    if (file == NULL)
        return;
    assert_int_equal(file->length, strlen(bytes));
    assert_memory_equal(file->bytes, bytes, file->length);
}

static void a_model_gets_what_it_has_a_use_for(void **state)
{
    (void)state;
    char path[256];
    struct fetched fetched = {0};
    struct model *model = load(GROUP WEB AUTO);
    put(&fetched, "crl:http://point", "of a point"); /* stands before the points themselves */
    put(&fetched, FETCHED_POINTS, "http://point\nhttp://absent\n");
    put(&fetched, FETCHED_CRL LIST, "list");
    put(&fetched, "crl:http://nobody", "unused");
    put(&fetched, staple_of("page.pem"), "staple");
    put(&fetched, staple_of("plain.pem"), "unused");
    assert_int_equal(fetched_attach(model, &fetched), 0);
    fetched_fini(&fetched);
    assert_has(model, FETCHED_CRL, "http://point", "of a point");
    assert_has(model, FETCHED_CRL, "http://absent", NULL);
    assert_has(model, FETCHED_POINTS, "", "http://point\nhttp://absent\n");
    assert_has(model, FETCHED_CRL, LIST, "list");
    assert_has(model, FETCHED_CRL, "http://nobody", NULL);
    assert_has(model, FETCHED_STAPLE, folder_path(path, folder, "page.pem"), "staple");
    assert_has(model, FETCHED_STAPLE, folder_path(path, folder, "plain.pem"), NULL);
    assert_has(model, FETCHED_STAPLE, LIST, NULL);

    /* Again: in place of what is there, whatever its length. */
    put(&fetched, FETCHED_CRL LIST, "newer list");
    assert_int_equal(fetched_attach(model, &fetched), 0);
    assert_has(model, FETCHED_CRL, LIST, "newer list");
    assert_has(model, FETCHED_STAPLE, folder_path(path, folder, "page.pem"), "staple");
    put(&fetched, FETCHED_CRL LIST, "");
    assert_int_equal(fetched_attach(model, &fetched), 0);
    assert_has(model, FETCHED_CRL, LIST, "");
    fetched_fini(&fetched);
    conf_free(model);
}

static void what_was_attached_travels_in_the_bundle(void **state)
{
    (void)state;
    static uint32_t numbers[4][4];
    static const struct bundle_rows rows = {.services = numbers[0],
                                            .groups = numbers[1],
                                            .hosts = numbers[2],
                                            .listeners = numbers[3],
                                            .n_services = 2,
                                            .n_groups = 1,
                                            .n_hosts = 1,
                                            .n_listeners = 2};
    char path[256];
    struct fetched fetched = {0};
    struct bundle_rows out;
    struct problems problems = {0};
    struct model *model = load(GROUP WEB AUTO);
    put(&fetched, FETCHED_POINTS, "http://point\n");
    put(&fetched, "crl:http://point", "of a point");
    put(&fetched, FETCHED_CRL LIST, "old");
    put(&fetched, staple_of("page.pem"), "staple");
    assert_int_equal(fetched_attach(model, &fetched), 0);
    assert_int_equal(fetched_set(&fetched, FETCHED_CRL LIST, "a\0b", 3), 1);
    assert_int_equal(fetched_attach(model, &fetched), 0);
    fetched_fini(&fetched);
    int fd = bundle_pack(model, &rows);
    assert_true(fd >= 0);
    conf_free(model);
    model = bundle_unpack(fd, &out, &problems);
    close(fd);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    problems_fini(&problems);
    assert_has(model, FETCHED_POINTS, "", "http://point\n");
    assert_has(model, FETCHED_CRL, "http://point", "of a point");
    assert_has(model, FETCHED_STAPLE, folder_path(path, folder, "page.pem"), "staple");
    const struct model_file *list = fetched_of(model, FETCHED_CRL, LIST);
    assert_non_null(list);
    assert_int_equal(list->length, 3);
    assert_memory_equal(list->bytes, "a\0b", 3);
    conf_free(model);
}

/* ---- points ---- */

static void points_are_stepped_through(void **state)
{
    (void)state;
    const struct model_file points = points_of("\nhttp://one\n\n\nhttp://other\nhttp://last");
    const struct model_file none = points_of(""), ends = points_of("\n\n");
    static const char *const urls[] = {"http://one", "http://other", "http://last"};
    char url[MODEL_URL_MOST + 1];
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_true(fetched_next_point(&points, &at, url));
        assert_string_equal(url, urls[i]);
    }
    assert_false(fetched_next_point(&points, &at, url));
    assert_false(fetched_next_point(&points, &at, url));
    at = 0;
    assert_false(fetched_next_point(&none, &at, url));
    at = 0;
    assert_false(fetched_next_point(&ends, &at, url));
}

static void lines_that_are_no_url_are_passed_over(void **state)
{
    (void)state;
    struct text text = {0};
    char url[MODEL_URL_MOST + 1], longest[MODEL_URL_MOST + 2];
    size_t at = 0;
    memset(longest, 'u', sizeof longest);
    text_append(&text, longest, MODEL_URL_MOST + 1);
    text_append(&text, "\nhttp://a\0b\n", 12);
    text_append(&text, longest, MODEL_URL_MOST);
    text_append(&text, "\n", 1);
    text_append(&text, longest, MODEL_URL_MOST + 1);
    text_append(&text, "\n\0\nhttp://end\n\0", 15);
    /* In memory of exactly its size, so that a step beyond is seen. */
    unsigned char *bytes = malloc(text.length);
    memcpy(bytes, text.at, text.length);
    const struct model_file points = {.bytes = bytes, .length = text.length};
    assert_true(fetched_next_point(&points, &at, url));
    assert_int_equal(strlen(url), MODEL_URL_MOST);
    assert_memory_equal(url, longest, MODEL_URL_MOST);
    assert_true(fetched_next_point(&points, &at, url));
    assert_string_equal(url, "http://end");
    assert_false(fetched_next_point(&points, &at, url));
    free(bytes);
    text_fini(&text);
}

/* ---- as bytes ---- */

static void an_item_is_encoded_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t length;
    } cases[] = {{FETCHED_CRL LIST, "\x30\0\n\xff", 4},
                 {"staple:/etc/a b.pem", "", 0},
                 {FETCHED_POINTS, "http://a\nhttp://b\n", 18}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fetched_item item;
        int fd = fetched_encode(cases[i].name, cases[i].bytes, cases[i].length);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "x", 1), -1); /* it is sealed */
        assert_int_equal(fetched_decode(fd, &item), 0);
        assert_string_equal(item.name, cases[i].name);
        assert_int_equal(item.length, cases[i].length);
        assert_memory_equal(item.bytes, cases[i].bytes, item.length);
        fetched_item_fini(&item);
        assert_null(item.name);
        close(fd);
    }
}

static void the_largest_list_can_be_handed_over(void **state)
{
    (void)state;
    struct fetched_item item;
    char *bytes = calloc(1, FETCHED_CRL_MOST);
    int fd = fetched_encode(FETCHED_CRL LIST, bytes, FETCHED_CRL_MOST);
    assert_true(fd >= 0);
    assert_int_equal(fetched_decode(fd, &item), 0);
    assert_int_equal(item.length, FETCHED_CRL_MOST);
    fetched_item_fini(&item);
    close(fd);
    free(bytes);
}

static void assert_no_item(const char *bytes, size_t length)
{
    struct fetched_item item;
    char *exact = malloc(length + 1); /* a byte beyond it is a fault */
    memcpy(exact, bytes, length);
    exact = realloc(exact, length > 0 ? length : 1);
    errno = 0;
    assert_int_equal(fetched_parse(exact, length, &item), -1);
    assert_int_equal(errno, EINVAL);
    free(exact);

    int fd = memfd_create("fetched", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    errno = 0;
    assert_int_equal(fetched_decode(fd, &item), -1);
    assert_int_equal(errno, EINVAL);
    assert_null(item.name);
    close(fd);
}

static void what_is_damaged_is_no_item(void **state)
{
    (void)state;
    struct text text = {0};
    struct fetched_item item;
    fetched_print(&text, "crl:n", "bytes", 5);
    assert_false(text.failed);
    assert_int_equal(fetched_parse(text.at, text.length, &item), 0);
    assert_string_equal(item.name, "crl:n");
    assert_int_equal(item.length, 5);
    assert_memory_equal(item.bytes, "bytes", 5);
    fetched_item_fini(&item);
    size_t head = text.length - 5, mark = head - strlen("crl:n\n");
    for (size_t cut = 0; cut < head; cut++)
        assert_no_item(text.at, cut);
    for (size_t i = 0; i < mark; i++) {
        text.at[i] ^= 1;
        assert_no_item(text.at, text.length);
        text.at[i] ^= 1;
    }
    text.at[mark + 1] = '\0'; /* a name is a text */
    assert_no_item(text.at, text.length);
    text_clear(&text);
    fetched_print(&text, "", "bytes", 5);
    assert_no_item(text.at, text.length);
    text_fini(&text);
}

static void what_is_no_file_is_no_item(void **state)
{
    (void)state;
    struct fetched_item item;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(fetched_decode(pipes[0], &item), -1);
    assert_null(item.name);
    assert_int_equal(fetched_decode(-1, &item), -1);
    assert_null(item.name);
    close(pipes[0]);
    close(pipes[1]);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_under_its_name),
        cmocka_unit_test(what_was_dropped_is_gone_alone),
        WITH_FOLDER(lists_are_wanted_by_url),
        WITH_FOLDER(points_are_wanted_where_a_service_says_auto),
        WITH_FOLDER(staples_are_wanted_where_they_are_sent),
        WITH_FOLDER(all_that_is_wanted_is_told),
        WITH_FOLDER(a_model_gets_what_it_has_a_use_for),
        WITH_FOLDER(what_was_attached_travels_in_the_bundle),
        cmocka_unit_test(points_are_stepped_through),
        cmocka_unit_test(lines_that_are_no_url_are_passed_over),
        cmocka_unit_test(an_item_is_encoded_and_back),
        cmocka_unit_test(the_largest_list_can_be_handed_over),
        cmocka_unit_test(what_is_damaged_is_no_item),
        cmocka_unit_test(what_is_no_file_is_no_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
