/* SPDX-License-Identifier: MIT */
/* Tests of what is kept of a host's state: its last changes, slow start, pardon, incarnation. */
#include "share/hosts.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "share/segment.h"

#define SECOND CLOCK_NS_PER_S
#define NOW (100 * SECOND)

enum { GROUP = 2, HOST = 40, WARM = 65536 };

static const struct host_eject_rules rules = {
    .failures = 1, .time_ns = SECOND, .most_percent = 100, .n_hosts = 4};

static struct segment segment;

static int open_segment(void **state)
{
    (void)state;
    if (segment_create(&segment, NULL) != 0)
        return -1;
    segment_use_slot(&segment, 0);
    group_reset(&segment, GROUP);
    host_reset(&segment, HOST, GROUP);
    host_set_weight(&segment, HOST, 1);
    return 0;
}

static int close_segment(void **state)
{
    (void)state;
    segment_fini(&segment);
    return 0;
}

static const struct host_row *row(void)
{
    return &segment.hosts[HOST];
}

static void eject(uint64_t now_ns)
{
    assert_true(host_note_failure(&segment, 0, HOST, FAILURE_REFUSED, &rules, now_ns,
                                  "connection refused"));
}

static void check_change(uint32_t n, enum host_state state, const char *reason)
{
    struct host_change_copy copy;

    assert_true(host_read_change(&segment, HOST, n, &copy));
    assert_int_equal(copy.state, state);
    assert_string_equal(copy.reason, reason);
    assert_true(copy.at_ns > 0 && copy.at_ns <= clock_wall_ns());
}

static void keeps_every_change_of_state_with_its_reason(void **state)
{
    struct host_change_copy copy;

    (void)state;
    assert_false(host_read_change(&segment, HOST, 0, &copy));
    eject(NOW);
    check_change(0, HOST_EJECTED, "connection refused");
    assert_true(host_readmit(&segment, HOST, NOW + SECOND));
    host_set_health(&segment, HOST, HEALTH_DOWN, "check timed out");
    host_set_health(&segment, HOST, HEALTH_DOWN, "check refused"); /* no change */
    host_set_health(&segment, HOST, HEALTH_UP, NULL);
    host_set_admin(&segment, HOST, ADMIN_DRAIN);
    host_set_weight(&segment, HOST, 7); /* no state */
    check_change(4, HOST_EJECTED, "connection refused");
    check_change(3, HOST_UP, "eject_time is over");
    check_change(2, HOST_DOWN, "check timed out");
    check_change(1, HOST_UP, "");
    check_change(0, HOST_DRAINING, "set by an admin or by the file");
    assert_false(host_read_change(&segment, HOST, 5, &copy));
    assert_int_equal(row()->change_count, 5);
}

static void keeps_no_change_that_nobody_can_see(void **state)
{
    (void)state;
    host_set_admin(&segment, HOST, ADMIN_DOWN);
    host_set_health(&segment, HOST, HEALTH_DOWN, "check timed out");
    host_set_health(&segment, HOST, HEALTH_UP, NULL);
    eject(NOW);
    assert_int_equal(row()->change_count, 1);
    host_set_admin(&segment, HOST, ADMIN_UP);
    check_change(0, HOST_EJECTED, "set by an admin or by the file");
}

static void keeps_the_last_sixteen(void **state)
{
    struct host_change_copy copy;
    char reason[HOST_REASON_BYTES];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(reason, sizeof reason, "reason %d", i);
        host_note_change(&segment, HOST, HOST_DOWN, reason);
    }
    for (uint32_t n = 0; n < HOST_CHANGES; n++) {
        snprintf(reason, sizeof reason, "reason %u", 39 - n);
        check_change(n, HOST_DOWN, reason);
    }
    assert_false(host_read_change(&segment, HOST, HOST_CHANGES, &copy));
    assert_false(host_read_change(&segment, HOST + 1, 0, &copy));
}

static void cuts_reasons_that_are_too_long(void **state)
{
    char reason[3 * HOST_REASON_BYTES];
    struct host_change_copy copy;

    (void)state;
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    host_note_change(&segment, HOST, HOST_DOWN, reason);
    assert_true(host_read_change(&segment, HOST, 0, &copy));
    assert_int_equal(strlen(copy.reason), HOST_REASON_BYTES - 1);
}

static void shows_no_change_that_was_left_half_written(void **state)
{
    struct host_change_copy copy;

    (void)state;
    for (int i = 0; i < 2 * HOST_CHANGES; i++)
        host_note_change(&segment, HOST, HOST_UP, "whole");
    segment.hosts[HOST].change_count++; /* its writer was killed before it wrote anything */
    assert_false(host_read_change(&segment, HOST, 0, &copy));
    check_change(1, HOST_UP, "whole");
    /* One who stood still writes late into a row that has gone to another number. */
    struct host_change *late = &segment.host_changes[HOST * HOST_CHANGES + 5];
    late->reason[2] = 'x';
    late->state = HOST_DOWN;
    uint32_t n_whole = 0;
    for (uint32_t n = 0; n < HOST_CHANGES; n++)
        n_whole += host_read_change(&segment, HOST, n, &copy);
    assert_int_equal(n_whole, HOST_CHANGES - 2);
}

