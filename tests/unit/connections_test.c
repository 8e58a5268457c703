/* SPDX-License-Identifier: MIT */
/* Tests of the list of open connections: filters, and a list read in pieces of any size. */
#include "admin/connections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/clock.h"

static int set_up(void **state)
{
    struct segment *segment = calloc(1, sizeof *segment);
    *state = segment;
    return segment != NULL ? segment_create(segment, NULL) : -1;
}

static int tear_down(void **state)
{
    segment_fini(*state);
    free(*state);
    return 0;
}

static bool takes(const char *name, const char *value)
{
    struct connection_filter filter = {0};
    struct text why = {0};
    bool is_fine = connection_filter_add(&filter, name, value, &why);
    assert_true(is_fine == (why.length == 0));
    text_fini(&why);
    return is_fine;
}

static void filters_are_read_strictly(void **state)
{
    (void)state;
    static const char *const good[][2] = {{"service", "web"},
                                          {"group", "a%20b"},
                                          {"host", "h%C3%B6"},
                                          {"source", "10.0.0.0/8"},
                                          {"source", "2001:db8::"},
                                          {"source", "10.0.0.0%2F8"},
                                          {"age", "5m"},
                                          {"bytes", "64k"},
                                          {"limit", "1"}};
    static const char *const bad[][2] = {
        {"service", ""},
        {"service", "%"},
        {"service", "%4"},
        {"service", "%zz"},
        {"service", "a%00b"},
        {"source", "10.0.0.1/8"},
        {"source", "home"},
        {"age", "soon"},
        {"age", "-1s"},
        {"bytes", "many"},
        {"limit", "0"},
        {"limit", "-1"},
        {"limit", "x"},
        {"Service", "web"},
        {"", "x"},
        {"hosts", "x"},
        {"service", "1234567890123456789012345678901234567890123456789012345"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(takes(good[i][0], good[i][1]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(takes(bad[i][0], bad[i][1]));
}

/* Row n of a slot: client 10.0.slot.n:1000+n, host n % 2, n * 10 bytes. */
static void put(const struct segment *segment, uint32_t slot, uint32_t n)
{
    struct live_row *row = live_row(segment, slot, n);
    struct live_traffic *traffic = live_traffic(segment, slot, n);
    uint32_t address = htonl(0x0a000000 | slot << 8 | n);
    row->client_family = AF_INET;
    row->client_port = (uint16_t)(1000 + n);
    memcpy(row->client_address, &address, sizeof address);
    atomic_store(&row->service, 0);
    atomic_store(&row->host, n % 2);
    atomic_store(&row->phase, PHASE_RELAY);
    atomic_store(&row->since_ns, clock_wall_ns() - (int64_t)(n * CLOCK_NS_PER_S));
    atomic_store(&row->id, (uint64_t)(slot + 1) << 40 | (n + 1));
    atomic_store(&traffic->id, (uint64_t)(slot + 1) << 40 | (n + 1));
    atomic_store(&traffic->in_bytes, n * 10);
}

static void fill(struct segment *segment)
{
    label_set(&segment->service_labels[0], "web\"<", NULL);
    label_set(&segment->group_labels[5], "main", NULL);
    for (uint32_t host = 0; host < 2; host++) {
        label_set(&segment->host_labels[host], host == 0 ? "even" : "odd", "10.9.9.9:80");
        atomic_store(&segment->hosts[host].group, 5);
    }
    for (uint32_t slot = 0; slot < 2; slot++) {
        segment_use_slot(segment, slot);
        for (uint32_t n = 0; n < 20; n++)
            put(segment, slot, n);
        atomic_store(&segment->slots[slot].live_used, 20);
    }
    atomic_store(&live_row(segment, 1, 7)->id, 0); /* one that has ended */
}

/* Reads the list in pieces of at most so many bytes; the rows. */
static json_t *read_list(const struct segment *segment, const struct connection_filter *filter,
                         size_t most)
{
    struct connection_list *list = connection_list_new(segment, filter);
    struct text all = {0};
    char piece[4096];
    for (size_t n; (n = connection_list_read(list, piece, most)) > 0;) {
        assert_true(n <= most);
        text_append(&all, piece, n);
    }
    assert_int_equal(connection_list_read(list, piece, most), 0);
    connection_list_free(list);
    json_t *json = json_loads(all.at, 0, NULL);
    assert_non_null(json);
    json_t *rows = json_incref(json_object_get(json, "connections"));
    json_decref(json);
    text_fini(&all);
    return rows;
}

/* Thousands of rows of which none is wanted: each read looks at a bounded number, so that the loop goes on in between. */
static void a_filter_that_nothing_passes_is_read_in_steps(void **state)
{
    struct segment *segment = *state;
    struct connection_filter filter = {0};
    struct text why = {0};
    char piece[4096];
    size_t n, reads = 0, bytes = 0;
    fill(segment);
    atomic_store(&segment->slots[0].live_used, 10000);
    assert_true(connection_filter_add(&filter, "service", "none", &why));
    struct connection_list *list = connection_list_new(segment, &filter);
    for (; (n = connection_list_read(list, piece, sizeof piece)) > 0; reads++)
        bytes += n;
    assert_in_range(reads, 10, 100);
    assert_in_range(bytes, 1, 200);
    connection_list_free(list);
}

static size_t count(const struct segment *segment, const char *name, const char *value)
{
    struct connection_filter filter = {0};
    struct text why = {0};
    if (name != NULL)
        assert_true(connection_filter_add(&filter, name, value, &why));
    json_t *rows = read_list(segment, &filter, 4096);
    size_t n = json_array_size(rows);
    json_decref(rows);
    return n;
}

static void pieces_of_any_size_make_the_same_list(void **state)
{
    struct segment *segment = *state;
    const struct connection_filter all = {0};
    fill(segment);
    static const size_t sizes[] = {1, 2, 7, 64, 333, 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        json_t *rows = read_list(segment, &all, sizes[i]);
        assert_int_equal(json_array_size(rows), 39);
        const json_t *row = json_array_get(rows, 3);
        assert_string_equal(json_string_value(json_object_get(row, "client")), "10.0.0.3:1003");
        assert_string_equal(json_string_value(json_object_get(row, "service")), "web\"<");
        assert_string_equal(json_string_value(json_object_get(row, "group")), "main");
        assert_string_equal(json_string_value(json_object_get(row, "host")), "odd");
        assert_int_equal(json_integer_value(json_object_get(row, "bytes_in")), 30);
        json_decref(rows);
    }
}

static void filters_choose(void **state)
{
    struct segment *segment = *state;
    fill(segment);
    assert_int_equal(count(segment, NULL, NULL), 39);
    assert_int_equal(count(segment, "host", "even"), 20);
    assert_int_equal(count(segment, "host", "odd"), 19);
    assert_int_equal(count(segment, "service", "web%22%3C"), 39);
    assert_int_equal(count(segment, "service", "web"), 0);
    assert_int_equal(count(segment, "source", "10.0.1.0/24"), 19);
    assert_int_equal(count(segment, "source", "10.0.0.3"), 1);
    assert_int_equal(count(segment, "bytes", "181"), 2);
    assert_int_equal(count(segment, "age", "19"), 2);
    assert_int_equal(count(segment, "limit", "5"), 5);
}

static void nothing_open_is_an_empty_list(void **state)
{
    assert_int_equal(count(*state, NULL, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_are_read_strictly),
        TEST(a_filter_that_nothing_passes_is_read_in_steps),
        TEST(pieces_of_any_size_make_the_same_list),
        TEST(filters_choose),
        TEST(nothing_open_is_an_empty_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
