/* SPDX-License-Identifier: MIT */
/* Tests of base/task. */
#include "base/task.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

/* What one job did, in the order of its group's counters. */
struct trace {
    _Atomic int n_runs, n_dones; /* shared by the jobs of one test */
    sem_t gate;                  /* a waiting job passes when it is posted */
    sem_t at_gate;               /* posted by a job that waits there */
};

struct errand {
    struct trace *trace;
    int run_number, done_number; /* from 1; 0 = never */
    pthread_t run_thread, done_thread;
    bool signals_blocked;
    struct task_threads *submit_to; /* where done queues next, when set */
    struct errand *next;
};

static void trace_init(struct trace *trace)
{
    *trace = (struct trace){0};
    sem_init(&trace->gate, 0, 0);
    sem_init(&trace->at_gate, 0, 0);
}

static void run_errand(void *argument)
{
    struct errand *errand = argument;
    errand->run_number = ++errand->trace->n_runs;
    errand->run_thread = pthread_self();
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    errand->signals_blocked = sigismember(&mask, SIGTERM) == 1 &&
                              sigismember(&mask, SIGCHLD) == 1 &&
                              sigismember(&mask, SIGRTMIN) == 1;
}

static void run_behind_gate(void *argument)
{
    struct errand *errand = argument;
    sem_post(&errand->trace->at_gate);
    sem_wait(&errand->trace->gate);
    run_errand(argument);
}

static void finish_errand(void *argument)
{
    struct errand *errand = argument;
    errand->done_number = ++errand->trace->n_dones;
    errand->done_thread = pthread_self();
    if (errand->submit_to != NULL)
        assert_int_equal(
            task_submit(errand->submit_to, run_errand, finish_errand, errand->next), 0);
}

/* Collects until so many are done, waiting for the descriptor in between. */
static void collect_until(struct task_threads *threads, const struct trace *trace, int n_dones)
{
    while (trace->n_dones < n_dones) {
        struct pollfd pollfd = {.fd = task_threads_fd(threads), .events = POLLIN};
        assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
        task_collect(threads);
    }
}

static void one_thread_runs_jobs_first_in_first_out(void **state)
{
    (void)state;
    struct trace trace;
    struct errand errands[50] = {0};
    trace_init(&trace);
    struct task_threads *threads = task_threads_new(1);
    for (int i = 0; i < 50; i++) {
        errands[i].trace = &trace;
        assert_int_equal(task_submit(threads, run_errand, finish_errand, &errands[i]), 0);
    }
    collect_until(threads, &trace, 50);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(errands[i].run_number, i + 1);
        assert_int_equal(errands[i].done_number, i + 1);
    }
    task_threads_free(threads);
}

static void done_runs_on_the_collecting_thread_only(void **state)
{
    (void)state;
    struct trace trace;
    trace_init(&trace);
    struct errand errand = {.trace = &trace};
    struct task_threads *threads = task_threads_new(2);
    assert_int_equal(task_submit(threads, run_errand, finish_errand, &errand), 0);
    struct pollfd pollfd = {.fd = task_threads_fd(threads), .events = POLLIN};
    assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
    assert_int_equal(trace.n_runs, 1);
    assert_int_equal(trace.n_dones, 0); /* finished, yet not collected */
    task_collect(threads);
    assert_int_equal(trace.n_dones, 1);
    assert_true(pthread_equal(errand.done_thread, pthread_self()));
    assert_false(pthread_equal(errand.run_thread, pthread_self()));
    task_threads_free(threads);
}

static void descriptor_rests_when_all_is_collected(void **state)
{
    (void)state;
    struct trace trace;
    trace_init(&trace);
    struct errand errand = {.trace = &trace};
    struct task_threads *threads = task_threads_new(1);
    struct pollfd pollfd = {.fd = task_threads_fd(threads), .events = POLLIN};
    assert_int_equal(poll(&pollfd, 1, 0), 0);
    task_collect(threads);
    assert_int_equal(task_submit(threads, run_errand, finish_errand, &errand), 0);
    collect_until(threads, &trace, 1);
    assert_int_equal(poll(&pollfd, 1, 0), 0);
    task_threads_free(threads);
}

