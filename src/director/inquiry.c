/* SPDX-License-Identifier: MIT */
/*
 * Questions to workers about their connections, each answered on the slates of the segment.
 *
 * A slate holds one question: others wait for theirs. Answers are looked for each 5 ms while there is a question:
 * an admin's question is rare, and a worker answers it in its next turn.
 */
#include "director/inquiry.h"

#include <errno.h>
#include <stdlib.h>

#include <ev.h>

#include "base/clock.h"
#include "base/list.h"

#define LOOK_EVERY_S 0.005
#define ONE_LIMIT_NS (2 * CLOCK_NS_PER_S)
#define ALL_LIMIT_NS (CLOCK_NS_PER_S / 2)

enum slot_step { STEP_NONE, STEP_WAITS, STEP_ASKED };

struct inquiry {
    struct list_node node;
    uint64_t ticket, number, id, limit_ns;
    enum slate_kind kind;
    bool is_of_all;
    inquiry_piece *piece; /* NULL: nobody wants to see each answer */
    inquiry_done *done;
    void *owner;   /* of these two */
    size_t n_left; /* slots that have not answered */
    uint8_t steps[SEGMENT_SLOTS];
    uint32_t incarnations[SEGMENT_SLOTS];
};

struct inquiries {
    struct ev_loop *loop;
    const struct segment *segment;
    const struct bells *bells;
    inquiry_done *done;
    void *owner;
    struct list_node open; /* oldest first */
    uint64_t last_number;
    uint64_t asked[SEGMENT_SLOTS]; /* whose question stands on the slate; 0 = nobody's */
    struct ev_timer timer;
};

static bool is_there(const struct inquiries *inquiries, const struct inquiry *inquiry,
                     uint32_t slot)
{
    const struct slot_row *row = &inquiries->segment->slots[slot];
    return atomic_load(&row->pid) != 0 &&
           atomic_load(&row->incarnation) == inquiry->incarnations[slot];
}

static void finish(struct inquiries *inquiries, struct inquiry *inquiry, enum inquiry_end end,
                   const char *text)
{
    list_remove(&inquiry->node);
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        if (inquiries->asked[slot] == inquiry->number) {
            slate_withdraw(inquiries->segment, slot, inquiry->number);
            inquiries->asked[slot] = 0;
        }
    inquiry->done(inquiry->owner, inquiry->ticket, end, text);
    free(inquiry);
}

static void hand_on(const struct inquiry *inquiry, uint32_t slot, enum inquiry_end end,
                    const char *text)
{
    if (inquiry->piece != NULL)
        inquiry->piece(inquiry->owner, slot, end, text);
}

/* What has become of the question in one slot. True when the whole inquiry has ended by it. */
static bool step(struct inquiries *inquiries, struct inquiry *inquiry, uint32_t slot)
{
    const struct segment *segment = inquiries->segment;
    char text[SLATE_TEXT_BYTES] = "";
    enum slate_verdict verdict = SLATE_NO_SUCH;
    if (inquiry->steps[slot] == STEP_WAITS && inquiries->asked[slot] == 0) {
        inquiries->asked[slot] = inquiry->number;
        inquiry->steps[slot] = STEP_ASKED;
        slate_ask(segment, slot, inquiry->number, inquiry->kind, inquiry->id);
        bells_ring(inquiries->bells, slot);
        return false;
    }
    bool is_gone = !is_there(inquiries, inquiry, slot);
    bool is_answered = inquiry->steps[slot] == STEP_ASKED &&
                       slate_take(segment, slot, inquiry->number, &verdict, text);
    if (!is_gone && !is_answered)
        return false;
    inquiry->steps[slot] = STEP_NONE;
    inquiry->n_left--;
    if (inquiries->asked[slot] == inquiry->number) {
        /* Who comes in a dead one's place was not asked. */
        slate_withdraw(segment, slot, inquiry->number);
        inquiries->asked[slot] = 0;
    }
    bool is_done = is_answered && verdict == SLATE_DONE;
    hand_on(inquiry, slot, is_done ? INQUIRY_DONE : INQUIRY_NO_SUCH, text);
    if (inquiry->n_left > 0)
        return false;
    is_done |= inquiry->is_of_all;
    finish(inquiries, inquiry, is_done ? INQUIRY_DONE : INQUIRY_NO_SUCH, text);
    return true;
}

static void look(struct inquiries *inquiries, struct inquiry *inquiry)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        if (inquiry->steps[slot] != STEP_NONE && step(inquiries, inquiry, slot))
            return;
    if (clock_now_ns() < inquiry->limit_ns)
        return;
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        if (inquiry->steps[slot] != STEP_NONE)
            hand_on(inquiry, slot, INQUIRY_SILENT, "");
    finish(inquiries, inquiry, inquiry->is_of_all ? INQUIRY_DONE : INQUIRY_SILENT, "");
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct inquiries *inquiries = timer->data;
    (void)events;
    LIST_FOREACH_SAFE(node, after, &inquiries->open)
        look(inquiries, container_of(node, struct inquiry, node));
    if (list_is_empty(&inquiries->open))
        ev_timer_stop(loop, timer);
}

