/* SPDX-License-Identifier: MIT */
/* Tests of the resolver against a scripted name server on loopback, in the same loop. */
#include "director/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <ev.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/sock.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_SRV = 33 };
enum { NXDOMAIN = 3, SERVFAIL = 2, REFUSED = 5 };
#define GUARD_S 20.

/* What the server answers to a question. */
struct line {
    const char *name;
    uint16_t type;
    int code;       /* 0 with records, else the error */
    bool is_silent; /* no answer at all */
    uint32_t ttl_s;
    const char *data; /* "192.0.2.1 192.0.2.2", or "10 5 80 h.e; …" */
    int asked;
};

struct rig {
    struct ev_loop *loop;
    int server;
    struct ev_io on_question;
    struct ev_timer guard;
    struct line *lines;
    size_t n_lines;
    int asked; /* in all */
    struct model model;
    struct model_group group;
    struct model_host hosts[600];
    struct addr server_at;
    struct resolver *resolver;
    struct addresses told; /* last */
    int changes, readies;
    int changes_at_ready;
    int log_pipe[2];
};

/* ---- the server ---- */

static size_t put16(unsigned char *at, unsigned number)
{
    at[0] = (unsigned char)(number >> 8);
    at[1] = (unsigned char)number;
    return 2;
}

static size_t put_name(unsigned char *at, const char *name)
{
    size_t used = 0;
    while (*name != '\0') {
        size_t length = strcspn(name, ".");
        at[used++] = (unsigned char)length;
        memcpy(at + used, name, length);
        used += length;
        name += length + (name[length] == '.');
    }
    at[used++] = 0;
    return used;
}

static size_t put_data(unsigned char *at, uint16_t type, const char *data)
{
    unsigned priority, weight, port;
    char target[256];
    if (type == TYPE_A)
        return inet_pton(AF_INET, data, at) == 1 ? 4 : 0;
    if (type == TYPE_AAAA)
        return inet_pton(AF_INET6, data, at) == 1 ? 16 : 0;
    assert_int_equal(sscanf(data, "%u %u %u %255s", &priority, &weight, &port, target), 4);
    size_t used = put16(at, priority);
    used += put16(at + used, weight);
    used += put16(at + used, port);
    return used + put_name(at + used, target);
}

/* The records behind the question; returns how many. */
static unsigned put_records(unsigned char *out, size_t *length, const struct line *line)
{
    char copy[8192], *rest = copy;
    unsigned n = 0;
    snprintf(copy, sizeof copy, "%s", line->data != NULL ? line->data : "");
    const char *separator = line->type == TYPE_SRV ? ";" : " ";
    for (char *one = strsep(&rest, separator); one != NULL; one = strsep(&rest, separator)) {
        if (*one == '\0')
            continue;
        unsigned char *at = out + *length;
        at += put16(at, 0xc00c);
        at += put16(at, line->type);
        at += put16(at, 1);
        at += put16(at, line->ttl_s >> 16);
        at += put16(at, line->ttl_s & 0xffff);
        size_t bytes = put_data(at + 2, line->type, one);
        at += put16(at, (unsigned)bytes) + bytes;
        *length = (size_t)(at - out);
        n++;
    }
    return n;
}

/* The question's name; returns where its type stands. */
static size_t read_question(const unsigned char *bytes, char name[256])
{
    size_t at = 12, used = 0;
    while (bytes[at] != 0) {
        if (used > 0)
            name[used++] = '.';
        memcpy(name + used, bytes + at + 1, bytes[at]);
        used += bytes[at];
        at += bytes[at] + 1U;
    }
    name[used] = '\0';
    return at + 1;
}

static struct line *find_line(const struct rig *rig, const char *name, unsigned type)
{
    for (size_t i = 0; i < rig->n_lines; i++)
        if (strcasecmp(rig->lines[i].name, name) == 0 && rig->lines[i].type == type)
            return &rig->lines[i];
    return NULL;
}

