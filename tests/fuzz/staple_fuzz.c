/* SPDX-License-Identifier: MIT */
/* Answers of OCSP responders, and chains to ask about: one that is taken is of its time, one that is asked has a URL. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>

#include "tls/staple.h"

/* When the seeds were good. */
#define NOW_S ((int64_t)1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const uint8_t *chain, size_t length)
{
    char reason[TLS_REASON_BYTES] = "";
    struct staple_query query;
    bool is_asked = staple_ask(chain, length, "", &query, reason);
    assert(is_asked == (reason[0] == '\0'));
    assert(is_asked == (query.url != NULL) && is_asked == (query.bytes != NULL));
    if (!is_asked)
        return;
    assert(strncasecmp(query.url, "http://", 7) == 0 && query.length > 0);
    staple_query_fini(&query);
}

/* A chain in PEM, a NUL, the answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char reason[TLS_REASON_BYTES] = "";
    struct staple_facts checked, seen;
    size_t length = 0;
    while (length < size && data[length] != '\0')
        length++;
    size_t rest = length < size ? length + 1 : size;
    ask(data, length);
    bool is_good =
        staple_check(data, length, data + rest, size - rest, NOW_S, &checked, reason);
    assert(is_good == (reason[0] == '\0'));
    bool is_one = staple_look(data + rest, size - rest, &seen);
    if (is_good)
        assert(is_one && checked.renews_s > NOW_S);
    assert(ERR_peek_error() == 0);
    return 0;
}
