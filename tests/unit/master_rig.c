/* SPDX-License-Identifier: MIT */
/* A master whose children are played by the test: it hears what each is told, and answers for it. */
#include "master_rig.h"

#include "master/turns.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "master/stop.h"

/* The network 127 has room for each test process; clients' own ports are taken at 127.0.0.1. */
void master_rig_print_listen(struct text *out, uint16_t port)
{
    unsigned int pid = (unsigned int)getpid();
    text_printf(out, "listen = 127.%u.%u.%u:%u\n", 1 + pid / 62500 % 250, pid / 250 % 250,
                1 + pid % 250, port);
}

static struct model *load(struct master_rig *rig, const char *text)
{
    struct problems problems = {0};
    free(rig->text);
    rig->text = strdup(text);
    rig->master->request = (struct conf_request){.text = rig->text};
    struct model *model = conf_load(&rig->master->request, &problems);
    if (model == NULL)
        fail_msg("%s", problems.errors.at);
    problems_fini(&problems);
    return model;
}

static void on_ignored(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop;
    (void)timer;
    (void)revents;
}

static void on_child(void *context, struct child *child)
{
    (void)context;
    (void)child;
}

static void on_message(void *context, struct child *child, struct received *message)
{
    (void)context;
    (void)child;
    (void)message;
}

static const struct child_events unheard = {on_child, on_message, on_child};

void master_rig_open(struct master_rig *rig, const char *text, uint32_t n_workers)
{
    *rig = (struct master_rig){.master = calloc(1, sizeof *rig->master)};
    struct master *master = rig->master;
    assert_non_null(master);
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        rig->ends[place].fd = -1;
    master->boot = load(rig, text);
    master->loop = ev_default_loop(EVFLAG_AUTO | EVFLAG_NOENV);
    master->ready_fd = master->notify.fd = master->control.fd = master->pidfile.fd = -1;
    /* What is started by a rollout is not played: it ends at once, and nobody looks. */
    master->spawn.binary_fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
    listeners_init(&master->listeners);
    assert_int_equal(line_pipes_open(&master->pipes), 0);
    assert_int_equal(segment_create(&master->segment, NULL), 0);
    master->rows = rows_new(&master->segment);
    master->supervisor = supervisor_new(&master->segment);
    assert_true(master->loop != NULL && master->rows != NULL && master->supervisor != NULL);
    children_init(&master->children, master->loop, &master->segment, &master->spawn);
    master->children.events = &unheard;
    master->children.context = master;
    rollout_init(master);
    departure_init(master);
    stop_init(master);
    ev_timer_init(&master->renew, on_ignored, 1., 1.);
    for (uint32_t slot = 0; slot < n_workers; slot++)
        master_rig_seat(rig, slot);
    master_rig_seat(rig, CHILD_DIRECTOR);
}

void master_rig_close(struct master_rig *rig)
{
    struct master *master = rig->master;
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        master_rig_leave(rig, place);
    rollout_fini(master);
    supervisor_free(master->supervisor);
    listeners_fini(&master->listeners);
    doors_fini(&master->doors);
    rows_free(master->rows);
    log_to_fd(STDERR_FILENO);
    line_pipes_close(&master->pipes, &master->sinks);
    sinks_close(&master->sinks);
    segment_fini(&master->segment);
    conf_free(master->boot);
    ev_loop_destroy(master->loop);
    close(master->spawn.binary_fd);
    free(rig->text);
    free(master);
}

void master_rig_seat(struct master_rig *rig, uint32_t place)
{
    struct child *child = &rig->master->children.places[place];
    int ends[2];
    assert_int_equal(child->state, CHILD_ABSENT);
    assert_int_equal(fdpass_pair(ends), 0);
    channel_init(&child->channel, ends[0]);
    channel_init(&rig->ends[place], ends[1]);
    child->pid = fork();
    if (child->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    child->state = CHILD_UP;
    if (child_is_worker(child))
        segment_use_slot(&rig->master->segment, place);
    ev_io_set(&child->on_channel, child->channel.fd, EV_READ);
    ev_io_start(rig->master->loop, &child->on_channel);
}

void master_rig_leave(struct master_rig *rig, uint32_t place)
{
    struct child *child = &rig->master->children.places[place];
    if (child->pid <= 0)
        return;
    ev_io_stop(rig->master->loop, &child->on_channel);
    ev_child_stop(rig->master->loop, &child->on_exit);
    ev_timer_stop(rig->master->loop, &child->timer);
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    channel_fini(&child->channel);
    if (rig->ends[place].fd >= 0)
        channel_fini(&rig->ends[place]);
    child->pid = 0;
    child->state = CHILD_ABSENT;
    child->is_leaving = child->is_put_down = false;
    child->asked = child->prepared = child->committed = 0;
    editions_forget(rig->master, child);
}

void master_rig_ask(struct master_rig *rig, const char *text)
{
    if (text != NULL)
        conf_free(load(rig, text));
    turns_request(rig->master, text != NULL ? ASKER_SIGNAL : ASKER_START, 0, 0);
}

void master_rig_say(struct master_rig *rig, uint32_t place, enum message_kind kind,
                    uint64_t generation, const char *text)
{
    static struct received message;
    message.head = (struct message){.kind = kind, .generation = generation};
    message.length = text != NULL ? strlen(text) : 0;
    memcpy(message.bytes, text != NULL ? text : "", message.length);
    message.payload = message.bytes;
    rollout_take(rig->master, &rig->master->children.places[place], &message);
}

/* A child that is played, and not one that a rollout has started. */
static bool is_played(const struct master_rig *rig, uint32_t place)
{
    return rig->ends[place].fd >= 0;
}

void master_rig_agree(struct master_rig *rig)
{
    static const enum message_kind words[] = {MSG_READY, MSG_COMMITTED};
    const struct rollout *rollout = &rig->master->rollout;
    assert_non_null(rollout->next);
    uint64_t generation = rollout->next->generation;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (uint32_t place = 0; place < CHILD_PLACES; place++)
            if (is_played(rig, place) && rollout_has(rollout, place))
                master_rig_say(rig, place, words[i], generation, NULL);
    assert_int_equal(rollout->stage, ROLLOUT_IDLE);
    assert_int_equal(rollout->current->generation, generation);
}

bool master_rig_hear(struct master_rig *rig, uint32_t place)
{
    if (!is_played(rig, place))
        return false;
    channel_flush(&rig->master->children.places[place].channel);
    if (channel_receive(&rig->ends[place], &rig->received) != 1)
        return false;
    channel_close_fds(&rig->received);
    return true;
}

size_t master_rig_count(struct master_rig *rig, uint32_t place, enum message_kind kind)
{
    size_t n = 0;
    while (master_rig_hear(rig, place))
        n += rig->received.head.kind == kind;
    return n;
}

void master_rig_forget(struct master_rig *rig)
{
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        while (master_rig_hear(rig, place))
            ;
}

void master_rig_tick(struct master_rig *rig)
{
    ev_invoke(rig->master->loop, &rig->master->departure.tick, EV_TIMER);
}
