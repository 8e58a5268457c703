/* SPDX-License-Identifier: MIT */
/* A TCP load client for tests: short connections and long sessions, every byte of them verified. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "kit.h"

/*
 * A short connection sends --size bytes, of a stream that is its own, expects the same back
 * (after a line with the host's name when --ids 1 is given), sends FIN and expects FIN.
 * "ok" is the whole echo within --timeout; everything else is lost, by kind. What comes
 * after the whole echo (a reset in place of the FIN, no FIN) is counted as unclean.
 * A long session sends --long-size bytes each --interval ms (0: once) and expects them back;
 * the stream goes on over the messages, so that a byte lost, doubled or moved shows up.
 * Comparing with the bytes that were sent says more than a checksum would.
 *
 * Short ones start at --short a second, or --parallel at a time; they end after --count of
 * them, after --duration seconds, at a line "stop" on stdin, its end, or SIGTERM. A line "stat"
 * is answered by the figures so far, "zero" by the same and then starts them from zero.
 */
#define KINDS(X)                                                                               \
    X(REFUSED, "refused")                                                                      \
    X(RESET_BEFORE_DATA, "reset_before_data")                                                  \
    X(RESET_MID, "reset_mid")                                                                  \
    X(TRUNCATED, "truncated")                                                                  \
    X(CORRUPT, "corrupt")                                                                      \
    X(HUNG, "hung")

#define KIND_ENUM(id, word) LOST_##id,
#define KIND_WORD(id, word) word,
enum lost { KINDS(KIND_ENUM) LOST_KINDS };
static const char *const lost_words[] = {KINDS(KIND_WORD)};

enum { BATCH = 128, NAMES = 64, NAME_BYTES = 48, MESSAGE_BYTES = 65536, SAMPLES = 8 };
enum { BUCKETS_PER_OCTAVE = 16, OCTAVES = 32 };

struct list {
    struct session *first, *last;
};

struct session {
    struct session *next, *prev; /* in the order of their deadlines */
    int fd;
    bool is_long, is_connected, is_ending, is_up;
    uint64_t seed, started_ns, sent_ns, next_ns;
    uint64_t to_send, sent, got; /* of the stream: asked for, written, verified */
    char name[NAME_BYTES];       /* the host's line, while it comes */
    size_t name_used;
    bool is_named;
};

struct latency {
    uint64_t counts[OCTAVES * BUCKETS_PER_OCTAVE], n, max_us;
};

struct figures {
    uint64_t attempts, ok, unclean, local_errors, lost[LOST_KINDS], messages, bytes;
    struct latency latency;
};

struct program {
    struct sockaddr_storage to;
    socklen_t to_length;
    uint64_t rate_per_s, parallel, count, duration_ns, n_long, size, long_size, interval_ns;
    uint64_t timeout_ns, sources, opening_most;
    bool has_ids, is_stopping;
    int epoll_fd, signal_fd;
    uint64_t start_ns, started_total, seed, n_short, n_long_open, n_long_up, n_long_started;
    struct list waiting, ticking; /* with something owed to them; long ones at rest */
    struct figures is_short, is_long;
    char names[NAMES][NAME_BYTES];
    uint64_t name_counts[NAMES];
    char samples[SAMPLES][128];
    int n_samples;
    struct kit_lines lines;
    uint8_t out[MESSAGE_BYTES], in[MESSAGE_BYTES];
};

static void list_add(struct list *list, struct session *s)
{
    s->next = NULL;
    s->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = s;
    list->last = s;
}

static void list_remove(struct list *list, struct session *s)
{
    *(s->prev ? &s->prev->next : &list->first) = s->next;
    *(s->next ? &s->next->prev : &list->last) = s->prev;
}

