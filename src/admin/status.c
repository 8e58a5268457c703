/* SPDX-License-Identifier: MIT */
/* Reads the segment's rows of one configuration into plain figures. */
#include "admin/status.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* A worker beats at least every 100 ms; silence is shown as lag from this on. */
#define SILENCE_NS (UINT64_C(300) * CLOCK_NS_PER_MS)

uint64_t status_gauge(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

bool status_is_draining(const struct status *status)
{
    return status->is_draining ||
           atomic_load(&status->segment->daemon->state) == DAEMON_DRAINING;
}

bool status_is_serving(const struct status *status)
{
    return !status->is_draining &&
           atomic_load(&status->segment->daemon->state) == DAEMON_SERVING;
}

const char *status_state_word(const struct status *status)
{
    return status_is_draining(status) ? "draining" : "serving";
}

uint64_t status_uptime_ns(const struct status *status)
{
    uint64_t started_ns = atomic_load(&status->segment->daemon->started_ns);
    return status->now_ns > started_ns ? status->now_ns - started_ns : 0;
}

uint32_t status_count_slots(const struct status *status)
{
    return segment_used(&status->segment->daemon->slots_used, SEGMENT_SLOTS);
}

bool status_read_worker(const struct status *status, uint32_t slot, struct status_worker *out)
{
    const struct slot_row *row = &status->segment->slots[slot];
    uint32_t state = atomic_load(&row->state);
    if (state == SLOT_FREE)
        return false;

    uint64_t beat_ns = atomic_load(&row->heartbeat_ns);
    uint64_t lag_ns = atomic_load(&row->loop_lag_ns);
    if (state != SLOT_STARTING && beat_ns > 0 && status->now_ns > beat_ns + SILENCE_NS)
        lag_ns = status->now_ns - beat_ns;
    *out = (struct status_worker){
        .id = slot,
        .pid = atomic_load(&row->pid),
        .state = slot_state_word((enum slot_state)state),
        .connections = atomic_load(&row->connections),
        .accepted_total = atomic_load(&row->accepted_total),
        .restarts = atomic_load(&row->restarts),
        .generation = atomic_load(&row->generation),
        .accept_paused_total = atomic_load(&row->accept_paused_total),
        .dropped_lines = atomic_load(&row->dropped_lines),
        .busy_ns = atomic_load(&row->busy_ns),
        .lag_ms = (double)lag_ns / (double)CLOCK_NS_PER_MS,
        .lag_ns_sum = atomic_load(&row->lag_ns_sum),
    };
    for (size_t i = 0; i < SLOT_LAG_BUCKETS; i++)
        out->lag_buckets[i] = atomic_load(&row->lag_buckets[i]);
    return true;
}

void status_read_service(const struct status *status, size_t index, struct service_figures *out)
{
    service_sum(status->segment, status->rows->services[index], out);
}

size_t status_count_groups(const struct status *status, size_t service)
{
    return status->model->services[service].n_places;
}

size_t status_group_at(const struct status *status, size_t service, size_t place)
{
    return status->model->services[service].places[place];
}

size_t status_enabled(const struct status *status, size_t service)
{
    uint32_t number = status->rows->services[service];
    size_t place = atomic_load(&status->segment->services[number].enabled);
    /* A reload may have left fewer standby groups than there were. */
    return place <= status->model->services[service].n_standby ? place : 0;
}

/* Hosts that may get connections, and those that could if they were well. */
struct usable {
    size_t now, at_best;
};

static struct usable count_usable(const struct status *status, size_t group)
{
    const struct model_group *model = &status->model->groups[group];
    struct usable usable = {0};
    for (size_t i = 0; i < model->n_hosts; i++) {
        uint32_t number = status->rows->hosts[model->first_host + i];
        const struct host_row *row = &status->segment->hosts[number];
        usable.now += host_is_usable(row, status->now_ns);
        usable.at_best += atomic_load(&row->admin) == ADMIN_UP &&
                          atomic_load(&row->health) != HEALTH_UNRESOLVED &&
                          atomic_load(&row->weight) > 0;
    }
    return usable;
}

/* As balance/pick decides it. */
static bool is_failing_open(const struct model_group *model, const struct usable *usable)
{
    return usable->now * 100 < usable->at_best * (size_t)model->fail_open;
}

void status_read_group(const struct status *status, size_t index, struct status_group *out)
{
    uint32_t row = status->rows->groups[index];
    struct usable usable = count_usable(status, index);
    *out = (struct status_group){
        .model = &status->model->groups[index],
        .ejected = atomic_load(&status->segment->groups[row].ejected),
        .usable = usable.now,
        .is_failing_open = is_failing_open(&status->model->groups[index], &usable),
    };
}

static bool can_serve(const struct status *status, size_t service, size_t place)
{
    size_t group = status_group_at(status, service, place);
    struct usable usable = count_usable(status, group);
    return usable.now > 0 || is_failing_open(&status->model->groups[group], &usable);
}

enum status_role status_role(const struct status *status, size_t service, size_t place)
{
    size_t enabled = status_enabled(status, service);
    if (place == enabled)
        return ROLE_ENABLED;
    if (place > status->model->services[service].n_standby)
        return ROLE_ROUTED;
    if (!status->model->services[service].failover || !can_serve(status, service, place) ||
        can_serve(status, service, enabled))
        return ROLE_STANDBY;
    for (size_t earlier = 0; earlier < place; earlier++)
        if (can_serve(status, service, earlier))
            return ROLE_STANDBY;
    return ROLE_FAILOVER;
}

const char *status_role_word(enum status_role role)
{
    static const char *const words[] = {[ROLE_ENABLED] = "enabled",
                                        [ROLE_STANDBY] = "standby",
                                        [ROLE_FAILOVER] = "failover",
                                        [ROLE_ROUTED] = "routed"};
    return words[role];
}

static uint32_t row_number(const struct status *status, size_t group, size_t host)
{
    return status->rows->hosts[status->model->groups[group].first_host + host];
}

enum host_state status_host_state(const struct status *status, size_t group, size_t host)
{
    return host_state(&status->segment->hosts[row_number(status, group, host)], status->now_ns);
}

uint64_t status_host_open(const struct status *status, size_t group, size_t host)
{
    const struct host_row *row = &status->segment->hosts[row_number(status, group, host)];
    return status_gauge(atomic_load(&row->in_flight));
}

/* Seconds from now to then; negative when then is not set, none when it has passed. */
static double seconds_until(uint64_t now_ns, uint64_t then_ns)
{
    if (then_ns == 0)
        return -1;
    return then_ns > now_ns ? (double)(then_ns - now_ns) / (double)CLOCK_NS_PER_S : 0;
}

static void read_check(const struct status *status, const struct host_row *row,
                       struct status_host *out)
{
    out->checks_total = atomic_load(&row->checks_total);
    out->check_failures_total = atomic_load(&row->check_failures_total);
    out->check_ms = -1;
    if (out->checks_total > 0)
        out->check_ms = (double)atomic_load(&row->check_took_ns) / (double)CLOCK_NS_PER_MS;
    out->next_check_s = seconds_until(status->now_ns, atomic_load(&row->next_check_ns));
}

static void read_slow_start(const struct status *status, const struct host_row *row,
                            struct status_host *out)
{
    const uint32_t whole = 65536; /* see host_warmth */
    uint64_t slow_start_ns = (uint64_t)out->model->slow_start_ms * CLOCK_NS_PER_MS;
    uint32_t warmth = host_warmth(row, slow_start_ns, status->now_ns);
    out->slow_start = -1;
    if (warmth < whole && host_is_usable(row, status->now_ns))
        out->slow_start = (double)warmth / whole;
}

void status_read_host(const struct status *status, size_t group, size_t host,
                      struct status_host *out)
{
    uint32_t number = row_number(status, group, host);
    const struct host_row *row = &status->segment->hosts[number];
    const struct model_group *model = &status->model->groups[group];
    bool is_checked = model->check.kind != CHECK_NONE;
    *out = (struct status_host){
        .model = &model->hosts[host],
        .address = model->hosts[host].address_text,
        .state = host_state(row, status->now_ns),
        .weight = atomic_load(&row->weight),
        .since_ns = atomic_load(&row->since_ns),
        .check = is_checked ? model->check.text : "none",
        .drain_left_s = seconds_until(status->now_ns, atomic_load(&row->drain_until_ns)),
        .ports_left = (double)atomic_load(&row->ports_left) - 1, /* the row counts from 1 */
    };
    read_check(status, row, out);
    read_slow_start(status, row, out);
    host_sum(status->segment, number, &out->figures);
    host_read_reason(row, out->reason);
}

size_t status_read_changes(const struct status *status, size_t group, size_t host,
                           struct host_change_copy out[HOST_CHANGES])
{
    uint32_t number = row_number(status, group, host);
    /* To look at the changes of one that has none would make pages of the segment. */
    uint32_t kept = atomic_load(&status->segment->hosts[number].change_count);
    size_t n = 0;
    for (uint32_t i = 0; i < kept && i < HOST_CHANGES; i++)
        n += host_read_change(status->segment, number, i, &out[n]);
    return n;
}

size_t status_count_up(const struct status *status, size_t group)
{
    size_t n_up = 0;
    for (size_t i = 0; i < status->model->groups[group].n_hosts; i++) {
        if (status_host_state(status, group, i) == HOST_UP)
            n_up++;
    }
    return n_up;
}

bool status_is_first_use(const struct status *status, size_t service, size_t place)
{
    size_t group = status_group_at(status, service, place);
    for (size_t i = 0; i <= service; i++) {
        size_t n = i < service ? status_count_groups(status, i) : place;
        for (size_t k = 0; k < n; k++)
            if (status_group_at(status, i, k) == group)
                return false;
    }
    return true;
}

static void add_hosts(const struct status *status, size_t service, struct status_totals *out)
{
    for (size_t place = 0; place < status_count_groups(status, service); place++) {
        if (!status_is_first_use(status, service, place))
            continue;
        size_t group = status_group_at(status, service, place);
        out->hosts += status->model->groups[group].n_hosts;
        out->hosts_up += status_count_up(status, group);
    }
}

void status_read_totals(const struct status *status, struct status_totals *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < status->model->n_services; i++) {
        struct service_figures figures;
        status_read_service(status, i, &figures);
        out->connections += status_gauge(figures.connections);
        out->connections_total += figures.connections_total;
        out->bytes_in += figures.bytes_in;
        out->bytes_out += figures.bytes_out;
        add_hosts(status, i, out);
    }
    uint32_t n_slots = status_count_slots(status);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        uint32_t state = atomic_load(&status->segment->slots[slot].state);
        out->workers += state != SLOT_FREE;
        out->workers_up += state == SLOT_UP;
    }
}

const char *status_print_listen(char out[ADDR_TEXT_BYTES], const struct model_listen *listen)
{
    const struct addr *address = &listen->address;
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr))
        snprintf(out, ADDR_TEXT_BYTES, "*:%u", (unsigned)addr_port(address));
    else
        addr_print(out, address);
    return out;
}

const char *status_scheduler_word(enum scheduler_kind kind)
{
    static const char *const words[] = {
        [SCHEDULER_ROUNDROBIN] = "roundrobin", [SCHEDULER_LEASTCONN] = "leastconn",
        [SCHEDULER_RANDOM] = "random",         [SCHEDULER_WEIGHTED] = "weighted",
        [SCHEDULER_TWOCHOICES] = "twochoices", [SCHEDULER_SOURCE] = "source",
        [SCHEDULER_MAGLEV] = "maglev",         [SCHEDULER_FIRST] = "first",
    };
    return words[kind];
}
