/* SPDX-License-Identifier: MIT */
/*
 * All figures in Prometheus' text format.
 *
 * Everything is read once into plain structs; then the table says what each figure is called, and one loop prints
 * it for each worker, service, group or host.
 */
#include "admin/figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/clock.h"
#include "net/netstat.h"

/* Whose figure it is: each has its labels. */
enum scope { OF_DAEMON, OF_EXPIRY, OF_WORKER, OF_SERVICE, OF_GROUP, OF_HOST, SCOPES };

/* What is shown of one look. */
struct view {
    const struct status *status;
    struct text *out;
    struct status_worker *workers; /* all owned */
    struct service_figures *services;
    struct host_view *hosts;
    struct group_view *groups;
    size_t n_workers, n_services, n_hosts, n_groups;
    struct text *labels[SCOPES]; /* of each of them: service="web",group="main"; owned */
};

struct host_view {
    struct status_host host;
    const char *service, *group;
};

struct group_view {
    struct status_group group;
    const char *service;
};

struct figure {
    const char *name, *type, *help;
    enum scope scope;
    void (*add)(const struct view *view, const struct figure *figure, size_t i);
};

/* ---- samples ---- */

/* A name may be any bytes, by an escape in the file. */
static bool is_utf8(const char *text)
{
    json_t *string = json_string(text); /* which takes nothing else */
    json_decref(string);
    return string != NULL;
}

/*
 * In a label's value backslash, quote and newline are escaped. What is no UTF-8, which Prometheus refuses with all the rest,
 * has its odd bytes as \xHH.
 */
static void add_label(struct text *out, const char *key, const char *value)
{
    struct text plain = {0};
    if (!is_utf8(value)) {
        text_add_escaped(&plain, value);
        value = plain.at != NULL ? plain.at : "";
    }
    text_printf(out, "%s%s=\"", out->length > 0 ? "," : "", key);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\\' || *c == '"')
            text_append(out, "\\", 1);
        if (*c == '\n')
            text_add(out, "\\n");
        else
            text_append(out, c, 1);
    }
    text_append(out, "\"", 1);
    out->failed |= plain.failed;
    text_fini(&plain);
}

static void make_labels(const struct view *view, enum scope scope, size_t i, struct text *out)
{
    const struct model *model = view->status->model;
    char number[16];
    switch (scope) {
    case OF_EXPIRY:
        add_label(out, "section", view->status->expiries->at[i].section);
        add_label(out, "key", view->status->expiries->at[i].key);
        add_label(out, "file", view->status->expiries->at[i].path);
        break;
    case OF_WORKER:
        snprintf(number, sizeof number, "%" PRIu32, view->workers[i].id);
        add_label(out, "worker", number);
        break;
    case OF_SERVICE:
        add_label(out, "service", model->services[i].name);
        break;
    case OF_GROUP:
        add_label(out, "service", view->groups[i].service);
        add_label(out, "group", view->groups[i].group.model->name);
        break;
    case OF_HOST:
        add_label(out, "service", view->hosts[i].service);
        add_label(out, "group", view->hosts[i].group);
        add_label(out, "host", view->hosts[i].host.model->name);
        break;
    case OF_DAEMON:
    case SCOPES:
        break;
    }
}

/* The name with its labels, one more of them when key is not NULL: its value is a word of ours. */
static void begin(const struct view *view, const struct figure *figure, const char *ending,
                  size_t i, const char *key, const char *value)
{
    struct text *out = view->out;
    const struct text *labels = &view->labels[figure->scope][i];
    text_add(out, "gaidaros_");
    text_add(out, figure->name);
    text_add(out, ending);
    if (labels->length == 0 && key == NULL)
        return;
    text_append(out, "{", 1);
    text_append(out, labels->at != NULL ? labels->at : "", labels->length);
    if (key != NULL) {
        text_append(out, ",", labels->length > 0);
        text_add(out, key);
        text_append(out, "=\"", 2);
        text_add(out, value);
        text_append(out, "\"", 1);
    }
    text_append(out, "}", 1);
}

/* A sample's number and its line's end; of them there are many, and printf is slow. */
static void end_with(const struct view *view, uint64_t count)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\n';
    do {
        digits[--at] = (char)('0' + count % 10);
        count /= 10;
    } while (count > 0);
    digits[--at] = ' ';
    text_append(view->out, digits + at, sizeof digits - at);
}

