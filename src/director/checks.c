/* SPDX-License-Identifier: MIT */
/*
 * When hosts are probed, and what is made of the results: rise, fall, the stretched interval.
 *
 * Every host of the configuration has a turn (turn.c), whether it is probed or not; a new configuration
 * gives those that stay a new plan and frees the others. Ten times a second the rows are looked at
 * for what others have done to them.
 */
#include "director/checks.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <ev.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/directives.h"
#include "director/turn.h"
#include "tls/client.h"
#include "tls/pair.h"

#define LOOK_EVERY_S 0.1

/* A host of a configuration, and what its turn was before. */
struct entry {
    struct turn *turn;
    struct turn_before before;
};

/* All that one configuration asks for. Zero is none. */
struct roster {
    struct plan *plans; /* owned, with what they hold; as model->groups */
    size_t n_plans;
    struct entry
        *entries; /* owned; the turns move from roster to roster; as all hosts of the model */
    size_t n_entries;
};

struct checks {
    struct turn_place place;
    struct roster roster;
    struct ev_timer look;
};

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct checks *checks = timer->data;
    struct roster *roster = &checks->roster;
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < roster->n_entries; i++)
        turn_look(roster->entries[i].turn, now_ns);
    for (size_t i = 0; i < roster->n_plans; i++)
        alert_look(&roster->plans[i].alert, checks->place.segment, now_ns);
}

static bool speaks_tls(const struct model_group *group)
{
    return group->check.kind == CHECK_TLS ||
           (group->check.kind != CHECK_NONE && group->tls != HOST_TLS_NO);
}

/*
 * For a check that speaks TLS; what the group shows to its hosts checks show, too.
 * blame  out, on failure: the file that is to blame
 * key    out, as well: which key names it
 */
static struct tls_trust *make_trust(const struct model_group *group, const char **blame,
                                    const char **key, char reason[TLS_REASON_BYTES])
{
    const struct model_certificate *shown = &group->tls_certificate;
    bool is_strict = group->check.kind == CHECK_TLS || group->tls == HOST_TLS_VERIFY;
    const struct tls_pair pair = {shown->chain.bytes, shown->key.bytes, shown->chain.length,
                                  shown->key.length};
    struct tls_trust *trust = tls_trust_new(is_strict ? group->tls_ca.bytes : NULL,
                                            is_strict ? group->tls_ca.length : 0, reason);
    *blame = group->tls_ca.path;
    *key = DIRECTIVE_OF(SECTION_GROUP, model_group, tls_ca)->key;
    if (trust == NULL || group->tls == HOST_TLS_NO || shown->chain.path[0] == '\0' ||
        tls_trust_show(trust, &pair, reason))
        return trust;
    *blame = shown->chain.path;
    *key = DIRECTIVE_OF(SECTION_GROUP, model_group, tls_certificate)->key;
    tls_trust_free(trust);
    return NULL;
}

bool checks_verify(const struct model *model, struct problems *problems)
{
    char reason[TLS_REASON_BYTES];
    const char *blame, *key;
    bool is_good = true;
    for (size_t i = 0; i < model->n_groups; i++) {
        const struct model_group *group = &model->groups[i];
        if (!speaks_tls(group))
            continue;
        struct tls_trust *trust = make_trust(group, &blame, &key, reason);
        if (trust == NULL) {
            char section[128];
            snprintf(section, sizeof section, "group %s", group->name);
            problems_add(problems, &group->origin, section, key, "%s %s", blame, reason);
            is_good = false;
        }
        tls_trust_free(trust);
    }
    return is_good;
}

/* ---- making a roster; nothing that runs is touched ---- */

/* Those who are there already, by row number. */
struct row_index {
    struct turn **turns; /* owned; NULL where there is none */
    size_t n;
};

static int make_index(struct row_index *index, const struct roster *roster)
{
    *index = (struct row_index){.n = 1};
    for (size_t i = 0; i < roster->n_entries; i++)
        if (roster->entries[i].turn->number >= index->n)
            index->n = (size_t)roster->entries[i].turn->number + 1;
    index->turns = calloc(index->n, sizeof *index->turns);
    if (index->turns == NULL)
        return -1;
    for (size_t i = 0; i < roster->n_entries; i++)
        index->turns[roster->entries[i].turn->number] = roster->entries[i].turn;
    return 0;
}

/* The turn of the host that the row belongs to now, or a new one; NULL when memory is out. */
static struct turn *find_turn(struct checks *checks, const struct row_index *index,
                              uint32_t number)
{
    uint32_t incarnation = atomic_load(&checks->place.segment->hosts[number].incarnation);
    struct turn *turn = number < index->n ? index->turns[number] : NULL;
    if (turn != NULL && turn->incarnation == incarnation)
        return turn;
    return turn_new(&checks->place, number);
}

static int make_entries(struct checks *checks, struct roster *roster,
                        const struct bundle_rows *rows)
{
    struct row_index index;
    int result = make_index(&index, &checks->roster);
    roster->entries = calloc(rows->n_hosts + 1, sizeof *roster->entries);
    if (roster->entries == NULL)
        result = -1;
    for (size_t i = 0; i < rows->n_hosts && result == 0; i++) {
        struct turn *turn = find_turn(checks, &index, rows->hosts[i]);
        if (turn == NULL)
            result = -1;
        else
            roster->entries[roster->n_entries++].turn = turn;
    }
    free(index.turns);
    return result;
}

