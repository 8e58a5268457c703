/* SPDX-License-Identifier: MIT */
/* What the resolver's tests share: a scripted name server on loopback, in the loop of the resolver. */
#ifndef RESOLVE_RIG_H
#define RESOLVE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <ev.h>

#include "base/clock.h"
#include "base/log.h"
#include "director/resolve.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_SRV = 33 };
enum { NXDOMAIN = 3, SERVFAIL = 2, REFUSED = 5 };
#define GUARD_S 20.

/* What the server answers to a question. */
struct line {
    const char *name;
    uint16_t type;
    int code;       /* 0 with records, else the error */
    bool is_silent; /* no answer at all */
    uint32_t ttl_s;
    const char *data; /* "192.0.2.1 192.0.2.2", or "10 5 80 h.e; …" */
    int asked;
};

struct rig {
    struct ev_loop *loop;
    int server;
    struct ev_io on_question;
    struct ev_timer guard;
    struct line *lines;
    size_t n_lines;
    int asked; /* in all */
    struct model model;
    struct model_group group;
    struct model_host hosts[600];
    struct addr server_at;
    struct resolver *resolver;
    struct addresses told; /* last */
    int changes, readies;
    int changes_at_ready;
    int log_pipe[2];
};

/* ---- the server ---- */

static inline size_t put16(unsigned char *at, unsigned number)
{
    at[0] = (unsigned char)(number >> 8);
    at[1] = (unsigned char)number;
    return 2;
}

static inline size_t put_name(unsigned char *at, const char *name)
{
    size_t used = 0;
    while (*name != '\0') {
        size_t length = strcspn(name, ".");
        at[used++] = (unsigned char)length;
        memcpy(at + used, name, length);
        used += length;
        name += length + (name[length] == '.');
    }
    at[used++] = 0;
    return used;
}

static inline size_t put_data(unsigned char *at, uint16_t type, const char *data)
{
    unsigned priority, weight, port;
    char target[256];
    if (type == TYPE_A)
        return inet_pton(AF_INET, data, at) == 1 ? 4 : 0;
    if (type == TYPE_AAAA)
        return inet_pton(AF_INET6, data, at) == 1 ? 16 : 0;
    assert_int_equal(sscanf(data, "%u %u %u %255s", &priority, &weight, &port, target), 4);
    size_t used = put16(at, priority);
    used += put16(at + used, weight);
    used += put16(at + used, port);
    return used + put_name(at + used, target);
}

/* The records behind the question; returns how many. */
static inline unsigned put_records(unsigned char *out, size_t *length, const struct line *line)
{
    char copy[8192], *rest = copy;
    unsigned n = 0;
    snprintf(copy, sizeof copy, "%s", line->data != NULL ? line->data : "");
    const char *separator = line->type == TYPE_SRV ? ";" : " ";
    for (char *one = strsep(&rest, separator); one != NULL; one = strsep(&rest, separator)) {
        if (*one == '\0')
            continue;
        unsigned char *at = out + *length;
        at += put16(at, 0xc00c);
        at += put16(at, line->type);
        at += put16(at, 1);
        at += put16(at, line->ttl_s >> 16);
        at += put16(at, line->ttl_s & 0xffff);
        size_t bytes = put_data(at + 2, line->type, one);
        at += put16(at, (unsigned)bytes) + bytes;
        *length = (size_t)(at - out);
        n++;
    }
    return n;
}

/* The question's name; returns where its type stands. */
static inline size_t read_question(const unsigned char *bytes, char name[256])
{
    size_t at = 12, used = 0;
    while (bytes[at] != 0) {
        if (used > 0)
            name[used++] = '.';
        memcpy(name + used, bytes + at + 1, bytes[at]);
        used += bytes[at];
        at += bytes[at] + 1U;
    }
    name[used] = '\0';
    return at + 1;
}

static inline struct line *find_line(const struct rig *rig, const char *name, unsigned type)
{
    for (size_t i = 0; i < rig->n_lines; i++)
        if (strcasecmp(rig->lines[i].name, name) == 0 && rig->lines[i].type == type)
            return &rig->lines[i];
    return NULL;
}

static inline void on_question(struct ev_loop *loop, struct ev_io *watch, int events)
{
    struct rig *rig = watch->data;
    unsigned char bytes[65536];
    char name[256];
    struct sockaddr_in from;
    socklen_t from_length = sizeof from;
    ssize_t got = recvfrom(rig->server, bytes, 512, 0, (struct sockaddr *)&from, &from_length);
    (void)loop;
    (void)events;
    if (got < 12)
        return;
    size_t at = read_question(bytes, name);
    unsigned type = (unsigned)bytes[at] << 8 | bytes[at + 1];
    size_t length = at + 4;
    struct line *line = find_line(rig, name, type);
    rig->asked++;
    if (line != NULL)
        line->asked++;
    if (line != NULL && line->is_silent)
        return;
    bytes[2] = 0x81;
    bytes[3] = (unsigned char)(0x80 | (line != NULL ? line->code : 0));
    memset(bytes + 6, 0, 6);
    put16(bytes + 6, line != NULL && line->code == 0 ? put_records(bytes, &length, line) : 0);
    sendto(rig->server, bytes, length, 0, (struct sockaddr *)&from, from_length);
}

/* ---- the rig ---- */