/* Logarithmic buckets of a sixteenth of an octave: 4 % wide. */
static void latency_add(struct latency *latency, uint64_t us)
{
    unsigned octave = us < BUCKETS_PER_OCTAVE ? 0 : 59u - (unsigned)__builtin_clzll(us);
    uint64_t bucket = octave * BUCKETS_PER_OCTAVE + (us >> octave);
    latency->counts[bucket < OCTAVES * BUCKETS_PER_OCTAVE ? bucket
                                                          : OCTAVES * BUCKETS_PER_OCTAVE - 1]++;
    latency->n++;
    latency->max_us = us > latency->max_us ? us : latency->max_us;
}

static double latency_ms(const struct latency *latency, double share)
{
    uint64_t left = (uint64_t)((double)latency->n * share);
    for (uint64_t bucket = 0; bucket < OCTAVES * BUCKETS_PER_OCTAVE; bucket++) {
        if (latency->counts[bucket] > left) {
            uint64_t octave =
                bucket < 2 * BUCKETS_PER_OCTAVE ? 0 : bucket / BUCKETS_PER_OCTAVE - 1;
            return (double)((bucket - octave * BUCKETS_PER_OCTAVE) << octave) / 1000.0;
        }
        left -= latency->counts[bucket];
    }
    return 0;
}

static struct figures *figures_of(struct program *p, const struct session *s)
{
    return s->is_long ? &p->is_long : &p->is_short;
}

/* The one way out for a session; its figures are counted before. */
static void session_end(struct program *p, struct session *s)
{
    bool is_resting = s->is_long && s->is_up && s->got == s->to_send && !s->is_ending;
    list_remove(is_resting ? &p->ticking : &p->waiting, s);
    if (s->is_long) {
        p->n_long_open--;
        p->n_long_up -= s->is_up;
    } else {
        p->n_short--;
    }
    close(s->fd);
    free(s);
}

static void session_lost(struct program *p, struct session *s, enum lost kind, int error)
{
    if (s->is_ending) {
        figures_of(p, s)->unclean++;
    } else {
        figures_of(p, s)->lost[kind]++;
    }
    if (p->n_samples < SAMPLES) {
        struct sockaddr_in local = {0};
        socklen_t length = sizeof local;
        getsockname(s->fd, (struct sockaddr *)&local, &length);
        uint64_t now_ns = kit_now_ns();
        snprintf(p->samples[p->n_samples++], sizeof p->samples[0],
                 "%s %s%s from port %u at %.3f s, %.3f s old, %llu of %llu bytes: %s",
                 s->is_long ? "long" : "short", lost_words[kind],
                 s->is_ending ? " after the echo" : "", ntohs(local.sin_port),
                 (double)(now_ns - p->start_ns) / 1e9, (double)(now_ns - s->started_ns) / 1e9,
                 (unsigned long long)s->got, (unsigned long long)s->to_send, strerror(error));
    }
    session_end(p, s);
}

static void session_fault(struct program *p, struct session *s, int error)
{
    bool has_data = s->got || s->name_used;
    session_lost(p, s,
                 !s->is_connected ? LOST_REFUSED
                 : has_data       ? LOST_RESET_MID
                                  : LOST_RESET_BEFORE_DATA,
                 error);
}

/* Sends what is asked for and fits; false when the session is gone. */
static bool session_send(struct program *p, struct session *s)
{
    bool was_full = s->sent < s->to_send && s->is_connected && s->sent;
    while (s->sent < s->to_send) {
        size_t n = s->to_send - s->sent < MESSAGE_BYTES ? (size_t)(s->to_send - s->sent)
                                                        : (size_t)MESSAGE_BYTES;
        kit_pattern(p->out, n, s->seed, s->sent);
        ssize_t done = send(s->fd, p->out, n, MSG_NOSIGNAL);
        if (done < 0 && errno != EAGAIN) {
            session_fault(p, s, errno);
            return false;
        }
        if (done < 0) {
            break;
        }
        s->sent += (uint64_t)done;
    }
    bool is_full = s->sent < s->to_send;
    if (is_full != was_full || !s->is_up) {
        struct epoll_event event = {.events = EPOLLIN | (is_full ? EPOLLOUT : 0u),
                                    .data.ptr = s};
        epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, s->fd, &event);
    }
    return true;
}

