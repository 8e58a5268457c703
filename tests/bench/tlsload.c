/* SPDX-License-Identifier: MIT */
/* A TLS load client for the bench: handshakes, requests, bulk, idle connections, floods. */
#include "../tools/kit.h"
#include "tlsrun.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * tlsload MODE --to ADDRESS:PORT [--OPTION VALUE …]
 *
 * full      --count visits, --parallel at a time: connect, handshake, 64 bytes there and back, close
 * resumed   the same, each resumes the ticket of an earlier one; those that bring the first
 *           tickets are before "ready"
 * requests  64 bytes there and back, --count in all, over --parallel connections that are open
 * bulk      reads --bytes from --parallel connections, of which each ends after its equal share
 * idle      opens --parallel connections and closes them at a line on stdin
 * flood     requests as above, each --gap microseconds on each connection, while another thread
 *           begins --rate visits a second for --seconds, whatever became of the earlier ones;
 *           with --rude 1 a visit is a hello that costs the client nothing, and it leaves when
 *           the server has answered: handshakes are then how long that took
 *
 * The server must echo, for bulk send unasked. A first line {"ready":true} says that what comes
 * before the measured part is done; with --hold 1 the measured part, and the close after it, wait
 * for a line on stdin each. The figures are a second line. Status 1 and a line on stderr when
 * anything was not as it should be, 2 for wrong options. Only a flood counts lost visits.
 */
struct options {
    struct tls_target target;
    const char *cipher;
    uint64_t count, parallel, bytes, rate_per_s, seconds, gap_us, timeout_ms, hold, rude;
};

static struct tls_run run_of(const struct options *o, size_t n_slots)
{
    return (struct tls_run){.target = &o->target,
                            .cipher = o->cipher,
                            .n_slots = n_slots,
                            .timeout_ns = o->timeout_ms * 1000000};
}

static void await_line(void)
{
    char byte = 0;
    while (byte != '\n') {
        ssize_t n = read(0, &byte, 1);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            tls_run_fault("stdin ended before a line came");
        }
    }
}

static void ready(const struct options *o)
{
    printf("{\"ready\":true}\n");
    fflush(stdout);
    if (o->hold) {
        await_line();
    }
}

static void print_samples(const char *what, struct samples *samples)
{
    printf(",\"%s\":{\"n\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}", what,
           samples->n, tls_samples_us(samples, 0.5), tls_samples_us(samples, 0.99),
           tls_samples_us(samples, 1));
}

static void print_head(const char *mode, const struct options *o)
{
    printf("{\"mode\":\"%s\",\"parallel\":%" PRIu64, mode, o->parallel);
}

/* The end of a run's line; since_ns is when its measured part began. */
static void print_tail(const struct options *o, uint64_t ended_ns, uint64_t since_ns)
{
    printf(",\"elapsed_s\":%.6f}\n", (double)(ended_ns - since_ns) / 1e9);
    fflush(stdout);
    if (o->hold) {
        await_line();
    }
}

static void visits(const struct options *o, bool does_resume)
{
    struct tls_run run = run_of(o, o->parallel);
    tls_run_open(&run);
    if (does_resume) {
        tls_run_visits(&run, o->parallel, false);
        tls_run_zero(&run);
    }
    ready(o);
    tls_run_visits(&run, o->count, does_resume);
    uint64_t ended_ns = kit_now_ns();
    print_head(does_resume ? "resumed" : "full", o);
    printf(",\"done\":%" PRIu64 ",\"reused\":%" PRIu64 ",\"tickets\":%" PRIu64
           ",\"unclean\":%" PRIu64,
           run.done, run.n_reused, tls_run_tickets(&run), run.n_unclean);
    print_samples("handshake", &run.samples);
    print_tail(o, ended_ns, run.begin_ns);
    if (does_resume && run.n_reused != o->count) {
        tls_run_fault("%" PRIu64 " of %" PRIu64 " handshakes resumed a session", run.n_reused,
                      o->count);
    }
    tls_run_close(&run);
}

static void mode_full(const struct options *o)
{
    visits(o, false);
}

static void mode_resumed(const struct options *o)
{
    visits(o, true);
}

static void mode_requests(const struct options *o)
{
    struct tls_run run = run_of(o, o->parallel);
    tls_run_open(&run);
    tls_run_connect(&run);
    ready(o);
    tls_run_requests(&run, o->count, o->gap_us * 1000, 0);
    uint64_t ended_ns = kit_now_ns();
    print_head("requests", o);
    printf(",\"done\":%" PRIu64, run.done);
    print_samples("request", &run.samples);
    print_tail(o, ended_ns, run.begin_ns);
    tls_run_close(&run);
}

