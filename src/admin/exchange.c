/* SPDX-License-Identifier: MIT */
/* Checks one HTTP request, answers it. */
#include "admin/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "admin/routes.h"

#define API "/api/"

struct exchange *exchange_new(struct MHD_Connection *connection, enum access access,
                              uint64_t ticket)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->connection = connection;
    exchange->access = access;
    exchange->ticket = ticket;
    return exchange;
}

void exchange_free(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    list_remove(&exchange->node);
    text_fini(&exchange->body);
    answer_fini(&exchange->answer);
    free(exchange);
}

/* How often the headers occur whose repetition two readers may take differently. */
struct framing {
    unsigned int hosts, lengths, encodings;
    bool is_bad; /* a length that is no plain number, an encoding that is not chunked */
    uint64_t length_bytes; /* capped: anything large is too large */
};

static void note_length(struct framing *framing, const char *value)
{
    framing->lengths++;
    if (*value == '\0')
        framing->is_bad = true;
    for (const char *at = value; *at != '\0'; at++) {
        if (*at < '0' || *at > '9') {
            framing->is_bad = true;
            return;
        }
        if (framing->length_bytes <= EXCHANGE_MOST_BODY)
            framing->length_bytes = framing->length_bytes * 10 + (uint64_t)(*at - '0');
    }
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    (void)kind;
    struct framing *framing = context;
    value = value == NULL ? "" : value;
    if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
        framing->hosts++;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        note_length(framing, value);
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        framing->encodings++;
        framing->is_bad |= strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

bool exchange_check(struct exchange *exchange, const char *path, const char *version)
{
    struct answer *answer = &exchange->answer;
    struct framing framing = {0};
    MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, on_header, &framing);

    bool is_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    if (!is_1_1 && strcmp(version, MHD_HTTP_VERSION_1_0) != 0)
        answer_plain(answer, MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED, "505 HTTP/1.0 or HTTP/1.1");
    else if (framing.hosts > 1 || (is_1_1 && framing.hosts == 0))
        answer_plain(answer, MHD_HTTP_BAD_REQUEST, "400 one Host header");
    else if (framing.is_bad || framing.lengths + framing.encodings > 1)
        answer_plain(answer, MHD_HTTP_BAD_REQUEST, "400 the body's length is not clear");
    else if (*path != '/')
        answer_plain(answer, MHD_HTTP_BAD_REQUEST, "400 a path begins with /");
    else if (framing.length_bytes > EXCHANGE_MOST_BODY)
        answer_refusal(answer, MHD_HTTP_CONTENT_TOO_LARGE, "a body has at most %d bytes",
                       EXCHANGE_MOST_BODY);
    return answer->status == 0;
}

void exchange_take(struct exchange *exchange, const char *bytes, size_t length)
{
    if (exchange->body.length + length > EXCHANGE_MOST_BODY)
        exchange->is_too_large = true;
    else
        text_append(&exchange->body, bytes, length);
}

static void refuse_method(struct answer *answer, const char *allow)
{
    answer_plain(answer, MHD_HTTP_METHOD_NOT_ALLOWED, "405 not with this method");
    answer->allow = allow;
}

static void answer_get(struct exchange *exchange, const char *path,
                       const struct admin_actions *actions)
{
    struct status status;
    bool is_there = actions->look(actions->context, &status);
    const struct viewer viewer = {.access = exchange->access, .token = ""};
    route_answer(path, is_there ? &status : NULL, &viewer, &exchange->answer);
}

/* Only browsers send these. No page of ours makes calls yet, so it is another site's that does. */
static bool is_from_browser(const struct exchange *exchange)
{
    static const char *const names[] = {"Origin", "Sec-Fetch-Site"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, names[i]) !=
            NULL)
            return true;
    return false;
}

static enum call_verdict begin_call(struct exchange *exchange, const char *name,
                                    const struct admin_actions *actions)
{
    struct answer *answer = &exchange->answer;
    if (is_from_browser(exchange)) {
        answer_refusal(answer, MHD_HTTP_FORBIDDEN, "%s: a web page may not make calls", name);
        return CALL_ANSWERED;
    }
    if (exchange->is_too_large) {
        answer_refusal(answer, MHD_HTTP_CONTENT_TOO_LARGE, "a body has at most %d bytes",
                       EXCHANGE_MOST_BODY);
        return CALL_ANSWERED;
    }
    const struct call_request request = {
        .name = name,
        .access = exchange->access,
        .by =
            "the control socket", /* the one door through which calls come until there are users */
        .type = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND,
                                            MHD_HTTP_HEADER_CONTENT_TYPE),
        .body = exchange->body.at,
        .length = exchange->body.length,
        .ticket = exchange->ticket,
    };
    return call_begin(&request, actions, answer);
}

enum call_verdict exchange_dispatch(struct exchange *exchange, const char *method,
                                    const char *path, const struct admin_actions *actions)
{
    bool is_get =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    bool is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    bool is_call = strncmp(path, API, strlen(API)) == 0;
    if (is_call && is_post)
        return begin_call(exchange, path + strlen(API), actions);

    if (is_call)
        refuse_method(&exchange->answer, "POST");
    else if (is_get)
        answer_get(exchange, path, actions);
    else if (is_post && !route_is_known(path))
        answer_plain(&exchange->answer, MHD_HTTP_NOT_FOUND, "404 there is nothing here");
    else
        refuse_method(&exchange->answer, "GET, HEAD");
    return CALL_ANSWERED;
}

/* The page needs its own style, script, icon and figures; nothing else may be loaded, framed or sent. */
static const char *const headers[][2] = {
    {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
     "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
};

bool exchange_send(struct exchange *exchange)
{
    struct answer *answer = &exchange->answer;
    if (answer->body.failed)
        answer_plain(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "500 out of memory");
    size_t length = answer->body.length;
    char *body = text_take(&answer->body);
    if (body == NULL)
        return false;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(body);
        return false;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
    if (answer->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
    enum MHD_Result result = MHD_queue_response(exchange->connection, answer->status, response);
    MHD_destroy_response(response);
    return result == MHD_YES;
}
