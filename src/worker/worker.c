/* SPDX-License-Identifier: MIT */
/* The worker process: loop, heartbeat, generations, draining. */
#include "worker/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/counter.h"
#include "base/task.h"
#include "net/poller.h"
#include "relay/past.h"
#include "relay/queue.h"
#include "relay/shake.h"
#include "relay/sweep.h"
#include "relay/tunnel.h"
#include "relay/warm.h"
#include "relay/watch.h"
#include "share/channel.h"
#include "worker/accept.h"
#include "worker/bellwatch.h"
#include "worker/budget.h"
#include "worker/preparing.h"

enum {
    SCRATCH_BYTES = 65536, /* most read in one call; also the most that can wait at a half */
    CONNS_A_SLAB = 64,
    BUFFERS_A_SLAB = 4,
    HEARTBEAT_MS = 100
};

/* Everything this process has. */
struct worker {
    struct relay relay;
    struct accepts accepts;
    struct segment segment;
    struct slot_row *row;
    struct channel channel;
    struct received received;
    struct task_threads *tasks;
    struct generation *current;  /* one reference */
    struct generation *prepared; /* agreed to, not committed; one reference */
    uint64_t aborted;            /* PREPARE of this and earlier generations is off */
    struct ev_io on_channel, on_tasks;
    struct bellwatch bellwatch;
    struct ev_check on_woken;
    struct ev_timer heartbeat, tick, drain_limit;
    uint64_t beat_ns; /* when the heartbeat timer ran last */
    uint64_t beat_every_ns;
    uint64_t woken_ns; /* the poll call of this turn returned */
    int access_fd, log_fd;
    uint32_t n_workers; /* as told at the start */
    bool is_draining, is_done;
    int exit_status;
};

/* ---- talking to master ---- */

static void say(struct worker *w, enum message_kind kind, uint64_t generation, const char *text)
{
    struct message message = {.kind = kind, .generation = generation};
    size_t length = text != NULL ? strnlen(text, CHANNEL_MOST_BYTES - sizeof message) : 0;

    if (channel_send(&w->channel, &message, text, length, NULL, 0) != 0)
        log_warning("cannot answer master: %s", strerror(errno));
}

/* Before it works: the reason is master's to log, with how it goes on. Keeps to one line. */
static void say_failed(struct worker *w, const char *what, int reason)
{
    char why[256];

    snprintf(why, sizeof why, "%s: %s", what, strerror(reason));
    say(w, MSG_FAILED, 0, why);
}

/* ---- generations ---- */

static void on_prepared(void *context, uint64_t id, struct generation *generation,
                        const char *why)
{
    struct worker *w = context;

    if (id <= w->aborted) {
        if (generation != NULL)
            generation_put(generation);
    } else if (generation != NULL) {
        if (w->prepared != NULL)
            generation_put(w->prepared);
        w->prepared = generation;
        say(w, MSG_READY, id, NULL);
    } else {
        say(w, MSG_REFUSED, id, why);
    }
}

/* The bundle, with the keys where there are some. */
static void begin_prepare(struct worker *w, struct received *message)
{
    uint64_t id = message->head.generation;
    bool has_keys = message->head.flag != 0;
    int next = 0;
    const struct generation_place place = {
        .segment = &w->segment, .slot = w->relay.slot, .random = &w->relay.random};

    if (message->n_fds != 1 + has_keys)
        return;
    if (has_keys) /* they are in this memory from now on: it goes to no core file, no debugger */
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    int bundle_fd = channel_take_fd(message, &next);
    int keys_fd = has_keys ? channel_take_fd(message, &next) : -1;
    if (preparing_begin(w->tasks, &place, bundle_fd, keys_fd, id, on_prepared, w) != 0)
        say(w, MSG_REFUSED, id, "out of memory");
}

static void on_generation_free(void *owner, uint64_t id)
{
    struct worker *w = owner;
    if (!w->is_done)
        say(w, MSG_RETIRED, id, NULL);
}

