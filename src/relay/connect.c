/* SPDX-License-Identifier: MIT */
/* One attempt to reach a chosen host. */
#include "relay/connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/sock.h"
#include "relay/admit.h"
#include "relay/dial.h"
#include "relay/generation.h"
#include "relay/handshake.h"
#include "relay/hostshake.h"
#include "relay/prologue.h"
#include "relay/reach.h"
#include "relay/seek.h"
#include "relay/tunnel.h"
#include "relay/warm.h"

/* After so many sends in a row that came too early, only every so many-th connection tries. */
enum { EAGER_MISSES = 8, EAGER_RETRY = 64 };

/* The least that every path carries in one packet (RFC 9293, 3.7.1). */
enum { SEGMENT_BYTES = 536 };

static struct host *target_of(const struct conn *c)
{
    return &c->way->line->group.hosts[c->target];
}

static enum connect_verdict refused(int error)
{
    errno = error;
    return sock_is_shortage(error) ? CONNECT_SHORTAGE : CONNECT_FAILED;
}

/* Whether sending before the host has answered is worth the call; across a real network it is not. */
static bool is_eager(struct host_note *note)
{
    if (note->eager_misses < EAGER_MISSES)
        return true;
    note->eager_misses++;
    if (note->eager_misses < EAGER_MISSES + EAGER_RETRY)
        return false;
    note->eager_misses = EAGER_MISSES - 1;
    return true;
}

/*
 * Sends what the host is to get first: its prologue, then, where it is spoken to as it is, bytes of the client.
 * Returns how many of the client's went, or -1 with errno; then the host has got nothing of use.
 */
static ssize_t send_first(const struct conn *c, int fd, const void *bytes, size_t length)
{
    unsigned char prologue[PROLOGUE_MOST_BYTES];
    size_t n = prologue_write(c, prologue);

    if (!reach_is_immediate(c))
        length = 0;
    struct iovec parts[] = {{prologue, n}, {(void *)(uintptr_t)bytes, length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    if (n == 0)
        return send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0 && (size_t)sent < n) {
        errno = ENOBUFS;
        return -1;
    }
    return sent < 0 ? -1 : sent - (ssize_t)n;
}

/*
 * The handshake on loopback and fast networks is over before connect(2) has returned
 * EINPROGRESS, so a send at once usually works and saves a turn of the loop. A send of nothing
 * asks the same question: EAGAIN while the handshake is under way.
 */
static enum connect_verdict send_early(struct conn *c, const void *bytes, size_t length,
                                       size_t *sent)
{
    struct host_note *note = &c->way->line->notes[c->target];
    if (!is_eager(note))
        return CONNECT_PENDING;

    ssize_t n = send_first(c, c->host.watch.fd, bytes, length);
    if (n >= 0) {
        note->eager_misses = 0;
        note->is_near = true;
        *sent = (size_t)n;
        return CONNECT_OPEN;
    }
    if (errno == EAGAIN || errno == ENOTCONN || errno == EINTR) {
        note->eager_misses++;
        note->is_near = false;
        return CONNECT_PENDING;
    }
    return refused(errno);
}

/* A socket that was kept from an earlier connection; false when there is none that can be used. */
static bool reuse_parked(struct conn *c, const struct addr *address)
{
    int fd = parked_take(&c->way->parked, address->any.sa_family);

    if (fd < 0)
        return false;
    c->relay->n_parked--;
    if (connect(fd, &address->any, address->length) != 0 && errno != EINPROGRESS) {
        close(fd);
        return false;
    }
    ev_io_set(&c->host.watch, fd, 0);
    return true;
}

/* A connection that was made ahead of need; false when there is none, or its host left just now. */
static bool use_warm(struct conn *c, const void *bytes, size_t length, size_t *sent)
{
    int fd;

    while ((fd = warm_take(c)) >= 0) {
        bool has_words = (length > 0 && reach_is_immediate(c)) || prologue_is_wanted(c);
        ssize_t n = has_words ? send_first(c, fd, bytes, length) : 0;
        if (n >= 0 || (errno == EAGAIN && !prologue_is_wanted(c))) {
            *sent = n > 0 ? (size_t)n : 0;
            ev_io_set(&c->host.watch, fd, 0);
            return true;
        }
        close(fd);
    }
    return false;
}

enum connect_verdict connect_start(struct conn *c, const void *bytes, size_t length,
                                   size_t *sent)
{
    const struct addr *address = &target_of(c)->model->address;
    struct addr client;
    int fd;

    *sent = 0;
    c->phase_ns = c->relay->now_ns;
    if (use_warm(c, bytes, length, sent))
        return CONNECT_OPEN;
    if (reuse_parked(c, address))
        return send_early(c, bytes, length, sent);
    admit_read_client(c, &client);
    switch (dial(c->way, address, &client, &fd)) {
    case DIAL_FAILED:
        return CONNECT_FAILED;
    case DIAL_SHORTAGE:
        return CONNECT_SHORTAGE;
    case DIAL_GOING:
        break;
    }
    ev_io_set(&c->host.watch, fd, 0);
    return send_early(c, bytes, length, sent);
}

enum connect_verdict connect_finish(struct conn *c)
{
    struct buffer *wait = &c->client.wait;
    int error = sock_take_error(c->host.watch.fd);

    if (error != 0)
        return refused(error);
    if (!prologue_is_wanted(c))
        return CONNECT_OPEN;
    ssize_t n = send_first(c, c->host.watch.fd, buffer_bytes(wait), wait->length);
    if (n < 0)
        return refused(errno);
    buffer_consume(wait, &c->relay->buffers, (size_t)n);
    return CONNECT_OPEN;
}

static enum host_failure failure_of(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return FAILURE_REFUSED;
    case ETIMEDOUT:
        return FAILURE_TIMEOUT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EACCES:
    case EPERM:
        return FAILURE_UNREACHABLE;
    default:
        return FAILURE_OTHER;
    }
}

