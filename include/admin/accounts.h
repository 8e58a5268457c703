/* SPDX-License-Identifier: MIT */
/* Who may open a door: names and passwords, and the token that a page's calls carry. */
#ifndef ADMIN_ACCOUNTS_H
#define ADMIN_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/viewer.h"
#include "conf/model.h"
#include "net/addr.h"

struct ev_loop;
struct accounts; /* opaque; owner: the server */

enum { ACCOUNT_TOKEN_BYTES = 33 };

enum account_verdict {
    ACCOUNT_FINE,     /* out is filled */
    ACCOUNT_UNKNOWN,  /* no such user, a wrong password, or none at all */
    ACCOUNT_TOO_MANY, /* this address has been wrong too often: out->retry_s */
    ACCOUNT_BUSY,     /* too many passwords wait to be looked at */
    ACCOUNT_WAITS     /* account_done will be called */
};

/* Who somebody has turned out to be. */
struct account {
    char name[64];
    enum access access;
    char token[ACCOUNT_TOKEN_BYTES]; /* "" with access readonly */
    uint32_t retry_s;
};

/* Called on the loop for a check that waited; the account lives for the call. */
typedef void account_done(void *owner, enum account_verdict verdict,
                          const struct account *account);

/* A thread of its own hashes, one password after another. NULL with errno. */
struct accounts *accounts_new(struct ev_loop *loop, account_done *done);
void accounts_free(struct accounts *accounts);

/* The users from now on; copied. Whoever is not among them any more is unknown from the next look on. */
void accounts_set(struct accounts *accounts, const struct model_admin *admin);

/* True when there is any user: who looks is then asked. */
bool accounts_are_asked(const struct accounts *accounts);

/*
 * Looks at the value of an Authorization header. A name with its password that was right is remembered for some
 * minutes, as a digest under a key of this process, so that a page that renews itself costs no hash.
 * header  NULL = there was none
 * from    whose failures are counted: at most 10 a minute come to be hashed
 * owner   for account_done, should it wait
 */
enum account_verdict accounts_check(struct accounts *accounts, const char *header,
                                    const struct addr *from, void *owner, struct account *out);

/* The owner goes: it is not called any more. */
void accounts_forget(struct accounts *accounts, const void *owner);

/* True for the token of this account; in constant time. */
bool account_has_token(const struct account *account, const char *token);

#endif
