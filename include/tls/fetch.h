/* SPDX-License-Identifier: MIT */
/* One HTTP transfer of something in DER, bounded in bytes and time. */
#ifndef TLS_FETCH_H
#define TLS_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "tls/client.h"

struct fetch_order {
    const char *url;             /* http:// alone */
    const unsigned char *posted; /* NULL: GET; else the body of a POST */
    size_t posted_length;
    const char *posted_type, *wanted_type; /* content types; wanted_type NULL = any */
    size_t most_bytes;                     /* of the answer */
    int most_s; /* in all, also while nobody answers: connecting is tried again; looking the name up may outlast it */
};

/* What came. Owner: who had it fetched. */
struct fetch_answer {
    unsigned char *bytes; /* owned */
    size_t length;
};

/*
 * Blocks: for a thread that may. Follows redirections of a GET to http://, goes by the proxy that http_proxy in the
 * environment names, unless no_proxy has the host.
 * reason  out, on failure
 */
bool fetch_run(const struct fetch_order *order, struct fetch_answer *out,
               char reason[TLS_REASON_BYTES]);
void fetch_answer_fini(struct fetch_answer *answer);

#endif
