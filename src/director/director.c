/* SPDX-License-Identifier: MIT */
/*
 * The director process: one loop, what master says, the doors, two log writers.
 *
 * It learns everything by its channel, as a worker does, and agrees to configurations in the
 * same way: unpacked on a task thread, then READY, COMMIT, COMMITTED. What it shows comes from the
 * segment at each request; between requests it only looks, ten times a second, whether a worker
 * has died.
 */
#include "director/director.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ev.h>

#include "admin/secure.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/task.h"
#include "conf/bundle.h"
#include "conf/fetched.h"
#include "conf/store.h"
#include "director/desk.h"
#include "director/parts.h"
#include "net/poller.h"

enum { HELLO_FDS = 4 /* segment, log write, log read, access read */ };
#define TICK_S 0.1
#define PORTS_EVERY_NS (5 * CLOCK_NS_PER_S)
#define NAMES_PATIENCE_MS 1000 /* how long names may hold a configuration up */
#define BEAT_MOST_S 0.25       /* it has little else to wake for */

/* ---- talking to master ---- */

int director_say_bytes(struct director *d, const struct message *message, const void *bytes,
                       size_t length, int fd)
{
    int result = channel_send(&d->channel, message, bytes, length, &fd, fd >= 0);
    if (result != 0) {
        int reason = errno;
        log_warning("cannot tell master: %s", strerror(reason));
        errno = reason;
    }
    bool waits = channel_is_waiting(&d->channel);
    ev_io_stop(d->loop, &d->on_channel);
    ev_io_set(&d->on_channel, d->channel.fd, EV_READ | (waits ? EV_WRITE : 0));
    ev_io_start(d->loop, &d->on_channel);
    return result;
}

int director_say(struct director *d, const struct message *message, const char *text, int fd)
{
    size_t length = text != NULL ? strnlen(text, CHANNEL_MOST_BYTES - sizeof *message) : 0;
    return director_say_bytes(d, message, text, length, fd);
}

static void say_of(struct director *d, enum message_kind kind, uint64_t generation,
                   const char *text)
{
    const struct message message = {.kind = kind, .generation = generation};
    (void)director_say(d, &message, text, -1);
}

/* ---- lists and staples ---- */

static void on_fetched(void *context, const char *name, const void *bytes, size_t length)
{
    const struct message message = {.kind = MSG_FETCHED};
    int fd = fetched_encode(name, bytes, length);
    if (fd < 0) {
        log_error("%s cannot be told to master: %s", name, strerror(errno));
        return;
    }
    (void)director_say(context, &message, NULL, fd);
    close(fd);
}

/* ---- names of hosts ---- */

static void on_names_changed(void *context, const struct addresses *addresses)
{
    const struct message message = {.kind = MSG_ADDRESSES};
    int fd = addresses_encode(addresses);
    if (fd < 0) {
        log_error("new addresses cannot be told to master: %s", strerror(errno));
        return;
    }
    (void)director_say(context, &message, NULL, fd);
    close(fd);
}

static void on_names_ready(void *context)
{
    struct director *d = context;
    say_of(d, MSG_READY, d->prepared.generation, NULL);
}

/* READY, once the names that are new have been asked for. */
static void ask_names(struct director *d)
{
    const struct model *model = d->prepared.model;
    if (resolver_apply(d->resolver, model, &model->store->addresses, NAMES_PATIENCE_MS,
                       on_names_ready, d) == 0)
        return;
    log_error("out of memory: names of hosts are not asked for");
    on_names_ready(d);
}

/* Before it works: the reason is master's to log, with how it goes on. */
static void say_failed(struct director *d, const char *what, int reason)
{
    const struct message message = {.kind = MSG_FAILED};
    struct text why = {0};
    text_printf(&why, "%s: %s", what, strerror(reason));
    (void)channel_send(&d->channel, &message, why.at, why.length, NULL, 0);
    text_fini(&why);
}

/* ---- configurations ---- */

static void drop_agreed(struct agreed *agreed)
{
    expiries_fini(&agreed->expiries);
    conf_free(agreed->model);
    conf_free(agreed->written);
    *agreed = (struct agreed){0};
}

