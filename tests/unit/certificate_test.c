/* SPDX-License-Identifier: MIT */
/* Promises of conf/certificate: where the private key is looked for, who may read it. */
#include "conf/certificate.h"

#include "conf_fixture.h"

#define KEY "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
#define CHAIN "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define LINES BASE_LINES "[admin]\nlisten = 127.0.0.1:7001 tls\n"

static char folder[FOLDER_BYTES];

static int make_folder(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void make(const char *name, const char *text, mode_t mode)
{
    char path[256];
    file_make(folder, name, text);
    assert_int_equal(chmod(folder_path(path, folder, name), mode), 0);
}

static struct model *load(const char *text, struct problems *problems)
{
    char path[256];
    file_make(folder, "main.conf", text);
    return load_path(folder_path(path, folder, "main.conf"), problems);
}

static void assert_file_refused(const char *text, const char *says)
{
    struct problems problems = {0};
    struct model *model = load(text, &problems);
    if (model != NULL || problems.n_errors != 1 || strstr(errors_of(&problems), says) == NULL)
        fail_msg("not %s but %s", says, errors_of(&problems));
    problems_fini(&problems);
}

static struct model *load_fine(const char *text)
{
    struct problems problems = {0};
    struct model *model = load(text, &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    problems_fini(&problems);
    return model;
}

static void the_key_stands_in_the_same_file_or_beside_it(void **state)
{
    (void)state;
    make("one.pem", CHAIN KEY, 0600);
    struct model *model = load_fine(LINES "certificate = one.pem\n");
    assert_string_equal(model->admin.certificate.key.path, model->admin.certificate.chain.path);
    conf_free(model);

    const char *const names[] = {"two.pem", "two.crt", "two"};
    make("two.key", KEY, 0640);
    for (size_t i = 0; i < 3; i++) {
        char text[512], path[256];
        make(names[i], CHAIN, 0644);
        snprintf(text, sizeof text, "%scertificate = %s\n", LINES, names[i]);
        model = load_fine(text);
        assert_string_equal(model->admin.certificate.key.path,
                            folder_path(path, folder, "two.key"));
        assert_memory_equal(model->admin.certificate.key.bytes, KEY, sizeof KEY - 1);
        assert_memory_equal(model->admin.certificate.chain.bytes, CHAIN, sizeof CHAIN - 1);
        conf_free(model);
    }
}

static void without_a_key_it_is_refused(void **state)
{
    (void)state;
    make("alone.pem", CHAIN, 0644);
    make("alone.key", CHAIN, 0600);
    assert_file_refused(LINES "certificate = alone.key\n", "alone.key holds no private key");
    char path[256];
    unlink(folder_path(path, folder, "alone.key"));
    assert_file_refused(LINES "certificate = alone.pem\n", "alone.key cannot be opened");
    assert_file_refused(LINES "certificate = alone.pem\n",
                        "main.conf:8: [admin] certificate: ");
    conf_free(load_fine(BASE_LINES "[admin]\nlisten = 127.0.0.1:7001\ncertificate =\n"));
}

static void a_key_that_others_may_read_is_refused(void **state)
{
    (void)state;
    make("open.pem", CHAIN KEY, 0644);
    assert_file_refused(LINES "certificate = open.pem\n",
                        "open.pem may be read by others: chmod o-r");
    make("open.pem", CHAIN, 0644);
    make("open.key", KEY, 0604);
    assert_file_refused(LINES "certificate = open.pem\n", "open.key may be read by others");
    make("open.key", KEY, 0660);
    assert_file_refused(LINES "certificate = open.pem\n", "may be written by others");
}

static void a_key_is_for_nothing_else(void **state)
{
    (void)state;
    make("key.pem", CHAIN KEY, 0600);
    assert_file_refused("[admin]\nlisten = 127.0.0.1:7001 tls\ncertificate = key.pem\n"
                        "[service web]\nlisten = 127.0.0.1:81\ngroup = main\n"
                        "when_no_host = sorry key.pem\n[group main]\nhost = a 10.0.0.1:80\n",
                        "key.pem holds a private key, which has no place here");
    assert_file_refused("[service web]\nlisten = 127.0.0.1:81\ngroup = main\n"
                        "when_no_host = sorry key.pem\n[group main]\nhost = a 10.0.0.1:80\n"
                        "[admin]\nlisten = 127.0.0.1:7001 tls\ncertificate = key.pem\n",
                        "key.pem holds a private key, but another key names it as well");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_stands_in_the_same_file_or_beside_it),
        cmocka_unit_test(without_a_key_it_is_refused),
        cmocka_unit_test(a_key_that_others_may_read_is_refused),
        cmocka_unit_test(a_key_is_for_nothing_else),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
