/* SPDX-License-Identifier: MIT */
/*
 * The thread that carries log lines from a pipe to where they end.
 *
 * A regular file cannot be written without waiting for its disk, so this is no job for a loop.
 * The pipe is the queue: while the sink is busy nothing is read, the pipe fills, and its
 * non-blocking writers drop lines and count them. Only whole lines are handed to the sink, so it can be
 * exchanged between any two of its writes. A sink that fails loses the lines at hand; the next
 * ones are tried anew, so that it recovers by itself.
 */
#include "director/logwriter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536, FINISH_MS = 1000 };

struct log_writer {
    pthread_t thread;
    int pipe_fd, wake_fd;
    void (*on_change)(void *context);
    void *context;
    _Atomic uint64_t lost;
    _Atomic uint64_t *lost_ever; /* counts over all writers there were */
    _Atomic int error;

    pthread_mutex_t lock; /* over what is handed to the thread; held for a few stores */
    struct line_sink next;
    bool has_next, must_finish;

    /* The thread's own. */
    struct line_sink sink;
    char bytes[BUFFER_BYTES];
    size_t length;
    bool is_busy;  /* the sink took nothing at the last try */
    bool is_ended; /* nobody can write to the pipe any more */
};

static void set_error(struct log_writer *writer, int error)
{
    int before = atomic_exchange(&writer->error, error);
    if ((before == 0) != (error == 0))
        writer->on_change(writer->context);
}

static void forget(struct log_writer *writer, size_t length)
{
    writer->length -= length;
    memmove(writer->bytes, writer->bytes + length, writer->length);
}

/* The bytes up to and with the last newline; all of a buffer that is full without one. */
static size_t whole_lines(const struct log_writer *writer)
{
    const char *end = memrchr(writer->bytes, '\n', writer->length);
    if (end != NULL)
        return (size_t)(end - writer->bytes) + 1;
    return writer->length == BUFFER_BYTES ? BUFFER_BYTES : 0;
}

static void count_lost(struct log_writer *writer, uint64_t n)
{
    atomic_fetch_add(&writer->lost, n);
    atomic_fetch_add(writer->lost_ever, n);
}

/* Drops lines, counting them. */
static void lose(struct log_writer *writer, size_t length)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < length; i++)
        lines += writer->bytes[i] == '\n';
    count_lost(writer, lines);
    forget(writer, length);
}

/* After a fault in mid-line: its rest is lost, and what comes next begins a new line. */
static void mend(struct log_writer *writer)
{
    size_t taken;
    if (writer->sink.is_torn && line_sink_put(&writer->sink, "\n", 1, &taken) == LINES_TAKEN)
        writer->sink.is_torn = false;
}

/* Lines that the sink had taken and that went into the void. Returns how many more there are. */
static uint64_t count_unreached(struct log_writer *writer)
{
    uint64_t n = writer->sink.n_unreached;
    writer->sink.n_unreached = 0;
    count_lost(writer, n);
    return n;
}

/* Hands whole lines to the sink until it has all, is busy or fails. */
static void write_lines(struct log_writer *writer)
{
    writer->is_busy = false;
    if (writer->sink.kind == LINES_TO_FD && atomic_load(&writer->error) != 0)
        mend(writer);
    for (size_t length; (length = whole_lines(writer)) > 0;) {
        size_t taken;
        switch (line_sink_put(&writer->sink, writer->bytes, length, &taken)) {
        case LINES_TAKEN:
            forget(writer, taken);
            set_error(writer, count_unreached(writer) > 0 ? ECONNREFUSED : 0);
            break;
        case LINES_BUSY:
            writer->is_busy = true;
            return;
        case LINES_LOST:
            set_error(writer, errno);
            lose(writer, length);
            return;
        }
    }
}

/* False when the pipe held nothing, or there is no room for it. */
static bool read_pipe(struct log_writer *writer)
{
    size_t room = BUFFER_BYTES - writer->length;
    if (room == 0)
        return false;
    ssize_t length = read(writer->pipe_fd, writer->bytes + writer->length, room);
    writer->is_ended = length == 0;
    if (length <= 0)
        return false;
    writer->length += (size_t)length;
    return true;
}