static void on_question(struct ev_loop *loop, struct ev_io *watch, int events)
{
    struct rig *rig = watch->data;
    unsigned char bytes[65536];
    char name[256];
    struct sockaddr_in from;
    socklen_t from_length = sizeof from;
    ssize_t got = recvfrom(rig->server, bytes, 512, 0, (struct sockaddr *)&from, &from_length);
    (void)loop;
    (void)events;
    if (got < 12)
        return;
    size_t at = read_question(bytes, name);
    unsigned type = (unsigned)bytes[at] << 8 | bytes[at + 1];
    size_t length = at + 4;
    struct line *line = find_line(rig, name, type);
    rig->asked++;
    if (line != NULL)
        line->asked++;
    if (line != NULL && line->is_silent)
        return;
    bytes[2] = 0x81;
    bytes[3] = (unsigned char)(0x80 | (line != NULL ? line->code : 0));
    memset(bytes + 6, 0, 6);
    put16(bytes + 6, line != NULL && line->code == 0 ? put_records(bytes, &length, line) : 0);
    sendto(rig->server, bytes, length, 0, (struct sockaddr *)&from, from_length);
}

/* ---- the rig ---- */

static void on_change(void *context, const struct addresses *addresses)
{
    struct rig *rig = context;
    addresses_fini(&rig->told);
    assert_int_equal(addresses_copy(&rig->told, addresses), 0);
    rig->changes++;
}

static void on_ready(void *context)
{
    struct rig *rig = context;
    rig->readies++;
    rig->changes_at_ready = rig->changes;
}

