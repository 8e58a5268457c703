/* SPDX-License-Identifier: MIT */
/* What workers would like the director to fetch: URLs of lists that clients' certificates name. */
#include "share/wishes.h"

#include <string.h>

bool wishes_add(struct wishes *wishes, const char *url)
{
    size_t length = strlen(url);
    if (length == 0 || length >= WISH_BYTES)
        return false;
    for (size_t i = 0; i < WISHES_MOST; i++)
        if (box_is_full(&wishes->at[i].box) && strncmp(wishes->at[i].url, url, WISH_BYTES) == 0)
            return true;
    for (size_t i = 0; i < WISHES_MOST; i++) {
        struct wish_place *wish = &wishes->at[i];
        if (!box_claim(&wish->box))
            continue;
        memcpy(wish->url, url, length + 1);
        box_close(&wish->box);
        return true;
    }
    return false;
}

bool wishes_take(struct wishes *wishes, char url[WISH_BYTES])
{
    for (size_t i = 0; i < WISHES_MOST; i++) {
        struct wish_place *wish = &wishes->at[i];
        if (!box_look(&wish->box, true))
            continue;
        memcpy(url, wish->url, WISH_BYTES);
        url[WISH_BYTES - 1] = '\0';
        box_empty(&wish->box);
        return true;
    }
    return false;
}
