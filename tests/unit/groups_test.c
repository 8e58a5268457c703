/* SPDX-License-Identifier: MIT */
/* Tests of the cursor that workers share. */
#include "share/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "share/segment.h"

#define LINE_NOW UINT64_C(100000000000)

static int open_segment(void **state)
{
    static struct segment segment;
    *state = &segment;
    return segment_create(&segment, NULL);
}

static int close_segment(void **state)
{
    segment_fini(*state);
    return 0;
}

static struct group_row *fresh_row(void **state)
{
    struct segment *segment = *state;
    group_reset(segment, 4);
    return &segment->groups[4];
}

static void goes_round_the_cycle(void **state)
{
    struct group_row *row = fresh_row(state);

    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(group_next_position(row, 0, 7, 0), i % 7);
}

static void begins_anew_with_a_new_epoch(void **state)
{
    struct group_row *row = fresh_row(state);

    for (uint32_t i = 0; i < 3; i++)
        group_next_position(row, 0, 7, 0);
    assert_int_equal(group_next_position(row, 1, 4, 0), 0);
    assert_int_equal(group_next_position(row, 1, 4, 0), 1);
    assert_int_equal(group_next_position(row, 2, 4, 3), 3);
    assert_int_equal(group_next_position(row, 2, 4, 3), 0);
    assert_int_equal(group_next_position(row, 3, 4, 9), 1);
}

static void is_not_thrown_back_by_a_worker_behind(void **state)
{
    struct group_row *row = fresh_row(state);

    for (uint32_t i = 0; i < 6; i++)
        group_next_position(row, 9, 10, 0);
    /* Position 6 in a cycle of 4 is 2, and stays where it is. */
    assert_int_equal(group_next_position(row, 8, 4, 0), 2);
    assert_int_equal(group_next_position(row, 8, 4, 0), 2);
    assert_int_equal(group_next_position(row, 9, 10, 0), 6);
}

static void knows_the_newer_epoch_across_the_wrap(void **state)
{
    struct group_row *row = fresh_row(state);

    row->cursor = (uint64_t)UINT32_MAX << 32 | 5;
    assert_int_equal(group_next_position(row, 2, 10, 0), 0);
    assert_int_equal(group_next_position(row, UINT32_MAX, 10, 0), 1);
    assert_int_equal(group_next_position(row, 2, 10, 0), 1);
}

static void shows_the_coming_position_of_its_epoch_alone(void **state)
{
    struct group_row *row = fresh_row(state);
    uint32_t position = 99;

    group_next_position(row, 3, 5, 0);
    group_next_position(row, 3, 5, 0);
    assert_true(group_peek_position(row, 3, &position));
    assert_int_equal(position, 2);
    assert_false(group_peek_position(row, 2, &position));
    assert_int_equal(group_next_position(row, 3, 5, 0), 2);
}

static void shares_positions_exactly_between_processes(void **state)
{
    enum { PROCESSES = 4, ROUNDS = 250000, LENGTH = 7 };
    struct segment *segment = *state;
    struct group_row *row = fresh_row(state);
    pid_t children[PROCESSES];

    /* What each took is counted in host rows' totals: any shared counters will do. */
    for (uint32_t i = 0; i < LENGTH; i++)
        segment->hosts[i].in_flight = 0;
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] != 0)
            continue;
        while (segment->daemon->state != DAEMON_SERVING)
            ;
        for (int n = 0; n < ROUNDS; n++)
            atomic_fetch_add(&segment->hosts[group_next_position(row, 0, LENGTH, 0)].in_flight,
                             1);
        _exit(0);
    }
    segment->daemon->state = DAEMON_SERVING;
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
    for (uint32_t i = 0; i < LENGTH; i++) {
        int64_t expected = PROCESSES * ROUNDS / LENGTH + (i < PROCESSES * ROUNDS % LENGTH);
        assert_int_equal(segment->hosts[i].in_flight, expected);
    }
}

static void touching_moves_the_epoch_of_that_group_alone(void **state)
{
    struct segment *segment = *state;
    uint32_t epoch = segment->groups[4].epoch, other = segment->groups[5].epoch;

    group_touch(segment, 4);
    assert_int_equal(segment->groups[4].epoch, epoch + 1);
    assert_int_equal(segment->groups[5].epoch, other);
}

enum { LINE_SLOTS = 3 };

/* Slots 0 to 2 are worked in and beat at NOW. */
static struct segment *line_of(void **state)
{
    struct segment *segment = *state;
    group_reset(segment, 6);
    for (uint32_t slot = 0; slot < LINE_SLOTS; slot++) {
        segment_use_slot(segment, slot);
        segment->slots[slot].pid = 100 + (int32_t)slot;
        segment->slots[slot].heartbeat_ns = LINE_NOW;
        group_line_set_first(segment, 6, slot, 0);
    }
    return segment;
}

