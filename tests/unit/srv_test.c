/* SPDX-License-Identifier: MIT */
/* Tests of reading service records, on answers put together by hand. */
#include "net/srv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { MOST = 16 };

/* An answer under construction. */
struct answer {
    unsigned char bytes[65536];
    size_t length;
};

static void put8(struct answer *answer, unsigned number)
{
    answer->bytes[answer->length++] = (unsigned char)number;
}

static void put16(struct answer *answer, unsigned number)
{
    put8(answer, number >> 8 & 0xff);
    put8(answer, number & 0xff);
}

static void put32(struct answer *answer, uint32_t number)
{
    put16(answer, number >> 16);
    put16(answer, number & 0xffff);
}

static void put_label(struct answer *answer, const char *label)
{
    put8(answer, (unsigned)strlen(label));
    memcpy(answer->bytes + answer->length, label, strlen(label));
    answer->length += strlen(label);
}

/* "a.b" without the end of the name. */
static void put_labels(struct answer *answer, const char *name)
{
    char copy[512], *rest = copy;
    strcpy(copy, name);
    for (char *label = strsep(&rest, "."); label != NULL; label = strsep(&rest, "."))
        put_label(answer, label);
}

/* Head and question "_x._tcp.e" (at 12), asking for service records. */
static void begin(struct answer *answer, unsigned n_answers)
{
    answer->length = 0;
    put16(answer, 0x1234);
    put16(answer, 0x8180);
    put16(answer, 1);
    put16(answer, n_answers);
    put16(answer, 0);
    put16(answer, 0);
    put_labels(answer, "_x._tcp.e");
    put8(answer, 0);
    put16(answer, 33);
    put16(answer, 1);
}

/* A record of the question's name up to its data, whose length is set by end_record. */
static size_t begin_record(struct answer *answer, unsigned type, uint32_t ttl_s)
{
    put16(answer, 0xc00c);
    put16(answer, type);
    put16(answer, 1);
    put32(answer, ttl_s);
    put16(answer, 0);
    return answer->length;
}

static void end_record(struct answer *answer, size_t begun)
{
    size_t length = answer->length - begun;
    answer->bytes[begun - 2] = (unsigned char)(length >> 8);
    answer->bytes[begun - 1] = (unsigned char)length;
}

static size_t begin_srv(struct answer *answer, unsigned priority, unsigned weight,
                        unsigned port)
{
    size_t begun = begin_record(answer, 33, 60);
    put16(answer, priority);
    put16(answer, weight);
    put16(answer, port);
    return begun;
}

static void add_srv(struct answer *answer, unsigned priority, unsigned weight, unsigned port,
                    const char *target)
{
    size_t begun = begin_srv(answer, priority, weight, port);
    put_labels(answer, target);
    put8(answer, 0);
    end_record(answer, begun);
}

/* Parses a copy of exactly these bytes, so that a read behind them is found. */
static int parse(const struct answer *answer, size_t length, struct srv_record *records)
{
    unsigned char *exact = malloc(length > 0 ? length : 1);
    memcpy(exact, answer->bytes, length);
    int n = srv_parse(exact, length, records, MOST);
    free(exact);
    return n;
}

static int parse_all(const struct answer *answer, struct srv_record *records)
{
    return parse(answer, answer->length, records);
}

static void takes_service_records_out_of_an_answer(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    begin(answer, 3);
    size_t begun = begin_record(answer, 5, 10); /* an alias is passed over */
    put_labels(answer, "alias.e");
    put8(answer, 0);
    end_record(answer, begun);
    add_srv(answer, 1, 2, 8080, "h1.e");
    begun = begin_srv(answer, 3, 4, 8081);
    put_label(answer, "h2");
    put16(answer, 0xc00c + 8); /* "e": of "_x._tcp.e" the last label */
    end_record(answer, begun);
    assert_int_equal(parse_all(answer, records), 2);
    assert_int_equal(records[0].priority, 1);
    assert_int_equal(records[0].weight, 2);
    assert_int_equal(records[0].port, 8080);
    assert_int_equal(records[0].ttl_s, 60);
    assert_string_equal(records[0].target, "h1.e");
    assert_string_equal(records[1].target, "h2.e");
}

static void refuses_every_cut(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    begin(answer, 2);
    add_srv(answer, 1, 2, 8080, "h1.e");
    add_srv(answer, 1, 2, 8080, "h2.e");
    assert_int_equal(parse_all(answer, records), 2);
    for (size_t length = 0; length < answer->length; length++)
        assert_int_equal(parse(answer, length, records), -1);
}

