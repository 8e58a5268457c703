/* SPDX-License-Identifier: MIT */
/* Files that values name: read once, kept in the store, found there by path ever after. */
#ifndef CONF_ATTACHED_H
#define CONF_ATTACHED_H

#include <stddef.h>

#include "conf/values.h"

/* A struct model_file of certificates; "" is none. */
extern const struct value_kind value_certificates;

/* A struct model_file of secret bytes that the director alone gets; "" is none. */
extern const struct value_kind value_secret;

/*
 * The file of this path, which counts from the configuration's folder; from disk only where the
 * store may read and has not yet.
 * most_bytes  a larger one is refused
 * Returns false with a sentence in the context's why.
 */
bool attached_take(struct value_context *context, const char *path, size_t most_bytes,
                   struct model_file *out);

/* As attached_take, of a file that is taken over when it changes on disk, as private keys and what stands with them are always. */
bool attached_take_watched(struct value_context *context, const char *path, size_t most_bytes,
                           struct model_file *out);

/* As attached_take, of a file that others may not read. */
bool attached_take_secret(struct value_context *context, const char *path, size_t most_bytes,
                          struct model_file *out);

/*
 * As attached_take_secret, of a file that holds a private key: its bytes travel to who must have it alone (enum
 * key_party: the director for [admin], the workers else); elsewhere it has none.
 */
bool attached_take_key(struct value_context *context, const char *path, size_t most_bytes,
                       struct model_file *out);

/* As attached_take, of certificates; has_key: a private key stands among them, so that it is as by attached_take_key. */
bool attached_take_pair(struct value_context *context, const char *path, size_t most_bytes,
                        struct model_file *out, bool *has_key);

#endif
