/* SPDX-License-Identifier: MIT */
/* Tests of scheduler leastconn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "balance_rig.h"

static void shares_short_connections_evenly(void **state)
{
    struct rig rig;
    uint32_t seen[2] = {0};

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, 2, NULL);
    for (int i = 0; i < 10; i++)
        seen[rig_visit(&rig.group)]++;
    assert_int_equal(seen[0], 5);
    assert_int_equal(seen[1], 5);
    /* Two long ones on the first: all further short ones go to the other. */
    host_claim(&rig.segment, 0, RIG_FIRST_ROW, 0);
    host_claim(&rig.segment, 0, RIG_FIRST_ROW, 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rig_visit(&rig.group), 1);
    rig_close(&rig);
}

static void shares_short_connections_by_weight(void **state)
{
    const uint32_t weights[] = {3, 1};
    struct rig rig;
    uint32_t seen[2] = {0};

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, 2, weights);
    for (int i = 0; i < 40; i++)
        seen[rig_visit(&rig.group)]++;
    assert_int_equal(seen[0], 30);
    assert_int_equal(seen[1], 10);
    rig_close(&rig);
}

static void keeps_open_connections_in_proportion_to_weight(void **state)
{
    const uint32_t weights[] = {1, 2, 5};
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, 3, weights);
    for (int64_t n = 1; n <= 800; n++) {
        rig_pick(&rig.group);
        for (uint32_t i = 0; i < 3; i++) {
            int64_t eighths = rig.group.hosts[i].row->in_flight * 8;
            assert_in_range(eighths + 16, weights[i] * n, weights[i] * n + 32);
        }
    }
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(rig.group.hosts[i].row->in_flight, weights[i] * 100);
    rig_close(&rig);
}

static void fills_up_the_one_that_has_least(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, 4, NULL);
    for (int i = 0; i < 40; i++)
        rig_pick(&rig.group);
    for (int i = 0; i < 7; i++)
        pick_release(&rig.group, 2);
    for (int i = 0; i < 7; i++)
        assert_int_equal(rig_pick(&rig.group), 2);
    rig_close(&rig);
}

static void sees_what_other_workers_have_open(void **state)
{
    struct rig rig;
    struct group other;

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, 3, NULL);
    rig_join(&rig, &other, 1);
    for (int i = 0; i < 30; i++)
        rig_pick(i % 4 == 0 ? &rig.group : &other);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(rig.group.hosts[i].row->in_flight, 10);
    rig_leave(&other);
    rig_close(&rig);
}

static void passes_over_full_hosts(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, 3, NULL);
    rig_limit(&rig, 0, 1);
    rig_limit(&rig, 1, 3);
    for (int i = 0; i < 24; i++)
        rig_pick(&rig.group);
    assert_int_equal(rig.group.hosts[0].row->in_flight, 1);
    assert_int_equal(rig.group.hosts[1].row->in_flight, 3);
    assert_int_equal(rig.group.hosts[2].row->in_flight, 20);
    rig_close(&rig);
}

/* Opens n connections, says so, and closes them when it gets a byte. */
static void open_many(const struct rig *rig, uint32_t slot, int n, int opened, int closing)
{
    struct group group;
    static uint32_t held[1000];
    char byte;

    rig_join(rig, &group, slot);
    rig_wait_for_start(rig);
    for (int i = 0; i < n; i++)
        held[i] = rig_pick(&group);
    if (write(opened, "x", 1) != 1 || read(closing, &byte, 1) != 1)
        _exit(1);
    for (int i = 0; i < n; i++)
        pick_release(&group, held[i]);
    _exit(0);
}

