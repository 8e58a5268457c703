/* SPDX-License-Identifier: MIT */
/* Tests of who may be chosen, whatever the scheduler. */
#include "balance/pick.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "balance_rig.h"

#define SECOND UINT64_C(1000000000)

static const enum scheduler_kind kinds[] = {
    SCHEDULER_ROUNDROBIN, SCHEDULER_LEASTCONN, SCHEDULER_RANDOM, SCHEDULER_WEIGHTED,
    SCHEDULER_TWOCHOICES, SCHEDULER_SOURCE,    SCHEDULER_MAGLEV, SCHEDULER_FIRST};

/* Runs the promise once for each scheduler, with n hosts of weight 1. */
static void for_each_scheduler(uint32_t n_hosts, void (*promise)(struct rig *rig))
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct rig rig;
        rig_open(&rig, kinds[i], n_hosts, NULL);
        promise(&rig);
        rig_close(&rig);
    }
}

static enum pick_verdict pick_without(struct rig *rig, uint32_t n_tried, const uint32_t *tried,
                                      uint32_t *index_out)
{
    const struct addr client = rig_client((uint32_t)random_next(&rig->random));
    struct pick_request request = {.now_ns = RIG_NOW_NS, .client = &client, .n_tried = n_tried};

    for (uint32_t i = 0; i < n_tried; i++)
        request.tried[i] = tried[i];
    return pick_host(&rig->group, &request, index_out);
}

static enum pick_verdict pick_any(struct rig *rig)
{
    uint32_t index;
    return pick_without(rig, 0, NULL, &index);
}

static void check_claims(struct rig *rig)
{
    int64_t in_flight[3] = {0};

    for (int i = 0; i < 30; i++)
        in_flight[rig_pick(&rig->group)]++;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(rig->group.hosts[i].row->in_flight, in_flight[i]);
        assert_int_equal(host_shard(&rig->segment, 0, RIG_FIRST_ROW + i)->in_flight,
                         in_flight[i]);
        while (in_flight[i]-- > 0)
            pick_release(&rig->group, i);
        assert_int_equal(rig->group.hosts[i].row->in_flight, 0);
        assert_int_equal(host_shard(&rig->segment, 0, RIG_FIRST_ROW + i)->in_flight, 0);
    }
}

static void claims_a_place_at_the_chosen_host(void **state)
{
    (void)state;
    for_each_scheduler(3, check_claims);
}

static void check_unusable(struct rig *rig)
{
    host_set_admin(&rig->segment, RIG_FIRST_ROW + 0, ADMIN_DOWN);
    host_set_admin(&rig->segment, RIG_FIRST_ROW + 1, ADMIN_DRAIN);
    host_set_weight(&rig->segment, RIG_FIRST_ROW + 2, 0);
    host_set_health(&rig->segment, RIG_FIRST_ROW + 3, HEALTH_DOWN, NULL);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_visit(&rig->group), 4);
    /* A change is seen by the very next pick. */
    host_set_health(&rig->segment, RIG_FIRST_ROW + 4, HEALTH_DOWN, NULL);
    assert_int_equal(pick_any(rig), PICK_NONE);
    host_set_health(&rig->segment, RIG_FIRST_ROW + 3, HEALTH_UP, NULL);
    assert_int_equal(rig_visit(&rig->group), 3);
    host_set_weight(&rig->segment, RIG_FIRST_ROW + 3, 0);
    assert_int_equal(pick_any(rig), PICK_NONE);
}

static void chooses_only_usable_hosts(void **state)
{
    (void)state;
    for_each_scheduler(5, check_unusable);
}

static void check_tried(struct rig *rig)
{
    uint32_t tried[3], index;

    for (int round = 0; round < 20; round++) {
        for (uint32_t n = 0; n < 3; n++) {
            assert_int_equal(pick_without(rig, n, tried, &index), PICK_CHOSEN);
            for (uint32_t i = 0; i < n; i++)
                assert_int_not_equal(index, tried[i]);
            pick_release(&rig->group, index);
            tried[n] = index;
        }
        assert_int_equal(pick_without(rig, 3, tried, &index), PICK_NONE);
    }
}