struct inquiries *inquiries_new(struct ev_loop *loop, const struct segment *segment,
                                const struct bells *bells, inquiry_done *done, void *owner)
{
    struct inquiries *inquiries = calloc(1, sizeof *inquiries);
    if (inquiries == NULL)
        return NULL;
    inquiries->loop = loop;
    inquiries->segment = segment;
    inquiries->bells = bells;
    inquiries->done = done;
    inquiries->owner = owner;
    /* Above what a director before this one has used. */
    inquiries->last_number = clock_now_ns();
    list_init(&inquiries->open);
    ev_timer_init(&inquiries->timer, on_look, LOOK_EVERY_S, LOOK_EVERY_S);
    inquiries->timer.data = inquiries;
    return inquiries;
}

void inquiries_free(struct inquiries *inquiries)
{
    if (inquiries == NULL)
        return;
    ev_timer_stop(inquiries->loop, &inquiries->timer);
    LIST_FOREACH_SAFE(node, after, &inquiries->open)
        free(container_of(node, struct inquiry, node));
    free(inquiries);
}

static struct inquiry *add(struct inquiries *inquiries, uint64_t ticket, enum slate_kind kind,
                           uint64_t limit_ns)
{
    struct inquiry *inquiry = calloc(1, sizeof *inquiry);
    if (inquiry == NULL)
        return NULL;
    inquiry->ticket = ticket;
    inquiry->kind = kind;
    inquiry->done = inquiries->done;
    inquiry->owner = inquiries->owner;
    inquiry->number = ++inquiries->last_number;
    inquiry->limit_ns = clock_now_ns() + limit_ns;
    list_append(&inquiries->open, &inquiry->node);
    if (!ev_is_active(&inquiries->timer))
        ev_timer_again(inquiries->loop, &inquiries->timer);
    return inquiry;
}

static void want(struct inquiries *inquiries, struct inquiry *inquiry, uint32_t slot)
{
    inquiry->steps[slot] = STEP_WAITS;
    inquiry->incarnations[slot] = atomic_load(&inquiries->segment->slots[slot].incarnation);
    inquiry->n_left++;
}

/* The slot whose live table has the id; SEGMENT_SLOTS = none. */
static uint32_t find_slot(const struct segment *segment, uint64_t id)
{
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);
    uint64_t slot = (id >> LIVE_ID_SLOT_SHIFT) - 1; /* of an id that is none: too high */
    if (slot >= n_slots)
        return SEGMENT_SLOTS;
    uint32_t n = segment_used(&segment->slots[slot].live_used, SEGMENT_LIVE);
    for (uint32_t i = 0; i < n; i++)
        if (atomic_load_explicit(&live_row(segment, (uint32_t)slot, i)->id,
                                 memory_order_relaxed) == id)
            return (uint32_t)slot;
    return SEGMENT_SLOTS;
}

int inquiry_about(struct inquiries *inquiries, uint64_t ticket, enum slate_kind kind,
                  uint64_t id)
{
    uint32_t slot = id != 0 ? find_slot(inquiries->segment, id) : SEGMENT_SLOTS;
    if (slot == SEGMENT_SLOTS) {
        errno = ENOENT;
        return -1;
    }
    struct inquiry *inquiry = add(inquiries, ticket, kind, ONE_LIMIT_NS);
    if (inquiry == NULL)
        return -1;
    inquiry->id = id;
    want(inquiries, inquiry, slot);
    return 0;
}

static void want_all(struct inquiries *inquiries, struct inquiry *inquiry)
{
    const struct segment *segment = inquiries->segment;
    inquiry->is_of_all = true;
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);
    for (uint32_t slot = 0; slot < n_slots; slot++)
        if (atomic_load(&segment->slots[slot].pid) != 0)
            want(inquiries, inquiry, slot);
    /* With nobody to ask the limit ends it. */
    if (inquiry->n_left == 0)
        inquiry->limit_ns = 0;
}

int inquiry_of_all(struct inquiries *inquiries, uint64_t ticket)
{
    struct inquiry *inquiry = add(inquiries, ticket, SLATE_TRAFFIC, ALL_LIMIT_NS);
    if (inquiry == NULL)
        return -1;
    want_all(inquiries, inquiry);
    return 0;
}

int inquiry_round(struct inquiries *inquiries, const struct inquiry_round *round)
{
    struct inquiry *inquiry = add(inquiries, 0, round->kind, round->limit_ms * CLOCK_NS_PER_MS);
    if (inquiry == NULL)
        return -1;
    inquiry->id = round->id;
    inquiry->piece = round->piece;
    inquiry->done = round->done;
    inquiry->owner = round->owner;
    want_all(inquiries, inquiry);
    return 0;
}
