/* SPDX-License-Identifier: MIT */
/* Tests of one look at the rows. */
#include "admin/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin_rig.h"

static void reads_up_and_free_slots(void **state)
{
    struct admin_rig *rig = *state;
    struct status_worker worker;
    assert_int_equal(status_count_slots(&rig->status), 3);
    assert_true(status_read_worker(&rig->status, 0, &worker));
    assert_string_equal(worker.state, "up");
    assert_int_equal(worker.pid, 4711);
    assert_true(worker.lag_ms > 0.24 && worker.lag_ms < 0.26);
    assert_false(status_read_worker(&rig->status, 2, &worker));
}

static void silence_of_a_worker_is_its_lag(void **state)
{
    struct admin_rig *rig = *state;
    struct status_worker worker;
    assert_true(status_read_worker(&rig->status, 1, &worker));
    assert_string_equal(worker.state, "stuck");
    assert_true(worker.lag_ms > 1999 && worker.lag_ms < 2001);
}

static void adds_up_shards_of_a_host(void **state)
{
    struct admin_rig *rig = *state;
    struct status_host host;
    status_read_host(&rig->status, 0, 0, &host);
    assert_string_equal(host.model->name, "app1");
    assert_int_equal(host.state, HOST_UP);
    assert_int_equal(host.weight, 3);
    assert_int_equal(host.figures.in_flight, 4);
    assert_int_equal(host.figures.connections_total, 200);
    assert_int_equal(host.figures.failures_total, 6);
    assert_int_equal(status_host_open(&rig->status, 0, 0), 4);
}

static void totals_count_a_shared_group_once(void **state)
{
    struct admin_rig *rig = *state;
    struct status_totals totals;
    host_set_admin(&rig->segment, 12, ADMIN_DOWN);
    status_read_totals(&rig->status, &totals);
    assert_int_equal(totals.hosts, 3);
    assert_int_equal(totals.hosts_up, 2);
    assert_int_equal(totals.workers, 2);
    assert_int_equal(totals.workers_up, 1);
    assert_int_equal(totals.connections, 8);
    assert_int_equal(totals.connections_total, 1000);
    assert_true(status_is_first_use(&rig->status, 0, 0));
    assert_false(status_is_first_use(&rig->status, 1, 0));
}

static void negative_gauge_counts_as_none(void **state)
{
    struct admin_rig *rig = *state;
    struct status_totals totals;
    atomic_store(&service_shard(&rig->segment, 0, 6)->connections, -2);
    atomic_store(&rig->segment.hosts[10].in_flight, -1);
    status_read_totals(&rig->status, &totals);
    assert_int_equal(totals.connections, 8);
    assert_int_equal(status_host_open(&rig->status, 0, 0), 0);
}

static void draining_by_either_word(void **state)
{
    struct admin_rig *rig = *state;
    assert_string_equal(status_state_word(&rig->status), "serving");
    assert_true(status_is_serving(&rig->status));
    rig->status.is_draining = true;
    assert_string_equal(status_state_word(&rig->status), "draining");
    assert_false(status_is_serving(&rig->status));
    rig->status.is_draining = false;
    atomic_store(&rig->segment.daemon->state, DAEMON_DRAINING);
    assert_string_equal(status_state_word(&rig->status), "draining");
    atomic_store(&rig->segment.daemon->state, DAEMON_STARTING);
    assert_false(status_is_serving(&rig->status));
    assert_false(status_is_draining(&rig->status));
}

static void prints_wildcard_as_the_file_does(void **state)
{
    struct admin_rig *rig = *state;
    char text[ADDR_TEXT_BYTES];
    assert_string_equal(status_print_listen(text, &rig->listens[0]), "*:80");
    assert_string_equal(status_print_listen(text, &rig->listens[1]), "127.0.0.1:81");
}

static void standby_groups_count_in_totals(void **state)
{
    struct admin_rig *rig = *state;
    struct status_totals totals;
    admin_rig_add_spare(rig);
    host_set_health(&rig->segment, 14, HEALTH_DOWN, "");
    status_read_totals(&rig->status, &totals);
    assert_int_equal(totals.hosts, 5);
    assert_int_equal(totals.hosts_up, 4);
    assert_true(status_is_first_use(&rig->status, 0, 1));
}

static void enabled_place_is_never_one_that_is_not_there(void **state)
{
    struct admin_rig *rig = *state;
    admin_rig_add_spare(rig);
    _Atomic uint32_t *enabled = &rig->segment.services[5].enabled;
    assert_int_equal(status_enabled(&rig->status, 0), 0);
    atomic_store(enabled, 1);
    assert_int_equal(status_enabled(&rig->status, 0), 1);
    assert_int_equal(status_group_at(&rig->status, 0, 1), 1);
    atomic_store(enabled, 2);
    assert_int_equal(status_enabled(&rig->status, 0), 0);
}