static void chooses_each_host_once_for_a_connection(void **state)
{
    (void)state;
    for_each_scheduler(3, check_tried);
}

static void check_full(struct rig *rig)
{
    const uint32_t first_tried[] = {0}, others_tried[] = {1, 2}, all_tried[] = {0, 1, 2};
    uint32_t index;

    for (uint32_t i = 0; i < 3; i++)
        rig_limit(rig, i, 2);
    for (int i = 0; i < 6; i++)
        assert_int_equal(pick_any(rig), PICK_CHOSEN);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(rig->group.hosts[i].row->in_flight, 2);
    assert_int_equal(pick_any(rig), PICK_FULL);
    assert_int_equal(pick_without(rig, 1, first_tried, &index), PICK_FULL);
    assert_int_equal(pick_without(rig, 3, all_tried, &index), PICK_NONE);
    pick_release(&rig->group, 0);
    assert_int_equal(pick_without(rig, 1, first_tried, &index), PICK_FULL);
    assert_int_equal(pick_without(rig, 2, others_tried, &index), PICK_CHOSEN);
    assert_int_equal(index, 0);
    /* A host that may not be used is not one that may be waited for. */
    for (uint32_t i = 1; i < 3; i++)
        host_set_admin(&rig->segment, RIG_FIRST_ROW + i, ADMIN_DOWN);
    assert_int_equal(pick_any(rig), PICK_FULL);
    assert_int_equal(pick_without(rig, 1, first_tried, &index), PICK_NONE);
}

static void tells_full_hosts_from_none(void **state)
{
    (void)state;
    for_each_scheduler(3, check_full);
}

static void check_lowered_limit(struct rig *rig)
{
    for (int i = 0; i < 4; i++)
        assert_int_equal(pick_any(rig), PICK_CHOSEN);
    rig_limit(rig, 0, 2);
    assert_int_equal(pick_any(rig), PICK_FULL);
    pick_release(&rig->group, 0);
    pick_release(&rig->group, 0);
    assert_int_equal(pick_any(rig), PICK_FULL);
    pick_release(&rig->group, 0);
    assert_int_equal(pick_any(rig), PICK_CHOSEN);
    assert_int_equal(pick_any(rig), PICK_FULL);
}

static void waits_below_a_lowered_limit(void **state)
{
    (void)state;
    for_each_scheduler(1, check_lowered_limit);
}

static void check_ejection(struct rig *rig)
{
    struct group *group = &rig->group;
    uint32_t seen[2] = {0};
    bool has_ejected = false;

    rig_visit(group);
    group->eject.most_percent = 50;
    for (int i = 0; i < 5; i++)
        has_ejected = host_note_failure(&rig->segment, 0, RIG_FIRST_ROW, FAILURE_REFUSED,
                                        &group->eject, RIG_NOW_NS, "connection refused");
    assert_true(has_ejected);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_visit(group), 1);
    uint64_t until_ns = group->hosts[0].row->ejected_until_ns;
    assert_int_equal(rig_pick_at(group, until_ns - 1), 1);
    /* Back on time, though nobody has said so. */
    for (int i = 0; i < 200; i++)
        seen[rig_pick_at(group, until_ns)]++;
    assert_true(seen[0] > 50);
    assert_int_equal(rig->segment.groups[RIG_GROUP].ejected, 0);
    assert_int_equal(group->next_readmit_ns, UINT64_MAX);
}

static void takes_an_ejected_host_back_when_its_time_has_run_out(void **state)
{
    (void)state;
    for_each_scheduler(2, check_ejection);
}

static void check_empty(struct rig *rig)
{
    assert_int_equal(pick_any(rig), PICK_NONE);
}

static void finds_none_in_an_empty_group(void **state)
{
    (void)state;
    for_each_scheduler(0, check_empty);
}

static void check_saturation(struct rig *rig)
{
    /* As a queue would ask, again and again: neither loops nor claims. */
    for (uint32_t i = 0; i < 100; i++)
        rig_limit(rig, i, 1);
    for (uint32_t i = 0; i < 100; i++)
        rig_pick(&rig->group);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pick_any(rig), PICK_FULL);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(rig->group.hosts[i].row->in_flight, 1);
}

