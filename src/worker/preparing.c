/* SPDX-License-Identifier: MIT */
/* Builds a generation on a task thread, so that the loop goes on. */
#include "worker/preparing.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* One job. Owner: the task thread while it runs, then finish. */
struct preparing {
    struct generation_place place;
    int bundle_fd, keys_fd; /* owned; keys_fd -1 = there are none */
    uint64_t id;
    struct generation *generation;
    struct problems problems;
    preparing_done *done;
    void *context;
};

/*
 * A bundle is read whole, and let go at once. After the first one glibc would take the next from the heap (the threshold
 * for memory of its own grows by itself unless it is set), where it leaves a hole of its size for ever.
 */
static void give_large_memory_back(void)
{
    enum { LARGE_BYTES = 128 << 10 };
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

static void run(void *argument)
{
    struct preparing *job = argument;
    give_large_memory_back();
    job->generation =
        generation_new(&job->place, job->bundle_fd, job->keys_fd, job->id, &job->problems);
}

static void close_bundles(int bundle_fd, int keys_fd)
{
    close(bundle_fd);
    if (keys_fd >= 0)
        close(keys_fd);
}

/* What the files say that only workers read; one of them is enough to tell, and slot 0 has one always. */
static void log_warnings(const struct preparing *job)
{
    const char *line = job->problems.warnings.at;
    while (job->place.slot == 0 && line != NULL && *line != '\0') {
        int length = (int)strcspn(line, "\n");
        log_warning("%.*s", length, line);
        line += length + (line[length] == '\n');
    }
}

static void finish(void *argument)
{
    struct preparing *job = argument;
    const char *why = job->problems.errors.at;

    log_warnings(job);
    job->done(job->context, job->id, job->generation, why != NULL ? why : "out of memory");
    problems_fini(&job->problems);
    close_bundles(job->bundle_fd, job->keys_fd);
    free(job);
}

int preparing_begin(struct task_threads *tasks, const struct generation_place *place,
                    int bundle_fd, int keys_fd, uint64_t id, preparing_done *done,
                    void *context)
{
    struct preparing *job = calloc(1, sizeof *job);

    if (job != NULL) {
        *job = (struct preparing){.place = *place,
                                  .bundle_fd = bundle_fd,
                                  .keys_fd = keys_fd,
                                  .id = id,
                                  .done = done,
                                  .context = context};
        if (task_submit(tasks, run, finish, job) == 0)
            return 0;
        free(job);
    }
    close_bundles(bundle_fd, keys_fd);
    errno = ENOMEM;
    return -1;
}
