/* SPDX-License-Identifier: MIT */
/* The PROXY protocol: what is a header is one at no shorter length, and what it said can be written and read again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxyproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct proxy_header *header)
{
    unsigned char bytes[PROXYPROTO_MOST_BYTES + 64], line[PROXYPROTO_V1_BYTES];
    struct proxy_builder builder = {.bytes = bytes, .room = sizeof bytes};
    struct proxy_header again;
    proxyproto_begin(&builder, header->command, &header->source, &header->target);
    if (header->command == PROXY_PROXY)
        proxyproto_add_received(&builder, header->tlvs, header->tlvs_length);
    size_t n = proxyproto_end(&builder);
    if (n > 0 && n <= PROXYPROTO_MOST_BYTES) {
        assert(proxyproto_parse(bytes, n, &again) == PROXYPROTO_COMPLETE && again.length == n);
        assert(again.source.any.sa_family == header->source.any.sa_family);
    }
    n = proxyproto_print_v1(line, &header->source, &header->target);
    assert(proxyproto_parse(line, n, &again) == PROXYPROTO_COMPLETE && again.length == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header, shorter;
    unsigned char *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        return 0;
    if (size > 0)
        memcpy(exact, data, size);
    enum proxyproto_verdict verdict = proxyproto_parse(exact, size, &header);
    if (verdict == PROXYPROTO_COMPLETE) {
        assert(header.length <= size);
        assert(proxyproto_parse(exact, header.length - 1, &shorter) == PROXYPROTO_MORE);
        check_again(&header);
    }
    assert((verdict == PROXYPROTO_INVALID) == (header.reason != NULL));
    free(exact);
    return 0;
}