static void survives_every_changed_byte(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    begin(answer, 2);
    add_srv(answer, 1, 2, 8080, "h1.e");
    size_t begun = begin_srv(answer, 3, 4, 8081);
    put16(answer, 0xc00c);
    end_record(answer, begun);
    for (size_t i = 0; i < answer->length; i++) {
        unsigned char before = answer->bytes[i];
        for (unsigned value = 0; value < 256; value++) {
            answer->bytes[i] = (unsigned char)value;
            int n = parse_all(answer, records);
            assert_in_range(n + 1, 0, 3);
            for (int k = 0; k < n; k++)
                assert_in_range(strnlen(records[k].target, SRV_NAME_BYTES), 1, 253);
        }
        answer->bytes[i] = before;
    }
}

/* One record whose target is written by the caller. */
static int parse_target(struct answer *answer, const void *target, size_t length,
                        struct srv_record *records)
{
    begin(answer, 1);
    size_t begun = begin_srv(answer, 1, 1, 80);
    memcpy(answer->bytes + answer->length, target, length);
    answer->length += length;
    end_record(answer, begun);
    return parse_all(answer, records);
}

static void refuses_pointers_that_do_not_lead_back(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    begin(answer, 1);
    unsigned target = (unsigned)begin_srv(answer, 1, 1, 80) + 6;
    const unsigned char itself[] = {0xc0 | (unsigned char)(target >> 8), (unsigned char)target};
    const unsigned char into_itself[] = {1, 'a', 0xc0, (unsigned char)target};
    const unsigned char forward[] = {0xc0, (unsigned char)(target + 2), 1, 'a', 0};
    const unsigned char behind[] = {0xff, 0xff};
    const unsigned char kind[] = {0x80, 0, 0};
    assert_int_equal(parse_target(answer, itself, sizeof itself, records), -1);
    assert_int_equal(parse_target(answer, into_itself, sizeof into_itself, records), -1);
    assert_int_equal(parse_target(answer, forward, sizeof forward, records), -1);
    assert_int_equal(parse_target(answer, behind, sizeof behind, records), -1);
    assert_int_equal(parse_target(answer, kind, sizeof kind, records), -1);
}

static void takes_labels_of_63_and_names_of_253_letters_at_most(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    unsigned char name[300];
    size_t length = 0;
    for (int i = 0; i < 4; i++) { /* 4 x 64 - 1 = 255 letters with dots: one too many */
        name[length++] = 63;
        memset(name + length, 'a', 63);
        length += 63;
    }
    name[length] = 0;
    assert_int_equal(parse_target(answer, name, length + 1, records), -1);
    name[192] = 62; /* the last label a letter shorter: still one too many (RFC 1035 §2.3.4) */
    name[length - 1] = 0;
    assert_int_equal(parse_target(answer, name, length, records), -1);
    name[192] = 61;
    name[length - 2] = 0;
    assert_int_equal(parse_target(answer, name, length - 1, records), 1);
    assert_int_equal(strlen(records[0].target), 253);
    name[0] = 64;
    assert_int_equal(parse_target(answer, name, length, records), -1);
}

static void refuses_data_longer_or_shorter_than_it_says(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    static const unsigned char with_rest[] = {1, 'a', 0, 0};
    static const unsigned char open_end[] = {1, 'a'};
    assert_int_equal(parse_target(answer, with_rest, sizeof with_rest, records), -1);
    assert_int_equal(parse_target(answer, open_end, sizeof open_end, records), -1);
    begin(answer, 1);
    size_t begun = begin_srv(answer, 1, 1, 80);
    put_labels(answer, "a");
    put8(answer, 0);
    answer->bytes[begun - 2] = 0xff; /* past the end */
    assert_int_equal(parse_all(answer, records), -1);
}

static void passes_over_targets_that_are_no_hosts(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    static const unsigned char root[] = {0};
    static const unsigned char dot[] = {3, 'a', '.', 'b', 0};
    static const unsigned char nul[] = {3, 'a', 0, 'b', 0};
    static const unsigned char newline[] = {2, 'a', '\n', 0};
    assert_int_equal(parse_target(answer, root, sizeof root, records), 0);
    assert_int_equal(parse_target(answer, dot, sizeof dot, records), 0);
    assert_int_equal(parse_target(answer, nul, sizeof nul, records), 0);
    assert_int_equal(parse_target(answer, newline, sizeof newline, records), 0);
    begin(answer, 2);
    add_srv(answer, 1, 1, 0, "noport.e");
    add_srv(answer, 1, 1, 80, "h.e");
    assert_int_equal(parse_all(answer, records), 1);
    assert_string_equal(records[0].target, "h.e");
}

