/* SPDX-License-Identifier: MIT */
/* Tests of checks over a real segment: hosts on loopback, models made by hand. */
#include "director/checks.h"

#include "host_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <ev.h>

#include "base/clock.h"
#include "base/log.h"
#include "share/segment.h"

enum { HOSTS_MOST = 100, GROUP_ROW = 3, FIRST_ROW = 7, INTERVAL_MS = 100, TIMEOUT_MS = 90 };

/* One configuration: one group. */
struct edition {
    struct model model;
    struct model_group group;
    struct model_host hosts[HOSTS_MOST];
    uint32_t numbers[HOSTS_MOST], group_number;
    struct bundle_rows rows;
};

static struct rig {
    struct ev_loop *loop;
    struct segment segment;
    struct bells bells;
    struct checks *checks;
    struct ev_timer patience;
    int log_pipe[2];
    char log[65536];
    size_t log_length;
} rig;

static const struct addr nowhere; /* of no family */

/* n hosts at the address, in rows FIRST_ROW and on. */
static struct edition *new_edition(size_t n, const struct addr *address)
{
    struct edition *edition = calloc(1, sizeof *edition);
    assert_non_null(edition);
    for (size_t i = 0; i < n; i++) {
        edition->hosts[i] =
            (struct model_host){.name = "app", .address = *address, .lookup = "", .weight = 1};
        edition->numbers[i] = FIRST_ROW + (uint32_t)i;
    }
    edition->group = (struct model_group){.name = "main",
                                          .hosts = edition->hosts,
                                          .n_hosts = n,
                                          .check = {.kind = CHECK_TCP},
                                          .check_interval_ms = INTERVAL_MS,
                                          .check_timeout_ms = TIMEOUT_MS,
                                          .rise = 2,
                                          .fall = 3,
                                          .tls_name = ""};
    edition->group_number = GROUP_ROW;
    edition->rows = (struct bundle_rows){.groups = &edition->group_number,
                                         .hosts = edition->numbers,
                                         .n_groups = 1,
                                         .n_hosts = n};
    edition->model = (struct model){.groups = &edition->group, .n_groups = 1, .n_hosts = n};
    return edition;
}

static void apply(const struct edition *edition)
{
    assert_int_equal(checks_apply(rig.checks, &edition->model, &edition->rows), 0);
}

static struct host_row *row_of(size_t n)
{
    return &rig.segment.hosts[FIRST_ROW + n];
}

static enum host_health health_of(size_t n)
{
    return (enum host_health)atomic_load(&row_of(n)->health);
}

static void on_patience(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    fail_msg("waited in vain");
}

#define RUN_UNTIL(condition)                                                                   \
    while (!(condition))                                                                       \
    ev_run(rig.loop, EVRUN_ONCE)

static void run_for(uint64_t ms)
{
    uint64_t end_ns = clock_now_ns() + ms * CLOCK_NS_PER_MS;
    RUN_UNTIL(clock_now_ns() >= end_ns);
}

/* Lines of the log so far that have the words. */
static int count_lines(const char *words)
{
    ssize_t n =
        read(rig.log_pipe[0], rig.log + rig.log_length, sizeof rig.log - 1 - rig.log_length);
    rig.log_length += n > 0 ? (size_t)n : 0;
    rig.log[rig.log_length] = '\0';
    int count = 0;
    for (const char *at = rig.log; (at = strstr(at, words)) != NULL; at++)
        count++;
    return count;
}

static int open_rig(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    memset(&rig, 0, sizeof rig);
    rig.loop = ev_loop_new(EVFLAG_NOENV);
    if (segment_create(&rig.segment, NULL) != 0 || pipe2(rig.log_pipe, O_NONBLOCK) != 0)
        return -1;
    log_to_fd(rig.log_pipe[1]);
    segment_use_slot(&rig.segment, 0);
    group_reset(&rig.segment, GROUP_ROW);
    for (uint32_t i = 0; i < HOSTS_MOST; i++) {
        host_reset(&rig.segment, FIRST_ROW + i, GROUP_ROW);
        host_set_weight(&rig.segment, FIRST_ROW + i, 1);
    }
    bells_init(&rig.bells);
    rig.checks = checks_new(rig.loop, &rig.segment, &rig.bells);
    ev_timer_init(&rig.patience, on_patience, HOST_PATIENCE_MS / 1000., 0.);
    ev_timer_start(rig.loop, &rig.patience);
    return rig.checks == NULL ? -1 : bells_make(&rig.bells, 0);
}

