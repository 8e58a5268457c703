/* SPDX-License-Identifier: MIT */
/* Tests of finding what a call names. */
#include "admin/targets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin_rig.h"

static bool find(struct target *target, const struct admin_rig *rig, const char *form,
                 enum target_depth depth, struct answer *answer)
{
    static struct fields fields;
    const char *why = "";
    fields_fini(&fields);
    answer_fini(answer);
    assert_int_equal(
        fields_parse(&fields, "application/x-www-form-urlencoded", form, strlen(form), &why),
        0);
    bool is_found = target_find(target, &rig->status, &fields, depth, answer);
    if (target->host != NULL) /* the fields do not outlive this function */
        target->host = is_found ? "db" : NULL;
    fields_fini(&fields);
    return is_found;
}

static void finds_service_group_and_hosts(void **state)
{
    struct admin_rig *rig = *state;
    struct target target;
    struct answer answer = {0};
    admin_rig_add_spare(rig);
    assert_true(find(&target, rig, "service=web&group=spare&name=db", TARGET_HOST, &answer));
    assert_int_equal(target.service, 0);
    assert_int_equal(target.place, 1);
    assert_int_equal(target.group, 1);
    assert_true(target_is_host(&target, &rig->hosts[3]));
    assert_true(target_is_host(&target, &rig->hosts[4]));
    assert_false(target_is_host(&target, &rig->hosts[0]));
    target.host = "db@192.0.2.1";
    assert_true(target_is_host(&target, &rig->hosts[3]));
    assert_false(target_is_host(&target, &rig->hosts[4]));
    assert_int_equal(answer.status, 0);
}

static void a_call_for_a_group_looks_for_no_host(void **state)
{
    struct admin_rig *rig = *state;
    struct target target;
    struct answer answer = {0};
    assert_true(find(&target, rig, "service=mail&group=main", TARGET_GROUP, &answer));
    assert_int_equal(target.service, 1);
    assert_int_equal(target.place, 0);
    assert_null(target.host);
}

static void long_unknown_name_is_cut_in_the_refusal(void **state)
{
    struct admin_rig *rig = *state;
    struct target target;
    struct answer answer = {0};
    char form[1000];
    memset(form, 'x', sizeof form);
    memcpy(form, "service=", 8);
    memcpy(&form[900], "&group=main", sizeof "&group=main");
    assert_false(find(&target, rig, form, TARGET_GROUP, &answer));
    assert_int_equal(answer.status, 404);
    assert_true(answer.body.length < 200);
    answer_fini(&answer);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, admin_rig_open, admin_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(finds_service_group_and_hosts),
        RIG_TEST(a_call_for_a_group_looks_for_no_host),
        RIG_TEST(long_unknown_name_is_cut_in_the_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
