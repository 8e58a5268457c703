/* SPDX-License-Identifier: MIT */
/*
 * One host's turns: when it is probed next, and what each result does to its row.
 *
 * A timer sends the host's errand; the verdict is counted in the row (verdict.c), which may change the
 * health, and decides when the next turn is (pace.c). due_ns moves on once for each turn, by the result
 * of its errand or, where that is still out, without one.
 */
#include "director/turn.h"

#include <stdlib.h>

#include "base/clock.h"
#include "conf/hostname.h"
#include "director/pace.h"
#include "director/verdict.h"

/* ---- when ---- */

static void set_timer(struct turn *turn, uint64_t now_ns)
{
    uint64_t wait_ns = turn->due_ns > now_ns ? turn->due_ns - now_ns : 0;
    struct ev_loop *loop = turn->place->loop;
    ev_timer_stop(loop, &turn->next);
    ev_timer_set(&turn->next, (double)wait_ns / (double)CLOCK_NS_PER_S, 0.);
    ev_timer_start(loop, &turn->next);
    atomic_store(&turn->row->next_check_ns, turn->due_ns);
}

/* The next turn, after so many intervals. */
static void move_on(struct turn *turn, uint32_t stretch, uint64_t now_ns)
{
    turn->due_ns = pace_next(turn->due_ns, stretch * turn->plan->interval_ns, now_ns);
    turn->is_due = false;
    set_timer(turn, now_ns);
}

static void send_errand(struct turn *turn)
{
    const struct model_host *host = turn->host;
    const struct model_group *group = turn->plan->group;
    bool has_own = host->check_address.any.sa_family != AF_UNSPEC;
    bool is_of_tls =
        group->check.kind == CHECK_TLS; /* else it is spoken as clients' connections are */
    char address[ADDR_TEXT_BYTES];
    const struct probe_task task = {
        .address = has_own ? &host->check_address : &host->address,
        .check = &group->check,
        .trust = has_own && !is_of_tls ? NULL : turn->plan->trust,
        .name = group->tls_name,
        .tls_name = is_of_tls ? group->tls_name : model_tls_name(group, host, address),
        /* Another port than that of the service may expect none. */
        .send_proxy = has_own ? SEND_PROXY_NO : group->send_proxy,
    };
    prober_send(&turn->place->prober, &turn->errand, &task, group->check_timeout_ms);
}

static void on_next(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct turn *turn = timer->data;
    if (turn->errand.is_out) { /* check_timeout is longer than check_interval */
        move_on(turn, 1, clock_now_ns());
        return;
    }
    turn->is_due = true;
    send_errand(turn);
}

/* ---- results ---- */

static void change_health(struct turn *turn, enum host_health health, const char *reason)
{
    const struct turn_place *place = turn->place;
    host_set_health(place->segment, turn->number, health, reason);
    bells_ring_all(place->bells);
    alert_look(&turn->plan->alert, place->segment, clock_now_ns());
}

/* Says so in the log and in the row; without a change the reason alone is kept, as the last fault. */
static void set_health(struct turn *turn, enum host_health health, const char *reason)
{
    if (atomic_load(&turn->row->health) == health) {
        if (reason != NULL)
            host_set_health(turn->place->segment, turn->number, health, reason);
        return;
    }
    const char *group = turn->plan->group->name, *host = turn->host->name;
    if (health == HEALTH_DOWN)
        log_warning("host %s/%s is down: %s", group, host, reason);
    else
        log_info("host %s/%s is up", group, host);
    change_health(turn, health, reason);
}

static uint64_t connections_of(const struct turn *turn)
{
    const struct segment *segment = turn->place->segment;
    uint32_t n_slots = atomic_load(&segment->daemon->slots_used);
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < n_slots; slot++)
        sum += atomic_load_explicit(&host_shard(segment, slot, turn->number)->connections_total,
                                    memory_order_relaxed);
    return sum;
}

/* What clients have seen since this was asked last. */
static struct verdict_clients ask_clients(struct turn *turn)
{
    uint64_t connections = connections_of(turn), faults = atomic_load(&turn->row->faults);
    const struct verdict_clients clients = {
        .has_success = connections != turn->connections_seen,
        .has_fault = faults != turn->faults_seen,
    };
    turn->connections_seen = connections;
    turn->faults_seen = faults;
    return clients;
}

static void note(struct turn *turn, bool is_good)
{
    const struct model_group *group = turn->plan->group;
    const struct verdict_rules rules = {.rise = turn->is_wished ? 1 : (uint32_t)group->rise,
                                        .fall = (uint32_t)group->fall};
    enum host_health health = verdict_note(turn->row, &rules, is_good);
    set_health(turn, health, is_good ? NULL : turn->errand.probe.reason);
    turn->is_wished = turn->is_wished && !is_good;
}

static void tell_shortage(struct turn *turn, uint64_t now_ns)
{
    uint64_t suppressed;
    if (log_limit_pass(&turn->place->shortages, now_ns, &suppressed))
        log_warning("cannot check host %s/%s, which does not count: %s (%llu more like it)",
                    turn->plan->group->name, turn->host->name, turn->errand.probe.reason,
                    (unsigned long long)suppressed);
}

static void on_done(struct errand *errand, enum probe_verdict verdict, uint64_t took_ns)
{
    struct turn *turn = container_of(errand, struct turn, errand);
    uint64_t now_ns = clock_now_ns();
    uint32_t stretch = 1;
    if (verdict == PROBE_SHORTAGE) {
        tell_shortage(turn, now_ns);
    } else {
        atomic_store(&turn->row->check_took_ns, took_ns);
        note(turn, verdict == PROBE_GOOD);
        const struct verdict_clients clients = ask_clients(turn);
        stretch = verdict_stretch(turn->row, &clients);
    }
    if (turn->is_due)
        move_on(turn, stretch, now_ns);
}

