/* SPDX-License-Identifier: MIT */
/* Many TLS connections driven by one epoll loop: visits, requests, bulk. */
#include "tlsrun.h"

#include "../tools/kit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/*
 * A slot is at one step. slot_go does the step's deed as often as it gets on, slot_advance tells
 * which step is next. What a run is for decides only there where connections part: after the
 * handshake (a visit asks at once, others rest until all are up) and after the answer (a visit
 * ends, requests go on). Deadlines are looked at each 50 ms: they are for what hangs.
 */
enum { BATCH = 128, LOOK_NS = 50000000, SCRATCH_BYTES = 65536 };

void tls_run_fault(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("tlsload: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    /* Not exit(): another thread may be inside OpenSSL. */
    _exit(1);
}

static void samples_add(struct samples *samples, uint64_t ns)
{
    if (samples->n == samples->room) {
        samples->room = samples->room ? 2 * samples->room : 4096;
        samples->ns = realloc(samples->ns, samples->room * sizeof *samples->ns);
        if (!samples->ns) {
            tls_run_fault("no memory");
        }
    }
    samples->ns[samples->n++] = ns;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

double tls_samples_us(struct samples *samples, double share)
{
    if (!samples->n) {
        return 0;
    }
    qsort(samples->ns, samples->n, sizeof *samples->ns, compare);
    size_t place = (size_t)(share * (double)samples->n);
    return (double)samples->ns[place < samples->n ? place : samples->n - 1] / 1e3;
}

static void slot_watch(struct tls_run *run, struct slot *s, uint32_t interest)
{
    if (interest == s->interest) {
        return;
    }
    struct epoll_event event = {.events = interest, .data.ptr = s};
    if (epoll_ctl(run->epoll_fd, EPOLL_CTL_MOD, s->client.fd, &event) < 0) {
        tls_run_fault("epoll: %s", strerror(errno));
    }
    s->interest = interest;
}

static void slot_close(struct tls_run *run, struct slot *s)
{
    tls_client_close(&s->client);
    s->step = STEP_CLOSED;
    s->deadline_ns = 0;
    run->n_open--;
}

static void slot_lost(struct tls_run *run, struct slot *s, const char *why)
{
    static const char *const doing[] = {
        [STEP_CLOSED] = "closed",   [STEP_HELLO] = "before its hello",
        [STEP_HEAR] = "unanswered", [STEP_HANDSHAKE] = "in the handshake",
        [STEP_REST] = "at rest",    [STEP_SEND] = "sending",
        [STEP_RECEIVE] = "reading", [STEP_DRAIN] = "in bulk",
        [STEP_END] = "ending",
    };
    if (!run->does_count_losses) {
        tls_run_fault("a connection was lost %s, after %" PRIu64 " done: %s", doing[s->step],
                      run->done, why);
    }
    run->failed++;
    slot_close(run, s);
}

static void slot_open(struct tls_run *run, struct slot *s)
{
    if (run->does_resume && !s->client.ticket) {
        tls_run_fault("no ticket came to resume with");
    }
    s->opened_ns = kit_now_ns();
    s->deadline_ns = s->opened_ns + run->timeout_ns;
    int result = run->is_rude ? tls_client_open_bare(&s->client, run->target)
                              : tls_client_open(&s->client, run->context, run->target,
                                                run->does_resume ? s->client.ticket : NULL);
    if (result < 0) {
        tls_run_fault("cannot open a connection: %s", strerror(errno));
    }
    run->n_open++;
    s->step = run->is_rude ? STEP_HELLO : STEP_HANDSHAKE;
    s->interest = EPOLLOUT;
    struct epoll_event event = {.events = s->interest, .data.ptr = s};
    if (epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, s->client.fd, &event) < 0) {
        tls_run_fault("epoll: %s", strerror(errno));
    }
}

/* The next message, told from all others by its seed; asked_ns is when it was due. */
static void slot_ask(struct tls_run *run, struct slot *s, uint64_t asked_ns)
{
    s->seed += run->n_slots;
    kit_pattern(s->message, MESSAGE_BYTES, s->seed, 0);
    s->sent = s->got = 0;
    s->asked_ns = asked_ns;
    s->step = STEP_SEND;
}

static bool may_ask(const struct tls_run *run, uint64_t now_ns)
{
    return run->started < run->to_start && (!run->until_ns || now_ns < run->until_ns);
}

static void slot_ask_now(struct tls_run *run, struct slot *s)
{
    uint64_t now_ns = kit_now_ns();
    run->started++;
    s->deadline_ns = now_ns + run->timeout_ns;
    slot_ask(run, s, now_ns);
}

/* Most an answer, least what has come; more than the answer is found by the next read. */
static enum tls_io receive_answer(struct slot *s)
{
    while (s->got < MESSAGE_BYTES) {
        size_t n = 0;
        enum tls_io io =
            tls_client_receive(&s->client, s->answer + s->got, MESSAGE_BYTES - s->got, &n);
        if (io != TLS_DONE) {
            return io;
        }
        s->got += n;
    }
    return TLS_DONE;
}

/* Done when the other side has ended; most a batch in one go, so that all get their turn. */
static enum tls_io drain(struct tls_run *run, struct slot *s)
{
    uint8_t scratch[SCRATCH_BYTES];
    enum tls_io io = TLS_DONE;
    for (int i = 0; i < BATCH && io == TLS_DONE; i++) {
        size_t n = 0;
        io = tls_client_receive(&s->client, scratch, sizeof scratch, &n);
        s->bytes += n;
        run->bytes += n;
    }
    s->deadline_ns = kit_now_ns() + run->timeout_ns;
    /* The scratch holds more than a record, so that none is left inside OpenSSL, unseen by epoll. */
    s->client.wants = EPOLLIN;
    return io == TLS_DONE ? TLS_AGAIN : io == TLS_EOF ? TLS_DONE : io;
}

static enum tls_io rest(struct tls_run *run, struct slot *s)
{
    if (run->share_bytes) {
        return TLS_AGAIN; /* what comes in bulk is read later */
    }
    uint8_t byte;
    size_t n;
    return tls_client_receive(&s->client, &byte, 1, &n);
}

static enum tls_io slot_deed(struct tls_run *run, struct slot *s)
{
    uint8_t byte;
    size_t n;
    switch (s->step) {
    case STEP_HELLO:
        return tls_client_say(&s->client, run->hello, run->hello_bytes);
    case STEP_HEAR:
        return tls_client_hear(&s->client);
    case STEP_HANDSHAKE:
        return tls_client_handshake(&s->client);
    case STEP_REST:
        return rest(run, s);
    case STEP_SEND:
        return tls_client_send(&s->client, s->message, MESSAGE_BYTES, &s->sent);
    case STEP_RECEIVE:
        return receive_answer(s);
    case STEP_DRAIN:
        return drain(run, s);
    case STEP_END:
        return tls_client_receive(&s->client, &byte, 1, &n);
    case STEP_CLOSED:
    default:
        return TLS_LOST;
    }
}

static void on_up(struct tls_run *run, struct slot *s)
{
    run->n_up++;
    bool is_reused = SSL_session_reused(s->client.ssl);
    run->n_reused += is_reused;
    if (is_reused && !run->does_resume) {
        tls_run_fault("a session was resumed though none was offered");
    }
    if (run->is_visit) {
        uint64_t now_ns = kit_now_ns();
        samples_add(&run->samples, now_ns - s->opened_ns);
        slot_ask(run, s, now_ns);
    } else {
        s->step = STEP_REST;
        s->deadline_ns = 0;
    }
}

static void on_answer(struct tls_run *run, struct slot *s)
{
    if (memcmp(s->message, s->answer, MESSAGE_BYTES) != 0) {
        tls_run_fault("an answer is not the echo of its request");
    }
    if (run->is_visit) {
        s->step = STEP_END;
        if (tls_client_finish(&s->client) != TLS_DONE) {
            slot_lost(run, s, "close_notify could not be sent");
        }
        return;
    }
    uint64_t now_ns = kit_now_ns();
    samples_add(&run->samples, now_ns - s->asked_ns);
    run->done++;
    s->step = STEP_REST;
    s->deadline_ns = 0;
    if (!run->gap_ns && may_ask(run, now_ns)) {
        slot_ask_now(run, s);
    }
}

/* The other side has ended, with close_notify or without. */
static void on_end(struct tls_run *run, struct slot *s, bool is_clean)
{
    run->n_unclean += !is_clean;
    run->done++;
    slot_close(run, s);
    if (!run->gap_ns && run->started < run->to_start) {
        run->started++;
        slot_open(run, s);
    }
}

static void on_drained(struct tls_run *run, struct slot *s)
{
    if (s->bytes != run->share_bytes) {
        tls_run_fault("%" PRIu64 " bytes came, %" PRIu64 " were expected", s->bytes,
                      run->share_bytes);
    }
    run->done++;
    slot_close(run, s);
}

/* The step is done: what is next. Returns whether it can go on at once. */
static bool slot_advance(struct tls_run *run, struct slot *s)
{
    switch (s->step) {
    case STEP_HELLO:
        s->step = STEP_HEAR;
        return true;
    case STEP_HEAR:
        samples_add(&run->samples, kit_now_ns() - s->opened_ns);
        run->done++;
        slot_close(run, s);
        return false;
    case STEP_HANDSHAKE:
        on_up(run, s);
        return true;
    case STEP_SEND:
        s->step = STEP_RECEIVE;
        return true;
    case STEP_RECEIVE:
        on_answer(run, s);
        return s->step != STEP_CLOSED;
    case STEP_DRAIN:
        on_drained(run, s);
        return false;
    case STEP_REST:
    case STEP_END:
        slot_lost(run, s, "bytes came that nobody had asked for");
        return false;
    case STEP_CLOSED:
    default:
        tls_run_fault("a closed connection is ready");
    }
}

static void slot_stuck(struct tls_run *run, struct slot *s, enum tls_io io)
{
    if (s->step == STEP_END) {
        on_end(run, s, io == TLS_EOF);
        return;
    }
    char why[256] = "the other side ended";
    if (io == TLS_LOST) {
        tls_client_explain(why, sizeof why);
    }
    slot_lost(run, s, why);
}

static void slot_go(struct tls_run *run, struct slot *s)
{
    for (;;) {
        enum tls_io io = slot_deed(run, s);
        if (io == TLS_AGAIN) {
            bool is_bulk_at_rest = s->step == STEP_REST && run->share_bytes;
            slot_watch(run, s, is_bulk_at_rest ? 0 : s->client.wants);
            return;
        }
        if (io != TLS_DONE) {
            slot_stuck(run, s, io);
            return;
        }
        if (!slot_advance(run, s)) {
            return;
        }
    }
}

/* Starts the visits that are due; returns when the next one is, UINT64_MAX when none is. */
static uint64_t start_visits(struct tls_run *run, uint64_t now_ns)
{
    while (run->started < run->to_start) {
        uint64_t due_ns = run->begin_ns + run->started * run->gap_ns;
        if (due_ns > now_ns) {
            return due_ns;
        }
        slot_open(run, &run->slots[run->started++]);
    }
    return UINT64_MAX;
}

/* The same for requests at a pace; a slot that still owes an answer is late, not due. */
static uint64_t start_requests(struct tls_run *run, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < run->n_slots && may_ask(run, now_ns); i++) {
        struct slot *s = &run->slots[i];
        if (s->step != STEP_REST) {
            continue;
        }
        uint64_t due_ns = s->asked_ns + run->gap_ns;
        if (due_ns <= now_ns) {
            run->started++;
            s->deadline_ns = now_ns + run->timeout_ns;
            slot_ask(run, s, due_ns);
            slot_go(run, s);
        } else if (due_ns < next_ns) {
            next_ns = due_ns;
        }
    }
    return next_ns;
}

