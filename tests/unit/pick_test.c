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

static const enum scheduler_kind kinds[] = {SCHEDULER_ROUNDROBIN, SCHEDULER_LEASTCONN,
                                            SCHEDULER_RANDOM, SCHEDULER_WEIGHTED,
                                            SCHEDULER_FIRST};

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
    struct pick_request request = {.now_ns = RIG_NOW_NS, .n_tried = n_tried};

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

static void refuses_a_scheduler_that_is_not_built(void **state)
{
    struct model_group model = {.scheduler = SCHEDULER_MAGLEV};
    struct group group = {.model = &model};

    (void)state;
    assert_int_equal(pick_init(&group), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_null(scheduler_find((enum scheduler_kind)99));
    assert_null(scheduler_find(SCHEDULER_TWOCHOICES));
    assert_null(scheduler_find(SCHEDULER_SOURCE));
}

static void finds_each_scheduler_by_its_kind(void **state)
{
    (void)state;
    assert_string_equal(scheduler_find(SCHEDULER_ROUNDROBIN)->name, "roundrobin");
    assert_string_equal(scheduler_find(SCHEDULER_LEASTCONN)->name, "leastconn");
    assert_string_equal(scheduler_find(SCHEDULER_RANDOM)->name, "random");
    assert_string_equal(scheduler_find(SCHEDULER_WEIGHTED)->name, "weighted");
    assert_string_equal(scheduler_find(SCHEDULER_FIRST)->name, "first");
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
        cmocka_unit_test(refuses_a_scheduler_that_is_not_built),
        cmocka_unit_test(finds_each_scheduler_by_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
