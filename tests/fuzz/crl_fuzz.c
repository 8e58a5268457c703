/* SPDX-License-Identifier: MIT */
/* Lists of revoked certificates and certificates that name some: whatever is taken has an end, whatever is told is a URL. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "tls/crl.h"

/* When the seeds were good. */
#define NOW_S ((int64_t)1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const uint8_t *data, size_t size)
{
    char reason[TLS_REASON_BYTES] = "";
    struct crl_facts facts, checked;
    struct stack_st_X509_CRL *lists = crl_read(data, size, reason);
    assert((lists == NULL) == (reason[0] != '\0'));
    /* Its authorities stand in the data itself. */
    bool is_good = crl_check(data, size, data, size, NULL, 0, NOW_S, &checked, reason);
    assert(!is_good || lists != NULL);
    if (lists == NULL)
        return;
    crl_look(lists, &facts);
    assert(facts.made_s != INT64_MIN);
    assert(!is_good || (facts.renews_s == checked.renews_s && checked.renews_s > NOW_S));
    crl_free(lists);
    /* What is there never speaks against itself. */
    assert(crl_check(data, size, data, size, data, size, NOW_S, &checked, reason) == is_good);
}

static void on_point(void *context, const char *url)
{
    (void)context;
    assert(strncasecmp(url, "http://", 7) == 0);
    for (; *url != '\0'; url++)
        assert(*url > ' ' && *url <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned char *at = data;
    look(data, size);
    assert(ERR_peek_error() == 0);
    X509 *certificate = d2i_X509(NULL, &at, (long)size);
    if (certificate != NULL)
        crl_find_points(certificate, on_point, NULL);
    X509_free(certificate);
    ERR_clear_error();
    return 0;
}