static int close_rig(void **state)
{
    (void)state;
    checks_free(rig.checks);
    log_to_fd(STDERR_FILENO);
    close(rig.log_pipe[0]);
    close(rig.log_pipe[1]);
    bells_fini(&rig.bells);
    segment_fini(&rig.segment);
    ev_loop_destroy(rig.loop);
    return 0;
}

static void a_host_goes_down_at_fall_and_up_at_rise(void **state)
{
    (void)state;
    struct addr address;
    int fd = host_bind(&address);
    struct edition *edition = new_edition(1, &address);
    uint64_t rung;
    apply(edition);
    assert_int_equal(health_of(0), HEALTH_UP);
    RUN_UNTIL(health_of(0) == HEALTH_DOWN);
    assert_int_equal(atomic_load(&row_of(0)->checks_total), 3);
    assert_int_equal(atomic_load(&row_of(0)->check_failures_total), 3);
    assert_int_equal(read(rig.bells.fds[0], &rung, sizeof rung), sizeof rung);
    char reason[HOST_REASON_BYTES];
    host_read_reason(row_of(0), reason);
    assert_string_equal(reason, "connect: Connection refused");
    assert_int_equal(listen(fd, 8), 0);
    RUN_UNTIL(health_of(0) == HEALTH_UP);
    uint64_t failures = atomic_load(&row_of(0)->check_failures_total);
    assert_int_equal(atomic_load(&row_of(0)->checks_total), failures + 2);
    assert_int_equal(count_lines("host main/app is down: connect: Connection refused\n"), 1);
    assert_int_equal(count_lines("host main/app is up\n"), 1);
    assert_int_equal(count_lines("group main: no usable host left\n"), 1);
    assert_int_equal(count_lines("group main: has usable hosts again"), 1);
    assert_int_equal(count_lines("\n"), 4);
    close(fd);
    checks_free(rig.checks);
    rig.checks = NULL;
    free(edition);
}

static void one_check_comes_in_each_interval(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, NULL, NULL);
    struct edition *edition = new_edition(1, &host.address);
    apply(edition);
    RUN_UNTIL(atomic_load(&row_of(0)->checks_total) == 1);
    uint64_t first_ns = atomic_load(&row_of(0)->next_check_ns);
    RUN_UNTIL(atomic_load(&row_of(0)->checks_total) == 11);
    uint64_t next_ns = atomic_load(&row_of(0)->next_check_ns);
    /* A busy machine may miss a turn; what is there stands in the grid. */
    assert_int_equal((next_ns - first_ns) % (INTERVAL_MS * CLOCK_NS_PER_MS), 0);
    assert_true(next_ns - first_ns >= 10 * INTERVAL_MS * CLOCK_NS_PER_MS);
    assert_true(atomic_load(&host.accepted) <= 11);
    assert_true(atomic_load(&row_of(0)->check_took_ns) > 0);
    assert_int_equal(count_lines("\n"), 0);
    checks_free(rig.checks);
    rig.checks = NULL;
    host_close(&host);
    free(edition);
}

static void starts_of_many_are_spread(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, NULL, NULL);
    struct edition *edition = new_edition(HOSTS_MOST, &host.address);
    edition->group.check_interval_ms = 2000;
    edition->hosts[17].address = nowhere; /* takes no place in the interval */
    apply(edition);
    enum { BUCKET_MS = 10 };
    uint32_t buckets[2000 / BUCKET_MS + 1] = {0};
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < HOSTS_MOST; i++) {
        uint64_t due_ns = atomic_load(&row_of(i)->next_check_ns);
        if (i == 17) {
            assert_int_equal(due_ns, 0);
            continue;
        }
        uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
        assert_true(++buckets[wait_ns / CLOCK_NS_PER_MS / BUCKET_MS] <= HOSTS_MOST / 20);
    }
    checks_free(rig.checks);
    rig.checks = NULL;
    host_close(&host);
    free(edition);
}

