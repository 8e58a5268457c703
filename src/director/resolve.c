/* SPDX-License-Identifier: MIT */
/* Finds out what the names of hosts mean, and keeps finding out. */
#include "director/resolve.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "director/dns.h"
#include "director/lookup.h"

/*
 * Each name has a time when it is asked for next: its TTL after an answer, a growing delay after a
 * failure. When that has come it joins a queue, which lets so many questions a second go, so that neither
 * a thousand names nor a server that answers nothing make a flood. What an answer brings is used at once;
 * what it lacks is asked for once more soon, and goes if it is missing again: no single odd answer takes a
 * host away. A failed question takes nothing away at all.
 */
#define TTL_LEAST_S 1
#define TTL_MOST_S 3600
#define TTL_PARTIAL_MOST_S 60 /* a part of the answer failed */
#define BACKOFF_MOST_S 60
#define CONFIRM_S 0.5 /* until an address that was missing is asked for again */
#define GATHER_S 0.05 /* changes so close to each other are one */
enum {
    RATE_PER_S = 200, /* questions */
    BURST = 500,
    RUNNING_MOST = 256,
    LINES_MOST = 20 /* failing names that all get their line; of more, one a second */
};

/* An address of a name, and whether the last answer lacked it. */
struct kept {
    struct address address;
    bool was_missing;
};

/* A name that a configuration asks for. Owner: the resolver. */
struct name {
    struct resolver *resolver;
    char *lookup; /* owned */
    bool is_settled,
        is_applied;    /* the settled configuration has it, the one being prepared does */
    bool has_answered; /* good or bad, by the servers of now */
    struct kept *kept; /* owned */
    size_t n_kept;
    struct lookup *running; /* NULL = it is not being asked for */
    uint64_t asked_ns;
    unsigned failures; /* in a row */
    struct ev_timer due;
    struct list_node queued;
};

struct resolver {
    struct ev_loop *loop;
    struct dns *dns;
    resolver_changed *on_change;
    void *context;
    struct name **names; /* by lookup, ascending */
    size_t n_names, capacity;
    struct addresses all;   /* what on_change is told */
    bool has_changed;       /* since it was told */
    struct list_node queue; /* names that are due */
    size_t n_running, n_failing;
    uint64_t free_ns; /* questions are paid for up to here, at most BURST ahead of now */
    struct ev_timer pace, gather, patience;
    void (*on_ready)(void *context); /* NULL = nobody waits */
    void *ready_context;
    struct log_limit failed_limit, back_limit;
};

/* ---- names ---- */