static void add_count(const struct view *view, const struct figure *figure, size_t i,
                      uint64_t count)
{
    begin(view, figure, "", i, NULL, NULL);
    end_with(view, count);
}

static void add_labelled(const struct view *view, const struct figure *figure, size_t i,
                         const char *key, const char *value, uint64_t count)
{
    begin(view, figure, "", i, key, value);
    end_with(view, count);
}

static void add_number(const struct view *view, const struct figure *figure, size_t i,
                       double number)
{
    begin(view, figure, "", i, NULL, NULL);
    text_printf(view->out, " %.9g\n", number);
}

/* Buckets of 2^n * 64 us, the last one without a top. */
static void add_histogram(const struct view *view, const struct figure *figure, size_t i,
                          const uint64_t *buckets, size_t n, uint64_t sum_ns)
{
    uint64_t count = 0;
    uint64_t top_us = 64;
    for (size_t k = 0; k < n; k++, top_us *= 2) {
        char top[32];
        count += buckets[k];
        snprintf(top, sizeof top, k + 1 < n ? "%.9g" : "+Inf", (double)top_us / 1e6);
        begin(view, figure, "_bucket", i, "le", top);
        end_with(view, count);
    }
    begin(view, figure, "_sum", i, NULL, NULL);
    text_printf(view->out, " %.9f\n", (double)sum_ns / (double)CLOCK_NS_PER_S);
    begin(view, figure, "_count", i, NULL, NULL);
    end_with(view, count);
}

/* ---- the figures, in the order of the table ---- */

#define FIGURE(function, expression)                                                           \
    static void function(const struct view *view, const struct figure *figure, size_t i)       \
    {                                                                                          \
        add_count(view, figure, i, expression);                                                \
    }
#define DAEMON_WORD(word) atomic_load(&view->status->segment->daemon->word)

FIGURE(generation, DAEMON_WORD(generation))
FIGURE(generations, DAEMON_WORD(generations))
FIGURE(director_restarts, DAEMON_WORD(director_restarts))
FIGURE(access_lines, DAEMON_WORD(access_lines))
FIGURE(access_dropped, DAEMON_WORD(access_dropped))
FIGURE(log_lost, view->status->lines_lost)
FIGURE(overflows, netstat_listen_overflows())
FIGURE(is_serving, status_is_serving(view->status))

FIGURE(worker_up, view->workers[i].pid != 0)
FIGURE(worker_connections, view->workers[i].connections)
FIGURE(worker_accepted, view->workers[i].accepted_total)
FIGURE(worker_restarts, view->workers[i].restarts)
FIGURE(worker_paused, view->workers[i].accept_paused_total)
FIGURE(worker_dropped, view->workers[i].dropped_lines)

FIGURE(service_total, view->services[i].connections_total)
FIGURE(service_open, status_gauge(view->services[i].connections))
FIGURE(service_waiting, status_gauge(view->services[i].waiting))

FIGURE(group_usable, view->groups[i].group.usable)
FIGURE(group_ejected, view->groups[i].group.ejected)

FIGURE(host_up, view->hosts[i].host.state == HOST_UP)
FIGURE(host_open, status_gauge(view->hosts[i].host.figures.in_flight))
FIGURE(host_total, view->hosts[i].host.figures.connections_total)
FIGURE(host_weight, view->hosts[i].host.weight)
FIGURE(host_checks, view->hosts[i].host.checks_total)
FIGURE(host_check_failures, view->hosts[i].host.check_failures_total)

static void build_info(const struct view *view, const struct figure *figure, size_t i)
{
    add_labelled(view, figure, i, "version", GAIDAROS_VERSION, 1);
}

static void uptime(const struct view *view, const struct figure *figure, size_t i)
{
    add_number(view, figure, i,
               (double)status_uptime_ns(view->status) / (double)CLOCK_NS_PER_S);
}

static void reloads(const struct view *view, const struct figure *figure, size_t i)
{
    add_labelled(view, figure, i, "result", "ok", DAEMON_WORD(reloads_ok));
    add_labelled(view, figure, i, "result", "failed", DAEMON_WORD(reloads_failed));
}

static void ocsp_answers(const struct view *view, const struct figure *figure, size_t i)
{
    add_labelled(view, figure, i, "result", "good", DAEMON_WORD(ocsp_good));
    add_labelled(view, figure, i, "result", "revoked", DAEMON_WORD(ocsp_revoked));
    add_labelled(view, figure, i, "result", "none", DAEMON_WORD(ocsp_failed));
}