static void count_name(struct program *p, const char *name)
{
    for (int i = 0; i < NAMES; i++) {
        if (!p->names[i][0]) {
            snprintf(p->names[i], NAME_BYTES, "%s", name);
        }
        if (strcmp(p->names[i], name) == 0) {
            p->name_counts[i]++;
            return;
        }
    }
}

/* Takes the host's line off the front; returns how many bytes it was, -1 when it is none. */
static ssize_t take_name(struct program *p, struct session *s, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (data[i] == '\n') {
            s->is_named = true;
            count_name(p, s->name);
            return (ssize_t)i + 1;
        }
        if (s->name_used + 1 >= NAME_BYTES || data[i] < ' ' || data[i] > '~') {
            return -1;
        }
        s->name[s->name_used++] = (char)data[i];
    }
    return (ssize_t)n;
}

/* The whole echo of what was asked for is here. */
static void session_complete(struct program *p, struct session *s, uint64_t now_ns)
{
    struct figures *f = figures_of(p, s);
    latency_add(&f->latency, (now_ns - s->sent_ns) / 1000);
    f->messages++;
    if (!s->is_long || p->is_stopping) {
        f->ok++;
        s->is_ending = true;
        shutdown(s->fd, SHUT_WR);
        return;
    }
    list_remove(&p->waiting, s);
    list_add(&p->ticking, s);
    p->n_long_up += !s->is_up;
    s->is_up = true;
    s->next_ns = p->interval_ns ? s->sent_ns + p->interval_ns : UINT64_MAX;
}

static void on_bytes(struct program *p, struct session *s, size_t n)
{
    uint64_t now_ns = kit_now_ns();
    const uint8_t *data = p->in;
    if (p->has_ids && !s->is_named) {
        ssize_t line = take_name(p, s, data, n);
        if (line < 0) {
            session_lost(p, s, LOST_CORRUPT, 0);
            return;
        }
        data += line;
        n -= (size_t)line;
    }
    if (n > s->to_send - s->got) {
        session_lost(p, s, LOST_CORRUPT, 0);
        return;
    }
    kit_pattern(p->out, n, s->seed, s->got);
    if (memcmp(p->out, data, n) != 0) {
        session_lost(p, s, LOST_CORRUPT, 0);
        return;
    }
    s->got += n;
    figures_of(p, s)->bytes += n;
    if (n && s->got == s->to_send) {
        session_complete(p, s, now_ns);
    }
}

static void on_session_ready(struct program *p, struct session *s, uint32_t events)
{
    if (!s->is_connected) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error) {
            session_fault(p, s, error);
            return;
        }
        s->is_connected = true;
        session_send(p, s);
        return;
    }
    if ((events & EPOLLOUT) && !session_send(p, s)) {
        return;
    }
    ssize_t n = recv(s->fd, p->in, sizeof p->in, 0);
    if (n > 0) {
        on_bytes(p, s, (size_t)n);
    } else if (n < 0 && errno != EAGAIN) {
        session_fault(p, s, errno);
    } else if (n == 0 && s->is_ending) {
        session_end(p, s);
    } else if (n == 0) {
        session_lost(p, s, LOST_TRUNCATED, 0);
    }
}

/* Clients come from many loopback addresses, so that no test runs out of ports. */
static int open_socket(struct program *p)
{
    int fd = socket(p->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fd >= 0 && p->sources && p->to.ss_family == AF_INET) {
        struct sockaddr_in from = {.sin_family = AF_INET,
                                   .sin_addr.s_addr =
                                       htonl(0x7f000100u + (uint32_t)(p->seed % p->sources))};
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        bind(fd, (struct sockaddr *)&from, sizeof from);
    }
    return fd;
}

