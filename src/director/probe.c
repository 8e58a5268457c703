/* SPDX-License-Identifier: MIT */
/* One look at a host over a socket: connecting, handing over to the kind of check, ending politely. */
#include "director/probe.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "base/units.h"
#include "net/proxyproto.h"
#include "net/sock.h"
#include "tls/client.h"

/*
 * How a probe ends. close(2) with bytes unread sends a reset, which hosts log. So the writing side is shut
 * first (or not even that, where the host was asked to close), and what still comes is read and thrown
 * away until the host's FIN is there or PROBE_ANSWER_BYTES are. The verdict does not wait for that.
 */

static const struct probe_kind *const kinds[] = {
    [CHECK_TCP] = &probe_tcp,
    [CHECK_TLS] = &probe_tcp, /* the handshake is all of it */
    [CHECK_HTTP] = &probe_http,
    [CHECK_TALK] = &probe_expect,
};

enum probe_verdict probe_fail(struct probe *probe, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(probe->reason, sizeof probe->reason, format, arguments);
    va_end(arguments);
    return PROBE_BAD;
}

enum probe_verdict probe_fail_memory(struct probe *probe)
{
    probe_fail(probe, "out of memory");
    return PROBE_SHORTAGE;
}

static enum probe_verdict fail_connect(struct probe *probe, int error)
{
    probe_fail(probe, "connect: %s", strerror(error));
    return sock_is_shortage(error) ? PROBE_SHORTAGE : PROBE_BAD;
}

/* ---- reading and writing ---- */

