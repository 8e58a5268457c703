/* SPDX-License-Identifier: MIT */
/* Which group a client is led to by the routes of its service. */
#include "relay/signpost.h"

#include <string.h>

#include "relay/admit.h"
#include "relay/generation.h"
#include "tls/stream.h"

static bool fits(const struct model_route *route, const struct hello *hello,
                 const struct addr *client)
{
    switch (route->kind) {
    case ROUTE_SNI:
        return hello != NULL && hello_matches(route->word, hello->name);
    case ROUTE_ALPN:
        return hello != NULL && hello_offers(hello, route->word);
    case ROUTE_SOURCE:
        return addr_network_has(&route->network, client);
    }
    return false;
}

void signpost_point(struct conn *c, const struct hello *hello)
{
    const struct model_service *model = c->service->model;
    struct addr client;

    if (model->n_routes == 0)
        return;
    admit_read_client(c, &client);
    for (size_t i = 0; i < model->n_routes; i++) {
        if (!fits(&model->routes[i], hello, &client))
            continue;
        c->way = &c->service->ways[model->routes[i].place];
        c->is_routed = true;
        return;
    }
}

bool signpost_follow(struct conn *c, const struct hello *hello)
{
    if (hello->name[0] != '\0' && (c->sni = strdup(hello->name)) == NULL)
        return false;
    signpost_point(c, hello);
    return true;
}

bool signpost_follow_facts(struct conn *c, const struct tls_facts *facts)
{
    unsigned char protocol[1 + UINT8_MAX];
    struct hello hello = {.protocols = protocol};

    hello_plain_name(facts->name, hello.name);
    if (facts->protocol_length > 0 && facts->protocol_length <= UINT8_MAX) {
        protocol[0] = (unsigned char)facts->protocol_length;
        memcpy(protocol + 1, facts->protocol, facts->protocol_length);
        hello.protocols_length = 1 + facts->protocol_length;
    }
    return signpost_follow(c, &hello);
}