/* A PREPARE under way on a task thread. */
struct preparation {
    struct director *director;
    /* Owned; keys_fd -1 = there are none, written_fd -1 = the file says the same. */
    int bundle_fd, keys_fd, written_fd;
    struct agreed agreed;
    struct problems problems;
};

static void prepare(void *argument)
{
    struct preparation *job = argument;
    job->agreed.model = bundle_unpack_whole(job->bundle_fd, job->keys_fd, KEY_OF_DIRECTOR,
                                            &job->agreed.rows, &job->problems);
    if (job->agreed.model != NULL && (!checks_verify(job->agreed.model, &job->problems) ||
                                      !secure_verify(job->agreed.model, &job->problems))) {
        conf_free(job->agreed.model);
        job->agreed.model = NULL;
    }
    /* Before the keys are wiped: certificates may stand in the same file. */
    if (job->agreed.model != NULL &&
        expiries_make(job->agreed.model, &job->agreed.expiries) != 0) {
        problems_add(&job->problems, NULL, NULL, NULL, "out of memory");
        conf_free(job->agreed.model);
        job->agreed.model = NULL;
    }
    if (job->agreed.model != NULL && job->written_fd >= 0) {
        struct bundle_rows unused;
        job->agreed.written = bundle_unpack(job->written_fd, &unused, &job->problems);
    }
}

static void close_bundles(const struct preparation *job)
{
    close(job->bundle_fd);
    if (job->keys_fd >= 0)
        close(job->keys_fd);
    if (job->written_fd >= 0)
        close(job->written_fd);
}

static void on_prepared(void *argument)
{
    struct preparation *job = argument;
    struct director *d = job->director;
    uint64_t generation = job->agreed.generation;
    if (generation <= d->aborted || d->is_done) {
        drop_agreed(&job->agreed);
    } else if (job->agreed.model != NULL) {
        drop_agreed(&d->prepared);
        d->prepared = job->agreed;
        ask_names(d);
    } else {
        const char *why = job->problems.errors.at;
        say_of(d, MSG_REFUSED, generation, why != NULL ? why : "out of memory");
    }
    if (job->problems.n_warnings > 0)
        log_warning("%.*s", (int)strcspn(job->problems.warnings.at, "\n"),
                    job->problems.warnings.at);
    problems_fini(&job->problems);
    close_bundles(job);
    free(job);
}

/* Its descriptors stay the message's when it returns false. */
static bool begin_prepare(struct director *d, struct received *message)
{
    bool has_keys = message->head.flag != 0;
    int next = 0, n_least = 1 + has_keys;
    struct preparation *job = calloc(1, sizeof *job);
    if (job == NULL || message->n_fds < n_least || message->n_fds > n_least + 1) {
        free(job);
        return false;
    }
    job->director = d;
    job->agreed.generation = message->head.generation;
    job->bundle_fd = channel_take_fd(message, &next);
    if (has_keys) /* they are in this memory from now on: it goes to no core file, no debugger */
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    job->keys_fd = has_keys ? channel_take_fd(message, &next) : -1;
    job->written_fd = channel_take_fd(message, &next);
    if (task_submit(d->tasks, prepare, on_prepared, job) == 0)
        return true;
    close_bundles(job);
    free(job);
    return false;
}

/* Master replaces a director whose loop does not come round any more. */
static void note_beat(const struct director *d)
{
    if (d->has_segment)
        atomic_store(&d->segment.daemon->director_beat_ns, clock_now_ns());
}

/* Often enough that a beat in time is never taken for a late one. A timer that is set anew begins
 * from the start, and reloads may follow each other faster than it ever runs: so it beats here. */
static void set_beat(struct director *d, int64_t stuck_ms)
{
    double every_s = (double)stuck_ms / 4000;
    d->beat.repeat = every_s < BEAT_MOST_S ? every_s : BEAT_MOST_S;
    ev_timer_again(d->loop, &d->beat);
    note_beat(d);
}

