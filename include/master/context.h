/* SPDX-License-Identifier: MIT */
/* Everything the master process has. */
#ifndef MASTER_CONTEXT_H
#define MASTER_CONTEXT_H

#include <ev.h>

#include "conf/addresses.h"
#include "master/cache.h"
#include "master/children.h"
#include "master/control.h"
#include "master/departure.h"
#include "master/doors.h"
#include "master/listeners.h"
#include "master/notify.h"
#include "master/pidfile.h"
#include "master/rollout.h"
#include "master/rows.h"
#include "master/sinks.h"
#include "master/supervisor.h"

enum master_phase {
    MASTER_STARTING, /* the first configuration is not committed everywhere yet */
    MASTER_SERVING,
    MASTER_DRAINING, /* new connections are refused, workers finish theirs */
    MASTER_ENDING    /* every process was told to end at once */
};

/* Owner: master_main. */
struct master {
    struct ev_loop *loop;
    struct conf_request request; /* how every configuration is read */
    char *config;                /* owned: request.path made absolute; NULL = it was not */
    struct model *boot; /* the configuration of the start: what a restart would change */
    enum master_phase phase;
    int exit_status;
    bool is_daemon;
    bool has_drain_limit;
    bool is_over; /* every process has ended: the loop stops */
    int ready_fd; /* the caller waits at its other end; -1 = nobody does */

    struct segment segment;
    struct spawn spawn;
    struct children children;
    struct listeners listeners;
    struct doors doors;
    struct rows *rows;
    struct rollout rollout;
    struct addresses addresses; /* what names of hosts mean: the director's finds, by naming */
    struct cache cache;         /* lists and staples: the director's finds */
    struct departure departure;
    struct supervisor *supervisor;
    struct sinks sinks;
    struct line_pipes pipes;
    struct pidfile pidfile;
    struct control control;
    struct notify notify;

    struct ev_signal signals[6];
    struct ev_io on_supervisor;
    struct ev_timer housekeeping; /* ten times a second */
    struct ev_timer watchdog;     /* feeds the service manager's */
    struct ev_timer drain_limit;  /* drain_timeout, then what follows it */
    struct ev_timer renew;        /* the director, after its doors have changed */
    uint64_t flushed_ns, watched_ns;
};

#endif
