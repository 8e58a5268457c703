/* SPDX-License-Identifier: MIT */
/* The open connections: which to show, and their list as JSON, bit by bit. */
#ifndef ADMIN_CONNECTIONS_H
#define ADMIN_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "net/addr.h"
#include "share/segment.h"

/* What is asked for; zero asks for all. */
struct connection_filter {
    char service[LABEL_NAME_BYTES], group[LABEL_NAME_BYTES], host[LABEL_NAME_BYTES];
    bool has_source;
    struct addr_network source;
    int64_t age_ms, bytes; /* at least so old, at least so many moved, both ways together */
    uint64_t most;         /* 0 = all */
};

/*
 * Takes one filter of a query: service, group, host, source=NETWORK, age=DURATION, bytes=SIZE, limit=N.
 * value  as it came, with %HH and + in it
 * Returns false with a sentence in why.
 */
bool connection_filter_add(struct connection_filter *filter, const char *name,
                           const char *value, struct text *why);

/* A list under way. It holds nothing but where it is: every row is read when its turn comes. */
struct connection_list; /* opaque; owner: the answer */

/* segment outlives it. NULL when memory is out. */
struct connection_list *connection_list_new(const struct segment *segment,
                                            const struct connection_filter *filter);
void connection_list_free(struct connection_list *list);

/* Writes the next of at most `most` bytes. Returns how many; 0 at the end. */
size_t connection_list_read(struct connection_list *list, char *bytes, size_t most);

#endif
