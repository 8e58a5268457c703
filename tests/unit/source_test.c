/* SPDX-License-Identifier: MIT */
/* Tests of scheduler source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "balance/rendezvous.h"
#include "balance_rig.h"
#include "golden.h"

enum { KEYS = 100000 };

/* Where each of many clients goes. */
static void find_homes(struct group *group, uint32_t n_clients, uint8_t *homes)
{
    for (uint32_t n = 0; n < n_clients; n++) {
        const struct addr client = rig_client(n);
        homes[n] = (uint8_t)rig_home(group, &client);
    }
}

static void sends_clients_where_they_always_went(void **state)
{
    struct golden_rigs rigs;

    (void)state;
    golden_open(&rigs, SCHEDULER_SOURCE);
    golden_check("source.txt", golden_print_homes, &rigs);
    golden_close(&rigs);
}

/* C9: while a host is away only its clients are elsewhere. */
static void check_absence(struct rig *rig, uint32_t away, const uint8_t *before)
{
    static uint8_t homes[KEYS];
    uint32_t n_moved = 0;

    find_homes(&rig->group, KEYS, homes);
    for (uint32_t n = 0; n < KEYS; n++) {
        assert_int_not_equal(homes[n], away);
        if (before[n] == away)
            n_moved++;
        else
            assert_int_equal(homes[n], before[n]);
    }
    assert_in_range(n_moved, KEYS * 9 / 100, KEYS * 11 / 100);
}

static void moves_only_the_clients_of_a_host_that_goes(void **state)
{
    static uint8_t before[KEYS], after[KEYS];
    const uint32_t away = 3;
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_SOURCE, 10, NULL);
    find_homes(&rig.group, KEYS, before);
    host_set_health(&rig.segment, RIG_FIRST_ROW + away, HEALTH_DOWN, NULL);
    check_absence(&rig, away, before);
    host_set_health(&rig.segment, RIG_FIRST_ROW + away, HEALTH_UP, NULL);
    find_homes(&rig.group, KEYS, after);
    assert_memory_equal(before, after, KEYS);
    host_set_weight(&rig.segment, RIG_FIRST_ROW + away, 0);
    check_absence(&rig, away, before);
    host_set_weight(&rig.segment, RIG_FIRST_ROW + away, 1);
    find_homes(&rig.group, KEYS, after);
    assert_memory_equal(before, after, KEYS);
    rig_close(&rig);
}

static void moves_nobody_when_lines_change_places(void **state)
{
    static uint8_t homes[KEYS], other_homes[KEYS];
    struct rig rig, other;

    (void)state;
    rig_open(&rig, SCHEDULER_SOURCE, 10, NULL);
    rig_open(&other, SCHEDULER_SOURCE, 10, NULL);
    for (uint32_t i = 0; i < 10; i++)
        other.model.hosts[i].name = rig.names[9 - i].text;
    struct group group;
    rig_join(&other, &group, 1);
    find_homes(&rig.group, KEYS, homes);
    find_homes(&group, KEYS, other_homes);
    for (uint32_t n = 0; n < KEYS; n++)
        assert_int_equal(other_homes[n], 9 - homes[n]);
    rig_leave(&group);
    rig_close(&other);
    rig_close(&rig);
}

static void shares_clients_by_weight(void **state)
{
    static const uint32_t weights[] = {1, 2, 3, 4};
    static uint8_t homes[KEYS];
    uint32_t seen[4] = {0};
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_SOURCE, 4, weights);
    find_homes(&rig.group, KEYS, homes);
    for (uint32_t n = 0; n < KEYS; n++)
        seen[homes[n]]++;
    for (uint32_t i = 0; i < 4; i++)
        assert_in_range(seen[i], KEYS / 10 * weights[i] - KEYS / 100,
                        KEYS / 10 * weights[i] + KEYS / 100);
    rig_close(&rig);
}

/* The plainest rendezvous: each host is asked. -1: nobody is usable. */
static int ask_all(const struct group *group, const struct addr *client)
{
    struct rendezvous_bid best = {0};
    int winner = -1;
    uint64_t key = 0;

    assert_true(scheduler_client_key(client, &key));
    for (uint32_t i = 0; i < group->n_hosts; i++) {
        if (!host_is_usable(group->hosts[i].row, RIG_NOW_NS))
            continue;
        struct rendezvous_bid bid = {
            rendezvous_draw(key >> 48, scheduler_identity(&group->hosts[i])),
            group->hosts[i].row->weight};
        if (winner < 0 || rendezvous_is_better(&bid, &best)) {
            best = bid;
            winner = (int)i;
        }
    }
    return winner;
}

static void change_at_random(struct rig *rig)
{
    uint32_t n_changes = (uint32_t)random_below(&rig->random, 8);

    for (uint32_t i = 0; i <= n_changes; i++) {
        uint32_t row = RIG_FIRST_ROW + (uint32_t)random_below(&rig->random, rig->group.n_hosts);
        switch (random_below(&rig->random, 4)) {
        case 0:
            host_set_health(&rig->segment, row, HEALTH_DOWN, NULL);
            break;
        case 1:
            host_set_health(&rig->segment, row, HEALTH_UP, NULL);
            break;
        case 2:
            host_set_weight(&rig->segment, row, (uint32_t)random_below(&rig->random, 4));
            break;
        default:
            host_set_weight(&rig->segment, row, (uint32_t)random_below(&rig->random, 257));
            break;
        }
    }
}

