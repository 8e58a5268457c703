/* SPDX-License-Identifier: MIT */
/* One host's turns: when it is probed next, and what each result does to its row. */
#ifndef DIRECTOR_TURN_H
#define DIRECTOR_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/log.h"
#include "conf/model.h"
#include "director/alerts.h"
#include "director/prober.h"
#include "share/bells.h"
#include "share/segment.h"

/* What all turns share. Owner: the checks. */
struct turn_place {
    struct ev_loop *loop;
    const struct segment *segment;
    const struct bells *bells;
    struct prober prober;
    struct log_limit shortages;
};

/* What a group's hosts are asked. One for each group of the model. */
struct plan {
    const struct model_group *group;
    uint64_t interval_ns;
    struct tls_trust *trust; /* owned; NULL: neither CHECK_TLS nor does the group speak TLS */
    bool is_broken;          /* its trust could not be made: nobody is probed */
    struct group_alert alert;
};

/* One host. Owner: the checks, over any number of configurations. */
struct turn {
    struct turn_place *place;
    struct plan *plan; /* NULL: in no configuration yet */
    const struct model_host *host;
    struct host_row *row;
    uint32_t number, incarnation; /* of the row */
    bool is_checked;
    bool is_due;    /* the errand under way, or last, is that of due_ns */
    bool is_wished; /* an admin wants it back: one good check is enough */
    uint64_t due_ns;
    uint64_t connections_seen, faults_seen; /* of clients, at the last check */
    uint32_t wish_seen;
    struct errand errand;
    struct ev_timer next;
};

void turn_place_init(struct turn_place *place, struct ev_loop *loop,
                     const struct segment *segment, const struct bells *bells);

/* A host that is not probed yet; its row carries on what another director found out. NULL with errno. */
struct turn *turn_new(struct turn_place *place, uint32_t number);

/* Ends its probe. The row stays as it is. */
void turn_free(struct turn *turn);

/* What a turn takes along into the next configuration. */
struct turn_before {
    bool is_checked, was_out;
    uint64_t interval_ns;
};

/* Ends the errand under way, if any, since what it was sent with is about to go. */
struct turn_before turn_halt(struct turn *turn);

/* Whether the plan has the host probed. */
bool turn_is_checked(const struct plan *plan, const struct model_host *host);

/*
 * Goes on under turn->plan and turn->host, which are set.
 * position  among all n_checked checked hosts, for the spreading
 */
void turn_start(struct turn *turn, const struct turn_before *before, size_t position,
                size_t n_checked);

/* Goes on unprobed: the host is well, unless its name has no address. */
void turn_rest(struct turn *turn);

/* Says in the row that the host is not probed any more. */
void turn_forget(struct turn *turn);

/* Looks at what others have done to the row: an admin's wish, clients' faults. Cheap. */
void turn_look(struct turn *turn, uint64_t now_ns);

#endif