static void make_plan(struct plan *plan, const struct model_group *group,
                      const struct bundle_rows *rows, uint32_t row)
{
    char reason[TLS_REASON_BYTES];
    const char *blame, *key;
    *plan = (struct plan){
        .group = group,
        .interval_ns = (uint64_t)group->check_interval_ms * CLOCK_NS_PER_MS,
        .alert = {.group = group, .hosts = &rows->hosts[group->first_host], .row = row},
    };
    if (!speaks_tls(group))
        return;
    plan->trust = make_trust(group, &blame, &key, reason);
    plan->is_broken = plan->trust == NULL;
    if (plan->is_broken)
        log_error("group %s: no host is checked: %s %s %s", group->name, key, blame, reason);
}

static int make_roster(struct checks *checks, struct roster *roster, const struct model *model,
                       const struct bundle_rows *rows)
{
    *roster = (struct roster){.plans = calloc(model->n_groups + 1, sizeof *roster->plans)};
    if (roster->plans == NULL || make_entries(checks, roster, rows) != 0)
        return -1;
    for (size_t i = 0; i < model->n_groups; i++)
        make_plan(&roster->plans[i], &model->groups[i], rows, rows->groups[i]);
    roster->n_plans = model->n_groups;
    return 0;
}

static void fini_roster(struct roster *roster)
{
    for (size_t i = 0; i < roster->n_plans; i++)
        tls_trust_free(roster->plans[i].trust);
    free(roster->plans);
    free(roster->entries);
    *roster = (struct roster){0};
}

/* One that never came into use: its new turns have no plan yet. */
static void discard_roster(struct roster *roster)
{
    for (size_t i = 0; i < roster->n_entries; i++)
        if (roster->entries[i].turn->plan == NULL)
            turn_free(roster->entries[i].turn);
    fini_roster(roster);
}

/* ---- changing over ---- */

/* What was said of a group is not said again. */
static void carry_alerts(const struct roster *before, struct roster *after)
{
    for (size_t i = 0; i < after->n_plans; i++)
        for (size_t k = 0; k < before->n_plans; k++)
            if (before->plans[k].alert.row == after->plans[i].alert.row)
                after->plans[i].alert.told = before->plans[k].alert.told;
}

/* Ends what turns are at, and gives each its new plan. Returns how many hosts are probed. */
static size_t assign_plans(struct roster *roster)
{
    size_t n_checked = 0;
    for (size_t i = 0; i < roster->n_plans; i++) {
        struct plan *plan = &roster->plans[i];
        for (size_t k = 0; k < plan->group->n_hosts; k++) {
            struct entry *entry = &roster->entries[plan->group->first_host + k];
            entry->before = turn_halt(entry->turn);
            entry->turn->plan = plan;
            entry->turn->host = &plan->group->hosts[k];
            n_checked += turn_is_checked(plan, entry->turn->host);
        }
    }
    return n_checked;
}

static void drop_turns_that_left(const struct roster *before, const struct roster *after)
{
    for (size_t i = 0; i < before->n_entries; i++) {
        struct turn *turn = before->entries[i].turn;
        const struct plan *first = after->plans;
        if (first != NULL && turn->plan >= first && turn->plan < first + after->n_plans)
            continue;
        if (turn->incarnation == atomic_load(&turn->row->incarnation))
            turn_forget(turn);
        turn_free(turn);
    }
}

static void start_roster(struct roster *roster, size_t n_checked)
{
    size_t position = 0;
    for (size_t i = 0; i < roster->n_entries; i++) {
        struct entry *entry = &roster->entries[i];
        if (turn_is_checked(entry->turn->plan, entry->turn->host))
            turn_start(entry->turn, &entry->before, position++, n_checked);
        else
            turn_rest(entry->turn);
    }
}

int checks_apply(struct checks *checks, const struct model *model,
                 const struct bundle_rows *rows)
{
    struct roster before = checks->roster, after;
    assert(rows->n_hosts == model->n_hosts && rows->n_groups == model->n_groups);
    if (make_roster(checks, &after, model, rows) != 0) {
        discard_roster(&after);
        errno = ENOMEM;
        return -1;
    }
    /* No errand is sent while half of the turns point into the old configuration. */
    prober_hold(&checks->place.prober);
    carry_alerts(&before, &after);
    size_t n_checked = assign_plans(&after);
    drop_turns_that_left(&before, &after);
    checks->roster = after;
    start_roster(&checks->roster, n_checked);
    prober_go_on(&checks->place.prober);
    fini_roster(&before);
    if (!ev_is_active(&checks->look))
        ev_timer_again(checks->place.loop, &checks->look);
    return 0;
}

struct checks *checks_new(struct ev_loop *loop, const struct segment *segment,
                          const struct bells *bells)
{
    struct checks *checks = calloc(1, sizeof *checks);
    if (checks == NULL)
        return NULL;
    turn_place_init(&checks->place, loop, segment, bells);
    ev_timer_init(&checks->look, on_look, LOOK_EVERY_S, LOOK_EVERY_S);
    checks->look.data = checks;
    return checks;
}

void checks_free(struct checks *checks)
{
    if (checks == NULL)
        return;
    ev_timer_stop(checks->place.loop, &checks->look);
    prober_hold(&checks->place.prober);
    for (size_t i = 0; i < checks->roster.n_entries; i++)
        turn_free(checks->roster.entries[i].turn);
    fini_roster(&checks->roster);
    free(checks);
}