static void expiry_left(const struct view *view, const struct figure *figure, size_t i)
{
    const struct status *status = view->status;
    add_number(view, figure, i, expiry_left_s(&status->expiries->at[i], status->wall_ns));
}

static void worker_lag(const struct view *view, const struct figure *figure, size_t i)
{
    const struct status_worker *worker = &view->workers[i];
    add_histogram(view, figure, i, worker->lag_buckets, SLOT_LAG_BUCKETS, worker->lag_ns_sum);
}

static void worker_lag_now(const struct view *view, const struct figure *figure, size_t i)
{
    add_number(view, figure, i, view->workers[i].lag_ms / 1000);
}

static void worker_busy(const struct view *view, const struct figure *figure, size_t i)
{
    add_number(view, figure, i, (double)view->workers[i].busy_ns / (double)CLOCK_NS_PER_S);
}

static void service_bytes(const struct view *view, const struct figure *figure, size_t i)
{
    add_labelled(view, figure, i, "direction", "in", view->services[i].bytes_in);
    add_labelled(view, figure, i, "direction", "out", view->services[i].bytes_out);
}

static void service_errors(const struct view *view, const struct figure *figure, size_t i)
{
    for (int outcome = OUTCOME_OK + 1; outcome < OUTCOMES; outcome++)
        add_labelled(view, figure, i, "reason", outcome_word((enum outcome)outcome),
                     view->services[i].outcomes[outcome]);
}

static void service_handshakes(const struct view *view, const struct figure *figure, size_t i)
{
    const struct service_figures *service = &view->services[i];
    add_labelled(view, figure, i, "result", "full", service->handshakes_full);
    add_labelled(view, figure, i, "result", "resumed", service->handshakes_resumed);
    add_labelled(view, figure, i, "result", "abandoned", service->handshakes_abandoned);
    add_labelled(view, figure, i, "result", "revoked", service->handshakes_revoked);
    add_labelled(view, figure, i, "result", "stale_list", service->handshakes_stale);
    add_labelled(view, figure, i, "result", "no_ocsp_answer", service->handshakes_unanswered);
}

/* Also of groups that several services share, whose own figures name the first of them. */
static void service_groups(const struct view *view, const struct figure *figure, size_t i)
{
    const struct status *status = view->status;
    size_t n = status_count_groups(status, i);
    for (size_t place = 0; place < n; place++) {
        size_t index = status_group_at(status, i, place);
        struct text labels = {0};
        add_label(&labels, "group", status->model->groups[index].name);
        add_label(&labels, "role", status_role_word(status_role(status, i, place)));
        text_printf(view->out, "gaidaros_%s{%s,%s} 1\n", figure->name,
                    view->labels[OF_SERVICE][i].at, labels.at != NULL ? labels.at : "");
        view->out->failed |= labels.failed;
        text_fini(&labels);
    }
}

static void host_bytes(const struct view *view, const struct figure *figure, size_t i)
{
    add_labelled(view, figure, i, "direction", "in", view->hosts[i].host.figures.bytes_in);
    add_labelled(view, figure, i, "direction", "out", view->hosts[i].host.figures.bytes_out);
}

static void host_failures(const struct view *view, const struct figure *figure, size_t i)
{
    for (int failure = 0; failure < FAILURES; failure++)
        add_labelled(view, figure, i, "reason", host_failure_word((enum host_failure)failure),
                     view->hosts[i].host.figures.failures[failure]);
}

static void host_state_now(const struct view *view, const struct figure *figure, size_t i)
{
    for (int state = HOST_UP; state <= HOST_UNRESOLVED; state++)
        add_labelled(view, figure, i, "state", host_state_word((enum host_state)state),
                     view->hosts[i].host.state == (enum host_state)state);
}

static void host_connect(const struct view *view, const struct figure *figure, size_t i)
{
    const struct host_figures *figures = &view->hosts[i].host.figures;
    add_histogram(view, figure, i, figures->connect_buckets, HOST_CONNECT_BUCKETS,
                  figures->connect_ns_sum);
}

/* What is not known is not shown. */
static void host_check(const struct view *view, const struct figure *figure, size_t i)
{
    if (view->hosts[i].host.check_ms >= 0)
        add_number(view, figure, i, view->hosts[i].host.check_ms / 1000);
}

static void host_ports(const struct view *view, const struct figure *figure, size_t i)
{
    if (view->hosts[i].host.ports_left >= 0)
        add_number(view, figure, i, view->hosts[i].host.ports_left);
}

