/* SPDX-License-Identifier: MIT */
/* Starts, watches and replaces the worker processes with the director. */
#include "master/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "share/settle.h"

enum {
    DELAY_FIRST_MS = 100,
    DELAY_MOST_MS = 10000,
    START_LIMIT_MS = 20000, /* a process that acts on nothing by then is replaced */
    KILL_AFTER_MS = 500,
    ALERT_EVERY_S = 10
};

bool child_is_worker(const struct child *child)
{
    return child->place != CHILD_DIRECTOR;
}

bool child_is_running(const struct child *child)
{
    return child->state == CHILD_STARTING || child->state == CHILD_UP;
}

const char *child_name(char out[CHILD_NAME_BYTES], const struct child *child)
{
    if (child_is_worker(child))
        snprintf(out, CHILD_NAME_BYTES, "worker %u", child->place);
    else
        snprintf(out, CHILD_NAME_BYTES, "director");
    return out;
}

uint32_t child_next_delay_ms(uint32_t delay_ms)
{
    if (delay_ms == 0)
        return DELAY_FIRST_MS;
    return delay_ms < DELAY_MOST_MS / 2 ? delay_ms * 2 : DELAY_MOST_MS;
}

void child_print_end(struct text *out, int status)
{
    if (!WIFSIGNALED(status)) {
        text_printf(out, "ended with status %d", WEXITSTATUS(status));
        return;
    }
    const char *name = sigabbrev_np(WTERMSIG(status));
    if (name != NULL)
        text_printf(out, "was killed by SIG%s", name);
    else
        text_printf(out, "was killed by signal %d", WTERMSIG(status));
    if (WCOREDUMP(status))
        text_add(out, " (core dumped)");
}

static struct slot_row *row_of(const struct child *child)
{
    return &child->children->segment->slots[child->place];
}

/* Shows in the segment who sits in the slot. */
static void show_start(const struct child *child)
{
    struct slot_row *row = row_of(child);
    segment_use_slot(child->children->segment, child->place);
    atomic_fetch_add(&row->incarnation, 1);
    atomic_store(&row->heartbeat_ns, clock_now_ns());
    atomic_store(&row->loop_lag_ns, 0);
    atomic_store(&row->generation, 0);
    atomic_store(&row->state, SLOT_STARTING);
    atomic_store(&row->pid, child->pid);
}

static void set_timer(struct child *child, uint32_t delay_ms)
{
    ev_timer_stop(child->children->loop, &child->timer);
    ev_timer_set(&child->timer, (double)delay_ms / 1000, 0.);
    ev_timer_start(child->children->loop, &child->timer);
}

/* Waits before the next try. One line each time; an error only now and then. */
static void wait_for_retry(struct child *child, const char *what)
{
    char name[CHILD_NAME_BYTES];
    uint64_t now_ns = clock_now_ns();
    child->delay_ms = child_next_delay_ms(child->delay_ms);
    child->state = CHILD_WAITING;
    set_timer(child, child->delay_ms);
    child_name(name, child);
    uint64_t *alert_ns = &child->children->alert_ns;
    if (*alert_ns == 0 || now_ns - *alert_ns >= ALERT_EVERY_S * CLOCK_NS_PER_S) {
        *alert_ns = now_ns;
        log_error("%s %s before it was ready; next try in %u ms", name, what, child->delay_ms);
    } else {
        log_warning("%s %s before it was ready; next try in %u ms", name, what,
                    child->delay_ms);
    }
}

/* ---- its channel ---- */

