/* SPDX-License-Identifier: MIT */
/* Task threads: jobs run first in, first out, off the loop; answers come back through an eventfd. */
#ifndef BASE_TASK_H
#define BASE_TASK_H

struct task_threads; /* opaque; owner: whoever made it */

/*
 * run   on a task thread; touches only argument
 * done  on the thread that calls task_collect; may free argument
 */
typedef void task_run(void *argument);
typedef void task_done(void *argument);

/*
 * Starts n_threads threads (>= 1) that block every signal.
 * Returns NULL with errno when they cannot be started.
 */
struct task_threads *task_threads_new(int n_threads);

/* The same with threads that give way to others: niceness is added to the process's own, as setpriority(2) has it. */
struct task_threads *task_threads_new_nice(int n_threads, int niceness);

/* Waits for the jobs under way, drops queued ones after calling their done, frees all. */
void task_threads_free(struct task_threads *threads);

/* The descriptor that turns readable when task_collect has something to do; stays owned by threads. */
int task_threads_fd(const struct task_threads *threads);

/* Queues a job. Returns 0, or -1 with errno ENOMEM (neither function is then called). */
int task_submit(struct task_threads *threads, task_run *run, task_done *done, void *argument);

/* Calls done for every finished job, in the order they finished. */
void task_collect(struct task_threads *threads);

#endif
