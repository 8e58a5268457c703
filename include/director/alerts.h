/* SPDX-License-Identifier: MIT */
/* One line in the log when a group has no usable host left, and one when it has again. */
#ifndef DIRECTOR_ALERTS_H
#define DIRECTOR_ALERTS_H

#include <stdint.h>

#include "conf/model.h"
#include "director/verdict.h"
#include "share/segment.h"

/* What was last said of a group. Zero is: that all is well. Owner: the checks. */
struct group_alert {
    const struct model_group *group;
    const uint32_t *hosts; /* row numbers, as group->hosts */
    uint32_t row;          /* of the group */
    enum group_fare told;
    uint32_t seen_epoch;
    bool has_looked;
};

/* Says what has changed. Costs next to nothing while the group's epoch stands still. */
void alert_look(struct group_alert *alert, const struct segment *segment, uint64_t now_ns);

#endif
