/* SPDX-License-Identifier: MIT */
/* A small configuration with its rows, for tests of what the doors show. */
#ifndef UNIT_ADMIN_RIG_H
#define UNIT_ADMIN_RIG_H

#include <string.h>

#include "admin/status.h"
#include "base/clock.h"

#define RIG_HOSTILE "\"><script>alert(1)</script>\n'&\xff"

/*
 * Two services that share the group main of three hosts; worker 0 up, 1 stuck, slot 2 free.
 * admin_rig_add_spare gives the first a standby group of one name with two addresses.
 */
struct admin_rig {
    struct segment segment;
    struct model model;
    struct model_service services[2];
    struct model_listen listens[2];
    struct model_group groups[2];
    struct model_host hosts[5];   /* three of main, two of spare */
    size_t standby[1], places[2]; /* of the first service: main, spare */
    uint32_t service_rows[2], group_rows[2], host_rows[5], listener_rows[2];
    struct bundle_rows rows;
    struct status status;
};

static inline void admin_rig_fill(struct admin_rig *rig)
{
    struct segment *segment = &rig->segment;
    const char *const names[] = {"app1", RIG_HOSTILE, "app3"};
    const char *const addresses[] = {"10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"};
    for (uint32_t i = 0; i < 3; i++) {
        rig->hosts[i] = (struct model_host){.name = names[i],
                                            .line_name = names[i],
                                            .lookup = "",
                                            .address_text = addresses[i],
                                            .weight = 3,
                                            .max_connections = 200};
        rig->host_rows[i] = 10 + i;
        host_reset(segment, 10 + i, 4);
        host_set_weight(segment, 10 + i, 3 + i);
        atomic_store(&segment->hosts[10 + i].since_ns,
                     INT64_C(1795330800) * INT64_C(1000000000));
    }
    rig->groups[0] = (struct model_group){
        .name = "main", .scheduler = SCHEDULER_LEASTCONN, .hosts = rig->hosts, .n_hosts = 3};
    rig->listens[0].address.in6 =
        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(80)};
    rig->listens[0].address.length = sizeof(struct sockaddr_in6);
    rig->listens[1].address.in = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(81), .sin_addr.s_addr = htonl(0x7f000001)};
    rig->listens[1].address.length = sizeof(struct sockaddr_in);
    for (uint32_t i = 0; i < 2; i++) {
        rig->services[i] = (struct model_service){.name = i == 0 ? "web" : "mail",
                                                  .listens = &rig->listens[i],
                                                  .n_listens = 1,
                                                  .first_listen = i,
                                                  .places = rig->places,
                                                  .n_places = 1};
        rig->service_rows[i] = 5 + i;
        service_reset(segment, 5 + i);
    }
    rig->group_rows[0] = 4;
    group_reset(segment, 4);
}

static inline void admin_rig_count(struct admin_rig *rig)
{
    struct segment *segment = &rig->segment;
    for (uint32_t slot = 0; slot < 2; slot++) {
        struct host_shard *host = host_shard(segment, slot, 10);
        atomic_store(&host->in_flight, 2);
        atomic_store(&host->connections_total, 100);
        atomic_store(&host->bytes_in, 1000);
        atomic_store(&host->bytes_out, 5000);
        atomic_store(&host->failures[FAILURE_TIMEOUT], 3);
        struct service_shard *service = service_shard(segment, slot, 5);
        atomic_store(&service->connections, 4);
        atomic_store(&service->connections_total, 500);
        atomic_store(&service->bytes_in, 1);
        atomic_store(&service->bytes_out, 2);
        atomic_store(&service->waiting, 1);
        atomic_store(&service->outcomes[OUTCOME_OK], 400);
        atomic_store(&service->outcomes[OUTCOME_CONNECT_FAILED], 7);
    }
    atomic_store(&segment->hosts[10].in_flight, 4);
}

static inline void admin_rig_add_spare(struct admin_rig *rig)
{
    static const char *const names[] = {"db@192.0.2.1", "db@192.0.2.2"};
    for (uint32_t i = 0; i < 2; i++) {
        rig->hosts[3 + i] = (struct model_host){.name = names[i],
                                                .line_name = "db",
                                                .lookup = "db.example",
                                                .address_text = "db.example:5432",
                                                .weight = 1};
        rig->host_rows[3 + i] = 13 + i;
        host_reset(&rig->segment, 13 + i, 5);
        host_set_weight(&rig->segment, 13 + i, 1);
    }
    rig->groups[1] = (struct model_group){
        .name = "spare", .hosts = &rig->hosts[3], .n_hosts = 2, .first_host = 3};
    rig->group_rows[1] = 5;
    group_reset(&rig->segment, 5);
    rig->standby[0] = 1;
    rig->services[0].standby = rig->standby;
    rig->services[0].n_standby = 1;
    rig->places[1] = 1;
    rig->services[0].n_places = 2;
    rig->services[0].failover = true;
    rig->model.n_groups = 2;
    rig->model.n_hosts = 5;
    rig->rows.n_groups = 2;
    rig->rows.n_hosts = 5;
}

/* test setup: *state is the rig */
static inline int admin_rig_open(void **state)
{
    static struct admin_rig rig;
    memset(&rig, 0, sizeof rig);
    if (segment_create(&rig.segment, NULL) != 0)
        return -1;
    segment_use_slot(&rig.segment, 2);
    admin_rig_fill(&rig);
    admin_rig_count(&rig);
    rig.model = (struct model){
        .admin = {.title = "t<i>tle", .url = "https://example.net/?a&b", .refresh_ms = 2500},
        .groups = rig.groups,
        .n_groups = 1,
        .n_hosts = 3,
        .services = rig.services,
        .n_services = 2,
        .n_listens = 2,
    };
    rig.rows = (struct bundle_rows){
        rig.service_rows, rig.group_rows, rig.host_rows, rig.listener_rows, 2, 1, 3, 2};

    struct daemon_row *daemon = rig.segment.daemon;
    atomic_store(&daemon->generation, 7);
    atomic_store(&daemon->state, DAEMON_SERVING);
    atomic_store(&daemon->started_ns, 1000 * CLOCK_NS_PER_S);
    rig.status = (struct status){
        .model = &rig.model,
        .rows = &rig.rows,
        .segment = &rig.segment,
        .now_ns = 1012 * CLOCK_NS_PER_S + 500 * CLOCK_NS_PER_MS,
        .wall_ns = INT64_C(1795330860) * INT64_C(1000000000),
    };
    for (uint32_t slot = 0; slot < 2; slot++) {
        struct slot_row *row = &rig.segment.slots[slot];
        atomic_store(&row->state, slot == 0 ? SLOT_UP : SLOT_STUCK);
        atomic_store(&row->pid, 4711 + (int32_t)slot);
        atomic_store(&row->heartbeat_ns, rig.status.now_ns - slot * 2 * CLOCK_NS_PER_S);
        atomic_store(&row->loop_lag_ns, 250000);
        atomic_store(&row->connections, 3);
        atomic_store(&row->accepted_total, 9);
        atomic_store(&row->restarts, slot);
    }
    *state = &rig;
    return 0;
}

static inline int admin_rig_close(void **state)
{
    segment_fini(&((struct admin_rig *)*state)->segment);
    return 0;
}

#endif
