/* SPDX-License-Identifier: MIT */
/* A scriptable TCP host for tests: what it does is told by options, later by lines on stdin. */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "digest.h"
#include "kit.h"

/*
 * Every connection follows the settings that held when it was accepted. A line on stdin
 * changes a setting or does something to all connections, and is answered by one line of JSON
 * with all counters, so that a test that has read the answer knows that the command has been
 * carried out. End of file on stdin ends the program after a last such line.
 *
 * Modes: echo · id (NAME and a newline, then echo) · banner (after the delay: NAME, the
 * monotonic nanoseconds of the write and a newline, then echo) · sink · source (BYTES, then FIN)
 * · reqrep (BYTES for every REQUEST bytes, each after the delay) · answer (reads to EOF, then
 * BYTES after the delay, then FIN) · reset-sent (BYTES; with a delay: waits until all are
 * acknowledged, then the delay; then a reset) · reset-read (a reset after BYTES were read) ·
 * hold (reads nothing, sends nothing).
 */
#define MODES(X)                                                                               \
    X(ECHO, "echo")                                                                            \
    X(ID, "id")                                                                                \
    X(BANNER, "banner")                                                                        \
    X(SINK, "sink")                                                                            \
    X(SOURCE, "source")                                                                        \
    X(REQREP, "reqrep")                                                                        \
    X(ANSWER, "answer")                                                                        \
    X(RESET_SENT, "reset-sent")                                                                \
    X(RESET_READ, "reset-read")                                                                \
    X(HOLD, "hold")

#define MODE_ENUM(id, word) MODE_##id,
#define MODE_WORD(id, word) word,
enum mode { MODES(MODE_ENUM) MODE_COUNT };
static const char *const mode_words[] = {MODES(MODE_WORD)};

enum { SCRATCH_BYTES = 65536, ENDED_KEPT = 32, BATCH = 64 };

struct settings {
    enum mode mode;
    char name[64];
    uint64_t bytes, request, delay_ns;
    bool digest; /* SHA-256 of both ways of each connection */
};

/* One connection; owned by the program's list until peer_end. */
struct peer {
    struct peer *next, *prev;
    struct settings is;
    int fd;
    uint32_t interest;
    bool eof, shut;
    uint64_t accepted_ns, eof_ns,
        due_ns; /* due_ns: when the delayed deed is to be done, 0 = none */
    uint64_t in_bytes, out_bytes;
    uint64_t to_make;              /* bytes of the pattern still to be sent */
    uint64_t made;                 /* bytes of the pattern sent */
    uint64_t requests_in, answers; /* reqrep: whole requests read, answers begun */
    uint8_t *wait;                 /* read or announced, not yet written */
    size_t wait_at, wait_end;
    struct digest in, out;
};

/* What is kept of a connection that has ended. */
struct ended {
    uint64_t accepted_ns, eof_ns, end_ns, in_bytes, out_bytes;
    const char *how; /* "clean" both FINs, "reset" by the other side, "ours" reset by us */
    char in[65], out[65];
};

struct program {
    struct settings settings;
    struct peer peers; /* head of the list */
    int epoll_fd, listen_fd;
    bool accepting, stalled, is_over;
    uint64_t accepted, open, peak, in_bytes, out_bytes, eofs, resets;
    struct ended ended[ENDED_KEPT];
    uint64_t n_ended;
    struct kit_lines lines;
    uint8_t scratch[SCRATCH_BYTES];
};

static void peer_end(struct program *p, struct peer *peer, const char *how)
{
    struct ended *e = &p->ended[p->n_ended++ % ENDED_KEPT];
    *e = (struct ended){.accepted_ns = peer->accepted_ns,
                        .eof_ns = peer->eof_ns,
                        .end_ns = kit_now_ns(),
                        .in_bytes = peer->in_bytes,
                        .out_bytes = peer->out_bytes,
                        .how = how};
    if (peer->is.digest) {
        digest_print(&peer->in, e->in);
        digest_print(&peer->out, e->out);
    }
    p->resets += strcmp(how, "reset") == 0;
    p->open--;
    peer->next->prev = peer->prev;
    peer->prev->next = peer->next;
    close(peer->fd);
    free(peer->wait);
    free(peer);
}