static void on_guard(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    fail_msg("waited too long");
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    rig->loop = ev_loop_new(EVFLAG_NOENV);
    rig->server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(rig->server, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(rig->server, (struct sockaddr *)&at, &length) != 0 ||
        pipe2(rig->log_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    rig->server_at = (struct addr){.in = at, .length = sizeof at};
    rig->group = (struct model_group){.name = "main", .hosts = rig->hosts};
    rig->model = (struct model){.groups = &rig->group, .n_groups = 1};
    rig->model.global.resolvers = &rig->server_at;
    rig->model.global.n_resolvers = 1;
    ev_io_init(&rig->on_question, on_question, rig->server, EV_READ);
    ev_timer_init(&rig->guard, on_guard, GUARD_S, GUARD_S);
    rig->on_question.data = rig;
    ev_io_start(rig->loop, &rig->on_question);
    ev_timer_start(rig->loop, &rig->guard);
    rig->resolver = resolver_new(rig->loop, on_change, rig);
    log_to_fd(rig->log_pipe[1]);
    *state = rig;
    return rig->resolver != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    log_flush();
    log_to_fd(STDERR_FILENO);
    resolver_free(rig->resolver);
    addresses_fini(&rig->told);
    ev_loop_destroy(rig->loop);
    close(rig->server);
    close(rig->log_pipe[0]);
    close(rig->log_pipe[1]);
    free(rig);
    return 0;
}

static void use_names(struct rig *rig, size_t n, const char *const *names)
{
    for (size_t i = 0; i < n; i++)
        rig->hosts[i] = (struct model_host){.name = "h", .line_name = "h", .lookup = names[i]};
    rig->group.n_hosts = rig->model.n_hosts = n;
}

static void use_name(struct rig *rig, const char *name)
{
    use_names(rig, 1, &name);
}

static void use_lines(struct rig *rig, struct line *lines, size_t n)
{
    rig->lines = lines;
    rig->n_lines = n;
}
#define USE_LINES(rig, lines) use_lines(rig, lines, sizeof(lines) / sizeof(lines)[0])

static void apply(struct rig *rig, uint64_t patience_ms)
{
    const struct addresses nothing = {0};
    assert_int_equal(
        resolver_apply(rig->resolver, &rig->model, &nothing, patience_ms, on_ready, rig), 0);
}

static void turn(struct rig *rig)
{
    ev_run(rig->loop, EVRUN_ONCE);
}

static void run_until_ready(struct rig *rig)
{
    while (rig->readies == 0)
        turn(rig);
}

/* Applies, waits, commits. */
static void begin(struct rig *rig)
{
    apply(rig, 10000);
    run_until_ready(rig);
    resolver_settle(rig->resolver, &rig->model);
}

static void run_until_asked(struct rig *rig, const struct line *line, int times)
{
    while (line->asked < times)
        turn(rig);
}

static void run_until_changed(struct rig *rig, int changes)
{
    while (rig->changes < changes)
        turn(rig);
}

/* Lets the loop run for a while, where nothing is to be waited for but that nothing comes. */
static void run_for(struct rig *rig, uint64_t ms)
{
    uint64_t end_ns = clock_now_ns() + ms * CLOCK_NS_PER_MS;
    while (clock_now_ns() < end_ns) {
        ev_run(rig->loop, EVRUN_NOWAIT);
        usleep(1000);
    }
}

/* "192.0.2.1 192.0.2.2:80/5": what the name was last told to mean, "" = nothing. */
static const char *meaning(const struct rig *rig, const char *name)
{
    static char out[4096];
    const struct address_entry *entry = addresses_find(&rig->told, name);
    out[0] = '\0';
    for (size_t i = 0; entry != NULL && i < entry->n; i++) {
        const struct address *address = &entry->addresses[i];
        char shown[INET6_ADDRSTRLEN];
        size_t used = strlen(out);
        bool is_v4 = address->at.any.sa_family == AF_INET;
        inet_ntop(address->at.any.sa_family,
                  is_v4 ? (const void *)&address->at.in.sin_addr : &address->at.in6.sin6_addr,
                  shown, sizeof shown);
        used +=
            (size_t)snprintf(out + used, sizeof out - used, "%s%s", used > 0 ? " " : "", shown);
        if (addr_port(&address->at) != 0)
            snprintf(out + used, sizeof out - used, ":%u/%u", addr_port(&address->at),
                     address->weight);
    }
    return out;
}

/* How many lines of the log hold this; what was read is gone. */
static int count_lines(const struct rig *rig, const char *text)
{
    static char bytes[65536];
    ssize_t got = read(rig->log_pipe[0], bytes, sizeof bytes - 1);
    int n = 0;
    bytes[got > 0 ? got : 0] = '\0';
    for (const char *at = strstr(bytes, text); at != NULL; at = strstr(at + 1, text))
        n++;
    return n;
}

/* ---- starting ---- */

static void finds_all_names_before_a_configuration_is_ready(void **state)
{
    struct rig *rig = *state;
    const char *const names[] = {"a.e", "b.e", "a.e"};
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.2 192.0.2.1"},
                           {"b.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.3"}};
    USE_LINES(rig, lines);
    use_names(rig, 3, names);
    apply(rig, 10000);
    assert_int_equal(rig->readies, 0);
    run_until_ready(rig);
    assert_int_equal(rig->changes_at_ready, 1);
    assert_string_equal(meaning(rig, "a.e"), "192.0.2.1 192.0.2.2");
    assert_string_equal(meaning(rig, "b.e"), "192.0.2.3");
    assert_int_equal(lines[0].asked, 1);
}

static void is_ready_at_once_without_names(void **state)
{
    struct rig *rig = *state;
    use_name(rig, "");
    apply(rig, 10000);
    assert_int_equal(rig->readies, 1);
    assert_int_equal(rig->changes, 0);
}

static void a_bad_answer_is_an_answer_and_said_once(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .code = NXDOMAIN},
                           {"a.e", TYPE_AAAA, .code = NXDOMAIN}};
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    assert_int_equal(rig->changes, 0);
    run_until_asked(rig, &lines[0], 3);
    assert_int_equal(count_lines(rig, "name a.e: no such name"), 1);
    lines[0] = (struct line){"a.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.1"};
    run_until_changed(rig, 1);
    assert_string_equal(meaning(rig, "a.e"), "192.0.2.1");
    assert_int_equal(count_lines(rig, "name a.e: is answered again"), 1);
}

static void silence_holds_nothing_up_for_longer_than_the_patience(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .is_silent = true},
                           {"a.e", TYPE_AAAA, .is_silent = true},
                           {"b.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.3"}};
    const char *const names[] = {"a.e", "b.e"};
    USE_LINES(rig, lines);
    use_names(rig, 2, names);
    apply(rig, 100);
    run_until_ready(rig);
    assert_int_equal(rig->changes_at_ready, 1);
    assert_string_equal(meaning(rig, "b.e"), "192.0.2.3");
    while (count_lines(rig, "name a.e: no name server answers") == 0)
        turn(rig);
    assert_int_equal(lines[0].asked, 2); /* a lost packet is asked for once more */
}

