/* SPDX-License-Identifier: MIT */
/* Heads of HTTP responses: the same outcome however the bytes are cut, and a status only from 100 to 999. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "net/httphead.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_head whole = {0}, cut = {0};
    enum http_parse verdict = http_head_feed(&whole, data, size);
    enum http_parse cut_verdict = HTTP_PARSE_MORE;
    size_t step = size > 0 ? 1 + data[size - 1] % 7 : 1;
    for (size_t at = 0; at < size && cut_verdict == HTTP_PARSE_MORE; at += step)
        cut_verdict = http_head_feed(&cut, data + at, step < size - at ? step : size - at);
    assert(verdict == cut_verdict && whole.status == cut.status);
    assert(whole.status == 0 || (whole.status >= 100 && whole.status <= 999));
    assert(verdict != HTTP_PARSE_DONE || whole.status != 0);
    assert((verdict == HTTP_PARSE_BAD) == (whole.problem != NULL));
    return 0;
}
