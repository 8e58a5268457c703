/* SPDX-License-Identifier: MIT */
/* Tests of edits: what they change, what they refuse, how they travel. */
#include "conf/edit.h"

#include "conf_fixture.h"

#include "conf/bundle.h"
#include "conf/editcode.h"
#include "conf/write.h"

static const char file[] =
    "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\nstandby = spare\n"
    "[service other]\nlisten = 127.0.0.1:8081\ngroup = third\n"
    "[group main]\nhost = a 10.0.0.1:80\nhost = b 10.0.0.2:80 weight=2\n"
    "[group spare]\nhost = s 10.0.0.3:80\n[group third]\nhost = t 10.0.0.4:80\n";

static struct model *load(const char *text)
{
    struct problems problems = {0};
    struct model *model = conf_load(&(struct conf_request){.text = text}, &problems);
    if (model == NULL)
        fail_msg("%s", problems.errors.at);
    problems_fini(&problems);
    return model;
}

static char *print(const struct model *model)
{
    struct text text = {0};
    conf_write(&text, model);
    return text_take(&text);
}

/* Applies edits one after another; each must go well. in_force: of service web */
static struct model *change(const struct edit *edits, size_t n, uint32_t in_force)
{
    const struct addresses none = {0};
    struct model *model = load(file);
    for (size_t i = 0; i < n; i++) {
        struct edit_verdict verdict = {0};
        const uint32_t places[8] = {in_force};
        struct model *edited = conf_edit(model, &edits[i], &none, places, &verdict);
        if (edited == NULL)
            fail_msg("%u: %s", verdict.status, verdict.text.at);
        assert_true(edit_is_in(edited, &edits[i]));
        conf_free(model);
        model = edited;
        edit_verdict_fini(&verdict);
    }
    return model;
}

/* The effective text after the edit has the line (or, with has = false, has it no more). */
static void check(const struct edit *edit, const char *line, bool has)
{
    struct model *before = load(file);
    struct model *after = change(edit, 1, 0);
    char *was = print(before), *is = print(after);
    assert_true((strstr(was, line) != NULL) != has);
    assert_true((strstr(is, line) != NULL) == has);
    /* It reads back to the same. */
    struct model *again = load(is);
    char *twice = print(again);
    assert_string_equal(twice, is);
    free(was);
    free(is);
    free(twice);
    conf_free(before);
    conf_free(after);
    conf_free(again);
}

static void each_edit_changes_what_it_names(void **state)
{
    (void)state;
    check(&(struct edit){EDIT_ADD_HOST, "web", "main", "c", "10.0.0.9:81 weight=3", NULL},
          "host = c 10.0.0.9:81 weight=3", true);
    check(&(struct edit){EDIT_DELETE_HOST, "web", "main", "b", NULL, NULL},
          "host = b 10.0.0.2:80 weight=2", false);
    check(&(struct edit){EDIT_CHANGE_SCHEDULER, "web", "main", NULL, "leastconn", NULL},
          "scheduler = leastconn", true);
    check(&(struct edit){EDIT_NEW_SERVICE, "alt", "main", NULL, "127.0.0.1:8082", NULL},
          "[service alt]", true);
    check(&(struct edit){EDIT_DELETE_SERVICE, "other", NULL, NULL, NULL, NULL},
          "[service other]", false);
    check(&(struct edit){EDIT_DELETE_GROUP, "web", "spare", NULL, NULL, NULL}, "[group spare]",
          false);
}

static void a_new_group_is_empty_and_last_of_standby(void **state)
{
    (void)state;
    const struct edit edits[] = {{EDIT_NEW_GROUP, "web", "late", NULL, "first", NULL},
                                 {EDIT_ADD_HOST, "web", "late", "x", "10.0.0.8:80", NULL}};
    struct model *empty = change(edits, 1, 0);
    assert_int_equal(empty->services[0].n_standby, 2);
    assert_string_equal(empty->groups[empty->services[0].standby[1]].name, "late");
    assert_int_equal(empty->groups[empty->services[0].standby[1]].n_hosts, 0);
    struct model *filled = change(edits, 2, 0);
    assert_int_equal(filled->groups[filled->services[0].standby[1]].n_hosts, 1);
    conf_free(empty);
    conf_free(filled);
}

static void an_empty_group_travels(void **state)
{
    (void)state;
    struct model *model =
        change(&(struct edit){EDIT_DELETE_ALL_HOSTS, "web", "spare", NULL, NULL, NULL}, 1, 0);
    uint32_t numbers[8] = {0};
    const struct bundle_rows rows = {.services = numbers,
                                     .groups = numbers,
                                     .hosts = numbers,
                                     .listeners = numbers,
                                     .n_services = model->n_services,
                                     .n_groups = model->n_groups,
                                     .n_hosts = model->n_hosts,
                                     .n_listeners = model->n_listens};
    struct bundle_rows out;
    struct problems problems = {0};
    int fd = bundle_pack(model, &rows);
    struct model *there = bundle_unpack(fd, &out, &problems);
    assert_non_null(there);
    assert_int_equal(there->groups[1].n_hosts, 0);
    close(fd);
    conf_free(there);
    conf_free(model);
}

static void refused(const struct edit *edit, uint32_t in_force, unsigned int status,
                    const char *why)
{
    const struct addresses none = {0};
    const uint32_t places[8] = {in_force};
    struct edit_verdict verdict = {0};
    struct model *model = load(file);
    char *before = print(model);
    assert_null(conf_edit(model, edit, &none, places, &verdict));
    assert_int_equal(verdict.status, status);
    if (strstr(verdict.text.at, why) == NULL)
        fail_msg("'%s' has no '%s'", verdict.text.at, why);
    char *after = print(model);
    assert_string_equal(before, after);
    free(before);
    free(after);
    edit_verdict_fini(&verdict);
    conf_free(model);
}