static void what_an_earlier_director_knew_is_taken_over(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 1, .data = "192.0.2.1"}};
    struct addresses known = {0};
    struct address at = {.weight = 1, .at.length = sizeof at.at.in};
    at.at.in.sin_family = AF_INET;
    inet_pton(AF_INET, "192.0.2.1", &at.at.in.sin_addr);
    assert_int_equal(addresses_set(&known, "a.e", &at, 1), 1);
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    assert_int_equal(resolver_apply(rig->resolver, &rig->model, &known, 10000, on_ready, rig),
                     0);
    assert_int_equal(rig->readies, 1);
    addresses_fini(&known);
    resolver_settle(rig->resolver, &rig->model);
    run_until_asked(rig, &lines[0], 2);
    assert_int_equal(rig->changes, 0);
    lines[0].data = "192.0.2.1 192.0.2.2";
    run_until_changed(rig, 1);
    assert_string_equal(meaning(rig, "a.e"), "192.0.2.1 192.0.2.2");
}

static void a_name_that_is_known_does_not_hold_the_next_configuration(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.1"}};
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    apply(rig, 10000);
    assert_int_equal(rig->readies, 2);
    assert_int_equal(rig->changes, 1);
}

static void nobody_is_told_ready_of_what_was_given_up(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.1"}};
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    apply(rig, 10000);
    resolver_wait_no_more(rig->resolver);
    run_until_changed(rig, 1); /* its names stay */
    assert_int_equal(rig->readies, 0);
}

/* ---- keeping on ---- */

static void asks_again_at_the_time_to_live(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 0, .data = "192.0.2.1"},
                           {"b.e", TYPE_A, .ttl_s = 3600, .data = "192.0.2.1"}};
    const char *const names[] = {"a.e", "b.e"};
    USE_LINES(rig, lines);
    use_names(rig, 2, names);
    uint64_t began_ns = clock_now_ns();
    begin(rig);
    run_until_asked(rig, &lines[0], 3);
    assert_true(clock_now_ns() - began_ns >= 1900 * CLOCK_NS_PER_MS); /* 1 s at least, twice */
    assert_int_equal(lines[1].asked, 1);
}

static void a_new_address_comes_at_once_and_an_old_one_goes_when_missing_twice(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 1, .data = "192.0.2.1"}};
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    lines[0].data = "192.0.2.2";
    run_until_changed(rig, 2);
    assert_string_equal(meaning(rig, "a.e"), "192.0.2.1 192.0.2.2");
    run_until_changed(rig, 3);
    assert_string_equal(meaning(rig, "a.e"), "192.0.2.2");
}

static void an_address_that_was_missing_once_stays(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 1, .data = "192.0.2.1 192.0.2.2"}};
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    for (int i = 0; i < 2; i++) {
        lines[0].data = "192.0.2.1";
        run_until_asked(rig, &lines[0], lines[0].asked + 1);
        lines[0].data = "192.0.2.2 192.0.2.1"; /* in another order, too */
        run_until_asked(rig, &lines[0], lines[0].asked + 1);
    }
    run_for(rig, 200);
    assert_int_equal(rig->changes, 1);
}

/* The last good answer outlives each of these, and takes no change for it. */
static void a_failure_takes_nothing_away(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 1, .data = "192.0.2.1"}};
    static const struct line bad[] = {{"a.e", TYPE_A, .code = SERVFAIL},
                                      {"a.e", TYPE_A, .code = NXDOMAIN},
                                      {"a.e", TYPE_A, .code = REFUSED},
                                      {"a.e", TYPE_A, .data = ""}};
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        lines[0] = bad[i];
        run_until_asked(rig, &lines[0], 1);
        lines[0].asked = 0;
        run_until_asked(rig, &lines[0], 1);
        lines[0] = (struct line){"a.e", TYPE_A, .ttl_s = 1, .data = "192.0.2.1"};
        run_until_asked(rig, &lines[0], 1);
        run_for(rig, 50);
        assert_int_equal(count_lines(rig, "its last addresses stay"), 1);
    }
    assert_int_equal(rig->changes, 1);
}

static void one_family_that_fails_takes_its_addresses_not_away(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 1, .data = "192.0.2.1"},
                           {"a.e", TYPE_AAAA, .ttl_s = 1, .data = "::1"}};
    struct addr loopback = {.length = sizeof loopback.in6};
    loopback.in6.sin6_family = AF_INET6;
    loopback.in6.sin6_addr = in6addr_loopback;
    if (!sock_has_route(&loopback))
        skip();
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    assert_string_equal(meaning(rig, "a.e"), "192.0.2.1 ::1");
    lines[1] = (struct line){"a.e", TYPE_AAAA, .code = SERVFAIL};
    run_until_asked(rig, &lines[1], 3);
    run_for(rig, 100);
    assert_int_equal(rig->changes, 1);
    lines[1] = (struct line){"a.e", TYPE_AAAA, .data = ""};
    run_until_changed(rig, 2); /* but that there are none is an answer */
    assert_string_equal(meaning(rig, "a.e"), "192.0.2.1");
}

