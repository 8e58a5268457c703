/* SPDX-License-Identifier: MIT */
/* The head of an HTTP/1 response: its status, and where it ends. */
#include "net/httphead.h"

#include <string.h>

static const char version[] = "HTTP/1.";

enum { STATUS_DIGITS = 3, STATUS_LEAST = 100, STATUS_MOST = 999, FINAL_LEAST = 200 };
enum {
    SWITCHING_PROTOCOLS = 101
}; /* the last of its connection, though it is below FINAL_LEAST */

static bool is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

static enum http_parse bad(struct http_head *head, const char *problem)
{
    head->problem = problem;
    return HTTP_PARSE_BAD;
}

static void enter(struct http_head *head, int part)
{
    *head = (struct http_head){.at = (unsigned char)part, .status = head->status};
}

/* A byte of a line's free text. Returns whether it may stand there; a CR may only stand before a LF. */
static bool take_text(struct http_head *head, unsigned char byte)
{
    if (head->has_cr || byte == '\0')
        return false;
    head->has_cr = byte == '\r';
    return true;
}

static enum http_parse take_version(struct http_head *head, unsigned char byte)
{
    const uint32_t n_fixed = sizeof version - 1;
    if (head->n < n_fixed ? byte != (unsigned char)version[head->n] : !is_digit(byte))
        return bad(head, "the answer is no HTTP/1");
    if (++head->n > n_fixed)
        enter(head, HTTP_STATUS);
    return HTTP_PARSE_MORE;
}

static enum http_parse take_status(struct http_head *head, unsigned char byte)
{
    static const char problem[] = "the status line is broken";
    if (head->n == 0 ? byte != ' ' : !is_digit(byte))
        return bad(head, problem);
    if (head->n > 0)
        head->digits = head->digits * 10 + (byte - '0');
    if (++head->n <= STATUS_DIGITS)
        return HTTP_PARSE_MORE;
    if (head->digits < STATUS_LEAST || head->digits > STATUS_MOST)
        return bad(head, problem);
    head->status = head->digits;
    enter(head, HTTP_REASON);
    return HTTP_PARSE_MORE;
}

/* The space behind the status is demanded by the RFC and left out by servers without a phrase. */
static enum http_parse take_reason(struct http_head *head, unsigned char byte)
{
    if (byte == '\n') {
        enter(head, HTTP_FIELD_START);
        return HTTP_PARSE_MORE;
    }
    if ((head->n++ == 0 && byte != ' ' && byte != '\r') || !take_text(head, byte))
        return bad(head, "the status line is broken");
    return HTTP_PARSE_MORE;
}

static enum http_parse take_field(struct http_head *head, unsigned char byte)
{
    if (byte == '\n') {
        enter(head, HTTP_FIELD_START);
        return HTTP_PARSE_MORE;
    }
    return take_text(head, byte) ? HTTP_PARSE_MORE : bad(head, "a header is broken");
}

static bool is_interim(int status)
{
    return status < FINAL_LEAST && status != SWITCHING_PROTOCOLS;
}

static enum http_parse take_field_start(struct http_head *head, unsigned char byte)
{
    if (byte == '\n') {
        if (!is_interim(head->status))
            return HTTP_PARSE_DONE;
        *head = (struct http_head){0};
        return HTTP_PARSE_MORE;
    }
    if (byte == '\r' && !head->has_cr) {
        head->has_cr = true;
        return HTTP_PARSE_MORE;
    }
    head->at = HTTP_FIELD;
    return take_field(head, byte);
}

static enum http_parse take(struct http_head *head, unsigned char byte)
{
    switch (head->at) {
    case HTTP_VERSION:
        return take_version(head, byte);
    case HTTP_STATUS:
        return take_status(head, byte);
    case HTTP_REASON:
        return take_reason(head, byte);
    case HTTP_FIELD_START:
        return take_field_start(head, byte);
    case HTTP_FIELD:
        return take_field(head, byte);
    }
    return bad(head, "");
}

enum http_parse http_head_feed(struct http_head *head, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    enum http_parse result = HTTP_PARSE_MORE;
    for (size_t i = 0; i < length && result == HTTP_PARSE_MORE; i++)
        result = take(head, at[i]);
    return result;
}
