/* SPDX-License-Identifier: MIT */
/* Tells all about one connection. */
#include "relay/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/write.h"
#include "net/tcpinfo.h"
#include "relay/admit.h"
#include "relay/generation.h"
#include "relay/queue.h"
#include "tls/stream.h"

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

/* Runs while an end has not taken what is there for it, also where its window is closed: from what it took last, about. */
static void add_user_timeout(struct text *out, const struct conn *c, const struct half *half)
{
    int64_t limit_ms = c->service->model->user_timeout_ms;
    struct tcp_figures tcp;
    if (limit_ms == 0 || half->watch.fd < 0 || tcp_figures_read(half->watch.fd, &tcp) != 0 ||
        tcp.send_queue == 0)
        return;
    uint64_t silent_ns = tcp.silent_ms * CLOCK_NS_PER_MS, now_ns = c->relay->now_ns;
    add_timer(out, c,
              half->is_client ? "user_timeout of the client" : "user_timeout of the host",
              now_ns > silent_ns ? now_ns - silent_ns : 0, limit_ms);
}

/* The limits that run in its phase. */
static void add_timers(struct text *out, const struct conn *c)
{
    const struct model_service *model = c->service->model;
    struct text timers = {0};
    switch (c->phase) {
    case PHASE_PROXY:
    case PHASE_HELLO:
    case PHASE_STARTTLS:
    case PHASE_HANDSHAKE:
        add_timer(&timers, c, "handshake_timeout", c->since_ns, model->handshake_timeout_ms);
        break;
    case PHASE_OCSP:
        add_timer(&timers, c, "ocsp_timeout", c->phase_ns, model->ocsp_timeout_ms);
        break;
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
    add_user_timeout(&timers, c, &c->client);
    add_user_timeout(&timers, c, &c->host);
    text_printf(out, ",\"timers\":[%s]", timers.at != NULL ? timers.at : "");
    out->failed |= timers.failed;
    text_fini(&timers);
}

/* Why a scheduler chooses the host that it does. */
static const char *reason_of(enum scheduler_kind kind)
{
    switch (kind) {
    case SCHEDULER_ROUNDROBIN:
        return "its turn";
    case SCHEDULER_LEASTCONN:
        return "fewest connections";
    case SCHEDULER_RANDOM:
        return "by chance";
    case SCHEDULER_WEIGHTED:
        return "by chance, as weights are";
    case SCHEDULER_FIRST:
        return "the first that could be used";
    case SCHEDULER_TWOCHOICES:
        return "the less busy of two by chance";
    case SCHEDULER_SOURCE:
    case SCHEDULER_MAGLEV:
        return "hash of the source";
    }
    return "";
}

static const char *name_of(const struct way *way)
{
    return way->line->group.model->name;
}

/* Why its group. */
static void add_group_chosen(struct text *words, const struct conn *c)
{
    const struct service *service = c->service;
    uint32_t enabled = atomic_load_explicit(&service->row->enabled, memory_order_relaxed);
    const struct way *first = &service->ways[enabled < service->n_reserve ? enabled : 0];
    if (c->is_routed) {
        text_printf(words, ", routed to group %s", name_of(c->way));
        return;
    }
    if (c->is_standby)
        text_printf(words, ", standby since group %s had no %s",
                    first != c->way ? name_of(first) : "before it",
                    c->was_full ? "place" : "usable host");
    else if (c->way != &service->ways[0])
        text_printf(words, ", group %s was in force", name_of(c->way));
}

/* What came before: hosts that failed, the last of them by name where it is known; a queue. */
static void add_before(struct text *words, const struct conn *c)
{
    if (c->n_failed > 0) {
        text_printf(words, ", retried after %u that could not be reached", c->n_failed);
        if (c->n_tried > 0 && !c->had_shortage)
            text_printf(words, " (%s: %s)",
                        c->way->line->group.hosts[c->tried[c->n_tried - 1]].model->line_name,
                        strerror(c->failed_with));
    }
    if (c->waited_ms > 0)
        text_printf(words, ", waited %" PRIu32 " ms in the queue", c->waited_ms);
}

/* How the host was chosen, in words. */
static void add_chosen(struct text *out, const struct conn *c)
{
    struct text words = {0};
    if (c->has_claim) {
        enum scheduler_kind kind = c->way->line->group.model->scheduler;
        if (c->is_recalled)
            text_add(&words, "sticky: the client was there before");
        else
            text_printf(&words, "%s: %s", conf_scheduler_word(kind), reason_of(kind));
        if (c->is_spilled)
            text_add(&words, ", its sticky host being full");
        add_group_chosen(&words, c);
        add_before(&words, c);
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

/* What the client's TLS has agreed on, where it ends here. */
static void add_tls(struct text *out, const struct conn *c)
{
    char subject[TLS_SUBJECT_BYTES], name[TLS_SUBJECT_BYTES], protocol[UINT8_MAX + 1];
    struct tls_facts facts;
    text_add(out, ",\"tls\":");
    if (c->client.io != &tls_transport) {
        text_add(out, "null");
        return;
    }
    tls_stream_tell(c->client.io_state, &facts);
    tls_stream_tell_client(c->client.io_state, subject, name);
    snprintf(protocol, sizeof protocol, "%.*s", (int)facts.protocol_length,
             facts.protocol_length > 0 ? (const char *)facts.protocol : "");
    text_printf(out, "{\"version\":\"%s\",\"cipher\":\"%s\",\"sni\":", facts.version,
                facts.cipher);
    text_add_json(out, c->sni != NULL ? c->sni : "");
    text_add(out, ",\"alpn\":");
    text_add_json(out, protocol);
    text_printf(out,
                ",\"resumed\":%s,\"client_certificate\":", facts.is_resumed ? "true" : "false");
    text_add_json(out, subject);
    text_add(out, "}");
}

/* The same at the host's end, where TLS begins here. */
static void add_host_tls(struct text *out, const struct conn *c)
{
    struct tls_facts facts;
    text_add(out, ",\"host_tls\":");
    if (c->host.io != &tls_transport) {
        text_add(out, "null");
        return;
    }
    tls_stream_tell(c->host.io_state, &facts);
    text_printf(out, "{\"version\":\"%s\",\"cipher\":\"%s\",\"resumed\":%s}", facts.version,
                facts.cipher, facts.is_resumed ? "true" : "false");
}

void explain_conn(struct text *out, const struct conn *c, uint64_t id)
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
    add_tls(out, c);
    add_host_tls(out, c);
    add_end(out, "client_tcp", &c->client);
    add_end(out, "host_tcp", &c->host);
}
