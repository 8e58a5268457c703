/* SPDX-License-Identifier: MIT */
/*
 * The calls that change rows: hosts taken out and back, weights, the group in force.
 *
 * The fields are checked first, then everything that the call names is found, then each row
 * gets its store: a call that is refused has changed nothing. A row is changed only by what
 * differs, so that asking twice neither moves an epoch nor leaves a line in the log.
 */
#include "admin/steer.h"

#include <inttypes.h>
#include <stdio.h>

#include "admin/targets.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"

enum { BAD_REQUEST = 400, CONFLICT = 409, UNAVAILABLE = 503 };

#define WEIGHT_MOST 256
#define OVER_MOST_MS (INT64_C(7) * 24 * 3600 * 1000)

/* One call under way. */
struct steer {
    const struct call_request *request;
    const struct admin_actions *actions;
    struct answer *answer;
    struct status status;
    struct target target;
    struct text said; /* for the caller: a line a row */
    bool is_changed;
};

/* What a call wants of a host; each call looks at its own. */
struct wish {
    enum host_admin admin;
    uint64_t over_ns; /* ADMIN_DRAIN: 0 = open connections are kept */
    uint32_t weight;
};

/* Changes one row, and says by note_change or note_same what that meant. */
typedef void change_host(struct steer *steer, uint32_t row, const struct model_host *host,
                         const struct wish *wish);

static bool begin(struct steer *steer, const struct fields *fields, enum target_depth depth)
{
    if (!steer->actions->look(steer->actions->context, &steer->status)) {
        answer_refusal(steer->answer, UNAVAILABLE, "%s: there is no configuration yet",
                       steer->request->name);
        return false;
    }
    return target_find(&steer->target, &steer->status, fields, depth, steer->answer);
}

static void finish(struct steer *steer)
{
    if (steer->is_changed)
        steer->actions->changed(steer->actions->context);
    answer_done(steer->answer, steer->said.at != NULL ? steer->said.at : "");
    text_fini(&steer->said);
}

/* "web/main/app1"; without a host "web". */
static void add_path(struct text *out, const struct steer *steer, const struct model_host *host)
{
    const struct model *model = steer->status.model;
    text_add(out, model->services[steer->target.service].name);
    if (host != NULL)
        text_printf(out, "/%s/%s", model->groups[steer->target.group].name, host->name);
}

static void say(struct steer *steer, const struct model_host *host, const char *what)
{
    if (steer->said.length > 0)
        text_add(&steer->said, "\n");
    add_path(&steer->said, steer, host);
    text_printf(&steer->said, ": %s", what);
}

/* The audit line: what was done to what, from what to what, by whom. */
static void note_change(struct steer *steer, const struct model_host *host, const char *what)
{
    struct text path = {0};
    add_path(&path, steer, host);
    log_info("%s %s: %s, by %s", steer->request->name, path.at != NULL ? path.at : "", what,
             steer->request->by);
    text_fini(&path);
    steer->is_changed = true;
}

/* Does to each host that the call names what its wish says. */
static void change_hosts(struct steer *steer, change_host *change, const struct wish *wish)
{
    const struct status *status = &steer->status;
    const struct model_group *group = &status->model->groups[steer->target.group];
    for (size_t i = 0; i < group->n_hosts; i++)
        if (target_is_host(&steer->target, &group->hosts[i]))
            change(steer, status->rows->hosts[group->first_host + i], &group->hosts[i], wish);
}

static enum call_verdict steer_hosts(struct steer *steer, const struct fields *fields,
                                     change_host *change, const struct wish *wish)
{
    if (begin(steer, fields, TARGET_HOST)) {
        change_hosts(steer, change, wish);
        finish(steer);
    }
    return CALL_ANSWERED;
}

/* ---- down, drain, up ---- */

static const char *admin_word(uint32_t admin)
{
    static const char *const words[] = {
        [ADMIN_UP] = "up", [ADMIN_DRAIN] = "drain", [ADMIN_DOWN] = "down"};
    return words[admin];
}

/*
 * The end comes last on and first off, so that no worker sees one time with the other's meaning.
 * Returns true when that changed something.
 */
