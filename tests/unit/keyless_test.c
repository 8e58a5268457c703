/* SPDX-License-Identifier: MIT */
/* Promises of conf/keyless: certificates are seen, nothing else is. */
#include "conf/keyless.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define CERT(text) "-----BEGIN CERTIFICATE-----\n" text "\n-----END CERTIFICATE-----"
#define KEY(kind, text) "-----BEGIN " kind "-----\n" text "\n-----END " kind "-----\n"

static void assert_seen(const char *file, const char *seen)
{
    struct text out = {0};
    const struct model_file model = {
        .path = "/f", .bytes = (const unsigned char *)file, .length = strlen(file)};
    keyless_add(&out, &model);
    assert_string_equal(out.at != NULL ? out.at : "", seen);
    text_fini(&out);
}

static void certificates_alone_are_seen(void **state)
{
    (void)state;
    assert_seen("", "");
    assert_seen("a secret without any form", "");
    assert_seen(KEY("PRIVATE KEY", "secret"), "");
    assert_seen(CERT("one"), CERT("one") "\n");
    assert_seen(KEY("EC PRIVATE KEY", "secret") CERT("one") "\nwords " CERT("two")
                    KEY("RSA PRIVATE KEY", "secret"),
                CERT("one") "\n" CERT("two") "\n");
}

static void what_is_cut_or_nested_gives_nothing_away(void **state)
{
    (void)state;
    assert_seen("-----BEGIN CERTIFICATE-----\nsecret", "");
    assert_seen("-----BEGIN CERTIFICATE-----\n" KEY("PRIVATE KEY",
                                                    "secret") "-----END CERTIFICATE-----\n",
                "");
    assert_seen("-----BEGIN CERTIFICATE-----\n" KEY("PRIVATE KEY", "secret") CERT("one"),
                CERT("one") "\n");
    assert_seen("-----END CERTIFICATE-----secret" CERT("one"), CERT("one") "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_alone_are_seen),
        cmocka_unit_test(what_is_cut_or_nested_gives_nothing_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
