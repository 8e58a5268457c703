/* SPDX-License-Identifier: MIT */
/* One list or staple that is to be had, and what is known of it. */
#ifndef DIRECTOR_RENEWABLE_H
#define DIRECTOR_RENEWABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/text.h"
#include "tls/client.h"

enum renewable_kind { RENEWABLE_CRL, RENEWABLE_STAPLE };

struct renewal;

/* Owner: the list that it is in. */
struct renewable {
    struct list_node node;
    struct renewal *renewal; /* whose it is */
    enum renewable_kind kind;
    char *name;        /* owned: as conf/fetched.h has it */
    char *of;          /* its end: the URL, or the certificate's path */
    struct text trust; /* PEM: whose signatures count, or the certificate with its chain */
    struct text bytes; /* what workers have; empty: nothing */
    int64_t due_s;     /* since 1970 */
    unsigned n_failures;
    bool is_out;                /* a thread is at it */
    bool is_outdated;           /* that began with another trust */
    bool is_judged;             /* bytes are known to be good */
    bool is_wanted;             /* by the configuration in force; else it goes */
    bool is_point;              /* a client's certificate has named it */
    uint64_t digest;            /* of trust, before another configuration came */
    char why[TLS_REASON_BYTES]; /* it failed last */
};

/* NULL: there is none. */
struct renewable *renewable_find(const struct list_node *all, enum renewable_kind kind,
                                 const char *of);

/* The one that is for this, made at the end where there is none; NULL when memory is out. */
struct renewable *renewable_have(struct list_node *all, enum renewable_kind kind,
                                 const char *of);

/* Takes it out and frees it. */
void renewable_free(struct renewable *item);

#endif
