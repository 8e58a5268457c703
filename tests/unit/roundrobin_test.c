/* SPDX-License-Identifier: MIT */
/* Tests of scheduler roundrobin with the order it rests on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "balance/order.h"
#include "balance_rig.h"

/* Visits n times; the hosts are written as letters. */
static void visit(struct group *group, size_t n, char *letters)
{
    for (size_t i = 0; i < n; i++)
        letters[i] = (char)('a' + rig_visit(group));
    letters[n] = '\0';
}

static void goes_by_turns_among_equals(void **state)
{
    struct rig rig;
    char letters[32];

    (void)state;
    rig_open(&rig, SCHEDULER_ROUNDROBIN, 3, NULL);
    visit(&rig.group, 9, letters);
    assert_string_equal(letters, "abcabcabc");
    rig_close(&rig);
}

static void spreads_weights_smoothly(void **state)
{
    static const struct {
        uint32_t weights[4];
        const char *order;
    } cases[] = {
        {{5, 1, 1}, "aabacaa"},
        {{1, 2}, "bab"},
        {{4, 2}, "aba"},
        {{256, 128, 128}, "abca"},
        {{1, 2, 3, 4}, "dcbdacdbcd"},
        {{3, 3, 3}, "abc"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig rig;
        char letters[32];
        uint32_t n_hosts = 0;
        while (n_hosts < 4 && cases[i].weights[n_hosts] > 0)
            n_hosts++;
        rig_open(&rig, SCHEDULER_ROUNDROBIN, n_hosts, cases[i].weights);
        for (int cycle = 0; cycle < 2; cycle++) {
            visit(&rig.group, strlen(cases[i].order), letters);
            assert_string_equal(letters, cases[i].order);
        }
        rig_close(&rig);
    }
}

/* Any k cycles in a row, wherever begun, share exactly by weight. */
static void check_exact(struct rig *rig, const uint32_t *weights, uint32_t sum, uint32_t k)
{
    uint32_t *seen = calloc(rig->group.n_hosts, sizeof *seen);

    assert_non_null(seen);
    for (uint32_t i = 0; i < k * sum; i++)
        seen[rig_visit(&rig->group)]++;
    for (uint32_t i = 0; i < rig->group.n_hosts; i++)
        assert_int_equal(seen[i], k * weights[i]);
    free(seen);
}

static void shares_exactly_right_after_a_weight_is_set(void **state)
{
    const uint32_t before[] = {1, 1, 1}, after[] = {1, 3, 1};
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_ROUNDROBIN, 3, before);
    check_exact(&rig, before, 3, 3);
    rig_visit(&rig.group);
    host_set_weight(&rig.segment, RIG_FIRST_ROW + 1, 3);
    check_exact(&rig, after, 5, 1);
    check_exact(&rig, after, 5, 4);
    rig_close(&rig);
}

static void shares_exactly_where_a_table_would_be_too_large(void **state)
{
    enum { HOSTS = 1000 };
    uint32_t weights[HOSTS], sum = 0;
    struct rig rig;

    (void)state;
    for (uint32_t i = 0; i < HOSTS; i++) {
        weights[i] = 1 + i * 7919 % 256;
        sum += weights[i];
    }
    rig_open(&rig, SCHEDULER_ROUNDROBIN, HOSTS, weights);
    rig_visit(&rig.group);
    assert_int_equal(order_length(rig.group.prepared), sum);
    check_exact(&rig, weights, sum, 1);
    rig_close(&rig);
}

static void spreads_smoothly_where_a_table_would_be_too_large(void **state)
{
    enum { HOSTS = 1025, WINDOW = 512 };
    uint32_t *weights = calloc(HOSTS, sizeof *weights);
    uint32_t n_heavy = 0;
    struct rig rig;

    (void)state;
    /* One host has a fifth of all: in any window it must have about a fifth. */
    assert_non_null(weights);
    for (uint32_t i = 0; i < HOSTS; i++)
        weights[i] = 1;
    weights[700] = 256;
    rig_open(&rig, SCHEDULER_ROUNDROBIN, HOSTS, weights);
    for (uint32_t n = 1; n <= 10 * WINDOW; n++) {
        n_heavy += rig_visit(&rig.group) == 700;
        assert_in_range(n_heavy, n * 256 / 1280 < 1 ? 0 : n * 256 / 1280 - 1,
                        n * 256 / 1280 + 1);
    }
    rig_close(&rig);
    free(weights);
}

static void shares_exactly_between_processes(void **state)
{
    enum { PROCESSES = 4, CYCLES = 10000 };
    const uint32_t weights[] = {1, 2, 3, 4};
    struct rig rig;
    pid_t children[PROCESSES];

    (void)state;
    rig_open(&rig, SCHEDULER_ROUNDROBIN, 4, weights);
    for (uint32_t slot = 0; slot < PROCESSES; slot++) {
        children[slot] = fork();
        assert_true(children[slot] >= 0);
        if (children[slot] != 0)
            continue;
        struct group group;
        rig_join(&rig, &group, slot);
        rig_wait_for_start(&rig);
        for (int i = 0; i < 10 * CYCLES; i++)
            rig_pick(&group);
        _exit(0);
    }
    rig_start(&rig);
    for (uint32_t slot = 0; slot < PROCESSES; slot++)
        assert_int_equal(waitpid(children[slot], NULL, 0), children[slot]);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(rig.group.hosts[i].row->in_flight, PROCESSES * CYCLES * weights[i]);
    rig_close(&rig);
}

