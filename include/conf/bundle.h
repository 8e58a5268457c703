/* SPDX-License-Identifier: MIT */
/* One sealed memfd that carries a configuration to another process: text, origins, files, row numbers. */
#ifndef CONF_BUNDLE_H
#define CONF_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/build.h"
#include "conf/model.h"
#include "conf/store.h"

/*
 * Which rows of the segment, which listeners of master this generation uses. Arrays in the
 * order of the model: one entry a service, a group, a host (all groups, model_group.first_host),
 * a listen (all services, model_service.first_listen).
 */
struct bundle_rows {
    uint32_t *services, *groups, *hosts, *listeners;
    size_t n_services, n_groups, n_hosts, n_listeners;
};

/*
 * Packs the model and its rows.
 * Returns a sealed memfd (the caller's), or -1 with errno.
 */
int bundle_pack(const struct model *model, const struct bundle_rows *rows);

/* True when some file of the model holds a private key that the party gets. */
bool bundle_has_keys(const struct model *model, enum key_party party);

/*
 * Packs the private keys of one party, of which the bundle has none.
 * Returns a sealed memfd for that party alone (the caller's), or -1 with errno.
 */
int bundle_pack_keys(const struct model *model, enum key_party party);

/* What bundle_pack_keys gives for each party that has keys; -1: it has none. */
struct bundle_keys {
    int workers_fd, director_fd; /* owned */
};
#define BUNDLE_NO_KEYS ((struct bundle_keys){-1, -1})

/* Packs the keys of both parties. Returns 0, or -1 with errno and nothing to close. */
int bundle_pack_all_keys(const struct model *model, struct bundle_keys *out);
void bundle_close_keys(struct bundle_keys *keys);

/*
 * Reads a bundle back, its keys left out; the descriptor stays the caller's and its offset is not used.
 * rows_out  filled with arrays that live as long as the model
 * Returns a model equal to the packed one (conf_free), or NULL with the reason in problems.
 */
struct model *bundle_unpack(int fd, struct bundle_rows *rows_out, struct problems *problems);

/*
 * As bundle_unpack, with the keys of keys_fd, which are this party's; -1: without. One that is missing there is damage.
 */
struct model *bundle_unpack_whole(int fd, int keys_fd, enum key_party party,
                                  struct bundle_rows *rows_out, struct problems *problems);

#endif
