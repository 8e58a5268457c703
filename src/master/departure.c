/* SPDX-License-Identifier: MIT */
/* How addresses and workers leave without losing a connection. */
#include "master/departure.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/adoption.h"
#include "master/context.h"
#include "master/greeting.h"
#include "net/halfopen.h"

/*
 * The kernel resets what waits in the queue of a listening socket that is closed.
 *
 * An address: new connections are refused in silence (their SYNs are dropped) while workers go on
 * accepting what waits. When nothing has waited for as long as a lost packet of a handshake needs to
 * be sent again twice, they are told to DROP it; then it is closed, and refuses aloud. Where the
 * whole daemon ends, a moment is enough, but for ports at which the kernel knows of a half-open
 * handshake: so an idle daemon ends at once, and a client whose packet was lost is still served.
 *
 * A worker: new connections are steered to its siblings, one of which accepts what still comes
 * to its sockets. When nothing has come for as long as a lost packet of a handshake needs to be sent
 * again twice, they are closed. The worker itself ends with its last connection.
 */

enum {
    TICK_MS = 50,
    ADDRESS_QUIET_MS = 3000,
    ADDRESS_QUIET_AT_END_MS = 300,
    HALF_OPEN_MOST_MS = 3000, /* a handshake that takes longer is a client that is gone */
    ADDRESS_DROPPED_MS = 500, /* who has not dropped it by then is stuck */
    ADDRESS_MOST_MS = 60000,  /* nobody accepts what waits there */
    WORKER_QUIET_MS = 3000,
    WORKER_GIVEN_UP_MS = 200 /* time for the adopter to let go */
};

static bool is_past(uint64_t since_ns, uint64_t now_ns, uint64_t ms)
{
    return now_ns - since_ns >= ms * CLOCK_NS_PER_MS;
}

static struct listener *listener_at(struct list_node *node)
{
    return container_of(node, struct listener, node);
}

bool departure_is_given_up(const struct master *master, uint32_t slot)
{
    return master->departure.leavers[slot].is_given_up;
}

/* ---- addresses ---- */

/* One look at all that leaves. */
struct look {
    uint64_t now_ns;
    bool is_end;   /* the whole daemon ends */
    bool has_read; /* half_open is filled */
    struct halfopen half_open;
};

/* Where the kernel does not tell, nothing is half open. */
static bool is_half_open(struct look *look, const struct listener *listener)
{
    if (!look->is_end || is_past(listener->refused_ns, look->now_ns, HALF_OPEN_MOST_MS))
        return false;
    if (!look->has_read)
        (void)!halfopen_read(&look->half_open);
    look->has_read = true;
    return halfopen_has(&look->half_open, addr_port(&listener->address));
}

/* Nothing waits there any more: its workers are told at the end of this look. */
static void drop(struct listener *listener, uint64_t now_ns)
{
    listener->is_dropped = true;
    listener->dropped_ns = now_ns;
    listener->n_holders = 0;
}

/*
 * Tells who holds a socket of what was dropped in this look. All in one message: many addresses
 * may leave at once, and a message for each would flood a channel.
 */
static void tell_dropped(struct master *master, uint64_t now_ns)
{
    struct listener_batch batch = {0};
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
        struct child *child = &master->children.places[slot];
        batch.n = 0;
        if (!child_is_running(child))
            continue;
        if (listeners_collect_dropped(&master->listeners, slot, now_ns, &batch) != 0)
            log_error("out of memory: a worker is not told which addresses leave");
        greeting_drop(child, &batch);
    }
    listener_batch_fini(&batch);
    /* Adopters drop only their own; they get the set without these. */
    adoption_renew_all(master);
}

/* Notes what is still under way at the address. */
static void note_waiting(struct listener *listener, struct look *look)
{
    size_t waiting = listener_waiting(listener);
    if (waiting > 0 || is_half_open(look, listener))
        listener->busy_ns = look->now_ns;
    if (waiting != listener->n_waiting)
        listener->moved_ns = look->now_ns;
    listener->n_waiting = waiting;
}

/* One look at an address that leaves; true when it is gone. */
static bool attend_address(struct listener *listener, struct look *look)
{
    uint64_t now_ns = look->now_ns;
    uint64_t quiet_ms = look->is_end ? ADDRESS_QUIET_AT_END_MS : ADDRESS_QUIET_MS;
    if (!listener->is_refusing) {
        listener_refuse(listener);
        listener->busy_ns = listener->moved_ns = listener->refused_ns = now_ns;
    }
    if (!listener->is_dropped)
        note_waiting(listener, look);
    /* Its worker died and was replaced by one that does not know the address any more. */
    bool is_overdue =
        listener->n_waiting > 0 && is_past(listener->moved_ns, now_ns, ADDRESS_MOST_MS);
    if (!listener->is_dropped && is_overdue)
        log_warning("%zu connections waited at an address that left and were not accepted",
                    listener->n_waiting);
    if (!listener->is_dropped) {
        if (is_overdue || is_past(listener->busy_ns, now_ns, quiet_ms))
            drop(listener, now_ns);
        return false;
    }
    if (listener->n_holders > 0 && !is_past(listener->dropped_ns, now_ns, ADDRESS_DROPPED_MS))
        return false;
    char address[ADDR_TEXT_BYTES];
    log_debug("%s is closed", addr_print(address, &listener->address));
    listener_close(listener);
    return true;
}

static size_t attend_addresses(struct master *master, uint64_t now_ns)
{
    size_t n_left = 0;
    bool is_any_dropped = false;
    struct look look = {.now_ns = now_ns, .is_end = master->phase >= MASTER_DRAINING};
    LIST_FOREACH_SAFE(node, after, &master->listeners.all) {
        struct listener *listener = listener_at(node);
        if (listener->is_live || listener->is_wanted || attend_address(listener, &look))
            continue;
        n_left++;
        is_any_dropped |= listener->is_dropped && listener->dropped_ns == now_ns;
    }
    if (is_any_dropped)
        tell_dropped(master, now_ns);
    return n_left;
}

