/* SPDX-License-Identifier: MIT */
/* Whether an address is free to be bound, given a moment. */
#include "master/vacancy.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "net/sock.h"

enum { RETRY_MS = 10 };

bool vacancy_wait(const struct addr *address, const char *interface, int64_t patience_ms)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * (long)CLOCK_NS_PER_MS};
    uint64_t end_ns = clock_now_ns() + (uint64_t)patience_ms * CLOCK_NS_PER_MS;
    while (!sock_is_free(address, interface)) {
        if (errno != EADDRINUSE || clock_now_ns() >= end_ns)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}