static void differs_by_one_at_most_with_four_processes(void **state)
{
    enum { PROCESSES = 4, EACH = 1000, HOSTS = 4 };
    struct rig rig;
    pid_t children[PROCESSES];
    int opened[2], closing[2];
    char bytes[PROCESSES] = {0};

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, HOSTS, NULL);
    assert_int_equal(pipe(opened), 0);
    assert_int_equal(pipe(closing), 0);
    for (uint32_t slot = 0; slot < PROCESSES; slot++) {
        children[slot] = fork();
        assert_true(children[slot] >= 0);
        if (children[slot] == 0)
            open_many(&rig, slot, EACH, opened[1], closing[0]);
    }
    rig_start(&rig);
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(read(opened[0], &bytes[i], 1), 1);
    for (uint32_t i = 0; i < HOSTS; i++)
        assert_int_equal(rig.group.hosts[i].row->in_flight, PROCESSES * EACH / HOSTS);
    assert_int_equal(write(closing[1], bytes, PROCESSES), PROCESSES);
    for (uint32_t slot = 0; slot < PROCESSES; slot++) {
        int status = -1;
        assert_int_equal(waitpid(children[slot], &status, 0), children[slot]);
        assert_int_equal(status, 0);
    }
    for (uint32_t i = 0; i < HOSTS; i++)
        assert_int_equal(rig.group.hosts[i].row->in_flight, 0);
    for (int i = 0; i < 2; i++) {
        close(opened[i]);
        close(closing[i]);
    }
    rig_close(&rig);
}

static void differs_by_one_at_most_at_every_instant(void **state)
{
    enum { PROCESSES = 4, EACH = 1000000, HOSTS = 3 };
    struct rig rig;
    pid_t children[PROCESSES];

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, HOSTS, NULL);
    for (uint32_t slot = 0; slot < PROCESSES; slot++) {
        children[slot] = fork();
        assert_true(children[slot] >= 0);
        if (children[slot] != 0)
            continue;
        struct group group;
        rig_join(&rig, &group, slot);
        rig_wait_for_start(&rig);
        for (int i = 0; i < EACH; i++) {
            uint32_t index = rig_pick(&group);
            int64_t mine = group.hosts[index].row->in_flight;
            /* Read later than ours, the others can only have more. */
            for (uint32_t other = 0; other < HOSTS; other++)
                if (group.hosts[other].row->in_flight < mine - 1)
                    _exit(1);
        }
        _exit(0);
    }
    rig_start(&rig);
    for (uint32_t slot = 0; slot < PROCESSES; slot++) {
        int status = -1;
        assert_int_equal(waitpid(children[slot], &status, 0), children[slot]);
        assert_int_equal(status, 0);
    }
    rig_close(&rig);
}

/* Of the chosen, which has its place already, and all others, read anew, it had the least. */
static void check_least(const struct group *group, uint32_t chosen)
{
    int64_t in_flight = group->hosts[chosen].row->in_flight - 1;
    int64_t weight = group->hosts[chosen].row->weight;

    for (uint32_t i = 0; i < group->n_hosts; i++) {
        const struct host_row *row = group->hosts[i].row;
        int64_t limit = group->model->hosts[i].max_connections;
        if (i == chosen || !host_is_usable(row, RIG_NOW_NS) ||
            (limit > 0 && row->in_flight >= limit))
            continue;
        assert_true(in_flight * row->weight <= row->in_flight * weight);
    }
}

/* Hosts of several blocks of rows, two workers, whatever happens to them. */
static void always_takes_the_least_of_many(void **state)
{
    enum { HOSTS = 150, STEPS = 20000 };
    uint32_t weights[HOSTS];
    struct rig rig;
    struct group groups[2];

    (void)state;
    for (uint32_t i = 0; i < HOSTS; i++)
        weights[i] = 1 + i % 7;
    rig_open(&rig, SCHEDULER_LEASTCONN, HOSTS, weights);
    for (uint32_t slot = 0; slot < 2; slot++)
        rig_join(&rig, &groups[slot], slot);
    for (uint32_t step = 0; step < STEPS; step++) {
        struct group *group = &groups[random_below(&rig.random, 2)];
        uint32_t index = (uint32_t)random_below(&rig.random, HOSTS);
        uint32_t row = RIG_FIRST_ROW + index;
        if (random_below(&rig.random, 500) == 0)
            host_set_weight(&rig.segment, row, (uint32_t)random_below(&rig.random, 9));
        if (random_below(&rig.random, 500) == 0)
            rig_limit(&rig, index, (int64_t)random_below(&rig.random, 20));
        if (rig.group.hosts[index].row->in_flight > 0 && random_below(&rig.random, 3) > 0)
            pick_release(group, index);
        if (step % 2 == 0 || random_below(&rig.random, 4) == 0)
            check_least(group, rig_pick(group));
    }
    for (uint32_t slot = 0; slot < 2; slot++)
        rig_leave(&groups[slot]);
    rig_close(&rig);
}