static void peer_reset(struct program *p, struct peer *peer)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer_end(p, peer, "ours");
}

static bool is_echoing(const struct peer *peer)
{
    return peer->is.mode == MODE_ECHO || peer->is.mode == MODE_ID ||
           peer->is.mode == MODE_BANNER;
}

static void peer_watch(struct program *p, struct peer *peer)
{
    bool has_waiting = peer->wait_end > peer->wait_at || peer->to_make;
    bool greets_first = peer->is.mode == MODE_BANNER && peer->due_ns;
    bool reads = !peer->eof && !p->stalled && peer->is.mode != MODE_HOLD && !greets_first &&
                 !(has_waiting && (is_echoing(peer) || peer->is.mode == MODE_REQREP));
    uint32_t interest = (reads ? EPOLLIN : 0u) | (has_waiting ? EPOLLOUT : 0u);
    if (interest != peer->interest) {
        struct epoll_event event = {.events = interest, .data.ptr = peer};
        epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, peer->fd, &event);
        peer->interest = interest;
    }
}

/* Writes and counts; returns what was taken, -1 on a fault other than a full socket. */
static ssize_t peer_write(struct program *p, struct peer *peer, const uint8_t *data, size_t n)
{
    ssize_t done = send(peer->fd, data, n, MSG_NOSIGNAL);
    if (done < 0) {
        return errno == EAGAIN ? 0 : -1;
    }
    if (peer->is.digest) {
        digest_add(&peer->out, data, (size_t)done);
    }
    peer->out_bytes += (uint64_t)done;
    p->out_bytes += (uint64_t)done;
    return done;
}

/* Keeps what could not be written yet. */
static void peer_keep(struct peer *peer, const uint8_t *data, size_t n)
{
    if (!n) {
        return;
    }
    if (!peer->wait) {
        peer->wait = malloc(SCRATCH_BYTES);
    }
    memcpy(peer->wait, data, n);
    peer->wait_at = 0;
    peer->wait_end = n;
}

/* Writes all it can of what is waiting and of the pattern; false when the peer is gone. */
static bool peer_flush(struct program *p, struct peer *peer)
{
    while (peer->wait_end > peer->wait_at) {
        ssize_t n =
            peer_write(p, peer, peer->wait + peer->wait_at, peer->wait_end - peer->wait_at);
        if (n < 0) {
            peer_end(p, peer, "reset");
            return false;
        }
        if (n == 0) {
            return true;
        }
        peer->wait_at += (size_t)n;
    }
    while (peer->to_make) {
        size_t n = peer->to_make < SCRATCH_BYTES ? (size_t)peer->to_make : SCRATCH_BYTES;
        kit_pattern(p->scratch, n, 1, peer->made);
        ssize_t done = peer_write(p, peer, p->scratch, n);
        if (done < 0) {
            peer_end(p, peer, "reset");
            return false;
        }
        peer->to_make -= (uint64_t)done;
        peer->made += (uint64_t)done;
        if ((size_t)done < n) {
            return true;
        }
    }
    return true;
}

/* What follows when all has been sent: a FIN, a reset, the end. */
static void peer_settle(struct program *p, struct peer *peer)
{
    if (!peer_flush(p, peer)) {
        return;
    }
    bool is_sent = peer->wait_end == peer->wait_at && !peer->to_make && !peer->due_ns;
    enum mode mode = peer->is.mode;
    if (is_sent && mode == MODE_RESET_SENT) {
        if (!peer->is.delay_ns) {
            peer_reset(p, peer);
            return;
        }
        peer->due_ns = kit_now_ns() + peer->is.delay_ns;
    } else if (is_sent && !peer->shut && (peer->eof || mode == MODE_SOURCE)) {
        shutdown(peer->fd, SHUT_WR);
        peer->shut = true;
    }
    if (peer->eof && peer->shut) {
        peer_end(p, peer, "clean");
        return;
    }
    peer_watch(p, peer);
}

