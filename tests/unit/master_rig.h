/* SPDX-License-Identifier: MIT */
/* A master whose children are played by the test: it hears what each is told, and answers for it. */
#ifndef MASTER_RIG_H
#define MASTER_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "master/context.h"

/* Owner: the test. */
struct master_rig {
    struct master *master;
    struct channel ends[CHILD_PLACES]; /* the children's ends of their channels */
    char *text;                        /* the configuration that was read last */
    struct received received;          /* what a child heard last */
};

/* A "listen" line of an address that nobody else on this machine uses; the same for the same port. */
void master_rig_print_listen(struct text *out, uint16_t port);

/* Reads the configuration, as the start does; n_workers sit in the lowest slots, and a director. */
void master_rig_open(struct master_rig *rig, const char *text, uint32_t n_workers);
void master_rig_close(struct master_rig *rig);

/* A process of this place is there and has said nothing yet: one that waits for a signal. */
void master_rig_seat(struct master_rig *rig, uint32_t place);

/* The process is gone, as after its last word. */
void master_rig_leave(struct master_rig *rig, uint32_t place);

/* Asks for a rollout of the text (NULL: of the configuration of the start). */
void master_rig_ask(struct master_rig *rig, const char *text);

/* What the child in the place says. */
void master_rig_say(struct master_rig *rig, uint32_t place, enum message_kind kind,
                    uint64_t generation, const char *text);

/* All who are part of the rollout agree and commit. */
void master_rig_agree(struct master_rig *rig);

/* The next message to the child, its descriptors closed; false when there is none. */
bool master_rig_hear(struct master_rig *rig, uint32_t place);

/* Takes all that the child was told: how many messages of the kind were among it. */
size_t master_rig_count(struct master_rig *rig, uint32_t place, enum message_kind kind);

/* Nobody has anything left to hear. */
void master_rig_forget(struct master_rig *rig);

/* One look of master at what leaves. */
void master_rig_tick(struct master_rig *rig);

#endif
