/* SPDX-License-Identifier: MIT */
/* A check by one HTTP request: the status of its answer decides. */
#include "director/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/text.h"
#include "net/httphead.h"

struct exchange {
    struct text request;
    size_t sent_bytes; /* of request */
    struct http_head head;
};

static bool is_wanted(const struct probe *probe, int status)
{
    return status >= probe->task.check->status_least &&
           status <= probe->task.check->status_most;
}

static enum probe_verdict judge(struct probe *probe, int status)
{
    return is_wanted(probe, status) ? PROBE_GOOD : probe_fail(probe, "HTTP status %d", status);
}

static enum probe_verdict fail_early(struct probe *probe, ssize_t n)
{
    if (n < 0)
        return probe_fail(probe, "HTTP: %s", strerror(errno));
    if (probe->got_bytes == PROBE_ANSWER_BYTES)
        return probe_fail(probe, "HTTP: no end of the headers within 16 KiB");
    return probe_fail(probe, "HTTP: closed by the host before the end of the headers");
}

static enum probe_verdict read_answer(struct probe *probe)
{
    struct exchange *exchange = probe->state;
    struct http_head *head = &exchange->head;
    char bytes[4096];
    ssize_t n;
    probe->events = EV_READ;
    while ((n = probe_read(probe, bytes, sizeof bytes)) > 0) {
        switch (http_head_feed(head, bytes, (size_t)n)) {
        case HTTP_PARSE_MORE:
            break;
        case HTTP_PARSE_DONE:
            return judge(probe, head->status);
        case HTTP_PARSE_BAD:
            return probe_fail(probe, "HTTP: %s", head->problem);
        }
    }
    return n < 0 && errno == EAGAIN ? PROBE_GOING : fail_early(probe, n);
}

static enum probe_verdict go_on(struct probe *probe)
{
    struct exchange *exchange = probe->state;
    size_t left = exchange->request.length - exchange->sent_bytes;
    if (left == 0)
        return read_answer(probe);
    ssize_t n = probe_write(probe, exchange->request.at + exchange->sent_bytes, left);
    if (n < 0)
        return probe_fail(probe, "HTTP: %s", strerror(errno));
    exchange->sent_bytes += (size_t)n;
    probe->events = (size_t)n == left ? EV_READ : EV_WRITE;
    return PROBE_GOING;
}

static void write_request(struct text *out, const struct probe_task *task)
{
    char address[ADDR_TEXT_BYTES];
    const char *host = task->name[0] != '\0' ? task->name : addr_print(address, task->address);
    text_printf(out,
                "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: gaidaros\r\nAccept: */*\r\n"
                "Connection: close\r\n\r\n",
                task->check->method, task->check->path, host);
}

static enum probe_verdict start(struct probe *probe)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return probe_fail_memory(probe);
    probe->state = exchange;
    write_request(&exchange->request, &probe->task);
    return exchange->request.failed ? probe_fail_memory(probe) : go_on(probe);
}

/* A status that decides stands, also when the headers never end. */
static void explain(struct probe *probe)
{
    const struct exchange *exchange = probe->state;
    int status = exchange->head.status;
    if (status != 0 && !is_wanted(probe, status))
        probe_fail(probe, "HTTP status %d", status);
}

static void fini(struct probe *probe)
{
    struct exchange *exchange = probe->state;
    if (exchange == NULL)
        return;
    text_fini(&exchange->request);
    free(exchange);
}

const struct probe_kind probe_http = {
    .start = start, .go_on = go_on, .explain = explain, .fini = fini, .waits_for_end = true};
