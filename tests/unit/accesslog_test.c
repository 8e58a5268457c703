/* SPDX-License-Identifier: MIT */
/* Access log: the line of a connection in both forms, whole lines in batches, lost ones counted. */
#include "relay/accesslog.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "relay_rig.h"

#define SERVICE RIG_SERVICE RIG_GROUP "host = a 127.0.0.1:1\nhost = b 127.0.0.1:2\n"

/* Each write to the pipe is one packet, each read gives one. */
struct fixture {
    struct relay_rig rig;
    struct conn *c;
    int client, read_fd, write_fd;
    char got[ACCESS_BATCH_BYTES + 1];
};

static void open_pipe(struct fixture *f)
{
    int fds[2];

    f->c = rig_admit(&f->rig, &f->client);
    assert_int_equal(pipe2(fds, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
    f->read_fd = fds[0];
    f->write_fd = f->rig.relay.access.fd = fds[1];
}

static void open_fixture(struct fixture *f, const char *global)
{
    rig_open(&f->rig, "[global]\n%s\n" SERVICE, global);
    open_pipe(f);
}

static void close_fixture(struct fixture *f)
{
    f->rig.relay.access.fd = -1;
    rig_dismiss(&f->rig, f->c);
    close(f->client);
    close(f->read_fd);
    close(f->write_fd);
    rig_close(&f->rig);
}

static void add(struct fixture *f)
{
    access_log_add(&f->rig.relay.access, f->c);
}

static void flush(struct fixture *f)
{
    access_log_flush(&f->rig.relay.access);
}

/* The next batch, NUL-terminated; its length, 0 when there is none. */
static size_t receive(struct fixture *f)
{
    ssize_t n = read(f->read_fd, f->got, ACCESS_BATCH_BYTES);
    size_t length = n > 0 ? (size_t)n : 0;
    f->got[length] = '\0';
    return length;
}

static uint64_t written(const struct fixture *f)
{
    return atomic_load(&f->rig.segment.daemon->access_lines);
}

static uint64_t dropped(const struct fixture *f)
{
    return atomic_load(&f->rig.segment.daemon->access_dropped);
}

/* A client at 192.0.2.7:50123 that was 1.2 s at host b; the clock moves on meanwhile, so at least. */
static void live_through(struct fixture *f)
{
    struct live_row *row = live_row(&f->rig.segment, RIG_SLOT, f->c->live);

    memcpy(row->client_address, "\xc0\x00\x02\x07", 4);
    row->client_port = 50123;
    rig_claim(f->c, 1);
    f->c->outcome = OUTCOME_IDLE;
    f->c->client.in_bytes = 517;
    f->c->host.in_bytes = UINT64_C(4294967297);
    f->c->connect_ns = 5999999;
    f->c->since_ns = clock_now_ns() - 1200 * CLOCK_NS_PER_MS;
}

/* Open again, so that it can be dismissed. */
static void live_on(struct fixture *f)
{
    f->c->outcome = OUTCOME_OPEN;
}

static void text_line_tells_all(void **state)
{
    struct fixture f;
    char time[CLOCK_TEXT_BYTES], rest[256], expected[256];
    unsigned long long duration_ms;

    (void)state;
    open_fixture(&f, "access_log = access.log");
    live_through(&f);
    add(&f);
    flush(&f);
    assert_true(receive(&f) > 0);
    const char *duration = strstr(f.got, "duration_ms=");
    assert_non_null(duration);
    assert_int_equal(sscanf(duration, "duration_ms=%llu", &duration_ms), 1);
    assert_in_range(duration_ms, 1200, 1200 + PATIENCE_MS);
    assert_int_equal(sscanf(f.got, "%31s %255[^\n]", time, rest), 2);
    assert_int_equal(strlen(time), strlen("2026-11-22T07:00:00.123Z"));
    snprintf(expected, sizeof expected,
             "192.0.2.7:50123 web main b status=idle bytes_in=517 bytes_out=4294967297 "
             "connect_ms=5 duration_ms=%llu sni=-",
             duration_ms);
    assert_string_equal(rest, expected);
    assert_ptr_equal(strchr(f.got, '\n'), f.got + strlen(f.got) - 1);
    live_on(&f);
    close_fixture(&f);
}

static const char *word(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    assert_non_null(text);
    return text;
}

static void json_line_tells_the_same(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "access_log = access.log\naccess_format = json");
    live_through(&f);
    add(&f);
    flush(&f);
    size_t length = receive(&f);
    assert_int_equal(strchr(f.got, '\n') - f.got, length - 1);
    json_t *line = json_loads(f.got, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_int_equal(json_object_size(line), 11);
    assert_string_equal(word(line, "client"), "192.0.2.7:50123");
    assert_string_equal(word(line, "service"), "web");
    assert_string_equal(word(line, "group"), "main");
    assert_string_equal(word(line, "host"), "b");
    assert_string_equal(word(line, "status"), "idle");
    assert_string_equal(word(line, "sni"), "");
    assert_int_equal(strlen(word(line, "time")), strlen("2026-11-22T07:00:00.123Z"));
    assert_int_equal(json_integer_value(json_object_get(line, "bytes_in")), 517);
    assert_int_equal(json_integer_value(json_object_get(line, "bytes_out")), 4294967297);
    assert_int_equal(json_integer_value(json_object_get(line, "connect_ms")), 5);
    assert_true(json_integer_value(json_object_get(line, "duration_ms")) >= 1200);
    json_decref(line);
    live_on(&f);
    close_fixture(&f);
}

/* A name may hold any byte but blanks and control characters: no line of the log breaks by it. */
static void json_line_escapes_names(void **state)
{
    struct fixture f;

    (void)state;
    rig_open(&f.rig, "[global]\naccess_log = access.log\naccess_format = json\n"
                     "[service a\\b]\nlisten = 127.0.0.1:8080\ngroup = \"c\\\\d\"\n"
                     "[group c\\d]\nhost = \"x\\\"\\xff\\\\y\" 127.0.0.1:1\n");
    open_pipe(&f);
    rig_claim(f.c, 0);
    f.c->outcome = OUTCOME_OK;
    add(&f);
    flush(&f);
    assert_true(receive(&f) > 0);
    json_t *line = json_loads(f.got, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_string_equal(word(line, "service"), "a\\b");
    assert_string_equal(word(line, "group"), "c\\d");
    assert_string_equal(word(line, "host"), "x\"\xef\xbf\xbd\\y");
    json_decref(line);
    live_on(&f);
    close_fixture(&f);
}

static void no_host_is_a_dash(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "access_log = access.log");
    f.c->target = 1;
    f.c->outcome = OUTCOME_NO_HOST;
    add(&f);
    flush(&f);
    receive(&f);
    assert_non_null(strstr(f.got, " web main - status=no_host "));
    live_on(&f);
    close_fixture(&f);
}

static void v6_client_is_in_brackets(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "access_log = access.log");
    struct live_row *row = live_row(&f.rig.segment, RIG_SLOT, f.c->live);
    row->client_family = AF_INET6;
    row->client_port = 99;
    memcpy(row->client_address, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05", 16);
    add(&f);
    flush(&f);
    receive(&f);
    assert_non_null(strstr(f.got, " [2001:db8::5]:99 web "));
    close_fixture(&f);
}

static void nothing_is_written_where_it_is_off(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "access_log = off");
    add(&f);
    assert_int_equal(f.rig.relay.access.length, 0);
    flush(&f);
    assert_int_equal(receive(&f), 0);
    assert_int_equal(written(&f) + dropped(&f), 0);
    close_fixture(&f);
    open_fixture(&f, "access_log = access.log");
    f.rig.relay.access.fd = -1;
    add(&f);
    assert_int_equal(f.rig.relay.access.lines, 0);
    close_fixture(&f);
}

static void batches_are_whole_lines(void **state)
{
    struct fixture f;
    enum { LINES = 100 };
    size_t n_lines = 0, n_batches = 0;

    (void)state;
    open_fixture(&f, "access_log = access.log");
    for (int i = 0; i < LINES; i++)
        add(&f);
    flush(&f);
    for (size_t length = receive(&f); length > 0; length = receive(&f)) {
        assert_int_equal(f.got[length - 1], '\n');
        for (size_t i = 0; i < length; i++)
            n_lines += f.got[i] == '\n';
        n_batches++;
    }
    assert_int_equal(n_lines, LINES);
    assert_in_range(n_batches, 2, 10);
    assert_int_equal(written(&f), LINES);
    assert_int_equal(dropped(&f), 0);
    flush(&f);
    assert_int_equal(receive(&f), 0);
    close_fixture(&f);
}

static void lines_a_full_pipe_cannot_take_are_counted(void **state)
{
    struct fixture f;
    char fill[ACCESS_BATCH_BYTES] = {0};

    (void)state;
    open_fixture(&f, "access_log = access.log");
    while (write(f.write_fd, fill, sizeof fill) > 0)
        ;
    add(&f);
    add(&f);
    add(&f);
    flush(&f);
    assert_int_equal(dropped(&f), 3);
    assert_int_equal(written(&f), 0);
    while (receive(&f) > 0)
        ;
    add(&f);
    flush(&f);
    assert_true(receive(&f) > 0);
    assert_int_equal(dropped(&f), 3);
    assert_int_equal(written(&f), 1);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_line_tells_all),
        cmocka_unit_test(json_line_tells_the_same),
        cmocka_unit_test(json_line_escapes_names),
        cmocka_unit_test(no_host_is_a_dash),
        cmocka_unit_test(v6_client_is_in_brackets),
        cmocka_unit_test(nothing_is_written_where_it_is_off),
        cmocka_unit_test(batches_are_whole_lines),
        cmocka_unit_test(lines_a_full_pipe_cannot_take_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