static void an_unchecked_host_is_well_and_one_without_address_is_not(void **state)
{
    (void)state;
    struct addr address;
    int fd = host_bind(&address);
    struct edition *edition = new_edition(2, &address);
    edition->group.check.kind = CHECK_NONE;
    edition->hosts[1].address = nowhere;
    host_set_health(&rig.segment, FIRST_ROW, HEALTH_DOWN, "of an earlier configuration");
    apply(edition);
    assert_int_equal(health_of(0), HEALTH_UP);
    assert_int_equal(health_of(1), HEALTH_UNRESOLVED);
    assert_int_equal(atomic_load(&row_of(0)->check_stretch), 0);
    /* The name means something now. */
    edition->hosts[1].address = address;
    struct edition *later = new_edition(2, &address);
    apply(later);
    assert_int_equal(health_of(1), HEALTH_UP);
    RUN_UNTIL(health_of(0) == HEALTH_DOWN && health_of(1) == HEALTH_DOWN);
    /* Checks are switched off: nobody knows better any more. */
    edition->group.check.kind = CHECK_NONE;
    apply(edition);
    assert_int_equal(health_of(0), HEALTH_UP);
    assert_int_equal(health_of(1), HEALTH_UP);
    assert_int_equal(atomic_load(&row_of(1)->next_check_ns), 0);
    uint64_t total = atomic_load(&row_of(0)->checks_total);
    run_for(3 * INTERVAL_MS);
    assert_int_equal(atomic_load(&row_of(0)->checks_total), total);
    checks_free(rig.checks);
    rig.checks = NULL;
    close(fd);
    free(edition);
    free(later);
}

static void a_reload_keeps_turns_and_runs(void **state)
{
    (void)state;
    struct addr address;
    int fd = host_bind(&address);
    struct edition *before = new_edition(3, &address), *after = new_edition(3, &address);
    apply(before);
    RUN_UNTIL(atomic_load(&row_of(0)->check_bad_run) == 2 &&
              atomic_load(&row_of(2)->check_bad_run) == 2);
    uint64_t due_ns = atomic_load(&row_of(0)->next_check_ns);
    /* Host 1 has left, another is new. */
    after->numbers[1] = FIRST_ROW + 9;
    apply(after);
    assert_int_equal(atomic_load(&row_of(0)->next_check_ns), due_ns);
    assert_int_equal(atomic_load(&row_of(0)->check_bad_run), 2);
    assert_int_equal(atomic_load(&row_of(1)->next_check_ns), 0);
    assert_int_not_equal(atomic_load(&row_of(9)->next_check_ns), 0);
    memset(before, 0x5a, sizeof *before); /* nothing points there any more */
    uint64_t left_total = atomic_load(&row_of(1)->checks_total);
    RUN_UNTIL(health_of(0) == HEALTH_DOWN && health_of(9) == HEALTH_DOWN);
    assert_int_equal(atomic_load(&row_of(1)->checks_total), left_total);
    assert_int_equal(atomic_load(&row_of(9)->checks_total), 3);
    free(before);
    before = new_edition(3, &address);
    apply(before);
    assert_int_equal(health_of(0), HEALTH_DOWN);
    checks_free(rig.checks);
    rig.checks = NULL;
    close(fd);
    free(before);
    free(after);
}

static void reloads_under_way_of_probes_stop_none_for_good(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, NULL, NULL); /* silent */
    struct edition *editions[2];
    static struct model_text hello[] = {{(const unsigned char *)"hello", 5}};
    static struct model_step steps[] = {{.is_expect = true, .texts = hello, .n_texts = 1}};
    for (size_t i = 0; i < 2; i++) {
        editions[i] = new_edition(1, &host.address);
        editions[i]->group.check =
            (struct model_check){.kind = CHECK_TALK, .steps = steps, .n_steps = 1};
    }
    for (size_t i = 0; health_of(0) == HEALTH_UP; i++) {
        apply(editions[i % 2]);
        run_for(INTERVAL_MS + 20);
    }
    assert_int_equal(count_lines("is down: no answer within 90ms"), 1);
    checks_free(rig.checks);
    rig.checks = NULL;
    host_close(&host);
    free(editions[0]);
    free(editions[1]);
}