static void threads_work_side_by_side(void **state)
{
    (void)state;
    struct trace trace;
    trace_init(&trace);
    struct errand errands[3] = {{.trace = &trace}, {.trace = &trace}, {.trace = &trace}};
    struct task_threads *threads = task_threads_new(3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(task_submit(threads, run_behind_gate, finish_errand, &errands[i]), 0);
    for (int i = 0; i < 3; i++) /* all three hang at the gate at once, or this never ends */
        sem_wait(&trace.at_gate);
    for (int i = 0; i < 3; i++)
        sem_post(&trace.gate);
    collect_until(threads, &trace, 3);
    task_threads_free(threads);
}

static void many_jobs_are_each_done_once(void **state)
{
    (void)state;
    enum { N = 2000 };
    struct trace trace;
    trace_init(&trace);
    struct errand *errands = calloc(N, sizeof *errands);
    struct task_threads *threads = task_threads_new(4);
    for (int i = 0; i < N; i++) {
        errands[i].trace = &trace;
        assert_int_equal(task_submit(threads, run_errand, finish_errand, &errands[i]), 0);
    }
    collect_until(threads, &trace, N);
    assert_int_equal(trace.n_runs, N);
    bool *seen = calloc(N + 1, sizeof *seen);
    for (int i = 0; i < N; i++) {
        assert_in_range(errands[i].done_number, 1, N);
        assert_false(seen[errands[i].done_number]);
        seen[errands[i].done_number] = true;
    }
    task_threads_free(threads);
    assert_int_equal(trace.n_dones, N);
    free(seen);
    free(errands);
}

static void done_may_submit_again(void **state)
{
    (void)state;
    struct trace trace;
    trace_init(&trace);
    struct task_threads *threads = task_threads_new(1);
    struct errand second = {.trace = &trace};
    struct errand first = {.trace = &trace, .submit_to = threads, .next = &second};
    assert_int_equal(task_submit(threads, run_errand, finish_errand, &first), 0);
    collect_until(threads, &trace, 2);
    assert_int_equal(second.done_number, 2);
    task_threads_free(threads);
}

static void jobs_run_with_signals_blocked(void **state)
{
    (void)state;
    struct trace trace;
    trace_init(&trace);
    struct errand errand = {.trace = &trace};
    struct task_threads *threads = task_threads_new(1);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0); /* ours stayed as it was */
    assert_int_equal(task_submit(threads, run_errand, finish_errand, &errand), 0);
    collect_until(threads, &trace, 1);
    assert_true(errand.signals_blocked);
    task_threads_free(threads);
}

static void *free_threads(void *argument)
{
    task_threads_free(argument);
    return NULL;
}

static void freeing_finishes_the_running_and_drops_the_queued(void **state)
{
    (void)state;
    struct trace trace;
    trace_init(&trace);
    struct errand finished = {.trace = &trace}, running = {.trace = &trace};
    struct errand queued[5] = {0};
    struct task_threads *threads = task_threads_new(1);
    assert_int_equal(task_submit(threads, run_errand, finish_errand, &finished), 0);
    assert_int_equal(task_submit(threads, run_behind_gate, finish_errand, &running), 0);
    for (int i = 0; i < 5; i++) {
        queued[i].trace = &trace;
        assert_int_equal(task_submit(threads, run_behind_gate, finish_errand, &queued[i]), 0);
    }
    sem_wait(&trace.at_gate); /* the second is under way */
    pthread_t freer;
    pthread_create(&freer, NULL, free_threads, threads);
    /* Freeing waits for the job at the gate; only then may the gate open. */
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 100000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    assert_int_not_equal(pthread_timedjoin_np(freer, NULL, &soon), 0);
    for (int i = 0; i < 6; i++)
        sem_post(&trace.gate);
    assert_int_equal(pthread_join(freer, NULL), 0);
    assert_int_equal(finished.run_number, 1);
    assert_int_equal(finished.done_number, 1);
    assert_int_equal(running.done_number, 2);
    assert_int_equal(trace.n_runs, 2);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(queued[i].run_number, 0);
        assert_int_equal(queued[i].done_number, 3 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_runs_jobs_first_in_first_out),
        cmocka_unit_test(done_runs_on_the_collecting_thread_only),
        cmocka_unit_test(descriptor_rests_when_all_is_collected),
        cmocka_unit_test(threads_work_side_by_side),
        cmocka_unit_test(many_jobs_are_each_done_once),
        cmocka_unit_test(done_may_submit_again),
        cmocka_unit_test(jobs_run_with_signals_blocked),
        cmocka_unit_test(freeing_finishes_the_running_and_drops_the_queued),
    };
    return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
