/* SPDX-License-Identifier: MIT */
/* Tests of the rows of hosts: places, failures, ejection, state, figures. */
#include "share/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "share/segment.h"

#define SECOND UINT64_C(1000000000)
#define NOW (100 * SECOND)

enum { GROUP = 2, HOSTS = 4 };

static const struct host_eject_rules rules = {
    .failures = 3, .time_ns = 10 * SECOND, .most_percent = 50, .n_hosts = HOSTS};

static struct segment segment;

static int open_segment(void **state)
{
    (void)state;
    if (segment_create(&segment, NULL) != 0)
        return -1;
    segment_use_slot(&segment, 0);
    segment_use_slot(&segment, 3);
    group_reset(&segment, GROUP);
    for (uint32_t host = 0; host < HOSTS; host++) {
        host_reset(&segment, host, GROUP);
        host_set_weight(&segment, host, 1);
    }
    return 0;
}

static int close_segment(void **state)
{
    (void)state;
    segment_fini(&segment);
    return 0;
}

/* Children wait until all are there, so that they meet. */
static void wait_for_start(void)
{
    while (segment.daemon->state != DAEMON_SERVING)
        ;
}

static bool fail_at(uint32_t host, uint64_t now_ns)
{
    return host_note_failure(&segment, 0, host, FAILURE_REFUSED, &rules, now_ns,
                             "connection refused");
}

static uint32_t epoch(void)
{
    return segment.groups[GROUP].epoch;
}

/* Fails until the host is ejected. */
static void eject_at(uint32_t host, uint64_t now_ns)
{
    for (int i = 0; i < 2; i++)
        assert_false(fail_at(host, now_ns));
    assert_true(fail_at(host, now_ns));
}

static void claims_up_to_the_limit(void **state)
{
    (void)state;
    assert_true(host_claim(&segment, 0, 1, 2));
    assert_true(host_claim(&segment, 3, 1, 2));
    assert_false(host_claim(&segment, 0, 1, 2));
    assert_int_equal(segment.hosts[1].in_flight, 2);
    assert_int_equal(host_shard(&segment, 0, 1)->in_flight, 1);
    assert_int_equal(host_shard(&segment, 3, 1)->in_flight, 1);
    host_release(&segment, 3, 1);
    assert_true(host_claim(&segment, 0, 1, 2));
    assert_int_equal(host_shard(&segment, 0, 1)->in_flight, 2);
}

static void claims_nothing_over_a_lowered_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_true(host_claim(&segment, 0, 1, 0));
    assert_false(host_claim(&segment, 0, 1, 3));
    for (int i = 0; i < 3; i++)
        host_release(&segment, 0, 1);
    assert_int_equal(segment.hosts[1].in_flight, 2);
    assert_true(host_claim(&segment, 0, 1, 3));
    assert_false(host_claim(&segment, 0, 1, 3));
}

static void claims_only_what_was_expected(void **state)
{
    (void)state;
    assert_int_equal(host_claim_expected(&segment, 0, 1, 0), CLAIM_TAKEN);
    assert_int_equal(host_claim_expected(&segment, 0, 1, 0), CLAIM_CHANGED);
    assert_int_equal(segment.hosts[1].in_flight, 1);
    assert_int_equal(host_shard(&segment, 0, 1)->in_flight, 1);
}

static void keeps_the_limit_exact_between_processes(void **state)
{
    enum { PROCESSES = 4, LIMIT = 1, ROUNDS = 500000 };
    pid_t children[PROCESSES];

    (void)state;
    for (uint32_t slot = 0; slot < PROCESSES; slot++) {
        segment_use_slot(&segment, slot);
        children[slot] = fork();
        assert_true(children[slot] >= 0);
        if (children[slot] != 0)
            continue;
        int status = 0;
        wait_for_start();
        for (int i = 0; i < ROUNDS; i++) {
            if (!host_claim(&segment, slot, 1, LIMIT))
                continue;
            if (segment.hosts[1].in_flight > LIMIT)
                status = 1;
            host_release(&segment, slot, 1);
        }
        /* What is left open must come to the limit, too. */
        for (int i = 0; i < LIMIT; i++)
            host_claim(&segment, slot, 1, LIMIT);
        _exit(status);
    }
    segment.daemon->state = DAEMON_SERVING;
    for (uint32_t slot = 0; slot < PROCESSES; slot++) {
        int status = -1;
        assert_int_equal(waitpid(children[slot], &status, 0), children[slot]);
        assert_int_equal(status, 0);
    }
    struct host_figures figures;
    host_sum(&segment, 1, &figures);
    assert_int_equal(figures.in_flight, LIMIT);
    assert_int_equal(segment.hosts[1].in_flight, LIMIT);
}

