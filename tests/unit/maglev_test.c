/* SPDX-License-Identifier: MIT */
/* Tests of scheduler maglev. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "balance_rig.h"
#include "golden.h"

enum { KEYS = 100000, SLOTS = 65537 };

static void sends_clients_where_they_always_went(void **state)
{
    struct golden_rigs rigs;

    (void)state;
    golden_open(&rigs, SCHEDULER_MAGLEV);
    golden_check("maglev.txt", golden_print_homes, &rigs);
    golden_close(&rigs);
}

/* The host of each slot, asked through the scheduler as if by a client of that key. */
static void read_table(struct group *group, uint16_t *table)
{
    const struct addr client = rig_client(0);
    struct pick_request request = {.now_ns = RIG_NOW_NS, .client = &client};

    rig_home(group, &client);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        request.key = slot;
        int32_t index = group->scheduler->choose(group, &request);
        assert_true(index >= 0);
        table[slot] = (uint16_t)index;
        pick_release(group, (uint32_t)index);
    }
}

static void count_slots(const uint16_t *table, uint32_t n_hosts, uint32_t *counts)
{
    memset(counts, 0, n_hosts * sizeof *counts);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        counts[table[slot]]++;
}

/* C10 */
static void shares_slots_evenly_to_one(void **state)
{
    enum { HOSTS = 400 };
    static uint16_t table[SLOTS];
    uint32_t counts[HOSTS];
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_MAGLEV, HOSTS, NULL);
    read_table(&rig.group, table);
    count_slots(table, HOSTS, counts);
    for (uint32_t i = 0; i < HOSTS; i++)
        assert_in_range(counts[i], SLOTS / HOSTS, SLOTS / HOSTS + 1);
    rig_close(&rig);
}

static void shares_slots_by_weight(void **state)
{
    static const uint32_t weights[] = {1, 2, 3, 4, 256, 100, 7, 1};
    static uint16_t table[SLOTS];
    uint32_t counts[8], sum = 0;
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_MAGLEV, 8, weights);
    read_table(&rig.group, table);
    count_slots(table, 8, counts);
    for (uint32_t i = 0; i < 8; i++)
        sum += weights[i];
    /* When the table is full, each has had its turns or waits for one; the heaviest for none. */
    for (uint32_t i = 0; i < 8; i++)
        assert_in_range(counts[i] + 8, SLOTS * weights[i] / sum, SLOTS * weights[i] / sum + 16);
    rig_close(&rig);
}

/* C9, for each of ten hosts: its clients move, and of the others at most one in a hundred. */
static void moves_few_others_when_a_host_goes(void **state)
{
    static uint16_t before[SLOTS], after[SLOTS];
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_MAGLEV, 10, NULL);
    read_table(&rig.group, before);
    for (uint32_t away = 0; away < 10; away++) {
        uint32_t n_own = 0, n_others = 0;
        host_set_health(&rig.segment, RIG_FIRST_ROW + away, HEALTH_DOWN, NULL);
        read_table(&rig.group, after);
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            assert_int_not_equal(after[slot], away);
            n_own += before[slot] == away;
            n_others += before[slot] != away && before[slot] != after[slot];
        }
        assert_in_range(n_own, SLOTS * 9 / 100, SLOTS * 11 / 100);
        assert_true(n_others <= SLOTS / 100);
        host_set_health(&rig.segment, RIG_FIRST_ROW + away, HEALTH_UP, NULL);
        read_table(&rig.group, after);
        assert_memory_equal(before, after, sizeof before);
    }
    rig_close(&rig);
}

static void moves_nobody_when_lines_change_places(void **state)
{
    static const uint32_t weights[] = {1, 1, 2, 2, 1}, other_weights[] = {1, 2, 2, 1, 1};
    static uint16_t table[SLOTS], other_table[SLOTS];
    struct rig rig, other;
    struct group group;

    (void)state;
    rig_open(&rig, SCHEDULER_MAGLEV, 5, weights);
    rig_open(&other, SCHEDULER_MAGLEV, 5, other_weights);
    for (uint32_t i = 0; i < 5; i++)
        other.model.hosts[i].name = rig.names[4 - i].text;
    rig_join(&other, &group, 1);
    read_table(&rig.group, table);
    read_table(&group, other_table);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        assert_int_equal(other_table[slot], 4 - table[slot]);
    rig_leave(&group);
    rig_close(&other);
    rig_close(&rig);
}

/* One host's way, as the paper has it. */
struct plain {
    uint64_t identity, next_turn;
    uint32_t next, weight;
};