static bool set_drain(struct host_row *row, uint64_t from_ns, uint64_t until_ns)
{
    bool was_set = atomic_exchange(&row->drain_until_ns, 0) != 0;
    atomic_store(&row->drain_from_ns, from_ns);
    atomic_store(&row->drain_until_ns, until_ns);
    return was_set || until_ns != 0;
}

/* Who was brought back may still be out for another reason: the caller wants to know. */
static void add_state(struct text *out, const struct host_row *row, uint64_t now_ns)
{
    enum host_state state = host_state(row, now_ns);
    char reason[HOST_REASON_BYTES];
    host_read_reason(row, reason);
    if (state == HOST_UP || state == HOST_DRAINING || state == HOST_ADMIN_DOWN)
        return;
    text_printf(out, "; it is %s%s%s", host_state_word(state), reason[0] != '\0' ? ": " : "",
                reason);
}

static void change_admin(struct steer *steer, uint32_t number, const struct model_host *host,
                         const struct wish *wish)
{
    struct host_row *row = &steer->status.segment->hosts[number];
    uint64_t now_ns = clock_now_ns();
    uint64_t from_ns = wish->over_ns > 0 ? now_ns : 0;
    uint64_t until_ns = wish->over_ns > 0 ? now_ns + wish->over_ns : 0;
    struct text what = {0};

    uint32_t before = atomic_load(&row->admin);
    bool is_changed = set_drain(row, from_ns, until_ns) || before != wish->admin;
    host_set_admin(steer->status.segment, number, wish->admin);

    if (is_changed)
        text_printf(&what, "%s -> ", admin_word(before));
    text_add(&what, admin_word(wish->admin));
    if (wish->over_ns > 0) {
        char over[UNITS_TEXT_BYTES];
        text_printf(&what, " over %s",
                    units_print_duration(over, (int64_t)(wish->over_ns / CLOCK_NS_PER_MS)));
    }
    if (is_changed)
        note_change(steer, host, what.at != NULL ? what.at : "");
    else
        text_add(&what, " already");
    if (wish->admin == ADMIN_UP)
        add_state(&what, row, now_ns);
    say(steer, host, what.at != NULL ? what.at : "");
    text_fini(&what);
}

enum call_verdict steer_host_down(const struct call_request *request,
                                  const struct fields *fields,
                                  const struct admin_actions *actions, struct answer *answer)
{
    struct steer steer = {.request = request, .actions = actions, .answer = answer};
    return steer_hosts(&steer, fields, change_admin, &(struct wish){.admin = ADMIN_DOWN});
}

enum call_verdict steer_host_up(const struct call_request *request, const struct fields *fields,
                                const struct admin_actions *actions, struct answer *answer)
{
    struct steer steer = {.request = request, .actions = actions, .answer = answer};
    return steer_hosts(&steer, fields, change_admin, &(struct wish){.admin = ADMIN_UP});
}

enum call_verdict steer_host_drain(const struct call_request *request,
                                   const struct fields *fields,
                                   const struct admin_actions *actions, struct answer *answer)
{
    struct steer steer = {.request = request, .actions = actions, .answer = answer};
    const char *over = fields_find(fields, "over");
    int64_t over_ms = 0;
    if (over != NULL &&
        (units_parse_duration(over, &over_ms) != 0 || over_ms == 0 || over_ms > OVER_MOST_MS)) {
        answer_refusal(answer, BAD_REQUEST,
                       "%s: over: '%.64s' is no duration above 0 and up to 7d, as 250ms, 30s, "
                       "5m or 1h",
                       request->name, over);
        return CALL_ANSWERED;
    }
    const struct wish wish = {.admin = ADMIN_DRAIN,
                              .over_ns = (uint64_t)over_ms * CLOCK_NS_PER_MS};
    return steer_hosts(&steer, fields, change_admin, &wish);
}

/* ---- weights ---- */

static void change_weight(struct steer *steer, uint32_t number, const struct model_host *host,
                          const struct wish *wish)
{
    uint32_t before = atomic_load(&steer->status.segment->hosts[number].weight);
    char what[64];
    if (before == wish->weight) {
        snprintf(what, sizeof what, "weight %" PRIu32 " already", before);
    } else {
        host_set_weight(steer->status.segment, number, wish->weight);
        snprintf(what, sizeof what, "weight %" PRIu32 " -> %" PRIu32, before, wish->weight);
        note_change(steer, host, what);
    }
    say(steer, host, what);
}

