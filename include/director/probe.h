/* SPDX-License-Identifier: MIT */
/* One look at a host over a socket, the same seen from outside for every kind of check. */
#ifndef DIRECTOR_PROBE_H
#define DIRECTOR_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/model.h"
#include "net/addr.h"
#include "share/hosts.h"

#define PROBE_ANSWER_BYTES 16384 /* most that is ever read of an answer */

struct tls_client;
struct tls_trust;

/* What is to be done, all of it the caller's; outlives the probe. */
struct probe_task {
    const struct addr *address;
    const struct model_check *check;
    const struct tls_trust *trust; /* NULL: all is in plain; CHECK_TLS has one always */
    const char *name;              /* tls_name; "" = none */
    const char
        *tls_name; /* that the certificate must be for, where trust is strict; "" = any */
    enum send_proxy send_proxy; /* begin with a PROXY header that names nobody */
};

enum probe_verdict {
    PROBE_GOING,   /* call probe_go_on when one of events is there */
    PROBE_GOOD,    /* the host is well */
    PROBE_BAD,     /* it is not: reason says why */
    PROBE_SHORTAGE /* this machine could not ask: out of descriptors, ports, memory; see reason */
};

struct probe_kind;

/*
 * A running probe: never waits, knows no time, counts nothing. Owner: who starts it. Zero is one
 * that does not run. Once there is a verdict the connection lives on until is_over, so that the
 * host sees the end that its protocol asks for.
 */
struct probe {
    struct probe_task task;
    const struct probe_kind *kind;
    void *state;            /* the kind's own */
    struct tls_client *tls; /* what it talks through; NULL: in plain */
    int fd;                 /* owned; -1 = none */
    int events;             /* EV_READ, EV_WRITE: what to wait for */
    size_t got_bytes;       /* of the answer */
    enum { PROBE_CONNECTS, PROBE_SHAKES, PROBE_TALKS, PROBE_ENDS, PROBE_IS_OVER } phase;
    char reason[HOST_REASON_BYTES]; /* of PROBE_BAD and PROBE_SHORTAGE */
};

/*
 * What a kind of check does on an open connection. Functions return PROBE_GOING with probe->events set,
 * or a verdict.
 */
struct probe_kind {
    /* The connection is open. */
    enum probe_verdict (*start)(struct probe *probe);
    /* An event is there; NULL where start always ends it. */
    enum probe_verdict (*go_on)(struct probe *probe);
    /* Time is up: sets the reason if it has better words than silence. May be NULL. */
    void (*explain)(struct probe *probe);
    /* Frees state; NULL when there is none. */
    void (*fini)(struct probe *probe);
    /* The host ends the connection first, as it was asked to: no FIN before its own. */
    bool waits_for_end;
};

extern const struct probe_kind probe_tcp, probe_http, probe_expect;

/* Begins to connect. A verdict may be there at once. Then probe_stop is owed. */
enum probe_verdict probe_start(struct probe *probe, const struct probe_task *task);

/* Goes on as far as it can. After a verdict, only while the phase is PROBE_ENDS, and GOING means nothing. */
enum probe_verdict probe_go_on(struct probe *probe);

/* No verdict came in timeout_ms: fills in the reason. */
void probe_expire(struct probe *probe, int64_t timeout_ms);

/* Closes and frees whatever it has; it no longer runs. */
void probe_stop(struct probe *probe);

/* For kinds: PROBE_BAD with this reason, as printf does. */
enum probe_verdict probe_fail(struct probe *probe, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For kinds: PROBE_SHORTAGE, for want of memory. */
enum probe_verdict probe_fail_memory(struct probe *probe);

/*
 * For kinds: reads once, never beyond PROBE_ANSWER_BYTES in all.
 * Returns how many bytes; 0 at the end of the answer or at the limit; -1 with errno, EAGAIN: none yet.
 */
ssize_t probe_read(struct probe *probe, void *bytes, size_t room);

/*
 * For kinds: writes once.
 * Returns how many bytes, also 0 when the socket takes none now; -1 with errno.
 */
ssize_t probe_write(struct probe *probe, const void *bytes, size_t length);

#endif