static uint32_t next_in_line(const struct segment *segment, uint64_t now_ns)
{
    uint32_t slot = 99;
    return group_line_first(segment, 6, now_ns, &slot) != 0 ? slot : 99;
}

static void serves_the_line_by_ticket_over_all_workers(void **state)
{
    struct segment *segment = line_of(state);
    struct group_row *row = &segment->groups[6];
    uint32_t slot = 0;

    assert_int_equal(group_line_first(segment, 6, LINE_NOW, &slot), 0);
    uint64_t first = group_line_ticket(row), second = group_line_ticket(row);
    assert_true(first > 0 && second > first);
    group_line_set_first(segment, 6, 2, first);
    group_line_set_first(segment, 6, 0, second);
    assert_int_equal(group_line_first(segment, 6, LINE_NOW, &slot), first);
    assert_int_equal(slot, 2);
    group_line_set_first(segment, 6, 2, 0);
    assert_int_equal(group_line_first(segment, 6, LINE_NOW, &slot), second);
    assert_int_equal(slot, 0);
    assert_int_equal(group_line_first(segment, 7, LINE_NOW, &slot), 0);
}

static void passes_over_workers_that_are_silent_or_gone(void **state)
{
    struct segment *segment = line_of(state);

    for (uint32_t slot = 0; slot < LINE_SLOTS; slot++)
        group_line_set_first(segment, 6, slot, group_line_ticket(&segment->groups[6]));
    assert_int_equal(next_in_line(segment, LINE_NOW), 0);
    segment->slots[0].pid = 0;
    assert_int_equal(next_in_line(segment, LINE_NOW), 1);
    segment->slots[2].heartbeat_ns = LINE_NOW + 5; /* younger than our time */
    assert_int_equal(next_in_line(segment, LINE_NOW + LINE_PATIENCE_NS), 1);
    assert_int_equal(next_in_line(segment, LINE_NOW + LINE_PATIENCE_NS + 1), 2);
    assert_int_equal(next_in_line(segment, LINE_NOW), 1);
    assert_int_equal(next_in_line(segment, LINE_NOW + 2 * LINE_PATIENCE_NS), 99);
}

static void a_dead_worker_leaves_every_line(void **state)
{
    struct segment *segment = line_of(state);

    group_line_set_first(segment, 6, 1, group_line_ticket(&segment->groups[6]));
    group_line_set_first(segment, 6, 2, group_line_ticket(&segment->groups[6]));
    group_line_leave(segment, 1);
    assert_int_equal(next_in_line(segment, LINE_NOW), 2);
    uint64_t before = segment->groups[6].next_ticket;
    group_reset(segment, 6);
    assert_int_equal(next_in_line(segment, LINE_NOW), 99);
    assert_true(group_line_ticket(&segment->groups[6]) > before);
}

/* Two workers, or two generations of one, share the row. */
static void one_complaint_a_second_over_all(void **state)
{
    (void)state;
    struct segment segment;
    uint64_t unshown = 99, start_ns = 5 * CLOCK_NS_PER_S;
    assert_int_equal(segment_create(&segment, NULL), 0);
    group_reset(&segment, 3);
    struct group_row *row = &segment.groups[3];
    assert_true(group_may_complain(row, start_ns, &unshown));
    assert_int_equal(unshown, 0);
    for (uint64_t i = 0; i < 10; i++)
        assert_false(group_may_complain(row, start_ns + i * 99999999, &unshown));
    assert_true(group_may_complain(row, start_ns + CLOCK_NS_PER_S, &unshown));
    assert_int_equal(unshown, 10);
    /* A process whose clock was far ahead has left its mark: it holds nobody for long. */
    atomic_store(&row->no_host_next_ns, start_ns + 1000 * CLOCK_NS_PER_S);
    assert_true(group_may_complain(row, start_ns + 3 * CLOCK_NS_PER_S, &unshown));
    segment_fini(&segment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_complaint_a_second_over_all),
        cmocka_unit_test(goes_round_the_cycle),
        cmocka_unit_test(begins_anew_with_a_new_epoch),
        cmocka_unit_test(is_not_thrown_back_by_a_worker_behind),
        cmocka_unit_test(knows_the_newer_epoch_across_the_wrap),
        cmocka_unit_test(shows_the_coming_position_of_its_epoch_alone),
        cmocka_unit_test(shares_positions_exactly_between_processes),
        cmocka_unit_test(touching_moves_the_epoch_of_that_group_alone),
        cmocka_unit_test(serves_the_line_by_ticket_over_all_workers),
        cmocka_unit_test(passes_over_workers_that_are_silent_or_gone),
        cmocka_unit_test(a_dead_worker_leaves_every_line),
    };
    return cmocka_run_group_tests(tests, open_segment, close_segment);
}
