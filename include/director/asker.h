/* SPDX-License-Identifier: MIT */
/* Asks OCSP responders about the certificates that clients have shown, for the workers, where these wait for it. */
#ifndef DIRECTOR_ASKER_H
#define DIRECTOR_ASKER_H

#include <stdbool.h>

#include <ev.h>

#include "conf/model.h"
#include "share/bells.h"
#include "share/segment.h"

struct asker; /* opaque; owner: the director */

/*
 * Who has asked a director before this one is told to ask again.
 * segment, bells  outlive it
 * NULL when memory is out.
 */
struct asker *asker_new(struct ev_loop *loop, const struct segment *segment,
                        struct bells *bells);

/* As renewal_free. */
bool asker_free(struct asker *asker);

/* The director's own bell has come: it is put among bells, and heard from now on. */
void asker_hear(struct asker *asker, int fd);

/* From now on questions are asked if a service of this configuration has some; else they are passed over. */
void asker_apply(struct asker *asker, const struct model *model);

/* Called once a second: takes questions whose bell was not heard, and frees what dead workers have left. */
void asker_look(struct asker *asker);

#endif