static inline void on_change(void *context, const struct addresses *addresses)
{
    struct rig *rig = context;
    addresses_fini(&rig->told);
    assert_int_equal(addresses_copy(&rig->told, addresses), 0);
    rig->changes++;
}

static inline void on_ready(void *context)
{
    struct rig *rig = context;
    rig->readies++;
    rig->changes_at_ready = rig->changes;
}

static inline void on_guard(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    fail_msg("waited too long");
}

static inline int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    rig->loop = ev_loop_new(EVFLAG_NOENV);
    rig->server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(rig->server, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(rig->server, (struct sockaddr *)&at, &length) != 0 ||
        pipe2(rig->log_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    rig->server_at = (struct addr){.in = at, .length = sizeof at};
    rig->group = (struct model_group){.name = "main", .hosts = rig->hosts};
    rig->model = (struct model){.groups = &rig->group, .n_groups = 1};
    rig->model.global.resolvers = &rig->server_at;
    rig->model.global.n_resolvers = 1;
    ev_io_init(&rig->on_question, on_question, rig->server, EV_READ);
    ev_timer_init(&rig->guard, on_guard, GUARD_S, GUARD_S);
    rig->on_question.data = rig;
    ev_io_start(rig->loop, &rig->on_question);
    ev_timer_start(rig->loop, &rig->guard);
    rig->resolver = resolver_new(rig->loop, on_change, rig);
    log_to_fd(rig->log_pipe[1]);
    *state = rig;
    return rig->resolver != NULL ? 0 : -1;
}

static inline int tear_down(void **state)
{
    struct rig *rig = *state;
    log_flush();
    log_to_fd(STDERR_FILENO);
    resolver_free(rig->resolver);
    addresses_fini(&rig->told);
    ev_loop_destroy(rig->loop);
    close(rig->server);
    close(rig->log_pipe[0]);
    close(rig->log_pipe[1]);
    free(rig);
    return 0;
}

static inline void use_names(struct rig *rig, size_t n, const char *const *names)
{
    for (size_t i = 0; i < n; i++)
        rig->hosts[i] = (struct model_host){.name = "h", .line_name = "h", .lookup = names[i]};
    rig->group.n_hosts = rig->model.n_hosts = n;
}

static inline void use_name(struct rig *rig, const char *name)
{
    use_names(rig, 1, &name);
}

static inline void use_lines(struct rig *rig, struct line *lines, size_t n)
{
    rig->lines = lines;
    rig->n_lines = n;
}
#define USE_LINES(rig, lines) use_lines(rig, lines, sizeof(lines) / sizeof(lines)[0])

static inline void apply(struct rig *rig, uint64_t patience_ms)
{
    const struct addresses nothing = {0};
    assert_int_equal(
        resolver_apply(rig->resolver, &rig->model, &nothing, patience_ms, on_ready, rig), 0);
}

static inline void turn(struct rig *rig)
{
    ev_run(rig->loop, EVRUN_ONCE);
}

static inline void run_until_ready(struct rig *rig)
{
    while (rig->readies == 0)
        turn(rig);
}

/* Applies, waits, commits. */
static inline void begin(struct rig *rig)
{
    apply(rig, 10000);
    run_until_ready(rig);
    resolver_settle(rig->resolver, &rig->model);
}

static inline void run_until_asked(struct rig *rig, const struct line *line, int times)
{
    while (line->asked < times)
        turn(rig);
}

static inline void run_until_changed(struct rig *rig, int changes)
{
    while (rig->changes < changes)
        turn(rig);
}

/* Lets the loop run for a while, where nothing is to be waited for but that nothing comes. */
static inline void run_for(struct rig *rig, uint64_t ms)
{
    uint64_t end_ns = clock_now_ns() + ms * CLOCK_NS_PER_MS;
    while (clock_now_ns() < end_ns) {
        ev_run(rig->loop, EVRUN_NOWAIT);
        usleep(1000);
    }
}

/* "192.0.2.1 192.0.2.2:80/5": what the name was last told to mean, "" = nothing. */
static inline const char *meaning(const struct rig *rig, const char *name)
{
    static char out[4096];
    const struct address_entry *entry = addresses_find(&rig->told, name);
    out[0] = '\0';
    for (size_t i = 0; entry != NULL && i < entry->n; i++) {
        const struct address *address = &entry->addresses[i];
        char shown[INET6_ADDRSTRLEN];
        size_t used = strlen(out);
        bool is_v4 = address->at.any.sa_family == AF_INET;
        inet_ntop(address->at.any.sa_family,
                  is_v4 ? (const void *)&address->at.in.sin_addr : &address->at.in6.sin6_addr,
                  shown, sizeof shown);
        used +=
            (size_t)snprintf(out + used, sizeof out - used, "%s%s", used > 0 ? " " : "", shown);
        if (addr_port(&address->at) != 0)
            snprintf(out + used, sizeof out - used, ":%u/%u", addr_port(&address->at),
                     address->weight);
    }
    return out;
}

/* How many lines of the log hold this; what was read is gone. */
static inline int count_lines(const struct rig *rig, const char *text)
{
    static char bytes[65536];
    ssize_t got = read(rig->log_pipe[0], bytes, sizeof bytes - 1);
    int n = 0;
    bytes[got > 0 ? got : 0] = '\0';
    for (const char *at = strstr(bytes, text); at != NULL; at = strstr(at + 1, text))
        n++;
    return n;
}

#endif