static void session_start(struct program *p, bool is_long)
{
    struct figures *f = is_long ? &p->is_long : &p->is_short;
    p->seed++;
    int fd = open_socket(p);
    if (fd < 0) {
        f->local_errors++;
        return;
    }
    if (connect(fd, (struct sockaddr *)&p->to, p->to_length) && errno != EINPROGRESS) {
        bool is_refused = errno == ECONNREFUSED;
        f->attempts += is_refused;
        f->lost[LOST_REFUSED] += is_refused;
        f->local_errors += !is_refused;
        close(fd);
        return;
    }
    struct session *s = calloc(1, sizeof *s);
    s->fd = fd;
    s->is_long = is_long;
    s->seed = p->seed;
    s->started_ns = s->sent_ns = kit_now_ns();
    s->to_send = is_long ? p->long_size : p->size;
    f->attempts++;
    *(is_long ? &p->n_long_open : &p->n_short) += 1;
    list_add(&p->waiting, s);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = s};
    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static bool may_start_short(const struct program *p, uint64_t now_ns)
{
    if (p->is_stopping || (p->count && p->started_total >= p->count)) {
        return false;
    }
    if (p->parallel) {
        return p->n_short < p->parallel;
    }
    return p->started_total <
           (uint64_t)((double)(now_ns - p->start_ns) / 1e9 * (double)p->rate_per_s);
}

static void run_starts(struct program *p)
{
    uint64_t now_ns = kit_now_ns();
    for (int i = 0; i < BATCH && may_start_short(p, now_ns); i++) {
        p->started_total++;
        session_start(p, false);
    }
    while (!p->is_stopping && p->n_long_started < p->n_long &&
           p->n_long_open - p->n_long_up < p->opening_most) {
        p->n_long_started++;
        session_start(p, true);
    }
}

/* Ends what is overdue, sends the next message of long sessions whose time has come. */
static void run_deadlines(struct program *p)
{
    uint64_t now_ns = kit_now_ns();
    while (p->waiting.first && p->waiting.first->sent_ns + p->timeout_ns < now_ns) {
        session_lost(p, p->waiting.first, LOST_HUNG, ETIMEDOUT);
    }
    while (p->ticking.first && (p->ticking.first->next_ns <= now_ns || p->is_stopping)) {
        struct session *s = p->ticking.first;
        list_remove(&p->ticking, s);
        list_add(&p->waiting, s);
        s->sent_ns = now_ns;
        s->to_send += p->long_size;
        session_send(p, s);
    }
}

static void print_figures(const char *name, const struct figures *f)
{
    uint64_t lost = 0;
    printf("\"%s\":{\"attempts\":%llu,\"ok\":%llu,\"unclean\":%llu,\"local_errors\":%llu,"
           "\"messages\":%llu,\"bytes\":%llu,\"lost\":{",
           name, (unsigned long long)f->attempts, (unsigned long long)f->ok,
           (unsigned long long)f->unclean, (unsigned long long)f->local_errors,
           (unsigned long long)f->messages, (unsigned long long)f->bytes);
    for (int kind = 0; kind < LOST_KINDS; kind++) {
        lost += f->lost[kind];
        printf("%s\"%s\":%llu", kind ? "," : "", lost_words[kind],
               (unsigned long long)f->lost[kind]);
    }
    printf("},\"lost_total\":%llu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}",
           (unsigned long long)lost, latency_ms(&f->latency, 0.5),
           latency_ms(&f->latency, 0.99), (double)f->latency.max_us / 1000.0);
}

static void print_stat(const struct program *p)
{
    printf("{\"elapsed_s\":%.3f,\"short_open\":%llu,\"long_open\":%llu,\"long_up\":%llu,",
           (double)(kit_now_ns() - p->start_ns) / 1e9, (unsigned long long)p->n_short,
           (unsigned long long)p->n_long_open, (unsigned long long)p->n_long_up);
    print_figures("short", &p->is_short);
    printf(",");
    print_figures("long", &p->is_long);
    printf(",\"hosts\":{");
    for (int i = 0; i < NAMES && p->names[i][0]; i++) {
        printf("%s\"%s\":%llu", i ? "," : "", p->names[i],
               (unsigned long long)p->name_counts[i]);
    }
    printf("},\"samples\":[");
    for (int i = 0; i < p->n_samples; i++) {
        printf("%s\"%s\"", i ? "," : "", p->samples[i]);
    }
    printf("]}\n");
    fflush(stdout);
}