void departure_take_dropped(struct master *master, const struct received *message)
{
    for (size_t at = 0; at + sizeof(uint32_t) <= message->length; at += sizeof(uint32_t)) {
        uint32_t id;
        memcpy(&id, message->payload + at, sizeof id);
        LIST_FOREACH(node, &master->listeners.all) {
            struct listener *listener = listener_at(node);
            if (listener->id == id && listener->n_holders > 0)
                listener->n_holders--;
        }
    }
}

void departure_revive_wanted(struct master *master)
{
    LIST_FOREACH(node, &master->listeners.all) {
        struct listener *listener = listener_at(node);
        bool was_dropped = listener->is_dropped;
        if (!listener->is_wanted || !listener->is_refusing)
            continue;
        listener_revive(listener);
        for (uint32_t slot = 0; slot < SEGMENT_SLOTS && was_dropped; slot++) {
            struct child *child = &master->children.places[slot];
            struct listener_batch batch = {
                .ids = &listener->id, .fds = &listener->fds[slot], .n = 1};
            /* One that leaves was told to go, and would never be told to drop it again. */
            if (child_is_running(child) && !child->is_leaving && listener->fds[slot] >= 0 &&
                !listener->is_fresh[slot])
                greeting_lend(child, MSG_SOCKETS, 0, &batch);
        }
    }
}

/* ---- workers ---- */

static void begin_slot(struct master *master, struct child *child)
{
    char name[CHILD_NAME_BYTES];
    log_info("%s leaves", child_name(name, child));
    listeners_steer_around(&master->listeners, child->place);
    master->departure.leavers[child->place] = (struct leaver){.since_ns = clock_now_ns()};
    if (child_is_running(child)) {
        child->is_leaving = true;
        atomic_store(&master->segment.slots[child->place].state, SLOT_DRAINING);
    } else {
        child_remove(child, SIGKILL);
    }
}

static void tell_to_go(struct master *master, struct child *child)
{
    struct listener_batch batch = {0};
    if (listeners_collect(&master->listeners, child->place, &batch) != 0)
        log_error("out of memory: a worker that leaves goes on accepting");
    greeting_drop(child, &batch);
    listener_batch_fini(&batch);
    child_tell(child, MSG_DRAIN, 0, 0);
}

/* The worker closes its own sockets, which have somebody else now, and ends with its last connection. */
static void tell_once(struct master *master, struct child *child)
{
    struct leaver *leaver = &master->departure.leavers[child->place];
    if (!leaver->is_told && child_is_running(child))
        tell_to_go(master, child);
    leaver->is_told = true;
}

/* One look at a slot that leaves; true when its sockets are gone. */
static bool attend_slot(struct master *master, uint32_t slot, uint64_t now_ns)
{
    struct child *child = &master->children.places[slot];
    struct leaver *leaver = &master->departure.leavers[slot];
    /* Every address it had has left meanwhile: nobody need accept, and no adopter is ever found. */
    if (!listeners_has_slot(&master->listeners, slot)) {
        tell_once(master, child);
        master->listeners.is_going[slot] = false;
        return true;
    }
    bool is_busy = listeners_waiting_for(&master->listeners, slot) > 0;
    if (leaver->is_given_up) {
        if (is_busy) { /* something slipped in: back to the adopter */
            leaver->is_given_up = false;
            leaver->since_ns = now_ns;
        } else if (is_past(leaver->since_ns, now_ns, WORKER_GIVEN_UP_MS)) {
            listeners_close_slot(&master->listeners, slot);
            return true;
        }
        return false;
    }
    if (is_busy || child->adopter == CHILD_PLACES)
        leaver->since_ns = now_ns;
    if (child->adopter == CHILD_PLACES)
        return false;
    tell_once(master, child);
    if (is_past(leaver->since_ns, now_ns, WORKER_QUIET_MS)) {
        leaver->is_given_up = true;
        leaver->since_ns = now_ns;
    }
    return false;
}

static size_t attend_slots(struct master *master, uint64_t now_ns)
{
    size_t n_left = 0;
    adoption_review(master);
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        if (master->listeners.is_going[slot])
            n_left += !attend_slot(master, slot, now_ns);
    adoption_review(master);
    return n_left;
}

/* ---- both ---- */

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct master *master = timer->data;
    uint64_t now_ns = clock_now_ns();
    (void)revents;
    size_t n_left = attend_addresses(master, now_ns);
    n_left += attend_slots(master, now_ns);
    if (n_left == 0)
        ev_timer_stop(loop, timer);
}

void departure_init(struct master *master)
{
    ev_timer_init(&master->departure.tick, on_tick, TICK_MS / 1000., TICK_MS / 1000.);
    master->departure.tick.data = master;
}

void departure_begin(struct master *master)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
        struct child *child = &master->children.places[slot];
        if (child->state != CHILD_ABSENT && !child->is_leaving &&
            !rollout_has(&master->rollout, slot))
            begin_slot(master, child);
    }
    on_tick(master->loop, &master->departure.tick, 0);
    ev_timer_again(master->loop, &master->departure.tick);
}

void departure_resume(struct master *master)
{
    ev_timer_again(master->loop, &master->departure.tick);
}

void departure_of_all(struct master *master)
{
    LIST_FOREACH(node, &master->listeners.all) {
        listener_at(node)->is_live = false;
    }
    on_tick(master->loop, &master->departure.tick, 0);
    ev_timer_again(master->loop, &master->departure.tick);
}