static void ends_when_everything_is_full(void **state)
{
    (void)state;
    for_each_scheduler(100, check_saturation);
}

static void refuses_a_scheduler_that_there_is_not(void **state)
{
    struct model_group model = {.scheduler = (enum scheduler_kind)99};
    struct group group = {.model = &model};

    (void)state;
    assert_int_equal(pick_init(&group), -1);
    assert_int_equal(errno, ENOTSUP);
}

static void finds_each_scheduler_by_its_kind(void **state)
{
    (void)state;
    assert_string_equal(scheduler_find(SCHEDULER_ROUNDROBIN)->name, "roundrobin");
    assert_string_equal(scheduler_find(SCHEDULER_LEASTCONN)->name, "leastconn");
    assert_string_equal(scheduler_find(SCHEDULER_RANDOM)->name, "random");
    assert_string_equal(scheduler_find(SCHEDULER_WEIGHTED)->name, "weighted");
    assert_string_equal(scheduler_find(SCHEDULER_FIRST)->name, "first");
    assert_string_equal(scheduler_find(SCHEDULER_TWOCHOICES)->name, "twochoices");
    assert_string_equal(scheduler_find(SCHEDULER_SOURCE)->name, "source");
    assert_string_equal(scheduler_find(SCHEDULER_MAGLEV)->name, "maglev");
}

static void knows_whether_a_line_may_form(void **state)
{
    struct rig rig;
    struct group group;

    (void)state;
    rig_open(&rig, SCHEDULER_ROUNDROBIN, 3, NULL);
    assert_false(rig.group.has_limits);
    rig_limit(&rig, 2, 5);
    rig_join(&rig, &group, 1);
    assert_true(group.has_limits);
    rig_leave(&group);
    rig_close(&rig);
}

/* Slow start */

enum { SLOW_MS = 10000, VISITS = 20000 };
#define MS UINT64_C(1000000)

static void start_slowly(struct rig *rig, uint32_t index)
{
    rig->model.hosts[index].slow_start_ms = SLOW_MS;
    rig->group.hosts[index].row->returned_ns = RIG_NOW_NS;
    group_touch(&rig->segment, RIG_GROUP);
}

/* B12: the share grows evenly with time, from none to all of what it is when warm; the others take the rest alike. */
static void check_slow_start(struct rig *rig)
{
    const uint32_t n_hosts = rig->group.n_hosts;

    start_slowly(rig, 1);
    for (uint32_t quarter = 0; quarter <= 4; quarter++) {
        uint32_t seen[4] = {0};
        uint64_t now_ns = RIG_NOW_NS + quarter * SLOW_MS * MS / 4;
        for (int i = 0; i < VISITS; i++) {
            uint32_t index = rig_pick_at(&rig->group, now_ns);
            pick_release(&rig->group, index);
            seen[index]++;
        }
        uint32_t share = VISITS / n_hosts * quarter / 4;
        /* The dice may fall badly sixteen times in a row. */
        assert_in_range(seen[1], share * 8 / 10, share * 12 / 10 + 3);
        for (uint32_t i = 0; i < n_hosts; i++)
            assert_true(i == 1 || seen[i] >= (VISITS - share) / (n_hosts - 1) * 8 / 10);
        assert_int_equal(rig->group.may_be_cold, quarter < 4);
    }
}

static void gives_a_returning_host_a_growing_share(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i] == SCHEDULER_FIRST)
            continue; /* has but one host with a share */
        for (uint32_t n_hosts = 2; n_hosts <= 4; n_hosts += 2) {
            struct rig rig;
            rig_open(&rig, kinds[i], n_hosts, NULL);
            check_slow_start(&rig);
            rig_close(&rig);
        }
    }
}

static void gives_first_s_first_host_a_growing_share(void **state)
{
    struct rig rig;
    uint32_t n_first = 0;

    (void)state;
    rig_open(&rig, SCHEDULER_FIRST, 2, NULL);
    start_slowly(&rig, 0);
    for (int i = 0; i < VISITS; i++) {
        uint32_t index = rig_pick_at(&rig.group, RIG_NOW_NS + SLOW_MS * MS / 4);
        pick_release(&rig.group, index);
        n_first += index == 0;
    }
    assert_in_range(n_first, VISITS / 5, VISITS * 3 / 10);
    rig_close(&rig);
}