static size_t place_of(const struct resolver *resolver, const char *lookup)
{
    size_t low = 0, high = resolver->n_names;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(resolver->names[middle]->lookup, lookup) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct name *find_name(const struct resolver *resolver, const char *lookup)
{
    size_t place = place_of(resolver, lookup);
    bool is_there =
        place < resolver->n_names && strcmp(resolver->names[place]->lookup, lookup) == 0;
    return is_there ? resolver->names[place] : NULL;
}

static void on_due(struct ev_loop *loop, struct ev_timer *timer, int events);

static int make_room(struct resolver *resolver)
{
    if (resolver->n_names < resolver->capacity)
        return 0;
    size_t capacity = resolver->capacity > 0 ? 2 * resolver->capacity : 16;
    struct name **grown = realloc(resolver->names, capacity * sizeof *grown);
    if (grown == NULL)
        return -1;
    resolver->names = grown;
    resolver->capacity = capacity;
    return 0;
}

static struct name *add_name(struct resolver *resolver, const char *lookup)
{
    struct name *name = calloc(1, sizeof *name);
    if (name == NULL || make_room(resolver) != 0 || (name->lookup = strdup(lookup)) == NULL) {
        free(name);
        return NULL;
    }
    name->resolver = resolver;
    ev_timer_init(&name->due, on_due, 0., 0.);
    name->due.data = name;
    size_t place = place_of(resolver, lookup);
    struct name **at = resolver->names + place;
    memmove(at + 1, at, (resolver->n_names - place) * sizeof *at);
    *at = name;
    resolver->n_names++;
    return name;
}

/* Its addresses, as on_change is to be told. 1 when that is a change, 0, -1 with errno. */
static int publish(struct name *name)
{
    struct address *list = malloc((name->n_kept + 1) * sizeof *list);
    if (list == NULL)
        return -1;
    for (size_t i = 0; i < name->n_kept; i++)
        list[i] = name->kept[i].address;
    int result = addresses_set(&name->resolver->all, name->lookup, list, name->n_kept);
    free(list);
    return result;
}

static void free_name(struct name *name)
{
    struct resolver *resolver = name->resolver;
    ev_timer_stop(resolver->loop, &name->due);
    list_remove(&name->queued);
    if (name->running != NULL) {
        lookup_cancel(name->running);
        resolver->n_running--;
    }
    resolver->n_failing -= name->failures > 0;
    free(name->kept);
    free(name->lookup);
    free(name);
}

/* Those that neither configuration has any more. */
static void forget_unwanted(struct resolver *resolver)
{
    size_t n = 0;
    for (size_t i = 0; i < resolver->n_names; i++) {
        struct name *name = resolver->names[i];
        if (name->is_settled || name->is_applied) {
            resolver->names[n++] = name;
            continue;
        }
        (void)addresses_set(&resolver->all, name->lookup, NULL, 0);
        free_name(name);
    }
    resolver->n_names = n;
}

/* ---- what is told ---- */

static void tell_change(struct resolver *resolver)
{
    ev_timer_stop(resolver->loop, &resolver->gather);
    if (!resolver->has_changed)
        return;
    resolver->has_changed = false;
    resolver->on_change(resolver->context, &resolver->all);
}

static void on_gathered(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    tell_change(timer->data);
}

static void tell_ready(struct resolver *resolver)
{
    void (*on_ready)(void *context) = resolver->on_ready;
    resolver->on_ready = NULL;
    ev_timer_stop(resolver->loop, &resolver->patience);
    tell_change(resolver);
    on_ready(resolver->ready_context);
}

static void on_patience(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    tell_ready(timer->data);
}

/* A name that is known, if only from an earlier director, holds nothing up. */
static bool is_awaited(const struct name *name)
{
    return name->is_applied && !name->has_answered && name->n_kept == 0;
}

/* While a configuration waits for its names they are told all at once. */
static void tell_soon(struct resolver *resolver)
{
    bool is_waiting = resolver->on_ready != NULL;
    for (size_t i = 0; i < resolver->n_names && is_waiting; i++)
        if (is_awaited(resolver->names[i]))
            return;
    if (is_waiting)
        tell_ready(resolver);
    else if (resolver->has_changed && !ev_is_active(&resolver->gather))
        ev_timer_start(resolver->loop, &resolver->gather);
}

/* ---- answers ---- */

static struct kept *find_kept(const struct name *name, const struct addr *at)
{
    for (size_t i = 0; i < name->n_kept; i++)
        if (addr_is_equal(&name->kept[i].address.at, at))
            return &name->kept[i];
    return NULL;
}

/* What was kept and what was found become one list. *is_lacking tells that something was missing for the first time. */
static int merge(struct name *name, const struct lookup_answer *answer, bool *is_lacking)
{
    struct kept *merged = malloc((name->n_kept + answer->n) * sizeof *merged);
    size_t n = 0;
    assert(name->kept != NULL || name->n_kept == 0);
    *is_lacking = false;
    if (merged == NULL)
        return -1;
    for (size_t i = 0; i < answer->n; i++) {
        struct kept *before = find_kept(name, &answer->found[i].at);
        if (before != NULL)
            before->address.weight = 0; /* it is there: not to be looked at below */
        merged[n++] = (struct kept){.address = answer->found[i]};
    }
    for (size_t i = 0; i < name->n_kept; i++) {
        const struct kept *kept = &name->kept[i];
        bool is_v4 = kept->address.at.any.sa_family == AF_INET;
        bool is_open = is_v4 ? answer->is_v4_open : answer->is_v6_open;
        if (kept->address.weight == 0 || (kept->was_missing && !is_open))
            continue;
        *is_lacking |= !is_open;
        merged[n] = *kept;
        merged[n++].was_missing |= !is_open;
    }
    free(name->kept);
    name->kept = merged;
    name->n_kept = n;
    return 0;
}

static void ask_in(struct name *name, double seconds)
{
    struct ev_loop *loop = name->resolver->loop;
    ev_timer_stop(loop, &name->due);
    ev_timer_set(&name->due, seconds, 0.);
    ev_timer_start(loop, &name->due);
}

/* True when the line is written; where many names fail at once, not all lines are. */
static bool may_tell(const struct resolver *resolver, struct log_limit *limit)
{
    uint64_t suppressed;
    return resolver->n_failing <= LINES_MOST ||
           log_limit_pass(limit, clock_now_ns(), &suppressed);
}

static void take_failure(struct name *name, const char *why)
{
    struct resolver *resolver = name->resolver;
    if (name->failures++ == 0) {
        resolver->n_failing++;
        if (may_tell(resolver, &resolver->failed_limit))
            log_warning("name %s: %s; %s", name->lookup, why,
                        name->n_kept > 0 ? "its last addresses stay"
                                         : "its hosts are unresolved until it has one");
    }
    unsigned doublings = name->failures - 1;
    ask_in(name, doublings < 6 ? (double)(1U << doublings) : BACKOFF_MOST_S);
}

static void take_success(struct name *name, const struct lookup_answer *answer)
{
    struct resolver *resolver = name->resolver;
    bool is_lacking;
    int changed = merge(name, answer, &is_lacking) == 0 ? publish(name) : -1;
    if (changed < 0) {
        take_failure(name, "out of memory");
        return;
    }
    resolver->has_changed |= changed > 0;
    if (name->failures > 0) {
        if (may_tell(resolver, &resolver->back_limit))
            log_info("name %s: is answered again", name->lookup);
        resolver->n_failing--;
        name->failures = 0;
    }
    bool is_open = answer->is_v4_open || answer->is_v6_open;
    uint32_t most_s = is_open ? TTL_PARTIAL_MOST_S : TTL_MOST_S;
    uint32_t next_s = answer->ttl_s < most_s ? answer->ttl_s : most_s;
    ask_in(name, is_lacking ? CONFIRM_S : next_s >= TTL_LEAST_S ? (double)next_s : TTL_LEAST_S);
}

static void ask_due(struct resolver *resolver);

static void on_answer(void *context, const struct lookup_answer *answer)
{
    struct name *name = context;
    struct resolver *resolver = name->resolver;
    name->running = NULL;
    resolver->n_running--;
    if (answer->is_cut) {
        list_append(&resolver->queue, &name->queued);
    } else {
        name->has_answered = true;
        if (answer->n > 0)
            take_success(name, answer);
        else
            take_failure(name, answer->why);
    }
    ask_due(resolver);
    tell_soon(resolver);
}

/* ---- questions ---- */

static void ask(struct name *name, uint64_t now_ns)
{
    struct resolver *resolver = name->resolver;
    name->asked_ns = now_ns;
    if (dns_refresh(resolver->dns) == 0)
        name->running =
            lookup_start(resolver->loop, resolver->dns, name->lookup, on_answer, name);
    if (name->running != NULL)
        resolver->n_running++;
    else
        take_failure(name, strerror(errno));
}

/* Lets those that are due go, as far as the rate allows. */
static void ask_due(struct resolver *resolver)
{
    const uint64_t step_ns = CLOCK_NS_PER_S / RATE_PER_S, ahead_ns = BURST * step_ns;
    uint64_t now_ns = clock_now_ns();
    if (resolver->free_ns < now_ns)
        resolver->free_ns = now_ns;
    while (!list_is_empty(&resolver->queue) && resolver->n_running < RUNNING_MOST) {
        if (resolver->free_ns + step_ns > now_ns + ahead_ns) {
            if (!ev_is_active(&resolver->pace))
                ev_timer_start(resolver->loop, &resolver->pace);
            return;
        }
        resolver->free_ns += step_ns;
        struct name *name = container_of(resolver->queue.next, struct name, queued);
        list_remove(&name->queued);
        ask(name, now_ns);
    }
}

static void on_pace(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    ask_due(timer->data);
}

/* It joins the queue, unless it is being asked for. */
static void queue_name(struct name *name)
{
    ev_timer_stop(name->resolver->loop, &name->due);
    if (name->running == NULL && !list_is_linked(&name->queued))
        list_append(&name->resolver->queue, &name->queued);
}

static void on_due(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct name *name = timer->data;
    (void)loop;
    (void)events;
    queue_name(name);
    ask_due(name->resolver);
}

/* ---- configurations ---- */

/* What an earlier director knew; its hosts have these addresses. */
static int take_known(struct name *name, const struct addresses *known)
{
    const struct address_entry *entry = addresses_find(known, name->lookup);
    if (entry == NULL)
        return 0;
    name->kept = calloc(entry->n, sizeof *name->kept);
    if (name->kept == NULL)
        return -1;
    for (size_t i = 0; i < entry->n; i++)
        name->kept[i].address = entry->addresses[i];
    name->n_kept = entry->n;
    return publish(name) < 0 ? -1 : 0;
}

static int want_name(struct resolver *resolver, const char *lookup,
                     const struct addresses *known)
{
    struct name *name = find_name(resolver, lookup);
    if (name == NULL) {
        name = add_name(resolver, lookup);
        if (name == NULL)
            return -1;
        queue_name(name);
        if (take_known(name, known) != 0)
            return -1;
    }
    name->is_applied = true;
    /* Who loads a configuration may just have set its name right. */
    if (name->n_kept == 0 && clock_now_ns() - name->asked_ns >= CLOCK_NS_PER_S)
        queue_name(name);
    return 0;
}

/* All names of the hosts. */
static int want_names(struct resolver *resolver, const struct model *model,
                      const struct addresses *known)
{
    for (size_t i = 0; i < model->n_groups; i++) {
        const struct model_group *group = &model->groups[i];
        for (size_t k = 0; k < group->n_hosts; k++)
            if (group->hosts[k].lookup[0] != '\0' &&
                want_name(resolver, group->hosts[k].lookup, known) != 0)
                return -1;
    }
    return 0;
}

static int use_servers(struct resolver *resolver, const struct model *model)
{
    const struct model_global *global = &model->global;
    int changed = dns_set_servers(resolver->dns, global->resolvers, global->n_resolvers);
    for (size_t i = 0; i < resolver->n_names && changed > 0; i++)
        resolver->names[i]->has_answered = false;
    return changed < 0 ? -1 : 0;
}

void resolver_wait_no_more(struct resolver *resolver)
{
    resolver->on_ready = NULL;
    ev_timer_stop(resolver->loop, &resolver->patience);
}

int resolver_apply(struct resolver *resolver, const struct model *model,
                   const struct addresses *known, uint64_t patience_ms,
                   void (*on_ready)(void *context), void *context)
{
    resolver_wait_no_more(resolver);
    for (size_t i = 0; i < resolver->n_names; i++)
        resolver->names[i]->is_applied = false;
    if (use_servers(resolver, model) != 0 || want_names(resolver, model, known) != 0) {
        errno = ENOMEM;
        return -1;
    }
    forget_unwanted(resolver);
    resolver->on_ready = on_ready;
    resolver->ready_context = context;
    ev_timer_set(&resolver->patience, (double)patience_ms / 1000, 0.);
    ev_timer_start(resolver->loop, &resolver->patience);
    ask_due(resolver);
    tell_soon(resolver);
    return 0;
}

void resolver_settle(struct resolver *resolver, const struct model *model)
{
    resolver_wait_no_more(resolver);
    for (size_t i = 0; i < resolver->n_names; i++)
        resolver->names[i]->is_applied = resolver->names[i]->is_settled = false;
    for (size_t i = 0; i < model->n_groups; i++) {
        const struct model_group *group = &model->groups[i];
        for (size_t k = 0; k < group->n_hosts; k++) {
            struct name *name = find_name(resolver, group->hosts[k].lookup);
            if (name != NULL)
                name->is_settled = true;
        }
    }
    if (use_servers(resolver, model) != 0)
        log_error("out of memory: names are asked for at the servers of before");
    forget_unwanted(resolver);
    tell_soon(resolver);
}

/* ---- the resolver ---- */

struct resolver *resolver_new(struct ev_loop *loop, resolver_changed *on_change, void *context)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL)
        return NULL;
    resolver->dns = dns_new(loop, "/etc/resolv.conf");
    if (resolver->dns == NULL) {
        free(resolver);
        return NULL;
    }
    resolver->loop = loop;
    resolver->on_change = on_change;
    resolver->context = context;
    list_init(&resolver->queue);
    ev_timer_init(&resolver->pace, on_pace, 1. / RATE_PER_S, 0.);
    ev_timer_init(&resolver->gather, on_gathered, GATHER_S, 0.);
    ev_timer_init(&resolver->patience, on_patience, 0., 0.);
    resolver->pace.data = resolver->gather.data = resolver->patience.data = resolver;
    return resolver;
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    for (size_t i = 0; i < resolver->n_names; i++)
        free_name(resolver->names[i]);
    ev_timer_stop(resolver->loop, &resolver->pace);
    ev_timer_stop(resolver->loop, &resolver->gather);
    ev_timer_stop(resolver->loop, &resolver->patience);
    dns_free(resolver->dns);
    addresses_fini(&resolver->all);
    free(resolver->names);
    free(resolver);
}
