/* SPDX-License-Identifier: MIT */
/* One coarse wheel for every time limit of a worker's connections. */
#include "relay/deadline.h"

#include "base/clock.h"

static const uint64_t tick_ns = DEADLINE_TICK_MS * CLOCK_NS_PER_MS;

void deadline_init(struct deadline_wheel *wheel, uint64_t now_ns)
{
    for (int i = 0; i < DEADLINE_SLOTS; i++)
        list_init(&wheel->slots[i]);
    wheel->tick = now_ns / tick_ns;
    wheel->n_hung = 0;
}

uint64_t deadline_after(uint64_t from_ns, int64_t limit_ms)
{
    return limit_ms <= 0 ? UINT64_MAX : from_ns + (uint64_t)limit_ms * CLOCK_NS_PER_MS;
}

void deadline_hang(struct deadline_wheel *wheel, struct deadline *deadline, uint64_t due_ns)
{
    uint64_t tick = due_ns / tick_ns + (due_ns % tick_ns != 0);
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    if (tick > wheel->tick + DEADLINE_SLOTS - 1)
        tick = wheel->tick + DEADLINE_SLOTS - 1;

    if (list_is_linked(&deadline->node)) {
        if (deadline->tick <= tick)
            return;
        list_remove(&deadline->node);
        wheel->n_hung--;
    }
    deadline->tick = tick;
    list_append(&wheel->slots[tick % DEADLINE_SLOTS], &deadline->node);
    wheel->n_hung++;
}

void deadline_drop(struct deadline_wheel *wheel, struct deadline *deadline)
{
    if (!list_is_linked(&deadline->node))
        return;
    list_remove(&deadline->node);
    wheel->n_hung--;
}

static void look_at_slot(struct deadline_wheel *wheel, uint64_t now_ns, deadline_look *look)
{
    struct list_node *slot = &wheel->slots[wheel->tick % DEADLINE_SLOTS];
    struct list_node round;

    /* Looking may end other connections that hang here too, so the slot is emptied one by one. */
    list_init(&round);
    while (!list_is_empty(slot)) {
        struct list_node *node = slot->next;
        list_remove(node);
        list_append(&round, node);
    }
    while (!list_is_empty(&round)) {
        struct deadline *deadline = container_of(round.next, struct deadline, node);
        deadline_drop(wheel, deadline);
        uint64_t due_ns = look(deadline, now_ns);
        if (due_ns != 0)
            deadline_hang(wheel, deadline, due_ns);
    }
}

void deadline_advance(struct deadline_wheel *wheel, uint64_t now_ns, deadline_look *look)
{
    uint64_t target = now_ns / tick_ns;

    if (target > wheel->tick + DEADLINE_SLOTS)
        wheel->tick = target - DEADLINE_SLOTS;
    while (wheel->tick < target) {
        wheel->tick++;
        look_at_slot(wheel, now_ns, look);
    }
}
