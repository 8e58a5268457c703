/* SPDX-License-Identifier: MIT */
/* What there is to show: one look at a configuration through the segment's rows. */
#ifndef ADMIN_STATUS_H
#define ADMIN_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/expiries.h"
#include "admin/viewer.h"
#include "conf/bundle.h"
#include "conf/model.h"
#include "share/segment.h"

/* How the last reload ended. */
struct status_reload {
    bool is_ok;
    int64_t wall_ns;
    const char *message; /* a line for each problem */
};

/* Everything a view needs; made afresh for each answer. Nothing in it is owned. */
struct status {
    const struct model *model;
    const struct model
        *written; /* what the file says; the model itself when no admin has changed it */
    const struct bundle_rows *rows;
    const struct segment *segment;
    bool is_draining;    /* the director was told so, maybe before the segment says it */
    uint64_t now_ns;     /* monotonic */
    int64_t wall_ns;     /* wall clock */
    uint64_t lines_lost; /* log lines the director's writers could not write */
    const struct viewer *viewer;        /* who looks; NULL = nobody in particular */
    const struct expiries *expiries;    /* NULL = none are known */
    const struct status_reload *reload; /* NULL = there was none since the start */
};

struct status_worker {
    uint32_t id;
    int32_t pid; /* 0 while it is being replaced */
    const char *state;
    uint64_t connections, accepted_total, restarts, generation;
    uint64_t accept_paused_total, dropped_lines, busy_ns;
    uint64_t lag_ns_sum, lag_buckets[SLOT_LAG_BUCKETS]; /* see slot_row */
    double lag_ms; /* how late its loop is; for a silent worker, for how long it is silent */
};

struct status_host {
    const struct model_host *model;
    const char *address; /* as the user wrote it */
    enum host_state state;
    uint32_t weight;
    int64_t since_ns;  /* wall clock of the last change of state; 0 = not known */
    const char *check; /* as the user wrote it; "none" */
    uint64_t checks_total, check_failures_total;
    double check_ms;     /* the last one; negative = there was none */
    double next_check_s; /* until it begins, 0 = it is due; negative = none is planned */
    double slow_start;   /* share of its connections it may have, 0 to 1; negative = all */
    double
        drain_left_s; /* until the last open connection is closed; negative = they are kept */
    double
        ports_left; /* local ports for more connections to it from one source; negative = not known */
    struct host_figures figures;
    char reason[HOST_REASON_BYTES];
};

struct status_group {
    const struct model_group *model;
    uint32_t ejected;     /* hosts */
    size_t usable;        /* hosts that may get new connections, checks and ejections heeded */
    bool is_failing_open; /* so few are that health does not count: all are tried */
};

/* What a group is to a service. */
enum status_role {
    ROLE_ENABLED, /* in force */
    ROLE_STANDBY,
    ROLE_FAILOVER, /* a standby that serves, since no group before it has a usable host */
    ROLE_ROUTED    /* gets what routes send there, and nothing else */
};

/* Sums over the daemon, for headlines. A group that two services share is counted once. */
struct status_totals {
    uint64_t connections, connections_total, bytes_in, bytes_out;
    uint64_t hosts, hosts_up, workers, workers_up;
};

/* A gauge that a kill may have left odd for a second is never shown below nothing. */
uint64_t status_gauge(int64_t value);

/* "serving" or "draining". */
const char *status_state_word(const struct status *status);

/* True while clients are served: the first configuration is committed and nobody has said stop. */
bool status_is_serving(const struct status *status);

/* True once the daemon has been told to end. */
bool status_is_draining(const struct status *status);

/* Nanoseconds since master started. */
uint64_t status_uptime_ns(const struct status *status);

/* Slots that ever held a worker are numbered below this. */
uint32_t status_count_slots(const struct status *status);

/* Reads a worker's row; false when the slot is free. slot < status_count_slots */
bool status_read_worker(const struct status *status, uint32_t slot, struct status_worker *out);

/*
 * The groups of a service: place 0 is the file's `group`, n the n-th of `standby`, then those of routes.
 * Returns an index into the model's groups.
 */
size_t status_count_groups(const struct status *status, size_t service);
size_t status_group_at(const struct status *status, size_t service, size_t place);

/* The place of the group in force. */
size_t status_enabled(const struct status *status, size_t service);

enum status_role status_role(const struct status *status, size_t service, size_t place);
const char *status_role_word(enum status_role role);

/* Adds up a service's shards. index: of the model's services */
void status_read_service(const struct status *status, size_t index,
                         struct service_figures *out);

/* index: of the model's groups */
void status_read_group(const struct status *status, size_t index, struct status_group *out);

/* Reads a host's row with the sums of its shards. group: of the model's; host: of the group's */
void status_read_host(const struct status *status, size_t group, size_t host,
                      struct status_host *out);

/* The state alone, much cheaper than status_read_host. */
enum host_state status_host_state(const struct status *status, size_t group, size_t host);

/* Connections of a host now; cheap as well. */
uint64_t status_host_open(const struct status *status, size_t group, size_t host);

/*
 * Copies the last changes of a host, newest first.
 * Returns how many there are, at most HOST_CHANGES.
 */
size_t status_read_changes(const struct status *status, size_t group, size_t host,
                           struct host_change_copy out[HOST_CHANGES]);

/* How many hosts of the group are up. */
size_t status_count_up(const struct status *status, size_t group);

/* False when the group at this place of the service was shown before, by it or an earlier service. */
bool status_is_first_use(const struct status *status, size_t service, size_t place);

void status_read_totals(const struct status *status, struct status_totals *out);

/* The address as the file writes it: *:80 for both families' wildcard. Returns out. */
const char *status_print_listen(char out[ADDR_TEXT_BYTES], const struct model_listen *listen);

/* The configuration's word for a scheduler. */
const char *status_scheduler_word(enum scheduler_kind kind);

#endif