/* With connections that stay open, one that comes back empty is the least of all. */
static void does_not_flood_a_returning_host_that_is_empty(void **state)
{
    enum { HOSTS = 5, EACH = 400 };
    static const enum scheduler_kind by_load[] = {SCHEDULER_LEASTCONN, SCHEDULER_TWOCHOICES};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct rig rig;
        rig_open(&rig, by_load[k], HOSTS, NULL);
        for (uint32_t i = 1; i < HOSTS; i++)
            for (int n = 0; n < EACH; n++)
                host_claim(&rig.segment, 0, RIG_FIRST_ROW + i, 0);
        start_slowly(&rig, 0);
        /* A quarter warm: never more than a quarter of the others', nor of those who come. */
        for (int i = 0; i < 100; i++)
            rig_pick_at(&rig.group, RIG_NOW_NS + SLOW_MS * MS / 4);
        assert_in_range(rig.group.hosts[0].row->in_flight, 1, 45);
        for (int i = 0; i < 2000; i++)
            rig_pick_at(&rig.group, RIG_NOW_NS + SLOW_MS * MS / 4);
        assert_in_range(rig.group.hosts[0].row->in_flight * 4,
                        rig.group.hosts[1].row->in_flight * 8 / 10,
                        rig.group.hosts[1].row->in_flight * 12 / 10);
        rig_close(&rig);
    }
}

/* Better a host that is cold than none. */
static void check_all_cold(struct rig *rig)
{
    const uint32_t warm_tried[] = {2};
    uint32_t index;

    start_slowly(rig, 0);
    start_slowly(rig, 1);
    for (int i = 0; i < 50; i++)
        assert_int_equal(rig_visit(&rig->group), 2);
    assert_int_equal(pick_without(rig, 1, warm_tried, &index), PICK_CHOSEN);
    assert_true(index < 2);
    pick_release(&rig->group, index);
    rig_limit(rig, 2, 1);
    assert_int_equal(rig_pick(&rig->group), 2);
    assert_true(rig_visit(&rig->group) < 2);
    host_set_health(&rig->segment, RIG_FIRST_ROW + 2, HEALTH_DOWN, NULL);
    assert_true(rig_visit(&rig->group) < 2);
    rig_limit(rig, 0, 1);
    rig_limit(rig, 1, 1);
    for (int i = 0; i < 2; i++)
        assert_true(rig_pick(&rig->group) < 2);
    assert_int_equal(pick_any(rig), PICK_FULL);
}

static void takes_cold_hosts_when_no_warm_one_is_left(void **state)
{
    (void)state;
    for_each_scheduler(3, check_all_cold);
}

static void keeps_a_client_s_way_while_a_share_grows(void **state)
{
    enum { CLIENTS = 2000, STEPS = 20 };
    static const enum scheduler_kind keyed[] = {SCHEDULER_SOURCE, SCHEDULER_MAGLEV};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        static uint32_t homes[CLIENTS];
        static uint32_t n_moves[CLIENTS];
        struct rig rig;
        rig_open(&rig, keyed[k], 4, NULL);
        start_slowly(&rig, 1);
        for (uint64_t step = 0; step <= STEPS; step++) {
            for (uint32_t n = 0; n < CLIENTS; n++) {
                const struct addr client = rig_client(n);
                const struct pick_request request = {
                    .now_ns = RIG_NOW_NS + step * SLOW_MS * MS / STEPS, .client = &client};
                uint32_t index;
                assert_int_equal(pick_host(&rig.group, &request, &index), PICK_CHOSEN);
                pick_release(&rig.group, index);
                if (step == 0)
                    n_moves[n] = 0;
                else
                    n_moves[n] += index != homes[n];
                /* To the host that warms up, once, and nowhere else. */
                assert_true(n_moves[n] == 0 || (n_moves[n] == 1 && index == 1));
                homes[n] = index;
            }
        }
        rig_close(&rig);
    }
}

/* fail_open */

