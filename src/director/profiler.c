/* SPDX-License-Identifier: MIT */
/*
 * Has all workers note where their time goes, for some seconds, then gathers what they tell.
 *
 * Two rounds of questions with the time between them. A worker has the first one's incarnation and has
 * answered both: it has figures. Of every other one it is told why it has none.
 */
#include "director/profiler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <ev.h>

#include "base/text.h"

enum {
    ROUND_LIMIT_MS = 1000,
    GRACE_S = 10 /* more than both rounds may take: then a worker ends it by itself */
};

/* What became of a worker's first question. */
struct begun {
    bool is_asked, is_on;
    uint32_t incarnation;
    int32_t pid;
};

struct profiler {
    struct ev_loop *loop;
    const struct segment *segment;
    struct inquiries *inquiries;
    profiler_done *done;
    void *owner;
    bool is_busy;
    uint64_t ticket;
    uint32_t seconds;
    struct ev_timer timer; /* the time between the rounds */
    struct text workers;   /* rows so far; owned */
    struct begun begun[SEGMENT_SLOTS];
};

static void finish(struct profiler *profiler)
{
    struct text out = {0};
    text_printf(&out, "\"seconds\":%" PRIu32 ",\"workers\":[%s]", profiler->seconds,
                profiler->workers.at != NULL ? profiler->workers.at : "");
    bool is_fine = !out.failed && !profiler->workers.failed;
    text_fini(&profiler->workers);
    profiler->is_busy = false;
    profiler->done(profiler->owner, profiler->ticket, is_fine ? out.at : NULL);
    text_fini(&out);
}

/* ---- the second round ---- */

static void add_worker(struct profiler *profiler, uint32_t slot, int32_t pid)
{
    text_printf(&profiler->workers, "%s\n{\"id\":%" PRIu32 ",\"pid\":%" PRId32 ",",
                profiler->workers.length > 0 ? "," : "", slot, pid);
}

static void add_note(struct profiler *profiler, uint32_t slot, int32_t pid, const char *note)
{
    add_worker(profiler, slot, pid);
    text_printf(&profiler->workers, "\"note\":\"%s\"}", note);
}

static bool is_there_still(const struct profiler *profiler, uint32_t slot)
{
    const struct slot_row *row = &profiler->segment->slots[slot];
    return atomic_load(&row->pid) != 0 &&
           atomic_load(&row->incarnation) == profiler->begun[slot].incarnation;
}

static void on_told(void *owner, uint32_t slot, enum inquiry_end end, const char *text)
{
    struct profiler *profiler = owner;
    struct begun *begun = &profiler->begun[slot];
    if (!begun->is_asked || !is_there_still(profiler, slot))
        return; /* its row tells later what there is to tell */
    begun->is_asked = false;
    if (end == INQUIRY_DONE && begun->is_on) {
        add_worker(profiler, slot, begun->pid);
        text_printf(&profiler->workers, "%s}", text);
    } else {
        add_note(profiler, slot, begun->pid, "does not answer");
    }
}

static void on_all_told(void *owner, uint64_t ticket, enum inquiry_end end, const char *text)
{
    struct profiler *profiler = owner;
    (void)ticket;
    (void)end;
    (void)text;
    uint32_t n_slots = segment_used(&profiler->segment->daemon->slots_used, SEGMENT_SLOTS);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        const struct begun *begun = &profiler->begun[slot];
        int32_t pid = atomic_load(&profiler->segment->slots[slot].pid);
        if (begun->is_asked)
            add_note(profiler, slot, begun->pid, "ended meanwhile");
        if (pid != 0 && pid != begun->pid)
            add_note(profiler, slot, pid, "started meanwhile");
    }
    finish(profiler);
}

static void on_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct profiler *profiler = timer->data;
    const struct inquiry_round round = {.kind = SLATE_PROFILED,
                                        .limit_ms = ROUND_LIMIT_MS,
                                        .piece = on_told,
                                        .done = on_all_told,
                                        .owner = profiler};
    (void)loop;
    (void)events;
    if (inquiry_round(profiler->inquiries, &round) == 0)
        return;
    profiler->workers.failed = true;
    finish(profiler);
}

/* ---- the first round ---- */

static void on_begun(void *owner, uint32_t slot, enum inquiry_end end, const char *text)
{
    struct profiler *profiler = owner;
    (void)text;
    profiler->begun[slot].is_on = end == INQUIRY_DONE;
}

static void on_all_begun(void *owner, uint64_t ticket, enum inquiry_end end, const char *text)
{
    struct profiler *profiler = owner;
    (void)ticket;
    (void)end;
    (void)text;
    ev_timer_set(&profiler->timer, (double)profiler->seconds, 0.);
    ev_timer_start(profiler->loop, &profiler->timer);
}

static void note_who_is_there(struct profiler *profiler)
{
    uint32_t n_slots = segment_used(&profiler->segment->daemon->slots_used, SEGMENT_SLOTS);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        const struct slot_row *row = &profiler->segment->slots[slot];
        int32_t pid = atomic_load(&row->pid);
        profiler->begun[slot] = (struct begun){
            .is_asked = pid != 0, .incarnation = atomic_load(&row->incarnation), .pid = pid};
    }
}

int profiler_begin(struct profiler *profiler, uint64_t ticket, uint32_t seconds)
{
    if (profiler->is_busy) {
        errno = EBUSY;
        return -1;
    }
    const struct inquiry_round round = {.kind = SLATE_PROFILE,
                                        .id = seconds + GRACE_S,
                                        .limit_ms = ROUND_LIMIT_MS,
                                        .piece = on_begun,
                                        .done = on_all_begun,
                                        .owner = profiler};
    note_who_is_there(profiler);
    if (inquiry_round(profiler->inquiries, &round) != 0)
        return -1;
    profiler->is_busy = true;
    profiler->ticket = ticket;
    profiler->seconds = seconds;
    return 0;
}

struct profiler *profiler_new(struct ev_loop *loop, const struct segment *segment,
                              struct inquiries *inquiries, profiler_done *done, void *owner)
{
    struct profiler *profiler = calloc(1, sizeof *profiler);
    if (profiler == NULL)
        return NULL;
    profiler->loop = loop;
    profiler->segment = segment;
    profiler->inquiries = inquiries;
    profiler->done = done;
    profiler->owner = owner;
    ev_timer_init(&profiler->timer, on_time, 0., 0.);
    profiler->timer.data = profiler;
    return profiler;
}

void profiler_free(struct profiler *profiler)
{
    if (profiler == NULL)
        return;
    ev_timer_stop(profiler->loop, &profiler->timer);
    text_fini(&profiler->workers);
    free(profiler);
}
