/* SPDX-License-Identifier: MIT */
/* A connection, its two halves, what all connections of a worker share: data only. */
#ifndef RELAY_CONN_H
#define RELAY_CONN_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "balance/scheduler.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/pool.h"
#include "net/transport.h"
#include "relay/accesslog.h"
#include "relay/deadline.h"
#include "relay/profile.h"
#include "relay/ration.h"
#include "relay/splice.h"
#include "share/bells.h"
#include "share/live.h"
#include "share/outcome.h"

struct asking;
struct entrance;
struct generation;
struct proxied;
struct service;
struct shake;
struct task_threads;
struct way;

/* Handshakes of a worker, see relay/shake. Zero is none; owner: the relay. */
struct shakes {
    struct task_threads *threads; /* made with the first one */
    struct ev_io watch;
    uint32_t n_out; /* queued or under way */
};

/* One end of a connection. */
struct half {
    const struct transport *io;
    void *io_state;     /* the transport's own */
    struct ev_io watch; /* watch.fd is the descriptor, -1 while there is none */
    struct half *peer;
    struct buffer wait;       /* read here, not yet written to the peer; empty almost always */
    struct splice_pipe *pipe; /* the same for bytes that the kernel moves; NULL almost always */
    uint64_t in_bytes;        /* read here so far */
    bool is_client;
    bool eof;           /* they sent FIN, or nothing more can be read */
    bool shut;          /* we sent FIN */
    bool shut_first;    /* we sent ours before theirs came */
    bool broken;        /* writing here failed: read out what is left, then end with a reset */
    bool is_bulk;       /* much is flowing: the kernel moves the bytes */
    uint8_t bulk_signs; /* reads in a row that speak for changing is_bulk */
};

/* One connection. Owner: its worker's pool; one door out: life_end(). */
struct conn {
    struct half client, host;
    struct relay *relay;
    struct generation *generation; /* counted */
    struct service *service;
    const struct entrance *entrance; /* of the service: where the client came in */
    char
        *sni; /* the name that a TLS client asked for, where it was looked at; owned, or NULL */
    char *subject; /* of the certificate that the client has shown; owned, or NULL */
    struct shake
        *shake; /* a TLS handshake at one of its ends; NULL when there is none, or it is over */
    struct asking *asking;   /* PHASE_OCSP: what a responder is asked; or NULL */
    struct proxied *proxied; /* what a PROXY header told, to be passed on; or NULL */
    struct way *
        way; /* to the group whose host is sought or used; set when it is over before that, too */
    enum phase phase;
    enum outcome outcome;   /* OUTCOME_OPEN until life_end */
    enum outcome sorry_for; /* PHASE_SORRY: what it will have ended with */
    uint64_t since_ns;      /* accepted */
    uint64_t phase_ns;      /* entered the phase, or began the present attempt to connect */
    uint64_t active_ns;     /* a byte moved */
    uint64_t end_ns;        /* end of its lifetime; 0 = none */
    uint64_t connect_ns;    /* how long connecting to the host took */
    struct deadline deadline;
    struct list_node all;    /* relay.all, or relay.graves once it has ended */
    struct list_node unread; /* relay.unread, until the next turn of the loop */
    struct list_node queue;  /* this worker's part of the group's waiting line */
    uint64_t ticket;         /* in that line */
    uint32_t line;           /* row of the group whose line it is */
    uint32_t
        unsent_bytes; /* PHASE_CLOSING: what the client had not acknowledged at the last look */
    uint32_t live;    /* row of the live table, or LIVE_NONE */
    uint32_t target;  /* index of the host in its group */
    uint32_t source;  /* entry of the sources that counts it; 0 = none */
    uint32_t waited_ms;   /* in the queue, the last time */
    uint32_t n_intervals; /* of access_interval that the access log has had a line for */
    uint8_t
        blame; /* enum tls_blame: why the client's certificate was refused, where a list has said so */
    uint8_t n_said;      /* PHASE_STARTTLS: commands */
    bool is_greeted;     /* PHASE_STARTTLS: it was */
    bool awaits_welcome; /* PHASE_CONNECT: the host is reached, and has a welcome to say */
    bool has_claim;      /* a place at target is claimed */
    bool
        is_spilled; /* its stuck host had no place: it is not to be forgotten for this one's sake */
    bool is_recalled;    /* the stick table sent it to its host */
    bool is_routed;      /* a route has chosen way */
    bool is_held;        /* waits for any usable host, not for a place at one */
    bool had_shortage;   /* a connect failed for want of something of our own */
    bool may_pass;       /* of ports or descriptors, which others will give back */
    bool is_standby;     /* a group that comes before way had nobody to take it: */
    bool was_full;       /* no place, rather than no usable host */
    uint8_t failed_with; /* errno of the last attempt that a host has failed */
    uint8_t n_failed;    /* attempts that hosts have failed, over all groups */
    uint8_t n_tried;     /* hosts of way's group not to be tried again: tried[0 .. n_tried-1] */
    uint16_t tried[PICK_MOST_TRIED];
};

static inline struct conn *conn_of(struct half *half)
{
    return half->is_client ? container_of(half, struct conn, client)
                           : container_of(half, struct conn, host);
}

static inline bool half_needs(const struct half *half, enum transport_need need)
{
    return half->io->needs != NULL && (half->io->needs(half->io_state) & need) != 0;
}

/* What is sent and read at the half from now on goes as it is; frees what its transport had. */
void conn_make_plain(struct half *half);

/* This worker's part of one group's waiting line, over all generations. */
struct queue_line {
    struct list_node conns; /* first in, first out */
    struct list_node busy;  /* relay.busy_lines, while somebody waits */
};

/* What all connections of one worker share. Owner: the worker. */
struct relay {
    struct ev_loop *loop;
    const struct segment *segment;
    uint32_t slot;
    uint64_t now_ns; /* read once a loop turn */
    struct profile profile;
    struct pool conns;
    struct pool buffers;    /* storage for half.wait */
    unsigned char *scratch; /* every read goes here first */
    size_t scratch_bytes;
    struct splice_pool pipes;
    struct deadline_wheel wheel;
    struct list_node all;    /* open connections, oldest first */
    struct list_node graves; /* ended ones, given back when the loop's turn is over */
    uint64_t n_open;
    uint64_t moved_ns; /* bytes moved last; for busy polling */
    uint64_t next_id;
    struct live_allot live;
    struct access_log access;
    struct random random;
    struct list_node warm_pools, needy_pools; /* see relay/warm */
    struct ev_timer warm_look;
    int64_t most_warm, n_warm;
    int64_t most_parked; /* host sockets kept for the next connection, over all services */
    int64_t n_parked;
    struct bells bells; /* of all workers, the own one too */
    void (*on_bell)(
        struct relay *relay); /* others have changed rows that somebody may wait for */
    uint64_t seen_change;     /* daemon_row.change at the last sweep */
    bool is_sweeping;         /* connections are being ended bit by bit: hosts drain */
    struct queue_line lines[SEGMENT_GROUPS];
    struct list_node busy_lines;
    struct shakes shakes;
    struct ration ration;
    struct list_node past;    /* see relay/past; made by the first */
    struct list_node askings; /* see relay/ocsp; made by the first */
    uint64_t seen_standings;  /* daemon_row.standings at the last look at them */
    void (*on_shaken)(
        struct conn *c); /* another thread is through with a step of its handshake */
    struct list_node
        unread;           /* conn.unread: ends with bytes that their socket does not tell of */
    bool is_serving_line; /* places that came free are being given to who waits */
    void (*on_end)(void *owner); /* a connection has ended: there is room for another */
    void *owner;
};

#endif