/* The delayed deed of a mode. */
static void peer_due(struct program *p, struct peer *peer, uint64_t now_ns)
{
    peer->due_ns = 0;
    switch (peer->is.mode) {
    case MODE_BANNER: {
        char text[128];
        int n = snprintf(text, sizeof text, "%s %llu\n", peer->is.name,
                         (unsigned long long)kit_now_ns());
        peer_keep(peer, (uint8_t *)text, (size_t)n);
        break;
    }
    case MODE_REQREP:
        peer->to_make += peer->is.bytes;
        peer->answers++;
        if (peer->answers < peer->requests_in) {
            peer->due_ns = now_ns + peer->is.delay_ns;
        }
        break;
    case MODE_RESET_SENT: {
        int unacknowledged = 0;
        ioctl(peer->fd, SIOCOUTQ, &unacknowledged);
        if (!unacknowledged) {
            peer_reset(p, peer);
            return;
        }
        peer->due_ns = now_ns + 1000000;
        break;
    }
    case MODE_ECHO:
    case MODE_ID:
    case MODE_SINK:
    case MODE_SOURCE:
    case MODE_ANSWER:
    case MODE_RESET_READ:
    case MODE_HOLD:
    case MODE_COUNT:
    default:
        peer->to_make += peer->is.bytes;
        break;
    }
    peer_settle(p, peer);
}

static void peer_delay(struct program *p, struct peer *peer)
{
    uint64_t now_ns = kit_now_ns();
    if (peer->is.delay_ns) {
        peer->due_ns = now_ns + peer->is.delay_ns;
        peer_watch(p, peer);
    } else {
        peer_due(p, peer, now_ns);
    }
}

static void peer_eof(struct program *p, struct peer *peer)
{
    peer->eof = true;
    peer->eof_ns = kit_now_ns();
    p->eofs++;
    if (peer->is.mode == MODE_ANSWER) {
        peer_delay(p, peer);
    } else {
        peer_settle(p, peer);
    }
}

static void peer_data(struct program *p, struct peer *peer, size_t n)
{
    peer->in_bytes += n;
    p->in_bytes += n;
    if (peer->is.digest) {
        digest_add(&peer->in, p->scratch, n);
    }
    if (peer->is.mode == MODE_RESET_READ && peer->in_bytes >= peer->is.bytes) {
        peer_reset(p, peer);
    } else if (is_echoing(peer)) {
        ssize_t done = peer_write(p, peer, p->scratch, n);
        if (done < 0) {
            peer_end(p, peer, "reset");
            return;
        }
        peer_keep(peer, p->scratch + done, n - (size_t)done);
        peer_watch(p, peer);
    } else if (peer->is.mode == MODE_REQREP) {
        uint64_t before = peer->requests_in;
        peer->requests_in = peer->in_bytes / peer->is.request;
        if (before == peer->answers && peer->requests_in > before) {
            peer_delay(p, peer);
        }
    }
}

static void on_peer_ready(struct program *p, struct peer *peer, uint32_t events)
{
    if (events & EPOLLOUT) {
        peer_settle(p, peer);
        return; /* level-triggered: what there is to read comes with the next turn */
    }
    if (!(peer->interest & EPOLLIN)) {
        peer_end(p, peer, "reset"); /* nothing but an error or a hang-up wakes it */
        return;
    }
    size_t most = SCRATCH_BYTES;
    if (peer->is.mode == MODE_RESET_READ && peer->is.bytes - peer->in_bytes < most) {
        most = (size_t)(peer->is.bytes - peer->in_bytes);
    }
    ssize_t n = recv(peer->fd, p->scratch, most, 0);
    if (n > 0) {
        peer_data(p, peer, (size_t)n);
    } else if (n == 0) {
        peer_eof(p, peer);
    } else if (errno != EAGAIN) {
        peer_end(p, peer, "reset");
    }
}

static void peer_start(struct program *p, struct peer *peer)
{
    switch (peer->is.mode) {
    case MODE_ID: {
        char text[80];
        int n = snprintf(text, sizeof text, "%s\n", peer->is.name);
        peer_keep(peer, (uint8_t *)text, (size_t)n);
        peer_settle(p, peer);
        break;
    }
    case MODE_BANNER:
        peer_delay(p, peer);
        break;
    case MODE_SOURCE:
    case MODE_RESET_SENT:
        peer->to_make = peer->is.bytes;
        peer_settle(p, peer);
        break;
    case MODE_ECHO:
    case MODE_SINK:
    case MODE_REQREP:
    case MODE_ANSWER:
    case MODE_RESET_READ:
    case MODE_HOLD:
    case MODE_COUNT:
    default:
        peer_watch(p, peer);
        break;
    }
}