/* What a configuration sets in a worker besides its services. */
static void apply_global(struct worker *w, const struct model_global *global)
{
    uint64_t every_ms = (uint64_t)global->adopt_timeout_ms / 4;

    log_set_level((enum log_level)global->log_level);
    every_ms = every_ms > HEARTBEAT_MS ? HEARTBEAT_MS : every_ms == 0 ? 1 : every_ms;
    if (every_ms * CLOCK_NS_PER_MS == w->beat_every_ns)
        return; /* set anew it begins from the start: reloads in a row would put it off for ever */
    w->beat_every_ns = every_ms * CLOCK_NS_PER_MS;
    w->heartbeat.repeat = (double)every_ms / 1000;
    w->beat_ns = clock_now_ns();
    ev_timer_again(w->relay.loop, &w->heartbeat);
}

/* How many bells it may come to hold: one for each slot ever in use. */
static uint32_t most_bells(const struct worker *w)
{
    uint32_t n_slots = segment_used(&w->segment.daemon->slots_used, SEGMENT_SLOTS);
    return n_slots > w->n_workers ? n_slots : w->n_workers;
}

static void commit(struct worker *w, uint64_t id, uint64_t most_open)
{
    struct generation *before = w->current;

    if (w->prepared == NULL || w->prepared->id != id) {
        log_error("master commits generation %llu, which was not prepared",
                  (unsigned long long)id);
        return;
    }
    w->current = w->prepared;
    w->prepared = NULL;
    w->current->on_free = on_generation_free;
    w->current->owner = w;
    w->current->parked_count = &w->relay.n_parked;
    accepts_commit(&w->accepts, w->current);
    w->accepts.most_open = budget_connections(most_bells(w), most_open);
    accepts_make_room(&w->accepts);
    apply_global(w, &w->current->model->global);
    budget_pools(&w->relay, most_bells(w), w->accepts.most_open, w->current->model->n_listens);
    warm_start(&w->relay, w->current);
    shake_prepare(&w->relay, w->current);
    atomic_store(&w->row->generation, id);
    say(w, MSG_COMMITTED, id, NULL);
    if (before == NULL)
        return;
    warm_stop(&w->relay, before);
    past_add(&w->relay, before);
    generation_put(before);
}

static void abort_prepare(struct worker *w, uint64_t id)
{
    if (id > w->aborted)
        w->aborted = id;
    if (w->prepared != NULL && w->prepared->id <= id) {
        generation_put(w->prepared);
        w->prepared = NULL;
    }
}

/* ---- draining ---- */

static void stop_now(struct worker *w)
{
    accepts_abandon(&w->accepts);
    life_end_all(&w->relay, OUTCOME_SHUTDOWN);
    w->is_done = true;
}

static void on_drain_limit(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct worker *w = timer->data;

    (void)loop;
    (void)revents;
    log_info("drain_timeout is over: ending %llu connections",
             (unsigned long long)w->relay.n_open);
    stop_now(w);
}

static void drain(struct worker *w, uint64_t limit_ms)
{
    w->is_draining = true;
    ev_timer_stop(w->relay.loop, &w->drain_limit);
    if (limit_ms == 0)
        return;
    ev_timer_set(&w->drain_limit, (double)limit_ms / 1000, 0.);
    ev_timer_start(w->relay.loop, &w->drain_limit);
}

/* Without master nobody replaces us and nobody steers: serve what is open, then end. */
static void on_master_gone(struct worker *w)
{
    log_warning("master is gone: serving %llu open connections to their end",
                (unsigned long long)w->relay.n_open);
    ev_io_stop(w->relay.loop, &w->on_channel);
    accepts_abandon(&w->accepts);
    w->is_draining = true;
}

/*
 * What was said is lost, and with it we no longer know what master believes of us: descriptors cut
 * off for want of room, for one. A new worker in this slot gets everything anew.
 */
static void on_message_lost(struct worker *w, int error)
{
    log_error("cannot hear master (%s): ending, to be replaced", strerror(error));
    w->exit_status = EXIT_FAILURE;
    stop_now(w);
}

/* ---- messages ---- */

