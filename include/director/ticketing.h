/* SPDX-License-Identifier: MIT */
/* Changes the keys of TLS tickets when it is time. */
#ifndef DIRECTOR_TICKETING_H
#define DIRECTOR_TICKETING_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/model.h"
#include "share/tickets.h"
#include "tls/derive.h"

/* What it needs of the configuration. Zero: nothing is changed yet. Owner: the director. */
struct ticketing {
    int64_t rotation_ms; /* 0 = there is no configuration yet */
    bool has_secret;
    unsigned char digest[DERIVE_BYTES]; /* of ticket_secret */
};

/* Takes what the model says; its secret is not needed afterwards. Returns 0, or -1 when memory is out. */
int ticketing_use(struct ticketing *ticketing, const struct model_global *global);

/*
 * Changes the newest key when its time is over; called some times a second.
 * now_ns   monotonic
 * wall_ns  nanoseconds since 1970, which nodes with the same secret go by
 * Returns 0, or -1 when no new key can be had: the old one is used on.
 */
int ticketing_look(const struct ticketing *ticketing, struct tickets *tickets, uint64_t now_ns,
                   uint64_t wall_ns);

#endif
