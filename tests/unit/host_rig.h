/* SPDX-License-Identifier: MIT */
/* A host on loopback that a script in a thread plays, for the tests of checks. */
#ifndef TESTS_UNIT_HOST_RIG_H
#define TESTS_UNIT_HOST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/addr.h"

enum { HOST_PATIENCE_MS = 20000 };

enum host_end { ENDED_NOT, ENDED_BY_FIN, ENDED_BY_RESET };

/* Accepts until it is closed; each connection is played from its beginning to the client's end. */
struct host_rig {
    int listener;
    struct addr address;
    pthread_t thread;
    void (*script)(struct host_rig *host, int fd); /* NULL: says nothing */
    const void *argument;
    _Atomic int accepted, ended;
    _Atomic int last_end; /* enum host_end of the last connection */
    char heard[4096];     /* what script_answer read of the last connection */
    size_t n_heard;
};

/* Reads what else comes, and how it ends. */
static inline enum host_end host_read_end(int fd)
{
    char bytes[4096];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        ;
    return n == 0 ? ENDED_BY_FIN : ENDED_BY_RESET;
}

static inline void *host_run(void *argument)
{
    struct host_rig *host = argument;
    int fd;
    while ((fd = accept(host->listener, NULL, NULL)) >= 0) {
        atomic_fetch_add(&host->accepted, 1);
        if (host->script != NULL)
            host->script(host, fd);
        atomic_store(&host->last_end, (int)host_read_end(fd));
        atomic_fetch_add(&host->ended, 1);
        close(fd);
    }
    return NULL;
}

/* An address on loopback; nobody listens there yet. */
static inline int host_bind(struct addr *address)
{
    *address =
        (struct addr){.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                      .length = sizeof address->in};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &address->any, address->length), 0);
    assert_int_equal(getsockname(fd, &address->any, &address->length), 0);
    return fd;
}

static inline void host_open(struct host_rig *host,
                             void (*script)(struct host_rig *host, int fd),
                             const void *argument)
{
    *host = (struct host_rig){.script = script, .argument = argument};
    host->listener = host_bind(&host->address);
    assert_int_equal(listen(host->listener, 128), 0);
    assert_int_equal(pthread_create(&host->thread, NULL, host_run, host), 0);
}

static inline void host_close(struct host_rig *host)
{
    shutdown(host->listener, SHUT_RDWR); /* wakes accept */
    pthread_join(host->thread, NULL);
    close(host->listener);
}

/* Waits until so many connections have ended. */
static inline enum host_end host_wait_end(struct host_rig *host, int n)
{
    for (int i = 0; i < HOST_PATIENCE_MS && atomic_load(&host->ended) < n; i++)
        poll(NULL, 0, 1);
    assert_true(atomic_load(&host->ended) >= n);
    return (enum host_end)atomic_load(&host->last_end);
}

/* Script: says the text of the argument and waits. */
static inline void script_say(struct host_rig *host, int fd)
{
    (void)!send(fd, host->argument, strlen(host->argument), MSG_NOSIGNAL);
}

/* Script: reads to an empty line, says the text and ends. */
static inline void script_answer(struct host_rig *host, int fd)
{
    ssize_t n = 1;
    host->n_heard = 0;
    memset(host->heard, 0, sizeof host->heard);
    while (n > 0 && strstr(host->heard, "\r\n\r\n") == NULL) {
        n = recv(fd, host->heard + host->n_heard, sizeof host->heard - 1 - host->n_heard, 0);
        host->n_heard += n > 0 ? (size_t)n : 0;
    }
    script_say(host, fd);
    shutdown(fd, SHUT_WR);
}

#endif
