/* SPDX-License-Identifier: MIT */
/* Readiness and watchdog by the sd_notify protocol, without libsystemd. */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include <stdint.h>

#include "net/addr.h"

/* Where the service manager listens; zero length address = nobody does. */
struct notify {
    int fd; /* owned; -1 = nobody listens */
    struct addr address;
    uint64_t watchdog_ns; /* feed it at least so often; 0 = no watchdog */
};

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from the environment and takes them out of it,
 * so that no child thinks it is meant.
 */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* Sends lines such as "READY=1\nSTATUS=..."; what cannot be sent at once is lost. */
void notify_send(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says that a reload begins; ended by READY=1. */
void notify_reloading(const struct notify *notify);

#endif
