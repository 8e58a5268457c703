/* SPDX-License-Identifier: MIT */
/* Checks one HTTP request, answers it. */
#include "admin/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <jansson.h>
#include <microhttpd.h>

#include "admin/routes.h"
#include "base/units.h"

#define API "/api/"

enum { LIST_BLOCK_BYTES = 32768 };

static void read_address(struct exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || info->client_addr == NULL)
        return;
    if (info->client_addr->sa_family == AF_INET)
        memcpy(&exchange->from.in, info->client_addr, sizeof exchange->from.in);
    else if (info->client_addr->sa_family == AF_INET6)
        memcpy(&exchange->from.in6, info->client_addr, sizeof exchange->from.in6);
}

struct exchange *exchange_new(struct MHD_Connection *connection, bool is_control,
                              uint64_t ticket)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->connection = connection;
    exchange->is_control = is_control;
    exchange->ticket = ticket;
    if (!is_control)
        read_address(exchange);
    return exchange;
}

void exchange_free(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    list_remove(&exchange->node);
    free(exchange->method);
    free(exchange->path);
    if (exchange->body.at != NULL) /* it may have held a password */
        explicit_bzero(exchange->body.at, exchange->body.length);
    text_fini(&exchange->body);
    answer_fini(&exchange->answer);
    free(exchange);
}

/* How often the headers occur whose repetition two readers may take differently. */
struct framing {
    unsigned int hosts, lengths, encodings;
    bool is_bad; /* a length that is no plain number, an encoding that is not chunked */
    bool is_odd; /* a name that is no token, which libmicrohttpd lets pass */
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

/* A token of RFC 9110, 5.6.2. */
static bool is_token(const char *name, size_t length)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && (c == '\0' || strchr(marks, c) == NULL))
            return false;
    }
    return length > 0;
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    (void)value_length;
    struct framing *framing = context;
    value = value == NULL ? "" : value;
    framing->is_odd |= !is_token(name, name_length);
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
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, on_header, &framing);

    bool is_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    if (!is_1_1 && strcmp(version, MHD_HTTP_VERSION_1_0) != 0)
        answer_plain(answer, MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED, "505 HTTP/1.0 or HTTP/1.1");
    else if (framing.hosts > 1 || (is_1_1 && framing.hosts == 0))
        answer_plain(answer, MHD_HTTP_BAD_REQUEST, "400 one Host header");
    else if (framing.is_bad || framing.lengths + framing.encodings > 1)
        answer_plain(answer, MHD_HTTP_BAD_REQUEST, "400 the body's length is not clear");
    else if (framing.is_odd)
        answer_plain(answer, MHD_HTTP_BAD_REQUEST, "400 a header that is none");
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

static struct viewer viewer_of(const struct exchange *exchange)
{
    if (exchange->is_asked)
        return (struct viewer){.access = exchange->account.access,
                               .user = exchange->account.name,
                               .token = exchange->account.token};
    return (struct viewer){.access = exchange->is_control ? ACCESS_FULL : ACCESS_READONLY,
                           .token = ""};
}

bool exchange_is_free(const char *path)
{
    return strcmp(path, "/healthz") == 0;
}

void exchange_turn_away(struct exchange *exchange, enum account_verdict verdict,
                        uint32_t retry_s)
{
    struct answer *answer = &exchange->answer;
    if (verdict == ACCOUNT_TOO_MANY) {
        answer_refusal(answer, MHD_HTTP_TOO_MANY_REQUESTS,
                       "too many wrong passwords from this address: try again in %u s",
                       (unsigned int)retry_s);
        answer->retry_s = retry_s;
    } else if (verdict == ACCOUNT_BUSY) {
        answer_refusal(answer, MHD_HTTP_SERVICE_UNAVAILABLE,
                       "too many passwords wait to be looked at");
        answer->retry_s = 1;
    } else {
        answer_refusal(answer, MHD_HTTP_UNAUTHORIZED, "a name and a password are needed");
        answer->wants_password = true;
    }
}

/* ---- open connections ---- */

#define CONNECTIONS "/connections"

static bool is_of_connections(const char *path)
{
    size_t length = sizeof CONNECTIONS - 1;
    return strncmp(path, CONNECTIONS, length) == 0 &&
           (path[length] == '\0' || path[length] == '/');
}

struct filtering {
    struct connection_filter *filter;
    struct text why;
};

static enum MHD_Result on_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct filtering *filtering = context;
    (void)kind;
    bool is_fine = connection_filter_add(filtering->filter, name, value != NULL ? value : "",
                                         &filtering->why);
    return is_fine ? MHD_YES : MHD_NO;
}

