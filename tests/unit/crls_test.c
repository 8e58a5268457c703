/* SPDX-License-Identifier: MIT */
/* Promises of conf/crls: where a list of revoked certificates may come from, who may be asked about them. */
#include "conf/crls.h"

#include "conf/write.h"
#include "conf_fixture.h"

#define KEY "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
#define CHAIN "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define LINES                                                                                  \
    "[group main]\nhost = app1 10.0.0.11:8080\n"                                               \
    "[service web]\nlisten = 127.0.0.1:8080 tls\ngroup = main\ncertificate = page.pem\n"       \
    "client_ca = ca.pem\nclient_verify = required\n"

static char folder[FOLDER_BYTES];

static int make_folder(void **state)
{
    (void)state;
    char path[256];
    folder_make(folder);
    file_make(folder, "page.pem", CHAIN KEY);
    file_make(folder, "ca.pem", CHAIN);
    return chmod(folder_path(path, folder, "page.pem"), 0600);
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct model *load(const char *more, struct problems *problems)
{
    char path[256], text[2048];
    snprintf(text, sizeof text, LINES "%s", more);
    file_make(folder, "main.conf", text);
    return load_path(folder_path(path, folder, "main.conf"), problems);
}

static struct model *load_fine(const char *more)
{
    struct problems problems = {0};
    struct model *model = load(more, &problems);
    if (model == NULL || warnings_of(&problems)[0] != '\0')
        fail_msg("%s%s", errors_of(&problems), warnings_of(&problems));
    problems_fini(&problems);
    return model;
}

static void assert_line_refused(const char *more, const char *key, const char *says)
{
    char place[64];
    struct problems problems = {0};
    struct model *model = load(more, &problems);
    if (model != NULL)
        fail_msg("accepted: %s", more);
    if (problems.n_errors != 1 || strstr(errors_of(&problems), says) == NULL)
        fail_msg("not the one error \"%s\" but %zu: %s", says, problems.n_errors,
                 errors_of(&problems));
    snprintf(place, sizeof place, "main.conf:9: [service web] %s: ", key);
    assert_non_null(strstr(errors_of(&problems), place));
    problems_fini(&problems);
}

static void assert_crl_refused(const char *more, const char *says)
{
    assert_line_refused(more, "client_crl", says);
}

static void a_file_is_read(void **state)
{
    (void)state;
    char path[256];
    file_make_bytes(folder, "list.crl", "\x30\0\xff", 3);
    struct model *model = load_fine("client_crl = list.crl\n");
    const struct model_crl *crl = &model->services[0].crls[0];
    assert_int_equal(model->services[0].n_crls, 1);
    assert_int_equal(crl->source, CRL_FILE);
    assert_string_equal(crl->text, folder_path(path, folder, "list.crl"));
    assert_string_equal(crl->file.path, path);
    assert_int_equal(crl->file.length, 3);
    assert_memory_equal(crl->file.bytes, "\x30\0\xff", 3);
    conf_free(model);
}

static void a_file_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    char path[256];
    assert_crl_refused("client_crl = none.crl\n",
                       "/none.crl cannot be opened: No such file or directory");
    file_make(folder, "large.crl", "");
    assert_int_equal(truncate(folder_path(path, folder, "large.crl"), CRL_MOST_BYTES + 1), 0);
    assert_crl_refused("client_crl = large.crl\n", "/large.crl is larger than 16 MiB");
    assert_int_equal(truncate(path, CRL_MOST_BYTES), 0);
    conf_free(load_fine("client_crl = large.crl\n"));
    assert_crl_refused("client_crl = ftp://a.example/list\n", "cannot be opened");
}

static void a_url_is_kept_as_written(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://crl.example/list.crl",
                                       "HTTP://crl.example/A?b=%20", "http://[::1]:8080/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        char line[512];
        snprintf(line, sizeof line, "client_crl = %s\n", urls[i]);
        struct model *model = load_fine(line);
        assert_int_equal(model->services[0].n_crls, 1);
        assert_int_equal(model->services[0].crls[0].source, CRL_URL);
        assert_string_equal(model->services[0].crls[0].text, urls[i]);
        assert_string_equal(model->services[0].crls[0].file.path, "");
        conf_free(model);
    }
}