static void a_new_director_carries_on(void **state)
{
    (void)state;
    struct addr address;
    int fd = host_bind(&address);
    struct edition *edition = new_edition(1, &address);
    apply(edition);
    RUN_UNTIL(health_of(0) == HEALTH_DOWN);
    uint64_t due_ns = atomic_load(&row_of(0)->next_check_ns);
    checks_free(rig.checks);
    assert_int_equal(listen(fd, 8), 0);
    rig.checks = checks_new(rig.loop, &rig.segment, &rig.bells);
    uint64_t before = atomic_load(&row_of(0)->checks_total);
    apply(edition);
    assert_int_equal(health_of(0), HEALTH_DOWN);
    uint64_t step_ns = INTERVAL_MS * CLOCK_NS_PER_MS;
    assert_int_equal(atomic_load(&row_of(0)->next_check_ns) % step_ns, due_ns % step_ns);
    RUN_UNTIL(health_of(0) == HEALTH_UP);
    assert_int_equal(atomic_load(&row_of(0)->checks_total), before + 2);
    checks_free(rig.checks);
    rig.checks = NULL;
    close(fd);
    free(edition);
}

static void a_wish_checks_now_and_one_good_check_is_enough(void **state)
{
    (void)state;
    struct addr address;
    int fd = host_bind(&address);
    struct edition *edition = new_edition(1, &address);
    edition->group.check_interval_ms = 1000000;
    edition->group.rise = 100;
    host_set_health(&rig.segment, FIRST_ROW, HEALTH_DOWN, "before");
    apply(edition);
    RUN_UNTIL(atomic_load(&row_of(0)->checks_total) == 1);
    uint64_t due_ns = atomic_load(&row_of(0)->next_check_ns);
    assert_int_equal(listen(fd, 8), 0);
    atomic_store(&row_of(0)->fails_in_row, 3);
    atomic_fetch_add(&row_of(0)->retry_wish, 1);
    RUN_UNTIL(atomic_load(&row_of(0)->checks_total) == 2);
    assert_int_equal(health_of(0), HEALTH_UP);
    assert_int_equal(atomic_load(&row_of(0)->fails_in_row), 0); /* pardoned */
    assert_int_equal(atomic_load(&row_of(0)->next_check_ns), due_ns);
    checks_free(rig.checks);
    rig.checks = NULL;
    close(fd);
    free(edition);
}

static void the_interval_stretches_and_falls_back_at_a_clients_fault(void **state)
{
    (void)state;
    struct host_rig host;
    host_open(&host, NULL, NULL);
    struct edition *edition = new_edition(1, &host.address);
    struct host_row *row = row_of(0);
    edition->group.check_interval_ms = 100;
    apply(edition);
    for (uint32_t wanted = 2; wanted <= 8; wanted *= 2) {
        uint64_t total = atomic_load(&row->checks_total);
        host_note_success(&rig.segment, 0, FIRST_ROW, 1000);
        RUN_UNTIL(atomic_load(&row->checks_total) == total + 1);
        assert_int_equal(atomic_load(&row->check_stretch), wanted);
    }
    uint64_t due_ns = atomic_load(&row->next_check_ns);
    atomic_fetch_add(&row->faults, 1);
    RUN_UNTIL(atomic_load(&row->check_stretch) == 1);
    uint64_t sooner_ns = atomic_load(&row->next_check_ns);
    assert_true(sooner_ns <= clock_now_ns() + 100 * CLOCK_NS_PER_MS && sooner_ns < due_ns);
    assert_int_equal((due_ns - sooner_ns) % (100 * CLOCK_NS_PER_MS), 0);
    checks_free(rig.checks);
    rig.checks = NULL;
    host_close(&host);
    free(edition);
}

