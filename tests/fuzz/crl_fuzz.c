/* SPDX-License-Identifier: MIT */
/* Lists of revoked certificates: what is read can be looked at, and read again to the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tls/crl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char reason[TLS_REASON_BYTES] = "";
    struct crl_facts facts, again;
    struct stack_st_X509_CRL *lists = crl_read(data, size, reason);
    if (lists == NULL) {
        assert(reason[0] != '\0' && strlen(reason) < TLS_REASON_BYTES);
        return 0;
    }
    crl_look(lists, &facts);
    crl_free(lists);
    (void)crl_check(data, size, data, size, data, size, facts.made_s, &again, reason);
    return 0;
}
