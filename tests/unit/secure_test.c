/* SPDX-License-Identifier: MIT */
/* Promises of admin/secure: a certificate that HTTPS could not use is a fault of the configuration. */
#include "admin/secure.h"

#include "cert_rig.h"
#include "conf/bundle.h"
#include "conf_fixture.h"

#define LINES BASE_LINES "[admin]\nlisten = 127.0.0.1:7001 tls\ncertificate = a.pem\n"

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

static void write_pair(const struct cert *cert, const struct cert *keys)
{
    unsigned char text[8192];
    char path[256];
    file_make_bytes(folder, "a.pem", text, cert_print(cert, text, 0, sizeof text));
    BIO *bio = BIO_new_file(folder_path(path, folder, "a.key"), "w");
    assert_non_null(bio);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, keys->key, NULL, NULL, 0, NULL, NULL), 1);
    BIO_free(bio);
    assert_int_equal(chmod(path, 0600), 0);
}

static bool verify(const char *text, struct problems *problems)
{
    char path[256];
    file_make(folder, "main.conf", text);
    struct model *model = load_path(folder_path(path, folder, "main.conf"), problems);
    if (model == NULL)
        fail_msg("%s", errors_of(problems));
    bool is_fine = secure_verify(model, problems);
    conf_free(model);
    return is_fine;
}

static void a_good_pair_or_none_is_fine(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct cert cert = cert_new("page", "DNS:page.example", 9, NULL);
    write_pair(&cert, &cert);
    assert_true(verify(LINES, &problems));
    assert_true(verify(BASE_LINES, &problems));
    assert_int_equal(problems.n_warnings, 0);
    cert_free(&cert);
}

static void an_expired_one_is_a_warning(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct cert cert = cert_new("page", "DNS:page.example", 0, NULL);
    write_pair(&cert, &cert);
    assert_true(verify(LINES, &problems));
    assert_non_null(strstr(warnings_of(&problems), "a.pem has expired"));
    problems_fini(&problems);
    cert_free(&cert);
}

static void a_bad_pair_is_refused_with_its_line(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct cert cert = cert_new("page", "DNS:page.example", 9, NULL);
    struct cert other = cert_new("page", "DNS:page.example", 9, NULL);
    write_pair(&cert, &other);
    assert_false(verify(LINES, &problems));
    assert_int_equal(problems.n_errors, 1);
    assert_non_null(strstr(errors_of(&problems), "main.conf:8: [admin] certificate: "));
    assert_non_null(strstr(errors_of(&problems), "a.pem: the private key is not that of"));
    problems_fini(&problems);
    cert_free(&other);
    cert_free(&cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_pair_or_none_is_fine),
        cmocka_unit_test(an_expired_one_is_a_warning),
        cmocka_unit_test(a_bad_pair_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