static void a_host_is_probed_where_check_says(void **state)
{
    (void)state;
    struct host_rig host;
    struct addr address;
    int fd = host_bind(&address);
    host_open(&host, NULL, NULL);
    struct edition *edition = new_edition(1, &address);
    edition->hosts[0].check_address = host.address;
    apply(edition);
    RUN_UNTIL(atomic_load(&row_of(0)->check_good_run) == 2);
    assert_int_equal(atomic_load(&row_of(0)->check_failures_total), 0);
    checks_free(rig.checks);
    rig.checks = NULL;
    close(fd);
    host_close(&host);
    free(edition);
}

static void fail_open_is_told_once(void **state)
{
    (void)state;
    struct host_rig host;
    struct addr closed;
    int fd = host_bind(&closed);
    host_open(&host, NULL, NULL);
    struct edition *edition = new_edition(3, &closed);
    edition->hosts[0].address = host.address;
    edition->group.fail_open = 50;
    apply(edition);
    RUN_UNTIL(health_of(1) == HEALTH_DOWN && health_of(2) == HEALTH_DOWN);
    run_for(2 * INTERVAL_MS);
    assert_int_equal(count_lines("group main: only 1 of 3 hosts are usable"), 1);
    assert_int_equal(count_lines("group main"), 1);
    /* A reload says nothing anew. */
    struct edition *again = new_edition(3, &closed);
    again->hosts[0].address = host.address;
    again->group.fail_open = 50;
    apply(again);
    run_for(3 * INTERVAL_MS);
    assert_int_equal(count_lines("group main"), 1);
    assert_int_equal(listen(fd, 8), 0);
    RUN_UNTIL(health_of(1) == HEALTH_UP);
    assert_int_equal(count_lines("group main: has usable hosts again"), 1);
    checks_free(rig.checks);
    rig.checks = NULL;
    close(fd);
    host_close(&host);
    free(edition);
    free(again);
}

static void a_row_that_went_to_another_host_begins_anew(void **state)
{
    (void)state;
    struct addr address;
    int fd = host_bind(&address);
    struct edition *before = new_edition(1, &address), *after = new_edition(1, &address);
    before->group.check_interval_ms = after->group.check_interval_ms = 1000000;
    apply(before);
    RUN_UNTIL(atomic_load(&row_of(0)->checks_total) == 1);
    /* Master gave the row to another host. */
    atomic_fetch_add(&row_of(0)->incarnation, 1);
    atomic_store(&row_of(0)->next_check_ns, 0);
    atomic_store(&row_of(0)->check_bad_run, 0);
    apply(after);
    RUN_UNTIL(atomic_load(&row_of(0)->checks_total) == 2);
    assert_int_equal(atomic_load(&row_of(0)->check_bad_run), 1);
    checks_free(rig.checks);
    rig.checks = NULL;
    close(fd);
    free(before);
    free(after);
}

static void a_tls_ca_that_is_none_is_a_problem(void **state)
{
    (void)state;
    struct edition *edition = new_edition(1, &nowhere);
    struct problems problems = {0};
    assert_true(checks_verify(&edition->model, &problems));
    edition->group.check.kind = CHECK_TLS;
    edition->group.tls_ca = (struct model_file){
        .path = "/etc/ca.pem", .bytes = (const unsigned char *)"junk", .length = 4};
    edition->group.origin = (struct origin){.file = "x.conf", .line = 7};
    assert_false(checks_verify(&edition->model, &problems));
    assert_string_equal(problems.errors.at,
                        "x.conf:7: [group main] tls_ca: /etc/ca.pem holds no certificates in "
                        "PEM, or a broken one\n");
    problems_fini(&problems);
    free(edition);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_host_goes_down_at_fall_and_up_at_rise),
        TEST(one_check_comes_in_each_interval),
        TEST(starts_of_many_are_spread),
        TEST(an_unchecked_host_is_well_and_one_without_address_is_not),
        TEST(a_reload_keeps_turns_and_runs),
        TEST(reloads_under_way_of_probes_stop_none_for_good),
        TEST(a_new_director_carries_on),
        TEST(a_wish_checks_now_and_one_good_check_is_enough),
        TEST(the_interval_stretches_and_falls_back_at_a_clients_fault),
        TEST(a_host_is_probed_where_check_says),
        TEST(fail_open_is_told_once),
        TEST(a_row_that_went_to_another_host_begins_anew),
        TEST(a_tls_ca_that_is_none_is_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