static enum call_verdict begin_list(struct exchange *exchange,
                                    const struct admin_actions *actions)
{
    struct filtering filtering = {.filter = &exchange->filter};
    MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, on_argument,
                              &filtering);
    if (filtering.why.length > 0) {
        answer_refusal(&exchange->answer, MHD_HTTP_BAD_REQUEST, "%s", filtering.why.at);
        text_fini(&filtering.why);
        return CALL_ANSWERED;
    }
    exchange->awaits = AWAITS_LIST;
    if (actions->traffic(actions->context, exchange->ticket) == 0)
        return CALL_WAITS;
    answer_plain(&exchange->answer, MHD_HTTP_SERVICE_UNAVAILABLE, "503 starting");
    return CALL_ANSWERED;
}

static enum call_verdict begin_why(struct exchange *exchange, const char *id,
                                   const struct admin_actions *actions)
{
    uint64_t number;
    exchange->awaits = AWAITS_OBJECT;
    if (!call_parse_id(id, &number))
        answer_refusal(&exchange->answer, MHD_HTTP_BAD_REQUEST, "'%.32s' is no id", id);
    else if (actions->why(actions->context, exchange->ticket, number) == 0)
        return CALL_WAITS;
    else if (errno == ENOENT)
        answer_refusal(&exchange->answer, MHD_HTTP_NOT_FOUND, "connection %.32s is not open",
                       id);
    else
        answer_plain(&exchange->answer, MHD_HTTP_SERVICE_UNAVAILABLE, "503 starting");
    return CALL_ANSWERED;
}

static enum call_verdict begin_connections(struct exchange *exchange, const char *path,
                                           const struct admin_actions *actions)
{
    const char *rest = path + sizeof CONNECTIONS - 1;
    return *rest == '\0' ? begin_list(exchange, actions)
                         : begin_why(exchange, rest + 1, actions);
}

/* ---- where workers spend their time ---- */

#define PROFILE "/profile"

enum { PROFILE_S = 5, PROFILE_MOST = 60 };

static enum MHD_Result on_seconds(void *context, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    int64_t *seconds = context;
    (void)kind;
    bool is_fine = strcmp(name, "seconds") == 0 && value != NULL &&
                   units_parse_number(value, seconds) == 0 && *seconds >= 1 &&
                   *seconds <= PROFILE_MOST;
    if (!is_fine)
        *seconds = 0;
    return is_fine ? MHD_YES : MHD_NO;
}

static enum call_verdict begin_profile(struct exchange *exchange,
                                       const struct admin_actions *actions)
{
    struct answer *answer = &exchange->answer;
    int64_t seconds = PROFILE_S;
    MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, on_seconds,
                              &seconds);
    exchange->awaits = AWAITS_OBJECT;
    if (seconds == 0)
        answer_refusal(answer, MHD_HTTP_BAD_REQUEST,
                       "profile takes seconds, a whole number from 1 to %d", PROFILE_MOST);
    else if (actions->profile(actions->context, exchange->ticket, (uint32_t)seconds) == 0)
        return CALL_WAITS;
    else if (errno == EBUSY)
        answer_refusal(answer, MHD_HTTP_CONFLICT,
                       "another profile is under way: one at a time");
    else
        answer_plain(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "503 starting");
    return CALL_ANSWERED;
}

/* ---- what was waited for ---- */

static void finish_list(struct exchange *exchange, const struct admin_actions *actions)
{
    struct answer *answer = &exchange->answer;
    struct status status;
    if (actions->look(actions->context, &status))
        answer->list = connection_list_new(status.segment, &exchange->filter);
    if (answer->list == NULL) {
        answer_plain(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "503 starting");
        return;
    }
    answer->status = MHD_HTTP_OK;
    answer->type = ANSWER_JSON;
}

/* A worker wrote it: one that is out of its mind must not speak with the reader. */
static bool is_json(const struct text *text)
{
    json_t *json = json_loadb(text->at, text->length, 0, NULL);
    json_decref(json);
    return json != NULL;
}

static void finish_object(struct exchange *exchange, const struct call_result *result)
{
    struct answer *answer = &exchange->answer;
    if (!result->is_ok) {
        call_finish(result, answer);
        return;
    }
    answer->status = MHD_HTTP_OK;
    answer->type = ANSWER_JSON;
    text_clear(&answer->body);
    text_printf(&answer->body, "{%s}\n", result->message);
    if (answer->body.failed || is_json(&answer->body))
        return;
    text_clear(&answer->body);
    answer_refusal(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "a worker's answer is no JSON");
}

void exchange_finish(struct exchange *exchange, const struct call_result *result,
                     const struct admin_actions *actions)
{
    switch (exchange->awaits) {
    case AWAITS_CALL:
        call_finish(result, &exchange->answer);
        break;
    case AWAITS_LIST:
        finish_list(exchange, actions);
        break;
    case AWAITS_OBJECT:
        finish_object(exchange, result);
        break;
    }
}

