/* SPDX-License-Identifier: MIT */
/* What anybody may see of a file that holds a private key: its certificates. */
#include "conf/keyless.h"

#include <string.h>

static const char begin[] = "-----BEGIN CERTIFICATE-----";
static const char end[] = "-----END CERTIFICATE-----";

static const unsigned char *find(const unsigned char *at, const unsigned char *limit,
                                 const char *mark)
{
    return memmem(at, (size_t)(limit - at), mark, strlen(mark));
}

void keyless_add(struct text *out, const struct model_file *file)
{
    const unsigned char *at = file->bytes, *limit = file->bytes + file->length;
    while ((at = find(at, limit, begin)) != NULL) {
        const unsigned char *stop = find(at, limit, end);
        /* Whatever begins within it is no part of a certificate. */
        const unsigned char *other = find(at + 1, limit, "-----BEGIN ");
        if (stop == NULL)
            return;
        if (other == NULL || other > stop) {
            text_append(out, at, (size_t)(stop - at) + sizeof end - 1);
            text_append(out, "\n", 1);
        }
        at = other != NULL && other < stop ? other : stop + sizeof end - 1;
    }
}