static void what_cannot_be_is_refused_with_its_reason(void **state)
{
    (void)state;
    refused(&(struct edit){EDIT_ADD_HOST, "wep", "main", "c", "10.0.0.9:81", NULL}, 0, 404,
            "did you mean 'web'");
    refused(&(struct edit){EDIT_ADD_HOST, "web", "third", "c", "10.0.0.9:81", NULL}, 0, 404,
            "no group 'third'");
    refused(&(struct edit){EDIT_ADD_HOST, "web", "main", "a", "10.0.0.9:81", NULL}, 0, 409,
            "already");
    refused(&(struct edit){EDIT_ADD_HOST, "web", "main", "c", "nowhere:", NULL}, 0, 400,
            "nowhere:");
    refused(&(struct edit){EDIT_ADD_HOST, "web", "main", "c d", "10.0.0.9:81", NULL}, 0, 400,
            "one word");
    refused(&(struct edit){EDIT_ADD_HOST, "web", "main", "c", "10.0.0.9:81 weight=257", NULL},
            0, 400, "257");
    refused(&(struct edit){EDIT_DELETE_HOST, "web", "main", "z", NULL, NULL}, 0, 404,
            "no host");
    refused(&(struct edit){EDIT_DELETE_HOST, "other", "third", "t", NULL, NULL}, 0, 409,
            "last host");
    refused(&(struct edit){EDIT_DELETE_HOST, "web", "spare", "s", NULL, NULL}, 1, 409,
            "last host");
    refused(&(struct edit){EDIT_DELETE_ALL_HOSTS, "web", "main", NULL, NULL, NULL}, 1, 409,
            "keeps a host");
    refused(&(struct edit){EDIT_CHANGE_SCHEDULER, "web", "main", NULL, "leastcon", NULL}, 0,
            400, "leastconn");
    refused(&(struct edit){EDIT_NEW_SERVICE, "web", "main", NULL, "127.0.0.1:9", NULL}, 0, 409,
            "already");
    refused(&(struct edit){EDIT_NEW_SERVICE, "alt", "man", NULL, "127.0.0.1:9", NULL}, 0, 404,
            "'main'");
    refused(&(struct edit){EDIT_NEW_SERVICE, "alt", "main", NULL, "127.0.0.1:8080", NULL}, 0,
            400, "is taken");
    refused(&(struct edit){EDIT_NEW_GROUP, "web", "third", NULL, "first", NULL}, 0, 409,
            "already");
    refused(&(struct edit){EDIT_DELETE_GROUP, "web", "main", NULL, NULL, NULL}, 1, 409,
            "configured group");
    refused(&(struct edit){EDIT_DELETE_GROUP, "web", "spare", NULL, NULL, NULL}, 1, 409,
            "in force");
    refused(&(struct edit){EDIT_DELETE_USER, NULL, NULL, "who", NULL, NULL}, 0, 404, "no user");
}

static void the_last_service_stays(void **state)
{
    (void)state;
    const struct addresses none = {0};
    const uint32_t places[8] = {0};
    struct edit_verdict verdict = {0};
    struct model *model =
        change(&(struct edit){EDIT_DELETE_SERVICE, "other", NULL, NULL, NULL, NULL}, 1, 0);
    assert_null(conf_edit(model,
                          &(struct edit){EDIT_DELETE_SERVICE, "web", NULL, NULL, NULL, NULL},
                          &none, places, &verdict));
    assert_int_equal(verdict.status, 409);
    edit_verdict_fini(&verdict);
    conf_free(model);
}

static void edits_travel_as_bytes(void **state)
{
    (void)state;
    const struct edit sent = {EDIT_ADD_HOST, "web", "main", "c", "10.0.0.9:81", "me"};
    struct edit got;
    struct text bytes = {0};
    edit_encode(&bytes, &sent);
    assert_true(edit_decode(&got, bytes.at, bytes.length));
    assert_int_equal(got.kind, sent.kind);
    assert_string_equal(got.service, "web");
    assert_string_equal(got.value, "10.0.0.9:81");
    assert_string_equal(got.by, "me");
    /* Every shorter piece is refused, and so is more. */
    for (size_t length = 0; length < bytes.length; length++) {
        char *piece = malloc(length + 1);
        memcpy(piece, bytes.at, length);
        assert_false(edit_decode(&got, piece, length));
        free(piece);
    }
    text_append(&bytes, "x", 1);
    assert_false(edit_decode(&got, bytes.at, bytes.length));
    text_clear(&bytes);
    /* A string that its kind cannot do without is missing. */
    edit_encode(&bytes, &(struct edit){EDIT_ADD_HOST, "web", "main", "c", NULL, "me"});
    assert_false(edit_decode(&got, bytes.at, bytes.length));
    bytes.at[0] = (char)EDIT_KINDS;
    assert_false(edit_decode(&got, bytes.at, bytes.length));
    text_fini(&bytes);
}

static void a_hash_is_not_printed(void **state)
{
    (void)state;
    struct text text = {0};
    edit_print(&text, &(struct edit){EDIT_ADD_USER, NULL, NULL, "eve", "$y$secret full", NULL});
    assert_string_equal(text.at, "addUser eve");
    text_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_edit_changes_what_it_names),
        cmocka_unit_test(a_new_group_is_empty_and_last_of_standby),
        cmocka_unit_test(an_empty_group_travels),
        cmocka_unit_test(what_cannot_be_is_refused_with_its_reason),
        cmocka_unit_test(the_last_service_stays),
        cmocka_unit_test(edits_travel_as_bytes),
        cmocka_unit_test(a_hash_is_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
