/* SPDX-License-Identifier: MIT */
/* What an OCSP responder may answer: no answer is good without a certificate that it is about. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tls/staple.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char reason[TLS_REASON_BYTES] = "";
    struct staple_facts facts;
    struct staple_query query;
    (void)staple_look(data, size, &facts);
    assert(!staple_check((const unsigned char *)"", 0, data, size, 0, &facts, reason));
    assert(reason[0] != '\0' && strlen(reason) < TLS_REASON_BYTES);
    if (staple_ask(data, size, &query, reason))
        staple_query_fini(&query);
    return 0;
}