enum call_verdict steer_weight(const struct call_request *request, const struct fields *fields,
                               const struct admin_actions *actions, struct answer *answer)
{
    struct steer steer = {.request = request, .actions = actions, .answer = answer};
    const char *given = fields_find(fields, "weight");
    int64_t weight;
    if (units_parse_number(given, &weight) != 0 || weight > WEIGHT_MOST) {
        answer_refusal(answer, BAD_REQUEST, "%s: weight: '%.64s' is no number from 0 to %d",
                       request->name, given, WEIGHT_MOST);
        return CALL_ANSWERED;
    }
    return steer_hosts(&steer, fields, change_weight,
                       &(struct wish){.weight = (uint32_t)weight});
}

/* ---- retry ---- */

static void retry_host(struct steer *steer, uint32_t number, const struct model_host *host,
                       const struct wish *wish)
{
    (void)wish;
    struct host_row *row = &steer->status.segment->hosts[number];
    char what[64];
    snprintf(what, sizeof what, "retried now, was %s",
             host_state_word(host_state(row, steer->status.now_ns)));
    host_pardon(steer->status.segment, number);
    atomic_fetch_add(&row->retry_wish, 1);
    note_change(steer, host, what);
    say(steer, host, what);
}

/* Nobody may be sent to a host that an admin keeps down, whatever a check would find. */
static bool is_kept_down(const struct steer *steer)
{
    const struct status *status = &steer->status;
    const struct model_group *group = &status->model->groups[steer->target.group];
    for (size_t i = 0; i < group->n_hosts; i++)
        if (target_is_host(&steer->target, &group->hosts[i]) &&
            status_host_state(status, steer->target.group, i) != HOST_ADMIN_DOWN)
            return false;
    return true;
}

enum call_verdict steer_retry(const struct call_request *request, const struct fields *fields,
                              const struct admin_actions *actions, struct answer *answer)
{
    struct steer steer = {.request = request, .actions = actions, .answer = answer};
    if (!begin(&steer, fields, TARGET_HOST))
        return CALL_ANSWERED;
    if (is_kept_down(&steer)) {
        answer_refusal(answer, CONFLICT,
                       "%s: '%.64s' was taken out by an administrator; hostAdminUp brings it "
                       "back",
                       request->name, steer.target.host);
        return CALL_ANSWERED;
    }
    change_hosts(&steer, retry_host, &(struct wish){0});
    finish(&steer);
    return CALL_ANSWERED;
}

/* ---- the group in force ---- */

static void enable(struct steer *steer)
{
    const struct status *status = &steer->status;
    const struct target *target = &steer->target;
    uint32_t number = status->rows->services[target->service];
    struct service_row *row = &status->segment->services[number];
    size_t before = status_enabled(status, target->service);
    const char *name = status->model->groups[target->group].name;
    struct text what = {0};

    if (before == target->place) {
        text_printf(&what, "group %s already", name);
    } else {
        size_t old = status_group_at(status, target->service, before);
        atomic_store(&row->enabled, (uint32_t)target->place);
        text_printf(&what, "group %s -> %s", status->model->groups[old].name, name);
        note_change(steer, NULL, what.at != NULL ? what.at : "");
    }
    say(steer, NULL, what.at != NULL ? what.at : "");
    text_fini(&what);
}

enum call_verdict steer_enable(const struct call_request *request, const struct fields *fields,
                               const struct admin_actions *actions, struct answer *answer)
{
    struct steer steer = {.request = request, .actions = actions, .answer = answer};
    if (!begin(&steer, fields, TARGET_GROUP))
        return CALL_ANSWERED;
    if (steer.target.place > steer.status.model->services[steer.target.service].n_standby) {
        answer_refusal(answer, CONFLICT,
                       "%s: group '%.64s' is reached by routes; only the service's group and "
                       "standby groups can be put in force",
                       request->name, steer.status.model->groups[steer.target.group].name);
        return CALL_ANSWERED;
    }
    if (steer.status.model->groups[steer.target.group].n_hosts == 0) {
        answer_refusal(answer, CONFLICT, "%s: group '%.64s' has no hosts", request->name,
                       steer.status.model->groups[steer.target.group].name);
        return CALL_ANSWERED;
    }
    enable(&steer);
    finish(&steer);
    return CALL_ANSWERED;
}