static void commit(struct director *d, uint64_t generation)
{
    if (d->prepared.model == NULL || d->prepared.generation != generation) {
        log_error("master commits generation %llu, which was not prepared",
                  (unsigned long long)generation);
        return;
    }
    struct agreed before = d->current;
    d->current = d->prepared;
    d->prepared = (struct agreed){0};
    log_set_level((enum log_level)d->current.model->global.log_level);
    set_beat(d, d->current.model->global.stuck_timeout_ms);
    resolver_settle(d->resolver, d->current.model);
    server_set_users(d->server, &d->current.model->admin);
    server_set_certificate(d->server, &d->current.model->admin.certificate);
    if (ticketing_use(&d->ticketing, &d->current.model->global) != 0)
        log_error("out of memory: tickets keep the keys that they have");
    if (renewal_apply(d->renewal, d->current.model) != 0)
        log_error("out of memory: not all lists and staples are renewed");
    asker_apply(d->asker, d->current.model);
    /* Before the rows of hosts that left are free for others. */
    bool has_checks = checks_apply(d->checks, d->current.model, &d->current.rows) == 0;
    store_wipe_keys(d->current.model->store);
    if (!has_checks) {
        log_error("cannot check the hosts: %s; starting anew", strerror(errno));
        d->prepared = before; /* to be freed after the checks, which still use it */
        d->is_done = true;
        ev_break(d->loop, EVBREAK_ALL);
        return;
    }
    say_of(d, MSG_COMMITTED, generation, NULL);
    if (before.model != NULL)
        say_of(d, MSG_RETIRED, before.generation, NULL);
    drop_agreed(&before);
}

/* comes_again: with other addresses, so that its names stay */
static void abort_prepare(struct director *d, uint64_t generation, bool comes_again)
{
    if (generation > d->aborted)
        d->aborted = generation;
    if (d->prepared.model == NULL || d->prepared.generation > generation)
        return;
    resolver_wait_no_more(d->resolver);
    drop_agreed(&d->prepared);
    if (!comes_again && d->current.model != NULL)
        resolver_settle(d->resolver, d->current.model);
}

/* ---- the tick ---- */

static void change_tickets(const struct director *d, uint64_t now_ns)
{
    if (d->has_segment && ticketing_look(&d->ticketing, &d->segment.daemon->tickets, now_ns,
                                         (uint64_t)clock_wall_ns()) != 0)
        log_error("the keys of tickets cannot be changed: %s", strerror(errno));
}

/* Whether a worker has died since; once a second, repeated lines. */
static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct director *d = timer->data;
    uint64_t now_ns = clock_now_ns();
    if (now_ns - d->flushed_ns >= CLOCK_NS_PER_S) {
        d->flushed_ns = now_ns;
        log_flush();
        change_tickets(d, now_ns);
        if (d->has_segment) {
            renewal_look(d->renewal, &d->segment.daemon->wishes);
            asker_look(d->asker);
        }
    }
    if (!d->has_segment)
        return;
    atomic_fetch_add(&d->segment.daemon->lines_lost, log_take_dropped());
    auditor_notice(&d->auditor);
    if (d->current.model != NULL && now_ns - d->counted_ns >= PORTS_EVERY_NS) {
        d->counted_ns = now_ns;
        ports_look(d->ports, d->current.model, &d->current.rows);
    }
}

static void on_beat(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    note_beat(timer->data);
}

/* ---- messages ---- */

static void open_doors(struct director *d, struct received *message, const struct hello *hello)
{
    int next = HELLO_FDS;
    for (uint32_t i = 0; i < hello->n_admin + (hello->has_control != 0); i++) {
        bool is_control = i == hello->n_admin;
        bool is_https = !is_control && (hello->tls_doors >> i & 1) != 0;
        int fd = channel_take_fd(message, &next);
        if (fd < 0 || server_open_door(d->server, fd,
                                       is_control ? DOOR_CONTROL
                                       : is_https ? DOOR_HTTPS
                                                  : DOOR_HTTP) != 0)
            log_error("cannot serve %s: %s",
                      is_control ? "the control socket" : "an [admin] listen address",
                      fd < 0 ? "master sent no socket" : strerror(errno));
    }
}

