/* SPDX-License-Identifier: MIT */
/* Answers of the DNS: whatever service records are taken from one have names and ports to ask for. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/srv.h"

enum { MOST = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct srv_record *records = calloc(MOST, sizeof *records);
    if (records == NULL)
        return 0;
    int n = srv_parse(data, size, records, MOST);
    assert(n >= -1 && n <= MOST);
    for (int i = 0; i < n; i++) {
        size_t length = strnlen(records[i].target, SRV_NAME_BYTES);
        assert(length > 0 && length < SRV_NAME_BYTES && records[i].port > 0);
    }
    int kept = n > 0 ? srv_choose(records, n) : 0;
    assert(n <= 0 || kept > 0);
    for (int i = 0; i < kept; i++)
        assert(records[i].weight >= 1 && records[i].weight <= 256 &&
               records[i].priority == records[0].priority);
    free(records);
    return 0;
}