/* Changes come one, a few, or many at a time; half of the clients skip a step, so that some winners are old. */
static void finds_whom_asking_all_would_find_after_any_changes(void **state)
{
    enum { STEPS = 150, CLIENTS = 1500 };
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_SOURCE, 24, NULL);
    for (uint32_t step = 0; step < STEPS; step++) {
        for (uint32_t n = step % 2; n < CLIENTS; n += 1 + step % 3) {
            const struct addr client = rig_client(n);
            int expected = ask_all(&rig.group, &client);
            if (expected >= 0)
                assert_int_equal(rig_home(&rig.group, &client), expected);
        }
        change_at_random(&rig);
    }
    rig_close(&rig);
}

static void agrees_with_a_worker_that_has_just_started(void **state)
{
    enum { CLIENTS = 20000 };
    static uint8_t homes[CLIENTS], new_homes[CLIENTS];
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_SOURCE, 12, NULL);
    for (int step = 0; step < 30; step++) {
        find_homes(&rig.group, CLIENTS / 10, homes);
        host_set_weight(&rig.segment, RIG_FIRST_ROW + (uint32_t)step % 11,
                        (uint32_t)random_below(&rig.random, 5));
    }
    struct group started;
    rig_join(&rig, &started, 1);
    find_homes(&rig.group, CLIENTS, homes);
    find_homes(&started, CLIENTS, new_homes);
    assert_memory_equal(homes, new_homes, CLIENTS);
    rig_leave(&started);
    rig_close(&rig);
}

static void goes_by_turns_without_an_address(void **state)
{
    static const uint32_t weights[] = {1, 3};
    const struct addr local = {.un = {.sun_family = AF_UNIX}, .length = sizeof local.un};
    struct rig rig;
    uint32_t seen[2] = {0};

    (void)state;
    rig_open(&rig, SCHEDULER_SOURCE, 2, NULL);
    for (int i = 0; i < 4; i++)
        seen[rig_home(&rig.group, i % 2 == 0 ? NULL : &local)]++;
    assert_int_equal(seen[0], 2);
    for (uint32_t i = 0; i < 2; i++)
        host_set_weight(&rig.segment, RIG_FIRST_ROW + i, weights[i]);
    seen[0] = seen[1] = 0;
    for (int i = 0; i < 40; i++)
        seen[rig_home(&rig.group, NULL)]++;
    assert_int_equal(seen[0], 10);
    assert_int_equal(seen[1], 30);
    rig_close(&rig);
}

/* The client's hosts in its own order of preference: each in turn is filled. */
static void prefers_in_the_hash_s_order_while_home_is_full(void **state)
{
    enum { HOSTS = 6 };
    const struct addr client = rig_client(17);
    const struct pick_request request = {.now_ns = RIG_NOW_NS, .client = &client};
    struct rig rig;
    uint32_t order[HOSTS], index;

    (void)state;
    rig_open(&rig, SCHEDULER_SOURCE, HOSTS, NULL);
    for (uint32_t i = 0; i < HOSTS; i++)
        rig_limit(&rig, i, 1);
    for (uint32_t i = 0; i < HOSTS; i++) {
        assert_int_equal(pick_host(&rig.group, &request, &order[i]), PICK_CHOSEN);
        if (i == 0)
            assert_int_equal(order[0], ask_all(&rig.group, &client));
    }
    assert_int_equal(pick_host(&rig.group, &request, &index), PICK_FULL);
    /* It comes home when there is room again, and goes to the best that has room. */
    pick_release(&rig.group, order[4]);
    pick_release(&rig.group, order[2]);
    assert_int_equal(rig_home(&rig.group, &client), order[2]);
    pick_release(&rig.group, order[0]);
    assert_int_equal(rig_home(&rig.group, &client), order[0]);
    /* The same order it is when the better ones are down. */
    for (uint32_t i = 0; i < HOSTS; i++)
        rig_limit(&rig, i, 0);
    for (uint32_t i = 0; i < HOSTS; i++) {
        assert_int_equal(rig_home(&rig.group, &client), order[i]);
        host_set_health(&rig.segment, RIG_FIRST_ROW + order[i], HEALTH_DOWN, NULL);
    }
    rig_close(&rig);
}

static void tries_in_the_hash_s_order(void **state)
{
    enum { HOSTS = 5 };
    const struct addr client = rig_client(23);
    struct pick_request request = {.now_ns = RIG_NOW_NS, .client = &client};
    struct rig rig;
    uint32_t index;

    (void)state;
    rig_open(&rig, SCHEDULER_SOURCE, HOSTS, NULL);
    for (uint32_t i = 0; i < HOSTS; i++) {
        assert_int_equal(pick_host(&rig.group, &request, &index), PICK_CHOSEN);
        request.tried[request.n_tried++] = index;
    }
    assert_int_equal(pick_host(&rig.group, &request, &index), PICK_NONE);
    for (uint32_t i = 0; i < HOSTS; i++) {
        assert_int_equal(rig_home(&rig.group, &client), request.tried[i]);
        host_set_admin(&rig.segment, RIG_FIRST_ROW + request.tried[i], ADMIN_DRAIN);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_clients_where_they_always_went),
        cmocka_unit_test(moves_only_the_clients_of_a_host_that_goes),
        cmocka_unit_test(moves_nobody_when_lines_change_places),
        cmocka_unit_test(shares_clients_by_weight),
        cmocka_unit_test(finds_whom_asking_all_would_find_after_any_changes),
        cmocka_unit_test(agrees_with_a_worker_that_has_just_started),
        cmocka_unit_test(goes_by_turns_without_an_address),
        cmocka_unit_test(prefers_in_the_hash_s_order_while_home_is_full),
        cmocka_unit_test(tries_in_the_hash_s_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
