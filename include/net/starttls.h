/* SPDX-License-Identifier: MIT */
/* What is said in plain before TLS begins, by protocols that begin it so: bytes in, answers out. */
#ifndef NET_STARTTLS_H
#define NET_STARTTLS_H

#include <stddef.h>

#include "base/text.h"

/*
 * Sources: PostgreSQL's message formats (SSLRequest, GSSENCRequest); RFC 3207 and RFC 5321 (SMTP);
 * RFC 9051 and RFC 2595 (IMAP).
 */

#define STARTTLS_LINE_BYTES 1024  /* a longer line is refused */
#define STARTTLS_COMMANDS_MOST 20 /* before TLS nobody needs more */

enum starttls_verdict {
    STARTTLS_MORE,    /* the client goes on, maybe after an answer */
    STARTTLS_BEGINS,  /* after the answer TLS begins with the next byte */
    STARTTLS_ENDS,    /* after the answer the connection is over, as the client has asked */
    STARTTLS_INVALID, /* it is not spoken so: why tells; an answer may be owed all the same */
};

/* One protocol. */
struct starttls_talk {
    const char *greeting; /* said first; "" = the client speaks first */
    /* Of a host: how long its greeting is, which the client must not see again; 0: not whole yet, SIZE_MAX: it is none that welcomes. */
    size_t (*welcome)(const unsigned char *bytes, size_t length);
    /*
     * Takes the first thing that the client has said.
     * used    out: how much of the bytes that was; 0: it is not whole yet
     * answer  gets what must be said
     * why     out, for STARTTLS_INVALID: static
     */
    enum starttls_verdict (*take)(const unsigned char *bytes, size_t length, size_t *used,
                                  struct text *answer, const char **why);
};

extern const struct starttls_talk starttls_postgres, starttls_smtp, starttls_imap;

#endif