static ssize_t receive(const struct probe *probe, void *bytes, size_t room)
{
    ssize_t n;
    do
        n = recv(probe->fd, bytes, room, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

/* What is left of what may be read, at most room. */
static size_t allowed(const struct probe *probe, size_t room)
{
    size_t left = PROBE_ANSWER_BYTES - probe->got_bytes;
    return room < left ? room : left;
}

ssize_t probe_read(struct probe *probe, void *bytes, size_t room)
{
    room = allowed(probe, room);
    if (room == 0)
        return 0;
    ssize_t n = probe->tls != NULL ? tls_client_read(probe->tls, bytes, room)
                                   : receive(probe, bytes, room);
    if (n > 0)
        probe->got_bytes += (size_t)n;
    return n;
}

ssize_t probe_write(struct probe *probe, const void *bytes, size_t length)
{
    ssize_t n;
    do
        n = probe->tls != NULL ? tls_client_write(probe->tls, bytes, length)
                               : send(probe->fd, bytes, length, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

/* ---- the way of a probe ---- */

static void close_socket(struct probe *probe)
{
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
    probe->events = 0;
    probe->phase = PROBE_IS_OVER;
}

/* Throws away what comes until the host has ended. */
static void drain(struct probe *probe)
{
    char dropped[4096];
    ssize_t n = 0;
    for (size_t room; (room = allowed(probe, sizeof dropped)) > 0;) {
        n = receive(probe, dropped, room); /* through TLS or not: nobody looks at it */
        if (n <= 0)
            break;
        probe->got_bytes += (size_t)n;
    }
    if (n >= 0 || errno != EAGAIN)
        close_socket(probe);
}

static void begin_end(struct probe *probe)
{
    probe->phase = PROBE_ENDS;
    probe->events = EV_READ;
    if (probe->tls != NULL && !probe->kind->waits_for_end)
        tls_client_close(probe->tls);
    if (!probe->kind->waits_for_end)
        (void)shutdown(probe->fd, SHUT_WR);
    drain(probe);
}

static enum probe_verdict settle(struct probe *probe, enum probe_verdict verdict)
{
    if (verdict != PROBE_GOING)
        begin_end(probe);
    return verdict;
}

/* No error is no connection yet: we may be asked before there is an event. */
static bool is_connected(const struct probe *probe)
{
    struct addr peer;
    socklen_t length = sizeof peer.un;
    return getpeername(probe->fd, &peer.any, &length) == 0;
}

/* A header that names nobody: the check is the daemon's own. False when the socket does not take it. */
static bool send_header(const struct probe *probe)
{
    unsigned char bytes[PROXYPROTO_V1_BYTES];
    const struct addr nobody = {0};
    struct proxy_builder builder = {.bytes = bytes, .room = sizeof bytes};
    size_t length = 0;
    switch (probe->task.send_proxy) {
    case SEND_PROXY_NO:
        return true;
    case SEND_PROXY_V1:
        length = proxyproto_print_v1(bytes, &nobody, &nobody);
        break;
    case SEND_PROXY_V2:
        proxyproto_begin(&builder, PROXY_LOCAL, &nobody, &nobody);
        length = proxyproto_end(&builder);
        break;
    }
    return send(probe->fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* ---- TLS ---- */

static enum probe_verdict shake(struct probe *probe)
{
    switch (tls_client_shake(probe->tls)) {
    case TLS_WANTS_READ:
        probe->events = EV_READ;
        return PROBE_GOING;
    case TLS_WANTS_WRITE:
        probe->events = EV_WRITE;
        return PROBE_GOING;
    case TLS_DONE:
        probe->phase = PROBE_TALKS;
        return probe->kind->start(probe);
    case TLS_COMPUTES: /* of servers alone */
    case TLS_FAILED:
        break;
    }
    return probe_fail(probe, "%s", tls_client_reason(probe->tls));
}

static enum probe_verdict begin_talk(struct probe *probe)
{
    if (probe->task.trust == NULL)
        return probe->kind->start(probe);
    probe->phase = PROBE_SHAKES;
    probe->tls = tls_client_new(probe->task.trust, probe->fd, probe->task.tls_name);
    return probe->tls != NULL ? shake(probe) : probe_fail_memory(probe);
}

static enum probe_verdict finish_connect(struct probe *probe)
{
    int error = sock_take_error(probe->fd);
    if (error != 0) {
        close_socket(probe);
        return fail_connect(probe, error);
    }
    if (!is_connected(probe))
        return PROBE_GOING;
    probe->phase = PROBE_TALKS;
    if (!send_header(probe))
        return settle(probe, probe_fail(probe, "PROXY header: %s", strerror(errno)));
    return settle(probe, begin_talk(probe));
}

enum probe_verdict probe_start(struct probe *probe, const struct probe_task *task)
{
    assert(task->check->kind != CHECK_NONE);
    *probe = (struct probe){.task = *task, .kind = kinds[task->check->kind], .fd = -1};
    probe->fd = sock_open_stream(task->address->any.sa_family);
    if (probe->fd < 0 || (connect(probe->fd, &task->address->any, task->address->length) != 0 &&
                          errno != EINPROGRESS)) {
        int error = errno;
        close_socket(probe);
        return fail_connect(probe, error);
    }
    probe->events = EV_WRITE;
    return PROBE_GOING;
}

enum probe_verdict probe_go_on(struct probe *probe)
{
    switch (probe->phase) {
    case PROBE_CONNECTS:
        return finish_connect(probe);
    case PROBE_SHAKES:
        return settle(probe, shake(probe));
    case PROBE_TALKS:
        return settle(probe, probe->kind->go_on(probe));
    case PROBE_ENDS:
        drain(probe);
        break;
    case PROBE_IS_OVER:
        break;
    }
    return PROBE_GOING;
}

void probe_expire(struct probe *probe, int64_t timeout_ms)
{
    char timeout[UNITS_TEXT_BYTES];
    units_print_duration(timeout, timeout_ms);
    const char *what = probe->phase == PROBE_CONNECTS ? "no connection" : "no answer";
    probe_fail(probe, "%s within %s", what, timeout);
    if (probe->phase == PROBE_TALKS && probe->kind->explain != NULL)
        probe->kind->explain(probe);
}

void probe_stop(struct probe *probe)
{
    if (probe->kind == NULL)
        return;
    close_socket(probe);
    if (probe->kind->fini != NULL)
        probe->kind->fini(probe);
    tls_client_free(probe->tls);
    *probe = (struct probe){.fd = -1};
}
