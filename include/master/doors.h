/* SPDX-License-Identifier: MIT */
/* The sockets of [admin] listen: opened by master, served by the director. */
#ifndef MASTER_DOORS_H
#define MASTER_DOORS_H

#include "conf/build.h"
#include "conf/check.h"

#define DOORS_MOST CHECK_MOST_DOORS

struct door {
    struct addr address;
    char interface[16];
    int fd; /* owned */
    bool is_fresh;
    bool tls;
};

/* Those of the current configuration, and those of the one being prepared (which shares kept ones). */
struct doors {
    struct door now[DOORS_MOST], next[DOORS_MOST]; /* in the order of model.admin.listens */
    size_t n_now, n_next;
};

/* Binds what is new. 0, or -1 with the reasons in problems and everything as before. patience_ms: as listeners_prepare. */
int doors_prepare(struct doors *doors, const struct model *model, int64_t patience_ms,
                  struct problems *problems);

/*
 * Listens on what is new, closes what is gone.
 * Returns true when the set, its order, or which of them speak TLS changed.
 */
bool doors_commit(struct doors *doors);
void doors_abort(struct doors *doors);
void doors_fini(struct doors *doors);

#endif
