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
    assert_true(status_is_first_use(&rig->status, 0));
    assert_false(status_is_first_use(&rig->status, 1));
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

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, admin_rig_open, admin_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(reads_up_and_free_slots),          RIG_TEST(silence_of_a_worker_is_its_lag),
        RIG_TEST(adds_up_shards_of_a_host),         RIG_TEST(totals_count_a_shared_group_once),
        RIG_TEST(negative_gauge_counts_as_none),    RIG_TEST(draining_by_either_word),
        RIG_TEST(prints_wildcard_as_the_file_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