/* Some servers refuse every question for AAAA: A alone decides about its own. */
static void a_family_that_always_fails_holds_the_other_not_up(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 1, .data = "192.0.2.1"},
                           {"a.e", TYPE_AAAA, .code = REFUSED}};
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    lines[0].data = "192.0.2.2";
    run_until_changed(rig, 3);
    assert_string_equal(meaning(rig, "a.e"), "192.0.2.2");
}

static void delays_after_failures_grow(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .code = SERVFAIL}};
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    uint64_t began_ns = clock_now_ns();
    run_until_asked(rig, &lines[0], 3);
    assert_true(clock_now_ns() - began_ns >= 2900 * CLOCK_NS_PER_MS); /* 1 s, then 2 s */
}

static void a_server_that_is_not_there_is_asked_no_more_than_once_a_second(void **state)
{
    struct rig *rig = *state;
    use_name(rig, "a.e");
    ev_io_stop(rig->loop, &rig->on_question);
    close(rig->server); /* the kernel refuses from now on */
    uint64_t began_ns = clock_now_ns();
    apply(rig, 10000);
    run_until_ready(rig);
    assert_int_equal(count_lines(rig, "name a.e: no name server can be reached"), 1);
    rig->server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(rig->server, &rig->server_at.any, rig->server_at.length), 0);
    ev_io_set(&rig->on_question, rig->server, EV_READ);
    ev_io_start(rig->loop, &rig->on_question);
    while (rig->asked == 0)
        turn(rig);
    assert_true(clock_now_ns() - began_ns >= 900 * CLOCK_NS_PER_MS);
}

static void names_of_no_configuration_are_asked_for_no_more(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 1, .data = "192.0.2.1"},
                           {"b.e", TYPE_A, .ttl_s = 1, .data = "192.0.2.1"}};
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    use_name(rig, "b.e");
    rig->readies = 0;
    begin(rig);
    int asked = lines[0].asked;
    run_until_asked(rig, &lines[1], 3);
    assert_int_equal(lines[0].asked, asked);
}

static void many_names_are_asked_for_at_a_bounded_rate(void **state)
{
    struct rig *rig = *state;
    static char texts[600][16];
    const char *names[600];
    static struct line lines[1200];
    for (size_t i = 0; i < 600; i++) {
        snprintf(texts[i], sizeof texts[i], "n%zu.e", i);
        names[i] = texts[i];
        lines[2 * i] = (struct line){texts[i], TYPE_A, .is_silent = true};
        lines[2 * i + 1] = (struct line){texts[i], TYPE_AAAA, .is_silent = true};
    }
    USE_LINES(rig, lines);
    use_names(rig, 600, names);
    apply(rig, 400);
    run_until_ready(rig);
    assert_in_range(rig->asked, 1, 2 * 256); /* both families of those under way */
    uint64_t began_ns = clock_now_ns();
    run_until_asked(rig, &lines[1198], 1);
    int n_lines = count_lines(rig, "no name server answers");
    int seconds = (int)((clock_now_ns() - began_ns) / CLOCK_NS_PER_S);
    assert_in_range(n_lines, 1, 20 + seconds + 2); /* LINES_MOST, then one a second */
}

/* ---- what answers may hold ---- */

static void addresses_that_are_no_hosts_are_left_out(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 60,
                            .data = "0.0.0.0 224.0.0.1 255.255.255.255 192.0.2.1 127.0.0.1"},
                           {"a.e", TYPE_AAAA, .ttl_s = 60,
                            .data = ":: ff02::1 fe80::1 ::ffff:0.0.0.0 ::ffff:192.0.2.9"},
                           {"b.e", TYPE_A, .ttl_s = 60, .data = "0.0.0.0"}};
    const char *const names[] = {"a.e", "b.e"};
    USE_LINES(rig, lines);
    use_names(rig, 2, names);
    begin(rig);
    assert_string_equal(meaning(rig, "a.e"), "127.0.0.1 192.0.2.1 192.0.2.9");
    assert_string_equal(meaning(rig, "b.e"), "");
    assert_int_equal(count_lines(rig, "name b.e: has only addresses that no host can have"), 1);
}