static void write_for_ever(int writer)
{
    static const char *const reasons[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bb",
                                          "cccccccccccccccccccccccc"};
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test end before it */
    for (;;)
        host_note_change(&segment, HOST, (enum host_state)writer, reasons[writer]);
}

/* All three write states with reasons that go together; a mixture would show. */
static void shows_whole_changes_while_writers_are_killed(void **state)
{
    enum { WRITERS = 3, KILLS = 30 };
    static const size_t lengths[] = {38, 2, 24};
    struct host_change_copy copy;
    pid_t children[WRITERS] = {0};
    uint64_t n_read = 0;

    (void)state;
    for (int i = 0; i < KILLS + WRITERS; i++) {
        int writer = i % WRITERS;
        if (children[writer] != 0) {
            kill(children[writer], SIGKILL);
            assert_int_equal(waitpid(children[writer], NULL, 0), children[writer]);
        }
        children[writer] = i < KILLS ? fork() : 0;
        if (i < KILLS && children[writer] == 0)
            write_for_ever(writer);
        for (int n = 0; n < 2000; n++) {
            if (!host_read_change(&segment, HOST, (uint32_t)n % HOST_CHANGES, &copy))
                continue;
            n_read++;
            assert_true((size_t)copy.state < WRITERS);
            assert_int_equal(strlen(copy.reason), lengths[copy.state]);
            assert_int_equal(strspn(copy.reason, copy.state == 0   ? "a"
                                                 : copy.state == 1 ? "b"
                                                                   : "c"),
                             lengths[copy.state]);
        }
    }
    assert_true(n_read > 0);
    host_note_change(&segment, HOST, HOST_UP, "the last");
    check_change(0, HOST_UP, "the last");
}

static void no_page_is_used_for_hosts_that_never_changed(void **state)
{
    struct stat before, after;

    (void)state;
    assert_int_equal(fstat(segment.fd, &before), 0);
    for (uint32_t host = 0; host < 30; host++)
        host_reset(&segment, host, GROUP);
    assert_int_equal(fstat(segment.fd, &after), 0);
    assert_true(after.st_blocks - before.st_blocks <= 8 * 8); /* rows and shards */
}

static void a_row_that_goes_to_another_host_starts_anew(void **state)
{
    struct host_change_copy copy;
    struct host_row *host = &segment.hosts[HOST];

    (void)state;
    eject(NOW);
    host->check_stretch = host->check_bad_run = host->retry_wish = 3;
    host->next_check_ns = host->drain_from_ns = host->drain_until_ns = 9;
    host->checks_total = host->check_failures_total = host->check_took_ns = 9;
    uint32_t incarnation = host->incarnation;
    host_forget(&segment, HOST);
    assert_int_equal(host->incarnation, incarnation + 1);
    host_reset(&segment, HOST, GROUP);
    assert_int_equal(host->incarnation, incarnation + 1);
    assert_false(host_read_change(&segment, HOST, 0, &copy));
    assert_int_equal(host->faults, 0);
    assert_int_equal(host->check_stretch + host->check_bad_run + host->retry_wish, 0);
    assert_int_equal(host->next_check_ns + host->drain_from_ns + host->drain_until_ns, 0);
    assert_int_equal(host->checks_total + host->check_failures_total, 0);
    /* A change of the old host's number is not taken for the new one's. */
    host->change_count = 1;
    assert_false(host_read_change(&segment, HOST, 0, &copy));
}

static void counts_every_fault(void **state)
{
    (void)state;
    eject(NOW);
    host_note_fault(&segment, 0, HOST, FAILURE_OTHER, "connection reset");
    host_note_success(&segment, 0, HOST, 1);
    assert_int_equal(row()->faults, 2);
}

static void setters_move_the_change_counter(void **state)
{
    (void)state;
    uint64_t change = segment.daemon->change;
    host_set_weight(&segment, HOST, 1);
    host_set_admin(&segment, HOST, ADMIN_UP);
    host_set_health(&segment, HOST, HEALTH_UP, NULL);
    assert_int_equal(segment.daemon->change, change);
    host_set_weight(&segment, HOST, 2);
    host_set_admin(&segment, HOST, ADMIN_DOWN);
    host_set_health(&segment, HOST, HEALTH_DOWN, NULL);
    assert_int_equal(segment.daemon->change, change + 3);
}