/* The first message. Returns 0, or -1 when this process cannot work. */
static int take_hello(struct director *d, struct received *message)
{
    struct hello hello;
    if (message->length != sizeof hello || message->n_fds < HELLO_FDS || d->has_segment) {
        log_error("master's greeting is none");
        return -1;
    }
    memcpy(&hello, message->payload, sizeof hello);
    int next = 0;
    int segment_fd = channel_take_fd(message, &next),
        log_write = channel_take_fd(message, &next);
    int log_read = channel_take_fd(message, &next),
        access_read = channel_take_fd(message, &next);
    /* The write end lives as long as the process: it is where its own lines go. */
    log_to_fd(log_write);
    log_set_level((enum log_level)hello.log_level);
    if (segment_attach(&d->segment, segment_fd) != 0) {
        say_failed(d, "cannot map the segment", errno);
        return -1;
    }
    if (logpair_start(&d->logs, log_read, access_read, &d->segment.daemon->lines_lost) != 0) {
        say_failed(d, "cannot start the writers of the logs", errno);
        return -1;
    }
    d->has_segment = true;
    d->checks = checks_new(d->loop, &d->segment, &d->bells);
    d->ports = ports_new(&d->segment, d->tasks);
    d->asker = asker_new(d->loop, &d->segment, &d->bells);
    d->inquiries = inquiries_new(d->loop, &d->segment, &d->bells, desk_take_inquiry, d);
    if (d->inquiries != NULL)
        d->profiler = profiler_new(d->loop, &d->segment, d->inquiries, desk_take_profile, d);
    if (d->checks == NULL || d->ports == NULL || d->asker == NULL || d->profiler == NULL) {
        log_error("cannot begin: %s", strerror(errno));
        return -1;
    }
    open_doors(d, message, &hello);
    return 0;
}

static void take_bells(struct director *d, struct received *message)
{
    uint32_t slots[FDPASS_MOST];
    size_t n = message->length / sizeof *slots;
    memcpy(slots, message->payload, (n < FDPASS_MOST ? n : FDPASS_MOST) * sizeof *slots);
    for (int next = 0; next < message->n_fds && (size_t)next < n;) {
        uint32_t whose = slots[next];
        int fd = channel_take_fd(message, &next);
        if (whose == BELL_OF_DIRECTOR)
            asker_hear(d->asker, fd);
        else
            bells_put(&d->bells, whose, fd);
    }
}

static void end_with(struct director *d, int exit_status)
{
    d->is_done = true;
    d->exit_status = exit_status;
    ev_break(d->loop, EVBREAK_ALL);
}

static void handle(struct director *d, struct received *message)
{
    const struct message *head = &message->head;
    if (head->kind != MSG_HELLO && head->kind != MSG_STOP && !d->has_segment) {
        log_error("master began without a greeting");
        end_with(d, EXIT_FAILURE);
        return;
    }
    switch (head->kind) {
    case MSG_HELLO:
        if (take_hello(d, message) != 0)
            end_with(d, EXIT_FAILURE);
        break;
    case MSG_PREPARE:
        if (!begin_prepare(d, message))
            say_of(d, MSG_REFUSED, head->generation, "out of memory");
        break;
    case MSG_COMMIT:
        commit(d, head->generation);
        break;
    case MSG_ABORT:
        abort_prepare(d, head->generation, head->flag != 0);
        break;
    case MSG_BELLS:
        take_bells(d, message);
        break;
    case MSG_LOGS:
        logpair_take(&d->logs, message);
        break;
    case MSG_DRAIN:
        d->is_draining = true;
        break;
    case MSG_RESULT:
        desk_take_result(d, message);
        break;
    case MSG_RELOADED:
        desk_take_reloaded(d, message);
        break;
    case MSG_STOP:
        end_with(d, EXIT_SUCCESS);
        break;
    default:
        log_error("master sent a message of unknown kind %u", head->kind);
    }
}

