/* SPDX-License-Identifier: MIT */
/* Lets tests hang, crash or shift in time a process of the test build; no part of a release. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/*
 * Linked only into the test build. A constructor looks at the process's own name; in a worker
 *   SIGRTMIN      makes it spin for ever, as a busy loop would
 *   SIGRTMIN+1    makes it lock a mutex twice, as a deadlock would: it sleeps for ever
 *   GAIDAROS_TEST_CRASH=PATH           makes it abort at its start while that file exists
 * and in every process
 *   GAIDAROS_TEST_CLOCK_OFFSET_NS=N    is added to what clock_now_ns tells (ld --wrap)
 */

#define WORKER_NAME "gaidaros: worker"

uint64_t __real_clock_now_ns(void);
uint64_t __wrap_clock_now_ns(void);

static uint64_t clock_offset_ns; /* set once, before main */

uint64_t __wrap_clock_now_ns(void)
{
    return __real_clock_now_ns() + clock_offset_ns;
}

static void on_spin(int signal_number)
{
    (void)signal_number;
    for (volatile bool spin = true; spin;) {
    }
}

static void on_deadlock(int signal_number)
{
    (void)signal_number;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    pthread_mutex_lock(&mutex);
}

static void catch_signal(int signal_number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigfillset(&action.sa_mask); /* nothing but SIGABRT's default and SIGKILL gets it out */
    sigdelset(&action.sa_mask, SIGABRT);
    sigaction(signal_number, &action, NULL);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal_number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

/* The C library hands a program's constructors what it hands main. */
__attribute__((constructor)) static void install_hooks(int argc, char **argv)
{
    const char *offset = getenv("GAIDAROS_TEST_CLOCK_OFFSET_NS");
    if (offset != NULL)
        clock_offset_ns = strtoull(offset, NULL, 10);
    if (argc < 1 || strncmp(argv[0], WORKER_NAME, strlen(WORKER_NAME)) != 0)
        return;
    const char *crash_path = getenv("GAIDAROS_TEST_CRASH");
    if (crash_path != NULL && access(crash_path, F_OK) == 0)
        abort();
    catch_signal(SIGRTMIN, on_spin);
    catch_signal(SIGRTMIN + 1, on_deadlock);
}
