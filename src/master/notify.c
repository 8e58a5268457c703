/* SPDX-License-Identifier: MIT */
/* Readiness and watchdog by the sd_notify protocol, without libsystemd. */
#include "master/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"

/* "/path" or "@name" of the abstract namespace. Returns -1 for anything else. */
static int parse_socket(const char *name, struct addr *out)
{
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof out->un.sun_path)
        return -1;
    *out = (struct addr){.un = {.sun_family = AF_UNIX}};
    memcpy(out->un.sun_path, name, length);
    if (name[0] == '@')
        out->un.sun_path[0] = '\0';
    out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return 0;
}

static uint64_t read_watchdog_ns(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    int64_t number;
    if (pid != NULL && (units_parse_number(pid, &number) != 0 || number != getpid()))
        return 0;
    if (usec == NULL || units_parse_number(usec, &number) != 0 || number > INT64_MAX / 1000)
        return 0;
    return (uint64_t)number * 1000;
}

void notify_open(struct notify *notify)
{
    *notify = (struct notify){.fd = -1};
    const char *name = getenv("NOTIFY_SOCKET");
    if (name != NULL && parse_socket(name, &notify->address) == 0)
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd >= 0)
        notify->watchdog_ns = read_watchdog_ns();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    *notify = (struct notify){.fd = -1};
}

void notify_send(const struct notify *notify, const char *format, ...)
{
    if (notify->fd < 0)
        return;
    struct text message = {0};
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(&message, format, arguments);
    va_end(arguments);
    if (!message.failed && message.at != NULL)
        (void)!sendto(notify->fd, message.at, message.length, MSG_NOSIGNAL,
                      &notify->address.any, notify->address.length);
    text_fini(&message);
}

void notify_reloading(const struct notify *notify)
{
    /* Type=notify-reload wants the monotonic time of the beginning. */
    notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading",
                clock_now_ns() / 1000);
}