static void a_host_that_returns_starts_slowly(void **state)
{
    (void)state;
    assert_int_equal(row()->returned_ns, 0); /* the daemon is only starting */
    uint64_t before_ns = clock_now_ns();
    host_set_health(&segment, HOST, HEALTH_DOWN, "check timed out");
    assert_int_equal(row()->returned_ns, 0);
    host_set_health(&segment, HOST, HEALTH_UP, NULL);
    assert_true(row()->returned_ns >= before_ns);
    segment.hosts[HOST].returned_ns = 0;
    host_set_admin(&segment, HOST, ADMIN_DOWN);
    assert_int_equal(row()->returned_ns, 0);
    host_set_admin(&segment, HOST, ADMIN_UP);
    assert_true(row()->returned_ns >= before_ns);
    segment.hosts[HOST].returned_ns = 0;
    eject(NOW);
    assert_int_equal(row()->returned_ns, 0);
    assert_true(host_readmit(&segment, HOST, NOW + SECOND));
    assert_true(row()->returned_ns >= before_ns);
}

static void a_new_host_starts_slowly_once_the_daemon_serves(void **state)
{
    (void)state;
    host_reset(&segment, HOST, GROUP);
    assert_int_equal(row()->returned_ns, 0);
    segment.daemon->state = DAEMON_SERVING;
    host_reset(&segment, HOST, GROUP);
    assert_true(row()->returned_ns > 0);
}

static void warms_up_evenly_to_its_whole_share(void **state)
{
    struct host_row host = {0};
    const uint64_t year_ns = 365 * 24 * 3600 * SECOND;

    (void)state;
    assert_int_equal(host_warmth(&host, 10 * SECOND, NOW), WARM);
    host.returned_ns = NOW;
    assert_int_equal(host_warmth(&host, 0, NOW), WARM);
    assert_int_equal(host_warmth(&host, 10 * SECOND, NOW), 0);
    assert_int_equal(host_warmth(&host, 10 * SECOND, NOW - SECOND), 0);
    assert_in_range(host_warmth(&host, 10 * SECOND, NOW + SECOND), WARM / 10 - 2, WARM / 10);
    assert_in_range(host_warmth(&host, 10 * SECOND, NOW + 5 * SECOND), WARM / 2 - 2, WARM / 2);
    assert_in_range(host_warmth(&host, 10 * SECOND, NOW + 10 * SECOND - 1), WARM - 2, WARM);
    assert_int_equal(host_warmth(&host, 10 * SECOND, NOW + 10 * SECOND), WARM);
    assert_in_range(host_warmth(&host, year_ns, NOW + year_ns / 2), WARM / 2 - 2, WARM / 2);
}

static void a_pardon_ends_an_ejection_and_its_streak(void **state)
{
    (void)state;
    eject(NOW);
    host_pardon(&segment, HOST);
    assert_true(host_is_usable(row(), NOW));
    assert_int_equal(segment.groups[GROUP].ejected, 0);
    assert_int_equal(row()->eject_streak, 0);
    assert_int_equal(row()->fails_in_row, 0);
    check_change(0, HOST_UP, "readmitted before eject_time is over");
    uint32_t epoch = segment.groups[GROUP].epoch;
    host_pardon(&segment, HOST); /* nothing to pardon */
    assert_int_equal(row()->change_count, 2);
    assert_int_equal(segment.groups[GROUP].epoch, epoch);
}

static void a_blocks_word_tells_of_every_move_in_it(void **state)
{
    const _Atomic uint32_t *word = &segment.host_blocks[HOST / HOSTS_A_BLOCK];

    (void)state;
    uint32_t before = *word, other = segment.host_blocks[0];
    assert_true(host_claim(&segment, 0, HOST, 2));
    assert_int_equal(host_claim_expected(&segment, 0, HOST, 1), CLAIM_TAKEN);
    assert_false(host_claim(&segment, 0, HOST, 2));
    host_release(&segment, 0, HOST);
    assert_int_equal(*word, before + 3);
    assert_int_equal(segment.host_blocks[0], other);
    host_touch_blocks(&segment);
    assert_int_equal(*word, before + 4);
    assert_int_equal(segment.host_blocks[0], other + 1);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_segment, close_segment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(keeps_every_change_of_state_with_its_reason),
        PROMISE(keeps_no_change_that_nobody_can_see),
        PROMISE(keeps_the_last_sixteen),
        PROMISE(cuts_reasons_that_are_too_long),
        PROMISE(shows_no_change_that_was_left_half_written),
        PROMISE(shows_whole_changes_while_writers_are_killed),
        PROMISE(no_page_is_used_for_hosts_that_never_changed),
        PROMISE(a_row_that_goes_to_another_host_starts_anew),
        PROMISE(counts_every_fault),
        PROMISE(setters_move_the_change_counter),
        PROMISE(a_host_that_returns_starts_slowly),
        PROMISE(a_new_host_starts_slowly_once_the_daemon_serves),
        PROMISE(warms_up_evenly_to_its_whole_share),
        PROMISE(a_pardon_ends_an_ejection_and_its_streak),
        PROMISE(a_blocks_word_tells_of_every_move_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