static void close_socket(struct conn *c)
{
    if (c->host.watch.fd < 0)
        return;
    ev_io_stop(c->relay->loop, &c->host.watch);
    handshake_drop(c);
    tunnel_drop(c->relay, &c->host);
    c->awaits_welcome = false;
    conn_make_plain(&c->host);
    close(c->host.watch.fd);
    c->host.watch.fd = -1;
}

static void end_attempt(struct conn *c)
{
    close_socket(c);
    if (c->n_tried < PICK_MOST_TRIED)
        c->tried[c->n_tried++] = (uint16_t)c->target;
    pick_release(&c->way->line->group, c->target);
    c->has_claim = false;
}

static void log_failure(struct conn *c, const char *reason)
{
    const struct host *host = target_of(c);
    struct host_note *note = &c->way->line->notes[c->target];
    uint64_t suppressed = 0;

    if (log_limit_pass(&note->failures, c->relay->now_ns, &suppressed))
        log_warning("service %s: host %s/%s (%s): %s (%llu more not shown)",
                    c->service->model->name, c->way->line->group.model->name, host->model->name,
                    host->model->address_text, reason, (unsigned long long)suppressed);
}

void connect_abandon(struct conn *c, int error)
{
    char reason[HOST_REASON_BYTES];

    c->had_shortage = true;
    c->may_pass |= dial_may_pass(error);
    snprintf(reason, sizeof reason, "no connect from here: %s", strerror(error));
    log_failure(c, reason);
    end_attempt(c);
}

/* A reset after the handshake is a fault, but none that speaks against connecting there. */
static bool note_fault(const struct conn *c, int error, const char *reason)
{
    const struct group *group = &c->way->line->group;
    uint32_t number = target_of(c)->number;

    if (error != ECONNRESET && error != EPIPE)
        return host_note_failure(group->segment, group->slot, number, failure_of(error),
                                 &group->eject, c->relay->now_ns, reason);
    host_note_fault(group->segment, group->slot, number, FAILURE_OTHER, reason);
    return false;
}

void connect_fail(struct conn *c, int error)
{
    char reason[HOST_REASON_BYTES];

    snprintf(reason, sizeof reason, "connect: %s", strerror(error));
    bool is_ejected = note_fault(c, error, reason);
    c->n_failed++;
    c->failed_with = (uint8_t)(error < UINT8_MAX ? error : UINT8_MAX);
    log_failure(c, reason);
    if (is_ejected)
        log_warning("host %s/%s is ejected after failed connections: %s",
                    c->way->line->group.model->name, target_of(c)->model->name, reason);
    end_attempt(c);
}

void connect_fail_tls(struct conn *c, const char *reason)
{
    const struct group *group = &c->way->line->group;

    host_note_fault(group->segment, group->slot, target_of(c)->number, FAILURE_TLS, reason);
    c->n_failed++;
    c->failed_with = EPROTO;
    log_failure(c, reason);
    end_attempt(c);
}

void connect_succeed(struct conn *c)
{
    const struct group *group = &c->way->line->group;
    uint64_t now_ns = clock_now_ns();

    c->connect_ns = now_ns > c->phase_ns ? now_ns - c->phase_ns : 0;
    host_note_success(group->segment, group->slot, target_of(c)->number, c->connect_ns);
    seek_learn(c);
}

/*
 * A socket whose FIN went first and was acknowledged, and whose peer's FIN came, is closed in the
 * kernel's eyes (the TIME_WAIT state is an object of its own): connect(2) with AF_UNSPEC makes it
 * new. In any other state that would throw away what the host has not acknowledged: both FINs may
 * have crossed while megabytes are still in the send buffer. Where a host is so near that its
 * handshake is over when connect(2) returns, one packet has arrived when send(2) returns; of other
 * hosts and more bytes the kernel is asked.
 */
static bool can_recycle(const struct conn *c)
{
    const struct half *host = &c->host;
    if (!host->shut_first || !host->eof || host->broken || !host->io->is_plain ||
        c->generation->is_past || c->relay->n_parked >= c->relay->most_parked ||
        c->way->line->group.model->n_binds > 0)
        return false;
    if (c->way->line->notes[c->target].is_near && c->client.in_bytes <= SEGMENT_BYTES &&
        !prologue_is_wanted(c))
        return true;
    return sock_unacknowledged(host->watch.fd) == 0;
}

void connect_close(struct conn *c, bool with_reset)
{
    int fd = c->host.watch.fd;
    int family = target_of(c)->model->address.any.sa_family;

    if (fd < 0)
        return;
    ev_io_stop(c->relay->loop, &c->host.watch);
    bool is_reusable = !with_reset && can_recycle(c);
    hostshake_learn(c);
    conn_make_plain(&c->host);
    c->host.watch.fd = -1;
    if (is_reusable && sock_recycle(fd) == 0 && parked_put(&c->way->parked, family, fd)) {
        c->relay->n_parked++;
        return;
    }
    if (with_reset)
        sock_arm_reset(fd);
    close(fd);
}

bool connect_may_retry(const struct conn *c)
{
    return c->n_failed <= (uint64_t)c->service->model->retries && c->n_tried < PICK_MOST_TRIED;
}

enum connect_verdict connect_try(struct conn *c, const void *bytes, size_t length, size_t *sent)
{
    enum connect_verdict verdict = connect_start(c, bytes, length, sent);

    if (verdict == CONNECT_FAILED)
        connect_fail(c, errno);
    else if (verdict == CONNECT_SHORTAGE)
        connect_abandon(c, errno);
    return verdict;
}
