/* SPDX-License-Identifier: MIT */
/* What names mean, as any bytes: a set that is encoded to the very same bytes, or nothing. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "conf/addresses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    struct addresses addresses;
    struct text again = {0};
    if (addresses_take(&at, end, &addresses) != 0) {
        assert(addresses.n == 0);
        return 0;
    }
    addresses_add(&again, &addresses);
    assert(again.length == (size_t)(at - (const char *)data));
    assert(memcmp(again.at, data, again.length) == 0);
    /* What was taken is what a set could hold: setting it anew changes nothing. */
    for (size_t i = 0; i < addresses.n; i++) {
        const struct address_entry *entry = &addresses.entries[i];
        assert(addresses_set(&addresses, entry->lookup, entry->addresses, entry->n) == 0);
    }
    text_fini(&again);
    addresses_fini(&addresses);
    return 0;
}
