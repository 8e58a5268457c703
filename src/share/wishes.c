/* SPDX-License-Identifier: MIT */
/* What workers would like the director to fetch: URLs of lists that clients' certificates name. */
#include "share/wishes.h"

#include <string.h>

enum { WISH_FREE, WISH_BEGUN, WISH_MADE };
enum { LOOKS_MOST = 3 };

bool wishes_add(struct wishes *wishes, const char *url)
{
    size_t length = strlen(url);
    if (length == 0 || length >= WISH_BYTES)
        return false;
    for (size_t i = 0; i < WISHES_MOST; i++)
        if (atomic_load(&wishes->at[i].state) == WISH_MADE &&
            strncmp(wishes->at[i].url, url, WISH_BYTES) == 0)
            return true;
    for (size_t i = 0; i < WISHES_MOST; i++) {
        uint32_t state = WISH_FREE;
        struct wish_place *wish = &wishes->at[i];
        if (!atomic_compare_exchange_strong(&wish->state, &state, WISH_BEGUN))
            continue;
        memcpy(wish->url, url, length + 1);
        atomic_store(&wish->state, WISH_MADE);
        return true;
    }
    return false;
}

bool wishes_take(struct wishes *wishes, char url[WISH_BYTES])
{
    for (size_t i = 0; i < WISHES_MOST; i++) {
        struct wish_place *wish = &wishes->at[i];
        uint32_t state = atomic_load(&wish->state);
        if (state == WISH_FREE)
            continue;
        if (state == WISH_BEGUN && ++wish->n_looks < LOOKS_MOST)
            continue;
        memcpy(url, wish->url, WISH_BYTES);
        url[WISH_BYTES - 1] = '\0';
        wish->n_looks = 0;
        atomic_store(&wish->state, WISH_FREE);
        if (state == WISH_MADE)
            return true;
    }
    return false;
}