/* clang-format off */
static const struct figure figures[] = {
    {"build_info", "gauge", "Always 1; the label tells the version.", OF_DAEMON, build_info},
    {"serving", "gauge", "1 while the daemon serves, 0 while it starts or drains.", OF_DAEMON, is_serving},
    {"uptime_seconds", "gauge", "Time since the daemon started.", OF_DAEMON, uptime},
    {"generation", "gauge", "Number of the configuration in force.", OF_DAEMON, generation},
    {"generations", "gauge", "Configurations that some connection still uses, the current one included.", OF_DAEMON, generations},
    {"reload_total", "counter", "Reloads of the configuration, by how they ended.", OF_DAEMON, reloads},
    {"ocsp_answers_total", "counter", "What became of questions to OCSP responders about clients' certificates; none: no answer that tells.", OF_DAEMON, ocsp_answers},
    {"director_restarts_total", "counter", "Times the director was replaced.", OF_DAEMON, director_restarts},
    {"access_lines_total", "counter", "Lines of the access log handed to its writer.", OF_DAEMON, access_lines},
    {"access_dropped_total", "counter", "Lines of the access log dropped since its writer was busy.", OF_DAEMON, access_dropped},
    {"log_lost_total", "counter", "Lines of the logs that could not be written.", OF_DAEMON, log_lost},
    {"listen_overflows_total", "counter", "Connections that found a full accept queue, as the kernel counts for the whole machine.", OF_DAEMON, overflows},

    {"expiry_seconds", "gauge", "Until the first of the certificates in the file ends, or the list or staple is to be renewed; negative once it has, 0 for a list that has not come yet.", OF_EXPIRY, expiry_left},
    {"worker_up", "gauge", "0 while the worker is being replaced.", OF_WORKER, worker_up},
    {"worker_connections", "gauge", "Open connections.", OF_WORKER, worker_connections},
    {"worker_accepted_total", "counter", "Connections accepted.", OF_WORKER, worker_accepted},
    {"worker_restarts_total", "counter", "Times the worker was replaced.", OF_WORKER, worker_restarts},
    {"worker_accept_paused_total", "counter", "Times accepting paused for want of descriptors.", OF_WORKER, worker_paused},
    {"worker_dropped_lines_total", "counter", "Log lines the worker could not hand on.", OF_WORKER, worker_dropped},
    {"worker_busy_seconds_total", "counter", "Time spent outside the poll call.", OF_WORKER, worker_busy},
    {"worker_loop_lag_seconds", "gauge", "How late the worker's last heartbeat was; of a silent one, since when it is silent.", OF_WORKER, worker_lag_now},
    {"worker_heartbeat_lag_seconds", "histogram", "How late the worker's heartbeats were.", OF_WORKER, worker_lag},

    {"service_connections", "gauge", "Open connections.", OF_SERVICE, service_open},
    {"service_waiting", "gauge", "Connections that wait for a place at a host.", OF_SERVICE, service_waiting},
    {"service_connections_total", "counter", "Connections accepted for the service.", OF_SERVICE, service_total},
    {"service_bytes_total", "counter", "Bytes moved; in is what clients sent.", OF_SERVICE, service_bytes},
    {"service_errors_total", "counter", "Connections that ended otherwise than ok, by the status of the access log.", OF_SERVICE, service_errors},

    {"service_tls_handshakes_total", "counter", "TLS handshakes with clients: full, resumed by a ticket or an id, abandoned since the client left before it was their turn, or refused since its certificate is revoked, no fresh list covers it or no OCSP responder says that it is good; all that failed are errors, too.", OF_SERVICE, service_handshakes},
    {"service_group", "gauge", "1 for each group of the service; role tells what it is there for. Figures of a group that services share name the first of them.", OF_SERVICE, service_groups},

    {"group_usable_hosts", "gauge", "Hosts that may get new connections.", OF_GROUP, group_usable},
    {"group_ejected_hosts", "gauge", "Hosts left out since connecting to them failed.", OF_GROUP, group_ejected},

    {"host_up", "gauge", "1 while the host is up.", OF_HOST, host_up},
    {"host_state", "gauge", "1 for the state the host is in.", OF_HOST, host_state_now},
    {"host_weight", "gauge", "Weight of the host now.", OF_HOST, host_weight},
    {"host_connections", "gauge", "Open connections.", OF_HOST, host_open},
    {"host_connections_total", "counter", "Connections made to the host.", OF_HOST, host_total},
    {"host_bytes_total", "counter", "Bytes moved; in is what clients sent.", OF_HOST, host_bytes},
    {"host_failures_total", "counter", "Connects that failed, by reason.", OF_HOST, host_failures},
    {"host_connect_seconds", "histogram", "How long connecting took.", OF_HOST, host_connect},
    {"host_checks_total", "counter", "Checks made.", OF_HOST, host_checks},
    {"host_check_failures_total", "counter", "Checks that failed.", OF_HOST, host_check_failures},
    {"host_check_seconds", "gauge", "How long the last check took.", OF_HOST, host_check},
    {"host_ports_left", "gauge", "Local ports left for more connections to the host from one source address.", OF_HOST, host_ports},
};
/* clang-format on */