static void roles_follow_enabled_and_failover(void **state)
{
    struct admin_rig *rig = *state;
    admin_rig_add_spare(rig);
    assert_int_equal(status_role(&rig->status, 0, 0), ROLE_ENABLED);
    assert_int_equal(status_role(&rig->status, 0, 1), ROLE_STANDBY);
    for (uint32_t host = 10; host < 13; host++)
        host_set_health(&rig->segment, host, HEALTH_DOWN, "");
    assert_int_equal(status_role(&rig->status, 0, 0), ROLE_ENABLED);
    assert_int_equal(status_role(&rig->status, 0, 1), ROLE_FAILOVER);
    rig->services[0].failover = false;
    assert_int_equal(status_role(&rig->status, 0, 1), ROLE_STANDBY);
    atomic_store(&rig->segment.services[5].enabled, 1);
    assert_int_equal(status_role(&rig->status, 0, 0), ROLE_STANDBY);
    assert_int_equal(status_role(&rig->status, 0, 1), ROLE_ENABLED);
}

static void fails_open_below_its_share_alone(void **state)
{
    struct admin_rig *rig = *state;
    struct status_group group;
    rig->groups[0].fail_open = 50;
    host_set_health(&rig->segment, 10, HEALTH_DOWN, "");
    status_read_group(&rig->status, 0, &group);
    assert_int_equal(group.usable, 2);
    assert_false(group.is_failing_open); /* 2 of 3 */
    host_set_health(&rig->segment, 11, HEALTH_DOWN, "");
    status_read_group(&rig->status, 0, &group);
    assert_true(group.is_failing_open); /* 1 of 3 */
    host_set_admin(&rig->segment, 10, ADMIN_DOWN);
    status_read_group(&rig->status, 0, &group);
    assert_false(group.is_failing_open); /* 1 of the 2 that could be */
    rig->groups[0].fail_open = 0;
    host_set_health(&rig->segment, 12, HEALTH_DOWN, "");
    status_read_group(&rig->status, 0, &group);
    assert_int_equal(group.usable, 0);
    assert_false(group.is_failing_open);
}

static void what_is_not_known_of_a_host_is_negative(void **state)
{
    struct admin_rig *rig = *state;
    struct status_host host;
    struct host_row *row = &rig->segment.hosts[10];
    status_read_host(&rig->status, 0, 0, &host);
    assert_true(host.check_ms < 0 && host.next_check_s < 0 && host.slow_start < 0 &&
                host.drain_left_s < 0 && host.ports_left < 0);
    assert_string_equal(host.check, "none");

    atomic_store(&row->checks_total, 1);
    atomic_store(&row->check_took_ns, 2500000);
    atomic_store(&row->next_check_ns, rig->status.now_ns - 1);
    atomic_store(&row->ports_left, 28000);
    atomic_store(&row->drain_until_ns, rig->status.now_ns + 2 * CLOCK_NS_PER_S);
    rig->hosts[0].slow_start_ms = 10000;
    atomic_store(&row->returned_ns, rig->status.now_ns - 5 * CLOCK_NS_PER_S);
    status_read_host(&rig->status, 0, 0, &host);
    assert_true(host.check_ms == 2.5 && host.next_check_s == 0 && host.drain_left_s == 2);
    assert_true(host.ports_left == 27999);
    assert_true(host.slow_start > 0.49 && host.slow_start < 0.51);
    host_set_health(&rig->segment, 10, HEALTH_DOWN, "");
    status_read_host(&rig->status, 0, 0, &host);
    assert_true(host.slow_start < 0);
}

static void changes_come_newest_first_and_sixteen_at_most(void **state)
{
    struct admin_rig *rig = *state;
    struct host_change_copy changes[HOST_CHANGES];
    assert_int_equal(status_read_changes(&rig->status, 0, 0, changes), 0);
    host_set_health(&rig->segment, 10, HEALTH_DOWN, "first");
    host_set_health(&rig->segment, 10, HEALTH_UP, "second");
    assert_int_equal(status_read_changes(&rig->status, 0, 0, changes), 2);
    assert_int_equal(changes[0].state, HOST_UP);
    assert_int_equal(changes[1].state, HOST_DOWN);
    assert_string_equal(changes[1].reason, "first");
    for (int i = 0; i < 40; i++)
        host_set_health(&rig->segment, 10, i % 2 == 0 ? HEALTH_DOWN : HEALTH_UP, "more");
    assert_int_equal(status_read_changes(&rig->status, 0, 0, changes), HOST_CHANGES);
    assert_int_equal(changes[0].state, HOST_UP);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, admin_rig_open, admin_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(reads_up_and_free_slots),
        RIG_TEST(silence_of_a_worker_is_its_lag),
        RIG_TEST(adds_up_shards_of_a_host),
        RIG_TEST(totals_count_a_shared_group_once),
        RIG_TEST(negative_gauge_counts_as_none),
        RIG_TEST(draining_by_either_word),
        RIG_TEST(prints_wildcard_as_the_file_does),
        RIG_TEST(standby_groups_count_in_totals),
        RIG_TEST(enabled_place_is_never_one_that_is_not_there),
        RIG_TEST(roles_follow_enabled_and_failover),
        RIG_TEST(fails_open_below_its_share_alone),
        RIG_TEST(what_is_not_known_of_a_host_is_negative),
        RIG_TEST(changes_come_newest_first_and_sixteen_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