static void on_accept(struct program *p)
{
    for (int i = 0; i < BATCH; i++) {
        int fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        struct peer *peer = calloc(1, sizeof *peer);
        peer->is = p->settings;
        peer->fd = fd;
        peer->accepted_ns = kit_now_ns();
        digest_init(&peer->in);
        digest_init(&peer->out);
        peer->next = &p->peers;
        peer->prev = p->peers.prev;
        peer->prev->next = peer;
        p->peers.prev = peer;
        p->accepted++;
        p->open++;
        p->peak = p->open > p->peak ? p->open : p->peak;
        struct epoll_event event = {.events = 0, .data.ptr = peer};
        epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event);
        peer_start(p, peer);
    }
}

/* Does what is due; returns how long epoll may wait, in milliseconds. */
static int run_delays(struct program *p)
{
    uint64_t now_ns = kit_now_ns();
    uint64_t first_ns = UINT64_MAX;
    for (struct peer *peer = p->peers.next, *next; peer != &p->peers; peer = next) {
        next = peer->next;
        if (!peer->due_ns) {
            continue;
        }
        if (peer->due_ns <= now_ns) {
            peer_due(p, peer, now_ns);
            first_ns = now_ns;
        } else if (peer->due_ns < first_ns) {
            first_ns = peer->due_ns;
        }
    }
    if (first_ns == UINT64_MAX) {
        return -1;
    }
    return first_ns <= now_ns ? 0 : (int)((first_ns - now_ns) / 1000000 + 1);
}

static void set_accepting(struct program *p, bool accepting)
{
    if (accepting != p->accepting) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
        epoll_ctl(p->epoll_fd, accepting ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, p->listen_fd, &event);
        p->accepting = accepting;
    }
}

static void print_stat(const struct program *p)
{
    printf("{\"name\":\"%s\",\"mode\":\"%s\",\"accepted\":%llu,\"open\":%llu,\"peak\":%llu,"
           "\"bytes_in\":%llu,\"bytes_out\":%llu,\"eofs\":%llu,\"resets\":%llu,\"ended\":[",
           p->settings.name, mode_words[p->settings.mode], (unsigned long long)p->accepted,
           (unsigned long long)p->open, (unsigned long long)p->peak,
           (unsigned long long)p->in_bytes, (unsigned long long)p->out_bytes,
           (unsigned long long)p->eofs, (unsigned long long)p->resets);
    uint64_t first = p->n_ended > ENDED_KEPT ? p->n_ended - ENDED_KEPT : 0;
    for (uint64_t i = first; i < p->n_ended; i++) {
        const struct ended *e = &p->ended[i % ENDED_KEPT];
        printf("%s{\"how\":\"%s\",\"bytes_in\":%llu,\"bytes_out\":%llu,\"accepted_ns\":%llu,"
               "\"eof_ns\":%llu,\"end_ns\":%llu,\"sha_in\":\"%s\",\"sha_out\":\"%s\"}",
               i == first ? "" : ",", e->how, (unsigned long long)e->in_bytes,
               (unsigned long long)e->out_bytes, (unsigned long long)e->accepted_ns,
               (unsigned long long)e->eof_ns, (unsigned long long)e->end_ns, e->in, e->out);
    }
    printf("]}\n");
    fflush(stdout);
}

static void zero_counters(struct program *p)
{
    p->accepted = p->in_bytes = p->out_bytes = p->eofs = p->resets = p->n_ended = 0;
    p->peak = p->open;
}

static void for_all(struct program *p, void (*deed)(struct program *p, struct peer *peer))
{
    for (struct peer *peer = p->peers.next, *next; peer != &p->peers; peer = next) {
        next = peer->next;
        deed(p, peer);
    }
}

static enum mode find_mode(const char *word)
{
    int mode = 0;
    while (mode < MODE_COUNT && strcmp(mode_words[mode], word) != 0) {
        mode++;
    }
    if (mode == MODE_COUNT) {
        errno = 0;
        kit_fail("unknown mode: %s", word);
    }
    return (enum mode)mode;
}