static void ejects_after_failures_in_a_row(void **state)
{
    uint32_t before = epoch();

    (void)state;
    assert_false(fail_at(0, NOW));
    assert_false(fail_at(0, NOW));
    host_note_success(&segment, 0, 0, 1000);
    assert_false(fail_at(0, NOW));
    assert_false(fail_at(0, NOW));
    assert_int_equal(epoch(), before);
    assert_true(host_is_usable(&segment.hosts[0], NOW));
    assert_true(fail_at(0, NOW));
    assert_int_not_equal(epoch(), before);
    assert_int_equal(segment.groups[GROUP].ejected, 1);
    assert_int_equal(host_state(&segment.hosts[0], NOW), HOST_EJECTED);
    assert_false(host_is_usable(&segment.hosts[0], NOW));
    /* Late failures of connects made before change nothing. */
    assert_false(fail_at(0, NOW + SECOND));
    assert_int_equal(segment.hosts[0].ejected_until_ns, NOW + 10 * SECOND);
}

static void counts_failures_of_all_workers_together(void **state)
{
    (void)state;
    assert_false(host_note_failure(&segment, 0, 0, FAILURE_TIMEOUT, &rules, NOW, NULL));
    assert_false(host_note_failure(&segment, 3, 0, FAILURE_TIMEOUT, &rules, NOW, NULL));
    assert_true(host_note_failure(&segment, 0, 0, FAILURE_TIMEOUT, &rules, NOW, NULL));
}

static void never_ejects_when_told_so(void **state)
{
    struct host_eject_rules off = rules;

    (void)state;
    off.failures = 0;
    for (int i = 0; i < 100; i++)
        assert_false(host_note_failure(&segment, 0, 0, FAILURE_REFUSED, &off, NOW, NULL));
    assert_true(host_is_usable(&segment.hosts[0], NOW));
}

static void ejects_no_more_than_the_groups_share(void **state)
{
    (void)state;
    eject_at(0, NOW);
    eject_at(1, NOW);
    for (int i = 0; i < 10; i++)
        assert_false(fail_at(2, NOW));
    assert_true(host_is_usable(&segment.hosts[2], NOW));
    assert_int_equal(segment.groups[GROUP].ejected, 2);
    /* As soon as one is back, the next failure counts. */
    assert_true(host_readmit(&segment, 0, NOW + 10 * SECOND));
    assert_true(fail_at(2, NOW + 10 * SECOND));
}

static void rounds_the_groups_share_down(void **state)
{
    struct host_eject_rules three = rules;

    (void)state;
    three.n_hosts = 3;
    for (int i = 0; i < 2; i++)
        assert_false(host_note_failure(&segment, 0, 0, FAILURE_REFUSED, &three, NOW, NULL));
    assert_true(host_note_failure(&segment, 0, 0, FAILURE_REFUSED, &three, NOW, NULL));
    for (int i = 0; i < 5; i++)
        assert_false(host_note_failure(&segment, 0, 1, FAILURE_REFUSED, &three, NOW, NULL));
    three.n_hosts = 1;
    for (int i = 0; i < 5; i++)
        assert_false(host_note_failure(&segment, 0, 2, FAILURE_REFUSED, &three, NOW, NULL));
}

