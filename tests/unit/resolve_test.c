/* SPDX-License-Identifier: MIT */
/* Tests of the resolver against a scripted name server. */
#include "director/resolve.h"

#include "net/sock.h"
#include "resolve_rig.h"

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
    if (!sock_has_route(&loopback)) {
        print_message("skipped: there is no IPv6 loopback here\n");
        skip();
    }
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
