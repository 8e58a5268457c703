/* SPDX-License-Identifier: MIT */
/* Task threads: jobs run first in, first out, off the loop; answers come back through an eventfd. */
#include "base/task.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/list.h"

/* One job; owner: the list it hangs in, or the thread that runs it. */
struct job {
    struct list_node node;
    task_run *run;
    task_done *done;
    void *argument;
};

struct task_threads {
    pthread_mutex_t lock;      /* guards the two lists and ending */
    pthread_cond_t wake;       /* a job was queued, or ending was set */
    struct list_node queued;   /* struct job, oldest first */
    struct list_node finished; /* struct job, in the order they finished */
    bool ending;
    int event_fd; /* readable while finished may hold something */
    int n_threads;
    int niceness;
    pthread_t threads[];
};

/* The next job to run, waiting for one; NULL when the threads shall end. */
static struct job *next_job(struct task_threads *threads)
{
    struct job *job = NULL;
    pthread_mutex_lock(&threads->lock);
    while (!threads->ending && list_is_empty(&threads->queued))
        pthread_cond_wait(&threads->wake, &threads->lock);
    if (!threads->ending) {
        job = container_of(threads->queued.next, struct job, node);
        list_remove(&job->node);
    }
    pthread_mutex_unlock(&threads->lock);
    return job;
}

static void finish_job(struct task_threads *threads, struct job *job)
{
    pthread_mutex_lock(&threads->lock);
    /* While something lies there the eventfd is readable, or task_collect is on its way to the list. */
    bool is_first = list_is_empty(&threads->finished);
    list_append(&threads->finished, &job->node);
    pthread_mutex_unlock(&threads->lock);
    if (is_first)
        eventfd_write(threads->event_fd,
                      1); /* fails only at 2^64 - 1 unread: readable anyway */
}

static void *thread_main(void *argument)
{
    struct task_threads *threads = argument;
    /* Linux has it by thread. Where it is refused all are equal. */
    if (threads->niceness != 0)
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), threads->niceness);
    for (struct job *job; (job = next_job(threads)) != NULL;) {
        job->run(job->argument);
        finish_job(threads, job);
    }
    return NULL;
}

/* Starts one thread with every signal blocked: it inherits the mask. Returns an errno or 0. */
static int start_thread(struct task_threads *threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error =
        pthread_create(&threads->threads[threads->n_threads], NULL, thread_main, threads);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        threads->n_threads++;
    return error;
}

struct task_threads *task_threads_new(int n_threads)
{
    return task_threads_new_nice(n_threads, 0);
}

struct task_threads *task_threads_new_nice(int n_threads, int niceness)
{
    assert(n_threads >= 1);
    struct task_threads *threads =
        calloc(1, sizeof *threads + (size_t)n_threads * sizeof *threads->threads);
    if (threads == NULL)
        return NULL;
    threads->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (threads->event_fd < 0) {
        free(threads);
        return NULL;
    }
    pthread_mutex_init(&threads->lock, NULL);
    pthread_cond_init(&threads->wake, NULL);
    threads->niceness = niceness;
    list_init(&threads->queued);
    list_init(&threads->finished);
    for (int i = 0; i < n_threads; i++) {
        int error = start_thread(threads);
        if (error != 0) {
            task_threads_free(threads);
            errno = error;
            return NULL;
        }
    }
    return threads;
}

/* Calls done for all jobs of a list that no other thread reaches any more. */
static void complete_jobs(struct list_node *jobs)
{
    while (!list_is_empty(jobs)) {
        struct job *job = container_of(jobs->next, struct job, node);
        assert(job->node.prev == jobs); /* so removing it moves jobs->next on */
        list_remove(&job->node);
        job->done(job->argument);
        free(job);
    }
}

void task_threads_free(struct task_threads *threads)
{
    if (threads == NULL)
        return;
    pthread_mutex_lock(&threads->lock);
    threads->ending = true;
    pthread_cond_broadcast(&threads->wake);
    pthread_mutex_unlock(&threads->lock);
    for (int i = 0; i < threads->n_threads; i++)
        pthread_join(threads->threads[i], NULL);
    complete_jobs(&threads->finished);
    complete_jobs(&threads->queued);
    close(threads->event_fd);
    pthread_cond_destroy(&threads->wake);
    pthread_mutex_destroy(&threads->lock);
    free(threads);
}

int task_threads_fd(const struct task_threads *threads)
{
    return threads->event_fd;
}

int task_submit(struct task_threads *threads, task_run *run, task_done *done, void *argument)
{
    struct job *job = malloc(sizeof *job);
    if (job == NULL)
        return -1;
    *job = (struct job){.run = run, .done = done, .argument = argument};
    pthread_mutex_lock(&threads->lock);
    list_append(&threads->queued, &job->node);
    pthread_mutex_unlock(&threads->lock);
    pthread_cond_signal(&threads->wake); /* whoever wakes finds the lock free */
    return 0;
}

void task_collect(struct task_threads *threads)
{
    /* First the eventfd, then the list: what finishes in between makes it readable again. */
    eventfd_t unused;
    eventfd_read(threads->event_fd, &unused);
    struct list_node collected;
    list_init(&collected);
    pthread_mutex_lock(&threads->lock);
    while (!list_is_empty(&threads->finished)) {
        struct list_node *node = threads->finished.next;
        list_remove(node);
        list_append(&collected, node);
    }
    pthread_mutex_unlock(&threads->lock);
    complete_jobs(&collected);
}