/* ---- what others do ---- */

static void look_for_wish(struct turn *turn)
{
    uint32_t wish = atomic_load_explicit(&turn->row->retry_wish, memory_order_relaxed);
    if (wish == turn->wish_seen)
        return;
    turn->wish_seen = wish;
    host_pardon(turn->place->segment, turn->number);
    if (!turn->is_checked)
        return;
    turn->is_wished = true;
    if (!turn->errand.is_out)
        send_errand(turn); /* between two turns: moves none */
}

/* A client's fault ends the stretching at once: the next turn is within one plain interval. */
static void look_for_fault(struct turn *turn, uint64_t now_ns)
{
    struct host_row *row = turn->row;
    if (atomic_load_explicit(&row->check_stretch, memory_order_relaxed) <= 1 ||
        atomic_load_explicit(&row->faults, memory_order_relaxed) == turn->faults_seen)
        return;
    atomic_store(&row->check_stretch, 1);
    if (turn->due_ns <= now_ns + turn->plan->interval_ns)
        return;
    turn->due_ns = pace_soonest(turn->due_ns, turn->plan->interval_ns, now_ns);
    set_timer(turn, now_ns);
}

void turn_look(struct turn *turn, uint64_t now_ns)
{
    look_for_wish(turn);
    look_for_fault(turn, now_ns);
}

/* ---- coming and going ---- */

void turn_place_init(struct turn_place *place, struct ev_loop *loop,
                     const struct segment *segment, const struct bells *bells)
{
    *place = (struct turn_place){.loop = loop, .segment = segment, .bells = bells};
    prober_init(&place->prober, loop, on_done, 0);
}

struct turn *turn_new(struct turn_place *place, uint32_t number)
{
    struct turn *turn = calloc(1, sizeof *turn);
    if (turn == NULL)
        return NULL;
    struct host_row *row = &place->segment->hosts[number];
    turn->place = place;
    turn->number = number;
    turn->row = row;
    turn->incarnation = atomic_load(&row->incarnation);
    turn->wish_seen = atomic_load(&row->retry_wish);
    turn->faults_seen = atomic_load(&row->faults);
    turn->connections_seen = connections_of(turn);
    ev_timer_init(&turn->next, on_next, 0., 0.);
    turn->next.data = turn;
    return turn;
}

void turn_free(struct turn *turn)
{
    if (turn == NULL)
        return;
    prober_cancel(&turn->errand);
    ev_timer_stop(turn->place->loop, &turn->next);
    free(turn);
}

struct turn_before turn_halt(struct turn *turn)
{
    const struct turn_before before = {
        .is_checked = turn->is_checked,
        .was_out = turn->errand.is_out,
        .interval_ns = turn->plan != NULL ? turn->plan->interval_ns : 0,
    };
    prober_cancel(&turn->errand);
    return before;
}

bool turn_is_checked(const struct plan *plan, const struct model_host *host)
{
    return plan->group->check.kind != CHECK_NONE && !plan->is_broken &&
           host->address.any.sa_family != AF_UNSPEC;
}

/* When a host that is newly checked, or at another interval, has its first turn. */
static uint64_t first_due(const struct turn *turn, size_t position, size_t n, uint64_t now_ns)
{
    uint64_t interval_ns = turn->plan->interval_ns;
    uint64_t planned_ns = atomic_load(&turn->row->next_check_ns);
    /* By this director before, or by one that is no more. */
    if (planned_ns != 0)
        return pace_soonest(planned_ns, interval_ns, now_ns);
    return pace_first(now_ns, interval_ns, position, n);
}

void turn_start(struct turn *turn, const struct turn_before *before, size_t position,
                size_t n_checked)
{
    uint64_t now_ns = clock_now_ns();
    turn->is_checked = true;
    if (atomic_load(&turn->row->health) == HEALTH_UNRESOLVED)
        set_health(turn, HEALTH_UP, NULL);
    if (atomic_load(&turn->row->check_stretch) == 0)
        atomic_store(&turn->row->check_stretch, 1);
    if (!before->is_checked || before->interval_ns != turn->plan->interval_ns)
        turn->due_ns = first_due(turn, position, n_checked, now_ns);
    else if (before->was_out && turn->is_due)
        turn->due_ns = pace_next(turn->due_ns, turn->plan->interval_ns, now_ns);
    turn->is_due = false;
    set_timer(turn, now_ns);
    if (before->was_out) /* that errand was of the old configuration */
        send_errand(turn);
}

void turn_forget(struct turn *turn)
{
    atomic_store(&turn->row->next_check_ns, 0);
    atomic_store(&turn->row->check_stretch, 0);
    atomic_store(&turn->row->check_good_run, 0);
    atomic_store(&turn->row->check_bad_run, 0);
}

void turn_rest(struct turn *turn)
{
    turn->is_checked = false;
    ev_timer_stop(turn->place->loop, &turn->next);
    turn_forget(turn);
    if (turn->host->address.any.sa_family != AF_UNSPEC)
        set_health(turn, HEALTH_UP, NULL);
    else if (atomic_load(&turn->row->health) != HEALTH_UNRESOLVED)
        change_health(turn, HEALTH_UNRESOLVED, "its name has no address");
}
