/* SPDX-License-Identifier: MIT */
/* Has the totals in the segment audited after a worker has died. */
#ifndef DIRECTOR_AUDITOR_H
#define DIRECTOR_AUDITOR_H

#include <ev.h>
#include <stdint.h>

#include "share/bells.h"
#include "share/settle.h"

/* Owner: the director. */
struct auditor {
    struct ev_loop *loop;
    struct segment *segment;
    const struct bells *bells;
    struct settle_audit audit;
    int looks_left;
    uint64_t settled; /* daemon_row.settled, as last seen */
    struct ev_timer timer;
};

/* segment may be attached later, before the first auditor_notice; all that is given outlives it. */
void auditor_init(struct auditor *auditor, struct ev_loop *loop, struct segment *segment,
                  const struct bells *bells);
void auditor_fini(struct auditor *auditor);

/*
 * Looks whether a worker has died since it was called last; the first time it is taken for granted.
 * Then all is audited twice within about half a second; when places have come free thereby, all
 * bells are rung.
 */
void auditor_notice(struct auditor *auditor);

#endif
