/* SPDX-License-Identifier: MIT */
/* What was fetched, out of a file or from another process: taken and printed it is the same bytes; URLs of points fit. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "conf/fetched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step(const uint8_t *data, size_t size)
{
    const struct model_file points = {.path = FETCHED_POINTS, .bytes = data, .length = size};
    char url[MODEL_URL_MOST + 1];
    for (size_t at = 0, before = 0; fetched_next_point(&points, &at, url); before = at) {
        size_t length = strnlen(url, sizeof url);
        assert(length > 0 && length <= MODEL_URL_MOST && strchr(url, '\n') == NULL);
        assert(at > before && at <= size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetched_item item;
    step(data, size);
    if (fetched_parse((const char *)data, size, &item) != 0) {
        assert(item.name == NULL && item.bytes == NULL);
        return 0;
    }
    struct text again = {0};
    assert(item.name[0] != '\0' && strchr(item.name, '\n') == NULL);
    fetched_print(&again, item.name, item.bytes, item.length);
    assert(again.failed || (again.length == size && memcmp(again.at, data, size) == 0));
    text_fini(&again);
    fetched_item_fini(&item);
    return 0;
}