static void readmits_once_when_the_time_has_run_out(void **state)
{
    (void)state;
    eject_at(0, NOW);
    assert_false(host_readmit(&segment, 0, NOW + 10 * SECOND - 1));
    uint32_t before = epoch();
    assert_true(host_readmit(&segment, 0, NOW + 10 * SECOND));
    assert_int_not_equal(epoch(), before);
    assert_false(host_readmit(&segment, 0, NOW + 11 * SECOND));
    assert_int_equal(segment.groups[GROUP].ejected, 0);
    assert_int_equal(host_state(&segment.hosts[0], NOW), HOST_UP);
    assert_false(host_readmit(&segment, 1, NOW));
}

static void doubles_the_time_at_each_return_that_fails(void **state)
{
    static const uint64_t factors[] = {2, 4, 8, 16, 16, 16};
    uint64_t now_ns = NOW;

    (void)state;
    eject_at(0, now_ns);
    now_ns = segment.hosts[0].ejected_until_ns;
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        assert_true(host_readmit(&segment, 0, now_ns));
        assert_true(fail_at(0, now_ns));
        assert_int_equal(segment.hosts[0].ejected_until_ns - now_ns, factors[i] * 10 * SECOND);
        now_ns = segment.hosts[0].ejected_until_ns;
    }
}

static void forgets_the_streak_after_a_success(void **state)
{
    (void)state;
    eject_at(0, NOW);
    assert_true(host_readmit(&segment, 0, NOW + 10 * SECOND));
    host_note_success(&segment, 3, 0, 1000);
    uint64_t now_ns = NOW + 20 * SECOND;
    eject_at(0, now_ns);
    assert_int_equal(segment.hosts[0].ejected_until_ns - now_ns, 10 * SECOND);
}

static void keeps_the_share_exact_between_processes(void **state)
{
    enum { PROCESSES = 4, ROUNDS = 100000 };
    pid_t children[PROCESSES];
    struct host_eject_rules quick = {
        .failures = 1, .time_ns = 1, .most_percent = 50, .n_hosts = 4};

    (void)state;
    for (uint32_t slot = 0; slot < PROCESSES; slot++) {
        segment_use_slot(&segment, slot);
        children[slot] = fork();
        assert_true(children[slot] >= 0);
        if (children[slot] != 0)
            continue;
        int status = 0;
        wait_for_start();
        for (uint32_t i = 0; i < ROUNDS; i++) {
            uint32_t host = (i + slot) % HOSTS;
            host_note_failure(&segment, slot, host, FAILURE_REFUSED, &quick, NOW + i, NULL);
            if (segment.groups[GROUP].ejected > 2)
                status = 1;
            host_readmit(&segment, (host + 1) % HOSTS, NOW + 2 * ROUNDS * 16);
        }
        _exit(status);
    }
    segment.daemon->state = DAEMON_SERVING;
    for (uint32_t slot = 0; slot < PROCESSES; slot++) {
        int status = -1;
        assert_int_equal(waitpid(children[slot], &status, 0), children[slot]);
        assert_int_equal(status, 0);
    }
    uint32_t ejected = 0;
    for (uint32_t host = 0; host < HOSTS; host++)
        ejected += segment.hosts[host].ejected_until_ns != 0;
    assert_int_equal(segment.groups[GROUP].ejected, ejected);
}

static void shows_the_state_users_see(void **state)
{
    struct host_row *row = &segment.hosts[0];

    (void)state;
    assert_int_equal(host_state(row, NOW), HOST_UP);
    host_set_health(&segment, 0, HEALTH_DOWN, "no answer");
    assert_int_equal(host_state(row, NOW), HOST_DOWN);
    host_set_health(&segment, 0, HEALTH_UNRESOLVED, "no such name");
    assert_int_equal(host_state(row, NOW), HOST_UNRESOLVED);
    host_set_admin(&segment, 0, ADMIN_DRAIN);
    assert_int_equal(host_state(row, NOW), HOST_DRAINING);
    host_set_admin(&segment, 0, ADMIN_DOWN);
    assert_int_equal(host_state(row, NOW), HOST_ADMIN_DOWN);
    host_set_admin(&segment, 0, ADMIN_UP);
    host_set_health(&segment, 0, HEALTH_UP, "");
    assert_true(host_is_usable(row, NOW));
    host_set_weight(&segment, 0, 0);
    assert_int_equal(host_state(row, NOW), HOST_UP);
    assert_false(host_is_usable(row, NOW));
}