static void mode_bulk(const struct options *o)
{
    if (o->bytes % o->parallel) {
        tls_run_fault("--bytes cannot be shared equally among --parallel");
    }
    struct tls_run run = run_of(o, o->parallel);
    run.share_bytes = o->bytes / o->parallel;
    tls_run_open(&run);
    tls_run_connect(&run);
    ready(o);
    tls_run_drain(&run);
    uint64_t ended_ns = kit_now_ns();
    print_head("bulk", o);
    printf(",\"bytes\":%" PRIu64, run.bytes);
    print_tail(o, ended_ns, run.begin_ns);
    tls_run_close(&run);
}

static void mode_idle(const struct options *o)
{
    struct tls_run run = run_of(o, o->parallel);
    tls_run_open(&run);
    tls_run_connect(&run);
    uint64_t begin_ns = kit_now_ns();
    ready(&(struct options){.hold = 1});
    tls_run_verify_rest(&run);
    print_head("idle", o);
    printf(",\"tickets\":%" PRIu64, tls_run_tickets(&run));
    print_tail(o, kit_now_ns(), begin_ns);
    tls_run_close(&run);
}

/* The requests of a flood, in a thread of their own. */
struct beat {
    const struct options *options;
    struct tls_run run;
};

static void *beat_main(void *arg)
{
    struct beat *beat = arg;
    const struct options *o = beat->options;
    tls_run_requests(&beat->run, UINT64_MAX, o->gap_us * 1000,
                     kit_now_ns() + o->seconds * 1000000000);
    return NULL;
}

static void mode_flood(const struct options *o)
{
    struct beat beat = {.options = o, .run = run_of(o, o->parallel)};
    tls_run_open(&beat.run);
    tls_run_connect(&beat.run);
    struct tls_run flood = run_of(o, o->rate_per_s * o->seconds);
    flood.does_count_losses = true;
    flood.is_rude = o->rude != 0;
    tls_run_open(&flood);
    ready(o);
    uint64_t begin_ns = kit_now_ns();
    pthread_t thread;
    int error = pthread_create(&thread, NULL, beat_main, &beat);
    /* What is measured is the server's delay, not ours: requests and host go first. */
    if (error || setpriority(PRIO_PROCESS, 0, 19) < 0) {
        tls_run_fault("cannot begin the requests: %s", strerror(error ? error : errno));
    }
    tls_run_flood(&flood, 1000000000 / o->rate_per_s);
    pthread_join(thread, NULL);
    uint64_t ended_ns = kit_now_ns();
    print_head("flood", o);
    print_samples("request", &beat.run.samples);
    printf(",\"asked\":%" PRIu64 ",\"done\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"timed_out\":%" PRIu64,
           flood.started, flood.done, flood.failed, flood.timed_out);
    print_samples("handshake", &flood.samples);
    print_tail(o, ended_ns, begin_ns);
    tls_run_close(&flood);
    tls_run_close(&beat.run);
}

static void set_by_name(struct options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *target;
    } numbers[] = {
        {"--count", &o->count},        {"--parallel", &o->parallel}, {"--bytes", &o->bytes},
        {"--rate", &o->rate_per_s},    {"--seconds", &o->seconds},   {"--gap", &o->gap_us},
        {"--timeout", &o->timeout_ms}, {"--hold", &o->hold},         {"--rude", &o->rude},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].name, name) == 0) {
            *numbers[i].target = kit_number(name, value);
            return;
        }
    }
    if (strcmp(name, "--to") == 0) {
        o->target.length = kit_address(value, &o->target.address);
    } else if (strcmp(name, "--name") == 0) {
        o->target.name = value;
    } else if (strcmp(name, "--cipher") == 0) {
        o->cipher = value;
    } else {
        errno = 0;
        kit_fail("unknown option: %s", name);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *word;
        void (*run)(const struct options *o);
    } modes[] = {
        {"full", mode_full}, {"resumed", mode_resumed}, {"requests", mode_requests},
        {"bulk", mode_bulk}, {"idle", mode_idle},       {"flood", mode_flood},
    };
    struct options o = {.cipher = "TLS_AES_128_GCM_SHA256",
                        .count = 1000,
                        .parallel = 16,
                        .bytes = 1 << 28,
                        .rate_per_s = 500,
                        .seconds = 3,
                        .gap_us = 0,
                        .timeout_ms = 10000};
    for (int i = 2; i < argc; i += 2) {
        set_by_name(&o, argv[i], i + 1 < argc ? argv[i + 1] : "");
    }
    /* A write to a connection that was reset is an error of that connection. */
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i].word, argv[1]) == 0 && o.target.length && o.count && o.parallel &&
            o.rate_per_s && o.seconds && o.timeout_ms) {
            modes[i].run(&o);
            return 0;
        }
    }
    errno = 0;
    kit_fail("usage: tlsload full|resumed|requests|bulk|idle|flood --to ADDRESS:PORT "
             "[--OPTION VALUE …]");
}
