/* SPDX-License-Identifier: MIT */
/* Asks the scheduler to run the calling thread soon rather than for long. */
#include "base/slice.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

/* The least that the kernel takes. */
static const uint64_t slice_ns = CLOCK_NS_PER_MS / 10;

/* As the kernel has it; the C library has no name for it. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

void slice_shorten(void)
{
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, 0);
    struct attributes wanted = {
        .size = sizeof wanted, .policy = SCHED_OTHER, .nice = nice, .runtime_ns = slice_ns};

    if (errno == 0 && sched_getscheduler(0) == SCHED_OTHER)
        (void)syscall(SYS_sched_setattr, 0, &wanted, 0);
}
