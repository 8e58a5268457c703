/* SPDX-License-Identifier: MIT */
/* Has the totals in the segment audited after a worker has died. */
#include "director/auditor.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

enum {
    LOOKS = 10, /* one round, see settle_audit_look */
    ROUNDS =
        2 /* the first may have begun before the death, or have seen too little that stood still */
};
/* Limits hold exactly again within a second of a kill: noticed after 100 ms, one round after 350. */
#define EVERY_S 0.025

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct auditor *auditor = timer->data;
    if (settle_audit_look(auditor->segment, &auditor->audit) != 0)
        log_warning("cannot audit what is counted: %s", strerror(errno));
    bool is_last = (auditor->looks_left - 1) % LOOKS == 0;
    /* One more look, until each worker has turned. Who never does is killed, and is settled then. */
    if (is_last && !settle_audit_is_ripe(auditor->segment, &auditor->audit))
        return;
    auditor->looks_left--;
    if (is_last && settle_audit_finish(auditor->segment, &auditor->audit))
        bells_ring_all(auditor->bells);
    if (auditor->looks_left <= 0)
        ev_timer_stop(loop, timer);
}

void auditor_init(struct auditor *auditor, struct ev_loop *loop, struct segment *segment,
                  const struct bells *bells)
{
    *auditor = (struct auditor){
        .loop = loop, .segment = segment, .bells = bells, .settled = UINT64_MAX};
    ev_timer_init(&auditor->timer, on_timer, EVERY_S, EVERY_S);
    auditor->timer.data = auditor;
}

void auditor_fini(struct auditor *auditor)
{
    if (auditor->loop != NULL)
        ev_timer_stop(auditor->loop, &auditor->timer);
    settle_audit_fini(&auditor->audit);
}

void auditor_notice(struct auditor *auditor)
{
    uint64_t settled = atomic_load(&auditor->segment->daemon->settled);
    if (settled == auditor->settled)
        return;
    auditor->settled = settled;
    /* One that runs is prolonged by whole rounds. */
    auditor->looks_left = ROUNDS * LOOKS + auditor->looks_left % LOOKS;
    if (!ev_is_active(&auditor->timer))
        ev_timer_again(auditor->loop, &auditor->timer);
}