static void check_fail_open(struct rig *rig)
{
    uint32_t seen[5] = {0};

    rig->model.fail_open = 50;
    host_set_admin(&rig->segment, RIG_FIRST_ROW + 4, ADMIN_DOWN);
    host_set_health(&rig->segment, RIG_FIRST_ROW + 0, HEALTH_DOWN, NULL);
    host_set_health(&rig->segment, RIG_FIRST_ROW + 1, HEALTH_DOWN, NULL);
    /* Two of four that could be: half, which is not fewer. */
    for (int i = 0; i < 50; i++)
        assert_in_range(rig_visit(&rig->group), 2, 3);
    assert_false(rig->group.is_open);
    atomic_store(&rig->group.hosts[2].row->ejected_until_ns, RIG_NOW_NS + 5 * SECOND);
    group_touch(&rig->segment, RIG_GROUP);
    for (int i = 0; i < 400; i++)
        seen[rig_pick(&rig->group)]++;
    assert_true(rig->group.is_open);
    assert_int_equal(seen[4], 0);
    if (rig->model.scheduler != SCHEDULER_FIRST)
        for (uint32_t i = 0; i < 4; i++)
            assert_true(seen[i] > 50);
    else
        assert_int_equal(seen[0], 400);
    /* One that has no address is none that could be: one of three is usable, and two may be. */
    host_set_health(&rig->segment, RIG_FIRST_ROW + 0, HEALTH_UNRESOLVED, NULL);
    for (int i = 0; i < 50; i++)
        assert_in_range(rig_visit(&rig->group), 1, 3);
    assert_true(rig->group.is_open);
    /* The ejection runs out: two of three. */
    for (int i = 0; i < 50; i++)
        assert_in_range(rig_pick_at(&rig->group, RIG_NOW_NS + 5 * SECOND), 2, 3);
    assert_false(rig->group.is_open);
    assert_int_equal(rig->group.hosts[2].row->ejected_until_ns, 0);
}

static void tries_all_when_too_few_are_usable(void **state)
{
    (void)state;
    for_each_scheduler(5, check_fail_open);
}

static void check_never_open(struct rig *rig)
{
    for (uint32_t i = 0; i < 3; i++)
        host_set_health(&rig->segment, RIG_FIRST_ROW + i, HEALTH_DOWN, NULL);
    assert_int_equal(pick_any(rig), PICK_NONE);
    assert_false(rig->group.is_open);
    rig->model.fail_open = 1;
    group_touch(&rig->segment, RIG_GROUP);
    assert_int_equal(pick_any(rig), PICK_CHOSEN);
    assert_true(rig->group.is_open);
    for (uint32_t i = 0; i < 3; i++)
        host_set_admin(&rig->segment, RIG_FIRST_ROW + i, ADMIN_DRAIN);
    assert_int_equal(pick_any(rig), PICK_NONE);
    assert_false(rig->group.is_open);
}

static void keeps_to_health_unless_told_to_open(void **state)
{
    (void)state;
    for_each_scheduler(3, check_never_open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_a_place_at_the_chosen_host),
        cmocka_unit_test(chooses_only_usable_hosts),
        cmocka_unit_test(chooses_each_host_once_for_a_connection),
        cmocka_unit_test(tells_full_hosts_from_none),
        cmocka_unit_test(waits_below_a_lowered_limit),
        cmocka_unit_test(takes_an_ejected_host_back_when_its_time_has_run_out),
        cmocka_unit_test(finds_none_in_an_empty_group),
        cmocka_unit_test(ends_when_everything_is_full),
        cmocka_unit_test(refuses_a_scheduler_that_there_is_not),
        cmocka_unit_test(finds_each_scheduler_by_its_kind),
        cmocka_unit_test(knows_whether_a_line_may_form),
        cmocka_unit_test(gives_a_returning_host_a_growing_share),
        cmocka_unit_test(gives_first_s_first_host_a_growing_share),
        cmocka_unit_test(does_not_flood_a_returning_host_that_is_empty),
        cmocka_unit_test(takes_cold_hosts_when_no_warm_one_is_left),
        cmocka_unit_test(keeps_a_client_s_way_while_a_share_grows),
        cmocka_unit_test(tries_all_when_too_few_are_usable),
        cmocka_unit_test(keeps_to_health_unless_told_to_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
