/* SPDX-License-Identifier: MIT */
/* Reads the segment's rows of one configuration into plain figures. */
#include "admin/status.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* A worker beats at least every 100 ms; silence is shown as lag from this on. */
#define SILENCE_NS (UINT64_C(300) * CLOCK_NS_PER_MS)

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
    };
    return true;
}

void status_read_service(const struct status *status, size_t index, struct service_figures *out)
{
    service_sum(status->segment, status->rows->services[index], out);
}

void status_read_group(const struct status *status, size_t index, struct status_group *out)
{
    uint32_t row = status->rows->groups[index];
    *out = (struct status_group){
        .model = &status->model->groups[index],
        .ejected = atomic_load(&status->segment->groups[row].ejected),
    };
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
    int64_t in_flight = atomic_load(&row->in_flight);
    return in_flight > 0 ? (uint64_t)in_flight : 0;
}

void status_read_host(const struct status *status, size_t group, size_t host,
                      struct status_host *out)
{
    uint32_t number = row_number(status, group, host);
    const struct host_row *row = &status->segment->hosts[number];
    const struct model_host *model = &status->model->groups[group].hosts[host];
    *out = (struct status_host){
        .model = model,
        .address = model->address_text,
        .state = host_state(row, status->now_ns),
        .weight = atomic_load(&row->weight),
        .since_ns = atomic_load(&row->since_ns),
    };
    host_sum(status->segment, number, &out->figures);
    host_read_reason(row, out->reason);
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

bool status_is_first_use(const struct status *status, size_t service)
{
    const struct model_service *services = status->model->services;
    for (size_t i = 0; i < service; i++) {
        if (services[i].group == services[service].group)
            return false;
    }
    return true;
}

void status_read_totals(const struct status *status, struct status_totals *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < status->model->n_services; i++) {
        struct service_figures figures;
        status_read_service(status, i, &figures);
        out->connections += figures.connections > 0 ? (uint64_t)figures.connections : 0;
        out->connections_total += figures.connections_total;
        out->bytes_in += figures.bytes_in;
        out->bytes_out += figures.bytes_out;
        if (!status_is_first_use(status, i))
            continue;
        size_t group = status->model->services[i].group;
        out->hosts += status->model->groups[group].n_hosts;
        out->hosts_up += status_count_up(status, group);
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