static void on_command(void *arg, char *line)
{
    struct program *p = arg;
    if (strcmp(line, "stop") == 0) {
        p->is_stopping = true;
    } else if (strcmp(line, "stat") == 0 || strcmp(line, "zero") == 0) {
        print_stat(p);
        if (*line == 'z') {
            p->is_short = p->is_long = (struct figures){0};
            memset(p->name_counts, 0, sizeof p->name_counts);
            p->n_samples = 0;
        }
    } else {
        errno = 0;
        kit_fail("unknown command: %s", line);
    }
}

static bool is_finished(struct program *p)
{
    bool is_counted_out = p->count && p->started_total >= p->count && !p->n_short;
    bool is_time_over = p->duration_ns && kit_now_ns() - p->start_ns >= p->duration_ns;
    p->is_stopping |= is_counted_out || is_time_over;
    return p->is_stopping && !p->waiting.first && !p->ticking.first;
}

static void loop(struct program *p)
{
    struct epoll_event events[BATCH];
    bool has_input = true;
    while (!is_finished(p)) {
        run_starts(p);
        run_deadlines(p);
        int n =
            epoll_wait(p->epoll_fd, events, BATCH, p->rate_per_s && !p->is_stopping ? 1 : 5);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == p) {
                p->is_stopping = true;
                epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, p->signal_fd, NULL);
            } else if (events[i].data.ptr) {
                on_session_ready(p, events[i].data.ptr, events[i].events);
            } else if (has_input && !kit_read_lines(&p->lines, 0, on_command, p)) {
                has_input = false;
                p->is_stopping = true;
                epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, 0, NULL);
            }
        }
    }
}

static void set_by_name(struct program *p, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *target, scale;
    } options[] = {
        {"--short", &p->rate_per_s, 1},
        {"--parallel", &p->parallel, 1},
        {"--count", &p->count, 1},
        {"--long", &p->n_long, 1},
        {"--size", &p->size, 1},
        {"--long-size", &p->long_size, 1},
        {"--opening", &p->opening_most, 1},
        {"--sources", &p->sources, 1},
        {"--interval", &p->interval_ns, 1000000},
        {"--timeout", &p->timeout_ns, 1000000},
        {"--seed", &p->seed, 1},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(options[i].name, name) == 0) {
            *options[i].target = kit_number(name, value) * options[i].scale;
            return;
        }
    }
    if (strcmp(name, "--to") == 0) {
        p->to_length = kit_address(value, &p->to);
    } else if (strcmp(name, "--ids") == 0) {
        p->has_ids = kit_number(name, value) != 0;
    } else if (strcmp(name, "--duration") == 0) {
        p->duration_ns = (uint64_t)(strtod(value, NULL) * 1e9);
    } else {
        errno = 0;
        kit_fail("unknown option: %s", name);
    }
}

int main(int argc, char **argv)
{
    struct program *p = calloc(1, sizeof *p);
    p->size = 1024;
    p->long_size = 64;
    p->interval_ns = 100000000;
    p->timeout_ns = 5000000000;
    p->sources = 64;
    p->opening_most = 64;
    for (int i = 1; i < argc; i += 2) {
        set_by_name(p, argv[i], i + 1 < argc ? argv[i + 1] : "");
    }
    if (!p->to_length || p->size < 1 || p->long_size < 1) {
        errno = 0;
        kit_fail("usage: load --to ADDRESS:PORT [--OPTION NUMBER …]");
    }
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    p->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, 0, &input);
    struct epoll_event signal = {.events = EPOLLIN, .data.ptr = p};
    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->signal_fd, &signal);
    p->start_ns = kit_now_ns();
    loop(p);
    print_stat(p);
    free(p);
    return 0;
}