static void a_url_is_plain_and_bounded(void **state)
{
    (void)state;
    char line[1024];
    assert_crl_refused("client_crl = https://crl.example/list.crl\n", "http:// alone");
    assert_crl_refused("client_crl = HTTPS://crl.example/list.crl\n", "http:// alone");
    assert_crl_refused("client_crl = http://\n", "\"http://\": no URL of at most 255 bytes");
    assert_crl_refused("client_crl = \"http://crl.example/a b\"\n", "no URL of at most");
    assert_crl_refused("client_crl = \"http://crl.example/\\x01\"\n", "client_crl: ");
    for (int excess = 0; excess < 2; excess++) {
        int length = snprintf(line, sizeof line, "client_crl = http://");
        int rest = MODEL_URL_MOST - 7 + excess;
        memset(line + length, 'u', (size_t)rest);
        memcpy(line + length + rest, "\n", 2);
        if (excess == 0) {
            struct model *model = load_fine(line);
            assert_int_equal(strlen(model->services[0].crls[0].text), MODEL_URL_MOST);
            conf_free(model);
        } else {
            assert_crl_refused(line, "no URL of at most 255 bytes");
        }
    }
}

static void there_may_be_several(void **state)
{
    (void)state;
    file_make(folder, "list.crl", "list");
    struct model *model =
        load_fine("client_crl = auto\nclient_crl = list.crl\n"
                  "client_crl = http://crl.example/1\ncrl_policy = lenient\n");
    const struct model_service *service = &model->services[0];
    assert_int_equal(service->n_crls, 3);
    assert_int_equal(service->crls[0].source, CRL_AUTO);
    assert_string_equal(service->crls[0].text, "auto");
    assert_string_equal(service->crls[0].file.path, "");
    assert_int_equal(service->crls[1].source, CRL_FILE);
    assert_int_equal(service->crls[2].source, CRL_URL);
    assert_int_equal(service->crl_policy, CRL_LENIENT);
    conf_free(model);
}

static void nothing_is_no_list(void **state)
{
    (void)state;
    struct model *model = load_fine("");
    assert_int_equal(model->services[0].n_crls, 0);
    assert_int_equal(model->services[0].crl_policy, CRL_STRICT);
    conf_free(model);
    model = load_fine("client_crl =\n");
    assert_int_equal(model->services[0].n_crls, 0);
    conf_free(model);
}

/* What is printed can be read again, to the same. */
static void what_was_read_is_printed(void **state)
{
    (void)state;
    char path[256];
    struct text text = {0};
    struct problems problems = {0};
    file_make(folder, "a \" ;c.crl", "list");
    struct model *model = load_fine("client_crl = \"a \\\" ;c.crl\"\nclient_crl = auto\n"
                                    "client_crl = http://crl.example/1\n");
    conf_write(&text, model);
    assert_non_null(strstr(text.at, "client_crl = auto\nclient_crl = http://crl.example/1\n"));
    file_make(folder, "again.conf", text.at);
    struct model *again = load_path(folder_path(path, folder, "again.conf"), &problems);
    if (again == NULL)
        fail_msg("%s", errors_of(&problems));
    problems_fini(&problems);
    assert_int_equal(again->services[0].n_crls, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(again->services[0].crls[i].source, model->services[0].crls[i].source);
        assert_string_equal(again->services[0].crls[i].text, model->services[0].crls[i].text);
    }
    text_fini(&text);
    conf_free(model);
    conf_free(again);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

static void assert_responder(const char *more, enum ocsp_source source, const char *text)
{
    struct text dump = {0};
    struct model *model = load_fine(more);
    assert_int_equal(model->services[0].client_ocsp.source, source);
    assert_string_equal(model->services[0].client_ocsp.text, text);
    value_responder.print(&dump, model, NULL, &model->services[0].client_ocsp);
    assert_string_equal(dump.at, text);
    text_fini(&dump);
    conf_free(model);
}

static void a_responder_is_named_or_left_to_certificates(void **state)
{
    (void)state;
    assert_responder("", OCSP_NO, "no");
    assert_responder("client_ocsp = no\n", OCSP_NO, "no");
    assert_responder("client_ocsp = auto\n", OCSP_AUTO, "auto");
    assert_responder("client_ocsp = http://ocsp.example/a?b=c\n", OCSP_URL,
                     "http://ocsp.example/a?b=c");
    static const char *const bad[][2] = {
        {"client_ocsp = https://ocsp.example/\n", "responders are asked by http:// alone"},
        {"client_ocsp = yes\n", "neither no nor auto nor an http:// URL"},
        {"client_ocsp = ftp://ocsp.example/\n", "neither no nor auto nor an http:// URL"},
        {"client_ocsp = http://\n", "no URL of at most 255 bytes"},
        {"client_ocsp = \"http://a/ b\"\n", "no URL of at most 255 bytes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_line_refused(bad[i][0], "client_ocsp", bad[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_file_is_read),
        WITH_FOLDER(a_file_that_cannot_be_read_is_refused),
        WITH_FOLDER(a_url_is_kept_as_written),
        WITH_FOLDER(a_url_is_plain_and_bounded),
        WITH_FOLDER(there_may_be_several),
        WITH_FOLDER(nothing_is_no_list),
        WITH_FOLDER(what_was_read_is_printed),
        WITH_FOLDER(a_responder_is_named_or_left_to_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
