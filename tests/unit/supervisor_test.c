/* SPDX-License-Identifier: MIT */
/* Tests of the supervisor's judgement. */
#include "master/supervisor.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

#define MS CLOCK_NS_PER_MS

static const struct supervisor_limits limits = {
    .period_ns = 100 * MS, .adopt_ns = 500 * MS, .stuck_ns = 2000 * MS};

/* One look, elapsed_ms after the one before. */
static enum supervisor_stage look(struct supervisor_memory *memory, uint64_t beat_ns,
                                  uint64_t elapsed_ms)
{
    bool is_stalled;
    uint64_t counted_ns = supervisor_count(elapsed_ms * MS, &limits, &is_stalled);
    return supervisor_judge(memory, beat_ns, counted_ns, is_stalled, &limits);
}

/* Looks each 100 ms at a silent worker until the stage is reached. Returns the milliseconds. */
static uint64_t time_to(struct supervisor_memory *memory, enum supervisor_stage stage)
{
    for (uint64_t ms = 100; ms <= 60000; ms += 100)
        if (look(memory, memory->beat_ns, 100) == stage)
            return ms;
    fail_msg("stage %d was never reached", (int)stage);
    return 0;
}

static void leaves_a_beating_worker_alone(void **state)
{
    (void)state;
    struct supervisor_memory memory = {.beat_ns = 1};
    for (uint64_t i = 2; i < 1000; i++)
        assert_int_equal(look(&memory, i, 100), STAGE_FINE);
}

static void silent_worker_goes_through_every_stage_in_time(void **state)
{
    (void)state;
    struct supervisor_memory memory = {.beat_ns = 1};
    assert_in_range(time_to(&memory, STAGE_ADOPT), 500, 600);
    assert_in_range(time_to(&memory, STAGE_ABORT), 1400, 1600);
    assert_int_equal(time_to(&memory, STAGE_KILL), 500);
    assert_int_equal(look(&memory, 1, 100), STAGE_KILL);
}

static void one_late_look_alone_acts_on_nobody(void **state)
{
    (void)state;
    struct supervisor_memory memory = {.beat_ns = 1};
    memory.silent_ns = 10000 * MS; /* however that came */
    assert_int_equal(look(&memory, 1, 100), STAGE_FINE);
    assert_true(memory.is_marked);
    assert_int_equal(look(&memory, 2, 100), STAGE_FINE);
    assert_false(memory.is_marked);
}

static void worker_that_beats_again_is_taken_back(void **state)
{
    (void)state;
    struct supervisor_memory memory = {.beat_ns = 1};
    time_to(&memory, STAGE_ADOPT);
    assert_int_equal(look(&memory, 2, 100), STAGE_FINE);
    assert_in_range(time_to(&memory, STAGE_ADOPT), 500, 600);
}

static void worker_that_was_aborted_is_past_saving(void **state)
{
    (void)state;
    struct supervisor_memory memory = {.beat_ns = 1};
    time_to(&memory, STAGE_ABORT);
    assert_int_equal(look(&memory, 2, 100), STAGE_ABORT);
    for (int i = 0; i < 4; i++)
        look(&memory, 3, 100);
    assert_int_equal(memory.stage, STAGE_KILL);
}

static void machine_that_slept_shoots_nobody(void **state)
{
    (void)state;
    struct supervisor_memory memory = {.beat_ns = 1};
    for (int i = 0; i < 4; i++)
        look(&memory, 1, 100);
    assert_int_equal(look(&memory, 1, 10000), STAGE_FINE);
    /* A whole fresh interval from here on. */
    assert_in_range(time_to(&memory, STAGE_ADOPT), 500, 600);
}

static void fresh_interval_is_granted_once(void **state)
{
    (void)state;
    struct supervisor_memory memory = {.beat_ns = 1};
    uint64_t looks = 0;
    /* The thread itself is late each time; a worker that never beats is found all the same. */
    while (look(&memory, 1, 300) != STAGE_ABORT)
        assert_true(++looks < 100);
    assert_in_range(looks, 15, 25);
}

