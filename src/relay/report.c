/* SPDX-License-Identifier: MIT */
/* Does what the director asks of this worker about its connections. */
#include "relay/report.h"

#include "base/text.h"
#include "relay/admit.h"
#include "relay/explain.h"

static struct conn *find(struct relay *relay, uint64_t id)
{
    LIST_FOREACH(node, &relay->all) {
        struct conn *c = container_of(node, struct conn, all);
        const struct live_row *row = admit_row(c);
        if (c->outcome == OUTCOME_OPEN &&
            atomic_load_explicit(&row->id, memory_order_relaxed) == id)
            return c;
    }
    return NULL;
}

/* ---- what each has moved ---- */

static void write_traffic(struct relay *relay)
{
    LIST_FOREACH(node, &relay->all) {
        const struct conn *c = container_of(node, struct conn, all);
        const struct live_row *row = admit_row(c);
        struct live_traffic *traffic = live_traffic(relay->segment, relay->slot, c->live);
        atomic_store_explicit(&traffic->id, 0, memory_order_relaxed);
        atomic_store_explicit(&traffic->in_bytes, c->client.in_bytes, memory_order_release);
        atomic_store_explicit(&traffic->out_bytes, c->host.in_bytes, memory_order_relaxed);
        atomic_store_explicit(&traffic->active_ns, c->active_ns, memory_order_relaxed);
        atomic_store_explicit(&traffic->id,
                              atomic_load_explicit(&row->id, memory_order_relaxed),
                              memory_order_release);
    }
}

/* ---- where the loop spends its time ---- */

static void begin_profile(struct relay *relay, const struct slate_order *order)
{
    bool is_fine = order->id > 0 && order->id <= PROFILE_MOST_S;
    if (is_fine)
        profile_start(&relay->profile, relay->loop, (uint32_t)order->id);
    slate_answer(relay->segment, relay->slot, order, is_fine ? SLATE_DONE : SLATE_NO_SUCH,
                 NULL);
}

/* One that has reached its limit was asked for by somebody else. */
static void tell_profile(struct relay *relay, const struct slate_order *order)
{
    struct text out = {0};
    bool is_fine = relay->profile.is_on;
    profile_stop(&relay->profile);
    profile_print(&out, &relay->profile);
    is_fine = is_fine && !out.failed && out.length < SLATE_TEXT_BYTES;
    slate_answer(relay->segment, relay->slot, order, is_fine ? SLATE_DONE : SLATE_NO_SUCH,
                 is_fine ? out.at : NULL);
    text_fini(&out);
}

/* ---- the slate ---- */

static void tell_why(struct relay *relay, const struct slate_order *order)
{
    const struct conn *c = find(relay, order->id);
    struct text out = {0};
    if (c != NULL)
        explain_conn(&out, c, order->id);
    bool is_fine = c != NULL && !out.failed && out.length < SLATE_TEXT_BYTES;
    slate_answer(relay->segment, relay->slot, order, is_fine ? SLATE_DONE : SLATE_NO_SUCH,
                 is_fine ? out.at : NULL);
    text_fini(&out);
}

void report_serve(struct relay *relay, void (*end)(struct conn *c, enum outcome outcome))
{
    struct slate_order order;
    if (!slate_look(relay->segment, relay->slot, &order))
        return;
    struct conn *c = NULL;
    switch (order.kind) {
    case SLATE_KILL:
        c = find(relay, order.id);
        if (c != NULL)
            end(c, OUTCOME_KILLED);
        slate_answer(relay->segment, relay->slot, &order,
                     c != NULL ? SLATE_DONE : SLATE_NO_SUCH, NULL);
        break;
    case SLATE_WHY:
        tell_why(relay, &order);
        break;
    case SLATE_TRAFFIC:
        write_traffic(relay);
        slate_answer(relay->segment, relay->slot, &order, SLATE_DONE, NULL);
        break;
    case SLATE_PROFILE:
        begin_profile(relay, &order);
        break;
    case SLATE_PROFILED:
        tell_profile(relay, &order);
        break;
    default:
        slate_answer(relay->segment, relay->slot, &order, SLATE_NO_SUCH, NULL);
    }
}