/* Section 3.4 of the paper, with turns by weight, in the plainest way: everybody is asked at each turn. */
static void fill_plainly(const struct group *group, uint16_t *table)
{
    struct plain plains[16];
    bool is_taken[SLOTS] = {false};

    assert_true(group->n_hosts <= 16);
    for (uint32_t i = 0; i < group->n_hosts; i++) {
        uint32_t weight =
            host_is_usable(group->hosts[i].row, RIG_NOW_NS) ? group->hosts[i].row->weight : 0;
        plains[i] =
            (struct plain){.identity = scheduler_identity(&group->hosts[i]),
                           .next_turn = weight > 0 ? (UINT64_C(1) << 40) / weight : UINT64_MAX,
                           .weight = weight};
    }
    for (uint32_t n_filled = 0; n_filled < SLOTS; n_filled++) {
        struct plain *turn = &plains[0];
        uint32_t index = 0, slot;
        for (uint32_t i = 1; i < group->n_hosts; i++) {
            struct plain *plain = &plains[i];
            bool is_sooner = plain->next_turn != turn->next_turn
                                 ? plain->next_turn < turn->next_turn
                             : plain->weight != turn->weight ? plain->weight > turn->weight
                                                             : plain->identity < turn->identity;
            if (is_sooner) {
                turn = plain;
                index = i;
            }
        }
        uint64_t offset = turn->identity % SLOTS;
        uint64_t skip = hash_mix(turn->identity) % (SLOTS - 1) + 1;
        do
            slot = (uint32_t)((offset + turn->next++ * skip) % SLOTS);
        while (is_taken[slot]);
        is_taken[slot] = true;
        table[slot] = (uint16_t)index;
        turn->next_turn += (UINT64_C(1) << 40) / turn->weight;
    }
}

static void fills_its_table_as_the_paper_says(void **state)
{
    static uint16_t table[SLOTS], plain[SLOTS];
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_MAGLEV, 12, NULL);
    for (int step = 0; step < 12; step++) {
        read_table(&rig.group, table);
        fill_plainly(&rig.group, plain);
        assert_memory_equal(table, plain, sizeof plain);
        for (int i = 0; i < 3; i++) {
            uint32_t row = RIG_FIRST_ROW + (uint32_t)random_below(&rig.random, 12);
            host_set_weight(&rig.segment, row, 1 + (uint32_t)random_below(&rig.random, 40));
            row = RIG_FIRST_ROW + (uint32_t)random_below(&rig.random, 12);
            host_set_health(&rig.segment, row,
                            i % 2 == 0 && row > RIG_FIRST_ROW ? HEALTH_DOWN : HEALTH_UP, NULL);
        }
    }
    rig_close(&rig);
}

static void goes_by_turns_without_an_address(void **state)
{
    static const uint32_t weights[] = {1, 3};
    struct rig rig;
    uint32_t seen[2] = {0};

    (void)state;
    rig_open(&rig, SCHEDULER_MAGLEV, 2, NULL);
    for (int i = 0; i < 4; i++)
        seen[rig_home(&rig.group, NULL)]++;
    assert_int_equal(seen[0], 2);
    for (uint32_t i = 0; i < 2; i++)
        host_set_weight(&rig.segment, RIG_FIRST_ROW + i, weights[i]);
    seen[0] = seen[1] = 0;
    for (int i = 0; i < 40; i++)
        seen[rig_home(&rig.group, NULL)]++;
    assert_int_equal(seen[0], 10);
    rig_close(&rig);
}

/* C15 */
static void spills_along_the_table_while_home_is_full(void **state)
{
    enum { HOSTS = 4 };
    static uint16_t table[SLOTS];
    const struct addr client = rig_client(5);
    const struct pick_request request = {.now_ns = RIG_NOW_NS, .client = &client};
    struct rig rig;
    uint32_t index, spilled;
    uint64_t key = 0;

    (void)state;
    rig_open(&rig, SCHEDULER_MAGLEV, HOSTS, NULL);
    read_table(&rig.group, table);
    assert_true(scheduler_client_key(&client, &key));
    uint32_t slot = (uint32_t)(key % SLOTS), home = table[slot];
    assert_int_equal(rig_home(&rig.group, &client), home);
    rig_limit(&rig, home, 1);
    assert_int_equal(pick_host(&rig.group, &request, &index), PICK_CHOSEN);
    assert_int_equal(index, home);
    assert_int_equal(pick_host(&rig.group, &request, &spilled), PICK_CHOSEN);
    while (table[slot] == home)
        slot = (slot + 1) % SLOTS;
    assert_int_equal(spilled, table[slot]);
    pick_release(&rig.group, home);
    assert_int_equal(rig_home(&rig.group, &client), home);
    rig_close(&rig);
}

static void finds_the_last_free_place(void **state)
{
    enum { HOSTS = 1000 };
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_MAGLEV, HOSTS, NULL);
    for (uint32_t i = 0; i < HOSTS; i++)
        rig_limit(&rig, i, 1);
    for (uint32_t n = 0; n < HOSTS; n++) {
        const struct addr client = rig_client(n);
        const struct pick_request request = {.now_ns = RIG_NOW_NS, .client = &client};
        uint32_t index;
        assert_int_equal(pick_host(&rig.group, &request, &index), PICK_CHOSEN);
    }
    for (uint32_t i = 0; i < HOSTS; i++)
        assert_int_equal(rig.group.hosts[i].row->in_flight, 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_clients_where_they_always_went),
        cmocka_unit_test(shares_slots_evenly_to_one),
        cmocka_unit_test(shares_slots_by_weight),
        cmocka_unit_test(moves_few_others_when_a_host_goes),
        cmocka_unit_test(moves_nobody_when_lines_change_places),
        cmocka_unit_test(fills_its_table_as_the_paper_says),
        cmocka_unit_test(goes_by_turns_without_an_address),
        cmocka_unit_test(spills_along_the_table_while_home_is_full),
        cmocka_unit_test(finds_the_last_free_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