static void drop(struct worker *w, const struct received *message)
{
    uint32_t ids[FDPASS_MOST];
    size_t n = channel_read_numbers(message, ids);
    struct message answer = {.kind = MSG_DROPPED};

    accepts_drop(&w->accepts, ids, n);
    if (channel_send(&w->channel, &answer, ids, n * sizeof *ids, NULL, 0) != 0)
        log_warning("cannot answer master: %s", strerror(errno));
}

static void handle(struct worker *w, struct received *message)
{
    const struct message *head = &message->head;

    switch (head->kind) {
    case MSG_SOCKETS:
        accepts_take(&w->accepts, message, w->relay.slot);
        break;
    case MSG_ADOPT:
        accepts_take(&w->accepts, message, (uint32_t)head->number);
        if (w->current != NULL)
            accepts_commit(&w->accepts, w->current);
        break;
    case MSG_RELEASE:
        accepts_release(&w->accepts, (uint32_t)head->number);
        break;
    case MSG_DROP:
        drop(w, message);
        break;
    case MSG_BELLS:
        bellwatch_take(&w->bellwatch, message);
        break;
    case MSG_PREPARE:
        begin_prepare(w, message);
        break;
    case MSG_COMMIT:
        commit(w, head->generation, head->number);
        break;
    case MSG_ABORT:
        abort_prepare(w, head->generation);
        break;
    case MSG_DRAIN:
        drain(w, head->number);
        break;
    case MSG_STOP:
        stop_now(w);
        break;
    default:
        log_error("master sent a message of unknown kind %u", head->kind);
    }
    channel_close_fds(message);
}

static void on_channel_ready(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct worker *w = watch->data;
    int got = 1;

    (void)loop;
    profile_enter(&w->relay.profile, PROFILE_OTHER);
    if ((revents & EV_WRITE) != 0)
        channel_flush(&w->channel);
    while (got > 0 && !w->is_done) {
        got = channel_receive(&w->channel, &w->received);
        if (got > 0)
            handle(w, &w->received);
    }
    if (got < 0 && errno != 0)
        on_message_lost(w, errno);
    else if (got < 0)
        on_master_gone(w);
}

/* ---- the loop ---- */

static void on_tasks_ready(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct worker *w = watch->data;
    (void)loop, (void)revents;
    profile_enter(&w->relay.profile, PROFILE_OTHER);
    task_collect(w->tasks);
}

static void on_woken(struct ev_loop *loop, struct ev_check *check, int revents)
{
    struct worker *w = check->data;
    (void)loop, (void)revents;
    w->woken_ns = w->relay.now_ns = clock_now_ns();
    ration_renew(&w->relay.ration);
    /* Before what this turn brings: who looks for the next in a line must not take us for stuck. */
    atomic_store_explicit(&w->row->heartbeat_ns, w->woken_ns, memory_order_relaxed);
}

static void on_heartbeat(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct worker *w = timer->data;
    uint64_t due_ns = w->beat_ns + w->beat_every_ns;
    uint64_t now_ns = w->relay.now_ns;

    (void)loop;
    (void)revents;
    profile_enter(&w->relay.profile, PROFILE_OTHER);
    uint64_t lag_ns = now_ns > due_ns ? now_ns - due_ns : 0;
    slot_note_lag(w->row, lag_ns);
    atomic_store_explicit(&w->row->loop_lag_ns, lag_ns, memory_order_relaxed);
    counter_add(&w->row->dropped_lines, log_take_dropped());
    w->beat_ns = now_ns;
    if (sweep_is_due(&w->relay))
        life_look_again(&w->relay);
    past_look(&w->relay);
    log_flush();
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct worker *w = timer->data;
    (void)loop;
    (void)revents;
    profile_enter(&w->relay.profile, PROFILE_LIMITS);
    deadline_advance(&w->relay.wheel, w->relay.now_ns, life_look);
}