/* ---- one look ---- */

static size_t count(const struct view *view, enum scope scope)
{
    const struct expiries *expiries = view->status->expiries;
    const size_t counts[SCOPES] = {[OF_DAEMON] = 1,
                                   [OF_EXPIRY] = expiries != NULL ? expiries->n : 0,
                                   [OF_WORKER] = view->n_workers,
                                   [OF_SERVICE] = view->n_services,
                                   [OF_GROUP] = view->n_groups,
                                   [OF_HOST] = view->n_hosts};
    return counts[scope];
}

static void read_group(struct view *view, size_t service, size_t place)
{
    const struct status *status = view->status;
    size_t group = status_group_at(status, service, place);
    const struct model_group *model = &status->model->groups[group];
    const char *name = status->model->services[service].name;
    struct group_view *to = &view->groups[view->n_groups++];
    to->service = name;
    status_read_group(status, group, &to->group);
    for (size_t i = 0; i < model->n_hosts; i++) {
        struct host_view *host = &view->hosts[view->n_hosts++];
        host->service = name;
        host->group = model->name;
        status_read_host(status, group, i, &host->host);
    }
}

static bool make_all_labels(struct view *view)
{
    for (int scope = 0; scope < SCOPES; scope++) {
        size_t n = count(view, (enum scope)scope);
        view->labels[scope] = calloc(n + 1, sizeof *view->labels[scope]);
        for (size_t i = 0; view->labels[scope] != NULL && i < n; i++) {
            make_labels(view, (enum scope)scope, i, &view->labels[scope][i]);
            if (view->labels[scope][i].failed)
                return false;
        }
        if (view->labels[scope] == NULL)
            return false;
    }
    return true;
}

static void free_labels(struct view *view)
{
    for (int scope = 0; scope < SCOPES; scope++) {
        for (size_t i = 0; view->labels[scope] != NULL && i < count(view, (enum scope)scope);
             i++)
            text_fini(&view->labels[scope][i]);
        free(view->labels[scope]);
    }
}

static bool read_all(struct view *view)
{
    const struct status *status = view->status;
    const struct model *model = status->model;
    uint32_t n_slots = status_count_slots(status);
    view->workers = calloc((size_t)n_slots + 1, sizeof *view->workers);
    view->services = calloc(model->n_services + 1, sizeof *view->services);
    view->groups = calloc(model->n_groups + 1, sizeof *view->groups);
    view->hosts = calloc(model->n_hosts + 1, sizeof *view->hosts);
    if (view->workers == NULL || view->services == NULL || view->groups == NULL ||
        view->hosts == NULL)
        return false;
    for (uint32_t slot = 0; slot < n_slots; slot++)
        view->n_workers += status_read_worker(status, slot, &view->workers[view->n_workers]);
    for (size_t i = 0; i < model->n_services; i++) {
        status_read_service(status, i, &view->services[view->n_services++]);
        for (size_t place = 0; place < status_count_groups(status, i); place++)
            if (status_is_first_use(status, i, place))
                read_group(view, i, place);
    }
    return true;
}

void figures_text(struct text *out, const struct status *status)
{
    struct view view = {.status = status, .out = out};
    if (read_all(&view) && make_all_labels(&view)) {
        for (size_t k = 0; k < sizeof figures / sizeof *figures; k++) {
            const struct figure *figure = &figures[k];
            text_printf(out, "# HELP gaidaros_%s %s\n# TYPE gaidaros_%s %s\n", figure->name,
                        figure->help, figure->name, figure->type);
            for (size_t i = 0; i < count(&view, figure->scope); i++)
                figure->add(&view, figure, i);
        }
    } else {
        out->failed = true;
    }
    free_labels(&view);
    free(view.workers);
    free(view.services);
    free(view.groups);
    free(view.hosts);
}