static void look_at_deadlines(struct tls_run *run, uint64_t now_ns)
{
    if (now_ns - run->looked_ns < LOOK_NS) {
        return;
    }
    run->looked_ns = now_ns;
    for (size_t i = 0; i < run->n_slots; i++) {
        struct slot *s = &run->slots[i];
        if (!s->deadline_ns || now_ns < s->deadline_ns) {
            continue;
        }
        if (run->does_count_losses) {
            run->timed_out++;
            slot_close(run, s);
        } else {
            slot_lost(run, s, "nothing has moved for too long");
        }
    }
}

/* One turn of the loop; returns without waiting when something is due. */
static void turn(struct tls_run *run)
{
    uint64_t now_ns = kit_now_ns();
    uint64_t next_ns = !run->gap_ns    ? UINT64_MAX
                       : run->is_visit ? start_visits(run, now_ns)
                                       : start_requests(run, now_ns);
    now_ns = kit_now_ns();
    uint64_t wait_ns = next_ns <= now_ns ? 0 : next_ns - now_ns;
    wait_ns = wait_ns < LOOK_NS ? wait_ns : LOOK_NS;
    struct timespec wait = {.tv_nsec = (time_t)wait_ns};
    struct epoll_event events[BATCH];
    int n = epoll_pwait2(run->epoll_fd, events, BATCH, &wait, NULL);
    if (n < 0 && errno != EINTR) {
        tls_run_fault("epoll: %s", strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        slot_go(run, events[i].data.ptr);
    }
    look_at_deadlines(run, kit_now_ns());
}

void tls_run_open(struct tls_run *run)
{
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    run->context = tls_client_context(run->cipher);
    run->slots = calloc(run->n_slots, sizeof *run->slots);
    if (run->epoll_fd < 0 || !run->context || !run->slots) {
        tls_run_fault("cannot begin: no memory, or no such cipher: %s", run->cipher);
    }
    run->hello_bytes = tls_client_hello(run->context, run->target, run->hello);
    for (size_t i = 0; i < run->n_slots; i++) {
        run->slots[i].seed = i;
    }
}

void tls_run_close(struct tls_run *run)
{
    for (size_t i = 0; i < run->n_slots; i++) {
        struct slot *s = &run->slots[i];
        if (s->step != STEP_CLOSED) {
            tls_client_finish(&s->client);
            slot_close(run, s);
        }
        SSL_SESSION_free(s->client.ticket);
    }
    free(run->slots);
    free(run->samples.ns);
    SSL_CTX_free(run->context);
    close(run->epoll_fd);
}

void tls_run_connect(struct tls_run *run)
{
    run->is_visit = false;
    /* Most 64 at a time: a full backlog would cost a SYN's repetition. */
    for (size_t i = 0; run->n_up < run->n_slots;) {
        while (i < run->n_slots && i - run->n_up < 64) {
            slot_open(run, &run->slots[i++]);
        }
        turn(run);
    }
}

void tls_run_visits(struct tls_run *run, uint64_t count, bool does_resume)
{
    run->is_visit = true;
    run->does_resume = does_resume;
    run->to_start = count;
    run->begin_ns = kit_now_ns();
    for (size_t i = 0; i < run->n_slots && run->started < count; i++) {
        run->started++;
        slot_open(run, &run->slots[i]);
    }
    while (run->done < count) {
        turn(run);
    }
}

void tls_run_flood(struct tls_run *run, uint64_t gap_ns)
{
    run->is_visit = true;
    run->to_start = run->n_slots;
    run->gap_ns = gap_ns;
    run->begin_ns = kit_now_ns();
    while (run->done + run->failed + run->timed_out < run->to_start) {
        turn(run);
    }
}

void tls_run_requests(struct tls_run *run, uint64_t count, uint64_t gap_ns, uint64_t until_ns)
{
    run->to_start = count;
    run->gap_ns = gap_ns;
    run->until_ns = until_ns;
    run->begin_ns = kit_now_ns();
    for (size_t i = 0; i < run->n_slots && run->started < count; i++) {
        struct slot *s = &run->slots[i];
        if (gap_ns) {
            /* Their beats lie evenly in the gap. */
            s->asked_ns = run->begin_ns - gap_ns + gap_ns * i / run->n_slots;
        } else {
            slot_ask_now(run, s);
            slot_go(run, s);
        }
    }
    while (run->done < run->started || may_ask(run, kit_now_ns())) {
        turn(run);
    }
}

void tls_run_drain(struct tls_run *run)
{
    run->begin_ns = kit_now_ns();
    for (size_t i = 0; i < run->n_slots; i++) {
        struct slot *s = &run->slots[i];
        s->step = STEP_DRAIN;
        s->deadline_ns = run->begin_ns + run->timeout_ns;
        slot_watch(run, s, EPOLLIN);
    }
    while (run->done < run->n_slots) {
        turn(run);
    }
}

void tls_run_verify_rest(struct tls_run *run)
{
    for (size_t i = 0; i < run->n_slots; i++) {
        slot_go(run, &run->slots[i]);
    }
}

void tls_run_zero(struct tls_run *run)
{
    run->started = run->done = run->failed = run->timed_out = 0;
    run->n_up = run->n_reused = run->n_unclean = run->bytes = run->samples.n = 0;
    for (size_t i = 0; i < run->n_slots; i++) {
        run->slots[i].client.n_tickets = 0;
    }
}

uint64_t tls_run_tickets(const struct tls_run *run)
{
    uint64_t total = 0;
    for (size_t i = 0; i < run->n_slots; i++) {
        total += run->slots[i].client.n_tickets;
    }
    return total;
}
