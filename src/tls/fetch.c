/* SPDX-License-Identifier: MIT */
/* One HTTP transfer of something in DER, bounded in bytes and time. */
#include "tls/fetch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/http.h>

static bool fail(char reason[TLS_REASON_BYTES], const char *words)
{
    snprintf(reason, TLS_REASON_BYTES, "%s", words);
    return false;
}

/* What the system has said among the rest, 0: nothing. Empties the queue. */
static int take_system_error(void)
{
    unsigned long error;
    int found = 0;
    while ((error = ERR_get_error()) != 0)
        if (ERR_SYSTEM_ERROR(error))
            found = ERR_GET_REASON(error);
    return found;
}

/* The last that OpenSSL says is the least particular: the first has the cause. */
static void explain(const struct fetch_order *order, time_t began,
                    char reason[TLS_REASON_BYTES])
{
    unsigned long error = ERR_peek_error();
    const char *words = ERR_reason_error_string(error);
    const char *detail = NULL;
    int flags = 0;
    (void)ERR_peek_error_data(&detail, &flags);
    bool has_detail = detail != NULL && *detail != '\0' && (flags & ERR_TXT_STRING) != 0;
    snprintf(reason, TLS_REASON_BYTES, "%s%s%s", words != NULL ? words : "no answer",
             has_detail ? ": " : "", has_detail ? detail : "");
    int system_error = take_system_error();
    if (system_error != 0)
        snprintf(reason, TLS_REASON_BYTES, "%s", strerror(system_error));
    else if (time(NULL) - began >= order->most_s)
        snprintf(reason, TLS_REASON_BYTES, "no whole answer within %d s", order->most_s);
    for (char *c = reason; *c != '\0'; c++) /* some of it came from the network */
        if (*c < ' ' || *c > '~')
            *c = '?';
}

/* Left to OpenSSL a connect that is refused would be tried again for as long as there is time. NULL when it fails. */
static BIO *open_to(const char *host, const char *port, time_t until)
{
    enum { NAP_MS = 100 };
    BIO *server = BIO_new_connect(host);
    if (server == NULL)
        return NULL;
    (void)BIO_set_conn_port(server, port);
    (void)BIO_set_nbio(server, 1);
    while (BIO_do_connect(server) <= 0)
        if (!BIO_should_retry(server) || BIO_wait(server, until, NAP_MS) <= 0) {
            BIO_free_all(server);
            return NULL;
        }
    return server;
}

/* A proxy is connected to by OpenSSL, which knows what to ask it. */
static BIO *post_to(const struct fetch_order *order, const char *host, const char *port,
                    const char *path, BIO *body, time_t until)
{
    bool is_direct = OSSL_HTTP_adapt_proxy(NULL, NULL, host, 0) == NULL;
    BIO *server = is_direct ? open_to(host, port, until) : NULL;
    if (is_direct && server == NULL)
        return NULL;
    BIO *answer = OSSL_HTTP_transfer(
        NULL, host, port, path, 0, NULL, NULL, server, NULL, NULL, NULL, 0, NULL,
        order->posted_type, body, order->wanted_type, 1, order->most_bytes, order->most_s, 0);
    BIO_free_all(server);
    return answer;
}

static BIO *post(const struct fetch_order *order, time_t until)
{
    char *host = NULL, *port = NULL, *path = NULL;
    int is_secure = 0;
    BIO *answer = NULL, *body = NULL;
    if (order->posted_length <= INT_MAX &&
        OSSL_HTTP_parse_url(order->url, &is_secure, NULL, &host, &port, NULL, &path, NULL,
                            NULL) == 1 &&
        !is_secure)
        body = BIO_new_mem_buf(order->posted, (int)order->posted_length);
    if (body != NULL)
        answer = post_to(order, host, port, path, body, until);
    BIO_free(body);
    OPENSSL_free(host);
    OPENSSL_free(port);
    OPENSSL_free(path);
    return answer;
}

static bool take(BIO *answer, struct fetch_answer *out, char reason[TLS_REASON_BYTES])
{
    char *bytes;
    long length = BIO_get_mem_data(answer, &bytes);
    if (length <= 0)
        return fail(reason, "the answer is empty");
    out->bytes = malloc((size_t)length);
    if (out->bytes == NULL)
        return fail(reason, "out of memory");
    memcpy(out->bytes, bytes, (size_t)length);
    out->length = (size_t)length;
    return true;
}

bool fetch_run(const struct fetch_order *order, struct fetch_answer *out,
               char reason[TLS_REASON_BYTES])
{
    time_t began = time(NULL);
    *out = (struct fetch_answer){0};
    ERR_clear_error();
    BIO *answer = order->posted != NULL
                      ? post(order, began + order->most_s)
                      : OSSL_HTTP_get(order->url, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL,
                                      order->wanted_type, 1, order->most_bytes, order->most_s);
    bool is_taken = answer != NULL && take(answer, out, reason);
    if (answer == NULL)
        explain(order, began, reason);
    BIO_free(answer);
    ERR_clear_error();
    return is_taken;
}

void fetch_answer_fini(struct fetch_answer *answer)
{
    free(answer->bytes);
    *answer = (struct fetch_answer){0};
}
