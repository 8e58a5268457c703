/* SPDX-License-Identifier: MIT */
/* Promises of conf/presets: the bytes that each sends. */
#include "conf/presets.h"

#include "conf_fixture.h"

static struct model *load_check(const char *check)
{
    char text[1024];
    snprintf(text, sizeof text, BASE_LINES "check = %s\n", check);
    return load_good(text);
}

static void assert_check_refused(const char *check, const char *says)
{
    char text[1024], whole[256];
    snprintf(text, sizeof text, BASE_LINES "check = %s\n", check);
    snprintf(whole, sizeof whole, "[group main] check: %s", says);
    assert_refused(text, whole);
}

/* The step must send these bytes, or have these as one of the texts it waits for. */
static void assert_step(const struct model_check *check, size_t step, bool is_expect,
                        const char *bytes, size_t length)
{
    assert_in_range(step, 0, check->n_steps - 1);
    assert_int_equal(check->steps[step].is_expect, is_expect);
    for (size_t i = 0; i < check->steps[step].n_texts; i++) {
        const struct model_text *text = &check->steps[step].texts[i];
        if (text->length == length && memcmp(text->bytes, bytes, length) == 0)
            return;
    }
    fail_msg("step %zu has not these %zu bytes", step, length);
}
#define SENDS(check, step, literal)                                                            \
    assert_step(check, step, false, literal, sizeof(literal) - 1)
#define WAITS(check, step, literal) assert_step(check, step, true, literal, sizeof(literal) - 1)

static void every_preset_is_steps(void **state)
{
    (void)state;
    size_t n;
    const char *const *names = presets_names(&n);
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++) {
        struct model *model = load_check(names[i]);
        const struct model_check *check = &model->groups[0].check;
        assert_int_equal(check->kind, CHECK_TALK);
        assert_string_equal(check->text, names[i]);
        assert_true(check->n_steps > 0);
        bool has_expect = false;
        for (size_t k = 0; k < check->n_steps; k++)
            has_expect |= check->steps[k].is_expect;
        assert_true(has_expect);
        conf_free(model);
    }
}

static void text_protocols_say_goodbye(void **state)
{
    (void)state;
    struct model *model = load_check("redis");
    const struct model_check *check = &model->groups[0].check;
    SENDS(check, 0, "PING\r\n");
    WAITS(check, 1, "+PONG");
    SENDS(check, 2, "QUIT\r\n");
    WAITS(check, 3, "+OK");
    conf_free(model);
    model = load_check("smtp");
    check = &model->groups[0].check;
    WAITS(check, 0, "220 ");
    SENDS(check, 1, "QUIT\r\n");
    WAITS(check, 2, "221");
    conf_free(model);
    model = load_check("imap");
    check = &model->groups[0].check;
    WAITS(check, 0, "* OK");
    SENDS(check, 1, "a1 LOGOUT\r\n");
    WAITS(check, 2, "a1 OK");
    conf_free(model);
}

static void ldap_binds_as_nobody_and_unbinds(void **state)
{
    (void)state;
    struct model *model = load_check("ldap");
    const struct model_check *check = &model->groups[0].check;
    SENDS(check, 0, "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00");
    WAITS(check, 1, "\x02\x01\x01\x61");
    WAITS(check, 2, "\x0a\x01\x00");
    SENDS(check, 3, "\x30\x05\x02\x01\x02\x42\x00");
    conf_free(model);
}

static void postgres_asks_for_encryption_or_logs_in(void **state)
{
    (void)state;
    struct model *model = load_check("postgres");
    const struct model_check *check = &model->groups[0].check;
    assert_int_equal(check->n_steps, 2);
    SENDS(check, 0, "\0\0\0\x08\x04\xd2\x16\x30");
    WAITS(check, 1, "G");
    WAITS(check, 1, "N");
    conf_free(model);
    model = load_check("postgres \"a b\"");
    check = &model->groups[0].check;
    SENDS(check, 0, "\0\0\0\x12\0\3\0\0user\0a b\0\0");
    WAITS(check, 1, "Z\0\0\0\5I");
    WAITS(check, 1, "R\0\0\0\x08\0\0\0\3");
    WAITS(check, 1, "R\0\0\0\x0c\0\0\0\5");
    conf_free(model);
    model = load_check("postgres monitor app");
    check = &model->groups[0].check;
    SENDS(check, 0, "\0\0\0\x23\0\3\0\0user\0monitor\0database\0app\0\0");
    conf_free(model);
}

static void mysql_greets_or_logs_in(void **state)
{
    (void)state;
    struct model *model = load_check("mysql");
    const struct model_check *check = &model->groups[0].check;
    assert_int_equal(check->n_steps, 1);
    WAITS(check, 0, "\0\x0a");
    conf_free(model);
    model = load_check("mysql monitor");
    check = &model->groups[0].check;
    WAITS(check, 0, "\0\x0a");
    SENDS(check, 1,
          "\x29\0\0\x01\x00\x82\0\0\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
          "monitor\0\0");
    WAITS(check, 2, "\0\0\x02\0");
    SENDS(check, 3, "\x01\0\0\0\x01");
    conf_free(model);
}

static void wrong_arguments_are_named(void **state)
{
    (void)state;
    char long_name[80];
    assert_check_refused("redis x", "\"x\" is too much: must read redis");
    assert_check_refused("postgres a b c", "\"c\" is too much: must read postgres [USER");
    assert_check_refused("mysql a b", "\"b\" is too much: must read mysql [USER]");
    assert_check_refused("mysql \"\"", "\"\": must be 1 to 63 bytes");
    assert_check_refused("postgres \"a\\nb\"", "\"a");
    assert_check_refused("postgres \"a\\x00b\"", "\"a\": a \\x00 cannot be part of it");
    snprintf(long_name, sizeof long_name, "mysql %064d", 0);
    assert_check_refused(long_name, "\"0");
    snprintf(long_name, sizeof long_name, "mysql %063d", 0);
    conf_free(load_check(long_name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_preset_is_steps),
        cmocka_unit_test(text_protocols_say_goodbye),
        cmocka_unit_test(ldap_binds_as_nobody_and_unbinds),
        cmocka_unit_test(postgres_asks_for_encryption_or_logs_in),
        cmocka_unit_test(mysql_greets_or_logs_in),
        cmocka_unit_test(wrong_arguments_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
