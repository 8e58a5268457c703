/* SPDX-License-Identifier: MIT */
/* What a host is told before the client's first byte: a PROXY header, where its group wants one. */
#include "relay/prologue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "relay/admit.h"
#include "relay/generation.h"
#include "relay/opening.h"
#include "tls/stream.h"

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

/* A value that no header has told already. */
static void add_value(struct proxy_builder *builder, const struct conn *c, enum proxy_tlv type,
                      const void *bytes, size_t length)
{
    if (length > 0 && (c->proxied == NULL || !proxied_has(c->proxied, (uint8_t)type)))
        proxyproto_add(builder, type, bytes, length);
}

static void add_text(struct proxy_builder *builder, enum proxy_tlv type, const char *text)
{
    if (text[0] != '\0')
        proxyproto_add(builder, type, text, strlen(text));
}

/* What the client's TLS, where it ends here, has agreed on (section 2.2.6). */
static void add_tls(struct proxy_builder *builder, const struct conn *c)
{
    enum { OVER_TLS = 1, SHOWN_NOW = 2, SHOWN_IN_SESSION = 4 };
    unsigned char secured[PROLOGUE_MOST_BYTES], verified[4] = {0, 0, 0, 1};
    struct proxy_builder parts = {.bytes = secured, .room = sizeof secured};
    char subject[TLS_SUBJECT_BYTES], name[TLS_SUBJECT_BYTES];
    struct tls_facts facts;

    if (c->client.io != &tls_transport)
        return;
    tls_stream_tell(c->client.io_state, &facts);
    tls_stream_tell_client(c->client.io_state, subject, name);
    add_value(builder, c, PROXY_TLV_ALPN, facts.protocol, facts.protocol_length);
    parts.bytes[0] =
        (unsigned char)(OVER_TLS | (facts.has_certificate
                                        ? SHOWN_IN_SESSION | (facts.is_resumed ? 0 : SHOWN_NOW)
                                        : 0));
    verified[3] = !facts.has_certificate; /* 0: shown, and good */
    memcpy(parts.bytes + 1, verified, sizeof verified);
    parts.length = 1 + sizeof verified;
    add_text(&parts, PROXY_TLV_SSL_VERSION, facts.version);
    add_text(&parts, PROXY_TLV_SSL_CIPHER, facts.cipher);
    if (facts.has_certificate)
        add_text(&parts, PROXY_TLV_SSL_CN, name);
    if (!parts.is_full)
        add_value(builder, c, PROXY_TLV_SSL, parts.bytes, parts.length);
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
    if (c->sni != NULL)
        add_value(&builder, c, PROXY_TLV_AUTHORITY, c->sni, strlen(c->sni));
    add_tls(&builder, c);
    if (!has_id) {
        int n = snprintf(id, sizeof id, "%" PRIu64,
                         atomic_load_explicit(&admit_row(c)->id, memory_order_relaxed));
        proxyproto_add(&builder, PROXY_TLV_UNIQUE_ID, id, (size_t)n);
    }
    return proxyproto_end(&builder);
}