static void names_states_and_failures(void **state)
{
    (void)state;
    assert_string_equal(host_state_word(HOST_UP), "up");
    assert_string_equal(host_state_word(HOST_DOWN), "down");
    assert_string_equal(host_state_word(HOST_DRAINING), "draining");
    assert_string_equal(host_state_word(HOST_EJECTED), "ejected");
    assert_string_equal(host_state_word(HOST_ADMIN_DOWN), "admin_down");
    assert_string_equal(host_state_word(HOST_UNRESOLVED), "unresolved");
    assert_string_equal(host_failure_word(FAILURE_REFUSED), "refused");
    assert_string_equal(host_failure_word(FAILURE_TIMEOUT), "timeout");
    assert_string_equal(host_failure_word(FAILURE_UNREACHABLE), "unreachable");
    assert_string_equal(host_failure_word(FAILURE_OTHER), "other");
}

static void moves_the_epoch_only_for_a_change(void **state)
{
    uint32_t before = epoch();

    (void)state;
    host_set_weight(&segment, 0, 1);
    host_set_admin(&segment, 0, ADMIN_UP);
    host_set_health(&segment, 0, HEALTH_UP, "still fine");
    assert_int_equal(epoch(), before);
    host_set_weight(&segment, 0, 2);
    assert_int_equal(epoch(), before + 1);
    int64_t since_ns = segment.hosts[0].since_ns;
    host_set_admin(&segment, 0, ADMIN_DRAIN);
    assert_int_equal(epoch(), before + 2);
    assert_true(segment.hosts[0].since_ns > since_ns);
}

static void keeps_the_last_reason(void **state)
{
    char text[HOST_REASON_BYTES], longer[200];

    (void)state;
    host_read_reason(&segment.hosts[0], text);
    assert_string_equal(text, "");
    fail_at(0, NOW);
    host_read_reason(&segment.hosts[0], text);
    assert_string_equal(text, "connection refused");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    host_set_health(&segment, 0, HEALTH_DOWN, longer);
    host_read_reason(&segment.hosts[0], text);
    assert_int_equal(strlen(text), HOST_REASON_BYTES - 1);
    assert_memory_equal(text, longer, HOST_REASON_BYTES - 1);
    host_set_health(&segment, 0, HEALTH_DOWN, "short");
    host_read_reason(&segment.hosts[0], text);
    assert_string_equal(text, "short");
}

static void a_reason_lock_left_by_the_dead_runs_out(void **state)
{
    char text[HOST_REASON_BYTES];

    (void)state;
    uint32_t now_ms = (uint32_t)(clock_now_ns() / CLOCK_NS_PER_MS) | 1;
    segment.hosts[0].reason_lock = now_ms;
    fail_at(0, NOW);
    host_read_reason(&segment.hosts[0], text);
    assert_string_equal(text, "");
    segment.hosts[0].reason_lock = now_ms - 1500;
    fail_at(0, NOW);
    host_read_reason(&segment.hosts[0], text);
    assert_string_equal(text, "connection refused");
    assert_int_equal(segment.hosts[0].reason_lock, 0);
}

