/* SPDX-License-Identifier: MIT */
/* The head of an HTTP/1 response: its status, and where it ends. */
#ifndef NET_HTTPHEAD_H
#define NET_HTTPHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A parser that takes bytes as they come (RFC 9112, 2 to 5). Zero is its beginning. Interim
 * responses (1xx, RFC 9110, 15.2) are passed over. Lines may end in CRLF or LF; names and values
 * of fields are not looked at, but a NUL or a lone CR in them is a fault.
 */
struct http_head {
    enum {
        HTTP_VERSION, /* "HTTP/1." and a digit */
        HTTP_STATUS,  /* a space and three digits */
        HTTP_REASON,  /* to the end of the line */
        HTTP_FIELD_START,
        HTTP_FIELD
    } at;
    uint32_t n;          /* bytes seen of the part */
    int status;          /* 0 until all of it was read */
    int digits;          /* its value so far */
    bool has_cr;         /* the byte before was a CR */
    const char *problem; /* PARSE_BAD: what is wrong, a static sentence */
};

enum http_parse {
    HTTP_PARSE_MORE,
    HTTP_PARSE_DONE, /* the head is whole; status is its status */
    HTTP_PARSE_BAD   /* see problem */
};

/*
 * Takes the next bytes. How they were cut makes no difference; after DONE or BAD it may not be called
 * again. Bytes behind the head are the body's and not looked at.
 */
enum http_parse http_head_feed(struct http_head *head, const void *bytes, size_t length);

#endif