static void starved_thread_counts_only_what_it_saw(void **state)
{
    (void)state;
    bool is_stalled;
    assert_int_equal(supervisor_count(100 * MS, &limits, &is_stalled), 100 * MS);
    assert_false(is_stalled);
    assert_int_equal(supervisor_count(190 * MS, &limits, &is_stalled), 190 * MS);
    assert_false(is_stalled);
    assert_int_equal(supervisor_count(5000 * MS, &limits, &is_stalled), 100 * MS);
    assert_true(is_stalled);
}

static void longer_adoption_than_patience_means_no_adoption(void **state)
{
    (void)state;
    const struct supervisor_limits odd = {
        .period_ns = 100 * MS, .adopt_ns = 3000 * MS, .stuck_ns = 1000 * MS};
    struct supervisor_memory memory = {.beat_ns = 1};
    for (int i = 0; i < 9; i++)
        assert_int_equal(supervisor_judge(&memory, 1, 100 * MS, false, &odd), STAGE_FINE);
    assert_int_equal(supervisor_judge(&memory, 1, 100 * MS, false, &odd), STAGE_ABORT);
}

/* Runs the thread over one process that sleeps, and beats if it is told how. Returns how it ended. */
static int end_of_sleeper(struct segment *segment, uint32_t place, _Atomic uint64_t *beat,
                          bool is_beating)
{
    struct supervisor *supervisor = supervisor_new(segment);
    uint64_t end_ns = clock_now_ns() + 20 * CLOCK_NS_PER_S;
    int status = 0, n_beats = 0;
    assert_non_null(supervisor);
    supervisor_set_limits(supervisor, 40, 200);
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    supervisor_watch(supervisor, place, pid);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        assert_true(clock_now_ns() < end_ns);
        if (is_beating && ++n_beats > 100) {
            supervisor_forget(supervisor, place);
            kill(pid, SIGTERM);
        } else if (is_beating) {
            atomic_store(beat, clock_now_ns());
        }
        usleep(5000);
    }
    assert_true(is_beating || supervisor_stage_of(supervisor, place) >= STAGE_ABORT);
    supervisor_free(supervisor);
    return WTERMSIG(status);
}

static void silent_worker_and_silent_director_are_aborted(void **state)
{
    struct segment segment;

    (void)state;
    assert_int_equal(segment_create(&segment, NULL), 0);
    segment_use_slot(&segment, 3);
    _Atomic uint64_t *worker = &segment.slots[3].heartbeat_ns;
    _Atomic uint64_t *director = &segment.daemon->director_beat_ns;
    assert_int_equal(end_of_sleeper(&segment, 3, worker, true), SIGTERM);
    assert_int_equal(end_of_sleeper(&segment, 3, worker, false), SIGABRT);
    assert_int_equal(end_of_sleeper(&segment, SUPERVISED_DIRECTOR, director, true), SIGTERM);
    assert_int_equal(end_of_sleeper(&segment, SUPERVISED_DIRECTOR, director, false), SIGABRT);
    segment_fini(&segment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_a_beating_worker_alone),
        cmocka_unit_test(silent_worker_goes_through_every_stage_in_time),
        cmocka_unit_test(one_late_look_alone_acts_on_nobody),
        cmocka_unit_test(worker_that_beats_again_is_taken_back),
        cmocka_unit_test(worker_that_was_aborted_is_past_saving),
        cmocka_unit_test(machine_that_slept_shoots_nobody),
        cmocka_unit_test(fresh_interval_is_granted_once),
        cmocka_unit_test(starved_thread_counts_only_what_it_saw),
        cmocka_unit_test(longer_adoption_than_patience_means_no_adoption),
        cmocka_unit_test(silent_worker_and_silent_director_are_aborted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