/* ---- dispatching ---- */

static void answer_get(struct exchange *exchange, const char *path,
                       const struct admin_actions *actions)
{
    struct status status;
    bool is_there = actions->look(actions->context, &status);
    const struct viewer viewer = viewer_of(exchange);
    status.viewer = &viewer;
    route_answer(path, is_there ? &status : NULL, &viewer, &exchange->answer);
}

static const char *header_of(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

/* Only browsers send these. */
static bool is_from_browser(const struct exchange *exchange)
{
    return header_of(exchange, "Origin") != NULL ||
           header_of(exchange, "Sec-Fetch-Site") != NULL;
}

/* Another site's page can make a browser call with the password it remembers, but does not know the token. */
static bool is_forged(const struct exchange *exchange)
{
    return is_from_browser(exchange) &&
           !account_has_token(&exchange->account, header_of(exchange, "X-Gaidaros-Token"));
}

/* Which process has connected to the control socket, as the kernel knows it. */
static bool peer_of(const struct exchange *exchange, struct ucred *peer)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    socklen_t length = sizeof *peer;
    return info != NULL &&
           getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, peer, &length) == 0;
}

/* Who makes the call, for the log. */
static void print_caller(char *out, size_t bytes, const struct exchange *exchange)
{
    char from[ADDR_TEXT_BYTES];
    struct ucred peer;
    if (exchange->is_control && peer_of(exchange, &peer))
        snprintf(out, bytes, "the control socket (uid %u)", (unsigned int)peer.uid);
    else if (exchange->is_control)
        snprintf(out, bytes, "the control socket");
    else
        snprintf(out, bytes, "%s at %s", exchange->is_asked ? exchange->account.name : "nobody",
                 addr_print(from, &exchange->from));
}

static enum call_verdict begin_call(struct exchange *exchange, const char *name,
                                    const struct admin_actions *actions)
{
    struct answer *answer = &exchange->answer;
    char by[192];
    if (is_forged(exchange)) {
        answer_refusal(answer, MHD_HTTP_FORBIDDEN,
                       "%s: a web page may not make calls but for our own, with its token",
                       name);
        return CALL_ANSWERED;
    }
    if (exchange->is_too_large) {
        answer_refusal(answer, MHD_HTTP_CONTENT_TOO_LARGE, "a body has at most %d bytes",
                       EXCHANGE_MOST_BODY);
        return CALL_ANSWERED;
    }
    print_caller(by, sizeof by, exchange);
    const struct call_request request = {
        .name = name,
        .access = viewer_of(exchange).access,
        .is_asked = exchange->is_asked,
        .by = by,
        .type = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND,
                                            MHD_HTTP_HEADER_CONTENT_TYPE),
        .body = exchange->body.at,
        .length = exchange->body.length,
        .ticket = exchange->ticket,
    };
    return call_begin(&request, actions, answer);
}

static bool is_asked_of_workers(const char *path)
{
    return is_of_connections(path) || strcmp(path, PROFILE) == 0;
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
    else if (is_get && is_of_connections(path))
        return begin_connections(exchange, path, actions);
    else if (is_get && strcmp(path, PROFILE) == 0)
        return begin_profile(exchange, actions);
    else if (is_get)
        answer_get(exchange, path, actions);
    else if (is_post && !route_is_known(path) && !is_asked_of_workers(path))
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

static ssize_t read_list(void *context, uint64_t at, char *bytes, size_t most)
{
    (void)at;
    size_t n = connection_list_read(context, bytes, most);
    return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_list(void *context)
{
    connection_list_free(context);
}

/* The list is printed as fast as the client takes it; whoever is slow holds a block of it. */
static struct MHD_Response *respond_by_list(struct answer *answer)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, LIST_BLOCK_BYTES, read_list, answer->list, free_list);
    if (response != NULL)
        answer->list = NULL;
    return response;
}

static struct MHD_Response *respond_by_body(struct answer *answer)
{
    if (answer->body.failed)
        answer_plain(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "500 out of memory");
    size_t length = answer->body.length;
    char *body = text_take(&answer->body);
    if (body == NULL)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(body);
    return response;
}

bool exchange_send(struct exchange *exchange)
{
    struct answer *answer = &exchange->answer;
    struct MHD_Response *response =
        answer->list != NULL ? respond_by_list(answer) : respond_by_body(answer);
    if (response == NULL)
        return false;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
    if (answer->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
    if (answer->wants_password)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Basic realm=\"gaidaros\", charset=\"UTF-8\"");
    if (exchange->is_last)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (answer->retry_s > 0) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%u", answer->retry_s);
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    enum MHD_Result result = MHD_queue_response(exchange->connection, answer->status, response);
    MHD_destroy_response(response);
    return result == MHD_YES;
}