static void on_channel_ready(struct ev_loop *loop, struct ev_io *watch, int events)
{
    struct director *d = watch->data;
    if ((events & EV_WRITE) != 0) {
        (void)channel_flush(&d->channel);
        if (!channel_is_waiting(&d->channel)) {
            ev_io_stop(loop, watch);
            ev_io_set(watch, d->channel.fd, EV_READ);
            ev_io_start(loop, watch);
        }
    }
    int got = 1;
    while (got > 0 && !d->is_done) {
        got = channel_receive(&d->channel, &d->received);
        if (got > 0) {
            handle(d, &d->received);
            channel_close_fds(&d->received);
        }
    }
    if (got < 0) {
        log_warning("master is gone");
        end_with(d, EXIT_FAILURE);
    }
}

static void on_tasks_ready(struct ev_loop *loop, struct ev_io *watch, int events)
{
    (void)loop;
    (void)events;
    struct director *d = watch->data;
    task_collect(d->tasks);
}

/* ---- the process ---- */

static int init(struct director *d, int channel_fd)
{
    struct admin_actions actions;
    desk_actions(&actions, d);
    bells_init(&d->bells);
    channel_init(&d->channel, channel_fd);
    d->loop = poller_open(POLLER_AUTO);
    if (d->loop == NULL) {
        say_failed(d, "no event loop can be had", errno);
        return -1;
    }
    logpair_init(&d->logs, d->loop);
    d->tasks = task_threads_new(1);
    d->server = server_new(d->loop, &actions);
    d->resolver = resolver_new(d->loop, on_names_changed, d);
    d->renewal = renewal_new(d->loop, on_fetched, d);
    if (d->tasks == NULL || d->server == NULL || d->resolver == NULL || d->renewal == NULL) {
        say_failed(d, "cannot start", errno);
        return -1;
    }
    ev_io_init(&d->on_channel, on_channel_ready, channel_fd, EV_READ);
    ev_io_init(&d->on_tasks, on_tasks_ready, task_threads_fd(d->tasks), EV_READ);
    ev_timer_init(&d->tick, on_tick, TICK_S, TICK_S);
    auditor_init(&d->auditor, d->loop, &d->segment, &d->bells);
    ev_timer_init(&d->beat, on_beat, 0., BEAT_MOST_S);
    d->on_channel.data = d->on_tasks.data = d;
    d->tick.data = d->beat.data = d;
    ev_io_start(d->loop, &d->on_channel);
    ev_io_start(d->loop, &d->on_tasks);
    ev_timer_start(d->loop, &d->tick);
    ev_timer_start(d->loop, &d->beat);
    return 0;
}

/* The logs end last: what the rest says on its way out is still written. */
static void fini(struct director *d)
{
    server_free(d->server);
    if (d->tasks != NULL)
        task_threads_free(d->tasks);
    resolver_free(d->resolver);
    bool is_fetching = !renewal_free(d->renewal);
    is_fetching |= !asker_free(d->asker);
    checks_free(d->checks);
    ports_free(d->ports);
    profiler_free(d->profiler);
    inquiries_free(d->inquiries);
    drop_agreed(&d->prepared);
    drop_agreed(&d->current);
    desk_fini(d);
    auditor_fini(&d->auditor);
    bells_fini(&d->bells);
    log_flush();
    logpair_fini(&d->logs);
    if (d->has_segment)
        segment_fini(&d->segment);
    channel_fini(&d->channel);
    if (is_fetching)
        _exit(d->exit_status);
    if (d->loop != NULL)
        ev_loop_destroy(d->loop);
}

int director_main(int channel_fd)
{
    log_set_name("director");
    signal(SIGPIPE, SIG_IGN);
    struct director *d = calloc(1, sizeof *d);
    if (d == NULL) {
        log_error("out of memory");
        return EXIT_FAILURE;
    }
    d->exit_status = EXIT_FAILURE;
    if (init(d, channel_fd) == 0)
        ev_run(d->loop, 0);
    int exit_status = d->exit_status;
    fini(d);
    free(d);
    return exit_status;
}