static void watch_channel(struct worker *w)
{
    int events = EV_READ | (channel_is_waiting(&w->channel) ? EV_WRITE : 0);

    if (!ev_is_active(&w->on_channel) ||
        (w->on_channel.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(w->relay.loop, &w->on_channel);
    ev_io_modify(&w->on_channel, events);
    ev_io_start(w->relay.loop, &w->on_channel);
}

/* The wheel turns only while something hangs on it: an idle worker wakes for its heartbeat alone. */
static void watch_wheel(struct worker *w)
{
    struct relay *relay = &w->relay;
    bool is_needed = relay->wheel.n_hung > 0;

    if (is_needed == (bool)ev_is_active(&w->tick))
        return;
    if (is_needed)
        ev_timer_again(relay->loop, &w->tick);
    else
        ev_timer_stop(relay->loop, &w->tick);
}

static void end_turn(struct worker *w)
{
    struct relay *relay = &w->relay;

    profile_enter(&relay->profile, PROFILE_CLOSING);
    life_bury(relay);
    profile_enter(&relay->profile, PROFILE_LOG);
    access_log_flush(&relay->access);
    profile_enter(&relay->profile, PROFILE_OTHER);
    warm_refill(relay);
    watch_channel(w);
    watch_wheel(w);
    if (w->is_draining && relay->n_open == 0 && accepts_is_empty(&w->accepts))
        w->is_done = true;

    uint64_t now_ns = clock_now_ns();
    atomic_store_explicit(&w->row->connections, relay->n_open, memory_order_relaxed);
    atomic_store_explicit(&w->row->heartbeat_ns, now_ns, memory_order_relaxed);
    counter_add(&w->row->busy_ns, now_ns - w->woken_ns);
    profile_enter(&relay->profile, PROFILE_LOOP);
}

static bool is_spinning(const struct worker *w)
{
    return w->current != NULL && w->current->model->global.spin_ns > 0 &&
           clock_now_ns() - w->relay.moved_ns < (uint64_t)w->current->model->global.spin_ns;
}

static void run(struct worker *w)
{
    while (!w->is_done) {
        w->woken_ns = clock_now_ns();
        bool has_unread = watch_call_unread(&w->relay);
        ev_run(w->relay.loop, has_unread || is_spinning(w) ? EVRUN_NOWAIT : EVRUN_ONCE);
        end_turn(w);
    }
}

/* ---- beginning and end ---- */

static void on_room(void *owner)
{
    struct worker *w = owner;
    accepts_make_room(&w->accepts);
}

static void on_bell(struct relay *relay)
{
    struct worker *w = relay->owner;
    life_look_again(relay);
    accepts_make_room(&w->accepts);
}

static int init_relay(struct worker *w, const struct hello *hello)
{
    struct relay *relay = &w->relay;

    relay->loop = poller_open(hello->poller);
    if (relay->loop == NULL) {
        say_failed(w, "poller: no event loop can be had", errno);
        return -1;
    }
    relay->scratch = malloc(SCRATCH_BYTES);
    relay->scratch_bytes = SCRATCH_BYTES;
    if (relay->scratch == NULL) {
        say_failed(w, "no buffer can be had", errno);
        return -1;
    }
    relay->segment = &w->segment;
    relay->slot = hello->slot;
    relay->now_ns = clock_now_ns();
    relay->on_end = on_room;
    relay->owner = w;
    relay->next_id = ((uint64_t)(hello->slot + 1) << LIVE_ID_SLOT_SHIFT) +
                     atomic_load(&w->row->accepted_total) + 1;
    pool_init(&relay->conns, sizeof(struct conn), CONNS_A_SLAB);
    pool_init(&relay->buffers, SCRATCH_BYTES, BUFFERS_A_SLAB);
    deadline_init(&relay->wheel, relay->now_ns);
    list_init(&relay->all);
    list_init(&relay->graves);
    queue_init(relay);
    list_init(&relay->unread);
    relay->on_shaken = life_shaken;
    relay->on_bell = on_bell;
    live_allot_init(&relay->live);
    relay->live.mark = &w->row->live_used;
    bellwatch_init(&w->bellwatch, relay);
    random_init(&relay->random, 0);
    relay->access.fd = w->access_fd;
    relay->access.daemon = w->segment.daemon;
    budget_share(relay, most_bells(w), hello->max_connections);
    accepts_init(&w->accepts, relay, hello->max_connections);
    return 0;
}

static void start_watchers(struct worker *w)
{
    struct ev_loop *loop = w->relay.loop;

    ev_io_init(&w->on_channel, on_channel_ready, w->channel.fd, EV_READ);
    ev_io_init(&w->on_tasks, on_tasks_ready, task_threads_fd(w->tasks), EV_READ);
    ev_check_init(&w->on_woken, on_woken);
    ev_set_priority(&w->on_woken, EV_MAXPRI);
    ev_timer_init(&w->heartbeat, on_heartbeat, 0., HEARTBEAT_MS / 1000.);
    ev_timer_init(&w->tick, on_tick, 0., DEADLINE_TICK_MS / 1000.);
    ev_timer_init(&w->drain_limit, on_drain_limit, 0., 0.);
    w->on_channel.data = w->on_tasks.data = w->on_woken.data = w;
    w->heartbeat.data = w->tick.data = w->drain_limit.data = w;
    w->beat_ns = clock_now_ns();
    w->beat_every_ns = HEARTBEAT_MS * CLOCK_NS_PER_MS;

    ev_io_start(loop, &w->on_channel);
    ev_io_start(loop, &w->on_tasks);
    ev_check_start(loop, &w->on_woken);
    ev_timer_again(loop, &w->heartbeat);
}

/* The first message: who we are, the segment, where lines go. */
static int take_hello(struct worker *w, struct hello *hello)
{
    struct received *message = &w->received;
    struct pollfd wait = {.fd = w->channel.fd, .events = POLLIN};
    char name[32];

    while (poll(&wait, 1, -1) < 0 && errno == EINTR)
        ;
    if (channel_receive(&w->channel, message) != 1)
        return -1;
    if (message->head.kind != MSG_HELLO || message->n_fds != 3 ||
        message->length < sizeof *hello) {
        channel_close_fds(message);
        return -1;
    }
    memcpy(hello, message->payload, sizeof *hello);
    w->log_fd = message->fds[1];
    w->access_fd = message->fds[2];
    snprintf(name, sizeof name, "worker %u", hello->slot);
    log_set_name(name);
    log_set_level((enum log_level)hello->log_level);
    log_to_fd(w->log_fd);
    if (segment_attach(&w->segment, message->fds[0]) != 0) {
        say_failed(w, "cannot map the shared segment", errno);
        return -1;
    }
    w->row = &w->segment.slots[hello->slot];
    w->n_workers = hello->n_workers;
    return 0;
}

static void fini(struct worker *w)
{
    struct relay *relay = &w->relay;

    shake_fini(relay);
    life_bury(relay);
    access_log_flush(&relay->access);
    access_log_fini(&relay->access);
    task_threads_free(w->tasks);
    accepts_fini(&w->accepts);
    if (w->prepared != NULL)
        generation_put(w->prepared);
    if (w->current != NULL) {
        warm_stop(relay, w->current);
        generation_put(w->current);
    }
    warm_fini(relay);
    atomic_store(&w->row->connections, 0);
    live_allot_fini(&relay->live);
    pool_fini(&relay->conns);
    pool_fini(&relay->buffers);
    splice_fini(&relay->pipes);
    bellwatch_fini(&w->bellwatch);
    free(relay->scratch);
    ev_loop_destroy(relay->loop);
    log_flush();
    channel_fini(&w->channel);
    segment_fini(&w->segment);
    close(w->access_fd);
    close(w->log_fd);
}

int worker_main(int channel_fd)
{
    struct worker *w = calloc(1, sizeof *w);
    struct hello hello;
    int status = EXIT_FAILURE;

    if (w == NULL)
        return status;
    signal(SIGPIPE, SIG_IGN);
    /* Ctrl-C reaches the whole foreground group; when to end is master's to say. */
    signal(SIGINT, SIG_IGN);
    channel_init(&w->channel, channel_fd);
    w->access_fd = w->log_fd = -1;
    if (take_hello(w, &hello) != 0)
        goto end;
    w->tasks = task_threads_new(1);
    if (w->tasks == NULL)
        say_failed(w, "cannot start a thread", errno);
    if (w->tasks == NULL || init_relay(w, &hello) != 0)
        goto end;
    start_watchers(w);
    run(w);
    status = w->exit_status;
    fini(w);
end:
    free(w);
    return status;
}