static void counts_of_65535_end_with_the_bytes(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    begin(answer, 65535);
    add_srv(answer, 1, 1, 80, "h.e");
    assert_int_equal(parse_all(answer, records), -1);
    begin(answer, 1);
    answer->bytes[4] = answer->bytes[5] = 0xff; /* questions */
    add_srv(answer, 1, 1, 80, "h.e");
    assert_int_equal(parse_all(answer, records), -1);
}

/* As many names as fit, each a chain of pointers as long as can be. */
static void costs_little_however_it_is_made(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    begin(answer, 0);
    unsigned n = 0, before = 12;
    while (answer->length < 65000) {
        size_t begun = begin_srv(answer, 1, 1, 80);
        unsigned at = (unsigned)answer->length;
        if (at < 0x3fff && n < 120)
            put_label(answer, "a");
        put16(answer, 0xc000 | before);
        if (at < 0x3fff && n < 120)
            before = at;
        end_record(answer, begun);
        n++;
    }
    answer->bytes[6] = (unsigned char)(n >> 8);
    answer->bytes[7] = (unsigned char)n;
    uint64_t best_ns = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t began_ns = clock_now_ns();
        assert_int_equal(parse_all(answer, records), MOST);
        uint64_t took_ns = clock_now_ns() - began_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    assert_true(best_ns < 50 * CLOCK_NS_PER_MS); /* under the sanitizers */
}

static void keeps_the_best_priorities_where_room_is_short(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    begin(answer, MOST + 4);
    for (unsigned i = 0; i < MOST + 4; i++)
        add_srv(answer, 100 - i, 1, 80, "h.e");
    assert_int_equal(parse_all(answer, records), MOST);
    for (int i = 0; i < MOST; i++)
        assert_true(records[i].priority < 97);
}

static void a_time_to_live_above_31_bits_is_none(void **state)
{
    struct answer *answer = *state;
    struct srv_record records[MOST];
    begin(answer, 1);
    size_t begun = begin_record(answer, 33, 0x80000000);
    put16(answer, 1);
    put16(answer, 1);
    put16(answer, 80);
    put_labels(answer, "h.e");
    put8(answer, 0);
    end_record(answer, begun);
    assert_int_equal(parse_all(answer, records), 1);
    assert_int_equal(records[0].ttl_s, 0);
}

static void chooses_the_lowest_priority(void **state)
{
    struct srv_record records[] = {{.priority = 20, .weight = 1, .port = 1},
                                   {.priority = 10, .weight = 0, .port = 2},
                                   {.priority = 10, .weight = 7, .port = 3}};
    (void)state;
    assert_int_equal(srv_choose(records, 3), 2);
    assert_int_equal(records[0].port, 2);
    assert_int_equal(records[0].weight, 1); /* 0 counts as 1 */
    assert_int_equal(records[1].port, 3);
    assert_int_equal(records[1].weight, 7);
    assert_int_equal(srv_choose(records, 0), 0);
}

static void scales_weights_to_256(void **state)
{
    struct srv_record records[] = {{.weight = 65535}, {.weight = 32768}, {.weight = 1}};
    (void)state;
    assert_int_equal(srv_choose(records, 3), 3);
    assert_int_equal(records[0].weight, 256);
    assert_int_equal(records[1].weight, 128);
    assert_int_equal(records[2].weight, 1);
}

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct answer));
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(takes_service_records_out_of_an_answer),
        TEST(refuses_every_cut),
        TEST(survives_every_changed_byte),
        TEST(refuses_pointers_that_do_not_lead_back),
        TEST(takes_labels_of_63_and_names_of_253_letters_at_most),
        TEST(refuses_data_longer_or_shorter_than_it_says),
        TEST(passes_over_targets_that_are_no_hosts),
        TEST(counts_of_65535_end_with_the_bytes),
        TEST(costs_little_however_it_is_made),
        TEST(keeps_the_best_priorities_where_room_is_short),
        TEST(a_time_to_live_above_31_bits_is_none),
        cmocka_unit_test(chooses_the_lowest_priority),
        cmocka_unit_test(scales_weights_to_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
