/* SPDX-License-Identifier: MIT */
/* Items in files and from the director: one that is read prints back to the very bytes; points are URLs that fit. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "conf/fetched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetched_item item;
    struct text printed = {0};
    char url[MODEL_URL_MOST + 1];
    const struct model_file points = {.path = FETCHED_POINTS, .bytes = data, .length = size};
    for (size_t at = 0; fetched_next_point(&points, &at, url);)
        assert(at <= size && strlen(url) >= 1 && strchr(url, '\n') == NULL);
    if (fetched_parse((const char *)data, size, &item) != 0)
        return 0;
    fetched_print(&printed, item.name, item.bytes, item.length);
    assert(printed.length == size && memcmp(printed.at, data, size) == 0);
    text_fini(&printed);
    fetched_item_fini(&item);
    return 0;
}