static void a_worker_behind_does_not_throw_the_others_back(void **state)
{
    struct rig rig;
    struct group ahead;
    char letters[32];

    (void)state;
    rig_open(&rig, SCHEDULER_ROUNDROBIN, 4, NULL);
    rig_join(&rig, &ahead, 1);
    rig_visit(&rig.group);
    host_set_admin(&rig.segment, RIG_FIRST_ROW, ADMIN_DOWN);
    rig_visit(&ahead);
    /* The one behind chooses by its old order, as if its pick had begun before the change. */
    const struct pick_request request = {.now_ns = RIG_NOW_NS};
    int32_t index = rig.group.scheduler->choose(&rig.group, &request);
    assert_true(index >= 0);
    visit(&ahead, 6, letters);
    assert_string_equal(letters, "cdbcdb");
    rig_leave(&ahead);
    rig_close(&rig);
}

/* Sequential connections with retries, one host refusing; returns what each host got in the end. */
static void connect_with_retries(struct rig *rig, uint32_t refusing, int n, uint32_t *served)
{
    struct group *group = &rig->group;

    for (int i = 0; i < n; i++) {
        struct pick_request request = {.now_ns = RIG_NOW_NS};
        for (;;) {
            uint32_t index;
            assert_int_equal(pick_host(group, &request, &index), PICK_CHOSEN);
            pick_release(group, index);
            if (index != refusing) {
                host_note_success(&rig->segment, 0, group->hosts[index].number, 1000);
                served[index]++;
                break;
            }
            request.tried[request.n_tried++] = index;
            host_note_failure(&rig->segment, 0, group->hosts[index].number, FAILURE_REFUSED,
                              &group->eject, RIG_NOW_NS, "connection refused");
        }
    }
}

static void shares_evenly_around_a_host_that_refuses(void **state)
{
    (void)state;
    for (uint32_t refusing = 0; refusing < 3; refusing++) {
        /* With and without its being ejected on the way. */
        for (uint32_t failures = 0; failures <= 6; failures++) {
            uint32_t served[3] = {0};
            struct rig rig;
            rig_open(&rig, SCHEDULER_ROUNDROBIN, 3, NULL);
            rig.group.eject.failures = failures;
            connect_with_retries(&rig, refusing, 30, served);
            for (uint32_t i = 0; i < 3; i++)
                assert_int_equal(served[i], i == refusing ? 0 : 15);
            assert_int_equal(rig.segment.groups[RIG_GROUP].ejected, failures > 0);
            rig_close(&rig);
        }
    }
}

static void goes_on_behind_the_last_when_equals_come_and_go(void **state)
{
    struct rig rig;
    char letters[32];

    (void)state;
    rig_open(&rig, SCHEDULER_ROUNDROBIN, 4, NULL);
    visit(&rig.group, 6, letters);
    assert_string_equal(letters, "abcdab");
    host_set_admin(&rig.segment, RIG_FIRST_ROW + 2, ADMIN_DOWN);
    visit(&rig.group, 4, letters);
    assert_string_equal(letters, "dabd");
    host_set_admin(&rig.segment, RIG_FIRST_ROW + 2, ADMIN_UP);
    visit(&rig.group, 5, letters);
    assert_string_equal(letters, "abcda");
    rig_close(&rig);
}

static void passes_over_full_hosts(void **state)
{
    struct rig rig;
    uint32_t seen[100] = {0};

    (void)state;
    rig_open(&rig, SCHEDULER_ROUNDROBIN, 100, NULL);
    for (uint32_t i = 0; i < 99; i++)
        rig_limit(&rig, i, 1);
    for (uint32_t i = 0; i < 200; i++)
        seen[rig_pick(&rig.group)]++;
    for (uint32_t i = 0; i < 99; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(seen[99], 101);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_by_turns_among_equals),
        cmocka_unit_test(spreads_weights_smoothly),
        cmocka_unit_test(shares_exactly_right_after_a_weight_is_set),
        cmocka_unit_test(shares_exactly_where_a_table_would_be_too_large),
        cmocka_unit_test(spreads_smoothly_where_a_table_would_be_too_large),
        cmocka_unit_test(shares_exactly_between_processes),
        cmocka_unit_test(a_worker_behind_does_not_throw_the_others_back),
        cmocka_unit_test(shares_evenly_around_a_host_that_refuses),
        cmocka_unit_test(goes_on_behind_the_last_when_equals_come_and_go),
        cmocka_unit_test(passes_over_full_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
