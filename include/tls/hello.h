/* SPDX-License-Identifier: MIT */
/* What a TLS client says first, looked at without an answer: the name it asks for, the protocols it offers. */
#ifndef TLS_HELLO_H
#define TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sources: RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3; RFC 7301. */

#define HELLO_MOST_BYTES 16384 /* of the message; post-quantum key shares take a few thousand */
#define HELLO_NAME_BYTES 256   /* room for any name and its NUL */

struct hello {
    char name
        [HELLO_NAME_BYTES]; /* in lower case, without a dot at the end; "" = none is asked for */
    const unsigned char
        *protocols; /* of ALPN: each after its length; lie in the assembled message */
    size_t protocols_length;
};

enum hello_verdict {
    HELLO_MORE, /* it goes on */
    HELLO_DONE,
    HELLO_NONE, /* the client does not speak TLS */
    HELLO_BAD   /* it does, but not as it must */
};

/*
 * Looks at what has come so far, from the first byte on; message and records may be split anywhere.
 * room   memory for the message, at least HELLO_MOST_BYTES; protocols point into it
 * out    filled for HELLO_DONE
 */
enum hello_verdict hello_look(const unsigned char *bytes, size_t length, unsigned char *room,
                              struct hello *out);

/* A name as struct hello has it; false, with "", for what is none. */
bool hello_plain_name(const char *name, char out[HELLO_NAME_BYTES]);

/* Whether it offers the protocol. */
bool hello_offers(const struct hello *hello, const char *protocol);

/*
 * Whether a name is what a pattern means: itself, or with "*." one label more than what stands behind it.
 * Both in lower case.
 */
bool hello_matches(const char *pattern, const char *name);

#endif
