/* SPDX-License-Identifier: MIT */
/* Everything the director process has. */
#ifndef DIRECTOR_PARTS_H
#define DIRECTOR_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "admin/expiries.h"
#include "admin/server.h"
#include "base/task.h"
#include "conf/bundle.h"
#include "director/asker.h"
#include "director/auditor.h"
#include "director/checks.h"
#include "director/inquiry.h"
#include "director/logpair.h"
#include "director/ports.h"
#include "director/profiler.h"
#include "director/renewal.h"
#include "director/resolve.h"
#include "director/ticketing.h"
#include "share/bells.h"
#include "share/channel.h"
#include "share/segment.h"

/* A configuration this process has agreed to. Zero is none. */
struct agreed {
    struct model *model; /* owned */
    struct model *
        written; /* owned: what the file said, before admins changed it; NULL = it says the same */
    struct bundle_rows rows;  /* lives as long as the model */
    struct expiries expiries; /* owned; points into the model */
    uint64_t generation;
};

/* Everything this process has. Owner: director_main. */
struct director {
    struct ev_loop *loop;
    struct channel channel;
    struct received received;
    struct segment segment;
    bool has_segment;
    struct bells bells; /* of the workers, and the own one */
    struct task_threads *tasks;
    struct server *server;
    struct resolver *resolver;
    struct checks *checks;
    struct ports *ports;
    struct inquiries *inquiries;
    struct profiler *profiler;
    struct logpair logs;
    struct agreed current, prepared;
    struct status_reload reload; /* as master told it last; wall_ns 0 = there was none */
    char *reload_message;        /* owned; what reload.message is */
    uint64_t aborted;            /* PREPARE of this and earlier generations is off */
    struct auditor auditor;
    struct ticketing ticketing;
    struct renewal *renewal;
    struct asker *asker;
    uint64_t flushed_ns, counted_ns;
    struct ev_io on_channel, on_tasks;
    struct ev_timer tick, beat;
    bool is_draining, is_done;
    int exit_status;
};

/*
 * Tells master something; what it cannot take now is sent later.
 * bytes, length  the payload
 * fd    goes along and stays the caller's; -1 = none
 * Returns 0, or -1 with errno (and a warning in the log).
 */
int director_say_bytes(struct director *d, const struct message *message, const void *bytes,
                       size_t length, int fd);

/* As director_say_bytes, for text; what a message cannot hold is cut. NULL = none. */
int director_say(struct director *d, const struct message *message, const char *text, int fd);

#endif