static void watch_channel(struct child *child)
{
    int events = EV_READ | (channel_is_waiting(&child->channel) ? EV_WRITE : 0);
    if (ev_is_active(&child->on_channel) &&
        (child->on_channel.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(child->children->loop, &child->on_channel);
    ev_io_set(&child->on_channel, child->channel.fd, events);
    ev_io_start(child->children->loop, &child->on_channel);
}

/* A child that closed its channel or sent nonsense will end, or is made to. */
static void on_channel_gone(struct child *child, int fault)
{
    char name[CHILD_NAME_BYTES];
    ev_io_stop(child->children->loop, &child->on_channel);
    if (fault == 0 || fault == ECONNRESET)
        return;
    log_warning("%s [%d]: channel: %s", child_name(name, child), (int)child->pid,
                strerror(fault));
    child_put_down(child);
}

/* A process that cannot work says why before it ends; what goes on from there is told upwards. */
static void take_message(struct child *child)
{
    struct children *children = child->children;
    const struct received *message = &children->received;
    if (message->head.kind != MSG_FAILED) {
        children->events->on_message(children->context, child, &children->received);
        return;
    }
    free(child->why);
    child->why = strndup((const char *)message->payload, message->length);
}

/* It has ended: of all that is still in its channel only its reason matters. */
static void take_last_words(struct child *child)
{
    struct received *message = &child->children->received;
    while (channel_receive(&child->channel, message) == 1) {
        if (message->head.kind == MSG_FAILED)
            take_message(child);
        channel_close_fds(message);
    }
}

static void on_channel_ready(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct child *child = watch->data;
    struct children *children = child->children;
    pid_t pid = child->pid;
    (void)loop;
    if ((revents & EV_WRITE) != 0 && channel_flush(&child->channel) != 0) {
        on_channel_gone(child, errno == EPIPE ? 0 : errno);
        return;
    }
    /* A message may end the child, or the daemon. */
    for (int i = 0; i < 64 && child->pid == pid && child_is_running(child); i++) {
        int got = channel_receive(&child->channel, &children->received);
        if (got < 0) {
            on_channel_gone(child, errno);
            return;
        }
        if (got == 0)
            break;
        take_message(child);
        channel_close_fds(&children->received);
    }
    if (child->pid == pid && ev_is_active(&child->on_channel))
        watch_channel(child);
}

void child_send(struct child *child, const struct message *message, const void *payload,
                size_t length, const int *fds, int n_fds)
{
    char name[CHILD_NAME_BYTES];
    if (!child_is_running(child) || !ev_is_active(&child->on_channel))
        return;
    if (channel_send(&child->channel, message, payload, length, fds, n_fds) == 0) {
        watch_channel(child);
        return;
    }
    if (errno != EPIPE && errno != ECONNRESET)
        log_warning("%s [%d] cannot be told anything: %s", child_name(name, child),
                    (int)child->pid, strerror(errno));
    child_put_down(child);
}

void child_tell(struct child *child, enum message_kind kind, uint64_t generation,
                uint64_t number)
{
    struct message message = {.kind = kind, .generation = generation, .number = number};
    child_send(child, &message, NULL, 0, NULL, 0);
}

void child_lend_bells(struct child *child, uint32_t first, uint32_t n)
{
    const struct message message = {.kind = MSG_BELLS};
    const struct bells *bells = &child->children->bells;
    uint32_t lent[FDPASS_MOST];
    int fds[FDPASS_MOST], n_fds = 0;
    for (uint32_t whose = first; whose < first + n; whose++) {
        if (bells->fds[whose] >= 0) {
            lent[n_fds] = whose;
            fds[n_fds++] = bells->fds[whose];
        }
        if (n_fds > 0 && (n_fds == FDPASS_MOST || whose + 1 == first + n)) {
            child_send(child, &message, lent, (size_t)n_fds * sizeof *lent, fds, n_fds);
            n_fds = 0;
        }
    }
}

/* ---- its beginning ---- */

/* Who has no bell finds out later what there is to see: at its next turn. */
static void make_bell(const struct child *child)
{
    struct children *children = child->children;
    char name[CHILD_NAME_BYTES];
    if (children->bells.fds[child->place] >= 0)
        return;
    if (bells_make(&children->bells, child->place) != 0) {
        log_warning("%s gets no bell: %s", child_name(name, child), strerror(errno));
        return;
    }
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        child_lend_bells(&children->places[place], child->place, 1);
}

static pid_t spawn(struct child *child, int channel_fd)
{
    /* "of PID": so that a later master can tell whose children they are, see orphans.c. */
    char worker[] = "gaidaros: worker", director[] = "gaidaros: director", of[] = "of";
    char slot[16], master[16];
    char *worker_argv[] = {worker, slot, of, master, NULL};
    char *director_argv[] = {director, of, master, NULL};
    snprintf(slot, sizeof slot, "%u", child->place);
    snprintf(master, sizeof master, "%d", (int)getpid());
    bool is_worker = child_is_worker(child);
    return spawn_start(child->children->spawn, is_worker ? worker_argv : director_argv,
                       channel_fd, is_worker);
}

void child_start(struct child *child)
{
    struct children *children = child->children;
    int ends[2];
    make_bell(child);
    if (fdpass_pair(ends) != 0) {
        wait_for_retry(child, strerror(errno));
        return;
    }
    child->pid = spawn(child, ends[1]);
    int fault = errno;
    close(ends[1]);
    if (child->pid < 0) {
        child->pid = 0;
        close(ends[0]);
        wait_for_retry(child, strerror(fault));
        return;
    }
    channel_init(&child->channel, ends[0]);
    child->state = CHILD_STARTING;
    child->started_ns = clock_now_ns();
    child->asked = child->prepared = child->committed = 0;
    if (child_is_worker(child))
        show_start(child);
    ev_child_set(&child->on_exit, child->pid, 0);
    ev_child_start(children->loop, &child->on_exit);
    watch_channel(child);
    set_timer(child, START_LIMIT_MS);
    char name[CHILD_NAME_BYTES];
    log_debug("%s [%d] starts", child_name(name, child), (int)child->pid);
    free(child->why);
    child->why = NULL;
    children->events->on_started(children->context, child);
}

static void start_again(struct child *child)
{
    if (child_is_worker(child))
        atomic_fetch_add(&row_of(child)->restarts, 1);
    else
        atomic_fetch_add(&child->children->segment->daemon->director_restarts, 1);
    child_start(child);
}

void child_is_up(struct child *child)
{
    child->state = CHILD_UP;
    child->delay_ms = 0;
    ev_timer_stop(child->children->loop, &child->timer);
    if (child_is_worker(child))
        atomic_store(&row_of(child)->state, SLOT_UP);
}

/* ---- its end ---- */

void child_put_down(struct child *child)
{
    if (!child_is_running(child) || child->is_put_down)
        return;
    kill(child->pid, SIGABRT);
    child->is_put_down = true;
    set_timer(child, KILL_AFTER_MS);
}

void child_remove(struct child *child, int signal)
{
    if (child_is_running(child)) {
        child->is_leaving = true;
        kill(child->pid, signal);
        return;
    }
    ev_timer_stop(child->children->loop, &child->timer);
    if (child->state == CHILD_WAITING && child_is_worker(child))
        atomic_store(&row_of(child)->state, SLOT_FREE);
    child->state = CHILD_ABSENT;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct child *child = timer->data;
    char name[CHILD_NAME_BYTES];
    (void)loop;
    (void)revents;
    if (child->state == CHILD_WAITING)
        start_again(child);
    else if (child->is_put_down)
        kill(child->pid, SIGKILL);
    else if (child_is_running(child)) {
        log_warning("%s [%d] is not ready after %d s", child_name(name, child), (int)child->pid,
                    START_LIMIT_MS / 1000);
        child_put_down(child);
    }
}

/* Lets go of what belonged to the process. */
static void clear_process(struct child *child)
{
    struct children *children = child->children;
    ev_io_stop(children->loop, &child->on_channel);
    ev_child_stop(children->loop, &child->on_exit);
    ev_timer_stop(children->loop, &child->timer);
    channel_fini(&child->channel);
    child->pid = 0;
    child->asked = child->prepared = child->committed = 0;
    child->is_put_down = false;
    if (!child_is_worker(child))
        return;
    atomic_store(&row_of(child)->pid, 0);
    atomic_store(&row_of(child)->state, SLOT_STARTING);
    settle_slot(children->segment, child->place);
    bells_ring_all(&children->bells); /* what it held has come free */
}

/* Replaces what died while it served; what died before that has to wait. */
static void replace(struct child *child, bool was_up, const char *how)
{
    struct children *children = child->children;
    char name[CHILD_NAME_BYTES];
    child->state = CHILD_WAITING;
    if (!was_up) {
        children->events->on_ended(children->context, child);
        if (child->state == CHILD_WAITING && !children->is_stopping)
            wait_for_retry(child, how);
        return;
    }
    (child->is_renewed ? log_info : log_warning)("%s %s: it is replaced",
                                                 child_name(name, child), how);
    child->is_renewed = false;
    children->events->on_ended(children->context, child);
    if (child->state == CHILD_WAITING && !children->is_stopping)
        start_again(child);
}

static void on_exit_of_child(struct ev_loop *loop, struct ev_child *watch, int revents)
{
    struct child *child = watch->data;
    struct children *children = child->children;
    char name[CHILD_NAME_BYTES];
    struct text how = {0};
    bool was_up = child->state == CHILD_UP;
    (void)loop;
    (void)revents;
    take_last_words(child);
    text_printf(&how, "[%d] ", (int)child->pid);
    child_print_end(&how, watch->rstatus);
    if (child->why != NULL)
        text_printf(&how, " (%s)", child->why);
    clear_process(child);
    const char *said = how.at != NULL ? how.at : "ended";
    if (!child->is_leaving && !children->is_stopping) {
        replace(child, was_up, said);
    } else {
        bool is_fine = WIFEXITED(watch->rstatus) && WEXITSTATUS(watch->rstatus) == 0;
        (is_fine ? log_debug : log_warning)("%s %s", child_name(name, child), said);
        child->state = CHILD_ABSENT;
        child->is_leaving = false;
        if (child_is_worker(child))
            atomic_store(&row_of(child)->state, SLOT_FREE);
        children->events->on_ended(children->context, child);
    }
    text_fini(&how);
}

/* ---- all of them ---- */

void children_init(struct children *children, struct ev_loop *loop, struct segment *segment,
                   const struct spawn *spawn_how)
{
    children->loop = loop;
    children->segment = segment;
    children->spawn = spawn_how;
    bells_init(&children->bells);
    for (uint32_t place = 0; place < CHILD_PLACES; place++) {
        struct child *child = &children->places[place];
        *child = (struct child){.children = children, .place = place, .adopter = CHILD_PLACES};
        ev_io_init(&child->on_channel, on_channel_ready, -1, EV_READ);
        ev_child_init(&child->on_exit, on_exit_of_child, 0, 0);
        ev_timer_init(&child->timer, on_timer, 0., 0.);
        child->on_channel.data = child->on_exit.data = child->timer.data = child;
    }
}

void children_fini(struct children *children)
{
    for (uint32_t place = 0; place < CHILD_PLACES; place++) {
        struct child *child = &children->places[place];
        if (child_is_running(child)) {
            ev_io_stop(children->loop, &child->on_channel);
            ev_child_stop(children->loop, &child->on_exit);
            channel_fini(&child->channel);
        }
        free(child->why);
        ev_timer_stop(children->loop, &child->timer);
    }
    bells_fini(&children->bells);
}

size_t children_running(const struct children *children, bool with_director)
{
    size_t n = 0;
    for (uint32_t place = 0; place < SEGMENT_SLOTS + (with_director ? 1u : 0u); place++)
        n += child_is_running(&children->places[place]);
    return n;
}