/* A setting by name, from the command line ("--mode id") or from stdin ("mode id"). */
static bool set_by_name(struct program *p, const char *name, const char *value)
{
    struct settings *s = &p->settings;
    if (strcmp(name, "mode") == 0) {
        s->mode = find_mode(value);
    } else if (strcmp(name, "name") == 0) {
        snprintf(s->name, sizeof s->name, "%s", value);
    } else if (strcmp(name, "bytes") == 0) {
        s->bytes = kit_number(name, value);
    } else if (strcmp(name, "request") == 0) {
        s->request = kit_number(name, value);
    } else if (strcmp(name, "delay") == 0) {
        s->delay_ns = kit_number(name, value) * 1000000;
    } else if (strcmp(name, "digest") == 0) {
        s->digest = kit_number(name, value) != 0;
    } else {
        return false;
    }
    return true;
}

static void on_command(void *arg, char *line)
{
    struct program *p = arg;
    char *value = strchr(line, ' ');
    if (value) {
        *value++ = 0;
    }
    if (strcmp(line, "zero") == 0) {
        zero_counters(p);
    } else if (strcmp(line, "pause") == 0 || strcmp(line, "accept") == 0) {
        set_accepting(p, *line == 'a');
    } else if (strcmp(line, "stall") == 0 || strcmp(line, "resume") == 0) {
        p->stalled = *line == 's';
        for_all(p, peer_watch);
    } else if (strcmp(line, "reset") == 0) {
        for_all(p, peer_reset);
    } else if (strcmp(line, "stat") != 0 && !(value && set_by_name(p, line, value))) {
        errno = 0;
        kit_fail("unknown command: %s", line);
    }
    print_stat(p);
}

/* Binds and listens; prints where, for a test that asked for port 0. */
static void start_listening(struct program *p, const char *address_text, int backlog)
{
    struct sockaddr_storage address;
    socklen_t length = kit_address(address_text, &address);
    int one = 1;
    p->listen_fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(p->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(p->listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(p->listen_fd, (struct sockaddr *)&address, length) ||
        listen(p->listen_fd, backlog)) {
        kit_fail("%s", address_text);
    }
    getsockname(p->listen_fd, (struct sockaddr *)&address, &length);
    uint16_t port = address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                 : ((struct sockaddr_in6 *)&address)->sin6_port;
    printf("ready %u\n", ntohs(port));
    fflush(stdout);
}

static void loop(struct program *p)
{
    struct epoll_event events[BATCH];
    while (!p->is_over) {
        int n = epoll_wait(p->epoll_fd, events, BATCH, run_delays(p));
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == p) {
                on_accept(p);
            } else if (events[i].data.ptr) {
                on_peer_ready(p, events[i].data.ptr, events[i].events);
            } else {
                /* Commands may end any peer: whatever else woke us comes again next turn. */
                p->is_over = !kit_read_lines(&p->lines, 0, on_command, p);
                break;
            }
        }
    }
    print_stat(p);
}

int main(int argc, char **argv)
{
    struct program *p = calloc(1, sizeof *p);
    p->settings = (struct settings){.name = "host", .request = 64, .bytes = 64};
    p->peers.next = p->peers.prev = &p->peers;
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    const char *address = "127.0.0.1:0";
    int backlog = 4096;
    bool accepting = true;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--listen") == 0) {
            address = argv[i + 1];
        } else if (strcmp(argv[i], "--backlog") == 0) {
            backlog = (int)kit_number(argv[i], argv[i + 1]);
        } else if (strcmp(argv[i], "--accepting") == 0) {
            accepting = kit_number(argv[i], argv[i + 1]) != 0;
        } else if (strncmp(argv[i], "--", 2) || !set_by_name(p, argv[i] + 2, argv[i + 1])) {
            errno = 0;
            kit_fail("unknown option: %s", argv[i]);
        }
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, 0, &event);
    start_listening(p, address, backlog);
    set_accepting(p, accepting);
    loop(p);
    while (p->peers.next != &p->peers) {
        peer_end(p, p->peers.next, "ours");
    }
    free(p);
    return 0;
}
