/* SPDX-License-Identifier: MIT */
/* Many TLS connections driven by one epoll loop: visits, requests, bulk. */
#ifndef BENCH_TLSRUN_H
#define BENCH_TLSRUN_H

#include "tlsclient.h"

#include <stdbool.h>

enum { MESSAGE_BYTES = 64 };

/* Durations in nanoseconds, in the order in which they came until tls_samples_us sorts them. */
struct samples {
    uint64_t *ns;
    size_t n, room;
};

enum step {
    STEP_CLOSED,
    STEP_HELLO, /* says the same hello as all, and no more */
    STEP_HEAR,  /* leaves when it is answered */
    STEP_HANDSHAKE,
    STEP_REST, /* established, nothing is owed */
    STEP_SEND,
    STEP_RECEIVE,
    STEP_DRAIN,
    STEP_END /* all is said; waits for the other side's end */
};

/* A place for one connection after the other. */
struct slot {
    struct tls_client client;
    enum step step;
    uint32_t interest;
    uint64_t opened_ns;
    uint64_t asked_ns; /* when the request was sent, or had to be sent, if that was earlier */
    uint64_t deadline_ns; /* 0: none */
    uint64_t seed, bytes;
    size_t sent, got;
    uint8_t message[MESSAGE_BYTES], answer[MESSAGE_BYTES];
};

/*
 * One run, used by one thread. What is unexpected ends the program with status 1, except where
 * does_count_losses.
 */
struct tls_run {
    /* What is asked for; fixed before tls_run_open. */
    const struct tls_target *target;
    const char *cipher;
    size_t n_slots;
    uint64_t timeout_ns; /* for each visit, each answer, each pause in bulk */
    bool does_count_losses;
    bool is_rude;         /* visits end with the answer to their hello */
    uint64_t share_bytes; /* bulk: that each connection brings before its end; else 0 */

    /* What is going on; set by the calls below. */
    bool is_visit, does_resume;
    uint64_t to_start, begin_ns, gap_ns; /* gap_ns: between starts, 0: as slots get free */
    uint64_t until_ns; /* requests: no new ones from then on, 0: no such time */

    /* Figures. */
    uint64_t started, done, failed, timed_out; /* visits or requests */
    uint64_t n_up, n_reused, n_unclean, bytes, n_open;
    struct samples samples; /* of handshakes in visits, else of requests */

    int epoll_fd;
    SSL_CTX *context;
    uint8_t hello[TLS_HELLO_MOST]; /* of rude visits */
    size_t hello_bytes;
    struct slot *slots;
    uint64_t looked_ns; /* when deadlines were last looked at */
};

/* Says why on stderr and ends the program with status 1: what was measured is worth nothing. */
__attribute__((noreturn, format(printf, 1, 2))) void tls_run_fault(const char *format, ...);

void tls_run_open(struct tls_run *run);

/* Closes what is open and gives all back, also the samples. */
void tls_run_close(struct tls_run *run);

/* Opens a connection in every slot; returns when all hands are shaken. */
void tls_run_connect(struct tls_run *run);

/*
 * count visits: connect, handshake, a message and its echo, close; each slot one after the other.
 * does_resume  with the ticket that the slot has; without one it is a fault
 */
void tls_run_visits(struct tls_run *run, uint64_t count, bool does_resume);

/* n_slots visits, one in each slot, begun every gap_ns whether or not earlier ones are done. */
void tls_run_flood(struct tls_run *run, uint64_t gap_ns);

/*
 * Messages and their echoes on the connections of tls_run_connect.
 * count     how many in all
 * gap_ns    begun so far apart on each connection, whether or not the answer before has come (it
 *           waits for it, and the time counts as the request's); 0: at once after the answer
 * until_ns  see struct tls_run
 */
void tls_run_requests(struct tls_run *run, uint64_t count, uint64_t gap_ns, uint64_t until_ns);

/* Reads from the connections of tls_run_connect until each has ended after share_bytes. */
void tls_run_drain(struct tls_run *run);

/* A fault if a resting connection has ended, or brought what nobody asked for. */
void tls_run_verify_rest(struct tls_run *run);

/* Figures from zero; connections and tickets stay. */
void tls_run_zero(struct tls_run *run);

uint64_t tls_run_tickets(const struct tls_run *run);

/* The sample below which this share of them lies, in microseconds; 0 when there are none. */
double tls_samples_us(struct samples *samples, double share);

#endif