/* Takes what was handed over. Returns true when the thread is to end. */
static bool take_orders(struct log_writer *writer)
{
    eventfd_t count;
    (void)eventfd_read(writer->wake_fd, &count);
    pthread_mutex_lock(&writer->lock);
    bool has_next = writer->has_next, must_finish = writer->must_finish;
    struct line_sink next = writer->next;
    writer->has_next = false;
    pthread_mutex_unlock(&writer->lock);

    if (has_next) {
        /* A line that the old sink took in part cannot go on in the new one. */
        const char *end = memchr(writer->bytes, '\n', writer->length);
        if (writer->sink.is_torn && end != NULL)
            lose(writer, (size_t)(end - writer->bytes) + 1);
        line_sink_fini(&writer->sink);
        writer->sink = next;
        set_error(writer, 0);
    }
    return must_finish;
}

/* Sleeps until there is something to do: orders, lines, or room in a sink that was busy. */
static void wait_for_work(const struct log_writer *writer)
{
    bool can_read = writer->sink.kind != LINES_KEPT && !writer->is_busy && !writer->is_ended;
    bool is_watched = writer->is_busy && writer->sink.kind != LINES_KEPT;
    struct pollfd ready[] = {
        {.fd = writer->wake_fd, .events = POLLIN},
        {.fd = can_read ? writer->pipe_fd : -1, .events = POLLIN},
        {.fd = is_watched ? writer->sink.fd : -1, .events = POLLOUT},
    };
    (void)poll(ready, sizeof ready / sizeof *ready, -1);
}

/* Empties the pipe into the sink; one that stays busy loses the rest. */
static void drain(struct log_writer *writer)
{
    if (writer->sink.kind == LINES_KEPT)
        return; /* master writes what is left */
    for (;;) {
        write_lines(writer);
        if (!writer->is_busy && !read_pipe(writer))
            break;
        struct pollfd room = {.fd = writer->sink.fd, .events = POLLOUT};
        if (writer->is_busy && poll(&room, 1, FINISH_MS) <= 0)
            break;
    }
    if (writer->length > 0)
        lose(writer, writer->length);
}

static void *run(void *argument)
{
    struct log_writer *writer = argument;
    while (!take_orders(writer)) {
        if (writer->sink.kind != LINES_KEPT) {
            if (!writer->is_busy)
                (void)read_pipe(writer);
            write_lines(writer);
        }
        wait_for_work(writer);
    }
    drain(writer);
    line_sink_fini(&writer->sink);
    return NULL;
}

/* The thread takes no signals: they belong to the loop. */
static int start_thread(struct log_writer *writer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int fault = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return fault;
}

struct log_writer *log_writer_new(int pipe_fd, _Atomic uint64_t *lost,
                                  void (*on_change)(void *context), void *context)
{
    struct log_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        close(pipe_fd);
        return NULL;
    }
    writer->pipe_fd = pipe_fd;
    writer->lost_ever = lost;
    writer->on_change = on_change;
    writer->context = context;
    pthread_mutex_init(&writer->lock, NULL);
    writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int fault = writer->wake_fd < 0 ? errno : 0;
    if (fault == 0 && fcntl(pipe_fd, F_SETFL, O_NONBLOCK) != 0)
        fault = errno;
    if (fault == 0)
        fault = start_thread(writer);
    if (fault == 0)
        return writer;

    if (writer->wake_fd >= 0)
        close(writer->wake_fd);
    close(pipe_fd);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
    errno = fault;
    return NULL;
}

void log_writer_set_sink(struct log_writer *writer, const struct line_sink *sink)
{
    pthread_mutex_lock(&writer->lock);
    struct line_sink unused = writer->has_next ? writer->next : (struct line_sink){0};
    writer->next = *sink;
    writer->has_next = true;
    pthread_mutex_unlock(&writer->lock);
    line_sink_fini(&unused);
    (void)eventfd_write(writer->wake_fd, 1);
}

struct log_writer_health log_writer_health(const struct log_writer *writer)
{
    return (struct log_writer_health){.lost = atomic_load(&writer->lost),
                                      .error = atomic_load(&writer->error)};
}

void log_writer_finish(struct log_writer *writer)
{
    if (writer == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->must_finish = true;
    pthread_mutex_unlock(&writer->lock);
    (void)eventfd_write(writer->wake_fd, 1);
    pthread_join(writer->thread, NULL);
    close(writer->wake_fd);
    close(writer->pipe_fd);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}