static void never_shows_a_mixture_of_reasons(void **state)
{
    char text[HOST_REASON_BYTES];
    char reasons[2][HOST_REASON_BYTES];
    int ready[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(reasons[i], 'a' + i, HOST_REASON_BYTES - 1);
        reasons[i][HOST_REASON_BYTES - 1] = '\0';
    }
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (uint64_t i = 0; i < 100000; i++) {
            host_set_health(&segment, 0, HEALTH_UP, reasons[i & 1]);
            /* As far apart as no real faults come, yet close enough to be met by the reader. */
            for (uint64_t until_ns = clock_now_ns() + 3000; clock_now_ns() < until_ns;)
                ;
            if (i == 1 && write(ready[1], "x", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    int status = 0;
    do {
        host_read_reason(&segment.hosts[0], text);
        for (size_t i = 1; i < HOST_REASON_BYTES - 1; i++)
            assert_int_equal(text[i], text[0]);
    } while (waitpid(child, &status, WNOHANG) == 0);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
}

static void adds_up_figures_of_all_workers(void **state)
{
    struct host_figures figures;

    (void)state;
    host_note_success(&segment, 0, 1, 64000);
    host_note_success(&segment, 0, 1, 64001);
    host_note_success(&segment, 3, 1, 128001);
    host_note_success(&segment, 3, 1, 3600 * SECOND);
    host_note_failure(&segment, 0, 1, FAILURE_TIMEOUT, &rules, NOW, NULL);
    host_note_failure(&segment, 3, 1, FAILURE_OTHER, &rules, NOW, NULL);
    host_shard(&segment, 0, 1)->bytes_in = 5;
    host_shard(&segment, 3, 1)->bytes_in = 6;
    host_shard(&segment, 3, 1)->bytes_out = 7;
    host_sum(&segment, 1, &figures);
    assert_int_equal(figures.connections_total, 4);
    assert_int_equal(figures.connect_ns_sum, 64000 + 64001 + 128001 + 3600 * SECOND);
    assert_int_equal(figures.connect_buckets[0], 1);
    assert_int_equal(figures.connect_buckets[1], 1);
    assert_int_equal(figures.connect_buckets[2], 1);
    assert_int_equal(figures.connect_buckets[HOST_CONNECT_BUCKETS - 1], 1);
    assert_int_equal(figures.failures_total, 2);
    assert_int_equal(figures.failures[FAILURE_TIMEOUT], 1);
    assert_int_equal(figures.failures[FAILURE_OTHER], 1);
    assert_int_equal(figures.bytes_in, 11);
    assert_int_equal(figures.bytes_out, 7);
}

static void a_reset_row_is_as_new(void **state)
{
    struct host_figures figures;
    char text[HOST_REASON_BYTES];

    (void)state;
    eject_at(0, NOW);
    host_claim(&segment, 3, 0, 0);
    host_set_admin(&segment, 0, ADMIN_DOWN);
    host_reset(&segment, 0, GROUP);
    host_set_weight(&segment, 0, 1);
    assert_true(host_is_usable(&segment.hosts[0], NOW));
    assert_int_equal(segment.groups[GROUP].ejected, 0);
    assert_int_equal(segment.hosts[0].in_flight, 0);
    host_sum(&segment, 0, &figures);
    assert_int_equal(figures.in_flight, 0);
    assert_int_equal(figures.failures_total, 0);
    host_read_reason(&segment.hosts[0], text);
    assert_string_equal(text, "");
    assert_false(fail_at(0, NOW));
}

static void forgetting_a_host_ends_its_ejection(void **state)
{
    (void)state;
    segment.hosts[0].is_used = 1;
    eject_at(0, NOW);
    host_forget(&segment, 0);
    assert_int_equal(segment.groups[GROUP].ejected, 0);
    assert_int_equal(segment.hosts[0].is_used, 0);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_segment, close_segment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(claims_up_to_the_limit),
        PROMISE(claims_nothing_over_a_lowered_limit),
        PROMISE(claims_only_what_was_expected),
        PROMISE(keeps_the_limit_exact_between_processes),
        PROMISE(ejects_after_failures_in_a_row),
        PROMISE(counts_failures_of_all_workers_together),
        PROMISE(never_ejects_when_told_so),
        PROMISE(ejects_no_more_than_the_groups_share),
        PROMISE(rounds_the_groups_share_down),
        PROMISE(readmits_once_when_the_time_has_run_out),
        PROMISE(doubles_the_time_at_each_return_that_fails),
        PROMISE(forgets_the_streak_after_a_success),
        PROMISE(keeps_the_share_exact_between_processes),
        PROMISE(shows_the_state_users_see),
        PROMISE(names_states_and_failures),
        PROMISE(moves_the_epoch_only_for_a_change),
        PROMISE(keeps_the_last_reason),
        PROMISE(a_reason_lock_left_by_the_dead_runs_out),
        PROMISE(never_shows_a_mixture_of_reasons),
        PROMISE(adds_up_figures_of_all_workers),
        PROMISE(a_reset_row_is_as_new),
        PROMISE(forgetting_a_host_ends_its_ejection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
