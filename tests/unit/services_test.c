/* SPDX-License-Identifier: MIT */
/* Tests of the rows of services. */
#include "share/services.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "share/segment.h"

static int open_segment(void **state)
{
    static struct segment segment;
    if (segment_create(&segment, NULL) != 0)
        return -1;
    segment_use_slot(&segment, 2);
    *state = &segment;
    return 0;
}

static int close_segment(void **state)
{
    segment_fini(*state);
    return 0;
}

static void adds_up_all_workers(void **state)
{
    struct segment *segment = *state;
    struct service_figures figures;

    service_reset(segment, 7);
    for (uint32_t slot = 0; slot < 3; slot++) {
        struct service_shard *shard = service_shard(segment, slot, 7);
        shard->connections = 1 + (int64_t)slot;
        shard->waiting = 2;
        shard->connections_total = 10;
        shard->bytes_in = 100 * slot;
        shard->bytes_out = 1000;
        shard->outcomes[OUTCOME_IDLE] = slot;
    }
    service_shard(segment, 0, 8)->connections = 50;
    service_sum(segment, 7, &figures);
    assert_int_equal(figures.connections, 6);
    assert_int_equal(figures.waiting, 6);
    assert_int_equal(figures.connections_total, 30);
    assert_int_equal(figures.bytes_in, 300);
    assert_int_equal(figures.bytes_out, 3000);
    assert_int_equal(figures.outcomes[OUTCOME_IDLE], 3);
    assert_int_equal(figures.outcomes[OUTCOME_OK], 0);
}

static void begins_at_zero_after_reset(void **state)
{
    struct segment *segment = *state;
    struct service_figures figures;

    service_shard(segment, 1, 7)->connections_total = 9;
    service_shard(segment, 2, 7)->outcomes[OUTCOME_SHUTDOWN] = 9;
    service_shard(segment, 2, 8)->connections_total = 4;
    service_reset(segment, 7);
    service_sum(segment, 7, &figures);
    assert_int_equal(figures.connections_total, 0);
    assert_int_equal(figures.outcomes[OUTCOME_SHUTDOWN], 0);
    service_sum(segment, 8, &figures);
    assert_int_equal(figures.connections_total, 4);
}

static void claims_up_to_the_limit(void **state)
{
    struct segment *segment = *state;
    const struct service_row *row = &segment->services[9];

    service_reset(segment, 9);
    assert_true(service_claim(segment, 9, 2));
    assert_true(service_claim(segment, 9, 2));
    assert_int_equal(row->is_full, 0);
    assert_false(service_claim(segment, 9, 2));
    assert_int_equal(row->is_full, 1); /* who gives a place back learns that it is missed */
    service_release(segment, 9);
    assert_true(service_claim(segment, 9, 2));
    assert_int_equal(row->open, 2);
    /* Those beyond a limit that came later are counted, too. */
    assert_true(service_claim(segment, 9, 0));
    assert_false(service_claim(segment, 9, 3));
    for (int i = 0; i < 5; i++)
        service_release(segment, 9);
    assert_int_equal(row->open, 0);
    service_reset(segment, 9);
    assert_int_equal(row->is_full, 0);
}

/* Whoever was called and finds it full still is called again by the next place that comes free. */
static void says_that_it_is_missed_with_each_look(void **state)
{
    struct segment *segment = *state;
    struct service_row *row = &segment->services[9];

    service_reset(segment, 9);
    for (int i = 0; i < 3; i++)
        assert_true(service_claim(segment, 9, 0));
    assert_false(service_is_full(segment, 9, 0));
    assert_false(service_is_full(segment, 9, 4));
    assert_int_equal(row->is_full, 0);
    assert_true(service_is_full(segment, 9, 3));
    assert_int_equal(row->is_full, 1);
    atomic_store(&row->is_full, 0);
    assert_true(service_is_full(segment, 9, 2));
    assert_int_equal(row->is_full, 1);
    service_reset(segment, 9);
}

/* Each child holds a place for a moment and looks whether it is the only one. */
static void keeps_the_limit_exact_between_processes(void **state)
{
    enum { PROCESSES = 4, ROUNDS = 200000 };
    struct segment *segment = *state;
    pid_t children[PROCESSES];
    _Atomic int64_t *holders = &segment->hosts[0].in_flight; /* any shared word will do */

    service_reset(segment, 9);
    *holders = 0;
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] != 0)
            continue;
        bool is_exact = true;
        for (int n = 0; n < ROUNDS; n++) {
            if (!service_claim(segment, 9, 2))
                continue;
            is_exact &= atomic_fetch_add(holders, 1) < 2;
            atomic_fetch_sub(holders, 1);
            service_release(segment, 9);
        }
        _exit(is_exact ? 0 : 1);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(segment->services[9].open, 0);
}

static void gives_each_worker_its_own_cache_lines(void **state)
{
    struct segment *segment = *state;

    assert_int_equal((uintptr_t)service_shard(segment, 1, 0) % 64, 0);
    assert_ptr_equal(service_shard(segment, 1, 0),
                     service_shard(segment, 0, SEGMENT_SERVICES - 1) + 1);
    assert_int_equal(sizeof(struct service_shard) % 64, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_up_all_workers),
        cmocka_unit_test(begins_at_zero_after_reset),
        cmocka_unit_test(claims_up_to_the_limit),
        cmocka_unit_test(says_that_it_is_missed_with_each_look),
        cmocka_unit_test(keeps_the_limit_exact_between_processes),
        cmocka_unit_test(gives_each_worker_its_own_cache_lines),
    };
    return cmocka_run_group_tests(tests, open_segment, close_segment);
}