static void addresses_of_ipv6_without_a_route_are_left_out(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"a.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.1"},
                           {"a.e", TYPE_AAAA, .ttl_s = 60, .data = "2001:db8::1"}};
    struct addr far = {.length = sizeof far.in6};
    far.in6.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "2001:db8::1", &far.in6.sin6_addr);
    USE_LINES(rig, lines);
    use_name(rig, "a.e");
    begin(rig);
    assert_string_equal(meaning(rig, "a.e"),
                        sock_has_route(&far) ? "192.0.2.1 2001:db8::1" : "192.0.2.1");
}

static void a_service_means_the_targets_of_its_lowest_priority(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"_x._tcp.e", TYPE_SRV, .ttl_s = 60,
                            .data = "20 1 80 h3.e;10 600 8081 h1.e;10 300 8082 h2.e"},
                           {"h1.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.1 192.0.2.4"},
                           {"h2.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.2"},
                           {"h3.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.3"}};
    USE_LINES(rig, lines);
    use_name(rig, "srv:_x._tcp.e");
    begin(rig);
    assert_string_equal(meaning(rig, "srv:_x._tcp.e"),
                        "192.0.2.1:8081/256 192.0.2.2:8082/128 192.0.2.4:8081/256");
    assert_int_equal(lines[3].asked, 0);
}

static void a_target_that_fails_keeps_its_addresses(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {
        {"_x._tcp.e", TYPE_SRV, .ttl_s = 1, .data = "1 1 80 h1.e;1 1 80 h2.e"},
        {"h1.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.1"},
        {"h2.e", TYPE_A, .ttl_s = 60, .data = "192.0.2.2"}};
    USE_LINES(rig, lines);
    use_name(rig, "srv:_x._tcp.e");
    begin(rig);
    lines[2] = (struct line){"h2.e", TYPE_A, .code = SERVFAIL};
    run_until_asked(rig, &lines[2], 3);
    run_for(rig, 100);
    assert_int_equal(rig->changes, 1);
    lines[0].data = "1 1 80 h1.e";
    run_until_changed(rig, 2);
    assert_string_equal(meaning(rig, "srv:_x._tcp.e"), "192.0.2.1:80/1");
}

static void a_service_without_records_is_a_failure(void **state)
{
    struct rig *rig = *state;
    struct line lines[] = {{"_x._tcp.e", TYPE_SRV, .ttl_s = 1, .data = ""}};
    USE_LINES(rig, lines);
    use_name(rig, "srv:_x._tcp.e");
    begin(rig);
    assert_int_equal(rig->changes, 0);
    assert_int_equal(count_lines(rig, "name srv:_x._tcp.e: has no address"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_all_names_before_a_configuration_is_ready),
        TEST(is_ready_at_once_without_names),
        TEST(a_bad_answer_is_an_answer_and_said_once),
        TEST(silence_holds_nothing_up_for_longer_than_the_patience),
        TEST(what_an_earlier_director_knew_is_taken_over),
        TEST(a_name_that_is_known_does_not_hold_the_next_configuration),
        TEST(nobody_is_told_ready_of_what_was_given_up),
        TEST(asks_again_at_the_time_to_live),
        TEST(a_new_address_comes_at_once_and_an_old_one_goes_when_missing_twice),
        TEST(an_address_that_was_missing_once_stays),
        TEST(a_failure_takes_nothing_away),
        TEST(one_family_that_fails_takes_its_addresses_not_away),
        TEST(a_family_that_always_fails_holds_the_other_not_up),
        TEST(delays_after_failures_grow),
        TEST(a_server_that_is_not_there_is_asked_no_more_than_once_a_second),
        TEST(names_of_no_configuration_are_asked_for_no_more),
        TEST(many_names_are_asked_for_at_a_bounded_rate),
        TEST(addresses_that_are_no_hosts_are_left_out),
        TEST(addresses_of_ipv6_without_a_route_are_left_out),
        TEST(a_service_means_the_targets_of_its_lowest_priority),
        TEST(a_target_that_fails_keeps_its_addresses),
        TEST(a_service_without_records_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
