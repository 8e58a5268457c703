/* SPDX-License-Identifier: MIT */
/* What a host is told before the client's first byte: a PROXY header, where its group wants one. */
#include "relay/prologue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "relay/admit.h"
#include "relay/generation.h"
#include "relay/opening.h"

bool prologue_is_wanted(const struct conn *c)
{
    return c->way->line->group.model->send_proxy != SEND_PROXY_NO;
}

/* Who connected to what, as the client sees it; unknown where a header said so. */
static void find_ends(const struct conn *c, struct addr *source, struct addr *target)
{
    *source = *target = (struct addr){0};
    if (c->proxied != NULL) {
        *source = c->proxied->source;
        *target = c->proxied->target;
        return;
    }
    socklen_t length = sizeof target->un;
    admit_read_client(c, source);
    if (getsockname(c->client.watch.fd, &target->any, &length) != 0) {
        *target = (struct addr){0};
        return;
    }
    target->length = length;
    addr_unmap(target);
}

size_t prologue_write(const struct conn *c, unsigned char out[PROLOGUE_MOST_BYTES])
{
    enum send_proxy version = c->way->line->group.model->send_proxy;
    struct proxy_builder builder = {.bytes = out, .room = PROLOGUE_MOST_BYTES};
    struct addr source, target;
    char id[24];

    if (version == SEND_PROXY_NO)
        return 0;
    find_ends(c, &source, &target);
    if (version == SEND_PROXY_V1)
        return proxyproto_print_v1(out, &source, &target);
    proxyproto_begin(&builder, PROXY_PROXY, &source, &target);
    bool has_id = c->proxied != NULL && proxied_has(c->proxied, PROXY_TLV_UNIQUE_ID);
    if (c->proxied != NULL)
        proxyproto_add_received(&builder, c->proxied->tlvs, c->proxied->n_tlv_bytes);
    if (c->sni != NULL && (c->proxied == NULL || !proxied_has(c->proxied, PROXY_TLV_AUTHORITY)))
        proxyproto_add(&builder, PROXY_TLV_AUTHORITY, c->sni, strlen(c->sni));
    if (!has_id) {
        int n = snprintf(id, sizeof id, "%" PRIu64,
                         atomic_load_explicit(&admit_row(c)->id, memory_order_relaxed));
        proxyproto_add(&builder, PROXY_TLV_UNIQUE_ID, id, (size_t)n);
    }
    return proxyproto_end(&builder);
}
