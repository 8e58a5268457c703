/* SPDX-License-Identifier: MIT */
/* Tests of assembling a configuration anew with other addresses. */
#include "conf/renew.h"

#include "conf/store.h"
#include "conf/write.h"
#include "conf_fixture.h"

static struct addresses addresses_of(const char *lookup, const char *ip)
{
    struct addresses addresses = {0};
    struct addr_spec spec;
    const char *why;
    assert_int_equal(addr_parse(ip, &spec, &why), 0);
    spec.address.in.sin_port = 0;
    const struct address one = {.at = spec.address, .weight = 1};
    assert_int_equal(addresses_set(&addresses, lookup, &one, 1), 1);
    return addresses;
}

static void says_the_same_as_before(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct model *model = load_good("[global]\nworkers = 3\nlog_level = debug\n" BASE_LINES
                                    "host = app2 10.0.0.12:8080 weight=3\n");
    const struct addresses nothing = {0};
    struct model *renewed = conf_renew(model, &nothing, &problems);
    assert_non_null(renewed);
    struct text before = {0}, after = {0};
    conf_write(&before, model);
    conf_write(&after, renewed);
    conf_free(model);
    assert_string_equal(before.at, after.at); /* and holds nothing of the first */
    assert_int_equal(renewed->global.workers, 3);
    assert_int_equal(renewed->groups[0].hosts[1].weight, 3);
    assert_string_equal(renewed->groups[0].hosts[0].origin.file, "command line");
    text_fini(&before);
    text_fini(&after);
    conf_free(renewed);
}

static void is_built_with_the_new_addresses(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct model *model = load_good(BASE_LINES);
    struct addresses first = addresses_of("app.example", "192.0.2.1:1");
    struct addresses second = addresses_of("app.example", "192.0.2.2:1");
    struct model *one = conf_renew(model, &first, &problems);
    struct model *two = conf_renew(one, &second, &problems);
    assert_non_null(two);
    const struct address_entry *entry = addresses_find(&two->store->addresses, "app.example");
    assert_non_null(entry);
    assert_int_equal(entry->n, 1);
    assert_true(addr_is_equal(&entry->addresses[0].at, &second.entries[0].addresses[0].at));
    addresses_fini(&first);
    addresses_fini(&second);
    conf_free(model);
    conf_free(one);
    conf_free(two);
}

static void needs_no_file(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES], path[256];
    struct problems problems = {0};
    folder_make(folder);
    file_make(folder, "a.conf", BASE_LINES);
    struct model *model = load_path(folder_path(path, folder, "a.conf"), &problems);
    assert_non_null(model);
    folder_remove(folder);
    const struct addresses nothing = {0};
    struct model *renewed = conf_renew(model, &nothing, &problems);
    assert_non_null(renewed);
    assert_string_equal(renewed->path, path);
    assert_string_equal(renewed->groups[0].origin.file, path);
    assert_int_equal(renewed->groups[0].origin.line, model->groups[0].origin.line);
    conf_free(model);
    conf_free(renewed);
    problems_fini(&problems);
}

static void what_the_command_line_said_still_stands(void **state)
{
    (void)state;
    struct problems problems = {0};
    const struct conf_override override = {"global", "workers", "4"};
    const struct conf_request request = {
        .text = "[global]\nworkers = 2\n" BASE_LINES, .overrides = &override, .n_overrides = 1};
    struct model *model = conf_load(&request, &problems);
    assert_non_null(model);
    const struct addresses nothing = {0};
    struct model *renewed = conf_renew(model, &nothing, &problems);
    assert_non_null(renewed);
    assert_int_equal(renewed->global.workers, 4);
    conf_free(model);
    conf_free(renewed);
    problems_fini(&problems);
}

static void warnings_are_not_given_again(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct model *model =
        load_text(BASE_LINES "[group spare]\nhost = app1 10.0.0.11:8080\n", &problems);
    assert_non_null(model);
    assert_int_equal(problems.n_warnings, 1);
    const struct addresses nothing = {0};
    struct model *renewed = conf_renew(model, &nothing, &problems);
    assert_non_null(renewed);
    assert_int_equal(problems.n_warnings, 1);
    conf_free(model);
    conf_free(renewed);
    problems_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_the_same_as_before),
        cmocka_unit_test(is_built_with_the_new_addresses),
        cmocka_unit_test(needs_no_file),
        cmocka_unit_test(what_the_command_line_said_still_stands),
        cmocka_unit_test(warnings_are_not_given_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
