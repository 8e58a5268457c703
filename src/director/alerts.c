/* SPDX-License-Identifier: MIT */
/* One line in the log when a group has no usable host left, and one when it has again. */
#include "director/alerts.h"

#include "base/log.h"

/* Whether the host would get new connections if its health did not matter. */
static bool is_possible(const struct host_row *row)
{
    return atomic_load(&row->admin) == ADMIN_UP && atomic_load(&row->weight) > 0 &&
           atomic_load(&row->health) != HEALTH_UNRESOLVED;
}

struct tally {
    uint32_t n_usable, n_possible;
};

static struct tally count(const struct group_alert *alert, const struct segment *segment,
                          uint64_t now_ns)
{
    struct tally tally = {0};
    for (size_t i = 0; i < alert->group->n_hosts; i++) {
        const struct host_row *row = &segment->hosts[alert->hosts[i]];
        tally.n_usable += host_is_usable(row, now_ns);
        tally.n_possible += is_possible(row);
    }
    return tally;
}

static void tell(const struct group_alert *alert, enum group_fare fare,
                 const struct tally *tally)
{
    const char *name = alert->group->name;
    switch (fare) {
    case GROUP_FINE:
        log_info("group %s: has usable hosts again, %u of %zu", name, tally->n_usable,
                 alert->group->n_hosts);
        break;
    case GROUP_OPEN:
        log_warning("group %s: only %u of %u hosts are usable, so all are tried (fail_open)",
                    name, tally->n_usable, tally->n_possible);
        break;
    case GROUP_EMPTY:
        log_warning("group %s: no usable host left", name);
        break;
    }
}

void alert_look(struct group_alert *alert, const struct segment *segment, uint64_t now_ns)
{
    const struct group_row *row = &segment->groups[alert->row];
    uint32_t epoch = atomic_load(&row->epoch);
    /* An ejection that runs out moves no epoch until a worker comes by. */
    if (alert->has_looked && epoch == alert->seen_epoch && atomic_load(&row->ejected) == 0)
        return;
    alert->has_looked = true;
    alert->seen_epoch = epoch;
    struct tally tally = count(alert, segment, now_ns);
    enum group_fare fare =
        verdict_group(tally.n_usable, tally.n_possible, alert->group->fail_open);
    if (fare != alert->told && alert->group->n_hosts > 0)
        tell(alert, fare, &tally);
    alert->told = fare;
}