/* Rows are allotted to hosts in any order. */
static void shares_by_turns_whatever_the_rows(void **state)
{
    enum { HOSTS = 100 };
    struct rig rig;
    struct group group;
    uint32_t seen[HOSTS] = {0};

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, HOSTS, NULL);
    for (uint32_t i = 0; i < HOSTS; i++) {
        uint32_t number = RIG_FIRST_ROW + i * 37 % HOSTS;
        rig.group.hosts[i].number = number;
        rig.group.hosts[i].row = &rig.segment.hosts[number];
    }
    rig_join(&rig, &group, 1);
    for (int i = 0; i < 5 * HOSTS; i++)
        seen[rig_visit(&group)]++;
    for (uint32_t i = 0; i < HOSTS; i++)
        assert_int_equal(seen[i], 5);
    for (int i = 0; i < 5 * HOSTS; i++)
        rig_pick(&group);
    for (uint32_t i = 0; i < HOSTS; i++)
        assert_int_equal(group.hosts[i].row->in_flight, 5);
    rig_leave(&group);
    rig_close(&rig);
}

/* Killed between the total and the word: others hear nothing of the place that came free. */
static void notices_a_release_that_was_not_told(void **state)
{
    enum { HOSTS = 80 };
    struct rig rig;
    bool is_seen = false;

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, HOSTS, NULL);
    for (int i = 0; i < 3 * HOSTS; i++)
        rig_pick(&rig.group);
    atomic_fetch_sub(&rig.group.hosts[50].row->in_flight, 3);
    for (int i = 0; i < HOSTS; i++) {
        uint32_t index = rig_pick(&rig.group);
        is_seen |= index == 50;
        pick_release(&rig.group, index);
    }
    assert_true(is_seen);
    rig_close(&rig);
}

static void does_not_call_a_host_full_for_a_release_that_was_not_told(void **state)
{
    enum { HOSTS = 80 };
    struct rig rig;
    uint32_t index;

    (void)state;
    rig_open(&rig, SCHEDULER_LEASTCONN, HOSTS, NULL);
    for (uint32_t i = 0; i < HOSTS; i++)
        rig_limit(&rig, i, 1);
    for (int i = 0; i < HOSTS; i++)
        rig_pick(&rig.group);
    const struct pick_request request = {.now_ns = RIG_NOW_NS};
    assert_int_equal(pick_host(&rig.group, &request, &index), PICK_FULL);
    atomic_fetch_sub(&rig.group.hosts[50].row->in_flight, 1);
    assert_int_equal(rig_pick(&rig.group), 50);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_short_connections_evenly),
        cmocka_unit_test(shares_short_connections_by_weight),
        cmocka_unit_test(keeps_open_connections_in_proportion_to_weight),
        cmocka_unit_test(fills_up_the_one_that_has_least),
        cmocka_unit_test(sees_what_other_workers_have_open),
        cmocka_unit_test(passes_over_full_hosts),
        cmocka_unit_test(always_takes_the_least_of_many),
        cmocka_unit_test(shares_by_turns_whatever_the_rows),
        cmocka_unit_test(notices_a_release_that_was_not_told),
        cmocka_unit_test(does_not_call_a_host_full_for_a_release_that_was_not_told),
        cmocka_unit_test(differs_by_one_at_most_with_four_processes),
        cmocka_unit_test(differs_by_one_at_most_at_every_instant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
