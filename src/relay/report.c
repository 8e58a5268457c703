/* SPDX-License-Identifier: MIT */
/* Does what the director asks of this worker about its connections. */
#include "relay/report.h"

#include <inttypes.h>

#include "base/text.h"
#include "conf/write.h"
#include "net/tcpinfo.h"
#include "relay/admit.h"
#include "relay/generation.h"
#include "relay/queue.h"

static struct conn *find(struct relay *relay, uint64_t id)
{
    LIST_FOREACH(node, &relay->all) {
        struct conn *c = container_of(node, struct conn, all);
        const struct live_row *row = live_row(relay->segment, relay->slot, c->live);
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
        const struct live_row *row = live_row(relay->segment, relay->slot, c->live);
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

/* ---- all about one ---- */

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / (double)CLOCK_NS_PER_S : 0;
}

/* {"name":…,"limit_s":…,"left_s":…}; a limit of 0 is none. */
static void add_timer(struct text *out, const struct conn *c, const char *name,
                      uint64_t from_ns, int64_t limit_ms)
{
    if (limit_ms <= 0)
        return;
    uint64_t due_ns = deadline_after(from_ns, limit_ms);
    text_printf(out, "%s{\"name\":\"%s\",\"limit_s\":%.3f,\"left_s\":%.3f}",
                out->length > 0 && out->at[out->length - 1] == '}' ? "," : "", name,
                (double)limit_ms / 1000, seconds(c->relay->now_ns, due_ns));
}

/* The limits that run in its phase. */
static void add_timers(struct text *out, const struct conn *c)
{
    const struct model_service *model = c->service->model;
    struct text timers = {0};
    switch (c->phase) {
    case PHASE_QUEUE:
        add_timer(&timers, c, c->is_held ? "when_no_host" : "queue_timeout", c->phase_ns,
                  queue_limit_ms(c));
        break;
    case PHASE_CONNECT:
        add_timer(&timers, c, "connect_timeout", c->phase_ns, model->connect_timeout_ms);
        break;
    case PHASE_RELAY:
        if (c->client.eof || c->host.eof)
            add_timer(&timers, c, "half_close_timeout", c->active_ns,
                      model->half_close_timeout_ms);
        else
            add_timer(&timers, c, "idle_timeout", c->active_ns, model->idle_timeout_ms);
        break;
    case PHASE_CLOSING:
        add_timer(&timers, c, "half_close_timeout", c->active_ns, model->half_close_timeout_ms);
        break;
    case PHASE_SORRY:
        add_timer(&timers, c, "half_close_timeout", c->phase_ns, model->half_close_timeout_ms);
        break;
    case PHASES:
        break;
    }
    if (c->end_ns != 0)
        add_timer(&timers, c, "lifetime", c->since_ns,
                  (int64_t)((c->end_ns - c->since_ns) / CLOCK_NS_PER_MS));
    text_printf(out, ",\"timers\":[%s]", timers.at != NULL ? timers.at : "");
    out->failed |= timers.failed;
    text_fini(&timers);
}

/* Who chose the host, in words. */
static void add_chosen(struct text *out, const struct conn *c)
{
    struct text words = {0};
    if (c->has_claim) {
        const struct model_group *group = c->way->line->group.model;
        text_add(&words, c->is_recalled ? "sticky: the client was there before"
                                        : conf_scheduler_word(group->scheduler));
        if (c->way != &c->service->ways[0])
            text_printf(&words, ", of group %s in place of %s", group->name,
                        c->service->ways[0].line->group.model->name);
        if (c->n_failed > 0)
            text_printf(&words, ", after %u that could not be reached", c->n_failed);
    }
    text_add(out, ",\"chosen\":");
    text_add_json(out, words.at != NULL ? words.at : "");
    out->failed |= words.failed;
    text_fini(&words);
}

static void add_address(struct text *out, const char *key, const struct addr *address)
{
    char shown[ADDR_TEXT_BYTES] = "";
    if (address->any.sa_family != AF_UNSPEC)
        addr_print(shown, address);
    text_printf(out, "\"%s\":\"%s\",", key, shown);
}

static void add_end(struct text *out, const char *key, const struct half *half)
{
    struct tcp_figures tcp;
    text_printf(out, ",\"%s\":", key);
    if (half->watch.fd < 0 || tcp_figures_read(half->watch.fd, &tcp) != 0) {
        text_add(out, "null");
        return;
    }
    text_add(out, "{");
    add_address(out, "local", &tcp.local);
    add_address(out, "remote", &tcp.remote);
    text_printf(out,
                "\"state\":\"%s\",\"rtt_ms\":%.3f,\"rtt_var_ms\":%.3f,\"retransmits\":%" PRIu32
                ",\"unacked\":%" PRIu32 ",\"lost\":%" PRIu32 ",\"cwnd\":%" PRIu32
                ",\"send_queue\":%" PRIu32 ",\"receive_queue\":%" PRIu32 "}",
                tcp.state, tcp.rtt_us / 1000., tcp.rtt_var_us / 1000., tcp.retransmits,
                tcp.unacked, tcp.lost, tcp.cwnd, tcp.send_queue, tcp.receive_queue);
}

static void add_all(struct text *out, const struct conn *c, uint64_t id)
{
    uint64_t now_ns = c->relay->now_ns;
    char shown[ADDR_TEXT_BYTES];
    struct addr client;
    admit_read_client(c, &client);
    text_printf(out, "\"id\":%" PRIu64 ",\"client\":\"%s\",\"service\":", id,
                addr_print(shown, &client));
    text_add_json(out, c->service->model->name);
    text_add(out, ",\"group\":");
    text_add_json(out, c->way->line->group.model->name);
    const struct model_host *host =
        c->has_claim ? c->way->line->group.hosts[c->target].model : NULL;
    text_add(out, ",\"host\":");
    text_add_json(out, host != NULL ? host->line_name : "");
    text_printf(out, ",\"address\":\"%s\"",
                host != NULL ? addr_print(shown, &host->address) : "");
    text_printf(
        out,
        ",\"worker\":%" PRIu32 ",\"generation\":%" PRIu64 ",\"phase\":\"%s\""
        ",\"age_s\":%.3f,\"idle_s\":%.3f,\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
        ",\"tries\":%u",
        c->relay->slot, c->generation->id, phase_word(c->phase), seconds(c->since_ns, now_ns),
        seconds(c->active_ns != 0 ? c->active_ns : c->since_ns, now_ns), c->client.in_bytes,
        c->host.in_bytes, (unsigned int)c->n_failed + (c->has_claim ? 1 : 0));
    add_chosen(out, c);
    add_timers(out, c);
    add_end(out, "client_tcp", &c->client);
    add_end(out, "host_tcp", &c->host);
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
        add_all(&out, c, order->id);
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
